"""The engine: one process that holds links, with a store process of its own. Started by `chappe up`, or alone."""

import asyncio
import gc
import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
import uvloop

from chappe.engine import log as log_settings
from chappe.engine.address import hook_urls
from chappe.engine.bus.local import LocalBus
from chappe.engine.callback_sender import CallbackSender
from chappe.engine.configuration import Configuration
from chappe.engine.flow import DRAIN_S, ConnectionSettings, Flow
from chappe.engine.http_flow import HttpFlow
from chappe.engine.ledger import Ledger
from chappe.engine.net.egress import Bound
from chappe.engine.receipts import Links as LinkNumbers
from chappe.engine.receipts import acknowledge
from chappe.engine.relay_flow import RelayFlow
from chappe.engine.relay_teller import Teller
from chappe.engine.smpp_flow import SmppFlow
from chappe.engine.store.callback_frame import CallbackCalls, CallbackEndpoints, CallbacksDue
from chappe.engine.store.client import StoreClient
from chappe.engine.store.frame import (
    Answer,
    Answered,
    Collect,
    Collected,
    Connections,
    Fates,
    Leased,
    Leases,
    Links,
    LinksTaken,
    LoadConnections,
    News,
    Recorded,
    Trouble,
)
from chappe.engine.store.process import GARBAGE_ROWS
from chappe.engine.store.relay_frame import PagesDue, PagesFound, PagesMissing, RelayAccounts, StepFound
from chappe.engine.store.rule_frame import OrganisationRules, Rules
from chappe.engine.store.statement import Row
from chappe.engine.trace import TraceOrder
from chappe.engine.vault import Sealed, Vault, connection_place, link_signer
from chappe.engine.worker import POLL_S
from chappe.messaging import ConfigError, StoreError
from chappe.providers import registry
from chappe.providers.contract import Settings
from chappe.rules.quiet_hours import NEVER, Watch

log = structlog.get_logger("chappe.engine")

COLLECT_S = 0.05
"""Between two looks at what hooks were told; so a STOP waits no longer than this for one."""
EVERY_S = 1.0
"""How often settings are read again, link leases kept, and link states shown."""


class Engine:
    def __init__(self, configuration: Configuration, owner: str | None = None) -> None:
        self._configuration = configuration
        self.owner = owner or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._vault = Vault(configuration.keys)
        self._signer = link_signer(self._vault)
        self._client = StoreClient(self._answered, self._store_lost)
        self._ledger = Ledger(self._client)
        self._callbacks = CallbackSender(
            self._client, self._vault, is_busy=lambda: not self._ledger.is_empty, bounds=self._bounds
        )
        self._teller = Teller(self._client, self._vault, bounds=self._bounds)
        self._links = LinkNumbers()
        self._bus = LocalBus(configuration.database_url)
        self._flows: dict[int, Flow[Any]] = {}
        self._is_collecting = False
        self._collected_at = 0.0
        self._versions: dict[int, tuple[int, dict[str, str]]] = {}
        """Of connections, with the tokens of their hooks, as they are at work."""
        self._rules: dict[int, OrganisationRules] = {}
        self._watches: dict[int, Watch] = {}
        self._ceiling = Bound.of(configuration.egress_ceiling, "the settings of this installation")
        self._stopping: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._error: StoreError | None = None
        self._is_waking = False

    async def run(self) -> None:
        """Work until `stop`; raises StoreError when the store process dies, for whoever started us to start us anew."""
        await self._client.start(self._configuration.database_url, self.owner)
        stop_listening = self._bus.listen(self._wake)
        beat = asyncio.create_task(self._beat())
        poll = asyncio.create_task(self._poll())
        try:
            await self._stop.wait()
        finally:
            stop_listening()
            beat.cancel()
            poll.cancel()
            await asyncio.gather(beat, poll, return_exceptions=True)
        if self._error is not None:
            await asyncio.gather(self._callbacks.stop(wait_s=0.0), self._teller.stop())
            raise self._error
        await asyncio.gather(
            self._callbacks.stop(), self._teller.stop(), *(flow.stop() for flow in self._flows.values())
        )
        await self._settle()
        self._client.send(Links(self._client.number(), slots=[(connection_id, 0) for connection_id in self._flows]))
        await self._client.stop()

    async def _settle(self) -> None:
        """Links that close leave a last word, of messages that nobody answered: let it be committed, within a bound."""
        until = time.monotonic() + DRAIN_S
        while not self._ledger.is_empty and self._error is None and time.monotonic() < until:
            await asyncio.sleep(0.005)

    def stop(self) -> None:
        self._stop.set()

    # -- time --------------------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            if not self._client.is_behind:
                self._client.send(LoadConnections(self._client.number()))
                self._callbacks.poll()
                self._teller.poll()
                self._keep_links()
            await asyncio.sleep(EVERY_S)

    def _keep_links(self) -> None:
        """Ask for the links of all flows, and show them."""
        now_ms = int(time.time() * 1000)
        take, states, slots = [], [], []
        for flow in self._flows.values():
            identifier = flow.connection.id
            take += [(identifier, number) for number in range(flow.total_slots)]
            states += flow.states(self.owner, now_ms)
            slots.append((identifier, flow.total_slots))
        self._client.send(Links(self._client.number(), take, states, slots))

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            for flow in self._flows.values():
                flow.worker.poll()
                if not self._client.is_behind:
                    number, until_ms = self._client.number(), flow.worker.answered_until_ms()
                    self._client.send(Answered(number, flow.connection.id, until_ms))
            self._collect()

    def _collect(self) -> None:
        """Act on what providers told our hooks, if anything: one look at a time, and not at every message that comes."""
        if self._is_collecting:
            return
        self._is_collecting = True
        wait_s = self._collected_at + COLLECT_S - time.monotonic()
        asyncio.get_running_loop().call_later(max(0.0, wait_s), self._look)

    def _look(self) -> None:
        if self._client.is_behind or self._stop.is_set():
            self._is_collecting = False
            return
        self._collected_at = time.monotonic()
        self._client.send(Collect(self._client.number()))

    def _wake(self) -> None:
        """Somebody put messages into the store; many say so at once, one look is enough."""
        if not self._is_waking:
            self._is_waking = True
            asyncio.get_running_loop().call_soon(self._woken)

    def _woken(self) -> None:
        self._is_waking = False
        for flow in self._flows.values():
            flow.worker.poll()
        self._collect()

    # -- answers of the store process --------------------------------------------------------------------------------

    def _answered(self, answer: Answer) -> None:
        match answer:
            case Recorded(number, lost):
                self._recorded(number, lost)
            case Fates(_, unknown):
                acknowledge(self._links, answer)
                for connection_id, token, times in unknown:
                    if connection_id in self._flows:
                        self._flows[connection_id].told([(token, times)])
            case Leases(_, connection_id, leases):
                self._leased(connection_id, leases)
            case News(blocked, deliveries):
                self._heard(blocked, deliveries)
            case LinksTaken(_, taken):
                self._hold(taken)
            case Connections(_, connections, hooks, traces):
                self._configure(connections, hooks)
                self._trace(traces)
            case Rules(organisations):
                self._heed(organisations)
            case CallbackEndpoints() | CallbackCalls() | CallbacksDue():
                self._callbacks.heard(answer)
            case Collected(_, is_all):
                self._is_collecting = False
                if not is_all:
                    self._collected_at = 0.0
                    self._collect()
            case Trouble(text):
                log.warning("store.trouble", reason=text) if text else log.info("store.recovered")
            case _:
                self._relayed(answer)

    def _relayed(self, answer: RelayAccounts | PagesDue | PagesFound | PagesMissing | StepFound) -> None:
        match answer:
            case StepFound(_, connection_id):
                flow = self._flows.get(connection_id)
                if isinstance(flow, RelayFlow):
                    flow.step(answer)
            case PagesMissing(connection_ids):
                for connection_id in connection_ids:
                    flow = self._flows.get(connection_id)
                    if isinstance(flow, RelayFlow):
                        flow.ask_again()
            case _:
                self._teller.heard(answer)

    def _hold(self, taken: Sequence[tuple[int, int]]) -> None:
        for flow in self._flows.values():
            flow.hold([number for identifier, number in taken if identifier == flow.connection.id])

    def _recorded(self, number: int, lost: Sequence[int]) -> None:
        if lost:
            for flow in self._flows.values():
                flow.worker.lost(lost)
        self._ledger.committed(number)

    def _leased(self, connection_id: int, leases: Sequence[Leased]) -> None:
        if connection_id in self._flows:
            self._flows[connection_id].worker.leased(leases)
        elif leases:  # it was switched off in the meantime
            self._ledger.page.released += [(leased.outbox_id, leased.token) for leased in leases]
            self._ledger.touch()

    def _heard(self, blocked: Sequence[tuple[int, str, str, str]], deliveries: Sequence[tuple[int, str]]) -> None:
        for flow in self._flows.values():
            for organisation_id, address, short_code, status in blocked:
                if organisation_id == flow.connection.organisation_id:
                    flow.worker.number_is(address, short_code, status)
            for delivery_id, status in deliveries:
                flow.worker.delivery_is(delivery_id, status)

    def _store_lost(self) -> None:
        if not self._stop.is_set():
            self._error = StoreError("the store process ended; nothing that was acknowledged is lost")
            self._stop.set()

    # -- settings ----------------------------------------------------------------------------------------------------

    def _heed(self, organisations: Sequence[OrganisationRules]) -> None:
        """Quiet hours, and what may be called, as organisations have settled them."""
        for rules in organisations:
            known = self._rules.get(rules.organisation_id)
            if known is not None and known.version == rules.version:
                continue
            self._rules[rules.organisation_id] = rules
            self._watches[rules.organisation_id] = Watch(rules.quiet)
            own = [flow for flow in self._flows.values() if flow.connection.organisation_id == rules.organisation_id]
            for flow in own:
                flow.worker.quiet = self._watches[rules.organisation_id]
                if known is None or known.allowed_networks != rules.allowed_networks:
                    self._versions.pop(flow.connection.id, None)  # it is given its settings anew

    def _bounds(self, organisation_id: int) -> tuple[Bound, ...]:
        """What its connections and callbacks may be allowed to call at all."""
        rules = self._rules.get(organisation_id)
        own = Bound.of(rules.allowed_networks, "the settings of the organisation") if rules is not None else ()
        return self._ceiling + own

    def _configure(self, rows: Sequence[Row], hooks: Sequence[tuple[int, str, str]]) -> None:
        """Start, change and stop flows so that they are what the connections' rows say, and those of their hooks."""
        present, is_changed = set(), False
        tokens: dict[int, dict[str, str]] = {}
        for connection_id, kind, token in hooks:
            tokens.setdefault(connection_id, {})[kind] = token
        for identifier, organisation_id, name, provider, settings, secret, is_enabled, version, *_ in rows:
            if is_enabled:
                present.add(identifier)
            own = tokens.get(identifier, {})
            if self._versions.get(identifier) == (version, own):
                continue
            self._versions[identifier] = version, own
            try:
                parsed = self._settings(identifier, organisation_id, provider, settings, bytes(secret))
                spec = registry.spec(provider)
                connection = ConnectionSettings(
                    identifier, organisation_id, name, spec, parsed, version, self._bounds(organisation_id)
                )
                if not is_enabled:
                    # Nothing is sent, but what its provider still tells of messages sent before is heeded.
                    self._client.send(connection.policy(self._client.number()))
                    continue
                self._start(connection, own)
            except (ConfigError, Sealed, ValueError, KeyError) as error:
                # The other connections are not to stand still for this one.
                log.error("connection.unusable", connection=identifier, reason=str(error))
                continue
            is_changed = True
        for identifier in [identifier for identifier in self._flows if identifier not in present]:
            flow = self._flows.pop(identifier)
            task = asyncio.create_task(self._end(flow))
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)
        if is_changed:
            self._keep_links()  # not a beat later

    def _settings(
        self, connection_id: int, organisation_id: int, provider: str, public: str | dict[str, Any], secret: bytes
    ) -> Settings:
        """All settings of a connection. Raises ConfigError, Sealed, ValueError or KeyError."""
        values = json.loads(public) if isinstance(public, str) else public
        hidden = self._vault.decrypt(secret, connection_place(organisation_id, connection_id))
        return registry.spec(provider).parse({**values, **hidden})

    def _start(self, connection: ConnectionSettings, tokens: Mapping[str, str]) -> None:
        """Open a flow for a connection, or give the open one its settings."""
        place = (connection.organisation_id, connection.id, tokens)
        urls = hook_urls(self._configuration.public_url, connection.spec, *place)
        flow = self._flows.get(connection.id)
        if flow is not None:
            if isinstance(flow, HttpFlow):
                flow.urls = urls
            flow.change(connection)
            return
        adapter = registry.HTTP.get(connection.spec.key)
        if adapter is None:
            flow = SmppFlow(connection, self._ledger, self._client, self._links)
        else:
            kind = RelayFlow if adapter.SPEC.hands_over else HttpFlow
            flow = kind(connection, self._ledger, self._client, adapter, urls)
        flow.worker.quiet = self._watches.get(connection.organisation_id, NEVER)
        flow.worker.signer = self._signer
        self._flows[connection.id] = flow

    def _trace(self, rows: Sequence[tuple[int, int, str, int, int]]) -> None:
        """Keep what crosses the connections that somebody traces."""
        orders: dict[int, list[TraceOrder]] = {}
        for order_id, connection_id, number, left, until_ms in rows:
            orders.setdefault(connection_id, []).append(TraceOrder(order_id, number, left, until_ms))
        for flow in self._flows.values():
            flow.trace(orders.get(flow.connection.id, ()))

    async def _end(self, flow: Flow[Any]) -> None:
        """A connection is switched off or gone: so are its links, and what was shown of them."""
        await flow.stop()
        if flow.connection.id not in self._flows and not self._stop.is_set():
            self._client.send(Links(self._client.number(), slots=[(flow.connection.id, 0)]))


async def serve(configuration: Configuration, owner: str | None = None) -> None:
    engine = Engine(configuration, owner)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, engine.stop)
    await engine.run()


def main() -> None:
    """Run an engine; the argument is its name, which whoever starts it anew gives again: its links are its own then."""
    configuration = Configuration.load(os.environ)
    log_settings.configure(configuration.log_level)
    # A full collection of cycles stops the links for some milliseconds, which a strict limit feels; messages make none.
    gc.freeze()
    gc.set_threshold(GARBAGE_ROWS)
    uvloop.run(serve(configuration, sys.argv[1] if len(sys.argv) > 1 else None))


if __name__ == "__main__":
    main()
