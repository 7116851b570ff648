"""The most messages a second that a provider takes of one link, strictly.

Two rules hold together. Pace: sends are spaced evenly, `limit` of them in `PERIOD_S`, so neither a start nor a pause is
followed by a burst. Window: a send follows the one `limit` sends before it by at least `WINDOW_S`, so that no second on
the peer's clock holds more than the limit even where the network delivers some a few milliseconds late.

The pace gives 0.992 of the limit: the rest is room for some eight milliseconds by which a network, or the peer's own machine,
may be late; six where late wake-ups are being made up for. A longer delay is lost: what made up for it would be a burst, which
the window then lets happen again each second.
"""

import math
from collections import deque

PERIOD_S = 1.008
WINDOW_S = 1.006
CATCH_UP_S = 0.005  # how much of the time that a late wake-up lost may be made up for
_EPSILON_S = 1e-7


class Throttle:
    """The limit of one link; times are seconds of a monotonic clock.

    A limit between whole numbers is rounded down, for more would be in some second; below one it becomes one message
    every `1 / limit` seconds. 0 is no limit.
    """

    __slots__ = ("_count", "_in_window", "_interval", "_is_behind", "_next", "_sent", "_window")

    def __init__(self, limit_per_s: float) -> None:
        if not (limit_per_s >= 0 and math.isfinite(limit_per_s)):
            raise ValueError(limit_per_s)
        self._count = 0 if limit_per_s == 0 else max(1, math.floor(limit_per_s))
        seconds = 1 / limit_per_s if 0 < limit_per_s < 1 else 1
        self._window = seconds * WINDOW_S
        self._interval = seconds * PERIOD_S / (self._count or 1)
        self._next = -math.inf
        self._is_behind = False  # the last call got less than it wanted: the time until the next was not a pause
        self._sent: deque[tuple[float, int]] = deque()  # (time, how many) of the last window, at most `_count` entries
        self._in_window = 0

    def take(self, now_s: float, wanted: int) -> int:
        """How many of `wanted` may be sent now; they count as sent."""
        if not self._count:
            return wanted
        if wanted <= 0:
            self._is_behind = False
            return 0
        start = self._start(now_s)
        granted = min(wanted, int((now_s - start + _EPSILON_S) / self._interval) + 1) if now_s >= start else 0
        if granted:
            self._forget(now_s)
            granted = min(granted, self._count - self._in_window)
        if granted:
            self._sent.append((now_s, granted))
            self._in_window += granted
            self._next = start + granted * self._interval
        self._is_behind = granted < wanted
        return granted

    def give_back(self, count: int) -> None:
        """`count` of what the last `take` granted were not sent after all: what comes now is a pause."""
        self._is_behind = False
        if self._count and count:
            at, granted = self._sent.pop()
            if granted > count:
                self._sent.append((at, granted - count))
            self._in_window -= count
            self._next -= count * self._interval

    def next_at(self, now_s: float) -> float:
        """The earliest time, from now on, at which `take` gives something."""
        if not self._count:
            return now_s
        at = max(now_s, self._start(now_s))
        self._forget(now_s)
        if self._in_window >= self._count:
            at = max(at, self._sent[0][0] + self._window)
        return at

    def _start(self, now_s: float) -> float:
        """When the next send is due: not earlier than now, but for what a late wake-up lost."""
        return max(self._next, now_s - CATCH_UP_S if self._is_behind else now_s)

    def _forget(self, now_s: float) -> None:
        while self._sent and self._sent[0][0] + self._window <= now_s + _EPSILON_S:
            self._in_window -= self._sent.popleft()[1]
