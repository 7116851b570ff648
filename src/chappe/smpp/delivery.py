"""deliver_sm and data_sm in number: reading them into a `Delivery`, building the body of deliver_sm (SMPP 3.4, clauses
4.6.1 and 4.7.1).
"""

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .constants import ESM_DELIVERY_RECEIPT, ESM_MESSAGE_TYPE, CommandId, Tag
from .error import LocalProtocolError
from .pdu import Limits, encode_c_octets, encode_integer
from .submit import MAX_SHORT_MESSAGE, SM_BODY, cut_short, wrong_length
from .tlv import Tlv, find_tlv, read_tlvs

DATA_BODY: Final = re.compile(rb"([^\0]*+)\0(..)([^\0]*+)\0(..)([^\0]*+)\0(...)", re.DOTALL)
"""The mandatory fields of data_sm."""

_DELIVER_SM: Final = int(CommandId.DELIVER_SM)
_DATA_SM: Final = int(CommandId.DATA_SM)
_PAYLOAD: Final = int(Tag.MESSAGE_PAYLOAD)
_new = tuple.__new__


class Delivery(NamedTuple):
    """A deliver_sm or data_sm as read; `short_message` is the message_payload where that is how the text came (which
    stays in `tlvs` as well)."""

    sequence_number: int
    command_id: int
    service_type: bytes
    source_addr_ton: int
    source_addr_npi: int
    source: bytes
    dest_addr_ton: int
    dest_addr_npi: int
    destination: bytes
    esm_class: int
    protocol_id: int
    registered_delivery: int
    data_coding: int
    short_message: bytes
    tlvs: tuple[Tlv, ...]

    def __repr__(self) -> str:  # without the text, and without the numbers
        return (
            f"<Delivery sequence_number={self.sequence_number} esm_class={self.esm_class} "
            f"data_coding={self.data_coding} octets={len(self.short_message)} tlvs={len(self.tlvs)}>"
        )

    @property
    def is_receipt(self) -> bool:
        """esm_class says: an SMSC delivery receipt (5.2.12)."""
        return self.esm_class & ESM_MESSAGE_TYPE == ESM_DELIVERY_RECEIPT

    def tlv(self, tag: int) -> bytes | None:
        """The value of the first optional parameter with this tag."""
        return next((tlv.value for tlv in self.tlvs if tlv.tag == tag), None)


def read_deliver(buffer: bytes, position: int, end: int, sequence_number: int, limits: Limits) -> Delivery:
    """A deliver_sm whose body lies between `position` and `end`. MalformedPdu carries the status to answer with."""
    match = SM_BODY.match(buffer, position, end)
    if match is None:
        raise cut_short(_DELIVER_SM, sequence_number)
    (
        service_type,
        (source_ton, source_npi),
        source,
        (dest_ton, dest_npi),
        destination,
        (esm_class, protocol_id, _),
        _,
        _,
        (registered, _, data_coding, _, length),
    ) = match.groups()
    start = match.end()
    text_end = start + length
    text = buffer[start:text_end]
    tlvs: tuple[Tlv, ...] = ()
    if text_end != end:
        if text_end > end:
            raise wrong_length(_DELIVER_SM, sequence_number)
        tlvs = read_tlvs(buffer, text_end, end, limits.max_tlvs, _DELIVER_SM, sequence_number)
        if not length and (payload := find_tlv(tlvs, _PAYLOAD)):
            text = payload.value
    return _new(
        Delivery,
        (
            sequence_number,
            _DELIVER_SM,
            service_type,
            source_ton,
            source_npi,
            source,
            dest_ton,
            dest_npi,
            destination,
            esm_class,
            protocol_id,
            registered,
            data_coding,
            text,
            tlvs,
        ),
    )


def read_data(buffer: bytes, position: int, end: int, sequence_number: int, limits: Limits) -> Delivery:
    """A data_sm whose body lies between `position` and `end`."""
    match = DATA_BODY.match(buffer, position, end)
    if match is None:
        raise cut_short(_DATA_SM, sequence_number)
    (
        service_type,
        (source_ton, source_npi),
        source,
        (dest_ton, dest_npi),
        destination,
        (esm_class, registered, data_coding),
    ) = match.groups()
    tlvs = read_tlvs(buffer, match.end(), end, limits.max_tlvs, _DATA_SM, sequence_number)
    payload = find_tlv(tlvs, _PAYLOAD)
    return Delivery(
        sequence_number,
        _DATA_SM,
        service_type,
        source_ton,
        source_npi,
        source,
        dest_ton,
        dest_npi,
        destination,
        esm_class,
        0,
        registered,
        data_coding,
        payload.value if payload else b"",
        tlvs,
    )


@dataclass(frozen=True, slots=True)
class DeliverTemplate:
    """The SMSC's side: what does not change from one deliver_sm to the next when the phone that it comes from does."""

    service_type: bytes = b""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    destination_addr: bytes = b""
    protocol_id: int = 0
    priority_flag: int = 0
    _head: bytes = field(init=False, repr=False, compare=False)
    _middles: dict[tuple[int, int, int], bytes] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        parts = (
            encode_c_octets("service_type", self.service_type, 6),
            encode_integer("source_addr_ton", self.source_addr_ton),
            encode_integer("source_addr_npi", self.source_addr_npi),
        )
        object.__setattr__(self, "_head", b"".join(parts))
        self._middle(0, 0, 0)

    def body(
        self,
        source: bytes,
        short_message: bytes,
        esm_class: int,
        data_coding: int,
        registered_delivery: int = 0,
        tlvs: bytes = b"",
    ) -> bytes:
        """The body of one deliver_sm; `tlvs` are octets of `encode_tlvs`. LocalProtocolError names a field too long."""
        length = len(short_message)
        if length > MAX_SHORT_MESSAGE:
            raise LocalProtocolError(f"has {length} octets, may have at most {MAX_SHORT_MESSAGE}", "short_message")
        if len(source) > 20 or 0 in source:
            encode_c_octets("source_addr", source, 21)
        middle = self._middles.get((esm_class, data_coding, registered_delivery))
        if middle is None:
            middle = self._middle(esm_class, data_coding, registered_delivery)
        return b"%b%b%b%c%b%b" % (self._head, source, middle, length, short_message, tlvs)

    def _middle(self, esm_class: int, data_coding: int, registered_delivery: int) -> bytes:
        """From the NUL of source_addr to sm_default_msg_id."""
        parts = (
            b"\0",
            encode_integer("dest_addr_ton", self.dest_addr_ton),
            encode_integer("dest_addr_npi", self.dest_addr_npi),
            encode_c_octets("destination_addr", self.destination_addr, 21),
            encode_integer("esm_class", esm_class),
            encode_integer("protocol_id", self.protocol_id),
            encode_integer("priority_flag", self.priority_flag),
            b"\0\0",  # schedule_delivery_time and validity_period, unused here
            encode_integer("registered_delivery", registered_delivery),
            b"\0",  # replace_if_present_flag, unused here
            encode_integer("data_coding", data_coding),
            b"\0",  # sm_default_msg_id, unused here
        )
        middle = b"".join(parts)
        self._middles[esm_class, data_coding, registered_delivery] = middle
        return middle
