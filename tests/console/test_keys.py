"""API keys and operators at the console."""

import re
from collections.abc import Callable

import pytest
from tests.console.browser import Browser, Page
from tests.row import NOW_MS, connection

from chappe.features.accounts import operator, services
from chappe.features.accounts.models import ApiKey, Operator, Organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.clock import now_ms

NEW_KEY = {"name": "Website", "scopes": ["send", "read"]}
NEW_OPERATOR = {"login": "marketing-1", "label": "Marketing server", "scopes": ["send"]}


@pytest.fixture
def machine(organisation: Organisation) -> Operator:
    return operator.create_operator(organisation.pk, "crm", "The CRM", ["send"], NOW_MS)


def secret_on(shown: Page) -> str:
    (control,) = [one for one in shown.controls() if one.get("id") == "secret"]
    return control.get("value", "")


def test_a_key_is_made_shown_once_and_lets_in(admin: Browser) -> None:
    assert "No API key yet" in admin.get("/keys/").text
    shown = admin.post("/keys/new/", NEW_KEY)
    secret = secret_on(shown)
    key = services.authenticate(secret, now_ms())
    assert key is not None
    assert (key.name, key.granted) == ("Website", ["send", "read"])
    assert shown.response["Cache-Control"] == "no-store"
    assert shown.find("button", data_copy="#secret")
    listed = admin.get("/keys/")
    assert "Website" in listed.text
    assert secret not in listed.html
    made = AuditEvent.objects.get(subject_kind="key")
    assert admin.user is not None
    assert (made.actor_kind, made.actor_id, made.action) == ("person", admin.user.pk, "create")
    assert secret not in str(vars(made))


def test_what_is_wrong_with_a_key_is_said_and_what_was_typed_stays(admin: Browser) -> None:
    shown = admin.post("/keys/new/", {"name": "Website"})
    assert shown.value_of("name") == "Website"
    assert shown.find("div", role="alert")
    assert admin.post("/keys/new/", {"name": " ", "scopes": ["read"]}).error_of("name")
    assert not ApiKey.objects.exists()


def test_a_key_is_revoked_by_who_types_its_name(admin: Browser, organisation: Organisation) -> None:
    made = services.create_api_key(organisation, "Website", ["send"], NOW_MS)
    path = f"/keys/{made.row.pk}/revoke/"
    assert admin.post(path, {"confirmation": "website"}).error_of("confirmation")
    assert services.authenticate(made.secret, now_ms()) is not None
    shown = admin.post(path, {"confirmation": "Website"})
    assert "lets nobody in any more" in shown.text
    assert services.authenticate(made.secret, now_ms()) is None
    assert not [one for one in admin.get("/keys/").links() if "revoke" in one]


def test_an_operator_is_made_with_small_letters_and_its_first_key(admin: Browser) -> None:
    wrong = admin.post("/keys/operators/new/", NEW_OPERATOR | {"login": "Marketing 1"})
    assert "small letters" in wrong.error_of("login")
    assert wrong.value_of("login") == "Marketing 1"
    made = admin.post("/keys/operators/new/", NEW_OPERATOR)
    assert "make the first one" in made.text
    found = Operator.objects.get()
    taken = admin.post("/keys/operators/new/", NEW_OPERATOR)
    assert "There is an operator marketing-1 already." in taken.text
    secret = secret_on(admin.post(f"/keys/operators/{found.pk}/keys/new/", {"name": "From March"}))
    key = services.authenticate(secret, now_ms())
    assert key is not None
    assert (key.operator, key.granted) == (found, ["send"])
    assert "From March" in admin.get(f"/keys/operators/{found.pk}/").text
    assert "From March" not in admin.get("/keys/").text


def test_keys_of_an_operator_rotate_without_a_stop(admin: Browser, machine: Operator) -> None:
    path = f"/keys/operators/{machine.pk}/keys/new/"
    old, new = (secret_on(admin.post(path, {"name": name})) for name in ("old", "new"))
    assert services.authenticate(old, now_ms()) is not None
    first = ApiKey.objects.get(name="old")
    shown = admin.post(f"/keys/{first.pk}/revoke/", {"confirmation": "old"})
    assert re.search(r"crm", shown.text)
    assert services.authenticate(old, now_ms()) is None
    assert services.authenticate(new, now_ms()) is not None


def test_an_operator_is_changed_switched_off_and_on_again(admin: Browser, machine: Operator) -> None:
    secret = operator.add_key(machine.organisation_id, machine.pk, "one", NOW_MS).secret
    path = f"/keys/operators/{machine.pk}/"
    changed = admin.post(f"{path}change/", {"label": "CRM", "scopes": ["send", "manage"]})
    assert "CRM" in changed.text
    key = services.authenticate(secret, now_ms())
    assert key is not None
    assert key.granted == ["send", "manage"]
    assert "switched off" in admin.post(f"{path}switch", {"is_enabled": "0"}).text
    assert services.authenticate(secret, now_ms()) is None
    admin.post(f"{path}switch", {"is_enabled": "1"})
    assert services.authenticate(secret, now_ms()) is not None
    actions = AuditEvent.objects.filter(subject_kind="operator").order_by("pk").values_list("action", "after")
    assert [after for _, after in actions][2:] == [{"is_enabled": False}, {"is_enabled": True}]


def test_an_operator_goes_with_its_keys_when_its_login_is_typed(admin: Browser, machine: Operator) -> None:
    operator.add_key(machine.organisation_id, machine.pk, "one", NOW_MS)
    path = f"/keys/operators/{machine.pk}/delete/"
    assert admin.post(path, {"confirmation": "CRM"}).error_of("confirmation")
    assert "are gone" in admin.post(path, {"confirmation": "crm"}).text
    assert not Operator.objects.exists()
    assert not ApiKey.objects.exists()


def test_an_operator_has_a_bounded_number_of_keys(admin: Browser, machine: Operator) -> None:
    for number in range(operator.MOST_KEYS):
        operator.add_key(machine.organisation_id, machine.pk, f"key {number}", NOW_MS)
    shown = admin.post(f"/keys/operators/{machine.pk}/keys/new/", {"name": "one more"})
    assert "Revoke one first" in shown.text


PASSWORD = "a winter sea without any boats"


def test_an_operator_of_another_chappe_is_made_with_its_password_and_its_right(
    admin: Browser, organisation: Organisation
) -> None:
    given = {"login": "SMS", "label": "Marketing", "scopes": ["administration", "replies"], "password": PASSWORD}
    assert admin.post("/keys/operators/new/", given).error_of("login") == "must be in small letters: write sms"
    made = admin.post("/keys/operators/new/", given | {"login": "sms"})
    found = services.sign_in_operator("sms", PASSWORD, now_ms())
    assert found is not None
    assert found.scopes == ["administration", "replies"]
    assert "ADMINISTRATION" in made.text
    assert "no password" not in made.text
    assert PASSWORD not in made.html
    assert "sms_" in made.text  # what its account must be called
    connection(organisation.pk, "North", internal_name="sms_crm")
    shown = admin.get(f"/keys/operators/{found.pk}/")
    assert "North sms_crm" in shown.text


def test_a_password_is_set_changed_and_taken_away_and_its_lack_is_warned_about(
    admin: Browser, machine: Operator
) -> None:
    at = f"/keys/operators/{machine.pk}/"
    assert "This operator has no password" in admin.get(at).text
    assert "no password" in admin.get("/keys/operators/").text
    assert admin.post(f"{at}password/", {"password": ""}).error_of("password")
    assert "too short" in admin.post(f"{at}password/", {"password": "short"}).error_of("password")
    shown = admin.post(f"{at}password/", {"password": PASSWORD})
    assert "The password is set" in shown.text
    assert "This operator has no password" not in shown.text
    assert services.sign_in_operator("crm", PASSWORD, now_ms()) is not None
    assert PASSWORD not in admin.get(f"{at}password/").html
    assert "is taken away" in admin.post(f"{at}password/remove", {}).text
    assert services.sign_in_operator("crm", PASSWORD, now_ms()) is None
    changes = AuditEvent.objects.filter(subject_kind="operator", action="change")
    assert [set(event.after) for event in changes] == [{"password"}, {"password"}]


PATHS = ["/keys/", "/keys/new/", "/keys/operators/", "/keys/operators/new/"]


@pytest.mark.parametrize("role", ["marketer", "operator", "auditor"])
def test_keys_are_for_those_with_the_right_to_them(
    browse_as: Callable[..., Browser], role: str, machine: Operator
) -> None:
    someone = browse_as(role)
    at = f"/keys/operators/{machine.pk}/"
    paths = [*PATHS, at, f"{at}password/", f"{at}delete/"]
    assert {someone.get(path).status for path in paths} == {403}
    assert {someone.post(path, NEW_KEY | NEW_OPERATOR).status for path in paths} == {403}
    assert Operator.objects.count() == 1


def test_a_stranger_finds_no_key_and_no_operator_of_ours(
    stranger: Browser, machine: Operator, organisation: Organisation
) -> None:
    key = services.create_api_key(organisation, "Website", ["send"], NOW_MS).row
    at = f"/keys/operators/{machine.pk}"
    paths = [
        f"{at}/",
        f"{at}/change/",
        f"{at}/password/",
        f"{at}/delete/",
        f"{at}/keys/new/",
        f"/keys/{key.pk}/revoke/",
    ]
    assert {stranger.get(path).status for path in paths} == {404}
    assert stranger.post(f"{at}/switch", {"is_enabled": "0"}).status == 404
    assert stranger.post(f"{at}/password/remove", {}).status == 404
    assert stranger.post(f"/keys/{key.pk}/revoke/", {"confirmation": "Website"}).status == 404
    assert "crm" not in stranger.get("/keys/operators/").text
    machine.refresh_from_db()
    assert machine.is_enabled


def test_the_pages_of_keys_are_read_in_french(browse_as: Callable[..., Browser], machine: Operator) -> None:
    reader = browse_as(language="fr")
    assert "Clés et opérateurs" in reader.get("/keys/").text
    assert "Désactiver" in reader.get(f"/keys/operators/{machine.pk}/").text
    assert "pas de mot de passe" in reader.get(f"/keys/operators/{machine.pk}/").text
    assert "minuscules" in reader.post("/keys/operators/new/", NEW_OPERATOR | {"login": "X"}).error_of("login")
