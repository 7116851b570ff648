"""A connection by SMPP: its links in slots, and what comes in on them."""

import time
from collections.abc import Sequence

from chappe.engine.flow import ConnectionSettings, Flow, percentiles_ms
from chappe.engine.ledger import Ledger
from chappe.engine.net.egress import Bound, EgressPolicy
from chappe.engine.net.smpp_client import Endpoint, Link
from chappe.engine.receipts import Incoming, Links
from chappe.engine.slot import Slot, Tap
from chappe.engine.store.client import StoreClient
from chappe.engine.store.statement import Row
from chappe.engine.trace import Trace, logger
from chappe.providers import smpp_settings
from chappe.providers.contract import Settings
from chappe.providers.smpp import Dialect
from chappe.providers.smpp_settings import total_connections
from chappe.rules.provider_id import IdFormat
from chappe.rules.receipt import ReceiptRules
from chappe.smpp import BindKind, Delivery


def endpoints(settings: Settings, bounds: tuple[Bound, ...] = ()) -> tuple[Endpoint, ...]:
    """The connections that one slot opens: a transceiver, or a transmitter and a receiver, in this order."""
    egress = EgressPolicy.of(settings.text("allowed_networks"), bounds)
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


class SmppFlow(Flow[Slot]):
    def __init__(self, connection: ConnectionSettings, ledger: Ledger, client: StoreClient, links: Links) -> None:
        self._links = links
        super().__init__(connection, ledger, client)

    def _take_over(self, connection: ConnectionSettings) -> None:
        settings = connection.settings
        self.total_slots = total_connections(settings)
        self._endpoints = endpoints(settings, connection.bounds)
        self.dialect = dialect = Dialect(settings)
        self.incoming = Incoming(
            connection.id,
            dialect,
            ReceiptRules.of(settings),
            self._ledger,
            self._links,
            invalid_id_acknowledge_count=settings.integer("invalid_id_acknowledge_count"),
        )

    def _open(self, number: int) -> Slot:
        settings = self.connection.settings
        return Slot(
            number,
            self._endpoints,
            limit_per_s=settings.number("max_mt_per_s"),
            reconnect_s=settings.number("reconnect_s"),
            id_format=IdFormat(settings.text("id_format_in_acknowledgement")),
            host=self.worker,
            on_deliveries=self._deliveries,
            register=self._links.add,
            tap=self._tap,
        )

    def _keep(self, slot: Slot) -> bool:
        if slot.endpoints != self._endpoints:
            return False
        settings = self.connection.settings
        slot.set(
            limit_per_s=settings.number("max_mt_per_s"),
            reconnect_s=settings.number("reconnect_s"),
            id_format=IdFormat(settings.text("id_format_in_acknowledgement")),
        )
        slot.trace()
        return True

    def _traced(self) -> None:
        for slot in self.slots.values():
            slot.trace()

    def _tap(self, number: int, link: Link) -> Tap | None:
        """Who is told what crosses this link; None where nobody wants to know."""
        sinks = [logger(self.connection.id)] if self.connection.settings.flag("verbose_traces") else []
        if self.recording is not None:
            sinks.append(self.recording.link(number, link.endpoint.kind.name.lower(), link.number))
        return Trace(sinks).octets if sinks else None

    def told(self, unknown: Sequence[tuple[int, int]]) -> None:
        self.incoming.told(unknown)

    def _deliveries(self, link: Link, deliveries: Sequence[Delivery]) -> None:
        self.incoming.take(link, deliveries)

    def states(self, owner: str, now_ms: int) -> list[Row]:
        """A row for each link."""
        return [
            self._state(slot, endpoint, owner, now_ms) for slot in self.slots.values() for endpoint in slot.endpoints
        ]

    def _state(self, slot: Slot, endpoint: Endpoint, owner: str, now_ms: int) -> Row:
        link = slot.links.get(endpoint.kind)
        is_bound = link is not None and link.is_bound
        p50, p99 = percentiles_ms(link.round_trips) if link is not None else (0.0, 0.0)
        is_sender = endpoint is slot.endpoints[0]
        state = "bound" if is_bound else "down"
        if is_bound and is_sender and slot.quiet_until > time.monotonic():
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
            self._per_s(slot.number, slot.sent) if is_sender else 0.0,
            slot.limit_per_s if is_sender else 0.0,
            p50,
            p99,
            self._per_s((slot.number, endpoint.kind, "receipts"), link.receipts if link is not None else 0),
            self._per_s((slot.number, endpoint.kind, "unmatched"), link.unmatched if link is not None else 0),
            slot.since_ms.get(endpoint.kind, now_ms),
            now_ms,
        )
