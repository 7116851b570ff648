"""A regular expression typed by an operator: checked when it is saved, bounded in time and length when it runs."""

from collections.abc import Iterator
from itertools import pairwise

import regex

from chappe.messaging.error import ConfigError, FieldError
from chappe.messaging.plain_pattern import LONGEST_TEXT as PLAIN_TEXT
from chappe.messaging.plain_pattern import plain

TIME_LIMIT_S = 0.05
LONGEST_TEXT = 4096  # characters looked at; a receipt of the standard has some 120
LONGEST_PATTERN = 1000

_PROBE_LIMIT_S = 0.05
_SECOND_LIMIT_S = 0.1  # a busy machine may have been why the first try took long
_PROBE_FRAGMENTS = ("a", "0", " ", "aA0", "ab", "id:", "stat:", "-", ".", "é")
_PROBE_SIZES = (32, 512)
_NEVER_MATCHES = "\u2400"  # the symbol for NUL: ends a probe so that a pattern must back out of what it has taken


class Pattern:
    """A compiled pattern with an answer for every text: what it captures, "" for a group without text, or None."""

    __slots__ = ("_compiled", "_plain", "source")

    def __init__(self, source: str, *, groups: int | None = None) -> None:
        """Raises `ConfigError` where the syntax, or the number of groups, is not what is wanted."""
        self.source = source
        self._compiled = _compile(source)
        self._plain = plain(source)
        if groups is not None and self._compiled.groups != groups:
            wanted = "exactly one capture group" if groups == 1 else f"exactly {groups} capture groups"
            raise _error(f"needs {wanted} (a part in parentheses), and has {self._compiled.groups}")

    def matches(self, text: str) -> bool:
        """Whether the pattern is found anywhere in `text`; False too when it takes longer than the limit."""
        try:
            return self._compiled.search(text[:LONGEST_TEXT], timeout=TIME_LIMIT_S) is not None
        except TimeoutError:
            return False

    def capture(self, text: str) -> str | None:
        """What the only group holds at the first place where the pattern is found; None when nowhere, or too slow."""
        if self._plain is not None and len(text) <= PLAIN_TEXT and text.isascii():
            found = self._plain.search(text)
            return None if found is None else found[1] or ""
        try:
            match = self._compiled.search(text[:LONGEST_TEXT], timeout=TIME_LIMIT_S)
        except TimeoutError:
            return None
        return None if match is None else match[1] or ""

    def __repr__(self) -> str:
        return f"Pattern({self.source!r})"


def check(source: str, *, groups: int | None = None) -> None:
    """Raises `ConfigError` for what `Pattern` refuses, and for patterns that some text can keep busy for long.

    No finite set of texts finds every such pattern, so the time limit stays on when patterns run.
    """
    compiled = Pattern(source, groups=groups)._compiled
    for text in _probes(source):
        if not _is_quick(compiled, text, _PROBE_LIMIT_S) and not _is_quick(compiled, text, _SECOND_LIMIT_S):
            raise _error("takes too long on some texts: avoid a repeat inside a repeat, such as (a+)+")


def _is_quick(compiled: "regex.Pattern[str]", text: str, limit_s: float) -> bool:
    try:
        compiled.search(text, timeout=limit_s)
    except TimeoutError:
        return False
    return True


def _probes(source: str) -> Iterator[str]:
    """Long runs of what patterns repeat, ended so that they fail: usual text, and the pattern's own characters."""
    own = dict.fromkeys(c for c in source if c.isalnum() or c in " :-_.@/#,;=")
    pairs = (left + right for left, right in pairwise(own))
    for fragment in (*_PROBE_FRAGMENTS, *list(own)[:20], *list(pairs)[:20]):
        for size in _PROBE_SIZES:
            yield fragment * size + _NEVER_MATCHES
    literal = "".join(own)
    for fragment in _PROBE_FRAGMENTS:
        yield f"id:{literal}{fragment * 64}{_NEVER_MATCHES}"


def _compile(source: str) -> "regex.Pattern[str]":
    if len(source) > LONGEST_PATTERN:
        raise _error(f"at most {LONGEST_PATTERN} characters")
    try:
        return regex.compile(source)
    except regex.error as error:
        raise _error(f"is not a regular expression: {error}") from None
    except (OverflowError, RecursionError, MemoryError):
        raise _error("is too complex a regular expression") from None


def _error(message: str) -> ConfigError:
    return ConfigError([FieldError("pattern", message)])
