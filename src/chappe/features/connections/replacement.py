"""A new connection in place of an old one: its name, its place in the list, its hooks, and what waits for it."""

from collections.abc import Mapping

from django.db import transaction
from django.db.models import F, QuerySet

from chappe.engine.store.store import unpack_ids
from chappe.features.audit.following import subject_of
from chappe.features.audit.record import CHANGE, note, together
from chappe.features.clock import now_ms as clock_ms
from chappe.features.connections import services
from chappe.features.connections.models import Connection
from chappe.features.deliveries.models import Delivery
from chappe.features.hooks.models import Hook
from chappe.features.jobs import services as jobs
from chappe.features.jobs.models import Job
from chappe.features.messages.models import Message, MessageNow, Outbox
from chappe.features.refusal import Conflict
from chappe.features.relay.models import RelayAccount
from chappe.features.templates.models import DeliveryTemplate
from chappe.messaging import DeliveryState

MOVE = "connections.move"
MOVED_AT_ONCE = 20
"""Outbox rows of one transaction: some 20,000 messages."""
LOOK_AGAIN_MS = 2_000
LONGEST_STRAGGLING_MS = 30_000
"""So long an intake that has not heard, or an engine that holds a lease, may still put something down for the old one."""
MOVING = ("draft", "ready", "failed", "sending", "paused")


def replace_connection(
    organisation_id: int,
    connection_id: int,
    settings: Mapping[str, object],
    now_ms: int,
    *,
    name: str | None = None,
    version: int | None = None,
) -> Connection:
    """A new connection made from this one with other settings, which takes its name, place, hooks and what waits for it.

    Settings that are left out, and secrets that are left out or masked, stay as they are. The old one is switched off, keeps
    what was sent through it, and takes its provider's reports of it. Raises NotFound, InvalidInput; Conflict where it was
    replaced already, or a delivery is being analysed for it.
    """
    with together("replace"):
        old = services.locked(organisation_id, connection_id, version)
        if old.replaced_by:
            raise Conflict(f"This connection was replaced already, by connection {old.replaced_by}.")
        if RelayAccount.objects.filter(pk=old.pk).exists():
            # Numbers of messages and pages go by the connection: under another one they would begin anew.
            raise Conflict(
                "Another installation sends through this connection. Make a new one with an internal name of its own, and an "
                "account for it on the other side."
            )
        made = services.made_from(old, settings, now_ms, name)
        _hand_over(old, made)
        hooks = Hook.objects.filter(connection_id=old.pk)
        _note_moved(hooks, old, made)
        hooks.update(connection_id=made.pk, version=F("version") + 1)
        move_some(old.pk, made.pk)
        jobs.enqueue(organisation_id, MOVE, old.pk, now_ms)
    return made


def _hand_over(old: Connection, made: Connection) -> None:
    """Deliveries that are not over go on through the new one, and templates are routed through it."""
    templates = DeliveryTemplate.objects.filter(connection_id=old.pk)
    _note_moved(templates, old, made)
    templates.update(connection_id=made.pk)
    deliveries = Delivery.objects.filter(connection_id=old.pk)
    moving = deliveries.filter(status__in=MOVING)
    _note_moved(moving, old, made)
    moving.update(connection_id=made.pk)
    if deliveries.filter(status="analysing").exists():
        raise Conflict("A delivery is being analysed for this connection. Try again when it is ready.")


def _note_moved(
    rows: "QuerySet[Hook] | QuerySet[Delivery] | QuerySet[DeliveryTemplate]", old: Connection, made: Connection
) -> None:
    for row in rows:
        note(subject_of(row), CHANGE, before={"connection_id": old.pk}, after={"connection_id": made.pk})


def move_some(old_id: int, new_id: int) -> bool:
    """Some of what waits for one connection waits for another; whether there may be more that nobody holds."""
    with transaction.atomic():
        free = Outbox.objects.select_for_update().filter(connection_id=old_id, lease_until_ms__lte=clock_ms())
        rows = list(free.order_by("pk")[:MOVED_AT_ONCE])
        for row in rows:
            among = {"pk__in": unpack_ids(bytes(row.ids))} if row.ids else {"pk__range": (row.first_id, row.last_id)}
            # What was sent of a batch in work stays with the connection that sent it.
            waiting = MessageNow.objects.filter(state=DeliveryState.WAITING, connection_id=old_id, **among)
            Message.objects.filter(pk__in=waiting.values("pk")).update(connection_id=new_id)
        Outbox.objects.filter(pk__in=[row.pk for row in rows]).update(connection_id=new_id)
    return len(rows) == MOVED_AT_ONCE


def _move_job(job: Job, lease: jobs.Lease) -> None:
    old = Connection.objects.filter(pk=job.subject_id).first()
    if old is None or not old.replaced_by:
        return
    heir = services.connection_to_use(old.organisation_id, old.pk)
    while move_some(old.pk, heir.pk):
        lease.beat()
    is_early = clock_ms() < job.created_ms + LONGEST_STRAGGLING_MS
    if is_early or Outbox.objects.filter(connection_id=old.pk).exists():
        raise jobs.Postponed(LOOK_AGAIN_MS)


def _nothing_to_tell(job: Job, error: str) -> None:
    """Nobody waits for this job; its row says why it failed."""


jobs.KINDS[MOVE] = jobs.Kind(_move_job, _nothing_to_tell)
