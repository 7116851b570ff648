import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import chappe.features.column


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("connections", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="TraceSession",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("organisation_id", models.BigIntegerField()),
                (
                    "number",
                    models.CharField(
                        default="", help_text="as rules.trace.number_key has it; empty: everybody's", max_length=64
                    ),
                ),
                ("most_entries", models.IntegerField()),
                ("entries", models.IntegerField(default=0)),
                (
                    "left_out",
                    models.BigIntegerField(default=0, help_text="that came too fast, or when it was full"),
                ),
                ("started_ms", chappe.features.column.Milliseconds(default=0)),
                ("until_ms", chappe.features.column.Milliseconds(default=0)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="connections.connection",
                    ),
                ),
                (
                    "started_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "trace_session",
                "indexes": [
                    models.Index(fields=["until_ms"], name="trace_session_until"),
                    models.Index(fields=["connection", "id"], name="trace_session_connection"),
                ],
            },
        ),
        migrations.CreateModel(
            name="TraceEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at_ms", chappe.features.column.Milliseconds(default=0)),
                ("direction", models.CharField(help_text="in or out", max_length=3)),
                ("kind", models.CharField(help_text="pdu or exchange", max_length=8)),
                ("slot", models.IntegerField(default=0)),
                ("role", models.CharField(default="", help_text="of the link, or http", max_length=12)),
                ("link", models.BigIntegerField(default=0, help_text="another number for each TCP connection")),
                (
                    "sender",
                    models.CharField(default="", help_text="as rules.trace.number_key has it", max_length=400),
                ),
                (
                    "recipient",
                    models.CharField(default="", help_text="as rules.trace.number_key has it", max_length=400),
                ),
                ("content", models.BinaryField()),
                (
                    "session",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="traces.tracesession",
                    ),
                ),
            ],
            options={
                "db_table": "trace_entry",
                "indexes": [models.Index(fields=["session", "id"], name="trace_entry_session")],
            },
        ),
    ]
