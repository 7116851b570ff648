"""How a provider writes its message ids. The acknowledgement and the receipt may each have a format of their own."""

import re
from collections.abc import Callable
from enum import StrEnum

_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{1,128}")
_SPACES = " \t\r\n"


class IdFormat(StrEnum):
    AS_IS = "as_is"
    DECIMAL = "decimal"
    HEXADECIMAL = "hexadecimal"
    HEXADECIMAL_STRING = "hexadecimal_string"


def convert(text: str, id_format: IdFormat) -> str | None:
    """The id as it is stored, or None where `text` is not in the format."""
    match id_format:
        case IdFormat.AS_IS:
            return text
        case IdFormat.DECIMAL:
            return _from_decimal(text)
        case IdFormat.HEXADECIMAL:
            return _from_hexadecimal(text)
        case IdFormat.HEXADECIMAL_STRING:
            return _from_hexadecimal_string(text)


def read_id(text: str, id_format: IdFormat) -> tuple[str, bool]:
    """The id as it is stored, and whether `text` was in the format.

    What is not in the format is kept as it came: an acknowledgement and a receipt that both carry it still find each
    other, and the operator sees the provider's own word; dropping it would lose both.
    """
    value = convert(text, id_format)
    return (text, False) if value is None else (value, True)


def reader(id_format: IdFormat) -> Callable[[str], str]:
    """`read_id` for one format, without the flag: what the hot path calls for every acknowledgement."""
    if id_format is IdFormat.AS_IS:
        return _as_is
    return lambda text: read_id(text, id_format)[0]


def _as_is(text: str) -> str:
    return text


def _from_decimal(text: str) -> str | None:
    digits = text.strip(_SPACES)
    if not (digits.isascii() and digits.isdigit()):
        return None
    return digits.lstrip("0") or "0"


def _from_hexadecimal(text: str) -> str | None:
    digits = text.strip(_SPACES)
    return str(int(digits, 16)) if _HEXADECIMAL.fullmatch(digits) else None


def _from_hexadecimal_string(text: str) -> str | None:
    digits = text.strip(_SPACES)
    if len(digits) % 2 or not _HEXADECIMAL.fullmatch(digits):
        return None
    decoded = bytes.fromhex(digits)
    return decoded.decode("ascii") if decoded.isascii() and b"\0" not in decoded else None
