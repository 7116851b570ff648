"""Entries of a trace as people read them. What the reader may not see is masked before anything is decoded."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import parse_qsl

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from chappe.engine.traced_exchange import TracedExchange, parted, read_exchange, shown_exchange
from chappe.features.traces.meaning import (
    FIELD_LABELS,
    HEXADECIMAL,
    TAG_LABELS,
    command_words,
    integer_words,
    network_error,
    status_code,
    status_words,
)
from chappe.features.traces.models import TraceEntry
from chappe.gsm import MalformedHeader, parse_header
from chappe.providers.smpp import Dialect
from chappe.smpp import CommandId, ProtocolError, Tag, command_name
from chappe.smpp.constants import ESM_MESSAGE_TYPE, ESM_UDHI, RESPONSE, TLV_TYPES, TlvType
from chappe.smpp.delivery import Delivery, read_data, read_deliver
from chappe.smpp.fields import Destination, UnsuccessSme
from chappe.smpp.layout import Place, layout
from chappe.smpp.mask import KEPT_DIGITS, masked
from chappe.smpp.pdu import DEFAULT_LIMITS, HEADER, HEADER_LENGTH
from chappe.smpp.tlv import Tlv

HIDDEN = "•••"
OCTETS_A_LINE = 16
LONGEST_WORDS = 90
MOST_MEMBERS = 200
_ADDRESSES = frozenset({"source_addr", "destination_addr", "esme_addr"})
_MESSAGES = frozenset({CommandId.SUBMIT_SM, CommandId.DELIVER_SM, CommandId.DATA_SM})
_SHORTEST_NUMBER = 7
_RECEIPT_FIELD = re.compile(r"\b(id|stat|err):(\S+)", re.IGNORECASE)


@dataclass(frozen=True)
class Sight:
    """What the reader may see of people."""

    texts: bool
    numbers: bool

    @property
    def is_whole(self) -> bool:
        return self.texts and self.numbers


@dataclass(frozen=True)
class Line:
    """An entry in the list. `note` is what it says, in few words; `tone` colours `status`."""

    pk: int
    at_ms: int
    direction: str
    title: str | Promise
    name: str
    sender: str
    recipient: str
    status: str
    tone: str
    note: str


@dataclass(frozen=True)
class FieldShown:
    """A field by its name, its value, and what that means."""

    name: str
    label: str | Promise
    value: str
    meaning: str | Promise = ""


@dataclass(frozen=True)
class HexLine:
    offset: str
    octets: str
    characters: str


@dataclass(frozen=True)
class PduShown:
    """One PDU. `text` None: it has none, "": it is hidden; `segment`: which one of a long text, "" where it is whole; `wrong`:
    why it could not be read, "" where it could."""

    title: str | Promise
    name: str
    command: str
    length: int
    sequence_number: int
    is_response: bool
    status: str
    status_words: str
    is_refused: bool
    fields: list[FieldShown]
    parameters: list[FieldShown]
    text: str | None
    segment: str
    wrong: str
    hexadecimal: list[HexLine]


@dataclass(frozen=True)
class MessageShown:
    """What one side of an exchange said. `members` are what the body consists of, by name or path; none where it is neither a
    form nor JSON."""

    headers: list[tuple[str, str]]
    members: list[tuple[str, str]]
    body: str


@dataclass(frozen=True)
class ExchangeShown:
    """One call and its answer. `status` 0: there was no answer."""

    method: str
    url: str
    request: "MessageShown"
    status: int
    answer: "MessageShown"
    outcome: str
    took_ms: float


@dataclass(frozen=True)
class _Read:
    """A PDU, masked, with where its fields stand."""

    data: bytes
    command_id: int
    status: int
    number: int
    places: list[Place]
    wrong: str

    def integer(self, name: str) -> int:
        return next((one.value for one in self.places if one.name == name and isinstance(one.value, int)), 0)

    def octets(self, name: str) -> bytes:
        return next((one.value for one in self.places if one.name == name and isinstance(one.value, bytes)), b"")

    @property
    def is_report(self) -> bool:
        """Whether it says what became of a message."""
        is_delivery = self.command_id in (CommandId.DELIVER_SM, CommandId.DATA_SM)
        return is_delivery and self.integer("esm_class") & ESM_MESSAGE_TYPE != 0


# -- the list --------------------------------------------------------------------------------------------------------


def line_of(entry: TraceEntry, sight: Sight, dialect: Dialect | None) -> Line:
    """`dialect` knows the connection's alphabets; None where its settings cannot be read, or it has none."""
    return _exchange_line(entry, sight) if entry.kind == "exchange" else _pdu_line(entry, sight, dialect)


def _pdu_line(entry: TraceEntry, sight: Sight, dialect: Dialect | None) -> Line:
    read = _read(bytes(entry.content), sight)
    is_response = bool(read.command_id & RESPONSE)
    return Line(
        entry.pk,
        entry.at_ms,
        entry.direction,
        command_words(read.command_id, read.integer("esm_class")),
        command_name(read.command_id),
        _address(read.octets("source_addr"), sight),
        _address(read.octets("destination_addr"), sight),
        ("" if not is_response else status_words(read.status)) if not read.wrong else _("cannot be read"),
        "bad" if read.wrong or read.status else "good" if is_response else "",
        _note(read, sight, dialect),
    )


def _note(read: _Read, sight: Sight, dialect: Dialect | None) -> str:
    """The one thing that people look for in it."""
    if read.command_id in (CommandId.SUBMIT_SM_RESP, CommandId.DATA_SM_RESP) and read.octets("message_id"):
        return _("id %(id)s") % {"id": _text(read.octets("message_id"))}
    if read.octets("system_id"):
        return _("account %(account)s") % {"account": _text(read.octets("system_id"))}
    text = _message_text(read, sight, dialect) or ""
    if read.is_report:
        return " ".join(found[0] for found in _RECEIPT_FIELD.finditer(text))
    return text if len(text) <= LONGEST_WORDS else f"{text[:LONGEST_WORDS]}…"


def _exchange_line(entry: TraceEntry, sight: Sight) -> Line:
    kept = read_exchange(bytes(entry.content))
    exchange = shown_exchange(kept, shows_texts=sight.texts, shows_numbers=sight.numbers)
    is_good = 200 <= exchange.status < 300
    status = str(exchange.status) if exchange.status else _("no answer")
    title = (
        gettext_lazy("Request to the provider") if entry.direction == "out" else gettext_lazy("Call by the provider")
    )
    return Line(
        entry.pk,
        entry.at_ms,
        entry.direction,
        title,
        f"{exchange.method} {_path(exchange.url)}",
        "",
        _address(kept.numbers[0].encode(), sight) if kept.numbers else "",
        status,
        "good" if is_good else "bad",
        exchange.outcome[:LONGEST_WORDS],
    )


def _path(url: str) -> str:
    """Without the host, which is the connection's, and without what follows the path."""
    path = url.partition("://")[2].partition("/")[2].partition("?")[0]
    return f"/{path}"[:LONGEST_WORDS]


# -- one of them -----------------------------------------------------------------------------------------------------


def pdu_of(entry: TraceEntry, sight: Sight, dialect: Dialect | None) -> PduShown:
    """A PDU with everything in it; see `line_of`."""
    content = bytes(entry.content)
    read = _read(content, sight)
    is_response = bool(read.command_id & RESPONSE)
    mandatory = [one for one in read.places if one.tag is None]
    return PduShown(
        command_words(read.command_id, read.integer("esm_class")),
        command_name(read.command_id),
        f"0x{read.command_id:08X}",
        len(content),
        read.number,
        is_response,
        status_code(read.status),
        status_words(read.status),
        bool(read.status),
        [field for place in mandatory for field in _fields(place, sight)],
        [_parameter(place, sight) for place in read.places if place.tag is not None],
        _message_text(read, sight, dialect),
        _segment(read),
        read.wrong,
        list(_hexadecimal(content)) if sight.is_whole else [],
    )


def exchange_of(entry: TraceEntry, sight: Sight) -> ExchangeShown:
    exchange = shown(entry, sight)
    return ExchangeShown(
        exchange.method,
        exchange.url,
        _said(exchange.request),
        exchange.status,
        _said(exchange.response),
        exchange.outcome,
        exchange.took_ms,
    )


def shown(entry: TraceEntry, sight: Sight) -> TracedExchange:
    """An exchange as it may be taken along."""
    return shown_exchange(read_exchange(bytes(entry.content)), shows_texts=sight.texts, shows_numbers=sight.numbers)


def _said(written: str) -> MessageShown:
    head, body = parted(written)
    pairs = [line.partition(": ") for line in head.split("\n") if line]
    kind = next((value for name, _colon, value in pairs if name.lower() == "content-type"), "")
    return MessageShown([(name, value) for name, _colon, value in pairs], _members(body, kind), body)


def _members(body: str, kind: str) -> list[tuple[str, str]]:
    """The pairs of a form, or the members of JSON by their paths, as they stand in it."""
    if "form-urlencoded" in kind:
        return parse_qsl(body, keep_blank_values=True)[:MOST_MEMBERS]
    try:
        value = json.loads(body) if body[:1] in ("{", "[") else None
    except (ValueError, RecursionError):
        return []
    return list(islice(_flat("", value), MOST_MEMBERS)) if value else []


def _flat(path: str, value: object) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for name, item in value.items():
                yield from _flat(f"{path}.{name}" if path else str(name), item)
        case list():
            for place, item in enumerate(value):
                yield from _flat(f"{path}[{place}]", item)
        case str():
            yield path, value
        case _:
            yield path, json.dumps(value)


def _read(content: bytes, sight: Sight) -> _Read:
    data = masked(content, shows_texts=sight.texts, shows_numbers=sight.numbers)
    _length, command_id, status, number = HEADER.unpack_from(data)
    try:
        layout(content)  # what is wrong is said of the octets as they came
        return _Read(data, command_id, status, number, layout(data), "")
    except ProtocolError as error:
        return _Read(data, command_id, status, number, [], str(error))


def _fields(place: Place, sight: Sight) -> Iterator[FieldShown]:
    label = FIELD_LABELS.get(place.name, place.name)
    match place.value:
        case int() as value:
            number = f"0x{value:02X}" if place.name in HEXADECIMAL else str(value)
            yield FieldShown(place.name, label, number, integer_words(place.name, value))
        case bytes() as value if place.name in _ADDRESSES:
            yield FieldShown(place.name, label, _address(value, sight))
        case bytes() as value if place.name == "short_message":
            words = _("%(count)s octets") % {"count": len(value)}
            yield FieldShown(
                place.name, label, words if sight.texts or not value else f"{words}, {pgettext('trace', 'hidden')}"
            )
        case bytes() as value:
            yield FieldShown(place.name, label, _text(value))
        case entries:
            for entry in entries:
                yield _entry(place.name, label, entry, sight)


def _entry(name: str, label: str | Promise, entry: Destination | UnsuccessSme, sight: Sight) -> FieldShown:
    refusal = status_words(entry.error_status_code) if isinstance(entry, UnsuccessSme) else ""
    return FieldShown(name, label, _address(entry.address, sight), refusal)


def _parameter(place: Place, sight: Sight) -> FieldShown:
    tag, value = place.tag or 0, place.value if isinstance(place.value, bytes) else b""
    label = TAG_LABELS.get(tag, "" if tag in TLV_TYPES else gettext_lazy("The provider's own"))
    kind = TLV_TYPES.get(tag, (TlvType.OCTETS, 0, 0))[0]
    if tag == Tag.MESSAGE_PAYLOAD:
        words = _("%(count)s octets") % {"count": len(value)}
        return FieldShown(place.name, label, words if sight.texts else f"{words}, {pgettext('trace', 'hidden')}")
    if tag not in TLV_TYPES and not sight.is_whole:
        return FieldShown(place.name, label, HIDDEN)
    if kind is TlvType.INTEGER:
        number = Tlv(tag, value).number()
        shown = f"0x{number:02X}" if place.name in HEXADECIMAL else str(number)
        return FieldShown(place.name, label, shown, integer_words(place.name, number))
    if kind is TlvType.C_OCTETS:
        return FieldShown(place.name, label, _text(Tlv(tag, value).octets()))
    if tag == Tag.NETWORK_ERROR_CODE:
        return FieldShown(place.name, label, value.hex(" "), network_error(value))
    is_ascii = value.isascii() and value.decode("ascii").isprintable()
    return FieldShown(place.name, label, _text(value) if is_ascii else value.hex(" "))


def _address(value: bytes, sight: Sight) -> str:
    """The end of a number for who may not see it; names and short codes are nobody's."""
    text = _text(value)
    if sight.numbers or sum(character.isdigit() for character in text) < _SHORTEST_NUMBER:
        return text
    return f"{HIDDEN}{text[-KEPT_DIGITS:]}"


def _text(value: bytes) -> str:
    """As Latin-1, which has a character for each octet; what does not print as a dot."""
    return "".join(one if one.isprintable() else "·" for one in value.decode("latin-1"))


def _message_text(read: _Read, sight: Sight, dialect: Dialect | None) -> str | None:
    """What the message says. Of a receipt who may not see texts sees what the provider says."""
    if read.command_id not in _MESSAGES or read.wrong:
        return None
    body = read_data if read.command_id == CommandId.DATA_SM else read_deliver
    delivery: Delivery = body(read.data, HEADER_LENGTH, len(read.data), read.number, DEFAULT_LIMITS)
    if not delivery.short_message:
        return None
    if read.is_report:
        return _text(delivery.short_message)
    if not sight.texts:
        return ""
    return dialect.read_inbound(delivery).body if dialect is not None else _text(delivery.short_message)


def _segment(read: _Read) -> str:
    """Which segment of a long text it is, by the header before its text."""
    text = read.octets("short_message")
    if not read.integer("esm_class") & ESM_UDHI or not text:
        return ""
    try:
        found = parse_header(text)[0].concatenation
    except MalformedHeader:
        return ""
    if found is None:
        return ""
    values = {"index": found.index, "total": found.total, "reference": found.reference}
    return _("%(index)s of %(total)s, of the long message number %(reference)s") % values


def _hexadecimal(content: bytes) -> Iterator[HexLine]:
    for start in range(0, len(content), OCTETS_A_LINE):
        octets = content[start : start + OCTETS_A_LINE]
        characters = "".join(chr(one) if 0x20 <= one < 0x7F else "·" for one in octets)
        yield HexLine(f"{start:04x}", octets.hex(" "), characters)
