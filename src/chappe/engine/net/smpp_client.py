"""The shell around an SMPP session: connects, reads, feeds, writes, ticks. Rules belong in `chappe.smpp.session`."""

import asyncio
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

from chappe.engine.net.egress import EgressPolicy
from chappe.providers.smpp import BindParameters
from chappe.smpp import BindKind, Delivery, Role, Session, Timers
from chappe.smpp.event import (
    BindFailed,
    Bound,
    Closed,
    Deliveries,
    Event,
    Malformed,
    SubmitResults,
    SubmitsExpired,
)

TICK_S = 0.1
UNBIND_WAIT_S = 5.0
UNANSWERED_DELIVERIES = 20_000
"""Receipts and texts read but not yet committed; past that the socket is not read."""
WRITE_OCTETS = 16 << 20
"""Written and not yet taken by the provider; past that the socket is not read either. More than a full window needs."""
ROUND_TRIPS = 2_000


@dataclass(frozen=True)
class Endpoint:
    """Where to connect and how to log in; equal endpoints need no new connection when settings are reloaded."""

    bind: BindParameters
    host: str
    port: int
    window: int
    response_s: float
    bind_s: float
    enquire_link_s: float
    tls: str
    """"" for none, else full, no_host_name or none, as the certificate is to be verified."""
    egress: EgressPolicy
    trust: str | None = None
    """Path of certificates trusted instead of the system's."""

    @property
    def kind(self) -> BindKind:
        return self.bind.kind

    @property
    def account(self) -> str:
        return self.bind.system_id.decode("latin-1")

    def __str__(self) -> str:
        """For the operator."""
        return f"{self.host}:{self.port} as {self.kind.name.lower()}"

    def __repr__(self) -> str:
        return f"Endpoint({self.kind.name.lower()}, {self.host}:{self.port}, {self.account})"


class Owner(Protocol):
    """Who a link works for."""

    def link_bound(self, link: "Link") -> None: ...
    def link_results(
        self, link: "Link", tokens: Sequence[object], statuses: Sequence[int], ids: Sequence[bytes]
    ) -> None: ...
    def link_expired(self, link: "Link", tokens: Sequence[object]) -> None: ...
    def link_deliveries(self, link: "Link", deliveries: Sequence[Delivery]) -> None: ...
    def link_closed(self, link: "Link", reason: str, unanswered: Sequence[object]) -> None: ...


def tls_context(verification: str, trust: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=trust)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if verification != "full":
        context.check_hostname = False
    if verification == "none":
        context.verify_mode = ssl.CERT_NONE
    return context


class Link(asyncio.Protocol):
    """One TCP connection and its session. Times are seconds of the monotonic clock."""

    def __init__(self, endpoint: Endpoint, owner: Owner, on_trace: Callable[[str, bytes], None] | None = None) -> None:
        self.endpoint = endpoint
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.is_bound = False
        self.bound_at = 0.0
        self.round_trips: deque[float] = deque(maxlen=ROUND_TRIPS)
        self.malformed = 0
        self.receipts = self.unmatched = 0
        self.number = 0
        self._owner = owner
        self._on_trace = on_trace
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unanswered = 0
        self._is_reading = True
        self._is_clogged = False
        self._sent_at: dict[int, tuple[float, object]] = {}
        timers = Timers(
            response_s=endpoint.response_s, bind_s=endpoint.bind_s, enquire_link_s=endpoint.enquire_link_s or None
        )
        self._session = Session(role=Role.ESME, timers=timers, window=endpoint.window)

    # -- what the owner asks -----------------------------------------------------------------------------------------

    def trace_to(self, on_trace: Callable[[str, bytes], None] | None) -> None:
        """Have what is read and written from now on told to `on_trace`, beginning with a PDU that is half read."""
        self._on_trace = on_trace
        if on_trace is not None and self._session.unread:
            on_trace("in", self._session.unread)

    @property
    def room(self) -> int:
        return self._session.room if self.is_bound else 0

    @property
    def oldest_unanswered_at(self) -> float | None:
        return None if self.closed.done() else self._session.oldest_unanswered_at

    def submit(self, bodies: Sequence[bytes], tokens: Sequence[object]) -> None:
        now = time.monotonic()
        self._session.submit(bodies, tokens, now)
        self._sent_at[id(tokens[-1])] = (now, tokens[-1])
        self._flush()

    def answer(self, sequence_numbers: Sequence[int], statuses: Sequence[int]) -> None:
        """Answer deliveries; nothing happens once the link is closed: the provider will send them again."""
        self._unanswered -= len(sequence_numbers)
        if self.closed.done():
            return
        self._session.answer_deliveries(sequence_numbers, statuses)
        self._flush()
        self._read_on()

    async def unbind(self) -> None:
        """Say goodbye and wait for the answer, then close."""
        if self.is_bound and not self.closed.done():
            self._session.unbind(time.monotonic())
            self._flush()
            await asyncio.wait([self.closed], timeout=UNBIND_WAIT_S)
        self.close("unbound")

    def close(self, reason: str) -> None:
        self._handle(self._session.close())
        self._end(reason, ())

    # -- asyncio -----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        self._transport.set_write_buffer_limits(high=WRITE_OCTETS)
        self._session.bind(*self.endpoint.bind, now=time.monotonic(), beyond_standard=True)
        self._flush()
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def data_received(self, data: bytes) -> None:
        if self._on_trace is not None:
            self._on_trace("in", data)
        self._handle(self._session.receive_data(data, time.monotonic()))

    def pause_writing(self) -> None:
        """The provider asks, and does not read our answers. If it never does, the session's timers end the link."""
        self._is_clogged = True
        self._read_less()

    def resume_writing(self) -> None:
        self._is_clogged = False
        self._read_on()

    def connection_lost(self, error: Exception | None) -> None:
        self._handle(self._session.receive_eof(time.monotonic()))
        self._end(f"the connection was lost: {error}" if error else "the provider closed the connection", ())

    # -- within ------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        if self.closed.done():
            return
        now = time.monotonic()
        deadline = self._session.next_deadline()
        if deadline is not None and deadline <= now:
            self._handle(self._session.tick(now))
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _handle(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case SubmitResults(tokens, statuses, ids):
                    self._clock_round_trip(tokens)
                    self._owner.link_results(self, tokens, statuses, ids)
                case Deliveries(pdus):
                    self._unanswered += len(pdus)
                    self._owner.link_deliveries(self, pdus)
                case SubmitsExpired(tokens):
                    for one in map(id, tokens):
                        self._sent_at.pop(one, None)
                    self._owner.link_expired(self, tokens)
                case Bound():
                    self.is_bound, self.bound_at = True, time.monotonic()
                    self._owner.link_bound(self)
                case BindFailed(_, text):
                    self._end(f"the provider refused the log-in: {text}", ())
                case Malformed():
                    self.malformed += 1
                case Closed(reason, unanswered):
                    self._flush()
                    self._end(reason, unanswered)
        self._flush()
        if self._unanswered > UNANSWERED_DELIVERIES:
            self._read_less()

    def _read_less(self) -> None:
        if self._is_reading and self._transport is not None:
            self._is_reading = False
            self._transport.pause_reading()

    def _read_on(self) -> None:
        has_room = self._unanswered < UNANSWERED_DELIVERIES // 2 and not self._is_clogged
        if has_room and not self._is_reading and self._transport is not None:
            self._is_reading = True
            self._transport.resume_reading()

    def _clock_round_trip(self, tokens: Sequence[object]) -> None:
        """Measure on the last message of each write: one figure a write is enough, and costs nothing a message."""
        now = time.monotonic()
        for one in self._sent_at.keys() & map(id, tokens):
            self.round_trips.append(now - self._sent_at.pop(one)[0])

    def _flush(self) -> None:
        data = self._session.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            if self._on_trace is not None:
                self._on_trace("out", data)
            self._transport.write(data)

    def _end(self, reason: str, unanswered: Sequence[object]) -> None:
        if self.closed.done():
            return
        self.is_bound = False
        self.closed.set_result(reason)
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()
        self._owner.link_closed(self, reason, unanswered)


async def connect(link: Link) -> None:
    """Open the link's TCP connection (and TLS); it binds by itself. Bounded by the bind time-out; raises OSError,
    ssl.SSLError, TimeoutError or an EgressDenied."""
    endpoint = link.endpoint
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(endpoint.bind_s):
        problem: OSError | None = None
        for family, address in await endpoint.egress.resolve(endpoint.host, endpoint.port):
            connection = socket.socket(family, socket.SOCK_STREAM)
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                await loop.sock_connect(connection, address)
            except OSError as error:
                connection.close()
                problem = error
                continue
            except BaseException:
                connection.close()
                raise
            context = tls_context(endpoint.tls, endpoint.trust) if endpoint.tls else None
            server_name = endpoint.host if context else None
            await loop.create_connection(lambda: link, sock=connection, ssl=context, server_hostname=server_name)
            return
        raise problem or OSError(f"{endpoint.host} has no address")
