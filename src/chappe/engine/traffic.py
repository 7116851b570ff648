"""How much traffic there was, in buckets of time: counted in the transactions that it happens in, for charts.

The recorder adds to buckets of five minutes, once a commit. A bounded sweep adds old ones up to hours, those to days (of
UTC), and drops what is older than two years: how many rows there are does not depend on how many messages there were.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from chappe.engine.store import catalogue
from chappe.engine.store.statement import Row
from chappe.engine.store.store import Store
from chappe.messaging import DeliveryState, TrafficKind

if TYPE_CHECKING:
    from chappe.engine.change import MessageNow, Policy
    from chappe.engine.store.frame import Received

DAY_MS = 86_400_000
BUCKET_MS, HOUR_MS = 300_000, 3_600_000
LEVELS = ((BUCKET_MS, 3 * DAY_MS, HOUR_MS), (HOUR_MS, 35 * DAY_MS, DAY_MS), (DAY_MS, 2 * 366 * DAY_MS, 0))
"""Buckets of a width, how long they are kept, and the width they are added up to; 0: dropped."""
SWEEP_MS = 10_000
SWEPT = 500
"""Rows that a sweep takes of each width."""

Tally = Counter[tuple[int, int, int]]
"""By connection, delivery (0: none) and kind."""
Segments = Sequence[tuple[int, int, str, int, int]]


def passed(was: DeliveryState, state: DeliveryState) -> tuple[DeliveryState, ...]:
    """The states that a message went through: one that is read was delivered, and one that was delivered was sent, though
    nobody said so."""
    if state in (DeliveryState.DELIVERED, DeliveryState.READ):
        through = (DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ)
        return tuple(one for one in through if was < one <= state)
    return (state,)


def count_changed(messages: "Iterable[MessageNow]", tally: Tally) -> None:
    """Messages that the careful way changed."""
    for message in messages:
        if message.was != message.state and message.state != DeliveryState.WAITING:
            for state in passed(message.was, message.state):
                tally[message.connection_id, message.delivery_id, int(state)] += 1


def count_delivered(delivered: "Sequence[tuple[Received, tuple[int, int]]]", tally: Tally) -> None:
    """Receipts that simply say delivered; with the segment's id and the delivery's."""
    found = Counter([(receipt.connection_id, delivery_id) for receipt, (_, delivery_id) in delivered])
    for (connection_id, delivery_id), messages in found.items():
        tally[connection_id, delivery_id, TrafficKind.DELIVERED] += messages
        tally[connection_id, 0, TrafficKind.RECEIPT] += messages


class Traffic:
    """One per recorder."""

    def __init__(self, store: Store) -> None:
        self._database = store.database
        self._sweep_ms = 0

    def count_sent(self, sent: Sequence[tuple[int, int, int]], segments: Segments, tally: Tally) -> None:
        """Messages that were taken as they mostly are; `sent` and `segments` are explained at `frame.Record`."""
        turns = {turn for turn, _, _ in sent}
        firsts = [(place, delivery) for one, place, _, _, delivery in segments if not one & 255 and one >> 8 in turns]
        if len(firsts) != len(turns):
            firsts = self._places(turns, segments)
        for (connection_id, delivery_id), messages in Counter(firsts).items():
            tally[connection_id, delivery_id, TrafficKind.SENT] += messages

    def _places(self, turns: set[int], segments: Segments) -> list[tuple[int, int]]:
        """Connection and delivery of messages whose first segments were taken before, some of them in another life."""
        places = {segment[0] >> 8: (segment[1], segment[4]) for segment in segments}
        lone = [turn for turn in turns if turn not in places]
        found = self._database.query(catalogue.PLACES, ([turn >> 4 for turn in lone],)) if lone else []
        own = {message_id: (connection_id, delivery_id) for message_id, connection_id, delivery_id in found}
        places |= {turn: own[turn >> 4] for turn in lone if turn >> 4 in own}
        return [places[turn] for turn in turns if turn in places]

    def write(self, tally: Tally, policies: "Mapping[int, Policy]", now_ms: int) -> None:
        """Add what one transaction did to the bucket of now."""
        bucket_ms = now_ms - now_ms % BUCKET_MS
        rows = [
            (policies[connection_id].organisation_id, connection_id, delivery_id, bucket_ms, BUCKET_MS, kind, count)
            for (connection_id, delivery_id, kind), count in sorted(tally.items())  # two engines lock in one order
            if count and connection_id in policies
        ]
        self._database.run(catalogue.ADD_TRAFFIC, rows)

    def sweep(self, now_ms: int) -> None:
        """Add up what is old enough, a bounded part of it."""
        if now_ms < self._sweep_ms:
            return
        self._sweep_ms = now_ms + SWEEP_MS
        for width_ms, kept_ms, wider_ms in LEVELS:
            old = self._database.query(catalogue.OLD_TRAFFIC, (width_ms, now_ms - kept_ms, SWEPT))
            self._database.run(catalogue.DELETE_TRAFFIC, [(row[0],) for row in old])
            if wider_ms:
                self._database.run(catalogue.ADD_TRAFFIC, list(_widened(old, wider_ms)))


def _widened(rows: Iterable[Row], width_ms: int) -> Iterator[Row]:
    """The same counts in wider buckets."""
    sums: Counter[tuple[int, ...]] = Counter()
    for _, organisation_id, connection_id, delivery_id, bucket_ms, kind, messages in rows:
        wide_ms = bucket_ms - bucket_ms % width_ms
        sums[organisation_id, connection_id, delivery_id, wide_ms, width_ms, kind] += messages
    return (tuple(chain(key, [messages])) for key, messages in sorted(sums.items()))
