import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.rules.retry import JITTER_SHARE, Again, GiveUp, RetryPolicy, next_attempt

POLICY = RetryPolicy()


@pytest.mark.parametrize(("attempt", "delay_s"), [(1, 60), (2, 120), (3, 240), (6, 1920), (7, 3600), (10_000, 3600)])
def test_delay_grows_up_to_its_cap(attempt: int, delay_s: float) -> None:
    assert POLICY.delay_s(attempt) == delay_s


@given(st.integers(1, 50), st.floats(0, 1))
def test_jitter_only_lengthens(attempt: int, jitter: float) -> None:
    delay = POLICY.delay_s(attempt)
    assert delay <= POLICY.delay_s(attempt, jitter) <= delay * (1 + JITTER_SHARE)


def test_base_above_the_cap_is_kept() -> None:
    assert RetryPolicy(base_s=7200).delay_s(3) == 7200


def test_attempts_end_at_the_limit() -> None:
    assert next_attempt(POLICY, attempt=20, now_ms=0) == Again(3_600_000)
    assert next_attempt(POLICY, attempt=21, now_ms=0) == GiveUp("retry limit")
    assert next_attempt(RetryPolicy(limit=0), attempt=1, now_ms=0) == GiveUp("retry limit")


def test_provider_that_asks_for_more_time_gets_it() -> None:
    assert next_attempt(POLICY, attempt=1, now_ms=1000, after_s=600) == Again(601_000)
    assert next_attempt(POLICY, attempt=1, now_ms=1000, after_s=1) == Again(61_000)


@given(st.integers(1, 30), st.integers(0, 10**13), st.integers(0, 10**7), st.floats(0, 5000), st.floats(0, 1))
def test_no_attempt_is_past_validity(attempt: int, now_ms: int, left_ms: int, after_s: float, jitter: float) -> None:
    expires_ms = now_ms + left_ms
    found = next_attempt(POLICY, attempt=attempt, now_ms=now_ms, expires_ms=expires_ms, after_s=after_s, jitter=jitter)
    if isinstance(found, Again):
        assert now_ms + 60_000 <= found.at_ms
        assert expires_ms == 0 or found.at_ms < expires_ms
