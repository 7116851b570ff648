"""The migrations make the tables that the models describe, on both databases."""

from collections.abc import Callable

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from chappe.features.accounts.models import Organisation
from chappe.features.messages.models import Message, Segment


def test_models_and_migrations_agree(database: str) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_a_fresh_database_holds_no_organisation_and_takes_one(database: str) -> None:
    assert not Organisation.objects.exists()
    Organisation.objects.create(name="Relais")
    assert Organisation.objects.get().name == "Relais"


def test_the_next_test_starts_with_an_empty_database_again(database: str) -> None:
    assert not Organisation.objects.exists()


def test_every_migration_can_be_taken_back(database: str) -> None:
    call_command("migrate", "messages_store", "zero", verbosity=0)
    assert "message" not in connection.introspection.table_names()
    call_command("migrate", verbosity=0)
    executor = MigrationExecutor(connection)
    assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []


def test_postgresql_leaves_room_for_updates_on_the_busy_tables(
    postgresql_url: str, bound: Callable[[str], None]
) -> None:
    bound(postgresql_url)
    tables = [Message._meta.db_table, Segment._meta.db_table]
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = ANY(%s)", [tables])
        assert cursor.fetchall() == [(["fillfactor=80"],), (["fillfactor=80"],)]


def test_sqlite_is_durable_waits_for_other_writers_and_begins_with_the_write_lock(
    sqlite_url: str, bound: Callable[[str], None]
) -> None:
    bound(sqlite_url)
    found = {}
    with connection.cursor() as cursor:
        for pragma in ("journal_mode", "synchronous", "busy_timeout"):
            cursor.execute(f"PRAGMA {pragma}")
            found[pragma] = cursor.fetchone()[0]
    assert found == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 20000}


def test_a_message_id_is_the_row_id_of_sqlite(sqlite_url: str, bound: Callable[[str], None]) -> None:
    bound(sqlite_url)
    Message.objects.create(id=1 << 40, organisation_id=1, connection_id=1, recipient="+33612345678", body="x", state=10)
    with connection.cursor() as cursor:
        cursor.execute("SELECT rowid FROM message")
        assert cursor.fetchall() == [(1 << 40,)]
