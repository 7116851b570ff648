"""Putting long texts from phones together again, in whatever order their segments come."""

from collections.abc import Hashable, Mapping

import msgspec

GAP = "[…]"  # stands for a segment that never came
TIME_OUT_MS = 600_000

# A phone may cut a character outside the basic plane between two segments. Text with half of such a pair cannot be
# stored as UTF-8, so a half waits as a character of plane 16's private use area, and `join` makes the pair whole.
_HALVES = 0x100000


def shelter(text: str) -> str:
    """`text` with each lone half of a surrogate pair replaced by what can be stored."""
    if not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    return "".join(chr(_HALVES + ord(c)) if "\ud800" <= c <= "\udfff" else c for c in text)


def _unshelter(text: str) -> str:
    first, last = chr(_HALVES + 0xD800), chr(_HALVES + 0xDFFF)
    if not any(first <= character <= last for character in text):
        return text
    halves = "".join(chr(ord(c) - _HALVES) if first <= c <= last else c for c in text)
    return halves.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def join(bodies: Mapping[int, str], total: int) -> str:
    """The text of segments by position from 1, with `GAP` for those that are missing."""
    return _unshelter("".join(bodies.get(position, GAP) for position in range(1, total + 1)))


class Assembled(msgspec.Struct, frozen=True):
    """A text: all of it, or what came of it before the time was over."""

    key: Hashable
    body: str
    segments: int
    is_complete: bool


class _Collection(msgspec.Struct):
    total: int
    since_ms: int
    bodies: dict[int, str]


class Collector:
    """Segments waiting for their siblings.

    `key` says which belong together: connection, sender, recipient and reference. The same position again with the
    same body is a repetition; with another body, or with another total, the reference is being used again: what was
    there is given back as it is and a new text begins. At most `capacity` texts wait; then the oldest is given back.
    """

    def __init__(self, time_out_ms: int = TIME_OUT_MS, capacity: int = 10_000) -> None:
        self._time_out_ms = time_out_ms
        self._capacity = capacity
        self._waiting: dict[Hashable, _Collection] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: Hashable, total: int, position: int, body: str, now_ms: int) -> list[Assembled]:
        """The texts that this segment completes or puts an end to; most often none, or one."""
        if total <= 1 or not 1 <= position <= total:
            return [Assembled(key, join({1: body}, 1), 1, True)]
        given: list[Assembled] = []
        collection = self._waiting.get(key)
        if collection is not None and self._is_another(collection, total, position, body, now_ms):
            given.append(self._give(key))
            collection = None
        if collection is None:
            if len(self._waiting) >= self._capacity:
                given.append(self._give(next(iter(self._waiting))))
            collection = self._waiting[key] = _Collection(total, now_ms, {})
        collection.bodies[position] = body
        if len(collection.bodies) == total:
            given.append(self._give(key))
        return given

    def expire(self, now_ms: int) -> list[Assembled]:
        """The texts that have waited too long, with gaps."""
        late = [key for key, collection in self._waiting.items() if self._is_late(collection, now_ms)]
        return [self._give(key) for key in late]

    def _is_another(self, collection: _Collection, total: int, position: int, body: str, now_ms: int) -> bool:
        return (
            total != collection.total
            or collection.bodies.get(position, body) != body
            or self._is_late(collection, now_ms)
        )

    def _is_late(self, collection: _Collection, now_ms: int) -> bool:
        return now_ms - collection.since_ms >= self._time_out_ms

    def _give(self, key: Hashable) -> Assembled:
        collection = self._waiting.pop(key)
        came = len(collection.bodies)
        body = join(collection.bodies, collection.total)
        return Assembled(key, body, came, came == collection.total)
