"""Servers that a test writes octet by octet, with or without TLS, and a client that calls one."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.engine.certificate import Issued
from tests.engine.link_end import LOOPBACK

from chappe.engine.net.egress import EgressPolicy
from chappe.engine.net.http_client import HttpClient, NoAnswer, NotSent, Tls
from chappe.providers.http import HttpRequest, HttpResponse

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Script = Callable[["Peer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """Takes connections, and does on each what the script says; counts them, and keeps the requests that were read."""

    def __init__(self, script: Script, context: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []
        self._script, self._context = script, context
        self._running: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """One request, head and body; b"" at the end of the connection."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return b""
        size = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        request = head + await reader.readexactly(size)
        self.requests.append(request)
        return request

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        try:
            with suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
                await self._script(self, reader, writer)
        except asyncio.CancelledError:
            pass  # the end of the test; asyncio would report it
        finally:
            self._running.discard(task)
            writer.transport.abort()


def answering(*answers: bytes, then_close: bool = False) -> Script:
    """Each request of a connection gets the next answer, the last one again and again."""

    async def script(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        given = list(answers)
        while await peer.read(reader):
            writer.write(given[0])
            await writer.drain()
            given = given[1:] or given
            if then_close:
                writer.close()
                await writer.wait_closed()
                return

    return script


async def hang(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read requests, and say nothing."""
    while await peer.read(reader):
        pass


class Resolver:
    """A name server, played at the loop: each lookup of a name gets its next answer, the last one again and again."""

    def __init__(self, **answers: Sequence[str]) -> None:
        self.asked: list[str] = []
        self._answers = {name.replace("_", "."): list(given) for name, given in answers.items()}

    async def __call__(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        given = self._answers.get(host.rstrip("."))
        if given is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        one = given.pop(0) if len(given) > 1 else given[0]
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))]

    def install(self) -> Self:
        asyncio.get_running_loop().getaddrinfo = self  # type: ignore[method-assign,assignment]
        return self


Outcome = HttpResponse | NotSent | NoAnswer


async def call(
    url: str,
    *,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"{}",
    method: str = "POST",
    timeout_s: float = 5.0,
    connect_s: float = 5.0,
    tls: Tls | None = None,
    egress: EgressPolicy = LOOPBACK,
) -> Outcome:
    """What comes of one request by a client of its own."""
    client = HttpClient(egress, connect_s=connect_s, tls=tls.context() if tls else None)
    try:
        return await client.exchange(HttpRequest(method, url, tuple(headers), body), timeout_s=timeout_s)
    except (NotSent, NoAnswer) as error:
        return error
    finally:
        await client.close()


def reason(outcome: Outcome, kind: type[NotSent] | type[NoAnswer]) -> str:
    """Why there is no answer, which must be of exactly this kind."""
    assert type(outcome) is kind, outcome
    assert isinstance(outcome, NotSent | NoAnswer)
    return outcome.reason


def pem(issued: Issued) -> tuple[str, str]:
    """A certificate and its key, as they are pasted into settings."""
    key = issued.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return issued.certificate.public_bytes(Encoding.PEM).decode(), key.decode()


def server_context(folder: Path, issued: Issued, client_authority: Issued | None = None) -> ssl.SSLContext:
    """A server that shows this certificate, and asks for one by that authority."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*issued.write(folder, "server"))
    if client_authority is not None:
        context.load_verify_locations(cadata=pem(client_authority)[0])
        context.verify_mode = ssl.CERT_REQUIRED
    return context
