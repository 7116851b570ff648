import bisect
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.rules.throttle import CATCH_UP_S, PERIOD_S, Throttle

LIMITS = [1, 2, 3, 10, 50, 333, 1000, 3000]


def run(throttle: Throttle, times: list[float], wanted: int) -> list[float]:
    """The time of each message when `take` is called at these times, with always as many waiting."""
    return [at for at in times for _ in range(throttle.take(at, wanted))]


def most_in_a_second(sends: list[float], window_s: float = 1.0) -> int:
    return max((bisect.bisect_left(sends, at + window_s) - index for index, at in enumerate(sends)), default=0)


@given(
    st.sampled_from(LIMITS),
    st.lists(st.tuples(st.floats(0, 0.3), st.integers(0, 5000)), max_size=300),
)
def test_no_second_holds_more_than_the_limit(limit: int, calls: list[tuple[float, int]]) -> None:
    throttle, now, sends = Throttle(limit), 1000.0, []
    for wait, wanted in calls:
        now += wait
        granted = throttle.take(now, wanted)
        assert 0 <= granted <= wanted
        sends += [now] * granted
    assert most_in_a_second(sends, 1.0039) <= limit


@given(
    st.sampled_from(LIMITS),
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 5000)), max_size=200),
)
def test_no_call_is_a_burst(limit: int, calls: list[tuple[float, int]]) -> None:
    throttle, now = Throttle(limit), 0.0
    was_behind, idle_since = False, None
    for wait, wanted in calls:
        now += wait
        granted = throttle.take(now, wanted)
        allowance = wait + CATCH_UP_S if was_behind else 0
        assert granted <= 1 + allowance * limit, (wait, was_behind, idle_since)
        was_behind = granted < wanted


@pytest.mark.parametrize("limit", LIMITS)
def test_start_gives_one_message(limit: int) -> None:
    assert Throttle(limit).take(5.0, 10_000) == 1


@pytest.mark.parametrize("limit", LIMITS)
def test_pause_earns_nothing(limit: int) -> None:
    throttle = Throttle(limit)
    assert throttle.take(5.0, 1) == 1
    assert throttle.take(60.0, 10_000) == 1


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("late_s", [0.0, 0.0007, 0.0025])
def test_mean_is_near_the_limit_though_each_wake_up_is_late(limit: int, late_s: float) -> None:
    throttle, now, sent, duration = Throttle(limit), 0.0, 0, 120.0
    while now < duration:
        sent += throttle.take(now, 10_000)
        now = max(throttle.next_at(now), now + 0.0005) + late_s
    # The last message may be due just after the end.
    assert limit * 0.99 <= (sent + 1) / duration
    assert sent / duration <= limit


@pytest.mark.parametrize("limit", [10, 100, 1000])
def test_sends_are_evenly_spaced(limit: int) -> None:
    sends = run(Throttle(limit), [step / 1000 for step in range(10_000)], 10_000)
    gaps = [later - earlier for earlier, later in itertools.pairwise(sends)]
    assert max(gaps) <= PERIOD_S / limit + 0.0011


@settings(max_examples=50)
@given(st.sampled_from(LIMITS), st.lists(st.floats(0.0001, 0.2), max_size=100))
def test_next_at_is_when_the_next_may_go(limit: int, waits: list[float]) -> None:
    throttle, now = Throttle(limit), 0.0
    for wait in waits:
        now += wait
        throttle.take(now, 10_000)
        at = throttle.next_at(now)
        assert at >= now
        assert throttle.take(at - 1e-4, 1) == 0 or at - 1e-4 <= now
        now = max(now, at)
        assert throttle.take(now, 10_000) >= 1


def test_zero_is_no_limit() -> None:
    throttle = Throttle(0)
    assert throttle.take(1.0, 123_456) == 123_456
    assert throttle.next_at(1.0) == 1.0


def test_limit_below_one_is_a_wait_between_messages() -> None:
    sends = run(Throttle(0.5), [step / 100 for step in range(10_000)], 5)
    gaps = [later - earlier for earlier, later in itertools.pairwise(sends)]
    assert min(gaps) >= 2.0
    assert max(gaps) <= 2.03


def test_limit_between_whole_numbers_is_never_exceeded() -> None:
    sends = run(Throttle(2.5), [step / 100 for step in range(10_000)], 5)
    assert most_in_a_second(sends) == 2


@pytest.mark.parametrize("limit", [-1, float("nan"), float("inf")])
def test_limit_that_is_no_limit_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match=r"."):
        Throttle(limit)


def test_memory_is_bounded_by_the_limit() -> None:
    throttle = Throttle(500)
    run(throttle, [step / 5000 for step in range(100_000)], 10_000)
    assert len(throttle._sent) <= 500
