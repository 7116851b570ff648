"""One SMPP 3.4 session, either end, without sockets and without a clock (SMPP 3.4, clauses 2.2 to 2.8 and 4).

Octets go in by `receive_data`, events come out; requests and answers are called for in batches and leave by
`data_to_send`. Every `now` is seconds of one monotonic clock. What may be asked in which state is `REQUESTS`, what
moves the session from one state to another is `TRANSITIONS`, and `reaction` gives the answer to every PDU in every
state.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from itertools import repeat
from struct import Struct
from typing import Any, Final, TypeAlias

from .constants import RESPONSE, BindKind, CommandId, CommandStatus, command_name, status_text
from .delivery import read_data, read_deliver
from .error import BrokenStream, LocalProtocolError, MalformedPdu
from .event import (
    Alert,
    BindFailed,
    BindRequested,
    Bound,
    Closed,
    Deliveries,
    DeliverResults,
    DeliversExpired,
    Event,
    GenericResult,
    LinkDead,
    Malformed,
    Outbind,
    RequestReceived,
    SubmitResults,
    Submits,
    SubmitsExpired,
    UnbindReceived,
)
from .fields import FIELDS, FieldValue
from .pdu import DEFAULT_LIMITS, HEADER, HEADER_LENGTH, Limits, Pdu, decode_body, encode, encode_body
from .timer import DEFAULT_TIMERS, KeepAlive, Timers
from .tlv import Tlv
from .window import ABSENT, Token, Window


class Role(Enum):
    """Which end this is."""

    ESME = "esme"
    SMSC = "smsc"

    @property
    def peer(self) -> "Role":
        return Role.SMSC if self is Role.ESME else Role.ESME


class State(Enum):
    """Clause 2.2. OPEN lasts until a bind is accepted; UNBOUND is from an unbind, sent or received, to the end."""

    OPEN = "open"
    OUTBOUND = "outbound"
    BOUND_TX = "bound as transmitter"
    BOUND_RX = "bound as receiver"
    BOUND_TRX = "bound as transceiver"
    UNBOUND = "unbound"
    CLOSED = "closed"


class Trigger(Enum):
    """What moves a session from one state to another."""

    OUTBIND = "outbind"
    BIND_TRANSMITTER = "bind_transmitter accepted"
    BIND_RECEIVER = "bind_receiver accepted"
    BIND_TRANSCEIVER = "bind_transceiver accepted"
    UNBIND = "unbind sent or received"
    CLOSE = "unbind answered, connection lost, stream broken, link dead, time out, close"


TRANSITIONS: Final[dict[tuple[State, Trigger], State]] = {
    (State.OPEN, Trigger.OUTBIND): State.OUTBOUND,
    (State.OPEN, Trigger.BIND_TRANSMITTER): State.BOUND_TX,
    (State.OPEN, Trigger.BIND_RECEIVER): State.BOUND_RX,
    (State.OPEN, Trigger.BIND_TRANSCEIVER): State.BOUND_TRX,
    (State.OUTBOUND, Trigger.BIND_RECEIVER): State.BOUND_RX,
    (State.OUTBOUND, Trigger.BIND_TRANSCEIVER): State.BOUND_TRX,
    (State.BOUND_TX, Trigger.UNBIND): State.UNBOUND,
    (State.BOUND_RX, Trigger.UNBIND): State.UNBOUND,
    (State.BOUND_TRX, Trigger.UNBIND): State.UNBOUND,
    (State.UNBOUND, Trigger.UNBIND): State.UNBOUND,
    **{(state, Trigger.CLOSE): State.CLOSED for state in State if state is not State.CLOSED},
}

_BIND_TRIGGERS: Final = {
    BindKind.TRANSMITTER: Trigger.BIND_TRANSMITTER,
    BindKind.RECEIVER: Trigger.BIND_RECEIVER,
    BindKind.TRANSCEIVER: Trigger.BIND_TRANSCEIVER,
}
_BINDS: Final = frozenset(int(kind) for kind in BindKind)
_LINK: Final = frozenset({CommandId.ENQUIRE_LINK, CommandId.UNBIND})
_ESME_SENDS: Final = _LINK | {
    CommandId.SUBMIT_SM,
    CommandId.SUBMIT_MULTI,
    CommandId.DATA_SM,
    CommandId.QUERY_SM,
    CommandId.CANCEL_SM,
    CommandId.REPLACE_SM,
}
_SMSC_SENDS: Final = _LINK | {CommandId.DELIVER_SM, CommandId.DATA_SM, CommandId.ALERT_NOTIFICATION}
_NOTHING: Final[frozenset[int]] = frozenset()

REQUESTS: Final[dict[tuple[State, Role], frozenset[int]]] = {
    # (state, who asks): what it may ask, 2.3. Everything else is refused, see `reaction`.
    (State.OPEN, Role.ESME): _BINDS | {CommandId.ENQUIRE_LINK},
    (State.OPEN, Role.SMSC): frozenset({CommandId.OUTBIND, CommandId.ENQUIRE_LINK}),
    (State.OUTBOUND, Role.ESME): frozenset({BindKind.RECEIVER, BindKind.TRANSCEIVER, CommandId.ENQUIRE_LINK}),
    (State.OUTBOUND, Role.SMSC): frozenset({CommandId.ENQUIRE_LINK}),
    (State.BOUND_TX, Role.ESME): _ESME_SENDS,
    (State.BOUND_TX, Role.SMSC): _LINK,
    (State.BOUND_RX, Role.ESME): _LINK,
    (State.BOUND_RX, Role.SMSC): _SMSC_SENDS,
    (State.BOUND_TRX, Role.ESME): _ESME_SENDS,
    (State.BOUND_TRX, Role.SMSC): _SMSC_SENDS,
    (State.UNBOUND, Role.ESME): _LINK,
    (State.UNBOUND, Role.SMSC): _LINK,
    (State.CLOSED, Role.ESME): _NOTHING,
    (State.CLOSED, Role.SMSC): _NOTHING,
}


class Reaction(Enum):
    """What a session does with a PDU that comes in."""

    TAKE = "take it"
    MATCH = "an answer: look for the request, and drop it when there is none"
    REFUSE = "answer ESME_RINVBNDSTS"
    ALREADY_BOUND = "answer ESME_RALYBND"
    UNKNOWN = "answer generic_nack ESME_RINVCMDID"
    DROP = "say nothing"


def reaction(role: Role, state: State, command_id: int) -> Reaction:
    """The answer to any PDU in any state, `role` being this end."""
    if state is State.CLOSED:
        return Reaction.DROP
    if command_id & RESPONSE:
        # An unknown answer is not answered: the peer would take the nack for one of its own requests.
        return Reaction.MATCH if command_id in FIELDS else Reaction.DROP
    if command_id not in FIELDS:
        return Reaction.UNKNOWN
    if command_id in REQUESTS[state, role.peer]:
        return Reaction.TAKE
    if command_id in _BINDS and role is Role.SMSC and state not in (State.OPEN, State.OUTBOUND):
        return Reaction.ALREADY_BOUND
    return Reaction.REFUSE


_SUBMIT_SM: Final = int(CommandId.SUBMIT_SM)
_SUBMIT_SM_RESP: Final = int(CommandId.SUBMIT_SM_RESP)
_DELIVER_SM: Final = int(CommandId.DELIVER_SM)
_DELIVER_SM_RESP: Final = int(CommandId.DELIVER_SM_RESP)
_DATA_SM: Final = int(CommandId.DATA_SM)
_DATA_SM_RESP: Final = int(CommandId.DATA_SM_RESP)
_MESSAGES: Final = {Role.ESME: _SUBMIT_SM, Role.SMSC: _DELIVER_SM}
"""What each end sends in batches."""
_WITHOUT_ANSWER: Final = frozenset({CommandId.OUTBIND, CommandId.ALERT_NOTIFICATION})
_EMPTY_ID_RESP: Final = Struct(">IIIIB")
"""A header and an empty message_id."""

_Taker: TypeAlias = Callable[[bytes, int, int, int, Limits], object]


def _take_body(buffer: bytes, position: int, end: int, _sequence_number: int, _limits: Limits) -> bytes:
    return buffer[position:end]


class Session:
    """One end of one connection. Nothing blocks, nothing is decoded twice, and nothing is sent by itself: after every
    call, write what `data_to_send` gives; when `next_deadline` comes, call `tick`; after `Closed`, close.

    Times of answers sent (which have no `now`) count as the latest `now` the session has been told."""

    def __init__(
        self,
        role: Role,
        timers: Timers = DEFAULT_TIMERS,
        window: int = 10,
        limits: Limits = DEFAULT_LIMITS,
        *,
        now: float | None = None,
        first_sequence_number: int = 1,
    ) -> None:
        """`window`: messages and other requests that may wait for an answer at once. `now`: when the connection was
        made, from which the SMSC counts `bind_s`; without it, from the first call that brings a `now`."""
        self.role = role
        self.state = State.OPEN
        self.timers = timers
        self.limits = limits
        self.late_answers = 0
        """Answers that nothing waited for: after expiry, twice, or with a number never sent."""
        self.throttled_messages = 0
        """Messages of the peer answered ESME_RTHROTTLED because `limits.max_messages` were waiting for an answer."""
        self._window = Window(window, timers.response_s, first_sequence_number)
        self._keep_alive = KeepAlive(timers.enquire_link_s)
        self._out: list[bytes] = []
        self._held: list[bytes] = []
        self._held_length = 0
        self._needed = HEADER_LENGTH
        self._now = 0.0
        self._bind: tuple[int, BindKind] | None = None  # ESME: sent; SMSC: waits for accept_bind or refuse_bind
        self._bind_deadline: float | None = None
        self._unbind: int | None = None
        self._unbind_deadline: float | None = None
        self._unanswered = 0  # messages and other requests of the peer that the caller has not answered yet
        self._data_numbers: set[int] = set()  # those of them that are data_sm
        self._answer_id = _SUBMIT_SM_RESP if role is Role.ESME else _DELIVER_SM_RESP
        self._takers: Mapping[int, _Taker] = {}
        self._may_send_messages = False
        self._is_started = False
        if now is not None:
            self._told(now)

    # What both ends do

    @property
    def room(self) -> int:
        """Messages that may still go out before an answer has to come in; 0 in a state where none may."""
        return self._window.room if self._may_send_messages else 0

    @property
    def oldest_unanswered_at(self) -> float | None:
        """When the oldest message that still waits for its answer went out; None where none does."""
        return self._window.oldest_sent_at()

    @property
    def unread(self) -> bytes:
        """The beginning of a PDU whose rest has not come yet."""
        return b"".join(self._held)

    def data_to_send(self) -> bytes:
        """Everything queued since the last call, as one write."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def receive_data(self, data: bytes | bytearray | memoryview, now: float) -> list[Event]:
        """What the octets say. Between two events of other kinds the messages and the answers to messages of one call
        make one event each, the answers first; all other events stand in the order of arrival."""
        if self.state is State.CLOSED or not data:
            return []
        self._told(now)
        octets = bytes(data)  # the same object, unless it is a buffer that the caller will use again
        self._held.append(octets)
        self._held_length += len(octets)
        if self._held_length < self._needed:
            return []
        buffer = octets if len(self._held) == 1 else b"".join(self._held)
        events: list[Event] = []
        position = self._read(buffer, events)
        if position:
            self._keep_alive.received(now)
        rest = buffer[position:]
        self._held = [rest] if rest else []
        self._held_length = len(rest)
        return events

    def receive_eof(self, now: float) -> list[Event]:
        """The peer closed the connection, or it was lost."""
        if self.state is State.CLOSED:
            return []
        self._told(now)
        where = " in the middle of a PDU" if self._held_length else ""
        return self._close(f"the connection was closed{where}")

    def close(self) -> list[Event]:
        """Give up at once, without unbind: `Closed`, or nothing when that has been."""
        return [] if self.state is State.CLOSED else self._close("closed by this side")

    def unbind(self, now: float) -> None:
        """Ask for the end; `Closed` comes with the answer, or when `response_s` is over."""
        self._told(now)
        if self._unbind is not None:
            raise LocalProtocolError("unbind was sent already")
        self._check_may_send(CommandId.UNBIND)
        self._unbind = self._window.take_number()
        self._send(HEADER.pack(HEADER_LENGTH, CommandId.UNBIND, 0, self._unbind))
        self._move(Trigger.UNBIND)
        if self.timers.response_s is not None:
            self._unbind_deadline = now + self.timers.response_s

    def send_request(self, pdu: Pdu, token: Token, now: float) -> int:
        """Any request but bind, unbind and enquire_link; its sequence_number is given here and returned. The answer
        comes as a GenericResult. It takes a place in the window."""
        self._told(now)
        command_id = pdu.command_id
        if command_id in _LINK or command_id in _BINDS or command_id in _WITHOUT_ANSWER:
            raise LocalProtocolError(f"{command_name(command_id)} is not sent this way", "command_id")
        self._check_may_send(command_id)
        self._check_room(1)
        body = encode_body(pdu)
        number = self._window.add_request(command_id, token, now)
        self._send(HEADER.pack(HEADER_LENGTH + len(body), command_id, 0, number) + body)
        return number

    def send_notification(self, pdu: Pdu, now: float) -> int:
        """alert_notification or outbind, which have no answer."""
        self._told(now)
        if pdu.command_id not in _WITHOUT_ANSWER:
            raise LocalProtocolError(f"{command_name(pdu.command_id)} has an answer", "command_id")
        self._check_may_send(pdu.command_id)
        body = encode_body(pdu)
        number = self._window.take_number()
        self._send(HEADER.pack(HEADER_LENGTH + len(body), pdu.command_id, 0, number) + body)
        if pdu.command_id == CommandId.OUTBIND:
            self._move(Trigger.OUTBIND)
        return number

    def send_response(self, pdu: Pdu) -> None:
        """The answer to a RequestReceived, with the sequence_number of that request."""
        if not pdu.command_id & RESPONSE:
            raise LocalProtocolError(f"{command_name(pdu.command_id)} is not a response", "command_id")
        data = encode(pdu)
        if self.state is not State.CLOSED:
            self._unanswered = max(0, self._unanswered - 1)
            self._send(data)

    # ESME

    def bind(
        self,
        kind: BindKind,
        system_id: bytes,
        password: bytes,
        system_type: bytes,
        interface_version: int,
        addr_ton: int,
        addr_npi: int,
        address_range: bytes,
        now: float,
        *,
        beyond_standard: bool = False,
    ) -> None:
        """Ask to be bound: Bound or BindFailed will say. `beyond_standard`: system_id and password may have up to 64
        octets, for providers that issue such."""
        self._told(now)
        if self._bind is not None:
            raise LocalProtocolError("a bind is waiting for its answer")
        self._check_may_send(kind)
        fields: dict[str, FieldValue] = {
            "system_id": system_id,
            "password": password,
            "system_type": system_type,
            "interface_version": interface_version,
            "addr_ton": addr_ton,
            "addr_npi": addr_npi,
            "address_range": address_range,
        }
        number = self._window.take_number()
        self._send(encode(Pdu(kind, 0, number, fields), beyond_standard=beyond_standard))
        self._bind = number, kind
        if self.timers.bind_s is not None:
            self._bind_deadline = now + self.timers.bind_s

    def submit(self, bodies: Sequence[bytes], tokens: Sequence[Token], now: float) -> None:
        """submit_sm out, one for each body; each token comes back in exactly one of SubmitResults, SubmitsExpired and
        Closed."""
        if self.role is not Role.ESME:
            raise LocalProtocolError("submit is for an ESME")
        self._send_messages(_SUBMIT_SM, bodies, tokens, now)

    def answer_deliveries(self, sequence_numbers: Sequence[int], statuses: Sequence[int]) -> None:
        """deliver_sm_resp or data_sm_resp, whichever fits, as parallel lists. Nothing happens once closed."""
        count = _same_length(sequence_numbers, statuses)
        if self.state is State.CLOSED:
            return
        self._unanswered = max(0, self._unanswered - count)
        response: Iterable[int] = repeat(_DELIVER_SM_RESP)
        if self._data_numbers:
            data_numbers = self._data_numbers
            response = [_DATA_SM_RESP if one in data_numbers else _DELIVER_SM_RESP for one in sequence_numbers]
            data_numbers.difference_update(sequence_numbers)
        self._send(
            b"".join(map(_EMPTY_ID_RESP.pack, repeat(17), response, statuses, sequence_numbers, repeat(0, count)))
        )

    # SMSC

    def accept_bind(self, bind: BindRequested, system_id: bytes, tlvs: Iterable[Tlv], now: float) -> None:
        """Let the ESME in. `tlvs`: SC_INTERFACE_VERSION, for an ESME of 3.4."""
        if self.state is State.CLOSED:
            return
        response = Pdu(bind.kind | RESPONSE, 0, bind.sequence_number, {"system_id": system_id}, tuple(tlvs))
        data = encode(response)
        self._end_bind_request(bind)
        self._told(now)
        self._send(data)
        self._bound(bind.kind)

    def refuse_bind(self, bind: BindRequested, status: int) -> None:
        """Keep the ESME out; it may try again until `bind_s` is over."""
        if self.state is State.CLOSED:
            return
        self._end_bind_request(bind)
        self._send(HEADER.pack(HEADER_LENGTH, bind.kind | RESPONSE, status, bind.sequence_number))

    def answer_submits(
        self, sequence_numbers: Sequence[int], statuses: Sequence[int], message_ids: Sequence[bytes]
    ) -> None:
        """submit_sm_resp, as parallel lists; beside a status that is not 0 there is no body and the id is not looked
        at. Nothing happens once closed."""
        count = _same_length(sequence_numbers, statuses, message_ids)
        if count and (max(map(len, message_ids)) > 64 or 0 in b"".join(message_ids)):
            raise LocalProtocolError("has more than 64 octets or holds a NUL", "message_id")
        if self.state is State.CLOSED:
            return
        self._unanswered = max(0, self._unanswered - count)
        pack = HEADER.pack
        self._send(
            b"".join(
                [
                    pack(16, _SUBMIT_SM_RESP, status, number)
                    if status
                    else b"%b%b\0" % (pack(17 + len(message_id), _SUBMIT_SM_RESP, 0, number), message_id)
                    for number, status, message_id in zip(sequence_numbers, statuses, message_ids, strict=True)
                ]
            )
        )

    def deliver(self, bodies: Sequence[bytes], tokens: Sequence[Token], now: float) -> None:
        """deliver_sm out; each token comes back in exactly one of DeliverResults, DeliversExpired and Closed."""
        if self.role is not Role.SMSC:
            raise LocalProtocolError("deliver is for an SMSC")
        self._send_messages(_DELIVER_SM, bodies, tokens, now)

    # Time

    def next_deadline(self) -> float | None:
        """When `tick` is to be called at the latest, if nothing else happens before."""
        if self.state is State.CLOSED:
            return None
        candidates = (
            self._window.deadline(),
            self._bind_deadline,
            self._unbind_deadline,
            self._keep_alive.deadline() if self._is_bound else None,
        )
        return min((one for one in candidates if one is not None), default=None)

    def tick(self, now: float) -> list[Event]:
        """What the passing of time brings."""
        if self.state is State.CLOSED:
            return []
        self._told(now)
        events: list[Event] = []
        if expired := self._window.expire(now):
            events.append(SubmitsExpired(expired) if self.role is Role.ESME else DeliversExpired(expired))
        events += [GenericResult(token, None) for token in self._window.expire_requests(now)]
        if self._bind_deadline is not None and now >= self._bind_deadline:
            reason = f"no bind answered within {self.timers.bind_s:g} s"
            if self._bind is not None and self.role is Role.ESME:
                events.append(BindFailed(None, reason))
            return events + self._close(reason)
        if self._unbind_deadline is not None and now >= self._unbind_deadline:
            what = "the peer unbound and did not close" if self._unbind is None else "unbind was not answered"
            return events + self._close(what)
        if self._is_bound and (deadline := self._keep_alive.deadline()) is not None and now >= deadline:
            if self._keep_alive.is_waiting:
                reason = "enquire_link was not answered"
                return [*events, LinkDead(reason), *self._close(f"the link is dead: {reason}")]
            self._send(HEADER.pack(HEADER_LENGTH, CommandId.ENQUIRE_LINK, 0, self._window.take_number()))
            self._keep_alive.asked(now)
        return events

    # Within

    @property
    def _is_bound(self) -> bool:
        return self.state in (State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX)

    def _told(self, now: float) -> None:
        self._now = now
        if not self._is_started:
            self._is_started = True
            self._keep_alive.start(now)
            if self.role is Role.SMSC and self.timers.bind_s is not None:
                self._bind_deadline = now + self.timers.bind_s

    def _send(self, data: bytes) -> None:
        self._out.append(data)
        self._keep_alive.sent(self._now)

    def _check_may_send(self, command_id: int) -> None:
        if command_id not in REQUESTS[self.state, self.role]:
            raise LocalProtocolError(f"{command_name(command_id)} may not be sent while {self.state.value}")

    def _check_room(self, count: int) -> None:
        if count > self._window.room:
            raise LocalProtocolError(f"{count} requested, room for {self._window.room}", "window")

    def _send_messages(self, command_id: int, bodies: Sequence[bytes], tokens: Sequence[Token], now: float) -> None:
        _same_length(bodies, tokens)
        self._check_may_send(command_id)
        self._check_room(len(tokens))
        self._told(now)
        pack = HEADER.pack
        out = self._out
        for number, body in zip(self._window.add(tokens, now), bodies, strict=True):
            out.append(pack(16 + len(body), command_id, 0, number))
            out.append(body)
        self._keep_alive.sent(now)

    def _move(self, trigger: Trigger) -> None:
        self.state = TRANSITIONS[self.state, trigger]
        self._may_send_messages = _MESSAGES[self.role] in REQUESTS[self.state, self.role]
        takes = REQUESTS[self.state, self.role.peer]
        self._takers = {command_id: taker for command_id, taker in _TAKERS[self.role].items() if command_id in takes}

    def _bound(self, kind: BindKind) -> None:
        self._bind_deadline = None
        self._keep_alive.start(self._now)
        self._move(_BIND_TRIGGERS[kind])

    def _end_bind_request(self, bind: BindRequested) -> None:
        if self._bind != (bind.sequence_number, bind.kind) or self.role is not Role.SMSC:
            raise LocalProtocolError("no such bind is waiting for an answer")
        self._bind = None

    def _close(self, reason: str, error: BrokenStream | None = None) -> list[Event]:
        messages, requests = self._window.clear()
        self._move(Trigger.CLOSE)
        self._held.clear()
        self._held_length = 0
        self._bind = self._bind_deadline = self._unbind = self._unbind_deadline = None
        return [*(GenericResult(token, None) for token in requests), Closed(reason, messages, error)]

    def _read(self, buffer: bytes, events: list[Event]) -> int:
        """Take every whole PDU; gives the place where the next one begins."""
        unpack = HEADER.unpack_from
        find = buffer.find
        limits = self.limits
        longest = limits.max_pdu_length
        answered = self._window.waiting.pop
        answer_id = self._answer_id
        size = len(buffer)
        position = 0
        batch = _Batch()
        self._needed = HEADER_LENGTH
        while size - position >= HEADER_LENGTH:
            length, command_id, status, number = unpack(buffer, position)
            if not HEADER_LENGTH <= length <= longest:
                batch.flush(self.role, events)
                events += self._break(length, number)
                return size
            end = position + length
            if end > size:
                self._needed = length
                break
            body = position + HEADER_LENGTH
            position = end
            if command_id == answer_id and (token := answered(number, ABSENT)) is not ABSENT:
                nul = find(0, body, end)
                batch.tokens.append(token)
                batch.statuses.append(status)
                batch.ids.append(buffer[body : end if nul < 0 else nul])
                continue
            taker = self._takers.get(command_id)
            if taker is not None and self._unanswered < limits.max_messages:
                try:
                    batch.messages.append(taker(buffer, body, end, number, limits))
                except MalformedPdu as error:
                    new = self._refuse(error)
                else:
                    batch.numbers.append(number)
                    self._unanswered += 1
                    if command_id == _DATA_SM:
                        self._data_numbers.add(number)
                    continue
            else:
                new = self._dispatch(command_id, status, number, buffer[body:end])
            if new:
                batch.flush(self.role, events)
                events += new
                batch = _Batch()
                if self.state is State.CLOSED:
                    return size
        batch.flush(self.role, events)
        return position

    def _break(self, length: int, number: int) -> list[Event]:
        error = BrokenStream(length, self.limits.max_pdu_length)
        self._send(HEADER.pack(HEADER_LENGTH, CommandId.GENERIC_NACK, CommandStatus.ESME_RINVCMDLEN, number))
        return self._close(str(error), error)

    def _dispatch(self, command_id: int, status: int, number: int, body: bytes) -> list[Event]:
        """A PDU that is none of the many."""
        what = reaction(self.role, self.state, command_id)
        try:
            if what is Reaction.TAKE:
                return self._take(command_id, status, number, body)
            if what is Reaction.MATCH:
                return self._match(command_id, status, number, body)
        except MalformedPdu as error:
            return self._refuse(error)
        refusal, text = _REFUSALS[what]
        return self._refuse(MalformedPdu(command_id, number, refusal, text.format(self.state.value)))

    def _refuse(self, error: MalformedPdu) -> list[Event]:
        """Answer a PDU that cannot be taken; an answer gets none."""
        if not error.command_id & RESPONSE:
            self._send(_refusal(error.command_id, error.command_status, error.sequence_number))
        return [Malformed(error)]

    def _take(self, command_id: int, status: int, number: int, body: bytes) -> list[Event]:
        """A request that this state allows."""
        if command_id == CommandId.ENQUIRE_LINK:
            self._send(HEADER.pack(HEADER_LENGTH, CommandId.ENQUIRE_LINK_RESP, 0, number))
            return []
        if command_id == CommandId.UNBIND:
            self._send(HEADER.pack(HEADER_LENGTH, CommandId.UNBIND_RESP, 0, number))
            self._move(Trigger.UNBIND)
            if self._unbind_deadline is None and self.timers.response_s is not None:
                self._unbind_deadline = self._now + self.timers.response_s
            return [UnbindReceived()]
        if self._unanswered >= self.limits.max_messages and command_id not in _WITHOUT_ANSWER | _BINDS:
            self.throttled_messages += 1
            self._send(_refusal(command_id, CommandStatus.ESME_RTHROTTLED, number))
            return []
        pdu = decode_body(command_id, status, number, body, self.limits)
        if command_id in _BINDS:
            return self._take_bind(pdu)
        if command_id == CommandId.OUTBIND:
            self._move(Trigger.OUTBIND)
            return [Outbind(pdu.octets("system_id"), pdu.octets("password"))]
        if command_id == CommandId.ALERT_NOTIFICATION:
            return [Alert(pdu)]
        self._unanswered += 1
        return [RequestReceived(pdu)]

    def _take_bind(self, pdu: Pdu) -> list[Event]:
        number = pdu.sequence_number
        if self._bind is not None:
            raise MalformedPdu(pdu.command_id, number, CommandStatus.ESME_RALYBND, "another bind is being looked at")
        kind = BindKind(pdu.command_id)
        self._bind = number, kind
        return [
            BindRequested(
                number,
                kind,
                pdu.octets("system_id"),
                pdu.octets("password"),
                pdu.octets("system_type"),
                pdu.number("interface_version"),
                pdu.number("addr_ton"),
                pdu.number("addr_npi"),
                pdu.octets("address_range"),
                pdu.tlvs,
            )
        ]

    def _match(self, command_id: int, status: int, number: int, body: bytes) -> list[Event]:
        """An answer that is not one of the many: find what it answers."""
        is_nack = command_id == CommandId.GENERIC_NACK
        if is_nack:
            status = status or CommandStatus.ESME_RUNKNOWNERR  # a refusal, whatever its status says
            token = self._window.waiting.pop(number, ABSENT)
            if token is not ABSENT:
                batch = _Batch([token], [status], [b""])
                events: list[Event] = []
                batch.flush(self.role, events)
                return events
        if number == self._unbind and (is_nack or command_id == CommandId.UNBIND_RESP):
            return self._close("unbound")
        if self._bind is not None and self.role is Role.ESME:
            bind_number, kind = self._bind
            if number == bind_number and (is_nack or command_id == kind | RESPONSE):
                return self._bind_answered(kind, command_id, status, number, body)
        request = self._window.requests.get(number)
        if request is not None and (is_nack or command_id == request[0] | RESPONSE):
            del self._window.requests[number]
            try:
                return [GenericResult(request[1], decode_body(command_id, status, number, body, self.limits))]
            except MalformedPdu as error:
                return [Malformed(error), GenericResult(request[1], None)]
        if command_id != CommandId.ENQUIRE_LINK_RESP:  # which says all it has to say by having come
            self.late_answers += 1
        return []

    def _bind_answered(self, kind: BindKind, command_id: int, status: int, number: int, body: bytes) -> list[Event]:
        self._bind = self._bind_deadline = None
        if status:
            return [BindFailed(status, status_text(status))]
        events: list[Event] = []
        try:
            pdu = decode_body(command_id, status, number, body, self.limits)
        except MalformedPdu as error:  # the status has been read, and that is what counts
            pdu = Pdu(command_id, status, number)
            events.append(Malformed(error))
        self._bound(kind)
        return [*events, Bound(pdu.octets("system_id"), pdu.tlvs)]


class _Batch:
    """Messages and answers of one read, between two events of other kinds."""

    __slots__ = ("ids", "messages", "numbers", "statuses", "tokens")

    def __init__(
        self, tokens: list[Token] | None = None, statuses: list[int] | None = None, ids: list[bytes] | None = None
    ) -> None:
        self.tokens: list[Token] = tokens or []
        self.statuses: list[int] = statuses or []
        self.ids: list[bytes] = ids or []
        self.numbers: list[int] = []
        self.messages: list[Any] = []  # Delivery at an ESME, bodies at an SMSC

    def flush(self, role: Role, events: list[Event]) -> None:
        if self.tokens:
            events.append(
                SubmitResults(self.tokens, self.statuses, self.ids)
                if role is Role.ESME
                else DeliverResults(self.tokens, self.statuses)
            )
        if self.messages:
            events.append(Deliveries(self.messages) if role is Role.ESME else Submits(self.numbers, self.messages))


_TAKERS: Final[dict[Role, dict[int, _Taker]]] = {
    Role.ESME: {_DELIVER_SM: read_deliver, _DATA_SM: read_data},
    Role.SMSC: {_SUBMIT_SM: _take_body},
}
_REFUSALS: Final[dict[Reaction, tuple[int, str]]] = {
    Reaction.REFUSE: (CommandStatus.ESME_RINVBNDSTS, "not allowed while {0}"),
    Reaction.ALREADY_BOUND: (CommandStatus.ESME_RALYBND, "already {0}"),
    Reaction.UNKNOWN: (CommandStatus.ESME_RINVCMDID, "unknown command_id"),
    Reaction.DROP: (CommandStatus.ESME_RINVCMDID, "an answer to nothing that SMPP 3.4 knows"),
}


def _refusal(command_id: int, status: int, number: int) -> bytes:
    """The answer that refuses a request: its own response where it has one, generic_nack otherwise (4.3)."""
    if command_id in (_DELIVER_SM, _DATA_SM):  # whose message_id is there whatever the status, 4.6.2 and 4.7.2
        return _EMPTY_ID_RESP.pack(HEADER_LENGTH + 1, command_id | RESPONSE, status, number, 0)
    response = command_id | RESPONSE
    return HEADER.pack(HEADER_LENGTH, response if response in FIELDS else CommandId.GENERIC_NACK, status, number)


def _same_length(first: Sequence[object], *others: Sequence[object]) -> int:
    if any(len(other) != len(first) for other in others):
        raise LocalProtocolError("parallel lists differ in length")
    return len(first)
