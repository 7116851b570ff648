"""Try a connection by HTTP as the engine would use it: what was sent, what was answered, and how that was read."""

import asyncio
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec

from chappe.engine.exchange import excerpt, outcome_words, secret_values, written
from chappe.engine.http_flow import egress_of, mutual_tls, open_sender
from chappe.engine.net.diagnosis import (
    NOT_TRUSTED,
    SELF_SIGNED,
    SELF_SIGNED_IN_CHAIN,
    UNKNOWN_ISSUER,
    WRONG_ADDRESS,
    WRONG_HOST,
    connect_words,
    judge_certificate,
    judge_client_certificate,
)
from chappe.engine.net.egress import Bound, EgressDenied, HostNotFound
from chappe.engine.net.finding import Report
from chappe.engine.net.http_client import NoAnswer, NotSent, tls_words
from chappe.engine.net.http_sender import HttpSender, NoToken
from chappe.messaging import Accepted, Category, ConfigError, Deferred, OutboundMessage, Refused
from chappe.providers.http import Account, Found, HttpProvider, HttpRequest, HttpResponse, examiner

TEXT = "Test of the connection by Chappe"
CONNECT_S = 10.0
ALERT_S = 0.5
"""For which a server that has not sent anything yet may still turn our certificate away."""
LONGEST_SHOWN = 20_000
DIRECTIONS = ("base_url", "url", "endpoint_host")
"""Settings that say where messages go; the request of a test message settles it where none of these does."""


class ShownExchange(msgspec.Struct, frozen=True):
    """A request exactly as it went out and its answer exactly as it came, but for secrets; `reading`: what we made of it."""

    what: str
    request: str
    response: str
    reading: str
    took_ms: float


class HttpCheck:
    """One run over one connection. Nothing is raised for what a provider does."""

    def __init__(
        self,
        adapter: HttpProvider,
        account: Account,
        report: Report,
        bounds: tuple[Bound, ...] = (),
        *,
        is_public: bool = False,
    ) -> None:
        """`is_public`: this installation knows its own address, though the account may have no hook at it yet."""
        self._adapter, self._account, self._report = adapter, account, report
        self._bounds, self._is_public = bounds, is_public
        self._secrets = secret_values(adapter.SPEC, account.settings)
        self.exchanges: list[ShownExchange] = []

    async def run(self, number: str, text: str) -> None:
        """Certificates, the way there, the token, the credentials; then a test message where a number is given."""
        judge_client_certificate(self._account.settings.text("client_certificate"), datetime.now(UTC), self._report)
        try:
            sender = open_sender(self._adapter, self._account, self._bounds)
        except ConfigError as error:
            for one in error.errors:
                self._report.error(f"The setting '{one.field}' cannot be used: {one.message}.")
            return
        try:
            message = self._message(number, text) if number else None
            if number and message is None:
                return
            if await self._is_reachable(message) and await self._has_token(sender):
                await self._probe(sender)
                if message is not None:
                    await self._send(sender, message)
        finally:
            await sender.close()
        self._judge_hooks()

    # -- before anything is sent -------------------------------------------------------------------------------------

    def _message(self, number: str, text: str) -> HttpRequest | None:
        """The request of the test message; None where there can be none, which is then said."""
        if self._adapter.SPEC.hands_over:
            self._report.error(
                "No test message goes through another Chappe: send a delivery to your own telephone instead."
            )
            return None
        now_ms = int(time.time() * 1000)
        sample = OutboundMessage(
            id=now_ms,
            recipient=number,
            sender="",
            body=text or TEXT,
            category=int(Category.TRANSACTIONAL),
            attempt=0,
            tries=0,
            expires_ms=now_ms + 3_600_000,
            delivery_id=0,
            organisation_id=self._account.organisation_id,
        )
        request = self._adapter.build(sample, self._account)
        if isinstance(request, Refused):
            self._report.error(f"The test message cannot be written: {request.reason}.")
            return None
        return request

    async def _is_reachable(self, message: HttpRequest | None) -> bool:
        """Whether a connection, and a TLS one where that is wanted, can be made to where messages go."""
        address = self._address(message)
        try:
            parts = urlsplit(address)
            host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            self._report.error("The address that messages go to is none: its host or its port cannot be read.")
            return False
        if not host:
            return True
        place = f"{host}:{port}"
        try:
            async with asyncio.timeout(CONNECT_S):
                found = await egress_of(self._account.settings, self._bounds).resolve(host, port)
                await self._connect(host, [address for _, address in found], is_tls=parts.scheme == "https")
        except (EgressDenied, HostNotFound) as error:
            self._report.error(f"{str(error)[:1].upper()}{str(error)[1:]}.")
        except ssl.SSLCertVerificationError as error:
            self._report.error(f"{_certificate_words(error, host)}.")
        except ssl.SSLError as error:
            self._report.error(f"{place}: {tls_words(error)}.")
        except (OSError, TimeoutError) as error:
            self._report.error(connect_words(error, place, CONNECT_S))
        else:
            if parts.scheme != "https":
                self._report.warning(f"{place} is called without TLS: whoever stands in between can read everything.")
            return True
        return False

    def _address(self, message: HttpRequest | None) -> str:
        request = message or self._adapter.probe(self._account)
        if request is not None:
            return request.url
        return next((self._account.settings.text(name) for name in DIRECTIONS if name in self._account.settings), "")

    async def _connect(self, host: str, places: Sequence[tuple[str, int]], *, is_tls: bool) -> None:
        """To the first of the host's addresses that takes a connection."""
        context = mutual_tls(self._account.settings).context() if is_tls else None
        for address, port in places:
            try:
                reader, writer = await asyncio.open_connection(
                    address, port, ssl=context, server_hostname=host if is_tls else None
                )
            except OSError as error:
                if isinstance(error, ssl.SSLError) or address == places[-1][0]:
                    raise
                continue
            try:
                await self._judge(host, reader, writer)
            finally:
                writer.close()
            return

    async def _judge(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = writer.get_extra_info("ssl_object")
        if secure is None:
            self._report.ok(f"{host} takes connections.")
            return
        # By TLS 1.3 a server judges our certificate when our side is through; nothing is what a content one says.
        with suppress(TimeoutError):
            async with asyncio.timeout(ALERT_S):
                await reader.read(1)
        der = secure.getpeercert(binary_form=True)
        judge_certificate(der, secure.version() or "TLS", "full", datetime.now(UTC), self._report)

    # -- requests ----------------------------------------------------------------------------------------------------

    async def _has_token(self, sender: HttpSender) -> bool:
        if not self._adapter.auth(self._account).needs_token:
            return True
        try:
            left_s = await sender.ready()
        except NoToken as error:
            self._report.error(f"The token endpoint gives no token: {self._hidden(error.reason)}.")
            return False
        self._report.ok(f"The token endpoint gives a token, which is used for {left_s:.0f} s.")
        return True

    async def _probe(self, sender: HttpSender) -> None:
        request = self._adapter.probe(self._account)
        if request is None:
            self._report.ok("This provider has no call that tests the credentials at no cost: only a message will.")
            return
        with self._exchange("credentials", request) as shown:
            shown.request = await sender.proven(request)
            began_s = time.time()
            shown.response = response = await sender.send(request)
            examining = examiner(self._adapter)
            if examining is not None:
                # Half of the way there and back is behind us when it is answered.
                found = examining.findings(response, self._account, (began_s + time.time()) / 2)
                shown.reading = self._told(found)
                return
            problem = self._adapter.probed(response, self._account)
            shown.reading = problem or "the credentials are right"
            if problem:
                self._report.error(f"The provider does not accept the credentials: {self._hidden(problem)}.")
            else:
                self._report.ok("The credentials are right.")

    def _told(self, found: Sequence[Found]) -> str:
        """Everything that was found; returned is what is wrong."""
        for one in found:
            say = {"ok": self._report.ok, "warning": self._report.warning, "error": self._report.error}[one.level]
            say(self._hidden(one.words))
        return next((one.words for one in found if one.level == "error"), "the credentials are right")

    async def _send(self, sender: HttpSender, request: HttpRequest) -> None:
        with self._exchange("test message", request) as shown:
            shown.request = await sender.proven(request)
            shown.response = response = await sender.send(request)
            outcome = self._adapter.read(response, self._account)
            shown.reading = outcome_words(outcome)
            if isinstance(outcome, Accepted):
                ids = " ".join(outcome.ids).strip()
                self._report.ok(f"The test message was accepted{f' as {ids}' if ids else ', without an id'}.")
                if not ids:
                    self._report.warning("Receipts find their message by the id, so there will be none that match.")
            elif isinstance(outcome, Deferred):
                self._report.error(f"The test message was put off: {self._hidden(outcome.reason)}.")
            else:
                self._report.error(f"The test message was not taken: {self._hidden(outcome.reason)}.")

    @contextmanager
    def _exchange(self, what: str, request: HttpRequest) -> "Iterator[_Shown]":
        """Keeps what is exchanged; trouble on the way becomes a finding."""
        shown, began = _Shown(request), time.monotonic()
        try:
            yield shown
        except (NotSent, NoAnswer, NoToken) as error:
            shown.reading = error.reason
            self._report.error(f"The {what}: {self._hidden(error.reason)}.")
        took_ms = round((time.monotonic() - began) * 1000, 1)
        request = shown.request
        head = f"{request.method} {request.url}\n"
        answer = _written_answer(shown.response) if shown.response is not None else ""
        sent = head + written(request.headers, request.body)
        self.exchanges.append(
            ShownExchange(what, self._hidden(sent), self._hidden(answer), self._hidden(shown.reading), took_ms)
        )

    def _hidden(self, text: str) -> str:
        """Without secrets; the number and the text are those that were typed for the test."""
        return excerpt(text, LONGEST_SHOWN, self._secrets)

    # -- hooks -------------------------------------------------------------------------------------------------------

    def _judge_hooks(self) -> None:
        if self._account.status_url:
            self._report.ok(f"Status reports are expected at {self._account.status_url}")
        elif self._is_public and not self._adapter.SPEC.has_described_hooks:
            return  # what is only tried has its address once it is kept
        elif self._adapter.SPEC.hands_over:
            self._report.ok(
                "This installation is not told its public address (CHAPPE_PUBLIC_URL): the other one cannot call it, and what "
                "became of messages is asked for instead, every few seconds."
            )
        elif self._adapter.SPEC.has_described_hooks:
            self._report.warning(
                "No hook of the kind feedback has an address that this provider could call, so nothing will be known of what "
                "became of messages. Make one, and set CHAPPE_PUBLIC_URL."
            )
        else:
            self._report.warning(
                "This installation is not told its public address (CHAPPE_PUBLIC_URL), so the provider cannot be told where "
                "to report what became of messages."
            )


class _Shown:
    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.response: HttpResponse | None = None
        self.reading = ""


def _certificate_words(error: ssl.SSLCertVerificationError, host: str) -> str:
    if error.verify_code in (WRONG_HOST, WRONG_ADDRESS):
        return f"TLS refused: the provider's certificate is for another name than {host}"
    if error.verify_code in (SELF_SIGNED, SELF_SIGNED_IN_CHAIN, UNKNOWN_ISSUER):
        return (
            "TLS refused: the provider's certificate is signed by nobody that this machine trusts. If it is meant, write the "
            "certificate of its authority under 'Private certificate authority'"
        )
    words = NOT_TRUSTED.get(error.verify_code, f"cannot be verified: {error.verify_message}")
    return f"TLS refused: the provider's certificate {words.rstrip('.')}"


def _written_answer(response: HttpResponse) -> str:
    return f"{response.status}\n{written(tuple(response.headers.items()), response.body)}"
