"""What falls due later, in buckets of a few milliseconds: one timer for everything, and one call for a bucket."""

import asyncio
import heapq
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Key = TypeVar("Key")
Item = TypeVar("Item")

STEP_S = 0.005


class Calendar(Generic[Key, Item]):
    """Holds items by when they are due and by a key; `hand_over` gets all items of one key and one bucket together."""

    def __init__(self, hand_over: Callable[[Key, list[Item]], None]) -> None:
        self._hand_over = hand_over
        self._buckets: dict[int, dict[Key, list[Item]]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self.waiting = 0
        """Items that are not due yet."""

    def add(self, due: float, key: Key, items: Sequence[Item]) -> None:
        """`due` is seconds of the loop's clock; items are handed over then or up to a step later."""
        step = int(due / STEP_S) + 1
        bucket = self._buckets.get(step)
        if bucket is None:
            bucket = self._buckets[step] = {}
            heapq.heappush(self._order, step)
            if self._timer is None or step < self._timer_at:
                self._arm(step)
        held = bucket.get(key)
        if held is None:
            bucket[key] = list(items)
        else:
            held.extend(items)
        self.waiting += len(items)

    def clear(self) -> None:
        """Forget everything."""
        self._buckets.clear()
        self._order.clear()
        self.waiting = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, step: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = step
        self._timer = asyncio.get_running_loop().call_at(step * STEP_S, self._run)

    def _run(self) -> None:
        self._timer = None
        now = int(asyncio.get_running_loop().time() / STEP_S)
        while self._order and self._order[0] <= now:
            for key, items in self._buckets.pop(heapq.heappop(self._order)).items():
                self.waiting -= len(items)
                self._hand_over(key, items)
        if self._order and self._timer is None:
            self._arm(self._order[0])
