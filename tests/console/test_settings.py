"""An organisation's settings at the console: each page, what it refuses, who may, and that an engine heeds it."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from django.conf import settings as django_settings
from tests.console.browser import Browser
from tests.engine.stock import Desk, Stock
from tests.row import NOW_MS

from chappe.engine.store.frame import LoadConnections
from chappe.features.accounts.models import Organisation
from chappe.features.connections import services as connections
from chappe.features.settings.models import OrganisationSettings
from chappe.features.settings.services import Change, change_settings, settings_of
from chappe.messaging import Category

PAGES = ["", "organisation/", "quiet-hours/", "retention/", "networks/"]
ORGANISATION = {
    "name": "Relais",
    "language": "fr",
    "time_zone": "Europe/Paris",
    "region": "FR",
    "unknown_error_kind": "ignored",
}
NIGHT = {"p0-kind": "weekly", "p0-days": ["1", "2", "3", "4", "5", "6", "7"], "p0-start": "20:00", "p0-end": "08:00"}
ALWAYS = NIGHT | {"p0-start": "00:00", "p0-end": "00:00"}
SMPP = {"host": "10.1.2.3", "account": "relais", "password": "secret", "allowed_networks": "10.1.0.0/16, smsc.intern"}


def of(organisation: Organisation) -> OrganisationSettings:
    return settings_of(organisation.pk)


@pytest.mark.parametrize("role", ["marketer", "operator", "auditor"])
def test_only_administrators_see_and_change_settings(browse_as: Callable[..., Browser], role: str) -> None:
    person = browse_as(role)
    for path in PAGES:
        assert person.get(f"/settings/{path}").status == 403
        assert person.post(f"/settings/{path}", ORGANISATION).status == 403
    assert "/settings/" not in person.get("/").links()
    assert not OrganisationSettings.objects.exists()


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_page_is_right_before_and_after_anything_is_settled(
    browse_as: Callable[..., Browser], organisation: Organisation, language: str
) -> None:
    admin = browse_as(language=language)
    dates = {"start": 0, "end": 0, "first": "2026-12-24", "last": "2026-12-26"}
    change = Change(
        quiet_periods=[{"start": 1200, "end": 480, "days": [1, 2]}, dates],
        region="FR",
        retention={"messages": 30},
        allowed_networks="10.0.0.0/8",
    )
    assert [admin.get(f"/settings/{path}").status for path in PAGES] == [200] * len(PAGES)
    change_settings(organisation.pk, change, NOW_MS)
    assert [admin.get(f"/settings/{path}").status for path in PAGES] == [200] * len(PAGES)


def test_a_stranger_sees_and_changes_their_own(stranger: Browser, organisation: Organisation) -> None:
    change_settings(organisation.pk, Change(allowed_networks="10.9.0.0/16"), NOW_MS)
    assert "10.9.0.0" not in stranger.get("/settings/").text
    stranger.post("/settings/networks/", {"scope": "listed", "allowed_networks": "10.8.0.0/16"})
    assert of(organisation).allowed_networks == "10.9.0.0/16"


# -- organisation ------------------------------------------------------------------------------------------------------


def test_what_is_settled_of_the_organisation_is_on_every_page(admin: Browser, organisation: Organisation) -> None:
    shown = admin.post("/settings/organisation/", {**ORGANISATION, "name": "Relais du Nord"})
    assert "Réglages" in shown.text or "Paramètres" in shown.text
    assert "Relais du Nord" in shown.text
    assert "Europe/Paris" in shown.text
    assert (of(organisation).region, of(organisation).unknown_error_kind) == ("FR", "ignored")


def test_times_are_shown_by_the_organisations_clock(admin: Browser, organisation: Organisation) -> None:
    change_settings(organisation.pk, Change(time_zone="Asia/Kolkata"), NOW_MS)
    shown = admin.get("/settings/quiet-hours/", at="2026-11-24T21:30")
    assert "24 Nov 2026 21:30" in shown.text


def test_a_name_that_is_taken_or_none_is_said_beside_what_was_typed(
    admin: Browser, stranger: Browser, organisation: Organisation
) -> None:
    shown = admin.post("/settings/organisation/", {**ORGANISATION, "name": "Another", "region": "DE"})
    assert "There is an organisation named Another already." in shown.text
    assert (shown.value_of("name"), shown.value_of("region")) == ("Another", "DE")
    assert admin.post("/settings/organisation/", {**ORGANISATION, "name": " "}).error_of("name")
    assert not OrganisationSettings.objects.exists()


def test_who_comes_second_is_told_and_changes_nothing(admin: Browser, organisation: Organisation) -> None:
    version = admin.get("/settings/organisation/").value_of("version")
    change_settings(organisation.pk, Change(region="DE"), NOW_MS)
    shown = admin.post("/settings/organisation/", {**ORGANISATION, "name": "Renamed", "version": version})
    assert "changed by somebody else" in shown.text
    organisation.refresh_from_db()
    assert (organisation.name, of(organisation).region) == ("Relais", "DE")


# -- quiet hours -------------------------------------------------------------------------------------------------------


def test_quiet_hours_are_set_shown_and_taken_away(admin: Browser, organisation: Organisation) -> None:
    shown = admin.post("/settings/quiet-hours/", {**NIGHT, "action": "queue"})
    assert of(organisation).quiet_periods == [{"start": 1200, "end": 480, "days": [1, 2, 3, 4, 5, 6, 7]}]
    assert shown.value_of("p0-start") == "20:00"
    assert "20:00 to 24:00" in shown.text
    dates = {
        "p1-kind": "dates",
        "p1-first": "2026-12-24",
        "p1-last": "2026-12-26",
        "p1-start": "00:00",
        "p1-end": "00:00",
    }
    admin.post("/settings/quiet-hours/", {**NIGHT, **dates, "action": "discard"})
    assert of(organisation).quiet_periods[1] == {"start": 0, "end": 0, "first": "2026-12-24", "last": "2026-12-26"}
    assert of(organisation).quiet_action == "discard"
    admin.post("/settings/quiet-hours/", {"p0-kind": "", "action": "queue"})
    assert of(organisation).quiet_periods == []


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"p0-kind": "weekly", "p0-start": "20:00", "p0-end": "08:00"}, "p0-days"),
        ({"p0-kind": "weekly", "p0-days": ["1"], "p0-start": "20:00"}, "p0-end"),
        ({"p0-kind": "weekly", "p0-days": ["1"], "p0-start": "20:00", "p0-end": "25:00"}, "p0-end"),
        ({"p0-kind": "dates", "p0-last": "2026-12-26", "p0-start": "20:00", "p0-end": "08:00"}, "p0-first"),
    ],
)
def test_what_a_period_lacks_is_said_beside_it_and_the_rest_stays(
    admin: Browser, organisation: Organisation, given: dict[str, Any], name: str
) -> None:
    shown = admin.post("/settings/quiet-hours/", {**given, "action": "discard"})
    assert shown.error_of(name)
    assert shown.value_of("p0-start") == "20:00"
    assert not OrganisationSettings.objects.exists()


def test_what_the_rule_refuses_is_said_beside_the_period_that_it_is_about(admin: Browser) -> None:
    second = {
        "p1-kind": "dates",
        "p1-first": "2026-12-26",
        "p1-last": "2026-12-24",
        "p1-start": "00:00",
        "p1-end": "00:00",
    }
    shown = admin.post("/settings/quiet-hours/", {"p0-kind": "", **second, "action": "queue"})
    assert "must not be before the first date" in shown.error_of("p1-last")


def test_the_tester_says_what_would_become_of_a_message(admin: Browser, organisation: Organisation) -> None:
    def answer(at: str) -> str:
        (said,) = admin.get("/settings/quiet-hours/", at=at).find("p", role="status")
        return " ".join("".join(said.itertext()).split())

    assert answer("2026-11-24T21:30").startswith("Yes.")
    admin.post("/settings/quiet-hours/", {**NIGHT, "action": "queue"})
    assert "and is sent at 25 Nov 2026 08:00" in answer("2026-11-24T21:30")
    assert answer("2026-11-24T08:00").startswith("Yes.")
    admin.post("/settings/quiet-hours/", {**NIGHT, "action": "discard"})
    assert answer("2026-11-24T21:30").startswith("No.")
    assert admin.get("/settings/quiet-hours/", at="soon").error_of("at")


def test_quiet_hours_of_the_console_are_heeded_by_an_engine(
    admin: Browser, organisation: Organisation, database: str
) -> None:
    stock = Stock(database, connection_id=1, organisation_id=organisation.pk)
    desk = Desk(stock)
    desk.now_ms = int(time.time() * 1000)
    admin.post("/settings/quiet-hours/", {**ALWAYS, "action": "queue"})
    desk.handle(LoadConnections(desk.number()))
    (message_id,) = stock.enqueue(1, due_ms=desk.now_ms, category=int(Category.MARKETING), created_ms=desk.now_ms)
    assert desk.lease() == []
    shown = admin.get("/settings/")
    assert "1 message waits for the end" in shown.text
    assert "Waits for the end of quiet hours" in admin.get(f"/messages/{message_id}/").text
    admin.post("/settings/quiet-hours/", {"p0-kind": "", "action": "queue"})
    desk.now_ms = int(time.time() * 1000) + 1
    assert [message.id for lease in desk.lease() for message in lease.messages] == [message_id]
    stock.close()


# -- retention ---------------------------------------------------------------------------------------------------------


def test_fewer_days_are_confirmed_by_the_organisations_name_and_more_are_not(
    admin: Browser, organisation: Organisation
) -> None:
    asked = admin.post("/settings/retention/", {"messages": "30", "texts": ""})
    assert "Messages: older than 30 days" in asked.text
    assert asked.value_of("messages") == "30"
    wrong = admin.post("/settings/retention/", {"messages": "30", "confirmation": "relais"})
    assert wrong.error_of("confirmation")
    assert not OrganisationSettings.objects.exists()
    admin.post("/settings/retention/", {"messages": "30", "confirmation": "Relais"})
    assert of(organisation).retention == {"messages": 30}
    admin.post("/settings/retention/", {"messages": "60"})
    assert of(organisation).retention == {"messages": 60}
    admin.post("/settings/retention/", {"messages": ""})
    assert of(organisation).retention == {}


def test_days_that_cannot_be_are_refused_beside_their_kind(admin: Browser) -> None:
    shown = admin.post("/settings/retention/", {"messages": "3", "texts": "-1", "confirmation": "Relais"})
    assert shown.error_of("texts")
    shown = admin.post("/settings/retention/", {"messages": "3", "confirmation": "Relais"})
    assert "from 7 to 3650" in shown.error_of("messages")


# -- networks ----------------------------------------------------------------------------------------------------------


def test_a_narrower_bound_names_what_it_cuts_off_and_is_saved_when_that_is_meant(
    admin: Browser, organisation: Organisation
) -> None:
    connections.create_connection(organisation.pk, "North", "smpp", SMPP, NOW_MS)
    given = {"scope": "listed", "allowed_networks": "10.0.0.0/8,\n 192.168.0.0/16"}
    asked = admin.post("/settings/networks/", given)
    assert "will not be called any more" in asked.text
    assert "smsc.intern" in asked.text
    assert not OrganisationSettings.objects.exists()
    admin.post("/settings/networks/", {**given, "certain": asked.value_of("certain")})
    assert of(organisation).allowed_networks == "10.0.0.0/8, 192.168.0.0/16"
    admin.post("/settings/networks/", {"scope": "*", "allowed_networks": ""})
    assert of(organisation).allowed_networks == "*"


def test_a_network_that_is_none_is_refused_and_stays_as_it_was_typed(admin: Browser) -> None:
    shown = admin.post("/settings/networks/", {"scope": "listed", "allowed_networks": "10.0.0.0/99"})
    assert "10.0.0.0/99" in shown.error_of("allowed_networks")
    assert shown.value_of("allowed_networks") == "10.0.0.0/99"


def test_what_the_installation_allows_is_said(admin: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = msgspec.structs.replace(django_settings.CONFIGURATION, egress_ceiling="10.0.0.0/8")
    monkeypatch.setattr(django_settings, "CONFIGURATION", configuration)
    for path in ("/settings/", "/settings/networks/"):
        assert "For the whole installation, no more than these may be allowed: 10.0.0.0/8" in admin.get(path).text
