"""Reading the calls of a provider that nobody wrote an adapter for: the operator pastes a sample of its call, with
placeholders where values stand (`"text": "{{InboundMessage}}"`), and the values of real calls are found in the same places.

A sample is JSON or form-encoded. Where a list of it holds placeholders in one item, or the same ones in each, every item of
a real call is read; where its items hold different ones, each is read at its own place.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from chappe.messaging import (
    BadSignature,
    ConfigError,
    FieldError,
    HookEvent,
    InboundMessage,
    Receipt,
    ReceiptKind,
    UnreadableBody,
)
from chappe.providers.auth import Hash
from chappe.providers.http import HookRequest, Pairs, plus_number, said
from chappe.providers.proof import check_age, is_same

LONGEST_SAMPLE = 20_000


class HookKind(StrEnum):
    """What a hook is for."""

    INBOUND = "inbound"
    FEEDBACK = "feedback"


INBOUND_MESSAGE = "InboundMessage"
PROFILE_NUMBER = "ProfileNumber"
REQUEST_ID = "RequestID"
ORIGIN_TIMESTAMP = "OriginTimestamp"
INBOUND_NUMBER = "InboundNumber"
CLIENT_REFERENCE = "client_reference"
MESSAGE_ID = "message_id"
FAILURE_CODE = "failureCode"
FEEDBACK_STATUS = "feedbackStatus"

PLACEHOLDERS: Mapping[HookKind, Mapping[str, str]] = MappingProxyType(
    {
        HookKind.INBOUND: {
            INBOUND_MESSAGE: "the text",
            PROFILE_NUMBER: "the person's number",
            INBOUND_NUMBER: "our number, to which it was sent",
            REQUEST_ID: "the provider's id of the text, by which one that comes twice is known",
            ORIGIN_TIMESTAMP: "when it was sent, in UTC",
        },
        HookKind.FEEDBACK: {
            FEEDBACK_STATUS: "the provider's word for what became of the message",
            FAILURE_CODE: "the provider's code for why it failed",
            MESSAGE_ID: "the provider's id of the message, as its answer to the sending gave it",
            CLIENT_REFERENCE: "our id of the message, where the provider gives back what it was sent",
        },
    }
)
"""What may stand in a sample, and what it is."""

NEEDED: Mapping[HookKind, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        HookKind.INBOUND: ((INBOUND_MESSAGE,), (PROFILE_NUMBER,)),
        HookKind.FEEDBACK: ((FEEDBACK_STATUS,), (CLIENT_REFERENCE, MESSAGE_ID)),
    }
)
"""What must stand in a sample: of each group, one."""


class Meaning(StrEnum):
    """What a provider's status word means to us."""

    DELIVERED = "delivered"
    FAILED = "failed"
    SENT = "sent"
    READ = "read"
    IGNORED = "ignored"


STATUSES: Mapping[str, Meaning] = MappingProxyType(
    {
        **dict.fromkeys(("delivered", "delivrd", "success"), Meaning.DELIVERED),
        **dict.fromkeys(
            (
                "failed",
                "failure",
                "undelivered",
                "undeliv",
                "undeliverable",
                "rejected",
                "rejectd",
                "expired",
                "deleted",
            ),
            Meaning.FAILED,
        ),
        **dict.fromkeys(("error", "bounced", "blocked"), Meaning.FAILED),
        **dict.fromkeys(("sent", "accepted", "acceptd", "queued", "buffered", "enroute", "pending"), Meaning.SENT),
        **dict.fromkeys(("read", "seen", "displayed"), Meaning.READ),
    }
)
"""The usual words, in lower case; a hook's own table comes first."""

RECEIPT_KINDS: Mapping[Meaning, ReceiptKind] = {
    Meaning.DELIVERED: ReceiptKind.SUCCESS,
    Meaning.FAILED: ReceiptKind.ERROR,
    Meaning.SENT: ReceiptKind.INTERMEDIATE,
    Meaning.READ: ReceiptKind.READ,
}

Record = dict[str, str]


class ProofKind(StrEnum):
    """How a provider proves that a call is its own. NONE leaves it to the hook's address, which nobody can guess."""

    NONE = "none"
    BASIC = "basic"
    HEADER = "header"
    HMAC = "hmac"


@dataclass(frozen=True)
class Proof:
    """What is asked of each call, but for the secret: the password of `user`, the value of `header`, or the key of the HMAC.

    HMAC: `header` holds that of the body's octets, in lower- or upper-case hexadecimal or, `is_base64`, in Base64, with or
    without `sha256=` before it. Where `timestamp_header` is named it holds seconds since 1970, may be five minutes away from
    our clock, and what is signed is its value, a full stop and the body.
    """

    kind: ProofKind = ProofKind.NONE
    user: str = ""
    header: str = ""
    hash: Hash = Hash.SHA256
    is_base64: bool = False
    timestamp_header: str = ""


@dataclass(frozen=True)
class Leaf:
    """Where one value stands; `before` and `after` surround it in the same text."""

    name: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Members:
    """An object: what stands under which name."""

    inner: tuple[tuple[str, "Shape"], ...]


@dataclass(frozen=True)
class Row:
    """A list whose items differ: what stands at which place."""

    inner: tuple[tuple[int, "Shape"], ...]


@dataclass(frozen=True)
class Each:
    """A list of likes. Of one that `counts`, each item is an event of its own; else its first says all there is to know."""

    inner: "Shape"
    counts: bool


Shape = Leaf | Members | Row | Each


@dataclass(frozen=True)
class HookPayload:
    """Where values stand in the calls to a hook."""

    kind: HookKind
    shape: Shape
    is_form: bool = False

    @classmethod
    def parse(cls, sample: str, kind: HookKind) -> "HookPayload":
        """Raises ConfigError, for the field `payload`, saying what is missing or where the sample cannot be read."""
        if not sample.strip():
            raise _error("is needed: a call as the provider makes it, with placeholders where values stand")
        if len(sample) > LONGEST_SAMPLE:
            raise _error(f"expected at most {LONGEST_SAMPLE} characters")
        _check_names(sample, kind)
        is_form = sample.lstrip()[0] not in '{["' and "=" in sample
        value = _form_values(parse_qsl(sample.strip(), keep_blank_values=True)) if is_form else _read_sample(sample)
        shape = _shape(value, _essential(kind))
        found = set() if shape is None else set(_names(shape))
        missing = [" or ".join(names) for names in NEEDED[kind] if not found.intersection(names)]
        if missing or shape is None:
            stands_for = ", ".join(f"{{{{{names}}}}}" for names in missing)
            raise _error(f"has no {stands_for}: write it in place of the value")
        return cls(kind, shape, is_form)

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """Each placeholder with where it stands, as `results[].text`."""
        return tuple(_places(self.shape, ""))

    def read(self, request: HookRequest) -> list[Record]:
        """What stands at the places, a record for each event; a value that is not there is not in the record.

        Raises UnreadableBody for octets that are not in the sample's format.
        """
        if self.is_form:
            pairs = request.form or request.query
            if not pairs:
                raise UnreadableBody("expected a form-encoded body")
            return _read(self.shape, _form_values(pairs))
        value = request.json
        if value is None:
            raise UnreadableBody("expected JSON")
        if isinstance(value, list) and isinstance(self.shape, Members):
            return [record for item in value for record in _read(self.shape, item)]
        return _read(self.shape, value)


@dataclass(frozen=True)
class HookSettings:
    """What is known of one hook of a custom provider, but for its secret. `statuses` is for feedback, keys in any case."""

    kind: HookKind
    payload: HookPayload
    statuses: Mapping[str, Meaning] = field(default_factory=dict)
    proof: Proof = Proof()


@dataclass(frozen=True)
class Preview:
    """What a call, real or made up, says according to a payload: for whoever edits it.

    `values` has, for each placeholder, where it stands and what was found there, an entry an event (None: nothing).
    """

    values: tuple[tuple[str, str, tuple[str | None, ...]], ...] = ()
    events: tuple[HookEvent, ...] = ()
    problem: str = ""


def events_of(request: HookRequest, settings: HookSettings) -> list[HookEvent]:
    """What a verified call tells. Raises UnreadableBody."""
    if settings.kind is HookKind.INBOUND:
        return [*inbound_events(settings.payload, request)]
    return [*feedback_events(settings.payload, settings.statuses, request)]


def inbound_events(payload: HookPayload, request: HookRequest) -> list[InboundMessage]:
    """The texts in a call. Raises UnreadableBody where there is something, and nowhere a text with its sender."""
    return [
        InboundMessage(
            plus_number(record[PROFILE_NUMBER]),
            plus_number(record.get(INBOUND_NUMBER, "")),
            record[INBOUND_MESSAGE],
            said(record.get(REQUEST_ID, "")),
        )
        for record in _usable(payload, request)
    ]


def feedback_events(payload: HookPayload, statuses: Mapping[str, Meaning], request: HookRequest) -> list[Receipt]:
    """The receipts in a call; a word that no table holds is kept and settles nothing. Raises UnreadableBody."""
    table = {**STATUSES, **{word.strip().lower(): meaning for word, meaning in statuses.items()}}
    receipts = []
    for record in _usable(payload, request):
        status = said(record[FEEDBACK_STATUS])
        meaning = table.get(status.lower(), Meaning.SENT)
        if meaning is not Meaning.IGNORED:
            message_id = said(record.get(MESSAGE_ID) or record.get(CLIENT_REFERENCE, ""))
            receipts.append(Receipt(message_id, RECEIPT_KINDS[meaning], status, said(record.get(FAILURE_CODE, ""))))
    return receipts


def preview(request: HookRequest, settings: HookSettings) -> Preview:
    """What would be read from a call, whatever its proof."""
    try:
        records = settings.payload.read(request)
    except UnreadableBody as error:
        return Preview(problem=str(error))
    values = tuple(
        (name, where, tuple(record.get(name) for record in records)) for name, where in settings.payload.places
    )
    try:
        return Preview(values, tuple(events_of(request, settings)))
    except UnreadableBody as error:
        return Preview(values, problem=str(error))


def pasted(payload: HookPayload, text: str) -> HookRequest:
    """A call as somebody pastes it, for `preview`."""
    content_type = "application/x-www-form-urlencoded" if payload.is_form else "application/json"
    return HookRequest("POST", "", {"content-type": content_type}, text.strip().encode("utf-8", "replace"))


def verify_hook(request: HookRequest, settings: HookSettings, secret: str, now_s: float) -> None:
    """Raises BadSignature unless the call carries the proof that the hook's settings ask for."""
    proof = settings.proof
    if proof.kind is ProofKind.NONE:
        return
    if not secret:
        raise BadSignature("the hook has no secret to check its calls by")
    match proof.kind:
        case ProofKind.BASIC:
            user, password = request.basic() or ("", "")
            holds = is_same(user, proof.user) & is_same(password, secret)
        case ProofKind.HEADER:
            holds = is_same(request.headers.get(proof.header.lower(), ""), secret)
        case ProofKind.HMAC:
            holds = _is_signed(request, proof, secret, now_s)
    if not holds:
        raise BadSignature(f"the {proof.kind.value} proof of the call is absent or wrong")


def _is_signed(request: HookRequest, proof: Proof, secret: str, now_s: float) -> bool:
    if not request.body:  # what stands in the address alone is not signed
        return False
    signed = request.body
    if proof.timestamp_header:
        stamp = request.headers.get(proof.timestamp_header.lower(), "")
        check_age(stamp, now_s)
        signed = stamp.encode("utf-8", "replace") + b"." + signed
    given = request.headers.get(proof.header.lower(), "").strip().removeprefix(f"{proof.hash.value}=")
    try:
        tag = base64.b64decode(given, validate=True) if proof.is_base64 else bytes.fromhex(given)
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(tag, hmac.new(secret.encode(), signed, getattr(hashlib, proof.hash.value)).digest())


def _usable(payload: HookPayload, request: HookRequest) -> list[Record]:
    """The records that have all that an event needs. Nobody is to lose texts unawares: none among some is an error."""
    records = payload.read(request)
    needed = NEEDED[payload.kind]
    usable = [record for record in records if all(any(record.get(name) for name in names) for names in needed)]
    if records and not usable:
        wanted = [where for name, where in payload.places if any(name in names for names in needed)]
        raise UnreadableBody(f"nothing stands where the payload says: {', '.join(wanted)}")
    return usable


# -- the sample --------------------------------------------------------------------------------------------------------

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_BARE = re.compile(r'"(?:\\.|[^"\\])*"|(?P<open>\{\{)(?P<name>\s*\w+\s*)\}\}', re.DOTALL)
_OPEN, _CLOSE = (
    "\ue000",
    "\ue001",
)  # for private use: they keep a placeholder that stands without quotes as long as it was
_ONE = re.compile(rf"\{{\{{\s*(\w+)\s*\}}\}}|{_OPEN}\s*(\w+)\s*{_CLOSE}")


def _read_sample(sample: str) -> Any:
    quoted = _BARE.sub(lambda m: m[0] if m["open"] is None else f'"{_OPEN}{m["name"]}{_CLOSE}"', sample)
    try:
        return json.loads(quoted)
    except json.JSONDecodeError as error:
        what = error.msg[0].lower() + error.msg[1:]
        raise _error(f"line {error.lineno}, column {error.colno}: is not JSON: {what}") from None
    except (RecursionError, ValueError):
        raise _error("is not JSON that can be read: it is nested too deep, or has a number that is too long") from None


def _check_names(sample: str, kind: HookKind) -> None:
    known = PLACEHOLDERS[kind]
    errors = []
    for found in _PLACEHOLDER.finditer(sample):
        if found[1] not in known:
            line = sample.count("\n", 0, found.start()) + 1
            column = found.start() - sample.rfind("\n", 0, found.start())
            there_are = ", ".join(known)
            problem = f"line {line}, column {column}: there is no placeholder {found[1]}; there are {there_are}"
            errors.append(FieldError("payload", problem))
    if errors:
        raise ConfigError(errors)


def _form_values(pairs: Pairs) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values


def _essential(kind: HookKind) -> frozenset[str]:
    return frozenset(name for names in NEEDED[kind] for name in names)


def _shape(value: Any, essential: frozenset[str]) -> Shape | None:
    """Where the placeholders of a sample stand; None where it has none."""
    if isinstance(value, dict):
        inner = [(name, _shape(item, essential)) for name, item in value.items()]
        members = tuple((name, shape) for name, shape in inner if shape is not None)
        return Members(members) if members else None
    if isinstance(value, list):
        return _list_shape([_shape(item, essential) for item in value], essential)
    if not isinstance(value, str):
        return None
    found = list(_ONE.finditer(value))
    if len(found) > 1:
        raise _error(f"has {found[0][0]} and {found[1][0]} in one text: only one value can be read from one")
    return Leaf(found[0][1] or found[0][2], value[: found[0].start()], value[found[0].end() :]) if found else None


def _list_shape(items: Sequence[Shape | None], essential: frozenset[str]) -> Shape | None:
    places = tuple((index, shape) for index, shape in enumerate(items) if shape is not None)
    if not places:
        return None
    names = [set(_names(shape)) for _, shape in places]
    if len(places) > 1 and not set.intersection(*names):
        return Row(places)
    fullest = max(range(len(places)), key=lambda index: len(names[index]))
    return Each(places[fullest][1], bool(names[fullest] & essential))


def _names(shape: Shape) -> Iterator[str]:
    match shape:
        case Leaf(name):
            yield name
        case Each(inner):
            yield from _names(inner)
        case Members(inner) | Row(inner):
            for _, item in inner:
                yield from _names(item)


def _places(shape: Shape, path: str) -> Iterator[tuple[str, str]]:
    match shape:
        case Leaf(name):
            yield name, path
        case Each(item):
            yield from _places(item, f"{path}[]")
        case Row(rows):
            for index, item in rows:
                yield from _places(item, f"{path}[{index}]")
        case Members(members):
            for member, item in members:
                yield from _places(item, f"{path}.{member}" if path else member)


# -- a call ------------------------------------------------------------------------------------------------------------


def _read(shape: Shape, value: Any) -> list[Record]:
    match shape:
        case Leaf(name, before, after):
            text = _text(value)
            return [{} if text is None else {name: text.removeprefix(before).removesuffix(after)}]
        case Members(members):
            held = value if isinstance(value, dict) else {}
            return reduce(_join, (_read(item, held.get(name)) for name, item in members))
        case Row(rows):
            items = value if isinstance(value, list) else []
            return reduce(_join, (_read(item, items[at] if at < len(items) else None) for at, item in rows))
        case Each(inner, counts):
            items = value if isinstance(value, list) else [value]
            records = [record for item in items for record in _read(inner, item)]
            return records if counts else records[:1] or [{}]


def _join(left: list[Record], right: list[Record]) -> list[Record]:
    """What stands beside a list holds for each of its items; lists side by side go item by item."""
    if len(left) == 1:
        return [{**one, **left[0]} for one in right]
    if len(right) == 1:
        return [{**right[0], **one} for one in left]
    if len(left) != len(right):
        raise UnreadableBody(f"lists that belong together have {len(left)} and {len(right)} items")
    return [{**two, **one} for one, two in zip(left, right, strict=True)]


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else None


def _error(message: str) -> ConfigError:
    return ConfigError([FieldError("payload", message)])
