"""PDUs as they may be kept and shown: without passwords, and without the texts and numbers of people.

What is masked keeps its length, so that a masked PDU is a PDU, which any reader of SMPP takes.
"""

import re
from typing import Final

from .constants import ESM_MESSAGE_TYPE, ESM_UDHI, TLV_TYPES, CommandId, Tag
from .error import ProtocolError
from .layout import Place, layout
from .pdu import HEADER, HEADER_LENGTH, Pdu, decode, encode

PASSWORD: Final = b"********"
KEPT_DIGITS: Final = 2
"""The last ones of a number, by which one is told from another."""
UCS2: Final = 8
"""The data_coding of texts whose characters are two octets each."""

_WITH_PASSWORD: Final = frozenset(
    {CommandId.BIND_TRANSMITTER, CommandId.BIND_RECEIVER, CommandId.BIND_TRANSCEIVER, CommandId.OUTBIND}
)
_DELIVERIES: Final = frozenset({CommandId.DELIVER_SM, CommandId.DATA_SM})
_RECEIPTS: Final = frozenset({0x04, 0x20})
"""Message types of esm_class (5.2.12) whose text is the provider's: a receipt, and the notification of a state between."""
_ADDRESSES: Final = frozenset({"source_addr", "destination_addr", "esme_addr", "dest_addresses", "unsuccess_smes"})
_ADDRESS_TAGS: Final = frozenset(
    {
        Tag.SOURCE_SUBADDRESS,
        Tag.DEST_SUBADDRESS,
        Tag.CALLBACK_NUM,
        Tag.CALLBACK_NUM_ATAG,
        Tag.ADDITIONAL_STATUS_INFO_TEXT,
    }
)
_NUMBER: Final = re.compile(rb"[0-9]{7,}")
"""A shorter one is a short code, which is nobody's."""
_RECEIPT_FIELDS: Final = re.compile(rb"\b(?:id|sub|dlvrd|submit[ _]date|done[ _]date|stat|err):[^\s]*", re.IGNORECASE)


def without_password(data: bytes) -> bytes:
    """One whole PDU as it may be kept: the password of a bind or outbind is replaced by asterisks, always as many."""
    _, command_id, status, number = HEADER.unpack_from(data)
    if command_id not in _WITH_PASSWORD:
        return data
    try:
        pdu = decode(data)
        fields = {**pdu.fields, "password": PASSWORD}
        return encode(Pdu(command_id, status, number, fields, pdu.tlvs), beyond_standard=True)
    except ProtocolError:
        return HEADER.pack(HEADER_LENGTH, command_id, status, number)  # nobody knows where its password stands


def masked(data: bytes, *, shows_texts: bool, shows_numbers: bool) -> bytes:
    """One whole PDU without what may not be shown. Octets that cannot be read as one lose their body altogether."""
    if shows_texts and shows_numbers:
        return data
    try:
        places = layout(data)
    except ProtocolError:
        return data[:HEADER_LENGTH] + b"x" * (len(data) - HEADER_LENGTH)
    numbers = {place.name: place.value for place in places if isinstance(place.value, int)}
    esm_class, data_coding = numbers.get("esm_class", 0), numbers.get("data_coding", 0)
    is_receipt = _is_receipt(data, esm_class)
    hidden = bytearray(data) if places else bytearray(data[:HEADER_LENGTH] + b"x" * (len(data) - HEADER_LENGTH))
    for place in places:
        value = data[place.start : place.end]
        if _is_text(place):
            if not shows_texts:
                hidden[place.start : place.end] = _text(value, esm_class, data_coding, is_receipt=is_receipt)
        elif place.tag is not None and place.tag not in TLV_TYPES:
            hidden[place.start : place.end] = b"x" * len(value)  # a vendor's own: nobody knows what it holds
        elif not shows_numbers and (place.name in _ADDRESSES or place.tag in _ADDRESS_TAGS):
            hidden[place.start : place.end] = _NUMBER.sub(_zeros, value)
    return bytes(hidden)


def _is_receipt(data: bytes, esm_class: int) -> bool:
    _, command_id, _, _ = HEADER.unpack_from(data)
    return command_id in _DELIVERIES and esm_class & ESM_MESSAGE_TYPE in _RECEIPTS


def _is_text(place: Place) -> bool:
    return place.name == "short_message" or place.tag == Tag.MESSAGE_PAYLOAD


def _text(value: bytes, esm_class: int, data_coding: int, *, is_receipt: bool) -> bytes:
    """The header of a segment stays, and of a receipt what the provider says; not the beginning of the text in it."""
    if is_receipt:
        return _receipt(value)
    header = 1 + value[0] if value and esm_class & ESM_UDHI and value[0] < len(value) else 0
    size = len(value) - header
    filler = b"\0x" * (size // 2) + b"x" * (size % 2) if data_coding == UCS2 else b"x" * size
    return value[:header] + filler


def _receipt(value: bytes) -> bytes:
    kept = bytearray(b"x" * len(value))
    for place, octet in enumerate(value):
        if octet == 0x20:
            kept[place] = octet
    before_text = re.split(rb"\btext:", value, maxsplit=1, flags=re.IGNORECASE)[0]
    for found in _RECEIPT_FIELDS.finditer(before_text):
        kept[found.start() : found.end()] = found[0]
    return bytes(kept)


def _zeros(found: re.Match[bytes]) -> bytes:
    number = found[0]
    return b"0" * (len(number) - KEPT_DIGITS) + number[-KEPT_DIGITS:]
