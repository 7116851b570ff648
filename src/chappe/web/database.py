"""How Django reaches the database that a URL names, the same URL that the engine's store is given."""

from typing import Any

from psycopg.conninfo import conninfo_to_dict

from chappe.engine.configuration import sqlite_path

# WAL lets pages read while the engine writes; FULL because what was acknowledged must outlive a power cut; 20 s because
# the store process commits batches and a page should wait for it, not fail.
SQLITE_PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=20000; PRAGMA foreign_keys=ON"

# What Django has a place of its own for; everything else of a PostgreSQL URL goes to libpq as it is.
POSTGRESQL_PLACES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def database_settings(url: str) -> dict[str, Any]:
    """The entry of Django's DATABASES for `url`."""
    path = sqlite_path(url)
    return _postgresql(url) if path is None else _sqlite(str(path))


def _sqlite(path: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            "init_command": SQLITE_PRAGMAS,
            # A transaction that first reads and then writes must not find that somebody wrote in between.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
    }


def _postgresql(url: str) -> dict[str, Any]:
    settings: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {}}
    for name, value in conninfo_to_dict(url).items():
        place = POSTGRESQL_PLACES.get(name)
        target = settings["OPTIONS"] if place is None else settings
        target[place or name] = str(value)
    return settings
