"""Text to octets and back, in the three encodings an SMS is sent in.

| encoding | standard                                  | unit         | `data_coding`, usually |
|----------|-------------------------------------------|--------------|------------------------|
| GSM      | 3GPP TS 23.038, clauses 6.2.1 and 6.2.1.1 | septet       | 0                      |
| LATIN1   | ISO/IEC 8859-1                            | octet        | 3                      |
| UCS2     | ISO/IEC 10646, 23.038 clause 6.2.3        | 16-bit unit  | 8                      |

What is called UCS-2 is written and read as UTF-16, big-endian: every phone that shows emoji does so, and for all
else the two are the same.
"""

import codecs
import re
from enum import StrEnum
from typing import Final, assert_never

from chappe.gsm import alphabet, national


class Encoding(StrEnum):
    """How a text becomes octets. GSM is unpacked: one octet a septet, as SMPP carries it."""

    GSM = "gsm"
    LATIN1 = "latin1"
    UCS2 = "ucs2"


# Reaching an enum's member through its class takes longer than the whole translation of a short text (Python 3.11).
_GSM: Final = Encoding.GSM
_LATIN1: Final = Encoding.LATIN1
_UCS2: Final = Encoding.UCS2

LACKING = {
    _GSM: alphabet.MISSING,
    _LATIN1: re.compile("[^\x00-\xff]"),
    # Python joins no surrogates: one found in a `str` is alone whatever stands beside it.
    _UCS2: re.compile("[\ud800-\udfff]"),
}
"""Matches each character that the encoding lacks."""

_ESCAPED = re.compile(rb"\x1b(.?)", re.DOTALL)


class Unencodable(ValueError):
    """A text holds a character that the encoding lacks. Says which one, never the text around it.

    `character` is the first such character, `position` its index in the text (in code points, from 0).
    """

    def __init__(self, character: str, position: int, encoding: Encoding) -> None:
        super().__init__(f"character U+{ord(character):04X} at position {position} does not exist in {encoding}")
        self.character = character
        self.position = position
        self.encoding = encoding


def encode(text: str, encoding: Encoding) -> bytes:
    """The octets of `text`: for GSM one a septet, escapes included; for UCS-2 two a unit, big-endian.

    Raises `Unencodable` at the first character that the encoding lacks. For UCS-2 that is a lone surrogate.
    """
    if encoding is _GSM:
        try:
            septets = text.encode("latin-1").translate(alphabet.LATIN1_TO_SEPTET)
        except UnicodeEncodeError:
            return _encode_extended(text)
        return septets if septets.isascii() else _encode_extended(text)
    try:
        if encoding is _LATIN1:
            return text.encode("latin-1")
        if encoding is _UCS2:
            return text.encode("utf-16-be")
        assert_never(encoding)
    except UnicodeEncodeError as error:
        raise Unencodable(text[error.start], error.start, encoding) from None


def _encode_extended(text: str) -> bytes:
    """GSM for a text with Greek capitals or characters of the extension table, or one that cannot be encoded."""
    try:
        return text.translate(alphabet.TEXT_TO_SEPTETS).encode("ascii")
    except UnicodeEncodeError:
        missing = next(alphabet.MISSING.finditer(text))
        raise Unencodable(missing[0], missing.start(), _GSM) from None


def decode(data: bytes, encoding: Encoding, locking: int | None = None, single: int | None = None) -> str:
    """The text of `data`; never raises, for a text that arrives must be shown whatever it holds.

    `locking` and `single` are the national language identifiers of the user data header (`UserDataHeader.locking`
    and `.single`) and matter to GSM alone; None and reserved values stand for the default tables (3GPP TS 23.040,
    clauses 9.2.3.24.15 and 9.2.3.24.16).

    After an escape, a code without a symbol means what it means in the main table, and a second escape shows as a
    space (23.038, clause 6.2.1.1), as does an escape at the very end. Whatever else has no meaning becomes U+FFFD: an
    octet above 0x7F in GSM, half a surrogate pair, an odd last octet. So join the segments first, then decode.
    """
    if encoding is _GSM:
        main, shifted = national.tables(locking, single)
        if b"\x1b" not in data:
            return codecs.charmap_decode(data, "replace", main)[0]
        plain, *pairs = _ESCAPED.split(data)
        pieces = [codecs.charmap_decode(plain, "replace", main)[0]]
        for escaped, plain in zip(pairs[::2], pairs[1::2], strict=True):
            pieces.append(codecs.charmap_decode(escaped, "replace", shifted)[0] or " ")
            pieces.append(codecs.charmap_decode(plain, "replace", main)[0])
        return "".join(pieces)
    if encoding is _LATIN1:
        return data.decode("latin-1")
    if encoding is _UCS2:
        return data.decode("utf-16-be", "replace")
    assert_never(encoding)


def can_encode(text: str, encoding: Encoding) -> bool:
    """Whether the encoding has every character of `text`."""
    return LACKING[encoding].search(text) is None


def lacking(text: str, encoding: Encoding) -> list[tuple[int, str]]:
    """Each character of `text` that the encoding lacks, with its position (in code points, from 0)."""
    return [(found.start(), found[0]) for found in LACKING[encoding].finditer(text)]
