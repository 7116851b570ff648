"""What customers' programs are told, and when a call that failed is tried again."""

from chappe.messaging import DeliveryState

STATE_EVENTS: dict[int, str] = {
    DeliveryState.UNCONFIRMED: "message.unconfirmed",
    DeliveryState.SENT: "message.sent",
    DeliveryState.DELIVERED: "message.delivered",
    DeliveryState.READ: "message.read",
    DeliveryState.FAILED: "message.failed",
    DeliveryState.EXPIRED: "message.expired",
    DeliveryState.EXCLUDED: "message.excluded",
    DeliveryState.CANCELLED: "message.cancelled",
}
INBOUND = "inbound.received"
CONSENT = "consent.changed"
TEST = "callback.test"
"""Sent because somebody asked for it; nobody subscribes to it."""
EVENTS = (*STATE_EVENTS.values(), INBOUND, CONSENT)

TRIED_FOR_MS = 24 * 3600_000
"""How long a call is tried before it becomes a dead letter."""
LAST_MS = 60_000
"""The last try is so long before that."""
DELAYS_MS = (5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000, 7_200_000)
"""Between one try and the next; the last of them from then on."""
JITTER = 0.2


def next_try_ms(tries: int, now_ms: int, give_up_ms: int, wanted_ms: int, chance: float) -> int:
    """When to try again after so many `tries`; 0 for never.

    `wanted_ms` is how long the other side asked us to wait, `chance` a number from 0 to 1: what failed together is not to
    come back together.
    """
    last_ms = give_up_ms - LAST_MS
    if now_ms >= last_ms:
        return 0
    delay = DELAYS_MS[min(tries, len(DELAYS_MS)) - 1] * (1 - JITTER + 2 * JITTER * chance)
    return min(now_ms + max(int(delay), wanted_ms), last_ms)
