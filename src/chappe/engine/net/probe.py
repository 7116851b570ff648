"""One connection of a check: a session of its own around one socket, every wait bounded by whoever waits.

It leaves the engine's links alone. What happens is kept in attributes, and `News` wakes whoever waits for one of them.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import cast

from chappe.engine.net.smpp_client import Endpoint, tls_context
from chappe.smpp import CommandId, CommandStatus, Delivery, LocalProtocolError, Role, Session, Timers, trace
from chappe.smpp.event import (
    BindFailed,
    Bound,
    Closed,
    Deliveries,
    Event,
    Malformed,
    SubmitResults,
    UnbindReceived,
)
from chappe.smpp.pdu import HEADER, HEADER_LENGTH

INTERFACE_VERSION = 0x34
FIRST_PING = 0x70000001
"""enquire_link goes out under numbers that the session, which counts from 1, does not reach."""
LONGEST_PDU = 65_536
MOST_MALFORMED = 100

OnPdu = Callable[[str, str], None]
"""Called with "in" or "out" and a line that holds no password and no text."""


class News:
    """Wakes whoever waits for something to become so, on whichever connection it happens."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        self._event.set()

    async def until(self, is_so: Callable[[], bool], seconds: float) -> bool:
        """Whether it became so within this time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not is_so():
                    self._event.clear()
                    await self._event.wait()
        return is_so()


class Probe(asyncio.Protocol):
    """`take` gets what is delivered and must see to its answers."""

    def __init__(
        self,
        endpoint: Endpoint,
        news: News,
        take: "Callable[[Probe, Sequence[Delivery]], None]",
        on_pdu: OnPdu | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.bound: Bound | None = None
        self.refusal: BindFailed | None = None
        self.closed = ""
        """Why the session ended; empty while it has not."""
        self.is_broken = False
        """Whether it ended by octets that are not SMPP."""
        self.has_unbound = False
        self.first_octets = b""
        self.malformed: list[str] = []
        """What could not be read, the first of it."""
        self.results: dict[object, tuple[int, bytes]] = {}
        """Status and raw id of each submit, by its token."""
        self.round_trips: list[float] = []
        self._news = news
        self._take = take
        self._incoming, self._outgoing = Cutter("in", on_pdu), Cutter("out", on_pdu)
        self._pings: dict[int, float] = {}
        self._next_ping = FIRST_PING
        self._transport: asyncio.Transport | None = None
        self._is_lost = False
        self.session = Session(Role.ESME, Timers(None, None, None), endpoint.window)

    @property
    def is_usable(self) -> bool:
        """Logged in, and neither side has said goodbye."""
        return self.bound is not None and not self.closed and not self.has_unbound

    # -- what the check asks -----------------------------------------------------------------------------------------

    async def bind(self, seconds: float) -> None:
        """Ask to be logged in; afterwards `bound`, `refusal` or `closed` is set, or none where nobody answered."""
        if not self.closed:
            try:
                self._ask_to_bind(time.monotonic())
            except LocalProtocolError:
                self.refusal = BindFailed(CommandStatus.ESME_RINVBNDSTS, "outbind came first")
        await self._news.until(lambda: bool(self.bound or self.refusal or self.closed), seconds)

    async def ping(self, seconds: float) -> bool:
        """Send enquire_link and note how long its answer takes; false where none came."""
        number, self._next_ping = self._next_ping, self._next_ping + 1
        self._pings[number] = time.monotonic()
        self._write(HEADER.pack(HEADER_LENGTH, CommandId.ENQUIRE_LINK, 0, number))
        answered = len(self.round_trips)
        await self._news.until(lambda: len(self.round_trips) > answered or bool(self.closed), seconds)
        return len(self.round_trips) > answered

    async def submit(self, body: bytes, token: object, seconds: float) -> None:
        """Send a message; its answer is in `results` afterwards, if it came in time."""
        self.session.submit([body], [token], time.monotonic())
        self._flush()
        await self._news.until(lambda: token in self.results or bool(self.closed), seconds)

    def answer(self, delivery: Delivery, status: int) -> None:
        self.session.answer_deliveries([delivery.sequence_number], [status])
        self._flush()

    async def unbind(self, seconds: float) -> bool:
        """Log out; whether the provider answered."""
        if not self.is_usable:
            return True
        self.session.unbind(time.monotonic())
        self._flush()
        return await self._news.until(lambda: bool(self.closed), seconds)

    async def end(self) -> None:
        """Close at once, and wait until the socket is."""
        if self._transport is not None:
            self._transport.abort()
            await self._news.until(lambda: self._is_lost, 1.0)

    @property
    def tls(self) -> ssl.SSLObject | None:
        found: ssl.SSLObject | None = self._transport.get_extra_info("ssl_object") if self._transport else None
        return found

    # -- asyncio -----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if len(self.first_octets) < HEADER_LENGTH:
            self.first_octets += data[:HEADER_LENGTH]
        for pdu in self._incoming.cut(data):
            self._look_for_answer(pdu, now)
        self._handle(self.session.receive_data(data, now))

    def connection_lost(self, error: Exception | None) -> None:
        self._is_lost = True
        self._handle(self.session.receive_eof(time.monotonic()))
        self._news.tell()

    # -- within ------------------------------------------------------------------------------------------------------

    def _ask_to_bind(self, now: float) -> None:
        """Raises LocalProtocolError for a transmitter that the provider asked by outbind to be a receiver."""
        self.session.bind(*self.endpoint.bind, now=now, beyond_standard=True)
        self._flush()

    def _look_for_answer(self, pdu: bytes, now: float) -> None:
        """The session makes no event of an answer to enquire_link: it is known by its number."""
        _, command_id, _, number = HEADER.unpack_from(pdu)
        if command_id == CommandId.ENQUIRE_LINK_RESP and (asked := self._pings.pop(number, None)) is not None:
            self.round_trips.append(now - asked)

    def _handle(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case Bound():
                    self.bound = event
                case BindFailed():
                    self.refusal = event
                case SubmitResults(tokens, statuses, ids):
                    for token, status, raw_id in zip(tokens, statuses, ids, strict=True):
                        self.results[token] = (status, raw_id)
                case Deliveries(pdus):
                    self._take(self, pdus)
                case UnbindReceived():
                    self.has_unbound = True
                case Malformed(error) if len(self.malformed) < MOST_MALFORMED:
                    self.malformed.append(str(error))
                case Closed(reason, _, error):
                    self.closed, self.is_broken = reason, error is not None
        self._flush()
        self._news.tell()

    def _flush(self) -> None:
        self._write(self.session.data_to_send())

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._outgoing.cut(data)
            self._transport.write(data)


class Cutter:
    """Cuts octets of one direction into PDUs, until they are none; shows each to `on_pdu`."""

    def __init__(self, direction: str, on_pdu: OnPdu | None) -> None:
        self._direction = direction
        self._on_pdu = on_pdu
        self._held = b""
        self._is_stream = True

    def cut(self, data: bytes) -> list[bytes]:
        """The PDUs that are whole by now."""
        if not self._is_stream:
            return []
        data, start, found = self._held + data, 0, []
        while len(data) - start >= HEADER_LENGTH:
            length = int.from_bytes(data[start : start + 4], "big")
            if not HEADER_LENGTH <= length <= LONGEST_PDU:
                self._is_stream = False
                break
            if len(data) - start < length:
                break
            found.append(data[start : start + length])
            start += length
        self._held = data[start:] if self._is_stream else b""
        if self._on_pdu is not None:
            for pdu in found:
                self._on_pdu(self._direction, trace(pdu))
        return found


async def open_tcp(family: socket.AddressFamily, address: tuple[str, int], seconds: float) -> socket.socket:
    """A connected socket. Raises OSError; TimeoutError, which is one, where nobody answers."""
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException:
        connection.close()
        raise
    return connection


async def start(probe: Probe, connection: socket.socket, seconds: float) -> None:
    """Put `probe` on a connected socket, behind TLS where its endpoint says so. Raises OSError, as ssl.SSLError is."""
    endpoint = probe.endpoint
    context = tls_context(endpoint.tls, endpoint.trust) if endpoint.tls else None
    async with asyncio.timeout(seconds):
        await asyncio.get_running_loop().create_connection(
            lambda: probe, sock=connection, ssl=context, server_hostname=endpoint.host if context else None
        )
