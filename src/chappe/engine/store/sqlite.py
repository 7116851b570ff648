"""The embedded store: one SQLite file, WAL, every commit on disk before it returns (`synchronous=FULL`)."""

import json
import re
import sqlite3
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from chappe.engine.store.statement import Bulk, Delete, Insert, Query, Row, Update
from chappe.messaging import StoreBusy, StoreError, StoreFull

BUSY_TIMEOUT_S = 20.0
TURN_S = 0.0005
"""How often a writer asks whether the other one is done."""
WAL_PAGES = 8_000
"""Pages of 4 KiB in the write-ahead log before they are copied into the file: some 32 MiB. A page that many commits change in
a row is copied once; but the commit that copies takes the longer the more there is, and everybody waits for it."""
_FULL = re.compile(r"full|disk I/O", re.IGNORECASE)


class SqliteDatabase:
    name = "sqlite"

    def __init__(self, path: str | Path, cache_mib: int = 64) -> None:
        self.patience_s = BUSY_TIMEOUT_S
        try:
            self._connection = sqlite3.connect(
                path, isolation_level=None, timeout=BUSY_TIMEOUT_S, cached_statements=256
            )
        except sqlite3.Error as error:
            raise StoreBusy(f"the database cannot be opened: {error}") from error
        for pragma in (
            "journal_mode=wal",
            "synchronous=full",
            f"cache_size=-{cache_mib * 1024}",
            "temp_store=memory",
            f"wal_autocheckpoint={WAL_PAGES}",
        ):
            self._single(f"pragma {pragma}")

    def begin(self) -> None:
        """Take the write lock. SQLite's own wait sleeps for up to 0.1 s at a time, and commits take a few milliseconds."""
        until = time.monotonic() + self.patience_s
        self._single("pragma busy_timeout=0")
        try:
            while not self._has_begun(is_last=time.monotonic() >= until):
                time.sleep(TURN_S)
        finally:
            self._connection.execute(f"pragma busy_timeout={int(self.patience_s * 1000)}")

    def _has_begun(self, *, is_last: bool) -> bool:
        try:
            self._connection.execute("begin immediate")
        except sqlite3.OperationalError as error:
            if is_last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                self._fail(error)
            return False
        except sqlite3.Error as error:
            self._fail(error)
        return True

    def commit(self) -> None:
        self._single("commit")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("rollback")

    def savepoint(self) -> None:
        self._single("savepoint chappe")

    def rollback_to_savepoint(self) -> None:
        self._single("rollback to chappe")

    def run(self, statement: Bulk, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        try:
            return self._connection.executemany(_compile(statement), rows).rowcount
        except sqlite3.Error as error:
            self._fail(error)

    def query(self, statement: Query, values: Sequence[Any] = ()) -> list[Row]:
        bound = [json.dumps(value) if isinstance(value, list) else value for value in values]
        try:
            return self._connection.execute(_translate(statement.sql), bound).fetchall()
        except sqlite3.Error as error:
            self._fail(error)

    def close(self) -> None:
        self._connection.close()

    def _single(self, sql: str) -> None:
        try:
            self._connection.execute(sql)
        except sqlite3.Error as error:
            self._fail(error)

    def _fail(self, error: sqlite3.Error) -> NoReturn:
        self.rollback()
        message = str(error)
        if _FULL.search(message):
            raise StoreFull(f"the database has no room to write: {message}") from error
        if "locked" in message or "busy" in message:
            raise StoreBusy(f"the database stayed locked for {self.patience_s:g} s") from error
        raise StoreError(f"the database refused a statement: {message}") from error


@lru_cache(maxsize=512)
def _translate(sql: str) -> str:
    sql = sql.replace("IN ??", "IN (SELECT value FROM json_each(?))")
    return sql.replace("FOR UPDATE SKIP LOCKED", "").replace("FOR UPDATE", "")  # there is one writer at a time


@lru_cache(maxsize=128)
def _compile(statement: Bulk) -> str:
    match statement:
        case Insert(table, columns, on_conflict):
            names = ", ".join(column.name for column in columns)
            marks = ", ".join("?" * len(columns))
            return f"INSERT INTO {table} ({names}) VALUES ({marks}) {on_conflict}"  # noqa: S608 - names of our own catalogue
        case Update(table, columns, keys, fixed, where):
            settings = ", ".join([*([fixed] if fixed else []), *(f"{column.name} = ?" for column in columns)])
            conditions = " AND ".join([*(f"{key.name} = ?" for key in keys), *([where] if where else [])])
            return f"UPDATE {table} SET {settings} WHERE {conditions}"  # noqa: S608 - names of our own catalogue
        case Delete(table, keys):
            conditions = " AND ".join(f"{key.name} = ?" for key in keys)
            return f"DELETE FROM {table} WHERE {conditions}"  # noqa: S608 - names of our own catalogue
