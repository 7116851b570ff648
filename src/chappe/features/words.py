"""Sentences that are made outside Django (by providers, rules, the engine), in the language of whoever reads them.

Where they are made, and where they are stored, they are English. The catalogue `words`, which `make messages` draws from
the source, holds each of them with its translation; one that has values in it is there with numbered holes, "must be from
{0} to {1}", and is recognised by what stands around them. Values stay as they are, unless they are sentences themselves.
"""

import gettext
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice, pairwise
from operator import itemgetter
from pathlib import Path

from django.utils.translation import get_language

DOMAIN = "words"
LOCALE = Path(__file__).parent / "locale"
LONGEST = 1_000
"""Characters of a text that is looked at; anything longer is no sentence of ours."""
DEEPEST = 5
"""Sentences in sentences: a finding that tells an error that tells a reason."""
EFFORT = 1_000
"""Templates that are tried on one text with all that is in it; a text that is made to fit many is left as it is."""
READINGS = 3
"""Of the templates that fit a text, the heaviest so many are told to the end."""
ENOUGH = 0.5
"""Of a text, what a reading has to recognise so that no other is looked for."""
TAILS = 8
"""Places in a value that are looked at for the beginning of a tail."""
KEPT = 4_096
MARKS = ("'{0}'", "; ", ": ", ", ", " and ", " or ")
"""What joins or surrounds sentences, in every catalogue."""
HOLE = re.compile(r"\{(\d+)\}|(?<!\{)\{([a-z_]+)\}(?!\})")
_WORD = re.compile(r"[^\W\d_]+")
# What stands in a hole behind one of these is somebody's own word, whatever it looks like
_OWN_WORD = re.compile(r"(^|[ (])(named|itself|id|wrote|sees:|name|address|operator|keyword of)\s$")
_COUNT = re.compile(r"\{\d\} [a-z]+")
_LABEL = re.compile(r"'([^'a-z][^']{0,100}|[^']{1,60} [^']{1,60})'( \([\w.]{1,60}\))?")
_FIELD = re.compile(r"[a-z_][\w.\[\]]{0,100}: ")
_NEXT_FIELD = re.compile(r"; (?=[a-z_][\w.\[\]]{0,100}: )")
_BEHIND = re.compile(r"([\w.,:\[\] -]{1,100}?): (.+)", re.DOTALL)
_NOTE = re.compile(r"(.+)( \([^()]{1,60}\))", re.DOTALL)
_TAIL = re.compile(r"[,;:]? ")

Told = tuple[int, str]
"""How much of a text was recognised, in characters, and what it is in the language."""


def localised(text: str) -> str:
    """The text in the language that is active; as it is where it is not known, or the language is the source's."""
    text = str(text)
    book = _book((get_language() or "en").partition("-")[0])
    return text if book is None or not text or len(text) > LONGEST else book.translated(text)


@dataclass(frozen=True)
class Template:
    """A sentence with holes: the text before, between and after them, and the translation cut up alike."""

    parts: tuple[str, ...]
    names: tuple[str, ...]
    told: tuple[str, ...]
    told_names: tuple[str, ...]
    own: frozenset[str] = frozenset()
    """Holes in which somebody's own words stand."""
    is_count: bool = False

    @property
    def weight(self) -> int:
        """How much of it has to be there."""
        return sum(map(len, self.parts))

    def values(self, text: str) -> dict[str, str] | None:
        """What stands in the holes; None where the text is another. Takes time in proportion to the text."""
        first, last = self.parts[0], self.parts[-1]
        end = len(text) - len(last)
        if end < len(first) or not (text.startswith(first) and text.endswith(last)):
            return None
        values: dict[str, str] = {}
        start = len(first)
        for name, part in zip(self.names[:-1], self.parts[1:-1], strict=True):
            found = text.find(part, start, end)
            if found < 0:
                return None
            values.setdefault(name, text[start:found])
            start = found + len(part)
        values.setdefault(self.names[-1], text[start:end])
        return values if not self.is_count or values[self.names[0]].isdecimal() else None


class PhraseBook:
    """The sentences of a catalogue."""

    def __init__(self, sentences: Mapping[str, str]) -> None:
        self.exact = dict(sentences)
        templates = [_template(text, french) for text, french in sentences.items() if HOLE.search(text)]
        self._by_word = _indexed(templates)
        self.translated = lru_cache(KEPT)(self._translated)

    def _translated(self, text: str) -> str:
        told = _Reading(self).told(text, 0)
        return text if told is None else told[1]

    def candidates(self, text: str) -> list[Template]:
        """The templates that may fit, the heaviest first."""
        words = ("", *set(_WORD.findall(text)))
        found = {template for word in words for template in self._by_word.get(word, ())}
        return sorted(found, key=lambda one: (-one.weight, one.parts))

    def mark(self, english: str) -> str:
        """What joins or surrounds things in the language."""
        return self.exact.get(english, english)


class _Reading:
    """Of one text. There may be several readings of it; the one that recognises most of it is told."""

    def __init__(self, book: PhraseBook) -> None:
        self._book = book
        self._effort = EFFORT

    def told(self, text: str, depth: int) -> Told | None:
        """None where it is not known, not even in part."""
        plain = self._sentence(text, depth)
        if plain is not None and plain[0] > len(text) * ENOUGH:
            return plain
        readings = [plain, *self._as_it_may_stand(text, depth), *self._in_parts(text, depth)]
        return max((reading for reading in readings if reading is not None), key=itemgetter(0), default=None)

    def _as_it_may_stand(self, text: str, depth: int) -> Iterator[Told | None]:
        """Without the stop, and the capital, that make a sentence of it; or with the stop that it lost in another."""
        lower = text[:1].lower() + text[1:]
        has_stop, has_capital = text.endswith("."), lower != text
        if has_stop:
            yield _changed(self._sentence(text[:-1], depth), stop=".")
        else:
            yield _changed(self._sentence(f"{text}.", depth), cut=".")
        if has_capital:
            yield _changed(self._sentence(lower, depth), is_capital=True)
        if has_capital and has_stop:
            yield _changed(self._sentence(lower[:-1], depth), stop=".", is_capital=True)

    def _sentence(self, text: str, depth: int) -> Told | None:
        exact = self._book.exact.get(text)
        if exact is not None or depth >= DEEPEST:
            return None if exact is None else (len(text), exact)
        fitting = islice(self._fitting(text), READINGS)
        return max((self._filled(one, values, depth) for one, values in fitting), key=itemgetter(0), default=None)

    def _fitting(self, text: str) -> Iterator[tuple[Template, dict[str, str]]]:
        for template in self._book.candidates(text):
            if not self._effort:
                return
            self._effort -= 1
            values = template.values(text)
            if values is not None:
                yield template, values

    def _filled(self, template: Template, values: Mapping[str, str], depth: int) -> Told:
        score, told = template.weight, [template.told[0]]
        known = {name: self._value(text, depth + 1) for name, text in values.items() if name not in template.own}
        for name, part in zip(template.told_names, template.told[1:], strict=True):
            value = known.get(name)
            told += [value[1] if value else values[name], part]
        return score + sum(value[0] for value in known.values() if value), "".join(told)

    def _value(self, text: str, depth: int) -> Told | None:
        """A value may be somebody's name; a sentence, a small word of ours or a label in quotation marks is not."""
        label = _LABEL.fullmatch(text)
        if label:
            name = self._book.exact.get(label[1])
            return (len(text), self._book.mark("'{0}'").replace("{0}", name) + (label[2] or "")) if name else None
        if " " in text.strip() or text[:1].islower():
            return self.told(text, depth) or self._with_tail(text, depth)
        return None

    def _with_tail(self, text: str, depth: int) -> Told | None:
        """Something of its own with more of ours behind it: `503; try again later`."""
        for start in islice(_TAIL.finditer(text, 1), TAILS):
            told = self._sentence(text[start.start() :], depth)
            if told is not None:
                return self._joined([text[: start.start()], ""], [self.told(text[: start.start()], depth), told], "")
        return None

    def _in_parts(self, text: str, depth: int) -> Iterator[Told | None]:
        """Several in a row; one behind a word (a field, what became of a call) or before a note in brackets; a list."""
        if depth >= DEEPEST:
            return
        parts = _NEXT_FIELD.split(text) if _FIELD.match(text) else text.split("; ")
        if len(parts) > 1:
            yield self._joined(parts, [self.told(part, depth + 1) for part in parts], self._book.mark("; "))
        behind = _BEHIND.fullmatch(text)
        if behind:
            told = [self._value(behind[1], depth + 1), self.told(behind[2], depth + 1)]
            yield self._joined([behind[1], behind[2]], told, self._book.mark(": "))
        note = _NOTE.fullmatch(text)
        if note:
            yield _changed(self.told(note[1], depth + 1), stop=note[2])
        yield self._list(text)

    def _joined(self, parts: Sequence[str], told: Sequence[Told | None], joint: str) -> Told | None:
        """None where no part of it is known."""
        if not any(told):
            return None
        texts = [one[1] if one else part for one, part in zip(told, parts, strict=True)]
        return sum(one[0] for one in told if one), joint.join(texts)

    def _list(self, text: str) -> Told | None:
        """Short things joined, all of which are known."""
        parts = re.split(r"(, | and | or )", text)
        told = [self._sentence(part, DEEPEST - 1) for part in parts[::2]]
        known = [one for one in told if one is not None]
        if len(known) < max(2, len(told)):
            return None
        joints = [*map(self._book.mark, parts[1::2]), ""]
        return len(text), "".join(one[1] + joint for one, joint in zip(known, joints, strict=True))


def _changed(told: Told | None, *, stop: str = "", cut: str = "", is_capital: bool = False) -> Told | None:
    if told is None:
        return None
    score, text = told
    text = text[:1].upper() + text[1:] if is_capital else text
    return score, text.removesuffix(cut) + stop


def _template(text: str, french: str) -> Template:
    parts, names = _cut(text)
    told, told_names = _cut(french)
    # A hole with a name is filled by format(), with a setting's value
    own = frozenset(
        name for part, name in zip(parts, names, strict=False) if not name.isdecimal() or _OWN_WORD.search(part)
    )
    return Template(parts, names, told, told_names, own, _COUNT.fullmatch(text) is not None)


def _cut(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The text around the holes, and their names."""
    holes = list(HOLE.finditer(text))
    edges = [0, *(edge for hole in holes for edge in hole.span()), len(text)]
    spans = list(pairwise(edges))[::2]
    return tuple(text[start:end] for start, end in spans), tuple(hole[1] or hole[2] for hole in holes)


def _indexed(templates: Sequence[Template]) -> dict[str, list[Template]]:
    """Each under the word of it that the fewest others have, so that a text is held against few; under "" without any."""
    words = {template: _whole_words(template) for template in templates}
    shared: dict[str, int] = {}
    for word in (word for own in words.values() for word in own):
        shared[word] = shared.get(word, 0) + 1
    index: dict[str, list[Template]] = {}
    for template, own in words.items():
        index.setdefault(min(own, key=lambda word: (shared[word], word), default=""), []).append(template)
    return index


def _whole_words(template: Template) -> set[str]:
    """Those that do not touch a hole, where a value may go on with them."""
    words: set[str] = set()
    last = len(template.parts) - 1
    for place, part in enumerate(template.parts):
        for word in _WORD.finditer(part):
            touches = (word.start() == 0 and place > 0) or (word.end() == len(part) and place < last)
            if not touches:
                words.add(word[0])
    return words


@cache
def _book(language: str) -> PhraseBook | None:
    try:
        translations = gettext.translation(DOMAIN, LOCALE, [language])
    except OSError:
        return None
    # gettext has no way to list what a catalogue holds
    catalogue: Mapping[object, object] = vars(translations)["_catalog"]
    pairs = catalogue.items()
    return PhraseBook({key: told for key, told in pairs if key and isinstance(key, str) and isinstance(told, str)})
