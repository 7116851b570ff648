"""The time as the tables keep it."""

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def instant(ms: int) -> datetime | None:
    """The moment that a column holds; None where it holds none."""
    return EPOCH + timedelta(milliseconds=ms) if ms else None
