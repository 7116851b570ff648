"""What is counted: identities, duplicates, what is missing, and how many in a second."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.simulator.client import bound, in_loop, numbers

from chappe.simulator import Quirks, Simulator
from chappe.simulator.quirks import Keep
from chappe.simulator.second import SlidingSecond
from chappe.simulator.submission import read
from chappe.smpp import MalformedPdu, SubmitTemplate, encode_tlvs, read_submit

MARKED = [b"Hello #%d, how are you?" % number for number in range(100)]


@in_loop
async def test_number_and_text_together_are_the_identity() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        client.submit(["33600000001", "33600000001", "33600000002", "33600000001"], [b"a", b"b", b"a", b"a"])
        await client.answered()
        stats = smsc.stats()
        assert (stats.messages, stats.unique, stats.duplicates) == (4, 3, 1)


@pytest.mark.parametrize("data_coding", [0, 8])
@in_loop
async def test_a_pattern_finds_the_identity_and_what_is_missing(data_coding: int) -> None:
    texts = [text.decode().encode("utf-16-be") if data_coding else text for text in MARKED]
    async with Simulator(Quirks(identity=r"#(\d+)")) as smsc, bound(smsc) as client:
        client.submit(numbers(90), texts, data_coding=data_coding)
        client.submit(numbers(5), texts, data_coding=data_coding)
        client.submit(numbers(1), [b"nothing"])
        await client.answered()
        stats = smsc.stats()
        assert (stats.unique, stats.duplicates, stats.without_identity) == (90, 5, 1)
        assert smsc.missing(0, 99) == (10, list(range(90, 100)))
        assert smsc.duplicates() == ["0", "1", "2", "3", "4"]


@in_loop
async def test_an_optional_parameter_may_hold_the_identity() -> None:
    async with Simulator(Quirks(identity_tlv=0x1400)) as smsc, bound(smsc) as client:
        for value in (b"7\0", b"8", b"x", b"7"):
            client.submit(numbers(1), tlvs=encode_tlvs([(0x1400, value)]))
        client.submit(numbers(1))
        await client.answered()
        stats = smsc.stats()
        assert (stats.unique, stats.duplicates, stats.without_identity) == (3, 1, 1)
        assert smsc.missing(7, 9) == (1, [9])


@in_loop
async def test_counts_alone_remember_nothing() -> None:
    async with Simulator(Quirks(keep=Keep.COUNTS)) as smsc, bound(smsc) as client:
        client.submit(numbers(100))
        client.submit(numbers(100))
        await client.answered()
        assert (smsc.stats().unique, smsc.stats().accepted) == (200, 200)
        assert not smsc.messages()
        assert not smsc.tally.seen


@in_loop
async def test_only_the_latest_messages_are_kept() -> None:
    async with Simulator(Quirks(keep_messages=10)) as smsc, bound(smsc) as client:
        for first in range(0, 50, 5):
            client.submit(numbers(5, first))
            await client.answered()
        assert [one.destination for one in smsc.messages()] == numbers(50)[:39:-1]


@in_loop
async def test_messages_can_be_looked_at_by_number() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        client.submit(numbers(10), ["Été ☀".encode("utf-16-be")], data_coding=8)
        await client.answered()
        [message] = smsc.messages(numbers(10)[3])
        assert (message.text, message.sender, message.message_id) == ("Été ☀", "38600", client.ids[3])
        assert not smsc.messages("3360000000")


@in_loop
async def test_a_reset_counts_from_zero() -> None:
    async with Simulator() as smsc, bound(smsc) as client:
        client.submit(numbers(10))
        await client.answered()
        smsc.reset()
        stats = smsc.stats()
        assert (stats.messages, stats.unique, stats.most_in_a_second, stats.first) == (0, 0, 0, None)
        client.submit(numbers(10))
        await client.answered()
        assert (smsc.stats().unique, smsc.stats().duplicates) == (10, 0)


@in_loop
async def test_the_most_in_a_second_is_counted_for_each_link_and_for_all() -> None:
    async with Simulator() as smsc, bound(smsc) as one, bound(smsc) as other:
        one.submit(numbers(30))
        await one.answered()
        other.submit(numbers(20))
        await other.answered()
        stats = smsc.stats()
        assert stats.most_in_a_second == 50
        assert [link.most_in_a_second for link in stats.links] == [30, 20]


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 9)), max_size=40))
def test_a_sliding_second_finds_the_fullest_window(arrivals: list[tuple[float, int]]) -> None:
    arrivals.sort()
    second = SlidingSecond()
    for now, count in arrivals:
        second.add(now, count)
    windows = [sum(count for at, count in arrivals if end - 1.0 < at <= end) for end, _ in arrivals]
    assert second.most == max(windows, default=0)


TEMPLATE = SubmitTemplate(source_addr_ton=5, source_addr=b"CHAPPE", dest_addr_ton=1, dest_addr_npi=1)
bodies = st.builds(
    TEMPLATE.body,
    st.binary(max_size=20).map(lambda octets: octets.replace(b"\0", b"0")),
    st.binary(max_size=200),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.just(b""),
    st.sampled_from([b"", encode_tlvs([(0x0204, b"ab")]), encode_tlvs([(0x0424, b"a long text")]), b"\x01", b"\0"]),
)


@given(st.lists(bodies | st.binary(max_size=40), max_size=8))
def test_many_bodies_are_read_as_each_alone_would_be(bodies: list[bytes]) -> None:
    batch, malformed, statuses = read(range(len(bodies)), bodies)
    good, bad = [], []
    for number, body in enumerate(bodies):
        try:
            good.append((number, read_submit(body, number)))
        except MalformedPdu as error:
            bad.append((number, error.command_status))
    assert list(zip(malformed, statuses, strict=True)) == bad
    assert [
        (number, one.destination, one.short_message, one.esm_class, one.registered_delivery, one.data_coding)
        for number, one in good
    ] == [
        (number, destination, text, kind[0], registered[0], coding[0])
        for number, destination, text, kind, registered, coding in zip(
            batch.numbers, batch.destinations, batch.texts, batch.classes, batch.registered, batch.codings, strict=True
        )
    ]
