"""Group commit: while one group is being written the next one gathers, so nothing waits for two."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Generic, TypeVar

GATHER_S = 0.001

Item = TypeVar("Item")


class _Group(Generic[Item]):
    __slots__ = ("done", "items")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Groups(Generic[Item]):
    """Hands what is gathered to `write`, in the one thread of `thread`; where that says that something was stored, `tell`s.

    `write` raises nothing: it notes in each item why it was not stored.
    """

    def __init__(
        self,
        thread: Executor,
        write: Callable[[list[Item]], bool],
        size: Callable[[Item], int],
        tell: Callable[[], None],
    ) -> None:
        self._thread = thread
        self._write = write
        self._size = size
        self._tell = tell
        self._group: _Group[Item] | None = None
        self._task: asyncio.Task[None] | None = None
        self.waiting = 0
        """The sizes of all that is gathered and not yet written."""

    async def written(self, item: Item) -> None:
        """Returns when the group that the item is in has been written."""
        group = self._group
        if group is None:
            group = self._group = _Group()
        group.items.append(item)
        self.waiting += self._size(item)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        # One future for all of a group, not one a message.
        await asyncio.shield(group.done)

    async def finished(self) -> None:
        """Returns when nothing is waiting any more."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._group is not None:
                await asyncio.sleep(GATHER_S)
                group, self._group = self._group, None
                is_stored = await loop.run_in_executor(self._thread, self._write, group.items)
                self.waiting -= sum(self._size(item) for item in group.items)
                group.done.set_result(None)
                if is_stored:
                    self._tell()
        finally:
            self._task = None
