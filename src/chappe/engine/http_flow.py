"""A connection by HTTP: one slot, which one engine holds, so that its limits are those of the connection."""

import time
from collections.abc import Callable, Sequence

import structlog

from chappe.engine.exchange import Exchanges
from chappe.engine.flow import ConnectionSettings, Flow, percentiles_ms
from chappe.engine.http_slot import HttpSlot
from chappe.engine.ledger import Ledger
from chappe.engine.net.egress import Bound, EgressPolicy
from chappe.engine.net.http_client import HttpClient, Tls
from chappe.engine.net.http_sender import HttpSender
from chappe.engine.store.client import StoreClient
from chappe.engine.store.statement import Row
from chappe.engine.trace import EXCHANGES_PER_S
from chappe.engine.traced_exchange import began_ms, kept_exchange
from chappe.messaging import OutboundMessage, Refused, SendOutcome
from chappe.providers.contract import Settings
from chappe.providers.http import Account, HttpProvider, HttpRequest, HttpResponse, bundler
from chappe.rules.trace import number_key

log = structlog.get_logger("chappe.http")

TOKEN_CONNECTIONS = 2


def egress_of(settings: Settings, bounds: tuple[Bound, ...] = ()) -> EgressPolicy:
    return EgressPolicy.of(settings.text("allowed_networks"), bounds)


def mutual_tls(settings: Settings) -> Tls:
    return Tls(settings.text("certificate_authority"), settings.text("client_certificate"), settings.text("client_key"))


def open_sender(adapter: HttpProvider, account: Account, bounds: tuple[Bound, ...] = ()) -> HttpSender:
    """A sender as the settings say. Raises ConfigError where certificates cannot be used; to be closed."""
    settings, egress = account.settings, egress_of(account.settings, bounds)
    connect_s, authority = settings.number("connect_timeout_s"), settings.text("certificate_authority")
    mutual, plain = mutual_tls(settings).context(), Tls(authority).context()
    concurrency = settings.integer("concurrency")
    return HttpSender(
        adapter.auth(account),
        HttpClient(egress, connections=concurrency, connect_s=connect_s, tls=mutual),
        # The client certificate is for the provider alone: a token endpoint may be somebody else's.
        HttpClient(egress, connections=TOKEN_CONNECTIONS, connect_s=connect_s, tls=plain),
        response_s=settings.number("response_timeout_s"),
    )


class HttpDialect:
    """A message is one request, or one line of one, however many segments the provider makes of it."""

    def __init__(self, adapter: HttpProvider, account: Account) -> None:
        self._account = account
        bundling = bundler(adapter)
        self._write: Callable[[OutboundMessage, Account], HttpRequest | bytes | Refused]
        self._write = adapter.build if bundling is None else bundling.line
        self._hands_over = adapter.SPEC.hands_over

    def segments(self, message: OutboundMessage) -> list[tuple[int, HttpRequest | bytes]] | Refused:
        if self._hands_over and message.accepted_segments:
            return []  # it was handed over before we were interrupted
        try:
            request = self._write(message, self._account)
        except Exception as error:
            # One message that an adapter cannot write must not keep the others of its batch.
            log.exception("message.unwritable", connection=self._account.connection_id, message=message.id)
            return Refused(f"the request could not be written: {type(error).__name__}")
        return request if isinstance(request, Refused) else [(0, request)]


class HttpFlow(Flow[HttpSlot]):
    traced_per_s = EXCHANGES_PER_S

    def __init__(
        self,
        connection: ConnectionSettings,
        ledger: Ledger,
        client: StoreClient,
        adapter: HttpProvider,
        urls: tuple[str, str],
    ) -> None:
        """`urls`: where this provider tells what became of messages, and brings texts; "" where nobody outside can."""
        self._adapter, self.urls = adapter, urls
        self._opened_within: dict[int, tuple[Bound, ...]] = {}
        super().__init__(connection, ledger, client)

    def _take_over(self, connection: ConnectionSettings) -> None:
        account = Account(connection.settings, connection.id, connection.organisation_id, *self.urls)
        mutual_tls(connection.settings).context()  # while nothing has changed yet
        self._account = account
        self.dialect = HttpDialect(self._adapter, account)
        self._exchanges = Exchanges(connection.spec, account, self._ledger, self._seen)

    def _open(self, number: int) -> HttpSlot:
        settings, bounds = self.connection.settings, self.connection.bounds
        self._opened_within[number] = bounds
        return HttpSlot(
            number,
            self._adapter,
            self._account,
            open_sender(self._adapter, self._account, bounds),
            limit_per_s=settings.get("max_per_s", 0.0),
            concurrency=settings.integer("concurrency"),
            host=self.worker,
            watcher=self._exchanges,
        )

    def _keep(self, slot: HttpSlot) -> bool:
        """Anything may be part of a request or of its proof; opening anew costs little, for nothing is bound."""
        slot.try_again()  # whoever saves the settings wants to see whether it works now
        return slot.account == self._account and self._opened_within[slot.number] == self.connection.bounds

    def _traced(self) -> None:
        """`_seen` looks at it each time."""

    def _seen(
        self,
        request: HttpRequest,
        response: HttpResponse | None,
        outcome: SendOutcome,
        took_s: float,
        message: OutboundMessage,
        secrets: Sequence[str],
    ) -> None:
        """Keep an exchange for who traces the connection, if anybody does."""
        if self.recording is None:
            return
        numbers = number_key(message.sender), number_key(message.recipient)
        orders = self.recording.wants(numbers)
        if orders:
            content = kept_exchange(request, response, outcome, took_s, message, secrets)
            self.recording.exchange(orders, began_ms(took_s), numbers, content)

    def states(self, owner: str, now_ms: int) -> list[Row]:
        return [self._state(slot, owner, now_ms) for slot in self.slots.values()]

    def _state(self, slot: HttpSlot, owner: str, now_ms: int) -> Row:
        state = "down" if slot.reason else "slowed" if slot.quiet_until > time.monotonic() else "ready"
        return (
            self.connection.id,
            slot.number,
            "http",
            owner,
            state,
            slot.reason,
            slot.window,
            slot.uncommitted,
            self._per_s(slot.number, slot.sent),
            slot.limit_per_s,
            *percentiles_ms(slot.round_trips),
            0.0,  # receipts come by hooks, to whichever engine looks first: what is counted of them is in `traffic`
            0.0,
            slot.since_ms,
            now_ms,
        )
