"""The way between two installations, which can be cut, be slow, and lose what goes over it: a relay of TCP on loopback."""

import asyncio
import random
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from enum import Enum, auto
from types import TracebackType
from typing import Any, Self

METHODS = (b"GET ", b"POST ", b"PUT ")
READ_OCTETS = 1 << 16
PATIENCE_S = 10.0


class Fate(Enum):
    """What becomes of a request."""

    PASSES = auto()
    IS_LOST = auto()
    """It never arrives, and nobody is told."""
    ANSWER_IS_LOST = auto()
    """It arrives and is answered, and the answer does not come back."""


def passes(head: bytes) -> Fate:
    return Fate.PASSES


class Wire:
    """Listens at `port` and carries what comes to `target`, on a thread of its own, within `with`.

    `fate` is asked for each request, with the octets that begin it. `requests` are those that were carried, whole.
    """

    def __init__(self, target: int) -> None:
        self.port = 0
        self.target = target
        self.fate: Callable[[bytes], Fate] = passes
        self.delay_s = 0.0
        self.is_down = False
        self.lost = 0
        """Requests that did not arrive, or whose answer did not come back."""
        self.requests: list[bytes] = []
        self._begun: list[bytearray] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    # -- what a test does --------------------------------------------------------------------------------------------

    def cut(self) -> int:
        """Whatever is open ends at once, with what was under way on it; what is opened afterwards is carried again. How many
        ends that were."""
        return int(self._do(self._cut()))

    def set(self, fate: Callable[[bytes], Fate] = passes, *, delay_s: float = 0.0, is_down: bool = False) -> None:
        """From now on; what is open is cut."""
        self.fate, self.delay_s, self.is_down = fate, delay_s, is_down
        self.cut()

    # -- in the thread -----------------------------------------------------------------------------------------------

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        done: Future[Any] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(PATIENCE_S)

    async def _cut(self) -> int:
        for writer in self._writers:
            writer.transport.abort()
        return len(self._writers)

    async def _close(self) -> None:
        self._server.close()
        await self._cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        own = [writer]
        self._writers.add(writer)
        try:
            if not self.is_down:
                there, back = await asyncio.open_connection("127.0.0.1", self.target)
                own.append(back)
                self._writers.add(back)
                await self._carry(reader, writer, there, back)
        except (OSError, asyncio.CancelledError):
            pass  # one of the two ends is gone, or we are
        finally:
            for one in own:
                self._writers.discard(one)
                one.transport.abort()

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        there: asyncio.StreamReader,
        back: asyncio.StreamWriter,
    ) -> None:
        now: list[Fate] = [Fate.PASSES]

        async def over() -> None:
            while data := await reader.read(READ_OCTETS):
                if data.startswith(METHODS):
                    now[0] = self.fate(data)
                    self.requests.append(b"")
                if now[0] is Fate.IS_LOST:
                    self.lost += 1
                    return
                self.requests[-1:] = [self.requests[-1] + data]
                await asyncio.sleep(self.delay_s)
                back.write(data)
                await back.drain()

        async def home() -> None:
            while data := await there.read(READ_OCTETS):
                if now[0] is Fate.ANSWER_IS_LOST:
                    self.lost += 1
                    return
                await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()

        ways = [asyncio.ensure_future(over()), asyncio.ensure_future(home())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


def some(chance: random.Random, share: float, fate: Fate, begin: bytes = b"") -> Callable[[bytes], Fate]:
    """That fate for so large a share of the requests that begin so."""

    def decide(head: bytes) -> Fate:
        return fate if head.startswith(begin) and chance.random() < share else Fate.PASSES

    return decide
