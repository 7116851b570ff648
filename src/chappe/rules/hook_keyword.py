"""Keywords of texts that come by a hook: what a person's words ask for, by categories.

A keyword is found where it is the whole message or what it begins with, word by word, however it is written: case, accents,
punctuation and invisible characters do not count. It is never found as the beginning of a longer word. What is nearly a word
to leave by changes nothing and gets an answer of its own, which says the exact word.
"""

import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

import msgspec

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
        """The rules with the standard words for the three categories of consent, unless one word for any of them is set.

        A standard word that another category uses (START for a double opt-in) is left to it, unless it is one to leave by.
        """
        if any(_has_words(rule) for rule in self.rules if rule.category in _DEFAULTS):
            return self
        replies = {rule.category: rule.reply for rule in self.rules}
        others = tuple(rule for rule in self.rules if rule.category not in _DEFAULTS)
        taken = {fold(keyword) for rule in others for keyword in rule.keywords}
        standard = tuple(
            KeywordRule(category, _left(category, words, taken), replies.get(category, ""))
            for category, words in _DEFAULTS.items()
        )
        return msgspec.structs.replace(self, rules=(*standard, *others))


def _has_words(rule: KeywordRule) -> bool:
    return any(fold(keyword) for keyword in rule.keywords)


def _left(category: KeywordCategory, words: tuple[str, ...], taken: set[str]) -> tuple[str, ...]:
    if category is KeywordCategory.OPT_OUT:
        return words
    return tuple(word for word in words if fold(word) not in taken)


_DEFAULTS = {
    KeywordCategory.OPT_OUT: ("STOP", "QUIT", "CANCEL", "END", "UNSUBSCRIBE", "NO"),
    KeywordCategory.OPT_IN: ("SUBSCRIBE", "YES", "UNSTOP", "START", "CONTINUE", "RESUME", "BEGIN"),
    KeywordCategory.HELP: ("HELP",),
}


class KeywordDecision(msgspec.Struct, frozen=True):
    """What is to be done about a text. `is_near_miss`: `keyword` was nearly written, and nothing but the reply follows."""

    category: KeywordCategory
    keyword: str
    reply: str
    is_near_miss: bool = False


def decide(rules: KeywordRules, text: str) -> KeywordDecision | None:
    """What the text asks for; a near miss of an opt-out where it is nothing else; then the default; else None.

    A word to leave by goes before every other category, whatever the order of the rules. Among the others a keyword that is
    the whole message goes before one that it begins with, and then the first rule before the next.
    """
    said = fold(text.strip()[:LONGEST_LOOKED_AT])
    opt_outs = [rule for rule in rules.rules if rule.category is KeywordCategory.OPT_OUT]
    found = _found(opt_outs, said) or _found([rule for rule in rules.rules if rule not in opt_outs], said)
    if found is not None:
        return found
    default = next((rule for rule in rules.rules if rule.category is KeywordCategory.DEFAULT), None)
    near = _near_miss(opt_outs, (said, said.partition(" ")[0]))
    if near:
        # Without an answer of its own it gets the one that any other text gets: nobody writes CANCIL and hears nothing.
        reply = rules.near_miss_reply.replace("{word}", near) or (default.reply if default else "")
        return KeywordDecision(KeywordCategory.OPT_OUT, near, reply, is_near_miss=True)
    return KeywordDecision(KeywordCategory.DEFAULT, "", default.reply) if default is not None else None


def fold(text: str) -> str:
    """Words of letters, their signs and digits, without accents, in one case, with one space between them."""
    plain = unicodedata.normalize("NFKD", text.casefold()).casefold()
    return " ".join("".join(_folded(character) for character in plain).split())


_fold_once = lru_cache(maxsize=4096)(fold)
"""For keywords, which are the same with every text."""


def _folded(character: str) -> str:
    if character.isalnum():
        return character
    kind = unicodedata.category(character)
    # Vowel signs of Indic scripts belong to the word; what has a combining class is an accent; what has no width says nothing.
    is_part = kind[0] == "M" and not unicodedata.combining(character)
    return character if is_part else "" if kind[0] == "M" or kind == "Cf" else " "


def _found(rules: Sequence[KeywordRule], said: str) -> KeywordDecision | None:
    folded = [(rule, keyword, _fold_once(keyword)) for rule in rules for keyword in rule.keywords]
    for rule, keyword, word in folded:
        if word and said == word:
            return KeywordDecision(rule.category, keyword, rule.reply)
    for rule, keyword, word in folded:
        if word and said.startswith(f"{word} "):
            return KeywordDecision(rule.category, keyword, rule.reply)
    return None


def _near_miss(opt_outs: Sequence[KeywordRule], said: tuple[str, str]) -> str:
    """The word to leave by that was nearly written; "" for none."""
    for keyword in (keyword for rule in opt_outs for keyword in rule.keywords):
        folded = _fold_once(keyword)
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


STANDARD = KeywordRules().with_defaults()


def rules_for(hooks: Sequence[tuple[str, KeywordRules]], recipient: str) -> KeywordRules:
    """Those for texts to a number of ours, of a connection's inbound hooks as (number, rules) in order: of the first hook for
    that number, else of the first for all (""), else the standard ones."""
    for wanted in (recipient, ""):
        for number, rules in hooks:
            if number == wanted:
                return rules
    return STANDARD
