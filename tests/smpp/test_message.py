"""The fast ways of submit_sm, deliver_sm and data_sm give what the general codec gives: SMPP 3.4, 4.4, 4.6, 4.7."""

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.smpp.strategies import c_octets, octet, pdus_of, tlvs
from tests.smpp.vectors import load, octets, pdu

from chappe.smpp import (
    CommandId,
    CommandStatus,
    DeliverTemplate,
    Delivery,
    Limits,
    LocalProtocolError,
    MalformedPdu,
    Pdu,
    SubmitTemplate,
    Tag,
    Tlv,
    decode,
    encode,
    encode_tlvs,
    read_submit,
)
from chappe.smpp.delivery import read_data, read_deliver
from chappe.smpp.pdu import encode_body

LIMITS = Limits()
time = st.just(b"") | c_octets(16, 16)
submit_templates = st.builds(
    SubmitTemplate,
    service_type=c_octets(5),
    source_addr_ton=octet,
    source_addr_npi=octet,
    source_addr=c_octets(20),
    dest_addr_ton=octet,
    dest_addr_npi=octet,
    protocol_id=octet,
    priority_flag=octet,
    schedule_delivery_time=time,
    replace_if_present_flag=octet,
    sm_default_msg_id=octet,
)
deliver_templates = st.builds(
    DeliverTemplate,
    service_type=c_octets(5),
    source_addr_ton=octet,
    source_addr_npi=octet,
    dest_addr_ton=octet,
    dest_addr_npi=octet,
    destination_addr=c_octets(20),
    protocol_id=octet,
    priority_flag=octet,
)


def _given(template: SubmitTemplate | DeliverTemplate) -> dict[str, Any]:
    return {name: value for name, value in asdict(template).items() if not name.startswith("_")}


@given(submit_templates, c_octets(20), st.binary(max_size=254), octet, octet, octet, time, tlvs)
def test_a_submit_template_gives_the_octets_of_the_codec(
    template: SubmitTemplate,
    destination: bytes,
    short_message: bytes,
    esm_class: int,
    data_coding: int,
    registered_delivery: int,
    validity_period: bytes,
    optional: tuple[Tlv, ...],
) -> None:
    fields = {
        **_given(template),
        "destination_addr": destination,
        "short_message": short_message,
        "esm_class": esm_class,
        "data_coding": data_coding,
        "registered_delivery": registered_delivery,
        "validity_period": validity_period,
    }
    body = template.body(
        destination,
        short_message,
        esm_class,
        data_coding,
        registered_delivery,
        validity_period,
        encode_tlvs(optional),
    )
    assert body == encode_body(Pdu(CommandId.SUBMIT_SM, 0, 1, fields, optional))


@given(deliver_templates, c_octets(20), st.binary(max_size=254), octet, octet, octet, tlvs)
def test_a_deliver_template_gives_the_octets_of_the_codec(
    template: DeliverTemplate,
    source: bytes,
    short_message: bytes,
    esm_class: int,
    data_coding: int,
    registered_delivery: int,
    optional: tuple[Tlv, ...],
) -> None:
    fields = {
        **_given(template),
        "source_addr": source,
        "short_message": short_message,
        "esm_class": esm_class,
        "data_coding": data_coding,
        "registered_delivery": registered_delivery,
    }
    body = template.body(source, short_message, esm_class, data_coding, registered_delivery, encode_tlvs(optional))
    assert body == encode_body(Pdu(CommandId.DELIVER_SM, 0, 1, fields, optional))


def _folded(given_pdu: Pdu) -> bytes:
    text = given_pdu.octets("short_message")
    return text or given_pdu.tlv(Tag.MESSAGE_PAYLOAD) or b""


def _check_submission(given_pdu: Pdu) -> None:
    read = read_submit(encode_body(given_pdu))
    named = dict(zip(read._fields, read, strict=True))
    assert named.pop("source") == given_pdu.octets("source_addr")
    assert named.pop("destination") == given_pdu.octets("destination_addr")
    assert named.pop("tlvs") == given_pdu.tlvs
    assert named.pop("short_message") == _folded(given_pdu)
    assert named == {name: given_pdu.fields[name] for name in named}


@given(pdus_of(CommandId.SUBMIT_SM))
def test_a_submit_is_read_as_the_codec_reads_it(given_pdu: Pdu) -> None:
    _check_submission(given_pdu)


@pytest.mark.parametrize("command_id", [CommandId.DELIVER_SM, CommandId.DATA_SM])
def test_a_delivery_is_read_as_the_codec_reads_it(command_id: CommandId) -> None:
    reader = read_deliver if command_id == CommandId.DELIVER_SM else read_data

    @given(pdus_of(command_id), st.binary(max_size=9), st.binary(max_size=9))
    def check(given_pdu: Pdu, before: bytes, behind: bytes) -> None:
        body = encode_body(given_pdu)
        buffer = before + body + behind
        read = reader(buffer, len(before), len(before) + len(body), 77, LIMITS)
        assert (read.sequence_number, read.command_id) == (77, command_id)
        named = dict(zip(read._fields[2:], read[2:], strict=True))
        assert named.pop("source") == given_pdu.octets("source_addr")
        assert named.pop("destination") == given_pdu.octets("destination_addr")
        assert named.pop("tlvs") == given_pdu.tlvs
        assert named.pop("short_message") == _folded(given_pdu)
        assert named == {name: given_pdu.fields.get(name, 0) for name in named}

    check()


def _sm_bodies() -> list[bytes]:
    """Bodies of submit_sm and deliver_sm, whole and broken."""
    both = CommandId.SUBMIT_SM, CommandId.DELIVER_SM
    broken = [vector for vector in load("malformed") if int(vector["hex"].split()[1], 16) in both]
    whole = [vector for kind in ("pdu", "tolerated") for vector in load(kind) if pdu(vector).command_id in both]
    return [octets(vector)[16:] for vector in broken + whole]


@pytest.mark.parametrize("body", _sm_bodies())
def test_the_fast_ways_refuse_what_the_codec_refuses(body: bytes) -> None:
    for cut in range(len(body) + 1):
        part = body[:cut]
        for command_id in (CommandId.SUBMIT_SM, CommandId.DELIVER_SM):
            data = (16 + cut).to_bytes(4, "big") + int(command_id).to_bytes(4, "big") + bytes(4) + b"\0\0\0\7" + part
            assert _fast(command_id, part) == _general(data)


def _fast(command_id: int, body: bytes) -> object:
    try:
        if command_id == CommandId.SUBMIT_SM:
            return read_submit(body, 7).tlvs
        return read_deliver(body, 0, len(body), 7, LIMITS).tlvs
    except MalformedPdu as error:
        return error.command_id, error.sequence_number, error.command_status


def _general(data: bytes) -> object:
    try:
        return decode(data).tlvs
    except MalformedPdu as error:
        return error.command_id, error.sequence_number, error.command_status


def test_a_payload_stands_for_an_empty_short_message_only() -> None:
    tlvs = encode_tlvs([(Tag.MESSAGE_PAYLOAD, b"long")])
    template = SubmitTemplate()
    assert read_submit(template.body(b"1", b"", 0, 0, 0, b"", tlvs)).short_message == b"long"
    assert read_submit(template.body(b"1", b"short", 0, 0, 0, b"", tlvs)).short_message == b"short"
    assert read_submit(template.body(b"1", b"", 0, 0, 0, b"", tlvs)).tlv(Tag.MESSAGE_PAYLOAD) == b"long"
    body = DeliverTemplate().body(b"1", b"", 0, 0, tlvs=tlvs)
    assert read_deliver(body, 0, len(body), 1, LIMITS).short_message == b"long"


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: SubmitTemplate(service_type=b"123456"), "service_type"),
        (lambda: SubmitTemplate(source_addr=b"1" * 21), "source_addr"),
        (lambda: SubmitTemplate(source_addr=b"1\0"), "source_addr"),
        (lambda: SubmitTemplate(dest_addr_ton=256), "dest_addr_ton"),
        (lambda: SubmitTemplate(protocol_id=-1), "protocol_id"),
        (lambda: SubmitTemplate(schedule_delivery_time=b"1"), "schedule_delivery_time"),
        (lambda: SubmitTemplate().body(b"1" * 21, b"", 0, 0, 0), "destination_addr"),
        (lambda: SubmitTemplate().body(b"1\0", b"", 0, 0, 0), "destination_addr"),
        (lambda: SubmitTemplate().body(b"1", b"x" * 255, 0, 0, 0), "short_message"),
        (lambda: SubmitTemplate().body(b"1", b"", 256, 0, 0), "esm_class"),
        (lambda: SubmitTemplate().body(b"1", b"", 0, -1, 0), "data_coding"),
        (lambda: SubmitTemplate().body(b"1", b"", 0, 0, 256), "registered_delivery"),
        (lambda: SubmitTemplate().body(b"1", b"", 0, 0, 0, b"240101"), "validity_period"),
        (lambda: DeliverTemplate(destination_addr=b"1" * 21), "destination_addr"),
        (lambda: DeliverTemplate().body(b"1" * 21, b"", 0, 0), "source_addr"),
        (lambda: DeliverTemplate().body(b"1", b"x" * 255, 0, 0), "short_message"),
        (lambda: DeliverTemplate().body(b"1", b"", 0, 256), "data_coding"),
    ],
)
def test_a_template_names_what_the_standard_does_not_allow(make: Any, named: str) -> None:
    with pytest.raises(LocalProtocolError) as caught:
        make()
    assert caught.value.field == named


def test_a_template_forgets_validity_periods_it_no_longer_needs() -> None:
    template = SubmitTemplate()
    for minute in range(1000):
        template.body(b"1", b"", 0, 0, 0, b"24010112%02d%02d000+" % divmod(minute, 60))
    assert len(template._middles) <= 256


def test_a_delivery_knows_whether_it_is_a_receipt() -> None:
    def read(esm_class: int) -> Delivery:
        body = DeliverTemplate().body(b"1", b"x", esm_class, 0)
        return read_deliver(body, 0, len(body), 1, LIMITS)

    assert [read(esm_class).is_receipt for esm_class in (0x00, 0x04, 0x44, 0x20, 0x08)] == [
        False,
        True,
        True,
        False,
        False,
    ]


def test_messages_show_neither_text_nor_numbers_by_themselves() -> None:
    body = SubmitTemplate(source_addr=b"CHAPPE").body(b"33612345678", b"hush", 0, 0, 0)
    shown = repr(read_submit(body)) + repr(read_deliver(body, 0, len(body), 1, LIMITS))
    assert not any(word in shown for word in ("hush", "33612345678", "CHAPPE"))


def test_a_submit_with_too_many_optional_parameters_is_refused() -> None:
    body = SubmitTemplate().body(b"1", b"", 0, 0, 0, b"", encode_tlvs([(1, b"")] * 3))
    with pytest.raises(MalformedPdu) as caught:
        read_submit(body, 9, Limits(max_tlvs=2))
    assert (caught.value.command_status, caught.value.sequence_number) == (CommandStatus.ESME_RINVOPTPARSTREAM, 9)


def test_a_long_message_goes_out_as_one_pdu() -> None:
    body = SubmitTemplate().body(b"1", b"", 0, 0, 0, b"", encode_tlvs([(Tag.MESSAGE_PAYLOAD, bytes(60_000))]))
    whole = encode(
        Pdu(CommandId.SUBMIT_SM, 0, 1, {"destination_addr": b"1"}, (Tlv(Tag.MESSAGE_PAYLOAD, bytes(60_000)),))
    )
    assert body == whole[16:]
