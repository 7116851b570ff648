"""Numbers and spans as people read them."""

import pytest
from django.utils import translation

from chappe.web.console.templatetags.console import count, masked, percent, span


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (1, 3, "33.3%"),
        (2, 3, "66.7%"),
        (0, 9, "0%"),
        (9, 9, "100%"),
        (1, 100_000, "0.1%"),
        (99_999, 100_000, "99.9%"),
        (0, 0, "—"),
    ],
)
def test_a_share_is_rounded_and_nothing_is_not_something(part: int, whole: int, shown: str) -> None:
    assert percent(part, whole) == shown


@pytest.mark.parametrize(("value", "shown"), [(1234567, "1,234,567"), (2.96, "3.0"), (0.04, "0.0"), (None, "—")])
def test_a_number_is_grouped_and_rounded(value: float | None, shown: str) -> None:
    assert count(value) == shown


def test_numbers_are_written_as_the_reader_s_language_has_them() -> None:
    with translation.override("fr"):
        assert percent(1, 3).replace("\u202f", " ").replace("\xa0", " ") == "33,3 %"
        assert count(1234567).replace("\u202f", " ").replace("\xa0", " ") == "1 234 567"


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (12, "12 ms"),
        (2_960, "3.0 s"),
        (59_000, "59 s"),
        (61_000, "1 min 1 s"),
        (3_600_000, "1 h"),
        (90_061_000, "1 d 1 h"),
    ],
)
def test_a_span_is_in_its_two_largest_units(ms: int, shown: str) -> None:
    assert span(ms) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [("+33612345678", "+33••••••678"), ("36111", "•••••"), ("marie@example.org", "m•••@example.org")],
)
def test_a_masked_number_can_be_recognised_and_not_called(value: str, shown: str) -> None:
    assert masked(value) == shown
