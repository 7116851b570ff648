"""Quiet hours of the coming days, as a picture and in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.utils import formats
from django.utils.translation import gettext

from chappe.rules.quiet_hours import MINUTES_A_DAY, QuietHours

DAYS = 7
LEFT, RIGHT, WIDTH, ROW, TOP = 78.0, 10.0, 400.0, 22.0, 22.0
EVERY_HOURS = 6


@dataclass(frozen=True)
class Span:
    """A quiet part of a day, in minutes after midnight as the clock shows them."""

    start: int
    end: int

    @property
    def words(self) -> str:
        return gettext("%(start)s to %(end)s") % {"start": _clock(self.start), "end": _clock(self.end)}

    @property
    def x(self) -> float:
        return _x(self.start)

    @property
    def width(self) -> float:
        return _x(self.end) - _x(self.start)


@dataclass(frozen=True)
class Day:
    name: str
    y: float
    spans: list[Span]

    @property
    def middle(self) -> float:
        return self.y + ROW / 2


@dataclass(frozen=True)
class Week:
    """`now` is where this moment is, on the first day."""

    days: list[Day]
    hours: list[tuple[float, str]]
    now: float
    left: float = LEFT
    width: float = WIDTH
    bar: float = ROW - 7
    top: float = TOP
    height: float = TOP + DAYS * ROW
    span: float = WIDTH - LEFT - RIGHT
    now_top: float = TOP - 4
    first_end: float = TOP + ROW - 3


def coming_week(hours: QuietHours, now_ms: int) -> Week:
    """Today and the six days after it."""
    zone = ZoneInfo(hours.zone)
    now = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone)
    days = [now.date() + timedelta(days=number) for number in range(DAYS)]
    return Week(
        [Day(_name(day), TOP + place * ROW, list(_spans(hours, day, zone))) for place, day in enumerate(days)],
        [(_x(hour * 60), f"{hour:02}") for hour in range(0, 25, EVERY_HOURS)],
        _x(now.hour * 60 + now.minute),
    )


def _spans(hours: QuietHours, day: date, zone: ZoneInfo) -> Iterator[Span]:
    at_ms, end_ms = (
        int(datetime.combine(one, time(), zone).timestamp() * 1000) for one in (day, day + timedelta(days=1))
    )
    while at_ms < end_ms:
        is_quiet, until_ms = hours.state_at(at_ms)
        until_ms = min(until_ms, end_ms)
        if is_quiet:
            yield Span(_minutes(at_ms, zone), MINUTES_A_DAY if until_ms == end_ms else _minutes(until_ms, zone))
        at_ms = until_ms


def _minutes(ms: int, zone: ZoneInfo) -> int:
    local = datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone)
    return local.hour * 60 + local.minute


def _x(minutes: int) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * minutes / MINUTES_A_DAY, 1)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _name(day: date) -> str:
    return str(formats.date_format(day, "D j M"))
