"""The careful way: messages read as they are, changed one by one by the rules of the state machine, written back together."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chappe.engine.callback import Happening, of_consent, of_messages
from chappe.engine.relay_feed import Feed
from chappe.engine.store import catalogue
from chappe.engine.store.frame import Configure, ProviderError, PutOff, Received, Settled
from chappe.engine.store.relay_catalogue import QUARANTINE_AT
from chappe.engine.store.statement import Row
from chappe.engine.store.store import Store
from chappe.engine.traffic import Tally, count_changed
from chappe.messaging import (
    ENDS,
    Channel,
    DeliveryState,
    ErrorKind,
    ReceiptKind,
    StateTold,
    TrafficKind,
    WishTold,
    may_become,
)
from chappe.rules import error as error_rules
from chappe.rules import quarantine as quarantine_rules
from chappe.rules import retry as retry_rules
from chappe.rules.email_address import sender_email
from chappe.rules.keyword import AutomaticReply
from chappe.rules.keyword import rows as reply_rows
from chappe.rules.quarantine import QuarantineEntry, QuarantineStatus

MAX_ATTEMPTS = 15
"""Attempts have four bits of the segment's id."""
MOST_TRIES = 32_767
"""What the column holds; a message whose engine is interrupted again and again gets there."""
INTERRUPTED = "the engine was interrupted while this message may have been on its way"
_STATES = {
    ReceiptKind.SUCCESS.value: DeliveryState.DELIVERED,
    ReceiptKind.READ.value: DeliveryState.READ,
    ReceiptKind.ERROR.value: DeliveryState.FAILED,
}
_REASONS = {
    ErrorKind.HARD: error_rules.Reason.USER_UNKNOWN,
    ErrorKind.SOFT: error_rules.Reason.UNREACHABLE,
    ErrorKind.IGNORED: error_rules.Reason.ERROR_IGNORED,
}
ROUND_MS = 200
"""Messages put off to nearly the same time share an outbox row."""


@dataclass(frozen=True)
class Policy:
    """What a connection's settings say about its messages' ends."""

    connection_id: int
    organisation_id: int
    implementation_name: str
    short_code: str
    full_phone_number: bool
    default_error_kind: ErrorKind
    retry: retry_rules.RetryPolicy
    unknown_receipt_wait_ms: int
    replies: tuple[AutomaticReply, ...]
    large_account_from_short_code: bool
    provider: str
    channel: str
    hands_over: bool

    @property
    def kin(self) -> tuple[int, str]:
        """Connections with the same: those of one organisation with one provider."""
        return self.organisation_id, self.provider

    @classmethod
    def of(cls, configure: Configure) -> "Policy":
        return cls(
            configure.connection_id,
            configure.organisation_id,
            configure.implementation_name,
            configure.short_code,
            configure.full_phone_number,
            ErrorKind(configure.default_error_kind),
            retry_rules.RetryPolicy(base_s=configure.retry_delay_s, limit=configure.retry_limit),
            int(configure.unknown_receipt_wait_s * 1000),
            reply_rows(configure.automatic_replies),
            configure.large_account_from_short_code,
            configure.provider,
            configure.channel,
            configure.hands_over,
        )


@dataclass
class Hit:
    """The segment that a receipt speaks of; its state as read, or as believed where memory knew it."""

    segment_id: int
    delivery_id: int
    segment_state: int = DeliveryState.SENT


@dataclass
class MessageNow:
    """A message as it is in this transaction; the fields are in the order of `catalogue.MESSAGES_NOW`."""

    id: int
    state: DeliveryState
    reason: str
    attempt: int
    tries: int
    is_possible_duplicate: bool
    due_ms: int
    sent_ms: int
    done_ms: int
    expires_ms: int
    delivery_id: int
    organisation_id: int
    connection_id: int
    recipient: str
    segments: int
    was: DeliveryState = DeliveryState.WAITING
    is_changed: bool = False

    @property
    def first_segment(self) -> int:
        """The id of the first segment of this attempt."""
        return self.id << 12 | self.attempt << 8

    def count_try(self) -> None:
        self.tries = min(self.tries + 1, MOST_TRIES)

    def become(self, state: DeliveryState, reason: str = "", done_ms: int = 0) -> bool:
        """Go forward to `state`; False where the order of states forbids it."""
        if not may_become(self.state, state):
            return False
        self.state, self.reason, self.is_changed = state, reason[:200], True
        if state in ENDS:
            self.done_ms = done_ms
        return True


@dataclass(frozen=True)
class Wish:
    """A person's yes or no, by which door it came, and what was said there."""

    is_given: bool
    source: str
    evidence: str
    connection_id: int
    sender: str = ""
    """The one of ours that the person wrote to; kept as it was, whatever the wish is for."""
    at_ms: int = 0
    """When it was said; 0: just now."""


@dataclass(frozen=True)
class Error:
    """What a provider says of a message that it did not take, or did not deliver; see `frame.ProviderError`."""

    status: str
    code: str
    words: str = ""
    kind: str = ""
    is_retried: bool = True
    after_ms: int = 0
    is_receipt: bool = False


def _error_of(error: ProviderError) -> Error:
    return Error(error.status, error.code, error.words, error.kind, error.is_retried, error.after_ms)


@dataclass
class Changes:
    """Collects changes of one transaction; `write` carries them out. Counts, news and what customers are told go to the given
    collections."""

    store: Store
    policies: dict[int, Policy]
    now_ms: int
    counts: Counter[tuple[int, int]]
    blocked: list[tuple[int, str, str, str]]
    happened: list[Happening]
    tally: Tally
    feed: Feed
    _messages: dict[int, MessageNow] = field(default_factory=dict)
    _segments: list[Row] = field(default_factory=list)
    _closed: list[Row] = field(default_factory=list)
    _told: dict[int, Row] = field(default_factory=dict)
    _events: list[Row] = field(default_factory=list)
    _back: dict[tuple[int, int, int], list[MessageNow]] = field(default_factory=lambda: defaultdict(list))
    _reopened: set[int] = field(default_factory=set)
    _consent: list[Row] = field(default_factory=list)

    # -- what can happen ---------------------------------------------------------------------------------------------

    def sent(self, rows: Sequence[tuple[int, int, int]]) -> set[int]:
        """Messages that the provider took; those of them (as they are in `rows`) that are in another attempt by now."""
        self._load(turn >> 4 for turn, _, _ in rows)
        passed: set[int] = set()
        for turn, _delivery, at_ms in rows:
            message = self._messages.get(turn >> 4)
            if message is not None and message.attempt != turn & 15:
                passed.add(turn)
            elif message is not None and message.become(DeliveryState.SENT):
                message.sent_ms = at_ms
        return passed

    def settled(self, rows: Sequence[Settled]) -> None:
        self.end_waiting([(row.message_id, DeliveryState(row.state), row.reason) for row in rows])

    def end_waiting(self, rows: Sequence[tuple[int, DeliveryState, str]]) -> None:
        """Messages that wait and will not be sent, with the reason."""
        self._load(message_id for message_id, _, _ in rows)
        for message_id, state, reason in rows:
            message = self._messages.get(message_id)
            if message is not None and message.state == DeliveryState.WAITING:
                message.become(state, reason, self.now_ms)
                self._event(message, state.name.lower(), reason)

    def put_off(self, rows: Sequence[PutOff]) -> None:
        """Messages that the provider would not take yet, which is no try, or did not answer, which is one."""
        self._load(row.message_id for row in rows)
        for row in rows:
            message = self._messages.get(row.message_id)
            if message is None or message.state != DeliveryState.WAITING:
                continue
            if row.is_possible_duplicate:
                message.is_possible_duplicate = True
                message.count_try()
                if message.tries > self.policies[row.connection_id].retry.limit:
                    # Each of these tries may have reached the person.
                    reason = f"{row.reason}, and so {message.tries} times"
                    message.become(DeliveryState.UNCONFIRMED, reason)
                    self._event(message, "unconfirmed", reason)
                    continue
            self._wait(message, row.reason, row.due_ms)

    def interrupted(self, ids: Sequence[int], *, resend: bool) -> None:
        """Messages that a holder that died may have sent: marked, or left unconfirmed where nothing may go out twice."""
        self._load(ids)
        for message_id in ids:
            message = self._messages.get(message_id)
            if message is None or message.state != DeliveryState.WAITING:
                continue
            if resend:
                message.is_possible_duplicate, message.is_changed = True, True
                message.count_try()
                self._event(message, "resent", INTERRUPTED)
            else:
                message.become(DeliveryState.UNCONFIRMED, INTERRUPTED)
                self._event(message, "unconfirmed", INTERRUPTED)

    def refused(self, errors: Sequence[ProviderError]) -> None:
        """The provider's answer to a submit was an error."""
        self._load(error.message_id for error in errors)
        for error in errors:
            message = self._messages.get(error.message_id)
            if message is None:
                continue
            if error.opts_out:
                said = Wish(False, "provider", f"{error.words} {error.code}".strip(), error.connection_id)
                self.person_asked(message.organisation_id, message.recipient, "", said)
            if message.state == DeliveryState.WAITING:
                self._fail(message, _error_of(error))

    def receipts(self, hits: Sequence[tuple[Received, Hit]]) -> None:
        """Receipts for segments of messages in any state."""
        self._load(hit.segment_id >> 12 for _, hit in hits)
        for receipt, hit in hits:
            self.tally[receipt.connection_id, 0, TrafficKind.RECEIPT] += 1
            message = self._messages.get(hit.segment_id >> 12)
            if message is not None:
                self._receipt(message, receipt, hit.segment_id)

    def person_asked(self, organisation_id: int, address: str, short_code: str, wish: "Wish") -> None:
        """A person wants no more, or wants again, for one short code ("" for all). Said again, it is one line of the ledger
        more and changes nothing else."""
        channel = self.policies[wish.connection_id].channel
        self.tally[wish.connection_id, 0, TrafficKind.OPT_IN if wish.is_given else TrafficKind.OPT_OUT] += 1
        if channel == Channel.EMAIL:
            address = sender_email(address) or address
        at_ms = wish.at_ms or self.now_ms
        if not (wish.at_ms and self._is_settled_since(organisation_id, address, short_code, wish.at_ms)):
            entry = self._entry(organisation_id, channel, address, short_code)
            released, stopped = quarantine_rules.after_release(entry), quarantine_rules.after_stop(entry, wish.evidence)
            self._set_entry(organisation_id, channel, address, released if wish.is_given else stopped)
        told = WishTold(address, wish.is_given, wish.evidence[:400], at_ms, wish.sender)
        self.feed.wish(wish.connection_id, told)
        head = (organisation_id, channel, address, wish.sender or short_code, wish.is_given, at_ms)
        self._consent.append((*head, wish.source, wish.evidence[:400], wish.connection_id))

    def _is_settled_since(self, organisation_id: int, address: str, short_code: str, at_ms: int) -> bool:
        """Whether the person, or somebody for them, said something later than a wish that comes only now."""
        found = self.store.database.query(QUARANTINE_AT, (organisation_id, address, short_code))
        own, own_ms = found[0] if found else ("", 0)
        return own_ms > at_ms and own in (QuarantineStatus.VALID, QuarantineStatus.DENYLISTED)

    def told(self, states: Sequence[tuple[StateTold, int]]) -> None:
        """States that messages went to at another Chappe, which they were handed over to, with their segments."""
        self._load(segment_id >> 12 for _, segment_id in states)
        for told, segment_id in states:
            message, state = self._messages.get(segment_id >> 12), DeliveryState(told.state)
            if message is not None and message.become(state, told.reason, told.at_ms):
                self._event(message, state.name.lower(), told.reason)

    # -- receipts ----------------------------------------------------------------------------------------------------

    def _receipt(self, message: MessageNow, receipt: Received, segment_id: int) -> None:
        status, code = receipt.status[:40], receipt.code[:40]
        if receipt.kind == ReceiptKind.INTERMEDIATE:
            self._told[segment_id] = (status, code, segment_id)  # where nothing final was said before
            return
        state = _STATES[receipt.kind]
        is_repeated = state == message.state or (state, message.state) == (DeliveryState.DELIVERED, DeliveryState.READ)
        if is_repeated and segment_id & 255 == 0:
            return  # providers say many things twice
        if message.state in ENDS and not may_become(message.state, state):
            self._event(message, "receipt_ignored", f"{status} came after the end")
            return
        self._segments.append((state, status, code, receipt.at_ms, segment_id))
        if state != DeliveryState.FAILED:
            # The first segment alone asks for a receipt: a phone shows a message once it has that one.
            if segment_id & 255 == 0:
                message.become(state, done_ms=receipt.at_ms)
        elif segment_id >> 8 & 15 == message.attempt:
            self._fail(message, Error(status, code, kind=receipt.error_kind, is_receipt=True))

    def _fail(self, message: MessageNow, error: "Error") -> None:
        """An error of the provider: its qualification says whether the message is tried again and what the number gets."""
        policy, is_receipt = self.policies[message.connection_id], error.is_receipt
        qualification = self._qualify(policy, error)
        reason = error.words or f"{error.status} {error.code}".strip()
        self._event(message, "error", f"{reason} ({qualification.kind}: {qualification.reason})")
        self._count_error(message, qualification)
        attempt = message.attempt + message.tries + 1
        again = retry_rules.next_attempt(
            policy.retry,
            attempt=attempt,
            now_ms=self.now_ms,
            expires_ms=message.expires_ms,
            after_s=error.after_ms / 1000,
        )
        is_over = isinstance(again, retry_rules.GiveUp) or (is_receipt and message.attempt >= MAX_ATTEMPTS)
        if qualification.kind == ErrorKind.HARD or is_over or not error.is_retried:
            message.become(DeliveryState.FAILED, reason, self.now_ms)
            return
        assert isinstance(again, retry_rules.Again)
        if is_receipt:
            # A new attempt begins: the only step back a state can take, and the attempt number makes it a step forward.
            self._closed.append((DeliveryState.FAILED, message.first_segment))
            message.state, message.attempt = DeliveryState.WAITING, message.attempt + 1
            self._reopened.add(message.delivery_id)
        else:
            message.count_try()
        self._wait(message, f"to be tried again after {reason}", again.at_ms)

    def _wait(self, message: MessageNow, reason: str, due_ms: int) -> None:
        message.reason, message.due_ms, message.is_changed = reason[:200], due_ms, True
        self._event(message, "put_off", reason)
        self._back[message.connection_id, message.delivery_id, -(-due_ms // ROUND_MS) * ROUND_MS].append(message)

    def _qualify(self, policy: Policy, error: "Error") -> error_rules.Qualification:
        """By the organisation's table, in which an error met for the first time gets a row."""
        status, code = error.status, error.code
        text = error_rules.normalise(error_rules.outcome_text(policy.implementation_name, status, code))
        first = error_rules.qualify(text, {}, policy.default_error_kind, status=status)
        if error.kind and not first.is_known:
            first = error_rules.Qualification(ErrorKind(error.kind), _REASONS[ErrorKind(error.kind)])
        original = f"{status} {code} {error.words}".strip()
        known = "keep" if first.is_known else "to_qualify"
        values = (policy.organisation_id, text, original, first.kind, first.reason, known, 1, self.now_ms, self.now_ms)
        ((kind, reason, qualified),) = self.store.database.query(catalogue.QUALIFICATION, values)
        return error_rules.Qualification(ErrorKind.IGNORED if qualified == "ignore" else ErrorKind(kind), reason)

    def _count_error(self, message: MessageNow, qualification: error_rules.Qualification) -> None:
        """Add the error to what is known of the number."""
        channel = self.policies[message.connection_id].channel
        entry = self._entry(message.organisation_id, channel, message.recipient, "")
        if entry.error_count and self._was_reached_since(message, entry.last_error_ms):
            entry = quarantine_rules.after_success(entry)
        after = quarantine_rules.after_error(entry, qualification.kind, qualification.reason, self.now_ms)
        if after != entry:
            self._set_entry(message.organisation_id, channel, message.recipient, after)

    def _was_reached_since(self, message: MessageNow, since_ms: int) -> bool:
        values = (message.recipient, message.organisation_id, since_ms)
        return bool(self.store.database.query(catalogue.DELIVERED_SINCE, values))

    def _entry(self, organisation_id: int, channel: str, address: str, short_code: str) -> QuarantineEntry:
        values = (organisation_id, channel, address, short_code)
        rows = self.store.database.query(catalogue.QUARANTINE_NOW, values)
        if not rows:
            return QuarantineEntry(short_code=short_code)
        status, reason, errors, last_ms = rows[0]
        return QuarantineEntry(QuarantineStatus(status), short_code, reason, errors, last_ms)

    def _set_entry(self, organisation_id: int, channel: str, address: str, entry: QuarantineEntry) -> None:
        head = (organisation_id, channel, address, entry.short_code, entry.status.value, entry.reason[:200])
        values = (*head, entry.error_count, entry.last_error_ms, self.now_ms, self.now_ms)
        self.store.database.query(catalogue.SET_QUARANTINE, values)
        self.blocked.append((organisation_id, address, entry.short_code, entry.status.value))

    # -- reading and writing -----------------------------------------------------------------------------------------

    def _load(self, ids: Iterable[int]) -> None:
        missing = [message_id for message_id in dict.fromkeys(ids) if message_id not in self._messages]
        if missing:
            # Another engine may be writing one of them, or its first segment alone: where it is can be read once that is
            # done, by a statement that begins afterwards. In this order, which is that of `Recorder._fast`.
            locked = self.store.database.query(catalogue.LOCK_MESSAGES, (missing,))
            self.store.database.query(catalogue.LOCK_SEGMENTS, ([first for (first,) in locked],))
            for row in self.store.database.query(catalogue.MESSAGES_NOW, (missing,)):
                message = MessageNow(row[0], DeliveryState(row[1]), *row[2:])
                message.was = message.state
                self._messages[message.id] = message

    def _event(self, message: MessageNow, kind: str, text: str) -> None:
        self._events.append((message.id, self.now_ms, kind, text[:400]))

    def write(self) -> None:
        """Carry it all out, and forget it: the collector is empty again."""
        database = self.store.database
        changed = [message for message in self._messages.values() if message.is_changed]
        database.run(
            catalogue.MESSAGE_CHANGED,
            [
                (m.state, m.reason, m.attempt, m.tries, m.is_possible_duplicate, m.due_ms, m.sent_ms, m.done_ms, m.id)
                for m in changed
            ],
        )
        for message in changed:
            if message.delivery_id and message.was != message.state:
                self.counts[message.delivery_id, message.was] -= 1
                self.counts[message.delivery_id, message.state] += 1
        database.run(catalogue.SEGMENT_CHANGED, list({row[-1]: row for row in self._segments}.values()))
        database.run(catalogue.SEGMENT_TOLD, list(self._told.values()))
        ended = [(m.state, m.first_segment) for m in self._messages.values() if m.state in ENDS]
        database.run(catalogue.CLOSE_SEGMENT, [*self._closed, *ended])
        database.run(catalogue.INSERT_EVENTS, self._events)
        database.run(catalogue.INSERT_CONSENT_EVENTS, self._consent)
        count_changed(changed, self.tally)
        self.feed.changed(changed, self.now_ms)
        self.happened += [*of_messages(changed, self.now_ms), *of_consent(self._consent)]
        statuses = self.store.statuses(delivery_id for _, delivery_id, _ in self._back)
        for (connection_id, delivery_id, due_ms), waiting in self._back.items():
            messages = {message.id: message for message in waiting if message.state == DeliveryState.WAITING}
            if messages:
                ends = [message.expires_ms for message in messages.values()]
                is_held = statuses.get(delivery_id) == "paused"
                self.store.put_back(connection_id, delivery_id, due_ms, list(messages), ends, is_held=is_held)
        for delivery_id in self._reopened - {0}:
            database.query(catalogue.REOPEN_DELIVERY, (self.now_ms, delivery_id))
        self._messages, self._segments, self._closed, self._events, self._reopened = {}, [], [], [], set()
        self._told.clear()
        self._consent.clear()
        self._back.clear()
