"""Programs of other authors at the other end, each a process that tells what it sees as lines of JSON and takes orders
in the same way. It ends when its standard input does, so it never outlives the tests."""

import json
import queue
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FOLDER = Path(__file__).parent
WAIT_S = 20.0
Event = dict[str, Any]


class Peer:
    """`with Peer(command) as peer:`; events that were not waited for stay in `events`."""

    def __init__(self, command: Sequence[str]) -> None:
        self.events: list[Event] = []
        self._command = command
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def order(self, do: str, **values: object) -> None:
        """Tell it to do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **values}) + "\n")
        self._process.stdin.flush()

    def next(self, event: str, such: Callable[[Event], object] = lambda one: True) -> Event:
        """The first event of this name that was not asked for yet; waits for it. AssertionError when none comes."""
        for one in self.events:
            if one["event"] == event and such(one):
                self.events.remove(one)
                return one
        while True:
            try:
                line = self._lines.get(timeout=WAIT_S)
            except queue.Empty:
                raise AssertionError(f"no {event} came; there were {self.events}") from None
            assert line, f"it ended before {event} came; there were {self.events}"
            found: Event = json.loads(line)
            if found["event"] == event and such(found):
                return found
            self.events.append(found)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")
