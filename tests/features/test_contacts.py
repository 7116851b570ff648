"""People and lists."""

import threading
from typing import Any

import pytest
from tests import row
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.contacts import services
from chappe.features.contacts.models import Contact, ContactListMember
from chappe.features.contacts.services import Details
from chappe.features.inbox.models import Conversation
from chappe.features.jobs import services as jobs
from chappe.features.jobs.models import Job
from chappe.features.messages.models import Inbound, Message
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.features.tracking.services import clicks_of
from chappe.messaging import DeliveryState

PHONE = "+33612345678"


@pytest.fixture
def ours(database: str) -> int:
    return Organisation.objects.create(name="Relais").pk


@pytest.fixture
def theirs(ours: int) -> int:
    return Organisation.objects.create(name="Another").pk


def person(organisation_id: int, phone: str = PHONE, lists: tuple[int, ...] = (), **values: Any) -> Contact:
    return services.create_contact(organisation_id, Details(phone=phone, **values), lists, NOW_MS)


def test_a_list_is_made_renamed_and_deleted_and_its_people_stay(ours: int) -> None:
    made = services.create_list(ours, "Customers", NOW_MS)
    contact = person(ours, lists=(made.pk,))
    assert services.rename_list(ours, made.pk, "Friends").name == "Friends"
    services.delete_list(ours, made.pk, NOW_MS)
    jobs.run_until_empty()
    with pytest.raises(NotFound):
        services.find_list(ours, made.pk)
    assert services.find_contact(ours, contact.pk) == contact
    assert not ContactListMember.objects.exists()


def test_two_lists_of_one_organisation_cannot_share_a_name(ours: int, theirs: int) -> None:
    services.create_list(ours, "Customers", NOW_MS)
    services.create_list(theirs, "Customers", NOW_MS)
    with pytest.raises(Conflict):
        services.create_list(ours, "Customers", NOW_MS)
    other = services.create_list(ours, "Friends", NOW_MS)
    with pytest.raises(Conflict):
        services.rename_list(ours, other.pk, "Customers")


def test_nobody_sees_another_organisations_people_or_lists(ours: int, theirs: int) -> None:
    contact, contact_list = person(ours), services.create_list(ours, "Customers", NOW_MS)
    for refused in (
        lambda: services.find_contact(theirs, contact.pk),
        lambda: services.change_contact(theirs, contact.pk, Details(phone="+33600000000")),
        lambda: services.delete_contact(theirs, contact.pk),
        lambda: services.erase_contact(theirs, contact.pk, NOW_MS),
        lambda: services.find_list(theirs, contact_list.pk),
        lambda: services.members_page(theirs, contact_list.pk, "", 10),
        lambda: services.add_members(theirs, services.create_list(theirs, "x", NOW_MS).pk, [contact.pk]),
        lambda: services.remove_members(theirs, contact_list.pk, [contact.pk]),
    ):
        with pytest.raises(NotFound):
            refused()
    assert services.contacts_page(theirs, "", 10).items == []


def test_a_person_is_read_with_the_number_as_given_and_in_e164(ours: int) -> None:
    contact = person(ours, "06 12 34 56 78", default_region="FR", attributes={"city": "Lyon", "age": 31})
    found = services.find_contact(ours, contact.pk)
    assert (found.phone, found.phone_raw) == (PHONE, "06 12 34 56 78")
    assert found.attributes == {"city": "Lyon", "age": 31}


@pytest.mark.parametrize(
    ("details", "field"),
    [
        (Details(), "phone"),
        (Details(phone="12"), "phone"),
        (Details(phone="0612345678"), "phone"),
        (Details(phone=PHONE, external_id="x" * 201), "external_id"),
        (Details(phone=PHONE, attributes={"first name": "Zoë"}), "attributes.first name"),
        (Details(phone=PHONE, attributes={"phone": "1"}), "attributes.phone"),
        (Details(phone=PHONE, attributes={"a": ["list"]}), "attributes.a"),
        (Details(phone=PHONE, attributes={"a": "x" * 1001}), "attributes.a"),
        (Details(phone=PHONE, attributes={f"a{n}": 1 for n in range(201)}), "attributes"),
        (Details(phone=PHONE, default_region="ZZ"), "default_region"),
    ],
)
def test_what_cannot_be_kept_of_a_person_names_the_field(ours: int, details: Details, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        services.create_contact(ours, details, [], NOW_MS)
    assert [error.field for error in refused.value.errors] == [field]
    assert not Contact.objects.exists()


def test_an_external_id_names_one_person_of_an_organisation(ours: int, theirs: int) -> None:
    first = person(ours, external_id="C1")
    person(theirs, external_id="C1")
    person(ours)
    person(ours)
    with pytest.raises(Conflict):
        person(ours, external_id="C1")
    assert services.contacts_page(ours, "", 10, external_id="C1").items == [first]


def test_a_new_number_follows_the_person_onto_every_list(ours: int) -> None:
    lists = [services.create_list(ours, name, NOW_MS).pk for name in ("A", "B")]
    contact = person(ours, lists=tuple(lists), attributes={"city": "Lyon", "name": "Zoë"})
    services.change_contact(ours, contact.pk, Details(phone="+33698765432", attributes={"city": None, "age": 3}))
    members = ContactListMember.objects.values_list("list_id", "phone").order_by("list_id")
    assert list(members) == [(list_id, "+33698765432") for list_id in lists]
    assert services.find_contact(ours, contact.pk).attributes == {"name": "Zoë", "age": 3}
    assert set(services.find_list(ours, lists[0]).attributes) == {"city", "name", "age"}


def test_a_person_is_on_a_list_once(ours: int) -> None:
    contact_list = services.create_list(ours, "Customers", NOW_MS)
    one, two = person(ours), person(ours, "+33612345679")
    assert services.add_members(ours, contact_list.pk, [one.pk, two.pk, one.pk]) == 2
    assert services.add_members(ours, contact_list.pk, [one.pk]) == 0
    assert services.size_of_list(contact_list.pk) == 2
    assert services.remove_members(ours, contact_list.pk, [one.pk, 10**18, -1]) == 1
    assert services.members_page(ours, contact_list.pk, "", 10).items == [two]


def test_a_person_that_does_not_exist_cannot_be_put_on_a_list(ours: int) -> None:
    contact_list = services.create_list(ours, "Customers", NOW_MS)
    with pytest.raises(NotFound):
        services.add_members(ours, contact_list.pk, [person(ours).pk, 987654])
    assert services.size_of_list(contact_list.pk) == 0


def test_pages_of_members_show_everybody_once_in_the_order_of_numbers(ours: int) -> None:
    contact_list = services.create_list(ours, "Customers", NOW_MS)
    numbers = [f"+3361234567{digit}" for digit in (5, 3, 9, 3, 1, 3)]
    for number in numbers:
        person(ours, number, (contact_list.pk,))
    seen: list[Contact] = []
    cursor: str | None = ""
    while cursor is not None:
        page = services.members_page(ours, contact_list.pk, cursor, 2)
        seen += page.items
        cursor = page.next
    assert [contact.phone for contact in seen] == sorted(numbers)
    assert len({contact.pk for contact in seen}) == len(numbers)


@pytest.mark.parametrize("cursor", ["x", "_", "+336_", "+336_x", "+336_-1", "\0_1", "+336_" + "9" * 30])
def test_a_cursor_of_ones_own_making_is_refused(ours: int, cursor: str) -> None:
    contact_list = services.create_list(ours, "Customers", NOW_MS)
    with pytest.raises(InvalidInput):
        services.members_page(ours, contact_list.pk, cursor, 2)


def test_people_are_found_by_number_with_or_without_its_plus(ours: int) -> None:
    contact = person(ours)
    person(ours, "+33612345679")
    for written in (PHONE, PHONE[1:], " 33612345678", "+33 6 12 34 56 78"):
        assert services.contacts_page(ours, "", 10, phone=written).items == [contact]


def test_deleting_a_person_takes_them_off_every_list_and_keeps_their_messages(ours: int) -> None:
    contact_list = services.create_list(ours, "Customers", NOW_MS)
    contact = person(ours, lists=(contact_list.pk,))
    row.message(ours, contact_id=contact.pk, state=DeliveryState.DELIVERED)
    services.delete_contact(ours, contact.pk)
    assert services.size_of_list(contact_list.pk) == 0
    assert Message.objects.get().body == "Your parcel is here"


def test_erasing_a_person_takes_their_words_and_number_out_of_what_ended(ours: int) -> None:
    contact, other = person(ours), person(ours)
    row.message(ours, 1, contact_id=contact.pk, state=DeliveryState.DELIVERED)
    row.message(ours, 2, contact_id=0, state=DeliveryState.FAILED)
    row.message(ours, 3, contact_id=other.pk, state=DeliveryState.DELIVERED)
    row.message(ours, 4, contact_id=contact.pk, state=DeliveryState.SENT)
    for number in (1, 3, 4):
        row.click(number)
    row.inbound(ours)
    Conversation.objects.create(organisation_id=ours, number=PHONE, connection_id=1, last_inbound_id=1)
    services.erase_contact(ours, contact.pk, NOW_MS)
    jobs.run_until_empty()
    assert not Conversation.objects.exists()
    found = {message.pk: (message.recipient, message.body, message.contact_id) for message in Message.objects.all()}
    gone = ("", "", 0)
    text = "Your parcel is here"
    assert found == {1: gone, 2: gone, 3: (PHONE, text, other.pk), 4: (PHONE, text, contact.pk)}
    assert (Inbound.objects.get().sender, Inbound.objects.get().body) == ("", "")
    addresses = {number: [(one.url, one.clicks) for one in clicks_of(number)] for number in (1, 3, 4)}
    sale = "https://shop.example/sale"
    assert addresses == {1: [("", 1)], 3: [(sale, 1)], 4: [(sale, 1)]}


def test_what_was_under_way_is_erased_when_it_has_ended(ours: int) -> None:
    contact = person(ours)
    row.message(ours, 1, contact_id=contact.pk, state=DeliveryState.SENT)
    services.erase_contact(ours, contact.pk, NOW_MS)
    jobs.run_until_empty()
    waiting = Job.objects.get()
    assert (waiting.status, waiting.tries) == ("waiting", 0)
    Message.objects.update(state=DeliveryState.DELIVERED)
    Job.objects.update(due_ms=0)
    jobs.run_next(threading.Event())
    assert Message.objects.get().recipient == ""
    assert (Job.objects.get().status, Job.objects.get().arguments) == ("finished", {})


def test_a_person_may_have_an_address_and_no_number(ours: int) -> None:
    made = services.create_contact(ours, Details(email=" Jane@Example.org"), (), NOW_MS)
    assert (made.email, made.email_raw, made.phone) == ("jane@example.org", "Jane@Example.org", "")
    page = services.contacts_page(ours, "", 10, email="JANE@example.org")
    assert [one.pk for one in page.items] == [made.pk]


@pytest.mark.parametrize(
    ("details", "field"),
    [(Details(), "phone"), (Details(phone=""), "phone"), (Details(email="jane at example"), "email")],
)
def test_a_person_without_a_number_and_without_an_address_is_refused(ours: int, details: Details, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        services.create_contact(ours, details, (), NOW_MS)
    assert [error.field for error in refused.value.errors] == [field]


def test_a_changed_address_is_changed_on_every_list(ours: int) -> None:
    made = services.create_list(ours, "Customers", NOW_MS)
    contact = person(ours, lists=(made.pk,), email="jane@example.org")
    services.change_contact(ours, contact.pk, Details(email="jo@example.org"))
    assert ContactListMember.objects.get().email == "jo@example.org"
    services.change_contact(ours, contact.pk, Details(email=""))
    assert ContactListMember.objects.get().email == ""
    with pytest.raises(InvalidInput):
        services.change_contact(ours, contact.pk, Details(phone=""))


def test_erasing_a_person_takes_the_address_out_of_what_was_sent_to_it(ours: int) -> None:
    contact = services.create_contact(ours, Details(email="jane@example.org"), (), NOW_MS)
    told = b'{"profile":{"name":"Jane"}}'
    row.message(organisation_id=ours, recipient="jane@example.org", state=DeliveryState.DELIVERED, options=told)
    row.inbound(ours, sender="jane@example.org")
    services.erase_contact(ours, contact.pk, NOW_MS)
    jobs.run_until_empty()
    assert (Inbound.objects.get().sender, Inbound.objects.get().body) == ("", "")
    assert list(Message.objects.values_list("recipient", "body", "options")) == [("", "", None)]
