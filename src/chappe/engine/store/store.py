"""The message store: what may be asked of it, on either database. Methods run inside the caller's `transaction`."""

import secrets
import struct
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec

from chappe.engine.configuration import sqlite_path
from chappe.engine.store import catalogue
from chappe.engine.store.frame import Leased
from chappe.engine.store.postgresql import PostgresDatabase
from chappe.engine.store.sqlite import SqliteDatabase
from chappe.engine.store.statement import Database, Row
from chappe.messaging import Channel, DeliveryState, MessageOptions, OutboundMessage, StoreError
from chappe.rules.consent import exclusion
from chappe.rules.ending import ending

LEASE_MS = 30_000
OUTBOX_MESSAGES = 1000
"""Messages packed in one outbox row: the unit that is leased, and that another engine takes over."""

_ID, _RECIPIENT, _CATEGORY, _ATTEMPT, _EXPIRY, _ORGANISATION, _OPTIONS, _DUPLICATE, _SEGMENTS, _DUE = (
    catalogue.LEASED_COLUMNS.index(name)
    for name in (
        "id",
        "recipient",
        "category",
        "attempt",
        "expires_ms",
        "organisation_id",
        "options",
        "is_possible_duplicate",
        "segments",
        "due_ms",
    )
)
Accepted = dict[int, dict[int, int]]
"""Segments that the provider took: message id << 4 | attempt → index → state."""
_STATE = [column.name for column in catalogue.MESSAGE_COLUMNS].index("state")
_EXPIRES = [column.name for column in catalogue.MESSAGE_COLUMNS].index("expires_ms")
_DUE_AT = [column.name for column in catalogue.MESSAGE_COLUMNS].index("due_ms")
_decode_options = msgspec.json.Decoder(MessageOptions).decode


def open_store(url: str) -> "Store":
    """Open the store at `sqlite:///path` or `postgresql://…`."""
    path = sqlite_path(url)
    if path is not None:
        return Store(SqliteDatabase(path))
    if url.startswith(("postgresql://", "postgres://")):
        return Store(PostgresDatabase(url))
    raise StoreError("the database URL must be sqlite:///path or postgresql://…")


def pack_ids(ids: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(ids)}q", *ids)


def unpack_ids(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // 8}q", packed)


@dataclass
class OutboxBatch:
    """Messages to be sent by one connection, as `enqueue` takes them; rows are in the order of `MESSAGE_COLUMNS`."""

    connection_id: int
    delivery_id: int
    priority: int
    due_ms: int
    rows: Sequence[Row]
    is_held: bool = False


@dataclass
class LeaseRequest:
    connection_id: int
    organisation_id: int
    short_code: str
    messages: int
    horizon: int
    resend_unknown: bool
    despite_stop: bool = False
    channel: str = Channel.SMS.value
    handing_over: Container[int] = frozenset()
    """Connections whose provider knows a message again: one that an interrupted holder may have sent is simply sent, and one
    that has a segment was handed over, and waits there."""


@dataclass
class LeaseResult:
    """`unknown` are messages that an interrupted holder may have sent; their rows are still in their `Leased`."""

    leases: list[Leased] = field(default_factory=list)
    settled: list[tuple[int, DeliveryState, str]] = field(default_factory=list)
    unknown: list[int] = field(default_factory=list)
    emptied: list[tuple[int, int]] = field(default_factory=list)


class Store:
    def __init__(self, database: Database) -> None:
        self.database = database

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.database.begin()
        try:
            yield
        except BaseException:
            self.database.rollback()
            raise
        self.database.commit()

    def take_ids(self, name: str, count: int) -> range:
        """A block of `count` ids that nobody else will get."""
        ((following,),) = self.database.query(catalogue.TAKE_IDS, (name, count, count))
        return range(following - count, following)

    def enqueue(self, batches: Iterable[OutboxBatch]) -> None:
        """Insert messages, their outbox rows and their deliveries' counts. Rows that do not wait are only inserted.

        A batch is due when the last of its messages is: one that is due later than its batch has another (`put_back`).
        """
        counts: Counter[tuple[int, int]] = Counter()
        outbox: list[Row] = []
        for batch in batches:
            self.database.run(catalogue.INSERT_MESSAGES, batch.rows)
            if batch.delivery_id:
                counts.update((batch.delivery_id, row[_STATE]) for row in batch.rows)
            rows = [row for row in batch.rows if row[_STATE] == DeliveryState.WAITING]
            waiting = [(row[_ID], row[_EXPIRES], row[_DUE_AT]) for row in rows]
            for start in range(0, len(waiting), OUTBOX_MESSAGES):
                chunk = waiting[start : start + OUTBOX_MESSAGES]
                ids = [message_id for message_id, _, _ in chunk]
                due_ms = max(batch.due_ms, max(due for _, _, due in chunk))
                outbox.append(self.outbox_row(batch, due_ms, ids, [expires for _, expires, _ in chunk]))
        self.insert_outbox(outbox)
        self.add_counts(counts)

    def put_back(
        self,
        connection_id: int,
        delivery_id: int,
        due_ms: int,
        ids: Sequence[int],
        expires_ms: Sequence[int],
        *,
        is_held: bool = False,
    ) -> None:
        """Make an outbox row for messages that wait again; none of them is due later than `due_ms`."""
        batch = OutboxBatch(connection_id, delivery_id, 3, due_ms, (), is_held)
        self.insert_outbox([self.outbox_row(batch, due_ms, sorted(ids), expires_ms)])

    def statuses(self, deliveries: Iterable[int]) -> dict[int, str]:
        """Of deliveries, by id; 0, which stands for none, may be among them."""
        asked = sorted(set(deliveries) - {0})
        return dict(self.database.query(catalogue.DELIVERY_STATUS, (asked, asked))) if asked else {}

    @staticmethod
    def outbox_row(batch: OutboxBatch, due_ms: int, ids: Sequence[int], expires_ms: Sequence[int]) -> Row:
        """A row for messages of `batch`, as `insert_outbox` takes it; `ids` rise."""
        first, last = ids[0], ids[-1]
        packed = None if last - first + 1 == len(ids) else pack_ids(ids)
        ends = 0 if 0 in expires_ms else max(expires_ms)
        head = (batch.connection_id, batch.delivery_id, batch.priority, due_ms, ends)
        return (0, *head, first, last, packed, 0, batch.is_held, 0, "", 0)

    def insert_outbox(self, rows: list[Row]) -> Sequence[int]:
        """Their ids, in order."""
        if not rows:
            return ()
        ids = self.take_ids("outbox", len(rows))
        self.database.run(catalogue.INSERT_OUTBOX, [(i, *row[1:]) for i, row in zip(ids, rows, strict=True)])
        return ids

    def add_counts(self, counts: Counter[tuple[int, int]]) -> list[int]:
        """Add to the deliveries' counts; the deliveries that have nothing waiting (any more) among those changed."""
        emptied = []
        for (delivery_id, state), change in sorted(counts.items()):
            if change:
                ((messages,),) = self.database.query(catalogue.ADD_COUNTS, (delivery_id, state, change))
                if state == DeliveryState.WAITING and messages == 0:
                    emptied.append(delivery_id)
        return emptied

    def blocked(
        self, organisation_id: int, addresses: Sequence[str], channel: str = Channel.SMS.value
    ) -> dict[str, list[tuple[str, str]]]:
        """Who of `addresses` is in quarantine: address → (short code or "" for all, status)."""
        found: dict[str, list[tuple[str, str]]] = {}
        values = (organisation_id, channel, list(addresses))
        for address, short_code, status, _reason in self.database.query(catalogue.BLOCKED, values):
            found.setdefault(address, []).append((short_code, status))
        return found

    # -- lease -------------------------------------------------------------------------------------------------------

    def lease(self, request: LeaseRequest, owner: str, now_ms: int, held: Container[int] = frozenset()) -> LeaseResult:
        """Take due outbox rows of a connection until about `messages` messages are in hand.

        `held` are rows in the asker's hands: it takes nothing from itself. What ran out while the database was away is
        going to be renewed.
        """
        limit = max(1, min(64, request.messages))
        values = (request.connection_id, now_ms, False, now_ms, limit)
        found = self.database.query(catalogue.LEASABLE, values)
        return self._take([row for row in found if row[0] not in held], request, owner, now_ms)

    def sweep(
        self,
        owner: str,
        now_ms: int,
        held: Container[int] = frozenset(),
        handing_over: Container[int] = frozenset(),
    ) -> LeaseResult:
        """Take outbox rows whose delivery is cancelled or whose validity has ended, so that they end, too."""
        request = LeaseRequest(0, 0, "", OUTBOX_MESSAGES * 20, 0, resend_unknown=True, handing_over=handing_over)
        found = self.database.query(catalogue.SWEEPABLE, (now_ms, now_ms, 20))
        return self._take([row for row in found if row[0] not in held], request, owner, now_ms)

    def _take(self, candidates: list[Row], request: LeaseRequest, owner: str, now_ms: int) -> LeaseResult:
        result = LeaseResult()
        taken: list[Row] = []
        statuses = self.statuses(row[5] for row in candidates)
        messages = 0
        for outbox_id, first, last, packed, old_horizon, delivery_id, due_ms, connection_id in candidates:
            if messages >= request.messages:
                break
            status = statuses.get(delivery_id)
            if status == "paused":
                continue  # somebody is holding its rows at this moment
            token = secrets.randbits(62) | 1
            ids = unpack_ids(packed) if packed else range(first, last + 1)
            is_handed_over = connection_id in request.handing_over
            rows, accepted = self.waiting(ids, are_whole=is_handed_over)
            if is_handed_over and accepted:
                rows = [row for row in rows if row[_ID] << 4 | row[_ATTEMPT] not in accepted]
            horizon = min(len(ids), request.horizon)
            leased = Leased(outbox_id, token, delivery_id, len(ids), horizon, [], [])
            # What was put off since is due later than this batch, and has a batch of its own.
            here = [row for row in rows if row[_DUE] <= due_ms]
            is_cancelled = status == "cancelled"
            # fmt: off
            self._sort_out(
                here, accepted, ids, old_horizon, request, now_ms, leased, result,
                is_cancelled=is_cancelled, is_handed_over=is_handed_over,
            )
            # fmt: on
            messages += len(leased.messages)
            taken.append((token, owner, now_ms + LEASE_MS, horizon, outbox_id))
            if leased.messages:
                result.leases.append(leased)
            else:
                result.emptied.append((outbox_id, token))
        self.database.run(catalogue.TAKE_LEASE, taken)
        return result

    def waiting(self, ids: Sequence[int], *, are_whole: bool = False) -> tuple[list[Row], Accepted]:
        """The messages among `ids` that wait, and which of their segments the provider has all the same. `are_whole`: also
        one of a single segment may be with the provider, and wait there."""
        if isinstance(ids, range):
            rows = self.database.query(catalogue.WAITING_IN_RANGE, (ids.start, ids.stop - 1))
            spans = [(ids.start, ids.stop - 1)]
        else:
            rows = self.database.query(catalogue.WAITING_AMONG, (list(ids),))
            spans = [(row[_ID], row[_ID]) for row in rows if are_whole or row[_SEGMENTS] > 1]
        accepted: Accepted = {}
        for first, last in spans:
            for segment_id, state in self.database.query(catalogue.SEGMENTS_OF, (first << 12, last << 12 | 4095)):
                accepted.setdefault(segment_id >> 8, {})[segment_id & 255] = state
        if accepted:
            waiting, none = DeliveryState.WAITING, dict[int, int]()
            rows = [row for row in rows if accepted.get(row[_ID] << 4 | row[_ATTEMPT], none).get(0, waiting) == waiting]
        return rows, accepted

    def _sort_out(
        self,
        rows: list[Row],
        accepted: Accepted,
        ids: Sequence[int],
        old_horizon: int,
        request: LeaseRequest,
        now_ms: int,
        leased: Leased,
        result: LeaseResult,
        *,
        is_cancelled: bool,
        is_handed_over: bool,
    ) -> None:
        """Share `rows` out: to be sent, ended for a reason, left unconfirmed."""
        blocked: dict[str, list[tuple[str, str]]] = {}
        if rows and request.messages:
            recipients = [row[_RECIPIENT] for row in rows]
            blocked = self.blocked(rows[0][_ORGANISATION], recipients, request.channel)
        start = ids[0] if isinstance(ids, range) else 0
        places = {} if isinstance(ids, range) else {message_id: place for place, message_id in enumerate(ids)}
        for row in rows:
            message_id = row[_ID]
            position = places[message_id] if places else message_id - start
            options = _decode_options(row[_OPTIONS]) if row[_OPTIONS] is not None else None
            is_unknown = position < old_horizon
            end: tuple[DeliveryState, str] | None = None
            if is_cancelled:
                end = DeliveryState.CANCELLED, "cancelled"
            elif 0 < row[_EXPIRY] <= now_ms:
                end = DeliveryState.EXPIRED, "validity ended before it could be sent"
            elif blocked and (why := self._exclusion(blocked.get(row[_RECIPIENT]), row[_CATEGORY], options, request)):
                end = DeliveryState.EXCLUDED, why
            here = accepted.get(message_id << 4 | row[_ATTEMPT], {}) if accepted else {}
            if end is not None:
                may_have_gone = is_unknown or bool(row[_DUPLICATE])
                result.settled.append(
                    (message_id, *ending(*end, taken=len(here), segments=row[_SEGMENTS], may_have_gone=may_have_gone))
                )
                continue
            if is_unknown and not is_handed_over:
                result.unknown.append(message_id)
                if not request.resend_unknown:
                    continue
            message = OutboundMessage(*row[:_OPTIONS])
            message.options = options
            message.is_possible_duplicate = bool(row[_DUPLICATE]) or (is_unknown and not is_handed_over)
            if here:
                message.accepted_segments = tuple(here)
            leased.messages.append(message)
            leased.positions.append(position)

    @staticmethod
    def _exclusion(
        entries: list[tuple[str, str]] | None, category: int, options: MessageOptions | None, request: LeaseRequest
    ) -> str:
        """Why the message may not go to this number (any more); "" when it may."""
        if not entries:
            return ""
        short_code = (options.short_code if options else "") or request.short_code
        return exclusion(entries, category, short_code, transactional_despite_stop=request.despite_stop)
