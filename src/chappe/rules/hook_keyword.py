"""Keywords of texts that come by a hook: what a person's words ask for, by categories.

A keyword is found where it is the whole message or its first word, however it is written: case, accents and punctuation do
not count. It is never found as the beginning of a longer word. What is nearly a word to leave by changes nothing and gets an
answer of its own, which says the exact word.
"""

import re
import unicodedata
from enum import StrEnum

import msgspec

_WORDS = re.compile(r"[^\W_]+")
SHORTEST_NEAR_MISS = 4
"""Shorter words are a letter away from too many others."""
LONGEST_LOOKED_AT = 400


class KeywordCategory(StrEnum):
    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    DOUBLE_OPT_IN = "double_opt_in"
    HELP = "help"
    CUSTOM = "custom"
    DEFAULT = "default"


class KeywordRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """Keywords of a category, and what is answered; an empty reply answers nothing. DEFAULT has no keywords."""

    category: KeywordCategory
    keywords: tuple[str, ...] = ()
    reply: str = ""


class KeywordRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """All rules of one hook. `near_miss_reply` may hold {word}, which becomes the exact word."""

    rules: tuple[KeywordRule, ...] = ()
    near_miss_reply: str = ""

    def with_defaults(self) -> "KeywordRules":
        """The rules with the standard words for the three categories of consent, unless one word for any of them is set."""
        if any(rule.keywords for rule in self.rules if rule.category in _DEFAULTS):
            return self
        replies = {rule.category: rule.reply for rule in self.rules}
        standard = tuple(
            KeywordRule(category, words, replies.get(category, "")) for category, words in _DEFAULTS.items()
        )
        others = tuple(rule for rule in self.rules if rule.category not in _DEFAULTS)
        return msgspec.structs.replace(self, rules=(*standard, *others))


_DEFAULTS = {
    KeywordCategory.OPT_OUT: ("STOP", "QUIT", "CANCEL", "END", "UNSUBSCRIBE", "NO"),
    KeywordCategory.OPT_IN: ("SUBSCRIBE", "YES", "UNSTOP", "START", "CONTINUE", "RESUME", "BEGIN"),
    KeywordCategory.HELP: ("HELP",),
}
STANDARD = KeywordRules().with_defaults()


class KeywordDecision(msgspec.Struct, frozen=True):
    """What is to be done about a text. `is_near_miss`: `keyword` was nearly written, and nothing but the reply follows."""

    category: KeywordCategory
    keyword: str
    reply: str
    is_near_miss: bool = False


def decide(rules: KeywordRules, text: str) -> KeywordDecision | None:
    """The first rule that the text meets; a near miss of an opt-out after all of them; then the default; else None.

    A word to leave by goes before every other category, whatever the order of the rules.
    """
    whole, first = _said(text)
    for rule in sorted(rules.rules, key=lambda rule: rule.category is not KeywordCategory.OPT_OUT):
        for keyword in rule.keywords:
            folded = fold(keyword)
            if folded and folded in (whole, first):
                return KeywordDecision(rule.category, keyword, rule.reply)
    near = _near_miss(rules, (whole, first))
    if near:
        reply = rules.near_miss_reply.replace("{word}", near)
        return KeywordDecision(KeywordCategory.OPT_OUT, near, reply, is_near_miss=True)
    default = next((rule for rule in rules.rules if rule.category is KeywordCategory.DEFAULT), None)
    return KeywordDecision(KeywordCategory.DEFAULT, "", default.reply) if default is not None else None


def fold(text: str) -> str:
    """Words of letters and digits, without accents, in one case, with one space between them."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(_WORDS.findall(plain.casefold()))


def _said(text: str) -> tuple[str, str]:
    whole = fold(text[:LONGEST_LOOKED_AT])
    return whole, whole.partition(" ")[0]


def _near_miss(rules: KeywordRules, said: tuple[str, str]) -> str:
    """The word to leave by that was nearly written; "" for none."""
    for rule in rules.rules:
        if rule.category is not KeywordCategory.OPT_OUT:
            continue
        for keyword in rule.keywords:
            folded = fold(keyword)
            if len(folded) >= SHORTEST_NEAR_MISS and any(_is_near(folded, word) for word in said):
                return keyword
    return ""


def _is_near(keyword: str, word: str) -> bool:
    """Whether one letter too many, too few or another, or two that changed places, lie between them."""
    if not word or abs(len(keyword) - len(word)) > 1:
        return False
    pairs = enumerate(zip(keyword, word, strict=False))
    start = next((place for place, (a, b) in pairs if a != b), min(len(keyword), len(word)))
    rest, other = keyword[start:], word[start:]
    swapped = rest[1::-1] + rest[2:]
    return rest[1:] == other or rest == other[1:] or rest[1:] == other[1:] or swapped == other
