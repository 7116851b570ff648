"""What becomes of a message at an HTTP provider: decided by recipient and seed, as with the SMSC."""

import re
from enum import IntEnum

from .fate import SPAN, draw, threshold
from .http_quirks import InboundText, VendorQuirks, VendorRefusal

BLOCK = 0x100
"""Of the lots that belong to HTTP; those of inbound texts come after it."""


class Lot(IntEnum):
    """Which lot decides what."""

    THROTTLED = 0
    FAILED = 1
    REFUSED = 2
    ENDING = 3
    LATENCY = 4
    STATUS = 5
    NEVER = 6
    DUPLICATE = 7
    OUT_OF_ORDER = 8
    UNKNOWN = 9
    WRONG_SIGNATURE = 10
    READ = 11
    DELAY = 12


Lots = tuple[int, ...]
NO_LOTS: Lots = (0,) * 16


class HttpFate:
    """The decisions of one vendor's quirks."""

    def __init__(self, quirks: VendorQuirks, seed: int) -> None:
        self._quirks = quirks
        self._seed = seed
        self._refusals = [(re.compile(one.pattern).search, one, threshold(one.fraction)) for one in quirks.refusals]
        self._replies = [
            (re.compile(one.reply_to).search, one, threshold(one.probability), BLOCK + 1 + index)
            for index, one in enumerate(quirks.inbound)
            if one.reply_to is not None
        ]
        self._failures: list[tuple[int, tuple[str, str]]] = []
        edge = 0.0
        for failure in quirks.failures:
            edge += failure.fraction
            self._failures.append((threshold(edge), (failure.status, failure.code)))
        self._hang = threshold(quirks.hang_fraction)
        self._cut = self._hang + threshold(quirks.cut_fraction)
        self._garbage = self._cut + threshold(quirks.garbage_fraction)
        self.throttled = threshold(quirks.throttled_fraction)
        self.failed = threshold(quirks.failure_fraction)
        self.never = threshold(quirks.never_fraction)
        self.duplicate = threshold(quirks.duplicate_fraction)
        self.out_of_order = threshold(quirks.out_of_order_fraction)
        self.unknown = threshold(quirks.unknown_fraction)
        self.wrong_signature = threshold(quirks.wrong_signature_fraction)
        self.read = threshold(quirks.read_fraction)
        self._draws = bool(
            self.throttled
            or self.failed
            or self._refusals
            or self._garbage
            or self._failures
            or self.never
            or self.duplicate
            or self.out_of_order
            or self.unknown
            or self.wrong_signature
            or self.read
            or quirks.latency_jitter_ms
            or quirks.status_spread_ms
        )

    def lots(self, recipient: str) -> Lots:
        """The lots of a recipient; all the same where none decides anything."""
        return draw(recipient.encode(), self._seed, BLOCK) if self._draws else NO_LOTS

    def refusal(self, recipient: str, lots: Lots) -> VendorRefusal | None:
        """What the patterns say of this recipient."""
        for search, refusal, edge in self._refusals:
            if search(recipient):
                return refusal if lots[Lot.REFUSED] < edge else None
        return None

    def ending(self, lots: Lots) -> str:
        """What goes wrong with the answer: hang, cut, garbage, or nothing."""
        lot = lots[Lot.ENDING]
        if lot >= self._garbage:
            return ""
        return "hang" if lot < self._hang else "cut" if lot < self._cut else "garbage"

    def latency_s(self, lots: Lots) -> float:
        """From a request to its answer."""
        quirks = self._quirks
        return (quirks.latency_ms + quirks.latency_jitter_ms * lots[Lot.LATENCY] / SPAN) / 1000

    def delay_s(self, lots: Lots) -> float:
        """From a message to its last report."""
        quirks = self._quirks
        return (quirks.status_delay_ms + quirks.status_spread_ms * lots[Lot.DELAY] / SPAN) / 1000

    def failure(self, lots: Lots) -> tuple[str, str] | None:
        """Status and code of a message that is not delivered."""
        lot = lots[Lot.STATUS]
        return next((outcome for edge, outcome in self._failures if lot < edge), None)

    def replies(self, recipient: str, text: str) -> list[InboundText]:
        """What the recipient answers to a text."""
        return [
            one
            for search, one, edge, block in self._replies
            if search(text) and draw(recipient.encode(), self._seed, block)[0] < edge
        ]
