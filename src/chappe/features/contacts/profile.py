"""What is known of a person, from every table, each by its index and with a bound."""

from collections.abc import Iterator, Sequence

from chappe.features.consent import ledger
from chappe.features.consent import services as consent
from chappe.features.consent.models import ConsentEvent, Quarantine
from chappe.features.contacts.models import Contact, ContactList, ContactListMember
from chappe.features.messages import services as messages
from chappe.features.messages.models import Inbound, MessageNow

MOST_LISTS = 200
MOST_LINES = 50
MOST_MESSAGES = 20


def name_of(contact: Contact, *, sees_numbers: bool) -> str:
    """What people know the person by: the number, the address or the organisation's own id; "" where they may see none."""
    reach = contact.phone or contact.email or contact.phone_raw or contact.email_raw
    return reach if sees_numbers and reach else contact.external_id


def lists_of(contact: Contact) -> list[ContactList]:
    """The lists that the person is on, by name."""
    ids = ContactListMember.objects.filter(contact_id=contact.pk).values_list("list_id", flat=True)[:MOST_LISTS]
    return list(ContactList.objects.filter(organisation_id=contact.organisation_id, pk__in=list(ids)).order_by("name"))


def consent_of(contact: Contact) -> list[ConsentEvent]:
    """What the person said, newest first."""
    return ledger.lines_of(contact.organisation_id, _written(contact), MOST_LINES)


def quarantine_of(contact: Contact) -> list[Quarantine]:
    return consent.entries_of(contact.organisation_id, _written(contact), MOST_LINES)


def messages_of(contact: Contact) -> list[MessageNow]:
    """The last messages to the number and the address, newest first."""
    found = [
        message
        for reach in _reaches(contact)
        for message in messages.search_messages(contact.organisation_id, reach, "", "", MOST_MESSAGES).items
    ]
    return sorted(found, key=lambda message: -message.pk)[:MOST_MESSAGES]


def texts_of(contact: Contact) -> list[Inbound]:
    """The last texts from the number and the address, newest first."""
    found = [
        text
        for reach in _reaches(contact)
        for text in messages.inbound_page(contact.organisation_id, reach, "", MOST_MESSAGES).items
    ]
    return sorted(found, key=lambda text: -text.pk)[:MOST_MESSAGES]


def _reaches(contact: Contact) -> Iterator[str]:
    return (reach for reach in (contact.phone, contact.email) if reach)


def _written(contact: Contact) -> Sequence[str]:
    return [spelling for reach in _reaches(contact) for spelling in messages.spellings(reach)]
