"""Patterns that cannot keep anybody busy: known by their form, and then run without a clock, several times faster.

The form: literals, classes and escapes, each with a quantifier at most, in a row, with one group around some of them; no
repeat within a repeat, no alternative, no look-around, no reference back. What such a pattern may try is the product of its
repeats and the text's length, and that product is bounded here.
"""

import re
from dataclasses import dataclass

LONGEST_TEXT = 512
MOST_STEPS = 1_000_000

_ATOM = r"(?:\\[bdwsDWS.:/()\[\]-]|\[\^?[^\[\]\\^&|~]+\]|[A-Za-z0-9 :_=@/,;#.-])"
_QUANTIFIER = r"(?:\{[0-9]{1,3}(?:,[0-9]{1,3})?\}|[+*?])?"
_ROW = rf"(?:{_ATOM}{_QUANTIFIER})*"
_FORM = re.compile(rf"(?:\(\?i\))?\^?{_ROW}(?:\({_ROW}\))?{_ROW}\$?")
_REPEAT = re.compile(r"(?<!\\)(?:\{(?:[0-9]+,)?([0-9]+)\}|([+*]))")


_LITERAL = re.compile(r"(?P<flag>\(\?i\))?(?:\\b)?(?P<literal>[A-Za-z0-9:=]{2,})(?![{+*?])")


@dataclass(frozen=True)
class PlainPattern:
    """`literal`: what every match begins with, in lower case; finding it first is quicker than trying every place."""

    compiled: "re.Pattern[str]"
    literal: str
    ignores_case: bool

    def search(self, text: str) -> "re.Match[str] | None":
        """As `re.search`."""
        if not self.literal:
            return self.compiled.search(text)
        literal, match = self.literal, self.compiled.match
        seen = text.lower() if self.ignores_case else text
        at = seen.find(literal)
        while at >= 0:
            found = match(text, at)
            if found is not None:
                return found
            at = seen.find(literal, at + 1)
        return None


def plain(source: str) -> PlainPattern | None:
    """The pattern for the standard library's engine; None for one whose form does not bound it. For ASCII texts."""
    if not source.isascii() or not _FORM.fullmatch(source):
        return None
    steps = LONGEST_TEXT
    for most, endless in _REPEAT.findall(source):
        steps *= LONGEST_TEXT if endless else max(1, min(int(most), LONGEST_TEXT))
    if steps > MOST_STEPS:
        return None
    try:
        compiled = re.compile(source)
    except re.error:
        return None
    head = _LITERAL.match(source)
    if head is None:
        return PlainPattern(compiled, "", ignores_case=False)
    ignores_case = head["flag"] is not None
    literal = head["literal"].lower() if ignores_case else head["literal"]
    return PlainPattern(compiled, literal, ignores_case)
