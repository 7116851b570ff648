"""On marketing: bringing a connection back in step with mid.

Engines read the pages of a day again; then what still waits as handed over is handed over once more. Mid knows each message by
its number here, so nothing goes out twice for it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from asgiref.sync import async_to_sync
from django.db.models import Max, Min

from chappe.engine.store import catalogue, relay_catalogue
from chappe.engine.store.statement import Row
from chappe.engine.store.store import OUTBOX_MESSAGES, Store
from chappe.features.audit.following import subject_of
from chappe.features.audit.record import note, together
from chappe.features.clock import now_ms as clock_ms
from chappe.features.connections.models import Connection
from chappe.features.connections.services import locked, verification_subject
from chappe.features.deliveries.models import Delivery
from chappe.features.jobs import services as jobs
from chappe.features.jobs.models import Job
from chappe.features.message_store import open_store
from chappe.features.messages.models import DeliveryCount, Message
from chappe.features.refusal import Conflict
from chappe.features.relay.models import RelayLink
from chappe.features.relay.picture import find_relay
from chappe.messaging import ChappeError, DeliveryState

MEND = "relay.mend"
AGAIN_MS = 1_000
"""Between two looks whether pages were read again."""
PATIENCE_MS = 120_000
"""So long engines may take for that."""
WITHIN_S = 10.0
"""Mid's time to say which messages it has."""
LOOKED_AT = 5_000
"""Numbers of messages that are looked through at once."""
ALONE_MS = 7 * 86_400_000
"""How far back messages of no delivery are looked for."""
STARTED = ("sending", "paused", "cancelled")
_ID, _STATE, _ATTEMPT, _DUE, _EXPIRES, _CONNECTION = (
    catalogue.MESSAGES_NOW.columns.index(name)
    for name in ("id", "state", "attempt", "due_ms", "expires_ms", "connection_id")
)


class PagesNotRead(ChappeError):
    """Engines have not read the pages again, so it is not known what is missing."""


@dataclass(frozen=True)
class Span:
    """Numbers of messages, among which those of a delivery are; 0 stands for messages of none."""

    delivery_id: int
    first: int
    last: int
    status: str = ""


# -- asked for -------------------------------------------------------------------------------------------------------


def mend(organisation_id: int, connection_id: int, now_ms: int) -> Job:
    """Have a connection brought in step again. Raises NotFound; Conflict where that cannot begin, or is under way."""
    with together():
        connection = find_relay(organisation_id, connection_id)
        locked(organisation_id, connection_id, None)
        if not connection.is_enabled:
            raise Conflict("The connection is switched off: switch it on first.")
        if last_mending(connection_id, is_open=True) is not None:
            raise Conflict("It is being brought in step already.")
        if not RelayLink.objects.filter(pk=connection_id).update(reread_ms=0):
            raise Conflict("No engine has spoken with mid for this connection yet.")
        note(subject_of(connection), "mend")
        return jobs.enqueue(organisation_id, MEND, connection_id, now_ms)


def last_mending(connection_id: int, *, is_open: bool = False) -> Job | None:
    """The latest; with `is_open` only one that is not over."""
    rows = Job.objects.filter(kind=MEND, subject_id=connection_id)
    return (rows.filter(status__in=["waiting", "running"]) if is_open else rows).order_by("-pk").first()


# -- done ------------------------------------------------------------------------------------------------------------


def _mend_job(job: Job, lease: jobs.Lease) -> None:
    connection = Connection.objects.filter(pk=job.subject_id).first()
    if connection is None:
        return
    if not RelayLink.objects.filter(pk=connection.pk, reread_ms__gt=0).exists():
        if clock_ms() - job.created_ms > PATIENCE_MS:
            raise PagesNotRead("mid could not be asked for its pages, so nothing was handed over again")
        raise jobs.Postponed(AGAIN_MS)
    messages = hand_over_again(connection, lease.beat)
    if messages:
        # Of what mid had all the time it has told already: under the numbers that are known again in a moment.
        RelayLink.objects.filter(pk=connection.pk).update(reread_ms=0)
        with together():
            note(subject_of(connection), "hand_over", after={"messages": messages})


def hand_over_again(connection: Connection, beat: Callable[[], None]) -> int:
    """Put everything that waits on mid back into the outbox, and say how much that was. Raises MidSilent."""
    done = 0
    with open_store() as store:
        for span in _spans(connection.pk):
            for firsts in _handed_over(store, connection.pk, span):
                done += _put_back(store, connection, span, firsts)
                beat()
    return done


def _spans(connection_id: int) -> Iterator[Span]:
    """Where messages are that may wait on mid."""
    rows = Delivery.objects.filter(connection_id=connection_id, status__in=STARTED).order_by("pk")
    for delivery in rows.only("status", "first_message_id", "last_message_id"):
        counts = DeliveryCount.objects.filter(delivery_id=delivery.pk, state=DeliveryState.WAITING, messages__gt=0)
        if counts.exists():
            first, last = delivery.first_message_id, delivery.last_message_id
            yield Span(delivery.pk, *((first, last) if first else _ends(delivery.pk)), delivery.status)
    newest = Message.objects.order_by("-pk").values_list("pk", flat=True).first()
    if newest is not None:
        yield Span(0, _first_since(clock_ms() - ALONE_MS, newest), newest)


def _ends(delivery_id: int) -> tuple[int, int]:
    """Of a delivery that was made before they were kept with it."""
    found = Message.objects.filter(delivery_id=delivery_id).aggregate(first=Min("pk"), last=Max("pk"))
    return found["first"] or 0, found["last"] or 0


def _first_since(since_ms: int, newest: int) -> int:
    """The first message that is not of before; numbers rise with time, nearly, so it is found by halving."""
    low, high = 0, newest
    while low < high:
        middle = (low + high) // 2
        row = Message.objects.filter(pk__gte=middle).order_by("pk").values_list("created_ms", flat=True).first()
        if row is not None and row < since_ms:
            low = middle + 1
        else:
            high = middle
    return low


def _handed_over(store: Store, connection_id: int, span: Span) -> Iterator[list[int]]:
    """The first segments of messages that wait on mid, some at a time."""
    for low in range(span.first, span.last + 1, LOOKED_AT):
        high = min(low + LOOKED_AT - 1, span.last)
        values = (low << 12, high << 12 | 4095, connection_id, span.delivery_id)
        with store.transaction():
            found = [row[0] for row in store.database.query(relay_catalogue.HANDED_OVER, values)]
        for start in range(0, len(found), OUTBOX_MESSAGES):
            yield found[start : start + OUTBOX_MESSAGES]


def _put_back(store: Store, connection: Connection, span: Span, firsts: Sequence[int]) -> int:
    """What mid has and would be given up here, instead of being handed over, stays: mid tells what becomes of it."""
    known, now_ms = _known(connection, [first >> 12 for first in firsts]), clock_ms()
    with store.transaction():
        rows = _waiting(store, connection.pk, firsts)
        if span.status == "cancelled":
            rows = [row for row in rows if row[_ID] not in known]
        rows = [row for row in rows if row[_ID] not in known or not 0 < row[_EXPIRES] <= now_ms]
        if not rows:
            return 0
        store.database.run(relay_catalogue.DROP_HANDED_OVER, [(row[_ID] << 12 | row[_ATTEMPT] << 8,) for row in rows])
        due_ms = max(now_ms, *(row[_DUE] for row in rows))
        ids, ends = [row[_ID] for row in rows], [row[_EXPIRES] for row in rows]
        is_held = store.statuses([span.delivery_id]).get(span.delivery_id) == "paused"
        store.put_back(connection.pk, span.delivery_id, due_ms, ids, ends, is_held=is_held)
    return len(rows)


def _waiting(store: Store, connection_id: int, firsts: Sequence[int]) -> list[Row]:
    """Their messages, locked, as far as they still wait: see `change.Changes` for the order of the locks."""
    database, ids = store.database, [first >> 12 for first in firsts]
    database.query(catalogue.LOCK_MESSAGES, (ids,))
    locked_firsts = {row[0] for row in database.query(catalogue.LOCK_SEGMENTS, (list(firsts),))}
    return [
        row
        for row in database.query(catalogue.MESSAGES_NOW, (ids,))
        if row[_STATE] == DeliveryState.WAITING
        and row[_CONNECTION] == connection_id
        and row[_ID] << 12 | row[_ATTEMPT] << 8 in locked_firsts
    ]


def _known(connection: Connection, ids: Sequence[int]) -> set[int]:
    from chappe.engine.net.mid_question import known_of

    return async_to_sync(known_of)(verification_subject(connection), ids, WITHIN_S)


def _nothing_to_tell(job: Job, error: str) -> None:
    """The page shows the job itself."""


jobs.KINDS[MEND] = jobs.Kind(_mend_job, _nothing_to_tell, refused=(PagesNotRead,))
