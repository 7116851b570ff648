"""Connecting a provider at the console, kind by kind, against simulated providers."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests import online
from tests.console.browser import Browser, Page
from tests.console.test_connections import form_of

from chappe.features.connections import services
from chappe.features.connections.models import Connection
from chappe.providers.registry import PROVIDERS
from chappe.simulator import Quirks, SimulatorProcess
from chappe.simulator.process import HttpSimulatorProcess

MAIL = '{"to": "{{ user_identifier }}", "from": "shop@example.org", "subject": "Hello", "html": "Bonjour"}'


@pytest.fixture(scope="module")
def providers() -> Iterator[HttpSimulatorProcess]:
    with HttpSimulatorProcess("plain") as process:
        yield process


@pytest.fixture(scope="module")
def smsc() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(Quirks(accounts={"relais": "pa55word"})) as process:
        yield process


def walk(someone: Browser, provider: str, *steps: dict[str, Any]) -> Page:
    """Each step with what is typed in it, over what the page has; the last page."""
    url = f"/connections/new/{provider}/"
    page = someone.get(url)
    for typed in steps:
        page = someone.post(url, form_of(page) | {"do": "next"} | typed)
    return page


def test_every_kind_of_provider_can_be_picked(admin: Browser) -> None:
    links = admin.get("/connections/new/").links()
    for key in PROVIDERS:
        assert f"/connections/new/{key}/" in links
        assert admin.get(f"/connections/new/{key}/").status == 200
    assert admin.get("/connections/new/pigeons/").status == 404


def test_smpp_is_connected_step_by_step_and_measured(admin: Browser, smsc: SimulatorProcess) -> None:
    page = walk(
        admin,
        "smpp",
        {"name": "Simulator", "host": "127.0.0.1", "port": str(smsc.port), "account": "relais", "password": "pa55word"}
        | {"allowed_networks": "127.0.0.0/8"},
        {"source_number": "36180", "window": "20"},
        {"receipt_id_pattern": r"\bid:(\d{1,20})"},
    )
    assert "pa55word" not in page.html
    page = admin.post("/connections/new/smpp/", form_of(page) | {"do": "try", "number": "", "text": ""})
    assert "It works" in page.text, page.text
    page = admin.post("/connections/new/smpp/", form_of(page) | {"do": "save"})
    assert "Simulator is connected." in page.text
    made = Connection.objects.get()
    assert (made.is_enabled, made.settings["window"], made.settings["source_number"]) == (True, 20, "36180")
    assert services.open_secrets(made)["password"] == "pa55word"
    assert [row["keyword"] for row in made.settings["automatic_replies"]] == ["STOP"], "STOP is heeded from the start"
    assert admin.get(f"/connections/{made.pk}/verify/").find("input", name="number")
    found = admin.post(f"/connections/{made.pk}/verify/", {"number": "+33612345678", "text": "Hello"})
    assert "It works" in found.text, found.text
    assert "The provider took the test message" in found.text
    assert "submit_sm_resp" in found.text, "what crossed the link is shown"
    assert "pa55word" not in found.html


def test_a_wrong_password_is_told_and_the_connection_is_kept_switched_off(
    admin: Browser, smsc: SimulatorProcess
) -> None:
    first = {"name": "Simulator", "host": "127.0.0.1", "port": str(smsc.port), "account": "relais"}
    page = walk(
        admin, "smpp", first | {"password": "mistaken", "allowed_networks": "127.0.0.0/8"}, {}, {}, {"do": "try"}
    )
    assert "It does not work" in page.text
    assert "mistaken" not in page.html
    admin.post("/connections/new/smpp/", form_of(page) | {"do": "save"})
    assert not Connection.objects.get().is_enabled


def test_a_step_is_left_when_what_it_asks_for_is_right(admin: Browser, database: str) -> None:
    page = walk(
        admin, "smpp", {"name": "", "host": "https://smsc.example.org", "account": "", "password": "typed-secret"}
    )
    assert page.error_of("name")
    assert page.error_of("host")
    assert page.value_of("host") == "https://smsc.example.org"
    assert "typed-secret" not in page.html
    page = admin.post(
        "/connections/new/smpp/", form_of(page) | {"name": "North", "host": "smsc.example.org", "account": "relais"}
    )
    assert page.find("input", name="source_number")
    back = admin.post("/connections/new/smpp/", form_of(page) | {"do": "back"})
    assert back.value_of("host") == "smsc.example.org"
    assert not Connection.objects.exists()


def test_a_name_that_is_taken_is_told_at_the_first_step(admin: Browser, database: str) -> None:
    services.create_connection(admin.user.organisation.pk, "North", "smpp", {"host": "a.example", "account": "b"}, 1)
    page = walk(admin, "smpp", {"name": "North", "host": "smsc.example.org", "account": "relais"})
    assert "already" in page.error_of("name")


def test_what_is_carried_over_the_steps_opens_for_nobody_else(
    admin: Browser, browse_as: Callable[..., Browser], stranger: Browser
) -> None:
    page = walk(
        admin, "smpp", {"name": "North", "host": "smsc.example.org", "account": "relais", "password": "secret9"}
    )
    carried = form_of(page)
    for other in (browse_as("operator"), stranger):
        shown = other.post("/connections/new/smpp/", carried)
        assert "Begin again" in shown.text
        assert shown.value_of("host") == ""
    assert "Begin again" in admin.post("/connections/new/custom/", carried).text
    assert "Begin again" in admin.post("/connections/new/smpp/", carried | {"draft": "forged"}).text


def test_a_vendor_is_connected_and_its_hooks_are_there_to_copy(admin: Browser, providers: HttpSimulatorProcess) -> None:
    given = online.settings_for("twilio", providers.url)
    typed = {name: str(value) for name, value in given.items()}
    page = walk(admin, "twilio", {"name": "Twilio"} | typed)
    assert "simulator" not in page.value_of("draft")
    page = admin.post("/connections/new/twilio/", form_of(page) | {"do": "try", "number": "+33612345678", "text": "Hi"})
    assert "It works" in page.text, page.text
    assert "Read as: accepted SM" in page.text
    assert "Authorization •••" in page.text or "Basic •••" in page.text
    page = admin.post("/connections/new/twilio/", form_of(page) | {"do": "save"})
    made = Connection.objects.get()
    assert page.url == f"/connections/{made.pk}/hooks/"
    assert "A message comes in" in page.text
    assert made.is_enabled


def test_a_custom_provider_is_described_tested_and_shown_with_a_sample(
    admin: Browser, providers: HttpSimulatorProcess
) -> None:
    given = {name: str(value) for name, value in online.settings_for("custom", providers.url).items()}
    page = walk(
        admin,
        "custom",
        {"name": "Shop", "url": given["url"], "sender": given["sender"], "allowed_networks": given["allowed_networks"]},
        {"auth_type": "api_key", "api_token": "the-api-token", "api_key_name": "X-Api-Key", "api_key_form": "{token}"},
    )
    assert "{{toNumber}}" in page.text
    page = admin.post(
        "/connections/new/custom/",
        form_of(page) | {"do": "show", "payload": '{"a": "{{message}}", "b": "{{toNumber}}"}'},
    )
    assert '"b": "+33612345678"' in page.text
    page = admin.post("/connections/new/custom/", form_of(page) | {"payload": "{", "message_id_field": "id"})
    assert page.error_of("payload")
    page = admin.post(
        "/connections/new/custom/", form_of(page) | {"payload": given["payload"], "message_id_field": "id"}
    )
    page = admin.post("/connections/new/custom/", form_of(page) | {"do": "try", "number": "+33612345678", "text": "Hi"})
    assert "It works" in page.text, page.text
    assert "the-api-token" not in page.html
    admin.post("/connections/new/custom/", form_of(page) | {"do": "save"})
    assert services.open_secrets(Connection.objects.get())["api_token"] == "the-api-token"


def mail_step(providers: HttpSimulatorProcess) -> dict[str, str]:
    given = online.settings_for("esp", providers.url)
    return {
        "name": "Mail",
        "url": given["url"],
        "allowed_networks": given["allowed_networks"],
        "message_id_field": "id",
    }


def test_an_e_mail_provider_is_kept_after_its_credentials_and_a_test_were_right(
    admin: Browser, providers: HttpSimulatorProcess
) -> None:
    providers.post("/quirks", vendors={"esp": {"account": {"auth": "oauth"}}})
    token = {"auth_type": "oauth2", "token_url": f"{providers.url('esp')}/oauth/token", "client_id": "client"}
    page = walk(admin, "esp", mail_step(providers), token | {"client_secret": "mistaken"})
    assert "It does not work" in page.text
    assert page.find("input", name="client_id"), "the step is not left"
    page = admin.post("/connections/new/esp/", form_of(page) | {"client_secret": "simulator"})
    assert "Content-Type application/json" in page.text
    early = admin.post("/connections/new/esp/", form_of(page) | {"do": "save"})
    assert "Test it first" in early.text
    assert not Connection.objects.exists()
    broken = admin.post("/connections/new/esp/", form_of(page) | {"do": "try", "number": "m@example.org", "text": "{"})
    assert "It does not work" in broken.text
    assert broken.value_of("text") == "{"
    page = admin.post("/connections/new/esp/", form_of(broken) | {"do": "try", "number": "m@example.org", "text": MAIL})
    assert "It works" in page.text, page.text
    assert '"accepted"' in page.text
    admin.post("/connections/new/esp/", form_of(page) | {"do": "save"})
    made = Connection.objects.get()
    assert (made.name, made.is_enabled) == ("Mail", True)
    assert services.open_secrets(made)["client_secret"] == "simulator"


def test_verifying_shows_the_exchange_without_secrets(admin: Browser, providers: HttpSimulatorProcess) -> None:
    given = online.settings_for("vonage", providers.url)
    made = services.create_connection(admin.user.organisation.pk, "Vonage", "vonage", given, 1)
    page = admin.post(f"/connections/{made.pk}/verify/", {"number": "+33612345678", "text": "Hello"})
    assert "It works" in page.text, page.text
    assert "Request" in page.text
    assert "33612345678" in page.text
    assert "simulator-signature-secret" not in page.html
