"""SMPP 3.4 without sockets, both ends, standard library only.

`Session` is one end of a connection: octets in, events out (`event`), requests and answers in batches.
`SubmitTemplate`, `read_submit`, `DeliverTemplate` and `Delivery` are the messages; `encode` and `decode` any PDU.
"""

from .constants import BindKind, CommandId, CommandStatus, MessageState, Tag, command_name, status_name, status_text
from .delivery import DeliverTemplate, Delivery
from .error import BrokenStream, LocalProtocolError, MalformedPdu, ProtocolError, RemoteProtocolError
from .pdu import Limits, Pdu, decode, encode
from .receipt import format_receipt, parse_receipt
from .session import Role, Session, State
from .submit import Submission, SubmitTemplate, read_submit
from .timer import Timers
from .tlv import Tlv, encode_tlvs
from .trace import trace

__all__ = [
    "BindKind",
    "BrokenStream",
    "CommandId",
    "CommandStatus",
    "DeliverTemplate",
    "Delivery",
    "Limits",
    "LocalProtocolError",
    "MalformedPdu",
    "MessageState",
    "Pdu",
    "ProtocolError",
    "RemoteProtocolError",
    "Role",
    "Session",
    "State",
    "Submission",
    "SubmitTemplate",
    "Tag",
    "Timers",
    "Tlv",
    "command_name",
    "decode",
    "encode",
    "encode_tlvs",
    "format_receipt",
    "parse_receipt",
    "read_submit",
    "status_name",
    "status_text",
    "trace",
]
