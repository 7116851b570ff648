"""Any PDU to octets and back: SMPP 3.4, clauses 3.2 and 4."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.smpp.strategies import pdus, pdus_of
from tests.smpp.vectors import load, octets, pdu, vectors

from chappe.smpp import (
    BrokenStream,
    CommandId,
    CommandStatus,
    Limits,
    LocalProtocolError,
    MalformedPdu,
    Pdu,
    Tag,
    Tlv,
    decode,
    encode,
    encode_tlvs,
)
from chappe.smpp.fields import FIELDS, CString, Destination, Integer, Octets, UnsuccessSme


@vectors("pdu")
def test_octets_become_the_pdu_of_the_standard(vector: dict[str, Any]) -> None:
    assert decode(octets(vector)) == pdu(vector)


@vectors("pdu")
def test_a_pdu_becomes_the_octets_of_the_standard(vector: dict[str, Any]) -> None:
    assert encode(pdu(vector)).hex() == octets(vector).hex()


def test_there_is_a_vector_for_every_command() -> None:
    assert {pdu(vector).command_id for vector in load("pdu")} == set(CommandId)


@vectors("tolerated")
def test_what_peers_get_wrong_without_harm_is_read(vector: dict[str, Any]) -> None:
    assert decode(octets(vector)) == pdu(vector)


@vectors("malformed")
def test_what_cannot_be_read_says_how_it_is_to_be_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(MalformedPdu) as caught:
        decode(octets(vector))
    assert caught.value.command_status == CommandStatus[vector["status"]]
    assert caught.value.command_id == int(vector["hex"].split()[1], 16)
    assert caught.value.sequence_number == int(vector["hex"].split()[3], 16)


def test_every_command_has_a_row_in_the_table_of_fields() -> None:
    assert set(FIELDS) == set(CommandId)


@pytest.mark.parametrize("command_id", sorted(CommandId), ids=lambda command_id: command_id.name.lower())
def test_reading_what_was_written_gives_the_same_pdu(command_id: CommandId) -> None:
    @given(pdus_of(command_id))
    def check(given_pdu: Pdu) -> None:
        assert decode(encode(given_pdu)) == given_pdu

    check()


@given(pdus, st.data())
def test_a_pdu_with_one_octet_changed_is_read_or_refused(given_pdu: Pdu, data: st.DataObject) -> None:
    changed = bytearray(encode(given_pdu))
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(changed))
    except (MalformedPdu, BrokenStream) as error:
        assert str(error)


@given(pdus, st.data())
def test_a_request_cut_anywhere_is_refused(given_pdu: Pdu, data: st.DataObject) -> None:
    body = encode(given_pdu)[16:]
    cut = body[: data.draw(st.integers(0, max(0, len(body) - 1)))]
    header = (16 + len(cut)).to_bytes(4, "big") + encode(given_pdu)[4:16]
    try:
        assert len(encode(decode(header + cut))) <= 16 + len(body)
    except MalformedPdu as error:
        assert error.sequence_number == given_pdu.sequence_number


def test_fields_left_out_are_sent_empty_or_zero() -> None:
    assert encode(Pdu(CommandId.SUBMIT_SM))[16:] == bytes(17)


def test_unknown_optional_parameters_survive_a_round_trip() -> None:
    tlvs = (Tlv(0x1400, b"one"), Tlv(0xFFFF, b""), Tlv(0x1400, b"two"))
    assert decode(encode(Pdu(CommandId.ENQUIRE_LINK, 0, 1, {}, tlvs))).tlvs == tlvs


@pytest.mark.parametrize(
    ("command_id", "known"),
    [(command_id, known) for command_id, table in FIELDS.items() for known in table],
    ids=lambda value: value.name.lower(),
)
def test_a_field_that_is_too_long_is_named(command_id: int, known: Any) -> None:
    too_long: Any
    match known:
        case Integer(size=size):
            too_long = 1 << 8 * size
        case CString(limit=limit) | Octets(limit=limit):
            too_long = b"x" * (limit + 1)
        case _:
            too_long = tuple([Destination(b"1")] * 255)
    with pytest.raises(LocalProtocolError, match=known.name) as caught:
        encode(Pdu(command_id, 0, 1, {known.name: too_long}))
    assert caught.value.field == known.name


@pytest.mark.parametrize(("name", "standard"), [("system_id", 15), ("password", 8)])
def test_a_log_in_longer_than_the_standard_is_written_only_where_that_is_asked_for(name: str, standard: int) -> None:
    encode(Pdu(CommandId.BIND_TRANSCEIVER, 0, 1, {name: b"x" * standard}))
    longer = Pdu(CommandId.BIND_TRANSCEIVER, 0, 1, {name: b"x" * 64})
    with pytest.raises(LocalProtocolError, match=f"may have at most {standard}"):
        encode(longer)
    assert decode(encode(longer, beyond_standard=True)).fields[name] == b"x" * 64
    longest = Pdu(CommandId.BIND_TRANSCEIVER, 0, 1, {name: b"x" * 65})
    with pytest.raises(LocalProtocolError, match="may have at most 64"):
        encode(longest, beyond_standard=True)


def test_what_peers_are_not_known_to_take_longer_stays_within_the_standard() -> None:
    with pytest.raises(LocalProtocolError, match="system_type"):
        encode(Pdu(CommandId.BIND_TRANSCEIVER, 0, 1, {"system_type": b"x" * 13}), beyond_standard=True)


@pytest.mark.parametrize("name", ["system_id", "password"])
def test_a_log_in_is_read_whatever_its_length_within_the_limit_of_a_pdu(name: str) -> None:
    short = encode(Pdu(CommandId.BIND_TRANSMITTER, 0, 1, {}))
    at = 16 if name == "system_id" else 17
    data = short[:at] + b"x" * 500 + short[at:]
    data = len(data).to_bytes(4, "big") + data[4:]
    assert decode(data).fields[name] == b"x" * 500
    with pytest.raises(BrokenStream):
        decode(data, Limits(max_pdu_length=len(data) - 1))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"no_such_field": 1}, "no_such_field"),
        ({"esm_class": b"1"}, "esm_class"),
        ({"esm_class": -1}, "esm_class"),
        ({"source_addr": 1}, "source_addr"),
        ({"source_addr": b"1\0002"}, "source_addr"),
        ({"short_message": 1}, "short_message"),
        ({"validity_period": b"too short"}, "validity_period"),
        ({"schedule_delivery_time": b"240101120000000+0"}, "schedule_delivery_time"),
    ],
)
def test_a_value_that_the_standard_does_not_allow_is_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        encode(Pdu(CommandId.SUBMIT_SM, 0, 1, fields))
    assert caught.value.field == named


def test_an_address_of_submit_multi_that_is_too_long_is_named() -> None:
    with pytest.raises(LocalProtocolError, match="dest_addresses"):
        encode(Pdu(CommandId.SUBMIT_MULTI, 0, 1, {"dest_addresses": (Destination(b"1" * 21),)}))
    with pytest.raises(LocalProtocolError, match="dest_addresses"):
        encode(Pdu(CommandId.SUBMIT_MULTI, 0, 1, {"dest_addresses": (Destination(b"1", 256, 0),)}))
    with pytest.raises(LocalProtocolError, match="unsuccess_smes"):
        encode(Pdu(CommandId.SUBMIT_MULTI_RESP, 0, 1, {"unsuccess_smes": (UnsuccessSme(0, 0, b"1" * 21, 1),)}))


def test_a_command_that_the_standard_does_not_know_is_not_written() -> None:
    with pytest.raises(LocalProtocolError, match="command_id"):
        encode(Pdu(0x99))


def test_a_header_that_does_not_fit_is_not_written() -> None:
    with pytest.raises(LocalProtocolError, match="sequence_number"):
        encode(Pdu(CommandId.ENQUIRE_LINK, 0, 1 << 32))
    with pytest.raises(LocalProtocolError, match="command_status"):
        encode(Pdu(CommandId.ENQUIRE_LINK_RESP, -1, 1))


def test_an_optional_parameter_that_does_not_fit_is_not_written() -> None:
    with pytest.raises(LocalProtocolError, match="tlv"):
        encode_tlvs([(Tag.MESSAGE_PAYLOAD, bytes(65536))])
    with pytest.raises(LocalProtocolError, match="tlv"):
        encode_tlvs([(65536, b"")])


def test_more_optional_parameters_than_allowed_are_refused() -> None:
    data = encode(Pdu(CommandId.ENQUIRE_LINK, 0, 1, {}, (Tlv(1, b""),) * 3))
    assert len(decode(data, Limits(max_tlvs=3)).tlvs) == 3
    with pytest.raises(MalformedPdu, match="more than 2") as caught:
        decode(data, Limits(max_tlvs=2))
    assert caught.value.command_status == CommandStatus.ESME_RINVOPTPARSTREAM


@pytest.mark.parametrize("length", [0, 15, 17, 65_537, 0xFFFFFFFF])
def test_a_length_that_cannot_be_breaks_the_stream(length: int) -> None:
    data = length.to_bytes(4, "big") + encode(Pdu(CommandId.ENQUIRE_LINK, 0, 1))[4:]
    with pytest.raises(BrokenStream, match=str(length)):
        decode(data)


def test_less_than_a_header_breaks_the_stream() -> None:
    with pytest.raises(BrokenStream):
        decode(bytes(15))


def test_a_pdu_longer_than_allowed_breaks_the_stream() -> None:
    data = encode(Pdu(CommandId.OUTBIND, 0, 1, {"system_id": b"123456"}))
    with pytest.raises(BrokenStream):
        decode(data, Limits(max_pdu_length=len(data) - 1))


def test_a_pdu_shows_neither_password_nor_text_by_itself() -> None:
    bind = Pdu(CommandId.BIND_RECEIVER, 0, 1, {"system_id": b"someone", "password": b"hushhush"})
    assert repr(bind) == "<bind_receiver sequence_number=1 command_status=ESME_ROK>"


def test_fields_are_had_by_name_and_kind() -> None:
    submit = Pdu(CommandId.SUBMIT_SM, 0, 1, {"esm_class": 3, "source_addr": b"me"}, (Tlv(5, b"\1"), Tlv(5, b"\2")))
    assert (submit.number("esm_class"), submit.number("data_coding"), submit.number("source_addr")) == (3, 0, 0)
    assert (submit.octets("source_addr"), submit.octets("service_type"), submit.octets("esm_class")) == (
        b"me",
        b"",
        b"",
    )
    assert (submit.tlv(5), submit.tlv(6)) == (b"\1", None)


def test_values_of_optional_parameters_are_numbers_or_strings() -> None:
    assert Tlv(Tag.SAR_MSG_REF_NUM, b"\x12\x34").number() == 0x1234
    assert Tlv(Tag.RECEIPTED_MESSAGE_ID, b"abc\0").octets() == b"abc"
    assert Tlv(Tag.RECEIPTED_MESSAGE_ID, b"abc").octets() == b"abc"
