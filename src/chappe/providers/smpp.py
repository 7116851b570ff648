"""Messages to PDUs and back, as one connection's settings say. Octets in, octets out; the links are the engine's."""

import time
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from chappe.gsm import (
    Encoding,
    MalformedHeader,
    TooManySegments,
    Unencodable,
    capacity,
    concatenation_header,
    decode,
    encode,
    parse_header,
    split,
    transliterate,
)
from chappe.messaging import MessageOptions, OutboundMessage, Refused
from chappe.providers.contract import Settings
from chappe.providers.parameter import IncomingField, read_value
from chappe.providers.smpp_settings import SPEC, Endpoint, endpoint, parse_tag, total_connections, total_tcp_connections
from chappe.smpp import BindKind, Delivery, SubmitTemplate, Tag, encode_tlvs
from chappe.smpp.tlv import Tlv

__all__ = [
    "SPEC",
    "BindParameters",
    "Dialect",
    "Endpoint",
    "InboundPart",
    "Prepared",
    "endpoint",
    "total_connections",
    "total_tcp_connections",
]

INTERFACE_VERSION = 0x34
LONGEST_ADDRESS = 20
MOST_PAYLOAD = 0xFFFF

TOO_LONG = "SMS too long"
UNENCODABLE = "the text has characters that none of the connection's encodings holds"
NO_NUMBER = "the number has no digits"
NUMBER_TOO_LONG = "the number is longer than 20 characters"
NUMBER_NOT_ASCII = "the number has characters that cannot be sent"
BAD_SENDER = "the sender is longer than 20 characters, or not in ASCII"
BOTH_PARAMETERS = "a service id and optional SMPP parameters exclude each other"

_UDHI = 0x40
_MESSAGE_TYPE = 0x3C
_RECEIPT_TYPES = frozenset({0x04, 0x20})  # the receipt, and the notification of a state in between
_SUBUNIT = int(Tag.DEST_ADDR_SUBUNIT)
_PAYLOAD = int(Tag.MESSAGE_PAYLOAD)
_SAR = (int(Tag.SAR_MSG_REF_NUM), int(Tag.SAR_TOTAL_SEGMENTS), int(Tag.SAR_SEGMENT_SEQNUM))
_UCS2 = Encoding.UCS2
_MOST_TEMPLATES = 1024

# Schemes of `data_coding` (SMPP 3.4, section 5.2.19) that our alphabets lack: read by Python, carried on as UCS-2.
_OTHER_CODECS = {
    5: "shift_jis",
    6: "iso8859_5",
    7: "iso8859_8",
    10: "iso2022_jp",
    13: "euc_jp",
    14: "euc_kr",
}
_LATIN1_CODINGS = frozenset({1, 2, 3, 4})  # IA5, octets, Latin-1, octets


class Prepared(msgspec.Struct, gc=False):
    """What a batch of messages becomes: parallel lists, an entry a `submit_sm`, in the order to send them.

    `positions` says whose it is, as an index in the batch; `indexes` which segment, 0 being the first of the text.
    `refusals` are messages that cannot be sent, by the same positions.
    """

    bodies: list[bytes]
    positions: list[int]
    indexes: list[int]
    refusals: list[tuple[int, Refused]]


class InboundPart(msgspec.Struct, frozen=True, gc=False):
    """One inbound `deliver_sm`: a whole text, or segment `position` (from 1) of `total` under `reference`.

    The text stays octets, for a character may have been cut between two segments; `body` is for a part alone.
    """

    sender: str
    recipient: str
    encoding: Encoding
    octets: bytes
    reference: int = 0
    total: int = 1
    position: int = 1
    linked_sms: str = ""
    alias: str = ""
    large_account: str = ""

    @property
    def body(self) -> str:
        return decode(self.octets, self.encoding)


class BindParameters(NamedTuple):
    """What a bind carries, in the order of `Session.bind`."""

    kind: BindKind
    system_id: bytes
    password: bytes
    system_type: bytes
    interface_version: int
    addr_ton: int
    addr_npi: int
    address_range: bytes

    def __repr__(self) -> str:  # without the password
        return f"BindParameters({self.kind.name}, {self.system_id!r})"


class Dialect:
    """How one connection speaks. One instance a connection: it keeps templates and the last text it encoded."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._source_number = settings.text("source_number")
        self._encodings = tuple(
            (Encoding(row["encoding"]), int(row["data_coding"]), capacity(Encoding(row["encoding"]))[0])
            for row in settings.rows("encodings")
        )
        self._transliterates = settings.flag("transliterate")
        self._uses_payload = settings.flag("message_payload")
        self._is_full_number = settings.flag("full_phone_number")
        service_tag = settings.text("service_id_tag")
        self._service_tag = parse_tag(service_tag) if service_tag else None
        self._templates: dict[str, SubmitTemplate] = {}
        self._last_body: str | None = None
        self._last_encoded: tuple[bytes, int, Encoding, bool] = (b"", 0, Encoding.GSM, True)
        self._last_expiry = 0
        self._last_validity = b""
        self._fields = {
            name: field
            for name in ("linked_sms", "alias", "large_account")
            if (field := IncomingField.of(settings, name)) is not None
        }
        self._incoming = {data_coding: encoding for encoding, data_coding, _ in reversed(self._encodings)}

    # -- out ---------------------------------------------------------------------------------------------------------

    def prepare(self, messages: Sequence[OutboundMessage], now_ms: int = 0) -> Prepared:
        """`segments` of each message, gathered."""
        prepared = Prepared([], [], [], [])
        bodies, positions, indexes = prepared.bodies, prepared.positions, prepared.indexes
        segments_of = self.segments
        for position, message in enumerate(messages):
            segments = segments_of(message, now_ms)
            if isinstance(segments, Refused):
                prepared.refusals.append((position, segments))
                continue
            for index, body in segments:
                bodies.append(body)
                positions.append(position)
                indexes.append(index)
        return prepared

    def segments(self, message: OutboundMessage, now_ms: int = 0) -> list[tuple[int, bytes]] | Refused:
        """The `submit_sm` bodies still to be sent, each with its index, in the order to send them.

        The first segment (index 0) goes last and is the only one to ask for a receipt: phones show nothing before they
        have it, so sending the others again shows nothing twice. `now_ms` is for dialects that write a validity as a
        time from now; here it is an instant. Whether it has passed is asked when the message goes out, not here.
        """
        expires_ms = message.expires_ms
        if expires_ms != self._last_expiry:
            self._last_validity = _validity_period(expires_ms)
            self._last_expiry = expires_ms
        sender = message.sender or self._source_number
        template = self._templates.get(sender) or self._template(sender)
        if template is None:
            return Refused(BAD_SENDER)
        number = message.recipient
        destination = self._destination(number) if self._is_full_number else _digits(number)
        if isinstance(destination, Refused):
            return destination
        body = message.body
        if body != self._last_body:
            encoded = self._encode(body)
            if encoded is None:
                return Refused(UNENCODABLE)
            self._last_encoded = encoded
            self._last_body = body
        data, data_coding, _, is_single = self._last_encoded
        options = message.options
        if is_single and options is None and not message.accepted_segments:
            return [(0, template.body(destination, data, 0, data_coding, 1, self._last_validity))]
        return self._long(message, template, destination, options or _NO_OPTIONS)

    def _long(
        self, message: OutboundMessage, template: SubmitTemplate, destination: bytes, options: MessageOptions
    ) -> list[tuple[int, bytes]] | Refused:
        """Texts of several segments, and messages with options."""
        data, data_coding, encoding, is_single = self._last_encoded
        tlvs = self._tlvs(options)
        if isinstance(tlvs, Refused):
            return tlvs
        wants_receipt = int(options.wants_receipt)
        accepted = message.accepted_segments or ()
        validity = self._last_validity
        if is_single or self._uses_payload:
            if 0 in accepted:
                return []
            if not is_single:
                if len(data) > MOST_PAYLOAD:
                    return Refused(TOO_LONG)
                tlvs = encode_tlvs([(_PAYLOAD, data)]) + tlvs
                data = b""
            return [(0, template.body(destination, data, 0, data_coding, wants_receipt, validity, tlvs))]
        try:
            parts = split(data, encoding)
        except TooManySegments:
            return Refused(TOO_LONG)
        total = len(parts)
        if 0 < options.maximum_segments < total:
            return Refused(TOO_LONG)
        reference = segment_reference(message.id)
        body = template.body
        return [
            (
                index,
                body(
                    destination,
                    concatenation_header(reference, total, index + 1) + parts[index],
                    _UDHI,
                    data_coding,
                    0 if index else wants_receipt,
                    validity,
                    tlvs,
                ),
            )
            for index in range(total - 1, -1, -1)
            if index not in accepted
        ]

    def _template(self, sender: str) -> SubmitTemplate | None:
        """What all messages of a sender share; None for one that cannot be sent. TON and NPI go out as they are set."""
        if len(sender) > LONGEST_ADDRESS or not sender.isascii() or "\0" in sender:
            return None
        settings = self.settings
        template = SubmitTemplate(
            service_type=settings.text("service_type").encode("ascii"),
            source_addr_ton=settings.integer("source_ton"),
            source_addr_npi=settings.integer("source_npi"),
            source_addr=sender.encode("ascii"),
            dest_addr_ton=settings.integer("destination_ton"),
            dest_addr_npi=settings.integer("destination_npi"),
        )
        if len(self._templates) >= _MOST_TEMPLATES:
            self._templates.clear()  # personalised senders; the usual ones are back at once
        self._templates[sender] = template
        return template

    def _destination(self, number: str) -> bytes | Refused:
        """The number exactly as it is."""
        if not number:
            return Refused(NO_NUMBER)
        if not number.isascii() or "\0" in number:
            return Refused(NUMBER_NOT_ASCII)
        return number.encode("ascii") if len(number) <= LONGEST_ADDRESS else Refused(NUMBER_TOO_LONG)

    def _encode(self, text: str) -> tuple[bytes, int, Encoding, bool] | None:
        """By the first encoding of the table that holds the whole text, with transliteration where allowed."""
        for encoding, data_coding, single in self._encodings:
            try:
                data = encode(text, encoding)
            except Unencodable:
                if not self._transliterates:
                    continue
                try:
                    data = encode(transliterate(text, encoding), encoding)
                except Unencodable:
                    continue
            return data, data_coding, encoding, len(data) <= single
        return None

    def _tlvs(self, options: MessageOptions) -> bytes | Refused:
        tlvs: list[tuple[int, bytes]] = []
        if options.transmission_mode is not None:
            tlvs.append((_SUBUNIT, bytes((options.transmission_mode & 0xFF,))))
        if options.service_id and self._service_tag is not None:
            if options.tlvs:
                return Refused(BOTH_PARAMETERS)
            tlvs.append((self._service_tag, options.service_id.encode("utf-8")))
        tlvs += [(tlv.tag, tlv.value) for tlv in options.tlvs]
        return encode_tlvs(tlvs)

    # -- in ----------------------------------------------------------------------------------------------------------

    def is_receipt(self, delivery: Delivery) -> bool:
        """Whether it says what became of a message, by `esm_class` alone; else it is a text from a phone."""
        return delivery.esm_class & _MESSAGE_TYPE in _RECEIPT_TYPES

    def read_inbound(self, delivery: Delivery) -> InboundPart:
        """A text from a phone, or a segment of one. Never raises: what cannot be read is shown as well as it can."""
        data = delivery.short_message
        reference, total, position = 0, 1, 1
        locking = single = None
        if delivery.esm_class & _UDHI:
            try:
                header, data = parse_header(data)
            except MalformedHeader:
                pass  # 3GPP TS 23.040 has the receiver ignore such a header as a whole; its octets are shown
            else:
                locking, single = header.locking, header.single
                found = header.concatenation
                if found is not None:
                    reference, total, position = found.reference, found.total, found.index
        if total == 1:
            reference, total, position = _sar(delivery.tlvs)
        encoding, octets = self._text_of(delivery.data_coding, data, locking, single)
        recipient = delivery.destination.decode("latin-1")
        fields = {name: self._field(field, delivery.tlvs) for name, field in self._fields.items()}
        return InboundPart(
            sender=delivery.source.decode("latin-1"),
            recipient=recipient,
            encoding=encoding,
            octets=octets,
            reference=reference,
            total=total,
            position=position,
            linked_sms=fields.get("linked_sms", ""),
            alias=fields.get("alias", ""),
            large_account=fields.get("large_account") or recipient,
        )

    def _field(self, field: IncomingField, tlvs: Sequence[Tlv]) -> str:
        value = next((value for tag, value in tlvs if tag == field.tag), b"")
        return read_value(value, field.format)[:255]

    def _text_of(
        self, data_coding: int, data: bytes, locking: int | None, single: int | None
    ) -> tuple[Encoding, bytes]:
        """The encoding by the connection's own table first, then by the standard; octets without NUL characters."""
        codec = None if data_coding in self._incoming else _OTHER_CODECS.get(data_coding)
        if codec is not None:
            return _UCS2, data.decode(codec, "replace").replace("\0", "").encode("utf-16-be")
        encoding = self._incoming.get(data_coding) or _encoding_of(data_coding)
        if encoding is Encoding.GSM:
            if locking is None and single is None:
                return encoding, data
            return _UCS2, decode(data, encoding, locking, single).encode("utf-16-be")
        if encoding is Encoding.LATIN1:
            return encoding, data.replace(b"\0", b"")
        return encoding, _without_nul_units(data)

    # -- links -------------------------------------------------------------------------------------------------------

    def bind(self, kind: BindKind) -> BindParameters:
        """What to bind with; a receiver may have an account of its own."""
        where = endpoint(self.settings, receiver=kind is BindKind.RECEIVER)
        return BindParameters(
            kind,
            where.account.encode("ascii"),
            where.password.encode("ascii"),
            where.system_type.encode("ascii"),
            INTERFACE_VERSION,
            self.settings.integer("bind_ton"),
            self.settings.integer("bind_npi"),
            self.settings.text("address_range").encode("ascii"),
        )


_NO_OPTIONS = MessageOptions()


def segment_reference(message_id: int) -> int:
    """The 8-bit number that a message's segments share: the same at every attempt, so a segment sent again still fits;
    different for messages near each other, which may be for the same phone."""
    folded = message_id ^ message_id >> 32
    folded ^= folded >> 16
    folded ^= folded >> 8
    return folded & 0xFF


def _validity_period(expires_ms: int) -> bytes:
    """Absolute, in UTC: YYMMDDhhmmss, no tenths, no quarters of an hour, plus (SMPP 3.4, section 7.1.1)."""
    if not expires_ms:
        return b""
    return time.strftime("%y%m%d%H%M%S000+", time.gmtime(expires_ms // 1000)).encode("ascii")


def _digits(number: str) -> bytes | Refused:
    """Only the digits; TON and NPI stand for the plus. Digits of other scripts count, for dropping them would make it
    another person's number."""
    digits = number[1:] if number[:1] == "+" else number
    if not (digits.isascii() and digits.isdigit()):
        digits = "".join(str(unicodedata.decimal(character)) for character in digits if character.isdecimal())
        if not digits:
            return Refused(NO_NUMBER)
    return digits.encode("ascii") if len(digits) <= LONGEST_ADDRESS else Refused(NUMBER_TOO_LONG)


def _sar(tlvs: Sequence[Tlv]) -> tuple[int, int, int]:
    """Reference, total and position of the `sar_*` parameters; a whole text where they are absent or make no sense."""
    found = {tag: int.from_bytes(value, "big") for tag, value in tlvs if tag in _SAR and 1 <= len(value) <= 2}
    if len(found) < len(_SAR):
        return 0, 1, 1
    reference, total, position = (found[tag] for tag in _SAR)
    return (reference, total, position) if 1 <= position <= total <= 255 and total > 1 else (0, 1, 1)


def _encoding_of(data_coding: int) -> Encoding:
    """What a `data_coding` stands for (SMPP 3.4, section 5.2.19, and 3GPP TS 23.038, section 4, which it refers to)."""
    if data_coding == 8:
        return Encoding.UCS2
    if data_coding in _LATIN1_CODINGS:
        return Encoding.LATIN1
    group = data_coding >> 4
    if group == 0xF:
        return Encoding.LATIN1 if data_coding & 0x04 else Encoding.GSM
    if group == 0xE:
        return Encoding.UCS2
    if group < 4 and data_coding & 0x0C:
        return Encoding.UCS2 if data_coding & 0x0C == 0x08 else Encoding.LATIN1
    return Encoding.GSM


def _without_nul_units(data: bytes) -> bytes:
    if b"\0\0" not in data:
        return data
    units = (data[start : start + 2] for start in range(0, len(data), 2))
    return b"".join(unit for unit in units if unit != b"\0\0")
