"""What the simulated HTTP providers saw: counts that only grow, and the messages."""

import re
import time
from collections import Counter, deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Self

import msgspec

from .http_quirks import HttpQuirks
from .quirks import Keep
from .second import SlidingSecond
from .tally import MOST_LISTED

MOST_LATENCIES = 100_000
"""Of the latest hooks, from which the percentiles are taken."""


class HttpRecord(msgspec.Struct, frozen=True):
    """One message as it is shown: to whom, from whom, and the id the vendor gave it."""

    time: datetime
    vendor: str
    message_id: str
    sender: str
    destination: str
    text: str


class VendorStats(msgspec.Struct):
    """Counts of one vendor. `requests` to send came in, with `messages`; of these `accepted` were taken, `refused` by
    the vendor's code, `throttled` and `failed` were not. Of the answers to taken ones `unanswered`, `cut` and `garbage`
    went wrong. `answers` counts all requests by HTTP status, `unauthorised` those with wrong credentials."""

    requests: int = 0
    messages: int = 0
    accepted: int = 0
    refused: dict[str, int] = msgspec.field(default_factory=dict)
    throttled: int = 0
    failed: int = 0
    unanswered: int = 0
    cut: int = 0
    garbage: int = 0
    unauthorised: int = 0
    tokens: int = 0
    answers: dict[int, int] = msgspec.field(default_factory=dict)
    most_in_a_second: int = 0


class HookStats(msgspec.Struct):
    """Calls of our hooks of one kind. Each call counts in `calls`, tries again too; `acknowledged` were answered 2xx,
    `refused` otherwise, by status, `unanswered` not at all. `held` are not due yet or wait for their turn. Latencies
    are of the latest 100,000 answers."""

    planned: int = 0
    held: int = 0
    calls: int = 0
    acknowledged: int = 0
    refused: dict[int, int] = msgspec.field(default_factory=dict)
    unanswered: int = 0
    sent_again: int = 0
    given_up: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None


class HttpStats(msgspec.Struct, frozen=True):
    """All counts. Of the messages `accepted`, `unique` came for the first time and `duplicates` again; a time is None
    before the first message."""

    messages: int
    accepted: int
    unique: int
    duplicates: int
    without_identity: int
    first: datetime | None
    last: datetime | None
    statuses: HookStats
    texts: HookStats
    vendors: dict[str, VendorStats]


class Latencies:
    """How long the latest answers took."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=MOST_LATENCIES)

    def add(self, seconds: float) -> None:
        self._seconds.append(seconds)

    def percentile_ms(self, share: float, ordered: list[float]) -> float | None:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 3) if ordered else None

    def ordered(self) -> list[float]:
        return sorted(self._seconds)


class HookTally:
    """Counts of one kind of hook."""

    def __init__(self) -> None:
        self.stats = HookStats()
        self.refused: Counter[int] = Counter()
        self.latencies = Latencies()

    def snapshot(self) -> HookStats:
        ordered = self.latencies.ordered()
        return msgspec.structs.replace(
            self.stats,
            refused=dict(self.refused),
            p50_ms=self.latencies.percentile_ms(0.5, ordered),
            p99_ms=self.latencies.percentile_ms(0.99, ordered),
        )


class VendorTally:
    """Counts of one vendor."""

    def __init__(self) -> None:
        self.stats = VendorStats()
        self.refused: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self.rate = SlidingSecond()

    def snapshot(self) -> VendorStats:
        return msgspec.structs.replace(
            self.stats, refused=dict(self.refused), answers=dict(self.answers), most_in_a_second=self.rate.most
        )


class HttpTally:
    """Counts since the start, or since the last reset."""

    def __init__(self, quirks: HttpQuirks, vendors: tuple[str, ...]) -> None:
        self.vendors = {name: VendorTally() for name in vendors}
        self.statuses = HookTally()
        self.texts = HookTally()
        self.duplicates = 0
        self.without_identity = 0
        self.first: float | None = None
        self.last: float | None = None
        self.seen: set[int | str] = set()
        self.twice: deque[int | str] = deque(maxlen=MOST_LISTED)
        self._unique = 0
        self._records: deque[tuple[float, str, str, str, str, str]] = deque()
        self.follow(quirks)

    def follow(self, quirks: HttpQuirks) -> None:
        """Count from now on as these quirks say."""
        self._keep = quirks.keep
        most = quirks.keep_messages if quirks.keep is Keep.MESSAGES else 0
        self._records = deque(self._records, maxlen=most)
        self._find = re.compile(quirks.identity).search if quirks.identity else None

    def take(self, vendor: str, message_id: str, sender: str, recipient: str, text: str) -> None:
        """A message was accepted."""
        now = time.time()
        self.last = now
        if self.first is None:
            self.first = now
        if self._keep is Keep.COUNTS:
            self._unique += 1
            return
        self._recognise(recipient, text)
        self._records.append((now, vendor, message_id, sender, recipient, text))

    def records(self, destination: str = "") -> Iterator[HttpRecord]:
        """The messages remembered, the latest first."""
        for moment, *texts in reversed(self._records):
            if not destination or texts[3] == destination:
                yield HttpRecord(datetime.fromtimestamp(moment, UTC), *texts)

    def missing(self, first: int, last: int, most: int) -> tuple[int, list[int]]:
        """How many of the numbers from `first` to `last` are no identity seen, and the first of them."""
        absent = [number for number in range(first, last + 1) if number not in self.seen]
        return len(absent), absent[:most]

    def snapshot(self) -> HttpStats:
        """Everything counted."""
        vendors = {name: one.snapshot() for name, one in self.vendors.items()}
        return HttpStats(
            messages=sum(one.messages for one in vendors.values()),
            accepted=sum(one.accepted for one in vendors.values()),
            unique=self._unique,
            duplicates=self.duplicates,
            without_identity=self.without_identity,
            first=_time(self.first),
            last=_time(self.last),
            statuses=self.statuses.snapshot(),
            texts=self.texts.snapshot(),
            vendors=vendors,
        )

    def carry(self, held_statuses: int, held_texts: int) -> Self:
        """After a reset: hooks that were planned before it are still to come."""
        self.statuses.stats.held = self.statuses.stats.planned = held_statuses
        self.texts.stats.held = self.texts.stats.planned = held_texts
        return self

    def _recognise(self, recipient: str, text: str) -> None:
        identity: int | str
        if self._find is None:
            identity = hash((recipient, text))
        else:
            match = self._find(text)
            if match is None:
                self.without_identity += 1
                return
            found = match[1] or ""
            identity = int(found) if found.isascii() and found.isdigit() else found
        if identity in self.seen:
            self.duplicates += 1
            self.twice.append(identity)
        else:
            self.seen.add(identity)
            self._unique += 1


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
