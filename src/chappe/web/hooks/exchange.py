"""A call as the operator may see it: no secrets, no proofs, no numbers but their last two digits, no texts."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from chappe.engine.net.redact import MASK, mask_numbers, redact
from chappe.engine.store.statement import Row
from chappe.engine.traced_exchange import TracedExchange, write_exchange
from chappe.messaging import HookEvent, InboundMessage, OptIn, OptOut, Receipt
from chappe.providers.http import HttpResponse, read_json
from chappe.rules.trace import number_key

LONGEST_READ = 16 * 1024
"""Octets of a body that are looked at, and twice as many of heads and body together."""
LONGEST_SHOWN = 4_000
LONGEST_OUTCOME = 200
DEEPEST = 32

_TEXT = re.compile(r"(?:text|body|content|message|msg|keyword|subject|name|caption)$", re.IGNORECASE)
"""Members under which providers bring what people write."""
_NUMBER = re.compile(r"\+?[0-9]{7,15}")

COUNTED = {
    "Receipt": ("1 receipt", "{0} receipts"),
    "InboundMessage": ("1 text", "{0} texts"),
    "OptOut": ("1 opt-out", "{0} opt-outs"),
    "OptIn": ("1 opt-in", "{0} opt-ins"),
    "Pages": ("pages of another Chappe", "{0} times pages of another Chappe"),
}
"""What came in a call, once and several times."""


@dataclass(frozen=True)
class Noted:
    """A call as it came and was answered. `events` None: nobody proved that it is the provider's, so no body is kept."""

    connection_id: int
    at_ms: int
    took_ms: float
    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    response: HttpResponse
    outcome: str
    secrets: Sequence[str] = field(default=(), repr=False)
    events: Sequence[HookEvent] | None = field(default=None, repr=False)


def shown(noted: Noted) -> Row:
    """A row for INSERT_EXCHANGES."""
    events = noted.events or ()
    keep = {event.provider_message_id for event in events if isinstance(event, Receipt | InboundMessage)}
    hides = [hidden for event in events for hidden in _hidden(event) if hidden not in keep]
    heads = "\n".join(f"{name}: {value}" for name, value in noted.headers.items())
    if noted.events is None:
        body = f"({len(noted.body)} octets, not kept)" if noted.body else ""
    else:
        body = masked_body(noted.body[:LONGEST_READ], noted.headers.get("content-type", ""), keep)
    path, mark, query = noted.target[:LONGEST_READ].partition("?")
    target = path + mark + _masked_form(query, keep)

    def clean(text: str) -> str:
        return redact(text.replace("\0", "")[: 2 * LONGEST_READ], noted.secrets, hides)[:LONGEST_SHOWN]

    return (
        noted.connection_id,
        "in",
        noted.at_ms,
        noted.took_ms,
        noted.method[:10],
        clean(target),
        clean(f"{heads}\n\n{body}"),
        noted.response.status,
        clean(noted.response.body.decode("utf-8", "replace")),
        noted.outcome[:LONGEST_OUTCOME],
    )


def traced(noted: Noted, trace_id: int) -> Row:
    """A row for INSERT_TRACE_ENTRIES: the same for who traces the connection, masked as it is for everybody."""
    _connection, _direction, at_ms, took_ms, method, url, request, status, response, outcome = shown(noted)
    kept = TracedExchange(method, url, request, status, response, outcome, took_ms)
    sender, recipient = numbers_of(noted.events or ())
    return (trace_id, at_ms, "in", "exchange", 0, "http", 0, sender, recipient, write_exchange(kept))


def numbers_of(events: Sequence[HookEvent]) -> tuple[str, str]:
    """Whose text or wish a call brings, and to whom, as `number_key` has them; "" where it does not say."""
    for event in events:
        if isinstance(event, InboundMessage):
            return number_key(event.sender), number_key(event.recipient)
        if isinstance(event, OptOut | OptIn):
            return number_key(event.address), number_key(event.sender)
    return "", ""


def described(events: Sequence[HookEvent]) -> str:
    """What was read in a call, without numbers and texts; a provider's own words for a status as they are."""
    if not events:
        return "nothing that concerns messages"
    counted = Counter(type(event).__name__ for event in events)
    counts = [COUNTED[kind][0] if count == 1 else COUNTED[kind][1].format(count) for kind, count in counted.items()]
    statuses = dict.fromkeys(f"{event.status} {event.code}".strip() for event in events if isinstance(event, Receipt))
    return ", ".join(counts) + (f": {', '.join(statuses)}" if statuses else "")


def masked_body(body: bytes, content_type: str, keep: Collection[str] = ()) -> str:
    """A body as text, with everything masked that may be a number or what somebody wrote."""
    text = body.decode("utf-8", "replace")
    if "form" in content_type:
        return _masked_form(text, keep)
    value = read_json(body)
    if isinstance(value, dict | list):
        return msgspec.json.encode(_masked("", value, keep, 0)).decode()
    return mask_numbers(text, keep)


def _hidden(event: HookEvent) -> Sequence[str]:
    match event:
        case InboundMessage():
            return (event.sender, event.recipient, event.body)
        case OptOut() | OptIn():
            return (event.address, event.sender)
    return ()


def _masked_form(text: str, keep: Collection[str]) -> str:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        return MASK
    if not pairs:
        return mask_numbers(text, keep)
    return "&".join(f"{_readable(name)}={_readable(_masked(name, value, keep, 0))}" for name, value in pairs)


def _readable(text: str) -> str:
    """Decoded, for people to read, but for what separates the pairs."""
    return text.replace("%", "%25").replace("&", "%26").replace("=", "%3D")


def _masked(name: str, value: Any, keep: Collection[str], depth: int) -> Any:
    if depth > DEEPEST:
        return MASK
    match value:
        case dict():
            return {key: _masked(key, item, keep, depth + 1) for key, item in value.items()}
        case list():
            return [_masked(name, item, keep, depth + 1) for item in value]
        case str() if value and value not in keep and _TEXT.search(name):
            return MASK
        case str():
            return mask_numbers(value, keep)
        case int() if not isinstance(value, bool) and _NUMBER.fullmatch(str(value)) and str(value) not in keep:
            return mask_numbers(str(value))
    return value
