from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def leave_room(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Every message and segment is updated soon after it is written; with room on the page no index has to follow."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE message SET (fillfactor = 80)")
        schema_editor.execute("ALTER TABLE segment SET (fillfactor = 80)")


def take_it_back(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE message RESET (fillfactor)")
        schema_editor.execute("ALTER TABLE segment RESET (fillfactor)")


class Migration(migrations.Migration):
    dependencies = [("messages_store", "0001_initial")]

    operations = [migrations.RunPython(leave_room, take_it_back, elidable=False)]
