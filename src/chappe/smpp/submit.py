"""submit_sm in number: building its body and reading it (SMPP 3.4, clause 4.4.1).

The octets are those that `pdu.encode` gives, without the 16 of the header, which the session adds.
"""

import re
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from .constants import CommandId, CommandStatus, Tag
from .error import LocalProtocolError, MalformedPdu
from .pdu import DEFAULT_LIMITS, Limits, encode_c_octets, encode_integer
from .tlv import Tlv, find_tlv, read_tlvs

MAX_SHORT_MESSAGE: Final = 254

SM_BODY: Final = re.compile(rb"([^\0]*+)\0(..)([^\0]*+)\0(..)([^\0]*+)\0(...)([^\0]*+)\0([^\0]*+)\0(.....)", re.DOTALL)
"""The fields that submit_sm and deliver_sm share, up to sm_length: one match is several times faster than a call per
field. Every string ends at its first NUL, so the groups can match in one way only and nothing is tried twice."""

_PAYLOAD: Final = int(Tag.MESSAGE_PAYLOAD)
_new = tuple.__new__


@dataclass(frozen=True, slots=True)
class SubmitTemplate:
    """What does not change from one message to the next."""

    service_type: bytes = b""
    source_addr_ton: int = 0
    source_addr_npi: int = 0
    source_addr: bytes = b""
    dest_addr_ton: int = 0
    dest_addr_npi: int = 0
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: bytes = b""
    replace_if_present_flag: int = 0
    sm_default_msg_id: int = 0
    _head: bytes = field(init=False, repr=False, compare=False)
    _middles: dict[tuple[int, int, int, bytes], bytes] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        parts = (
            encode_c_octets("service_type", self.service_type, 6),
            encode_integer("source_addr_ton", self.source_addr_ton),
            encode_integer("source_addr_npi", self.source_addr_npi),
            encode_c_octets("source_addr", self.source_addr, 21),
            encode_integer("dest_addr_ton", self.dest_addr_ton),
            encode_integer("dest_addr_npi", self.dest_addr_npi),
        )
        object.__setattr__(self, "_head", b"".join(parts))
        self._middle(0, 0, 0, b"")

    def body(
        self,
        destination: bytes,
        short_message: bytes,
        esm_class: int,
        data_coding: int,
        registered_delivery: int,
        validity_period: bytes = b"",
        tlvs: bytes = b"",
    ) -> bytes:
        """The body of one submit_sm; `tlvs` are octets of `encode_tlvs`. LocalProtocolError names a field too long."""
        length = len(short_message)
        if length > MAX_SHORT_MESSAGE:
            raise LocalProtocolError(f"has {length} octets, may have at most {MAX_SHORT_MESSAGE}", "short_message")
        if len(destination) > 20 or 0 in destination:
            encode_c_octets("destination_addr", destination, 21)
        middle = self._middles.get((esm_class, data_coding, registered_delivery, validity_period))
        if middle is None:
            middle = self._middle(esm_class, data_coding, registered_delivery, validity_period)
        return b"%b%b%b%c%b%b" % (self._head, destination, middle, length, short_message, tlvs)

    def _middle(self, esm_class: int, data_coding: int, registered_delivery: int, validity_period: bytes) -> bytes:
        """From the NUL of destination_addr to sm_default_msg_id."""
        parts = (
            b"\0",
            encode_integer("esm_class", esm_class),
            encode_integer("protocol_id", self.protocol_id),
            encode_integer("priority_flag", self.priority_flag),
            encode_c_octets("schedule_delivery_time", self.schedule_delivery_time, 17, fixed=True),
            encode_c_octets("validity_period", validity_period, 17, fixed=True),
            encode_integer("registered_delivery", registered_delivery),
            encode_integer("replace_if_present_flag", self.replace_if_present_flag),
            encode_integer("data_coding", data_coding),
            encode_integer("sm_default_msg_id", self.sm_default_msg_id),
        )
        if len(self._middles) >= 256:
            self._middles.clear()  # validity_period may differ from message to message
        middle = b"".join(parts)
        self._middles[esm_class, data_coding, registered_delivery, validity_period] = middle
        return middle


class Submission(NamedTuple):
    """A submit_sm as read; `short_message` is the message_payload where that is how the text came."""

    service_type: bytes
    source_addr_ton: int
    source_addr_npi: int
    source: bytes
    dest_addr_ton: int
    dest_addr_npi: int
    destination: bytes
    esm_class: int
    protocol_id: int
    priority_flag: int
    schedule_delivery_time: bytes
    validity_period: bytes
    registered_delivery: int
    replace_if_present_flag: int
    data_coding: int
    sm_default_msg_id: int
    short_message: bytes
    tlvs: tuple[Tlv, ...]

    def __repr__(self) -> str:  # without the text, and without the numbers
        return f"<Submission data_coding={self.data_coding} octets={len(self.short_message)} tlvs={len(self.tlvs)}>"

    def tlv(self, tag: int) -> bytes | None:
        """The value of the first optional parameter with this tag."""
        return next((tlv.value for tlv in self.tlvs if tlv.tag == tag), None)


def read_submit(body: bytes, sequence_number: int = 0, limits: Limits = DEFAULT_LIMITS) -> Submission:
    """The fields of a body of `Submits`. MalformedPdu carries the status to answer with."""
    match = SM_BODY.match(body)
    if match is None:
        raise cut_short(CommandId.SUBMIT_SM, sequence_number)
    (
        service_type,
        (source_ton, source_npi),
        source,
        (dest_ton, dest_npi),
        destination,
        (esm_class, protocol_id, priority),
        schedule,
        validity,
        (registered, replace, data_coding, default_id, length),
    ) = match.groups()
    start = match.end()
    end = start + length
    size = len(body)
    text = body[start:end]
    tlvs: tuple[Tlv, ...] = ()
    if end != size:
        if end > size:
            raise wrong_length(CommandId.SUBMIT_SM, sequence_number)
        tlvs = read_tlvs(body, end, size, limits.max_tlvs, CommandId.SUBMIT_SM, sequence_number)
        if not length and (payload := find_tlv(tlvs, _PAYLOAD)):
            text = payload.value
    return _new(
        Submission,
        (
            service_type,
            source_ton,
            source_npi,
            source,
            dest_ton,
            dest_npi,
            destination,
            esm_class,
            protocol_id,
            priority,
            schedule,
            validity,
            registered,
            replace,
            data_coding,
            default_id,
            text,
            tlvs,
        ),
    )


def cut_short(command_id: int, sequence_number: int) -> MalformedPdu:
    """A body that ends before its last mandatory field."""
    return MalformedPdu(command_id, sequence_number, CommandStatus.ESME_RINVCMDLEN, "the body is cut short")


def wrong_length(command_id: int, sequence_number: int) -> MalformedPdu:
    """A sm_length that reaches beyond the body."""
    return MalformedPdu(command_id, sequence_number, CommandStatus.ESME_RINVMSGLEN, "sm_length goes beyond the body")
