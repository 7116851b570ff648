"""How the catalogue states what it wants, and what a database must be able to do with it.

Bulk statements are declarations (table, columns, types) that each database compiles to its fastest form: `executemany` on
SQLite, `unnest` on PostgreSQL. Single statements are SQL that both understand, with `?` for a value and `IN ??` for a list.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Column:
    """A column and its PostgreSQL type (SQLite takes what it is given)."""

    name: str
    type: str = "bigint"


@dataclass(frozen=True)
class Insert:
    """Rows of `columns`, in order. `on_conflict` is appended as written."""

    table: str
    columns: tuple[Column, ...]
    on_conflict: str = ""


@dataclass(frozen=True)
class Update:
    """Each row holds the values of `columns`, then those of `keys`; `fixed` is set and `where` asked for every row alike."""

    table: str
    columns: tuple[Column, ...]
    keys: tuple[Column, ...]
    fixed: str = ""
    where: str = ""


@dataclass(frozen=True)
class Delete:
    table: str
    keys: tuple[Column, ...]


@dataclass(frozen=True)
class Query:
    """A single statement; `columns` documents what a row holds, in order."""

    sql: str
    columns: tuple[str, ...] = field(default=())


Bulk = Insert | Update | Delete


class Database(Protocol):
    """One open database. Raises `StoreBusy`, `StoreFull` or `StoreError`; after an error the transaction is gone."""

    name: str

    def begin(self) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def savepoint(self) -> None: ...
    def rollback_to_savepoint(self) -> None: ...
    def run(self, statement: Bulk, rows: Sequence[Row]) -> int:
        """Run a bulk statement; the number of rows changed."""
        ...

    def query(self, statement: Query, values: Sequence[Any] = ()) -> list[Row]:
        """Run a single statement; its rows (of RETURNING, too)."""
        ...

    def close(self) -> None: ...
