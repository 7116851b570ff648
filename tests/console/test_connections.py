"""Connections at the console: the list, one connection, its settings, its history."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.console.browser import NOW_MS, Browser, Page

from chappe.features.accounts.models import Organisation
from chappe.features.audit.actor import Actor, ActorKind, acting_as
from chappe.features.connections import services
from chappe.features.connections.models import Connection
from chappe.features.connections.services import Change

SMPP = {"host": "smsc.example.org", "account": "relais", "password": "pa55word"}
TWILIO = {"account_sid": "AC" + "0" * 32, "auth_token": "twilio-token-1", "sender": "+33600000000"}
CUSTOM = {
    "url": "https://sms.example.org/send",
    "headers": [
        {"label": "Content-Type", "type": "constant", "value": "application/json", "locked": False},
        {"label": "Charset", "type": "constant", "value": "UTF-8", "locked": False},
        {"label": "X-Key", "type": "constant", "value": "locked-header-value", "locked": True},
    ],
}


def connect(organisation: Organisation, name: str = "North", provider: str = "smpp", **settings: Any) -> Connection:
    base = {"smpp": SMPP, "twilio": TWILIO, "custom": CUSTOM}[provider]
    return services.create_connection(organisation.pk, name, provider, {**base, **settings}, NOW_MS)


@pytest.fixture
def north(organisation: Organisation) -> Connection:
    return connect(organisation)


def form_of(page: Page) -> dict[str, str]:
    """What a browser would post of the page's form of settings, as it is."""
    (form,) = [one for one in page.all("form") if [1 for i in one.iter("input") if i.get("name") == "draft"]]
    values: dict[str, str] = {}
    for control in form.iter():
        name, kind = control.get("name"), control.get("type")
        if control.tag not in ("input", "select", "textarea") or not name or name == "csrfmiddlewaretoken":
            continue
        if kind in ("checkbox", "radio") and control.get("checked") is None:
            continue
        if control.tag == "input":
            values[name] = control.get("value", "on" if kind == "checkbox" else "")
        elif control.tag == "textarea":
            values[name] = "".join(control.itertext()).removeprefix("\n")
        else:
            chosen = [one for one in control.iter("option") if one.get("selected") is not None]
            values[name] = chosen[0].get("value", "") if chosen else ""
    return values


def names(page: Page) -> list[str]:
    """The connections of the list, in its order."""
    return [
        "".join(one.itertext()).strip().removesuffix("in use for SMS").strip() for one in page.find("th", scope="row")
    ]


# -- the list ------------------------------------------------------------------------------------------------------------


def test_an_empty_list_says_what_to_do_next(admin: Browser, browse_as: Callable[..., Browser]) -> None:
    assert "/connections/new/" in admin.get("/connections/").links()
    assert "/connections/new/" not in browse_as("auditor").get("/connections/").links()


def test_the_list_is_in_the_order_in_which_connections_are_used(admin: Browser, organisation: Organisation) -> None:
    for name in ("North", "South", "East"):
        connect(organisation, name, account=name)
    services.change_connection(
        organisation.pk, services.connections_of(organisation.pk)[0].pk, Change(is_enabled=False), NOW_MS
    )
    page = admin.get("/connections/")
    assert names(page) == ["North", "South", "East"]
    used = [one for one in page.find("th", scope="row") if "in use" in "".join(one.itertext())]
    assert ["".join(one.itertext()).split()[0] for one in used] == ["South"]


def test_a_connection_moves_up_and_down_the_list(admin: Browser, organisation: Organisation) -> None:
    rows = [connect(organisation, name, account=name) for name in ("North", "South", "East")]
    assert names(admin.post(f"/connections/{rows[2].pk}/move/", {"direction": "up"})) == ["North", "East", "South"]
    assert names(admin.post(f"/connections/{rows[2].pk}/move/", {"direction": "up"})) == ["East", "North", "South"]
    assert names(admin.post(f"/connections/{rows[2].pk}/move/", {"direction": "up"})) == ["East", "North", "South"]
    assert names(admin.post(f"/connections/{rows[2].pk}/move/", {"direction": "down"})) == ["North", "East", "South"]


def test_a_connection_is_switched_off_and_on(admin: Browser, north: Connection) -> None:
    assert "North is switched off" in admin.post(f"/connections/{north.pk}/switch/", {"to": "off"}).text
    north.refresh_from_db()
    assert not north.is_enabled
    admin.post(f"/connections/{north.pk}/switch/", {"to": "on"})
    north.refresh_from_db()
    assert north.is_enabled


def test_what_was_replaced_is_folded_away(admin: Browser, organisation: Organisation) -> None:
    old = connect(organisation, "Twilio", "twilio")
    page = admin.get(f"/connections/{old.pk}/replace/")
    made = admin.post(f"/connections/{old.pk}/replace/", form_of(page) | {"sender": "+33600000009"})
    assert "+33600000009" in admin.get(f"{made.url}settings/").text
    shown = admin.get("/connections/")
    assert names(shown) == ["Twilio"]
    assert "1 connection that was replaced" in shown.text


# -- one connection ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", ["smpp", "twilio", "custom"])
def test_every_page_of_a_connection_opens_and_shows_no_secret(
    admin: Browser, organisation: Organisation, provider: str
) -> None:
    made = connect(organisation, provider=provider)
    for path in (
        "",
        "settings/",
        "verify/",
        "exchanges/",
        "hooks/",
        "history/",
        "history/1/",
        "delete/",
        "performance/",
    ):
        page = admin.get(f"/connections/{made.pk}/{path}")
        assert page.status == 200, path
        for secret in ("pa55word", "twilio-token-1", "locked-header-value"):
            assert secret not in page.html, path


def test_risks_that_settings_take_are_said(admin: Browser, organisation: Organisation) -> None:
    made = connect(
        organisation, text_field_in_receipt=True, invalid_id_acknowledge_count=1, transactional_despite_stop=True
    )
    words = admin.get(f"/connections/{made.pk}/").text
    for said in ("passes for another", "stays unconfirmed for good", "People who asked for no more", "Without TLS"):
        assert said in words
    loopback = connect(organisation, "South", host="127.0.0.1", unknown_outcome="hold")
    assert "Risks" not in admin.get(f"/connections/{loopback.pk}/").text


def test_two_connections_that_log_in_as_one_are_found(
    admin: Browser, organisation: Organisation, north: Connection
) -> None:
    same = connect(organisation, "South", host="SMSC.example.org")
    assert "logs in with the same account: North" in admin.get(f"/connections/{same.pk}/").text
    services.change_connection(organisation.pk, same.pk, Change(settings={"account": "another"}), NOW_MS)
    assert "same account" not in admin.get(f"/connections/{same.pk}/").text


def test_a_connection_of_another_organisation_is_not_there(stranger: Browser, north: Connection) -> None:
    for path in ("", "settings/", "verify/", "exchanges/", "hooks/", "history/", "history/1/", "delete/", "replace/"):
        assert stranger.get(f"/connections/{north.pk}/{path}").status == 404, path
    for path in ("", "settings/", "verify/", "switch/", "move/", "delete/", "replace/", "history/1/revert/"):
        assert stranger.post(f"/connections/{north.pk}/{path}", {"name": "mine"}).status == 404, path
    assert "North" not in stranger.get("/connections/").text


def test_who_may_only_look_changes_nothing(browse_as: Callable[..., Browser], north: Connection) -> None:
    auditor = browse_as("auditor")
    assert "smsc.example.org" in auditor.get(f"/connections/{north.pk}/settings/").text
    for path in ("", "settings/", "verify/", "switch/", "move/", "delete/", "replace/", "history/1/revert/"):
        assert auditor.post(f"/connections/{north.pk}/{path}", {"name": "mine"}).status == 403, path
    for path in ("new/", "new/smpp/"):
        assert auditor.get(f"/connections/{path}").status == 403
    assert browse_as("operator").get("/connections/new/").status == 200


def test_deleting_wants_the_name(admin: Browser, north: Connection) -> None:
    wrong = admin.post(f"/connections/{north.pk}/delete/", {"confirmation": "south"})
    assert "not the same" in wrong.error_of("confirmation")
    admin.post(f"/connections/{north.pk}/delete/", {"confirmation": "North"})
    assert not Connection.objects.exists()


def test_the_name_of_any_connection_can_be_changed(
    admin: Browser, organisation: Organisation, north: Connection
) -> None:
    vendor = connect(organisation, "Twilio", "twilio")
    assert admin.post(f"/connections/{vendor.pk}/", {"name": "Twilio Europe"}).status == 200
    assert "Twilio Europe" in admin.get("/connections/").text
    assert "already" in admin.post(f"/connections/{vendor.pk}/", {"name": "North"}).text


# -- settings ------------------------------------------------------------------------------------------------------------


def test_a_form_that_is_sent_as_it_is_changes_nothing(admin: Browser, organisation: Organisation) -> None:
    for provider in ("smpp", "custom"):
        made = connect(organisation, provider, provider)
        secrets = services.open_secrets(made)
        page = admin.post(f"/connections/{made.pk}/settings/", form_of(admin.get(f"/connections/{made.pk}/settings/")))
        assert "Nothing was different." in page.text
        made.refresh_from_db()
        assert services.open_secrets(made) == secrets


def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(admin: Browser, north: Connection) -> None:
    url = f"/connections/{north.pk}/settings/"
    wrong = {"port": "70000", "system_type": "kept as typed", "receipt_id_pattern": "(", "password": "another-secret"}
    page = admin.post(url, form_of(admin.get(url)) | wrong)
    assert "from 1 to 65535" in page.error_of("port")
    assert page.error_of("receipt_id_pattern")
    assert (page.value_of("port"), page.value_of("receipt_id_pattern")) == ("70000", "(")
    assert "another-secret" not in page.html
    right = form_of(page) | {"port": "2776", "system_type": "x", "receipt_id_pattern": r"\bid:(\w+)"}
    admin.post(url, right)
    north.refresh_from_db()
    assert north.settings["port"] == 2776
    assert services.open_secrets(north)["password"] == "another-secret", "the secret typed before the error is kept"


def test_an_error_in_a_row_stands_in_the_row(admin: Browser, organisation: Organisation) -> None:
    made = connect(organisation, provider="custom")
    url = f"/connections/{made.pk}/settings/"
    page = admin.post(url, form_of(admin.get(url)) | {"headers-0-value": "text/plain"})
    assert "JSON" in page.error_of("headers-0-value")


def test_rows_are_added_and_removed_without_script(admin: Browser, organisation: Organisation) -> None:
    made = connect(organisation, provider="custom")
    url = f"/connections/{made.pk}/settings/"
    page = admin.post(url, form_of(admin.get(url)) | {"do": "add:headers"})
    row = {"headers-3-label": "X-Shop", "headers-3-value": "second-secret", "headers-3-locked": "on"}
    page = admin.post(url, form_of(page) | row | {"do": "add:headers"})
    assert "second-secret" not in page.html
    page = admin.post(url, form_of(page) | {"do": "remove:headers:4"})
    admin.post(url, form_of(page))
    made.refresh_from_db()
    assert [row["label"] for row in made.settings["headers"]] == ["Content-Type", "Charset", "X-Key", "X-Shop"]
    assert services.open_secrets(made)["headers[X-Shop]"] == "second-secret"
    assert services.open_secrets(made)["headers[X-Key]"] == "locked-header-value"


def test_a_locked_row_is_opened_only_by_writing_its_value_anew(admin: Browser, organisation: Organisation) -> None:
    made = connect(organisation, provider="custom")
    url = f"/connections/{made.pk}/settings/"
    open_row = {name: value for name, value in form_of(admin.get(url)).items() if name != "headers-2-locked"}
    page = admin.post(url, open_row)
    assert "write the secret itself" in page.error_of("headers-2-value")
    assert "locked-header-value" not in page.html


def test_a_secret_can_be_taken_away(admin: Browser, north: Connection) -> None:
    url = f"/connections/{north.pk}/settings/"
    admin.post(url, form_of(admin.get(url)) | {"clear-password": "on"})
    north.refresh_from_db()
    assert not services.open_secrets(north)["password"]


def test_the_second_of_two_editors_sees_what_the_first_changed(admin: Browser, organisation: Organisation) -> None:
    made = connect(organisation)
    url = f"/connections/{made.pk}/settings/"
    opened = form_of(admin.get(url))
    services.change_connection(organisation.pk, made.pk, Change(settings={"port": 2999}), NOW_MS)
    page = admin.post(url, opened | {"window": "30"})
    assert "Somebody else changed this connection" in page.text
    assert "2999" in page.text
    assert page.value_of("window") == "30"
    made.refresh_from_db()
    assert made.settings["window"] == 10
    admin.post(url, form_of(page))
    made.refresh_from_db()
    assert (made.settings["window"], made.settings["port"]) == (30, 2775)


def test_the_settings_of_a_vendor_are_replaced_and_the_page_says_why(
    admin: Browser, organisation: Organisation
) -> None:
    made = connect(organisation, provider="twilio")
    page = admin.get(f"/connections/{made.pk}/settings/")
    assert "never changed" in page.text
    assert f"/connections/{made.pk}/replace/" in page.links()
    wrong = admin.post(
        f"/connections/{made.pk}/replace/", form_of(admin.get(f"/connections/{made.pk}/replace/")) | {"sender": "00336"}
    )
    assert "Begins with 00" in wrong.error_of("sender")


# -- history -------------------------------------------------------------------------------------------------------------


def test_history_tells_each_change_setting_by_setting_and_who_made_it(
    admin: Browser, organisation: Organisation
) -> None:
    with acting_as(Actor(ActorKind.KEY, 1, "nightly job")):
        made = connect(organisation)
    with acting_as(Actor(ActorKind.COMMAND, name="marie")):
        change = Change(settings={"window": 30, "tls": True, "password": "changed-secret"})
        services.change_connection(organisation.pk, made.pk, change, NOW_MS)
    page = admin.get(f"/connections/{made.pk}/history/")
    assert "nightly job" in page.text
    assert "marie" in page.text
    assert "Sending window 10 30" in page.text
    assert "TLS off on" in page.text
    assert "Password changed; secrets are never shown" in page.text
    assert "changed-secret" not in page.html


def test_a_revert_brings_settings_and_secrets_back_as_a_new_version(admin: Browser, organisation: Organisation) -> None:
    made = connect(organisation)
    change = Change(settings={"window": 30, "password": "changed-secret"}, name="North 2")
    services.change_connection(organisation.pk, made.pk, change, NOW_MS)
    assert "Sending window 10 30" in admin.get(f"/connections/{made.pk}/history/1/").text
    assert "not the same" in admin.post(f"/connections/{made.pk}/history/1/revert/", {"confirmation": "North"}).text
    admin.post(f"/connections/{made.pk}/history/1/revert/", {"confirmation": "North 2"})
    made.refresh_from_db()
    assert (made.version, made.name, made.settings["window"]) == (3, "North 2", 10)
    assert services.open_secrets(made)["password"] == "pa55word"
    assert "Brought back (version 1)" in admin.get(f"/connections/{made.pk}/history/").text


def test_what_is_so_already_is_not_brought_back(admin: Browser, north: Connection) -> None:
    page = admin.post(f"/connections/{north.pk}/history/1/revert/", {"confirmation": "North"})
    assert "already" in page.text
    north.refresh_from_db()
    assert north.version == 1


def test_a_vendors_settings_are_not_brought_back(admin: Browser, organisation: Organisation) -> None:
    made = connect(organisation, provider="twilio")
    assert "never change" in admin.get(f"/connections/{made.pk}/history/").text
    page = admin.post(f"/connections/{made.pk}/history/1/revert/", {"confirmation": "North"})
    assert "never change" in page.text


def test_history_goes_with_its_connection_and_keeps_a_hundred_versions(
    admin: Browser, organisation: Organisation
) -> None:
    made = connect(organisation)
    for window in range(1, 106):
        services.change_connection(organisation.pk, made.pk, Change(settings={"window": window}), NOW_MS)
    assert made.versions.count() == 100
    assert "Next page" in admin.get(f"/connections/{made.pk}/history/").text
    services.delete_connection(organisation.pk, made.pk)
    assert not made.versions.exists()


def test_pages_are_french_for_those_who_read_french(browse_as: Callable[..., Browser], north: Connection) -> None:
    marie = browse_as(language="fr")
    for path in ("", f"{north.pk}/", f"{north.pk}/settings/", f"{north.pk}/verify/", f"{north.pk}/history/", "new/"):
        page = marie.get(f"/connections/{path}")
        assert "Connexion" in page.text, path
