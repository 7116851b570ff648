"""What a session tells its caller, many messages to an event (SMPP 3.4, clause 2.2 and the operations of clause 4)."""

from dataclasses import dataclass, field
from typing import TypeAlias

from .constants import BindKind
from .delivery import Delivery
from .error import ProtocolError, RemoteProtocolError
from .pdu import Pdu
from .tlv import Tlv
from .window import Token


@dataclass(frozen=True, slots=True)
class Bound:
    """ESME: the SMSC accepted the bind."""

    system_id: bytes
    tlvs: tuple[Tlv, ...] = ()


@dataclass(frozen=True, slots=True)
class BindFailed:
    """ESME: the SMSC refused the bind. `status` is None when it never answered; then Closed follows."""

    status: int | None
    text: str


@dataclass(frozen=True, slots=True)
class BindRequested:
    """SMSC: answer with `accept_bind` or `refuse_bind`."""

    sequence_number: int
    kind: BindKind
    system_id: bytes
    password: bytes = field(repr=False)
    system_type: bytes
    interface_version: int
    addr_ton: int
    addr_npi: int
    address_range: bytes
    tlvs: tuple[Tlv, ...] = ()


@dataclass(frozen=True, slots=True)
class SubmitResults:
    """ESME: answers to submits, as parallel lists. A message_id is empty beside a status that is not 0."""

    tokens: list[Token]
    statuses: list[int]
    message_ids: list[bytes]


@dataclass(frozen=True, slots=True)
class SubmitsExpired:
    """ESME: no answer within `response_s`; a late one is counted and dropped."""

    tokens: list[Token]


@dataclass(frozen=True, slots=True, repr=False)
class Submits:
    """SMSC: submit_sm, unread (`submit.read_submit` reads a body), to be answered with `answer_submits`."""

    sequence_numbers: list[int]
    bodies: list[bytes]

    def __repr__(self) -> str:
        return f"<Submits {len(self.bodies)}>"


@dataclass(frozen=True, slots=True)
class Deliveries:
    """ESME: deliver_sm and data_sm, to be answered with `answer_deliveries`."""

    pdus: list[Delivery]


@dataclass(frozen=True, slots=True)
class DeliverResults:
    """SMSC: answers to deliver_sm, as parallel lists."""

    tokens: list[Token]
    statuses: list[int]


@dataclass(frozen=True, slots=True)
class DeliversExpired:
    """SMSC: no answer within `response_s`."""

    tokens: list[Token]


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """Any other request, to be answered with `send_response`."""

    pdu: Pdu


@dataclass(frozen=True, slots=True)
class GenericResult:
    """The answer to a `send_request`; None when it expired, came malformed, or the session closed before it came."""

    token: Token
    pdu: Pdu | None


@dataclass(frozen=True, slots=True)
class Alert:
    """ESME: alert_notification, which has no answer."""

    pdu: Pdu


@dataclass(frozen=True, slots=True)
class Outbind:
    """ESME: the SMSC asks for a bind as receiver or transceiver."""

    system_id: bytes
    password: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class UnbindReceived:
    """The peer unbinds; unbind_resp is queued. Answers still come in until the peer or `close` ends it."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A PDU that could not be taken, or not in this state; the refusal is queued, where there is one to send."""

    error: RemoteProtocolError


@dataclass(frozen=True, slots=True)
class LinkDead:
    """The peer says nothing any more; Closed follows."""

    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The end: send what `data_to_send` still holds, then close the connection. Nothing comes after this.

    `unanswered_tokens` are those of messages whose answer never came and will not come; `error` is set when the
    stream broke."""

    reason: str
    unanswered_tokens: list[Token]
    error: ProtocolError | None = None


Event: TypeAlias = (
    Bound
    | BindFailed
    | BindRequested
    | SubmitResults
    | SubmitsExpired
    | Submits
    | Deliveries
    | DeliverResults
    | DeliversExpired
    | RequestReceived
    | GenericResult
    | Alert
    | Outbind
    | UnbindReceived
    | Malformed
    | LinkDead
    | Closed
)
