"""Operators: what they may do, how they prove who they are, and what stays true of their logins."""

from collections.abc import Sequence

import pytest
from django.contrib.auth.hashers import make_password
from tests.row import NOW_MS

from chappe.features.accounts import operator, services
from chappe.features.accounts.models import Operator, Organisation
from chappe.features.accounts.operator import Change
from chappe.features.accounts.password import REMEMBERED_MS, Checked, checked
from chappe.features.audit.models import AuditEvent
from chappe.features.refusal import Conflict, InvalidInput

PASSWORD = "a winter sea without any boats"
RELAY = ["administration"]


def made(
    organisation: Organisation, login: str = "sms", scopes: Sequence[str] = RELAY, password: str = PASSWORD
) -> Operator:
    return operator.create_operator(organisation.pk, login, "Marketing", scopes, NOW_MS, password)


def errors_of(caught: pytest.ExceptionInfo[InvalidInput]) -> dict[str, str]:
    return {error.field: error.message for error in caught.value.errors}


# -- what an operator is ---------------------------------------------------------------------------------------------


def test_an_operator_signs_in_by_its_password_which_is_kept_as_a_hash(organisation: Organisation) -> None:
    row = made(organisation)
    found = services.sign_in_operator("sms", PASSWORD, NOW_MS)
    assert found == row
    assert PASSWORD not in str(Operator.objects.values_list().get())
    for login, secret in (("sms", "another"), ("sm", PASSWORD), ("sms", ""), ("sms\0", PASSWORD), ("", "")):
        assert services.sign_in_operator(login, secret, NOW_MS) is None


def test_an_operator_signs_in_by_any_of_its_keys_and_by_no_other(organisation: Organisation) -> None:
    row = made(organisation, password="")
    first, second = (operator.add_key(organisation.pk, row.pk, name, NOW_MS) for name in ("first", "second"))
    assert services.sign_in_operator("sms", first.secret, NOW_MS) == row
    services.revoke_api_key(organisation.pk, first.row.pk, NOW_MS)
    assert services.sign_in_operator("sms", first.secret, NOW_MS) is None
    assert services.sign_in_operator("sms", second.secret, NOW_MS) == row
    assert services.sign_in_operator("other", second.secret, NOW_MS) is None
    plain = services.create_api_key(organisation, "shop", ["send"], NOW_MS)
    assert services.sign_in_operator("sms", plain.secret, NOW_MS) is None


def test_an_operator_without_a_password_is_warned_about_and_has_none_to_guess(organisation: Organisation) -> None:
    row = made(organisation, password="")
    assert "no password" in operator.warnings_of(row)[0]
    assert services.sign_in_operator("sms", "", NOW_MS) is None
    assert operator.warnings_of(made(organisation, "crm")) == []


def test_who_may_do_more_than_another_chappe_needs_is_warned_about(organisation: Organisation) -> None:
    row = made(organisation, scopes=["administration", "read"])
    assert "whole organisation" in operator.warnings_of(row)[0]


def test_a_password_is_changed_and_taken_away_at_once(organisation: Organisation) -> None:
    row = made(organisation)
    assert services.sign_in_operator("sms", PASSWORD, NOW_MS) is not None
    operator.change_operator(organisation.pk, row.pk, Change(password="two roads and a bridge"), NOW_MS)
    assert services.sign_in_operator("sms", PASSWORD, NOW_MS) is None
    assert services.sign_in_operator("sms", "two roads and a bridge", NOW_MS) is not None
    operator.change_operator(organisation.pk, row.pk, Change(password=""), NOW_MS)
    assert services.sign_in_operator("sms", "two roads and a bridge", NOW_MS) is None


def test_an_operator_that_is_switched_off_signs_in_by_nothing(organisation: Organisation) -> None:
    row = made(organisation)
    key = operator.add_key(organisation.pk, row.pk, "first", NOW_MS)
    assert services.sign_in_operator("sms", PASSWORD, NOW_MS) is not None
    operator.change_operator(organisation.pk, row.pk, Change(is_enabled=False), NOW_MS)
    assert services.sign_in_operator("sms", PASSWORD, NOW_MS) is None
    assert services.sign_in_operator("sms", key.secret, NOW_MS) is None


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("short", "at least 10"),
        ("password123", "too common"),
        ("73910028473651", "entirely numeric"),
        ("x" * 201, "at most 200"),
        ("chp_" + "a1" * 16, "not begin with chp_"),
        ("with a\0 hole in it", "printable"),
    ],
)
def test_a_password_must_be_hard_to_guess(organisation: Organisation, password: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        made(organisation, password=password)
    assert words in errors_of(caught)["password"]
    assert not Operator.objects.exists()


def test_the_audit_trail_says_that_a_password_was_set_and_not_which(organisation: Organisation) -> None:
    row = made(organisation)
    operator.change_operator(organisation.pk, row.pk, Change(password="two roads and a bridge"), NOW_MS)
    create, change = AuditEvent.objects.filter(subject_kind="operator").order_by("pk")
    assert create.after["scopes"] == RELAY
    assert set(change.after) == {"password"}
    for event in (create, change):
        assert row.password not in str(vars(event))
        assert "roads" not in str(vars(event))


# -- rights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", ["administration", "replies"])
def test_a_key_of_nobody_cannot_have_the_rights_of_operators(organisation: Organisation, scope: str) -> None:
    with pytest.raises(InvalidInput):
        services.create_api_key(organisation, "shop", ["send", scope], NOW_MS)


def test_replies_go_with_administration(organisation: Organisation) -> None:
    with pytest.raises(InvalidInput) as caught:
        made(organisation, scopes=["send", "replies"])
    assert "administration" in errors_of(caught)["scopes"]
    assert made(organisation, scopes=["replies", "administration"]).scopes == ["administration", "replies"]


# -- logins ----------------------------------------------------------------------------------------------------------


def test_capitals_are_refused_and_the_login_in_small_letters_is_named(organisation: Organisation) -> None:
    with pytest.raises(InvalidInput) as caught:
        made(organisation, "Sms-North")
    assert errors_of(caught)["login"] == "must be in small letters: write sms-north"


def test_two_organisations_cannot_have_one_login_for_another_chappe(organisation: Organisation) -> None:
    other = services.create_organisation("Another", NOW_MS)
    made(organisation)
    plain = made(other, scopes=["send"], password="something else entirely")
    with pytest.raises(Conflict, match="is taken on this installation"):
        operator.change_operator(other.pk, plain.pk, Change(scopes=RELAY), NOW_MS)
    with pytest.raises(Conflict, match="There is an operator sms already"):
        made(organisation)
    third = services.create_organisation("Third", NOW_MS)
    with pytest.raises(Conflict, match="is taken on this installation"):
        made(third)
    found = services.sign_in_operator("sms", PASSWORD, NOW_MS)
    assert found is not None
    assert found.organisation_id == organisation.pk
    assert services.sign_in_operator("sms", "something else entirely", NOW_MS) is None


def test_two_operators_that_cannot_be_told_apart_sign_in_by_their_keys_alone(organisation: Organisation) -> None:
    other = services.create_organisation("Another", NOW_MS)
    made(organisation, "crm", ["send"])
    theirs = made(other, "crm", ["send"])
    assert services.sign_in_operator("crm", PASSWORD, NOW_MS) is None
    key = operator.add_key(other.pk, theirs.pk, "first", NOW_MS)
    assert services.sign_in_operator("crm", key.secret, NOW_MS) == theirs


@pytest.mark.parametrize(("first", "second"), [("sms", "sms_north"), ("sms_north", "sms")])
def test_whose_an_account_is_can_be_told_from_its_name(organisation: Organisation, first: str, second: str) -> None:
    made(organisation, first)
    with pytest.raises(InvalidInput) as caught:
        made(organisation, second)
    assert first in errors_of(caught)["login"]
    made(organisation, "smsnorth")


# -- what is remembered ----------------------------------------------------------------------------------------------


def test_a_password_is_hashed_again_after_a_minute_at_the_latest() -> None:
    now = [0]
    memory, stored = Checked(lambda: now[0]), make_password(PASSWORD)
    assert not memory.is_remembered("sms", stored, PASSWORD)
    assert not memory.is_right("sms", stored, "wrong")
    assert not memory.is_right("sms", "", PASSWORD)
    assert memory.is_right("sms", stored, PASSWORD)
    now[0] = REMEMBERED_MS - 1
    assert memory.is_remembered("sms", stored, PASSWORD)
    assert not memory.is_remembered("sms", make_password(PASSWORD), PASSWORD)
    assert not memory.is_remembered("other", stored, PASSWORD)
    now[0] = REMEMBERED_MS
    assert not memory.is_remembered("sms", stored, PASSWORD)
    assert PASSWORD not in str(vars(memory))


def test_without_patience_only_what_proved_right_a_moment_ago_lets_in(organisation: Organisation) -> None:
    row = made(organisation)
    assert services.sign_in_operator("sms", PASSWORD, NOW_MS, is_patient=False) is None
    assert services.sign_in_operator("sms", PASSWORD, NOW_MS) == row
    assert services.sign_in_operator("sms", PASSWORD, NOW_MS, is_patient=False) == row
    assert checked.is_remembered("sms", row.password, PASSWORD)
