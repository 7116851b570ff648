"""How long a text is to a provider that picks the encoding and splits by itself."""

from chappe.gsm import MOST_SEGMENTS, Encoding, TooManySegments, can_encode, count


def segments(text: str) -> int:
    """Segments of a text in GSM 03.38, or in UCS-2 where that lacks a character; past what a header can number, one more."""
    encoding = Encoding.GSM if can_encode(text, Encoding.GSM) else Encoding.UCS2
    try:
        return count(text, encoding)
    except TooManySegments:
        return MOST_SEGMENTS + 1
