import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.messaging import ErrorKind
from chappe.rules.quarantine import (
    QuarantineEntry,
    QuarantineLimits,
    QuarantineStatus,
    after_error,
    after_release,
    after_stop,
    after_success,
    is_blocked,
    is_stale,
    is_stopped,
    quarantine_address,
)

DAY = 86_400_000
HARD, SOFT, IGNORED = ErrorKind.HARD, ErrorKind.SOFT, ErrorKind.IGNORED
VALID, WITH_ERRORS, QUARANTINE, DENYLISTED = QuarantineStatus


def after_errors(times_ms: list[int], kind: ErrorKind = SOFT, reason: str = "unreachable") -> QuarantineEntry:
    entry = QuarantineEntry()
    for at_ms in times_ms:
        entry = after_error(entry, kind, reason, at_ms)
    return entry


def test_hard_error_quarantines_at_once() -> None:
    assert after_errors([5], HARD, "user_unknown") == QuarantineEntry(QUARANTINE, "", "user_unknown", 1, 5)


def test_ignored_error_changes_nothing() -> None:
    assert after_errors([5], IGNORED) == QuarantineEntry()


@pytest.mark.parametrize(
    ("times", "status", "count"),
    [
        ([0], WITH_ERRORS, 1),
        ([0, DAY - 1], WITH_ERRORS, 1),
        ([0, DAY], WITH_ERRORS, 2),
        ([0, DAY // 2, DAY], WITH_ERRORS, 2),
        ([0, DAY, 2 * DAY, 3 * DAY], WITH_ERRORS, 4),
        ([0, DAY, 2 * DAY, 3 * DAY, 4 * DAY], QUARANTINE, 5),
        ([0, DAY, 2 * DAY, 3 * DAY, 13 * DAY], WITH_ERRORS, 1),
        ([0, DAY, 2 * DAY, 3 * DAY, 13 * DAY - 1], QUARANTINE, 5),
    ],
)
def test_soft_errors_count(times: list[int], status: QuarantineStatus, count: int) -> None:
    entry = after_errors(times)
    assert (entry.status, entry.error_count) == (status, count)


def test_full_mailbox_counts_for_thirty_days() -> None:
    entry = after_errors([0], reason="mailbox_full")
    assert not is_stale(entry, 29 * DAY)
    assert is_stale(entry, 30 * DAY)
    assert is_stale(after_errors([0]), 10 * DAY)


def test_limits_may_be_others() -> None:
    limits = QuarantineLimits(soft_errors=1)
    assert after_error(QuarantineEntry(), SOFT, "unreachable", 0, limits).status is QUARANTINE


def test_success_clears_errors_and_nothing_else() -> None:
    assert after_success(after_errors([0])) == QuarantineEntry()
    for status in (QUARANTINE, DENYLISTED):
        assert after_success(QuarantineEntry(status)).status is status


def test_stop_denylists_and_release_forgets() -> None:
    stopped = after_stop(QuarantineEntry(short_code="36000"))
    assert (stopped.status, stopped.short_code) == (DENYLISTED, "36000")
    assert after_release(stopped) == QuarantineEntry(VALID, "36000")


@given(st.sampled_from([QUARANTINE, DENYLISTED]), st.sampled_from(ErrorKind), st.integers(0, 10**13))
def test_nothing_but_a_release_lets_out(status: QuarantineStatus, kind: ErrorKind, now_ms: int) -> None:
    entry = QuarantineEntry(status)
    assert after_success(after_error(entry, kind, "refused", now_ms)) == entry
    assert is_stopped(entry.status)


@pytest.mark.parametrize(
    ("entry", "own", "blocked"),
    [("", "", True), ("", "36000", True), ("36000", "36000", True), ("36000", "36001", False), ("36000", "", False)],
)
def test_entry_counts_for_its_short_code_or_for_all(entry: str, own: str, blocked: bool) -> None:
    assert is_blocked(entry, own) is blocked


@pytest.mark.parametrize(
    ("number", "is_full", "stored"),
    [
        ("33612345678", False, "+33612345678"),
        ("+33612345678", False, "+33612345678"),
        ("33612345678", True, "33612345678"),
        ("06 12 34", True, "06 12 34"),
    ],
)
def test_number_gets_its_plus_back(number: str, is_full: bool, stored: str) -> None:
    assert quarantine_address(number, full_phone_number=is_full) == stored
