from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.gsm import Encoding
from chappe.messaging import MessageOptions, OutboundMessage, OutgoingTlv, Refused
from chappe.providers import smpp
from chappe.providers.smpp import SPEC, Dialect, InboundPart, segment_reference
from chappe.rules.reassembly import Piece, join
from chappe.smpp import BindKind, Delivery, Pdu, Submission, Tag, encode, read_submit
from chappe.smpp.constants import CommandId
from chappe.smpp.tlv import Tlv


def dialect(**values: Any) -> Dialect:
    return Dialect(SPEC.parse({"host": "smsc.example", "account": "a", **values}))


PLAIN = dialect()


def message(body: str = "Hello", **values: Any) -> OutboundMessage:
    fields: dict[str, Any] = {"sender": "ACME", "recipient": "+33612345678", "category": 0, "attempt": 1, "tries": 0}
    fields |= {"id": 0x0102, "body": body, "expires_ms": 0, "delivery_id": 0, "organisation_id": 1}
    return OutboundMessage(**(fields | values))


def sent(found: list[tuple[int, bytes]] | Refused) -> list[tuple[int, Submission]]:
    return [(index, read_submit(body)) for index, body in bodies_of(found)]


def bodies_of(found: list[tuple[int, bytes]] | Refused) -> list[tuple[int, bytes]]:
    assert not isinstance(found, Refused), found
    return found


def delivery(
    data: bytes, esm_class: int = 0, data_coding: int = 0, tlvs: tuple[tuple[int, bytes], ...] = ()
) -> Delivery:
    found = tuple(Tlv(tag, value) for tag, value in tlvs)
    return Delivery(1, 5, b"", 1, 1, b"33612345678", 0, 0, b"36000", esm_class, 0, 0, data_coding, data, found)


# -- out -------------------------------------------------------------------------------------------------------------


def test_plain_message_is_the_octets_that_the_codec_writes() -> None:
    ((index, body),) = bodies_of(PLAIN.segments(message("Hi @ you", expires_ms=1_795_300_000_000)))
    fields: dict[str, int | bytes] = {
        "service_type": b"",
        "source_addr_ton": 0,
        "source_addr_npi": 0,
        "source_addr": b"ACME",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": b"33612345678",
        "esm_class": 0,
        "protocol_id": 0,
        "priority_flag": 0,
        "schedule_delivery_time": b"",
        "validity_period": b"261121222640000+",
        "registered_delivery": 1,
        "replace_if_present_flag": 0,
        "data_coding": 0,
        "sm_default_msg_id": 0,
        "short_message": b"Hi \0 you",
    }
    assert index == 0
    assert body == encode(Pdu(CommandId.SUBMIT_SM, 0, 1, fields, ()))[16:]


def test_long_text_goes_last_segment_first_and_asks_for_one_receipt() -> None:
    found = sent(PLAIN.segments(message("a" * 153 + "b" * 153 + "c")))
    reference = segment_reference(0x0102)
    assert [index for index, _ in found] == [2, 1, 0]
    assert [read.short_message[:6] for _, read in found] == [
        bytes((5, 0, 3, reference, 3, position)) for position in (3, 2, 1)
    ]
    assert [read.short_message[6:] for _, read in found] == [b"c", b"b" * 153, b"a" * 153]
    assert [read.registered_delivery for _, read in found] == [0, 0, 1]
    assert {read.esm_class for _, read in found} == {0x40}


@pytest.mark.parametrize(
    ("body", "segments"),
    [
        ("", 1),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("漢" * 70, 1),
        ("漢" * 71, 2),
        ("漢" * 134, 2),
        ("漢" * 135, 3),
        ("x" * 306, 2),
        ("x" * 307, 3),
    ],
)
def test_text_takes_segments(body: str, segments: int) -> None:
    assert len(sent(PLAIN.segments(message(body)))) == segments


def test_segments_already_taken_are_not_sent_again() -> None:
    body = "x" * 400
    assert [index for index, _ in sent(PLAIN.segments(message(body, accepted_segments=(2, 1))))] == [0]
    assert [index for index, _ in sent(PLAIN.segments(message(body, accepted_segments=(2,))))] == [1, 0]
    assert PLAIN.segments(message(body, accepted_segments=(2, 1, 0))) == []
    assert PLAIN.segments(message("x", accepted_segments=(0,))) == []


def test_segments_of_another_attempt_fit_those_of_the_first() -> None:
    first = sent(PLAIN.segments(message("x" * 400)))
    again = sent(PLAIN.segments(message("x" * 400, attempt=2, accepted_segments=(2,))))
    assert again == first[1:]


@given(st.integers(0, 2**63 - 2))
def test_neighbours_have_different_references(number: int) -> None:
    assert 0 <= segment_reference(number) <= 255
    assert segment_reference(number) != segment_reference(number ^ 1)


def test_replies_ask_for_no_receipt() -> None:
    options = MessageOptions(wants_receipt=False)
    assert sent(PLAIN.segments(message(options=options)))[0][1].registered_delivery == 0
    long = sent(PLAIN.segments(message("x" * 400, options=options)))
    assert {read.registered_delivery for _, read in long} == {0}


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_transmission_mode_is_dest_addr_subunit(mode: int) -> None:
    found = sent(PLAIN.segments(message("x" * 200, options=MessageOptions(transmission_mode=mode))))
    assert [read.tlvs for _, read in found] == [(Tlv(Tag.DEST_ADDR_SUBUNIT, bytes((mode,))),)] * 2
    assert sent(PLAIN.segments(message(options=MessageOptions())))[0][1].tlvs == ()


def test_parameters_of_the_delivery_are_sent_in_their_order() -> None:
    tlvs = (OutgoingTlv(0x1403, b"a"), OutgoingTlv(0x1400, b"\0\1"))
    ((_, read),) = sent(PLAIN.segments(message(options=MessageOptions(tlvs=tlvs, service_id="no tag set"))))
    assert read.tlvs == (Tlv(0x1403, b"a"), Tlv(0x1400, b"\0\1"))


@pytest.mark.parametrize(
    ("values", "of", "reason"),
    [
        ({}, {"body": "x" * 400, "options": MessageOptions(maximum_segments=2)}, smpp.TOO_LONG),
        ({}, {"body": "x" * 153 * 256}, smpp.TOO_LONG),
        ({"message_payload": True}, {"body": "x" * 70_000}, smpp.TOO_LONG),
        ({"encodings": [{"data_coding": 0, "encoding": "gsm"}]}, {"body": "漢"}, smpp.UNENCODABLE),
        ({}, {"body": "\ud83d"}, smpp.UNENCODABLE),
        ({}, {"recipient": ""}, smpp.NO_NUMBER),
        ({}, {"recipient": "+ x"}, smpp.NO_NUMBER),
        ({}, {"recipient": "1" * 21}, smpp.NUMBER_TOO_LONG),
        ({"full_phone_number": True}, {"recipient": ""}, smpp.NO_NUMBER),
        ({"full_phone_number": True}, {"recipient": "+" + "1" * 20}, smpp.NUMBER_TOO_LONG),
        ({"full_phone_number": True}, {"recipient": "٣٣"}, smpp.NUMBER_NOT_ASCII),
        ({}, {"sender": "Größe"}, smpp.BAD_SENDER),
        ({}, {"sender": "x" * 21}, smpp.BAD_SENDER),
        (
            {"service_id_tag": "0x1403"},
            {"options": MessageOptions(service_id="1", tlvs=(OutgoingTlv(1, b""),))},
            smpp.BOTH_PARAMETERS,
        ),
    ],
)
def test_message_that_cannot_be_sent_is_refused(values: dict[str, Any], of: dict[str, Any], reason: str) -> None:
    assert dialect(**values).segments(message(**of)) == Refused(reason)


def test_refusal_leaves_nothing_behind_for_the_next_message() -> None:
    speaker = dialect(encodings=[{"data_coding": 0, "encoding": "gsm"}])
    before = speaker.segments(message("Hello"))
    assert speaker.segments(message("漢")) == Refused(smpp.UNENCODABLE)
    assert speaker.segments(message("漢")) == Refused(smpp.UNENCODABLE)
    assert speaker.segments(message("Hello")) == before


def test_maximum_of_segments_does_not_count_with_message_payload() -> None:
    found = dialect(message_payload=True).segments(message("x" * 400, options=MessageOptions(maximum_segments=1)))
    assert len(sent(found)) == 1


@pytest.mark.parametrize(
    ("number", "digits"),
    [("+33612345678", b"33612345678"), ("06 12.34(56)", b"06123456"), ("*123#", b"123"), ("+٣٣6", b"336")],
)
def test_number_is_its_digits(number: str, digits: bytes) -> None:
    assert sent(PLAIN.segments(message(recipient=number)))[0][1].destination == digits


@pytest.mark.parametrize(
    ("expires_ms", "validity"),
    [(0, b""), (1_795_300_000_999, b"261121222640000+"), (1_798_761_599_000, b"261231235959000+")],
)
def test_validity_is_an_instant_in_utc(expires_ms: int, validity: bytes) -> None:
    assert sent(PLAIN.segments(message(expires_ms=expires_ms)))[0][1].validity_period == validity


def test_batch_is_the_segments_of_its_messages() -> None:
    batch = [message("one"), message("x" * 200), message(recipient=""), message("last")]
    prepared = PLAIN.prepare(batch)
    assert prepared.positions == [0, 1, 1, 3]
    assert prepared.indexes == [0, 1, 0, 0]
    assert prepared.refusals == [(2, Refused(smpp.NO_NUMBER))]
    assert prepared.bodies == [body for one in (0, 1, 3) for _, body in bodies_of(PLAIN.segments(batch[one]))]


@given(st.lists(st.sampled_from(["", "Hello", "漢字", "x" * 200, "€" * 100, "🙂" * 80]), max_size=8), st.randoms())
def test_what_came_before_never_changes_a_message(bodies: list[str], random: Any) -> None:
    speaker = dialect()
    for body in bodies:
        one = message(body, sender=random.choice(["", "ACME", "36000"]), expires_ms=random.choice([0, 10**12]))
        assert speaker.segments(one) == dialect().segments(one)


def test_templates_of_personalised_senders_are_bounded() -> None:
    speaker = dialect()
    for number in range(3000):
        speaker.segments(message(sender=str(number)))
    assert len(speaker._templates) <= 1024


# -- in --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("esm_class", "is_receipt"),
    [(0, False), (0x04, True), (0x44, True), (0x20, True), (0x40, False), (0x08, False), (0x10, False)],
)
def test_esm_class_tells_receipts_from_texts(esm_class: int, is_receipt: bool) -> None:
    assert PLAIN.is_receipt(delivery(b"", esm_class)) is is_receipt


@pytest.mark.parametrize(
    ("data_coding", "data", "body"),
    [
        (0, b"\x00 Hi \x1b\x65", "@ Hi €"),
        (1, b"Hi", "Hi"),
        (3, b"\xe9t\xe9", "été"),
        (4, b"\xff", "ÿ"),
        (6, b"\xbf\xe0", "Пр"),
        (7, b"\xe9", "י"),
        (5, b"\x93\xfa", "日"),
        (14, b"\xc7\xd1", "한"),
        (8, "日🙂".encode("utf-16-be"), "日🙂"),
        (0x18, "é".encode("utf-16-be"), "é"),
        (0x10, b"\x05", "é"),
        (0xF0, b"\x05", "é"),
        (0xF4, b"\xe9", "é"),
        (0xE0, b"\0A", "A"),
        (0xC8, b"A", "A"),
        (8, b"\0A\0\0\0B", "AB"),
        (3, b"A\0B", "AB"),
    ],
)
def test_text_is_read_by_its_data_coding(data_coding: int, data: bytes, body: str) -> None:
    part = PLAIN.read_inbound(delivery(data, data_coding=data_coding))
    assert part.body == body
    assert (part.sender, part.recipient, part.large_account, part.total) == ("33612345678", "36000", "36000", 1)


def test_table_of_encodings_counts_for_what_comes_in_too() -> None:
    table = [{"data_coding": 0, "encoding": "latin1"}, {"data_coding": 0, "encoding": "gsm"}]
    assert dialect(encodings=table).read_inbound(delivery(b"\xe9")).body == "é"


@pytest.mark.parametrize(
    ("esm_class", "data", "tlvs", "found"),
    [
        (0x40, b"\x05\x00\x03\x2a\x03\x02Hi", (), (0x2A, 3, 2)),
        (0x40, b"\x06\x08\x04\x01\x2a\x03\x02Hi", (), (0x012A, 3, 2)),
        (0, b"Hi", ((0x020C, b"\1\2"), (0x020E, b"\3"), (0x020F, b"\2")), (0x0102, 3, 2)),
        (0, b"Hi", ((0x020C, b"\1\2"), (0x020E, b"\3")), (0, 1, 1)),
        (0, b"Hi", ((0x020C, b"\1\2"), (0x020E, b"\3"), (0x020F, b"\4")), (0, 1, 1)),
        (0, b"Hi", ((0x020C, b""), (0x020E, b""), (0x020F, b"")), (0, 1, 1)),
        (0x40, b"\x04\x05\x02\x00\x01Hi", (), (0, 1, 1)),
    ],
)
def test_segments_are_numbered_by_header_or_by_parameters(
    esm_class: int, data: bytes, tlvs: tuple[tuple[int, bytes], ...], found: tuple[int, int, int]
) -> None:
    part = PLAIN.read_inbound(delivery(data, esm_class, tlvs=tlvs))
    assert (part.reference, part.total, part.position) == found
    assert part.body == "Hi"


def test_malformed_header_is_shown_as_text() -> None:
    part = PLAIN.read_inbound(delivery(b"\x20Hi", 0x40))
    assert (part.body, part.total) == (" Hi", 1)


def test_national_shift_of_the_header_is_obeyed() -> None:
    part = PLAIN.read_inbound(delivery(b"\x03\x24\x01\x01\x1b\x53", 0x40))
    assert (part.body, part.encoding) == ("Ş", Encoding.UCS2)


@given(st.text(max_size=600).filter(lambda text: not any("\ud800" <= c <= "\udfff" or c == "\0" for c in text)))
def test_what_goes_out_can_be_read_coming_in(text: str) -> None:
    parts: list[InboundPart] = []
    for _, read in sent(PLAIN.segments(message(text))):
        parts.append(PLAIN.read_inbound(delivery(read.short_message, read.esm_class, read.data_coding)))
    pieces = {part.position: Piece(part.encoding, part.octets) for part in parts}
    assert join(pieces, parts[0].total) == text


@given(
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=200),
    st.lists(st.tuples(st.sampled_from([0x020C, 0x020E, 0x020F, 0x1403, 7]), st.binary(max_size=20)), max_size=5),
)
def test_whatever_comes_in_is_read(
    esm_class: int, data_coding: int, data: bytes, tlvs: list[tuple[int, bytes]]
) -> None:
    values = {"linked_sms_tag": "0x1403", "linked_sms_format": "binary", "alias_tag": "7", "alias_format": "utf8"}
    part = dialect(**values).read_inbound(delivery(data, esm_class, data_coding, tuple(tlvs)))
    assert 1 <= part.position <= part.total <= 255
    assert "\0" not in part.body + part.alias + part.linked_sms


# -- links -----------------------------------------------------------------------------------------------------------


def test_reprs_show_no_password() -> None:
    speaker = dialect(password="s3cret")
    shown = repr(speaker.bind(BindKind.TRANSCEIVER)) + repr(smpp.endpoint(speaker.settings)) + repr(speaker.settings)
    assert "s3cret" not in shown
