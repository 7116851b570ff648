"""An installation of processes: engines of our own, an SMSC that counts, and ways to hurt them."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
from tests.engine.house import House, quirks

from chappe.engine.configuration import sqlite_path
from chappe.messaging import DeliveryState, StoreError
from chappe.simulator import SimulatorProcess

DELIVERED, SENT, WAITING = DeliveryState.DELIVERED, DeliveryState.SENT, DeliveryState.WAITING
FAILED = DeliveryState.FAILED
WINDOW = 50
STOP_S = 20.0


def wait(condition: Callable[[], object], what: str, seconds: float = 30.0) -> float:
    """Wait for a condition; how long that took. A database that does not answer is no answer yet."""
    started = time.monotonic()
    while True:
        try:
            if condition():
                return time.monotonic() - started
        except StoreError:
            pass
        assert time.monotonic() - started < seconds, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)


def _is_gone(process: psutil.Process) -> bool:
    """Whether it runs no more; who is to note that may take its time."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Plant(House):
    """A `House` whose engines are processes. What an engine says goes to `log`."""

    def __init__(self, url: str, log: Path, **settings: Any) -> None:
        # An id that was recorded by nobody, since the engine died before it could, is let go the first time it comes.
        usual = {"window": WINDOW, "early_receipt_wait_s": 1, "invalid_id_acknowledge_count": 1, "reconnect_s": 0.1}
        super().__init__(url, **{**usual, **settings})
        self.log = log
        self.engines: list[subprocess.Popen[bytes]] = []
        self.texts: list[str] = []
        self.chance = random.Random(20260101)

    program = "chappe.engine.engine"
    environment: Mapping[str, str] = {}
    """Of processes, beside what they are told anyhow."""

    def close(self) -> None:
        for engine in list(self.engines):
            self.kill(engine)
        self.stock.close()

    def set(self, **settings: Any) -> None:
        wait(lambda: self._is_set(settings), "the change of settings")

    def _is_set(self, settings: dict[str, Any]) -> bool:
        super().set(**settings)
        return True

    # -- engines -----------------------------------------------------------------------------------------------------

    def start(self) -> subprocess.Popen[bytes]:
        engine = self.run("-m", self.program)
        self.engines.append(engine)
        return engine

    def run(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A process of this installation."""
        environment = {**os.environ, "CHAPPE_DATABASE_URL": self.url, **self.environment}
        with self.log.open("ab") as log:
            return subprocess.Popen([sys.executable, *arguments], env=environment, stdout=log, stderr=log)

    def store_of(self, engine: subprocess.Popen[bytes]) -> psutil.Process | None:
        """The store process of an engine."""
        try:
            children = psutil.Process(engine.pid).children()
        except psutil.NoSuchProcess:
            return None
        return children[0] if children else None

    def kill(self, engine: subprocess.Popen[bytes], *, with_store: bool = False) -> None:
        """kill -9; the store process commits what it has read and leaves, or goes with its engine."""
        store = self.store_of(engine)
        if with_store and store is not None:
            store.kill()
        engine.kill()
        engine.wait()
        self.engines.remove(engine)
        if store is not None:
            try:
                wait(lambda: _is_gone(store), "the end of the store process", STOP_S)
            except AssertionError:
                store.kill()
                raise

    def stop(self, engine: subprocess.Popen[bytes]) -> None:
        """As a supervisor stops it."""
        engine.send_signal(signal.SIGTERM)
        assert engine.wait(STOP_S) == 0
        self.engines.remove(engine)

    @contextmanager
    def asleep(self, engine: subprocess.Popen[bytes]) -> Iterator[None]:
        """Engine and store process are stopped within: at a moment when they do not lock the database for everybody."""
        store = self.store_of(engine)
        assert store is not None
        engine.send_signal(signal.SIGSTOP)
        try:
            wait(lambda: self._is_stopped(store), "a quiet moment")
            yield
        finally:
            store.resume()
            engine.send_signal(signal.SIGCONT)

    def _is_stopped(self, store: psutil.Process) -> bool:
        store.suspend()
        path = sqlite_path(self.url)
        assert path is not None
        try:
            with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other:
                other.execute("BEGIN IMMEDIATE")
                other.execute("ROLLBACK")
        except sqlite3.OperationalError:
            store.resume()
            return False
        return True

    def let_leases_run_out(self) -> None:
        """The time that leases of engines that are no more would take to run out."""
        self.stock.query("UPDATE link_lease SET until_ms = 0")
        self.stock.query("UPDATE outbox SET lease_until_ms = 1 WHERE lease_until_ms > 0")

    # -- the SMSC ----------------------------------------------------------------------------------------------------

    @contextmanager
    def smsc(self, **values: Any) -> Iterator[SimulatorProcess]:
        usual: dict[str, Any] = {"redelivery_pause_ms": 200.0, "latency_ms": 2.0}
        with SimulatorProcess(quirks(**{**usual, **values})) as smsc:
            self.set(port=smsc.port)
            yield smsc

    def write(self, smsc: SimulatorProcess, count: int = 1) -> None:
        """Texts from phones, each different."""
        for _ in range(count):
            self.texts.append(f"text {len(self.texts)}")
            smsc.post("/inbound", text=self.texts[-1], sender="33612345678", recipient="36180")

    # -- what must be so in the end ----------------------------------------------------------------------------------

    def assert_whole(self, smsc: SimulatorProcess, ids: list[int], most_twice: int, seconds: float = 60.0) -> None:
        """Nothing lost, no more than `most_twice` sent twice and those marked, all receipts and texts there."""
        wait(lambda: self.in_state(DELIVERED) == len(ids), "the delivery of all", seconds)
        wait(lambda: self.stock.outbox() == 0, "the end of the outbox")
        missing = smsc.get("/missing", **{"from": ids[0], "to": ids[-1]})
        assert missing == {"count": 0, "first": []}
        twice = smsc.get("/duplicates")
        assert twice["count"] <= most_twice
        unmarked = [
            i for i in {int(one) for one in twice["last"]} if not self.stock.message(i)["is_possible_duplicate"]
        ]
        assert unmarked == []
        wait(lambda: set(self.texts) <= {body for _, _, body, _ in self.stock.inbound()}, "all texts")
        wait(lambda: smsc.stats().deliveries.held == 0, "the end of receipts")
        assert smsc.stats().deliveries.given_up == 0
        delivery = self.stock.message(ids[0])["delivery_id"]
        assert self.stock.counts(delivery) == {DELIVERED: len(ids)}
