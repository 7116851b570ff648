"""Commits what calls tell in groups, and writes what is counted of them once a second."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from chappe.engine.store.hook_event import keep
from chappe.engine.store.relay_catalogue import RELAY_PUSH_TAKEN
from chappe.engine.store.store import Store
from chappe.engine.vault import Vault
from chappe.messaging import Pages, StoreBusy, StoreError, StoreFull, StoreUnsure
from chappe.web.group import Groups
from chappe.web.hooks import tally
from chappe.web.hooks.lookup import Lookup
from chappe.web.hooks.reader import Heard, Refusal
from chappe.web.hooks.tally import Tally
from chappe.web.wire import BadRequest

MOST_WAITING = 50_000
"""Events gathered and not yet committed; past that a call is answered 503."""
LOOK_AGAIN_MS = 50
FLUSH_S = 1.0

log = structlog.get_logger("chappe.hooks")


class Committer:
    """Owns the hooks' store and the one thread that uses it."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        tell: Callable[[], None],
        vault: Vault,
        public_url: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._open = open_store
        self._vault = vault
        self._public_url = public_url
        self._now_ms = now_ms
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hooks")
        self._groups = Groups[Heard](self._thread, self._write, lambda heard: len(heard.arrived), tell)
        self._store: Store | None = None
        self._lookup: Lookup | None = None
        self._flushing: asyncio.Task[None] | None = None
        self.tally = Tally()

    @property
    def waiting(self) -> int:
        """Events gathered and not yet committed."""
        return self._groups.waiting

    # -- asked by calls ----------------------------------------------------------------------------------------------

    async def lookup(self) -> Lookup:
        """What is remembered, as it was a moment ago. Raises StoreError."""
        if self._lookup is None or self._lookup.is_stale(self._now_ms()):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._refresh, None)
        assert self._lookup is not None
        return self._lookup

    async def look_again(self, age_ms: int = LOOK_AGAIN_MS) -> Lookup:
        """Read everything anew, if need be after a moment: calls to what is not there are no flood."""
        lookup = await self.lookup()
        wait_ms = lookup.read_ms + age_ms - self._now_ms()
        if wait_ms > 0:
            await asyncio.sleep(min(wait_ms, age_ms) / 1000)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._refresh, age_ms)
        return lookup

    def traces(self, connection_id: int) -> Sequence[tuple[int, str]]:
        """The traces of a connection that run, as they were a moment ago: see `Lookup.traces`."""
        return self._lookup.traces(connection_id) if self._lookup is not None else ()

    async def commit(self, heard: Heard) -> None:
        """Returns when what was heard is committed; raises BadRequest when it is not."""
        if not heard.arrived:
            return
        if self.waiting + len(heard.arrived) > MOST_WAITING:
            raise BadRequest(503, "Too much is waiting to be stored. Try again in a moment.")
        await self._groups.written(heard)
        if heard.error is not None:
            raise heard.error

    def flush_soon(self) -> None:
        """What was counted is written within a second."""
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush_later())

    async def flush(self) -> None:
        """Write what was counted now."""
        if self.tally:
            written = self.tally.take()
            is_written = await asyncio.get_running_loop().run_in_executor(self._thread, self._flush, written)
            if not is_written:
                self.tally.put_back(written)

    async def close(self) -> None:
        await self._groups.finished()
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.gather(self._flushing, return_exceptions=True)
        await self.flush()
        if self._store is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._store.database.close)
        self._thread.shutdown()

    async def _flush_later(self) -> None:
        try:
            while self.tally:
                await asyncio.sleep(FLUSH_S)
                await self.flush()
        finally:
            self._flushing = None

    # -- in the thread -----------------------------------------------------------------------------------------------

    def _refresh(self, age_ms: int | None) -> None:
        """Many may have waited for this; the first of them reads for all."""
        if self._store is None or self._lookup is None:
            self._store = self._store or self._open()
            self._lookup = Lookup(self._store, self._vault, self._public_url)
        now = self._now_ms()
        if self._lookup.is_stale(now) if age_ms is None else self._lookup.is_stale(now, age_ms):
            self._lookup.refresh(now)

    def _write(self, calls: list[Heard], *, together: bool = True) -> bool:
        """Commit them, or note in each why it was not; whether anything was stored."""
        assert self._store is not None
        try:
            with self._store.transaction():
                new = _new(self._store, calls, self._now_ms())
                keep(self._store, [arrived for heard in new for arrived in heard.arrived])
        except (StoreBusy, StoreFull) as error:
            return _refuse(calls, BadRequest(503, f"Nothing was stored: {error}. Try again."))
        except StoreUnsure as error:
            # Who comes again with the same changes nothing, so there is no harm in asking for it.
            return _refuse(calls, BadRequest(503, f"It is not known whether it was stored: {error}. Try again."))
        except Exception:
            if together:
                # One call must not fail the others.
                written = [self._write([heard], together=False) for heard in calls]
                return any(written)
            log.exception("hooks.failed")
            return _refuse(calls, BadRequest(500, "Nothing was stored; the log of the web process says why."))
        return bool(new)

    def _flush(self, written: tally.Written) -> bool:
        try:
            if self._store is None:
                self._store = self._open()
            tally.write(self._store, written, self._now_ms())
        except StoreError as error:
            log.warning("hooks.not_counted", reason=str(error))
            return False
        except Exception:
            log.exception("hooks.not_counted")
        return True


def _new(store: Store, calls: Sequence[Heard], now_ms: int) -> list[Heard]:
    """Those that were not taken before. By connection, as other processes ask too: each asks for a row, and holds it."""
    in_order = sorted(calls, key=lambda heard: heard.connection_id)
    again = {id(heard) for heard in in_order if _is_played_again(store, heard, now_ms)}
    return [heard for heard in calls if id(heard) not in again]


def _is_played_again(store: Store, heard: Heard, now_ms: int) -> bool:
    """Whether a call of another Chappe is one that was taken before, which its number tells; then that is its error."""
    for event in heard.events:
        if isinstance(event, Pages):
            values = (heard.connection_id, event.number, 0, now_ms, 0)
            if not store.database.query(RELAY_PUSH_TAKEN, values):
                heard.error = Refusal(409, "This call, or one after it, was taken before.", "played again")
                return True
    return False


def _refuse(calls: list[Heard], error: BadRequest) -> bool:
    for heard in calls:
        heard.error = error
    return False
