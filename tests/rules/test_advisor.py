"""What a wanted speed needs, by Little's law."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.rules.advisor import LARGEST_WINDOW, MOST_PER_LINK, Change, Link, Step, advise, window_for


def test_the_window_is_speed_times_round_trip_and_a_fifth_more() -> None:
    assert window_for(300, 90) == 36  # 300 x (0.09 + 0.01) x 1.2


def test_a_small_window_is_to_be_widened() -> None:
    found = advise(Link(1, 10, 0, 90.0), 300)
    assert found.reachable_per_s == pytest.approx(100)
    assert found.steps == (Step(Change.WINDOW, 10, 36),)
    assert not found.is_enough


def test_a_limit_below_what_is_wanted_is_to_be_raised() -> None:
    found = advise(Link(2, 100, 50, 90.0), 200)
    assert found.reachable_per_s == pytest.approx(99.2)
    assert found.steps == (Step(Change.LIMIT, 50, 100),)


def test_both_may_be_in_the_way() -> None:
    changes = [step.change for step in advise(Link(1, 5, 50, 90.0), 300).steps]
    assert changes == [Change.LIMIT, Change.WINDOW]


def test_more_than_a_link_is_good_for_asks_for_links() -> None:
    found = advise(Link(1, 100, 0, 40.0), 2500)
    assert found.steps == (Step(Change.LINKS, 1, 3),)
    assert found.needed_window == window_for(2500 / 3, 40.0)


def test_answers_that_take_for_ever_ask_for_links_rather_than_for_a_window_that_nobody_has() -> None:
    found = advise(Link(1, 100, 0, 20_000.0), 900)
    assert found.is_slow_provider
    assert found.needed_window <= LARGEST_WINDOW
    assert found.steps[0].change is Change.LINKS


def test_by_http_more_requests_at_a_time_are_all_there_is() -> None:
    by_http = Link(1, 10, 0, 990.0, largest_window=1000, is_alone=True)
    assert advise(by_http, 500).steps == (Step(Change.WINDOW, 10, 600),)
    assert advise(by_http, 5000).steps == (Step(Change.WINDOW, 10, 1000),)
    at_most = Link(1, 1000, 0, 990.0, largest_window=1000, is_alone=True)
    assert (advise(at_most, 5000).steps, advise(at_most, 5000).is_enough) == ((), False)


def test_what_is_enough_needs_no_change() -> None:
    found = advise(Link(1, 40, 310, 90.0), 300)
    assert found.is_enough
    assert found.steps == ()


def test_a_window_that_is_far_too_wide_may_be_smaller() -> None:
    assert advise(Link(1, 1000, 0, 90.0), 100).steps == (Step(Change.SMALLER_WINDOW, 1000, 100),)


def test_without_a_measured_round_trip_nothing_is_advised() -> None:
    found = advise(Link(1, 10, 50, 0.0), 300)
    assert (found.is_measured, found.is_enough, found.steps, found.reachable_per_s) == (False, False, (), 0.0)


@given(
    links=st.integers(1, 20),
    window=st.integers(1, LARGEST_WINDOW),
    limit=st.sampled_from([0.0, 5.0, 200.0, 5000.0]),
    trip=st.floats(0.1, 60_000),
    wanted=st.floats(0.1, 20_000),
)
def test_who_follows_the_advice_reaches_what_was_wanted(
    links: int, window: int, limit: float, trip: float, wanted: float
) -> None:
    found = advise(Link(links, window, limit, trip), wanted)
    values = {Change.LINKS: float(links), Change.LIMIT: limit, Change.WINDOW: float(window)}
    for step in found.steps:
        values[Change.WINDOW if step.change is Change.SMALLER_WINDOW else step.change] = step.proposed
    followed = Link(int(values[Change.LINKS]), int(values[Change.WINDOW]), values[Change.LIMIT], trip)
    assert followed.window <= LARGEST_WINDOW
    assert wanted / followed.links <= MOST_PER_LINK
    assert advise(followed, wanted).is_enough
