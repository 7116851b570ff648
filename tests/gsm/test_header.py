"""The user data header: 3GPP TS 23.040, clause 9.2.3.24."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gsm.vectors import vectors

from chappe.gsm import (
    Concatenation,
    Element,
    Encoding,
    MalformedHeader,
    UserDataHeader,
    build_header,
    concatenation_header,
    decode,
    encode,
    parse_header,
    split,
)


def _header(vector: dict[str, Any]) -> UserDataHeader:
    return UserDataHeader(tuple(Element(number, bytes.fromhex(data)) for number, data in vector["elements"]))


@vectors("header")
def test_octets_become_the_elements_of_the_standard(vector: dict[str, Any]) -> None:
    header, rest = parse_header(bytes.fromhex(vector["hex"]) + vector["rest"].encode())
    assert header == _header(vector)
    assert rest == vector["rest"].encode()
    expected = vector["concatenation"]
    assert header.concatenation == (Concatenation(**expected) if expected else None)
    assert (header.locking, header.single) == (vector["locking"], vector["single"])


@vectors("header")
def test_elements_become_the_octets_of_the_standard(vector: dict[str, Any]) -> None:
    assert build_header(_header(vector)).hex() == vector["hex"]


@given(st.data(), st.sampled_from([8, 16]))
def test_a_concatenation_header_reads_back(data: st.DataObject, bits: int) -> None:
    reference = data.draw(st.integers(0, 2**bits - 1))
    total = data.draw(st.integers(1, 255))
    index = data.draw(st.integers(1, total))
    header, rest = parse_header(concatenation_header(reference, total, index, bits) + b"text")
    found = header.concatenation
    assert found is not None
    assert (found.reference, found.total, found.index, found.bits) == (reference, total, index, bits)
    assert rest == b"text"


UNREAD = st.integers(0, 255).filter(lambda number: number not in {0x00, 0x08, 0x24, 0x25})
ELEMENTS = st.lists(st.builds(Element, UNREAD, st.binary(max_size=30)), max_size=6)


@given(ELEMENTS, st.binary(max_size=20))
def test_elements_that_are_not_known_survive_a_round_trip(elements: list[Element], text: bytes) -> None:
    header = UserDataHeader(tuple(elements))
    assert parse_header(build_header(header) + text) == (header, text)
    assert header.concatenation is None


@given(st.binary(max_size=60))
def test_any_octets_are_a_header_or_a_malformed_one(data: bytes) -> None:
    try:
        header, rest = parse_header(data)
    except MalformedHeader:
        return
    assert build_header(header) + rest == data
    assert header.concatenation is None or 1 <= header.concatenation.index <= header.concatenation.total


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        ("", "says no octets"),
        ("05", "says 5 octets, 0 are there"),
        ("050003cc03", "says 5 octets, 4 are there"),
        ("0100", "goes past the end"),
        ("050004cc0301", "goes past the end"),
        ("060003cc030100", "goes past the end"),  # one octet too many
        ("040002cc03", "2 octets where the standard has 3"),
        ("0508030102 01", "3 octets where the standard has 4"),
        ("022400", "0 octets where the standard has 1"),
    ],
)
def test_a_malformed_header_says_what_is_wrong(octets: str, reason: str) -> None:
    with pytest.raises(MalformedHeader, match=reason):
        parse_header(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("reference", "total", "index", "bits"),
    [(256, 2, 1, 8), (65536, 2, 1, 16), (-1, 2, 1, 8), (1, 2, 0, 8), (1, 2, 3, 8), (1, 256, 1, 16), (1, 2, 1, 12)],
)
def test_numbers_that_do_not_fit_are_refused(reference: int, total: int, index: int, bits: int) -> None:
    with pytest.raises(ValueError, match=r"fit|no segment|bits"):
        concatenation_header(reference, total, index, bits)


def test_a_header_longer_than_its_length_octet_can_say_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 255"):
        build_header(UserDataHeader((Element(0x70, bytes(254)),)))


@given(st.text(st.sampled_from("ab€Δ"), min_size=170, max_size=600), st.randoms())
def test_segments_with_headers_rejoin_in_any_order(text: str, random: Any) -> None:
    segments = split(encode(text, Encoding.GSM), Encoding.GSM)
    sent = [concatenation_header(9, len(segments), index) + each for index, each in enumerate(segments, 1)]
    random.shuffle(sent)
    arrived: dict[int, bytes] = {}
    for octets in sent:
        header, data = parse_header(octets)
        assert header.concatenation is not None
        arrived[header.concatenation.index] = data
    assert decode(b"".join(arrived[index] for index in sorted(arrived)), Encoding.GSM) == text
