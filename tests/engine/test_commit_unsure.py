"""A database that goes away during a commit: nobody knows from the error whether the commit took place, so it is asked."""

import threading
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import psycopg
import pytest

from chappe.engine.store import postgresql
from chappe.engine.store.postgresql import PostgresDatabase
from chappe.engine.store.statement import Query, Row
from chappe.engine.store.store import Store
from chappe.messaging import StoreBusy, StoreUnsure

pytestmark = pytest.mark.postgresql

SETTINGS = Query("SELECT name FROM id_block")


class Shaky(PostgresDatabase):
    """Its server goes away at a commit: before that arrives, or before its answer does. `returns` is asked afterwards."""

    def __init__(self, url: str, *, arrives: bool, returns: Callable[[], bool] = lambda: True) -> None:
        super().__init__(url)
        self._arrives, self._returns = arrives, returns
        self._is_away = False

    def _execute(self, sql: str, values: Sequence[Any]) -> psycopg.Cursor[Row]:
        if sql == "COMMIT" and not self._is_away:
            if self._arrives:
                super()._execute(sql, values)
            self.close()
            self._is_away = True
            raise StoreBusy("the database does not answer")
        if self._is_away and not self._returns():
            raise StoreBusy("the database does not answer")
        return super()._execute(sql, values)


def names(url: str) -> list[str]:
    database = PostgresDatabase(url)
    found = [row[0] for row in database.query(SETTINGS)]
    database.close()
    return found


def test_a_commit_whose_answer_is_lost_has_taken_place(postgresql_url: str) -> None:
    asked = count()
    store = Store(Shaky(postgresql_url, arrives=True, returns=lambda: next(asked) > 2))
    with store.transaction():
        store.take_ids("kept", 1)
    store.database.close()
    assert names(postgresql_url).count("kept") == 1


def test_a_commit_that_never_arrived_is_to_be_done_again(postgresql_url: str) -> None:
    store = Store(Shaky(postgresql_url, arrives=False))
    with pytest.raises(StoreBusy), store.transaction():
        store.take_ids("lost", 1)
    store.database.close()
    assert "lost" not in names(postgresql_url)


def test_each_commit_is_asked_for_itself(postgresql_url: str) -> None:
    store = Store(Shaky(postgresql_url, arrives=True))
    with store.transaction():
        store.take_ids("first", 1)
    store.database._is_away, store.database._arrives = False, False  # type: ignore[attr-defined]
    with pytest.raises(StoreBusy), store.transaction():
        store.take_ids("second", 1)
    store.database.close()
    assert {"first", "second"} & set(names(postgresql_url)) == {"first"}


class Slow(PostgresDatabase):
    """Its connection breaks at a commit that the server is still about."""

    def _execute(self, sql: str, values: Sequence[Any]) -> psycopg.Cursor[Row]:
        if sql == "COMMIT":
            assert self._connection is not None
            self.about, self._connection = self._connection, None
            threading.Timer(0.3, self.about.execute, (sql,)).start()
            raise StoreBusy("the database does not answer")
        return super()._execute(sql, values)


def test_a_commit_that_the_server_is_still_about_is_waited_for(postgresql_url: str) -> None:
    database = Slow(postgresql_url)
    with Store(database).transaction():
        Store(database).take_ids("slow", 1)
    assert names(postgresql_url).count("slow") == 1
    database.about.close()
    database.close()


def test_a_database_that_stays_away_leaves_a_commit_unsure(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "UNSURE_S", 0.05)
    store = Store(Shaky(postgresql_url, arrives=True, returns=lambda: False))
    with pytest.raises(StoreUnsure), store.transaction():
        store.take_ids("unsure", 1)
    store.database.close()


def test_a_server_that_is_gone_without_a_word_is_noticed(postgresql_url: str) -> None:
    database = PostgresDatabase(postgresql_url)
    database.begin()
    assert database._connection is not None
    parameters = database._connection.info.get_parameters()
    assert parameters["keepalives_idle"] == "10"
    assert parameters["tcp_user_timeout"] == "30000"
    database.close()
