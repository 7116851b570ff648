"""Commits requests in groups: while one group is being committed the next one gathers, so no request waits for two."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any, TypeVar

import msgspec
import structlog

from chappe.engine.store import catalogue
from chappe.engine.store.statement import Query, Row
from chappe.engine.store.store import OutboxBatch, Store
from chappe.features.deliveries.identifier import NO_IDENTIFIER, with_identifier
from chappe.messaging import Category, DeliveryState, StoreBusy, StoreFull, StoreUnsure
from chappe.rules.consent import Exclusion, exclusion
from chappe.web.group import Groups
from chappe.web.intake import relay
from chappe.web.intake.lookup import Caller, Lookup, Target, now_ms
from chappe.web.intake.submission import CATEGORIES, PRIORITY, Answer, Checked, Submission, answer, message_row
from chappe.web.wire import BadRequest

MOST_WAITING = 50_000
"""Messages gathered and not yet committed; past that a request is answered 503."""
LOOK_AGAIN_MS = 50
IDS = 10_000

# One person of an address is enough: the one who has been known longest, and is known to the provider. NOT and not <>: SQLite
# uses an index of some rows where the condition is written as the index has it.
PEOPLE = Query(
    "SELECT email, external_id, phone, CAST(attributes AS text) FROM contact "
    "WHERE organisation_id = ? AND NOT (email = '') AND email IN ?? ORDER BY id",
    ("email", "external_id", "phone", "attributes"),
)
_decode = msgspec.json.Decoder(dict[str, Any]).decode

log = structlog.get_logger("chappe.intake")


Result = TypeVar("Result")
Blocked = dict[tuple[int, str], dict[str, list[tuple[str, str]]]]
"""Organisation and channel → address → what is known of it."""


class Run(msgspec.Struct, array_like=True):
    """The same answer to so many messages in a row, as it is kept under an Idempotency-Key."""

    count: int
    segments: int
    encoding: str
    reason: str
    """Why they are excluded; empty where they are not."""


_runs = msgspec.json.Decoder(list[Run])


class Committer:
    """Owns the intake's store and the one thread that uses it."""

    def __init__(self, open_store: Callable[[], Store], tell: Callable[[], None]) -> None:
        self._open = open_store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._store: Store | None = None
        self._lookup: Lookup | None = None
        self._groups = Groups(self._thread, self._write, lambda submission: submission.size, tell)
        self._ids = iter(range(0))
        self._left = 0

    @property
    def waiting(self) -> int:
        """Messages gathered and not yet committed."""
        return self._groups.waiting

    # -- asked by requests -------------------------------------------------------------------------------------------

    async def lookup(self) -> Lookup:
        """What is remembered, with connections as they were a moment ago."""
        if self._lookup is None or self._lookup.is_stale(now_ms()):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._refresh)
        assert self._lookup is not None
        return self._lookup

    async def caller(self, digest: str) -> Caller | None:
        """Asks the database whose key this is."""
        return (await self.callers([digest])).get(digest)

    async def callers(self, digests: Sequence[str]) -> dict[str, Caller]:
        """The same of many; nobody's are not among what is returned."""
        lookup = await self.lookup()
        return await asyncio.get_running_loop().run_in_executor(self._thread, lookup.callers, digests)

    def targets(self, organisation_id: int) -> list[Target]:
        assert self._lookup is not None
        return self._lookup.targets(organisation_id)

    async def aside(self, work: Generator[None, None, Result]) -> Result:
        """What takes a while, in the one thread, and so never while a transaction is open: that would have to wait for the
        interpreter after each of its rows, with everybody else waiting for the database. Where `work` yields, those who wait
        for the thread have their turn."""
        loop = asyncio.get_running_loop()
        while True:
            done = await loop.run_in_executor(self._thread, _stretch, work)
            if done:
                return done[0]

    async def commit(self, submission: Submission) -> None:
        """Returns when the submission is committed (its answers are in it); raises BadRequest when it is not."""
        if self.waiting + submission.size > MOST_WAITING:
            raise BadRequest(503, "Too many messages are waiting to be stored. Try again in a moment.")
        await self._groups.written(submission)
        if submission.error is not None:
            raise submission.error

    async def was_answered(self, submission: Submission) -> bool:
        """Whether this very request was taken before under its key; then its answers are in it.

        Raises BadRequest where the key was used for another request.
        """
        await asyncio.get_running_loop().run_in_executor(self._thread, self._look_up, submission)
        if submission.error is not None:
            raise submission.error
        return submission.is_replay

    async def look_again(self) -> None:
        """Read the connections anew, if need be after a moment: requests that name what is not there are no flood."""
        assert self._lookup is not None
        wait_ms = self._lookup.read_ms + LOOK_AGAIN_MS - now_ms()
        if wait_ms > 0:
            await asyncio.sleep(min(wait_ms, LOOK_AGAIN_MS) / 1000)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._reread)

    async def close(self) -> None:
        await self._groups.finished()
        if self._store is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._store.database.close)
        self._thread.shutdown()

    # -- the loop ----------------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        if self._store is None or self._lookup is None:
            self._store = self._open()
            self._lookup = Lookup(self._store)
        now = now_ms()
        if self._lookup.is_stale(now):
            self._lookup.refresh(now)

    def _reread(self) -> None:
        """Many may have waited for this; the first of them reads for all."""
        assert self._lookup is not None
        now = now_ms()
        if not 0 <= now - self._lookup.read_ms < LOOK_AGAIN_MS:
            self._lookup.refresh(now)

    # -- in the thread -----------------------------------------------------------------------------------------------

    def _write(self, submissions: list[Submission], *, together: bool = True) -> bool:
        """Commit them, or note in each why it was not; whether anything was stored."""
        assert self._store is not None
        assert self._lookup is not None
        try:
            with self._store.transaction():
                self._store_group(self._store, submissions)
        except (StoreBusy, StoreFull) as error:
            return self._refuse(submissions, BadRequest(503, f"Nothing was stored: {error}. Try again."))
        except StoreUnsure as error:
            words = (
                f"It is not known whether it was stored: {error}. Under the same Idempotency-Key it can be sent again."
            )
            return self._refuse(submissions, BadRequest(503, words))
        except Exception:
            if together:
                # One request must not fail the others; and a key that another process has just used is now found.
                for submission in submissions:
                    submission.forget()
                self._forget_ids()
                written = [self._write([submission], together=False) for submission in submissions]
                return any(written)
            log.exception("intake.failed")
            refusal = BadRequest(500, "Nothing was stored; the log of the web process says why.")
            return self._refuse(submissions, refusal)
        self._lookup.used.clear()
        return True

    def _refuse(self, submissions: list[Submission], error: BadRequest) -> bool:
        for submission in submissions:
            submission.error = error
        self._forget_ids()
        return False

    def _forget_ids(self) -> None:
        """A block taken in a transaction that is undone is given to somebody else."""
        self._ids, self._left = iter(range(0)), 0

    def _look_up(self, submission: Submission) -> None:
        assert self._store is not None
        self._without_replays(self._store, [submission])

    def _store_group(self, store: Store, submissions: list[Submission]) -> None:
        now = now_ms()
        new = self._without_replays(store, submissions)
        self._store_own(store, [one for one in new if not one.lines], now)
        relay.take(store, [one for one in new if one.lines], now)
        keys: list[Row] = []
        for submission in new:
            if submission.key:
                first = submission.accepted[0].id
                count = len(submission.accepted)
                answers = _packed(submission.accepted)
                keys.append((submission.organisation_id, submission.key, submission.digest, first, count, answers, now))
        store.database.run(catalogue.INSERT_IDEMPOTENCY, keys)
        assert self._lookup is not None
        for key_id, used_ms in sorted(self._lookup.used.items()):
            store.database.query(catalogue.API_KEY_USED, (used_ms, key_id))

    def _store_own(self, store: Store, new: list[Submission], now: int) -> None:
        blocked = self._blocked(store, new)
        self._personalise(store, new)
        batches: dict[tuple[int, int, int], list[Row]] = defaultdict(list)
        for submission in new:
            self._take_ids(store, len(submission.messages))
            for checked in submission.messages:
                message_id = next(self._ids)
                category = CATEGORIES[checked.message.category]
                why = _exclusion(blocked, submission.organisation_id, checked, category)
                state = DeliveryState.EXCLUDED if why else DeliveryState.WAITING
                place = (checked.target.id, PRIORITY[category], checked.due_ms)
                batches[place].append(
                    message_row(message_id, submission.organisation_id, checked, category, state, why, now)
                )
                submission.accepted.append(answer(message_id, why, checked.segments, checked.encoding))
            self._left -= len(submission.messages)
        store.enqueue(
            OutboxBatch(connection_id, 0, priority, due_ms, rows)
            for (connection_id, priority, due_ms), rows in batches.items()
        )

    def _take_ids(self, store: Store, count: int) -> None:
        """Make the next `count` ids neighbours: an idempotent answer is found again by the first alone."""
        if self._left < count:
            self._ids = iter(store.take_ids("message", max(IDS, count)))
            self._left = max(IDS, count)

    @staticmethod
    def _without_replays(store: Store, submissions: list[Submission]) -> list[Submission]:
        """Answer those whose key was used before, with what was answered then; the others are new."""
        by_organisation: dict[int, list[Submission]] = defaultdict(list)
        for submission in submissions:
            if submission.key:
                by_organisation[submission.organisation_id].append(submission)
        seen: dict[tuple[int, str], tuple[str, Submission | tuple[range, bytes | None]]] = {}
        for organisation_id, keyed in by_organisation.items():
            values = (organisation_id, [submission.key for submission in keyed])
            for key, digest, first, count, answers in store.database.query(catalogue.FIND_IDEMPOTENCY, values):
                seen[organisation_id, key] = (digest, (range(first, first + count), answers))
        new = []
        for submission in submissions:
            before = seen.get((submission.organisation_id, submission.key)) if submission.key else None
            if before is None:
                new.append(submission)
                if submission.key:
                    seen[submission.organisation_id, submission.key] = (submission.digest, submission)
            elif before[0] != submission.digest:
                submission.error = BadRequest(422, "This Idempotency-Key was used for another request.")
            else:
                submission.is_replay = True
                match before[1]:
                    case Submission(accepted=accepted):
                        # The same request twice in one group shares the list that is about to be filled.
                        submission.accepted = accepted
                    case (ids, None):
                        submission.accepted = _stored(store, ids, submission.messages)
                    case (ids, bytes(answers)):
                        submission.accepted = _unpacked(ids, answers)
        return new

    @staticmethod
    def _blocked(store: Store, submissions: list[Submission]) -> Blocked:
        addresses: dict[tuple[int, str], set[str]] = defaultdict(set)
        for submission in submissions:
            for checked in submission.messages:
                place = (submission.organisation_id, checked.target.way.channel.value)
                addresses[place].add(checked.recipient)
        return {place: store.blocked(place[0], sorted(found), place[1]) for place, found in addresses.items()}

    @staticmethod
    def _personalise(store: Store, submissions: list[Submission]) -> None:
        """Write the texts as they go out; one whose person is not known to the provider stays empty."""
        unknown: dict[int, list[Checked]] = defaultdict(list)
        for submission in submissions:
            for checked in submission.messages:
                identifier = checked.target.identifier
                checked.body = checked.message.text
                if identifier is None or not checked.is_personal:
                    continue
                if identifier.is_in_the_address:
                    checked.body = with_identifier(checked.body, identifier(checked.recipient))
                else:
                    checked.body = ""
                    unknown[submission.organisation_id].append(checked)
        for organisation_id, some in unknown.items():
            people: dict[str, list[Row]] = defaultdict(list)
            asked = sorted({checked.recipient for checked in some})
            for row in store.database.query(PEOPLE, (organisation_id, asked)):
                people[row[0]].append(row)
            for checked in some:
                checked.body = _written(checked, people[checked.recipient])


def _stretch(work: Generator[None, None, Result]) -> tuple[Result] | tuple[()]:
    """Go on to where it yields, or to its end; then what it came to."""
    try:
        next(work)
    except StopIteration as end:
        return (end.value,)
    return ()


def _written(checked: Checked, people: Sequence[Row]) -> str:
    """The text with the first of these people who has an identifier; "" where nobody has."""
    assert checked.target.identifier is not None
    for email, external_id, phone, attributes in people:
        if found := checked.target.identifier(email, external_id, phone, _decode(attributes)):
            return with_identifier(checked.message.text, found)
    return ""


def _exclusion(blocked: Blocked, organisation_id: int, checked: Checked, category: Category) -> str:
    if not checked.body:
        return NO_IDENTIFIER
    way = checked.target.way
    entries = blocked[organisation_id, way.channel.value].get(checked.recipient)
    if not entries:
        return Exclusion.NONE
    options = checked.message.options
    short_code = (options.short_code if options else "") or way.short_code
    return exclusion(entries, category, short_code, transactional_despite_stop=way.despite_stop)


def _packed(accepted: Sequence[Answer]) -> bytes:
    """What was answered, but for the ids, which are neighbours."""
    runs = groupby((one.segments, one.encoding, one.reason) for one in accepted)
    return msgspec.json.encode([Run(sum(1 for _ in same), *answer) for answer, same in runs])


def _unpacked(ids: range, answers: bytes) -> list[Answer]:
    """What was answered then, whatever became of the messages, and of their connection, since."""
    accepted: list[Answer] = []
    for run in _runs.decode(answers):
        same = ids[len(accepted) : len(accepted) + run.count]
        accepted += [answer(message_id, run.reason, run.segments, run.encoding) for message_id in same]
    return accepted


def _stored(store: Store, ids: range, messages: list[Checked]) -> list[Answer]:
    """The same for rows from before answers were kept, as well as it can be told. `messages` are those of the request, if
    it still passes its checks: they know the encoding."""
    rows = {row[0]: row for row in store.database.query(catalogue.MESSAGES_IN_RANGE, (ids.start, ids.stop - 1))}
    answers = []
    for place, message_id in enumerate(ids):
        _, state, reason, segments, created_ms, done_ms = rows.get(message_id, (0, 0, "", 1, 0, 0))
        checked = messages[place] if messages else None
        was_excluded = state == DeliveryState.EXCLUDED and done_ms == created_ms
        answers.append(
            answer(
                message_id,
                reason if was_excluded else "",
                checked.segments if checked else segments,
                checked.encoding if checked else "",
            )
        )
    return answers
