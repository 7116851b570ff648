"""Two installations, one of which sends for the other; either may be away or be killed, and what is between them fails."""

import shutil
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import msgspec
import pytest
from tests.faults.plant import DELIVERED, WINDOW, wait
from tests.faults.two_tiers import MID_LINKS, Delivery, Tier, TwoTiers
from tests.faults.wire import Fate, some

from chappe.features.accounts import operator
from chappe.features.accounts import services as accounts
from chappe.features.consent.services import Block, add_to_quarantine
from chappe.messaging import DeliveryState, MessageOptions
from chappe.rules.link import ELSEWHERE

BUNDLE = b"POST /v1/messages/batch"
HEARD_S = 2.0
"""Within which each side heeds what people said to the other, while they reach each other."""
CLOCKS_APART_S = 300.0
PHONE_BROWSER = "Mozilla/5.0 (Android 14; Mobile; rv:126.0) Gecko/126.0 Firefox/126.0"


@pytest.fixture(scope="module")
def both(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoTiers]:
    folder = tmp_path_factory.mktemp("tiers")
    with TwoTiers(copies(sqlite_template, folder), folder) as made:
        yield made


@pytest.fixture
def tiers(both: TwoTiers) -> Iterator[TwoTiers]:
    """At work, as they were left by the test before or started anew."""
    both.up()
    starts = [tier.log.stat().st_size for tier in (both.mid, both.marketing)]
    yield both
    for tier, start in zip((both.mid, both.marketing), starts, strict=True):
        print(f"--- {tier.name}\n", tier.log.read_bytes()[start:].decode())  # pytest shows it where the test failed


def copies(template: Path, folder: Path) -> tuple[str, str]:
    """Databases for mid and for marketing."""
    paths = folder / "mid.sqlite3", folder / "marketing.sqlite3"
    for path in paths:
        shutil.copyfile(template, path)
    return f"sqlite:///{paths[0]}", f"sqlite:///{paths[1]}"


# -- one of them is away ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["web", "engine", "all"])
def test_what_is_prepared_while_mid_is_away_waits_and_goes_on_by_itself(tiers: TwoTiers, what: str) -> None:
    if what != "web":
        tiers.mid.stop_engine()
    if what != "engine":
        tiers.mid.stop_web()
    delivery = tiers.begin()
    delivery.add(500)
    if what == "engine":
        wait(lambda: tiers.handed_over(delivery) == 500, "all messages on mid")
    else:
        wait(tiers.trouble, "the trouble to be shown")
    assert (delivery.sent(), tiers.marketing.stock.counted(delivery.number)) == (0, {DeliveryState.WAITING: 500})
    tiers.mid.up()
    delivery.assert_whole()
    wait(lambda: not tiers.trouble(), "the end of the trouble")


def test_what_mid_sends_while_marketing_is_away_is_known_there_afterwards(tiers: TwoTiers) -> None:
    tiers.mid.stop_engine()
    delivery = tiers.begin()
    delivery.add(1000)
    wait(lambda: tiers.handed_over(delivery) == 1000, "all messages on mid")
    tiers.marketing.kill_engine()
    tiers.marketing.kill_web()
    tiers.mid.up()
    wait(lambda: tiers.counts(delivery.number) == {DELIVERED: 1000}, "the delivery of all by mid")
    assert delivery.delivered() == 0
    tiers.marketing.up()
    delivery.assert_whole()


# -- what is between them --------------------------------------------------------------------------------------------


def test_nothing_is_lost_or_sent_twice_where_the_way_is_cut_again_and_again(tiers: TwoTiers, is_long: bool) -> None:
    delivery, cuts = tiers.begin(), 0
    while cuts < (500 if is_long else 50):
        delivery.add(tiers.chance.randrange(1, 60))
        time.sleep(tiers.chance.uniform(0, 0.06))
        cuts += bool(tiers.chance.choice((tiers.over, tiers.back)).cut())
    delivery.assert_whole()


def test_nothing_is_sent_twice_where_answers_are_lost_after_mid_stored_the_messages(tiers: TwoTiers) -> None:
    tiers.over.set(some(tiers.chance, 0.5, Fate.ANSWER_IS_LOST, BUNDLE))
    delivery, before = tiers.begin(), tiers.over.lost
    while tiers.over.lost < before + 5:
        delivery.add(50)
        time.sleep(tiers.chance.uniform(0, 0.1))
    tiers.over.set()
    delivery.assert_whole()
    assert tiers.marketing.duplicates_marked() == 0


def test_a_slow_way_delays_and_does_no_more(tiers: TwoTiers) -> None:
    tiers.over.set(delay_s=0.2)
    tiers.back.set(delay_s=0.2)
    delivery = tiers.begin()
    delivery.add(1000)
    delivery.assert_whole()


# -- pushes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fate", [Fate.IS_LOST, Fate.ANSWER_IS_LOST])
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_what_pushes_do_not_bring_is_asked_for(tiers: TwoTiers, share: float, fate: Fate) -> None:
    wait(lambda: tiers.told() == tiers.pages()[0], "what happened before to be pushed")
    delivery, before, told = tiers.begin(), tiers.back.lost, tiers.told()
    tiers.back.set(some(tiers.chance, share, fate))
    while tiers.back.lost < before + 2:
        delivery.add(20)
        time.sleep(tiers.chance.uniform(0.05, 0.15))
    delivery.assert_whole()
    assert share < 1 or tiers.told() == told
    tiers.back.set()
    wait(lambda: tiers.told() == tiers.pages()[0], "all pages to be pushed after all")
    delivery.assert_whole()


@pytest.mark.parametrize("fate", [Fate.PASSES, Fate.IS_LOST, Fate.ANSWER_IS_LOST])
def test_links_that_mid_makes_and_people_open_are_counted_by_marketing_once(tiers: TwoTiers, fate: Fate) -> None:
    delivery, options = tiers.begin(), msgspec.json.encode(MessageOptions(link_base=ELSEWHERE))
    delivery.add(3, text="See https://shop.example/sale?a=1 ", options=options)
    delivery.assert_whole()
    tiers.back.set(some(tiers.chance, 1.0, fate))
    for message_id in delivery.ids:
        number = tiers.marketing.stock.message(message_id)["recipient"].removeprefix("+")
        ((text,),) = [(one["text"],) for one in tiers.smsc.get("/messages", destination=number)]
        path = text.split()[1].removeprefix(MID_LINKS)
        assert [opened(tiers.mid, path) for _ in range(2)] == ["https://shop.example/sale?a=1"] * 2
    counted = "SELECT people, clicks, machine_clicks FROM link_count WHERE delivery_id = ? AND url = '*'"
    wait(lambda: tiers.marketing.stock.query(counted, delivery.number) == [(3, 6, 0)], "the clicks")
    tiers.back.set()
    wait(lambda: tiers.told() == tiers.pages()[0], "all pages to be pushed after all")
    assert tiers.marketing.stock.query(counted, delivery.number) == [(3, 6, 0)]


def opened(tier: Tier, path: str) -> str | None:
    """Where a phone is led to."""
    asked = HTTPConnection("127.0.0.1", tier.web_port, timeout=10)
    asked.request("GET", path, headers={"User-Agent": PHONE_BROWSER})
    location = asked.getresponse().headers["Location"]
    asked.close()
    return location


def test_pushes_that_are_played_again_or_altered_are_refused_and_counted(tiers: TwoTiers) -> None:
    before = len(tiers.back.requests)
    delivery = tiers.begin()
    delivery.add(300)
    delivery.assert_whole()
    wait(lambda: tiers.told() == tiers.pages()[0], "the last push")
    pushes = tiers.back.requests[before:]
    counted = {outcome: tiers.calls(outcome) for outcome in ("played again", "no proof")}
    was = state_of(tiers, delivery)
    again = [answer_to(tiers.marketing, push) for push in pushes]
    altered = [answer_to(tiers.marketing, one) for push in pushes for one in alterations(push)]
    assert again == [409] * len(pushes)
    assert altered == [401] * 3 * len(pushes)
    wait(lambda: tiers.calls("played again") == counted["played again"] + len(again), "their count")
    wait(lambda: tiers.calls("no proof") == counted["no proof"] + len(altered), "their count")
    assert state_of(tiers, delivery) == was
    delivery = tiers.begin()
    delivery.add(50)
    delivery.assert_whole()


def answer_to(tier: Tier, request: bytes) -> int:
    """The status of what the web process answers."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    client = HTTPConnection("127.0.0.1", tier.web_port, timeout=10)
    client.request(method, path, body, dict(line.split(": ", 1) for line in lines))
    status = client.getresponse().status
    client.close()
    return status


def alterations(push: bytes) -> list[bytes]:
    """The same with another body, another number, and another time."""
    head, _, body = push.partition(b"\r\n\r\n")
    assert b"webhook-id: push_" in head
    return [
        head + b"\r\n\r\n" + body[:-5] + bytes([body[-5] ^ 1]) + body[-4:],
        push.replace(b"webhook-id: push_", b"webhook-id: push_9"),
        push.replace(b"webhook-timestamp: 1", b"webhook-timestamp: 2"),
    ]


def state_of(tiers: TwoTiers, delivery: Delivery) -> object:
    stock = tiers.marketing.stock
    return tiers.pages(), stock.counts(delivery.number), stock.query("SELECT count(*) FROM hook_event")


# -- kill -9 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["marketing", "mid"])
@pytest.mark.parametrize("what", ["engine", "web"])
def test_nothing_is_lost_where_processes_are_killed(tiers: TwoTiers, is_long: bool, name: str, what: str) -> None:
    tier = {"marketing": tiers.marketing, "mid": tiers.mid}[name]
    delivery, kills = tiers.begin(), 30 if is_long else 3
    for _ in range(kills):
        before = delivery.sent()
        delivery.add(200)
        wait(lambda b=before: delivery.sent() > b, "messages")  # type: ignore[misc]
        delivery.add(200)
        time.sleep(tiers.chance.uniform(0, 0.3))
        if what == "engine":
            tier.kill_engine()
        else:
            tier.kill_web()
        tier.up()
    delivery.assert_whole(kills * WINDOW if (name, what) == ("mid", "engine") else 0)


# -- what people said ------------------------------------------------------------------------------------------------


def test_a_stop_that_reaches_mid_is_heeded_by_marketing(tiers: TwoTiers) -> None:
    delivery = tiers.begin()
    delivery.add(5)
    delivery.assert_whole()
    phone = stop_by_phone(tiers, delivery)
    assert tiers.marketing.stock.inbound()[-1][:3] == (f"+{phone}", "36180", "STOP")
    later = tiers.begin()
    tiers.marketing.fill(1, delivery=later.number, recipient=f"+{phone}")
    wait(lambda: tiers.marketing.stock.counts(later.number) == {DeliveryState.EXCLUDED: 1}, "the exclusion")
    assert tiers.counts(later.number) == {}


def stop_by_phone(tiers: TwoTiers, delivery: Delivery) -> str:
    """The person who got the first message of a delivery wants no more, by a text to mid, and marketing hears of it."""
    phone = str(tiers.marketing.stock.message(delivery.ids[0])["recipient"]).removeprefix("+")
    tiers.smsc.post("/inbound", text="STOP", sender=phone, recipient="36180")
    wait(lambda: denylisted(tiers.marketing, phone), "the STOP to be heeded", HEARD_S)
    assert denylisted(tiers.mid, phone)
    return phone


def denylisted(tier: Tier, phone: str) -> bool:
    entry = tier.stock.quarantine(f"+{phone}")
    return entry is not None and entry[0] == "denylisted"


def test_a_quarantine_of_marketing_holds_at_mid(tiers: TwoTiers) -> None:
    delivery = tiers.begin()
    delivery.add(20)
    delivery.assert_whole()
    tiers.mid.stop_engine()
    last = tiers.begin()
    last.add(1)
    wait(lambda: tiers.handed_over(last) == 1, "a message that waits on mid")
    phone = str(tiers.marketing.stock.message(last.ids[0])["recipient"])
    with tiers.marketing.django():
        add_to_quarantine(tiers.marketing.stock.organisation_id, Block(phone, reason="wrong"), int(time.time() * 1000))
    wait(lambda: tiers.mid.stock.quarantine(phone), "the entry on mid", HEARD_S)
    assert tiers.mid.stock.quarantine(phone)[:2] == ("quarantine", "wrong")  # type: ignore[index]
    tiers.mid.up()
    wait(lambda: tiers.marketing.stock.counts(last.number) == {DeliveryState.EXCLUDED: 1}, "the exclusion by mid")
    assert (tiers.counts(last.number), last.sent()) == ({DeliveryState.EXCLUDED: 1}, 0)


# -- the operator ----------------------------------------------------------------------------------------------------


def test_what_a_wrong_password_keeps_back_goes_on_with_the_right_one(tiers: TwoTiers) -> None:
    tiers.marketing.write_settings(password="of somebody else")
    wait(tiers.is_out_of_step, "the first refusal")
    delivery = tiers.begin()
    delivery.add(100)
    wait(lambda: "password or key is wrong" in tiers.trouble(), "the trouble to be shown")
    assert (delivery.sent(), tiers.handed_over(delivery)) == (0, 0)
    tiers.marketing.write_settings(password=tiers.key.secret)
    delivery.assert_whole()


def test_an_operator_that_is_switched_off_hands_nothing_over_until_it_is_on_again(tiers: TwoTiers) -> None:
    switch(tiers, on=False)
    wait(tiers.is_out_of_step, "the first refusal")
    delivery = tiers.begin()
    wait(lambda: delivery.add(1) or tiers.trouble(), "the trouble to be shown")
    before = tiers.handed_over(delivery)
    delivery.add(100)
    assert tiers.handed_over(delivery) == before < len(delivery.ids)
    switch(tiers, on=True)
    delivery.assert_whole()


def switch(tiers: TwoTiers, *, on: bool) -> None:
    with tiers.mid.django():
        operator.change_operator(tiers.mid.stock.organisation_id, tiers.operator_id, operator.Change(is_enabled=on), 1)


def test_keys_rotate_while_messages_cross_without_a_stop(tiers: TwoTiers) -> None:
    organisation_id, delivery, troubles = tiers.mid.stock.organisation_id, tiers.begin(), set[str]()

    def cross() -> None:
        for _ in range(5):
            before = delivery.sent()
            delivery.add(40)
            wait(lambda b=before: delivery.sent() > b, "messages")  # type: ignore[misc]
            troubles.add(tiers.trouble())

    cross()
    with tiers.mid.django():
        second = operator.add_key(organisation_id, tiers.operator_id, "second", 1)
    cross()
    tiers.marketing.write_settings(password=second.secret)
    cross()
    with tiers.mid.django():
        accounts.revoke_api_key(organisation_id, tiers.key.row.pk, 1)
    tiers.key = second
    cross()
    delivery.assert_whole()
    assert troubles == {""}


# -- clocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead_s", [CLOCKS_APART_S, -CLOCKS_APART_S])
def test_clocks_that_are_far_apart_change_nothing(tiers: TwoTiers, ahead_s: float) -> None:
    tiers.mid.down()
    tiers.mid.environment["CHAPPE_TEST_AHEAD_S"] = str(ahead_s)
    tiers.up()
    began_ms, delivery = int(time.time() * 1000), tiers.begin()
    delivery.add(200, expires_ms=began_ms + 120_000)
    delivery.assert_whole()
    ended_ms = int(time.time() * 1000)
    for message_id in delivery.ids[::20]:
        message = tiers.marketing.stock.message(message_id)
        assert began_ms - 2000 <= message["sent_ms"] <= message["done_ms"] <= ended_ms + 2000
    stop_by_phone(tiers, delivery)
