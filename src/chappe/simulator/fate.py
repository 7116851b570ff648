"""What becomes of a number: the same for every message to it, and the same again wherever the seed is the same.

Each number draws sixteen lots (32 bits each) from a hash of the seed and itself; a fraction is a threshold that one of
them stays below. No stream of random numbers is involved, so counts can be told beforehand from the numbers alone.
"""

import math
from collections.abc import Iterable
from enum import IntEnum
from hashlib import blake2b
from struct import Struct

from .quirks import DelayShape, Quirks, command_status, compile_pattern

LOTS = 16
SPAN = 1 << 32
_unpack = Struct(f">{LOTS}I").unpack
DELIVERED = ("DELIVRD", "000")


class Lot(IntEnum):
    """Which lot decides what."""

    FAILURE = 0
    NEVER = 1
    EARLY = 2
    DUPLICATE = 3
    INTERMEDIATE = 4
    LATE = 5
    UNANSWERED = 6
    THROTTLED = 7
    REFUSED = 8
    DELAY = 9


def draw(number: bytes, seed: int, block: int = 0) -> tuple[int, ...]:
    """The lots of a number; `block` 0 is for what `Lot` names, further ones for scripts."""
    return _unpack(blake2b(_prefix(seed, block) + number).digest())


class Fate:
    """The decisions of one set of quirks."""

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._prefix = _prefix(quirks.seed, 0)
        self._refusals = [
            (compile_pattern(one.pattern).search, command_status(one.status), threshold(one.fraction))
            for one in quirks.refusals
        ]
        self._failures: list[tuple[int, tuple[str, str]]] = []
        edge = 0.0
        for failure in quirks.failures:
            edge += failure.fraction
            self._failures.append((threshold(edge), (failure.stat, failure.err)))
        self.never = threshold(quirks.never_fraction)
        self.early = threshold(quirks.early_fraction)
        self.duplicate = threshold(quirks.duplicate_fraction)
        self.intermediate = threshold(quirks.intermediate_fraction)
        self.late = threshold(quirks.late_answer_fraction)
        self.unanswered = threshold(quirks.no_answer_fraction)
        self.throttled = threshold(quirks.throttled_fraction)
        self.refuses = bool(self._refusals or self.throttled)
        self.delays_answers = bool(self.late or self.unanswered or (self.early and quirks.early_by_ms))
        spreads = quirks.receipt_shape is not DelayShape.FIXED and quirks.receipt_spread_ms > 0
        self.varies_receipts = bool(
            self._failures or self.never or self.early or self.duplicate or self.intermediate or spreads
        )

    def lots(self, number: bytes) -> tuple[int, ...]:
        """The sixteen lots of a number."""
        return _unpack(blake2b(self._prefix + number).digest())

    def refusal(self, number: bytes, lots: tuple[int, ...]) -> int:
        """The command_status that the patterns give this number, 0 for none."""
        for search, status, edge in self._refusals:
            if search(number):
                return status if lots[Lot.REFUSED] < edge else 0
        return 0

    def outcome(self, lots: tuple[int, ...]) -> tuple[str, str]:
        """stat and err of the receipt."""
        lot = lots[Lot.FAILURE]
        for edge, outcome in self._failures:
            if lot < edge:
                return outcome
        return DELIVERED

    def delay_s(self, lots: tuple[int, ...]) -> float:
        """From the message to its receipt."""
        quirks = self._quirks
        share = lots[Lot.DELAY] / SPAN
        match quirks.receipt_shape:
            case DelayShape.FIXED:
                more = 0.0
            case DelayShape.UNIFORM:
                more = quirks.receipt_spread_ms * share
            case DelayShape.EXPONENTIAL:
                more = -quirks.receipt_spread_ms * math.log1p(-share)
        return (quirks.receipt_delay_ms + more) / 1000


def _prefix(seed: int, block: int) -> bytes:
    return b"%016x%04x" % (seed, block)


def threshold(fraction: float) -> int:
    """A lot below this is within the fraction."""
    return round(fraction * SPAN)


def count_outcomes(quirks: Quirks, numbers: Iterable[str]) -> dict[str, int]:
    """How many of the numbers end with which `stat`, `NONE` being without a receipt: for tests to compare with."""
    fate = Fate(quirks)
    counts: dict[str, int] = {}
    for number in numbers:
        lots = fate.lots(number.encode("latin-1"))
        stat = "NONE" if lots[Lot.NEVER] < fate.never else fate.outcome(lots)[0]
        counts[stat] = counts.get(stat, 0) + 1
    return counts
