"""The message store as the control plane opens it: at the database that Django itself uses."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from psycopg.conninfo import make_conninfo

from chappe.engine.store.postgresql import PostgresDatabase
from chappe.engine.store.sqlite import SqliteDatabase
from chappe.engine.store.statement import Database
from chappe.engine.store.store import Store

# Where Django's settings keep what libpq calls by another name.
_PLACES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


@contextmanager
def open_store(cache_mib: int = 64) -> Iterator[Store]:
    """A store of one's own, with its own connection and transactions. `cache_mib` bounds SQLite's memory."""
    store = Store(_database(connection.settings_dict, cache_mib))
    try:
        yield store
    finally:
        store.database.close()


def _database(settings: dict[str, Any], cache_mib: int) -> Database:
    if settings["ENGINE"].endswith("sqlite3"):
        return SqliteDatabase(settings["NAME"], cache_mib)
    named = {name: settings[place] for name, place in _PLACES.items() if settings.get(place)}
    return PostgresDatabase(make_conninfo("", **named, **settings.get("OPTIONS", {})))
