"""What the simulator saw. Counts only grow, and cost little: everything is counted by the batch."""

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import repeat

import msgspec

from chappe.gsm import Encoding, decode
from chappe.smpp import read_submit, status_name

from .quirks import Keep, Quirks, compile_pattern
from .second import SlidingSecond
from .submission import UCS2, UDHI, Batch, latin

MOST_LISTED = 1000
"""Identities of duplicates that are remembered, and entries of a list in an answer."""


class Record(msgspec.Struct, frozen=True):
    """One message as it is shown."""

    time: datetime
    link: int
    message_id: str
    sender: str
    destination: str
    text: str
    data_coding: int
    esm_class: int
    registered_delivery: int


class Taken(msgspec.Struct, frozen=True):
    """Messages of one read, as they are remembered: unread."""

    time: float
    link: int
    bodies: Sequence[bytes]
    message_ids: Sequence[bytes]


class Tally:
    """Counts since the start, or since the last reset."""

    def __init__(self, quirks: Quirks) -> None:
        self.arrived = 0
        self.accepted = 0
        self.segments = 0
        self.duplicates = 0
        self.without_identity = 0
        self.refused: Counter[int] = Counter()
        self.unanswered = 0
        self.first: float | None = None
        self.last: float | None = None
        self.rate = SlidingSecond()
        self.receipts_sent = 0
        self.receipts_early = 0
        self.receipts_acknowledged = 0
        self.texts_sent = 0
        self.texts_acknowledged = 0
        self.deliveries_refused: Counter[int] = Counter()
        self.deliveries_unanswered = 0
        self.deliveries_sent_again = 0
        self.deliveries_given_up = 0
        self.links_opened = 0
        self.links_dropped = 0
        self.binds_accepted = 0
        self.binds_refused: Counter[int] = Counter()
        self.malformed = 0
        self.garbage_sent = 0
        self.seen: set[int | bytes] = set()
        self.twice: deque[int | bytes] = deque(maxlen=MOST_LISTED)
        self._unique = 0
        self._records: deque[Taken] = deque()
        self._recorded = 0
        self.follow(quirks)

    def follow(self, quirks: Quirks) -> None:
        """Count from now on as these quirks say."""
        self._keep = quirks.keep
        self._most_records = quirks.keep_messages if quirks.keep is Keep.MESSAGES else 0
        self._find = compile_pattern(quirks.identity).search if quirks.identity else None
        self._tag = quirks.identity_tlv
        self._trim()

    @property
    def unique(self) -> int:
        """Identities seen; where none are kept, messages taken."""
        return self._unique

    def arrive(self, now: float, count: int) -> None:
        """submit_sm came in, whatever becomes of them; `now` is of the monotonic clock."""
        wall = time.time()
        if self.first is None:
            self.first = wall
        self.last = wall
        self.arrived += count
        self.rate.add(now, count)

    def take(self, link: int, batch: Batch, message_ids: Sequence[bytes]) -> None:
        """These were accepted."""
        count = len(batch.numbers)
        self.accepted += count
        if any(classes := b"".join(batch.classes)) or batch.tlvs is not None:
            self.segments += _count_segments(batch, classes)
        if self._keep is Keep.COUNTS:
            self._unique += count
            return
        self._recognise(self._identities(batch))
        if self._most_records:
            self._records.append(Taken(time.time(), link, batch.bodies, message_ids))
            self._recorded += count
            self._trim()

    def records(self, destination: str = "") -> Iterator[Record]:
        """The messages remembered, the latest first."""
        number = destination.encode("latin-1", "replace")
        for taken in reversed(self._records):
            for body, message_id in zip(reversed(taken.bodies), reversed(taken.message_ids), strict=True):
                if number not in body:
                    continue
                record = _record(taken, body, message_id)
                if not destination or record.destination == destination:
                    yield record

    def missing(self, first: int, last: int, most: int) -> tuple[int, list[int]]:
        """How many of the numbers from `first` to `last` are no identity seen, and the first of them."""
        absent = [number for number in range(first, last + 1) if number not in self.seen]
        return len(absent), absent[:most]

    def _identities(self, batch: Batch) -> list[int | bytes]:
        if self._tag is not None:
            return self._identities_of_tlv(batch, self._tag)
        find = self._find
        if find is None:
            return list(map(hash, zip(batch.destinations, batch.texts, strict=True)))
        texts = batch.texts
        if UCS2 in batch.codings:
            texts = [latin(*pair) for pair in zip(texts, batch.codings, strict=True)]
        found = [match[1] for match in map(find, texts) if match]
        self.without_identity += len(texts) - len(found)
        try:
            return list(map(int, found))
        except ValueError:
            return [_identity(octets) for octets in found]

    def _identities_of_tlv(self, batch: Batch, tag: int) -> list[int | bytes]:
        found = [one.octets() for tlvs in batch.tlvs or () for one in tlvs if one.tag == tag]
        self.without_identity += max(0, len(batch.numbers) - len(found))
        return [_identity(octets) for octets in found]

    def _recognise(self, identities: list[int | bytes]) -> None:
        seen = self.seen
        before = len(seen)
        is_new = seen.isdisjoint(identities)
        if is_new:
            seen.update(identities)
        if not is_new or len(seen) - before != len(identities):
            fresh = set(identities) if is_new else set()
            for identity in identities:
                if identity in fresh:
                    fresh.discard(identity)
                elif identity in seen:
                    self.duplicates += 1
                    self.twice.append(identity)
                else:
                    seen.add(identity)
        self._unique += len(seen) - before

    def _trim(self) -> None:
        while self._records and self._recorded - len(self._records[0].bodies) >= self._most_records:
            self._recorded -= len(self._records.popleft().bodies)


def _identity(octets: bytes | None) -> int | bytes:
    octets = octets or b""
    return int(octets) if octets.isdigit() else octets


def _count_segments(batch: Batch, classes: bytes) -> int:
    """Messages that are one of several segments of a text."""
    with_header = [bool(one & UDHI) for one in classes]
    with_tlvs = [any(tlv.tag == 0x020F for tlv in tlvs) for tlvs in batch.tlvs] if batch.tlvs else repeat(False)
    return sum(header or tlv for header, tlv in zip(with_header, with_tlvs, strict=False))


def _record(taken: Taken, body: bytes, message_id: bytes) -> Record:
    read = read_submit(body)
    encoding = Encoding.UCS2 if read.data_coding == 8 else Encoding.LATIN1 if read.data_coding == 3 else Encoding.GSM
    text = read.short_message
    if read.esm_class & UDHI and text:
        text = text[1 + text[0] :]
    return Record(
        datetime.fromtimestamp(taken.time, UTC),
        taken.link,
        message_id.decode("latin-1"),
        read.source.decode("latin-1"),
        read.destination.decode("latin-1"),
        decode(text, encoding),
        read.data_coding,
        read.esm_class,
        read.registered_delivery,
    )


def by_name(counts: Counter[int]) -> dict[str, int]:
    """Counts of statuses under the names of the standard."""
    return {status_name(status): count for status, count in counts.items()}
