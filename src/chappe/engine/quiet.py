"""Marketing messages in quiet hours: put off until their end, or ended, before anybody leases them.

A batch of the outbox that holds nothing else is moved as a whole: one row says why its messages wait, and none of them is
touched. Where batches are mixed, what is marketing gets a batch of its own. What an interrupted engine may have sent is
leased as ever: it must be marked first, and its worker gives it back.
"""

import json
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from chappe.engine.change import Changes
from chappe.engine.store import catalogue, rule_catalogue
from chappe.engine.store.frame import Want
from chappe.engine.store.rule_frame import OrganisationRules, Rules
from chappe.engine.store.statement import Row
from chappe.engine.store.store import OutboxBatch, Store, pack_ids, unpack_ids
from chappe.messaging import ConfigError, DeliveryState
from chappe.rules.consent import Exclusion
from chappe.rules.ending import ending
from chappe.rules.quiet_hours import DROPPED_AFTER_MS, QuietAction, QuietHours, Watch, concerns, read_quiet_hours

log = structlog.get_logger("chappe.quiet")

ROWS = 64
"""Batches that are looked at together."""
MOST_PASSES = 20
MOST_ENDED = 2_000
"""Messages that one transaction ends; the others' batches wait a moment, so that nothing else waits for them."""
A_MOMENT_MS = 500
UNBROKEN_MS = 60_000
"""Put off again so soon after a wait ended, a batch has waited all the time."""
DROPPED = "quiet hours did not end within 7 days"

Ended = list[tuple[int, DeliveryState, str]]


@dataclass(frozen=True)
class Batch:
    """A row of the outbox that is due; the fields are in the order of `catalogue.LEASABLE`."""

    id: int
    first_id: int
    last_id: int
    packed: bytes | None
    horizon: int
    delivery_id: int
    due_ms: int
    connection_id: int

    @property
    def ids(self) -> Sequence[int]:
        return unpack_ids(self.packed) if self.packed else range(self.first_id, self.last_id + 1)


class QuietTimes:
    """One per recorder: organisations' quiet hours as they were read last, and what they do to what is due."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._database = store.database
        self._rules: dict[int, OrganisationRules] = {}
        self._watches: dict[int, Watch] = {}

    def load(self) -> Rules:
        """Read every organisation's rules."""
        for row in self._database.query(rule_catalogue.ORGANISATION_RULES):
            self._read(row)
        return Rules(list(self._rules.values()))

    def _read(self, row: Row) -> None:
        organisation_id, version, periods, zone, action, networks = row
        known = self._rules.get(organisation_id)
        if known is not None and known.version == version:
            return
        try:
            quiet = read_quiet_hours(json.loads(periods) if isinstance(periods, str) else periods, zone, action)
        except ConfigError as error:
            # What was kept when it was known to be right; a machine without time zones reads none.
            log.error("quiet_hours.unusable", organisation=organisation_id, reason=str(error))
            quiet = known.quiet if known is not None else None
        self._rules[organisation_id] = OrganisationRules(organisation_id, version, quiet, networks)
        self._watches[organisation_id] = Watch(quiet)

    def put_off(self, want: Want, held: Container[int], changes: Changes, now_ms: int) -> None:
        """Before a lease of `want`: of what is due, put off or end what quiet hours are for."""
        organisation_id = want.organisation_id
        if not self._until(organisation_id, now_ms):
            return
        # They may have been changed a moment ago, and what waited let go.
        for row in self._database.query(rule_catalogue.RULES_OF, (organisation_id,)):
            self._read(row)
        until_ms, rules = self._until(organisation_id, now_ms), self._rules[organisation_id]
        if until_ms and rules.quiet is not None:
            sorting = _Sorting(self._store, want, rules.quiet, until_ms, now_ms)
            sorting.run(held)
            changes.end_waiting(sorting.ended)

    def _until(self, organisation_id: int, now_ms: int) -> int:
        watch = self._watches.get(organisation_id)
        return watch.until_ms(now_ms) if watch is not None else 0


class _Sorting:
    """One look at what is due of a connection in quiet hours."""

    def __init__(self, store: Store, want: Want, quiet: QuietHours, until_ms: int, now_ms: int) -> None:
        self._store, self._database = store, store.database
        self._want, self._quiet = want, quiet
        self._until_ms, self._now_ms = until_ms, now_ms
        self.ended: Ended = []

    def run(self, held: Container[int]) -> None:
        for _ in range(MOST_PASSES):
            values = (self._want.connection_id, self._now_ms, False, self._now_ms, ROWS)
            due = [Batch(*row) for row in self._database.query(catalogue.LEASABLE, values) if row[0] not in held]
            if not self._pass([batch for batch in due if batch.horizon == 0]):
                return

    def _pass(self, batches: Sequence[Batch]) -> bool:
        """Whether anything was moved, so that what is due behind it is worth a look."""
        quiet = [*self._of_deliveries(batches), *self._of_others(batches)]
        if self._quiet.action is QuietAction.DISCARD:
            self._end(quiet, DeliveryState.EXCLUDED, Exclusion.QUIET_HOURS)
        elif quiet:
            self._move(quiet)
        return bool(quiet)

    # -- which ones --------------------------------------------------------------------------------------------------

    def _of_deliveries(self, batches: Iterable[Batch]) -> list[Batch]:
        """Batches of marketing deliveries. What is paused or cancelled is dealt with elsewhere."""
        asked = sorted({batch.delivery_id for batch in batches} - {0})
        rows = self._database.query(rule_catalogue.DELIVERY_KINDS, (asked,)) if asked else []
        quiet = {row[0] for row in rows if concerns(row[1]) and row[2] not in ("paused", "cancelled")}
        return [batch for batch in batches if batch.delivery_id in quiet]

    def _of_others(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        for batch in batches:
            rows = [] if batch.delivery_id else self._categories(batch.ids)
            quiet = [row for row in rows if concerns(row[1])]
            if quiet:
                yield batch if len(quiet) == len(rows) else self._split(batch, rows)

    def _categories(self, ids: Sequence[int]) -> list[Row]:
        if isinstance(ids, range):
            return self._database.query(rule_catalogue.CATEGORIES_IN_RANGE, (ids.start, ids.stop - 1))
        return self._database.query(rule_catalogue.CATEGORIES_AMONG, (list(ids),))

    def _split(self, batch: Batch, rows: Iterable[Row]) -> Batch:
        """Two batches in the place of one, each as due and as urgent as that was: of marketing, which is returned, and of
        the rest."""
        ((priority,),) = self._database.query(rule_catalogue.PRIORITY_OF, (batch.id,))
        self._database.run(rule_catalogue.DROP_OUTBOX, [(batch.id,)])
        kind = OutboxBatch(self._want.connection_id, 0, priority, batch.due_ms, ())
        parts = [[row for row in rows if concerns(row[1]) is is_quiet] for is_quiet in (True, False)]
        made = self._store.insert_outbox(
            [
                self._store.outbox_row(kind, batch.due_ms, [row[0] for row in part], [row[2] for row in part])
                for part in parts
            ]
        )
        own = [row[0] for row in parts[0]]
        packed = None if own[-1] - own[0] + 1 == len(own) else pack_ids(own)
        return Batch(made[0], own[0], own[-1], packed, 0, 0, batch.due_ms, batch.connection_id)

    # -- what becomes of them ----------------------------------------------------------------------------------------

    def _move(self, batches: Sequence[Batch]) -> None:
        """Put them off until quiet hours end; those that have waited too long without a break are ended."""
        since = self._waiting_since(batches)
        over = [batch for batch in batches if self._now_ms >= since[batch.id] + DROPPED_AFTER_MS]
        self._end(over, DeliveryState.EXPIRED, DROPPED)
        dues, waits = [], []
        for batch in batches:
            if batch in over:
                continue
            until_ms = min(self._until_ms, since[batch.id] + DROPPED_AFTER_MS)
            dues.append((until_ms, batch.id))
            place = (self._want.organisation_id, self._want.connection_id, batch.id)
            times = (self._now_ms, since[batch.id], batch.due_ms, until_ms, self._quiet.zone)
            waits.append((*place, batch.first_id, batch.last_id, batch.packed, *times))
        self._database.run(rule_catalogue.PUT_OFF_OUTBOX, dues)
        self._database.run(rule_catalogue.INSERT_WAITS, waits)

    def _waiting_since(self, batches: Iterable[Batch]) -> dict[int, int]:
        """When each began to wait: now, unless it was put off until now."""
        found = {batch.id: self._now_ms for batch in batches}
        for outbox_id, since_ms, until_ms in self._database.query(rule_catalogue.LAST_WAITS, (list(found),)):
            found[outbox_id] = since_ms if until_ms >= self._now_ms - UNBROKEN_MS else self._now_ms
        return found

    def _end(self, batches: Iterable[Batch], state: DeliveryState, reason: str) -> None:
        """No more than so many in one transaction."""
        for batch in batches:
            if len(self.ended) >= MOST_ENDED:
                self._database.run(rule_catalogue.PUT_OFF_OUTBOX, [(self._now_ms + A_MOMENT_MS, batch.id)])
                continue
            rows, accepted = self._store.waiting(batch.ids)
            for row in rows:
                message = dict(zip(catalogue.LEASED_COLUMNS, row, strict=True))
                is_over = 0 < message["expires_ms"] <= self._now_ms
                end = (DeliveryState.EXPIRED, "validity ended before it could be sent") if is_over else (state, reason)
                taken = len(accepted.get(message["id"] << 4 | message["attempt"], ()))
                marked = bool(message["is_possible_duplicate"])
                self.ended.append(
                    (message["id"], *ending(*end, taken=taken, segments=message["segments"], may_have_gone=marked))
                )
            self._database.run(rule_catalogue.DROP_OUTBOX, [(batch.id,)])
