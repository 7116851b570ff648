"""On marketing: how far a connection is in step with mid, and deliveries as both sides count them.

Everything here is in the database already: engines ask mid, and write down what it says. Every look is bounded.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db.models import Q, QuerySet

from chappe.features.connections.models import Connection
from chappe.features.connections.services import find_connection
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.services import states_of
from chappe.features.messages.handed import HANDING_OVER
from chappe.features.messages.models import Outbox
from chappe.features.refusal import NotFound
from chappe.features.relay.models import RelayFigure, RelayLink
from chappe.messaging import DeliveryState

SILENT_MS = 300_000
"""Mid has not answered for so long: somebody should know."""
UNDER_WAY_MS = 60_000
"""How long what mid told may be on its way before a difference is one."""
DIFFERS_MS = 600_000
"""A difference that stands for so long does not go away by itself."""
ASKED_FOR_MS = 86_400_000
"""How long engines ask for the figures of a delivery that is over."""
SAME_CLOCK_MS = 2_000
"""Clocks that are so near are taken to be the same, as engines do."""
MOST_DELIVERIES = 100
TOLD_BY_MID = frozenset(
    {DeliveryState.UNCONFIRMED, DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ},
)
"""States that messages of such a connection come to by mid's word alone."""
_OPEN = ("sending", "paused")
States = Mapping[DeliveryState, int]


@dataclass(frozen=True)
class Count:
    """Messages in a state, here and on mid."""

    state: DeliveryState
    here: int
    on_mid: int


@dataclass(frozen=True)
class Sides:
    """A delivery as both sides count it. `told_ms`: when mid's figures were read last, 0 for never; `since_ms`: when they last
    changed. `unlike` messages are told differently; `has_more`: some wait here that mid was not given yet."""

    delivery: Delivery
    counts: Sequence[Count]
    told_ms: int
    since_ms: int
    unlike: int
    has_more: bool

    @property
    def here(self) -> int:
        return sum(count.here for count in self.counts)

    @property
    def on_mid(self) -> int:
        return sum(count.on_mid for count in self.counts)

    @property
    def left_out(self) -> int:
        """Messages that were left out here, and so never went to mid."""
        excluded = (count for count in self.counts if count.state is DeliveryState.EXCLUDED)
        return max(0, sum(count.here - count.on_mid for count in excluded))

    @property
    def is_told(self) -> bool:
        return self.told_ms > 0

    def stands(self, now_ms: int, for_ms: int = UNDER_WAY_MS) -> bool:
        """Whether they differ by more than what is under way: mid has told nothing new for so long."""
        return bool(self.unlike) and now_ms - self.since_ms >= for_ms


@dataclass(frozen=True)
class Step:
    """How far a connection is in step. `row` None: no engine has asked mid for it yet."""

    connection: Connection
    row: RelayLink | None
    sides: Sequence[Sides] = field(default=())

    def is_silent(self, now_ms: int) -> bool:
        """Whether mid has not answered for some minutes, for a connection that is switched on."""
        since_ms = self.row.heard_ms if self.row is not None and self.row.heard_ms else self.connection.changed_ms
        return self.connection.is_enabled and now_ms - since_ms >= SILENT_MS

    @property
    def clock_ms(self) -> int:
        """By how much times of mid are moved here."""
        return clock_of(self.row)

    @property
    def ahead_ms(self) -> int:
        """By how much the clocks differ, whichever is ahead."""
        return abs(self.clock_ms)

    def unlike(self, now_ms: int, for_ms: int = UNDER_WAY_MS) -> list[Sides]:
        """The deliveries whose figures differ for longer."""
        return [one for one in self.sides if one.stands(now_ms, for_ms)]

    @property
    def under_way(self) -> int:
        """Messages that are told differently at this moment."""
        return sum(one.unlike for one in self.sides)


def clock_of(row: RelayLink | None) -> int:
    return row.clock_ms if row is not None and abs(row.clock_ms) > SAME_CLOCK_MS else 0


def link_of(connection_id: int) -> RelayLink | None:
    return RelayLink.objects.filter(pk=connection_id).first()


# -- connections -----------------------------------------------------------------------------------------------------


def has_mid(organisation_id: int) -> bool:
    """Whether anything is handed over to another Chappe."""
    return _all_of(organisation_id).exists()


def relay_connections(organisation_id: int) -> list[Connection]:
    return list(_all_of(organisation_id).order_by("position", "pk"))


def _all_of(organisation_id: int) -> "QuerySet[Connection]":
    return Connection.objects.filter(organisation_id=organisation_id, replaced_by=0, provider__in=HANDING_OVER)


def find_relay(organisation_id: int, connection_id: int) -> Connection:
    """Raises NotFound, also for a connection that hands over to nobody."""
    found = find_connection(organisation_id, connection_id)
    if found.provider not in HANDING_OVER:
        raise NotFound("connection", connection_id)
    return found


def step_of(connection: Connection, now_ms: int) -> Step:
    """With the figures of the latest deliveries that are not over, or were a day ago."""
    row = link_of(connection.pk)
    return Step(connection, row, _sides(_asked_for(connection.pk, now_ms), row, now_ms))


def _asked_for(connection_id: int, now_ms: int) -> list[Delivery]:
    """Those whose figures engines ask for, as far as these are the same: `relay_catalogue.RELAY_OPEN_DELIVERIES`."""
    rows = Delivery.objects.filter(connection_id=connection_id, started_ms__gt=0).order_by("-pk")
    is_open, was_lately = Q(status__in=_OPEN), Q(changed_ms__gte=now_ms - ASKED_FOR_MS)
    return list(rows.filter(is_open | was_lately)[:MOST_DELIVERIES])


# -- deliveries ------------------------------------------------------------------------------------------------------


def sides_of(delivery: Delivery, now_ms: int) -> Sides | None:
    """None for a delivery that is not sent by mid, or was not started."""
    if delivery.connection.provider not in HANDING_OVER or not delivery.started_ms:
        return None
    return _sides([delivery], link_of(delivery.connection_id), now_ms)[0]


def facts_of(delivery: Delivery) -> Hashable:
    """What differs when `sides_of` would, but for the time."""
    if delivery.connection.provider not in HANDING_OVER:
        return ()
    rows = RelayFigure.objects.filter(connection_id=delivery.connection_id, delivery_id=delivery.pk).order_by("state")
    return tuple(rows.values_list("state", "messages"))


def _sides(deliveries: Sequence[Delivery], link: RelayLink | None, now_ms: int) -> list[Sides]:
    numbers = [one.pk for one in deliveries]
    here = states_of(deliveries)
    waiting = set(Outbox.objects.filter(delivery_id__in=numbers).values_list("delivery_id", flat=True).distinct())
    on_mid: dict[int, dict[DeliveryState, int]] = {number: {} for number in numbers}
    changed_ms: dict[int, int] = {}
    rows = RelayFigure.objects.filter(connection_id__in={one.connection_id for one in deliveries})
    for row in rows.filter(delivery_id__in=numbers):
        on_mid[row.delivery_id][DeliveryState(row.state)] = row.messages
        changed_ms[row.delivery_id] = max(row.at_ms, changed_ms.get(row.delivery_id, 0))
    found = []
    for one in deliveries:
        since_ms, has_more = changed_ms.get(one.pk, 0), one.pk in waiting
        unlike = difference(here[one.pk], on_mid[one.pk], has_more=has_more) if since_ms else 0
        told_ms = _told_ms(one, since_ms, link, now_ms)
        found.append(Sides(one, _counts(here[one.pk], on_mid[one.pk]), told_ms, since_ms, unlike, has_more))
    return found


def _told_ms(delivery: Delivery, since_ms: int, link: RelayLink | None, now_ms: int) -> int:
    """Engines write figures down when they change, and ask for them as long as mid answers and the delivery is of interest."""
    is_asked_for = delivery.status in _OPEN or delivery.changed_ms >= now_ms - ASKED_FOR_MS
    if not since_ms or link is None or link.error or not is_asked_for:
        return since_ms
    return max(since_ms, link.heard_ms)


def _counts(here: States, on_mid: States) -> list[Count]:
    found = (Count(state, here.get(state, 0), on_mid.get(state, 0)) for state in DeliveryState)
    return [count for count in found if count.here or count.on_mid]


def difference(here: States, on_mid: States, *, has_more: bool) -> int:
    """How many messages the two tell differently, at least.

    Here may have more than mid of what never was handed over: left out, or ended before. So does it have more that wait, as
    long as some are to be handed over (`has_more`).
    """
    only_by_mid = TOLD_BY_MID if has_more else TOLD_BY_MID | {DeliveryState.WAITING}
    more_there = sum(max(0, on_mid.get(state, 0) - here.get(state, 0)) for state in DeliveryState)
    more_here = sum(max(0, here.get(state, 0) - on_mid.get(state, 0)) for state in only_by_mid)
    return max(more_there, more_here)


# -- what needs a person ---------------------------------------------------------------------------------------------


def out_of_step(connections: Iterable[Connection], now_ms: int) -> tuple[list[Connection], list[Connection]]:
    """Of connections that hand over, those whose mid is silent; and of the others, those with figures that have differed for
    long."""
    silent, unlike = [], []
    for one in connections:
        if one.provider not in HANDING_OVER or not one.is_enabled:
            continue
        step = step_of(one, now_ms)
        if step.is_silent(now_ms):
            silent.append(one)
        elif step.unlike(now_ms, DIFFERS_MS):
            unlike.append(one)
    return silent, unlike
