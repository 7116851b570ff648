"""An ESME for the tests: our own session behind a socket, and ways to wait for what it is told."""

import asyncio
import functools
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from struct import unpack_from
from typing import Any, Self, cast

from chappe.simulator import Simulator
from chappe.smpp import BindKind, CommandId, Delivery, Pdu, Role, Session, SubmitTemplate, Timers, parse_receipt
from chappe.smpp.event import (
    BindFailed,
    Bound,
    Closed,
    Deliveries,
    Event,
    GenericResult,
    LinkDead,
    Malformed,
    SubmitResults,
    SubmitsExpired,
)

PATIENCE_S = 10.0
USUAL = Timers()
TEXT = b"Hello"


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an asynchronous test in a loop of its own, for a bounded time; what goes wrong in a callback fails it too."""

    @functools.wraps(test)
    def run(*arguments: object, **named: object) -> None:
        asyncio.run(watched(test(*arguments, **named)))

    return run


async def watched(test: Coroutine[Any, Any, None]) -> None:
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    await asyncio.wait_for(test, 3 * PATIENCE_S)
    assert not errors


class Client(asyncio.Protocol):
    """Tokens of messages are their places: `statuses[3]` is the answer to the fourth message sent. `log` says in which
    order answers and deliveries came."""

    def __init__(self, kind: BindKind, system_id: str, password: str, timers: Timers, window: int) -> None:
        self.session = Session(Role.ESME, timers, window)
        self.statuses: dict[int, int] = {}
        self.ids: dict[int, str] = {}
        self.expired: list[int] = []
        self.deliveries: list[Delivery] = []
        self.log: list[str] = []
        self.events: list[Event] = []
        self.bind_status: int | None = None
        self.is_bound = False
        self.is_closed = False
        self.answer_with: Callable[[Delivery], int | None] = lambda delivery: 0
        self.times: list[float] = []
        self.octets = b""
        self._bind = kind, system_id.encode(), password.encode()
        self._sent = 0
        self._changed = asyncio.Event()
        self._settled: set[int] = set()

    # What tests ask

    def submit(
        self,
        destinations: Iterable[str],
        texts: Sequence[bytes] = (TEXT,),
        *,
        registered: int = 1,
        esm_class: int = 0,
        data_coding: int = 0,
        tlvs: bytes = b"",
        source: str = "38600",
    ) -> None:
        """One message to each number, with the texts in turn, in one write."""
        template = SubmitTemplate(source_addr_ton=3, source_addr=source.encode(), dest_addr_ton=1, dest_addr_npi=1)
        bodies = [
            template.body(number.encode(), texts[place % len(texts)], esm_class, data_coding, registered, tlvs=tlvs)
            for place, number in enumerate(destinations)
        ]
        self.session.submit(bodies, range(self._sent, self._sent + len(bodies)), time.monotonic())
        self._sent += len(bodies)
        self._write()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for something this client is told."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def answered(self, count: int | None = None) -> None:
        """All messages have an answer, or so many."""
        wanted = self._sent if count is None else count
        await self.until(lambda: len(self.statuses) >= wanted)

    async def delivered(self, count: int) -> None:
        """So many deliver_sm came."""
        await self.until(lambda: len(self.deliveries) >= count)

    async def settled(self) -> None:
        """The simulator has read everything sent until now, and everything it said before is here."""
        token = len(self._settled)
        self.session.send_request(Pdu(CommandId.QUERY_SM, fields={"message_id": b"1"}), token, time.monotonic())
        self._write()
        await self.until(lambda: token in self._settled)

    def receipts(self) -> list[dict[str, str]]:
        """The texts of receipts, read."""
        return [parse_receipt(one.short_message) for one in self.deliveries if one.is_receipt]

    def commands(self) -> list[int]:
        """The command_id of everything that came in, in the order of the wire."""
        found, position = [], 0
        while position < len(self.octets):
            length, command_id = unpack_from(">II", self.octets, position)
            found.append(command_id)
            position += length
        return found

    def texts(self) -> list[Delivery]:
        """What came from phones."""
        return [one for one in self.deliveries if not one.is_receipt]

    def answer(self, deliveries: Sequence[Delivery], status: int = 0) -> None:
        """deliver_sm_resp for those that `answer_with` left open."""
        self.session.answer_deliveries([one.sequence_number for one in deliveries], [status] * len(deliveries))
        self._write()

    def tick(self, later_s: float = 0.0) -> None:
        """Let the session's timers see a later time."""
        self._take(self.session.tick(time.monotonic() + later_s))
        self._write()

    def close(self) -> None:
        self._transport.abort()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.session.bind(*self._bind, b"", 0x34, 0, 0, b"", time.monotonic())
        self._write()

    def data_received(self, data: bytes) -> None:
        self.octets += data
        self._take(self.session.receive_data(data, time.monotonic()))
        self._write()

    def connection_lost(self, error: Exception | None) -> None:
        self._take(self.session.receive_eof(time.monotonic()))
        self.is_closed = True
        self._changed.set()

    def _take(self, events: Sequence[Event]) -> None:
        self.events += events
        for event in events:
            match event:
                case SubmitResults(tokens, statuses, ids):
                    self.statuses.update(zip(tokens, statuses, strict=True))
                    self.ids.update(zip(tokens, [one.decode() for one in ids], strict=True))
                    self.times += [time.monotonic()] * len(tokens)
                    self.log += ["answer"] * len(tokens)
                case SubmitsExpired(tokens):
                    self.expired += tokens
                case Deliveries(pdus):
                    self._take_deliveries(pdus)
                case Bound():
                    self.is_bound, self.bind_status = True, 0
                case BindFailed(status, _):
                    self.bind_status = status
                case GenericResult(token, _):
                    self._settled.add(token)
                case Closed():
                    self.is_closed = True
                    self._write()
                    self._transport.close()
                case Malformed() | LinkDead():
                    self.log.append(type(event).__name__)
        self._changed.set()

    def _take_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        self.deliveries += deliveries
        self.log += ["delivery"] * len(deliveries)
        for one in deliveries:
            status = self.answer_with(one)
            if status is not None:
                self.session.answer_deliveries([one.sequence_number], [status])

    def _write(self) -> None:
        if data := self.session.data_to_send():
            self._transport.write(data)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


async def connect(
    smsc: Simulator,
    kind: BindKind = BindKind.TRANSCEIVER,
    system_id: str = "esme",
    password: str = "secret",
    *,
    timers: Timers = USUAL,
    window: int = 1000,
    tls: ssl.SSLContext | None = None,
) -> Client:
    """A client whose bind was answered, one way or the other."""
    client = Client(kind, system_id, password, timers, window)
    await asyncio.get_running_loop().create_connection(lambda: client, smsc.host, smsc.port, ssl=tls)
    await client.until(lambda: client.bind_status is not None or client.is_closed)
    return client


@asynccontextmanager
async def bound(smsc: Simulator, kind: BindKind = BindKind.TRANSCEIVER, **named: Any) -> AsyncIterator[Client]:
    """A client that is bound, and is gone afterwards."""
    async with await connect(smsc, kind, **named) as client:
        assert client.is_bound
        yield client


def numbers(count: int, first: int = 0) -> list[str]:
    """Numbers that differ."""
    return [f"336{number:08d}" for number in range(first, first + count)]
