"""Any PDU to octets and back, by the table of `fields` (SMPP 3.4, clauses 3.2 and 4).

This is the general way; messages in number take the fast ways of `submit` and `delivery`, which give the same octets.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from .constants import RESPONSE, CommandStatus, command_name, status_name
from .error import BrokenStream, LocalProtocolError, MalformedPdu
from .fields import (
    DISTRIBUTION_LIST,
    FIELDS,
    SME,
    CString,
    Destination,
    Destinations,
    Failures,
    Field,
    FieldValue,
    Integer,
    Octets,
    UnsuccessSme,
)
from .tlv import Tlv, encode_tlvs, read_tlvs

HEADER: Final = Struct(">IIII")
"""command_length, command_id, command_status, sequence_number."""
HEADER_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may make us hold. `max_pdu_length` is looked at before anything else of a PDU is;
    `max_messages` is how many of the peer's messages may wait for our answer: what goes beyond is answered
    ESME_RTHROTTLED, unread."""

    max_pdu_length: int = 65_536
    max_tlvs: int = 64
    max_messages: int = 65_536


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, repr=False)
class Pdu:
    """One PDU. C-octet strings are without their NUL; a field that is left out is sent empty or 0.

    A response without a body (usual beside a command_status that is not 0) has no fields."""

    command_id: int
    command_status: int = 0
    sequence_number: int = 0
    fields: Mapping[str, FieldValue] = field(default_factory=dict)
    tlvs: tuple[Tlv, ...] = ()

    def __repr__(self) -> str:
        # Fields hold passwords and the texts of messages: `trace` shows them, masked.
        return (
            f"<{command_name(self.command_id)} sequence_number={self.sequence_number} "
            f"command_status={status_name(self.command_status)}>"
        )

    def number(self, name: str) -> int:
        """An integer field, 0 where the PDU has none of that name."""
        value = self.fields.get(name, 0)
        return value if isinstance(value, int) else 0

    def octets(self, name: str) -> bytes:
        """A string field, empty where the PDU has none of that name."""
        value = self.fields.get(name, b"")
        return value if isinstance(value, bytes) else b""

    def tlv(self, tag: int) -> bytes | None:
        """The value of the first optional parameter with this tag."""
        return next((tlv.value for tlv in self.tlvs if tlv.tag == tag), None)


def encode(pdu: Pdu, *, beyond_standard: bool = False) -> bytes:
    """The octets of a PDU. LocalProtocolError names the field that the standard does not allow; `beyond_standard`
    allows the few fields longer that some peers take longer."""
    body = encode_body(pdu, beyond_standard=beyond_standard)
    for name in ("command_status", "sequence_number"):
        if not 0 <= getattr(pdu, name) <= 0xFFFFFFFF:
            raise LocalProtocolError("does not fit four octets", name)
    return HEADER.pack(HEADER_LENGTH + len(body), pdu.command_id, pdu.command_status, pdu.sequence_number) + body


def encode_body(pdu: Pdu, *, beyond_standard: bool = False) -> bytes:
    """What follows the header."""
    table = FIELDS.get(pdu.command_id)
    if table is None:
        raise LocalProtocolError(f"{pdu.command_id:#010x} is no PDU of SMPP 3.4", "command_id")
    values = pdu.fields
    if not values and pdu.command_status and pdu.command_id & RESPONSE:
        return encode_tlvs(pdu.tlvs)
    for name in values:
        if not any(name == known.name for known in table):
            raise LocalProtocolError(f"{command_name(pdu.command_id)} has no such field", name)
    fields = [_encode_field(known, values.get(known.name), beyond_standard=beyond_standard) for known in table]
    return b"".join(fields) + encode_tlvs(pdu.tlvs)


def encode_integer(name: str, value: object, size: int = 1) -> bytes:
    """`value` in `size` octets, unsigned."""
    if not isinstance(value, int) or not 0 <= value < 1 << 8 * size:
        raise LocalProtocolError(f"has to be an integer of {size} octet(s)", name)
    return value.to_bytes(size, "big")


def encode_c_octets(name: str, value: object, limit: int, *, fixed: bool = False) -> bytes:
    """`value` and its NUL, `limit` octets at most; a `fixed` one fills the limit or is empty."""
    if not isinstance(value, bytes):
        raise LocalProtocolError("has to be bytes", name)
    if len(value) >= limit or (fixed and value and len(value) != limit - 1):
        wanted = f"0 or {limit - 1}" if fixed else f"at most {limit - 1}"
        raise LocalProtocolError(f"has {len(value)} octets, may have {wanted}", name)
    if 0 in value:
        raise LocalProtocolError("holds a NUL", name)
    return value + b"\0"


def _encode_field(known: Field, value: FieldValue | None, *, beyond_standard: bool) -> bytes:
    name = known.name
    match known:
        case Integer(size=size):
            return encode_integer(name, 0 if value is None else value, size)
        case CString(limit=limit, fixed=fixed, beyond=beyond):
            limit = max(limit, beyond) if beyond_standard else limit
            return encode_c_octets(name, b"" if value is None else value, limit, fixed=fixed)
        case Octets(limit=limit):
            octets = b"" if value is None else value
            if not isinstance(octets, bytes) or len(octets) > limit:
                raise LocalProtocolError(f"has to be bytes, at most {limit}", name)
            return bytes((len(octets),)) + octets
        case Destinations() | Failures():
            entries = () if value is None else value
            if not isinstance(entries, tuple) or len(entries) > 254:
                raise LocalProtocolError("has to be a tuple, at most 254 entries", name)
            return bytes((len(entries),)) + b"".join([_encode_entry(name, entry) for entry in entries])


def _encode_entry(name: str, entry: Destination | UnsuccessSme) -> bytes:
    if isinstance(entry, UnsuccessSme):
        kinds = encode_integer(f"{name}.ton", entry.ton) + encode_integer(f"{name}.npi", entry.npi)
        address = encode_c_octets(f"{name}.address", entry.address, 21)
        return kinds + address + encode_integer(f"{name}.error_status_code", entry.error_status_code, 4)
    address = encode_c_octets(f"{name}.address", entry.address, 21)
    if entry.ton is None or entry.npi is None:
        return bytes((DISTRIBUTION_LIST,)) + address
    kinds = encode_integer(f"{name}.ton", entry.ton) + encode_integer(f"{name}.npi", entry.npi)
    return bytes((SME,)) + kinds + address


def decode(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Pdu:
    """One whole PDU. BrokenStream when its command_length is impossible or not the length of `data`."""
    if len(data) < HEADER_LENGTH:
        raise BrokenStream(len(data), limits.max_pdu_length)
    length, command_id, command_status, sequence_number = HEADER.unpack_from(data)
    if not HEADER_LENGTH <= length <= limits.max_pdu_length or length != len(data):
        raise BrokenStream(length, limits.max_pdu_length)
    return decode_body(command_id, command_status, sequence_number, data[HEADER_LENGTH:], limits)


def decode_body(command_id: int, command_status: int, sequence_number: int, body: bytes, limits: Limits) -> Pdu:
    """The PDU of a header already read. MalformedPdu says with which status it is to be refused."""
    table = FIELDS.get(command_id)
    if table is None:
        raise MalformedPdu(command_id, sequence_number, CommandStatus.ESME_RINVCMDID, "unknown command_id")
    if not body and command_id & RESPONSE:
        return Pdu(command_id, command_status, sequence_number)
    reader = BodyReader(command_id, sequence_number, body)
    fields = {known.name: reader.read(known, last=known is table[-1]) for known in table}
    tlvs = read_tlvs(body, reader.position, len(body), limits.max_tlvs, command_id, sequence_number)
    return Pdu(command_id, command_status, sequence_number, fields, tlvs)


class BodyReader:
    """A place in a body, and how to read each kind of field from there."""

    __slots__ = ("body", "command_id", "position", "sequence_number")

    def __init__(self, command_id: int, sequence_number: int, body: bytes) -> None:
        self.command_id = command_id
        self.sequence_number = sequence_number
        self.body = body
        self.position = 0

    def read(self, known: Field, *, last: bool) -> FieldValue:
        match known:
            case Integer(size=size):
                return self._integer(known.name, size)
            case CString():
                return self._c_octets(known.name, last=last)
            case Octets():
                length = self._integer(known.name, 1)
                return self._take(known.name, length, CommandStatus.ESME_RINVMSGLEN)
            case Destinations():
                return tuple([self._destination(known.name) for _ in range(self._integer(known.name, 1))])
            case Failures():
                return tuple([self._failure(known.name) for _ in range(self._integer(known.name, 1))])

    def _refuse(self, text: str, status: int = CommandStatus.ESME_RINVCMDLEN) -> MalformedPdu:
        return MalformedPdu(self.command_id, self.sequence_number, status, text)

    def _take(self, name: str, length: int, status: int = CommandStatus.ESME_RINVCMDLEN) -> bytes:
        start = self.position
        self.position = start + length
        if self.position > len(self.body):
            raise self._refuse(f"ends inside {name}", status)
        return self.body[start : self.position]

    def _integer(self, name: str, size: int) -> int:
        return int.from_bytes(self._take(name, size), "big")

    def _c_octets(self, name: str, *, last: bool = False) -> bytes:
        nul = self.body.find(0, self.position)
        if nul < 0:
            # Some SMSCs leave the NUL off the one string of a response; nothing is lost by taking it as it is,
            # and a response cannot be refused.
            if last and self.command_id & RESPONSE:
                return self._take(name, len(self.body) - self.position)
            raise self._refuse(f"{name} has no NUL")
        value = self.body[self.position : nul]
        self.position = nul + 1
        return value

    def _destination(self, name: str) -> Destination:
        flag = self._integer(name, 1)
        if flag == DISTRIBUTION_LIST:
            return Destination(self._c_octets(name), None, None)
        if flag != SME:
            raise self._refuse(f"dest_flag {flag}", CommandStatus.ESME_RINVDESTFLAG)
        ton, npi = self._integer(name, 1), self._integer(name, 1)
        return Destination(self._c_octets(name), ton, npi)

    def _failure(self, name: str) -> UnsuccessSme:
        ton, npi = self._integer(name, 1), self._integer(name, 1)
        return UnsuccessSme(ton, npi, self._c_octets(name), self._integer(name, 4))
