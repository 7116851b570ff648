"""What is answered to messages, and when."""

from uuid import UUID

import pytest
from tests.simulator.client import bound, in_loop, numbers

from chappe.simulator import Quirks, Simulator
from chappe.simulator.message_id import IdFormat
from chappe.smpp import CommandStatus, Timers

THROTTLED = CommandStatus.ESME_RTHROTTLED
HUNDRED = numbers(100)


@in_loop
async def test_every_message_gets_an_id_of_its_own() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        client.submit(HUNDRED)
        await client.answered()
        assert set(client.statuses.values()) == {0}
        assert len(set(client.ids.values())) == 100


@pytest.mark.parametrize(
    ("id_format", "width", "expected"),
    [
        (IdFormat.DECIMAL, 0, "48879"),
        (IdFormat.DECIMAL, 10, "0000048879"),
        (IdFormat.HEX, 0, "beef"),
        (IdFormat.HEX_UPPER, 8, "0000BEEF"),
        (IdFormat.HEX_STRING, 0, b"48879".hex()),
    ],
)
@in_loop
async def test_ids_are_written_in_the_form_asked_for(id_format: IdFormat, width: int, expected: str) -> None:
    async with Simulator(Quirks(id_format=id_format, id_width=width, id_start=0xBEEF)) as smsc, bound(smsc) as client:
        client.submit(numbers(1))
        await client.answered()
        assert client.ids[0] == expected


@in_loop
async def test_ids_can_be_uuids() -> None:
    async with Simulator(Quirks(id_format=IdFormat.UUID)) as smsc, bound(smsc) as client:
        client.submit(HUNDRED)
        await client.answered()
        assert {UUID(one).version for one in client.ids.values()} == {4}
        assert len(set(client.ids.values())) == 100


@in_loop
async def test_receipts_may_write_ids_in_another_form() -> None:
    quirks = Quirks(id_format=IdFormat.HEX, receipt_id_format=IdFormat.DECIMAL, receipt_id_width=20, receipt_delay_ms=0)
    async with Simulator(quirks) as smsc, bound(smsc) as client:
        client.submit(HUNDRED)
        await client.delivered(100)
        assert {f"{int(one, 16):020d}" for one in client.ids.values()} == {one["id"] for one in client.receipts()}


@in_loop
async def test_answers_take_the_latency_and_no_less() -> None:
    async with Simulator(Quirks(latency_ms=80, latency_jitter_ms=20)) as smsc, bound(smsc) as client:
        before = smsc.now()
        client.submit(HUNDRED)
        await client.answered()
        assert client.times[0] - before >= 0.08


@in_loop
async def test_numbers_are_refused_by_pattern_with_the_status_given() -> None:
    refusals = [{"pattern": "7$", "status": "ESME_RINVDSTADR"}, {"pattern": "[78]$", "status": 0x400}]
    async with Simulator() as smsc, bound(smsc) as client:
        smsc.change({"refusals": refusals})
        client.submit(HUNDRED)
        await client.answered()
        sevens = [client.statuses[place] for place in range(7, 100, 10)]
        eights = [client.statuses[place] for place in range(8, 100, 10)]
        assert (set(sevens), set(eights)) == ({CommandStatus.ESME_RINVDSTADR}, {0x400})
        assert smsc.stats().accepted == 80
        assert smsc.stats().refused == {"ESME_RINVDSTADR": 10, "0x00000400": 10}


@in_loop
async def test_an_unlucky_number_is_throttled_once_and_taken_the_second_time() -> None:
    async with Simulator(Quirks(throttled_fraction=0.5)) as smsc, bound(smsc) as client:
        client.submit(HUNDRED)
        await client.answered()
        again = [place for place, status in client.statuses.items() if status == THROTTLED]
        assert 25 < len(again) < 75
        client.submit([HUNDRED[place] for place in again])
        await client.answered()
        stats = smsc.stats()
        assert (stats.unique, stats.duplicates, stats.refused) == (100, 0, {"ESME_RTHROTTLED": len(again)})


@in_loop
async def test_unanswered_messages_count_as_taken() -> None:
    async with Simulator(Quirks(no_answer_fraction=1.0)) as smsc, bound(smsc) as client:
        client.submit(HUNDRED)
        await client.settled()
        assert not client.statuses
        client.submit(HUNDRED)
        await client.answered(100)
        stats = smsc.stats()
        assert (stats.accepted, stats.unanswered, stats.unique, stats.duplicates) == (200, 100, 100, 100)


@in_loop
async def test_late_answers_come_after_the_client_gave_up() -> None:
    quirks, timers = Quirks(late_answer_fraction=1.0, late_answer_ms=150), Timers(response_s=0.1)
    async with Simulator(quirks) as smsc, bound(smsc, timers=timers) as client:
        client.submit(numbers(10))
        client.tick(later_s=0.1)
        assert len(client.expired) == 10
        await client.until(lambda: client.session.late_answers == 10)
        assert not client.statuses


@in_loop
async def test_what_goes_beyond_the_window_is_refused() -> None:
    quirks = Quirks(window_limit=30, window_status="ESME_RMSGQFUL", latency_ms=50)
    async with Simulator(quirks) as smsc, bound(smsc) as client:
        client.submit(HUNDRED)
        await client.answered()
        statuses = [client.statuses[place] for place in range(100)]
        assert statuses == [0] * 30 + [CommandStatus.ESME_RMSGQFUL] * 70
        client.submit(numbers(30, 100))
        await client.answered()
        assert smsc.stats().accepted == 60


@in_loop
async def test_what_goes_beyond_the_rate_is_throttled_on_that_link_alone() -> None:
    async with Simulator(Quirks(rate_limit=40)) as smsc, bound(smsc) as client, bound(smsc) as other:
        client.submit(HUNDRED)
        other.submit(numbers(40, 100))
        await client.answered()
        await other.answered()
        assert [client.statuses[place] for place in range(100)] == [0] * 40 + [THROTTLED] * 60
        assert set(other.statuses.values()) == {0}


@in_loop
async def test_everything_is_throttled_in_a_throttle_window() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        smsc.change({"throttle_windows": [{"from_s": 0, "to_s": 1000}]})
        client.submit(numbers(5))
        await client.answered()
        smsc.change({"throttle_windows": [{"from_s": 100, "to_s": 200, "every_s": 1000}]})
        client.submit(numbers(5))
        await client.answered()
        assert [client.statuses[place] for place in range(10)] == [THROTTLED] * 5 + [0] * 5


@in_loop
async def test_throttling_can_be_asked_for_and_ends() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        smsc.throttle(1000)
        client.submit(numbers(5))
        await client.answered()
        smsc.throttle(0)
        client.submit(numbers(5))
        await client.answered()
        assert [client.statuses[place] for place in range(10)] == [THROTTLED] * 5 + [0] * 5


@in_loop
async def test_a_malformed_message_is_refused_and_the_link_goes_on() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        cut_short, too_long = b"\0\0\0abc", b"\0\0\0\0\0\x01\x0133600000000\0\0\0\0\0\0\1\0\0\0\xffabc"
        client.session.submit([cut_short, too_long], ["cut", "long"], smsc.now())
        client.submit(numbers(1))
        await client.answered(3)
        statuses = list(client.statuses.values())
        assert sorted(statuses) == sorted([0, CommandStatus.ESME_RINVCMDLEN, CommandStatus.ESME_RINVMSGLEN])
        assert smsc.stats().accepted == 1
