"""An engine at work: messages through it, and what it does when settings, links and deliveries change."""

import asyncio
import os
import signal
import time

import pytest
from tests.engine.house import House, in_loop, quirks, seen, until
from tests.engine.stock import delivery_row

from chappe.engine.bus.local import LocalBus
from chappe.engine.store.store import OUTBOX_MESSAGES
from chappe.features.accounts.models import Organisation
from chappe.features.connections import services
from chappe.features.deliveries.models import Delivery
from chappe.messaging import DeliveryState
from chappe.simulator import Simulator
from chappe.simulator.quirks import Failure, Inbound

WAITING, UNCONFIRMED, SENT = DeliveryState.WAITING, DeliveryState.UNCONFIRMED, DeliveryState.SENT
DELIVERED, EXCLUDED, CANCELLED = DeliveryState.DELIVERED, DeliveryState.EXCLUDED, DeliveryState.CANCELLED
EXPIRED, FAILED = DeliveryState.EXPIRED, DeliveryState.FAILED


@pytest.fixture
def url(sqlite_url: str, bound: object) -> str:
    """The embedded database: most of this does not depend on which one it is."""
    assert callable(bound)
    bound(sqlite_url)
    return sqlite_url


# -- messages ----------------------------------------------------------------------


@in_loop
async def carry(house: House, count: int) -> None:
    async with house.at_work(quirks()) as (_, smsc):
        await until(lambda: house.in_state(DELIVERED) == count, "the delivery of all")
        stats = smsc.stats()
        assert (stats.unique, stats.duplicates) == (count, 0)
        await until(lambda: smsc.stats().receipts_acknowledged == count, "the acknowledgement of all receipts")
        await until(lambda: house.stock.outbox() == 0, "the end of the outbox")
    assert house.duplicates_marked() == 0


def test_messages_go_out_once_and_their_receipts_come_back(database: str) -> None:
    house = House(database, window=50)
    ids = house.fill(3000)
    carry(house, len(ids))
    house.stock.close()


def test_an_engine_that_is_woken_does_not_wait_until_it_looks_by_itself(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chappe.engine.engine.POLL_S", 3600.0)
    house = House(url)

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks()) as (_, smsc):
            await until(lambda: house.bound() == 1, "the bind")
            bus = LocalBus(url)
            for number in range(1, 11):
                house.fill(1)
                bus.tell()
                await until(lambda n=number: smsc.stats().unique == n, "the message")  # type: ignore[misc]
            bus.close()

    send()


def test_long_texts_arrive_whole_over_a_link_that_breaks(url: str) -> None:
    house = House(url, window=7, child_connections=2)
    house.fill(60, text="x" * 400, segments=3)

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks(drop_after_messages=40, most_drops=6, latency_ms=3.0)) as (_, smsc):
            await until(lambda: house.in_state(DELIVERED) == 60, "the delivery of all", 40)
            assert smsc.stats().links_dropped >= 2

    send()
    assert house.in_state(WAITING) == 0


def test_messages_whose_links_are_lost_are_sent_again_and_marked(url: str) -> None:
    house = House(url, window=20)
    ids = house.fill(1000)

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks(drop_after_messages=150, most_drops=5, latency_ms=5.0)) as (_, smsc):
            await until(lambda: house.in_state(DELIVERED, SENT) == 1000, "the end of all", 40)
            await until(lambda: house.stock.outbox() == 0, "the end of the outbox")
            stats = smsc.stats()
            assert stats.links_dropped == 5
            assert stats.unique == 1000
            assert stats.duplicates <= 5 * 20
            marked = {int(one) for one in smsc.duplicates()}
            assert all(house.stock.message(i)["is_possible_duplicate"] for i in marked)

    send()
    assert len(ids) == 1000


def test_messages_whose_links_are_lost_are_left_unconfirmed_where_nothing_goes_twice(url: str) -> None:
    house = House(url, window=20, unknown_outcome="hold")
    house.fill(500)

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks(drop_after_messages=150, most_drops=2, latency_ms=5.0)) as (_, smsc):
            await until(lambda: house.in_state(WAITING) == 0, "the end of waiting", 40)
            assert smsc.stats().duplicates == 0
            assert 1 <= house.in_state(UNCONFIRMED) <= 40

    send()


def test_messages_that_nobody_answers_are_sent_again_and_marked(url: str) -> None:
    house = House(url, window=100, mt_expiry_s=1)
    house.fill(200)

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks(no_answer_fraction=0.2)) as (_, smsc):
            await until(lambda: house.in_state(WAITING) == 0, "the end of waiting", 20)
            silent = smsc.stats().unanswered
            assert silent > 10
            await until(lambda: house.duplicates_marked() == silent, "the marks")

    send()


def test_receipts_early_twice_and_in_between_end_each_message_once(database: str) -> None:
    house = House(database, window=100, retry_limit=0)
    house.fill(600, delivery=7)
    odd = quirks(
        early_fraction=0.3,
        early_by_ms=50.0,
        duplicate_fraction=0.3,
        intermediate_fraction=0.3,
        failures=(Failure(stat="UNDELIV", err="001", fraction=0.2),),
    )

    @in_loop
    async def send() -> None:
        async with house.at_work(odd) as (_, smsc):
            await until(lambda: house.ended() == 600, "the end of all", 30)
            await until(lambda: smsc.stats().deliveries.held == 0, "all receipts sent")
            await until(
                lambda: smsc.stats().receipts_acknowledged == smsc.stats().receipts_sent, "all receipts acknowledged"
            )
            assert smsc.stats().receipts_early > 50

    send()
    assert house.stock.counts(7) == house.stock.counted(7)
    assert 60 <= house.in_state(FAILED) <= 180
    house.stock.close()


def test_receipts_that_nobody_knows_are_refused_and_then_let_go(url: str) -> None:
    house = House(url, early_receipt_wait_s=0, invalid_id_acknowledge_count=3)
    house.fill(1)

    @in_loop
    async def send() -> None:
        # Receipts write the id in hexadecimal, and the connection does not know: every one is a stranger's.
        odd = quirks(receipt_id_format="hex", redelivery_pause_ms=50.0)
        async with house.at_work(odd) as (_, smsc):
            await until(lambda: smsc.stats().receipts_acknowledged == 1, "the third try")
            assert smsc.stats().deliveries.refused == {"ESME_RINVMSGID": 2}
        assert house.stock.query("SELECT occurrences FROM orphan_receipt") == [(3,)]

    send()


# -- limits ----------------------------------------------------------------------


def test_a_link_never_sends_more_in_a_second_than_its_limit(url: str) -> None:
    house = House(url, window=100, max_mt_per_s=60, child_connections=2)
    house.fill(400)

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks()) as (_, smsc):
            await until(lambda: smsc.stats().unique == 400, "all messages", 12)
            assert [link.most_in_a_second <= 60 for link in smsc.stats().links] == [True, True]
            assert smsc.stats().most_in_a_second > 90

    send()


def test_a_provider_that_says_too_fast_gets_a_pause_and_loses_nothing(url: str) -> None:
    house = House(url, window=50)
    house.fill(300)

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks(rate_limit=100)) as (_, smsc):
            await until(lambda: house.in_state(DELIVERED) == 300, "the delivery of all", 40)
            assert smsc.stats().refused["ESME_RTHROTTLED"] > 0
            assert (smsc.stats().unique, smsc.stats().duplicates) == (300, 0)

    send()
    assert house.duplicates_marked() == 0


def test_a_window_is_never_exceeded(url: str) -> None:
    house = House(url, window=8, child_connections=2)
    house.fill(400)

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks(latency_ms=5.0, window_limit=8)) as (_, smsc):
            await until(lambda: house.in_state(DELIVERED) == 400, "the delivery of all", 30)
            assert smsc.stats().refused == {}

    send()


def test_what_is_not_committed_is_bounded_by_window_and_links_and_lies_below_the_horizon(url: str) -> None:
    """With the store process stopped every answer waits for its commit: no more than a window a link is on the way."""
    house = House(url, window=25, child_connections=2)
    ids = house.fill(2 * OUTBOX_MESSAGES)

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks()) as (engine, smsc):
            for _ in range(5):
                goal = smsc.stats().unique + 100
                await until(lambda g=goal: smsc.stats().unique >= g, "more messages")  # type: ignore[misc]
                os.kill(engine._client.pid, signal.SIGSTOP)
                try:
                    at_rest = -1
                    while at_rest != smsc.stats().unique:
                        at_rest = smsc.stats().unique
                        await asyncio.sleep(0.1)
                    arrived = seen(smsc)
                    waiting = {row[0] for row in house.stock.query("SELECT id FROM message_now WHERE state = 10")}
                    rows = house.stock.query("SELECT first_id, last_id, horizon FROM outbox")
                finally:
                    os.kill(engine._client.pid, signal.SIGCONT)
                assert len(arrived & waiting) <= 25 * 2
                below = {i for first, _, horizon in rows for i in range(first, first + horizon)}
                assert arrived & waiting <= below
            await until(lambda: house.in_state(DELIVERED) == len(ids), "the delivery of all", 30)
            assert smsc.stats().duplicates == 0

    send()


# -- pause, cancel, quarantine ----------------------------------------------------------------------


def slow(url: str, status: str = "sending") -> tuple[House, Delivery]:
    house = House(url, window=10, max_mt_per_s=20)
    assert house.connection_id == 1
    return house, delivery_row(status)


def test_a_cancelled_delivery_stops_within_a_second_and_all_its_messages_end(url: str) -> None:
    house, delivery = slow(url)
    house.fill(1500, delivery=delivery.pk)
    identifier = delivery.pk

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks()) as (_, smsc):
            await until(lambda: smsc.stats().unique >= 10, "the first messages")
            house.delivery_is(identifier, "cancelled")
            await asyncio.sleep(1)
            after = smsc.stats().unique
            await until(lambda: house.in_state(WAITING) == 0, "the end of all", 3)
            await asyncio.sleep(0.5)
            assert smsc.stats().unique == after
            counts = house.stock.counts(identifier)
            assert counts[CANCELLED] == 1500 - after
            assert sum(counts.values()) == 1500

    send()
    assert house.stock.outbox() == 0


def test_a_paused_delivery_stops_within_a_second_and_goes_on_when_resumed(url: str) -> None:
    house, delivery = slow(url)
    house.fill(120, delivery=delivery.pk)
    identifier = delivery.pk

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks()) as (_, smsc):
            await until(lambda: smsc.stats().unique >= 10, "the first messages")
            house.delivery_is(identifier, "paused")
            house.stock.query("UPDATE outbox SET is_held = ?", True)
            await asyncio.sleep(1)
            after = smsc.stats().unique
            leased = "SELECT count(*) FROM outbox WHERE lease_token <> 0"
            await until(lambda: house.stock.query(leased) == [(0,)], "the return of the batch", 3)
            await asyncio.sleep(0.5)
            assert smsc.stats().unique == after < 60
            house.delivery_is(identifier, "sending")
            house.set(max_mt_per_s=0)
            house.stock.query("UPDATE outbox SET is_held = ?", False)
            await until(lambda: house.in_state(DELIVERED) == 120, "the delivery of all")
            assert smsc.stats().duplicates == 0

    send()
    assert house.duplicates_marked() == 0


def test_a_stop_is_heeded_within_a_second_by_messages_in_hand(url: str) -> None:
    replies = [{"keyword": "STOP", "short_code": "", "reply": "", "action": "send_to_quarantine"}]
    house = House(url, window=10, max_mt_per_s=20, automatic_replies=replies)
    ids = house.fill(100, recipient="+33600000001")
    own = house.fill(1, recipient="+33600000002")

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks()) as (_, smsc):
            await until(lambda: smsc.stats().unique >= 5, "the first messages")
            smsc.send_text(Inbound(text="STOP", sender="33600000001", recipient="36180"))
            await asyncio.sleep(1)
            after = smsc.stats().unique
            await until(lambda: house.in_state(EXCLUDED) == len(ids) + len(own) - len(seen(smsc)), "the exclusion", 3)
            assert smsc.stats().unique - after <= 1
            assert own[0] in seen(smsc)
            assert smsc.stats().texts_acknowledged == 1

    send()


def test_messages_in_hand_end_though_their_link_is_gone(url: str) -> None:
    house, delivery = slow(url)
    house.fill(100, delivery=delivery.pk)
    short = house.fill(50, expires_ms=int(time.time() * 1000) + 4000)
    identifier = delivery.pk

    @in_loop
    async def send() -> None:
        async with Simulator(quirks()) as smsc:
            house.set(port=smsc.port)
            async with house.engine():
                await until(lambda: smsc.stats().unique >= 5, "the first messages")
                await smsc.stop()
                house.delivery_is(identifier, "cancelled")
                query = "SELECT count(*) FROM message_now WHERE delivery_id = ? AND state = 80"
                await until(lambda: house.stock.query(query, identifier)[0][0] >= 70, "the cancellation", 3)
                await until(lambda: house.in_state(EXPIRED) == len(short), "the end of validity", 8)

    send()


# -- settings ----------------------------------------------------------------------


def test_a_limit_is_changed_without_binding_again(url: str) -> None:
    house = House(url, window=50, max_mt_per_s=10)
    house.fill(300)

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks()) as (_, smsc):
            await until(lambda: smsc.stats().unique >= 5, "the first messages")
            house.set(max_mt_per_s=0)
            await until(lambda: house.in_state(DELIVERED) == 300, "the delivery of all", 10)
            assert smsc.stats().links_opened == 1

    send()


def test_an_endpoint_that_changes_is_bound_again_and_what_was_on_the_wire_is_answered_first(url: str) -> None:
    house = House(url, window=30)
    house.fill(800)

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks(latency_ms=50.0)) as (_, smsc):
            for window in (31, 32):
                goal = smsc.stats().unique + 60
                await until(lambda g=goal: smsc.stats().unique >= g, "messages")  # type: ignore[misc]
                house.set(window=window)
                opened = smsc.stats().links_opened
                await until(lambda n=opened: smsc.stats().links_opened == n + 1, "the new bind")  # type: ignore[misc]
                assert len(smsc.links) == 1
            await until(lambda: house.in_state(DELIVERED) == 800, "the delivery of all", 30)
            assert smsc.stats().duplicates == 0

    send()
    assert house.duplicates_marked() == 0


def test_links_are_added_and_taken_away_while_the_others_stay(url: str) -> None:
    house = House(url)

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks()) as (_, smsc):
            await until(lambda: len(smsc.links) == 1, "one link")
            house.set(child_connections=3)
            await until(lambda: len(smsc.links) == 3 == house.bound(), "three links")
            house.set(child_connections=2)
            await until(lambda: len(smsc.links) == 2 == house.bound(), "two links")
            assert smsc.stats().links_opened == 3

    send()


def test_a_connection_that_is_switched_off_says_goodbye_and_gives_its_messages_back(url: str) -> None:
    house = House(url, window=10, max_mt_per_s=10)
    house.fill(100)

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks(latency_ms=20.0)) as (_, smsc):
            await until(lambda: smsc.stats().unique >= 5, "the first messages")
            house.switch(on=False)
            await until(lambda: not smsc.links, "the end of the link")
            await until(lambda: house.links() == [], "the link's disappearance")
            leases = "SELECT count(*) FROM outbox WHERE lease_until_ms > 0"
            await until(lambda: house.stock.query(leases) == [(0,)], "the return of the messages")
            assert house.in_state(WAITING) == 100 - smsc.stats().unique
            house.set(max_mt_per_s=0)
            house.switch(on=True)
            await until(lambda: house.in_state(DELIVERED) == 100, "the delivery of all")
            assert smsc.stats().duplicates == 0

    send()
    assert house.duplicates_marked() == 0


def test_an_engine_that_stops_leaves_nothing_half_done(url: str) -> None:
    house = House(url, window=40)
    house.fill(3000)

    @in_loop
    async def send() -> None:
        async with Simulator(quirks(latency_ms=20.0)) as smsc:
            house.set(port=smsc.port)
            while house.in_state(WAITING):
                async with house.engine():
                    goal = min(3000, smsc.stats().unique + 700)
                    await until(lambda g=goal: smsc.stats().unique >= g, "messages")  # type: ignore[misc]
                assert house.stock.query("SELECT count(*) FROM outbox WHERE lease_until_ms > 0") == [(0,)]
                assert house.stock.query("SELECT count(*) FROM link_lease") == [(0,)]
                assert house.in_state(SENT, DELIVERED) == smsc.stats().unique
            assert (smsc.stats().unique, smsc.stats().duplicates) == (3000, 0)

    send()
    assert house.duplicates_marked() == 0


def test_one_connection_that_cannot_be_used_does_not_disturb_another(url: str) -> None:
    house = House(url)
    house.fill(10)
    organisation = Organisation.objects.get()
    values = {"host": "127.0.0.1", "account": "b", "password": "b"}
    broken = services.create_connection(organisation.pk, "South", "smpp", values, 1)
    type(broken).objects.filter(pk=broken.pk).update(secrets=b"no vault sealed this")

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks()):
            await until(lambda: house.in_state(DELIVERED) == 10, "the delivery of all")

    send()
