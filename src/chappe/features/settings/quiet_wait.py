"""Messages that wait for the end of quiet hours: found, and let go when the hours are changed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import F, Sum

from chappe.engine.store.store import unpack_ids
from chappe.features.messages.models import MessageNow
from chappe.features.settings.models import QuietWait
from chappe.messaging import DeliveryState
from chappe.rules.quiet_hours import concerns, shown

BATCHES_LOOKED_AT = 50
"""Batches overlap little: of those that end at or after a message, the ones that hold it are among the first."""
FORGOTTEN_AT_ONCE = 1_000
SCATTERED_COUNTED = 1_000
# The guard leaves alone what an engine has put off anew, or somebody has taken, in the meantime.
_LET_GO = """
UPDATE outbox SET due_ms = w.due_ms FROM quiet_wait w
WHERE w.organisation_id = %s AND w.until_ms > %s AND outbox.id = w.outbox_id AND outbox.due_ms = w.until_ms
"""


@dataclass(frozen=True)
class Wait:
    """When messages were put off, and until when they wait."""

    at_ms: int
    until_ms: int
    zone: str

    @property
    def time(self) -> str:
        """When it ends, as the clock shows it, with its zone."""
        return shown(self.until_ms, self.zone, self.at_ms)


def waits_of(message: MessageNow) -> list[Wait]:
    """Every time that quiet hours put this message off, oldest first."""
    if not concerns(message.category):
        return []
    rows = QuietWait.objects.filter(organisation_id=message.organisation_id, last_id__gte=message.pk)
    rows = rows.order_by("last_id", "pk")[:BATCHES_LOOKED_AT]
    found = [Wait(row.at_ms, row.until_ms, row.zone) for row in rows if _holds(row, message)]
    return sorted(found, key=lambda wait: wait.at_ms)


def _holds(row: QuietWait, message: MessageNow) -> bool:
    if row.connection_id != message.connection_id or row.first_id > message.pk:
        return False
    return row.ids is None or message.pk in unpack_ids(bytes(row.ids))


def current_wait(message: MessageNow, now_ms: int) -> Wait | None:
    """What the message waits for now, where that is the end of quiet hours."""
    if message.state != DeliveryState.WAITING:
        return None
    return next((wait for wait in reversed(waits_of(message)) if wait.until_ms > now_ms), None)


def waiting(organisation_id: int, now_ms: int) -> int:
    """About how many messages wait for the end of quiet hours."""
    rows = QuietWait.objects.filter(organisation_id=organisation_id, until_ms__gt=now_ms)
    spans = rows.filter(ids=None).aggregate(messages=Sum(F("last_id") - F("first_id") + 1))["messages"] or 0
    others = rows.exclude(ids=None).values_list("ids", flat=True)[:SCATTERED_COUNTED]
    return int(spans) + sum(len(unpack_ids(bytes(ids))) for ids in others if ids)


def reasons(organisation_id: int, messages: Iterable[MessageNow], now_ms: int) -> dict[int, str]:
    """By message, that it waits for the end of quiet hours, as a message's reason says it; of those that do."""
    is_quiet = QuietWait.objects.filter(organisation_id=organisation_id, until_ms__gt=now_ms).exists()
    waits = {message.pk: current_wait(message, now_ms) for message in messages} if is_quiet else {}
    found = ((message_id, wait) for message_id, wait in waits.items() if wait is not None)
    return {message_id: f"waits for the end of quiet hours at {wait.time}" for message_id, wait in found}


def release(organisation_id: int, now_ms: int) -> None:
    """Have everything that waits looked at again at once: the hours have changed. Engines put off anew what must wait."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LET_GO, [organisation_id, now_ms])
        QuietWait.objects.filter(organisation_id=organisation_id, until_ms__gt=now_ms).update(until_ms=now_ms)


def forget(organisation_id: int, before_ms: int, beat: Callable[[], None]) -> None:
    """Delete what is remembered of waits that are over, with the messages they were of."""
    over = QuietWait.objects.filter(organisation_id=organisation_id, until_ms__lte=before_ms).order_by("until_ms")
    while ids := list(over.values_list("pk", flat=True)[:FORGOTTEN_AT_ONCE]):
        QuietWait.objects.filter(pk__in=ids).delete()
        beat()
