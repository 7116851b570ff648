"""Rows as the engine would have written them, for tests that only read."""

from typing import Any

from chappe.features.connections.models import Connection, LinkState
from chappe.features.messages.models import Inbound, Message, MessageEvent, Segment
from chappe.features.tracking.models import LinkClick
from chappe.messaging import DeliveryState
from chappe.rules.link import PLACE_BITS

NOW_MS = 1_767_225_600_000  # 2026-01-01 00:00:00 UTC


def connection(organisation_id: int, name: str = "North", **values: Any) -> Connection:
    return Connection.objects.create(organisation_id=organisation_id, name=name, provider="smpp", **values)


def message(organisation_id: int, number: int = 1, **values: Any) -> Message:
    given: dict[str, Any] = {
        "connection_id": 1,
        "recipient": "+33612345678",
        "body": "Your parcel is here",
        "state": DeliveryState.WAITING,
        "created_ms": NOW_MS,
        "due_ms": NOW_MS,
    }
    return Message.objects.create(pk=number, organisation_id=organisation_id, **given | values)


def segment(message_id: int, index: int = 0, attempt: int = 0, **values: Any) -> Segment:
    given: dict[str, Any] = {"connection_id": 1, "state": DeliveryState.SENT, "sent_ms": NOW_MS + 100}
    return Segment.objects.create(pk=message_id << 12 | attempt << 8 | index, **given | values)


def event(message_id: int, kind: str, text: str, at_ms: int = NOW_MS + 200) -> MessageEvent:
    return MessageEvent.objects.create(message_id=message_id, kind=kind, text=text, at_ms=at_ms)


def link(connection_id: int, state: str, **values: Any) -> LinkState:
    given: dict[str, Any] = {"slot": 0, "role": "transceiver", "owner": "engine-1", "changed_ms": NOW_MS}
    return LinkState.objects.create(connection_id=connection_id, state=state, **given | values)


def click(message_id: int, place: int = 0, clicks: int = 1, machine_clicks: int = 0, **values: Any) -> LinkClick:
    given: dict[str, Any] = {
        "organisation_id": 1,
        "delivery_id": 0,
        "url": "https://shop.example/sale",
        "first_ms": NOW_MS + 5_000,
        "last_ms": NOW_MS + 65_000,
    }
    counts = {"clicks": clicks, "machine_clicks": machine_clicks}
    return LinkClick.objects.create(pk=message_id << PLACE_BITS | place, **counts, **given | values)


def inbound(organisation_id: int, number: int = 1, **values: Any) -> Inbound:
    given: dict[str, Any] = {"connection_id": 1, "sender": "+33612345678", "recipient": "36180", "body": "STOP"}
    return Inbound.objects.create(pk=number, organisation_id=organisation_id, received_ms=NOW_MS, **given | values)
