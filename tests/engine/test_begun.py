"""Long messages of which some segments are on the wire when the others may not go out any more, or not yet."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from tests.engine.house import House, in_loop, quirks, until
from tests.engine.stock import delivery_row

from chappe.engine import worker
from chappe.messaging import DeliveryState
from chappe.simulator import Simulator
from chappe.simulator.quirks import Inbound

DELIVERED, FAILED, UNCONFIRMED = DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.UNCONFIRMED
WAITING = DeliveryState.WAITING
SEGMENTS = 7
TEXT = "x" * 153 * (SEGMENTS - 1)
WINDOW = 2
ANSWER_MS = 400.0


@pytest.fixture
def url(sqlite_url: str, bound: Callable[[str], None]) -> str:
    bound(sqlite_url)
    return sqlite_url


@asynccontextmanager
async def begun(house: House, messages: int = WINDOW) -> AsyncIterator[Simulator]:
    """An engine that has put a window of a message onto the wire, and waits for the first answer."""
    async with house.at_work(quirks(latency_ms=ANSWER_MS)) as (_, smsc):
        await until(lambda: smsc.stats().messages == messages, "the first segments")
        yield smsc


async def sends_on(house: House, smsc: Simulator) -> None:
    """All of the window is free: messages go out two by two, and nothing of what was left out comes with them."""
    house.stock.query("DELETE FROM quarantine")
    before = smsc.stats().messages
    single = house.fill(2 * WINDOW, recipient="+33600000009")
    await until(lambda: house.stock.states(single) == [DELIVERED] * len(single), "the delivery of others")
    await until(lambda: smsc.stats().links[0].pending == 0, "the last answer")
    assert smsc.stats().messages - before == len(single)


def failed(house: House, message_id: int, why: str) -> bool:
    message = house.stock.message(message_id)
    sent = house.stock.query("SELECT count(*) FROM segment WHERE id >> 12 = ?", message_id)[0][0]
    if message["state"] == WAITING:
        return False
    assert 0 < sent < SEGMENTS
    reason = f"{sent} of {SEGMENTS} segments were sent, the others not: {why}"
    assert (message["state"], message["reason"]) == (FAILED, reason)
    return True


def test_a_message_whose_delivery_is_cancelled_is_not_finished_and_says_so(url: str) -> None:
    house = House(url, window=WINDOW)
    delivery = delivery_row()
    (long,) = house.fill(1, TEXT, delivery=delivery.pk, segments=SEGMENTS)
    identifier = delivery.pk

    @in_loop
    async def send() -> None:
        async with begun(house) as smsc:
            house.delivery_is(identifier, "cancelled")
            await until(lambda: failed(house, long, "cancelled"), "the end")
            assert house.stock.counts(identifier) == {FAILED: 1}
            await until(lambda: house.stock.outbox() == 0, "the end of the outbox")
            await sends_on(house, smsc)

    send()


def test_a_message_whose_validity_ends_is_not_finished_and_says_so(url: str) -> None:
    house = House(url, window=WINDOW)

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks(latency_ms=ANSWER_MS)) as (_, smsc):
            await until(lambda: house.bound() == 1, "the bind")
            ends_ms = int(time.time() * 1000) + 1000
            (long,) = house.fill(1, TEXT, segments=SEGMENTS, expires_ms=ends_ms)
            why = "validity ended before it could be sent"
            await until(lambda: failed(house, long, why), "the end")
            last = smsc.stats().last
            assert last is not None
            assert last.timestamp() * 1000 <= ends_ms + 50
            await sends_on(house, smsc)

    send()


def test_a_stop_is_heeded_between_two_segments(url: str) -> None:
    replies = [{"keyword": "STOP", "short_code": "", "reply": "", "action": "send_to_quarantine"}]
    house = House(url, window=WINDOW, automatic_replies=replies)
    (long,) = house.fill(1, TEXT, segments=SEGMENTS, recipient="+33600000001")

    @in_loop
    async def send() -> None:
        async with begun(house) as smsc:
            smsc.send_text(Inbound(text="STOP", sender="33600000001", recipient="36180"))
            await until(lambda: failed(house, long, "denylisted"), "the end")
            await sends_on(house, smsc)

    send()


def test_a_refused_segment_is_what_such_a_message_ends_of(url: str) -> None:
    """The number is told its error, whatever else became of the message."""
    # Refusals are answered at once, whatever the latency.
    house = House(url, window=WINDOW, max_mt_per_s=4, retry_limit=0)
    delivery = delivery_row()
    (long,) = house.fill(1, TEXT, delivery=delivery.pk, segments=SEGMENTS, recipient="+33600000001")
    identifier = delivery.pk

    @in_loop
    async def send() -> None:
        odd = quirks(refusals=[{"pattern": "33600000001", "status": "ESME_RINVDSTADR"}])
        async with house.at_work(odd) as (_, smsc):
            await until(lambda: smsc.stats().messages, "the first segment")
            house.delivery_is(identifier, "cancelled")
            await until(lambda: house.stock.state(long) == FAILED, "the end")
            assert smsc.stats().messages < SEGMENTS
            assert "error" in [kind for kind, _ in house.stock.events(long)]
            await sends_on(house, smsc)

    send()


def test_a_message_of_a_paused_delivery_is_finished_when_it_goes_on_and_no_segment_goes_twice(url: str) -> None:
    house = House(url, window=WINDOW)
    delivery = delivery_row()
    (long,) = house.fill(1, TEXT, delivery=delivery.pk, segments=SEGMENTS)
    identifier = delivery.pk

    @in_loop
    async def send() -> None:
        async with begun(house) as smsc:
            house.delivery_is(identifier, "paused")
            house.stock.query("UPDATE outbox SET is_held = ?", True)
            leased = "SELECT count(*) FROM outbox WHERE lease_token <> 0"
            await until(lambda: house.stock.query(leased) == [(0,)], "the return of the message")
            so_far = smsc.stats().messages
            await asyncio.sleep(0.5)
            assert so_far == smsc.stats().messages < SEGMENTS
            assert house.stock.state(long) == WAITING
            house.delivery_is(identifier, "sending")
            house.stock.query("UPDATE outbox SET is_held = ?", False)
            await until(lambda: house.stock.state(long) == DELIVERED, "the delivery")
            assert smsc.stats().messages == SEGMENTS

    send()
    assert house.duplicates_marked() == 0


def test_a_message_whose_lease_is_lost_is_left_to_whoever_has_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "RENEW_MS", 200)
    house = House(url, window=WINDOW)
    (long,) = house.fill(1, TEXT, segments=SEGMENTS)

    @in_loop
    async def send() -> None:
        async with begun(house) as smsc:
            theirs = (
                "UPDATE outbox SET lease_token = 1, lease_owner = 'another', lease_until_ms = lease_until_ms + 600000"
            )
            house.stock.query(theirs)
            await asyncio.sleep(1.0)
            so_far = smsc.stats().messages
            await asyncio.sleep(3 * ANSWER_MS / 1000)
            assert so_far == smsc.stats().messages < SEGMENTS
            assert house.stock.state(long) == WAITING
            assert house.stock.events(long) == []
            assert house.stock.query("SELECT lease_token FROM outbox") == [(1,)]
            await sends_on(house, smsc)

    send()


def test_a_message_is_finished_over_the_transmitter_though_its_receiver_is_lost(url: str) -> None:
    house = House(url, window=WINDOW, mode="transmitter_receiver")
    (long,) = house.fill(1, TEXT, segments=SEGMENTS)
    others = house.fill(20)

    @in_loop
    async def send() -> None:
        async with begun(house) as smsc:
            (receiver,) = [link.number for link in smsc.links if link.kind and link.kind.name == "RECEIVER"]
            smsc.drop(link=receiver)
            await until(lambda: house.in_state(DELIVERED) == 1 + len(others), "the delivery of all", 30)
            assert smsc.stats().messages == SEGMENTS + len(others)
            assert house.stock.outbox() == 0

    send()
    assert house.stock.state(long) == DELIVERED


def test_a_message_that_nobody_answered_in_part_is_left_to_the_next_try(url: str) -> None:
    """Its link was lost with some segments unanswered, and no other comes: it goes back, marked."""
    house = House(url, window=WINDOW, reconnect_s=0.2)
    (long,) = house.fill(1, TEXT, segments=SEGMENTS)

    @in_loop
    async def send() -> None:
        async with begun(house) as smsc:
            smsc.change({"bind_refusals": 1000})
            smsc.drop()
            await until(lambda: house.stock.message(long)["is_possible_duplicate"], "the return", 20)
            assert house.stock.state(long) == WAITING
            smsc.change({"bind_refusals": 0})
            await until(lambda: house.stock.state(long) == DELIVERED, "the delivery", 30)

    send()
