"""People: the first administrator, invitations, roles, what is withheld, groups."""

from collections.abc import Callable

import pytest
from tests.console.browser import PASSWORD, Browser, person

from chappe.features.accounts import invitation
from chappe.features.accounts.models import Invitation, Organisation, PeopleGroup, User
from chappe.features.accounts.person import person_of
from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms

NEWCOMER = {"name": "Marie Durand", "password": PASSWORD}


def link_of(shown: str) -> str:
    """The path of a link that a page shows."""
    return "/" + shown.partition("://")[2].partition("/")[2]


def test_the_first_administrator_follows_a_link_and_names_the_organisation(database: str) -> None:
    made = invitation.invite_first(now_ms())
    someone = Browser()
    path = f"/people/invitation/{made.token}"
    assert "You are the first here" in someone.get(path).text
    home = someone.post(path, {**NEWCOMER, "email": "Marie@Example.org", "organisation": "Relais"})
    assert "Relais" in home.text
    assert "Marie Durand" in home.text
    user = User.objects.get()
    assert (user.email, user.role, user.is_superuser) == ("marie@example.org", "administrator", True)
    assert someone.get("/people/").status == 200


def test_the_first_link_works_once(database: str) -> None:
    made = invitation.invite_first(now_ms())
    path = f"/people/invitation/{made.token}"
    Browser().post(path, {**NEWCOMER, "email": "a@example.org", "organisation": "Relais"})
    again = Browser().post(path, {**NEWCOMER, "email": "b@example.org", "organisation": "Relais"})
    assert again.status == 404
    assert "works no more" in again.text
    assert User.objects.count() == 1


def test_a_link_works_no_more_when_its_time_is_over(database: str) -> None:
    made = invitation.invite_first(now_ms() - invitation.FIRST_LIVES_MS)
    assert Browser().get(f"/people/invitation/{made.token}").status == 404


def test_a_first_link_that_was_made_again_replaces_the_one_before(database: str) -> None:
    old, new = invitation.invite_first(now_ms()), invitation.invite_first(now_ms())
    assert Browser().get(f"/people/invitation/{old.token}").status == 404
    assert Browser().get(f"/people/invitation/{new.token}").status == 200


def test_the_first_link_is_for_an_installation_without_people(organisation: Organisation) -> None:
    made = invitation.invite_first(now_ms())
    person(organisation)
    assert Browser().get(f"/people/invitation/{made.token}").status == 404


def test_what_a_newcomer_typed_is_kept_and_what_is_wrong_is_said_beside_it(database: str) -> None:
    made = invitation.invite_first(now_ms())
    path = f"/people/invitation/{made.token}"
    shown = Browser().post(
        path, {"name": "Marie", "password": "short", "email": "a@example.org", "organisation": "Relais"}
    )
    assert "too short" in shown.error_of("password")
    assert shown.value_of("name") == "Marie"
    assert not User.objects.exists()


def test_an_invitation_makes_a_person_of_that_role_in_that_organisation(admin: Browser) -> None:
    shown = admin.post("/people/", {"email": "Jean@example.org", "role": "marketer"})
    path = link_of(shown.value_of_id("invitation-link"))
    newcomer = Browser()
    assert "jean@example.org" in newcomer.get(path).text
    newcomer.post(path, NEWCOMER)
    made = User.objects.get(username="jean@example.org")
    assert (made.role, made.organisation_id, made.is_superuser) == ("marketer", admin.user.organisation_id, False)
    assert newcomer.get("/people/").status == 403


def test_the_link_of_an_invitation_is_shown_once_and_kept_nowhere(admin: Browser) -> None:
    shown = admin.post("/people/", {"email": "jean@example.org", "role": "marketer"})
    token = shown.value_of_id("invitation-link").rpartition("/")[2]
    again = admin.get("/people/")
    assert token not in again.html
    assert "jean@example.org" in again.text
    assert token not in str(Invitation.objects.values_list())


def test_an_invitation_is_withdrawn(admin: Browser) -> None:
    shown = admin.post("/people/", {"email": "jean@example.org", "role": "marketer"})
    row = Invitation.objects.get()
    admin.post(f"/people/invitations/{row.pk}/withdraw")
    assert Browser().get(link_of(shown.value_of_id("invitation-link"))).status == 404


def test_an_address_that_is_none_is_said_beside_the_field(admin: Browser) -> None:
    shown = admin.post("/people/", {"email": "nobody", "role": "marketer"})
    assert shown.error_of("email")
    assert shown.value_of("email") == "nobody"


def test_what_is_withheld_from_a_person_is_refused_at_once(admin: Browser, browse_as: Callable[..., Browser]) -> None:
    other = browse_as("administrator")
    assert other.get("/people/").status == 200
    admin.post(f"/people/{other.user.pk}/", {"role": "administrator", "withheld": ["manage_people"]})
    refused = other.get("/people/")
    assert refused.status == 403
    assert "Invite people" in refused.text


def test_a_group_withholds_rights_from_its_people(admin: Browser, browse_as: Callable[..., Browser]) -> None:
    agency = browse_as("marketer")
    admin.post("/people/groups/new/", {"name": "Agency", "withheld": ["see_numbers"], "people": [agency.user.pk]})
    seen = person_of(User.objects.get(pk=agency.user.pk))
    assert seen is not None
    assert not seen.may(Right.SEE_NUMBERS)
    assert seen.may(Right.USE_DELIVERIES)
    assert "Agency" in admin.get("/people/groups/").text


def test_a_group_is_deleted_by_its_name(admin: Browser) -> None:
    admin.post("/people/groups/new/", {"name": "Agency", "withheld": ["see_numbers"]})
    group = PeopleGroup.objects.get()
    wrong = admin.post(f"/people/groups/{group.pk}/delete", {"confirmation": "agency"})
    assert wrong.error_of("confirmation")
    admin.post(f"/people/groups/{group.pk}/delete", {"confirmation": "Agency"})
    assert not PeopleGroup.objects.exists()


def test_somebody_stays_who_may_manage_people(admin: Browser) -> None:
    shown = admin.post(f"/people/{admin.user.pk}/", {"role": "auditor"})
    assert "Somebody must stay" in shown.text
    shown = admin.post(f"/people/{admin.user.pk}/let-in", {"is_active": "0"})
    assert "Somebody must stay" in shown.text
    shown = admin.post("/people/groups/new/", {"name": "All", "withheld": ["manage_people"], "people": [admin.user.pk]})
    assert "Somebody must stay" in shown.text
    assert admin.get("/people/").status == 200


def test_who_is_let_in_no_more_is_out_at_once(admin: Browser, browse_as: Callable[..., Browser]) -> None:
    other = browse_as("marketer")
    assert other.get("/").find("nav", aria_label="Main menu")
    admin.post(f"/people/{other.user.pk}/let-in", {"is_active": "0"})
    assert other.get("/").find("input", name="login")


def test_a_password_link_lets_somebody_choose_a_new_one(admin: Browser, browse_as: Callable[..., Browser]) -> None:
    other = browse_as("marketer")
    shown = admin.post(f"/people/{other.user.pk}/password-link")
    someone = Browser()
    form = someone.get(link_of(shown.value_of_id("password-link")))
    assert form.find("input", name="password1")
    someone.post(form.url, {"password1": PASSWORD, "password2": PASSWORD})
    other.user.refresh_from_db()
    assert other.user.check_password(PASSWORD)


@pytest.mark.parametrize("path", ["/people/{}/", "/people/{}/let-in", "/people/{}/password-link"])
def test_people_of_another_organisation_are_not_there(path: str, admin: Browser, stranger: Browser) -> None:
    before = User.objects.get(pk=admin.user.pk)
    answer = stranger.post(path.format(admin.user.pk), {"role": "auditor", "is_active": "0"})
    assert answer.status == 404
    after = User.objects.get(pk=admin.user.pk)
    assert (after.role, after.is_active, after.password) == (before.role, before.is_active, before.password)


def test_only_who_administers_the_installation_makes_organisations(
    admin: Browser, browse_as: Callable[..., Browser]
) -> None:
    assert admin.post("/people/organisations/", {"name": "South", "email": "s@example.org"}).status == 403
    chief = browse_as()
    User.objects.filter(pk=chief.user.pk).update(is_superuser=True)
    shown = chief.post("/people/organisations/", {"name": "South", "email": "s@example.org"})
    Browser().post(link_of(shown.value_of_id("invitation-link")), NEWCOMER)
    made = User.objects.get(username="s@example.org")
    assert made.organisation is not None
    assert (made.organisation.name, made.role) == ("South", "administrator")


def test_everybody_sees_what_each_role_may_do(browse_as: Callable[..., Browser]) -> None:
    shown = browse_as("auditor").get("/people/roles/")
    assert "Erase a person everywhere" in shown.text


def test_nobody_signs_up(organisation: Organisation) -> None:
    someone = Browser()
    someone.post("/account/signup/", {"email": "x@example.org", "password1": PASSWORD})
    assert not User.objects.exists()
