"""On marketing: a message's life on both sides, the one here and the one that mid tells when it is asked for it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asgiref.sync import async_to_sync
from django.utils.translation import get_language

from chappe.engine.vault import Sealed
from chappe.features.connections.models import Connection
from chappe.features.connections.services import verification_subject
from chappe.features.messages.handed import HANDING_OVER
from chappe.features.messages.models import MessageNow, Segment
from chappe.features.messages.timeline import Entry
from chappe.features.relay.picture import clock_of, link_of
from chappe.messaging import DeliveryState

if TYPE_CHECKING:
    from chappe.engine.net.mid_question import LifeOnMid

WITHIN_S = 1.5
"""A page waits no longer for mid."""
NOW = "now"
_STATES = {state.name.lower(): state for state in DeliveryState}


@dataclass(frozen=True)
class Line:
    """One thing that happened, by our clock. `kind` is for programs, `text` for people."""

    at_ms: int
    kind: str
    text: str
    is_on_mid: bool


@dataclass(frozen=True)
class Life:
    """`problem`: why mid was not heard; "" where it was. `on_mid` is None then, and where mid has no such message.

    `behind_ms`: for how long mid has told, or was to tell, what has not come here; None where both say the same, or here more
    is known.
    """

    lines: Sequence[Line]
    here: DeliveryState
    problem: str = ""
    on_mid: DeliveryState | None = None
    clock_ms: int = 0
    behind_ms: int | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether mid knows nothing of the message."""
        return self.on_mid is None and not self.problem

    @property
    def ahead_ms(self) -> int:
        """By how much the clocks differ, whichever is ahead."""
        return abs(self.clock_ms)

    @property
    def is_same(self) -> bool:
        return self.on_mid == self.here


def life_of(message: MessageNow, entries: Sequence[Entry], now_ms: int) -> Life | None:
    """`entries` is its timeline here. None for a message that no other Chappe has taken over."""
    connection = Connection.objects.filter(pk=message.connection_id, provider__in=HANDING_OVER).first()
    if connection is None or not _was_handed_over(message):
        return None
    here, lines = DeliveryState(message.state), [Line(one.at_ms, one.kind, one.text, False) for one in entries]
    told, problem = _asked(connection, message.pk)
    clock_ms = clock_of(link_of(connection.pk))
    if told is None:
        return Life(lines, here, problem)
    theirs = list(_lines(told, clock_ms))
    on_mid = _STATES.get(told.state)
    behind_ms = None
    if on_mid is not None and on_mid > here:
        latest_ms = max((line.at_ms for line in theirs if line.kind != NOW), default=now_ms)
        behind_ms = max(0, now_ms - latest_ms)
    return Life(_in_order([*lines, *theirs]), here, "", on_mid, clock_ms, behind_ms)


def _was_handed_over(message: MessageNow) -> bool:
    return Segment.objects.filter(pk=message.pk << 12 | message.attempt << 8).exists()


def _asked(connection: Connection, message_id: int) -> "tuple[LifeOnMid | None, str]":
    """What mid says of it; else why it says nothing, "" where it has no such message."""
    from chappe.engine.net import mid_question

    try:
        subject = verification_subject(connection)
        return async_to_sync(mid_question.life_of)(subject, message_id, get_language() or "en", WITHIN_S), ""
    except Sealed as error:
        return None, str(error)
    except mid_question.MidSilent as error:
        return None, error.reason


def _lines(told: "LifeOnMid", clock_ms: int) -> Iterator[Line]:
    for one in told.events:
        yield Line(one.at_ms if one.kind == NOW else one.at_ms - clock_ms, one.kind, one.text, True)


def _in_order(lines: Sequence[Line]) -> list[Line]:
    """By time; what is known here of an instant was told by mid. What is so now comes last, ours before mid's."""

    def place(line: Line) -> tuple[bool, int, bool]:
        is_now = line.kind == NOW
        return is_now, 0 if is_now else line.at_ms, line.is_on_mid is is_now

    return sorted(lines, key=place)
