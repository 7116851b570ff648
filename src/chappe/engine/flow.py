"""Everything that runs for one SMPP connection: its worker, its slots, its receiving side. Rebuilt when its settings change."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from chappe.engine.ledger import Ledger
from chappe.engine.net.egress import EgressPolicy
from chappe.engine.net.smpp_client import Endpoint, Link
from chappe.engine.receipts import Incoming, Links
from chappe.engine.slot import Slot
from chappe.engine.store.client import StoreClient
from chappe.engine.store.frame import Configure
from chappe.engine.store.statement import Row
from chappe.engine.trace import Trace
from chappe.engine.worker import Worker
from chappe.providers import smpp_settings
from chappe.providers.contract import Settings
from chappe.providers.smpp import Dialect
from chappe.providers.smpp_settings import allowed_networks, total_connections
from chappe.rules.provider_id import IdFormat
from chappe.rules.receipt import ReceiptRules
from chappe.smpp import BindKind, Delivery

log = structlog.get_logger("chappe.flow")

DRAIN_S = 10.0


@dataclass(frozen=True)
class ConnectionSettings:
    """A connection as its row and its provider's declaration give it."""

    id: int
    organisation_id: int
    name: str
    settings: Settings
    version: int


def endpoints(settings: Settings) -> tuple[Endpoint, ...]:
    """The connections that one slot opens: a transceiver, or a transmitter and a receiver, in this order."""
    networks, hosts = allowed_networks(settings.text("allowed_networks"))
    egress = EgressPolicy(tuple(networks), tuple(hosts))
    dialect = Dialect(settings)

    def endpoint(kind: BindKind) -> Endpoint:
        place = smpp_settings.endpoint(settings, receiver=kind is BindKind.RECEIVER)
        return Endpoint(
            bind=dialect.bind(kind),
            host=place.host,
            port=place.port,
            window=settings.integer("window"),
            response_s=settings.number("mt_expiry_s"),
            bind_s=settings.number("bind_timeout_s"),
            enquire_link_s=settings.number("enquire_link_s"),
            tls=settings.text("certificate_verification") if settings.flag("tls") else "",
            egress=egress,
        )

    if settings.text("mode") == "transceiver":
        return (endpoint(BindKind.TRANSCEIVER),)
    return (endpoint(BindKind.TRANSMITTER), endpoint(BindKind.RECEIVER))


class Flow:
    def __init__(
        self,
        connection: ConnectionSettings,
        ledger: Ledger,
        client: StoreClient,
        links: Links,
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._links = links
        self.slots: dict[int, Slot] = {}
        self._stopping: dict[int, asyncio.Task[None]] = {}
        self._measured: dict[int, tuple[float, int]] = {}
        self._read(connection)
        self.worker = Worker(connection.id, connection.organisation_id, self._dialect, ledger, client)
        self._set_worker()

    def _read(self, connection: ConnectionSettings) -> None:
        """Take settings over, as far as they do not concern the links."""
        settings = connection.settings
        self.connection = connection
        self.total_slots = total_connections(settings)
        self._endpoints = endpoints(settings)
        self._tracer = partial(Trace, connection.id) if settings.flag("verbose_traces") else None
        self._dialect = Dialect(settings)
        self.incoming = Incoming(
            connection.id,
            self._dialect,
            ReceiptRules.of(settings),
            self._ledger,
            self._links,
            invalid_id_acknowledge_count=settings.integer("invalid_id_acknowledge_count"),
        )
        self._client.send(
            Configure(
                self._client.number(),
                connection.id,
                connection.organisation_id,
                settings.text("implementation_name"),
                settings.text("short_code"),
                settings.flag("full_phone_number"),
                settings.text("default_error_kind"),
                settings.number("retry_delay_s"),
                settings.integer("retry_limit"),
                settings.number("early_receipt_wait_s"),
                [dict(row) for row in settings.rows("automatic_replies")],
            )
        )

    def _set_worker(self) -> None:
        settings = self.connection.settings
        self.worker.set(
            self._dialect,
            resend_unknown=settings.text("unknown_outcome") == "resend",
            despite_stop=settings.flag("transactional_despite_stop"),
            short_code=settings.text("short_code"),
        )

    def change(self, connection: ConnectionSettings) -> None:
        """New settings, without a restart: a link is bound again only where its own endpoint changed."""
        self._read(connection)
        self._set_worker()
        settings = connection.settings
        for number, slot in list(self.slots.items()):
            if slot.endpoints != self._endpoints:
                self._drop(number)
            else:
                slot.set(
                    limit_per_s=settings.number("max_mt_per_s"),
                    reconnect_s=settings.number("reconnect_s"),
                    id_format=IdFormat(settings.text("id_format_in_acknowledgement")),
                    tracer=self._tracer,
                )
        self.worker.slots = list(self.slots.values())

    def _drop(self, number: int) -> None:
        slot = self.slots.pop(number)
        task = asyncio.create_task(slot.stop())
        self._stopping[number] = task
        task.add_done_callback(lambda _: self._stopping.pop(number))

    def hold(self, numbers: Sequence[int]) -> None:
        """Open the slots that this process has leases for, close those it has lost.

        A slot that is being closed is opened again when it is: the provider never sees more links than agreed.
        """
        settings = self.connection.settings
        for number in numbers:
            if number not in self.slots and number not in self._stopping:
                self.slots[number] = Slot(
                    number,
                    self._endpoints,
                    limit_per_s=settings.number("max_mt_per_s"),
                    reconnect_s=settings.number("reconnect_s"),
                    id_format=IdFormat(settings.text("id_format_in_acknowledgement")),
                    host=self.worker,
                    on_deliveries=self._deliveries,
                    register=self._links.add,
                    tracer=self._tracer,
                )
        for number in [number for number in self.slots if number not in numbers]:
            self._drop(number)
        self.worker.slots = list(self.slots.values())

    def _deliveries(self, link: Link, deliveries: Sequence[Delivery]) -> None:
        self.incoming.take(link, deliveries)

    async def stop(self) -> None:
        """Send nothing new, let what is on the wire be answered and committed (within a bound), then unbind."""
        self.worker.stop()
        until = time.monotonic() + DRAIN_S
        while not self.worker.is_idle and time.monotonic() < until:
            await asyncio.sleep(0.02)
        await asyncio.gather(*(slot.stop() for slot in self.slots.values()), *self._stopping.values())

    def states(self, owner: str, now_ms: int) -> list[Row]:
        """A row of `link_state` for each link, in the order of `catalogue.SHOW_LINK`."""
        return [
            self._state(slot, endpoint, owner, now_ms) for slot in self.slots.values() for endpoint in slot.endpoints
        ]

    def _state(self, slot: Slot, endpoint: Endpoint, owner: str, now_ms: int) -> Row:
        link = slot.links.get(endpoint.kind)
        is_bound = link is not None and link.is_bound
        trips = sorted(link.round_trips) if link is not None else []
        p50, p99 = (trips[len(trips) // 2], trips[int(len(trips) * 0.99)]) if trips else (0.0, 0.0)
        now = time.monotonic()
        before, sent = self._measured.get(slot.number, (now - 1, 0))
        rate = (slot.sent - sent) / max(0.001, now - before)
        if endpoint is slot.endpoints[-1]:
            self._measured[slot.number] = (now, slot.sent)
        is_sender = endpoint is slot.endpoints[0]
        state = "bound" if is_bound else "down"
        if is_bound and is_sender and slot.quiet_until > now:
            state = "slowed"
        return (
            self.connection.id,
            slot.number,
            endpoint.kind.name.lower(),
            owner,
            state,
            slot.reasons.get(endpoint.kind, "") if not is_bound else "",
            slot.window if is_sender else 0,
            slot.uncommitted if is_sender else 0,
            round(rate, 1) if is_sender else 0.0,
            slot.limit_per_s if is_sender else 0.0,
            round(p50 * 1000, 3),
            round(p99 * 1000, 3),
            slot.since_ms.get(endpoint.kind, now_ms),
            now_ms,
        )
