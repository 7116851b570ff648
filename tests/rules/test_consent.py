from itertools import product

import pytest

from chappe.messaging import Category
from chappe.rules.consent import Exclusion, exclusion, may_send, strictest
from chappe.rules.quarantine import QuarantineStatus

MARKETING, TRANSACTIONAL, REPLY = Category
VALID, WITH_ERRORS, QUARANTINE, DENYLISTED = QuarantineStatus


@pytest.mark.parametrize("category", [MARKETING, TRANSACTIONAL])
def test_quarantine_by_errors_stops_everything(category: Category) -> None:
    assert may_send(category, QUARANTINE, has_consent=True, transactional_despite_stop=True) is Exclusion.QUARANTINE


@pytest.mark.parametrize(
    ("category", "despite", "exclusion"),
    [
        (MARKETING, False, Exclusion.DENYLISTED),
        (MARKETING, True, Exclusion.DENYLISTED),
        (TRANSACTIONAL, False, Exclusion.DENYLISTED),
        (TRANSACTIONAL, True, Exclusion.NONE),
    ],
)
def test_stop_stops_everything_unless_the_connection_lets_transactional_through(
    category: Category, despite: bool, exclusion: Exclusion
) -> None:
    assert may_send(category, DENYLISTED, has_consent=True, transactional_despite_stop=despite) is exclusion


@pytest.mark.parametrize(
    ("category", "has_consent", "requires_opt_in", "exclusion"),
    [
        (MARKETING, None, False, Exclusion.NONE),
        (MARKETING, True, False, Exclusion.NONE),
        (MARKETING, False, False, Exclusion.OPTED_OUT),
        (MARKETING, None, True, Exclusion.NO_OPT_IN),
        (MARKETING, True, True, Exclusion.NONE),
        (MARKETING, False, True, Exclusion.OPTED_OUT),
        (TRANSACTIONAL, False, True, Exclusion.NONE),
        (TRANSACTIONAL, None, False, Exclusion.NONE),
    ],
)
def test_preference_concerns_marketing(
    category: Category, has_consent: bool | None, requires_opt_in: bool, exclusion: Exclusion
) -> None:
    for status in (VALID, WITH_ERRORS):
        found = may_send(category, status, has_consent=has_consent, requires_opt_in=requires_opt_in)
        assert found is exclusion


def test_reply_always_goes() -> None:
    for status, consent in product(QuarantineStatus, (None, True, False)):
        assert may_send(REPLY, status, has_consent=consent, requires_opt_in=True) is Exclusion.NONE


def test_message_that_may_go_has_no_reason() -> None:
    assert not may_send(MARKETING, VALID)
    assert may_send(MARKETING, DENYLISTED) == "denylisted"


@pytest.mark.parametrize(
    ("entries", "short_code", "status"),
    [
        ([], "36000", VALID),
        ([(DENYLISTED, "36001")], "36000", VALID),
        ([(DENYLISTED, "36001"), (WITH_ERRORS, "")], "36000", WITH_ERRORS),
        ([(DENYLISTED, "36000"), (VALID, "")], "36000", DENYLISTED),
        ([(DENYLISTED, ""), (QUARANTINE, "36000")], "36000", QUARANTINE),
        ([(DENYLISTED, "36000")], "", VALID),
    ],
)
def test_strictest_entry_of_the_short_code_counts(
    entries: list[tuple[QuarantineStatus, str]], short_code: str, status: QuarantineStatus
) -> None:
    assert strictest(entries, short_code) is status


@pytest.mark.parametrize(
    ("entries", "category", "short_code", "despite", "why"),
    [
        ([], MARKETING, "36000", False, Exclusion.NONE),
        ([("36001", "denylisted")], MARKETING, "36000", False, Exclusion.NONE),
        ([("36000", "denylisted")], MARKETING, "36000", False, Exclusion.DENYLISTED),
        ([("36001", "valid"), ("", "denylisted")], TRANSACTIONAL, "36000", False, Exclusion.DENYLISTED),
        ([("", "denylisted")], TRANSACTIONAL, "36000", True, Exclusion.NONE),
        ([("", "denylisted")], MARKETING, "36000", True, Exclusion.DENYLISTED),
        ([("", "denylisted"), ("36000", "quarantine")], TRANSACTIONAL, "36000", True, Exclusion.QUARANTINE),
        ([("", "quarantine")], REPLY, "36000", False, Exclusion.NONE),
        ([("", "with_errors")], MARKETING, "36000", False, Exclusion.NONE),
    ],
)
def test_entries_of_a_number_exclude_a_message(
    entries: list[tuple[str, str]], category: Category, short_code: str, despite: bool, why: Exclusion
) -> None:
    found = exclusion(entries, int(category), short_code, transactional_despite_stop=despite)
    assert found is why


def test_entries_may_be_those_of_a_dictionary() -> None:
    heard = {"36000": DENYLISTED}
    assert exclusion(heard.items(), MARKETING, "36000", transactional_despite_stop=False) is Exclusion.DENYLISTED
