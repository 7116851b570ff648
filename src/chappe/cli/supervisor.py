"""Keeps the processes of one machine up: starts them, starts them anew when they end, ends them together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

import structlog

log = structlog.get_logger("chappe.up")

RESTART_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_S = 30.0
"""A process that ran this long starts its waits from the shortest again."""
STOP_S = 15.0
LOOK_S = 0.1


@dataclass
class Child:
    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_at: float = 0.0
    failures: int = 0


@dataclass
class Supervisor:
    environment: Mapping[str, str]
    children: list[Child] = field(default_factory=list)
    is_stopping: bool = False

    def add(self, name: str, *command: str) -> None:
        """A process to keep up: this interpreter with `command`."""
        self.children.append(Child(name, [sys.executable, *command]))

    def run(self) -> None:
        """Until SIGTERM or SIGINT; returns when every process has ended."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._asked_to_stop)
        try:
            while not self.is_stopping:
                self.look()
                time.sleep(LOOK_S)
        finally:
            self.stop()

    def _asked_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.is_stopping = True

    def look(self) -> None:
        """Start what is due, note what has ended."""
        now = time.monotonic()
        for child in self.children:
            if child.process is None:
                if now >= child.start_at:
                    child.process = subprocess.Popen(child.command, env=dict(self.environment), start_new_session=True)
                    child.started = now
                continue
            code = child.process.poll()
            if code is not None:
                child.process = None
                child.failures = 0 if now - child.started > STEADY_S else child.failures + 1
                wait = RESTART_S[min(child.failures, len(RESTART_S) - 1)]
                child.start_at = now + wait
                log.warning("process.ended", process=child.name, code=code, again_in_s=wait)

    def stop(self) -> None:
        """Ask all to end, then make them."""
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        until = time.monotonic() + STOP_S
        for process in running:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def pids(self) -> dict[str, int]:
        return {child.name: child.process.pid for child in self.children if child.process is not None}


def environment_with(**values: str) -> dict[str, str]:
    return {**os.environ, **values}
