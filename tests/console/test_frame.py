"""The frame of every page: sign-in, menu, language, theme, what is refused."""

from collections.abc import Callable

from tests.console.browser import PASSWORD, Browser, person

from chappe.features.accounts.models import Organisation
from chappe.features.accounts.right import ROLES, Right, Role
from chappe.features.view import PageRequest, page


def test_who_is_not_signed_in_is_asked_to_sign_in(organisation: Organisation) -> None:
    shown = Browser().get("/")
    assert shown.find("input", name="login")
    assert shown.find("input", type="password")


def test_a_person_signs_in_with_address_and_password(organisation: Organisation) -> None:
    person(organisation, "marketer", email="marie@example.org", password=PASSWORD)
    someone = Browser()
    wrong = someone.post("/account/login/", {"login": "marie@example.org", "password": "not this one"})
    assert wrong.find("div", role="alert")
    right = someone.post("/account/login/", {"login": "Marie@example.org", "password": PASSWORD})
    assert "Relais" in right.text
    assert right.find("nav", aria_label="Main menu")


def test_the_console_speaks_french_to_who_chose_it(admin: Browser) -> None:
    shown = admin.post("/preference/language", {"language": "fr", "next": "/"})
    assert shown.all("html")[0].get("lang") == "fr"
    assert Browser(admin.user).get("/").all("html")[0].get("lang") == "fr"


def test_a_theme_is_kept_with_the_person(admin: Browser) -> None:
    admin.post("/preference/theme", {"theme": "dark"})
    assert admin.get("/").all("html")[0].get("data-theme") == "dark"


def test_a_preference_does_not_lead_to_another_site(admin: Browser) -> None:
    answer = admin.post("/preference/language", {"language": "en", "next": "https://example.com/"}, follow=False)
    assert answer.url == "/"


def test_what_is_not_there_is_said_in_the_console_s_own_words(admin: Browser) -> None:
    assert admin.get("/no/such/page").status == 404


def test_a_role_without_the_right_is_told_which_it_lacks(browse_as: Callable[..., Browser]) -> None:
    from django.test import RequestFactory

    @page(Right.MANAGE_PEOPLE)
    def view(request: PageRequest) -> object:
        raise AssertionError("not reached")

    request = RequestFactory().get("/")
    request.user = browse_as("marketer").user
    answer = view(request)
    assert answer.status_code == 403


def test_administrators_have_every_right_and_auditors_change_nothing() -> None:
    assert ROLES[Role.ADMINISTRATOR] == frozenset(Right)
    assert not any(right.startswith(("manage", "use", "erase")) for right in ROLES[Role.AUDITOR])
