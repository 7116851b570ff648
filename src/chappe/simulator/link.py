"""One TCP connection of an ESME: the shell around an SMSC session, and what it does wrong on request."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Final, cast

from chappe.smpp import (
    BindKind,
    CommandId,
    CommandStatus,
    Limits,
    LocalProtocolError,
    Pdu,
    Role,
    Session,
    Tag,
    Timers,
    Tlv,
)
from chappe.smpp.event import (
    BindRequested,
    Closed,
    DeliverResults,
    DeliversExpired,
    Event,
    Malformed,
    RequestReceived,
    Submits,
)

from .account import Account, Item, unwrap
from .quirks import Garbage
from .second import SlidingSecond

if TYPE_CHECKING:
    from .smsc import Simulator

HEADER = Struct(">IIII")
LIMITS = Limits(max_messages=1 << 30)
RESPONSE = 0x80000000
GARBAGE: Final = {
    Garbage.MALFORMED: HEADER.pack(20, CommandId.DELIVER_SM, 0, 0x7FFFFF01) + b"abcd",
    Garbage.UNKNOWN: HEADER.pack(18, 0x0000BEEF, 0, 0x7FFFFF02) + b"\xff\x00",
    Garbage.BROKEN: HEADER.pack(7, CommandId.DELIVER_SM, 0, 0x7FFFFF03),
}
VERSION = Tlv(Tag.SC_INTERFACE_VERSION, b"\x34")


class Link(asyncio.Protocol):
    """A connection, bound or not. `messages` are the submit_sm that came in, `pending` those not answered yet."""

    def __init__(self, smsc: "Simulator", number: int) -> None:
        self.smsc = smsc
        self.number = number
        self.account: Account | None = None
        self.kind: BindKind | None = None
        self.peer = ""
        self.messages = 0
        self.pending = 0
        self.rate = SlidingSecond()
        self.admitted = SlidingSecond()
        self.is_silent = False
        self.is_leaving = False
        """To be dropped soon: takes no more messages."""
        self.is_open = False
        self._may_write = True
        self._is_busy = False
        self._transport: asyncio.Transport | None = None
        quirks = smsc.quirks
        timers = Timers(quirks.answer_timeout_ms / 1000, 60.0, quirks.enquire_link_s or None)
        self.session = Session(Role.SMSC, timers, quirks.receipt_window, LIMITS)

    # What the simulator asks

    @property
    def room(self) -> int:
        """Receipts that may go out now."""
        return self.session.room if self._may_write and self.is_open and not self.is_silent else 0

    def answer(self, numbers: Sequence[int], statuses: Sequence[int], message_ids: Sequence[bytes]) -> None:
        """submit_sm_resp; nothing happens once closed."""
        self.pending -= len(numbers)
        self.session.answer_submits(numbers, statuses, message_ids)
        self.flush()

    def refuse(self, numbers: Sequence[int], statuses: Sequence[int]) -> None:
        """submit_sm_resp of messages that are not taken."""
        if numbers:
            self.smsc.tally.refused.update(statuses)
            self.session.answer_submits(numbers, statuses, [b""] * len(numbers))
            self.flush()

    def deliver(self, items: Sequence[Item]) -> None:
        """deliver_sm; no more than there is `room` for."""
        self.session.deliver(list(map(unwrap, items)), items, self.smsc.now())
        self.smsc.sent(items)
        self.flush()

    def drop(self, *, at_once: bool) -> None:
        """Cut the connection; `at_once` throws away what is still to be written."""
        if self._transport is None or not self.is_open:
            return
        self.smsc.tally.links_dropped += 1
        if at_once:
            self._transport.abort()
        else:
            self._write()
            self._transport.close()
        self._handle(self.session.close())

    def unbind(self) -> None:
        """Say goodbye as the standard has it."""
        try:
            self.session.unbind(self.smsc.now())
        except LocalProtocolError:  # not bound, or goodbye was said
            return
        self.flush()

    def send_garbage(self, kind: Garbage) -> None:
        """Nonsense, between two PDUs."""
        self._write()
        if self._transport is not None and self.is_open:
            self.smsc.tally.garbage_sent += 1
            self._transport.write(GARBAGE[kind])

    def tick(self, now: float) -> None:
        """Let time pass."""
        if self.is_silent:
            return
        deadline = self.session.next_deadline()
        if deadline is not None and deadline <= now:
            self._handle(self.session.tick(now))
            self.flush()

    def flush(self) -> None:
        """Write what is queued, unless a read is being worked on, which writes it all at its end."""
        if not self._is_busy:
            self._write()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only
        self.is_open = True
        if (connection := self._transport.get_extra_info("socket")) is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = ":".join(map(str, (self._transport.get_extra_info("peername") or ())[:2]))
        self.smsc.opened(self)

    def data_received(self, data: bytes) -> None:
        if self.is_silent or not self.is_open:
            return
        self._is_busy = True
        try:
            self._handle(self.session.receive_data(data, self.smsc.now()))
        finally:
            self._is_busy = False
        self._write()
        if pause_ms := self.smsc.quirks.read_pause_ms:
            self._pause(pause_ms / 1000)

    def pause_writing(self) -> None:
        self._may_write = False
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._may_write = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        if self.account is not None:
            self.account.pump()

    def connection_lost(self, error: Exception | None) -> None:
        self._handle(self.session.receive_eof(self.smsc.now()))
        self._gone(())

    # Within

    def _handle(self, events: Sequence[Event]) -> None:
        for event in events:
            match event:
                case Submits(numbers, bodies):
                    self.smsc.intake.take(self, numbers, bodies)
                case DeliverResults(items, statuses):
                    self.smsc.answered(self, items, statuses)
                case DeliversExpired(items):
                    self.smsc.expired(self, items)
                case BindRequested():
                    self._bind(event)
                case RequestReceived(pdu):
                    self._request(pdu)
                case Malformed():
                    self.smsc.tally.malformed += 1
                case Closed(_, items):
                    self._write()
                    self._gone(items)
                    if self._transport is not None:
                        self._transport.close()

    def _bind(self, request: BindRequested) -> None:
        status = self.smsc.judge(request)
        if status:
            self.session.refuse_bind(request, status)
            return
        tlvs = (VERSION,) if request.interface_version >= 0x34 else ()
        self.session.accept_bind(request, self.smsc.quirks.smsc_id.encode("latin-1"), tlvs, self.smsc.now())
        self.kind = request.kind
        self.smsc.bound(self, request.system_id.decode("latin-1"))

    def _request(self, pdu: Pdu) -> None:
        """A request that the simulator does not know what to do with."""
        status = CommandStatus.ESME_RINVCMDID
        self.session.send_response(Pdu(pdu.command_id | RESPONSE, status, pdu.sequence_number))

    def _gone(self, items: Sequence[Item]) -> None:
        if self.is_open:
            self.is_open = False
            self.smsc.closed(self, items)

    def _write(self) -> None:
        data = self.session.data_to_send()
        if not data or self._transport is None or self.is_silent or self._transport.is_closing():
            return
        if not self.smsc.quirks.answers_enquire_link:
            data = b"".join(_without(data, CommandId.ENQUIRE_LINK_RESP))
        self._transport.write(data)

    def _pause(self, seconds: float) -> None:
        assert self._transport is not None
        self._transport.pause_reading()
        asyncio.get_running_loop().call_later(seconds, self._resume)

    def _resume(self) -> None:
        if self._transport is not None and self.is_open and self._may_write:
            self._transport.resume_reading()


def _without(data: bytes, command_id: int) -> Iterator[bytes]:
    """Whole PDUs except those of one kind."""
    position = 0
    while position < len(data):
        length, found, _, _ = HEADER.unpack_from(data, position)
        if found != command_id:
            yield data[position : position + length]
        position += length
