"""Numbers and addresses of people as those see them who may not see them whole."""

SHOWN_DIGITS = 3
"""Of a masked number, at its start and at its end."""
MASK = "•"


def masked(value: str) -> str:
    """Enough of a number to recognise it, and of an address its host."""
    if "@" in value:
        name, _, host = value.rpartition("@")
        return f"{name[:1]}{MASK * 3}@{host}"
    if len(value) <= 2 * SHOWN_DIGITS:
        return MASK * len(value)
    hidden = len(value) - 2 * SHOWN_DIGITS
    return f"{value[:SHOWN_DIGITS]}{MASK * hidden}{value[-SHOWN_DIGITS:]}"
