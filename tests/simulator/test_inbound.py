"""Texts from phones: replies, texts by the clock, long ones in segments."""

from typing import Any

import pytest
from tests.simulator.client import bound, in_loop, numbers

from chappe.gsm import Encoding, count, decode, parse_header
from chappe.simulator import Quirks, Simulator
from chappe.simulator.fate import draw, threshold
from chappe.simulator.inbound import FIRST_LOTS
from chappe.simulator.quirks import Inbound, InboundTlv, Segmentation
from chappe.smpp import BindKind, Delivery, Tag

LONG = "Un texte assez long pour trois segments, pas moins. " * 8
SEGMENTS = count(LONG, Encoding.GSM)


def script(*rules: Inbound, **knobs: Any) -> Quirks:
    return Quirks(inbound=rules, receipt_delay_ms=0, **knobs)


@in_loop
async def test_a_fraction_of_the_numbers_answers_and_which_can_be_told_beforehand() -> None:
    quirks = script(Inbound("STOP", reply_to="", probability=0.2, delay_ms=0))
    expected = {one for one in numbers(200) if draw(one.encode(), quirks.seed, FIRST_LOTS)[0] < threshold(0.2)}
    assert 20 < len(expected) < 60
    async with Simulator(quirks) as smsc, bound(smsc) as client:
        client.submit(numbers(200), registered=0)
        await client.delivered(len(expected))
        await client.settled()
        assert sorted(one.source.decode() for one in client.texts()) == sorted(expected)


@in_loop
async def test_a_reply_comes_from_the_number_written_to_and_goes_to_the_sender() -> None:
    async with Simulator(script(Inbound("OUI", reply_to="", delay_ms=0))) as smsc, bound(smsc) as client:
        client.submit(["33612345678"], source="38700", registered=0)
        await client.delivered(1)
        [text] = client.texts()
        assert (text.source, text.destination, text.short_message) == (b"33612345678", b"38700", b"OUI")
        await client.settled()
        stats = smsc.stats()
        assert (stats.texts_sent, stats.texts_acknowledged, stats.receipts_sent) == (1, 1, 0)


@in_loop
async def test_a_reply_may_depend_on_text_and_number() -> None:
    rule = Inbound("OUI", reply_to="(?i)question", to="1$", delay_ms=0, recipient="99999")
    async with Simulator(script(rule)) as smsc, bound(smsc) as client:
        client.submit(numbers(10), [b"Une Question ?"], registered=0)
        client.submit(numbers(10), [b"Rien"], registered=0)
        client.submit(["33600000021"], ["Question é".encode("utf-16-be")], data_coding=8, registered=0)
        await client.delivered(2)
        await client.settled()
        assert [one.source for one in client.texts()] == [b"33600000001", b"33600000021"]
        assert {one.destination for one in client.texts()} == {b"99999"}


@in_loop
async def test_of_a_message_in_segments_only_the_first_is_answered() -> None:
    async with Simulator(script(Inbound("OUI", reply_to="", delay_ms=0))) as smsc, bound(smsc) as client:
        for index in (1, 2, 3):
            client.submit(["33612345678"], [bytes((5, 0, 3, 9, 3, index)) + b"part"], esm_class=0x40, registered=0)
        await client.delivered(1)
        await client.settled()
        assert len(client.texts()) == 1
        assert smsc.stats().segments == 3


def reference_of(segment: Delivery) -> tuple[int, int, int]:
    """Reference, total and index, whichever way it carries them."""
    if segment.esm_class & 0x40:
        header, _ = parse_header(segment.short_message)
        assert header.concatenation is not None
        return header.concatenation.reference, header.concatenation.total, header.concatenation.index
    values = [segment.tlv(tag) or b"" for tag in (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)]
    reference, total, index = (int.from_bytes(value, "big") for value in values)
    return reference, total, index


@pytest.mark.parametrize("is_shuffled", [False, True])
@pytest.mark.parametrize("segmentation", [Segmentation.UDH8, Segmentation.UDH16, Segmentation.SAR])
@in_loop
async def test_a_long_text_comes_in_segments_that_join(segmentation: Segmentation, is_shuffled: bool) -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        assert smsc.send_text(Inbound(LONG, segmentation=segmentation, is_shuffled=is_shuffled)) == SEGMENTS
        await client.delivered(SEGMENTS)
        segments = sorted(client.deliveries, key=lambda one: reference_of(one)[2])
        assert len({reference_of(one)[0] for one in segments}) == 1
        assert [reference_of(one)[1:] for one in segments] == [(SEGMENTS, index) for index in range(1, SEGMENTS + 1)]
        octets = [parse_header(one.short_message)[1] if one.esm_class & 0x40 else one.short_message for one in segments]
        assert decode(b"".join(octets), Encoding.GSM) == LONG


@in_loop
async def test_a_long_text_may_come_whole() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        smsc.send_text(Inbound(LONG + "👍", encoding=Encoding.UCS2, segmentation=Segmentation.PAYLOAD))
        await client.delivered(1)
        [text] = client.deliveries
        assert (decode(text.short_message, Encoding.UCS2), text.data_coding) == (LONG + "👍", 8)


@in_loop
async def test_a_text_carries_what_the_script_says() -> None:
    rule = Inbound("à", encoding=Encoding.LATIN1, data_coding=0xF3, tlvs=(InboundTlv(0x1400, "CAFE"),), sender="ACME")
    async with Simulator() as smsc, bound(smsc) as client:
        smsc.send_text(rule)
        await client.delivered(1)
        [text] = client.deliveries
        assert (text.short_message, text.data_coding, text.tlv(0x1400)) == (b"\xe0", 0xF3, b"\xca\xfe")
        assert (text.source, text.source_addr_ton, text.destination) == (b"ACME", 5, b"38600")


@in_loop
async def test_texts_come_by_the_clock_once_and_again() -> None:
    quirks = script(
        Inbound("once", after_s=0.01), Inbound("again", every_s=0.02, sender="33600{n}", count=2, recipient="38700")
    )
    async with Simulator(quirks) as smsc, bound(smsc) as client:
        await client.until(lambda: sum(one.short_message == b"again" for one in client.deliveries) >= 6)
        assert sum(one.short_message == b"once" for one in client.deliveries) == 1
        assert len({one.source for one in client.deliveries}) == len(client.deliveries)


@in_loop
async def test_texts_wait_for_whoever_receives_first() -> None:
    async with Simulator() as smsc, bound(smsc, BindKind.TRANSMITTER) as sender:
        smsc.send_text(Inbound("STOP", count=3))
        smsc.send_text(Inbound("STOP", system_id="named"))
        assert smsc.stats().deliveries.held == 4
        async with bound(smsc, BindKind.RECEIVER) as receiver:
            await receiver.delivered(3)
        async with bound(smsc, system_id="named") as named:
            await named.delivered(1)
        assert not sender.deliveries


@in_loop
async def test_a_refused_text_is_sent_again() -> None:
    async with Simulator(Quirks(redelivery_pause_ms=10)) as smsc, bound(smsc) as client:
        client.answer_with = lambda delivery: 0 if len(client.deliveries) > 1 else 8
        smsc.send_text(Inbound("STOP"))
        await client.delivered(2)
        await client.settled()
        assert (smsc.stats().texts_sent, smsc.stats().texts_acknowledged) == (2, 1)
