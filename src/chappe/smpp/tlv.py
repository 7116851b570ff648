"""Optional parameters: tag, length, value (SMPP 3.4, clause 3.2.4). Any tag is taken and given back as it came."""

from collections.abc import Iterable
from struct import Struct
from typing import NamedTuple

from .constants import CommandStatus
from .error import LocalProtocolError, MalformedPdu

_HEAD = Struct(">HH")
_new = tuple.__new__


class Tlv(NamedTuple):
    """One optional parameter; `value` is what stands on the wire, so a C-octet string keeps its NUL."""

    tag: int
    value: bytes

    def number(self) -> int:
        """The value as an unsigned integer, 0 when it is empty."""
        return int.from_bytes(self.value, "big")

    def octets(self) -> bytes:
        """The value up to its NUL, which some peers leave out."""
        return self.value.split(b"\0", 1)[0]


def read_tlvs(
    buffer: bytes, position: int, end: int, most: int, command_id: int, sequence_number: int
) -> tuple[Tlv, ...]:
    """The optional parameters between `position` and `end`; more than `most`, or one cut short, is a MalformedPdu.

    One to three NULs at the end are left alone: several ESMEs and SMSCs put one after short_message, as if it were a
    C-octet string."""
    found = []
    unpack = _HEAD.unpack_from
    while position < end:
        start = position + 4
        if start > end:
            if not any(buffer[position:end]):
                position = end
            break
        tag, length = unpack(buffer, position)
        position = start + length
        found.append(_new(Tlv, (tag, buffer[start:position])))
    if position != end or len(found) > most:
        text = f"more than {most} optional parameters" if len(found) > most else "an optional parameter is cut short"
        raise MalformedPdu(command_id, sequence_number, CommandStatus.ESME_RINVOPTPARSTREAM, text)
    return tuple(found)


def encode_tlvs(tlvs: Iterable[tuple[int, bytes]]) -> bytes:
    """The octets of optional parameters, in the order given."""
    parts: list[bytes] = []
    for tag, value in tlvs:
        if not 0 <= tag <= 0xFFFF:
            raise LocalProtocolError(f"tag {tag} does not fit two octets", "tlv")
        if len(value) > 0xFFFF:
            raise LocalProtocolError(f"value of {len(value)} octets, most is 65535", f"tlv 0x{tag:04X}")
        parts += (_HEAD.pack(tag, len(value)), value)
    return b"".join(parts)


def find_tlv(tlvs: Iterable[Tlv], tag: int) -> Tlv | None:
    """The first parameter with this tag."""
    return next((tlv for tlv in tlvs if tlv.tag == tag), None)
