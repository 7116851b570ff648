"""What a request to send says, and what is wrong with it."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from chappe.engine.store.relay_catalogue import RELAY_BITS
from chappe.features.connections.way import LONGEST_SENDER, Way
from chappe.messaging import FieldError
from chappe.messaging.content import Content
from chappe.rules.email_address import read_email
from chappe.web.wire import BadRequest

LONGEST_BODY = 10_000
LONGEST_RECIPIENT = 320
LONGEST_VALIDITY_S = 14 * 86_400
DEFAULT_VALIDITY_S = 72 * 3600
FARTHEST_S = 366 * 86_400
MOST_RELAYED = (1 << RELAY_BITS) - 1

PRINTABLE = r"^[ -~]*(?!\n)$"
"""Printable ASCII to the very end: `$` alone would let a line break through."""
LONGEST_SHOWN = 100
LONGEST_WORDS = 300
MOST_ERRORS = 100
NOTHING_SENT = "Nothing was sent."
NO_KIND = ("", "cannot be sent as it is")

_PATH = re.compile(r" - at `\$\.?(?P<path>[a-z_.\[\]0-9]*)`$")
_NAMED = re.compile(r"(?P<what>missing required|unknown) field `(?P<name>.*)`$", re.DOTALL)
_INTERNATIONAL = re.compile(r"\+?[1-9][0-9]{5,14}")
_E164 = re.compile(r"\+[1-9][0-9]{5,14}")
_AS_TYPED = re.compile(r"[ -~]{1,20}")


class ParameterIn(msgspec.Struct, forbid_unknown_fields=True):
    """An optional parameter, its value ready to be sent."""

    tag: Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
    value: Annotated[str, msgspec.Meta(max_length=2 * 0xFFFF, pattern="^([0-9a-fA-F]{2})*$", description="hexadecimal")]


class OptionsIn(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What a message may ask for beyond its text."""

    transmission_mode: (
        Annotated[
            int,
            msgspec.Meta(
                ge=0, le=3, description="SMPP: 0 normal, 1 flash, 2 mobile, 3 SIM; null: left to the provider"
            ),
        ]
        | None
    ) = None
    maximum_segments: Annotated[
        int, msgspec.Meta(ge=0, le=255, description="a longer text is refused; 0: no limit")
    ] = 0
    service_id: Annotated[
        str, msgspec.Meta(max_length=254, description="sent in the connection's service id tag, which it must have")
    ] = ""
    short_code: Annotated[
        str, msgspec.Meta(max_length=21, description="whose quarantine counts; empty: the connection's own")
    ] = ""
    tlvs: Annotated[
        tuple[ParameterIn, ...],
        msgspec.Meta(max_length=50, description="SMPP: optional parameters, sent as they are in this order"),
    ] = ()
    content: Annotated[
        Content | None,
        msgspec.Meta(
            description="what RCS or MMS carry beyond the text; the text then goes to phones, and through connections, "
            "without them"
        ),
    ] = None
    follow_links: Annotated[
        bool,
        msgspec.Meta(
            description="web addresses in the text go out as short links, and who opens them is counted; not in e-mail, nor "
            "in a content"
        ),
    ] = False


class MessageIn(msgspec.Struct, forbid_unknown_fields=True):
    """One message to send."""

    to: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=LONGEST_RECIPIENT,
            description="the number with its country code; an e-mail address where the connection sends e-mail",
            examples=["+33612345678"],
        ),
    ]
    text: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=LONGEST_BODY,
            description="any text without U+0000; long ones go out in segments. For e-mail the JSON that the provider "
            "expects, in which {{ user_identifier }} becomes what it knows the person by",
            examples=["Your code is 123456."],
        ),
    ]
    connection_id: (
        Annotated[
            int,
            msgspec.Meta(
                ge=1,
                le=(1 << 63) - 1,
                description="the connection to send through; null: the first of the list that is switched on, complete and "
                "of the recipient's channel",
            ),
        ]
        | None
    ) = None
    sender: Annotated[
        str,
        msgspec.Meta(
            max_length=LONGEST_SENDER,
            pattern=PRINTABLE,
            description="printable ASCII, as the provider wants it; SMPP has room for 20; empty: the connection's own sender",
        ),
    ] = ""
    category: Annotated[
        Literal["marketing", "transactional"],
        msgspec.Meta(description="marketing goes to nobody who wrote STOP, whatever the connection says"),
    ] = "transactional"
    validity_s: Annotated[
        int,
        msgspec.Meta(
            ge=1, le=LONGEST_VALIDITY_S, description="seconds from the time it is due; past them it is not sent"
        ),
    ] = DEFAULT_VALIDITY_S
    send_at: (
        Annotated[
            datetime,
            msgspec.Meta(
                tz=True,
                description="when it is due, within a year; null or past: now",
                examples=["2026-07-14T09:30:00+02:00"],
            ),
        ]
        | None
    ) = None
    client_reference: Annotated[
        str, msgspec.Meta(max_length=200, description="your own name for it, given back with its status")
    ] = ""
    options: OptionsIn | None = None
    relay_id: (
        Annotated[
            int,
            msgspec.Meta(
                ge=1,
                le=MOST_RELAYED,
                description="with ?account=: your own number of the message; the same one again is the same message, "
                "and gets the same answer",
            ),
        ]
        | None
    ) = None
    relay_delivery: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            le=MOST_RELAYED,
            description="with ?account=: your own number of the delivery that it is part of; 0: none",
        ),
    ] = 0


_one = msgspec.json.Decoder(MessageIn)


def read_one(body: bytes) -> MessageIn:
    """The message of a JSON body. Raises BadRequest naming the field."""
    try:
        return _one.decode(body)
    except msgspec.ValidationError as error:
        raise BadRequest(422, NOTHING_SENT, [_field_error(error)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(400, f"The body is not JSON: {error}") from None


def read_lines(body: bytes, most: int, *, is_bundle: bool = False) -> list[MessageIn]:
    """The messages of an NDJSON body, all or none. Raises BadRequest naming lines and fields: of a bundle, every line."""
    body = body.rstrip()
    if not body:
        raise BadRequest(422, "Nothing was sent: the body has no line.")
    count = body.count(b"\n") + 1
    if count > most:
        raise BadRequest(413, f"The body has {count} lines; a request may have {most}.")
    if is_bundle and (b"\n" + body).count(b"\n{") == count:  # as a program like this one writes it
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            together = _one.decode_lines(body)
            if len(together) == count:
                return together
    messages: list[MessageIn] = []
    errors: list[LineError] = []
    for number, line in enumerate(body.split(b"\n"), 1):
        try:
            messages.append(_one.decode(line))
        except msgspec.ValidationError as error:
            errors.append((number, _field_error(error)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            words = f"is not JSON: {error}" if line.strip() else "is blank; each line is a message"
            errors.append((number, FieldError("", words)))
        if len(errors) >= MOST_ERRORS and not is_bundle:
            break
    if errors:
        raise BadRequest(422, NOTHING_SENT, by_kind(errors) if is_bundle else by_line(errors))
    return messages


LineError = tuple[int, FieldError]
"""What is wrong with a line, which has this number."""


def by_line(errors: Sequence[LineError]) -> list[FieldError]:
    """The first of them, each for itself: for people."""
    return [FieldError(line_field(str(line), one.field), one.message) for line, one in errors[:MOST_ERRORS]]


def by_kind(errors: Sequence[LineError]) -> list[FieldError]:
    """All of them, briefly: for a program, which leaves these lines out and sends the others. What is wrong with many is said
    once, and of very many kinds the last ones are not told apart, so that it stays well below 1 MiB."""
    kinds: dict[tuple[str, str], list[int]] = {}
    for line, one in errors:
        kind = (one.field[:LONGEST_SHOWN], one.message[:LONGEST_WORDS])
        kinds.setdefault(kind if kind in kinds or len(kinds) < MOST_ERRORS else NO_KIND, []).append(line)
    return [FieldError(line_field(",".join(map(str, lines)), field), words) for (field, words), lines in kinds.items()]


def line_field(numbers: str, field: str = "") -> str:
    """How a field of one line is named, or of several, with commas between their numbers."""
    place = f"lines {numbers}" if "," in numbers else f"line {numbers}"
    return f"{place}: {field}" if field else place


def recipient_of(message: MessageIn, way: Way) -> str | None:
    """The address as it is kept, or the number: with a plus, or as given where the connection sends it so; None for none."""
    if way.is_email:
        return read_email(message.to) or None
    if way.as_typed:
        return message.to if _AS_TYPED.fullmatch(message.to) else None
    if _E164.fullmatch(message.to):
        return message.to
    digits = re.sub(r"[\s().-]", "", message.to)
    if not _INTERNATIONAL.fullmatch(digits):
        return None
    return digits if digits.startswith("+") else f"+{digits}"


def due_ms(message: MessageIn, now_ms: int) -> int | None:
    """When it is to go out; None where that is too far away."""
    if message.send_at is None:
        return now_ms
    at = int(message.send_at.timestamp() * 1000)
    return None if at > now_ms + FARTHEST_S * 1000 else max(at, now_ms)


def _field_error(error: msgspec.ValidationError) -> FieldError:
    """The decoder's error by the field it is about, in plain words that repeat nothing of a text."""
    text = str(error)
    found = _PATH.search(text)
    words = text[: found.start()] if found else text
    field = found["path"] if found else ""
    named = _NAMED.search(words)
    if named:
        name = named["name"][:LONGEST_SHOWN]
        is_missing = named["what"].startswith("missing")
        return FieldError(
            f"{field}.{name}" if field else name, "is needed" if is_missing else "is not a field of this request"
        )
    return FieldError(field, _plain(words))


_TIME = "must be a time with its zone, such as 2026-07-14T09:30:00+02:00"
_PLAIN: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"of length <= (\d+)", r"must have at most \1 characters"),
        (r"of length >= (\d+)", r"must have at least \1 character"),
        (r"^Expected `int` >= (\d+)", r"must be at least \1"),
        (r"^Expected `int` <= (\d+)", r"must be at most \1"),
        (r"matching regex", "must be printable ASCII characters"),
        (r"with a timezone component|RFC3339", _TIME),
        (r"^Invalid enum value", "must be marketing or transactional"),
        (r"out of range", "is out of range"),
        (r"^Invalid value", "is none of those there are"),
    )
)
_KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number with decimals",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
    "datetime": "a time",
}
_KIND = re.compile(r"^Expected `(?P<wanted>[a-z |]+)`, got `(?P<given>[a-z]+)`")


def _plain(words: str) -> str:
    kind = _KIND.search(words)
    if kind:
        wanted = " or ".join(_KINDS.get(one, one) for one in kind["wanted"].split(" | "))
        return f"must be {wanted}, not {_KINDS.get(kind['given'], kind['given'])}"
    for pattern, plain in _PLAIN:
        found = pattern.search(words)
        if found:
            return found.expand(plain)
    return "cannot be used"
