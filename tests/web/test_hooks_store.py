"""Calls and the commit: nothing is answered before it, nothing is lost, and work goes on after trouble."""

import asyncio
import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.e2e.installation import HOST, Installation, until
from tests.web.switchboard import (
    FORM,
    Switchboard,
    custom_connection,
    events,
    signed,
    status_of,
    text_of,
    twilio_connection,
)
from tests.web.test_hooks import INBOUND, at, hook, message_at, status_at
from tests.web.test_intake_store import impatient, trouble

from chappe.engine.configuration import sqlite_path
from chappe.engine.store.hook_event import read
from chappe.engine.store.statement import Query
from chappe.engine.store.store import Store, open_store
from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import Connection
from chappe.features.messages.models import HookEvent
from chappe.messaging import Pages, StoreUnsure
from chappe.providers.http import NOTHING
from chappe.web.hooks import committer
from chappe.web.hooks.reader import Heard


@pytest.fixture
def twilio(organisation: Organisation) -> Connection:
    return twilio_connection(organisation.pk)


class Held:
    """A store whose commits wait until they may go on."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.may_commit = threading.Event()
        self.is_committing = threading.Event()

    def open(self) -> Store:
        store = open_store(self._url)
        commit = store.database.commit

        def held() -> None:
            self.is_committing.set()
            assert self.may_commit.wait(30)
            commit()

        store.database.commit = held  # type: ignore[method-assign]
        return store


def test_pushes_of_one_moment_take_what_they_need_in_one_order(
    database: str, organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So do other processes, and nobody waits for one who waits for it."""
    pushes = [
        Heard(connection, 1, [Pages(1, 1, 0, (), number)], [], NOTHING)
        for connection, number in ((3, 5), (1, 4), (3, 6), (1, 4), (2, 9))
    ]
    taken: list[int] = []
    with closing(open_store(database).database) as opened:
        store, query = Store(opened), opened.query

        def watched(statement: Query, values: Sequence[Any] = ()) -> list[Any]:
            taken.append(values[0])
            return query(statement, values)

        monkeypatch.setattr(opened, "query", watched)
        with store.transaction():
            new = committer._new(store, pushes, 1)
    assert taken == [1, 1, 2, 3, 3]
    assert new == [pushes[0], pushes[1], pushes[2], pushes[4]]
    assert pushes[3].error is not None
    assert pushes[3].error.status == 409


def test_a_call_is_answered_only_once_it_is_committed(database: str, twilio: Connection) -> None:
    held = Held(database)
    board = Switchboard(database, held.open)

    async def watch() -> tuple[bool, int, int]:
        asked = asyncio.create_task(board.twilio_ask(message_at(twilio), text_of("STOP")))
        await asyncio.to_thread(held.is_committing.wait, 30)
        for _ in range(50):
            await asyncio.sleep(0)
        was_answered, told = asked.done(), board.told
        held.may_commit.set()
        return was_answered, told, (await asked).status

    try:
        assert board.run(watch()) == (False, 0, 200)
        assert [event.message.body for event in events()] == ["STOP"]
        assert board.told == 1
    finally:
        board.close()


def test_while_the_database_is_away_providers_are_told_to_come_again(
    database: str, twilio: Connection, bound: Callable[[str], None]
) -> None:
    board = Switchboard(database, impatient(database))
    try:
        board.twilio(status_at(twilio), {})  # the connections are known
        with trouble(database):
            replies = board.together(*(board.twilio_ask(status_at(twilio), status_of(f"SM{n}")) for n in range(3)))
            assert [(reply.status, reply.headers["retry-after"]) for reply in replies] == [(503, "1")] * 3
        bound(database)
        assert events() == []
        assert board.committer.waiting == 0
        replies = board.together(*(board.twilio_ask(status_at(twilio), status_of(f"SM{n}")) for n in range(3)))
        assert [reply.status for reply in replies] == [204] * 3
        assert {event.provider_message_id for event in events()} == {"SM0", "SM1", "SM2"}
        counts = board.counted()
        assert counts[twilio.pk, 0, "accepted"] == 1 + 3  # the first told nothing
        assert counts[twilio.pk, 0, "not stored"] == 3
    finally:
        board.close()


def test_a_database_that_is_away_from_the_start_is_said_to_be(
    database: str, twilio: Connection, bound: Callable[[str], None], tmp_path: Path
) -> None:
    where = f"sqlite:///{tmp_path / 'nowhere' / 'chappe.sqlite3'}"
    board = Switchboard(where)
    try:
        assert board.twilio(status_at(twilio), status_of()).status in (500, 503)
    finally:
        board.close()


def test_a_commit_that_nobody_knows_of_is_asked_for_again(database: str, twilio: Connection) -> None:
    answers = iter([True])

    def crashing() -> Store:
        store = open_store(database)
        commit = store.database.commit

        def unsure() -> None:
            commit()
            if next(answers, False):
                raise StoreUnsure("the database went away during a commit")

        store.database.commit = unsure  # type: ignore[method-assign]
        return store

    board = Switchboard(database, crashing)
    try:
        reply = board.twilio(status_at(twilio), status_of())
        assert (reply.status, "not known" in reply.json["detail"]) == (503, True)
        assert board.twilio(status_at(twilio), status_of()).status == 204
        assert {event.provider_message_id for event in events()} == {"SM1"}  # twice: the second changes nothing
    finally:
        board.close()


def test_calls_at_the_same_time_share_a_commit(database: str, twilio: Connection) -> None:
    board = Switchboard(database)
    try:
        replies = board.together(*(board.twilio_ask(status_at(twilio), status_of(f"SM{n}")) for n in range(300)))
        assert {reply.status for reply in replies} == {204}
        assert board.told < 30
        assert {event.provider_message_id for event in events()} == {f"SM{n}" for n in range(300)}
    finally:
        board.close()


def test_a_call_that_the_store_cannot_keep_fails_alone(database: str, organisation: Organisation) -> None:
    own, strange = custom_connection(organisation.pk), custom_connection(organisation.pk, "Strange")
    good, bad = at(hook(own)), at(hook(strange))

    def picky() -> Store:
        store = open_store(database)
        run = store.database.run

        def refusing(statement: Any, rows: Any) -> int:
            if any(row[1] == strange.pk for row in rows):
                raise ValueError("cannot be kept")
            return run(statement, rows)

        store.database.run = refusing  # type: ignore[method-assign]
        return store

    board = Switchboard(database, picky)

    async def ask(target: str) -> Any:
        return await board.ask(target, b'{"from": "33612345678", "text": "STOP"}', content_type="application/json")

    try:
        replies = board.together(ask(good), ask(bad), ask(good))
        assert [reply.status for reply in replies] == [200, 500, 200]
        assert HookEvent.objects.filter(connection_id=own.pk).count() == 2
    finally:
        board.close()


def test_what_waits_when_the_process_is_asked_to_end_is_stored_and_counted_first(
    database: str, twilio: Connection
) -> None:
    board = Switchboard(database)

    async def end_at_once() -> int:
        await board.ask(status_at(twilio))
        asked = asyncio.create_task(board.twilio_ask(status_at(twilio), status_of()))
        while board.committer.waiting == 0:
            await asyncio.sleep(0)
        await board.committer.close()
        return (await asked).status

    assert board.run(end_at_once()) == 204
    board.leave()
    assert len(events()) == 1


class House(Installation):
    """A web process with a connection to Twilio and a hook; its database is looked into from outside."""

    token = ""
    status = ""

    def furnish(self) -> None:
        (key,) = self.people("Relais")
        self.start_web()
        client = self.client(key)
        settings = {"account_sid": "AC" + "1" * 32, "auth_token": "1234567890" * 3 + "12", "sender": "+15017122661"}
        made = client.post("/v1/connections", {"name": "Twilio", "provider": "twilio", "settings": settings})
        content = {"connection_id": made["id"], "name": "Texts", "kind": "inbound", "payload": INBOUND}
        self.token = client.post("/v1/hooks", content)["url"].rpartition("/")[2]
        self.status = f"/v1/receive/distribution/status/twilio/1/{made['id']}"

    def kept(self) -> list[Any]:
        statement, path = "SELECT kind, data FROM hook_event ORDER BY id", sqlite_path(self.url)
        if path is None:
            with psycopg.connect(self.url) as asked:
                rows = asked.execute(statement.encode()).fetchall()
        else:
            with closing(sqlite3.connect(path)) as asked_file:
                rows = asked_file.execute(statement).fetchall()
        return [read(kind, bytes(data)) for kind, data in rows]

    def call(self, path: str, body: bytes, **headers: str) -> int:
        asked = urllib.request.Request(f"http://{HOST}:{self.port}{path}", body, headers)
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    with House(tmp_path, database_url) as made:
        made.furnish()
        yield made


def test_a_web_process_takes_calls_and_what_it_answered_survives_its_kill(house: House) -> None:
    body = b'{"id": "r-1", "from": "33612345678", "to": "36180", "text": "STOP"}'
    assert house.call(f"/v1/hooks/{house.token}", body, **{"Content-Type": "application/json"}) == 200
    form, signature = signed(f"http://{HOST}:{house.port}{house.status}", status_of("SM-real"))
    assert house.call(house.status, form, **{"Content-Type": FORM, "X-Twilio-Signature": signature}) == 204
    assert house.call(house.status, form, **{"Content-Type": FORM, "X-Twilio-Signature": "AAAA"}) == 401
    assert house.call("/v1/hooks/nobody", body) == 404
    answered: list[str] = []

    def keep_calling() -> None:
        for number in range(1_000_000):
            try:
                content = body.replace(b"r-1", f"k-{threading.get_ident()}-{number}".encode())
                if house.call(f"/v1/hooks/{house.token}", content, **{"Content-Type": "application/json"}) == 200:
                    answered.append(f"k-{threading.get_ident()}-{number}")
            except OSError:
                return

    callers = [threading.Thread(target=keep_calling) for _ in range(2)]
    for caller in callers:
        caller.start()
    until(lambda: len(answered) >= 50, 30, "the first answers")
    house.kill_web()
    for caller in callers:
        caller.join(30)
    kept = house.kept()
    assert [one.message.body for one in kept[:1]] == ["STOP"]
    assert kept[1].provider_message_id == "SM-real"
    assert set(answered) <= {one.message.provider_message_id for one in kept[2:]}
