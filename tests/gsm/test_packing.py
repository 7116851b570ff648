"""Septets in octets: 3GPP TS 23.038, clause 6.1.2.1."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gsm.vectors import vectors

from chappe.gsm import Encoding, concatenation_header, encode, fill_bits, pack, unpack

SEPTETS = st.lists(st.integers(0, 127), max_size=200).map(bytes)


@vectors("packing")
def test_septets_become_the_octets_of_the_standard(vector: dict[str, Any]) -> None:
    assert pack(encode(vector["text"], Encoding.GSM), vector["fill_bits"]).hex() == vector["hex"]


@vectors("packing")
def test_octets_become_the_septets_of_the_standard(vector: dict[str, Any]) -> None:
    septets = encode(vector["text"], Encoding.GSM)
    assert unpack(bytes.fromhex(vector["hex"]), len(septets), vector["fill_bits"]) == septets


@given(SEPTETS, st.integers(0, 6))
def test_what_is_packed_unpacks_to_the_same(septets: bytes, fill: int) -> None:
    octets = pack(septets, fill)
    assert len(octets) == -(-(len(septets) * 7 + fill) // 8)
    assert unpack(octets, len(septets), fill) == septets


@pytest.mark.parametrize(("header", "bits"), [(0, 0), (6, 1), (7, 0), (1, 6), (4, 3)])
def test_text_after_a_header_begins_on_a_septet(header: int, bits: int) -> None:
    assert fill_bits(header) == bits


@pytest.mark.parametrize(("bits", "septets"), [(8, 153), (16, 152)])
def test_a_full_segment_and_its_header_take_140_octets(bits: int, septets: int) -> None:
    header = concatenation_header(1, 2, 1, bits)
    assert len(header + pack(bytes(septets), fill_bits(len(header)))) == 140
    assert len(header + pack(bytes(septets + 1), fill_bits(len(header)))) == 141


def test_what_cannot_be_packed_is_refused() -> None:
    with pytest.raises(ValueError, match="0x7F"):
        pack(b"\x80")
    with pytest.raises(ValueError, match="fill bits"):
        pack(b"a", 7)
    with pytest.raises(ValueError, match="do not hold 2 septets"):
        unpack(b"a", 2)
