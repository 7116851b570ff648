"""HTTP requests outwards, each bounded in time and size, to addresses that the egress policy allows, without redirects.

What is told apart is whether a request may have been read: `NotSent` says that nobody acted upon it, `NoAnswer` that it may
have been taken. The time to connect covers the wait for a free connection, the name server, TCP and TLS; the time to answer
begins when the request goes out, and covers that too.

A connection that is kept may be closed by the server at any moment, and a request that it read looks the same from here as one
that crossed the close. So none is sent again; but connections are let go before servers usually close them, sooner where the
server says so, and what the network has heard already is heeded before one is used.
"""

import asyncio
import io
import ipaddress
import math
import os
import re
import socket
import ssl
import tempfile
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

import chappe
from chappe.engine.net.egress import EgressDenied, EgressPolicy, HostNotFound
from chappe.messaging import ChappeError, ConfigError, FieldError
from chappe.providers.http import HttpRequest, HttpResponse

MOST_ANSWER = 1 << 20
"""Octets of an answer's body that are read."""
LONG_BODY = 1 << 16
KEEP_ALIVE_S = 4.0
"""Shorter than servers keep idle connections, so that we rarely write into one that is being closed."""
HEARING_TURNS = 3
"""Turns of the loop after which a close that has arrived is known, with TLS and without."""
DNS_S = 10
MOST_PLACES = 1_000
"""Addresses remembered with what they were found to be; most connections have one."""
_HEADERS = (("User-Agent", f"Chappe/{chappe.__version__}"), ("Accept-Encoding", "identity"))
"""Unless a request has its own. Without the second a server may choose any coding (RFC 9110, section 12.5.3)."""
_AUTOMATIC = ("Accept-Encoding", "User-Agent", "Content-Type", "Accept")
_PLAIN_ADDRESS = re.compile(r"https?://[!-\[\]-~]+", re.IGNORECASE)
"""Printable ASCII without a backslash, of which readers of addresses make different things."""
_KEPT_FOR = re.compile(r"\btimeout\s*=\s*([0-9]{1,9})\b", re.IGNORECASE)
_ABOUT_OUR_CERTIFICATE = frozenset(
    {
        "TLSV13_ALERT_CERTIFICATE_REQUIRED",
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV1_ALERT_ACCESS_DENIED",
        "TLSV1_ALERT_DECRYPT_ERROR",
        "SSLV3_ALERT_BAD_CERTIFICATE",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE",
        "SSLV3_ALERT_CERTIFICATE_REVOKED",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
    }
)
"""Alerts of a server that turns away whom it was to hear. By TLS 1.3 they come when our side has ended the handshake and the
request is on its way; the server has not looked at it (RFC 8446, sections 4.4.2.4 and 6.2)."""


class NotSent(ChappeError):
    """Nobody acted upon the request: the provider could not be reached, may not be called, or does not hear us."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unwritable(NotSent):
    """It is this request that cannot be sent; others may."""


class NoAnswer(ChappeError):
    """The request went out, or part of it, and no whole answer came."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Journey:
    """How far a request has come, for who wants to know although nothing was returned or raised: a task that is cancelled."""

    __slots__ = ("_clock", "_timeout_s", "_transport", "has_left")

    def __init__(self) -> None:
        self.has_left = False
        self._transport: asyncio.Transport | None = None
        self._clock = asyncio.timeout(None)
        self._timeout_s = 0.0

    def begin(self, timeout_s: float) -> asyncio.Timeout:
        """The bound of the answer, which counts from `leave`."""
        self.has_left, self._transport = False, None
        self._timeout_s, self._clock = timeout_s, asyncio.timeout(None)
        return self._clock

    def leave(self, transport: asyncio.Transport | None) -> None:
        """The first octet is about to be written."""
        self.has_left, self._transport = True, transport
        self._clock.reschedule(asyncio.get_running_loop().time() + self._timeout_s)

    def end(self) -> None:
        """Give the connection up at once: closed in the usual way it would stay for as long as the peer does not read."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None


_JOURNEY: ContextVar[Journey] = ContextVar("journey")


class _Request(aiohttp.ClientRequest):
    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        journey = _JOURNEY.get()
        if journey.has_left:
            # The library sends a PUT or a GET again of its own accord where a kept connection closes.
            raise aiohttp.ServerDisconnectedError
        journey.leave(conn.transport)
        try:
            return await super().send(conn)
        except ValueError as error:
            journey.has_left = False  # the head is put together, and found wanting, before anything is written
            raise Unwritable("a header has characters that it may not have") from error


@dataclass(frozen=True)
class Tls:
    """Certificates in PEM: whom we trust ("" for the system's) and who we are ("" for nobody in particular)."""

    authority: str = ""
    certificate: str = ""
    key: str = field(default="", repr=False)

    def context(self) -> ssl.SSLContext:
        """Raises ConfigError naming the setting whose text is not what it should be."""
        try:
            context = ssl.create_default_context(cadata=self.authority or None)
        except (ssl.SSLError, ValueError, TypeError):  # the last for what is not ASCII
            raise ConfigError([FieldError("certificate_authority", "expected certificates in PEM")]) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate:
            self._identify(context)
        return context

    def _identify(self, context: ssl.SSLContext) -> None:
        # The library reads certificates from files alone; this one is ours alone, and gone at once.
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            Path(file.name).chmod(0o600)
            file.write(f"{self.certificate}\n{self.key}\n".encode("utf-8", "replace"))
            file.flush()
            try:
                context.load_cert_chain(file.name, password="")
            except (ssl.SSLError, ValueError, OSError):
                words = "expected a certificate in PEM that fits the private key, which has no passphrase"
                raise ConfigError([FieldError("client_certificate", words)]) from None


@dataclass
class _Guard(AbstractResolver):
    """Resolves names as the policy allows, and lets sockets be made to what was allowed alone."""

    policy: EgressPolicy
    approved: set[str] = field(default_factory=set)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self.policy.resolve(host, port)
        self.approved = {address for _, (address, _) in found} | set(list(self.approved)[:64])
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, (address, port) in found
        ]

    async def close(self) -> None:
        pass

    def literal(self, host: str) -> None:
        """Check a host that is an address already. Raises EgressDenied."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return  # a name: it will be resolved
        self.policy.check(host, address)
        self.approved.add(str(address))

    def open(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for the address that is about to be connected to."""
        family, kind, protocol, _, place = info
        address = str(ipaddress.ip_address(str(place[0]).partition("%")[0]))
        if address not in self.approved:
            self.policy.check(address, ipaddress.ip_address(address))
        return socket.socket(family, kind, protocol)


class HttpClient:
    """Connections that are kept open, to one or a few hosts. Belongs to the running loop; `close` it."""

    def __init__(
        self, egress: EgressPolicy, *, connections: int = 50, connect_s: float = 10.0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._guard = _Guard(egress)
        self._connect_s = connect_s
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._guard,
                ssl=tls or Tls().context(),
                limit=connections,
                keepalive_timeout=KEEP_ALIVE_S,
                ttl_dns_cache=DNS_S,
                socket_factory=self._guard.open,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            request_class=_Request,
            skip_auto_headers=_AUTOMATIC,
            auto_decompress=False,
            trust_env=False,
            # Exactly so long: the library would round five seconds and more up to whole ones.
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_s, ceil_threshold=math.inf),
        )
        self._places: dict[str, tuple[str, yarl.URL]] = {}

    async def exchange(self, request: HttpRequest, *, timeout_s: float, journey: Journey | None = None) -> HttpResponse:
        """Send a request and read its answer, whatever its status. Raises NotSent or NoAnswer."""
        if self._session.closed:
            raise NotSent("the connections were closed")
        host, url = self._place(request.url)
        journey = journey or Journey()
        token = _JOURNEY.set(journey)
        try:
            await _hear()
            async with journey.begin(timeout_s):
                return await self._answer(request, url, journey)
        except (aiohttp.ClientError, OSError, TimeoutError, ChappeError, ValueError) as error:
            told = _no_answer(error, host, timeout_s) if journey.has_left else _not_sent(error, host, self._connect_s)
            raise told from error
        finally:
            _JOURNEY.reset(token)

    async def _answer(self, request: HttpRequest, url: yarl.URL, journey: Journey) -> HttpResponse:
        try:
            return await self._whole_answer(request, url)
        except BaseException:
            journey.end()
            raise

    async def _whole_answer(self, request: HttpRequest, url: yarl.URL) -> HttpResponse:
        response = await self._session.request(
            request.method, url, data=_written(request.body), headers=_with_ours(request), allow_redirects=False
        )
        try:
            body = await _read(response.content)
            headers = {name.lower(): value for name, value in response.headers.items()}
            if kept_s := _KEPT_FOR.search(headers.get("keep-alive", "")):
                self._keep_for(int(kept_s[1]) - 1)
            return HttpResponse(response.status, body, headers)
        finally:
            response.release()  # where either side is not through, this closes the connection

    def _keep_for(self, seconds: int) -> None:
        """Let idle connections go no later than so: the server said when it does (Keep-Alive: timeout=2)."""
        connector = self._session.connector
        if connector is not None and seconds < KEEP_ALIVE_S:
            connector._keepalive_timeout = min(connector._keepalive_timeout or 0.0, seconds)  # it has no public name

    def _place(self, text: str) -> tuple[str, yarl.URL]:
        """The host of an address, and the address as the library takes it, octet for octet. Raises NotSent."""
        known = self._places.get(text)
        if known is None:
            known = _read_address(text)
            try:
                self._guard.literal(known[0])
            except EgressDenied as error:
                raise NotSent(str(error)) from None
            if len(self._places) >= MOST_PLACES:
                self._places.clear()
            self._places[text] = known
        return known

    async def close(self) -> None:
        await self._session.close()


def _read_address(text: str) -> tuple[str, yarl.URL]:
    """Its host, and as the library takes it. Raises NotSent, without the address: its query may hold a secret."""
    url: yarl.URL | None = None
    try:
        url = yarl.URL(text, encoded=True) if _PLAIN_ADDRESS.fullmatch(text) else None
        host = "" if url is None or not url.port else url.raw_host or ""
    except ValueError:
        host = ""
    if url is None or not host:
        raise NotSent("the address that is to be called is none")
    if url.raw_user is not None or url.raw_password is not None:
        raise NotSent("the address that is to be called holds a user or a password")
    return host, url


def _written(body: bytes) -> bytes | io.BytesIO | None:
    """A long one piece by piece, so that other connections are not kept waiting."""
    return io.BytesIO(body) if len(body) > LONG_BODY else body or None


def _with_ours(request: HttpRequest) -> list[tuple[str, str]]:
    names = {name.lower() for name, _ in request.headers}
    return [*(header for header in _HEADERS if header[0].lower() not in names), *request.headers]


async def _hear() -> None:
    """Let the loop heed what it has been told already: that a kept connection was closed, above all."""
    for _ in range(HEARING_TURNS):
        await asyncio.sleep(0)


async def _read(content: aiohttp.StreamReader) -> bytes:
    """The body; what is beyond the bound stays unread, and so closes the connection."""
    parts: list[bytes] = []
    size = 0
    while size < MOST_ANSWER:
        part = await content.read(MOST_ANSWER - size)
        if not part:
            break
        parts.append(part)
        size += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _not_sent(error: Exception, host: str, connect_s: float) -> NotSent:
    """What an error means that came before the request was on its way."""
    match error:
        case Unwritable():
            return Unwritable(f"the request to {host} cannot be written: {error.reason}")
        case EgressDenied() | HostNotFound():
            return NotSent(str(error))
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return NotSent(f"{host}: the TLS connection failed: {tls_words(error)}")
        case aiohttp.ClientConnectorError():
            return _not_connected(error, host)
        case aiohttp.InvalidURL():
            return NotSent(f"{host} cannot be called: not a valid address")
        case TimeoutError():
            return NotSent(f"{host} could not be connected to within {connect_s:g} s")
    return NotSent(f"{host} could not be connected to: {type(error).__name__}")


def _no_answer(error: Exception, host: str, timeout_s: float) -> NotSent | NoAnswer:
    """What an error means that came when the request was on its way."""
    match error:
        case TimeoutError():
            return NoAnswer(f"no answer from {host} within {timeout_s:g} s")
        case aiohttp.ServerDisconnectedError():
            return NoAnswer(f"{host} closed the connection before it answered")
        case aiohttp.ClientPayloadError():
            return NoAnswer(f"the answer of {host} broke off")
        case aiohttp.ClientResponseError():
            return NoAnswer(f"{host} answered something that is not HTTP")
    alert = _alert(error)
    if alert in _ABOUT_OUR_CERTIFICATE:
        return NotSent(f"{host} does not accept our client certificate, or wants one: {_words_of(alert)}")
    return NoAnswer(f"the connection to {host} was lost: {type(error).__name__}")


def _alert(error: BaseException) -> str:
    """The library's name of the TLS alert that is behind an error; "" where there is none."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return cause.reason or ""
        cause = cause.__cause__
    return ""


def _words_of(reason: str) -> str:
    return reason.lower().replace("_", " ")


def _not_connected(error: aiohttp.ClientConnectorError, host: str) -> NotSent:
    cause = error.__cause__
    if isinstance(cause, EgressDenied | HostNotFound):
        return NotSent(str(cause))
    number = error.os_error.errno
    words = os.strerror(number) if number else str(error.os_error) or "the connection was closed"
    during = " during the TLS handshake" if error.ssl and not number else ""
    return NotSent(f"{host} could not be connected to: {words}{during}")


def tls_words(error: Exception) -> str:
    """Why a handshake failed, for people."""
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    alert = str(getattr(cause, "reason", "") or "")
    if alert in _ABOUT_OUR_CERTIFICATE:
        return f"our client certificate is not accepted, or one is wanted ({_words_of(alert)})"
    return _words_of(alert) or str(cause)


__all__ = ["HttpClient", "Journey", "NoAnswer", "NotSent", "Tls", "Unwritable", "tls_words"]
