import pytest

from chappe.messaging import ConfigError
from chappe.messaging.pattern import LONGEST_PATTERN, LONGEST_TEXT, Pattern, check


def test_pattern_captures_its_only_group() -> None:
    pattern = Pattern(r"id:(\d*)", groups=1)
    assert pattern.capture("x id:12 id:13") == "12"
    assert pattern.capture("id:") == ""
    assert pattern.capture("nothing") is None
    assert Pattern("a(b)?", groups=1).capture("a") == ""


def test_pattern_is_found_anywhere() -> None:
    assert Pattern("b+").matches("abbc")
    assert not Pattern("^b").matches("abbc")


def test_text_beyond_the_cap_is_not_looked_at() -> None:
    assert Pattern("b").matches("a" * (LONGEST_TEXT - 1) + "b")
    assert not Pattern("b").matches("a" * LONGEST_TEXT + "b")


def test_pattern_that_runs_too_long_finds_nothing() -> None:
    pattern = Pattern("(?:x+x+)+y|(z)", groups=1)
    assert pattern.capture("x" * LONGEST_TEXT) is None
    assert not pattern.matches("x" * LONGEST_TEXT)


@pytest.mark.parametrize(
    ("source", "groups", "message"),
    [
        ("(", None, "is not a regular expression"),
        ("a" * (LONGEST_PATTERN + 1), None, "at most 1000 characters"),
        ("a", 1, "needs exactly one capture group"),
        ("(a)", 2, "needs exactly 2 capture groups"),
        ("(?:x+x+)+y", None, "takes too long on some texts"),
    ],
)
def test_pattern_is_refused_with_the_reason(source: str, groups: int | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(source, groups=groups)


def test_any_number_of_groups_is_taken_where_none_is_asked_for() -> None:
    check("(a)(b)")
    check("a")
