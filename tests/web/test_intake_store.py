"""The intake and a store that does not do what it is asked: nothing is acknowledged, nothing is lost, work goes on."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from tests.row import connection
from tests.web.desk import MANY, Desk, lined

from chappe.engine.configuration import sqlite_path
from chappe.engine.store.sqlite import SqliteDatabase
from chappe.engine.store.statement import Query
from chappe.engine.store.store import Store, open_store
from chappe.features.accounts import services as accounts
from chappe.features.connections.models import Connection
from chappe.features.messages.models import Idempotency, Message, Outbox
from chappe.messaging import DeliveryState, StoreUnsure
from chappe.web.intake.committer import MOST_WAITING
from chappe.web.intake.request import MessageIn
from chappe.web.intake.submission import Checked, Submission
from chappe.web.wire import BadRequest

GOOD: dict[str, Any] = {"to": "+33612345678", "text": "Bonjour"}


def impatient(url: str) -> Callable[[], Store]:
    """Opens a store that waits for a lock for a moment only."""

    def opened() -> Store:
        store = open_store(url)
        if isinstance(store.database, SqliteDatabase):
            store.database.patience_s = 0.05
        return store

    return opened


@pytest.fixture
def brisk(database: str, north: Connection) -> Iterator[Desk]:
    """An intake that gives up soon."""
    made = Desk(database, accounts.create_api_key(north.organisation, "brisk", ["send"], 1).secret, impatient(database))
    yield made
    made.close()


@contextmanager
def trouble(url: str) -> Iterator[None]:
    """A SQLite file that somebody else has locked; a PostgreSQL that lets nobody in, and has thrown out who was."""
    path = sqlite_path(url)
    if path is not None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
        return
    name = urlsplit(url).path[1:]
    with psycopg.connect(url.replace(f"/{name}?", "/postgres?"), autocommit=True) as other:
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        yield
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())


def nothing_stored() -> bool:
    return not (Message.objects.exists() or Outbox.objects.exists() or Idempotency.objects.exists())


def is_unavailable(reply: Any) -> bool:
    return (reply.status, reply.type, reply.headers["retry-after"]) == (503, "application/problem+json", "1")


def test_while_the_database_is_away_nothing_is_stored_and_afterwards_all_works_again(
    brisk: Desk, database: str, bound: Callable[[str], None]
) -> None:
    brisk.post({})  # the key and the connections are known
    with trouble(database):
        replies = brisk.together(*(brisk.ask(GOOD, idempotency_key=f"{n}") for n in range(3)), brisk.ask(GOOD))
        assert all(is_unavailable(reply) for reply in replies)
    bound(database)
    assert nothing_stored()
    assert brisk.told == 0
    assert brisk.committer.waiting == 0
    replies = brisk.together(*(brisk.ask(GOOD, idempotency_key=f"{n}") for n in range(3)), brisk.ask(GOOD))
    assert [reply.status for reply in replies] == [202] * 4
    assert Message.objects.count() == 4


@pytest.mark.postgresql
def test_a_commit_that_nobody_knows_of_is_said_to_be_so_and_can_be_repeated_under_its_key(
    postgresql_url: str, bound: Callable[[str], None]
) -> None:
    bound(postgresql_url)
    organisation = accounts.create_organisation("Relais", 1)
    connection(organisation.pk, settings={"host": "smsc.example.org", "account": "relais"})
    answers = iter([True, False])

    def crashing() -> Store:
        store = open_store(postgresql_url)
        commit = store.database.commit

        def unsure() -> None:
            arrives = next(answers, None)
            if arrives is not False:
                commit()
            else:
                store.database.rollback()
            if arrives is not None:
                raise StoreUnsure("the database went away during a commit")

        store.database.commit = unsure  # type: ignore[method-assign]
        return store

    desk = Desk(postgresql_url, accounts.create_api_key(organisation, "test", ["send"], 1).secret, crashing)
    try:
        for key, count in (("arrived", 1), ("lost", 1)):
            reply = desk.post(GOOD, idempotency_key=key)
            assert is_unavailable(reply)
            assert "not known whether it was stored" in reply.json["detail"]
            assert Message.objects.count() == count
        assert desk.post(GOOD, idempotency_key="arrived").headers["idempotent-replayed"] == "true"
        assert "idempotent-replayed" not in desk.post(GOOD, idempotency_key="lost").headers
    finally:
        desk.close()
    assert Message.objects.count() == 2


@pytest.mark.postgresql
def test_a_caller_that_cannot_be_looked_up_is_told_to_try_again_not_that_it_is_nobody(
    postgresql_url: str,
) -> None:
    lost = Desk(postgresql_url, "chp_x")
    try:
        with trouble(postgresql_url):
            assert is_unavailable(lost.post(GOOD))
    finally:
        lost.close()


def test_a_database_that_cannot_be_opened_is_a_problem_that_asks_to_try_again(tmp_path: Path) -> None:
    lost = Desk(f"sqlite:///{tmp_path}/no/such/directory/chappe.sqlite3", "chp_x")
    try:
        reply = lost.post(GOOD)
    finally:
        lost.close()
    assert is_unavailable(reply)
    assert str(tmp_path) not in reply.text


def test_a_full_disk_refuses_all_and_stores_nothing(sqlite_url: str, bound: Callable[[str], None]) -> None:
    bound(sqlite_url)
    organisation = accounts.create_organisation("Relais", 1)
    connection(organisation.pk, settings={"host": "smsc.example.org", "account": "relais"})

    def without_room() -> Store:
        store = open_store(sqlite_url)
        store.database.query(Query("PRAGMA max_page_count = 1"))  # no more than there are
        return store

    key = accounts.create_api_key(organisation, "test", ["send"], 1).secret
    full, roomy = Desk(sqlite_url, key, without_room), Desk(sqlite_url, key)
    try:
        for _ in range(2):
            assert is_unavailable(full.batch([GOOD | {"text": "x" * 5_000}] * 500))
            assert nothing_stored()
        assert roomy.send().status == 202
    finally:
        full.close()
        roomy.close()


def test_ids_of_a_transaction_that_was_undone_are_not_used(brisk: Desk, database: str, north: Connection) -> None:
    """The block taken in it goes back, and somebody else gets it: the engine, for its replies."""

    def checked(text: str) -> Checked:
        target = brisk.committer.targets(north.organisation_id)[0]
        return Checked(MessageIn("+33612345678", text), target, "+33612345678", 1, 1, "gsm")

    async def commit(text: str) -> None:
        await brisk.committer.lookup()
        await brisk.committer.commit(Submission(north.organisation_id, [checked(text)]))

    with pytest.raises(BadRequest) as refused:
        brisk.run(commit("\ud800"))
    assert refused.value.status == 500
    other = open_store(database)
    try:
        with other.transaction():
            taken = other.take_ids("message", 5)
    finally:
        other.database.close()
    reply = brisk.send()
    assert reply.status == 202
    assert reply.json["id"] not in taken


def test_what_no_database_takes_fails_alone_even_if_no_check_has_seen_it(brisk: Desk, north: Connection) -> None:
    async def commit(text: str, key: str = "") -> int:
        target = brisk.committer.targets(north.organisation_id)[0]
        checked = Checked(MessageIn("+33612345678", text), target, "+33612345678", 1, 1, "gsm")
        submission = Submission(north.organisation_id, [checked], key, "digest")
        try:
            await brisk.committer.commit(submission)
        except BadRequest as error:
            return error.status
        return submission.accepted[0].id

    async def all_at_once() -> list[int]:
        await brisk.committer.lookup()
        return await asyncio.gather(
            commit("one", "a"), commit("\ud800", "b"), commit("two", "a"), commit("three"), commit("four", "c")
        )

    one, bad, two, three, four = brisk.run(all_at_once())
    assert bad == 500
    assert one == two
    assert len({one, three, four}) == 3
    assert sorted(Message.objects.values_list("body", flat=True)) == ["four", "one", "three"]
    assert sorted(Idempotency.objects.values_list("key", flat=True)) == ["a", "c"]
    assert brisk.committer.waiting == 0


def test_requests_at_the_same_time_share_a_commit(brisk: Desk) -> None:
    replies = brisk.together(*(brisk.ask(GOOD | {"client_reference": f"{n}"}) for n in range(300)))
    assert {reply.status for reply in replies} == {202}
    assert brisk.told < 30
    ids = {reply.json["id"]: n for n, reply in enumerate(replies)}
    rows = Message.objects.values_list("pk", "client_reference")
    assert {key: int(reference) for key, reference in rows} == ids


def test_no_more_wait_than_fit_and_those_that_wait_are_stored(sqlite_url: str, bound: Callable[[str], None]) -> None:
    bound(sqlite_url)
    organisation = accounts.create_organisation("Relais", 1)
    connection(organisation.pk, settings={"host": "smsc.example.org", "account": "relais"})
    desk = Desk(sqlite_url, accounts.create_api_key(organisation, "test", ["send"], 1).secret)
    batch = lined([GOOD] * 10_000)

    async def fill(lock: sqlite3.Connection) -> list[int]:
        await desk.ask({})
        lock.execute("BEGIN IMMEDIATE")
        waiting = [asyncio.create_task(desk.ask(batch, MANY)) for _ in range(MOST_WAITING // 10_000)]
        async with asyncio.timeout(30):
            while desk.committer.waiting < MOST_WAITING:
                await asyncio.sleep(0.01)
        refused = await desk.ask(GOOD, authorization=f"Bearer {desk.key}")
        assert is_unavailable(refused)
        lock.execute("ROLLBACK")
        return [reply.status for reply in await asyncio.gather(*waiting)]

    path = sqlite_path(sqlite_url)
    assert path is not None
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as lock:
            statuses = desk.run(fill(lock))
        assert statuses == [202] * (MOST_WAITING // 10_000)
        assert desk.committer.waiting == 0
        assert desk.intake.room.held == 0
        assert desk.send().status == 202
    finally:
        desk.close()
    assert Message.objects.filter(state=DeliveryState.WAITING).count() == MOST_WAITING + 1


def test_what_is_waiting_when_the_process_is_asked_to_end_is_stored_first(database: str, north: Connection) -> None:
    desk = Desk(database, accounts.create_api_key(north.organisation, "test", ["send"], 1).secret)

    async def end_at_once() -> int:
        await desk.ask({})
        asked = asyncio.create_task(desk.ask(GOOD))
        while desk.committer.waiting == 0:
            await asyncio.sleep(0)
        sent: list[Any] = []
        events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

        async def receive() -> Any:
            return events.pop(0)

        async def send(message: Any) -> None:
            sent.append(message["type"])

        await desk.intake({"type": "lifespan"}, receive, send)
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        return (await asked).status

    assert desk.run(end_at_once()) == 202
    desk.leave()
    assert Message.objects.count() == 1
