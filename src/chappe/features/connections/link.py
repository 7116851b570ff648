"""What the links of a connection do now, as their engine last said."""

from collections.abc import Iterable
from dataclasses import dataclass

from chappe.features.connections.models import LinkLease, LinkState

# An engine says so once a second; one that has been silent for this long has died or lost the database.
SILENT_MS = 5_000
# `slowed`: logged in, and the provider asked for a pause. `ready`: by HTTP, where nobody logs in.
BOUND = ("bound", "slowed", "ready")


@dataclass(frozen=True)
class Link:
    """One link. Where `is_live` is false its engine fell silent, and the rest is what it last said."""

    connection_id: int
    slot: int
    role: str
    owner: str
    state: str
    reason: str
    window: int
    in_flight: int
    sent_per_s: float
    limit_per_s: float
    round_trip_p50_ms: float
    round_trip_p99_ms: float
    receipts_per_s: float
    unmatched_per_s: float
    since_ms: int
    seen_ms: int
    is_live: bool

    @property
    def is_bound(self) -> bool:
        return self.is_live and self.state in BOUND

    @property
    def is_slowed(self) -> bool:
        return self.is_live and self.state == "slowed"

    @property
    def sends(self) -> bool:
        """Whether messages go out by it; a receiver only takes receipts and texts in."""
        return self.role != "receiver"


def links_of(connection_ids: Iterable[int], now_ms: int) -> list[Link]:
    """The links of these connections, in order."""
    rows = LinkState.objects.filter(connection_id__in=list(connection_ids))
    return [_link(row, now_ms) for row in rows.order_by("connection_id", "slot", "role")]


def all_links(now_ms: int) -> list[Link]:
    """The links of every organisation, for the operator's metrics."""
    return [_link(row, now_ms) for row in LinkState.objects.order_by("connection_id", "slot", "role")]


def held_slots(connection_id: int, now_ms: int) -> int:
    """How many of a connection's slots (a link, or a pair of links) some engine holds a lease of, bound or not."""
    return LinkLease.objects.filter(connection_id=connection_id, until_ms__gt=now_ms).count()


def _link(row: LinkState, now_ms: int) -> Link:
    return Link(
        connection_id=row.connection_id,
        slot=row.slot,
        role=row.role,
        owner=row.owner,
        state=row.state,
        reason=row.reason,
        window=row.window,
        in_flight=row.in_flight,
        sent_per_s=row.sent_per_s,
        limit_per_s=row.limit_per_s,
        round_trip_p50_ms=row.round_trip_p50_ms,
        round_trip_p99_ms=row.round_trip_p99_ms,
        receipts_per_s=row.receipts_per_s,
        unmatched_per_s=row.unmatched_per_s,
        since_ms=row.since_ms,
        seen_ms=row.changed_ms,
        is_live=row.changed_ms > now_ms - SILENT_MS,
    )
