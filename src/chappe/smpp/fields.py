"""The mandatory fields of every PDU in the order of the standard (SMPP 3.4, clause 4): one table, read both ways.

Lengths count what the standard counts: a C-octet string with its NUL, a short_message without its sm_length. The
counting fields themselves (sm_length, number_of_dests, no_unsuccess) are not in the table: they are made from what
they count.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from .constants import CommandId


@dataclass(frozen=True, slots=True)
class Integer:
    """An unsigned integer of `size` octets, 3.1."""

    name: str
    size: int = 1


@dataclass(frozen=True, slots=True)
class CString:
    """A C-octet string of at most `limit` octets with its NUL; a `fixed` one is empty or exactly that long, 3.1.

    `beyond` is the limit for peers that are known to take more than the standard allows; 0: there are none."""

    name: str
    limit: int
    fixed: bool = False
    beyond: int = 0


@dataclass(frozen=True, slots=True)
class Octets:
    """Octets after one octet that holds their number."""

    name: str
    limit: int


@dataclass(frozen=True, slots=True)
class Destinations:
    """number_of_dests and dest_address(es), 4.5.1.1."""

    name: str


@dataclass(frozen=True, slots=True)
class Failures:
    """no_unsuccess and unsuccess_sme(s), 4.5.2.1."""

    name: str


SME: Final = 1
DISTRIBUTION_LIST: Final = 2
"""The two values of dest_flag, 5.2.25."""


class Destination(NamedTuple):
    """A dest_address of submit_multi: one SME (dest_flag 1), or a distribution list (dest_flag 2: ton and npi None)."""

    address: bytes
    ton: int | None = 0
    npi: int | None = 0


class UnsuccessSme(NamedTuple):
    """A destination that submit_multi did not reach."""

    ton: int
    npi: int
    address: bytes
    error_status_code: int


Field = Integer | CString | Octets | Destinations | Failures
FieldValue = int | bytes | tuple[Destination, ...] | tuple[UnsuccessSme, ...]


def _address(prefix: str, name: str, limit: int) -> tuple[Field, ...]:
    return Integer(f"{prefix}_ton"), Integer(f"{prefix}_npi"), CString(name, limit)


_SOURCE: Final = _address("source_addr", "source_addr", 21)
_DEST: Final = _address("dest_addr", "destination_addr", 21)
_SERVICE_TYPE: Final = CString("service_type", 6)
_MESSAGE_ID: Final = CString("message_id", 65)
_TIMES: Final = (CString("schedule_delivery_time", 17, fixed=True), CString("validity_period", 17, fixed=True))
_SHORT_MESSAGE: Final = Octets("short_message", 254)
_HANDLING: Final = (Integer("esm_class"), Integer("protocol_id"), Integer("priority_flag"))
_OPTIONS: Final = (
    Integer("registered_delivery"),
    Integer("replace_if_present_flag"),
    Integer("data_coding"),
    Integer("sm_default_msg_id"),
)
_BIND: Final = (
    # Some providers issue longer ones than the standard has room for.
    CString("system_id", 16, beyond=65),
    CString("password", 9, beyond=65),
    CString("system_type", 13),
    Integer("interface_version"),
    Integer("addr_ton"),
    Integer("addr_npi"),
    CString("address_range", 41),
)
_BIND_RESP: Final = (CString("system_id", 16),)

FIELDS: Final[dict[int, tuple[Field, ...]]] = {
    CommandId.BIND_TRANSMITTER: _BIND,  # 4.1.1
    CommandId.BIND_TRANSMITTER_RESP: _BIND_RESP,  # 4.1.2
    CommandId.BIND_RECEIVER: _BIND,  # 4.1.3
    CommandId.BIND_RECEIVER_RESP: _BIND_RESP,  # 4.1.4
    CommandId.BIND_TRANSCEIVER: _BIND,  # 4.1.5
    CommandId.BIND_TRANSCEIVER_RESP: _BIND_RESP,  # 4.1.6
    CommandId.OUTBIND: (CString("system_id", 16), CString("password", 9)),  # 4.1.7
    CommandId.UNBIND: (),  # 4.2
    CommandId.UNBIND_RESP: (),
    CommandId.GENERIC_NACK: (),  # 4.3
    CommandId.SUBMIT_SM: (_SERVICE_TYPE, *_SOURCE, *_DEST, *_HANDLING, *_TIMES, *_OPTIONS, _SHORT_MESSAGE),  # 4.4.1
    CommandId.SUBMIT_SM_RESP: (_MESSAGE_ID,),  # 4.4.2
    CommandId.SUBMIT_MULTI: (  # 4.5.1
        _SERVICE_TYPE,
        *_SOURCE,
        Destinations("dest_addresses"),
        *_HANDLING,
        *_TIMES,
        *_OPTIONS,
        _SHORT_MESSAGE,
    ),
    CommandId.SUBMIT_MULTI_RESP: (_MESSAGE_ID, Failures("unsuccess_smes")),  # 4.5.2
    CommandId.DELIVER_SM: (  # 4.6.1: the two times are there and always empty
        _SERVICE_TYPE,
        *_SOURCE,
        *_DEST,
        *_HANDLING,
        CString("schedule_delivery_time", 1),
        CString("validity_period", 1),
        *_OPTIONS,
        _SHORT_MESSAGE,
    ),
    CommandId.DELIVER_SM_RESP: (CString("message_id", 1),),  # 4.6.2: there and always empty
    CommandId.DATA_SM: (  # 4.7.1
        _SERVICE_TYPE,
        *_address("source_addr", "source_addr", 65),
        *_address("dest_addr", "destination_addr", 65),
        Integer("esm_class"),
        Integer("registered_delivery"),
        Integer("data_coding"),
    ),
    CommandId.DATA_SM_RESP: (_MESSAGE_ID,),  # 4.7.2
    CommandId.QUERY_SM: (_MESSAGE_ID, *_SOURCE),  # 4.8.1
    CommandId.QUERY_SM_RESP: (  # 4.8.2
        _MESSAGE_ID,
        CString("final_date", 17, fixed=True),
        Integer("message_state"),
        Integer("error_code"),
    ),
    CommandId.CANCEL_SM: (_SERVICE_TYPE, _MESSAGE_ID, *_SOURCE, *_DEST),  # 4.9.1
    CommandId.CANCEL_SM_RESP: (),
    CommandId.REPLACE_SM: (  # 4.10.1
        _MESSAGE_ID,
        *_SOURCE,
        *_TIMES,
        Integer("registered_delivery"),
        Integer("sm_default_msg_id"),
        _SHORT_MESSAGE,
    ),
    CommandId.REPLACE_SM_RESP: (),
    CommandId.ENQUIRE_LINK: (),  # 4.11
    CommandId.ENQUIRE_LINK_RESP: (),
    CommandId.ALERT_NOTIFICATION: (  # 4.12
        *_address("source_addr", "source_addr", 65),
        *_address("esme_addr", "esme_addr", 65),
    ),
}
