"""Patterns run without a clock say what the bounded engine says, and only patterns that cannot run long are among them."""

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from chappe.messaging.pattern import Pattern
from chappe.messaging.plain_pattern import plain

PLAIN = [
    r"(?i)\bid:([0-9a-z]{1,10})",
    r"(?i)\bid:([0-9]{1,20})\b",
    r"(?i)\bstat:(\S{5,15})",
    r"(?i)\berr:([0-9A-Fa-f]{3})",
    r"\b0x001E:([0-9a-f]{8}-[0-9a-f]{4})\b",
    r"^id:([^ ]+)",
    r"id:?([0-9a-f]{2,8})",
    r"(?i)aaab?([0-9]{1,3})",
    r"(?i)\berr:(.{3})",
    r"message-id=([0-9A-Fa-f]{1,32})",
]
NOT_PLAIN = [
    r"(a+)+$",
    r"(a|aa)+$",
    r"(?=a)id:(\d+)",
    r"(\w+)\1",
    r"(?:\w+\s*)+(x)",
    r"(\w+)\w+\w+$",
    r"(é+)",
    r"(.*)(.*)",
]


@pytest.mark.parametrize("source", PLAIN)
def test_usual_patterns_are_known_to_be_quick(source: str) -> None:
    assert plain(source) is not None


@pytest.mark.parametrize("source", NOT_PLAIN)
def test_a_pattern_that_may_run_long_keeps_its_clock(source: str) -> None:
    assert plain(source) is None


RECEIPT = st.lists(
    st.sampled_from(
        [
            "id:",
            "ID:",
            "aaab",
            "AAA",
            "id::",
            "stat:",
            "err:",
            "0x001E:",
            "message-id=",
            "DELIVRD",
            "00af",
            "1234567890",
            " ",
            "-",
            "z",
            "é",
        ]
    )
).map("".join)


@given(st.sampled_from(PLAIN), st.one_of(RECEIPT, st.text(max_size=60)))
def test_both_engines_capture_the_same(source: str, text: str) -> None:
    match = regex.search(source, text)
    expected = None if match is None else match[1] or ""
    assert Pattern(source, groups=1).capture(text) == expected
