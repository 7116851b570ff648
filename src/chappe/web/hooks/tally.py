"""How many calls came and what the last ones said, gathered in memory and written once a second."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from chappe.engine.store import catalogue, hook_catalogue
from chappe.engine.store.frame import Traced
from chappe.engine.store.statement import Row
from chappe.engine.store.store import Store
from chappe.engine.store.trace_entry import TraceEntries
from chappe.rules.trace import EXCHANGES_PER_S
from chappe.web.hooks.exchange import Noted, shown, traced

MOST_NOTED = 3
"""Calls of a connection that are noted in a second."""
MOST_CONNECTIONS = 1_000
KEPT = 100
"""Exchanges that are kept of a connection, of both directions together."""
ACCEPTED, DUPLICATE = "accepted", "duplicate"

Key = tuple[int, int, int, str]
"""Organisation, connection, hook, outcome."""


@dataclass
class Written:
    """What one flush took, to be put back where it could not be written."""

    calls: Counter[Key] = field(default_factory=Counter)
    last_ms: dict[Key, int] = field(default_factory=dict)
    noted: list[Noted] = field(default_factory=list)
    traced: list[tuple[Noted, int]] = field(default_factory=list)
    """Calls with the traces that they are for."""
    left_out: Counter[int] = field(default_factory=Counter)
    """Calls that a trace has no room for, by trace."""


class Tally:
    """Not thread-safe: for the event loop. `write` alone is for the thread that owns the store."""

    def __init__(self) -> None:
        self._now = Written()
        self._noted: Counter[int] = Counter()
        self._traced: Counter[int] = Counter()

    def __bool__(self) -> bool:
        return bool(self._now.calls or self._now.noted or self._now.traced)

    def count(self, organisation_id: int, connection_id: int, hook_id: int, outcome: str, now_ms: int) -> None:
        key = (organisation_id, connection_id, hook_id, outcome)
        self._now.calls[key] += 1
        self._now.last_ms[key] = now_ms

    def has_room(self, connection_id: int) -> bool:
        """Whether one more call of the connection may be noted in this second."""
        noted = self._noted.get(connection_id, 0)
        return noted < MOST_NOTED and (noted > 0 or len(self._noted) < MOST_CONNECTIONS)

    def note(self, noted: Noted) -> None:
        self._noted[noted.connection_id] += 1
        self._now.noted.append(noted)

    def trace(self, noted: Noted, trace_id: int) -> None:
        """Keep a call for who traces its connection, as many in a second as can be read."""
        self._traced[trace_id] += 1
        if self._traced[trace_id] > EXCHANGES_PER_S:
            self._now.left_out[trace_id] += 1
        else:
            self._now.traced.append((noted, trace_id))

    def take(self) -> Written:
        taken, self._now = self._now, Written()
        self._noted.clear()
        self._traced.clear()
        return taken

    def put_back(self, written: Written) -> None:
        """Counts are kept until they can be written; what was noted is not worth the memory."""
        for key, calls in written.calls.items():
            self._now.calls[key] += calls
            self._now.last_ms.setdefault(key, written.last_ms[key])


def write(store: Store, written: Written, now_ms: int) -> None:
    """In a transaction of its own; always in the same order, so that two processes never wait for each other."""
    rows: list[Row] = [shown(noted) for noted in written.noted]
    with store.transaction():
        for key in sorted(written.calls):
            store.database.query(hook_catalogue.COUNT_CALLS, (*key, written.calls[key], written.last_ms[key]))
        store.database.run(catalogue.INSERT_EXCHANGES, rows)
        _trim(store, {noted.connection_id for noted in written.noted})
    entries = TraceEntries(store)
    rows = [traced(noted, trace_id) for noted, trace_id in written.traced]
    entries.add(Traced(0, rows, list(written.left_out.items())))
    entries.write(now_ms)


def _trim(store: Store, connections: Iterable[int]) -> None:
    for connection_id in sorted(connections):
        store.database.query(catalogue.TRIM_EXCHANGES, (connection_id, "in", connection_id, "in", KEPT))
