"""Sends one connection's messages by HTTP: as many requests at a time as it may have, each a message, or a bundle of them."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Protocol, cast

import msgspec
import structlog

from chappe.engine.net.http_client import Journey, NoAnswer, NotSent, Unwritable
from chappe.engine.net.http_sender import HttpSender, NoToken
from chappe.messaging import About, Accepted, Deferred, Refused, SendOutcome, Unknown
from chappe.providers.http import Account, HttpProvider, HttpRequest, HttpResponse, bundler
from chappe.rules.throttle import Throttle

log = structlog.get_logger("chappe.http")

DRAIN_S = 35.0
"""A little more than answers usually take at most."""
UNREACHABLE_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""How long nothing is sent to a provider that cannot be reached; longer each time in a row."""
ROUND_TRIPS = 2_000
TOO_LARGE = 413
SMALLER_S = 600.0
"""How long bundles stay as small as something in between wanted them: its limit may be raised again."""
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
    """Lanes, each with one request at a time; a lane ends when nothing waits.

    Of an adapter that bundles, what waits are lines, and a lane takes as many as there are, up to what a bundle holds: so
    bundles grow with the load.
    """

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
        self._bundler = bundler(adapter)
        self._most_in_request = self._bundler.MOST_IN_BUNDLE if self._bundler else 1
        self._smaller_until = 0.0
        self._most_lanes = concurrency
        self.window = concurrency * self._most_in_request
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
        self._waiting: deque[tuple[HttpRequest | bytes, Any]] = deque()
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

    def submit(self, bodies: Sequence[HttpRequest | bytes], tokens: Sequence[Any]) -> None:
        self.uncommitted += len(bodies)
        self.sent += len(bodies)
        self._waiting.extend(zip(bodies, tokens, strict=True))
        requests = -(-len(bodies) // self._most_in_request)
        for _ in range(min(requests, self._most_lanes - len(self._lanes))):
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
            request, tokens = self._next()
            journey = Journey()
            began = self._on_the_way[id(tokens)] = time.monotonic()
            try:
                response, outcomes = await self._try(request, journey, len(tokens))
            except asyncio.CancelledError:
                self._leave()
                has_left = journey.has_left and not self._adapter.SPEC.hands_over
                self._done += [(token, NEVER_ANSWERED if has_left else NEVER_LEFT) for token in tokens]
                raise
            finally:
                del self._on_the_way[id(tokens)]
            for token, outcome in zip(tokens, outcomes, strict=True):
                self._note(token, outcome)
            self._show(request, response, outcomes[0], time.monotonic() - began, tokens)
        self._leave()

    def _next(self) -> tuple[HttpRequest, list[Any]]:
        """The next request, and whose it is."""
        first, token = self._waiting.popleft()
        tokens = [token]
        if self._bundler is None:
            return cast(HttpRequest, first), tokens
        if self._smaller_until and time.monotonic() >= self._smaller_until:
            self._most_in_request, self._smaller_until = self._bundler.MOST_IN_BUNDLE, 0.0
        lines = [cast(bytes, first)]
        octets = len(lines[0])
        while self._waiting and len(lines) < self._most_in_request:
            line = cast(bytes, self._waiting[0][0])
            octets += len(line)
            if octets > self._bundler.MOST_OCTETS_IN_BUNDLE:
                break
            lines.append(line)
            tokens.append(self._waiting.popleft()[1])
        return self._bundler.bundle(lines, self.account), tokens

    def _leave(self) -> None:
        """A lane that looks for work no more is none at once: what is submitted next needs another."""
        lane = asyncio.current_task()
        if lane is not None:
            self._lanes.discard(lane)

    async def _try(
        self, request: HttpRequest, journey: Journey, count: int
    ) -> tuple[HttpResponse | None, Sequence[SendOutcome]]:
        """What became of the `count` messages of a request."""
        response: HttpResponse | None = None
        outcome: SendOutcome
        try:
            response = await self._sender.send(request, journey)
            return response, self._read(response, count)
        except Unwritable as error:
            outcome = Refused(error.reason)
        except (NotSent, NoToken) as error:
            outcome = Deferred(error.reason, self._next_pause(), about=About.ACCOUNT)
        except NoAnswer as error:
            outcome = self._unanswered(error.reason)
        except Exception as error:
            log.exception("request.failed", connection=self.account.connection_id)
            words = f"an error of our own: {type(error).__name__}"
            outcome = self._unanswered(words) if journey.has_left else self._held_back(words)
        return response, [self._watcher.hidden(outcome)] * count

    def _unanswered(self, reason: str) -> SendOutcome:
        """The request went out, and nobody said what became of it."""
        return self._held_back(reason) if self._adapter.SPEC.hands_over else Unknown(reason)

    def _held_back(self, reason: str) -> Deferred:
        return Deferred(reason, self._next_pause(), about=About.ACCOUNT)

    def _show(
        self,
        request: HttpRequest,
        response: HttpResponse | None,
        outcome: SendOutcome,
        took_s: float,
        tokens: Sequence[Any],
    ) -> None:
        self.round_trips.append(took_s)
        try:
            if self._bundler is not None:
                request, response = _without_bundle(request, response, len(tokens))
            self._watcher.saw(request, response, outcome, took_s, tokens[0])
        except Exception:  # what is shown to people must not keep what others wait for
            log.exception("exchange.unkept", connection=self.account.connection_id)

    def _read(self, response: HttpResponse, count: int) -> Sequence[SendOutcome]:
        """Nothing that an adapter reads is without an outcome for each message, free of secrets."""
        outcomes: Sequence[SendOutcome]
        try:
            if response.status == TOO_LARGE and count > 1:
                outcomes = self._halved(count)
            elif self._bundler is None:
                outcomes = [self._adapter.read(response, self.account)]
            else:
                outcomes = self._bundler.read_bundle(response, self.account, count)
        except Exception as error:
            log.exception("answer.unreadable", connection=self.account.connection_id)
            words = f"the answer {response.status} could not be read: {type(error).__name__}"
            outcomes = [self._unanswered(words)] * count
        return [one if isinstance(one, Accepted) else self._watcher.hidden(one) for one in outcomes]

    def _halved(self, count: int) -> Sequence[SendOutcome]:
        """Something in between takes no bundle as large as this one: they go at once, half as many at a time."""
        self._most_in_request = min(self._most_in_request, count // 2)
        self._smaller_until = time.monotonic() + SMALLER_S
        log.warning("bundle.too_large", connection=self.account.connection_id, most=self._most_in_request)
        return [Deferred(f"a request of {count} messages is too large", 0.0, str(TOO_LARGE), About.RATE)] * count

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


def _without_bundle(
    request: HttpRequest, response: HttpResponse | None, count: int
) -> tuple[HttpRequest, HttpResponse | None]:
    """An exchange to be shown: of a bundle it is enough to know how large it was, and of its answer what went wrong."""
    body = f"{count} messages in {len(request.body)} octets".encode()
    if response is not None and response.is_success:
        response = HttpResponse(response.status, b"", response.headers)
    return msgspec.structs.replace(request, body=body), response
