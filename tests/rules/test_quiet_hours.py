from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chappe.messaging import Category, ConfigError
from chappe.rules.quiet_hours import (
    DROPPED_AFTER_MS,
    Period,
    QuietHours,
    Watch,
    concerns,
    read_quiet_hours,
    shown,
)

PARIS = "Europe/Paris"
ZONES = [
    PARIS,
    "UTC",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "America/St_Johns",
]
EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)
NIGHT = Period(start=20 * 60, end=8 * 60, days=EVERY_DAY)
MINUTE_MS = 60_000


def at(text: str, zone: str = PARIS, fold: int = 0) -> int:
    """What a clock on the wall shows, as milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).timestamp() * 1000)


def hours(*periods: Period, zone: str = PARIS) -> QuietHours:
    return QuietHours(periods, zone)


def test_it_is_quiet_from_the_evening_to_the_morning() -> None:
    night = hours(NIGHT)
    assert not night.is_quiet(at("2026-11-23 19:59:59"))
    assert night.state_at(at("2026-11-23 20:00")) == (True, at("2026-11-24 08:00"))
    assert night.state_at(at("2026-11-24 07:59:59")) == (True, at("2026-11-24 08:00"))
    assert night.state_at(at("2026-11-24 08:00")) == (False, at("2026-11-24 20:00"))


def test_an_overnight_period_belongs_to_the_day_it_begins_on() -> None:
    friday = hours(Period(start=22 * 60, end=6 * 60, days=(5,)))
    assert friday.is_quiet(at("2026-11-27 23:00"))
    assert friday.is_quiet(at("2026-11-28 05:59")), "Saturday morning is part of Friday's night"
    assert not friday.is_quiet(at("2026-11-27 05:59")), "Friday morning is part of Thursday's"
    assert not friday.is_quiet(at("2026-11-28 23:00"))


def test_periods_that_touch_are_one() -> None:
    weekend = hours(
        Period(start=18 * 60, end=0, days=(5,)),
        Period(start=0, end=0, days=(6,)),
        Period(start=0, end=9 * 60, days=(1,)),
        Period(start=0, end=0, days=(7,)),
    )
    assert weekend.state_at(at("2026-11-27 20:00")) == (True, at("2026-11-30 09:00"))


def test_dates_are_quiet_as_days_of_the_week_are() -> None:
    christmas = hours(Period(start=0, end=0, first="2026-12-24", last="2026-12-26"))
    assert not christmas.is_quiet(at("2026-12-23 23:59"))
    assert christmas.state_at(at("2026-12-24 00:00")) == (True, at("2026-12-27 00:00"))
    assert not christmas.is_quiet(at("2027-12-24 12:00")), "dates are of one year"


def test_quiet_hours_without_end_are_said_to_end_when_a_message_has_waited_long_enough() -> None:
    always = hours(Period(start=0, end=0, days=EVERY_DAY))
    now = at("2026-11-23 12:00")
    assert always.state_at(now) == (True, now + DROPPED_AFTER_MS)


def test_a_beginning_that_the_clock_skips_is_the_moment_it_is_put_on() -> None:
    early = hours(Period(start=2 * 60 + 30, end=6 * 60, days=EVERY_DAY))
    assert not early.is_quiet(at("2026-03-29 01:59:59"))
    assert early.is_quiet(at("2026-03-29 03:00"))


def test_an_end_that_the_clock_skips_is_the_moment_it_is_put_on() -> None:
    night = hours(Period(start=22 * 60, end=2 * 60 + 30, days=EVERY_DAY))
    assert night.state_at(at("2026-03-29 01:00")) == (True, at("2026-03-29 03:00"))


def test_an_end_that_the_clock_shows_twice_is_the_second() -> None:
    night = hours(Period(start=22 * 60, end=2 * 60 + 30, days=EVERY_DAY))
    assert night.state_at(at("2026-10-25 02:40", fold=0)) == (True, at("2026-10-25 02:30", fold=1))


def test_a_night_is_an_hour_longer_where_the_clock_is_put_back() -> None:
    night = hours(NIGHT)
    assert at("2026-10-25 08:00") - at("2026-10-24 20:00") == 13 * 3_600_000
    assert night.state_at(at("2026-10-24 20:00")) == (True, at("2026-10-25 08:00"))


periods = st.builds(
    Period,
    start=st.integers(0, 1439),
    end=st.integers(0, 1439),
    days=st.sets(st.integers(1, 7), min_size=1).map(lambda days: tuple(sorted(days))),
)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)).map(  # noqa: DTZ001 - made UTC in the next step
    lambda moment: int(moment.replace(tzinfo=UTC).timestamp()) * 1000
)


def on_the_wall(found: QuietHours, now_ms: int) -> bool:
    """Whether it is quiet by what the clock shows alone."""
    local = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(found.zone))
    minute, today = local.hour * 60 + local.minute, local.date()
    for period in found.periods:
        if period.is_overnight:
            begun = period.begins_on(today) and minute >= period.start
            if begun or (period.begins_on(today - timedelta(days=1)) and minute < period.end):
                return True
        elif period.begins_on(today) and period.start <= minute < period.end:
            return True
    return False


def is_shown_once(now_ms: int, zone: str) -> bool:
    local = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(zone))
    return local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset()


@given(st.lists(periods, min_size=1, max_size=5), st.sampled_from(ZONES), moments)
def test_it_is_quiet_when_the_clock_on_the_wall_says_so(found: list[Period], zone: str, now_ms: int) -> None:
    assume(is_shown_once(now_ms, zone))
    quiet = hours(*found, zone=zone)
    assert quiet.is_quiet(now_ms) == on_the_wall(quiet, now_ms)


@given(st.lists(periods, min_size=1, max_size=5), st.sampled_from(ZONES), moments, st.floats(0, 1))
def test_what_is_said_of_now_holds_until_the_moment_that_is_named(
    found: list[Period], zone: str, now_ms: int, part: float
) -> None:
    quiet = hours(*found, zone=zone)
    is_quiet, until_ms = quiet.state_at(now_ms)
    assert now_ms < until_ms <= now_ms + DROPPED_AFTER_MS
    between = now_ms + int((until_ms - 1 - now_ms) * part)
    assert quiet.is_quiet(between) == is_quiet
    if is_quiet and until_ms < now_ms + DROPPED_AFTER_MS:
        assert not quiet.is_quiet(until_ms)


@given(st.lists(periods, min_size=1, max_size=5), st.lists(moments, min_size=1, max_size=8))
def test_a_watch_says_what_the_hours_say_wherever_the_clock_goes(found: list[Period], times: list[int]) -> None:
    quiet = hours(*found)
    watch = Watch(quiet)
    for now_ms in times:
        is_quiet, until_ms = quiet.state_at(now_ms)
        assert bool(watch.until_ms(now_ms)) == is_quiet
        if is_quiet and until_ms < now_ms + DROPPED_AFTER_MS:
            assert watch.until_ms(now_ms) == until_ms


def test_without_quiet_hours_it_is_never_quiet() -> None:
    assert Watch().until_ms(at("2026-11-23 03:00")) == 0


def test_quiet_hours_are_for_marketing_alone() -> None:
    assert [category for category in Category if concerns(category)] == [Category.MARKETING]


def test_a_moment_is_shown_as_the_clock_on_the_wall_shows_it() -> None:
    now = at("2026-11-23 22:00")
    assert shown(at("2026-11-24 08:00"), PARIS, now) == "08:00 Europe/Paris"
    assert shown(at("2026-11-27 08:00"), PARIS, now) == "2026-11-27 08:00 Europe/Paris"


def test_quiet_hours_are_read_as_they_are_kept() -> None:
    kept = [
        {"start": 1200, "end": 480, "days": [1, 2]},
        {"start": 0, "end": 0, "first": "2026-12-24", "last": "2026-12-26"},
    ]
    read = read_quiet_hours(kept, PARIS, "discard")
    assert read is not None
    assert [period.days for period in read.periods] == [(1, 2), ()]
    assert read_quiet_hours([], PARIS, "queue") is None


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"start": 0, "end": 1440, "days": [1]}, "periods[0].end"),
        ({"start": -1, "end": 0, "days": [1]}, "periods[0].start"),
        ({"start": 0, "end": 1, "days": [8]}, "periods[0].days"),
        ({"start": 0, "end": 1, "days": [1, 1]}, "periods[0].days"),
        ({"start": 0, "end": 1}, "periods[0].days"),
        ({"start": 0, "end": 1, "days": [1], "first": "2026-12-24"}, "periods[0].first"),
        ({"start": 0, "end": 1, "first": "24/12/2026", "last": "2026-12-26"}, "periods[0].first"),
        ({"start": 0, "end": 1, "first": "2026-12-24"}, "periods[0].last"),
        ({"start": 0, "end": 1, "first": "2026-12-24", "last": "2026-12-23"}, "periods[0].last"),
        ({"start": 0, "end": 1, "first": "2026-12-24", "last": "2028-12-23"}, "periods[0].last"),
        ({"start": "eight", "end": 1, "days": [1]}, "periods"),
    ],
)
def test_a_period_that_means_nothing_is_refused_by_its_field(given: dict[str, object], field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_quiet_hours([given], PARIS, "queue")
    assert [error.field for error in refused.value.errors] == [field]


def test_five_periods_are_the_most_and_zone_and_action_must_be_known() -> None:
    with pytest.raises(ConfigError) as refused:
        read_quiet_hours([{"start": 0, "end": 60, "days": [1]}] * 6, "Europe/Lutetia", "shout")
    assert [error.field for error in refused.value.errors] == ["periods", "zone", "action"]


def test_a_date_that_no_calendar_has_is_refused() -> None:
    assert date.fromisoformat("2028-02-29")
    with pytest.raises(ConfigError, match="must be a date"):
        read_quiet_hours([{"start": 0, "end": 1, "first": "2027-02-29", "last": "2027-03-01"}], PARIS, "queue")
