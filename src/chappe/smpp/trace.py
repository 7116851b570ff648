"""One line of readable text for any PDU, for verbose traces. Passwords are never shown; texts of messages only when
asked for.
"""

from typing import Final

from .constants import TLV_TYPES, CommandStatus, MessageState, Tag, TlvType, command_name, status_name, tag_name
from .error import ProtocolError
from .fields import FIELDS, Destination, FieldValue, UnsuccessSme
from .pdu import DEFAULT_LIMITS, HEADER, HEADER_LENGTH, Limits, Pdu, decode
from .tlv import Tlv

_TEXTS: Final = frozenset({"short_message"})
_TEXT_TAGS: Final = frozenset({Tag.MESSAGE_PAYLOAD})
_HEXADECIMAL: Final = frozenset({"esm_class", "data_coding", "registered_delivery", "interface_version"})
_STATES: Final = frozenset(int(state) for state in MessageState)
_MOST_SHOWN: Final = 1024


def trace(pdu: Pdu | bytes, *, show_texts: bool = False, limits: Limits = DEFAULT_LIMITS) -> str:
    """`submit_sm seq=7 source_addr="CHAPPE" … short_message=<12 octets>`: fields that are 0 or empty are left out.

    Octets that are no PDU give a line that says so, with the header and nothing of the body."""
    if isinstance(pdu, bytes):
        data = pdu
        try:
            pdu = decode(data, limits)
        except ProtocolError as error:
            return _undecoded(data, error)
    words = [command_name(pdu.command_id), f"seq={pdu.sequence_number}"]
    if pdu.command_status != CommandStatus.ESME_ROK:
        words.append(status_name(pdu.command_status))
    names = [known.name for known in FIELDS.get(pdu.command_id, ())]
    values = [_field(name, pdu.fields.get(name, 0), show_texts=show_texts) for name in names]
    words += [f"{name}={value}" for name, value in zip(names, values, strict=True) if value]
    words += [f"{tag_name(tlv.tag)}={_tlv(tlv, show_texts=show_texts)}" for tlv in pdu.tlvs]
    return " ".join(words)


def _undecoded(data: bytes, error: ProtocolError) -> str:
    if len(data) < HEADER_LENGTH:
        return f"{len(data)} octets, not a PDU"
    _, command_id, status, number = HEADER.unpack_from(data)
    return f"{command_name(command_id)} seq={number} {status_name(status)} {len(data)} octets, malformed: {error}"


def _field(name: str, value: FieldValue, *, show_texts: bool) -> str:
    """Empty for a value not worth showing."""
    if isinstance(value, int):
        return "" if value == 0 else f"0x{value:02X}" if name in _HEXADECIMAL else str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_entry(entry) for entry in value)}]"
    if not value:
        return ""
    if name == "password":
        return "***"
    if name in _TEXTS:
        return _octets(value) if show_texts else f"<{len(value)} octets>"
    return _quoted(value)


def _entry(entry: Destination | UnsuccessSme) -> str:
    if isinstance(entry, UnsuccessSme):
        return f"{entry.ton}/{entry.npi}/{_quoted(entry.address)} {status_name(entry.error_status_code)}"
    if entry.ton is None:
        return f"list {_quoted(entry.address)}"
    return f"{entry.ton}/{entry.npi}/{_quoted(entry.address)}"


def _tlv(tlv: Tlv, *, show_texts: bool) -> str:
    if tlv.tag in _TEXT_TAGS:
        return _octets(tlv.value) if show_texts else f"<{len(tlv.value)} octets>"
    kind = TLV_TYPES.get(tlv.tag, (TlvType.OCTETS, 0, 0))[0]
    if tlv.tag == Tag.MESSAGE_STATE and tlv.number() in _STATES:
        return MessageState(tlv.number()).name
    if kind is TlvType.INTEGER and len(tlv.value) <= 4:
        return str(tlv.number())
    if kind is TlvType.C_OCTETS:
        return _quoted(tlv.octets())
    return _octets(tlv.value)


def _quoted(value: bytes) -> str:
    """Octets as text in quotes, all on one line whatever they are."""
    return (
        '"' + value[:_MOST_SHOWN].decode("latin-1").encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'
    )


def _octets(value: bytes) -> str:
    """Text where it is printable ASCII, hexadecimal digits otherwise."""
    if value.isascii() and value.decode("ascii").isprintable():
        return _quoted(value)
    more = "…" if len(value) > _MOST_SHOWN else ""
    return f"0x{value[:_MOST_SHOWN].hex()}{more}"
