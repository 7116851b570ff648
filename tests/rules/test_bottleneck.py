"""What limits a connection now."""

from dataclasses import replace

import pytest

from chappe.rules.bottleneck import Limit, Sender, Waiting, find_bottleneck

BUSY = Waiting(due=1000)
LINK = Sender(
    is_bound=True, is_slowed=False, window=10, in_flight=4, sent_per_s=40.0, limit_per_s=0.0, round_trip_ms=100.0
)
FULL = replace(LINK, in_flight=10, sent_per_s=95.0)


def limit(*senders: Sender, waiting: Waiting = BUSY, is_enabled: bool = True) -> Limit:
    return find_bottleneck(senders, waiting, is_enabled=is_enabled).limit


def test_a_connection_that_is_switched_off_says_so_whatever_else_is_true() -> None:
    assert limit(FULL, is_enabled=False) is Limit.OFF


def test_without_an_engine_no_link_is_shown() -> None:
    assert limit() is Limit.NO_ENGINE


def test_links_that_are_all_down_are_what_is_wrong() -> None:
    assert limit(replace(LINK, is_bound=False), replace(LINK, is_bound=False)) is Limit.DOWN


@pytest.mark.parametrize(
    ("waiting", "found"),
    [
        (Waiting(), Limit.NOTHING_WAITS),
        (Waiting(held=5), Limit.HELD),
        (Waiting(later=5), Limit.LATER),
        (Waiting(held=5, later=5), Limit.HELD),
    ],
)
def test_where_nothing_is_due_it_is_said_why(waiting: Waiting, found: Limit) -> None:
    assert limit(replace(LINK, in_flight=0), waiting=waiting) is found


def test_a_pause_that_the_provider_asks_for_goes_before_the_window() -> None:
    assert limit(replace(FULL, is_slowed=True)) is Limit.PAUSE


def test_a_limit_that_is_nearly_reached_is_the_limit() -> None:
    assert limit(replace(LINK, limit_per_s=42.0)) is Limit.RATE
    assert limit(replace(LINK, limit_per_s=100.0)) is Limit.NOTHING


def test_a_full_window_is_the_limit_where_the_answers_are_quick() -> None:
    assert limit(FULL) is Limit.WINDOW


def test_a_full_window_whose_answers_take_long_is_the_providers_doing() -> None:
    assert limit(replace(FULL, round_trip_ms=1500.0, sent_per_s=6.5)) is Limit.SLOW_ANSWERS


def test_a_full_window_that_moves_slower_than_the_answers_waits_for_us() -> None:
    assert limit(replace(FULL, sent_per_s=20.0)) is Limit.OWN_COMMITS


def test_a_full_window_that_has_only_just_begun_to_send_accuses_nobody() -> None:
    assert limit(replace(FULL, sent_per_s=0.0)) is Limit.WINDOW


def test_the_figures_are_those_of_the_links_that_are_logged_in() -> None:
    found = find_bottleneck([FULL, replace(FULL, round_trip_ms=300.0), replace(LINK, is_bound=False)], BUSY)
    assert (found.links, found.links_in_all, found.window, found.in_flight) == (2, 3, 20, 20)
    assert found.round_trip_ms == 200.0
    assert found.window_allows_per_s == pytest.approx(100 + 33.33, abs=0.01)


def test_the_limit_of_all_is_known_only_where_each_link_has_one() -> None:
    limited = replace(LINK, limit_per_s=50.0)
    assert find_bottleneck([limited, limited], BUSY).limit_per_s == 100.0
    assert find_bottleneck([limited, LINK], BUSY).limit_per_s == 0.0


def test_only_what_stops_everything_is_trouble() -> None:
    assert find_bottleneck([], BUSY).is_trouble
    assert not find_bottleneck([FULL], BUSY).is_trouble
