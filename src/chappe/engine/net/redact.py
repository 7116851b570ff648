"""What is kept of requests and answers for the operator to see: without secrets, numbers and texts.

A secret is found however it was written: as it is, with the escapes of JSON, of addresses and forms, of XML, in Base64 and in
hexadecimal, one within the other up to two deep. What is found is taken out in one go, so that of two secrets that overlap
nothing remains.
"""

import base64
import binascii
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

MASK = "•••"
SHORTEST = 4
"""A shorter secret or text stands in too many other words: it is taken out only where it is a whole value."""
DEEPEST = 2
KEPT_DIGITS = 2

_HIDDEN_HEADER = re.compile(
    r"^(?P<name>[ \t]{0,9}(?:proxy-authorization|authorization|set-cookie|cookie"
    r"|[\w-]{0,60}(?:signature|token|secret|api-?key|password|credential|hmac)[\w-]{0,60})[ \t]{0,9}:)[ \t]*"
    r"(?P<scheme>(?:basic|bearer|digest|mac|hmac|app|key)[ \t]+)?[^\r\n]*(?:\r?\n[ \t]+[^\r\n]*)*",
    re.IGNORECASE | re.MULTILINE,
)
_NUMBER = re.compile(r"\+[0-9]{5,15}|[0-9]{7,15}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{6,}={0,2}")
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{8,}")
_ESCAPE_JSON = re.compile(r"\\u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4})*|\\[\"\\/bfnrt]")
_ESCAPE_URL = re.compile(r"(?:%[0-9A-Fa-f]{2})+|\+")
_ESCAPE_XML = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|amp|lt|gt|quot|apos);")
_NAMED_XML = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_SHORT_JSON = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

Span = tuple[int, int]
Pieces = list[tuple[str, int]]
"""What escapes stand for, piece by piece, each with how many characters it was written in."""


@dataclass(frozen=True)
class _Stream:
    """A text, and for each of its characters where what it stands for begins and ends in the original."""

    text: str
    begins: Sequence[int]
    ends: Sequence[int]

    def original(self, start: int, end: int) -> Span:
        return self.begins[start], self.ends[end - 1]


def redact(text: str, secrets: Iterable[str], hides: Iterable[str] = ()) -> str:
    """`text` without `secrets`, without what `hides` lists, and without the values of headers that prove who calls.

    Of `hides`, numbers (with a plus, or of 7 to 15 digits) keep their last two digits; other texts go whole. A secret or
    text of fewer than 4 characters is taken out only where it is a whole value, in quotes or of a form.
    """
    text = _HIDDEN_HEADER.sub(lambda found: f"{found['name']} {found['scheme'] or ''}{MASK}", text)
    wanted = {secret for secret in secrets if secret}
    hidden = {one for one in hides if one}
    numbers = {one for one in hidden if _NUMBER.fullmatch(one)}
    whole = wanted | (hidden - numbers)
    if not whole and not numbers:
        return text
    spans: set[Span] = set()
    for stream in _streams(_Stream(text, range(len(text)), range(1, len(text) + 1)), DEEPEST):
        for word in whole:
            spans.update(stream.original(*found) for found in _places(stream.text, word))
        spans.update(stream.original(*found) for found in _encoded(stream.text, whole))
        for number in numbers:
            spans.update(stream.original(*found) for found in _digits(stream.text, number))
    return _without(text, spans)


def mask_numbers(text: str, keep: Iterable[str] = ()) -> str:
    """`text` without anything that may be a phone number: 7 to 15 digits keep their last two, but for those of `keep`."""
    kept = set(keep)

    def masked(found: re.Match[str]) -> str:
        return found[0] if found[0] in kept else f"{MASK}{found[0][-KEPT_DIGITS:]}"

    return _PHONE_LIKE.sub(masked, text)


_PHONE_LIKE = re.compile(r"(?:(?<![\w.-])|(?<=%2[Bb]))\+?[0-9]{7,15}(?![\w-]|\.[0-9])")


def _streams(stream: _Stream, depth: int) -> Iterator[_Stream]:
    """The text itself, and as it reads without one kind of escapes, without another within that, and so on."""
    yield stream
    if depth:
        for pattern, read in _ESCAPES:
            if pattern.search(stream.text):
                yield from _streams(_unescaped(stream, pattern, read), depth - 1)


def _unescaped(stream: _Stream, pattern: re.Pattern[str], read: Callable[[str], Pieces]) -> _Stream:
    parts: list[str] = []
    begins: list[int] = []
    ends: list[int] = []
    done = 0
    for found in pattern.finditer(stream.text):
        start, end = found.span()
        parts.append(stream.text[done:start])
        begins += stream.begins[done:start]
        ends += stream.ends[done:start]
        for plain, width in read(found[0]):
            parts.append(plain)
            begins += [stream.begins[start]] * len(plain)
            ends += [stream.ends[start + width - 1]] * len(plain)
            start += width
        done = end
    parts.append(stream.text[done:])
    begins += stream.begins[done:]
    ends += stream.ends[done:]
    return _Stream("".join(parts), begins, ends)


def _json_read(escapes: str) -> Pieces:
    if escapes[1] != "u":
        return [(_SHORT_JSON.get(escapes[1], escapes[1]), 2)]
    units = b"".join(int(escape, 16).to_bytes(2, "big") for escape in escapes.split("\\u")[1:])
    try:
        return [(character, 12 if character > "\uffff" else 6) for character in units.decode("utf-16-be")]
    except UnicodeDecodeError:
        return [(units.decode("utf-16-be", "replace"), len(escapes))]


def _url_read(escapes: str) -> Pieces:
    if escapes == "+":
        return [(" ", 1)]
    octets = bytes.fromhex(escapes.replace("%", ""))
    try:
        return [(character, 3 * len(character.encode())) for character in octets.decode()]
    except UnicodeDecodeError:
        return [(octets.decode("utf-8", "replace"), len(escapes))]


def _xml_read(escape: str) -> Pieces:
    name = escape[1:-1]
    if not name.startswith("#"):
        return [(_NAMED_XML[name], len(escape))]
    code = int(f"0{name[1:]}", 0) if name[1] in "xX" else int(name[1:])
    return [(chr(code) if code <= sys.maxunicode else "", len(escape))]


_ESCAPES = ((_ESCAPE_JSON, _json_read), (_ESCAPE_URL, _url_read), (_ESCAPE_XML, _xml_read))


def _places(text: str, word: str) -> Iterator[Span]:
    """Everywhere that `word` stands, also where it overlaps itself; a short one only as a whole value."""
    if len(word) < SHORTEST:
        value = re.escape(word)
        for found in re.finditer(rf'"({value})"|\'({value})\'|(?<==)({value})(?=[&\s]|$)', text):
            yield next(found.span(group) for group in (1, 2, 3) if found[group] is not None)
        return
    start = text.find(word)
    while start >= 0:
        yield start, start + len(word)
        start = text.find(word, start + 1)


def _encoded(text: str, words: Iterable[str]) -> Iterator[Span]:
    """Runs of Base64 and of hexadecimal digits that hold one of `words`, each as a whole."""
    octets = [word.encode("utf-8", "replace") for word in words if len(word) >= SHORTEST]
    for pattern, decode in ((_BASE64, _base64_read), (_HEXADECIMAL, _hexadecimal_read)):
        for found in pattern.finditer(text):
            if any(one in plain for plain in decode(found[0]) for one in octets):
                yield found.span()


def _base64_read(run: str) -> Iterator[bytes]:
    """Read from each of the four places where a group may begin: what stands before a run may belong to its alphabet."""
    run = run.rstrip("=").replace("-", "+").replace("_", "/")
    for skipped in range(4):
        rest = run[skipped:]
        rest = rest[: len(rest) - 1] if len(rest) % 4 == 1 else rest
        try:
            yield base64.b64decode(rest + "=" * (-len(rest) % 4))
        except binascii.Error:
            continue


def _hexadecimal_read(run: str) -> Iterator[bytes]:
    for skipped in range(2):
        rest = run[skipped:]
        yield bytes.fromhex(rest[: len(rest) // 2 * 2])


def _digits(text: str, number: str) -> Iterator[Span]:
    """Everywhere that `number` stands, also with blanks and the like between its digits, up to its last two."""
    digits = number.removeprefix("+")
    for found in re.finditer(r"(?<![0-9])" + r"[\s().-]{0,2}".join(digits) + r"(?![0-9])", text):
        end = found.end() - KEPT_DIGITS
        has_plus = found.start() > 0 and text[found.start() - 1] == "+"
        yield found.start() - has_plus, end
    for found in re.finditer(rf"(?<![0-9])00({digits})(?![0-9])", text):
        yield found.start(), found.end() - KEPT_DIGITS


def _without(text: str, spans: Iterable[Span]) -> str:
    """The text with one mask in place of each run of spans that touch or overlap."""
    parts: list[str] = []
    done = 0
    for start, end in _merged(spans):
        parts += [text[done:start], MASK]
        done = end
    return "".join([*parts, text[done:]])


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
