"""A small organisation with a connection and a list, for tests of deliveries."""

from collections import Counter
from typing import Any

from tests.row import NOW_MS

from chappe.engine.store.store import unpack_ids
from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import Connection
from chappe.features.consent.models import Quarantine
from chappe.features.contacts import services as contacts
from chappe.features.contacts.models import Contact, ContactList
from chappe.features.deliveries import services
from chappe.features.deliveries.models import Delivery, DeliveryExclusion
from chappe.features.deliveries.services import Draft
from chappe.features.messages.models import DeliveryCount, Message, Outbox
from chappe.messaging import DeliveryState

SETTINGS: dict[str, Any] = {"host": "smsc.example.org", "account": "relais"}
WAITING, EXCLUDED = int(DeliveryState.WAITING), int(DeliveryState.EXCLUDED)


class Stage:
    """An organisation with a connection and a list, and what a test puts there."""

    def __init__(self, **settings: Any) -> None:
        self.organisation = Organisation.objects.create(name="Relais").pk
        self.connection = Connection.objects.create(
            organisation_id=self.organisation, name="North", provider="smpp", settings=SETTINGS | settings
        )
        self.people: ContactList = contacts.create_list(self.organisation, "Customers", NOW_MS)

    def person(self, phone: str = "", **attributes: Any) -> Contact:
        """Somebody on the list; without a number, one whose number could not be read."""
        contact = Contact.objects.create(
            organisation_id=self.organisation, phone=phone, phone_raw=phone or "12", attributes=attributes
        )
        contacts.add_members(self.organisation, self.people.pk, [contact.pk])
        return contact

    def block(self, phone: str, status: str = "quarantine", short_code: str = "", organisation: int = 0) -> None:
        Quarantine.objects.create(
            organisation_id=organisation or self.organisation, address=phone, status=status, short_code=short_code
        )

    def draft(self, body: str = "Hello", **values: Any) -> Delivery:
        given = {"label": "June", "list_id": self.people.pk, "connection_id": self.connection.pk, "body": body}
        return services.create_delivery(self.organisation, Draft(**{**given, **values}), NOW_MS)

    def analysed(self, body: str = "Hello", **values: Any) -> Delivery:
        delivery = self.draft(body, **values)
        return services.analyse_now(self.organisation, delivery.pk, NOW_MS)

    def reset(self, delivery: Delivery, **values: Any) -> None:
        Delivery.objects.filter(pk=delivery.pk).update(**values)


def counts(delivery: Delivery) -> dict[int, int]:
    return dict(DeliveryCount.objects.filter(delivery_id=delivery.pk).values_list("state", "messages"))


def exclusions(delivery: Delivery) -> dict[str, int]:
    return dict(DeliveryExclusion.objects.filter(delivery=delivery).values_list("reason", "people"))


def number(index: int) -> str:
    return f"+336{index:08d}"


def assert_whole(delivery: Delivery) -> None:
    """Counts, messages, outbox and exclusions say the same."""
    delivery.refresh_from_db()
    rows = Message.objects.filter(delivery_id=delivery.pk)
    states = Counter(rows.values_list("state", flat=True))
    assert states == Counter(counts(delivery))
    assert sum(states.values()) == delivery.audience
    assert sum(exclusions(delivery).values()) == states[EXCLUDED]
    packed: list[int] = []
    for outbox in Outbox.objects.filter(delivery_id=delivery.pk):
        packed += unpack_ids(bytes(outbox.ids)) if outbox.ids else range(outbox.first_id, outbox.last_id + 1)
    assert sorted(packed) == sorted(rows.filter(state=WAITING).values_list("pk", flat=True))
