"""The history of connections: written with every change, whichever way it comes; and what a revert brings back."""

import importlib
from typing import Any

import pytest
from django.apps import apps
from django.db import connection as database_connection
from tests.row import NOW_MS

from chappe.engine.vault import Vault, connection_place
from chappe.features.accounts.models import Organisation
from chappe.features.audit.models import AuditEvent
from chappe.features.connections import history, services
from chappe.features.connections.models import Connection, ConnectionVersion
from chappe.features.connections.order import move
from chappe.features.connections.replacement import replace_connection
from chappe.features.connections.services import Change
from chappe.features.refusal import Conflict, NotFound
from chappe.features.sealed import process_vault

SMPP = {"host": "smsc.example.org", "account": "relais", "password": "first-one"}
TWILIO = {"account_sid": "AC" + "0" * 32, "auth_token": "token-1", "sender": "+33600000000"}


def connect(organisation: Organisation, provider: str = "smpp", name: str = "North", **settings: Any) -> Connection:
    base = SMPP if provider == "smpp" else TWILIO
    return services.create_connection(organisation.pk, name, provider, {**base, **settings}, NOW_MS)


def actions(made: Connection) -> list[str]:
    return list(made.versions.order_by("number").values_list("action", flat=True))


def test_each_change_is_a_version_and_no_change_is_none(organisation: Organisation) -> None:
    made = connect(organisation)
    services.change_connection(organisation.pk, made.pk, Change(settings={"window": 20}), NOW_MS + 1)
    services.change_connection(organisation.pk, made.pk, Change(settings={"window": 20}), NOW_MS + 2)
    assert actions(made) == ["create", "change"]


def test_the_history_of_an_older_connection_begins_with_what_it_was(organisation: Organisation) -> None:
    made = connect(organisation)
    ConnectionVersion.objects.all().delete()
    services.change_connection(organisation.pk, made.pk, Change(settings={"password": "second"}), NOW_MS + 1)
    assert actions(made) == ["begin", "change"]
    history.revert(organisation.pk, made.pk, 1, NOW_MS + 2)
    made.refresh_from_db()
    assert services.open_secrets(made)["password"] == "first-one"


def test_the_migration_begins_the_history_of_every_connection(organisation: Organisation) -> None:
    made = connect(organisation)
    ConnectionVersion.objects.all().delete()
    migration = importlib.import_module("chappe.features.connections.migrations.0004_history_of_connections")
    with database_connection.schema_editor() as editor:
        migration.begin(apps, editor)
    (kept,) = made.versions.all()
    assert (kept.number, kept.action, kept.settings) == (1, "begin", made.settings)


def test_a_replacement_is_in_both_histories(organisation: Organisation) -> None:
    old = connect(organisation, "twilio")
    made = replace_connection(organisation.pk, old.pk, {"sender": "+33600000001"}, NOW_MS + 1)
    assert actions(old) == ["create", "replaced"]
    assert actions(made) == ["replace"]


def test_a_revert_takes_away_what_was_not_there_and_is_audited_as_one(organisation: Organisation) -> None:
    made = connect(organisation)
    change = {"mode": "transmitter_receiver", "receiver_differs": True, "receiver_host": "rx.example.org"}
    receiver = {"receiver_account": "rx", "receiver_password": "second"}
    services.change_connection(organisation.pk, made.pk, Change(settings=change | receiver), NOW_MS + 1)
    history.revert(organisation.pk, made.pk, 1, NOW_MS + 2)
    made.refresh_from_db()
    assert made.settings["mode"] == "transceiver"
    assert not services.open_secrets(made)["receiver_password"]
    event = AuditEvent.objects.latest("pk")
    assert event.action == "revert"
    assert event.after["settings.mode"] == "transceiver"


def test_a_revert_is_refused_where_it_cannot_be(organisation: Organisation) -> None:
    vendor, made = connect(organisation, "twilio"), connect(organisation, name="South")
    with pytest.raises(Conflict, match="never change"):
        history.revert(organisation.pk, vendor.pk, 1, NOW_MS)
    old = connect(organisation, name="East", account="east")
    services.change_connection(organisation.pk, old.pk, Change(settings={"window": 20}), NOW_MS)
    replace_connection(organisation.pk, old.pk, {"window": 30}, NOW_MS)
    with pytest.raises(Conflict, match="was replaced"):
        history.revert(organisation.pk, old.pk, 1, NOW_MS)
    with pytest.raises(Conflict, match="already"):
        history.revert(organisation.pk, made.pk, 1, NOW_MS)
    with pytest.raises(NotFound):
        history.revert(organisation.pk, made.pk, 9, NOW_MS)
    with pytest.raises(NotFound):
        history.revert(organisation.pk + 1, made.pk, 1, NOW_MS)
    services.change_connection(organisation.pk, made.pk, Change(settings={"window": 20}), NOW_MS + 1)
    with pytest.raises(Conflict, match="changed since"):
        history.revert(organisation.pk, made.pk, 1, NOW_MS, version_read=1)


def test_secrets_of_the_history_come_under_the_first_key(
    organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = connect(organisation)
    services.change_connection(organisation.pk, made.pk, Change(settings={"password": "second"}), NOW_MS + 1)
    old, new = process_vault(), b"n" * 32
    place = connection_place(organisation.pk, made.pk)
    both = Vault([new, b"o" * 32])
    for row in [made, *made.versions.all()]:
        row.refresh_from_db()
        sealed = Vault([b"o" * 32]).encrypt(old.decrypt(bytes(row.secrets), place), place)
        type(row).objects.filter(pk=row.pk).update(secrets=sealed)
    monkeypatch.setattr(services, "process_vault", lambda: both)
    assert services.rotate_secrets() == 1
    opened = [Vault([new]).decrypt(bytes(row.secrets), place)["password"] for row in made.versions.order_by("number")]
    assert opened == ["first-one", "second"]


def test_moving_to_either_end_changes_only_what_has_to(organisation: Organisation) -> None:
    rows = [connect(organisation, name=name) for name in "abcd"]
    move(organisation.pk, rows[3].pk, -1, NOW_MS)
    order = [row.name for row in services.connections_of(organisation.pk)]
    assert order == ["a", "b", "d", "c"]
    rows[0].refresh_from_db()
    assert rows[0].version == 1
    move(organisation.pk, rows[0].pk, -1, NOW_MS)
    assert [row.name for row in services.connections_of(organisation.pk)] == order
