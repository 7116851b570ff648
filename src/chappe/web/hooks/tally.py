"""How many calls came and what the last ones said, gathered in memory and written once a second."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from chappe.engine.store import catalogue, hook_catalogue
from chappe.engine.store.statement import Row
from chappe.engine.store.store import Store
from chappe.web.hooks.exchange import Noted, shown

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


class Tally:
    """Not thread-safe: for the event loop. `write` alone is for the thread that owns the store."""

    def __init__(self) -> None:
        self._now = Written()
        self._noted: Counter[int] = Counter()

    def __bool__(self) -> bool:
        return bool(self._now.calls or self._now.noted)

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

    def take(self) -> Written:
        taken, self._now = self._now, Written()
        self._noted.clear()
        return taken

    def put_back(self, written: Written) -> None:
        """Counts are kept until they can be written; what was noted is not worth the memory."""
        for key, calls in written.calls.items():
            self._now.calls[key] += calls
            self._now.last_ms.setdefault(key, written.last_ms[key])


def write(store: Store, written: Written) -> None:
    """In a transaction of its own; always in the same order, so that two processes never wait for each other."""
    rows: list[Row] = [shown(noted) for noted in written.noted]
    with store.transaction():
        for key in sorted(written.calls):
            store.database.query(hook_catalogue.COUNT_CALLS, (*key, written.calls[key], written.last_ms[key]))
        store.database.run(catalogue.INSERT_EXCHANGES, rows)
        _trim(store, {noted.connection_id for noted in written.noted})


def _trim(store: Store, connections: Iterable[int]) -> None:
    for connection_id in sorted(connections):
        store.database.query(catalogue.TRIM_EXCHANGES, (connection_id, "in", connection_id, "in", KEPT))
