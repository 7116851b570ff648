"""A Chappe of its own processes in a folder of its own, for tests that kill, restart and drive it from outside."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

from chappe.cli.client import Client
from chappe.cli.supervisor import Supervisor
from chappe.cli.up import assemble

HOST = "127.0.0.1"
START_S = 40.0
PEOPLE = """
import sys
from chappe.cli.installation import installation, migrate
installation()
migrate()
from chappe.features.accounts import services
for name in sys.argv[1:]:
    owner = services.create_organisation(name, 1)
    print(services.create_api_key(owner, "test", services.SCOPES, 1).secret)
"""
"""Makes the tables, and an organisation with a key for each argument; prints the keys."""


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """What `condition` gives once it gives something."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.02)
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


class Installation:
    """Its folder, its database, its processes. `with` ends what was started."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        self.port = free_port()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("CHAPPE_")} | {
            "CHAPPE_DATA_DIR": str(folder),
            "CHAPPE_DATABASE_URL": url,
            "CHAPPE_LOG_LEVEL": "error",
        }
        self.web: subprocess.Popen[bytes] | None = None
        self._supervisor: Supervisor | None = None
        self._stop = threading.Event()
        self._keeper: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._supervisor is not None:
            self._stop.set()
            if self._keeper is not None:
                self._keeper.join()
            self._supervisor.stop()
        self.kill_web()

    def people(self, *names: str) -> list[str]:
        """The tables, and organisations; a key of each."""
        command = [sys.executable, "-c", PEOPLE, *names]
        done = subprocess.run(command, env=self.environment, check=True, stdout=subprocess.PIPE, text=True, timeout=60)
        return done.stdout.split()

    def start_web(self) -> None:
        """The web process alone, on the port of before."""
        command = [sys.executable, "-m", "chappe.web.serve", HOST, str(self.port)]
        self.web = subprocess.Popen(command, env=self.environment)
        until(self.answers, START_S, "the start of the web process")

    def kill_web(self) -> None:
        """At once, as by kill -9."""
        if self.web is not None:
            self.web.kill()
            self.web.wait()
            self.web = None

    def up(self) -> None:
        """Everything that `chappe up` starts, kept up."""
        self._supervisor = Supervisor(self.environment)
        assemble(self._supervisor, HOST, self.port)

        def keep_up(supervisor: Supervisor = self._supervisor) -> None:
            while not self._stop.wait(0.05):
                supervisor.look()

        self._keeper = threading.Thread(target=keep_up)
        self._keeper.start()
        until(self.answers, START_S, "the start")

    def pid(self, name: str) -> int:
        assert self._supervisor is not None
        return self._supervisor.pids[name]

    def answers(self) -> bool:
        asked = HTTPConnection(HOST, self.port, timeout=10)
        try:
            asked.request("GET", "/healthz")
            return asked.getresponse().status == 200
        except OSError:
            return False
        finally:
            asked.close()

    def client(self, key: str) -> Client:
        return Client(HOST, self.port, key)
