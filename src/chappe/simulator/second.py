"""How many in a second: a window of exactly one second that slides over the times of arrival."""

from collections import deque

WIDTH_S = 1.0


class SlidingSecond:
    """Counts arrivals; `most` is the largest number that any window of one second held, ends excluded on one side."""

    __slots__ = ("_arrivals", "_inside", "most")

    def __init__(self) -> None:
        self._arrivals: deque[tuple[float, int]] = deque()
        self._inside = 0
        self.most = 0

    def add(self, now: float, count: int) -> None:
        """`count` arrived together, at `now` seconds."""
        self._inside = self.inside(now) + count
        self._arrivals.append((now, count))
        self.most = max(self.most, self._inside)

    def inside(self, now: float) -> int:
        """How many arrived in the second that ends now."""
        arrivals = self._arrivals
        while arrivals and arrivals[0][0] <= now - WIDTH_S:
            self._inside -= arrivals.popleft()[1]
        return self._inside
