"""What needs a person now, from everything that an organisation has. Every look is bounded."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from django.db.models import Sum

from chappe.features.accounts.right import Right
from chappe.features.callbacks.models import CallbackEndpoint, CallbackEvent
from chappe.features.callbacks.services import endpoints_of
from chappe.features.connections.certificate import expiries
from chappe.features.connections.models import ErrorQualification
from chappe.features.connections.performance import Line
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.state import RUNNING
from chappe.features.messages.models import DeliveryCount
from chappe.features.messages.traffic import Series, by_connection
from chappe.features.relay.picture import out_of_step
from chappe.messaging import ENDS, TrafficKind
from chappe.rules.bottleneck import Limit

DAY_MS = 86_400_000
FAILED_MS = 7 * DAY_MS
LATE_MS = 900_000
CERTIFICATE_DAYS = 30
MOST_COUNTED = 1_000
"""Beyond, a count says that there are at least so many."""
TRIES = 3
"""After so many failed tries a callback's address is worth a look."""
LOOKED_AT = 50
NAMED = 3
MOST_RUNNING = 8


class Matter(StrEnum):
    """What is the matter."""

    NO_ENGINE = "no_engine"
    LINKS_DOWN = "links_down"
    LATE = "late"
    MID_SILENT = "mid_silent"
    MID_DIFFERS = "mid_differs"
    UNMATCHED = "unmatched"
    UNKNOWN_ERRORS = "unknown_errors"
    CALLBACKS_OFF = "callbacks_off"
    CALLBACKS_FAILING = "callbacks_failing"
    DEAD_LETTERS = "dead_letters"
    CERTIFICATE_OVER = "certificate_over"
    CERTIFICATE_ENDS = "certificate_ends"
    DELIVERIES_FAILED = "deliveries_failed"


RIGHTS: Mapping[Matter, Right] = {
    Matter.NO_ENGINE: Right.SEE_CONNECTIONS,
    Matter.LINKS_DOWN: Right.SEE_CONNECTIONS,
    Matter.LATE: Right.SEE_CONNECTIONS,
    Matter.MID_SILENT: Right.SEE_CONNECTIONS,
    Matter.MID_DIFFERS: Right.SEE_CONNECTIONS,
    Matter.UNMATCHED: Right.SEE_CONNECTIONS,
    Matter.UNKNOWN_ERRORS: Right.QUALIFY_ERRORS,
    Matter.CALLBACKS_OFF: Right.MANAGE_HOOKS,
    Matter.CALLBACKS_FAILING: Right.MANAGE_HOOKS,
    Matter.DEAD_LETTERS: Right.MANAGE_HOOKS,
    Matter.CERTIFICATE_OVER: Right.SEE_CONNECTIONS,
    Matter.CERTIFICATE_ENDS: Right.SEE_CONNECTIONS,
    Matter.DELIVERIES_FAILED: Right.SEE_DELIVERIES,
}
"""Who can see the page where the matter is looked into; nobody else is told."""
BAD = frozenset({Matter.NO_ENGINE, Matter.LINKS_DOWN, Matter.MID_SILENT, Matter.CALLBACKS_OFF, Matter.CERTIFICATE_OVER})

BOUNDED = frozenset({Matter.UNKNOWN_ERRORS, Matter.DEAD_LETTERS, Matter.DELIVERIES_FAILED})
"""What is counted row by row, and so up to a bound."""


@dataclass(frozen=True)
class Concern:
    """Something that does not mend itself. `names` are of what it concerns, the first few; `subject_id` where it is one
    thing alone, else 0. `days` is told of certificates."""

    matter: Matter
    count: int
    names: Sequence[str] = ()
    subject_id: int = 0
    days: int = 0

    @property
    def is_bad(self) -> bool:
        """Whether something does not work, rather than that it soon will not or is not as it should be."""
        return self.matter in BAD

    @property
    def is_more(self) -> bool:
        """Whether there may be more than were counted."""
        return self.matter in BOUNDED and self.count >= MOST_COUNTED


@dataclass(frozen=True)
class Progress:
    """A delivery that runs; `done` of `audience` messages have ended."""

    delivery: Delivery
    done: int
    ends: Mapping[int, int] = field(default_factory=dict)


def concerns(
    organisation_id: int, lines: Sequence[Line], lately: Series, rights: frozenset[Right], now_ms: int
) -> list[Concern]:
    """What the person with these rights should know of, the worst first; `lines` are those of the wall, `lately` the
    organisation's traffic of the last day."""
    found = [
        *_links(lines),
        *_mid(lines, now_ms),
        *_receipts(organisation_id, lines, lately),
        *_errors(organisation_id),
        *_callbacks(organisation_id),
        *_certificates(lines, now_ms),
        *_deliveries(organisation_id, now_ms),
    ]
    mine = [concern for concern in found if RIGHTS[concern.matter] in rights]
    return sorted(mine, key=lambda concern: not concern.is_bad)


def running(organisation_id: int) -> list[Progress]:
    """The deliveries that run, the latest first."""
    rows = Delivery.objects.filter(organisation_id=organisation_id, status__in=RUNNING)
    deliveries = list(rows.select_related("connection").order_by("-pk")[:MOST_RUNNING])
    counts = DeliveryCount.objects.filter(delivery_id__in=[one.pk for one in deliveries], state__in=map(int, ENDS))
    done = dict(counts.values_list("delivery_id").annotate(total=Sum("messages")))
    return [Progress(one, done.get(one.pk, 0)) for one in deliveries]


def _links(lines: Sequence[Line]) -> Iterator[Concern]:
    enabled = [line for line in lines if line.connection.is_enabled]
    silent = [line for line in enabled if line.bottleneck.limit is Limit.NO_ENGINE]
    down = [line for line in enabled if line not in silent and not line.is_whole]
    late = [line for line in enabled if _is_late(line) and line not in silent and line not in down]
    for matter, found in ((Matter.NO_ENGINE, silent), (Matter.LINKS_DOWN, down), (Matter.LATE, late)):
        yield from _of_lines(matter, found, len(found))


def _mid(lines: Sequence[Line], now_ms: int) -> Iterator[Concern]:
    """Connections that hand over to another Chappe: where no engine serves one, that is told already."""
    served = {line.connection.pk: line for line in lines if line.bottleneck.limit is not Limit.NO_ENGINE}
    silent, unlike = out_of_step([line.connection for line in served.values()], now_ms)
    for matter, found in ((Matter.MID_SILENT, silent), (Matter.MID_DIFFERS, unlike)):
        yield from _of_lines(matter, [served[one.pk] for one in found], len(found))


def _is_late(line: Line) -> bool:
    return line.queue.late_ms > LATE_MS


def _of_lines(matter: Matter, lines: Sequence[Line], count: int, days: int = 0) -> Iterator[Concern]:
    if lines and count:
        names = [line.connection.name for line in lines[:NAMED]]
        yield Concern(matter, count, names, lines[0].connection.pk if len(lines) == 1 else 0, days)


def _receipts(organisation_id: int, lines: Sequence[Line], lately: Series) -> Iterator[Concern]:
    """Receipts that were for no message of ours; whose they are is asked only where there are any."""
    if not lately.total(TrafficKind.UNMATCHED):
        return
    found = by_connection(organisation_id, lately.steps.start_ms, [TrafficKind.UNMATCHED])
    concerned = [line for line in lines if line.connection.pk in found]
    yield from _of_lines(Matter.UNMATCHED, concerned, sum(found[line.connection.pk].total() for line in concerned))


def _errors(organisation_id: int) -> Iterator[Concern]:
    rows = ErrorQualification.objects.filter(organisation_id=organisation_id, status="to_qualify")
    count = rows[:MOST_COUNTED].count()
    if count:
        texts = rows.order_by("-occurrences").values_list("text", flat=True)[:NAMED]
        yield Concern(Matter.UNKNOWN_ERRORS, count, [_short(text) for text in texts])


def _short(text: str) -> str:
    """What stays the same of an error, without what marks it as one: `SR Generic UNDELIV 001|#MESSAGE#`."""
    return text.partition("|")[0].removeprefix("SR").lstrip()


def _callbacks(organisation_id: int) -> Iterator[Concern]:
    endpoints = list(endpoints_of(organisation_id))
    off = [one for one in endpoints if not one.is_enabled and one.disabled_reason]
    failing = [one for one in endpoints if one.is_enabled and _fails(one)]
    dead = {one.pk: _dead(one) for one in endpoints}
    lost = [one for one in endpoints if dead[one.pk]]
    yield from _of_endpoints(Matter.CALLBACKS_OFF, off, len(off))
    yield from _of_endpoints(Matter.CALLBACKS_FAILING, failing, len(failing))
    yield from _of_endpoints(Matter.DEAD_LETTERS, lost, min(MOST_COUNTED, sum(dead.values())))


def _of_endpoints(matter: Matter, endpoints: Sequence[CallbackEndpoint], count: int) -> Iterator[Concern]:
    if endpoints:
        names = [one.address for one in endpoints[:NAMED]]
        yield Concern(matter, count, names, endpoints[0].pk if len(endpoints) == 1 else 0)


def _fails(endpoint: CallbackEndpoint) -> bool:
    """Whether the calls that are owed longest were tried again and again."""
    rows = CallbackEvent.objects.filter(endpoint_id=endpoint.pk, dead_ms=0).order_by("due_ms")
    tries = rows.values_list("attempts", flat=True)[:LOOKED_AT]
    return max(tries, default=0) >= TRIES


def _dead(endpoint: CallbackEndpoint) -> int:
    return CallbackEvent.objects.filter(endpoint_id=endpoint.pk, dead_ms__gt=0)[:MOST_COUNTED].count()


def _certificates(lines: Sequence[Line], now_ms: int) -> Iterator[Concern]:
    by_connection = {line.connection.pk: line for line in lines}
    found = expiries([line.connection for line in lines], now_ms, CERTIFICATE_DAYS)
    over = [one for one in found if one.is_over]
    soon = [one for one in found if not one.is_over]
    for matter, ends in ((Matter.CERTIFICATE_OVER, over), (Matter.CERTIFICATE_ENDS, soon)):
        concerned = [by_connection[pk] for pk in dict.fromkeys(one.connection.pk for one in ends)]
        yield from _of_lines(matter, concerned, len(ends), max(0, ends[0].days) if ends else 0)


def _deliveries(organisation_id: int, now_ms: int) -> Iterator[Concern]:
    """Deliveries of the last days whose analysis could not be done."""
    rows = Delivery.objects.filter(organisation_id=organisation_id, status="failed", changed_ms__gt=now_ms - FAILED_MS)
    found = list(rows.order_by("-pk").values_list("pk", "label")[: NAMED + 1])
    if found:
        count = rows[:MOST_COUNTED].count()
        names = [label for _, label in found[:NAMED]]
        yield Concern(Matter.DELIVERIES_FAILED, count, names, found[0][0] if count == 1 else 0)
