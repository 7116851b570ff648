"""Calls customers' programs: leases what is due, signs it, sends it, and has recorded what came of it.

Each endpoint has a line of its own with a window that failures close and successes open; one that keeps failing rests. So
an endpoint that is slow or gone takes nothing from the others, and nothing here waits for the database.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from chappe.engine.net.egress import Bound, EgressPolicy
from chappe.engine.net.http_client import HttpClient, NoAnswer, NotSent
from chappe.engine.store.callback_frame import (
    CallbackCall,
    CallbackCalls,
    CallbackEndpoints,
    CallbacksDue,
    CallbackWork,
)
from chappe.engine.store.statement import Row
from chappe.engine.vault import Sealed, Vault, callback_place
from chappe.messaging import StoreError
from chappe.providers.http import HttpRequest, HttpResponse
from chappe.providers.standard_webhook import secret_key, signatures
from chappe.rules.callback import next_try_ms

log = structlog.get_logger("chappe.callback")

CONNECT_S = 5.0
ANSWER_S = 10.0
MOST_AT_ONCE = 64
"""Calls under way, of all endpoints together."""
MOST_WINDOW = 10
"""Calls under way of one endpoint."""
MOST_IN_HAND = 200
"""Calls of one endpoint in memory, where it takes them quickly."""
BUSY_PER_S = 1000.0
"""Calls that begin in a second while messages are being sent: a call takes the engine some twenty times what a message does."""
BUSY_BURST = 50.0
PACE_S = 0.01
GATHER_S = 0.02
BUSY_GATHER_S = 0.15
"""Before what came of calls is recorded; longer while messages are being sent, for each record is a commit more."""
REST_AFTER = 5
"""Failures in a row."""
LONGEST_REST_S = 60.0
GONE_REST_S = 5.0
"""Until the settings that are read say what the endpoint said."""
MARGIN_MS = 30_000
"""A call begins only while its lease lasts so much longer: than it can take, and its record."""
STOP_S = 3.0
LONGEST_ERROR = 200
GONE = 410
REDIRECTS = range(300, 400)


class StoreEnd(Protocol):
    """What the sender needs of the engine's end of its store process."""

    @property
    def is_behind(self) -> bool: ...
    def number(self) -> int: ...
    def send(self, request: CallbackWork, /) -> None: ...


@dataclass(frozen=True)
class Endpoint:
    """A customer's URL, and the keys that sign what it gets: the second until `previous_until_ms`."""

    id: int
    version: int
    url: str
    keys: tuple[bytes, ...] = field(repr=False)
    previous_until_ms: int
    egress: EgressPolicy

    @classmethod
    def of(cls, row: Row, vault: Vault, bounds: tuple[Bound, ...] = ()) -> "Endpoint":
        """From a row of `CALLBACK_ENDPOINTS`. Raises Sealed or ValueError."""
        identifier, organisation_id, url, _, sealed, previous_until_ms, allowed, _, version, _ = row
        held = vault.decrypt(bytes(sealed), callback_place(organisation_id, identifier))
        keys = tuple(secret_key(held[name]) for name in ("current", "previous") if held.get(name))
        return cls(identifier, version, url, keys, previous_until_ms, EgressPolicy.of(allowed, bounds))

    def request(self, call: CallbackCall, now_s: float) -> HttpRequest:
        """The call, signed as of now."""
        keys = self.keys if now_s * 1000 < self.previous_until_ms else self.keys[:1]
        timestamp = int(now_s)
        headers = (
            ("Content-Type", "application/json"),
            ("webhook-id", call.webhook_id),
            ("webhook-timestamp", str(timestamp)),
            ("webhook-signature", signatures(keys, call.webhook_id, timestamp, call.body)),
        )
        return HttpRequest("POST", self.url, headers, call.body)


class Pace:
    """Holds calls back while messages are being sent, so that they take but a part of the engine; else not at all."""

    def __init__(self, is_busy: Callable[[], bool]) -> None:
        self.is_busy = is_busy
        self._room = BUSY_BURST
        self._at_s = time.monotonic()

    def has_room(self) -> bool:
        """Whether another call may begin now."""
        now_s = time.monotonic()
        self._room = min(BUSY_BURST, self._room + (now_s - self._at_s) * BUSY_PER_S)
        self._at_s = now_s
        return self._room >= 1 or not self.is_busy()

    def count(self) -> None:
        self._room = max(0.0, self._room - 1)


class Line:
    """What is to be told to one endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.waiting: deque[CallbackCall] = deque()
        self.under_way: set[asyncio.Task[None]] = set()
        self.window = 1
        self.failures = 0
        self.rests_until_s = 0.0
        self.may_have_more = True
        self.is_asked = False
        self._client: HttpClient | None = None

    @property
    def client(self) -> HttpClient:
        """Made when first needed, and again after changes."""
        if self._client is None:
            self._client = HttpClient(self.endpoint.egress, connections=MOST_WINDOW, connect_s=CONNECT_S)
        return self._client

    async def close(self) -> None:
        """Once nothing is under way."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def room(self, now_s: float) -> int:
        """How many calls to ask for; 0 while enough are in hand, or it rests."""
        most = MOST_IN_HAND if self.window == MOST_WINDOW else 2 * self.window
        room = most - len(self.waiting) - len(self.under_way)
        is_idle = self.may_have_more and not self.is_asked and now_s >= self.rests_until_s
        return room if is_idle and 2 * room >= most else 0

    def next(self, now_s: float) -> CallbackCall | None:
        """The call to begin now. Those whose lease is nearly over are forgotten: the store has them due again."""
        if len(self.under_way) >= self.window or now_s < self.rests_until_s:
            return None
        while self.waiting:
            call = self.waiting.popleft()
            if call.until_ms - MARGIN_MS > now_s * 1000:
                return call
            self.may_have_more = True
        return None

    def succeeded(self) -> None:
        if self.failures >= REST_AFTER:
            log.info("callback.recovered", endpoint=self.endpoint.id)
        self.failures = 0
        self.window = min(self.window + 1, MOST_WINDOW)

    def failed(self, now_s: float, wanted_s: float) -> None:
        """`wanted_s`: how long the endpoint asked to be left alone."""
        self.failures += 1
        self.window = 1
        beyond = self.failures - REST_AFTER
        rest_s = min(2.0 ** min(beyond, 10), LONGEST_REST_S) if beyond >= 0 else 0.0
        self.rests_until_s = max(self.rests_until_s, now_s + max(rest_s, wanted_s))
        if beyond == 0:
            log.warning("callback.resting", endpoint=self.endpoint.id, failures=self.failures)


class CallbackSender:
    """One per engine. `heard` is given what the store process answers; `poll` is called every second."""

    def __init__(
        self,
        store: StoreEnd,
        vault: Vault,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        is_busy: Callable[[], bool] = lambda: False,
        bounds: Callable[[int], tuple[Bound, ...]] = lambda organisation_id: (),
    ) -> None:
        """`bounds`: what an organisation's endpoints may be allowed to call at all."""
        self._store = store
        self._vault = vault
        self._clock = clock
        self._chance = chance
        self._pace = Pace(is_busy)
        self._bounds = bounds
        self._again: asyncio.TimerHandle | None = None
        self._lines: dict[int, Line] = {}
        self._unusable: dict[int, int] = {}
        self._order: deque[int] = deque()
        self._under_way: set[asyncio.Task[None]] = set()
        self._page = CallbackWork(0)
        self._timer: asyncio.TimerHandle | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    # -- what the store process answers ------------------------------------------------------------------------------

    def heard(self, answer: CallbackEndpoints | CallbackCalls | CallbacksDue) -> None:
        match answer:
            case CallbackEndpoints(endpoints):
                self.configure(endpoints)
            case CallbackCalls():
                self.take(answer)
            case CallbacksDue(endpoint_ids):
                self.wake(endpoint_ids)

    def configure(self, rows: Sequence[Row]) -> None:
        """Have a line for each endpoint that is switched on, as its row says."""
        present = set()
        for row in rows:
            identifier, is_enabled, version = row[0], row[7], row[8]
            line = self._lines.get(identifier)
            if not is_enabled:
                continue
            present.add(identifier)
            bounds = self._bounds(row[1])
            is_same = line is not None and (line.endpoint.version, line.endpoint.egress.bounds) == (version, bounds)
            if self._unusable.get(identifier) == version or is_same:
                continue
            try:
                self._change(line, Endpoint.of(row, self._vault, bounds))
            except (Sealed, ValueError, KeyError) as error:
                self._unusable[identifier] = version
                present.discard(identifier)
                log.error("callback.unusable", endpoint=identifier, reason=str(error))
        for identifier in self._lines.keys() - present:
            self._leave(self._lines.pop(identifier))
            self._order.remove(identifier)
        self._go_on()

    def _change(self, line: Line | None, endpoint: Endpoint) -> None:
        """A new line, or one that goes on with other settings; whoever changed them wants to see what comes of it."""
        fresh = self._lines[endpoint.id] = Line(endpoint)
        if line is None:
            self._order.append(endpoint.id)
        else:
            fresh.waiting, line.waiting = line.waiting, deque()
            fresh.is_asked = line.is_asked
            self._leave(line)

    def _leave(self, line: Line) -> None:
        self._release(line)
        task = asyncio.create_task(self._end(line))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _end(self, line: Line) -> None:
        if line.under_way:
            await asyncio.wait(line.under_way)
        await line.close()

    def take(self, answer: CallbackCalls) -> None:
        """Calls that are ours now."""
        for endpoint_id, calls, is_full in answer.calls:
            line = self._lines.get(endpoint_id)
            if line is None:
                self._put_back(calls)  # it was switched off in the meantime
                continue
            line.is_asked = False
            line.may_have_more = line.may_have_more or is_full
            line.waiting += calls
        self._go_on()

    def wake(self, endpoint_ids: Sequence[int]) -> None:
        """There are calls that were not there before."""
        for endpoint_id in endpoint_ids:
            if endpoint_id in self._lines:
                self._lines[endpoint_id].may_have_more = True
        self._plan()

    def poll(self) -> None:
        """What time brings: retries, ends of rests, and what other engines left."""
        for line in self._lines.values():
            line.may_have_more = True
        self._go_on()

    # -- calls -------------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Begin what may begin: an endpoint after the other, one call each."""
        now_s, idle = self._clock(), 0
        while not self._is_stopping and len(self._under_way) < MOST_AT_ONCE and idle < len(self._order):
            if not self._pace.has_room():
                self._go_on_later()
                break
            line = self._lines[self._order[0]]
            self._order.rotate(-1)
            call = line.next(now_s)
            idle = idle + 1 if call is None else 0
            if call is not None:
                self._pace.count()
                self._begin(line, call)
        self._plan()

    def _go_on_later(self) -> None:
        if self._again is None and any(line.waiting for line in self._lines.values()):
            self._again = asyncio.get_running_loop().call_later(PACE_S, self._paced)

    def _paced(self) -> None:
        self._again = None
        self._go_on()

    def _begin(self, line: Line, call: CallbackCall) -> None:
        task = asyncio.create_task(self._make(line, call))
        self._under_way.add(task)
        line.under_way.add(task)
        task.add_done_callback(lambda done: self._ended(line, done))

    def _ended(self, line: Line, task: asyncio.Task[None]) -> None:
        line.under_way.discard(task)
        self._under_way.discard(task)
        self._go_on()

    async def _make(self, line: Line, call: CallbackCall) -> None:
        try:
            response = await line.client.exchange(line.endpoint.request(call, self._clock()), timeout_s=ANSWER_S)
        except (NotSent, NoAnswer) as error:
            self._failed(line, call, 0, error.reason, 0.0)
        except asyncio.CancelledError:
            self._put_back([call])
            raise
        except Exception as error:
            log.exception("callback.error", endpoint=line.endpoint.id)
            self._failed(line, call, 0, f"it could not be called: {type(error).__name__}", 0.0)
        else:
            self._answered(line, call, response)

    def _answered(self, line: Line, call: CallbackCall, response: HttpResponse) -> None:
        status = response.status
        if response.is_success:
            line.succeeded()
            self._page.done.append(call.id)
        elif status == GONE:
            log.warning("callback.gone", endpoint=line.endpoint.id)
            line.failed(self._clock(), GONE_REST_S)
            self._release(line)
            self._page.gone.append((line.endpoint.id, line.endpoint.version))
            self._bury(line, call, status, f"it answered {status}")
        else:
            words = ", and redirects are not followed" if status in REDIRECTS else ""
            wanted_s = response.retry_after_s(self._clock(), 0.0) if status in (429, 503) else 0.0
            self._failed(line, call, status, f"it answered {status}{words}", wanted_s)

    def _failed(self, line: Line, call: CallbackCall, status: int, reason: str, wanted_s: float) -> None:
        now_s = self._clock()
        line.failed(now_s, wanted_s)
        now_ms, attempts = int(now_s * 1000), call.attempts + 1
        due_ms = next_try_ms(attempts, now_ms, call.give_up_ms, int(wanted_s * 1000), self._chance())
        if due_ms:
            error = reason[:LONGEST_ERROR]
            self._page.tried.append((due_ms, 0, attempts, status, error, call.id, call.token))
        else:
            self._bury(line, call, status, reason)

    def _bury(self, line: Line, call: CallbackCall, status: int, reason: str) -> None:
        now_ms, attempts = int(self._clock() * 1000), call.attempts + 1
        log.warning("callback.dead", endpoint=line.endpoint.id, call=call.webhook_id, attempts=attempts, status=status)
        row = (now_ms, now_ms, attempts, status, reason[:LONGEST_ERROR], call.id, call.token)
        self._page.tried.append(row)

    def _release(self, line: Line) -> None:
        self._put_back(line.waiting)
        line.waiting.clear()

    def _put_back(self, calls: Sequence[CallbackCall]) -> None:
        """Let another engine, or ourselves later, make these; their leases simply end where nobody can be told."""
        now_ms = int(self._clock() * 1000)
        self._page.back += [(now_ms, call.id, call.token) for call in calls]
        self._plan()

    # -- what is recorded --------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Tell the store process, a little later, what came of calls and what there is room for."""
        if self._timer is None and not self._is_stopping and (self._has_news() or self._wants()):
            gather_s = BUSY_GATHER_S if self._pace.is_busy() else GATHER_S
            self._timer = asyncio.get_running_loop().call_later(gather_s, self._flush)

    def _has_news(self) -> bool:
        page = self._page
        return bool(page.done or page.tried or page.back or page.gone)

    def _wants(self) -> list[tuple[int, int]]:
        if self._store.is_behind or self._is_stopping:
            return []
        now_s = self._clock()
        rooms = ((identifier, line.room(now_s)) for identifier, line in self._lines.items())
        return [(identifier, room) for identifier, room in rooms if room > 0]

    def _flush(self) -> None:
        self._timer = None
        wants = self._wants()
        for identifier, _ in wants:
            self._lines[identifier].is_asked, self._lines[identifier].may_have_more = True, False
        if not wants and not self._has_news():
            return
        page, self._page = self._page, CallbackWork(0)
        page.number, page.wants = self._store.number(), wants
        try:
            self._store.send(page)
        except StoreError:
            log.info(
                "callback.unrecorded"
            )  # the store process is gone, and the engine with it: leases end by themselves

    async def stop(self, wait_s: float | None = None) -> None:
        """Begin nothing more; wait a little (`STOP_S`) for what is under way, and let go of the rest."""
        self._is_stopping = True
        lines = list(self._lines.values())
        if self._under_way:
            _, late = await asyncio.wait(set(self._under_way), timeout=STOP_S if wait_s is None else wait_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for line in lines:
            self._release(line)
            await line.close()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        for timer in (self._timer, self._again):
            if timer is not None:
                timer.cancel()
        self._flush()
