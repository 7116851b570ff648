"""One of a connection's links, kept up: bound again after it was lost, limited, counted."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import structlog

from chappe.engine.net.diagnosis import connect_words, tls_words
from chappe.engine.net.smpp_client import Endpoint, Link, connect
from chappe.messaging import ChappeError
from chappe.rules.provider_id import IdFormat, reader
from chappe.rules.throttle import Throttle
from chappe.smpp import BindKind, Delivery

log = structlog.get_logger("chappe.link")

DRAIN_S = 5.0

Tap = Callable[[str, bytes], None]
"""Is told what a link reads (`in`) and writes (`out`)."""


class Host(Protocol):
    """The connection that a slot belongs to."""

    def results(self, slot: "Slot", tokens: Sequence[Any], statuses: Sequence[int], ids: Sequence[str]) -> None: ...
    def unknown(self, slot: "Slot", tokens: Sequence[Any], reason: str) -> None: ...
    def take_back(self, slot: "Slot") -> None: ...
    def poll(self) -> None: ...


class Slot:
    """A transceiver, or a pair of transmitter and receiver. Survives its links: credits and limits stay with it."""

    def __init__(
        self,
        number: int,
        endpoints: Sequence[Endpoint],
        *,
        limit_per_s: float,
        reconnect_s: float,
        id_format: IdFormat,
        host: Host,
        on_deliveries: Callable[[Link, Sequence[Delivery]], None],
        register: Callable[[Link], None],
        tap: Callable[[int, Link], Tap | None],
    ) -> None:
        self.number = number
        self.endpoints = tuple(endpoints)
        self.limit_per_s = limit_per_s
        self.throttle = Throttle(limit_per_s)
        self.window = endpoints[0].window
        self.uncommitted = 0
        self.carry: deque[tuple[bytes, Any]] = deque()
        self.quiet_until = 0.0
        self.slow_downs = 0
        self.sent = 0
        self.reasons: dict[BindKind, str] = {endpoint.kind: "not connected yet" for endpoint in endpoints}
        self.links: dict[BindKind, Link] = {}
        self.since_ms: dict[BindKind, int] = {}
        self._reconnect_s = reconnect_s
        self._read_id = reader(id_format)
        self._host = host
        self._on_deliveries = on_deliveries
        self._register = register
        self._tap = tap
        self._tasks = [asyncio.create_task(self._keep_up(endpoint)) for endpoint in endpoints]

    def set(self, *, limit_per_s: float, reconnect_s: float, id_format: IdFormat) -> None:
        """Settings that a bound link takes over as it is."""
        if limit_per_s != self.limit_per_s:
            self.limit_per_s, self.throttle = limit_per_s, Throttle(limit_per_s)
        self._reconnect_s = reconnect_s
        self._read_id = reader(id_format)

    def trace(self) -> None:
        """Who wants to see what crosses the links has changed."""
        for link in self.links.values():
            link.trace_to(self._tap(self.number, link))

    # -- what the worker asks ----------------------------------------------------------------------------------------

    @property
    def _sender(self) -> Link | None:
        return self.links.get(self.endpoints[0].kind)

    @property
    def can_send(self) -> bool:
        sender = self._sender
        return sender is not None and sender.is_bound

    @property
    def room(self) -> int:
        """Messages that may go out now: within the window, counting those not committed yet."""
        sender = self._sender
        if sender is None or not sender.is_bound or time.monotonic() < self.quiet_until:
            return 0
        return min(self.window - self.uncommitted, sender.room)

    @property
    def oldest_unanswered_at(self) -> float | None:
        """When the oldest message without an answer went out; None where none waits for one."""
        sender = self._sender
        return None if sender is None else sender.oldest_unanswered_at

    def submit(self, bodies: Sequence[bytes], tokens: Sequence[Any]) -> None:
        sender = self._sender
        assert sender is not None
        self.uncommitted += len(bodies)
        self.sent += len(bodies)
        sender.submit(bodies, tokens)

    def slow_down(self, steps: Sequence[float]) -> None:
        """The provider says that we are too fast."""
        self.quiet_until = time.monotonic() + steps[min(self.slow_downs, len(steps) - 1)]
        self.slow_downs += 1

    async def stop(self) -> None:
        """Let what is on the wire be answered (within a bound), then unbind."""
        for task in self._tasks:
            task.cancel()
        until = time.monotonic() + DRAIN_S
        while self.uncommitted and self.can_send and time.monotonic() < until:
            await asyncio.sleep(0.02)
        await asyncio.gather(*(link.unbind() for link in self.links.values()), return_exceptions=True)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- keeping up --------------------------------------------------------------------------------------------------

    async def _keep_up(self, endpoint: Endpoint) -> None:
        """Connect, stay until the link is lost, wait, again: for as long as the connection is enabled."""
        while True:
            link = Link(endpoint, self)
            self._register(link)
            link.trace_to(self._tap(self.number, link))
            self.links[endpoint.kind] = link
            try:
                await connect(link)
                # Shielded: `stop` cancels this task, and a link whose future is cancelled would not say goodbye.
                reason = await asyncio.shield(link.closed)
            except (OSError, TimeoutError, ChappeError) as error:
                reason = _words(error, endpoint)
                link.close(reason)
            self._lost(endpoint, reason)
            await asyncio.sleep(self._reconnect_s)

    def _lost(self, endpoint: Endpoint, reason: str) -> None:
        self.reasons[endpoint.kind] = reason
        self.since_ms[endpoint.kind] = int(time.time() * 1000)
        log.warning("link.lost", to=str(endpoint), slot=self.number, reason=reason)

    # -- what the link tells (engine.net.smpp_client.Owner) ----------------------------------------------------------

    def link_bound(self, link: Link) -> None:
        self.reasons[link.endpoint.kind] = ""
        self.since_ms[link.endpoint.kind] = int(time.time() * 1000)
        log.info("link.bound", to=str(link.endpoint), slot=self.number)
        self._host.poll()

    def link_results(self, link: Link, tokens: Sequence[object], statuses: Sequence[int], ids: Sequence[bytes]) -> None:
        read = self._read_id
        self._host.results(self, tokens, statuses, [read(one.decode("latin-1")) for one in ids])

    def link_expired(self, link: Link, tokens: Sequence[object]) -> None:
        self._host.unknown(self, tokens, f"no answer from the provider within {link.endpoint.response_s:g} s")

    def link_deliveries(self, link: Link, deliveries: Sequence[Delivery]) -> None:
        self._on_deliveries(link, deliveries)

    def link_closed(self, link: Link, reason: str, unanswered: Sequence[object]) -> None:
        if unanswered:
            self._host.unknown(self, unanswered, f"the link was lost before the provider answered: {reason}")
        if link.endpoint.kind is self.endpoints[0].kind:
            self._host.take_back(self)


def _words(error: OSError | TimeoutError | ChappeError, endpoint: Endpoint) -> str:
    """Why no connection was made, for the operator."""
    if isinstance(error, ChappeError):
        return str(error)
    if isinstance(error, ssl.SSLError):
        return tls_words(error, endpoint, endpoint.bind_s)
    return connect_words(error, f"{endpoint.host}:{endpoint.port}", endpoint.bind_s)
