"""Putting long texts from phones together again, in whatever order their segments come."""

from collections.abc import Hashable, Mapping
from itertools import groupby

import msgspec

from chappe.gsm import Encoding, decode

GAP = "[…]"  # stands for a segment that never came
TIME_OUT_MS = 600_000


class Piece(msgspec.Struct, frozen=True, gc=False):
    """The octets of one segment, without its header. They are decoded only when all are there: a phone may have cut
    a character outside the basic plane, or an escape and its character, between two segments."""

    encoding: Encoding
    octets: bytes


def join(pieces: Mapping[int, Piece], total: int) -> str:
    """The text of segments by position from 1, with `GAP` for each that is missing."""
    line = [pieces.get(position) for position in range(1, total + 1)]
    text: list[str] = []
    for encoding, run in groupby(line, key=_encoding_of):
        if encoding is None:
            text += [GAP for _ in run]
        else:
            text.append(decode(b"".join(piece.octets for piece in run if piece is not None), encoding))
    return "".join(text)


def _encoding_of(piece: Piece | None) -> Encoding | None:
    return None if piece is None else piece.encoding


class Assembled(msgspec.Struct, frozen=True):
    """A text: all of it, or what came of it before the time was over."""

    key: Hashable
    body: str
    segments: int
    is_complete: bool


class _Collection(msgspec.Struct):
    total: int
    since_ms: int
    pieces: dict[int, Piece]


class Collector:
    """Segments waiting for their siblings.

    `key` says which belong together: connection, sender, recipient and reference. The same position again with the
    same octets is a repetition; with others, or with another total, the reference is being used again: what was there
    is given back as it is and a new text begins. At most `capacity` texts wait; then the oldest is given back.
    """

    def __init__(self, time_out_ms: int = TIME_OUT_MS, capacity: int = 10_000) -> None:
        self._time_out_ms = time_out_ms
        self._capacity = capacity
        self._waiting: dict[Hashable, _Collection] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: Hashable, total: int, position: int, piece: Piece, now_ms: int) -> list[Assembled]:
        """The texts that this segment completes or puts an end to; most often none, or one."""
        if total <= 1 or not 1 <= position <= total:
            return [Assembled(key, join({1: piece}, 1), 1, True)]
        given: list[Assembled] = []
        collection = self._waiting.get(key)
        if collection is not None and self._is_another(collection, total, position, piece, now_ms):
            given.append(self._give(key))
            collection = None
        if collection is None:
            if len(self._waiting) >= self._capacity:
                given.append(self._give(next(iter(self._waiting))))
            collection = self._waiting[key] = _Collection(total, now_ms, {})
        collection.pieces[position] = piece
        if len(collection.pieces) == total:
            given.append(self._give(key))
        return given

    def expire(self, now_ms: int) -> list[Assembled]:
        """The texts that have waited too long, with gaps."""
        late = [key for key, collection in self._waiting.items() if self._is_late(collection, now_ms)]
        return [self._give(key) for key in late]

    def _is_another(self, collection: _Collection, total: int, position: int, piece: Piece, now_ms: int) -> bool:
        return (
            total != collection.total
            or collection.pieces.get(position, piece) != piece
            or self._is_late(collection, now_ms)
        )

    def _is_late(self, collection: _Collection, now_ms: int) -> bool:
        return now_ms - collection.since_ms >= self._time_out_ms

    def _give(self, key: Hashable) -> Assembled:
        collection = self._waiting.pop(key)
        came = len(collection.pieces)
        body = join(collection.pieces, collection.total)
        return Assembled(key, body, came, came == collection.total)
