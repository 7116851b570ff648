"""Patterns that cannot keep anybody busy: known by their form, and then run without a clock, several times faster.

The form: literals, classes and escapes, each with a quantifier at most, in a row, with one group around some of them; no
repeat within a repeat, no alternative, no look-around, no reference back. What such a pattern may try is the product of its
repeats and the text's length, and that product is bounded here.
"""

import re

LONGEST_TEXT = 512
MOST_STEPS = 1_000_000

_ATOM = r"(?:\\[bdwsDWS.:/()\[\]-]|\[\^?[^\[\]\\^&|~]+\]|[A-Za-z0-9 :_=@/,;#-])"
_QUANTIFIER = r"(?:\{[0-9]{1,3}(?:,[0-9]{1,3})?\}|[+*?])?"
_ROW = rf"(?:{_ATOM}{_QUANTIFIER})*"
_FORM = re.compile(rf"(?:\(\?i\))?\^?{_ROW}(?:\({_ROW}\))?{_ROW}\$?")
_REPEAT = re.compile(r"(?<!\\)(?:\{(?:[0-9]+,)?([0-9]+)\}|([+*]))")


def plain(source: str) -> "re.Pattern[str] | None":
    """The pattern for the standard library's engine; None for one whose form does not bound it."""
    if not source.isascii() or not _FORM.fullmatch(source):
        return None
    steps = LONGEST_TEXT
    for most, endless in _REPEAT.findall(source):
        steps *= LONGEST_TEXT if endless else max(1, min(int(most), LONGEST_TEXT))
    if steps > MOST_STEPS:
        return None
    try:
        return re.compile(source)
    except re.error:
        return None
