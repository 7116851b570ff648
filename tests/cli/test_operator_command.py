"""Operators from the command line."""

from pathlib import Path

import pytest
from tests.cli.shell import Shell

from chappe.features.accounts import services as accounts
from chappe.features.accounts.models import Operator, Organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.clock import now_ms

PASSWORD = "a winter sea without any boats"


@pytest.fixture
def given(shell: Shell, organisation: Organisation, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell whose environment holds a password."""
    monkeypatch.setenv("CHAPPE_OPERATOR_PASSWORD", PASSWORD)
    return shell


def test_an_operator_of_another_chappe_is_made_with_a_password_of_the_environment(given: Shell) -> None:
    result = given.done("operator", "create", "sms", "--label", "Marketing")
    assert "The operator sms of Relais is made (administration)" in result.out
    assert PASSWORD not in result.out + result.err
    assert "Warning" not in result.err
    assert accounts.sign_in_operator("sms", PASSWORD, now_ms()) == Operator.objects.get()
    made = AuditEvent.objects.get(subject_kind="operator")
    assert (made.actor_kind, made.action) == ("command", "create")


def test_an_operator_without_a_password_is_warned_about(shell: Shell, organisation: Organisation) -> None:
    assert (
        "Warning: This operator has no password" in shell.done("operator", "create", "sms", "--label", "Marketing").err
    )
    assert "no password" in shell.done("operator", "list", "--json").json[0]["warnings"][0]


def test_capitals_are_refused_and_the_right_login_is_named(shell: Shell, organisation: Organisation) -> None:
    result = shell("operator", "create", "SMS", "--label", "Marketing")
    assert result.code == 2
    assert "login: must be in small letters: write sms" in result.err
    assert not Operator.objects.exists()


def test_a_password_is_changed_by_a_file_and_taken_away(given: Shell, tmp_path: Path) -> None:
    given.done("operator", "create", "sms", "--label", "Marketing")
    file = tmp_path / "password"
    file.write_text("two roads and a bridge\n")
    assert "is set" in given.done("operator", "password", "sms", "--password-file", file).out
    assert accounts.sign_in_operator("sms", "two roads and a bridge", now_ms()) is not None
    assert accounts.sign_in_operator("sms", PASSWORD, now_ms()) is None
    gone = given.done("operator", "password", "sms", "--remove")
    assert "is taken away" in gone.out
    assert "no password" in gone.err
    assert Operator.objects.get().password == ""


def test_a_weak_password_is_refused(given: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAPPE_OPERATOR_PASSWORD", "short")
    result = given("operator", "create", "sms", "--label", "Marketing")
    assert result.code == 2
    assert "password:" in result.err


def test_keys_of_an_operator_rotate_from_the_command_line(given: Shell) -> None:
    given.done("operator", "create", "sms", "--label", "Marketing")
    old, new = (given.done("operator", "key", "sms", name).out.strip() for name in ("old", "new"))
    assert accounts.sign_in_operator("sms", old, now_ms()) is not None
    given.done("key", "revoke", "old")
    assert accounts.sign_in_operator("sms", old, now_ms()) is None
    assert accounts.sign_in_operator("sms", new, now_ms()) is not None
    listed = given.done("key", "list", "--json").json
    assert {(one["name"], one["operator"], one["scopes"]) for one in listed} == {
        ("old", "sms", "administration"),
        ("new", "sms", "administration"),
    }


def test_an_operator_is_switched_off_and_on_and_may_more(given: Shell) -> None:
    given.done("operator", "create", "sms", "--label", "Marketing")
    given.done("operator", "off", "sms")
    assert accounts.sign_in_operator("sms", PASSWORD, now_ms()) is None
    given.done("operator", "on", "sms")
    assert (
        "administration, replies"
        in given.done("operator", "scopes", "sms", "--scope", "administration", "--scope", "replies").out
    )
    assert accounts.sign_in_operator("sms", PASSWORD, now_ms()) is not None
    assert given.done("operator", "list").out.count("sms") == 1
    assert given("operator", "off", "crm").code == 1
    assert "There is: sms." in given("operator", "off", "crm").err


def test_the_account_of_an_operator_is_named_from_the_command_line(given: Shell, organisation: Organisation) -> None:
    given.done("operator", "create", "sms", "--label", "Marketing")
    host = ("--set", "host=smsc.example.org", "--set", "account=relais")
    wrong = given("connection", "create", "North", *host, "--internal-name", "sms-crm")
    assert wrong.code == 2
    assert "internal_name: must be sms_crm" in wrong.err
    given.done("connection", "create", "North", *host, "--internal-name", "sms_crm")
    assert given.done("connection", "list", "--json").json[0]["internal_name"] == "sms_crm"
    assert "Warning: No operator" in given.done("connection", "change", "North", "--internal-name", "web_crm").err
    assert given.done("connection", "show", "North", "--json").json["internal_name"] == "web_crm"
