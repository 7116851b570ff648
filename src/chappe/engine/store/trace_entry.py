"""What is kept of traced connections, written in transactions of its own: no message waits for it, and none fails by it."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import structlog

from chappe.engine.store import trace_catalogue
from chappe.engine.store.frame import Traced
from chappe.engine.store.statement import Row
from chappe.engine.store.store import Store

MOST_HELD = 10_000
"""Entries that wait for the next transaction; past that they are counted and left out."""

log = structlog.get_logger("chappe.trace")


class TraceEntries:
    """Gathers entries, and writes them when asked to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: dict[int, list[Row]] = defaultdict(list)
        self._left_out: Counter[int] = Counter()
        self._held = 0

    def add(self, traced: Traced) -> None:
        """`frame.Traced` says what the rows are."""
        for row in traced.rows:
            if self._held < MOST_HELD:
                self._rows[row[0]].append(row)
                self._held += 1
            else:
                self._left_out[row[0]] += 1
        for session_id, count in traced.left_out:
            self._left_out[session_id] += count

    def write(self, now_ms: int) -> None:
        """Commit what was gathered; what cannot be written is let go: it is not worth stopping a message for."""
        if not self._rows and not self._left_out:
            return
        rows, left_out = self._rows, self._left_out
        self._rows, self._left_out, self._held = defaultdict(list), Counter(), 0
        try:
            with self._store.transaction():
                for session_id in sorted({*rows, *left_out}):
                    self._write_session(session_id, rows.get(session_id, []), left_out[session_id], now_ms)
        except Exception as error:  # noqa: BLE001 - whatever it is; its words may quote a row, which nobody is to read in a log
            log.warning("trace.not_kept", entries=sum(map(len, rows.values())), reason=type(error).__name__)

    def _write_session(self, session_id: int, rows: Sequence[Row], left_out: int, now_ms: int) -> None:
        found = self._store.database.query(trace_catalogue.ROOM_OF_TRACE, (session_id,))
        if not found:
            return  # it was deleted, or its connection was
        room = max(0, found[0][0])
        kept = rows[:room]
        self._store.database.run(trace_catalogue.INSERT_TRACE_ENTRIES, kept)
        counts = (len(kept), left_out + len(rows) - len(kept), session_id)
        self._store.database.query(trace_catalogue.COUNT_TRACE_ENTRIES, counts)
        if len(kept) == room:
            self._store.database.query(trace_catalogue.END_TRACE, (now_ms, session_id, now_ms))
