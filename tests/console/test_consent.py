"""Consent and quarantine at the console."""

from collections.abc import Callable

import pytest
from tests.console.browser import NOW_MS, Browser

from chappe.features.accounts.models import Organisation
from chappe.features.consent import services
from chappe.features.consent.models import ConsentEvent, Quarantine
from chappe.features.consent.services import Block
from chappe.features.contacts.services import Details, create_contact, create_list

NUMBER, MASKED = "+33612345678", "+33••••••678"


@pytest.fixture
def block(organisation: Organisation) -> Callable[..., Quarantine]:
    def make(address: str = NUMBER, **values: str) -> Quarantine:
        return services.add_to_quarantine(organisation.pk, Block(address, **values), NOW_MS)

    return make


def test_an_empty_quarantine_says_what_would_be_in_it(admin: Browser) -> None:
    assert "The quarantine is empty" in admin.get("/consent/").text


def test_numbers_are_found_by_their_beginning_and_by_status(admin: Browser, block: Callable[..., Quarantine]) -> None:
    block(reason="user unknown")
    block("+33698765432", status="denylisted", short_code="36180")
    assert "user unknown" in admin.get("/consent/").text
    found = admin.get("/consent/", address="+33 698", status="denylisted")
    assert "+33698765432" in found.text and NUMBER not in found.text and "36180" in found.text
    assert (found.value_of("address"), found.value_of("status")) == ("+33 698", "denylisted")
    assert "Nothing is found by this" in admin.get("/consent/", address="+4477").text


def test_several_are_released_at_once_with_the_reason(admin: Browser, block: Callable[..., Quarantine]) -> None:
    first, second, third = block(), block("+33698765432", status="denylisted"), block("+33611111111")
    shown = admin.get("/consent/")
    assert len(shown.find("input", name="ids")) == 3
    values = {"ids": [first.pk, second.pk], "reason": "asked by phone", "next": "/consent/?status=quarantine"}
    done = admin.post("/consent/release/", values)
    assert "2 are released." in done.text
    assert third.address in done.text and first.address not in done.text
    first.refresh_from_db()
    assert (first.status, first.reason) == ("valid", "asked by phone")
    line = ConsentEvent.objects.latest("pk")
    assert (line.address, line.is_given, line.source) == (second.address, True, "console")


def test_without_a_tick_nothing_is_released(admin: Browser, block: Callable[..., Quarantine]) -> None:
    row = block()
    assert "Nothing was chosen." in admin.post("/consent/release/", {"next": "/consent/"}).text
    row.refresh_from_db()
    assert row.status == "quarantine"


def test_a_number_is_added_and_what_is_wrong_is_said_beside_it(admin: Browser) -> None:
    refused = admin.post("/consent/add/", {"address": "0612", "channel": "sms", "status": "denylisted"})
    assert "must be a number in international form" in refused.error_of("address")
    assert refused.value_of("address") == "0612"
    admin.post("/consent/add/", {"address": NUMBER, "channel": "sms", "status": "denylisted", "reason": "a letter"})
    assert Quarantine.objects.get().status == "denylisted"
    assert ConsentEvent.objects.get().source == "console"


def test_a_wish_needs_its_evidence_and_is_heeded(admin: Browser) -> None:
    values = {"address": NUMBER, "channel": "sms", "is_given": "no", "sender": "36180", "evidence": ""}
    assert admin.post("/consent/ledger/record/", values).error_of("evidence")
    assert not ConsentEvent.objects.exists()
    shown = admin.post("/consent/ledger/record/", values | {"evidence": "letter of 3 June"})
    assert "letter of 3 June" in shown.text and "written down at the console" in shown.text
    line = ConsentEvent.objects.get()
    assert (line.is_given, line.sender, line.source) == (False, "36180", "console")
    assert Quarantine.objects.get().status == "denylisted"


def test_a_wish_of_somebody_we_know_needs_no_number(admin: Browser, organisation: Organisation) -> None:
    contact = create_contact(organisation.pk, Details(phone=NUMBER), [], NOW_MS)
    path = f"/consent/ledger/record/?contact={contact.pk}"
    assert not admin.get(path).find("input", name="address")
    shown = admin.post(path, {"is_given": "yes", "evidence": "signed form"})
    assert shown.find("h1")[0].text == NUMBER
    assert ConsentEvent.objects.get().is_given
    assert "signed form" in shown.text and "Not in quarantine" not in shown.text


def test_the_ledger_shows_what_one_address_said(admin: Browser, block: Callable[..., Quarantine]) -> None:
    row = block(status="denylisted", reason="by letter")
    block("+33698765432", status="denylisted", reason="by phone")
    assert "by phone" in admin.get("/consent/ledger/").text
    for query in ({"address": NUMBER}, {"entry": str(row.pk)}):
        shown = admin.get("/consent/ledger/", **query)
        assert "by letter" in shown.text and "by phone" not in shown.text
    assert "must be a number" in admin.get("/consent/ledger/", address="0612").error_of("address")


def test_the_file_has_whole_numbers_as_filtered_and_runs_nothing(
    admin: Browser, block: Callable[..., Quarantine], browse_as: Callable[..., Browser]
) -> None:
    block(reason="=1+1")
    block("+33698765432", status="denylisted")
    answer = admin.client.get("/consent/export.csv", {"status": "quarantine"})
    head, line = b"".join(answer.streaming_content).decode().splitlines()
    assert head.split(",")[1:4] == ["channel", "address", "short_code"]
    assert line.split(",")[1:7] == ["sms", f"'{NUMBER}", "", "quarantine", "'=1+1", "0"]
    assert browse_as("auditor").get("/consent/export.csv").status == 403


def test_numbers_are_masked_for_whoever_may_not_see_them(
    block: Callable[..., Quarantine], browse_as: Callable[..., Browser], organisation: Organisation
) -> None:
    row = block(status="denylisted")
    auditor = browse_as("auditor")
    for path in ("/consent/", "/consent/ledger/", f"/consent/ledger/?entry={row.pk}"):
        shown = auditor.get(path)
        assert MASKED in shown.text, path
        assert "612345678" not in shown.html, path
    contact = create_contact(organisation.pk, Details(phone=NUMBER), [], NOW_MS)
    marketer = browse_as("marketer")
    assert marketer.user is not None
    marketer.user.withheld = ["see_numbers"]
    marketer.user.save()
    assert "612345678" not in marketer.get(f"/consent/ledger/record/?contact={contact.pk}").html


def test_who_may_only_look_is_offered_nothing_to_change(
    block: Callable[..., Quarantine], browse_as: Callable[..., Browser]
) -> None:
    row = block()
    auditor = browse_as("auditor")
    shown = auditor.get("/consent/")
    assert not shown.find("input", name="ids") and "/consent/add/" not in shown.links()
    assert auditor.post("/consent/release/", {"ids": [row.pk]}).status == 403
    for path in ("/consent/add/", "/consent/ledger/record/"):
        assert auditor.get(path).status == 403
    assert browse_as("operator").get("/consent/add/").status == 200


def test_a_stranger_sees_and_releases_nothing_of_ours(
    stranger: Browser, block: Callable[..., Quarantine], organisation: Organisation
) -> None:
    row = block(status="denylisted")
    contact = create_contact(organisation.pk, Details(phone=NUMBER), [], NOW_MS)
    assert NUMBER not in stranger.get("/consent/").text
    assert "They said neither yes nor no." in stranger.get("/consent/ledger/", address=NUMBER).text
    assert stranger.get("/consent/ledger/", entry=row.pk).status == 404
    assert stranger.get("/consent/ledger/record/", contact=contact.pk).status == 404
    assert "0 are released." in stranger.post("/consent/release/", {"ids": [row.pk], "next": "/consent/"}).text
    row.refresh_from_db()
    assert row.status == "denylisted"


def test_the_page_of_a_person_tells_what_they_said_and_that_nothing_is_sent(
    admin: Browser, organisation: Organisation, block: Callable[..., Quarantine]
) -> None:
    people = create_list(organisation.pk, "Customers", NOW_MS)
    contact = create_contact(organisation.pk, Details(phone=NUMBER), [people.pk], NOW_MS)
    assert "Not in quarantine." in admin.get(f"/contacts/people/{contact.pk}/").text
    block(status="denylisted", reason="by letter")
    shown = admin.get(f"/contacts/people/{contact.pk}/")
    assert "said no" in shown.text and "by letter" in shown.text and "Customers" in shown.text
