"""The history of connections begins with what each of them is."""

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import chappe.features.column

KEPT = ("name", "settings", "secrets", "is_enabled", "position")


def begin(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    versions = apps.get_model("connections", "ConnectionVersion").objects
    for row in apps.get_model("connections", "Connection").objects.iterator():
        values = {name: getattr(row, name) for name in KEPT}
        versions.create(
            connection=row, number=row.version, action="begin", at_ms=row.changed_ms, actor_kind="system", **values
        )


class Migration(migrations.Migration):
    dependencies = [
        ("connections", "0003_receipts_of_links"),
    ]

    operations = [
        migrations.CreateModel(
            name="ConnectionVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.BigIntegerField(help_text="the connection's version; the next change made the next")),
                (
                    "action",
                    models.CharField(help_text="begin, create, change, revert, replace or replaced", max_length=12),
                ),
                (
                    "reverted_to",
                    models.BigIntegerField(default=0, help_text="of a revert: the version whose settings came back"),
                ),
                ("name", models.CharField(max_length=200)),
                ("settings", models.JSONField(default=dict)),
                ("secrets", models.BinaryField(default=bytes, help_text="sealed as those of the connection are")),
                (
                    "changed_secrets",
                    models.JSONField(
                        default=list, help_text="names of the secrets that differ from the version before"
                    ),
                ),
                ("is_enabled", models.BooleanField(default=True)),
                ("position", models.IntegerField(default=0)),
                ("at_ms", chappe.features.column.Milliseconds()),
                ("actor_kind", models.CharField(max_length=10)),
                ("actor_name", models.CharField(default="", max_length=200)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="connections.connection",
                    ),
                ),
            ],
            options={
                "db_table": "connection_version",
                "constraints": [
                    models.UniqueConstraint(fields=("connection", "number"), name="connection_version_number")
                ],
            },
        ),
        migrations.RunPython(begin, migrations.RunPython.noop),
    ]
