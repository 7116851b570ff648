"""What a provider told a hook, as it is kept until an engine acts on it: written by the web process, read by the recorder."""

from collections.abc import Callable, Sequence

import msgspec

from chappe.engine.store import catalogue
from chappe.engine.store.statement import Row
from chappe.engine.store.store import Store
from chappe.messaging import HookEvent, InboundMessage, OptIn, OptOut, Pages, Receipt, Told
from chappe.rules.hook_keyword import KeywordRules

AT_ONCE = 0
"""Due whatever the clock of the engine says, which may be on another machine, or put back since: a STOP does not wait."""
LONGEST_ADDRESS = 64
LONGEST_EMAIL = 400
"""With a name beside it."""
LONGEST_ID = 255
LONGEST_BODY = 20_000
LONGEST_WORDS = 400


class HeldInbound(msgspec.Struct, frozen=True, omit_defaults=True):
    """A text with the keywords that count where it came in; None: those of its connection."""

    message: InboundMessage
    keywords: KeywordRules | None = None


class HeldRest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What another Chappe told of messages that were not known yet; `clock_ms` is by how much its clock is ahead."""

    told: Told
    clock_ms: int = 0


Held = Receipt | HeldInbound | OptOut | OptIn | Pages | HeldRest

_KINDS: dict[type, str] = {
    Receipt: "receipt",
    HeldInbound: "inbound",
    OptOut: "opt_out",
    OptIn: "opt_in",
    Pages: "pages",
    HeldRest: "rest",
}
LARGE = frozenset({_KINDS[Pages], _KINDS[HeldRest]})
"""Kinds of which one tells of many messages."""
REST_AGAIN_MS = 200
_READERS: dict[str, Callable[[bytes], Held]] = {
    kind: msgspec.json.Decoder(held).decode for held, kind in _KINDS.items()
}
_write = msgspec.json.encode


class Arrived(msgspec.Struct, frozen=True):
    """An event with the connection that it came for."""

    connection_id: int
    organisation_id: int
    event: HookEvent
    received_ms: int
    keywords: KeywordRules | None = None


def keep(store: Store, arrived: Sequence[Arrived]) -> None:
    """Insert events, in the caller's transaction; what they bring is cut to what the tables hold."""
    ids = store.take_ids("hook_event", len(arrived))
    store.database.run(catalogue.INSERT_HOOK_EVENTS, [_row(i, one) for i, one in zip(ids, arrived, strict=True)])


def keep_rest(
    store: Store, connection_id: int, organisation_id: int, rest: HeldRest, since_ms: int, now_ms: int
) -> None:
    """Insert what is to be looked at again, in the caller's transaction."""
    (event_id,) = store.take_ids("hook_event", 1)
    row = (event_id, connection_id, organisation_id, _KINDS[HeldRest], _write(rest), since_ms, now_ms + REST_AGAIN_MS)
    store.database.run(catalogue.INSERT_HOOK_EVENTS, [row])


def read(kind: str, data: bytes) -> Held:
    """Raises msgspec.DecodeError or KeyError for a row that this version did not write."""
    held: Held = _READERS[kind](data)
    return held


def _row(event_id: int, one: Arrived) -> Row:
    held: Held
    match one.event:
        case InboundMessage() as message:
            held = HeldInbound(_bounded_text(message), one.keywords)
        case Receipt() as receipt:
            held = msgspec.structs.replace(
                receipt,
                provider_message_id=_bounded(receipt.provider_message_id, LONGEST_ID),
                status=_bounded(receipt.status, 40),
                code=_bounded(receipt.code, 40),
            )
        case Pages() as pages:
            held = pages
        case OptOut() | OptIn() as wish:
            held = msgspec.structs.replace(
                wish,
                address=_bounded_person(wish.address),
                evidence=_bounded(wish.evidence, LONGEST_WORDS),
                sender=_bounded(wish.sender, LONGEST_ADDRESS),
                provider_message_id=_bounded(wish.provider_message_id, LONGEST_ID),
            )
    head = (event_id, one.connection_id, one.organisation_id, _KINDS[type(held)], _write(held), one.received_ms)
    return (*head, AT_ONCE)


def _bounded_text(message: InboundMessage) -> InboundMessage:
    return msgspec.structs.replace(
        message,
        sender=_bounded_person(message.sender),
        recipient=_bounded(message.recipient, LONGEST_ADDRESS),
        body=_bounded(message.body, LONGEST_BODY),
        provider_message_id=_bounded(message.provider_message_id, LONGEST_ID),
        linked_sms=_bounded(message.linked_sms, LONGEST_ID),
    )


def _bounded_person(address: str) -> str:
    return _bounded(address, LONGEST_EMAIL if "@" in address else LONGEST_ADDRESS)


def _bounded(text: str, most: int) -> str:
    """Of no more characters, and none that a database does not keep: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")[:most]
