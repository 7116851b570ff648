"""An ESME and an SMSC that talk to each other in memory."""

from collections.abc import Iterable
from typing import TypeVar

from chappe.smpp import BindKind, DeliverTemplate, Delivery, Limits, Role, Session, SubmitTemplate, Timers
from chappe.smpp.event import (
    BindRequested,
    Deliveries,
    DeliverResults,
    Event,
    SubmitResults,
    Submits,
)
from chappe.smpp.pdu import DEFAULT_LIMITS
from chappe.smpp.timer import DEFAULT_TIMERS

T = TypeVar("T")

SUBMIT = SubmitTemplate(source_addr_ton=5, source_addr=b"CHAPPE", dest_addr_ton=1, dest_addr_npi=1)
DELIVER = DeliverTemplate(source_addr_ton=1, source_addr_npi=1, destination_addr=b"38600")
SUBMIT_BODY = SUBMIT.body(b"33612345678", b"Hello", 0, 0, 1)
DELIVER_BODY = DELIVER.body(b"33612345678", b"STOP", 0, 0)


def of_kind(kind: type[T], events: Iterable[object]) -> list[T]:
    return [event for event in events if isinstance(event, kind)]


def only(kind: type[T], events: Iterable[object]) -> T:
    """The one event there is, which has to be of this kind."""
    [event] = events
    assert isinstance(event, kind)
    return event


class ConnectionPair:
    """Both ends and the wire between them; `now` is the time of both."""

    def __init__(
        self,
        *,
        timers: Timers = DEFAULT_TIMERS,
        window: int = 10,
        limits: Limits = DEFAULT_LIMITS,
        first_sequence_number: int = 1,
    ) -> None:
        self.now = 1000.0
        self.esme = Session(
            Role.ESME, timers, window, limits, now=self.now, first_sequence_number=first_sequence_number
        )
        self.smsc = Session(
            Role.SMSC, timers, window, limits, now=self.now, first_sequence_number=first_sequence_number
        )

    @classmethod
    def bound(
        cls,
        kind: BindKind = BindKind.TRANSCEIVER,
        *,
        timers: Timers = DEFAULT_TIMERS,
        window: int = 10,
        limits: Limits = DEFAULT_LIMITS,
        first_sequence_number: int = 1,
    ) -> "ConnectionPair":
        pair = cls(timers=timers, window=window, limits=limits, first_sequence_number=first_sequence_number)
        pair.ask_to_bind(kind)
        request = only(BindRequested, pair.to_smsc())
        pair.smsc.accept_bind(request, b"SMSC", (), pair.now)
        pair.to_esme()
        return pair

    def ask_to_bind(self, kind: BindKind = BindKind.TRANSCEIVER) -> None:
        self.esme.bind(kind, b"chappe", b"secret", b"", 0x34, 0, 0, b"", self.now)

    def to_smsc(self) -> list[Event]:
        """Carry what the ESME has to send; what the SMSC makes of it."""
        return self.smsc.receive_data(self.esme.data_to_send(), self.now)

    def to_esme(self) -> list[Event]:
        return self.esme.receive_data(self.smsc.data_to_send(), self.now)

    def submit(self, *tokens: object) -> None:
        self.esme.submit([SUBMIT_BODY] * len(tokens), tokens, self.now)

    def deliver(self, *tokens: object) -> None:
        self.smsc.deliver([DELIVER_BODY] * len(tokens), tokens, self.now)


Atom = object


def atoms(events: Iterable[Event]) -> list[Atom]:
    """Events in a form that does not show how the octets were cut: between two events of other kinds, all answers to
    messages and then all messages, one by one."""
    done: list[Atom] = []
    answers: list[Atom] = []
    messages: list[Atom] = []
    for event in events:
        match event:
            case SubmitResults(tokens, statuses, message_ids):
                answers += zip(tokens, statuses, message_ids, strict=True)
            case DeliverResults(tokens, statuses):
                answers += zip(tokens, statuses, strict=True)
            case Deliveries(pdus):
                messages += _tuples(pdus)
            case Submits(sequence_numbers, bodies):
                messages += zip(sequence_numbers, bodies, strict=True)
            case _:
                done += [*answers, *messages, _plain(event)]
                answers, messages = [], []
    return [*done, *answers, *messages]


def _tuples(pdus: Iterable[Delivery]) -> list[Atom]:
    return [tuple(pdu) for pdu in pdus]


def _plain(event: Event) -> Atom:
    """Errors have no equality of their own."""
    error = getattr(event, "error", None)
    if error is None:
        return event
    return type(event).__name__, getattr(event, "reason", ""), repr(error), vars(error)
