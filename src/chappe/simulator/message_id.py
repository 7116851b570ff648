"""How the simulator writes message ids: in submit_sm_resp and in receipts, each in a form of its own.

One number stands behind both forms, so that whoever knows the forms can turn one into the other.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from uuid import UUID


class IdFormat(StrEnum):
    """The forms; `hex_string` is the decimal digits written as the hexadecimal codes of their characters."""

    DECIMAL = "decimal"
    HEX = "hex"
    HEX_UPPER = "hex_upper"
    HEX_STRING = "hex_string"
    UUID = "uuid"


Writer = Callable[[Sequence[int]], list[bytes]]

UUID_BASE = 0x5A6D_0000_0000_4000_8000_0000_0000_0000
"""What makes a number look like a UUID of version 4; the number itself stands in the last twelve digits."""


def writer(form: IdFormat, width: int = 0) -> Writer:
    """Writes many numbers at once; `width` is filled up with zeros from the left."""
    match form:
        case IdFormat.DECIMAL:
            return lambda numbers: [b"%0*d" % (width, number) for number in numbers]
        case IdFormat.HEX:
            return lambda numbers: [b"%0*x" % (width, number) for number in numbers]
        case IdFormat.HEX_UPPER:
            return lambda numbers: [b"%0*X" % (width, number) for number in numbers]
        case IdFormat.HEX_STRING:
            return lambda numbers: [(b"%0*d" % (width, number)).hex().encode() for number in numbers]
        case IdFormat.UUID:
            return lambda numbers: [str(UUID(int=UUID_BASE + number)).encode() for number in numbers]
