"""The other end of a link: a listener that counts and says what it is told, and an owner that remembers."""

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from chappe.engine.net.egress import EgressPolicy
from chappe.engine.net.smpp_client import Endpoint, Link
from chappe.providers.smpp import BindParameters
from chappe.smpp import BindKind, Delivery

LOOPBACK = EgressPolicy(networks=(ipaddress.ip_network("127.0.0.0/8"),))


def endpoint(**values: Any) -> Endpoint:
    given: dict[str, Any] = {
        "bind": BindParameters(BindKind.TRANSCEIVER, b"relais", b"secret", b"", 0x34, 0, 0, b""),
        "host": "127.0.0.1",
        "port": 2775,
        "window": 10,
        "response_s": 5.0,
        "bind_s": 2.0,
        "enquire_link_s": 60.0,
        "tls": "",
        "egress": LOOPBACK,
    }
    return Endpoint(**{**given, **values})


class Remembering:
    """Who a link works for: keeps what it is told."""

    def __init__(self) -> None:
        self.bound = 0
        self.closed: list[str] = []
        self.unanswered: list[object] = []
        self.deliveries: list[Delivery] = []
        self.results: list[object] = []

    def link_bound(self, link: Link) -> None:
        self.bound += 1

    def link_results(self, link: Link, tokens: Sequence[object], statuses: Sequence[int], ids: Sequence[bytes]) -> None:
        self.results += tokens

    def link_expired(self, link: Link, tokens: Sequence[object]) -> None:
        self.unanswered += tokens

    def link_deliveries(self, link: Link, deliveries: Sequence[Delivery]) -> None:
        self.deliveries += deliveries

    def link_closed(self, link: Link, reason: str, unanswered: Sequence[object]) -> None:
        self.closed.append(reason)
        self.unanswered += unanswered


def owner() -> Remembering:
    return Remembering()


class Listener:
    """Takes TCP connections, gives each what `answer` says to what it reads, and never speaks first."""

    def __init__(
        self, answer: Callable[[bytes], bytes] = lambda data: b"", context: ssl.SSLContext | None = None
    ) -> None:
        self.port = 0
        self.connections = 0
        self.read = b""
        self._answer = answer
        self._context = context
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while data := await reader.read(65536):
                self.read += data
                if answer := self._answer(data):
                    writer.write(answer)
                    await writer.drain()
        except (ConnectionError, ssl.SSLError):
            return
