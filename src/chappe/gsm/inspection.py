"""What a text will cost, for the composer: the encoding it gets, its segments, and which characters make it longer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from chappe.gsm.alphabet import DOUBLE
from chappe.gsm.encoding import Encoding, can_encode, encode, lacking
from chappe.gsm.segment import MOST_SEGMENTS, capacity, segment_starts
from chappe.gsm.transliteration import transliterate


class Reason(StrEnum):
    """Why a character makes a text longer than its length says."""

    LACKING = "lacking"
    """The cheapest candidate does not have it, so the whole text goes in a dearer one."""
    DOUBLE = "double"
    """It takes two units: an escape sequence in GSM, a surrogate pair in UCS-2."""


@dataclass(frozen=True, slots=True)
class Costly:
    """A character that forces more, with its position in the text (in code points, from 0)."""

    character: str
    position: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a text costs.

    `encoding` is the first candidate that can encode the whole text; None when none can: all numbers are then 0.
    `units` are septets (GSM), octets (Latin-1) or 16-bit units (UCS-2); `room` is how many more of them would go in
    before another segment is begun. `segments` may be more than can be numbered: then `is_too_long`.
    `transliterated` is, when it was asked for and changes anything, the text as transliteration for the first candidate
    leaves it, with what that costs.
    """

    text: str
    encoding: Encoding | None
    units: int
    segments: int
    room: int
    costly: tuple[Costly, ...]
    transliterated: "Inspection | None" = None

    @property
    def is_too_long(self) -> bool:
        return self.segments > MOST_SEGMENTS


def inspect(
    text: str,
    candidates: Sequence[Encoding],
    reference_bits: int = 8,
    *,
    transliterating: bool = False,
    fallback: Callable[[str], str] | None = None,
) -> Inspection:
    """What `text` costs in the first of `candidates` (cheapest first) that can encode all of it.

    `transliterating` asks for a preview of the text transliterated for the cheapest, with `fallback` as
    `transliterate` takes it. Raises ValueError when there is no candidate; never for what the text holds.
    """
    if not candidates:
        raise ValueError("there is no encoding to choose from")
    cheapest = candidates[0]
    preview = None
    if transliterating and (other := transliterate(text, cheapest, fallback)) != text:
        preview = inspect(other, candidates, reference_bits)
    costly = [Costly(character, position, Reason.LACKING) for position, character in lacking(text, cheapest)]
    encoding = next((candidate for candidate in candidates if can_encode(text, candidate)), None)
    if encoding is None:
        return Inspection(text, None, 0, 0, 0, tuple(costly), preview)

    costly += [
        Costly(character, position, Reason.DOUBLE)
        for position, character in enumerate(text)
        if _is_double(character, encoding)
    ]
    costly.sort(key=lambda each: each.position)
    data = encode(text, encoding)
    starts = segment_starts(data, encoding, reference_bits)
    octets_a_unit = 2 if encoding is Encoding.UCS2 else 1
    limit = capacity(encoding, reference_bits)[len(starts) > 1]
    room = (limit - (len(data) - starts[-1])) // octets_a_unit
    return Inspection(text, encoding, len(data) // octets_a_unit, len(starts), room, tuple(costly), preview)


def _is_double(character: str, encoding: Encoding) -> bool:
    if encoding is Encoding.GSM:
        return character in DOUBLE
    return encoding is Encoding.UCS2 and character > "\uffff"
