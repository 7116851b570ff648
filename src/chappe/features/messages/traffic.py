"""How much traffic there was, from the counts that the engine keeps: no message is read or counted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.db.models import BigIntegerField, ExpressionWrapper, F, QuerySet, Sum, Value

from chappe.features.messages.models import Traffic
from chappe.features.refusal import InvalidInput
from chappe.messaging import TrafficKind

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000


class Period(StrEnum):
    """How far back a chart looks."""

    HOURS = "6h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    YEAR = "1y"


WIDTHS: Mapping[Period, tuple[int, int]] = {
    Period.HOURS: (6 * HOUR_MS, 5 * MINUTE_MS),
    Period.DAY: (DAY_MS, 30 * MINUTE_MS),
    Period.WEEK: (7 * DAY_MS, 3 * HOUR_MS),
    Period.MONTH: (30 * DAY_MS, 12 * HOUR_MS),
    Period.YEAR: (52 * 7 * DAY_MS, 7 * DAY_MS),
}
"""The length of a period and of one step in it: no step is shorter than the buckets that are kept that long."""


@dataclass(frozen=True)
class Steps:
    """`count` spans of `step_ms`, side by side."""

    start_ms: int
    step_ms: int
    count: int

    @property
    def end_ms(self) -> int:
        return self.start_ms + self.step_ms * self.count

    def begin(self, place: int) -> int:
        return self.start_ms + place * self.step_ms


@dataclass(frozen=True)
class Series:
    """How much happened in each step, by kind; a kind that is not there did not happen."""

    steps: Steps
    counts: Mapping[TrafficKind, list[int]]

    def of(self, kind: TrafficKind) -> list[int]:
        return self.counts.get(kind, [0] * self.steps.count)

    def total(self, kind: TrafficKind, since_ms: int = 0) -> int:
        """In the steps that begin then or later."""
        return sum(count for place, count in enumerate(self.of(kind)) if self.steps.begin(place) >= since_ms)


def read_period(text: str, default: Period = Period.DAY) -> Period:
    """The period of an address. Raises InvalidInput naming those there are."""
    if not text:
        return default
    if text not in set(Period):
        raise InvalidInput.at("period", f"must be one of {', '.join(Period)}")
    return Period(text)


def steps_until(now_ms: int, period: Period, offset_ms: int = 0) -> Steps:
    """The steps of a period, the last of them with `now_ms` in it. `offset_ms` is how far the reader's clocks are ahead of
    UTC, so that days begin at their midnight."""
    length_ms, step_ms = WIDTHS[period]
    local_ms = now_ms + offset_ms
    end_ms = local_ms - local_ms % step_ms + step_ms - offset_ms
    return Steps(end_ms - length_ms, step_ms, length_ms // step_ms)


def of_organisation(organisation_id: int, steps: Steps) -> Series:
    return _series(Traffic.objects.filter(organisation_id=organisation_id), steps)


def of_connection(organisation_id: int, connection_id: int, steps: Steps) -> Series:
    """Nothing at all for a connection of another organisation."""
    return _series(Traffic.objects.filter(connection_id=connection_id, organisation_id=organisation_id), steps)


def of_delivery(organisation_id: int, delivery_id: int, steps: Steps) -> Series:
    """Sent, delivered and the ends of its messages; nothing at all for a delivery of another organisation."""
    return _series(Traffic.objects.filter(delivery_id=delivery_id, organisation_id=organisation_id), steps)


def by_connection(organisation_id: int, since_ms: int, kinds: Iterable[TrafficKind]) -> dict[int, Counter[TrafficKind]]:
    """What happened since then on each connection, in whole buckets."""
    rows = Traffic.objects.filter(organisation_id=organisation_id, bucket_ms__gte=since_ms, kind__in=list(kinds))
    found: dict[int, Counter[TrafficKind]] = {}
    for connection_id, kind, total in rows.values_list("connection_id", "kind").annotate(total=Sum("messages")):
        found.setdefault(connection_id, Counter())[TrafficKind(kind)] = total
    return found


def busiest_per_s(organisation_id: int, connection_id: int, since_ms: int) -> float:
    """The most messages a second that a connection sent in any bucket since then; 0.0 for none."""
    rows = Traffic.objects.filter(
        organisation_id=organisation_id, connection_id=connection_id, bucket_ms__gte=since_ms, kind=TrafficKind.SENT
    )
    found = rows.values("bucket_ms", "width_ms").annotate(total=Sum("messages"))
    return max((row["total"] * 1000 / row["width_ms"] for row in found), default=0.0)


def _series(rows: "QuerySet[Traffic]", steps: Steps) -> Series:
    within = rows.filter(bucket_ms__gte=steps.start_ms, bucket_ms__lt=steps.end_ms)
    # Whole numbers on both sides: both databases then divide without a rest.
    place = (F("bucket_ms") - Value(steps.start_ms)) / Value(steps.step_ms)
    grouped = within.annotate(place=ExpressionWrapper(place, BigIntegerField())).values_list("kind", "place")
    counts: dict[TrafficKind, list[int]] = {}
    for kind, at, total in grouped.annotate(total=Sum("messages")).order_by():
        counts.setdefault(TrafficKind(kind), [0] * steps.count)[int(at)] = total
    return Series(steps, counts)
