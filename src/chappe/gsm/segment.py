"""A long text cut into segments, each to go behind a concatenation header: 3GPP TS 23.040, clause 9.2.3.24.1.

140 octets fit a short message. A segment gives 6 of them to the header, 7 when the reference has 16 bits.

|                     | alone | reference of 8 bits | of 16 bits |
|---------------------|-------|---------------------|------------|
| GSM, septets        | 160   | 153                 | 152        |
| Latin-1, octets     | 140   | 134                 | 133        |
| UCS-2, 16-bit units | 70    | 67                  | 66         |
"""

from typing import Final

from chappe.gsm.alphabet import ESCAPE
from chappe.gsm.encoding import Encoding, encode

MOST_SEGMENTS = 255

_GSM: Final = Encoding.GSM
_UCS2: Final = Encoding.UCS2


class TooManySegments(ValueError):
    """A text takes more segments than the header can number (255). `segments` is how many it would take."""

    def __init__(self, segments: int) -> None:
        super().__init__(f"the text takes {segments} segments, at most {MOST_SEGMENTS} can be numbered")
        self.segments = segments


def capacity(encoding: Encoding, reference_bits: int = 8) -> tuple[int, int]:
    """How many octets of encoded data fit a message that stands alone, and a segment. GSM counts an octet a septet."""
    if reference_bits not in {8, 16}:
        raise ValueError(f"a reference has 8 or 16 bits, not {reference_bits}")
    octets = 134 if reference_bits == 8 else 133
    if encoding is _GSM:
        return 160, octets * 8 // 7
    return 140, octets & ~1 if encoding is _UCS2 else octets


def split(data: bytes, encoding: Encoding, reference_bits: int = 8) -> list[bytes]:
    """The segments of an encoded text, without headers; one when it fits alone, and for an empty text one empty one.

    No cut falls between an escape and its character or between two halves of a surrogate pair, so a segment may
    be a unit short. Raises `TooManySegments`.
    """
    if len(data) <= capacity(encoding, reference_bits)[0]:
        return [data]
    starts = segment_starts(data, encoding, reference_bits)
    _check(len(starts))
    return [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True)]


def count(text: str, encoding: Encoding, reference_bits: int = 8) -> int:
    """How many segments `split` would make of the text, without making them.

    Raises `Unencodable` and `TooManySegments`.
    """
    data = encode(text, encoding)
    single, size = capacity(encoding, reference_bits)
    if len(data) <= single:
        return 1
    if encoding is _UCS2 or ESCAPE in data:
        segments = len(segment_starts(data, encoding, reference_bits))
    else:
        segments = -(-len(data) // size)
    _check(segments)
    return segments


def segment_starts(data: bytes, encoding: Encoding, reference_bits: int = 8) -> list[int]:
    """Where in the data each segment begins, however many there are."""
    single, size = capacity(encoding, reference_bits)
    if len(data) <= single:
        return [0]
    starts = [0]
    while (end := starts[-1] + size) < len(data):
        if encoding is _GSM:
            # Escapes that stand together are pairs from the left; one left over belongs to what comes after the cut.
            segment = data[starts[-1] : end]
            end -= (len(segment) - len(segment.rstrip(b"\x1b"))) & 1
        elif encoding is _UCS2 and data[end - 2] & 0xFC == 0xD8 and data[end] & 0xFC == 0xDC:
            end -= 2
        starts.append(end)
    return starts


def _check(segments: int) -> None:
    if segments > MOST_SEGMENTS:
        raise TooManySegments(segments)
