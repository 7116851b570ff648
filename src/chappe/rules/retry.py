"""When a message that was put off is tried again, and when it no longer is."""

from dataclasses import dataclass

JITTER_SHARE = 0.2  # of the delay, so that what failed together does not come back together


@dataclass(frozen=True)
class RetryPolicy:
    """`limit` counts the attempts after the first. The delay grows by `factor` from `base_s` to `cap_s`."""

    base_s: float = 60.0
    factor: float = 2.0
    cap_s: float = 3600.0
    limit: int = 20

    def delay_s(self, attempt: int, jitter: float = 0.0) -> float:
        """After the attempt of this number, from 1; never below `base_s`. `jitter` is drawn from 0 to 1."""
        largest = max(self.base_s, self.cap_s)
        delay = self.base_s
        for _ in range(min(attempt, 1000) - 1):
            if delay >= largest:
                break
            delay *= self.factor
        return min(delay, largest) * (1 + JITTER_SHARE * min(max(jitter, 0.0), 1.0))


@dataclass(frozen=True)
class Again:
    at_ms: int


@dataclass(frozen=True)
class GiveUp:
    """`reason` is "retry limit" or "validity"."""

    reason: str


def next_attempt(
    policy: RetryPolicy, *, attempt: int, now_ms: int, expires_ms: int = 0, after_s: float = 0.0, jitter: float = 0.0
) -> Again | GiveUp:
    """What follows the failed attempt of this number (from 1).

    `after_s` is the wait that the provider or the outcome asks for, and is kept to when longer. `expires_ms` 0 means
    no end of validity; an attempt at or after it is never made.
    """
    if attempt > policy.limit:
        return GiveUp("retry limit")
    at_ms = now_ms + round(1000 * max(after_s, policy.delay_s(attempt, jitter)))
    if expires_ms and at_ms >= expires_ms:
        return GiveUp("validity")
    return Again(at_ms)
