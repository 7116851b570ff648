"""The database of this installation, for commands that need its tables."""

from chappe.cli.installation import installation
from chappe.engine.configuration import Configuration
from chappe.messaging import ChappeError


class NotReady(ChappeError):
    """The database cannot be worked on; the text says what to do."""


def ready() -> Configuration:
    """This installation with a database that answers and has this version's tables. Raises NotReady, ConfigError."""
    configuration = installation()
    if pending_migrations():
        raise NotReady("The database does not have the tables of this version yet. `chappe up` brings it up to date.")
    return configuration


def pending_migrations() -> list[str]:
    """Migrations still to be made, by name. Raises NotReady where the database does not answer."""
    from django.db import Error, connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error as error:
        raise NotReady(f"The database cannot be used: {first_line(error)}") from None
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
