"""Sends the messages of one connection: leases batches, feeds the slots, turns answers into records.

A slot is a link of an SMPP connection, or the requests that an HTTP connection may have at a time.

What bounds what: `ahead` messages are leased beyond those on the wire; a link carries at most `window` messages that are
not yet *committed* (so at most that many can go out twice after a crash); a message goes out only below the committed
horizon of its batch (so that after a crash it is known which ones may have gone).
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import structlog

from chappe.engine.ledger import Ledger
from chappe.engine.store.client import StoreClient
from chappe.engine.store.frame import Leased, ProviderError, PutOff, Settled, Want
from chappe.engine.store.store import LEASE_MS
from chappe.messaging import (
    About,
    Accepted,
    Channel,
    Deferred,
    DeliveryState,
    OutboundMessage,
    Refused,
    SendOutcome,
    Unknown,
)
from chappe.rules.consent import exclusion
from chappe.rules.ending import ending
from chappe.rules.link import LinkSigner
from chappe.rules.quarantine import QuarantineStatus, is_stopped
from chappe.rules.quiet_hours import NEVER, concerns
from chappe.rules.smpp_status import status_of
from chappe.rules.throttle import Throttle

log = structlog.get_logger("chappe.worker")

POLL_S = 0.2
RENEW_MS = 10_000
UNKNOWN_AFTER_MS = 1_000
BREATH_S = (0.05,)
SLOW_DOWN_S = (0.5, 1.0, 2.0, 5.0)
"""How long a link that the provider calls too fast is quiet; longer each time it says so again."""
MOST_BLOCKED = 100_000
MOST_SEGMENTS = 255
GIVE_BACK_S = 5.0
"""After so long without a link the messages in hand go back, for an engine that has one."""
AHEAD_LEAST, AHEAD_MOST = 500, 8_000
WISH_MOST, BUNDLES_MOST = 1_000, 4_000
"""Messages asked for at once: a longer answer would hold up the commits behind it. Of what goes over in bundles more, for each
answer is a commit of its own, and the first of its messages does not go before the others."""
AHEAD_S = 5.0
"""How many seconds of a throttled connection's messages are leased ahead."""


class Dialect(Protocol):
    """How a connection writes messages."""

    def segments(self, message: OutboundMessage) -> Sequence[tuple[int, Any]] | Refused:
        """What is to be sent for a message, each part with its index, in the order to send them."""


class Slot(Protocol):
    """What carries a connection's messages to its provider."""

    limit_per_s: float
    throttle: Throttle
    window: int
    uncommitted: int
    carry: "deque[Entry]"
    quiet_until: float

    @property
    def can_send(self) -> bool: ...
    @property
    def room(self) -> int: ...
    @property
    def oldest_unanswered_at(self) -> float | None: ...
    def submit(self, bodies: Sequence[Any], tokens: Sequence[Any]) -> None: ...


class LinkSlot(Slot, Protocol):
    """One whose provider says only that it is too much, not for how long."""

    slow_downs: int

    def slow_down(self, steps: Sequence[float]) -> None: ...


class Failure(NamedTuple):
    """What the provider said instead of taking a message; the fields are explained at `frame.ProviderError`."""

    name: str
    code: str
    words: str
    is_retried: bool
    kind: str = ""
    opts_out: bool = False
    after_ms: int = 0
    slows_down: bool = False

    def of(self, message_id: int, connection_id: int, at_ms: int) -> ProviderError:
        """As it is recorded of a message."""
        head = (message_id, connection_id, self.name, self.code, self.words, at_ms)
        return ProviderError(*head, self.is_retried, self.kind, self.opts_out, self.after_ms)


class Lease:
    """One outbox row in our hands."""

    __slots__ = (
        "horizon",
        "is_lost",
        "is_renewing",
        "is_returned",
        "left",
        "outbox_id",
        "renewed_ms",
        "size",
        "token",
        "until_ms",
        "wanted_horizon",
    )

    def __init__(self, leased: Leased, now_ms: int, until_ms: int) -> None:
        self.outbox_id = leased.outbox_id
        self.token = leased.token
        self.size = leased.size
        self.left = len(leased.messages)
        self.horizon = self.wanted_horizon = leased.horizon
        self.renewed_ms = now_ms
        self.until_ms = until_ms
        self.is_returned = False
        self.is_lost = False
        self.is_renewing = False


class Flight:
    """A message on its way: the token of a message in one segment; `(flight, index)` is that of a segment of many.

    `unanswered` are its segments that are queued or on the wire. Of a message of many, `begun` went onto the wire;
    `left_out` were taken off the queue, and will not go out from here.
    """

    __slots__ = ("begun", "failed", "lease", "left_out", "message", "position", "unanswered", "unknown")

    def __init__(self, message: OutboundMessage, lease: Lease, position: int, segments: int) -> None:
        self.message = message
        self.lease = lease
        self.position = position
        self.unanswered = segments
        self.begun = self.left_out = 0
        self.failed: Failure | None = None
        self.unknown = ""


def _failure_of(status: int) -> Failure:
    """Of an answer by SMPP; its kind is known by the name."""
    known = status_of(status)
    return Failure(known.name, known.code, known.words, known.is_retried, slows_down=known.slows_down)


def _put_off(outcome: Deferred) -> Failure:
    """About the connection as a whole it is no try of the message, which may go as soon as the slot does."""
    is_try, kind = outcome.about is About.MESSAGE, outcome.kind.value
    after_ms = round(1000 * outcome.after_s) if is_try else 0
    return Failure("", outcome.code, outcome.reason, True, kind, False, after_ms, slows_down=not is_try)


Token = Flight | tuple[Flight, int]
Entry = tuple[Any, Token]
"""A segment to be sent, as it is queued; or a whole message, where the provider cuts it."""


def _flight(entry: Entry) -> Flight:
    token = entry[1]
    return token if isinstance(token, Flight) else token[0]


def _is_for_later(flight: Flight) -> bool:
    """Whether quiet hours hold a message back: it is given back, and put off when it is leased again. One that the provider
    has in part is finished."""
    return concerns(flight.message.category) and not (flight.begun or flight.message.accepted_segments)


def _take_off(source: deque[Entry], flight: Flight) -> list[Entry]:
    """What is left of a message at the head of a queue."""
    own = []
    while source and _flight(source[0]) is flight:
        own.append(source.popleft())
    return own


class Worker:
    def __init__(
        self,
        connection_id: int,
        organisation_id: int,
        dialect: Dialect,
        ledger: Ledger,
        client: StoreClient,
        clock: Callable[[], float] = time.time,
        channel: Channel = Channel.SMS,
    ) -> None:
        self.connection_id = connection_id
        self.organisation_id = organisation_id
        self.dialect = dialect
        self.slots: Sequence[Slot] = ()
        self._channel = channel
        self.is_stopping = False
        self._short_code = ""
        self.quiet = NEVER
        """The organisation's quiet hours; what is asked of them costs two comparisons."""
        self.signer: LinkSigner | None = None
        """Makes the short links of messages that have them; None: addresses go out as they are."""
        self._resend_unknown = True
        self._despite_stop = False
        self._hands_over = False
        self._ledger = ledger
        self._client = client
        self._clock = clock
        self._queue: deque[Entry] = deque()
        self._leases: dict[int, Lease] = {}
        self._in_hand = 0
        self._want_number = 0
        self._wanted_ms = 0
        self._is_dry = False
        self._idle_since = 0.0
        self._blocked: dict[str, dict[str, QuarantineStatus]] = {}
        self._halted: dict[int, str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = 0.0

    def set(
        self,
        dialect: Dialect,
        *,
        resend_unknown: bool,
        despite_stop: bool,
        short_code: str,
        hands_over: bool = False,
    ) -> None:
        """Settings as they are from now on; what is prepared already goes out as it is. `hands_over`: see `ProviderSpec`."""
        self.dialect, self._short_code = dialect, short_code
        self._resend_unknown, self._despite_stop = resend_unknown, despite_stop
        self._hands_over = hands_over

    def answered_until_ms(self) -> int:
        """Whatever went out before this moment has been answered, or never will be."""
        ages = [slot.oldest_unanswered_at for slot in self.slots]
        oldest = min((age for age in ages if age is not None), default=None)
        now_ms = self._now_ms()
        return now_ms if oldest is None else now_ms - int((time.monotonic() - oldest) * 1000) - 1

    # -- leases ------------------------------------------------------------------------------------------------------

    def poll(self) -> None:
        """Called every `POLL_S`, and when somebody says that there is work."""
        self._is_dry = False
        self._renew()
        if self._queue:
            self._look_after_idle()
        self.pump()

    def leased(self, leases: Sequence[Leased]) -> None:
        """The answer to our last wish."""
        self._want_number = 0
        self._is_dry = not leases
        now_ms = self._now_ms()
        for leased in leases:
            lease = Lease(leased, now_ms, self._wanted_ms + LEASE_MS)
            self._leases[lease.outbox_id] = lease
            if self.is_stopping:
                lease.left, lease.is_returned = 0, True
                self._close_lease(lease)
                continue
            if self._blocked:
                self._believe(leased.messages)
            self._prepare(leased, lease, now_ms)
        self.pump()

    def _believe(self, messages: Sequence[OutboundMessage]) -> None:
        """The lease has just asked the quarantine about these numbers: what was heard of them before is out of date."""
        for message in messages:
            entries = self._blocked.get(message.recipient)
            if entries is not None and self._exclusion(message):
                short_code = (message.options.short_code if message.options else "") or self._short_code
                for code in ("", short_code):
                    entries.pop(code, None)

    def _prepare(self, leased: Leased, lease: Lease, now_ms: int) -> None:
        queue, segments_of = self._queue, self.dialect.segments
        signer = None if self._hands_over else self.signer  # else who sends it makes them
        for message, position in zip(leased.messages, leased.positions, strict=True):
            options = message.options
            if options is not None and options.link_base and signer is not None:
                message.body = signer.shortened(message.body, options.link_base, message.id)
            segments = segments_of(message)
            if isinstance(segments, Refused):
                self._settle(message, lease, DeliveryState.FAILED, segments.reason)
                continue
            flight = Flight(message, lease, position, len(segments))
            self._in_hand += 1
            if len(segments) == 1 and not segments[0][0]:
                queue.append((segments[0][1], flight))
            elif segments:
                queue.extend((body, (flight, index)) for index, body in segments)
            else:
                # Every segment was taken before we were interrupted; only the message's own record was missing.
                self._in_hand -= 1
                if not self._hands_over:
                    self._ledger.page.sent.append((message.id << 4 | message.attempt, message.delivery_id, now_ms))
                self._done(lease)

    def _wish(self) -> None:
        """Ask for more when less than what is wanted ahead is in hand."""
        if self._want_number or self._is_dry or self.is_stopping:
            return
        ready = [slot for slot in self.slots if slot.can_send]
        if not ready:
            return
        window = sum(slot.window for slot in ready)
        ahead = min(AHEAD_MOST, max(AHEAD_LEAST, 4 * window))
        limit = sum(slot.limit_per_s for slot in ready)
        if limit:
            ahead = min(ahead, max(1, int(limit * AHEAD_S)))
        most = BUNDLES_MOST if self._hands_over else WISH_MOST
        wanted = min(ahead - self._in_hand, most)
        if wanted >= min(most, (ahead + 1) // 2):
            self._want_number, self._wanted_ms = self._client.number(), self._now_ms()
            self._client.send(
                Want(
                    self._want_number,
                    self.connection_id,
                    self.organisation_id,
                    self._short_code,
                    wanted,
                    window,
                    self._resend_unknown,
                    self._despite_stop,
                    self._channel.value,
                    self._hands_over,
                )
            )

    def _renew(self) -> None:
        """Keep leases that take long, before they run out. Once each until that is committed: while the database is
        away, nothing may grow."""
        now_ms = self._now_ms()
        for lease in self._leases.values():
            if now_ms - lease.renewed_ms >= RENEW_MS and not lease.is_renewing:
                lease.renewed_ms, lease.is_renewing = now_ms, True
                self._move_horizon(lease, lease.wanted_horizon)

    def _move_horizon(self, lease: Lease, horizon: int) -> None:
        lease.wanted_horizon = horizon
        until_ms = self._now_ms() + LEASE_MS
        self._ledger.page.horizons.append((lease.outbox_id, lease.token, horizon, until_ms))
        self._ledger.touch(partial(self._horizon_moved, lease, horizon, until_ms))

    def _horizon_moved(self, lease: Lease, horizon: int, until_ms: int) -> None:
        lease.is_renewing = False
        lease.horizon, lease.until_ms = max(lease.horizon, horizon), max(lease.until_ms, until_ms)
        self.pump()

    def lost(self, outbox_ids: Sequence[int]) -> None:
        """Somebody else has these batches now: what is not on the wire yet is theirs."""
        for outbox_id in outbox_ids:
            lease = self._leases.pop(outbox_id, None)
            if lease is not None:
                lease.is_lost = True
                log.warning("lease.lost", connection=self.connection_id, outbox=outbox_id)
        self._leave_out()

    def _done(self, lease: Lease, messages: int = 1) -> None:
        lease.left -= messages
        if lease.left == 0:
            self._close_lease(lease)

    def _close_lease(self, lease: Lease) -> None:
        if self._leases.pop(lease.outbox_id, None) is not None and not lease.is_lost:
            page = self._ledger.page
            (page.released if lease.is_returned else page.finished).append((lease.outbox_id, lease.token))
        self._ledger.touch()

    # -- news --------------------------------------------------------------------------------------------------------

    def number_is(self, address: str, short_code: str, status: str) -> None:
        """A number was put in quarantine or let out: what is prepared already is checked again before it goes out."""
        if is_stopped(QuarantineStatus(status)):
            self._blocked.setdefault(address, {})[short_code] = QuarantineStatus(status)
            if len(self._blocked) > MOST_BLOCKED:
                del self._blocked[next(iter(self._blocked))]
        elif address in self._blocked:
            self._blocked[address].pop(short_code, None)
            if not self._blocked[address]:
                del self._blocked[address]

    def delivery_is(self, delivery_id: int, status: str) -> None:
        """A delivery was paused, resumed or cancelled."""
        if status in {"paused", "cancelled"}:
            self._halted[delivery_id] = status
            self._leave_out()
            self.pump()
        else:
            self._halted.pop(delivery_id, None)

    # -- sending -----------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Put on the wire what windows, limits and horizons allow."""
        if self._queue or any(slot.carry for slot in self.slots):
            now = time.monotonic()
            for slot in self.slots:
                room = slot.room
                if room > 0 and (self._queue or slot.carry):
                    self._feed(slot, room, now)
        self._wish()

    def _feed(self, slot: Slot, room: int, now: float) -> None:
        allowed = min(room, len(self._queue) + len(slot.carry))
        allowed = slot.throttle.take(now, allowed)
        if not allowed:
            if slot.limit_per_s:
                self._wake_at(slot.throttle.next_at(now))
            return
        bodies, tokens = self._draw(slot, allowed)
        if len(bodies) < allowed:
            slot.throttle.give_back(allowed - len(bodies))
        if bodies:
            slot.submit(bodies, tokens)
        if slot.limit_per_s:
            self._wake_at(slot.throttle.next_at(now))

    def _draw(self, slot: Slot, allowed: int) -> tuple[list[Any], list[Token]]:
        """Take segments off the queues into one write, leaving aside what may not go any more.

        What was begun on this link goes first, and is asked the same as the others: leases are lost, validities end and
        people say STOP between two segments, too.
        """
        bodies: list[Any] = []
        tokens: list[Token] = []
        carry, queue, now_ms = slot.carry, self._queue, self._now_ms()
        is_quiet = self.quiet.until_ms(now_ms) > 0
        has_exceptions = bool(self._blocked or self._halted or is_quiet)
        while len(bodies) < allowed and (source := carry or queue):
            body, token = source[0]
            flight = token if isinstance(token, Flight) else token[0]
            lease, message = flight.lease, flight.message
            if flight.position >= lease.horizon or lease.until_ms <= now_ms:
                break
            if (
                lease.is_lost
                or (
                    has_exceptions
                    and (
                        message.delivery_id in self._halted
                        or self._exclusion(message)
                        or (is_quiet and _is_for_later(flight))
                    )
                )
                or 0 < message.expires_ms <= now_ms
            ):
                self._leave(flight, len(_take_off(source, flight)), now_ms)
            elif flight is token:
                source.popleft()
                bodies.append(body)
                tokens.append(token)
            else:
                # The segments of one message go over one link, in order: the first, which asks for the receipt, last.
                segments = _take_off(source, flight)
                fitting = segments[: allowed - len(bodies)]
                carry.extend(segments[len(fitting) :])
                flight.begun += len(fitting)
                for body, token in fitting:
                    bodies.append(body)
                    tokens.append(token)
        if queue:
            self._look_ahead(_flight(queue[0]))
        return bodies, tokens

    def _look_ahead(self, flight: Flight) -> None:
        """Ask for the next horizon before the present one is reached."""
        lease = flight.lease
        step = sum(slot.window for slot in self.slots) or 1
        if lease.wanted_horizon < lease.size and flight.position + step >= lease.wanted_horizon:
            self._move_horizon(lease, min(lease.size, flight.position + 2 * step))

    def _exclusion(self, message: OutboundMessage) -> str:
        """Why the number may not be sent to any more; "" when it may."""
        entries = self._blocked.get(message.recipient)
        if not entries:
            return ""
        short_code = (message.options.short_code if message.options else "") or self._short_code
        return exclusion(entries.items(), message.category, short_code, transactional_despite_stop=self._despite_stop)

    def _look_after_idle(self) -> None:
        """Without a link nothing is drawn from the queue; what is to end does so all the same, and the rest goes back."""
        now = time.monotonic()
        if any(slot.can_send for slot in self.slots):
            self._idle_since = 0.0
            return
        self._idle_since = self._idle_since or now
        self._leave_out()
        if not self.slots or now - self._idle_since >= GIVE_BACK_S:
            self._return_queue()

    def _leave_out(self) -> None:
        """Take out of the queues at once, wherever they stand, messages that may not be sent any more."""
        now_ms = self._now_ms()
        for queue in (self._queue, *(slot.carry for slot in self.slots)):
            left: Counter[Flight] = Counter()
            kept: list[Entry] = []
            for entry in queue:
                flight = _flight(entry)
                message = flight.message
                if (
                    flight.lease.is_lost
                    or message.delivery_id in self._halted
                    or 0 < message.expires_ms <= now_ms
                    or (self._blocked and self._exclusion(message))
                ):
                    left[flight] += 1
                else:
                    kept.append(entry)
            if left:
                queue.clear()
                queue.extend(kept)
            for flight, segments in left.items():
                self._leave(flight, segments, now_ms)

    def _return_queue(self) -> None:
        """What is not on the wire goes back as it was."""
        left = Counter(map(_flight, self._queue))
        self._queue.clear()
        now_ms = self._now_ms()
        for flight, segments in left.items():
            self._leave(flight, segments, now_ms)

    def _leave(self, flight: Flight, segments: int, now_ms: int) -> None:
        """A message, or the rest of one, was taken off a queue. What becomes of it is said once nothing of it is on the
        wire any more."""
        flight.left_out += segments
        flight.unanswered -= segments
        if flight.unanswered == 0:
            self._finish(flight, now_ms)

    def _end_of(self, flight: Flight, now_ms: int) -> tuple[DeliveryState, str]:
        """How a message ends that was left out, and why; WAITING when it is for whoever leases it next.

        Nobody got it where its first segment, which goes last, did not go. But where others did it is not true that
        nothing was sent: such a message has failed.
        """
        message = flight.message
        halted = self._halted.get(message.delivery_id)
        if halted == "paused":
            return DeliveryState.WAITING, ""
        if halted == "cancelled":
            state, reason = DeliveryState.CANCELLED, "cancelled"
        elif 0 < message.expires_ms <= now_ms:
            state, reason = DeliveryState.EXPIRED, "validity ended before it could be sent"
        elif why := self._exclusion(message):
            state, reason = DeliveryState.EXCLUDED, why
        else:
            return DeliveryState.WAITING, ""
        taken = flight.begun + len(message.accepted_segments)
        return ending(
            state,
            reason,
            taken=taken,
            segments=taken + flight.left_out,
            may_have_gone=message.is_possible_duplicate,
        )

    def _settle(self, message: OutboundMessage, lease: Lease, state: DeliveryState, reason: str) -> None:
        self._ledger.page.settled.append(Settled(message.id, state, reason, self._now_ms()))
        self._ledger.touch()
        self._done(lease)

    def _wake_at(self, at: float) -> None:
        """Pump at `at`, or earlier when another slot asked for that."""
        if not self._queue and not any(slot.carry for slot in self.slots):
            return
        if self._timer is not None:
            if self._wakes_at <= at:
                return
            self._timer.cancel()
        self._wakes_at = at
        delay = max(0.0, at - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.pump()

    # -- answers -----------------------------------------------------------------------------------------------------

    def results(self, slot: LinkSlot, tokens: Sequence[Token], statuses: Sequence[int], ids: Sequence[str]) -> None:
        """Answers to submits, as parallel lists."""
        now_ms = self._now_ms()
        page, connection_id = self._ledger.page, self.connection_id
        add_sent, add_segment = page.sent.append, page.segments.append
        finished = 0
        lease: Lease | None = None
        for token, status, provider_id in zip(tokens, statuses, ids, strict=True):
            if status == 0 and isinstance(token, Flight):
                message = token.message
                turn = message.id << 4 | message.attempt
                add_segment((turn << 8, connection_id, provider_id, now_ms, message.delivery_id))
                add_sent((turn, message.delivery_id, now_ms))
                self._in_hand -= 1
                if token.lease is lease:
                    finished += 1
                else:
                    if lease is not None:
                        self._done(lease, finished)
                    lease, finished = token.lease, 1
            else:
                self._careful_result(token, status, provider_id, now_ms)
        if lease is not None:
            self._done(lease, finished)
        if any(status and status_of(status).slows_down for status in set(statuses)):
            # Nothing taken at all: quiet for longer each time. A few refused among many taken: a short breath.
            slot.slow_down(BREATH_S if 0 in statuses else SLOW_DOWN_S)
            self._wake_at(slot.quiet_until)
        if 0 in statuses:
            slot.slow_downs = 0
        self._ledger.touch(partial(self._committed, slot, len(tokens)))
        self.pump()

    def _careful_result(self, token: Token, status: int, provider_id: str, now_ms: int) -> None:
        flight, index = (token, 0) if isinstance(token, Flight) else token
        message = flight.message
        flight.unanswered -= 1
        if status == 0:
            segment_id = message.id << 12 | message.attempt << 8 | index
            self._ledger.page.segments.append(
                (segment_id, self.connection_id, provider_id, now_ms, message.delivery_id)
            )
        else:
            flight.failed = _failure_of(status)
        if flight.unanswered == 0:
            self._finish(flight, now_ms)

    def outcomes(self, slot: Slot, outcomes: Sequence[tuple[Flight, SendOutcome]]) -> None:
        """What became of whole messages."""
        now_ms = self._now_ms()
        for flight, outcome in outcomes:
            flight.unanswered = 0
            match outcome:
                case Accepted(ids, echoes_ours):
                    self._taken(flight.message, (str(flight.message.id),) if echoes_ours else ids or ("",), now_ms)
                case Refused(reason, code, kind, opts_out):
                    flight.failed = Failure("", code, reason, False, kind.value, opts_out)
                case Deferred():
                    flight.failed = _put_off(outcome)
                case Unknown(reason):
                    flight.unknown = reason
            self._finish(flight, now_ms)
        if slot.quiet_until > time.monotonic():
            self._wake_at(slot.quiet_until)
        self._ledger.touch(partial(self._committed, slot, len(outcomes)))
        self.pump()

    def _taken(self, message: OutboundMessage, ids: Sequence[str], now_ms: int) -> None:
        """The provider's ids: one for the message, or one for each of its segments."""
        first = message.id << 12 | message.attempt << 8
        self._ledger.page.segments += [
            (first | index, self.connection_id, theirs, now_ms, message.delivery_id)
            for index, theirs in enumerate(ids[:MOST_SEGMENTS])
        ]

    def unknown(self, slot: Slot, tokens: Sequence[Token], reason: str) -> None:
        """These were sent, and nobody answered."""
        now_ms = self._now_ms()
        for token in tokens:
            flight = token if isinstance(token, Flight) else token[0]
            flight.unanswered -= 1
            flight.unknown = reason
            if flight.unanswered == 0:
                self._finish(flight, now_ms)
        self._ledger.touch(partial(self._committed, slot, len(tokens)))

    def take_back(self, slot: Slot) -> None:
        """The link is gone: segments it still had to carry go to the head of the queue."""
        self._queue.extendleft(reversed(slot.carry))
        slot.carry.clear()
        if self.is_stopping:
            self._return_queue()

    def _finish(self, flight: Flight, now_ms: int) -> None:
        """All segments of a message have had their say, or will have none."""
        message, lease, page = flight.message, flight.lease, self._ledger.page
        self._in_hand -= 1
        failed = flight.failed
        is_whole = not flight.left_out
        state, reason = (DeliveryState.WAITING, "") if is_whole else self._end_of(flight, now_ms)
        if lease.is_lost and not is_whole:
            pass  # somebody else has it, and knows that some of it may have been sent
        elif failed is not None and not failed.slows_down:
            page.errors.append(failed.of(message.id, self.connection_id, now_ms))
        elif state != DeliveryState.WAITING:
            page.settled.append(Settled(message.id, state, reason, now_ms))
        elif failed is not None:
            page.put_off.append(PutOff(message.id, self.connection_id, failed.words, now_ms + UNKNOWN_AFTER_MS))
        elif flight.unknown and self._resend_unknown:
            due_ms = now_ms + UNKNOWN_AFTER_MS
            page.put_off.append(
                PutOff(message.id, self.connection_id, flight.unknown, due_ms, is_possible_duplicate=True)
            )
        elif flight.unknown:
            page.settled.append(Settled(message.id, DeliveryState.UNCONFIRMED, flight.unknown, now_ms))
        elif is_whole and not self._hands_over:
            page.sent.append((message.id << 4 | message.attempt, message.delivery_id, now_ms))
        elif not is_whole:
            lease.is_returned = True
        self._ledger.touch()
        self._done(lease)

    def _committed(self, slot: Slot, messages: int) -> None:
        slot.uncommitted -= messages
        self.pump()

    # -- the end -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Take nothing more; what is not on the wire goes back as it was. Messages begun on a link are finished there."""
        self.is_stopping = True
        self._return_queue()

    @property
    def is_idle(self) -> bool:
        """Nothing on the wire and nothing uncommitted."""
        return not any(slot.uncommitted for slot in self.slots)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
