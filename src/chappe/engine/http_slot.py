"""Sends one connection's messages by HTTP: as many requests at a time as it may have, each message one of them."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol

import structlog

from chappe.engine.net.http_client import Journey, NoAnswer, NotSent, Unwritable
from chappe.engine.net.http_sender import HttpSender, NoToken
from chappe.messaging import About, Accepted, Deferred, Refused, SendOutcome, Unknown
from chappe.providers.http import Account, HttpProvider, HttpRequest, HttpResponse
from chappe.rules.throttle import Throttle

log = structlog.get_logger("chappe.http")

DRAIN_S = 35.0
"""A little more than answers usually take at most."""
UNREACHABLE_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""How long nothing is sent to a provider that cannot be reached; longer each time in a row."""
ROUND_TRIPS = 2_000
NEVER_ANSWERED = Unknown("stopped before the provider answered")
NEVER_LEFT = Deferred("stopped before it was sent", 0.0, about=About.ACCOUNT)


class Host(Protocol):
    """The connection that a slot belongs to."""

    def outcomes(self, slot: "HttpSlot", outcomes: Sequence[tuple[Any, SendOutcome]]) -> None: ...


class Watcher(Protocol):
    """Who keeps the last exchanges for the operator."""

    def hidden(self, outcome: SendOutcome) -> SendOutcome:
        """The same without secrets in its words."""

    def saw(
        self, request: HttpRequest, response: HttpResponse | None, outcome: SendOutcome, took_s: float, message: Any
    ) -> None: ...


class HttpSlot:
    """Lanes, each with one request at a time; a lane ends when nothing waits."""

    def __init__(
        self,
        number: int,
        adapter: HttpProvider,
        account: Account,
        sender: HttpSender,
        *,
        limit_per_s: float,
        concurrency: int,
        host: Host,
        watcher: Watcher,
    ) -> None:
        self.number = number
        self.limit_per_s = limit_per_s
        self.throttle = Throttle(limit_per_s)
        self.window = concurrency
        self.uncommitted = 0
        self.carry: deque[tuple[Any, Any]] = deque()
        self.quiet_until = 0.0
        self.sent = 0
        self.reason = ""
        self.since_ms = int(time.time() * 1000)
        self.round_trips: deque[float] = deque(maxlen=ROUND_TRIPS)
        self.account = account
        self._adapter, self._sender = adapter, sender
        self._host, self._watcher = host, watcher
        self._waiting: deque[tuple[HttpRequest, Any]] = deque()
        self._lanes: set[asyncio.Task[None]] = set()
        self._on_the_way: dict[int, float] = {}
        self._done: list[tuple[Any, SendOutcome]] = []
        self._is_telling = False
        self._failures = 0

    # -- what the worker asks ----------------------------------------------------------------------------------------

    @property
    def can_send(self) -> bool:
        """False while the provider refuses our account, or cannot be reached."""
        return not self.reason or time.monotonic() >= self.quiet_until

    @property
    def room(self) -> int:
        """Messages that may go out now. One alone after something kept all of them back: it shows whether that is over."""
        if time.monotonic() < self.quiet_until:
            return 0
        free = self.window - self.uncommitted
        return min(free, 1 - self.uncommitted) if self.reason else free

    @property
    def oldest_unanswered_at(self) -> float | None:
        """When the oldest message without an answer went out; None where none waits for one."""
        return min(self._on_the_way.values(), default=None)

    def submit(self, bodies: Sequence[HttpRequest], tokens: Sequence[Any]) -> None:
        self.uncommitted += len(bodies)
        self.sent += len(bodies)
        self._waiting.extend(zip(bodies, tokens, strict=True))
        for _ in range(min(len(bodies), self.window - len(self._lanes))):
            self._lanes.add(asyncio.create_task(self._lane()))

    def try_again(self) -> None:
        """Do not wait for the end of a pause that the account or the network made necessary."""
        if self.reason:
            self.quiet_until = 0.0

    async def stop(self) -> None:
        """Let what is on the way be answered, within a bound; what is not has no answer, and what never left goes back."""
        lanes = set(self._lanes)
        if lanes:
            await asyncio.wait(lanes, timeout=DRAIN_S)
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        self._done += [(token, NEVER_LEFT) for _, token in self._waiting]
        self._waiting.clear()
        self._tell()
        await self._sender.close()

    # -- sending -----------------------------------------------------------------------------------------------------

    async def _lane(self) -> None:
        while self._waiting:
            request, token = self._waiting.popleft()
            journey = Journey()
            began = self._on_the_way[id(token)] = time.monotonic()
            try:
                response, outcome = await self._try(request, journey)
            except asyncio.CancelledError:
                self._leave()
                self._done.append((token, NEVER_ANSWERED if journey.has_left else NEVER_LEFT))
                raise
            finally:
                del self._on_the_way[id(token)]
            self._note(token, outcome)
            self._show(request, response, outcome, time.monotonic() - began, token)
        self._leave()

    def _leave(self) -> None:
        """A lane that looks for work no more is none at once: what is submitted next needs another."""
        lane = asyncio.current_task()
        if lane is not None:
            self._lanes.discard(lane)

    async def _try(self, request: HttpRequest, journey: Journey) -> tuple[HttpResponse | None, SendOutcome]:
        response: HttpResponse | None = None
        outcome: SendOutcome
        try:
            response = await self._sender.send(request, journey)
            outcome = self._read(response)
        except Unwritable as error:
            outcome = Refused(error.reason)
        except (NotSent, NoToken) as error:
            outcome = Deferred(error.reason, self._next_pause(), about=About.ACCOUNT)
        except NoAnswer as error:
            outcome = Unknown(error.reason)
        except Exception as error:
            log.exception("request.failed", connection=self.account.connection_id)
            words = f"an error of our own: {type(error).__name__}"
            outcome = Unknown(words) if journey.has_left else Deferred(words, self._next_pause(), about=About.ACCOUNT)
        return response, outcome if isinstance(outcome, Accepted) else self._watcher.hidden(outcome)

    def _show(
        self, request: HttpRequest, response: HttpResponse | None, outcome: SendOutcome, took_s: float, token: Any
    ) -> None:
        self.round_trips.append(took_s)
        try:
            self._watcher.saw(request, response, outcome, took_s, token)
        except Exception:  # what is shown to people must not keep what others wait for
            log.exception("exchange.unkept", connection=self.account.connection_id)

    def _read(self, response: HttpResponse) -> SendOutcome:
        try:
            return self._adapter.read(response, self.account)
        except Exception as error:
            log.exception("answer.unreadable", connection=self.account.connection_id)
            return Unknown(f"the answer {response.status} could not be read: {type(error).__name__}")

    def _next_pause(self) -> float:
        return UNREACHABLE_S[min(self._failures, len(UNREACHABLE_S) - 1)]

    def _note(self, token: Any, outcome: SendOutcome) -> None:
        """Gather outcomes, so that many of them become one record; heed what they say of the connection."""
        self._done.append((token, outcome))
        match outcome:
            case Deferred(about=About.RATE):
                self._quiet(outcome.after_s)
            case Deferred(about=About.ACCOUNT):
                self._hold(outcome)
            case Accepted() | Refused() if self.reason:
                self._recover()
        if not self._is_telling:
            self._is_telling = True
            asyncio.get_running_loop().call_soon(self._tell)

    def _quiet(self, seconds: float) -> None:
        self.quiet_until = max(self.quiet_until, time.monotonic() + seconds)

    def _hold(self, outcome: Deferred) -> None:
        if time.monotonic() >= self.quiet_until:  # else it is one of many that were on the way together
            self._failures += 1
            self._quiet(outcome.after_s)
        if self.reason != outcome.reason:
            self.reason, self.since_ms = outcome.reason, int(time.time() * 1000)
            log.warning("connection.held", connection=self.account.connection_id, reason=outcome.reason)

    def _recover(self) -> None:
        self.reason, self.since_ms, self._failures = "", int(time.time() * 1000), 0
        log.info("connection.recovered", connection=self.account.connection_id)

    def _tell(self) -> None:
        self._is_telling = False
        if self._done:
            done, self._done = self._done, []
            self._host.outcomes(self, done)
