"""Where an answer leads: back to a page of ours, whoever wrote the address that came with the request."""

from django.test import Client
from tests.console.browser import Browser, person

from chappe.features.accounts.models import Organisation

ELSEWHERE = [
    "http://testserver//evil.example/x",
    "http://testserver/\t/evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "http:///evil.example",
    "javascript:alert(1)",
]
NOWHERE = ["people", "?a=1", "http://testserver", "accounts:people", ""]


def test_no_form_leads_elsewhere(admin: Browser) -> None:
    for target in (*ELSEWHERE, *NOWHERE):
        by_field = admin.client.post("/preference/theme", {"theme": "dark", "next": target})
        by_browser = admin.client.post("/preference/theme", {"theme": "dark"}, headers={"referer": target})
        assert (by_field.headers["Location"], by_browser.headers["Location"]) == ("/", "/"), target


def test_a_form_leads_back_to_its_page_with_its_filters(admin: Browser) -> None:
    for target in ("/messages/?q=%2B33", "http://testserver/messages/?q=%2B33"):
        answer = admin.client.post("/preference/theme", {"theme": "dark", "next": target})
        assert answer.headers["Location"] == "/messages/?q=%2B33"


def test_who_is_signed_out_meanwhile_comes_back_to_the_page_of_the_form(organisation: Organisation) -> None:
    page = f"http://testserver/people/{person(organisation).pk}/"
    answer = Client().post("/people/1/let-in", {"is_active": "0"}, headers={"referer": page})
    assert answer.headers["Location"] == f"/account/login/?next={page.removeprefix('http://testserver')}"


def test_a_part_of_a_page_is_not_swapped_for_the_sign_in(organisation: Organisation) -> None:
    answer = Client().get("/", headers={"hx-request": "true"})
    assert answer.status_code == 403


def test_the_address_of_a_button_opened_by_hand_says_what_it_is(admin: Browser) -> None:
    assert admin.user is not None
    shown = admin.get(f"/people/{admin.user.pk}/let-in")
    assert (shown.status, shown.response.headers["Allow"]) == (405, "POST")
    assert "A button leads here" in shown.text
