"""HTTP requests outwards, each bounded in time and size, to addresses that the egress policy allows, without redirects.

What is told apart is whether a request may have been read: `NotSent` says that no octet of it went out, `NoAnswer` that it
may have been taken.
"""

import ipaddress
import socket
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

import chappe
from chappe.engine.net.egress import EgressDenied, EgressPolicy, HostNotFound
from chappe.messaging import ChappeError, ConfigError, FieldError
from chappe.providers.http import HttpRequest, HttpResponse

MOST_ANSWER = 1 << 20
"""Octets of an answer's body that are read."""
KEEP_ALIVE_S = 4.0
"""Shorter than servers keep idle connections, so that we rarely write into one that is being closed."""
DNS_S = 10
MOST_PLACES = 1_000
"""Addresses remembered with what they were found to be; most connections have one."""
_AGENT = f"Chappe/{chappe.__version__}"
_AUTOMATIC = ("Accept-Encoding", "User-Agent", "Content-Type", "Accept")


class NotSent(ChappeError):
    """No octet of the request went out: the provider could not be reached, or may not be called."""

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
        except (ssl.SSLError, ValueError):
            raise ConfigError([FieldError("certificate_authority", "expected certificates in PEM")]) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate:
            self._identify(context)
        return context

    def _identify(self, context: ssl.SSLContext) -> None:
        # The library reads certificates from files alone; this one is ours alone, and gone at once.
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            Path(file.name).chmod(0o600)
            file.write(f"{self.certificate}\n{self.key}\n")
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
            skip_auto_headers=_AUTOMATIC,
            auto_decompress=False,
            trust_env=False,
        )
        self._places: dict[str, tuple[str, yarl.URL]] = {}
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    async def exchange(self, request: HttpRequest, *, timeout_s: float) -> HttpResponse:
        """Send a request and read its answer, whatever its status. Raises NotSent or NoAnswer."""
        host, url = self._place(request.url)
        try:
            async with self._session.request(
                request.method,
                url,
                data=request.body or None,
                headers=[("User-Agent", _AGENT), *request.headers],
                timeout=self._timeout(timeout_s),
                allow_redirects=False,
            ) as response:
                body = await _read(response.content)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return HttpResponse(response.status, body, headers)
        except (aiohttp.ClientError, OSError, TimeoutError, ChappeError, ValueError) as error:
            raise _told(error, host, timeout_s, self._connect_s) from error

    def _place(self, text: str) -> tuple[str, yarl.URL]:
        """The host of an address, and the address as the library takes it, octet for octet. Raises NotSent."""
        known = self._places.get(text)
        if known is None:
            try:
                host = urlsplit(text).hostname or ""
                self._guard.literal(host)
                known = host, yarl.URL(text, encoded=True)
            except EgressDenied as error:
                raise NotSent(str(error)) from None
            except ValueError:
                raise NotSent("the address that is to be called is none") from None
            if len(self._places) >= MOST_PLACES:
                self._places.clear()
            self._places[text] = known
        return known

    def _timeout(self, timeout_s: float) -> aiohttp.ClientTimeout:
        found = self._timeouts.get(timeout_s)
        if found is None:
            found = aiohttp.ClientTimeout(
                total=timeout_s + self._connect_s, connect=self._connect_s, sock_read=timeout_s
            )
            self._timeouts = {timeout_s: found}
        return found

    async def close(self) -> None:
        await self._session.close()


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


def _told(error: Exception, host: str, timeout_s: float, connect_s: float) -> NotSent | NoAnswer:
    """What an error of the library means."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return NotSent(f"{host} could not be connected to within {connect_s:g} s")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return NotSent(f"{host}: the TLS connection failed: {_tls_words(error)}")
        case aiohttp.ClientConnectorDNSError() | aiohttp.ClientConnectorError():
            return _not_connected(error, host)
        case EgressDenied():
            return NotSent(str(error))
        case HostNotFound():
            return NotSent(str(error))
        case aiohttp.InvalidURL():
            return NotSent(f"{host or 'the address'} cannot be called: not a valid address")
        case TimeoutError():
            return NoAnswer(f"no answer from {host} within {timeout_s:g} s")
        case aiohttp.ServerDisconnectedError():
            return NoAnswer(f"{host} closed the connection before it answered")
        case aiohttp.ClientPayloadError():
            return NoAnswer(f"the answer of {host} broke off")
        case aiohttp.ClientResponseError():
            return NoAnswer(f"{host} answered something that is not HTTP")
        case ValueError():
            return Unwritable(f"the request to {host} cannot be written: a header has characters that it may not have")
    return NoAnswer(f"the connection to {host} was lost: {type(error).__name__}")


def _not_connected(error: aiohttp.ClientConnectorError, host: str) -> NotSent:
    cause = error.__cause__
    if isinstance(cause, EgressDenied | HostNotFound):
        return NotSent(str(cause))
    return NotSent(f"{host} could not be connected to: {error.os_error.strerror or error.os_error}")


def _tls_words(error: Exception) -> str:
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    return str(getattr(cause, "reason", "") or cause)


__all__ = ["HttpClient", "NoAnswer", "NotSent", "Tls", "Unwritable"]
