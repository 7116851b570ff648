import importlib

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import chappe.features.column

before = importlib.import_module("chappe.features.messages.migrations.0004_where_messages_are_now")

# What was read (45) was delivered first, and its first segment says so as it says the others.
VIEW = before.VIEW.replace("s.state IN (30, 40)", "s.state IN (30, 40, 45)")


def widen(apps: object, schema: BaseDatabaseSchemaEditor) -> None:
    """SQLite keeps texts of any length in any text column, and would copy the whole table to say so."""
    if schema.connection.vendor == "postgresql":
        schema.execute(
            "ALTER TABLE message ALTER COLUMN recipient TYPE varchar(320), ALTER COLUMN sender TYPE varchar(64)"
        )


class Migration(migrations.Migration):
    dependencies = [("messages_store", "0004_where_messages_are_now")]

    operations = [
        migrations.RunSQL("DROP VIEW message_now", before.VIEW),
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(widen, migrations.RunPython.noop)],
            state_operations=[
                migrations.AlterField(
                    model_name="message",
                    name="recipient",
                    field=models.CharField(help_text="a number, or an e-mail address", max_length=320),
                ),
                migrations.AlterField(
                    model_name="message", name="sender", field=models.CharField(default="", max_length=64)
                ),
            ],
        ),
        migrations.RunSQL(VIEW, "DROP VIEW message_now"),
        migrations.CreateModel(
            name="HookEvent",
            fields=[
                ("id", chappe.features.column.AssignedId(primary_key=True, serialize=False)),
                ("connection_id", models.BigIntegerField()),
                ("organisation_id", models.BigIntegerField()),
                ("kind", models.CharField(help_text="receipt, inbound, opt_out or opt_in", max_length=10)),
                ("data", models.BinaryField(help_text="JSON: see chappe.engine.store.hook_event")),
                ("received_ms", chappe.features.column.Milliseconds(default=0)),
                ("due_ms", chappe.features.column.Milliseconds(default=0)),
            ],
            options={
                "db_table": "hook_event",
                "indexes": [models.Index(fields=["due_ms"], name="hook_event_due")],
            },
        ),
        migrations.CreateModel(
            name="Exchange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("connection_id", models.BigIntegerField()),
                ("direction", models.CharField(help_text="out: we called; in: we were called", max_length=3)),
                ("at_ms", chappe.features.column.Milliseconds(default=0)),
                ("took_ms", models.FloatField(default=0)),
                ("method", models.CharField(max_length=10)),
                ("url", models.TextField()),
                ("request", models.TextField(default="", help_text="headers and body")),
                ("status", models.IntegerField(default=0, help_text="0: there was no answer")),
                ("response", models.TextField(default="", help_text="headers and body")),
                ("outcome", models.CharField(default="", help_text="what we read in it", max_length=200)),
            ],
            options={
                "db_table": "exchange",
                "indexes": [models.Index(fields=["connection_id", "id"], name="exchange_connection")],
            },
        ),
        migrations.AddIndex(
            model_name="inbound",
            index=models.Index(
                condition=~models.Q(provider_message_id=""),
                fields=["connection_id", "provider_message_id"],
                name="inbound_provider_id",
            ),
        ),
    ]
