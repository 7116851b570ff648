"""Links that go wrong, by a knob or when asked."""

import pytest
from tests.simulator.client import bound, connect, in_loop, numbers

from chappe.simulator import Quirks, Simulator
from chappe.simulator.profile import PROFILES
from chappe.simulator.quirks import DropMoment, Garbage
from chappe.smpp import Timers
from chappe.smpp.event import Closed, Malformed


@in_loop
async def test_a_link_dropped_before_the_answer_leaves_messages_taken_and_unanswered() -> None:
    async with Simulator(Quirks(drop_after_messages=30)) as smsc, bound(smsc) as client:
        client.submit(numbers(100))
        await client.until(lambda: client.is_closed)
        assert not client.statuses
        stats = smsc.stats()
        assert (stats.accepted, stats.links_dropped) == (30, 1)


@pytest.mark.parametrize("latency_ms", [0, 30])
@in_loop
async def test_a_link_dropped_after_the_answer_has_answered_all_it_took(latency_ms: float) -> None:
    quirks = Quirks(drop_after_messages=30, drop_moment=DropMoment.AFTER_ANSWER, latency_ms=latency_ms)
    async with Simulator(quirks) as smsc, bound(smsc) as client:
        client.submit(numbers(100))
        await client.until(lambda: client.is_closed)
        assert sorted(client.statuses) == list(range(30))
        assert smsc.stats().accepted == 30


@in_loop
async def test_no_more_links_are_dropped_than_asked() -> None:
    async with Simulator(Quirks(drop_after_messages=1, most_drops=1)) as smsc:
        async with bound(smsc) as first:
            first.submit(numbers(1))
            await first.until(lambda: first.is_closed)
        async with bound(smsc) as second:
            second.submit(numbers(5))
            await second.answered()
        assert smsc.stats().links_dropped == 1


@in_loop
async def test_links_are_dropped_by_the_clock() -> None:
    async with Simulator(Quirks(drop_every_s=0.2)) as smsc, bound(smsc) as client:
        await client.until(lambda: client.is_closed)
        assert smsc.stats().links_dropped == 1


@in_loop
async def test_links_are_dropped_on_request_by_number_or_name() -> None:
    async with Simulator() as smsc, bound(smsc) as one, bound(smsc, system_id="other") as other:
        assert smsc.drop(link=99) == 0
        assert smsc.drop(system_id="other") == 1
        await other.until(lambda: other.is_closed)
        assert smsc.drop(link=1) == 1
        await one.until(lambda: one.is_closed)


@in_loop
async def test_the_simulator_unbinds_after_so_many_messages() -> None:
    async with Simulator(Quirks(unbind_after_messages=5)) as smsc, bound(smsc) as client:
        client.submit(numbers(5))
        await client.until(lambda: client.is_closed)
        assert len(client.statuses) == 5
        assert smsc.stats().links_dropped == 0


@in_loop
async def test_a_silent_link_reads_and_says_nothing() -> None:
    timers = Timers(response_s=0.1, enquire_link_s=0.1)
    async with Simulator(Quirks(silent_after_messages=5)) as smsc, bound(smsc, timers=timers) as client:
        client.submit(numbers(5))
        client.tick(later_s=0.15)
        client.tick(later_s=0.4)
        assert "LinkDead" in client.log
        assert len(client.expired) == 5
        await client.until(lambda: client.is_closed)


@in_loop
async def test_receipts_of_a_silent_link_go_to_the_next() -> None:
    async with Simulator(Quirks(receipt_delay_ms=0)) as smsc:
        async with bound(smsc) as first:
            first.answer_with = lambda delivery: None
            first.submit(numbers(5))
            await first.delivered(5)
            smsc.silence()
        async with bound(smsc) as second:
            await second.delivered(5)


@in_loop
async def test_enquire_link_may_stay_unanswered_while_messages_are_answered() -> None:
    timers = Timers(enquire_link_s=10)
    async with Simulator(Quirks(answers_enquire_link=False)) as smsc, bound(smsc, timers=timers) as client:
        client.tick(later_s=11)
        client.submit(numbers(3))
        await client.answered()
        client.tick(later_s=22)
        client.tick(later_s=50)
        assert "LinkDead" in client.log


@in_loop
async def test_malformed_nonsense_does_not_end_the_link() -> None:
    async with Simulator(Quirks(garbage_every=10)) as smsc, bound(smsc) as client:
        client.submit(numbers(25))
        await client.settled()
        assert len(client.statuses) == 25
        assert sum(isinstance(event, Malformed) for event in client.events) == 2
        assert smsc.stats().garbage_sent == 2


@in_loop
async def test_an_unknown_command_is_nonsense_too() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        assert smsc.send_garbage(Garbage.UNKNOWN) == 1
        await client.settled()
        assert client.log == ["Malformed"]


@in_loop
async def test_a_broken_stream_ends_the_link_at_the_clients_side() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        smsc.send_garbage(Garbage.BROKEN)
        await client.until(lambda: client.is_closed)
        [closed] = [event for event in client.events if isinstance(event, Closed)]
        assert closed.error is not None


@in_loop
async def test_slow_reads_still_take_everything() -> None:
    async with Simulator(Quirks(read_pause_ms=20)) as smsc, bound(smsc) as client:
        before = smsc.now()
        for first in range(0, 300, 100):
            client.submit(numbers(100, first))
            await client.settled()
        assert len(client.statuses) == 300
        assert smsc.now() - before >= 0.04


@pytest.mark.parametrize("name", PROFILES)
@in_loop
async def test_every_profile_takes_messages(name: str) -> None:
    async with Simulator(name) as smsc:
        for _ in range(smsc.quirks.bind_refusals):
            (await connect(smsc)).close()
        async with bound(smsc) as client:
            client.submit(numbers(300), [b"Hello", b"STOP stat:DELIVRD id:7", b"\x1b"])
            await client.settled()
            stats = smsc.stats()
            assert stats.messages == 300
            assert stats.accepted + sum(stats.refused.values()) == 300
