"""Looks up the messages of links that people open, and commits what they opened: each in groups, and each in a thread of its
own, so that nobody who opens a link waits for a database that is busy writing."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from chappe.engine.relay_feed import told_of, write_pages
from chappe.engine.store.click import Click, add_clicks
from chappe.engine.store.click_catalogue import LINKED_MESSAGES
from chappe.engine.store.statement import Row
from chappe.engine.store.store import Store
from chappe.messaging import StoreBusy, StoreError, StoreFull, StoreUnsure
from chappe.web.group import Groups
from chappe.web.wire import BadRequest

MOST_ASKED = 2_000
"""Look-ups that wait; past that a link is answered 503."""
MOST_WAITING = 20_000
"""Clicks gathered and not yet committed; past that they are not counted, and people go on all the same."""
MOST_A_SECOND = 10
"""Clicks on one link of a message that are counted."""
AGAIN_S = (0.05, 0.2, 1.0, 2.0, 5.0)

log = structlog.get_logger("chappe.links")


class Linked(NamedTuple):
    """A row of `LINKED_MESSAGES`: `out_ms` is when the message went out, or was due to."""

    id: int
    body: str
    options: bytes | None
    out_ms: int


@dataclass(slots=True)
class Asked:
    """A look-up: `found` is None where there is no such message."""

    message_id: int
    found: Linked | None = None
    error: BadRequest | None = None


class Committer:
    """Owns two stores and the two threads that use them."""

    def __init__(self, open_store: Callable[[], Store], tell: Callable[[], None], now_ms: Callable[[], int]) -> None:
        """`tell` is called where another Chappe is to be told of what was opened."""
        self._open = open_store
        self._now_ms = now_ms
        self._reads = ThreadPoolExecutor(1, thread_name_prefix="links-read")
        self._writes = ThreadPoolExecutor(1, thread_name_prefix="links-write")
        self._reader: Store | None = None
        self._writer: Store | None = None
        self._asked = Groups[Asked](self._reads, self._read, lambda _: 1, lambda: None)
        self._clicks = Groups[Click](self._writes, self._write, lambda _: 1, tell)
        self._is_closing = False
        self._second = 0
        self._opened: Counter[tuple[int, int]] = Counter()

    # -- asked by the door -------------------------------------------------------------------------------------------

    async def message(self, message_id: int) -> Linked | None:
        """None where there is none. Raises BadRequest where that cannot be said now."""
        if self._asked.waiting >= MOST_ASKED:
            raise BadRequest(503, "Too many links are being opened. Try again in a moment.")
        asked = Asked(message_id)
        await self._asked.written(asked)
        if asked.error is not None:
            raise asked.error
        return asked.found

    async def count(self, click: Click, wait_s: float) -> None:
        """Returns when the click is committed, or after so long: it is then committed later."""
        if self._is_too_often(click):
            return
        if self._clicks.waiting >= MOST_WAITING:
            log.warning("links.not_counted", clicks=1, reason="too many are waiting to be stored")
            return
        try:
            async with asyncio.timeout(wait_s):
                await self._clicks.written(click)
        except TimeoutError:
            pass

    def _is_too_often(self, click: Click) -> bool:
        """Whether no person opens a link as often as this one is opened: whoever has one must not keep the database busy."""
        second = click.at_ms // 1000
        if second != self._second:
            self._second, self._opened = second, Counter()
        self._opened[click.message_id, click.place] += 1
        return self._opened[click.message_id, click.place] > MOST_A_SECOND

    async def close(self) -> None:
        self._is_closing = True
        await self._asked.finished()
        await self._clicks.finished()
        loop = asyncio.get_running_loop()
        for thread, store in ((self._reads, self._reader), (self._writes, self._writer)):
            if store is not None:
                await loop.run_in_executor(thread, store.database.close)
            thread.shutdown()

    # -- in the threads ----------------------------------------------------------------------------------------------

    def _read(self, asked: list[Asked]) -> bool:
        ids = sorted({one.message_id for one in asked})
        try:
            found = {row[0]: Linked(*row) for row in self._rows(ids)}
        except StoreError as error:
            return _refuse(asked, BadRequest(503, f"Where it leads cannot be read: {error}. Try again."))
        except Exception:
            log.exception("links.failed")
            return _refuse(asked, BadRequest(500, "The log of the web process says why."))
        for one in asked:
            one.found = found.get(one.message_id)
        return False

    def _rows(self, ids: list[int]) -> list[Row]:
        self._reader = self._reader or self._open()
        try:
            return self._reader.database.query(LINKED_MESSAGES, (ids,))
        except StoreBusy:
            return self._reader.database.query(LINKED_MESSAGES, (ids,))  # a server that was away is there again

    def _write(self, clicks: list[Click], *, together: bool = True) -> bool:
        """Commit them, again and again for a while; whether another Chappe is to be told of some."""
        for pause_s in (*AGAIN_S, None):
            try:
                self._writer = self._writer or self._open()
                with self._writer.transaction():
                    return self._count(self._writer, clicks)
            except (StoreBusy, StoreFull) as error:
                if pause_s is None or self._is_closing:
                    log.warning("links.not_counted", clicks=len(clicks), reason=str(error))
                    return False
                time.sleep(pause_s)
            except StoreUnsure as error:  # twice is no better than not at all
                log.warning("links.not_counted", clicks=len(clicks), reason=str(error))
                return False
            except Exception:
                if together:
                    # One click must not keep the others from being counted.
                    written = [self._write([click], together=False) for click in clicks]
                    return any(written)
                log.exception("links.failed")
                return False
        return False

    def _count(self, store: Store, clicks: list[Click]) -> bool:
        return bool(write_pages(store, told_of(add_clicks(store, clicks)), self._now_ms()))


def _refuse(asked: list[Asked], error: BadRequest) -> bool:
    for one in asked:
        one.error = error
    return False
