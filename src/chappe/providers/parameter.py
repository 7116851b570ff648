"""Optional SMPP parameters: the rows that a delivery adds to each message, and the values inbound messages bring."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from chappe.gsm import Encoding, Unencodable, decode, encode
from chappe.messaging import ConfigError, FieldError, OutgoingTlv
from chappe.providers.smpp_settings import parse_tag

MOST_OCTETS = 0xFFFF
_NOTHING = frozenset({"", "null", "undefined"})  # what templates write for a value that is not there


class ParameterFormat(StrEnum):
    """How a value becomes octets. The binary ones are big-endian, of the width named."""

    ASCII = "ascii"
    UTF8 = "utf8"
    LATIN1 = "latin1"
    GSM = "gsm"
    UCS2 = "ucs2"
    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    UINT16 = "uint16"
    INT32 = "int32"
    UINT32 = "uint32"
    INT64 = "int64"
    UINT64 = "uint64"


class ParameterRow(msgspec.Struct, frozen=True):
    """A row of the table: `label` is for people and not sent, `tag` is decimal or 0x, `value` is rendered already.

    `maximum_octets` 0 is no limit of its own; binary formats have their width and ignore it.
    """

    label: str
    tag: str
    value: str
    format: ParameterFormat = ParameterFormat.UTF8
    maximum_octets: int = 0


def encode_rows(rows: Sequence[ParameterRow]) -> tuple[OutgoingTlv, ...]:
    """The parameters in the order of the rows; raises `ConfigError` naming each row that cannot be sent."""
    tlvs: list[OutgoingTlv] = []
    errors: list[FieldError] = []
    for index, row in enumerate(rows):
        try:
            tlv = encode_row(row)
        except ValueError as error:
            errors.append(FieldError(f"tlvs[{index}]", f"{row.label or row.tag}: {error}"))
        else:
            tlvs += [tlv] if tlv is not None else []
    if errors:
        raise ConfigError(errors)
    return tuple(tlvs)


def encode_row(row: ParameterRow) -> OutgoingTlv | None:
    """The parameter, or None where the value is empty, `null` or `undefined`: this message then goes without it.

    ValueError says what was expected, without the value, which may be personal.
    """
    try:
        tag = parse_tag(row.tag)
    except ValueError:
        raise ValueError("expected a tag from 0 to 65535, decimal or hexadecimal with 0x") from None
    if row.value.strip() in _NOTHING:
        return None
    width = _WIDTHS.get(row.format)
    if width is not None:
        return OutgoingTlv(tag, _number(row.value, *width))
    octets = _text(row.value, row.format)
    limit = min(row.maximum_octets or MOST_OCTETS, MOST_OCTETS)
    if len(octets) > limit:
        raise ValueError(f"expected at most {limit} octets, not {len(octets)}")
    return OutgoingTlv(tag, octets)


_WIDTHS: Mapping[ParameterFormat, tuple[int, bool]] = {
    ParameterFormat.INT8: (1, True),
    ParameterFormat.UINT8: (1, False),
    ParameterFormat.INT16: (2, True),
    ParameterFormat.UINT16: (2, False),
    ParameterFormat.INT32: (4, True),
    ParameterFormat.UINT32: (4, False),
    ParameterFormat.INT64: (8, True),
    ParameterFormat.UINT64: (8, False),
}

_CODECS: Mapping[ParameterFormat, str] = {ParameterFormat.ASCII: "ascii", ParameterFormat.UTF8: "utf-8"}


def _number(value: str, octets: int, signed: bool) -> bytes:
    digits = value.strip()
    unsigned_digits = digits.removeprefix("-") if signed else digits
    if not (unsigned_digits.isascii() and unsigned_digits.isdigit() and len(unsigned_digits) <= 20):
        raise ValueError("expected a whole decimal number")
    try:
        return int(digits).to_bytes(octets, "big", signed=signed)
    except OverflowError:
        least, most = (-(1 << 8 * octets - 1), (1 << 8 * octets - 1) - 1) if signed else (0, (1 << 8 * octets) - 1)
        raise ValueError(f"expected a whole number from {least} to {most}") from None


def _text(value: str, text_format: ParameterFormat) -> bytes:
    codec = _CODECS.get(text_format)
    try:
        return value.encode(codec) if codec else encode(value, Encoding(text_format.value))
    except (UnicodeEncodeError, Unencodable):
        raise ValueError(f"expected characters that {text_format.value} has") from None


class IncomingField(msgspec.Struct, frozen=True):
    """Which parameter of an inbound message fills a field, and how its value is read."""

    tag: int
    format: str

    @classmethod
    def of(cls, settings: Mapping[str, Any], name: str) -> "IncomingField | None":
        """From the settings of a connection; None where the field has no tag."""
        tag = settings[f"{name}_tag"]
        return cls(parse_tag(tag), settings[f"{name}_format"]) if tag else None


def read_value(value: bytes, value_format: str) -> str:
    """A parameter's value as text; never raises, for what a provider sends must be shown whatever it holds."""
    if value_format == "binary":
        return str(int.from_bytes(value[:16], "big", signed=True)) if value else ""
    octets = value if value_format in ("ucs2", "gsm") else value.rstrip(b"\0")
    if value_format in ("latin1", "ucs2", "gsm"):
        text = decode(octets, Encoding(value_format))
    else:
        text = octets.decode("utf-8" if value_format == "utf8" else "ascii", "replace")
    return text.replace("\0", "")
