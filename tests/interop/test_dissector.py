"""Wireshark's dissector reads everything that we send, as we meant it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.interop.caller import Caller, bound, endpoint
from tests.interop.dissector import Capture, Segment, disagreements, dissect, read_capture
from tests.smpp import vectors
from tests.smpp.pair import DELIVER_BODY, SUBMIT_BODY, only

from chappe.gsm import Encoding, capacity
from chappe.messaging import MessageOptions, OutboundMessage, OutgoingTlv, Refused
from chappe.providers.smpp import SPEC, Dialect, segment_reference
from chappe.simulator import Quirks, Simulator
from chappe.simulator.quirks import RECEIPT_DIALECTS, Failure, Inbound, ReceiptsFor, ReceiptText, Segmentation
from chappe.smpp import BindKind, CommandId, CommandStatus, Limits, Pdu, Role, Session, Tag, Tlv, decode, encode
from chappe.smpp.capture import Captured, capture
from chappe.smpp.constants import RESPONSE, TLV_TYPES, TlvType, command_name
from chappe.smpp.event import BindRequested, Deliveries, RequestReceived, Submits
from chappe.smpp.fields import FIELDS, Destination, UnsuccessSme
from chappe.smpp.mask import masked

pytestmark = pytest.mark.interop_tshark

Dissect = Callable[[Iterable[Segment]], Capture]
PHONE, SHORT_CODE = b"33612345678", b"38600"
HALF_PAST_NINE = 1_799_141_400_000
"""2027-01-05 09:30 UTC."""


@pytest.fixture
def dissector(tmp_path: Path) -> Dissect:
    return lambda segments: dissect(tmp_path, segments)


def disagreements_of(dissector: Dissect, pdus: Iterable[Pdu]) -> list[str]:
    meant = [(pdu, encode(pdu)) for pdu in pdus]
    capture = dissector([(octets, _is_of_smsc(pdu)) for pdu, octets in meant])
    return disagreements(capture, [(pdu, len(octets)) for pdu, octets in meant])


def _is_of_smsc(pdu: Pdu) -> bool:
    return pdu.command_id in (CommandId.DELIVER_SM, CommandId.ALERT_NOTIFICATION, CommandId.OUTBIND)


# -- vectors ---------------------------------------------------------------------------------------------------------


def test_every_vector_is_read_field_by_field_as_it_was_meant(dissector: Dissect) -> None:
    recorded = vectors.load("pdu")
    capture = dissector([(vectors.octets(vector), False) for vector in recorded])
    assert not disagreements(capture, [(vectors.pdu(vector), len(vectors.octets(vector))) for vector in recorded])


def test_vectors_of_every_pdu_are_there() -> None:
    assert {vectors.pdu(vector).command_id for vector in vectors.load("pdu")} == set(FIELDS)


@pytest.mark.parametrize("size", [100, 1000])
def test_a_stream_cut_anywhere_gives_the_same_pdus(dissector: Dissect, size: int) -> None:
    """Not into much smaller pieces: Wireshark 4.0 loses its place where a segment holds less than a header."""
    recorded = vectors.load("pdu")
    stream = b"".join(map(vectors.octets, recorded))
    capture = dissector([(stream[start : start + size], False) for start in range(0, len(stream), size)])
    assert not disagreements(capture, [(vectors.pdu(vector), len(vectors.octets(vector))) for vector in recorded])


@vectors.vectors("malformed")
def test_what_we_call_malformed_the_dissector_does_not_take_either(dissector: Dissect, vector: dict[str, Any]) -> None:
    """This is also the proof that the tests of this file can fail."""
    capture = dissector([(vectors.octets(vector), False)])
    if vector["status"] == "ESME_RINVCMDID":
        assert capture.undissected == vectors.octets(vector)
    else:
        assert capture.marks == ["[Malformed Packet: SMPP]", *capture.marks[1:]]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"source_addr": b"CHAPPF"}, "source_addr"),
        ({"destination_addr": b""}, "destination_addr"),
        ({"esm_class": 0x40}, "esm.submit.msg_mode"),
        ({"registered_delivery": 2}, "regdel.receipt"),
        ({"validity_period": b"270105093000000+"}, "validity_period"),
        ({"data_coding": 8}, "data_coding"),
        ({"short_message": b"Hellp"}, "message"),
    ],
)
def test_a_field_read_otherwise_than_meant_is_told(dissector: Dissect, change: dict[str, Any], name: str) -> None:
    vector = next(vector for vector in vectors.load("pdu") if vector["name"] == "submit_sm")
    octets, pdu = vectors.octets(vector), vectors.pdu(vector)
    meant = Pdu(pdu.command_id, 0, pdu.sequence_number, {**pdu.fields, **change}, pdu.tlvs)
    problems = disagreements(dissector([(octets, False)]), [(meant, len(octets))])
    assert any(f" {name}: the dissector has" in problem for problem in problems)


# -- optional parameters ---------------------------------------------------------------------------------------------

_WITH_BODY = {
    CommandId.SUBMIT_SM: {"destination_addr": PHONE},
    CommandId.DELIVER_SM: {"source_addr": PHONE, "destination_addr": SHORT_CODE},
    CommandId.DATA_SM: {"source_addr": PHONE, "destination_addr": SHORT_CODE, "data_coding": 4},
}


def values_of(tag: int) -> list[bytes]:
    """The shortest and the longest value that the standard allows."""
    kind, fewest, most = TLV_TYPES[tag]
    if kind is TlvType.C_OCTETS:
        return [bytes(range(0x41, 0x41 + length - 1)) + b"\0" for length in (fewest, 26)] + [b"x" * (most - 1) + b"\0"]
    return [bytes((0x11 * place + 1) & 0xFF for place in range(length)) for length in sorted({fewest, most})]


@pytest.mark.parametrize("command", _WITH_BODY, ids=command_name)
def test_every_optional_parameter_is_read_with_its_shortest_and_longest_value(
    dissector: Dissect, command: CommandId
) -> None:
    limits = Limits().max_pdu_length - 100
    pdus = [
        Pdu(command, 0, number, _WITH_BODY[command], (Tlv(tag, value[:limits]),))
        for number, (tag, value) in enumerate([(tag, value) for tag in Tag for value in values_of(tag)], 1)
    ]
    assert not disagreements_of(dissector, pdus)


@pytest.mark.parametrize("tag", [0x1400, 0x1403, 0x3FFF, 0x0001, 0xFFFF])
def test_parameters_that_the_standard_does_not_have_are_carried_all_the_same(dissector: Dissect, tag: int) -> None:
    tlvs = (Tlv(tag, b"SRV-7"), Tlv(Tag.MORE_MESSAGES_TO_SEND, b"\1"), Tlv(tag, b""))
    assert not disagreements_of(dissector, [Pdu(CommandId.SUBMIT_SM, 0, 1, {"destination_addr": PHONE}, tlvs)])


# -- sessions --------------------------------------------------------------------------------------------------------


class Wire:
    """Both of our sessions, and a record of what each of them sent."""

    def __init__(self) -> None:
        self.esme = Session(Role.ESME, window=100, now=0.0)
        self.smsc = Session(Role.SMSC, window=100, now=0.0)
        self.segments: list[Segment] = []

    def flow(self) -> list[object]:
        """Everything across, both ways, until both are silent; the events of both."""
        events: list[object] = []
        while True:
            out, back = self.esme.data_to_send(), self.smsc.data_to_send()
            if not out and not back:
                return events
            if out:
                self.segments.append((out, False))
                events += self.smsc.receive_data(out, 1.0)
            if back:
                self.segments.append((back, True))
                events += self.esme.receive_data(back, 1.0)

    def bind(self, kind: BindKind = BindKind.TRANSCEIVER, *, status: int = 0) -> None:
        self.esme.bind(kind, b"chappe", b"s3cret", b"VMS", 0x34, 1, 1, b"^386", 0.0)
        request = only(BindRequested, self.flow())
        if status:
            self.smsc.refuse_bind(request, status)
        else:
            self.smsc.accept_bind(request, b"SMSC01", (Tlv(Tag.SC_INTERFACE_VERSION, b"\x34"),), 0.0)
        self.flow()


BIND_FIELDS = {
    "system_id": b"chappe",
    "password": b"s3cret",
    "system_type": b"VMS",
    "interface_version": 0x34,
    "addr_ton": 1,
    "addr_npi": 1,
    "address_range": b"^386",
}
VERSION = (Tlv(Tag.SC_INTERFACE_VERSION, b"\x34"),)


def agree(wire: Wire, dissector: Dissect, meant: list[Pdu]) -> None:
    capture = dissector(wire.segments)
    assert not disagreements(capture, [(pdu, len(encode(pdu))) for pdu in meant])


@pytest.mark.parametrize("kind", BindKind)
def test_a_bind_its_answer_and_the_end_are_read_as_meant(dissector: Dissect, kind: BindKind) -> None:
    wire = Wire()
    wire.bind(kind)
    wire.esme.unbind(2.0)
    wire.flow()
    agree(
        wire,
        dissector,
        [
            Pdu(kind, 0, 1, BIND_FIELDS),
            Pdu(kind | RESPONSE, 0, 1, {"system_id": b"SMSC01"}, VERSION),
            Pdu(CommandId.UNBIND, 0, 2),
            Pdu(CommandId.UNBIND_RESP, 0, 2),
        ],
    )


def test_a_refused_bind_is_read_as_meant(dissector: Dissect) -> None:
    wire = Wire()
    wire.bind(status=CommandStatus.ESME_RINVPASWD)
    refusal = Pdu(CommandId.BIND_TRANSCEIVER_RESP, CommandStatus.ESME_RINVPASWD, 1)
    agree(wire, dissector, [Pdu(BindKind.TRANSCEIVER, 0, 1, BIND_FIELDS), refusal])


def test_messages_their_answers_and_deliveries_are_read_as_meant(dissector: Dissect) -> None:
    wire = Wire()
    wire.bind()
    wire.segments.clear()
    wire.esme.submit([SUBMIT_BODY] * 3, [1, 2, 3], 2.0)
    submits = only(Submits, wire.flow())
    wire.smsc.answer_submits(submits.sequence_numbers, [0, CommandStatus.ESME_RTHROTTLED, 0], [b"a1", b"", b"f" * 64])
    wire.smsc.deliver([DELIVER_BODY] * 2, [1, 2], 2.0)
    deliveries = next(event for event in wire.flow() if isinstance(event, Deliveries))
    numbers = [delivery.sequence_number for delivery in deliveries.pdus]
    wire.esme.answer_deliveries(numbers, [0, CommandStatus.ESME_RX_T_APPN])
    wire.flow()
    submit = {
        "source_addr_ton": 5,
        "source_addr": b"CHAPPE",
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": PHONE,
        "registered_delivery": 1,
        "short_message": b"Hello",
    }
    deliver = {
        "source_addr_ton": 1,
        "source_addr_npi": 1,
        "source_addr": PHONE,
        "destination_addr": SHORT_CODE,
        "short_message": b"STOP",
    }
    agree(
        wire,
        dissector,
        [
            *(Pdu(CommandId.SUBMIT_SM, 0, number, submit) for number in submits.sequence_numbers),
            Pdu(CommandId.SUBMIT_SM_RESP, 0, 2, {"message_id": b"a1"}),
            Pdu(CommandId.SUBMIT_SM_RESP, CommandStatus.ESME_RTHROTTLED, 3),
            Pdu(CommandId.SUBMIT_SM_RESP, 0, 4, {"message_id": b"f" * 64}),
            *(Pdu(CommandId.DELIVER_SM, 0, number, deliver) for number in numbers),
            Pdu(CommandId.DELIVER_SM_RESP, 0, numbers[0], {"message_id": b""}),
            Pdu(CommandId.DELIVER_SM_RESP, CommandStatus.ESME_RX_T_APPN, numbers[1], {"message_id": b""}),
        ],
    )


_SENDER = {"source_addr_ton": 5, "source_addr": b"CHAPPE"}
REQUESTS = [
    (
        Pdu(CommandId.QUERY_SM, fields={"message_id": b"17", **_SENDER}),
        {"message_id": b"17", "final_date": b"270105093000000+", "message_state": 2, "error_code": 7},
    ),
    (Pdu(CommandId.CANCEL_SM, fields={"message_id": b"17", **_SENDER, "destination_addr": PHONE}), {}),
    (
        Pdu(
            CommandId.REPLACE_SM,
            fields={
                **_SENDER,
                "message_id": b"17",
                "validity_period": b"270105093000000+",
                "registered_delivery": 0x11,
                "short_message": b"another text",
            },
        ),
        {},
    ),
    (
        Pdu(
            CommandId.SUBMIT_MULTI,
            fields={
                **_SENDER,
                "dest_addresses": (
                    Destination(PHONE, 1, 1),
                    Destination(b"staff", None, None),
                    Destination(b"7", 2, 8),
                ),
                "short_message": b"Hi",
            },
        ),
        {"message_id": b"9", "unsuccess_smes": (UnsuccessSme(1, 1, PHONE, 0x0B), UnsuccessSme(2, 8, b"7", 0x14))},
    ),
    (
        Pdu(
            CommandId.DATA_SM,
            fields={**_SENDER, "destination_addr": PHONE, "registered_delivery": 1, "data_coding": 4},
            tlvs=(Tlv(Tag.MESSAGE_PAYLOAD, bytes(300)), Tlv(Tag.DESTINATION_PORT, b"\x0b\x84")),
        ),
        {"message_id": b"d-1"},
    ),
]


@pytest.mark.parametrize(("request_", "answer"), REQUESTS, ids=[command_name(one.command_id) for one, _ in REQUESTS])
def test_other_requests_and_their_answers_are_read_as_meant(
    dissector: Dissect, request_: Pdu, answer: dict[str, Any]
) -> None:
    wire = Wire()
    wire.bind()
    wire.segments.clear()
    number = wire.esme.send_request(request_, "token", 2.0)
    assert only(RequestReceived, wire.flow()).pdu.sequence_number == number
    response = Pdu(request_.command_id | RESPONSE, 0, number, answer)
    wire.smsc.send_response(response)
    wire.flow()
    agree(wire, dissector, [Pdu(request_.command_id, 0, number, request_.fields, request_.tlvs), response])


def test_a_sign_of_life_is_read_as_meant_from_both_ends(dissector: Dissect) -> None:
    wire = Wire()
    wire.bind()
    wire.segments.clear()
    wire.esme.tick(wire.esme.next_deadline() or 0)
    wire.flow()
    wire.smsc.tick((wire.smsc.next_deadline() or 0) + 100)
    wire.flow()
    life = [(CommandId.ENQUIRE_LINK, 2), (CommandId.ENQUIRE_LINK_RESP, 2)]
    back = [(CommandId.ENQUIRE_LINK, 1), (CommandId.ENQUIRE_LINK_RESP, 1)]
    agree(wire, dissector, [Pdu(command, 0, number) for command, number in life + back])


def test_notices_of_the_smsc_are_read_as_meant(dissector: Dissect) -> None:
    wire = Wire()
    outbind = Pdu(CommandId.OUTBIND, fields={"system_id": b"SMSC01", "password": b"pw"})
    wire.smsc.send_notification(outbind, 0.0)
    wire.flow()
    wire.bind(BindKind.RECEIVER)
    del wire.segments[1:]
    fields = {"source_addr_ton": 1, "source_addr": PHONE, "esme_addr_npi": 1, "esme_addr": SHORT_CODE}
    alert = Pdu(CommandId.ALERT_NOTIFICATION, 0, 2, fields, (Tlv(Tag.MS_AVAILABILITY_STATUS, b"\1"),))
    wire.smsc.send_notification(alert, 1.0)
    wire.flow()
    agree(wire, dissector, [Pdu(CommandId.OUTBIND, 0, 1, outbind.fields), alert])


@vectors.vectors("malformed")
def test_our_refusal_of_what_is_malformed_is_read_as_meant(dissector: Dissect, vector: dict[str, Any]) -> None:
    answer = bytes.fromhex(vector["answer"])
    capture = dissector([(answer, True)])
    assert not capture.marks
    [found] = capture.pdus
    assert found.number("command_status") == CommandStatus[vector["status"]]
    assert found.number("sequence_number") == int.from_bytes(vectors.octets(vector)[12:16], "big")


# -- what the dialect makes of messages ------------------------------------------------------------------------------

GSM, LATIN1, UCS2 = (
    {"encoding": one, "data_coding": coding} for one, coding in (("gsm", 0), ("latin1", 3), ("ucs2", 8))
)
TEXTS = {
    "plain": ("Bonjour Marie, votre commande 4711 est prete.", [GSM], 0),
    "GSM with its extension": ("[50 €] {a|b} ~^\\ è à Ω @ £ $ ñ", [GSM], 0),
    "Latin-1": ("L'été à Châteauroux, ça coûte 5 £", [LATIN1], 3),
    "UCS-2": ("Привет, 你好, 😀!", [GSM, UCS2], 8),
}


def message(body: str, **values: Any) -> OutboundMessage:
    fields: dict[str, Any] = {"sender": "ACME", "recipient": "+33612345678", "category": 0, "attempt": 1, "tries": 0}
    fields |= {"id": 0x0102, "body": body, "expires_ms": 0, "delivery_id": 0, "organisation_id": 1}
    return OutboundMessage(**(fields | values))


def submits_of(dissector: Dissect, settings: dict[str, Any], one: OutboundMessage) -> Capture:
    """The submit_sm of a message as the dissector reads them, in the order of the text."""
    found = Dialect(SPEC.parse({"host": "smsc.example", "account": "a", **settings})).segments(one)
    assert not isinstance(found, Refused)
    session = Session(Role.ESME, window=100, now=0.0)
    peer = Session(Role.SMSC, window=100, now=0.0)
    session.bind(BindKind.TRANSMITTER, b"a", b"", b"", 0x34, 0, 0, b"", 0.0)
    peer.accept_bind(only(BindRequested, peer.receive_data(session.data_to_send(), 0.0)), b"", (), 0.0)
    session.receive_data(peer.data_to_send(), 0.0)
    session.submit([body for _, body in found], [index for index, _ in found], 0.0)
    capture = dissector([(session.data_to_send(), False)])
    assert not capture.marks
    assert not capture.undissected
    assert len(capture.pdus) == len(found)
    return capture


@pytest.mark.parametrize("name", TEXTS)
def test_a_short_text_is_read_as_it_was_written(dissector: Dissect, name: str) -> None:
    text, encodings, data_coding = TEXTS[name]
    capture = submits_of(dissector, {"encodings": encodings, "transliterate": False}, message(text))
    [found] = capture.pdus
    assert found.number("data_coding") == data_coding
    assert found.shown["message_text"] == [text]
    assert found.shown["source_addr"] == ["ACME"]
    assert found.shown["destination_addr"] == ["33612345678"]
    assert found.shown["regdel.receipt"] == ["0x01"]


@pytest.mark.parametrize("name", TEXTS)
def test_the_segments_of_a_long_text_are_put_together_again(dissector: Dissect, name: str) -> None:
    text, encodings, data_coding = TEXTS[name]
    long = (text + " / ") * 9
    capture = submits_of(dissector, {"encodings": encodings, "transliterate": False}, message(long))
    total = len(capture.pdus)
    assert total > 1
    for position, found in zip(range(total, 0, -1), capture.pdus, strict=True):
        assert found.number("data_coding") == data_coding
        assert found.shown["esm.submit.features"] == ["0x01"]  # UDHI
        assert found.shown["regdel.receipt"] == ["0x01" if position == 1 else "0x00"]
        assert int(found.user_data["gsm_sms.udh.mm.msg_id"]) == segment_reference(0x0102)
        assert int(found.user_data["gsm_sms.udh.mm.msg_parts"]) == total
        assert int(found.user_data["gsm_sms.udh.mm.msg_part"]) == position
        # 140 octets: 70 units, or 160 septets, which SMPP carries an octet each.
        assert found.number("sm_length") <= (160 if data_coding == 0 else 140)
    assert "".join(found.shown["message_text"][0] for found in reversed(capture.pdus)) == long
    whole = capture.pdus[-1].user_data["gsm_sms_ud.reassembled.length"]
    assert int(whole) == sum(found.number("sm_length") - 6 for found in capture.pdus)


def test_a_long_text_in_a_payload_is_one_message(dissector: Dissect) -> None:
    text = "Bonjour " * 60
    [found] = submits_of(dissector, {"message_payload": True}, message(text)).pdus
    assert found.number("sm_length") == 0
    assert found.tlvs == [(Tag.MESSAGE_PAYLOAD, len(text), text.encode())]
    assert found.shown["esm.submit.features"] == ["0x00"]


def test_a_text_that_just_fits_is_one_message_and_one_more_character_makes_two(dissector: Dissect) -> None:
    single, _ = capacity(Encoding.GSM)
    assert len(submits_of(dissector, {}, message("x" * single)).pdus) == 1
    assert len(submits_of(dissector, {}, message("x" * (single + 1))).pdus) == 2


def test_the_end_of_validity_is_the_instant_that_was_meant(dissector: Dissect) -> None:
    [found] = submits_of(dissector, {}, message("soon", expires_ms=HALF_PAST_NINE)).pdus
    meant = datetime.fromtimestamp(HALF_PAST_NINE / 1000, UTC)
    assert found.shown["validity_period"] == [f"{meant:%b} {meant.day:2d}, {meant:%Y %H:%M:%S}.000000000 UTC"]


def test_parameters_of_a_delivery_are_read_in_their_order(dissector: Dissect) -> None:
    options = MessageOptions(
        transmission_mode=1,
        wants_receipt=False,
        tlvs=(OutgoingTlv(0x1403, "été".encode()), OutgoingTlv(0x0204, b"\0\7")),
    )
    [found] = submits_of(dissector, {"source_ton": 5}, message("flash", options=options)).pdus
    assert found.tlvs == [(Tag.DEST_ADDR_SUBUNIT, 1, b"\1"), (0x1403, 5, "été".encode()), (0x0204, 2, b"\0\7")]
    assert found.shown["user_message_reference"] == ["0x0007"]
    assert found.shown["regdel.receipt"] == ["0x00"]


def test_a_service_id_goes_in_the_parameter_of_the_connection(dissector: Dissect) -> None:
    options = MessageOptions(service_id="SRV-7")
    [found] = submits_of(dissector, {"service_id_tag": "0x1403"}, message("hello", options=options)).pdus
    assert found.tlvs == [(0x1403, 5, b"SRV-7")]


def test_types_of_number_are_those_of_the_connection(dissector: Dissect) -> None:
    settings = {"source_ton": 5, "source_npi": 0, "destination_ton": 2, "destination_npi": 8, "service_type": "CMT"}
    [found] = submits_of(dissector, settings, message("hello")).pdus
    names = ("source_addr_ton", "source_addr_npi", "dest_addr_ton", "dest_addr_npi")
    assert [found.number(name) for name in names] == [5, 0, 2, 8]
    assert found.shown["service_type"] == ["CMT"]


# -- the engine's link and the simulator, over a socket ----------------------------------------------------------------


def traced(quirks: Quirks, bodies: list[bytes], receipts: int) -> Caller:
    """What passes between a link and the simulator until so many deliveries came."""

    async def talk() -> Caller:
        async with Simulator(quirks) as smsc, bound(endpoint(smsc.port)) as caller:
            await caller.submit(bodies)
            await caller.until(lambda: len(caller.deliveries) == receipts)
        return caller

    return asyncio.run(talk())


def pdus_of(segments: Iterable[Segment]) -> list[tuple[Pdu, int]]:
    """Our own reading of what passed, in the order in which the PDUs end."""
    held = {False: b"", True: b""}
    found = []
    for octets, from_smsc in segments:
        held[from_smsc] += octets
        while len(held[from_smsc]) >= 4 and len(held[from_smsc]) >= (
            length := int.from_bytes(held[from_smsc][:4], "big")
        ):
            found.append((decode(held[from_smsc][:length]), length))
            held[from_smsc] = held[from_smsc][length:]
    assert held == {False: b"", True: b""}
    return found


RECEIPTS = {dialect: Quirks(receipt_delay_ms=0, receipt_dialect=dialect) for dialect in RECEIPT_DIALECTS}
RECEIPTS |= {
    "with TLVs": Quirks(receipt_delay_ms=0, receipt_tlvs=True),
    "with a hostile text": Quirks(receipt_delay_ms=0, receipt_text=ReceiptText.HOSTILE),
    "ids in hexadecimal": Quirks(receipt_delay_ms=0, id_format="hex", id_width=16),
    "of failures": Quirks(receipt_delay_ms=0, failures=(Failure("UNDELIV", "011", 1.0),)),
    "and one in between": Quirks(receipt_delay_ms=0, intermediate_fraction=1.0),
}


@pytest.mark.parametrize("name", RECEIPTS)
def test_a_whole_conversation_is_read_as_we_read_it(dissector: Dissect, name: str) -> None:
    quirks = RECEIPTS[name]
    receipts = 4 if quirks.intermediate_fraction else 2
    caller = traced(quirks, [SUBMIT_BODY, SUBMIT_BODY], receipts)
    capture = dissector(caller.trace)
    assert not disagreements(capture, pdus_of(caller.trace))
    names = [command_name(found.number("command_id")) for found in capture.pdus]
    assert names[:2] == ["bind_transceiver", "bind_transceiver_resp"]
    assert names[-2:] == ["unbind", "unbind_resp"]
    assert Counter(names[2:-2]) == {
        "submit_sm": 2,
        "submit_sm_resp": 2,
        "deliver_sm": receipts,
        "deliver_sm_resp": receipts,
    }
    receipt = next(found for found in capture.pdus if found.number("command_id") == CommandId.DELIVER_SM)
    assert receipt.shown["source_addr"] == ["33612345678"]
    assert receipt.shown["destination_addr"] == ["CHAPPE"]
    assert receipt.shown["esm.submit.msg_type"][0] in ("0x01", "0x08")  # a receipt, or a notification in between


def test_a_receipt_names_the_message_that_the_answer_named(dissector: Dissect) -> None:
    caller = traced(RECEIPTS["with TLVs"], [SUBMIT_BODY], 1)
    capture = dissector(caller.trace)
    [answer] = [found for found in capture.pdus if found.number("command_id") == CommandId.SUBMIT_SM_RESP]
    [receipt] = [found for found in capture.pdus if found.number("command_id") == CommandId.DELIVER_SM]
    [message_id] = answer.shown["message_id"]
    assert receipt.shown["receipted_message_id"] == [message_id]
    assert receipt.shown["message_state"] == ["2"]
    assert receipt.shown["message_text"][0].startswith(f"id:{message_id} sub:001 dlvrd:001 submit date:")
    assert receipt.shown["message_text"][0].endswith("stat:DELIVRD err:000 Text:Hello")


@pytest.mark.parametrize("segmentation", Segmentation)
def test_a_long_text_from_a_phone_is_read_as_we_read_it(dissector: Dissect, segmentation: Segmentation) -> None:
    text = "Je voudrais savoir pourquoi ma commande est arrivée ouverte. " * 4
    rule = Inbound(
        text, reply_to="", segmentation=segmentation, encoding=Encoding.UCS2, delay_ms=0, sender="33612345678"
    )
    parts = 1 if segmentation is Segmentation.PAYLOAD else 4
    caller = traced(Quirks(receipts=ReceiptsFor.NONE, inbound=(rule,)), [SUBMIT_BODY], parts)
    capture = dissector(caller.trace)
    assert not disagreements(capture, pdus_of(caller.trace))
    found = [found for found in capture.pdus if found.number("command_id") == CommandId.DELIVER_SM]
    if segmentation is Segmentation.PAYLOAD:
        assert found[0].tlvs == [(Tag.MESSAGE_PAYLOAD, 2 * len(text), text.encode("utf-16-be"))]
    else:
        assert "".join(one.shown["message_text"][0] for one in found) == text
    if segmentation is Segmentation.SAR:
        assert [one.number("sar_segment_seqnum") for one in found] == [1, 2, 3, 4]
        assert {one.number("sar_total_segments") for one in found} == {4}
    if segmentation in (Segmentation.UDH8, Segmentation.UDH16):
        assert [one.user_data["gsm_sms.udh.mm.msg_part"] for one in found] == ["1", "2", "3", "4"]


# -- capture files ---------------------------------------------------------------------------------------------------


def test_our_own_capture_file_is_read_as_smpp_without_being_told_to(tmp_path: Path) -> None:
    """Wireshark knows the port, and finds nothing to complain of in headers, sums and sequence numbers."""
    recorded = vectors.load("pdu")
    meant = [(vectors.pdu(vector), vectors.octets(vector)) for vector in recorded]
    captured = [Captured(HALF_PAST_NINE + n, n % 2, _is_of_smsc(pdu), data) for n, (pdu, data) in enumerate(meant)]
    path = tmp_path / "trace.pcap"
    path.write_bytes(b"".join(capture(captured)))
    capture_read = read_capture(path, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE")
    assert not disagreements(capture_read, [(pdu, len(data)) for pdu, data in meant])


def test_a_masked_message_is_read_without_complaint_and_without_its_text(tmp_path: Path) -> None:
    submit = Pdu(
        CommandId.SUBMIT_SM,
        0,
        1,
        {"source_addr": SHORT_CODE, "destination_addr": PHONE, "short_message": b"Bonjour Marie"},
    )
    data = masked(encode(submit), shows_texts=False, shows_numbers=False)
    path = tmp_path / "trace.pcap"
    path.write_bytes(b"".join(capture([Captured(HALF_PAST_NINE, 0, False, data)])))
    found = read_capture(path)
    assert found.marks == []
    [pdu] = found.pdus
    assert pdu.shown["destination_addr"] == ["00000000078"]
    assert pdu.fields["message"] == [b"x" * len(b"Bonjour Marie")]
