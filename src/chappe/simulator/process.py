"""The simulators in processes of their own, for tests and benchmarks that must not share their loop."""

import json
import os
import subprocess
import sys
import tempfile
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import urlencode

import msgspec

from .http_tally import HttpStats
from .stats import Stats

STOP_S = 10.0
ANSWER_S = 30.0


class SimulatorError(Exception):
    """The process did not start, or answered a request with an error."""


class ChildProcess:
    """A simulator that runs within `with`, and never longer than the process that started it. Quirks are a struct, or
    the name of a profile or a file."""

    MODULE: ClassVar[str]
    CONTROL: ClassVar[str] = ""
    """What stands before the paths of its control requests."""

    def __init__(self, quirks: msgspec.Struct | str = "plain", *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host = host
        self.port = port
        self.http_port = 0
        self.pid = 0
        self._quirks = quirks
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with tempfile.TemporaryDirectory(prefix="chappe-simulator-") as folder:
            self._start(self._source(Path(folder)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def get(self, path: str, **query: object) -> Any:
        """What GET answers."""
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path, None)

    def post(self, path: str, **values: object) -> Any:
        """What POST answers."""
        return self._ask("POST", path, msgspec.json.encode(values))

    def _source(self, folder: Path) -> str:
        if isinstance(self._quirks, str):
            return self._quirks
        path = folder / "quirks.json"
        path.write_bytes(msgspec.json.encode(self._quirks))
        return str(path)

    def _start(self, source: str) -> None:
        command = [sys.executable, "-m", self.MODULE, "--until-stdin-ends", "--quirks", source]
        command += ["--host", self.host, "--port", str(self.port), *self._options()]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait(STOP_S)
            self.stop()
            raise SimulatorError(f"the simulator ended with {code} before it listened")
        ports = json.loads(line)
        self.pid, self.port = self._process.pid, ports["port"]
        self.http_port = ports.get("http_port", self.port)

    def _options(self) -> list[str]:
        return []

    def _ask(self, method: str, path: str, body: bytes | None) -> Any:
        connection = HTTPConnection(self.host, self.http_port, timeout=ANSWER_S)
        try:
            connection.request(method, self.CONTROL + path, body)
            answer = connection.getresponse()
            values = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise SimulatorError(f"{method} {path}: {answer.status} {values}")
        return values


class SimulatorProcess(ChildProcess):
    """`with SimulatorProcess("bench") as smsc:`."""

    MODULE = "chappe.simulator"

    def stats(self) -> Stats:
        """What it counted."""
        return msgspec.convert(self.get("/stats"), Stats)

    def _options(self) -> list[str]:
        return ["--http-port", "0"]


class HttpSimulatorProcess(ChildProcess):
    """`with HttpSimulatorProcess("bench") as providers:`."""

    MODULE = "chappe.simulator.http_process"
    CONTROL = "/simulator"

    def stats(self) -> HttpStats:
        """What it counted."""
        return msgspec.convert(self.get("/stats"), HttpStats, strict=False)

    def url(self, vendor: str) -> str:
        """The base URL of a vendor, where the simulator speaks no TLS."""
        return f"http://{self.host}:{self.port}/{vendor}"
