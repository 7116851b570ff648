"""What customers' programs are told, how a call proves that it is ours, and when one that failed is tried again.

Calls are those of Standard Webhooks 1.0.0: `webhook-id`, `webhook-timestamp` and `webhook-signature`, which holds one
signature for each secret that is live ("Signature scheme", "Webhook headers").
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

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

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
SECRET_OCTETS = 32

TRIED_FOR_MS = 24 * 3600_000
"""How long a call is tried before it becomes a dead letter."""
LAST_MS = 60_000
"""The last try is so long before that."""
DELAYS_MS = (5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000, 7_200_000)
"""Between one try and the next; the last of them from then on."""
JITTER = 0.2


def secret_text(key: bytes) -> str:
    """A secret as its owner gets it."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def secret_key(text: str) -> bytes:
    """What a secret signs with. Raises ValueError for what is no secret."""
    try:
        return base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("this is no secret of a callback") from None


def signatures(keys: Iterable[bytes], event_id: str, timestamp_s: int, body: bytes) -> str:
    """The header `webhook-signature`: one for each key, with a blank between."""
    signed = f"{event_id}.{timestamp_s}.".encode() + body
    digests = (hmac.digest(key, signed, hashlib.sha256) for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


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
