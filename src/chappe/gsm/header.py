"""The user data header (UDH) before the text of a segment: 3GPP TS 23.040, clause 9.2.3.24.

Its first octet is its length without that octet. Then come information elements: identifier, length, data.
The ones read here are concatenation with a reference of 8 bits (0x00, clause 9.2.3.24.1) or 16 (0x08, clause
9.2.3.24.8) and the national language shifts (0x24, 0x25); all others are kept as they are.
"""

from dataclasses import dataclass
from typing import Literal

CONCATENATION_8 = 0x00
CONCATENATION_16 = 0x08
NATIONAL_SINGLE = 0x24
NATIONAL_LOCKING = 0x25

ReferenceBits = Literal[8, 16]


class MalformedHeader(ValueError):
    """The octets are no user data header. Clause 9.2.3.24 has the receiver ignore such a header as a whole."""


@dataclass(frozen=True, slots=True)
class Element:
    """An information element: its identifier (0 to 255) and its data (at most 255 octets)."""

    identifier: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Concatenation:
    """This segment is number `index` (from 1) of `total` that share `reference`, which has 8 or 16 bits."""

    reference: int
    total: int
    index: int
    bits: ReferenceBits


@dataclass(frozen=True, slots=True)
class UserDataHeader:
    """A user data header: its elements in the order they stand in, and what those that are known here say.

    Of an element that comes twice the last one counts, and of both kinds of concatenation too (clause 9.2.3.24).
    """

    elements: tuple[Element, ...]

    @property
    def concatenation(self) -> Concatenation | None:
        """None too when the element numbers no segment: a total or index of 0, an index past the total.

        Clause 9.2.3.24.1 has the receiver ignore such an element.
        """
        for element in reversed(self.elements):
            if element.identifier in _REFERENCE_BITS:
                *reference, total, index = element.data
                bits = _REFERENCE_BITS[element.identifier]
                number = int.from_bytes(bytes(reference), "big")
                return Concatenation(number, total, index, bits) if 1 <= index <= total else None
        return None

    @property
    def locking(self) -> int | None:
        """The national language identifier of the locking shift table in force, for `decode`."""
        return self._language(NATIONAL_LOCKING)

    @property
    def single(self) -> int | None:
        """The national language identifier of the single shift table in force, for `decode`."""
        return self._language(NATIONAL_SINGLE)

    def _language(self, identifier: int) -> int | None:
        return next((element.data[0] for element in reversed(self.elements) if element.identifier == identifier), None)


_REFERENCE_BITS: dict[int, ReferenceBits] = {CONCATENATION_8: 8, CONCATENATION_16: 16}
_LENGTHS = {CONCATENATION_8: 3, CONCATENATION_16: 4, NATIONAL_SINGLE: 1, NATIONAL_LOCKING: 1}


def parse_header(data: bytes) -> tuple[UserDataHeader, bytes]:
    """The header that `data` begins with, and the text after it (still encoded; if packed, after its fill bits).

    Raises `MalformedHeader` when the header or an element is longer than what is there, or an element that is read
    here has a length it cannot have.
    """
    if not data or len(data) <= data[0]:
        raise MalformedHeader(f"the header says {data[0] if data else 'no'} octets, {max(len(data) - 1, 0)} are there")
    end = 1 + data[0]
    elements = []
    position = 1
    while position < end:
        if position + 2 > end or position + 2 + data[position + 1] > end:
            raise MalformedHeader(f"element 0x{data[position]:02X} at octet {position} goes past the end of the header")
        element = Element(data[position], bytes(data[position + 2 : position + 2 + data[position + 1]]))
        expected = _LENGTHS.get(element.identifier, len(element.data))
        if len(element.data) != expected:
            raise MalformedHeader(
                f"element 0x{element.identifier:02X} has {len(element.data)} octets where the standard has {expected}"
            )
        elements.append(element)
        position += 2 + len(element.data)
    return UserDataHeader(tuple(elements)), data[end:]


def build_header(header: UserDataHeader) -> bytes:
    """The octets of a header, its length octet included. ValueError when they do not fit that octet (255)."""
    body = b"".join(bytes((element.identifier, len(element.data))) + element.data for element in header.elements)
    if len(body) > 255:
        raise ValueError(f"a user data header has at most 255 octets, these elements take {len(body)}")
    return bytes((len(body),)) + body


def concatenation_header(reference: int, total: int, index: int, bits: int = 8) -> bytes:
    """The header of segment `index` (from 1) of `total` (at most 255): 6 octets, or 7 with a reference of 16 bits.

    ValueError when a number does not fit: `reference` is below 256, or below 65,536 with 16 bits.
    """
    if bits not in {8, 16}:
        raise ValueError(f"a reference has 8 or 16 bits, not {bits}")
    if not 0 <= reference < 1 << bits:
        raise ValueError(f"reference {reference} does not fit {bits} bits")
    if not 1 <= index <= total <= 255:
        raise ValueError(f"there is no segment {index} of {total}")
    if bits == 8:
        return bytes((5, CONCATENATION_8, 3, reference, total, index))
    return bytes((6, CONCATENATION_16, 4, reference >> 8, reference & 0xFF, total, index))
