"""Messages that were handed over to another Chappe, which has not sent them yet: see docs/explanation/mid-sourcing.md."""

from collections.abc import Iterable
from dataclasses import dataclass

from chappe.features.clock import instant
from chappe.features.connections.models import Connection
from chappe.features.messages.models import MessageColumns, Segment
from chappe.messaging import DeliveryState
from chappe.providers.registry import PROVIDERS

HANDING_OVER = tuple(key for key, spec in PROVIDERS.items() if spec.hands_over)
"""The providers that are another Chappe."""


@dataclass(frozen=True)
class Handed:
    """When mid took a message over, and under which number it has it."""

    at_ms: int
    number: str

    @property
    def time(self) -> str:
        moment = instant(self.at_ms)
        return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else ""

    @property
    def reason(self) -> str:
        """Why the message waits, as a message's reason says it."""
        return f"handed over to mid at {self.time}, and waits there"


def handing_over(connection_ids: Iterable[int]) -> set[int]:
    """Those of these connections that hand over to another Chappe."""
    rows = Connection.objects.filter(pk__in=set(connection_ids), provider__in=HANDING_OVER)
    return set(rows.values_list("pk", flat=True))


def handed_over(messages: Iterable[MessageColumns]) -> dict[int, Handed]:
    """By message, those that wait on mid."""
    waiting = {one.pk << 12 | one.attempt << 8: one for one in messages if one.state == DeliveryState.WAITING}
    relays = handing_over(one.connection_id for one in waiting.values()) if waiting else set()
    firsts = [segment_id for segment_id, one in waiting.items() if one.connection_id in relays]
    if not firsts:
        return {}
    rows = Segment.objects.filter(pk__in=firsts, state=DeliveryState.WAITING).exclude(provider_message_id="")
    return {row.pk >> 12: Handed(row.sent_ms, row.provider_message_id) for row in rows}


def waits_on_mid(connection_id: int, provider: str) -> bool:
    """Whether messages that were handed over through a connection wait there.

    It looks through what was ever sent by it: a question to be asked once, of a connection that no delivery went through.
    """
    rows = Segment.objects.filter(connection_id=connection_id, state=DeliveryState.WAITING)
    return provider in HANDING_OVER and rows.exists()
