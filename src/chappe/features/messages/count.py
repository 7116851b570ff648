"""How many, without counting messages: from what is counted as it happens and from the outbox's packed batches."""

from dataclasses import dataclass

from django.db.models import BigIntegerField, Case, F, Min, Q, Sum, When
from django.db.models.functions import Length

from chappe.features.messages.models import DeliveryCount, Outbox
from chappe.messaging import DeliveryState

ID_OCTETS = 8


@dataclass(frozen=True)
class Depth:
    """What waits in the outbox for one connection. A batch in work counts whole until it is done."""

    connection_id: int
    messages: int
    held: int
    oldest_due_ms: int


def messages_by_state() -> dict[DeliveryState, int]:
    """Messages of all deliveries, every state named; messages sent on their own belong to none and are not in it."""
    rows = DeliveryCount.objects.values_list("state").annotate(total=Sum("messages"))
    found = {DeliveryState(state): total for state, total in rows}
    return {state: found.get(state, 0) for state in DeliveryState}


def outbox_by_connection() -> list[Depth]:
    """One entry for each connection that anything waits for."""
    size = Case(
        When(ids=None, then=F("last_id") - F("first_id") + 1),
        default=Length("ids") / ID_OCTETS,
        output_field=BigIntegerField(),
    )
    rows = Outbox.objects.values("connection_id").annotate(
        messages=Sum(size),
        held=Sum(size, filter=Q(is_held=True), default=0),
        oldest=Min("due_ms", filter=Q(is_held=False), default=0),
    )
    return [
        Depth(row["connection_id"], row["messages"], row["held"], row["oldest"])
        for row in rows.order_by("connection_id")
    ]
