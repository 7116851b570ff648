"""What crosses between an engine's main process and its store process: plain tuples and lists, as msgpack.

Field order is the wire format; both ends are always the same version, since one starts the other.
"""

from typing import Any

import msgspec

from chappe.engine.store.callback_frame import CallbackCalls, CallbackEndpoints, CallbacksDue, CallbackWork
from chappe.engine.store.relay_frame import (
    PagesDue,
    PagesFound,
    PagesHeard,
    PagesMissing,
    PagesTold,
    PagesWanted,
    RelayAccounts,
    StepFound,
    StepTaken,
    StepWanted,
)
from chappe.engine.store.rule_frame import Rules
from chappe.messaging import OutboundMessage
from chappe.rules.hook_keyword import KeywordRules

Row = tuple[Any, ...]


class Received(msgspec.Struct, array_like=True, gc=False):
    """A receipt as it came in; `token` comes back with its fate."""

    token: int
    connection_id: int
    provider_message_id: str
    kind: str
    status: str
    code: str
    at_ms: int
    error_kind: str = ""


class InboundPiece(msgspec.Struct, array_like=True, gc=False):
    """One inbound deliver_sm: a whole text, or one of `total` segments under `reference` (`total` 1: whole).

    Segments stay octets until all are there: a surrogate pair may have been cut between two of them.
    """

    token: int
    connection_id: int
    sender: str
    recipient: str
    encoding: str
    octets: bytes
    reference: int
    total: int
    position: int
    at_ms: int
    linked_sms: str = ""
    alias: str = ""
    large_account: str = ""
    provider_message_id: str = ""
    keywords: KeywordRules | None = None
    is_answered: bool = False


class Settled(msgspec.Struct, array_like=True, gc=False):
    """A waiting message that ends for a reason of ours, or that is left unconfirmed."""

    message_id: int
    state: int
    reason: str
    at_ms: int


class ProviderError(msgspec.Struct, array_like=True, gc=False):
    """The provider's refusal of a waiting message; the qualification of its text decides what the number gets.

    `is_retried`: whether the same message may be taken another time, not before `after_ms`. `kind`: what it says of the
    number, "" where the qualification of the status settles it. `opts_out`: the person asked the provider for no more.
    """

    message_id: int
    connection_id: int
    status: str
    code: str
    words: str
    at_ms: int
    is_retried: bool
    kind: str = ""
    opts_out: bool = False
    after_ms: int = 0


class PutOff(msgspec.Struct, array_like=True, gc=False):
    """A waiting message to try again at `due_ms`."""

    message_id: int
    connection_id: int
    reason: str
    due_ms: int
    is_possible_duplicate: bool = False


class Record(msgspec.Struct, array_like=True, tag="record", gc=False):
    """Everything to be committed together.

    `sent`: (message id << 4 | attempt, delivery id, sent ms) of messages whose every segment is taken. `segments`: (segment id,
    connection id, provider's id, sent ms, delivery id). `horizons`: (outbox id, lease token, horizon, lease until ms).
    `finished` and `released`: (outbox id, lease token). `events`: (message id, at ms, kind, text).
    `exchanges`: rows of `catalogue.INSERT_EXCHANGES`.
    """

    number: int
    sent: list[tuple[int, int, int]] = []
    segments: list[tuple[int, int, str, int, int]] = []
    settled: list[Settled] = []
    errors: list[ProviderError] = []
    put_off: list[PutOff] = []
    receipts: list[Received] = []
    inbound: list[InboundPiece] = []
    horizons: list[tuple[int, int, int, int]] = []
    finished: list[tuple[int, int]] = []
    released: list[tuple[int, int]] = []
    events: list[tuple[int, int, str, str]] = []
    exchanges: list[Row] = []


class Want(msgspec.Struct, array_like=True, tag="want", gc=False):
    """Ask for about `messages` due messages of one connection."""

    number: int
    connection_id: int
    organisation_id: int
    short_code: str
    messages: int
    horizon: int
    resend_unknown: bool
    despite_stop: bool
    channel: str = "sms"
    hands_over: bool = False


class Configure(msgspec.Struct, array_like=True, tag="configure", gc=False):
    """What the recorder must know of a connection."""

    number: int
    connection_id: int
    organisation_id: int
    implementation_name: str
    short_code: str
    full_phone_number: bool
    default_error_kind: str
    retry_delay_s: float
    retry_limit: int
    unknown_receipt_wait_s: float
    automatic_replies: list[dict[str, str]]
    large_account_from_short_code: bool = True
    provider: str = "smpp"
    channel: str = "sms"
    hands_over: bool = False


class Links(msgspec.Struct, array_like=True, tag="links", gc=False):
    """Once a second: keep or take these links (connection id, slot), show these states, drop those beyond `slots`."""

    number: int
    take: list[tuple[int, int]] = []
    states: list[Row] = []
    slots: list[tuple[int, int]] = []


class Answered(msgspec.Struct, array_like=True, tag="answered", gc=False):
    """Messages of this connection that went out before `until_ms` have been answered, or never will be.

    So a receipt that came before then with an id nobody knows is not early: its id will not become known.
    """

    number: int
    connection_id: int
    until_ms: int


class LoadConnections(msgspec.Struct, array_like=True, tag="connections", gc=False):
    number: int


class Collect(msgspec.Struct, array_like=True, tag="collect", gc=False):
    """Act on what providers told our hooks."""

    number: int


class Traced(msgspec.Struct, array_like=True, tag="traced", gc=False):
    """What crossed traced connections: rows of `trace_catalogue.INSERT_TRACE_ENTRIES`. `left_out`: (session id, how many
    more there were)."""

    number: int
    rows: list[Row] = []
    left_out: list[tuple[int, int]] = []


Request = (
    Record
    | Want
    | Configure
    | Links
    | LoadConnections
    | Answered
    | Collect
    | CallbackWork
    | Traced
    | PagesWanted
    | PagesTold
    | PagesHeard
    | StepWanted
    | StepTaken
)


class Recorded(msgspec.Struct, array_like=True, tag="recorded", gc=False):
    """`number` is committed, with everything before it. `lost` are outbox ids whose lease somebody else has."""

    number: int
    lost: list[int] = []


class Fates(msgspec.Struct, array_like=True, tag="fates", gc=False):
    """What became of receipts and inbound, by token; sent after their commit.

    `taken` may be acknowledged; `unknown` are (connection id, token, times seen) of receipts whose id matched nothing in time;
    `refused` are those that the store cannot keep whatever is tried.
    """

    taken: list[int] = []
    unknown: list[tuple[int, int, int]] = []
    refused: list[int] = []


class Leased(msgspec.Struct, array_like=True, gc=False):
    """One outbox row now ours. `positions` are the messages' places in the batch (the horizon counts in these)."""

    outbox_id: int
    token: int
    delivery_id: int
    size: int
    horizon: int
    messages: list[OutboundMessage]
    positions: list[int]


class Leases(msgspec.Struct, array_like=True, tag="leases", gc=False):
    number: int
    connection_id: int
    leases: list[Leased]


class News(msgspec.Struct, array_like=True, tag="news", gc=False):
    """Changes to heed at once: `blocked` (organisation id, address, short code, status), `deliveries` (id, status)."""

    blocked: list[tuple[int, str, str, str]] = []
    deliveries: list[tuple[int, str]] = []


class LinksTaken(msgspec.Struct, array_like=True, tag="links_taken", gc=False):
    number: int
    taken: list[tuple[int, int]]


class Connections(msgspec.Struct, array_like=True, tag="connections_are", gc=False):
    """`connections`: rows of `catalogue.CONNECTIONS`; `hooks`: those of `catalogue.DESCRIBED_HOOKS`; `traces`: those of
    `trace_catalogue.OPEN_TRACES`."""

    number: int
    connections: list[Row]
    hooks: list[tuple[int, str, str]] = []
    traces: list[tuple[int, int, str, int, int]] = []


class Trouble(msgspec.Struct, array_like=True, tag="trouble", gc=False):
    """The database does not take writes now; nothing is lost, everything waits. Empty `text`: it does again."""

    text: str


class Collected(msgspec.Struct, array_like=True, tag="collected", gc=False):
    """`is_all`: nothing that is due is left."""

    number: int
    is_all: bool


Answer = (
    Recorded
    | Fates
    | Leases
    | News
    | LinksTaken
    | Connections
    | Trouble
    | Collected
    | CallbackEndpoints
    | CallbackCalls
    | CallbacksDue
    | Rules
    | PagesFound
    | PagesDue
    | PagesMissing
    | RelayAccounts
    | StepFound
)
