"""What limits a connection, and what to change, as people read it."""

from dataclasses import replace

import pytest
from django.utils import translation
from tests.row import NOW_MS, connection, link

from chappe.features.accounts.models import Organisation
from chappe.features.connections.explanation import PLAIN, advice_words, duration, headline, limit_words, number
from chappe.features.connections.performance import Speed, line_of, speed_of
from chappe.rules.bottleneck import Bottleneck, Limit

FULL = Bottleneck(
    Limit.WINDOW, 1, 1, 10, 10, sent_per_s=98, limit_per_s=300, window_allows_per_s=100, round_trip_ms=99.6
)


def speed(organisation_id: int, wanted: float, trip_ms: float = 90.0, **settings: object) -> Speed:
    north = connection(organisation_id, settings=settings)
    link(north.pk, "bound", window=10, round_trip_p50_ms=trip_ms)
    return speed_of(line_of(organisation_id, north.pk, NOW_MS), wanted, NOW_MS)


def test_a_full_window_is_told_with_its_figures() -> None:
    told = limit_words(FULL)
    assert (
        told
        == "The window is full: with 10 messages at a time and answers after 100 ms, no more than 100 a second go out."
    )


def test_a_limit_is_told_with_its_figure() -> None:
    assert "1,500 messages a second" in limit_words(replace(FULL, limit=Limit.RATE, limit_per_s=1500))


@pytest.mark.parametrize("limit", list(Limit))
def test_everything_that_can_limit_has_words(limit: Limit) -> None:
    told = limit_words(replace(FULL, limit=limit))
    assert told.endswith(".")
    assert "%(" not in told


def test_what_needs_no_figure_is_told_as_it_is() -> None:
    assert set(Limit) - set(PLAIN) == {Limit.RATE, Limit.SLOW_ANSWERS, Limit.WINDOW}


def test_the_advice_names_the_setting_and_both_figures(organisation: Organisation) -> None:
    found = speed(organisation.pk, 300)
    assert headline(found) == "With its settings it can send about 100 messages a second, not 300."
    (words,) = advice_words(found)
    assert words.startswith("Raise “Sending window” from 10 to 36: so many are on their way at a time")


def test_settings_that_are_enough_need_no_advice(organisation: Organisation) -> None:
    found = speed(organisation.pk, 50)
    assert headline(found).endswith("enough for 50.")
    assert advice_words(found) == []


def test_a_slow_provider_is_to_be_asked(organisation: Organisation) -> None:
    words = advice_words(speed(organisation.pk, 5, trip_ms=1990.0))
    assert any(one.startswith("The provider takes 2.0 s to answer.") for one in words)


def test_what_was_never_measured_is_said_to_be(organisation: Organisation) -> None:
    found = speed(organisation.pk, 300, trip_ms=0.0)
    assert headline(found).startswith("No answer has been measured yet")
    assert advice_words(found) == []


def test_numbers_are_written_as_the_reader_writes_them() -> None:
    assert (number(1234.5), number(9.5), number(3.0)) == ("1,234", "9.5", "3")
    assert (duration(0.42), duration(84.6), duration(1500)) == ("0.4 ms", "85 ms", "1.5 s")
    with translation.override("fr"):
        assert number(9.5) == "9,5"
