"""What may be kept and shown of a PDU: never a password, texts and numbers only to who may see them, and always a PDU."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.smpp.strategies import pdus
from tests.smpp.vectors import octets, pdu, vectors

from chappe.smpp import BindKind, CommandId, Pdu, Tag, Tlv, decode, encode
from chappe.smpp.address import addresses
from chappe.smpp.layout import layout
from chappe.smpp.mask import masked, without_password

TEXT = b"Bonjour Marie, votre code est 4711"
RECEIPT = b"id:0012345678 sub:001 dlvrd:001 submit date:2601011200 done date:2601011201 stat:DELIVRD err:000 text:Bonjour Marie"


def message(command_id: int = CommandId.SUBMIT_SM, *tlvs: Tlv, **fields: Any) -> bytes:
    usual = {"source_addr": b"CHAPPE", "destination_addr": b"33612345678", "short_message": TEXT}
    return encode(Pdu(command_id, 0, 7, {**usual, **fields}, tlvs))


def hidden(data: bytes) -> Pdu:
    return decode(masked(data, shows_texts=False, shows_numbers=False))


@vectors("pdu")
def test_each_field_stands_where_the_layout_says(vector: dict[str, Any]) -> None:
    data, meant = octets(vector), pdu(vector)
    places = layout(data)
    fields = {place.name: place.value for place in places if place.tag is None}
    assert fields == dict(meant.fields)
    for place in places:
        if isinstance(place.value, bytes):
            assert data[place.start : place.end] == place.value
        elif isinstance(place.value, int):
            assert int.from_bytes(data[place.start : place.end], "big") == place.value
    assert [(place.tag, place.value) for place in places if place.tag is not None] == list(meant.tlvs)


@given(pdus)
def test_what_is_masked_is_a_pdu_of_the_same_shape(meant: Pdu) -> None:
    data = encode(meant, beyond_standard=True)
    for shows_texts, shows_numbers in ((False, False), (True, False), (False, True)):
        found = masked(data, shows_texts=shows_texts, shows_numbers=shows_numbers)
        assert len(found) == len(data)
        read = decode(found)
        assert (read.command_id, read.sequence_number) == (meant.command_id, meant.sequence_number)
        assert [tlv.tag for tlv in read.tlvs] == [tlv.tag for tlv in meant.tlvs]


@given(st.binary(min_size=16, max_size=200))
def test_octets_that_are_no_pdu_lose_their_body(data: bytes) -> None:
    found = masked(data, shows_texts=False, shows_numbers=False)
    assert len(found) == len(data)
    assert found[:16] == data[:16]


def test_who_may_see_both_sees_it_as_it_was() -> None:
    assert masked(message(), shows_texts=True, shows_numbers=True) == message()


def test_a_text_becomes_as_many_letters() -> None:
    found = decode(masked(message(), shows_texts=False, shows_numbers=True))
    assert found.octets("short_message") == b"x" * len(TEXT)
    assert found.octets("destination_addr") == b"33612345678"


def test_of_a_number_the_last_two_digits_stay_and_a_name_or_short_code_stays_whole() -> None:
    found = decode(masked(message(), shows_texts=True, shows_numbers=False))
    assert found.octets("short_message") == TEXT
    assert found.octets("destination_addr") == b"00000000078"
    assert found.octets("source_addr") == b"CHAPPE"
    reply = message(CommandId.DELIVER_SM, source_addr=b"33612345678", destination_addr=b"38600")
    assert hidden(reply).octets("source_addr") == b"00000000078"
    assert hidden(reply).octets("destination_addr") == b"38600"


def test_a_text_of_two_octets_a_character_stays_one() -> None:
    data = message(data_coding=8, short_message="Noël".encode("utf-16-be"))
    assert hidden(data).octets("short_message") == "xxxx".encode("utf-16-be")


def test_the_header_of_a_segment_stays() -> None:
    data = message(esm_class=0x40, short_message=b"\5\0\3\x2a\2\1" + TEXT)
    assert hidden(data).octets("short_message") == b"\5\0\3\x2a\2\1" + b"x" * len(TEXT)


def test_a_receipt_keeps_what_the_provider_says_and_not_the_beginning_of_the_text() -> None:
    data = message(CommandId.DELIVER_SM, esm_class=0x04, short_message=RECEIPT)
    kept, _, _ = RECEIPT.partition(b"text:")
    found = hidden(data).octets("short_message")
    assert found.startswith(kept)
    assert b"Marie" not in found
    assert len(found) == len(RECEIPT)


def test_a_text_in_a_parameter_and_what_a_vendor_adds_are_hidden_too() -> None:
    data = message(
        CommandId.SUBMIT_SM,
        Tlv(Tag.MESSAGE_PAYLOAD, TEXT),
        Tlv(0x1401, b"Marie"),
        Tlv(Tag.CALLBACK_NUM, b"\1\1\x0133612345678"),
        Tlv(Tag.RECEIPTED_MESSAGE_ID, b"0012345678\0"),
        short_message=b"",
    )
    assert [tlv.value for tlv in hidden(data).tlvs] == [
        b"x" * len(TEXT),
        b"xxxxx",
        b"\1\1\x0100000000078",
        b"0012345678\0",
    ]


@pytest.mark.parametrize("kind", list(BindKind))
def test_a_password_is_never_kept_nor_how_long_it_is(kind: BindKind) -> None:
    kept = {
        without_password(encode(Pdu(kind, 0, 1, {"system_id": b"relais", "password": password}), beyond_standard=True))
        for password in (b"s3cret", b"a much longer one than the standard allows")
    }
    (data,) = kept
    assert decode(data).octets("system_id") == b"relais"
    assert decode(data).octets("password") == b"********"


def test_a_bind_that_cannot_be_read_keeps_its_header_alone() -> None:
    data = encode(Pdu(CommandId.BIND_TRANSCEIVER, 0, 1, {"system_id": b"relais", "password": b"s3cret"}))
    broken = (len(data) - 6).to_bytes(4, "big") + data[4:-6]
    kept = without_password(broken)
    assert b"s3cret" not in kept
    assert kept[4:16] == data[4:16]


def test_other_pdus_are_kept_as_they_are() -> None:
    assert without_password(message()) == message()


@pytest.mark.parametrize("command_id", [CommandId.SUBMIT_SM, CommandId.DELIVER_SM])
def test_the_addresses_are_found_without_reading_the_rest(command_id: CommandId) -> None:
    assert addresses(message(command_id)) == (b"CHAPPE", b"33612345678")


def test_data_sm_has_addresses_and_a_response_has_none() -> None:
    data = encode(Pdu(CommandId.DATA_SM, 0, 1, {"source_addr": b"1", "destination_addr": b"2"}))
    assert addresses(data) == (b"1", b"2")
    assert addresses(encode(Pdu(CommandId.SUBMIT_SM_RESP, 0, 1, {"message_id": b"1"}))) == (b"", b"")
    assert addresses(data[:18]) == (b"", b"")
