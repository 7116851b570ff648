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
from pathlib import Path

from django.utils.translation import get_language

DOMAIN = "words"
LOCALE = Path(__file__).parent / "locale"
LONGEST = 2_000
"""Characters of a text that is looked at; anything longer is no sentence of ours."""
DEEPEST = 4
"""Sentences in sentences: a finding that tells an error that tells a reason."""
KEPT = 4_096
HOLE = re.compile(r"\{(\d+)\}|(?<!\{)\{([a-z_]+)\}(?!\})")
TAILS = 8
"""Places in a value that are looked at for the beginning of a tail."""
_TAIL = re.compile(r"[,;:]? ")
_WORD = re.compile(r"[^\W\d_]+")
_LABEL = re.compile(r"'([^']{1,100})'( \([\w.]{1,60}\))?")
_AT_FIELD = re.compile(r"([\w.\[\]]{1,100}): (.+)", re.DOTALL)


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

    @property
    def weight(self) -> int:
        """How much of it has to be there: of two that fit, the heavier one is meant."""
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
        return values


MARKS = ("'{0}'", "; ", ": ", ", ", " and ", " or ")
"""What joins or surrounds sentences, in every catalogue."""


class PhraseBook:
    """The sentences of a catalogue."""

    def __init__(self, sentences: Mapping[str, str]) -> None:
        self._exact = dict(sentences)
        templates = [_template(text, french) for text, french in sentences.items() if HOLE.search(text)]
        self._by_word = _indexed(templates)
        self.translated = lru_cache(KEPT)(self._translated)

    def _translated(self, text: str) -> str:
        return self._told(text, 0) or text

    def _told(self, text: str, depth: int) -> str | None:
        """None where it is not known, not even in part."""
        found = next((told for told in self._as_it_may_stand(text, depth) if told is not None), None)
        return found if found is not None or depth >= DEEPEST else self._in_parts(text, depth)

    def _as_it_may_stand(self, text: str, depth: int) -> Iterator[str | None]:
        """As it is; without the stop, and the capital, that make a sentence of it."""
        yield self._sentence(text, depth)
        is_stopped, lower = text.endswith("."), text[:1].lower() + text[1:]
        if is_stopped:
            yield _with_stop(self._sentence(text[:-1], depth))
        else:
            yield _without_stop(self._sentence(f"{text}.", depth))
        if lower != text:
            yield _with_capital(self._sentence(lower, depth))
        if lower != text and is_stopped:
            yield _with_stop(_with_capital(self._sentence(lower[:-1], depth)))

    def _sentence(self, text: str, depth: int) -> str | None:
        exact = self._exact.get(text)
        if exact is not None or depth >= DEEPEST:
            return exact
        words = set(_WORD.findall(text))
        candidates = {template for word in ("", *words) for template in self._by_word.get(word, ())}
        for template in sorted(candidates, key=lambda one: (-one.weight, one.parts)):
            values = template.values(text)
            if values is not None:
                return self._filled(template, values, depth)
        return None

    def _filled(self, template: Template, values: Mapping[str, str], depth: int) -> str:
        told = [template.told[0]]
        for name, part in zip(template.told_names, template.told[1:], strict=True):
            told += [self._value(values[name], depth + 1), part]
        return "".join(told)

    def _value(self, text: str, depth: int) -> str:
        """A value stays, for it may be somebody's name; a sentence, a small word of ours or a label does not."""
        label = _LABEL.fullmatch(text)
        if label:
            name = self._exact.get(label[1])
            return self._mark("'{0}'").replace("{0}", name) + (label[2] or "") if name else text
        if " " in text.strip() or text[:1].islower():
            return self._told(text, depth) or self._with_tail(text, depth) or text
        return text

    def _with_tail(self, text: str, depth: int) -> str | None:
        """Something of its own with more of ours behind it: `503; try again later`."""
        for start in islice(_TAIL.finditer(text, 1), TAILS):
            told = self._sentence(text[start.start() :], depth)
            if told is not None:
                head = text[: start.start()]
                return (self._told(head, depth) or head) + told
        return None

    def _in_parts(self, text: str, depth: int) -> str | None:
        """Several in a row, or one behind the name of a field."""
        if "; " in text:
            parts = text.split("; ")
            told = [self._told(part, DEEPEST - 2) for part in parts]
            if any(told):
                return self._mark("; ").join(one or part for one, part in zip(told, parts, strict=True))
        at_field = _AT_FIELD.fullmatch(text)
        if at_field:
            told_of_field = self._told(at_field[2], depth + 1)
            return f"{at_field[1]}{self._mark(': ')}{told_of_field}" if told_of_field else None
        return self._list(text)

    def _list(self, text: str) -> str | None:
        """Short things joined, all of which are known."""
        parts = re.split(r"(, | and | or )", text)
        told = [self._sentence(part, DEEPEST - 1) for part in parts[::2]]
        if len(told) < 2 or not all(told):
            return None
        joints = [*map(self._mark, parts[1::2]), ""]
        return "".join((one or "") + joint for one, joint in zip(told, joints, strict=True))

    def _mark(self, english: str) -> str:
        """What joins or surrounds things in the language."""
        return self._exact.get(english, english)


def _with_stop(told: str | None) -> str | None:
    return None if told is None else told + "."


def _without_stop(told: str | None) -> str | None:
    return None if told is None else told.removesuffix(".")


def _with_capital(told: str | None) -> str | None:
    return None if told is None else told[:1].upper() + told[1:]


def _template(text: str, french: str) -> Template:
    parts, names = _cut(text)
    told, told_names = _cut(french)
    return Template(parts, names, told, told_names)


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
    catalogue: Mapping[object, object] = vars(translations)["_catalog"]
    pairs = catalogue.items()
    return PhraseBook({key: told for key, told in pairs if key and isinstance(key, str) and isinstance(told, str)})
