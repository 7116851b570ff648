"""What marketing makes of what mid tells: once, however often it is told, whoever told it, and whatever else has happened."""

from typing import Any

import msgspec
import pytest
from tests.engine.stock import DAY_MS, NOW_MS, Desk, Stock, delivery_row

from chappe.engine.store.frame import Answer, Leases
from chappe.engine.store.relay_frame import PagesHeard, StepTaken
from chappe.features.consent.models import ConsentEvent, Quarantine
from chappe.messaging import DeliveryState, Pages, StateTold, TextTold, Told, WishTold

NUMBER = "+33611111111"
THEIRS = 900
"""Mid's numbers are ours and so much more."""
WAITING, DELIVERED = DeliveryState.WAITING, DeliveryState.DELIVERED


@pytest.fixture
def house(stock: Stock) -> Desk:
    return Desk(stock, hands_over=True, provider="relay", full_phone_number=True)


def hear(desk: Desk, first: int, *told: Told, is_again: bool = False) -> list[Answer]:
    pages = Pages(first, first + len(told) - 1, desk.now_ms, told)
    return desk.handle(PagesHeard(desk.number(), 1, msgspec.json.encode(pages), is_again))


def hand_over(stock: Stock, desk: Desk, count: int = 1, delivery: int = 0) -> list[int]:
    ids = stock.enqueue(count, delivery=delivery)
    desk.lease()
    desk.record(segments=[(i << 12, 1, str(THEIRS + i), desk.now_ms, delivery) for i in ids])
    return ids


def delivered(message_id: int, status: str = "DELIVRD") -> Told:
    number = THEIRS + message_id
    return Told(sent=[(number, NOW_MS)], delivered=[(number, NOW_MS, status, "000")])


def traffic(stock: Stock) -> dict[Any, Any]:
    return dict(stock.query("SELECT kind, sum(messages) FROM traffic GROUP BY kind"))


def test_a_text_that_is_read_again_is_kept_once(stock: Stock, house: Desk) -> None:
    page = Told(texts=[TextTold(5, NUMBER, "36180", "Bonjour", NOW_MS)])
    hear(house, 1, page)
    hear(house, 1, page, is_again=True)
    assert len(stock.inbound()) == 1


def test_receipts_read_again_are_counted_once(stock: Stock, house: Desk) -> None:
    (message_id,) = hand_over(stock, house)
    hear(house, 1, delivered(message_id))
    before = traffic(stock)
    hear(house, 1, delivered(message_id), is_again=True)
    assert traffic(stock) == before


def test_an_engine_just_started_heals_by_reading_again(stock: Stock, house: Desk) -> None:
    (message_id,) = hand_over(stock, house)
    hear(house, 1, Told(sent=[(THEIRS + message_id, NOW_MS)]))
    other = Desk(stock, "engine-2", hands_over=True, provider="relay")
    hear(other, 2, Told(delivered=[(THEIRS + message_id, NOW_MS, "DELIVRD", "000")]), is_again=True)
    assert stock.state(message_id) == DELIVERED


@pytest.mark.parametrize("status", ["DELIVRD\0", "D" * 60])
def test_words_that_no_database_keeps_are_kept_as_far_as_it_does(stock: Stock, house: Desk, status: str) -> None:
    (message_id,) = hand_over(stock, house)
    hear(house, 1, delivered(message_id, status))
    assert stock.state(message_id) == DELIVERED


def test_what_only_a_newer_mid_knows_changes_nothing(stock: Stock, house: Desk) -> None:
    (message_id,) = hand_over(stock, house)
    hear(house, 1, Told(states=[StateTold(THEIRS + message_id, 46, NOW_MS)]))
    entries = [(NUMBER, "", "blocked", "", NOW_MS)]
    house.handle(StepTaken(1, 1, 1, 0, 0, 0, 0, "", "", None, "", NOW_MS, entries=entries))
    assert stock.state(message_id) == WAITING
    assert not Quarantine.objects.filter(address=NUMBER).exists()


@pytest.mark.parametrize(("said_ms", "status"), [(NOW_MS - DAY_MS, "denylisted"), (NOW_MS + DAY_MS, "valid")])
def test_between_a_stop_here_and_a_start_on_mid_the_later_one_holds(
    stock: Stock, house: Desk, said_ms: int, status: str
) -> None:
    Quarantine.objects.create(
        organisation_id=1, address=NUMBER, status="denylisted", created_ms=NOW_MS, changed_ms=NOW_MS - 1000
    )
    hear(house, 1, Told(wishes=[WishTold(NUMBER, True, "the person wrote START", said_ms)]))
    assert Quarantine.objects.get(address=NUMBER).status == status
    assert ConsentEvent.objects.get(address=NUMBER).at_ms == said_ms


@pytest.mark.parametrize("gap", [0, 1])
def test_what_mid_has_is_left_to_mid_after_a_crash(stock: Stock, house: Desk, gap: int) -> None:
    """Also where the delivery was cancelled meanwhile: mid says what becomes of each."""
    delivery = delivery_row("sending").pk
    ids = stock.enqueue(3, delivery=delivery, gap=gap)
    house.lease()
    house.record(segments=[(i << 12, 1, str(THEIRS + i), house.now_ms, delivery) for i in ids[:2]])
    stock.query("UPDATE delivery SET status = 'cancelled' WHERE id = ?", delivery)
    other = Desk(stock, "engine-2", hands_over=True, provider="relay")
    other.now_ms += 60_000
    other.tick()
    assert stock.states(ids[:2]) == [WAITING, WAITING]
    hear(other, 1, Told(states=[StateTold(THEIRS + i, DeliveryState.CANCELLED, NOW_MS, "cancelled") for i in ids[:2]]))
    assert stock.states(ids[:2]) == [DeliveryState.CANCELLED] * 2


def test_an_interrupted_hand_over_is_made_again_and_is_no_possible_duplicate(stock: Stock, house: Desk) -> None:
    stock.enqueue(3)
    house.lease()
    other = Desk(stock, "engine-2", hands_over=True, provider="relay")
    other.now_ms += 60_000
    want = msgspec.structs.replace(other.want(), hands_over=True)
    (leased,) = next(answer.leases for answer in other.handle(want) if isinstance(answer, Leases))
    assert [message.is_possible_duplicate for message in leased.messages] == [False] * 3
