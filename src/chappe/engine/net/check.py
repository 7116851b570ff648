"""Try a connection as the engine would use it, and say in plain words what was found. Every wait is bounded."""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from chappe.engine.net.arrival import Arrivals
from chappe.engine.net.diagnosis import (
    bind_words,
    connect_words,
    judge_certificate,
    judge_login,
    silence_words,
    tls_words,
)
from chappe.engine.net.egress import Bound, EgressDenied, HostNotFound
from chappe.engine.net.finding import Finding, Report
from chappe.engine.net.probe import News, OnPdu, Probe, open_tcp, start
from chappe.engine.net.smpp_client import Endpoint
from chappe.engine.net.trial import Trial
from chappe.engine.smpp_flow import endpoints
from chappe.messaging import ConfigError
from chappe.providers.contract import Settings
from chappe.providers.smpp import SPEC, Dialect
from chappe.providers.smpp_settings import recommended_window, total_connections
from chappe.smpp import BindKind, Tag

__all__ = ["Finding", "check_connection"]

RESOLVE_S = 10.0
CONNECT_S = 10.0
BIND_S = 30.0
"""The most that is waited for a log-in, whatever longer time the connection itself grants."""
PING_S = 5.0
PINGS = 5
UNBIND_S = 5.0
SHORTEST_S = 1e-5

Place = tuple[socket.AddressFamily, tuple[str, int]]


async def check_connection(
    settings: Mapping[str, object],
    secrets: Mapping[str, str],
    *,
    test_number: str | None = None,
    test_text: str | None = None,
    on_pdu: OnPdu | None = None,
    engine_links: int | None = None,
    bounds: tuple[Bound, ...] = (),
) -> list[Finding]:
    """Connect, log in, ask for signs of life, send a test message where a number is given, log out.

    `on_pdu` sees every PDU as a line without password and text. `engine_links` is how many links (or pairs) engines
    hold of this connection, to which receipts may go; None where that is not known. Never raises for what the provider
    does.
    """
    report = Report()
    try:
        parsed = SPEC.parse({**settings, **secrets})
    except ConfigError as error:
        for one in error.errors:
            report.error(f"The setting {_label(one.field)}: {one.message}.")
        return report.findings
    if test_text and not test_number:
        report.warning("There is a test text and no number to send it to, so no test message is sent.")
    check = Check(parsed, report, on_pdu, engine_links, bounds)
    try:
        await check.run(test_number or "", test_text or "")
    finally:
        await check.end()
    return report.findings


def _label(field: str) -> str:
    """A setting as the form calls it, with its name."""
    label = next((setting.label for setting in SPEC.settings if setting.name == field.partition("[")[0]), "")
    return f"'{label}' ({field})" if label else field


class Check:
    """One run over all endpoints of a connection."""

    def __init__(
        self,
        settings: Settings,
        report: Report,
        on_pdu: OnPdu | None = None,
        engine_links: int | None = None,
        bounds: tuple[Bound, ...] = (),
    ) -> None:
        self._settings = settings
        self._bounds = bounds
        self._report = report
        self._on_pdu = on_pdu
        self._engine_links = engine_links
        self._news = News()
        self._dialect = Dialect(settings)
        self._arrivals = Arrivals(settings, self._dialect, self._news)
        self._probes: list[Probe] = []

    async def run(self, number: str, text: str) -> None:
        wanted = endpoints(self._settings, self._bounds)
        for endpoint in wanted:
            with self._about(endpoint):
                await self._log_in(endpoint)
        usable = [probe for probe in self._probes if probe.is_usable]
        for probe in usable:
            with self._about(probe.endpoint):
                await self._round_trips(probe)
        sender = next((probe for probe in usable if probe.endpoint is wanted[0]), None)
        latency_s = _median(sender.round_trips) if sender is not None else 0.0
        if number:
            latency_s = max(latency_s, await self._try(sender, number, text, is_receiving=len(usable) == len(wanted)))
        if latency_s:
            self._judge_window(latency_s)
        self._tell_what_came()
        for probe in self._probes:
            if probe.bound is not None:
                with self._about(probe.endpoint):
                    await self._log_out(probe)

    async def end(self) -> None:
        """Close what is open, whatever happened."""
        for probe in self._probes:
            await probe.end()

    @contextmanager
    def _about(self, endpoint: Endpoint) -> Iterator[None]:
        """Where there are two connections, what is found says which it is about."""
        is_one = endpoint.kind is BindKind.TRANSCEIVER
        self._report.about = "" if is_one else endpoint.kind.name.capitalize()
        yield
        self._report.about = ""

    async def _try(self, sender: Probe | None, number: str, text: str, *, is_receiving: bool) -> float:
        """Send the test message; the seconds that its answer took."""
        if sender is None:
            self._report.error("The test message was not sent: there is no connection to send it on.")
            return 0.0
        trial = Trial(
            self._settings, self._dialect, self._arrivals, sender, self._news, self._report, self._engine_links
        )
        await trial.run(number, text, is_receiving=is_receiving)
        return trial.latency_s

    # -- getting in --------------------------------------------------------------------------------------------------

    async def _log_in(self, endpoint: Endpoint) -> None:
        places = await self._resolve(endpoint)
        probe = await self._connect(endpoint, places) if places else None
        if probe is not None:
            await self._bind(probe)

    async def _resolve(self, endpoint: Endpoint) -> list[Place]:
        try:
            async with asyncio.timeout(RESOLVE_S):
                return await endpoint.egress.resolve(endpoint.host, endpoint.port)
        except EgressDenied as error:
            if error.forbidden_by:
                self._report.error(f"{error.fact}, which {error.forbidden_by} do not let any connection call.")
                return []
            either = error.address if error.is_the_host else f"{error.address}, or the name {error.host},"
            self._report.error(
                f"{error.fact}, which is not called unless that is meant: then add {either} to 'Private networks "
                "allowed' (allowed_networks)."
            )
        except HostNotFound as error:
            self._report.error(f"{str(error)[:1].upper()}{str(error)[1:]}. Check the server's name.")
        except UnicodeError:
            self._report.error(f"{endpoint.host} is no name that can be looked up. Check the server's name.")
        except TimeoutError:
            self._report.error(f"The name {endpoint.host} could not be looked up within {RESOLVE_S:g} s.")
        return []

    async def _connect(self, endpoint: Endpoint, places: list[Place]) -> Probe | None:
        """A probe on the first of the addresses that takes the connection, TLS included."""
        problem = ""
        for family, address in places:
            where = f"{endpoint.host}:{endpoint.port}" if _is_address(endpoint.host) else _named(endpoint, address)
            began = time.monotonic()
            try:
                connection = await open_tcp(family, address, CONNECT_S)
            except OSError as error:
                problem = connect_words(error, where, CONNECT_S)
                continue
            self._report.ok(f"Connected to {where} in {_ms(time.monotonic() - began)}.")
            probe = Probe(endpoint, self._news, self._arrivals.take, self._on_pdu)
            self._probes.append(probe)
            try:
                await start(probe, connection, CONNECT_S)
            except OSError as error:
                self._report.error(tls_words(error, endpoint, CONNECT_S))
                return None
            self._judge_tls(probe)
            return probe
        self._report.error(problem)
        return None

    def _judge_tls(self, probe: Probe) -> None:
        tls: ssl.SSLObject | None = probe.tls
        if tls is None:
            return
        der = tls.getpeercert(binary_form=True) or b""
        version = (tls.version() or "TLS").replace("TLSv", "TLS ")
        judge_certificate(der, version, probe.endpoint.tls, datetime.now(UTC), self._report)

    async def _bind(self, probe: Probe) -> None:
        endpoint, seconds = probe.endpoint, min(BIND_S, probe.endpoint.bind_s)
        began = time.monotonic()
        await probe.bind(seconds)
        if probe.bound is not None:
            kind = endpoint.kind.name.lower()
            name = probe.bound.system_id.decode("latin-1")
            called = f", which calls itself {name}" if name.isprintable() and name else ""
            took = _ms(time.monotonic() - began)
            self._report.ok(f"Logged in as {endpoint.account} ({kind}) at the provider{called}, in {took}.")
            self._judge_version(probe)
            judge_login(endpoint, self._report, is_bound=True)
            return
        if probe.refusal is not None and probe.refusal.status is not None:
            self._report.error(f"Log-in refused: {bind_words(probe.refusal.status, endpoint)}")
        else:
            self._report.error(_no_answer(probe, seconds))
        judge_login(endpoint, self._report, is_bound=False)

    def _judge_version(self, probe: Probe) -> None:
        assert probe.bound is not None
        version = next((tlv.number() for tlv in probe.bound.tlvs if tlv.tag == Tag.SC_INTERFACE_VERSION), 0x34)
        if 0 < version < 0x34:
            self._report.warning(
                f"The provider speaks SMPP {version >> 4}.{version & 15}: optional parameters, long texts in "
                "message_payload among them, may be refused."
            )

    # -- while logged in ---------------------------------------------------------------------------------------------

    async def _round_trips(self, probe: Probe) -> None:
        for _ in range(PINGS):
            if not probe.is_usable or not await probe.ping(PING_S):
                break
        trips = probe.round_trips
        if trips:
            most = _ms(max(trips))
            self._report.ok(
                f"{len(trips)} round trips of enquire_link: {_ms(_median(trips))} in the middle, {most} at most."
            )
        if len(trips) < PINGS and probe.is_usable:
            period = f"{self._settings.number('enquire_link_s'):g}"
            self._report.warning(
                f"enquire_link was not answered within {PING_S:g} s. The engine asks every {period} s when nothing "
                "goes over the link, and takes a link that does not answer for dead: a quiet one will be lost and "
                "opened again and again. Ask the provider whether it answers enquire_link."
            )

    def _judge_window(self, latency_s: float) -> None:
        """Whether the window lets through what the connection may send."""
        window, limit = self._settings.integer("window"), self._settings.number("max_mt_per_s")
        latency_s = max(latency_s, SHORTEST_S)
        possible = f"about {_rounded(window / latency_s)} messages a second on a connection"
        if not limit:
            links = total_connections(self._settings)
            more = f", {links} times that on the {links} connections" if links > 1 else ""
            self._report.ok(
                f"At the measured latency of {_ms(latency_s)} the window of {window} lets through {possible}{more}; no "
                "maximum throughput is set."
            )
            return
        needed = recommended_window(limit, latency_s)
        if needed > window:
            self._report.warning(
                f"The window of {window} is too small for the measured latency of {_ms(latency_s)}: it lets through "
                f"{possible}, and the maximum throughput is set to {limit:g}. Set 'Sending window' to {needed} or "
                "more, if the provider allows that many."
            )
        else:
            self._report.ok(
                f"The window of {window} is large enough for {limit:g} messages a second at the measured latency of "
                f"{_ms(latency_s)}."
            )

    def _tell_what_came(self) -> None:
        arrivals = self._arrivals
        arrivals.give_up()
        receipts, texts = arrivals.receipts_put_off, arrivals.texts_put_off
        came = ["1 receipt" if receipts == 1 else f"{receipts} receipts"] if receipts else []
        came += ["1 text" if texts == 1 else f"{texts} texts"] if texts else []
        if came:
            self._report.ok(
                f"Meanwhile the provider delivered {' and '.join(came)} not of this test; put off, so that it sends "
                "again, to the engine."
            )
        for probe in self._probes:
            if probe.malformed:
                count = len(probe.malformed)
                self._report.warning(
                    f"{count} of the provider's PDUs could not be read, the first: {probe.malformed[0]}."
                )

    async def _log_out(self, probe: Probe) -> None:
        if not probe.is_usable:
            self._report.error(f"The provider ended the connection after the log-in: {_ending(probe)}.")
        elif await probe.unbind(UNBIND_S):
            self._report.ok("Logged out.")
        else:
            self._report.warning(f"The log-out was not answered within {UNBIND_S:g} s; the connection is cut instead.")


def _no_answer(probe: Probe, seconds: float) -> str:
    has_tls = bool(probe.endpoint.tls)
    words = silence_words(probe.first_octets, has_tls=has_tls)
    if probe.is_broken or (probe.first_octets and not probe.closed):
        return f"The log-in was answered with octets that are not SMPP. {words}"
    if probe.closed:
        return f"The provider closed the connection without answering the log-in. {words}"
    return f"The log-in was not answered within {seconds:g} s. {words}"


def _ending(probe: Probe) -> str:
    if probe.is_broken:
        return "it sent octets that are not SMPP"
    return "it logged us out (unbind)" if probe.has_unbound else probe.closed


def _named(endpoint: Endpoint, address: tuple[str, int]) -> str:
    return f"{endpoint.host} ({address[0]}), port {endpoint.port}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0


def _ms(seconds: float) -> str:
    ms = seconds * 1000
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.2g} ms"


def _rounded(value: float) -> int:
    """Two figures are all that a measured latency is good for."""
    digits = len(str(int(value)))
    return int(round(value, 2 - digits)) if digits > 2 else int(value)
