"""On mid: the accounts of other installations and their deliveries, as pages show them."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from chappe.engine.store.relay_catalogue import account_of, relayed
from chappe.features.connections.account import Naming
from chappe.features.connections.models import Connection
from chappe.features.connections.services import connections_of, find_connection
from chappe.features.messages.models import DeliveryCount
from chappe.features.page import Page, page_of, read_cursor, size_of_page
from chappe.features.refusal import NotFound
from chappe.features.relay.models import RelayAccount, RelayDelivery, RelayPage
from chappe.features.relay.services import LARGEST_NUMBER, page_span
from chappe.messaging import ENDS, DeliveryState

DELIVERIES_OF_A_PAGE = 50


@dataclass(frozen=True)
class Account:
    """A connection through which another installation sends. `row` is None until that signed in.

    `untold` pages were not taken by the other side yet, the oldest of them written at `untold_since_ms`; 0 where there is none.
    """

    connection: Connection
    operator: str
    row: RelayAccount | None
    untold: int = 0
    untold_since_ms: int = 0

    @property
    def there(self) -> str:
        """What the account is called on the other side."""
        return self.connection.internal_name.removeprefix(f"{self.operator}_")

    @property
    def shown_url(self) -> str:
        """Where it is told, without what may be a secret."""
        return self.row.push_url.partition("?")[0] if self.row is not None else ""


@dataclass(frozen=True)
class Delivery:
    """A delivery of the other side, by its number there; 0 stands for messages of none."""

    row: RelayDelivery
    states: Mapping[DeliveryState, int]

    @property
    def number(self) -> int:
        return int(self.row.pk) & LARGEST_NUMBER

    @property
    def messages(self) -> int:
        return sum(self.states.values())

    @property
    def waiting(self) -> int:
        return self.states.get(DeliveryState.WAITING, 0)

    @property
    def has_left(self) -> bool:
        """Whether all that came was sent or came to its end; nobody here knows whether more is to come."""
        return self.messages > 0 and not self.waiting

    @property
    def delivered(self) -> int:
        return self.states.get(DeliveryState.DELIVERED, 0) + self.states.get(DeliveryState.READ, 0)

    @property
    def failed(self) -> int:
        """Those that ended otherwise."""
        return sum(self.states.get(state, 0) for state in ENDS) - self.delivered


@dataclass(frozen=True)
class Origin:
    """Of a message: which delivery of whom it was handed over with."""

    account_id: int
    number: int
    operator: str


def accounts(organisation_id: int) -> list[Account]:
    """By the order of the connections."""
    naming = Naming(organisation_id)
    rows = {row.pk: row for row in RelayAccount.objects.filter(organisation_id=organisation_id)}
    found = []
    for connection in connections_of(organisation_id):
        owner, row = naming.owner(connection), rows.get(connection.pk)
        if owner is not None or row is not None:
            found.append(_account(connection, row.operator if row is not None else owner.login if owner else "", row))
    return found


def find_account(organisation_id: int, connection_id: int) -> Account:
    """Raises NotFound, also for a connection that is nobody's account."""
    connection = find_connection(organisation_id, connection_id)
    row = RelayAccount.objects.filter(pk=connection.pk).first()
    owner = Naming(organisation_id).owner(connection)
    if row is None and owner is None:
        raise NotFound("account", connection_id)
    return _account(connection, row.operator if row is not None else owner.login if owner else "", row)


def _account(connection: Connection, operator: str, row: RelayAccount | None) -> Account:
    if row is None:
        return Account(connection, operator, row)
    oldest, newest = page_span(connection.pk)
    first = max(oldest, row.told + 1)
    if first > newest:
        return Account(connection, operator, row)
    since_ms = RelayPage.objects.filter(pk=relayed(connection.pk, first)).values_list("at_ms", flat=True).first()
    return Account(connection, operator, row, newest - first + 1, since_ms or 0)


def deliveries_page(connection_id: int, cursor: str, limit: int) -> Page[Delivery]:
    """The account's deliveries, those of the highest numbers first. Raises InvalidInput."""
    # One bound on each side: with two on one, SQLite walks from the farther.
    before = min(read_cursor(cursor), relayed(connection_id + 1, 0))
    rows = RelayDelivery.objects.filter(pk__gte=relayed(connection_id, 0), pk__lt=before).order_by("-pk")
    page = page_of(list(rows[: size_of_page(limit) + 1]), limit, lambda row: str(row.pk))
    states = _states(row.pk for row in page.items)
    return Page([Delivery(row, states[row.pk]) for row in page.items], page.next)


def fingerprint(organisation_id: int, connection_id: int) -> Hashable:
    """What differs when an account's page would, but for how long ago it was heard. Raises NotFound."""
    account, page = (
        find_account(organisation_id, connection_id),
        deliveries_page(connection_id, "", DELIVERIES_OF_A_PAGE),
    )
    row = account.row
    told = (row.told, row.push_url, row.error) if row is not None else ()
    return account.untold, told, tuple((one.number, one.row.status, *one.states.items()) for one in page.items)


def find_delivery(connection_id: int, number: int) -> Delivery:
    """Raises NotFound."""
    row = RelayDelivery.objects.filter(pk=relayed(connection_id, number)).first() if number <= LARGEST_NUMBER else None
    if row is None:
        raise NotFound("delivery", number)
    return Delivery(row, _states([row.pk])[row.pk])


def _states(deliveries: Iterable[int]) -> dict[int, dict[DeliveryState, int]]:
    found: dict[int, dict[DeliveryState, int]] = {one: {} for one in deliveries}
    for row in DeliveryCount.objects.filter(delivery_id__in=list(found)).exclude(messages=0).order_by("state"):
        found[row.delivery_id][DeliveryState(row.state)] = row.messages
    return found


def origin_of(delivery_id: int) -> Origin | None:
    """None for a delivery of our own, or none."""
    account_id = account_of(delivery_id)
    if not account_id:
        return None
    operator = RelayAccount.objects.filter(pk=account_id).values_list("operator", flat=True).first()
    if operator is None:
        connection = Connection.objects.filter(pk=account_id).first()
        owner = Naming(connection.organisation_id).owner(connection) if connection is not None else None
        operator = owner.login if owner is not None else ""
    return Origin(account_id, delivery_id & LARGEST_NUMBER, operator)
