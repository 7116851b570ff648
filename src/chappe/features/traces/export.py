"""A trace as a file: for Wireshark, or for a program. Both hold what their reader may see, and no more."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from chappe.engine.traced_exchange import parted
from chappe.features.clock import instant
from chappe.features.traces.models import TraceEntry, TraceSession
from chappe.features.traces.reading import Sight, shown
from chappe.smpp import MalformedPdu, ProtocolError, command_name, status_name
from chappe.smpp.capture import HTTP_PORT, SMPP_PORT, Captured, capture
from chappe.smpp.layout import layout
from chappe.smpp.mask import masked
from chappe.smpp.pdu import HEADER

PCAP_TYPE = "application/vnd.tcpdump.pcap"
_MADE_ANEW = re.compile(r"(?:host|content-length|transfer-encoding|content-encoding):", re.IGNORECASE)
"""Headers that stand in the first lines already, or are wrong of a body that was read, cut, or masked."""
_REASONS = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 400: "Bad Request", 401: "Unauthorized"}


def pcap_file(entries: Iterable[TraceEntry], sight: Sight, *, is_smpp: bool) -> bytes:
    """A capture file in which every link is a TCP connection of its own; every exchange one, too."""
    captured = _pdus(entries, sight) if is_smpp else _exchanges(entries, sight)
    return b"".join(capture(captured, SMPP_PORT if is_smpp else HTTP_PORT))


def json_file(session: TraceSession, entries: Iterable[TraceEntry], sight: Sight) -> bytes:
    """What was traced, and each entry with its fields."""
    document = {
        "connection": session.connection.name,
        "started": _time(session.started_ms),
        "ended": _time(session.until_ms),
        "left_out": session.left_out,
        "shows_texts": sight.texts,
        "shows_numbers": sight.numbers,
        "entries": [_entry(entry, sight) for entry in entries],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def _pdus(entries: Iterable[TraceEntry], sight: Sight) -> Iterator[Captured]:
    streams: dict[tuple[int, str, int], int] = {}
    for entry in entries:
        stream = streams.setdefault((entry.slot, entry.role, entry.link), len(streams))
        octets = masked(bytes(entry.content), shows_texts=sight.texts, shows_numbers=sight.numbers)
        yield Captured(entry.at_ms, stream, entry.direction == "in", octets)


def _exchanges(entries: Iterable[TraceEntry], sight: Sight) -> Iterator[Captured]:
    for stream, entry in enumerate(entries):
        exchange = shown(entry, sight)
        is_call = entry.direction == "in"
        host, path = _place(exchange.url)
        request = _message(f"{exchange.method} {path} HTTP/1.1\r\nHost: {host}", exchange.request)
        yield Captured(entry.at_ms, stream, is_call, request, is_call)
        if exchange.status:
            reason = _REASONS.get(exchange.status, "Answer")
            answer = _message(f"HTTP/1.1 {exchange.status} {reason}", exchange.response)
            yield Captured(entry.at_ms + round(exchange.took_ms), stream, not is_call, answer, is_call)


def _place(url: str) -> tuple[str, str]:
    host, _, path = url.rpartition("://")[2].partition("/")
    return host or "chappe.invalid", f"/{path}".replace(" ", "%20")


def _message(first: str, written: str) -> bytes:
    """As it stands on the wire, with the length that the body has here."""
    head, body = parted(written)
    octets = body.encode()
    headers = [line for line in head.split("\n") if line and not _MADE_ANEW.match(line)]
    return "\r\n".join([first, *headers, f"Content-Length: {len(octets)}", "", ""]).encode() + octets


def _entry(entry: TraceEntry, sight: Sight) -> dict[str, Any]:
    facts = {"time": _time(entry.at_ms), "direction": entry.direction, "kind": entry.kind}
    if entry.kind == "exchange":
        exchange = msgspec.to_builtins(shown(entry, sight))
        return {**facts, **{name: value for name, value in exchange.items() if name not in ("numbers", "texts")}}
    octets = masked(bytes(entry.content), shows_texts=sight.texts, shows_numbers=sight.numbers)
    link = {"slot": entry.slot, "role": entry.role, "number": entry.link}
    return {**facts, "link": link, **_pdu(octets), "octets": octets.hex()}


def _pdu(octets: bytes) -> dict[str, Any]:
    _, command_id, status, number = HEADER.unpack_from(octets)
    head = {"command": command_name(command_id), "status": status_name(status), "sequence_number": number}
    try:
        places = layout(octets)
    except (ProtocolError, MalformedPdu) as error:
        return {**head, "malformed": str(error)}
    fields = {place.name: _value(place.value) for place in places if place.tag is None}
    parameters = [
        {"tag": place.tag, "name": place.name, "value": octets[place.start : place.end].hex()}
        for place in places
        if place.tag is not None
    ]
    return {**head, "fields": fields, "parameters": parameters}


def _value(value: Any) -> Any:
    match value:
        case bytes():
            return value.decode("latin-1")
        case tuple():
            return [{name: _value(item) for name, item in entry._asdict().items()} for entry in value]
    return value


def _time(ms: int) -> str:
    at = instant(ms)
    return at.isoformat(timespec="milliseconds") if at is not None else ""
