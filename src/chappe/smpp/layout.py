"""Where each field of a PDU stands in its octets, so that it can be shown, or hidden, in its place (SMPP 3.4, clauses 3.2
and 4).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .constants import tag_name
from .error import BrokenStream
from .fields import FIELDS, CString, Field, FieldValue, Octets
from .pdu import DEFAULT_LIMITS, HEADER, HEADER_LENGTH, BodyReader, Limits
from .tlv import read_tlvs

_TLV_HEAD = 4


@dataclass(frozen=True, slots=True)
class Place:
    """One field. `start` and `end` are counted from the first octet of the PDU and hold the value alone: no NUL, no
    length. `tag` is None for a mandatory field."""

    name: str
    value: FieldValue
    start: int
    end: int
    tag: int | None = None


def layout(data: bytes, limits: Limits = DEFAULT_LIMITS) -> list[Place]:
    """The fields behind the header of one whole PDU, in the order in which they stand. Raises BrokenStream, MalformedPdu
    as `decode` does; of a command that the standard does not know there are none."""
    if len(data) < HEADER_LENGTH:
        raise BrokenStream(len(data), limits.max_pdu_length)
    _, command_id, _, sequence_number = HEADER.unpack_from(data)
    body = data[HEADER_LENGTH:]
    table = FIELDS.get(command_id)
    if not body or table is None:
        return []
    reader = BodyReader(command_id, sequence_number, body)
    places = [_place(reader, known, is_last=known is table[-1]) for known in table]
    tlvs = read_tlvs(body, reader.position, len(body), limits.max_tlvs, command_id, sequence_number)
    return [*places, *_tlv_places(tlvs, HEADER_LENGTH + reader.position)]


def _place(reader: BodyReader, known: Field, *, is_last: bool) -> Place:
    start = HEADER_LENGTH + reader.position + isinstance(known, Octets)
    value = reader.read(known, last=is_last)
    is_string = isinstance(known, CString) and isinstance(value, bytes)
    end = start + len(value) if is_string and isinstance(value, bytes) else HEADER_LENGTH + reader.position
    return Place(known.name, value, start, end)


def _tlv_places(tlvs: tuple[tuple[int, bytes], ...], position: int) -> Iterator[Place]:
    for tag, value in tlvs:
        start = position + _TLV_HEAD
        position = start + len(value)
        yield Place(tag_name(tag), value, start, position, tag)
