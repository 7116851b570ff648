"""What an encoding lacks said with what it has: "ê" as "e", curly quotes as straight ones, "œ" as "oe".

Tried in this order for each character that the encoding lacks: the words below, its Unicode decomposition (NFKD, a step
at a time, so "ǘ" becomes the "ü" that GSM has and not "u"), and last the caller's `fallback`. Marks that
a letter is left without are dropped.
"""

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

from chappe.gsm.encoding import LACKING, Encoding, can_encode


def _each(characters: str, word: str) -> dict[str, str]:
    return dict.fromkeys(characters, word)


_WORDS: dict[str, str] = {
    # quotes and primes
    **_each("‘’‚‛′‵ʹʻʼʽˈ`´", "'"),
    **_each("“”„‟″‶«»", '"'),
    **_each("‹", "<"),
    **_each("›", ">"),
    # hyphens and dashes
    **_each("‐‑‒–—―−⁃", "-"),
    # points
    **_each("•‣∙●▪◦", "*"),
    **_each("·", "."),
    "…": "...",
    "‽": "?!",
    # spaces and line ends; the wider ones decompose
    **_each("\t\u1680", " "),
    **_each("\x0b\x85\u2028\u2029", "\n"),
    # what shows nothing: soft hyphen, joiners, directions, variation selectors
    **_each("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff", ""),
    **_each("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", ""),
    **_each("".join(map(chr, range(0xFE00, 0xFE10))), ""),
    # Latin letters that do not decompose
    "œ": "oe",
    "Œ": "OE",
    "ẞ": "SS",
    "þ": "th",
    "Þ": "Th",
    **dict(zip("łŁđĐðÐħĦıĸŀĿŋŊŧŦəƏƒ", "lLdDdDhHiklLnNtTeEf", strict=True)),
    # signs
    "€": "EUR",
    "©": "(c)",
    "®": "(r)",
    "±": "+/-",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "→": "->",
    "←": "<-",
    "⇒": "=>",
    **dict(zip("°µ¢×÷¦⁄∕ˆ˜≈", "oucx/|//^~~", strict=True)),
}

# 23.038 has only the Greek capitals that do not look like a Latin one: a text in capitals is meant to borrow the rest.
_GREEK_CAPITALS = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧΆΈΉΊΌΎΏΪΫ", "ABEZHIKMNOPTYXAEHIOYΩIY", strict=True))
_GREEK_SMALL = re.compile("[ΐά-ώ]")

# U+0334 to U+0338 strike through what they stand on: without them "≮" would say its opposite.
_DROPPABLE = frozenset(map(chr, range(0x0300, 0x0370))) - frozenset(map(chr, range(0x0334, 0x0339)))

_MARKS = re.compile("[\u0300-\u036f]")
_LETTER_AND_MARKS = "[^\u0300-\u036f][\u0300-\u036f]+"


def transliterate(text: str, encoding: Encoding, fallback: Callable[[str], str] | None = None) -> str:
    """`text` with each character that `encoding` lacks put into characters it has, where there is a word for it.

    A character without such a word stays as it is, so the result may still be unencodable; never is a character put
    in that is. A letter and the marks written after it count as one. UCS-2 lacks nothing, so nothing changes.

    `fallback` gives the word, in any characters, for one character; "" means it has none. It is asked last
    (`anyascii.anyascii` serves well).
    """
    if encoding is Encoding.UCS2 or can_encode(text, encoding):
        return text
    own_word = _OWN_WORDS[encoding]

    def said(found: re.Match[str]) -> str:
        letter = found[0]
        word = own_word(letter)
        if word is None and encoding is Encoding.GSM and not _GREEK_SMALL.search(text):
            word = _GREEK_CAPITALS.get(unicodedata.normalize("NFC", letter))
        if word is None and fallback is not None:
            word = _with_fallback(letter, own_word, fallback)
        return letter if word is None else word

    # Marks written after their letter are rare, and looking for them at each character is not cheap.
    return (_WITH_MARKS if _MARKS.search(text) else LACKING)[encoding].sub(said, text)


def _with_fallback(letter: str, own_word: Callable[[str], str | None], fallback: Callable[[str], str]) -> str | None:
    words: list[str] = []
    for character in unicodedata.normalize("NFC", letter):
        word = own_word(character)
        if word is None:
            word = own_word(fallback(character)) or None
        if word is None:
            return None
        words.append(word)
    return "".join(words)


def _word(character: str, encoding: Encoding) -> str | None:
    """One character without the caller's help: itself when the encoding has it, None when there is no word for it."""
    if can_encode(character, encoding):
        return character
    if character in _DROPPABLE:
        return ""
    if (word := _WORDS.get(character)) is not None and can_encode(word, encoding):
        return word
    # "<compat> 0066 0069" for "ﬁ", "0065 0302" for "ê"
    parts = [part for part in unicodedata.decomposition(character).split() if not part.startswith("<")]
    return _joined("".join(chr(int(part, 16)) for part in parts), encoding) or None


def _joined(text: str, encoding: Encoding) -> str | None:
    """The words for all characters of `text`, joined; None when one has none."""
    words: list[str] = []
    for character in text:
        word = _word(character, encoding)
        if word is None:
            return None
        words.append(word)
    return "".join(words)


def _remembering(encoding: Encoding) -> Callable[[str], str | None]:
    """The words for a letter with its marks, without the caller's help. A text has few such letters, many times."""

    @lru_cache(maxsize=4096)
    def own_word(letter: str) -> str | None:
        return _joined(unicodedata.normalize("NFC", letter), encoding)

    return own_word


# One for each encoding: hashing an `Encoding` at every letter would cost more than all the rest.
_OWN_WORDS = {encoding: _remembering(encoding) for encoding in Encoding}
_WITH_MARKS = {encoding: re.compile(f"{_LETTER_AND_MARKS}|{LACKING[encoding].pattern}") for encoding in Encoding}
