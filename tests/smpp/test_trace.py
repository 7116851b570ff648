"""Traces: one line a PDU, and no secret on it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.smpp.strategies import pdus
from tests.smpp.vectors import octets, pdu, vectors

from chappe.smpp import CommandId, CommandStatus, Pdu, SubmitTemplate, Tag, Tlv, encode, encode_tlvs, trace
from chappe.smpp.constants import (
    STATUS_TEXTS,
    TLV_TYPES,
    TlvType,
    command_name,
    status_name,
    status_text,
    tag_name,
)


@vectors("pdu")
def test_every_pdu_has_one_line_of_ascii(vector: dict[str, Any]) -> None:
    line = trace(octets(vector))
    assert line == trace(pdu(vector))
    assert line.startswith(f"{vector['pdu']['command']} seq={vector['pdu']['sequence_number']}")
    assert line.isascii()
    assert "\n" not in line


def test_a_submit_shows_what_matters_and_not_its_text() -> None:
    body = SubmitTemplate(source_addr_ton=5, source_addr=b"CHAPPE").body(b"336", b"hush hush", 0x40, 8, 1)
    line = trace((16 + len(body)).to_bytes(4, "big") + b"\0\0\0\4\0\0\0\0\0\0\0\7" + body)
    assert line == (
        'submit_sm seq=7 source_addr_ton=5 source_addr="CHAPPE" destination_addr="336" esm_class=0x40 '
        "registered_delivery=0x01 data_coding=0x08 short_message=<9 octets>"
    )


def test_texts_are_shown_to_who_asks() -> None:
    tlvs = (Tlv(Tag.MESSAGE_PAYLOAD, b"long text"),)
    line = trace(Pdu(CommandId.SUBMIT_SM, 0, 1, {"short_message": b"hush"}, tlvs), show_texts=True)
    assert line == 'submit_sm seq=1 short_message="hush" message_payload="long text"'
    assert trace(Pdu(CommandId.SUBMIT_SM, 0, 1, {"short_message": b"\0\xff"}), show_texts=True).endswith("=0x00ff")


@given(st.binary(min_size=4, max_size=8).filter(lambda secret: 0 not in secret), st.booleans())
def test_a_password_is_never_shown(secret: bytes, show_texts: bool) -> None:
    bind = Pdu(CommandId.BIND_TRANSCEIVER, 0, 1, {"system_id": b"id", "password": secret})
    assert trace(encode(bind), show_texts=show_texts) == 'bind_transceiver seq=1 system_id="id" password=***'


def test_a_payload_is_hidden_like_a_short_message() -> None:
    tlvs = (Tlv(Tag.MESSAGE_PAYLOAD, b"hush"),)
    assert trace(Pdu(CommandId.DATA_SM, 0, 1, {}, tlvs)) == "data_sm seq=1 message_payload=<4 octets>"


def test_optional_parameters_are_shown_by_their_type() -> None:
    tlvs = (
        Tlv(Tag.RECEIPTED_MESSAGE_ID, b"abc\0"),
        Tlv(Tag.MESSAGE_STATE, b"\2"),
        Tlv(Tag.MESSAGE_STATE, b"\x63"),
        Tlv(Tag.SAR_MSG_REF_NUM, b"\1\0"),
        Tlv(0x1402, b"SRV-7"),
        Tlv(0x1403, b"\0\1"),
    )
    assert trace(Pdu(CommandId.ENQUIRE_LINK, 0, 1, {}, tlvs)) == (
        'enquire_link seq=1 receipted_message_id="abc" message_state=DELIVERED message_state=99 sar_msg_ref_num=256 '
        '0x1402="SRV-7" 0x1403=0x0001'
    )


def test_a_refusal_shows_its_status_by_name() -> None:
    assert trace(Pdu(CommandId.SUBMIT_SM_RESP, CommandStatus.ESME_RTHROTTLED, 3)) == (
        "submit_sm_resp seq=3 ESME_RTHROTTLED"
    )
    assert trace(Pdu(CommandId.SUBMIT_SM_RESP, 0x401, 3)) == "submit_sm_resp seq=3 0x00000401"


@vectors("malformed")
def test_what_cannot_be_read_shows_its_header_and_nothing_of_its_body(vector: dict[str, Any]) -> None:
    line = trace(octets(vector))
    assert "malformed" in line
    assert "CHAPPE" not in line
    assert "hello" not in line


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1"])
def test_octets_that_are_no_pdu_are_counted(data: bytes) -> None:
    assert trace(data) == f"{len(data)} octets, not a PDU"


@given(st.binary() | pdus.map(encode))
def test_anything_has_one_printable_line(data: bytes) -> None:
    assert trace(data, show_texts=True).isprintable()


def test_every_status_has_a_name_and_a_text() -> None:
    assert set(STATUS_TEXTS) == set(CommandStatus)
    assert status_name(0x58) == "ESME_RTHROTTLED"
    assert status_text(0x58).startswith("throttled")
    assert status_name(0x0401) == "0x00000401"
    assert "provider" in status_text(0x0401)
    assert "reserve" in status_text(0x10)


def test_every_optional_parameter_has_a_type() -> None:
    assert set(TLV_TYPES) == set(Tag)
    assert all(kind is not TlvType.INTEGER or least == most for kind, least, most in TLV_TYPES.values())
    assert tag_name(0x0424) == "message_payload"
    assert tag_name(0x1400) == "0x1400"


def test_every_command_has_the_name_of_the_standard() -> None:
    assert command_name(0x80000009) == "bind_transceiver_resp"
    assert command_name(0x99) == "0x00000099"


def test_octets_of_templates_are_traced_like_others() -> None:
    body = SubmitTemplate().body(b"1", b"", 0, 0, 0, b"", encode_tlvs([(Tag.MORE_MESSAGES_TO_SEND, b"\1")]))
    data = (16 + len(body)).to_bytes(4, "big") + b"\0\0\0\4\0\0\0\0\0\0\0\1" + body
    assert trace(data) == 'submit_sm seq=1 destination_addr="1" more_messages_to_send=1'
