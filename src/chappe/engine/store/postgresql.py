"""The larger store: PostgreSQL by psycopg 3. Rows travel as arrays: one round trip a statement, whatever the number of rows."""

import secrets
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NoReturn

import psycopg
from psycopg.rows import tuple_row

from chappe.engine.store.statement import Bulk, Column, Delete, Insert, Query, Row, Update
from chappe.messaging import StoreBusy, StoreError, StoreFull, StoreUnsure

CONNECT_TIMEOUT_S = 10
SILENCE: dict[str, Any] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
"""A server that is gone without a word is noticed in half a minute; by default it takes two hours."""
UNSURE_S = 30.0
"""How long a server that went away during a commit is waited for, to ask it what became of that."""

_MARK = (
    "INSERT INTO commit_mark (session, number, at) SELECT %s, %s, now() WHERE txid_current_if_assigned() IS NOT NULL "
    "ON CONFLICT (session) DO UPDATE SET number = excluded.number, at = excluded.at"
)
_MARKED = (
    "INSERT INTO commit_mark (session, number, at) VALUES (%s, 0, now()) "
    "ON CONFLICT (session) DO UPDATE SET at = excluded.at RETURNING number"
)
_FORGET_MARKS = "DELETE FROM commit_mark WHERE at < now() - interval '1 day'"


class PostgresDatabase:
    name = "postgresql"

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Row] | None = None
        self._session, self._number = secrets.token_hex(16), 0

    def begin(self) -> None:
        self._execute("BEGIN", ())

    def commit(self) -> None:
        """Raises StoreBusy when nothing of the transaction is stored, and StoreUnsure when nobody can tell."""
        # The mark is part of the transaction: it is there exactly when the rest is. A transaction's number would not do,
        # since a server that crashes before it wrote its log gives the same number again.
        self._number += 1
        is_writing = self._execute(_MARK, (self._session, self._number)).rowcount
        try:
            self._execute("COMMIT", ())
        except StoreBusy:
            if not is_writing or not self._is_committed():
                raise

    def _is_committed(self) -> bool:
        """What became of a commit whose answer did not come. Raises StoreUnsure when nobody says so in time: to do the
        same again would send put-off messages twice, and store texts twice."""
        until = time.monotonic() + UNSURE_S
        while (left := until - time.monotonic()) > 0:
            try:
                # The server may still be about it, for a connection that is no more: its row is then locked until the end.
                self._execute(f"SET statement_timeout = {int(left * 1000) + 1}", ())
                ((number,),) = self._execute(_MARKED, (self._session,)).fetchall()
                self._execute("RESET statement_timeout", ())
            except StoreBusy:
                time.sleep(0.1)
            else:
                return bool(number == self._number)
        raise StoreUnsure("the database went away during a commit, and whether it took place is not known")

    def rollback(self) -> None:
        if self._connection is not None and not self._connection.closed:
            try:
                self._connection.execute("ROLLBACK")
            except psycopg.Error:
                self.close()

    def savepoint(self) -> None:
        self._execute("SAVEPOINT chappe", ())

    def rollback_to_savepoint(self) -> None:
        self._execute("ROLLBACK TO SAVEPOINT chappe", ())

    def run(self, statement: Bulk, rows: Sequence[Row]) -> int:
        if not rows:
            return 0
        sql = _compile(statement)
        return self._execute(sql, [list(column) for column in zip(*rows, strict=True)]).rowcount

    def query(self, statement: Query, values: Sequence[Any] = ()) -> list[Row]:
        cursor = self._execute(_translate(statement.sql), values)
        return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _execute(self, sql: str, values: Sequence[Any]) -> psycopg.Cursor[Row]:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(
                    self._url, autocommit=True, row_factory=tuple_row, connect_timeout=CONNECT_TIMEOUT_S, **SILENCE
                )
                self._connection.execute(_FORGET_MARKS)
            return self._connection.execute(sql, values, prepare=True)
        except psycopg.Error as error:
            self._fail(error)

    def _fail(self, error: psycopg.Error) -> NoReturn:
        self.rollback()
        match error:
            case psycopg.errors.DiskFull() | psycopg.errors.OutOfMemory():
                raise StoreFull("the database has no room to write") from error
            case psycopg.OperationalError():
                # The server went away, restarts, or gave up on a lock: the same call may succeed later.
                self.close()
                raise StoreBusy(f"the database does not answer: {type(error).__name__}") from error
            case _:
                raise StoreError(f"the database refused a statement: {type(error).__name__}: {error}") from error


@lru_cache(maxsize=512)
def _translate(sql: str) -> str:
    return sql.replace("IN ??", "= ANY(?)").replace("%", "%%").replace("?", "%s")


def _unnest(columns: Sequence[Column]) -> str:
    arrays = ", ".join(f"%s::{column.type}[]" for column in columns)
    names = ", ".join(f"c{number}" for number in range(len(columns)))
    return f"unnest({arrays}) AS v({names})"


@lru_cache(maxsize=128)
def _compile(statement: Bulk) -> str:
    match statement:
        case Insert(table, columns, on_conflict):
            names = ", ".join(column.name for column in columns)
            return f"INSERT INTO {table} ({names}) SELECT * FROM {_unnest(columns)} {on_conflict}"  # noqa: S608 - catalogue
        case Update(table, columns, keys, fixed, where):
            values = [f"{column.name} = v.c{number}" for number, column in enumerate(columns)]
            settings = ", ".join([*([fixed] if fixed else []), *values])
            joins = [f"{table}.{key.name} = v.c{number}" for number, key in enumerate(keys, len(columns))]
            conditions = " AND ".join([*joins, *([where] if where else [])])
            return f"UPDATE {table} SET {settings} FROM {_unnest([*columns, *keys])} WHERE {conditions}"  # noqa: S608 - catalogue
        case Delete(table, keys):
            pairs = " AND ".join(f"{table}.{key.name} = v.c{number}" for number, key in enumerate(keys))
            return f"DELETE FROM {table} USING {_unnest(keys)} WHERE {pairs}"  # noqa: S608 - catalogue
