"""On marketing: what mid counts of short links is ours, once, however often its pages come."""

import pytest
from tests.engine.stock import NOW_MS, Stock
from tests.engine.test_relay_word import JUNE, WAIT_S, Marketing, delivered, sent
from tests.web.link_door import LinkDoor, path_of

from chappe.engine.store.relay_catalogue import relayed
from chappe.features.relay.models import RelayPage
from chappe.features.tracking.services import LinkFigure, MessageClick, clicks_of, figures
from chappe.messaging import ClickTold, DeliveryState, Told
from chappe.messaging.relay import read_pages

SALE, NEWS = "https://shop.example/sale", "https://shop.example/news"


@pytest.fixture
def marketing(stock: Stock) -> Marketing:
    return Marketing(stock)


def clicked(number: int, clicks: int = 1, machines: int = 0, place: int = 0, url: str = SALE) -> Told:
    return Told(clicks=[ClickTold(number, place, url, clicks, machines, NOW_MS, NOW_MS + clicks)])


def test_clicks_on_mid_are_ours_by_our_own_numbers(marketing: Marketing) -> None:
    first, second = marketing.hand_over(2)
    marketing.push(1, sent(1000, 1001), clicked(1000), clicked(1001, 2, 1), clicked(1001, 1, 0, 1, NEWS))
    assert clicks_of(first) == [MessageClick(SALE, 1, 0, NOW_MS, NOW_MS + 1)]
    assert [(one.url, one.clicks, one.machine_clicks) for one in clicks_of(second)] == [(SALE, 2, 1), (NEWS, 1, 0)]
    found = figures(JUNE)
    assert (found.people, found.clicks, found.machine_clicks) == (2, 4, 1)
    assert found.links == [LinkFigure(SALE, 2, 3, 1), LinkFigure(NEWS, 1, 1, 0)]


def test_pages_that_come_again_or_are_read_again_count_nothing_twice(stock: Stock, marketing: Marketing) -> None:
    (message,) = marketing.hand_over(1)
    told = (sent(1000), clicked(1000), delivered(1000), clicked(1000, 2))
    marketing.push(1, *told)
    before = (clicks_of(message), figures(JUNE))
    marketing.push(1, *told)
    marketing.hear(1, *told, is_again=True)
    Marketing(stock, "engine-2").hear(1, *told, is_again=True)
    assert (clicks_of(message), figures(JUNE)) == before
    assert figures(JUNE).clicks == 2


def test_clicks_of_a_message_long_delivered_are_heeded(stock: Stock, marketing: Marketing) -> None:
    (message,) = marketing.hand_over(1)
    marketing.push(1, sent(1000), delivered(1000))
    Marketing(stock, "engine-2").hear(3, clicked(1000))
    assert [one.clicks for one in clicks_of(message)] == [1]


def test_clicks_of_messages_that_are_not_known_yet_wait_for_them(stock: Stock, marketing: Marketing) -> None:
    (message,) = stock.enqueue(1, delivery=JUNE)
    marketing.finish(marketing.lease())
    marketing.push(1, clicked(1000, 3))
    assert (clicks_of(message), marketing.waiting()) == ([], 1)
    marketing.answered([message])
    marketing.now_ms += 1000
    marketing.collect()
    assert [one.clicks for one in clicks_of(message)] == [3]
    assert marketing.waiting() == 0


def test_clicks_of_messages_that_nobody_knows_are_given_up(marketing: Marketing) -> None:
    marketing.push(1, clicked(4000))
    marketing.now_ms += WAIT_S * 1000 + 1
    marketing.collect()
    assert marketing.waiting() == 0


def test_times_are_moved_to_our_clock(marketing: Marketing) -> None:
    (message,) = marketing.hand_over(1)
    marketing.push(1, sent(1000), clicked(1000), ahead_ms=60_000)
    assert clicks_of(message)[0].first_ms == NOW_MS - 60_000


@pytest.mark.parametrize(
    "told",
    [
        clicked(1000, place=15),
        clicked(1000, place=-1),
        clicked(1000, url="*"),
        clicked(1000, url=""),
        clicked(1000, url="javascript:alert(1)"),
        clicked(1000, -5, -1),
    ],
)
def test_what_cannot_be_is_not_believed(marketing: Marketing, told: Told) -> None:
    (message,) = marketing.hand_over(1)
    marketing.push(1, sent(1000), told)
    assert (clicks_of(message), figures(JUNE).clicks) == ([], 0)


def test_words_that_no_database_keeps_are_kept_as_far_as_it_does(marketing: Marketing) -> None:
    (message,) = marketing.hand_over(1)
    marketing.push(1, sent(1000), clicked(1000, 1 << 40, url=f"{SALE}/\0{'x' * 500}"))
    (found,) = clicks_of(message)
    assert (len(found.url), found.clicks) == (400, (1 << 31) - 1)


def test_pages_of_a_mid_that_follows_no_links_are_read() -> None:
    old = b'{"first":1,"last":1,"now_ms":0,"told":[[[[7,8]],[],[],[],[]]]}'
    (told,) = read_pages(old).told
    assert (told.sent, told.clicks, told.size) == ([(7, 8)], [], 1)


def test_a_click_at_mids_door_reaches_marketing_by_the_pages_that_it_makes(
    database: str, stock: Stock, marketing: Marketing
) -> None:
    """Both installations in one database."""
    options, body = b'{"link_base":"https://m.example/l/"}', f"See {SALE}?id=1"
    (there,) = stock.enqueue(1, delivery=relayed(5, JUNE), body=body, options=options, state=int(DeliveryState.SENT))
    (here,) = marketing.hand_over(1, first=there)
    door = LinkDoor(database, clock=lambda: NOW_MS)
    for _ in range(2):
        assert door.open(path_of(there)).headers["location"] == f"{SALE}?id=1"
    door.close()
    pages = b",".join(bytes(page.told) for page in RelayPage.objects.order_by("pk"))
    marketing.push(1, *read_pages(b'{"first":1,"last":2,"now_ms":0,"told":[%s]}' % pages).told)
    assert clicks_of(here) == [MessageClick(SALE, 2, 0, NOW_MS, NOW_MS)]


def test_clicks_of_what_mid_handed_over_itself_go_on_to_who_handed_it_to_mid(
    stock: Stock, marketing: Marketing
) -> None:
    (between,) = stock.enqueue(1, delivery=relayed(5, JUNE))
    marketing.finish(marketing.lease())
    marketing.answered([between])
    marketing.push(1, clicked(1000, 2))
    (page,) = RelayPage.objects.order_by("pk")
    (click,) = read_pages(b'{"first":1,"last":1,"now_ms":0,"told":[%s]}' % bytes(page.told)).told[0].clicks
    assert (page.pk, click.message_id, click.clicks) == (relayed(5, 1), between, 2)
