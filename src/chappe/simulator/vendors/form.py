"""How vendors count and write: segments, and times."""

from datetime import UTC, datetime
from typing import Final

from chappe.gsm import Encoding, TooManySegments, can_encode
from chappe.gsm import count as count_segments

SURELY_ONE: Final = 35
"""Characters that fit into one segment even where each takes two units of UCS-2."""
MOST_SEGMENTS: Final = 255


def utc_now() -> datetime:
    return datetime.now(UTC)


def segments(text: str) -> int:
    """How many segments a vendor makes of a text: GSM where it can be, else UCS-2."""
    if len(text) <= SURELY_ONE:
        return 1
    try:
        return count_segments(text, Encoding.GSM if can_encode(text, Encoding.GSM) else Encoding.UCS2)
    except TooManySegments:
        return MOST_SEGMENTS


def iso_ms(moment: datetime) -> str:
    """2026-11-17T12:00:05.250Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
