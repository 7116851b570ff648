"""Lists and people at the console."""

from collections.abc import Callable

import pytest
from tests import row
from tests.console.browser import NOW_MS, Browser

from chappe.features.accounts.models import Organisation
from chappe.features.contacts import services
from chappe.features.contacts.models import Contact, ContactList
from chappe.features.contacts.services import Details
from chappe.features.jobs import services as jobs
from chappe.features.messages.models import Message
from chappe.messaging import DeliveryState

NUMBER, MASKED = "+33612345678", "+33••••••678"


@pytest.fixture
def people(organisation: Organisation) -> ContactList:
    return services.create_list(organisation.pk, "Customers", NOW_MS)


def person(people: ContactList, phone: str = NUMBER, **values: object) -> Contact:
    details = Details(phone=phone, **values)  # type: ignore[arg-type]
    return services.create_contact(people.organisation_id, details, [people.pk], NOW_MS)


def test_before_there_is_a_list_the_page_says_what_to_do(admin: Browser) -> None:
    shown = admin.get("/contacts/")
    assert "There are no lists yet" in shown.text
    made = admin.post("/contacts/", {"name": "Customers"})
    assert made.find("h1")[0].text == "Customers"
    assert "Nobody is on this list yet" in made.text
    assert "Customers" in admin.get("/contacts/").text


def test_a_name_that_is_taken_is_said_and_kept(admin: Browser, people: ContactList) -> None:
    refused = admin.post("/contacts/", {"name": people.name})
    assert "There is a list named Customers already." in refused.text
    assert refused.value_of("name") == people.name


def test_a_list_says_how_many_are_on_it_and_counts_no_further_than_needed(
    admin: Browser, people: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    for digit in range(3):
        person(people, f"+3361234567{digit}")
    assert "People 3" in admin.get(f"/contacts/lists/{people.pk}/").text
    monkeypatch.setattr(services, "MOST_COUNTED", 2)
    assert "more than 2" in admin.get(f"/contacts/lists/{people.pk}/").text
    assert "more than 2" in admin.get("/contacts/").text


def test_a_list_is_renamed_and_deleted_only_by_its_name(admin: Browser, people: ContactList) -> None:
    path = f"/contacts/lists/{people.pk}/"
    assert admin.post(f"{path}rename/", {"name": "Friends"}).find("h1")[0].text == "Friends"
    wrong = admin.post(f"{path}delete/", {"confirmation": "Customers"})
    assert wrong.error_of("confirmation")
    gone = admin.post(f"{path}delete/", {"confirmation": "Friends"})
    assert "The list Friends is gone." in gone.text
    assert admin.get(path).status == 404


def test_people_of_a_list_are_found_by_number_address_and_own_id(admin: Browser, people: ContactList) -> None:
    ada = person(people, external_id="A1", email="ada@example.org")
    person(people, "+33698765432", external_id="B2")
    path = f"/contacts/lists/{people.pk}/"
    for wanted in ("+336123", "06 12 34", "ada@Example.org", "A1", "00 33 612345678"):
        shown = admin.get(path, q=wanted)
        if wanted == "06 12 34":
            assert "Nobody on this list is found by this" in shown.text
        else:
            assert f"/contacts/people/{ada.pk}/" in shown.links(), wanted
            assert "B2" not in shown.text
    assert shown.value_of("q") == wanted


def test_the_people_of_a_list_are_walked_page_by_page(
    admin: Browser, people: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chappe.features.contacts import views

    monkeypatch.setattr(views, "PEOPLE_OF_A_PAGE", 2)
    for digit in range(3):
        person(people, f"+3361234567{digit}")
    first = admin.get(f"/contacts/lists/{people.pk}/")
    (following,) = [link for link in first.links() if "cursor=" in link]
    second = admin.get(f"/contacts/lists/{people.pk}/{following}")
    assert "+33612345672" in second.text and "+33612345671" not in second.text


def test_somebody_known_is_put_on_a_list_and_taken_off(admin: Browser, people: ContactList) -> None:
    contact = services.create_contact(people.organisation_id, Details(phone=NUMBER), [], NOW_MS)
    path = f"/contacts/lists/{people.pk}/"
    added = admin.post(f"{path}add/", {"person": "+33 6 12 34 56 78"})
    assert "The person is on the list now." in added.text
    assert "was on the list already" in admin.post(f"{path}add/", {"person": NUMBER}).text
    assert "Nothing was chosen." in admin.post(f"{path}remove/", {}, HTTP_REFERER=f"http://testserver{path}").text
    removed = admin.post(f"{path}remove/", {"ids": [contact.pk]})
    assert "1 person is off the list." in removed.text
    assert services.find_contact(people.organisation_id, contact.pk) == contact


def test_for_somebody_unknown_the_page_offers_to_make_them(admin: Browser, people: ContactList) -> None:
    refused = admin.post(f"/contacts/lists/{people.pk}/add/", {"person": NUMBER})
    assert refused.error_of("person") == "Nobody is known by this."
    (link,) = [one for one in refused.links() if "as=" in one]
    form = admin.get(link)
    assert form.value_of("phone") == NUMBER
    values = {"phone": NUMBER, "new_name_0": "city", "new_value_0": "Lyon"}
    made = admin.post(link, values)
    assert f"/contacts/lists/{people.pk}/" in made.url
    assert Contact.objects.get().attributes == {"city": "Lyon"}


def test_a_person_that_cannot_be_is_told_beside_the_field(admin: Browser, organisation: Organisation) -> None:
    values = {"phone": "12", "email": "ada", "new_name_0": "first name", "new_value_0": "Ada"}
    refused = admin.post("/contacts/people/new/", values)
    assert "is not a telephone number" in refused.error_of("phone")
    assert "is not an e-mail address" in refused.error_of("email")
    assert "is not a name for an attribute" in refused.error_of("new_name_0")
    assert refused.value_of("new_value_0") == "Ada"


def test_a_person_is_changed_and_values_that_nobody_touched_stay_what_they_are(
    admin: Browser, people: ContactList
) -> None:
    contact = person(people, attributes={"age": 31, "vip": True, "city": "Lyon"})
    path = f"/contacts/people/{contact.pk}/"
    form = admin.get(f"{path}change/")
    values = {one.get("name", ""): form.value_of(one.get("name", "")) for one in form.controls() if one.get("name")}
    places = {
        "".join(label.itertext()).split()[0]: label.get("for", "").removeprefix("id_") for label in form.all("label")
    }
    changed = admin.post(f"{path}change/", values | {places["city"]: "", "phone": "+33698765432"})
    assert "+33698765432" in changed.text
    contact.refresh_from_db()
    assert contact.attributes == {"age": 31, "vip": True}
    assert contact.phone == "+33698765432"


def test_a_number_is_masked_for_whoever_may_not_see_it(people: ContactList, browse_as: Callable[..., Browser]) -> None:
    contact = person(people)
    auditor = browse_as("auditor")
    for path in (f"/contacts/lists/{people.pk}/", f"/contacts/people/{contact.pk}/"):
        shown = auditor.get(path)
        assert NUMBER not in shown.html and NUMBER.removeprefix("+") not in shown.html, path
    assert MASKED in auditor.get(f"/contacts/lists/{people.pk}/").text


def test_who_may_change_but_not_see_numbers_changes_only_what_they_type(
    people: ContactList, browse_as: Callable[..., Browser]
) -> None:
    contact = person(people, email="ada@example.org", external_id="A1")
    marketer = browse_as("marketer")
    assert marketer.user is not None
    marketer.user.withheld = ["see_numbers"]
    marketer.user.save()
    path = f"/contacts/people/{contact.pk}/change/"
    form = marketer.get(path)
    assert NUMBER not in form.html and "ada@example.org" not in form.html
    marketer.post(path, {"phone": "", "email": "", "external_id": "A2"})
    contact.refresh_from_db()
    assert (contact.phone, contact.email, contact.external_id) == (NUMBER, "ada@example.org", "A2")


def test_people_are_looked_for_everywhere_but_not_by_too_little(admin: Browser, people: ContactList) -> None:
    contact = person(people)
    assert "Whom do you look for?" in admin.get("/contacts/people/").text
    for wanted in (NUMBER, "+336 1234 56"):
        assert f"/contacts/people/{contact.pk}/" in admin.get("/contacts/people/", q=wanted).links()
    assert "give at least 8 digits" in admin.get("/contacts/people/", q="+336").error_of("q")
    assert "Nobody is found by this" in admin.get("/contacts/people/", q="+33699999999").text


def test_the_roles_see_contacts_and_only_some_change_them(
    people: ContactList, browse_as: Callable[..., Browser]
) -> None:
    contact = person(people)
    for role, may_change, may_erase in (
        ("marketer", True, False),
        ("operator", False, False),
        ("auditor", False, False),
        ("administrator", True, True),
    ):
        someone = browse_as(role)
        shown = someone.get(f"/contacts/people/{contact.pk}/")
        assert shown.status == 200
        assert (f"/contacts/people/{contact.pk}/change/" in shown.links()) is may_change, role
        assert (f"/contacts/people/{contact.pk}/erase/" in shown.links()) is may_erase, role
        assert (someone.get(f"/contacts/people/{contact.pk}/change/").status == 200) is may_change
        assert (someone.get(f"/contacts/people/{contact.pk}/erase/").status == 200) is may_erase
        if not may_change:
            assert someone.post("/contacts/", {"name": "Mine"}).status == 403


def test_a_stranger_finds_nothing_of_ours(stranger: Browser, people: ContactList) -> None:
    contact = person(people)
    assert "Customers" not in stranger.get("/contacts/").text
    assert "Nobody is found by this" in stranger.get("/contacts/people/", q=NUMBER).text
    for path in (f"lists/{people.pk}/", f"lists/{people.pk}/import/", f"people/{contact.pk}/"):
        assert stranger.get(f"/contacts/{path}").status == 404
    for path in (f"lists/{people.pk}/delete/", f"people/{contact.pk}/erase/", f"lists/{people.pk}/remove/"):
        answer = stranger.post(f"/contacts/{path}", {"confirmation": "Customers", "ids": [contact.pk]})
        assert answer.status == 404
    assert Contact.objects.filter(pk=contact.pk).exists()


def test_the_page_of_a_person_shows_messages_to_and_texts_from_them(
    admin: Browser, people: ContactList, browse_as: Callable[..., Browser]
) -> None:
    contact = person(people, attributes={"city": "Lyon"})
    message = row.message(people.organisation_id, 1, recipient=NUMBER, body="Hello Ada")
    row.inbound(people.organisation_id, 2, sender=NUMBER, body="Who is this?")
    path = f"/contacts/people/{contact.pk}/"
    shown = admin.get(path)
    assert "Hello Ada" in shown.text and "Who is this?" in shown.text and "Lyon" in shown.text
    assert f"/messages/{message.pk}/" in shown.links()
    hidden = browse_as("operator").get(path)
    assert "Hello Ada" not in hidden.html and "Who is this?" not in hidden.html
    assert "hidden text of 9 characters" in hidden.text


def test_a_person_is_deleted_and_the_messages_to_them_stay(admin: Browser, people: ContactList) -> None:
    contact = person(people)
    row.message(people.organisation_id, 1, recipient=NUMBER)
    path = f"/contacts/people/{contact.pk}/delete/"
    assert admin.post(path, {"confirmation": "+336"}).error_of("confirmation")
    assert "off your contacts" in admin.post(path, {"confirmation": NUMBER}).text
    jobs.run_until_empty()
    assert not Contact.objects.exists()
    assert Message.objects.get().recipient == NUMBER


def test_a_person_is_erased_everywhere_after_saying_what_goes_and_what_stays(
    admin: Browser, people: ContactList
) -> None:
    contact = person(people, external_id="A1")
    row.message(people.organisation_id, 1, recipient=NUMBER, state=DeliveryState.DELIVERED)
    path = f"/contacts/people/{contact.pk}/erase/"
    shown = admin.get(path)
    assert "What goes, for good" in shown.text and "What stays" in shown.text
    assert admin.post(path, {"confirmation": "A1"}).error_of("confirmation")
    assert "is being erased" in admin.post(path, {"confirmation": NUMBER}).text
    jobs.run_until_empty()
    assert admin.get(f"/contacts/people/{contact.pk}/").status == 404
    assert Message.objects.get().recipient == ""


def test_the_pages_speak_french(people: ContactList, browse_as: Callable[..., Browser]) -> None:
    contact, someone = person(people), browse_as(language="fr")
    assert "Contacts et listes" in someone.get("/contacts/").text
    assert "Ce qui reste" in someone.get(f"/contacts/people/{contact.pk}/erase/").text
    refused = someone.post("/contacts/people/new/", {"phone": "12"})
    assert "n’est pas un numéro de téléphone" in refused.error_of("phone")
