"""The accounts of mid-sourcing at the console: on mid for an operator, on marketing with the test of the connection."""

import pytest
from tests.console.browser import NOW_MS, Browser
from tests.console.test_connection_wizard import walk
from tests.console.test_connections import connect, form_of

from chappe.features.accounts import operator
from chappe.features.accounts.models import Operator, Organisation
from chappe.features.connections import services
from chappe.features.connections.models import Connection

FIRST = {"name": "Mid account", "host": "smsc.example.org", "account": "relais", "password": "pa55word"}
RELAY = {"internal_name": "crm", "base_url": "https://mid.example.com", "operator": "sms", "password": "pa55word12"}


@pytest.fixture
def sms(organisation: Organisation) -> Operator:
    return operator.create_operator(organisation.pk, "sms", "Marketing", ["administration"], NOW_MS)


# -- on mid ----------------------------------------------------------------------------------------------------------


def test_a_connection_is_made_for_an_operator_and_named_for_it(admin: Browser, sms: Operator) -> None:
    page = walk(admin, "smpp", FIRST | {"operator": "sms", "internal_name": "crm"}, {}, {}, {"do": "save"})
    made = Connection.objects.get()
    assert made.internal_name == "sms_crm"
    for words in (
        "Type Routing",
        "Channel Mobile (SMS)",
        "Delivery mode Bulk delivery",
        "Connector Extended generic SMPP",
    ):
        assert words in page.text
    assert "Internal name sms_crm" in page.text
    assert f"/keys/operators/{sms.pk}/" in page.links()
    assert made.settings["dedicated_process"] is True


@pytest.mark.parametrize("typed", ["SMS_crm", "sms-crm"])
def test_a_wrong_name_is_said_where_it_is_typed(admin: Browser, sms: Operator, typed: str) -> None:
    for chosen in ("", "sms"):
        page = walk(admin, "smpp", FIRST | {"operator": chosen, "internal_name": typed})
        assert "must be sms_crm" in page.error_of("internal_name").lower()
        assert page.value_of("internal_name") == typed
        assert page.value_of("operator") == chosen
    assert "is needed" in walk(admin, "smpp", FIRST | {"operator": "sms"}).error_of("internal_name").lower()


def test_a_second_account_of_an_operator_is_refused(admin: Browser, sms: Operator, organisation: Organisation) -> None:
    connect(organisation, "First", account="other")
    first = Connection.objects.get()
    admin.post(f"/connections/{first.pk}/", {"name": "First", "operator": "sms", "internal_name": "crm"})
    page = walk(admin, "smpp", FIRST | {"operator": "sms", "internal_name": "erp"})
    assert "second account of the operator sms" in page.error_of("internal_name")


def test_the_account_of_a_connection_is_changed_on_its_page_and_in_its_settings(
    admin: Browser, sms: Operator, organisation: Organisation
) -> None:
    north = connect(organisation)
    at = f"/connections/{north.pk}/"
    wrong = admin.post(at, {"name": "North", "operator": "", "internal_name": "sms-crm"})
    assert "must be sms_crm" in wrong.error_of("internal_name")
    shown = admin.post(at, {"name": "North", "operator": "sms", "internal_name": "crm"})
    assert "Internal name sms_crm" in shown.text
    page = admin.get(f"{at}settings/")
    assert (page.value_of("operator"), page.value_of("internal_name")) == ("sms", "sms_crm")
    admin.post(f"{at}settings/", form_of(page) | {"internal_name": "sms_erp"})
    north.refresh_from_db()
    assert (north.internal_name, north.version) == ("sms_erp", 3)
    admin.post(f"{at}settings/", form_of(admin.get(f"{at}settings/")) | {"operator": "", "internal_name": ""})
    north.refresh_from_db()
    assert north.internal_name == ""
    told = admin.get(f"{at}history/").text
    assert "Internal name" in told
    assert "sms_erp" in told


def test_the_account_of_a_vendors_connection_is_named_on_its_page(
    admin: Browser, sms: Operator, organisation: Organisation
) -> None:
    vendor = connect(organisation, "Twilio", "twilio")
    shown = admin.post(f"/connections/{vendor.pk}/", {"name": "Twilio", "operator": "sms", "internal_name": "crm"})
    assert "Internal name sms_crm" in shown.text


def test_a_name_that_no_operator_finds_is_warned_about(admin: Browser, organisation: Organisation) -> None:
    north = connect(organisation)
    shown = admin.post(f"/connections/{north.pk}/", {"name": "North", "operator": "", "internal_name": "sms_crm"})
    assert "no other Chappe finds this connection" in shown.text


# -- on marketing ----------------------------------------------------------------------------------------------------


def test_the_account_on_marketing_is_made_step_by_step(admin: Browser, database: str) -> None:
    assert "By another Chappe" in admin.get("/connections/new/").text
    page = admin.get("/connections/new/relay/")
    for words in ("Type Routing", "Channel Mobile (SMS)", "Delivery mode Mid-sourcing"):
        assert words in page.text
    page = walk(admin, "relay", {"name": "CRM by mid", "internal_name": "crm"})
    assert page.find("input", name="base_url")
    typed = {"base_url": "http://mid.example.com", "operator": "SMS", "password": "pa55word12"}
    wrong = admin.post("/connections/new/relay/", form_of(page) | {"do": "next"} | typed)
    assert "small letters: sms" in wrong.error_of("operator")
    typed |= {"operator": "sms"}
    wrong = admin.post("/connections/new/relay/", form_of(page) | {"do": "next"} | typed)
    assert "https://" in wrong.error_of("base_url")
    typed |= {"base_url": "https://mid.invalid"}
    page = admin.post("/connections/new/relay/", form_of(page) | {"do": "next"} | typed)
    assert "Test the connection" in page.text
    assert not page.find("input", name="number")
    page = admin.post("/connections/new/relay/", form_of(page) | {"do": "try"})
    assert "It does not work" in page.text
    admin.post("/connections/new/relay/", form_of(page) | {"do": "save"})
    made = Connection.objects.get()
    assert (made.name, made.settings["internal_name"], made.is_enabled) == ("CRM by mid", "crm", False)
    assert services.open_secrets(made)["signing_secret"].startswith("whsec_")
    shown = admin.get(f"/connections/{made.pk}/")
    assert "Delivery mode Mid-sourcing" in shown.text
    assert "Its counterpart on mid sms_crm" in shown.text
    tested = admin.post(f"/connections/{made.pk}/verify/", {})
    assert "It does not work" in tested.text


def test_two_accounts_with_the_same_operator_on_the_same_mid_are_warned_about(
    admin: Browser, organisation: Organisation
) -> None:
    services.create_connection(organisation.pk, "One", "relay", RELAY, NOW_MS)
    same = RELAY | {"base_url": "https://MID.example.com:443/", "internal_name": "erp"}
    two = services.create_connection(organisation.pk, "Two", "relay", same, NOW_MS)
    other = services.create_connection(organisation.pk, "Other", "relay", RELAY | {"operator": "web"}, NOW_MS)
    words = "signs in as the same operator on the same mid: One"
    assert words in admin.get(f"/connections/{two.pk}/").text
    assert words in admin.get(f"/connections/{two.pk}/settings/").text
    assert words not in admin.get(f"/connections/{other.pk}/").text


def test_the_pages_of_mid_sourcing_are_read_in_french(admin: Browser, organisation: Organisation) -> None:
    assert admin.user is not None
    admin.user.language = "fr"
    admin.user.save()
    page = admin.get("/connections/new/relay/")
    for words in ("Type Routage", "Mode de diffusion Mid-sourcing", "Nom interne"):
        assert words in page.text
    made = services.create_connection(organisation.pk, "One", "relay", RELAY, NOW_MS)
    assert "Tester la connexion" in admin.get(f"/connections/{made.pk}/verify/").text
