"""What happens to messages, committed: outcomes of sends, receipts, texts from phones.

One `handle` is one transaction over everything that is waiting; its answers may be acted upon (acknowledged) once it
returns. Two ways through it: the *fast* one for what nearly always happens (taken; delivered) is a guarded bulk update
whose row count proves that every message was where we believed; when the proof fails, and for all that is rarer, the
*careful* one reads the messages as they are, applies the state machine to each, and writes what changed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import msgspec
import structlog

from chappe.engine.arrival import GAP_MS, MOST, Arrivals, Wished
from chappe.engine.callback import Callbacks, Happening
from chappe.engine.change import Changes, Hit, Policy, Wish
from chappe.engine.inbound import Inbox
from chappe.engine.quiet import QuietTimes
from chappe.engine.relay_feed import Feed, Pages
from chappe.engine.relay_step import Steps
from chappe.engine.relay_word import Handed, Reader, Word
from chappe.engine.store import catalogue, trace_catalogue
from chappe.engine.store.callback_frame import CallbacksDue, CallbackWork
from chappe.engine.store.click import Clicked, set_clicks
from chappe.engine.store.frame import (
    Answer,
    Answered,
    Collect,
    Collected,
    Configure,
    Connections,
    Fates,
    InboundPiece,
    Leases,
    Links,
    LinksTaken,
    LoadConnections,
    News,
    Received,
    Record,
    Recorded,
    Request,
    Want,
)
from chappe.engine.store.hook_event import HeldRest, keep_rest
from chappe.engine.store.relay_frame import PagesHeard, PagesMissing, PagesTold, PagesWanted, StepTaken, StepWanted
from chappe.engine.store.statement import Row
from chappe.engine.store.store import LEASE_MS, LeaseRequest, LeaseResult, Store
from chappe.engine.traffic import Tally, Traffic, count_delivered
from chappe.messaging import DeliveryState, OptIn, ReceiptKind, StoreBusy, StoreFull, StoreUnsure, Told, TrafficKind
from chappe.messaging import Pages as PagesOfMid
from chappe.messaging.relay import read_pages

log = structlog.get_logger("chappe.recorder")

EXCHANGES = 100
"""Requests to a provider that are kept of each connection; and as many of its calls."""
RECENT_SEGMENTS = 500_000
"""Ids of the provider kept in memory for the receipts that come soon, all connections together: some 230 octets each."""
EARLY_RECEIPTS = 50_000
"""Receipts kept waiting for their message's id; past that they are answered as unknown at once."""
RECHECK_MS = 1_000
NO_WORD = Word()
SAME_CLOCK_MS = 2_000
"""Clocks of two installations that are so near are taken to be the same: what is told takes a while to come."""
RECORDED_MS = 300
"""How long after its answer a message's id is surely in the store, whichever engine got the answer."""
NEWS_OVERLAP_MS = 30_000
"""How far back changes are read again, since a transaction may commit later than its clock says: it may have waited for
another's (`sqlite.BUSY_TIMEOUT_S`)."""
LINK_LEASE_MS = 15_000

Key = tuple[int, str]
Segments = list[tuple[int, int, str, int, int]]
Ids = dict[str, tuple[int, int]]
"""By the provider's id: a segment's id and its delivery's."""
Plain = list[tuple[Received, tuple[int, int]]]
"""Receipts that say delivered of a message believed to be sent: with the segment's id and the delivery's."""
_SUCCESS, _INTERMEDIATE = ReceiptKind.SUCCESS.value, ReceiptKind.INTERMEDIATE.value


@dataclass
class Early:
    """A receipt whose id nobody knows yet."""

    receipt: Received
    give_up_ms: int
    recheck_ms: int


@dataclass
class Outcome:
    """What a transaction leads to once it is committed."""

    now_ms: int
    counts: Counter[tuple[int, int]] = field(default_factory=Counter)
    new: dict[int, Ids] = field(default_factory=dict)
    """Segments that were taken, by connection, of messages whose every segment is."""
    begun: dict[Key, tuple[int, int]] = field(default_factory=dict)
    """Those of other messages."""
    lost: list[int] = field(default_factory=list)
    done: list[Key] = field(default_factory=list)
    early: list[Received] = field(default_factory=list)
    joined: list[tuple[Key, Received]] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    unknown: list[tuple[int, int, int]] = field(default_factory=list)
    orphans: list[Key] = field(default_factory=list)
    blocked: list[tuple[int, str, str, str]] = field(default_factory=list)
    happened: list[Happening] = field(default_factory=list)
    """What customers' programs may want to be told."""
    due: list[CallbacksDue] = field(default_factory=list)
    tally: Tally = field(default_factory=Counter)
    feed: Feed = field(default_factory=Feed)
    """What another Chappe is told of messages that it handed over to us."""
    handed: dict[int, Handed] = field(default_factory=dict)
    """Messages that were handed over to another Chappe, by connection."""
    over: list[tuple[int, int]] = field(default_factory=list)
    """Those of them that it will tell nothing more of."""
    missing: list[int] = field(default_factory=list)
    """Connections of which pages are missing."""
    clicks: list[Clicked] = field(default_factory=list)
    """What another Chappe counted of short links that it made for us."""
    answers: list[Answer] = field(default_factory=list)


class Recent:
    """The segments that were taken last, by connection; no more than `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_connection: dict[int, Ids] = {}

    def of(self, connection_id: int) -> Ids:
        return self._by_connection.setdefault(connection_id, {})

    def add(self, new: Mapping[int, Ids]) -> None:
        for connection_id, ids in new.items():
            self.of(connection_id).update(ids)
        while (excess := sum(map(len, self._by_connection.values())) - self._most) > 0:
            largest = max(self._by_connection.values(), key=len)
            for theirs in [theirs for theirs, _ in zip(largest, range(excess), strict=False)]:
                del largest[theirs]

    def drop(self, keys: Iterable[Key]) -> None:
        for connection_id, theirs in keys:
            self._by_connection[connection_id].pop(theirs, None)


class Recorder:
    """One per engine; not thread-safe. State in memory changes only after the commit that it follows from."""

    def __init__(self, store: Store, owner: str) -> None:
        self._store = store
        self._database = store.database
        self._owner = owner
        self._policies: dict[int, Policy] = {}
        self._recent = Recent(RECENT_SEGMENTS)
        self._early: dict[Key, list[Early]] = defaultdict(list)
        self._early_count = 0
        self._answered_ms: dict[int, int] = {}
        self._known_orphans: dict[Key, None] = {}
        self._inbox = Inbox(store)
        self._arrivals = Arrivals(store)
        self._callbacks = Callbacks(store)
        self._traffic = Traffic(store)
        self._quiet = QuietTimes(store)
        self._pages = Pages(store, owner)
        self._words = Reader(store)
        self._steps = Steps(store)
        self._held: set[int] = set()
        """Outbox rows that this engine's workers have."""
        self._heard: dict[tuple[object, ...], int] = {}
        self._sweep_ms = 0

    def handle(self, requests: Sequence[Request], now_ms: int) -> list[Answer]:
        """Commit all of `requests` in one transaction. Raises StoreError with nothing done; call again with the same."""
        for request in requests:
            if isinstance(request, Configure):
                self._policies[request.connection_id] = Policy.of(request)
            elif isinstance(request, Answered):
                self._answered_ms[request.connection_id] = request.until_ms
        outcome = self._outcome(now_ms)
        if all(isinstance(request, Answered | Configure) for request in requests):
            return []
        collect = [request.number for request in requests if isinstance(request, Collect)]
        if collect:
            told = self._collect(collect[-1], now_ms)
            requests = [request for request in requests if not isinstance(request, Collect)]
            return [*told, *self.handle(requests, now_ms)] if requests else told
        with self._store.transaction():
            records = [request for request in requests if isinstance(request, Record)]
            if records:
                self._record(records, outcome)
            for request in requests:
                self._carry_out_request(request, outcome)
            self._count(outcome)
        self._hold(records, outcome)
        self._remember(outcome)
        answers: list[Answer] = [Recorded(records[-1].number, outcome.lost)] if records else []
        return [*answers, *self._told(outcome), *outcome.answers]

    def _carry_out_request(self, request: Request, outcome: Outcome) -> None:
        """What is asked for beside records, which are committed together."""
        match request:
            case Want():
                outcome.answers.append(self._lease(request, outcome))
            case Links():
                outcome.answers.append(self._links(request, outcome.now_ms))
            case CallbackWork():
                outcome.answers.append(self._callbacks.work(request, outcome.now_ms))
            case LoadConnections(number):
                outcome.answers.append(self._quiet.load())
                outcome.answers.append(self._connections(number, outcome.now_ms))
                outcome.answers.append(self._callbacks.load())
                outcome.answers.append(self._pages.load())
            case PagesWanted():
                outcome.answers.append(self._pages.find(request, outcome.now_ms))
            case PagesTold():
                self._pages.told(request, outcome.now_ms)
            case PagesHeard():
                self._hear(request, outcome)
            case StepWanted():
                outcome.answers.append(self._steps.find(request, outcome.now_ms))
            case StepTaken():
                outcome.blocked += self._steps.take(request, outcome.now_ms)

    def _connections(self, number: int, now_ms: int) -> Connections:
        hooks = self._database.query(catalogue.DESCRIBED_HOOKS, (True,))
        traces = self._database.query(trace_catalogue.OPEN_TRACES, (now_ms,))
        return Connections(
            number,
            self._database.query(catalogue.CONNECTIONS),
            [(row[0], row[1], row[2]) for row in hooks],
            [(row[0], row[1], row[2], row[3], row[4]) for row in traces],
        )

    # -- hooks -------------------------------------------------------------------------------------------------------

    def _collect(self, number: int, now_ms: int) -> list[Answer]:
        """Carry out what providers told our hooks. An event that cannot be carried out is refused alone."""
        try:
            events, answers = self._carry_out(now_ms, MOST)
        except (StoreBusy, StoreFull, StoreUnsure):
            raise
        except Exception:
            log.exception("hook_events.apart")
            events, answers = self._one_by_one(now_ms)
        return [*answers, Collected(number, is_all=events < MOST)]

    def _one_by_one(self, now_ms: int) -> tuple[int, list[Answer]]:
        answers: list[Answer] = []
        for done in range(MOST):
            try:
                events, told = self._carry_out(now_ms, 1)
                answers += told
            except (StoreBusy, StoreFull, StoreUnsure):
                raise
            except Exception:
                log.exception("hook_event.failed")
                with self._store.transaction():
                    events = int(self._arrivals.refuse())
            if not events:
                return done, answers
        return MOST, answers

    def _carry_out(self, now_ms: int, most: int) -> tuple[int, list[Answer]]:
        """One transaction over at most so many events: how many there were, and what it leads to."""
        known = list(self._policies)
        if not self._arrivals.are_due(now_ms, known):
            return 0, []
        outcome = self._outcome(now_ms)
        with self._store.transaction():
            told = self._arrivals.take(now_ms, known, most)
            self._record([Record(0, receipts=told.receipts)], outcome)
            self._heed(told.spoken, outcome)
            kept = self._still_early(outcome)
            for event_id, connection_id, pages, received_ms in told.pages:
                is_heeded = self._read_pages(connection_id, pages, received_ms, outcome)
                if not is_heeded and now_ms - received_ms < GAP_MS:
                    told.early.append(event_id)
            self._arrivals.settle(told, kept, now_ms)
            for connection_id, rest, received_ms in told.rests:
                self._read_told(connection_id, (rest.told,), rest.clock_ms, outcome, since_ms=received_ms)
            self._count(outcome)
        outcome.taken = [token for token in outcome.taken if token > 0]
        outcome.unknown = [one for one in outcome.unknown if one[1] > 0]
        self._remember(outcome)
        return MOST if told.is_cut else len(told.ids), [*self._told(outcome), *outcome.answers]

    def _heed(self, spoken: Iterable[InboundPiece | Wished], outcome: Outcome) -> None:
        """Texts and wishes in the order they came: a person's last word is the one that holds."""
        changes, texts = self._changes(outcome), list[InboundPiece]()
        for one in spoken:
            if isinstance(one, InboundPiece):
                texts.append(one)
                continue
            self._inbox.take(texts, changes)
            texts.clear()
            wish, organisation_id = one.wish, self._policies[one.connection_id].organisation_id
            said = Wish(isinstance(wish, OptIn), "provider", wish.evidence, one.connection_id, wish.sender, one.at_ms)
            changes.person_asked(organisation_id, wish.address, "", said)
        self._inbox.take(texts, changes)
        changes.write()

    # -- what another Chappe tells -----------------------------------------------------------------------------------

    def _hear(self, heard: PagesHeard, outcome: Outcome) -> None:
        pages = read_pages(heard.pages)
        if heard.is_again:
            told = [msgspec.structs.replace(one, wishes=[]) for one in pages.told]
            self._read_told(heard.connection_id, told, pages.now_ms - outcome.now_ms, outcome, is_again=True)
        else:
            self._read_pages(heard.connection_id, pages, outcome.now_ms, outcome)

    def _read_pages(self, connection_id: int, pages: PagesOfMid, received_ms: int, outcome: Outcome) -> bool:
        """Act on those that come next; False where some before them are missing."""
        told, is_missing = self._words.due(connection_id, pages, received_ms)
        if is_missing:
            outcome.missing.append(connection_id)
        self._read_told(connection_id, told, pages.now_ms - received_ms, outcome)
        return not is_missing

    def _read_told(
        self,
        connection_id: int,
        told: Sequence[Told],
        clock_ms: int,
        outcome: Outcome,
        *,
        since_ms: int = 0,
        is_again: bool = False,
    ) -> None:
        """Act on it. What is about messages that nobody knows is looked at again for a while: the answer by which they are
        known may be on its way through this engine."""
        if not told:
            return
        clock_ms = clock_ms if abs(clock_ms) > SAME_CLOCK_MS else 0
        word = self._words.read(connection_id, told, clock_ms, self._places, is_again=is_again)
        outcome.over += [(connection_id, int(receipt.provider_message_id)) for receipt, _ in word.delivered]
        self._record([Record(0, sent=word.sent, receipts=word.receipts)], outcome, word)
        changes = self._changes(outcome)
        changes.told(word.states)
        changes.write()
        self._heed(self._arrivals.unrepeated(word.spoken), outcome)
        outcome.clicks += word.clicks
        since_ms = since_ms or outcome.now_ms
        if word.rest.size and outcome.now_ms - since_ms < self._policies[connection_id].unknown_receipt_wait_ms:
            organisation_id = self._policies[connection_id].organisation_id
            keep_rest(
                self._store, connection_id, organisation_id, HeldRest(word.rest, clock_ms), since_ms, outcome.now_ms
            )

    def _places(self, connection_id: int, numbers: set[int]) -> dict[int, tuple[int, int, int]]:
        """Segments by mid's numbers, with the states they are in."""
        found = self._look_up(connection_id, {str(number) for number in numbers})
        return {int(theirs): (hit.segment_id, hit.delivery_id, hit.segment_state) for theirs, hit in found.items()}

    def _still_early(self, outcome: Outcome) -> list[Received]:
        """Of the receipts with ids that nobody knows, those that are worth another look: the rest is given up.

        Time alone settles it: what is on its way through this engine is not all that is, and a receipt is noted for one
        connection that may be for another.
        """
        kept = []
        for receipt in self._not_of_others(outcome):
            give_up_ms = receipt.at_ms + self._policies[receipt.connection_id].unknown_receipt_wait_ms
            if give_up_ms <= outcome.now_ms:
                self._orphan(receipt, outcome)
            else:
                kept.append(receipt)
        return kept

    def _not_of_others(self, outcome: Outcome) -> list[Received]:
        """The receipts that no connection of the same organisation with the same provider knows; those of one are recorded.

        A hook that serves all connections with a provider cannot tell which of them a receipt is for.
        """
        left, outcome.early = outcome.early, []
        for other in self._policies.values():
            asked = [receipt for receipt in left if self._may_be_of(receipt, other)]
            if not asked:
                continue
            moved = [msgspec.structs.replace(receipt, connection_id=other.connection_id) for receipt in asked]
            fast, careful = self._match(moved, outcome)
            changes = self._changes(outcome)
            changes.receipts([*((receipt, Hit(*found)) for receipt, found in fast), *careful])
            changes.write()
            known = {receipt.token for receipt in asked} - {receipt.token for receipt in outcome.early}
            left, outcome.early = [receipt for receipt in left if receipt.token not in known], []
        return left

    def _may_be_of(self, receipt: Received, other: Policy) -> bool:
        own = self._policies[receipt.connection_id]
        return own.connection_id != other.connection_id and own.kin == other.kin

    # -- time --------------------------------------------------------------------------------------------------------

    def tick(self, now_ms: int) -> list[Answer]:
        """What time brings: receipts given up, incomplete texts, cancelled and expired messages."""
        outcome = self._outcome(now_ms)
        due = [early for waiting in self._early.values() for early in waiting if self._is_due(early, now_ms)]
        is_sweep = self._sweep_ms <= now_ms
        if due or is_sweep:
            with self._store.transaction():
                if due:
                    self._again(due, outcome)
                if is_sweep:
                    changes = self._changes(outcome)
                    self._settle_lease(
                        self._store.sweep(self._owner, now_ms, self._held, self._handing_over), changes, outcome
                    )
                    self._inbox.give_up_incomplete(now_ms, changes)
                    changes.write()
                    self._callbacks.sweep(now_ms)
                    self._traffic.sweep(now_ms)
                    self._pages.sweep(now_ms)
                self._count(outcome)
            self._sweep_ms = now_ms + RECHECK_MS
        self._remember(outcome)
        return [*self._told(outcome), *outcome.answers]

    # -- records -----------------------------------------------------------------------------------------------------

    @property
    def _handing_over(self) -> frozenset[int]:
        return frozenset(policy.connection_id for policy in self._policies.values() if policy.hands_over)

    def _outcome(self, now_ms: int) -> Outcome:
        return Outcome(now_ms, feed=self._pages.feed())

    def _record(self, records: Sequence[Record], outcome: Outcome, word: Word = NO_WORD) -> None:
        """`word`: what another Chappe told besides, of messages that were handed over earlier."""
        segments = list(chain.from_iterable(record.segments for record in records))
        sent = list(chain.from_iterable(record.sent for record in records))
        receipts = list(chain.from_iterable(record.receipts for record in records))
        turns = {turn for turn, _, _ in sent}
        new, connection = Ids(), 0
        for segment_id, connection_id, theirs, _, delivery_id in segments:
            if connection_id != connection:
                new, connection = outcome.new.setdefault(connection_id, {}), connection_id
            if theirs and segment_id >> 8 in turns:
                new[theirs] = (segment_id, delivery_id)
            elif theirs and self._policies[connection_id].hands_over:
                outcome.handed.setdefault(connection_id, {})[int(theirs)] = (segment_id, delivery_id)
            elif theirs:
                outcome.begun[connection_id, theirs] = (segment_id, delivery_id)
        if self._early and segments:
            self._join(outcome)
            receipts = [*receipts, *(receipt for _, receipt in outcome.joined)]
        delivered, others = self._match(receipts, outcome)
        delivered += word.delivered
        changes = self._changes(outcome)
        if not self._fast(segments, sent, delivered, outcome, word.segments):
            turns -= changes.sent(sent)  # before its segment says so
            self._database.run(catalogue.INSERT_SEGMENTS, _segment_rows(segments, turns, {}))
            self._complete([one for one in sent if one[0] in turns], segments, {})
            others = [*((receipt, Hit(*found)) for receipt, found in delivered), *others]
        for record in records:
            changes.settled(record.settled)
            changes.put_off(record.put_off)
            changes.refused(record.errors)
        changes.receipts(others)
        self._inbox.take(chain.from_iterable(record.inbound for record in records), changes)
        outcome.taken += [piece.token for record in records for piece in record.inbound]
        changes.write()
        self._database.run(catalogue.INSERT_EVENTS, [event for record in records for event in record.events])
        self._keep_exchanges([row for record in records for row in record.exchanges])
        self._outbox(records, outcome)

    def _keep_exchanges(self, rows: Sequence[Row]) -> None:
        """For the operator: the last of each connection."""
        self._database.run(catalogue.INSERT_EXCHANGES, rows)
        for connection_id in {row[0] for row in rows}:
            self._database.query(catalogue.TRIM_EXCHANGES, (connection_id, "out", connection_id, "out", EXCHANGES))

    def _fast(
        self,
        segments: Segments,
        sent: list[tuple[int, int, int]],
        delivered: Plain,
        outcome: Outcome,
        before: Segments,
    ) -> bool:
        """The bulk updates; False (and nothing done) when a message was not in the state it was believed to be in.

        Segments alone are written, and one that is taken and delivered in one transaction is written once: see
        `features.messages.models.MessageNow`.
        """
        if not segments and not sent and not delivered:
            return True
        said = {segment_id: receipt for receipt, (segment_id, _) in delivered}
        self._database.savepoint()
        turns = {turn for turn, _, _ in sent}
        rows = _segment_rows(segments, turns, said)
        is_right = self._database.run(catalogue.INSERT_SEGMENTS, rows) == len(rows)
        is_right = is_right and self._all_wait(turns) and self._complete(sent, segments, said)
        # In the order of the table: neighbours share a page.
        ended = [(said[one].status, said[one].code, said[one].at_ms, one) for one in sorted(said)]
        is_right = is_right and self._database.run(catalogue.SEGMENT_DELIVERED, ended) == len(ended)
        if not is_right:
            self._database.rollback_to_savepoint()
            return False
        waiting, ended_state, taken = DeliveryState.WAITING, DeliveryState.DELIVERED, DeliveryState.SENT
        for delivery_id, messages in Counter([delivery for _, delivery, _ in sent if delivery]).items():
            outcome.counts[delivery_id, waiting] -= messages
            outcome.counts[delivery_id, taken] += messages
        for delivery_id, messages in Counter([delivery for _, (_, delivery) in delivered]).items():
            if delivery_id:
                outcome.counts[delivery_id, taken] -= messages
                outcome.counts[delivery_id, ended_state] += messages
        of_sent = [*segments, *before] if before else segments
        self._traffic.count_sent(sent, of_sent, outcome.tally)
        count_delivered(delivered, outcome.tally)
        outcome.feed.sent(sent)
        outcome.feed.delivered(delivered)
        outcome.happened += self._callbacks.sent(sent, of_sent, self._policies)
        outcome.happened += self._callbacks.delivered(delivered, self._policies)
        return True

    def _all_wait(self, turns: set[int]) -> bool:
        """Whether all these messages wait in the attempt that we made: an engine that took our lease over may have ended
        one, or a receipt may have begun another attempt."""
        if not turns:
            return True
        ids = [turn >> 4 for turn in turns]
        return {turn for (turn,) in self._database.query(catalogue.STILL_WAITING, (ids,))} == turns

    def _complete(self, sent: Sequence[tuple[int, int, int]], segments: Segments, said: dict[int, Received]) -> bool:
        """Messages whose last segment was taken now, and the first in an earlier transaction. Receipts in `said` that one of
        them has are taken out of it and written with it. False where one of these says already that it is sent."""
        here = {segment[0] >> 8 for segment in segments if not segment[0] & 255}
        late, through = list[Row](), list[Row]()
        for turn, _, at_ms in sent:
            if turn in here:
                continue
            receipt = said.pop(turn << 8, None)
            if receipt is None:
                late.append((at_ms, turn << 8))
            else:
                through.append((at_ms, receipt.status, receipt.code, receipt.at_ms, turn << 8))
        is_right = self._database.run(catalogue.SEGMENT_SENT, late) == len(late)
        return is_right and self._database.run(catalogue.SEGMENT_THROUGH, through) == len(through)

    def _changes(self, outcome: Outcome) -> Changes:
        heads = (self._store, self._policies, outcome.now_ms, outcome.counts, outcome.blocked)
        return Changes(*heads, outcome.happened, outcome.tally, outcome.feed)

    def _outbox(self, records: Sequence[Record], outcome: Outcome) -> None:
        """Move horizons, end or release leases; those that somebody else has by now are told back."""
        finished = [row for record in records for row in record.finished]
        gone = {outbox_id for outbox_id, _ in finished}
        horizons: dict[int, tuple[int, int, int, int]] = {}
        for record in records:
            for row in record.horizons:
                if row[0] not in gone:
                    horizons[row[0]] = row
        rows = [(horizon, until, outbox_id, token) for outbox_id, token, horizon, until in horizons.values()]
        moved = self._database.run(catalogue.MOVE_HORIZON, rows)
        if moved != len(rows):
            outcome.lost = [row[2] for row in rows if self._database.run(catalogue.MOVE_HORIZON, [row]) != 1]
        self._database.run(catalogue.FINISH_OUTBOX, finished)
        self._database.run(catalogue.RELEASE_LEASE, [row for record in records for row in record.released])

    # -- receipts ----------------------------------------------------------------------------------------------------

    def _match(self, receipts: Iterable[Received], outcome: Outcome) -> tuple[Plain, list[tuple[Received, Hit]]]:
        """Receipts with their segments: those that simply say delivered, and the others. The rest waits or is unknown."""
        fast: Plain = []
        careful: list[tuple[Received, Hit]] = []
        seen: set[int] = set()
        asked: dict[int, list[Received]] = defaultdict(list)
        taken, done, begun = outcome.taken, outcome.done, outcome.begun
        new, recent, connection = Ids(), Ids(), 0
        for receipt in receipts:
            connection_id, theirs = receipt.connection_id, receipt.provider_message_id
            if connection_id != connection:
                connection = connection_id
                new, recent = outcome.new.get(connection_id, {}), self._recent.of(connection_id)
            found = new.get(theirs) or recent.get(theirs)
            if found is None and begun and (connection_id, theirs) in begun:
                taken.append(receipt.token)
                careful.append((receipt, Hit(*begun[connection_id, theirs])))
                continue
            if found is None:
                asked[connection_id].append(receipt)
                continue
            taken.append(receipt.token)
            message_id = found[0] >> 12
            if receipt.kind == _SUCCESS and not found[0] & 255 and message_id not in seen:
                fast.append((receipt, found))
            else:
                careful.append((receipt, Hit(*found)))
            seen.add(message_id)
            if receipt.kind != _INTERMEDIATE:
                done.append((connection_id, theirs))
        for connection_id, unknown in asked.items():
            hits = self._look_up(connection_id, {receipt.provider_message_id for receipt in unknown})
            for receipt in unknown:
                hit = hits.get(receipt.provider_message_id)
                if hit is None:
                    outcome.early.append(receipt)
                    continue
                taken.append(receipt.token)
                message_id = hit.segment_id >> 12
                is_first = receipt.kind == _SUCCESS and not hit.segment_id & 255 and message_id not in seen
                if is_first and hit.segment_state == DeliveryState.SENT:
                    fast.append((receipt, (hit.segment_id, hit.delivery_id)))
                else:
                    careful.append((receipt, hit))
                seen.add(message_id)
        return fast, careful

    def _look_up(self, connection_id: int, ids: set[str]) -> dict[str, Hit]:
        rows = self._database.query(catalogue.SEGMENTS_BY_PROVIDER_ID, (connection_id, sorted(ids)))
        # A provider that uses its ids again means the latest message that has one; rows come in no order.
        rows.sort(key=lambda row: int(row[1]))
        return {theirs: Hit(segment_id, delivery_id, state) for theirs, segment_id, state, delivery_id in rows}

    def _join(self, outcome: Outcome) -> None:
        new = ((connection_id, theirs) for connection_id, ids in outcome.new.items() for theirs in ids)
        for key in chain(new, outcome.begun):
            for early in self._early.get(key, ()):
                outcome.joined.append((key, early.receipt))

    def _again(self, due: list[Early], outcome: Outcome) -> None:
        """Look once more for early receipts (another process may have recorded their ids); give up those past their time."""
        receipts = [early.receipt for early in due]
        fast, careful = self._match(receipts, outcome)
        still = {receipt.token for receipt in outcome.early}
        outcome.early = []
        outcome.joined += [(_key(early.receipt), early.receipt) for early in due if early.receipt.token not in still]
        for early in due:
            if early.receipt.token not in still:
                continue
            if early.give_up_ms > outcome.now_ms and not self._is_too_late(early.receipt):
                early.recheck_ms = min(early.give_up_ms, outcome.now_ms + RECHECK_MS)
            else:
                self._orphan(early.receipt, outcome)
                outcome.joined.append((_key(early.receipt), early.receipt))
        if not self._fast([], [], fast, outcome, []):
            careful = [*((receipt, Hit(*found)) for receipt, found in fast), *careful]
        changes = self._changes(outcome)
        changes.receipts(careful)
        changes.write()

    def _is_due(self, early: Early, now_ms: int) -> bool:
        return early.recheck_ms <= now_ms or self._is_too_late(early.receipt)

    def _is_too_late(self, receipt: Received) -> bool:
        """Whether everything that was on its way when the receipt came has been answered (and recorded) since."""
        return receipt.at_ms + RECORDED_MS <= self._answered_ms.get(receipt.connection_id, 0)

    def _orphan(self, receipt: Received, outcome: Outcome) -> None:
        values = (receipt.connection_id, receipt.provider_message_id[:255], receipt.status[:40], receipt.code[:40])
        ((times,),) = self._database.query(catalogue.ORPHAN_SEEN, (*values, receipt.at_ms, receipt.at_ms))
        outcome.tally[receipt.connection_id, 0, TrafficKind.UNMATCHED] += 1
        outcome.unknown.append((receipt.connection_id, receipt.token, times))
        outcome.orphans.append(_key(receipt))

    # -- after the commit --------------------------------------------------------------------------------------------

    def _count(self, outcome: Outcome) -> None:
        for receipt in [
            r for r in outcome.early if _key(r) in self._known_orphans or self._early_count > EARLY_RECEIPTS
        ]:
            outcome.early.remove(receipt)
            self._orphan(receipt, outcome)
        for delivery_id in self._store.add_counts(outcome.counts):
            self._database.query(catalogue.FINISH_DELIVERY, (outcome.now_ms, outcome.now_ms, delivery_id))
        self._traffic.write(outcome.tally, self._policies, outcome.now_ms)
        outcome.due = self._callbacks.write(outcome.happened, outcome.now_ms)
        if outcome.clicks:
            # Behind all else, and in the order in which the door of links locks, too.
            outcome.feed.clicked(set_clicks(self._store, outcome.clicks))
        outcome.answers += self._pages.write(outcome.feed, outcome.now_ms)
        if outcome.missing:
            outcome.answers.append(PagesMissing(sorted(set(outcome.missing))))

    def _hold(self, records: Iterable[Record], outcome: Outcome) -> None:
        for record in records:
            self._held.difference_update(outbox_id for outbox_id, _ in [*record.finished, *record.released])
            self._held.difference_update(outcome.lost)
        for answer in outcome.answers:
            if isinstance(answer, Leases):
                self._held.update(leased.outbox_id for leased in answer.leases)

    def _remember(self, outcome: Outcome) -> None:
        self._recent.add(outcome.new)
        self._recent.drop(outcome.done)
        if outcome.handed or outcome.over:
            self._words.known.add(outcome.handed)
            self._words.known.drop(outcome.over)
        for key, receipt in outcome.joined:
            left = [early for early in self._early.get(key, ()) if early.receipt.token != receipt.token]
            if left:
                self._early[key] = left
            else:
                self._early.pop(key, None)
        for receipt in outcome.early:
            wait_ms = self._policies[receipt.connection_id].unknown_receipt_wait_ms
            give_up = outcome.now_ms + wait_ms
            self._early[_key(receipt)].append(Early(receipt, give_up, min(give_up, outcome.now_ms + RECHECK_MS)))
        self._early_count = sum(map(len, self._early.values())) if self._early else 0
        for key in outcome.orphans:
            self._known_orphans[key] = None
        while len(self._known_orphans) > EARLY_RECEIPTS:
            del self._known_orphans[next(iter(self._known_orphans))]

    @staticmethod
    def _told(outcome: Outcome) -> list[Answer]:
        answers: list[Answer] = []
        if outcome.taken or outcome.unknown:
            answers.append(Fates(outcome.taken, outcome.unknown))
        if outcome.blocked:
            answers.append(News(blocked=outcome.blocked))
        return [*answers, *outcome.due]

    # -- leases, links, news -----------------------------------------------------------------------------------------

    def _lease(self, want: Want, outcome: Outcome) -> Leases:
        request = LeaseRequest(
            want.connection_id,
            want.organisation_id,
            want.short_code,
            want.messages,
            want.horizon,
            want.resend_unknown,
            want.despite_stop,
            want.channel,
            frozenset({want.connection_id}) if want.hands_over else frozenset(),
        )
        changes = self._changes(outcome)
        self._quiet.put_off(want, self._held, changes, outcome.now_ms)
        result = self._store.lease(request, self._owner, outcome.now_ms, self._held)
        self._settle_lease(result, changes, outcome, resend_unknown=want.resend_unknown)
        changes.write()
        return Leases(want.number, want.connection_id, result.leases)

    def _settle_lease(
        self, result: LeaseResult, changes: Changes, outcome: Outcome, *, resend_unknown: bool = True
    ) -> None:
        changes.end_waiting(result.settled)
        if result.unknown:
            changes.interrupted(result.unknown, resend=resend_unknown)
        self._database.run(catalogue.FINISH_OUTBOX, result.emptied)

    def _links(self, links: Links, now_ms: int) -> LinksTaken:
        taken = []
        for connection_id, slot in links.take:
            values = (connection_id, slot, self._owner, now_ms + LINK_LEASE_MS, now_ms)
            if self._database.query(catalogue.TAKE_LINK, values):
                taken.append((connection_id, slot))
        for state in links.states:
            self._database.query(catalogue.SHOW_LINK, state)
        for connection_id, slots in links.slots:
            self._database.query(catalogue.DROP_LINKS, (self._owner, connection_id, slots))
            self._database.query(catalogue.HIDE_LINKS, (connection_id, slots))
        return LinksTaken(links.number, taken)

    def news(self, now_ms: int) -> list[Answer]:
        """Changes made elsewhere. Apart from `tick`: what that has committed is told even when this cannot be read."""
        since = now_ms - NEWS_OVERLAP_MS
        numbers = self._database.query(catalogue.QUARANTINE_SINCE, (since,))
        statuses = self._database.query(catalogue.DELIVERIES_SINCE, (since, since))
        blocked = []
        for row in numbers:
            if self._heard.setdefault(("q", *row), now_ms) == now_ms:
                organisation_id, address, short_code, status, _ = row
                blocked.append((organisation_id, address, short_code, status))
        deliveries = [
            (delivery_id, status)
            for delivery_id, status, changed_ms in statuses
            if self._heard.setdefault(("d", delivery_id, status, changed_ms), now_ms) == now_ms
        ]
        if len(self._heard) > 1000:
            self._heard = {key: at for key, at in self._heard.items() if at > now_ms - 2 * NEWS_OVERLAP_MS}
        return [News(blocked, deliveries)] if blocked or deliveries else []


def _segment_rows(segments: Segments, turns: set[int], said: dict[int, Received]) -> list[tuple[object, ...]]:
    """Segments as they are inserted. Receipts in `said` that one of them has are taken out of it and written into it."""
    rows: list[tuple[object, ...]] = []
    sent, waiting, delivered = int(DeliveryState.SENT), int(DeliveryState.WAITING), int(DeliveryState.DELIVERED)
    for segment_id, connection_id, theirs, at_ms, delivery_id in segments:
        receipt = said.pop(segment_id, None) if said else None
        if receipt is not None:
            end = (delivered, receipt.status, receipt.code, at_ms, receipt.at_ms)
            rows.append((segment_id, connection_id, theirs, delivery_id, *end))
        else:
            state = sent if segment_id & 255 or segment_id >> 8 in turns else waiting
            rows.append((segment_id, connection_id, theirs, delivery_id, state, "", "", at_ms, 0))
    return rows


def _key(receipt: Received) -> Key:
    return (receipt.connection_id, receipt.provider_message_id)


__all__ = ["LEASE_MS", "Recorder"]
