"""On marketing: what keeps an account in step with mid beside messages, in the store: quarantine, deliveries, figures."""

from chappe.engine.store import catalogue
from chappe.engine.store import relay_catalogue as relay
from chappe.engine.store.relay_frame import StepFound, StepTaken, StepWanted
from chappe.engine.store.store import Store
from chappe.messaging import Channel
from chappe.rules.quarantine import QuarantineStatus, is_later

OVERLAP_MS = 30_000
"""How far back changes are read again: a transaction may commit later than its clock says."""
MOST_TOLD = 1_000
OPEN_MS = 86_400_000
"""How long the figures of a delivery that is over are asked for."""
MOST_DELIVERIES = 100
MOST_CHANGED = 1_000
"""Deliveries that are told at once; of more the others come the next time."""
_STATUSES = frozenset(status.value for status in QuarantineStatus)
_SMS = Channel.SMS.value

Blocked = list[tuple[int, str, str, str]]


class Steps:
    """One per recorder; its methods run inside the caller's transaction."""

    def __init__(self, store: Store) -> None:
        self._database = store.database

    def find(self, wanted: StepWanted, now_ms: int) -> StepFound:
        found = self._database.query(relay.RELAY_LINK, (wanted.connection_id,))
        link = found[0] if found else (0, 0, 0, 0, 0, 0, 0, None)
        page, clock_ms, reread_ms, quarantine_ms, deliveries_ms, mid_ms, pushed_ms, mid_link_base = link
        after_ms = wanted.after_ms or quarantine_ms - OVERLAP_MS
        since = (after_ms, after_ms, wanted.after_id, wanted.organisation_id, MOST_TOLD)
        entries = self._database.query(relay.QUARANTINE_TO_TELL, since)
        after_ms = wanted.delivery_ms or deliveries_ms - OVERLAP_MS
        asked = (after_ms, after_ms, wanted.delivery_id, wanted.connection_id, MOST_CHANGED)
        deliveries = self._database.query(relay.DELIVERIES_TO_TELL, asked)
        opened = (wanted.connection_id, now_ms - OPEN_MS, MOST_DELIVERIES)
        # fmt: off
        return StepFound(
            wanted.number, wanted.connection_id, page, clock_ms, reread_ms, quarantine_ms, deliveries_ms, mid_ms, pushed_ms,
            mid_link_base,
            [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in entries],
            [(row[0], row[1], row[2]) for row in deliveries],
            [row[0] for row in self._database.query(relay.RELAY_OPEN_DELIVERIES, opened)],
        )
        # fmt: on

    def take(self, taken: StepTaken, now_ms: int) -> Blocked:
        """Write it; the numbers whose quarantine changed by it."""
        organisation_id = taken.organisation_id
        blocked = [one for entry in taken.entries for one in self._entry(organisation_id, entry, now_ms)]
        self._database.run(relay.SET_RELAY_FIGURES, taken.figures)
        again = (taken.reread_ms, taken.reread_ms)
        if not self._database.query(relay.RELAY_LINK, (taken.connection_id,)):
            self._database.query(relay.BEGIN_RELAY_LINK, (taken.connection_id, 0, 0, 0, 0))
        head = (*again, taken.quarantine_ms, taken.deliveries_ms, taken.mid_quarantine_ms, taken.told_push)
        said = (taken.mid_version[:40], taken.mid_link_base, taken.error[:400])
        tail = (taken.heard_ms, taken.heard_ms, taken.connection_id)
        self._database.query(relay.RELAY_LINK_IS, (*head, *said, *tail))
        if taken.page >= 0:
            self._database.query(relay.RELAY_PAGE_HEEDED, (taken.page, taken.connection_id))
        return blocked

    def _entry(self, organisation_id: int, entry: tuple[str, str, str, str, int], now_ms: int) -> Blocked:
        """The later change holds; a change that says the same is none, so that nothing goes to and fro."""
        address, short_code, status, reason, changed_ms = entry
        if status not in _STATUSES or "\0" in f"{address}{short_code}{reason}":
            return []  # another version may know more
        found = self._database.query(relay.QUARANTINE_AT, (organisation_id, address, short_code))
        own, own_ms = found[0] if found else (QuarantineStatus.VALID.value, 0)
        if not is_later(QuarantineStatus(status), changed_ms, QuarantineStatus(own), own_ms):
            return []
        head = (organisation_id, _SMS, address, short_code, status, reason[:200])
        self._database.query(catalogue.SET_QUARANTINE, (*head, 0, 0, now_ms, changed_ms))
        return [(organisation_id, address, short_code, status)]
