"""What waits for a connection, from the outbox's packed batches: bounded, however much there is."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import F
from django.db.models.functions import Length

from chappe.features.messages.count import ID_OCTETS
from chappe.features.messages.models import Outbox
from chappe.rules.bottleneck import Waiting

MOST_BATCHES = 1_000
"""Looked at of each connection."""


@dataclass(frozen=True)
class Queue:
    """Messages that wait: due now, held by paused deliveries, due later. A batch in work counts whole until it is done.

    `late_ms` is how long the oldest has been due. `is_more`: there are more batches than were looked at, so the numbers are
    the least that there can be.
    """

    due: int = 0
    held: int = 0
    later: int = 0
    oldest_due_ms: int = 0
    late_ms: int = 0
    is_more: bool = False

    @property
    def waiting(self) -> Waiting:
        return Waiting(self.due, self.held, self.later)

    @property
    def messages(self) -> int:
        return self.due + self.held + self.later


def queues_of(connection_ids: Iterable[int], now_ms: int) -> dict[int, Queue]:
    """By connection; every one of them is named."""
    return {connection_id: _queue(connection_id, now_ms) for connection_id in connection_ids}


def _queue(connection_id: int, now_ms: int) -> Queue:
    rows = Outbox.objects.filter(connection_id=connection_id).order_by("priority", "due_ms")
    found = rows.values_list("due_ms", "is_held", "first_id", "last_id", Length("ids"))
    batches: list[tuple[int, bool, int, int, int | None]] = list(found[: MOST_BATCHES + 1])
    due = held = later = oldest_ms = 0
    for due_ms, is_held, first, last, octets in batches[:MOST_BATCHES]:
        messages = last - first + 1 if octets is None else octets // ID_OCTETS
        if is_held:
            held += messages
        elif due_ms > now_ms:
            later += messages
        else:
            due += messages
            oldest_ms = min(oldest_ms or due_ms, due_ms)
    if len(batches) > MOST_BATCHES:
        oldest_ms = min((ms for ms in (oldest_ms, *_heads(connection_id, now_ms)) if ms), default=0)
    return Queue(due, held, later, oldest_ms, now_ms - oldest_ms if oldest_ms else 0, len(batches) > MOST_BATCHES)


def _heads(connection_id: int, now_ms: int) -> Iterator[int]:
    """When the oldest batch of each priority was due: a step down the index for each priority."""
    rows = Outbox.objects.filter(connection_id=connection_id)
    priority = rows.order_by("priority").values_list("priority", flat=True).first()
    while priority is not None:
        free = rows.filter(priority=priority, is_held=False, due_ms__lte=now_ms).order_by("due_ms")
        yield from free.values_list("due_ms", flat=True)[:1]
        priority = rows.filter(priority__gt=priority).order_by(F("priority")).values_list("priority", flat=True).first()
