"""Gathers what has to be committed, hands it to the store process every few milliseconds, and says when it is safe.

At most `OUTSTANDING` records are on their way at a time: while the store process commits one, the next one grows. So commits
are small when little happens and large when much does, and what waits in memory is bounded by the windows of the links.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from chappe.engine.store.client import StoreClient
from chappe.engine.store.frame import Record

GATHER_S = 0.002
FLUSH_AT = 500
OUTSTANDING = 3

AfterCommit = Callable[[], None]


@dataclass
class Ledger:
    client: StoreClient
    page: Record = field(default_factory=lambda: Record(0))
    """What is gathered now; add to its lists, then call `touch`."""
    _after: list[AfterCommit] = field(default_factory=list)
    _outstanding: deque[tuple[int, list[AfterCommit]]] = field(default_factory=deque)
    _timer: asyncio.Handle | None = None
    _is_due: bool = False
    _is_touched: bool = False

    def touch(self, after_commit: AfterCommit | None = None) -> None:
        """Something was added; `after_commit` is called once it is committed.

        The page leaves in a later turn of the loop, never within this call: whoever holds it may go on adding.
        """
        self._is_touched = True
        if after_commit is not None:
            self._after.append(after_commit)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._flush)
        elif not self._is_due and (len(self.page.segments) >= FLUSH_AT or len(self.page.receipts) >= FLUSH_AT):
            self._timer.cancel()
            self._is_due = True
            self._timer = asyncio.get_running_loop().call_soon(self._flush)

    def committed(self, number: int) -> None:
        """The store process has committed everything up to the record of this number."""
        while self._outstanding and self._outstanding[0][0] <= number:
            for after_commit in self._outstanding.popleft()[1]:
                after_commit()
        if self._is_touched and self._timer is None:
            self._flush()

    @property
    def is_empty(self) -> bool:
        return not self._is_touched and not self._outstanding

    def _flush(self) -> None:
        self._timer, self._is_due = None, False
        if not self._is_touched or len(self._outstanding) >= OUTSTANDING:
            return
        page, after = self.page, self._after
        page.number = self.client.number()
        self._outstanding.append((page.number, after))
        self.client.send(page)
        self.page, self._after, self._is_touched = Record(0), [], False
