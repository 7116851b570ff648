"""What receipts say, when they come, how often, and what becomes of those that are not taken."""

from collections import Counter

import pytest
from tests.simulator.client import bound, in_loop, numbers

from chappe.simulator import Quirks, Simulator
from chappe.simulator.fate import count_outcomes
from chappe.simulator.quirks import RECEIPT_DIALECTS, TLV_ONLY, DelayShape, Failure, ReceiptsFor, ReceiptText
from chappe.smpp import CommandId, CommandStatus, MessageState, Tag, parse_receipt

THOUSAND = numbers(1000)
FAILURES = (Failure("UNDELIV", "001", 0.1), Failure("EXPIRED", "027", 0.05))


@in_loop
async def test_a_receipt_goes_back_to_the_sender_with_the_fields_of_the_standard() -> None:
    async with Simulator(Quirks(receipt_delay_ms=0)) as smsc, bound(smsc) as client:
        client.submit(["33612345678"], [b"A text of more than twenty octets"], source="38600")
        await client.delivered(1)
        [delivery] = client.deliveries
        assert (delivery.source, delivery.destination) == (b"33612345678", b"38600")
        assert (delivery.source_addr_ton, delivery.dest_addr_ton) == (1, 3)
        [receipt] = client.receipts()
        assert receipt.pop("submit_date").isdigit()
        assert receipt.pop("done_date").isdigit()
        assert receipt == {
            "id": client.ids[0],
            "sub": "001",
            "dlvrd": "001",
            "stat": "DELIVRD",
            "err": "000",
            "text": "A text of more than ",
        }


@pytest.mark.parametrize("dialect", [one for one in RECEIPT_DIALECTS if one != TLV_ONLY])
@in_loop
async def test_every_dialect_says_id_and_stat(dialect: str) -> None:
    quirks = Quirks(receipt_dialect=dialect, receipt_delay_ms=0, receipt_text=ReceiptText.HOSTILE)
    async with Simulator(quirks) as smsc, bound(smsc) as client:
        client.submit(numbers(3))
        await client.delivered(3)
        assert {one["id"] for one in client.receipts()} == set(client.ids.values())
        assert {one["stat"] for one in client.receipts()} == {"DELIVRD"}


@in_loop
async def test_a_receipt_may_be_optional_parameters_alone() -> None:
    quirks = Quirks(receipt_dialect=TLV_ONLY, receipt_delay_ms=0, failures=(Failure("EXPIRED", "027", 1.0),))
    async with Simulator(quirks) as smsc, bound(smsc) as client:
        client.submit(numbers(1))
        await client.delivered(1)
        [delivery] = client.deliveries
        assert delivery.short_message == b""
        assert delivery.tlv(Tag.RECEIPTED_MESSAGE_ID) == client.ids[0].encode() + b"\0"
        assert delivery.tlv(Tag.MESSAGE_STATE) == bytes((MessageState.EXPIRED,))


@in_loop
async def test_hostile_text_looks_like_a_receipt_and_fits() -> None:
    quirks = Quirks(receipt_text=ReceiptText.HOSTILE, receipt_tlvs=True, receipt_delay_ms=0)
    async with Simulator(quirks) as smsc, bound(smsc) as client:
        client.submit(numbers(1), [b"x" * 200])
        await client.delivered(1)
        assert client.deliveries[0].short_message.count(b"stat:") == 3
        assert client.receipts()[0]["id"] == client.ids[0]


@in_loop
async def test_a_whole_text_is_repeated_as_far_as_it_fits() -> None:
    async with Simulator(Quirks(receipt_text=ReceiptText.WHOLE, receipt_delay_ms=0)) as smsc, bound(smsc) as client:
        client.submit(numbers(2), [b"y" * 40, b"y" * 250])
        await client.delivered(2)
        assert sorted(len(one.short_message) for one in client.deliveries)[1] == 254
        assert client.receipts()[0]["text"] == "y" * 40


@in_loop
async def test_failures_can_be_told_beforehand_from_the_numbers() -> None:
    quirks = Quirks(failures=FAILURES, never_fraction=0.1, receipt_delay_ms=0)
    expected = count_outcomes(quirks, THOUSAND)
    assert all(low < expected[stat] < high for stat, low, high in (("UNDELIV", 50, 150), ("NONE", 60, 140)))
    async with Simulator(quirks) as smsc, bound(smsc) as client:
        client.submit(THOUSAND)
        await client.delivered(1000 - expected.pop("NONE"))
        await client.settled()
        assert Counter(one["stat"] for one in client.receipts()) == expected
        assert {one["err"] for one in client.receipts() if one["stat"] == "UNDELIV"} == {"001"}


def test_another_seed_gives_other_numbers_another_fate() -> None:
    assert count_outcomes(Quirks(failures=FAILURES), THOUSAND) != count_outcomes(
        Quirks(failures=FAILURES, seed=2), THOUSAND
    )


@in_loop
async def test_early_receipts_come_before_the_answer() -> None:
    async with Simulator(Quirks(early_fraction=1.0)) as smsc, bound(smsc) as client:
        client.submit(numbers(5))
        await client.answered()
        await client.delivered(5)
        bind, *others = client.commands()
        assert bind == CommandId.BIND_TRANSCEIVER_RESP
        assert others == [CommandId.DELIVER_SM] * 5 + [CommandId.SUBMIT_SM_RESP] * 5
        assert smsc.stats().receipts_early == 5


@in_loop
async def test_early_receipts_may_come_long_before_the_answer() -> None:
    async with Simulator(Quirks(early_fraction=1.0, early_by_ms=100)) as smsc, bound(smsc) as client:
        client.submit(numbers(5))
        await client.delivered(5)
        assert not client.statuses
        await client.answered()
        assert client.log == ["delivery"] * 5 + ["answer"] * 5


@in_loop
async def test_duplicate_receipts_are_the_same_receipt_twice() -> None:
    async with Simulator(Quirks(duplicate_fraction=1.0, receipt_delay_ms=0)) as smsc, bound(smsc) as client:
        client.submit(numbers(5))
        await client.delivered(10)
        assert sorted(Counter(one["id"] for one in client.receipts()).values()) == [2] * 5


@pytest.mark.parametrize(("is_receipt", "esm_class"), [(False, 0x20), (True, 0x04)])
@in_loop
async def test_an_intermediate_receipt_comes_first(is_receipt: bool, esm_class: int) -> None:
    quirks = Quirks(
        intermediate_fraction=1.0, intermediate_is_receipt=is_receipt, intermediate_stat="ACCEPTD", receipt_delay_ms=60
    )
    async with Simulator(quirks) as smsc, bound(smsc) as client:
        client.submit(numbers(1))
        await client.delivered(2)
        assert [one.esm_class for one in client.deliveries] == [esm_class, 0x04]
        assert [parse_receipt(one.short_message)["stat"] for one in client.deliveries] == ["ACCEPTD", "DELIVRD"]


@pytest.mark.parametrize(
    ("receipts", "registered", "fails", "expected"),
    [
        (ReceiptsFor.ASKED, 0, False, 0),
        (ReceiptsFor.ASKED, 1, False, 1),
        (ReceiptsFor.ASKED, 2, False, 0),
        (ReceiptsFor.ASKED, 2, True, 1),
        (ReceiptsFor.ASKED, 0, True, 0),
        (ReceiptsFor.ALL, 0, False, 1),
        (ReceiptsFor.NONE, 1, False, 0),
    ],
)
@in_loop
async def test_a_receipt_comes_when_it_was_asked_for(
    receipts: ReceiptsFor, registered: int, fails: bool, expected: int
) -> None:
    failures = (Failure("UNDELIV", "001", 1.0),) if fails else ()
    quirks = Quirks(receipts=receipts, failures=failures, receipt_delay_ms=600_000)
    async with Simulator(quirks) as smsc, bound(smsc) as client:
        client.submit(numbers(1), registered=registered)
        await client.answered()
        assert smsc.stats().deliveries.held == expected


@pytest.mark.parametrize("shape", DelayShape)
@in_loop
async def test_receipts_of_every_shape_of_delay_arrive(shape: DelayShape) -> None:
    quirks = Quirks(receipt_delay_ms=20, receipt_spread_ms=20, receipt_shape=shape)
    async with Simulator(quirks) as smsc, bound(smsc) as client:
        before = smsc.now()
        client.submit(numbers(50))
        await client.delivered(50)
        assert smsc.now() - before >= 0.02


@in_loop
async def test_a_refused_receipt_is_sent_again_after_a_pause_until_it_is_given_up() -> None:
    quirks = Quirks(receipt_delay_ms=0, redelivery_pause_ms=20, redelivery_tries=3)
    async with Simulator(quirks) as smsc, bound(smsc) as client:
        client.answer_with = lambda delivery: CommandStatus.ESME_RX_T_APPN
        client.submit(numbers(4))
        await client.delivered(12)
        await client.settled()
        deliveries = smsc.stats().deliveries
        assert (deliveries.sent_again, deliveries.given_up) == (8, 4)
        assert deliveries.refused == {"ESME_RX_T_APPN": 12}
        assert deliveries.held == 0


@in_loop
async def test_a_receipt_taken_the_second_time_is_acknowledged_once() -> None:
    async with Simulator(Quirks(receipt_delay_ms=0, redelivery_pause_ms=10)) as smsc, bound(smsc) as client:
        client.answer_with = lambda delivery: 0 if len(client.deliveries) > 4 else CommandStatus.ESME_RSYSERR
        client.submit(numbers(4))
        await client.delivered(8)
        await client.settled()
        assert smsc.stats().receipts_acknowledged == 4


@in_loop
async def test_an_unanswered_receipt_is_sent_again() -> None:
    quirks = Quirks(receipt_delay_ms=0, redelivery_pause_ms=10, answer_timeout_ms=50)
    async with Simulator(quirks) as smsc, bound(smsc) as client:
        client.answer_with = lambda delivery: None if len(client.deliveries) == 1 else 0
        client.submit(numbers(1))
        await client.delivered(2)
        await client.settled()
        stats = smsc.stats()
        assert (stats.receipts_acknowledged, stats.deliveries.unanswered) == (1, 1)
