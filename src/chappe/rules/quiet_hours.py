"""Quiet hours: when a marketing message may not go out, and when it may again.

A period is quiet on some days of the week, or on some dates of the calendar, from one time of the clock to another, in
the organisation's time zone. One that ends at or before the time it begins at goes on into the next day and belongs to
the day it begins on. The clock that counts is the one on the wall: where daylight saving time skips a time or shows it
twice, a period begins with the first moment that is not earlier than its beginning, and ends with the last that shows
its end.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from chappe.messaging import Category, ConfigError, FieldError

MOST_PERIODS = 5
MOST_DATES = 366
MINUTES_A_DAY = 1440
DROPPED_AFTER_MS = 7 * 86_400_000
"""A message that waited so long for the end of quiet hours is not sent any more."""
_SLICE_MS = 86_400_000
"""How far ahead the next beginning is looked for: what is known holds that long at least."""
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


class QuietAction(StrEnum):
    """What becomes of a marketing message in quiet hours."""

    QUEUE = "queue"
    DISCARD = "discard"


class Period(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`start` and `end` are minutes after midnight. `days` are those of the week, Monday 1 to Sunday 7; or, where there are
    none, the dates from `first` to `last` (ISO 8601, both included)."""

    start: int
    end: int
    days: tuple[int, ...] = ()
    first: str = ""
    last: str = ""

    @property
    def is_overnight(self) -> bool:
        return self.end <= self.start

    def begins_on(self, day: date) -> bool:
        if self.days:
            return day.isoweekday() in self.days
        return self.first <= day.isoformat() <= self.last


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An organisation's quiet hours; `zone` is a name of the IANA time zone database."""

    periods: tuple[Period, ...]
    zone: str
    action: QuietAction = QuietAction.QUEUE

    def state_at(self, now_ms: int) -> tuple[bool, int]:
        """Whether it is quiet at `now_ms`, and until when that is known to stay so: for quiet hours, their end.

        Periods that touch are one. Quiet hours that do not end within the time that a message waits for them are said to
        end then.
        """
        zone, now = ZoneInfo(self.zone), _moment(now_ms)
        end = self._end_of_quiet(now, zone)
        if end is not None:
            return True, _ms(end)
        until = now + timedelta(milliseconds=_SLICE_MS)
        beginnings = [start for start, _ in self._spans(now, until, zone) if start > now]
        return False, min(_ms(until), *map(_ms, beginnings)) if beginnings else _ms(until)

    def is_quiet(self, now_ms: int) -> bool:
        return self.state_at(now_ms)[0]

    def _end_of_quiet(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """The end of the unbroken quiet time that `now` is in; None where it is in none."""
        latest = now + timedelta(milliseconds=DROPPED_AFTER_MS)
        end: datetime | None = None
        spans = sorted(self._spans(now, latest, zone))
        reached = now
        for start, stop in spans:
            if start <= reached < stop:
                end = reached = stop
        return min(end, latest) if end is not None else None

    def _spans(self, since: datetime, until: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
        """What is quiet, as moments of UTC, on every day that has a part between `since` and `until`."""
        day, last = since.astimezone(zone).date() - _DAY, until.astimezone(zone).date()
        while day <= last:
            for period in self.periods:
                if period.begins_on(day):
                    start = _on_the_wall(day, period.start, zone, is_end=False)
                    ends_on = day + _DAY if period.is_overnight else day
                    yield start, _on_the_wall(ends_on, period.end, zone, is_end=True)
            day += _DAY


class Watch:
    """Quiet hours asked about again and again: the answer is kept for as long as it holds."""

    __slots__ = ("_hours", "_is_quiet", "_since_ms", "_until_ms")

    def __init__(self, hours: QuietHours | None = None) -> None:
        self._hours = hours
        self._is_quiet = False
        self._since_ms = self._until_ms = 0

    def until_ms(self, now_ms: int) -> int:
        """The end of the quiet hours that it is in; 0 where it is in none."""
        if self._hours is None:
            return 0
        if not self._since_ms <= now_ms < self._until_ms:  # a clock may be put back
            self._since_ms = now_ms
            self._is_quiet, self._until_ms = self._hours.state_at(now_ms)
        return self._until_ms if self._is_quiet else 0


NEVER = Watch()
"""Where there are no quiet hours."""


def concerns(category: int) -> bool:
    """Whether quiet hours hold for messages of this category: marketing alone. What a person needs, or an answer to what
    they just wrote, goes at once."""
    return category == Category.MARKETING


def shown(ms: int, zone: str, now_ms: int) -> str:
    """A moment as the clock on the wall shows it, with its zone; with the date where it is not of today or tomorrow."""
    local, today = _moment(ms).astimezone(ZoneInfo(zone)), _moment(now_ms).astimezone(ZoneInfo(zone)).date()
    is_near = today <= local.date() <= today + _DAY
    return f"{local.strftime('%H:%M' if is_near else '%Y-%m-%d %H:%M')} {zone}"


def read_quiet_hours(periods: object, zone: str, action: str) -> QuietHours | None:
    """Quiet hours as they are kept; None where there are none. Raises ConfigError naming `periods[n].field`, `zone` or
    `action`."""
    errors: list[FieldError] = []
    found = tuple(_periods(periods, errors))
    if not is_zone(zone):
        errors.append(FieldError("zone", "must be a name of the time zone database, such as Europe/Paris"))
    if action not in tuple(QuietAction):
        errors.append(FieldError("action", "must be queue or discard"))
    if errors:
        raise ConfigError(errors)
    return QuietHours(found, zone, QuietAction(action)) if found else None


def is_zone(name: str) -> bool:
    return name in zones()


@cache
def zones() -> frozenset[str]:
    """The names of the time zone database that is installed."""
    return frozenset(available_timezones()) - {"localtime", "Factory"}


def _periods(given: object, errors: list[FieldError]) -> Iterator[Period]:
    try:
        found = msgspec.convert(given, tuple[Period, ...])
    except msgspec.ValidationError as error:
        errors.append(FieldError("periods", str(error)))
        return
    if len(found) > MOST_PERIODS:
        errors.append(FieldError("periods", f"must be at most {MOST_PERIODS}"))
    for index, period in enumerate(found[:MOST_PERIODS]):
        errors += _problems(period, f"periods[{index}]")
        yield period


def _problems(period: Period, path: str) -> Iterable[FieldError]:
    for name, minutes in (("start", period.start), ("end", period.end)):
        if not 0 <= minutes < MINUTES_A_DAY:
            yield FieldError(f"{path}.{name}", "must be a time from 00:00 to 23:59")
    if period.days:
        if not set(period.days) <= set(range(1, 8)) or len(set(period.days)) < len(period.days):
            yield FieldError(f"{path}.days", "must be days of the week, each once, from 1 (Monday) to 7 (Sunday)")
        if period.first or period.last:
            yield FieldError(f"{path}.first", "cannot stand beside days of the week")
    elif not (period.first or period.last):
        yield FieldError(f"{path}.days", "must name a day at least, or dates must be given")
    else:
        yield from _date_problems(period, path)


def _date_problems(period: Period, path: str) -> Iterator[FieldError]:
    days = dict[str, date]()
    for name, text in (("first", period.first), ("last", period.last)):
        try:
            days[name] = date.fromisoformat(text)
        except ValueError:
            days.pop(name, None)
        if name not in days or days[name].isoformat() != text:
            yield FieldError(f"{path}.{name}", "must be a date such as 2026-12-24")
            return
    if days["last"] < days["first"]:
        yield FieldError(f"{path}.last", "must not be before the first date")
    elif (days["last"] - days["first"]).days >= MOST_DATES:
        yield FieldError(f"{path}.last", f"must be at most {MOST_DATES} days after the first date")


def _on_the_wall(day: date, minutes: int, zone: ZoneInfo, *, is_end: bool) -> datetime:
    """When clocks show this time of this day: of two such moments the first for a beginning, the last for an end; where
    the clock skips it, the moment of the skip."""
    shown = (day.year, day.month, day.day, minutes // 60, minutes % 60)
    early = datetime(*shown, tzinfo=zone, fold=0).astimezone(UTC)
    late = datetime(*shown, tzinfo=zone, fold=1).astimezone(UTC)
    if late < early:  # the clock never shows it: `fold` 0 reads it by the rule of before, 1 by that of afterwards
        return _skip_between(late, early, zone)
    return late if is_end else early


def _skip_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The moment between two at which the zone's clock is put on, to the second."""
    before = low.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
