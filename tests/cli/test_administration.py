"""Organisations, keys, connections and secrets from the command line."""

import os
from pathlib import Path

import pytest
from tests.cli.shell import Shell
from tests.row import NOW_MS, link

from chappe.engine.vault import Vault, connection_place
from chappe.features.accounts import services as accounts
from chappe.features.accounts.models import ApiKey, Organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.clock import now_ms
from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection

HOST = ("--set", "host=smsc.example.org", "--set", "account=relais")


def test_an_organisation_is_made_and_listed(shell: Shell) -> None:
    assert "The organisation Relais is made" in shell.done("organisation", "create", "Relais").out
    assert shell.done("organisation", "list", "--json").json[0]["name"] == "Relais"


def test_an_organisation_is_not_made_twice(shell: Shell, organisation: Organisation) -> None:
    result = shell("organisation", "create", "Relais")
    assert result.code == 1
    assert "There is an organisation named Relais already" in result.err


def test_a_key_is_shown_alone_and_lets_in(shell: Shell, organisation: Organisation) -> None:
    result = shell.done("key", "create", "website", "--scope", "send")
    key = accounts.authenticate(result.out.strip(), now_ms())
    assert key is not None
    assert key.scopes == ["send"]
    assert "never again" in result.err


def test_what_a_command_changes_is_in_the_audit_trail_under_the_login_of_who_runs_it(
    shell: Shell, organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    secret = shell.done("key", "create", "website").out.strip()
    made = AuditEvent.objects.get(subject_kind="key")
    assert (made.actor_kind, made.actor_name, made.action, made.subject_name) == (
        "command",
        "ada",
        "create",
        "website",
    )
    assert secret not in str(vars(made))


def test_a_key_of_an_unknown_scope_is_refused(shell: Shell, organisation: Organisation) -> None:
    result = shell("key", "create", "website", "--scope", "everything")
    assert result.code != 0
    assert "must be one or more of send, read, manage" in result.err
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("by", ["pk", "name", "prefix"])
def test_a_revoked_key_lets_nobody_in(shell: Shell, organisation: Organisation, by: str) -> None:
    made = accounts.create_api_key(organisation, "website", ["send"], NOW_MS)
    assert "lets nobody in any more" in shell.done("key", "revoke", getattr(made.row, by)).out
    assert accounts.authenticate(made.secret, now_ms()) is None
    assert shell.done("key", "list", "--json").json[0]["revoked"]


def test_of_two_keys_of_one_name_neither_is_revoked(shell: Shell, organisation: Organisation) -> None:
    for _ in range(2):
        accounts.create_api_key(organisation, "website", ["send"], NOW_MS)
    result = shell("key", "revoke", "website")
    assert result.code == 1
    assert "There are several keys website" in result.err


def test_where_there_are_two_organisations_one_has_to_be_named(shell: Shell, organisation: Organisation) -> None:
    accounts.create_organisation("Another", NOW_MS)
    result = shell("key", "create", "website")
    assert result.code == 1
    assert "Say which organisation by --organisation: Another, Relais." in result.err
    shell.done("key", "create", "website", "--organisation", "Relais")


def test_where_there_is_no_organisation_the_command_that_makes_one_is_named(shell: Shell) -> None:
    assert "chappe organisation create NAME" in shell("key", "create", "website").err


def test_a_connection_is_made_from_settings_and_a_password_of_the_environment(
    shell: Shell, organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAPPE_CONNECTION_PASSWORD", "s3cret")
    result = shell.done("connection", "create", "North", *HOST, "--set", "window=50", "--set", "tls=yes")
    made = Connection.objects.get()
    assert (made.settings["window"], made.settings["tls"], made.is_enabled) == (50, True, True)
    assert connections.open_secrets(made)["password"] == "s3cret"
    assert "s3cret" not in result.out + result.err


def test_the_settings_of_a_file_hold_tables_and_yield_to_arguments(
    shell: Shell, organisation: Organisation, tmp_path: Path
) -> None:
    file = tmp_path / "north.toml"
    file.write_text(
        'host = "smsc.example.org"\naccount = "relais"\nwindow = 20\npassword = "s3cret"\n'
        '[[encodings]]\ndata_coding = 8\nencoding = "ucs2"\n'
    )
    shell.done("connection", "create", "North", "--settings", file, "--set", "window=30", "--no-enabled")
    made = Connection.objects.get()
    assert made.settings["encodings"] == [{"data_coding": 8, "encoding": "ucs2"}]
    assert (made.settings["window"], made.is_enabled) == (30, False)
    assert connections.open_secrets(made)["password"] == "s3cret"


@pytest.mark.parametrize("by", ["option", "variable"])
def test_a_password_may_come_from_a_file(
    shell: Shell, organisation: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    monkeypatch.setenv("CHAPPE_CONNECTION_PASSWORD_FILE", str(file) if by == "variable" else "/nowhere")
    shell.done("connection", "create", "North", *HOST, *(("--password-file", file) if by == "option" else ()))
    assert connections.open_secrets(Connection.objects.get())["password"] == "s3cret"


def test_a_password_file_that_cannot_be_read_is_named(
    shell: Shell, organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAPPE_CONNECTION_PASSWORD_FILE", "/nowhere/password")
    result = shell("connection", "create", "North", *HOST)
    assert result.code == 2
    assert "the file /nowhere/password cannot be read" in result.err


def test_a_password_as_an_argument_is_refused(shell: Shell, organisation: Organisation) -> None:
    result = shell("connection", "create", "North", *HOST, "--set", "password=s3cret")
    assert result.code == 2
    assert "use CHAPPE_CONNECTION_PASSWORD or its _FILE" in result.err
    assert not Connection.objects.exists()


def test_every_setting_that_cannot_be_used_is_named(shell: Shell, organisation: Organisation) -> None:
    result = shell("connection", "create", "North", *HOST, "--set", "windw=50", "--set", "port=many")
    assert result.code == 2
    assert "windw: is not a setting; did you mean window?" in result.err
    assert "port: expected a whole number" in result.err
    assert "[/]: expected NAME=VALUE" in shell("connection", "create", "North", "--set", "[/]").err


def test_a_file_that_is_no_toml_is_said(shell: Shell, organisation: Organisation, tmp_path: Path) -> None:
    file = tmp_path / "north.toml"
    file.write_text("host: smsc.example.org")
    result = shell("connection", "create", "North", "--settings", file)
    assert result.code == 2
    assert "cannot be read as TOML" in result.err


@pytest.fixture
def north(organisation: Organisation) -> Connection:
    values = {"host": "smsc.example.org", "account": "relais", "password": "s3cret"}
    return connections.create_connection(organisation.pk, "North", "smpp", values, NOW_MS)


def test_a_change_leaves_the_rest_and_the_password(shell: Shell, north: Connection) -> None:
    shell.done("connection", "change", "North", "--set", "window=77", "--rename", "Nord")
    north.refresh_from_db()
    assert (north.name, north.settings["window"], north.settings["account"]) == ("Nord", 77, "relais")
    assert connections.open_secrets(north)["password"] == "s3cret"
    assert "stays as it was" in shell.done("connection", "change", "Nord", "--set", "window=77").out


def test_a_password_left_in_the_environment_changes_no_connection(
    shell: Shell, north: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "password"
    file.write_text("another")
    monkeypatch.setenv("CHAPPE_CONNECTION_PASSWORD", "another")
    monkeypatch.setenv("CHAPPE_CONNECTION_RECEIVER_PASSWORD_FILE", str(file))
    shell.done("connection", "change", "North", "--set", "window=77")
    north.refresh_from_db()
    assert north.settings["window"] == 77
    assert connections.open_secrets(north) == {"password": "s3cret", "receiver_password": ""}


@pytest.mark.parametrize("by", ["option", "variable", "file"])
def test_a_password_is_changed_where_that_is_asked_for(
    shell: Shell, north: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    file = tmp_path / "password"
    file.write_text("another\n")
    if by == "variable":
        monkeypatch.setenv("CHAPPE_CONNECTION_PASSWORD", "another")
    if by == "file":
        monkeypatch.setenv("CHAPPE_CONNECTION_PASSWORD_FILE", str(file))
    how = ("--password-file", file) if by == "option" else ("--password-from-env",)
    shell.done("connection", "change", "North", *how)
    north.refresh_from_db()
    assert connections.open_secrets(north)["password"] == "another"


def test_an_environment_without_a_password_is_said(shell: Shell, north: Connection) -> None:
    result = shell("connection", "change", "North", "--password-from-env")
    assert result.code == 2
    assert "neither CHAPPE_CONNECTION_PASSWORD nor its _FILE is set" in result.err
    assert "with --password-from-env" in shell("connection", "change", "North", "--set", "password=another").err


def test_a_connection_is_switched_off_and_on(shell: Shell, north: Connection) -> None:
    shell.done("connection", "disable", "North")
    assert shell.done("connection", "list", "--json").json[0]["enabled"] == "no"
    shell.done("connection", "enable", north.pk)
    assert shell.done("connection", "list", "--json").json[0]["enabled"] == "yes"


def test_the_list_says_how_many_links_are_logged_in(shell: Shell, north: Connection) -> None:
    link(north.pk, "bound", changed_ms=now_ms())
    link(north.pk, "down", slot=1, changed_ms=now_ms())
    assert shell.done("connection", "list", "--json").json[0]["links_bound"] == 1
    assert "smsc.example.org:2775" in shell.done("connection", "list").out


TWILIO = ("--provider", "twilio", "--set", f"account_sid=AC{'1' * 32}", "--set", "sender=+15005550006")


def test_a_vendor_connection_is_replaced(
    shell: Shell, organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAPPE_CONNECTION_AUTH_TOKEN", "2" * 32)
    shell.done("connection", "create", "Main", *TWILIO)
    refused = shell("connection", "change", "Main", "--set", "sender=+15005550007")
    assert (refused.code, "replace it" in refused.err) == (1, True)
    done = shell.done("connection", "replace", "Main", "--set", "sender=+15005550007")
    assert "Main is connection 2 now, in the place of connection 1." in done.out
    assert [one["id"] for one in shell.done("connection", "list", "--json").json] == [2]
    assert shell.done("connection", "show", "Main", "--json").json["settings"]["sender"] == "+15005550007"
    assert "replaced" not in shell.done("status").out
    assert shell("connection", "replace", "Main", "--password-from-env", "--set", "sender=x y z !").code == 2
    monkeypatch.delenv("CHAPPE_CONNECTION_AUTH_TOKEN")
    assert "CHAPPE_CONNECTION_AUTH_TOKEN" in shell("connection", "replace", "Main", "--password-from-env").err


def test_the_list_is_in_the_order_in_which_connections_are_used(shell: Shell, north: Connection) -> None:
    values = {"host": "smsc.example.org", "account": "relais"}
    connections.create_connection(north.organisation_id, "East", "smpp", values, NOW_MS)
    assert [one["name"] for one in shell.done("connection", "list", "--json").json] == ["North", "East"]
    shell.done("connection", "change", "North", "--position", "5")
    assert [one["name"] for one in shell.done("connection", "list", "--json").json] == ["East", "North"]


def test_settings_are_shown_without_the_password(shell: Shell, north: Connection) -> None:
    for result in (shell.done("connection", "show", "North"), shell.done("connection", "show", "--json")):
        assert "smsc.example.org" in result.out
        assert connections.MASK in result.out
        assert "s3cret" not in result.out


def test_a_connection_that_does_not_exist_names_those_there_are(shell: Shell, north: Connection) -> None:
    result = shell("connection", "disable", "South")
    assert result.code == 1
    assert "There is no connection South in Relais. There is: North." in result.err


def test_what_is_meant_by_a_number_that_is_also_a_name_is_the_name(shell: Shell, north: Connection) -> None:
    values = {"host": "smsc.example.org", "account": "relais"}
    connections.create_connection(north.organisation_id, str(north.pk), "smpp", values, NOW_MS)
    shell.done("connection", "disable", north.pk)
    north.refresh_from_db()
    assert north.is_enabled


def test_secrets_come_under_the_first_key(shell: Shell, north: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = os.urandom(32), os.urandom(32)
    place = connection_place(north.organisation_id, north.pk)
    Connection.objects.update(secrets=Vault([old]).encrypt({"password": "s3cret"}, place))
    monkeypatch.setattr(connections, "process_vault", lambda: Vault([new, old]))
    assert "1 connection brought under the first key." in shell.done("secrets", "rotate").out
    assert Vault([new]).decrypt(bytes(Connection.objects.get().secrets), place) == {"password": "s3cret"}
    assert "under the first key already" in shell.done("secrets", "rotate").out
