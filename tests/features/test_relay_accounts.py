"""Accounts of another Chappe: what their connections must be called, and how an operator finds its own."""

import pytest
from tests.row import NOW_MS

from chappe.features.accounts import operator
from chappe.features.accounts.models import Operator, Organisation
from chappe.features.accounts.operator import Change as OperatorChange
from chappe.features.audit.models import AuditEvent
from chappe.features.connections import account, history, services
from chappe.features.connections.models import Connection, ConnectionVersion
from chappe.features.connections.replacement import replace_connection
from chappe.features.connections.services import Change
from chappe.features.refusal import Conflict, InvalidInput, NotFound

SETTINGS = {"host": "smsc.example.org", "account": "relais"}


def relay(organisation: Organisation, login: str = "sms") -> Operator:
    return operator.create_operator(organisation.pk, login, "Marketing", ["administration"], NOW_MS)


def made(organisation: Organisation, internal_name: str, name: str = "") -> Connection:
    return services.create_connection(
        organisation.pk, name or f"Of {internal_name}", "smpp", SETTINGS, NOW_MS, internal_name=internal_name
    )


def refused(organisation: Organisation, internal_name: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        made(organisation, internal_name, "Refused")
    assert [error.field for error in caught.value.errors] == ["internal_name"]
    assert not Connection.objects.filter(name="Refused").exists()
    return caught.value.errors[0].message


# -- finding ---------------------------------------------------------------------------------------------------------


def test_an_operator_finds_its_account_by_the_name_it_has_on_the_other_side(organisation: Organisation) -> None:
    sms = relay(organisation)
    mid = made(organisation, "sms_crm")
    assert account.find_account(sms, "crm") == mid
    assert account.Naming(organisation.pk).owner(mid) == sms
    assert account.accounts_of(sms) == [mid]
    services.change_connection(organisation.pk, mid.pk, Change(is_enabled=False), NOW_MS)
    assert account.find_account(sms, "crm").is_enabled is False


@pytest.mark.parametrize("there", ["SMS_crm", "sms-crm", "sms_crn", "Sms.Crm"])
def test_what_the_name_must_be_is_said_with_the_one_that_comes_close(organisation: Organisation, there: str) -> None:
    mid = made(organisation, there)
    sms = relay(organisation)
    with pytest.raises(NotFound) as caught:
        account.find_account(sms, "crm")
    assert f"has the internal name sms_crm, but there is {mid.internal_name}." in str(caught.value)


def test_nothing_is_told_of_names_that_are_another_operators(organisation: Organisation) -> None:
    sms, smt = relay(organisation), relay(organisation, "smt")
    made(organisation, "smt_crm")
    with pytest.raises(NotFound) as caught:
        account.find_account(sms, "crm")
    assert "smt" not in str(caught.value)
    assert account.find_account(smt, "crm").internal_name == "smt_crm"


def test_an_account_of_another_organisation_is_not_found(organisation: Organisation) -> None:
    from chappe.features.accounts.services import create_organisation

    sms = relay(organisation)
    made(create_organisation("Another", NOW_MS), "sms_crm")
    with pytest.raises(NotFound) as caught:
        account.find_account(sms, "crm")
    assert "there is" not in str(caught.value)


def test_of_two_operators_whose_logins_begin_alike_each_finds_its_own(organisation: Organisation) -> None:
    made(organisation, "sms_north_crm")
    north = relay(organisation, "sms_north")
    # Nobody can make this one; a row of before would not let it in
    sms = Operator.objects.create(
        organisation=organisation, login="sms", label="x", scopes=["administration"], is_relay=True
    )
    with pytest.raises(NotFound):
        account.find_account(sms, "north_crm")
    assert account.find_account(north, "crm").internal_name == "sms_north_crm"


# -- naming ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["SMS_crm", "Sms-crm", "sms-crm", "sms.crm", "SMS.crm"])
def test_a_name_that_nearly_begins_with_an_operator_is_refused_with_the_right_one(
    organisation: Organisation, name: str
) -> None:
    relay(organisation)
    assert "must be sms_crm" in refused(organisation, name)


def test_a_name_that_ends_with_the_operator_is_refused(organisation: Organisation) -> None:
    relay(organisation)
    assert "must go on behind sms_" in refused(organisation, "sms_")
    assert "must be sms_…" in refused(organisation, "sms")


@pytest.mark.parametrize("name", ["with space", "café", "a" * 131, "a/b"])
def test_a_name_has_letters_digits_and_few_signs(organisation: Organisation, name: str) -> None:
    assert "letters, digits" in refused(organisation, name)


def test_an_operator_has_one_account(organisation: Organisation) -> None:
    relay(organisation)
    mid = made(organisation, "sms_crm")
    assert "second account of the operator sms, which has sms_crm" in refused(organisation, "sms_erp")
    renamed = services.change_connection(organisation.pk, mid.pk, Change(internal_name="sms_erp"), NOW_MS)
    assert renamed.internal_name == "sms_erp"


def test_an_internal_name_is_the_only_one_of_its_organisation(
    organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(organisation, "north", "North")
    assert "is that of the connection named North already" in refused(organisation, "north")
    # As it is where two are made at once
    monkeypatch.setattr(services, "checked_internal_name", lambda _organisation_id, name, *_: name)
    with pytest.raises(Conflict, match="internal name north already"):
        made(organisation, "north", "Another")
    with pytest.raises(Conflict, match="named North already"):
        made(organisation, "", "North")


def test_connections_need_no_internal_name(organisation: Organisation) -> None:
    assert [made(organisation, "", name).internal_name for name in ("One", "Two")] == ["", ""]


def test_a_name_that_belongs_to_nobody_is_warned_about_until_its_operator_is_there(organisation: Organisation) -> None:
    mid = made(organisation, "sms_crm")
    assert "sms_crm begins with" in account.Naming(organisation.pk).warnings(mid)[0]
    sms = relay(organisation)
    assert account.Naming(organisation.pk).warnings(mid) == []
    operator.change_operator(organisation.pk, sms.pk, OperatorChange(is_enabled=False), NOW_MS)
    assert "switched off" in account.Naming(organisation.pk).warnings(mid)[0]


def test_two_accounts_that_were_there_before_their_operator_are_warned_about(organisation: Organisation) -> None:
    mid, other = made(organisation, "sms_crm"), made(organisation, "sms_erp")
    relay(organisation)
    assert "another account here, sms_erp" in account.Naming(organisation.pk).warnings(mid)[0]
    # What was right when it was given does not keep anything else from being changed
    change = Change(internal_name="sms_erp", name="Renamed")
    assert services.change_connection(organisation.pk, other.pk, change, NOW_MS).name == "Renamed"


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        *[("crm", "sms_crm"), (" crm ", "sms_crm"), ("sms_crm", "sms_crm")],
        # Left as they are, to be refused with the right one
        *[("SMS_crm", "SMS_crm"), ("sms-crm", "sms-crm")],
    ],
)
def test_the_operator_is_written_in_front_of_a_name_that_lacks_it(
    organisation: Organisation, typed: str, written: str
) -> None:
    relay(organisation)
    assert account.asked_name(organisation.pk, "sms", typed) == written
    assert account.asked_name(organisation.pk, "", typed) == typed


@pytest.mark.parametrize(
    ("login", "typed", "field", "words"),
    [
        ("sms", "  ", "internal_name", "is needed"),
        ("crm", "x", "operator", "there is no crm"),
        ("sms", "web_crm", "internal_name", "begins with the operator web"),
    ],
)
def test_what_is_wrong_with_a_chosen_operator_is_said(
    organisation: Organisation, login: str, typed: str, field: str, words: str
) -> None:
    relay(organisation)
    relay(organisation, "web")
    with pytest.raises(InvalidInput) as caught:
        account.asked_name(organisation.pk, login, typed)
    ((named, message),) = [(one.field, one.message) for one in caught.value.errors]
    assert named == field
    assert words in message


# -- over time -------------------------------------------------------------------------------------------------------


def test_an_internal_name_is_in_the_history_and_in_the_audit_trail_and_stays_in_a_revert(
    organisation: Organisation,
) -> None:
    mid = made(organisation, "north")
    services.change_connection(organisation.pk, mid.pk, Change(internal_name="south"), NOW_MS)
    services.change_connection(organisation.pk, mid.pk, Change(settings={"window": 3}), NOW_MS)
    history.revert(organisation.pk, mid.pk, 1, NOW_MS)
    mid.refresh_from_db()
    assert mid.internal_name == "south"
    names = ConnectionVersion.objects.order_by("number").values_list("internal_name", flat=True)
    assert list(names) == ["north", "south", "south", "south"]
    told = history.since(organisation.pk, mid.pk, 1)
    assert [(one.label, one.before, one.after) for one in told] == [("Internal name", "north", "south")]
    change = AuditEvent.objects.filter(subject_kind="connection", action="change").order_by("pk")[0]
    assert (change.before, change.after) == ({"internal_name": "north"}, {"internal_name": "south"})


def test_the_connection_that_replaces_another_has_its_internal_name(organisation: Organisation) -> None:
    sms = relay(organisation)
    mid = made(organisation, "sms_crm")
    heir = replace_connection(organisation.pk, mid.pk, {"window": 3}, NOW_MS)
    assert account.find_account(sms, "crm") == heir
    mid.refresh_from_db()
    assert mid.internal_name == ""
    with pytest.raises(Conflict, match="has its internal name"):
        services.change_connection(organisation.pk, mid.pk, Change(internal_name="old"), NOW_MS)


# -- the other side --------------------------------------------------------------------------------------------------


def test_a_secret_that_makes_itself_is_made_once_and_kept(organisation: Organisation) -> None:
    settings = {"internal_name": "crm", "base_url": "https://mid.example.com", "operator": "sms", "password": "x"}
    made = services.create_connection(organisation.pk, "Mid", "relay", settings, NOW_MS)
    secret = services.open_secrets(made)["signing_secret"]
    assert secret.startswith("whsec_")
    changed = services.change_connection(organisation.pk, made.pk, Change(settings={"password": "y"}), NOW_MS)
    assert services.open_secrets(changed)["signing_secret"] == secret
    anew = services.change_connection(organisation.pk, made.pk, Change(settings={"signing_secret": ""}), NOW_MS)
    assert services.open_secrets(anew)["signing_secret"] not in ("", secret)
