"""Delivery receipts as text (SMPP 3.4, appendix B): reading what SMSCs write, writing what the standard writes and the
dialects that are met.

The standard's form is `id:IIIIIIIIII sub:SSS dlvrd:DDD submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DDDDDDD err:E
Text: ...`. SMSCs change the case of the names, leave names out, put other names in, write seconds, and put anything at
all after `Text:`.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

from .constants import MessageState

STATE_WORDS: Final[dict[str, MessageState]] = {
    "ENROUTE": MessageState.ENROUTE,
    "DELIVRD": MessageState.DELIVERED,
    "EXPIRED": MessageState.EXPIRED,
    "DELETED": MessageState.DELETED,
    "UNDELIV": MessageState.UNDELIVERABLE,
    "ACCEPTD": MessageState.ACCEPTED,
    "UNKNOWN": MessageState.UNKNOWN,
    "REJECTD": MessageState.REJECTED,
}
"""The words of `stat` and the message_state each stands for."""

MAX_TEXT: Final = 20
"""How much of the message a receipt repeats."""

_TEXT: Final = re.compile(r"(?:^|(?<=[\s;,]))text\s*:", re.IGNORECASE)
_NAME: Final = r"(?:submit[ _-]?date|done[ _-]?date|[a-z_][a-z0-9_-]{0,31})"
_PAIR: Final = re.compile(
    # A blank after the colon belongs to it, unless the next name follows: that value is empty.
    rf"(?:^|(?<=[\s;,]))({_NAME})[ \t]{{0,8}}:(?:[ \t]{{1,8}}(?!{_NAME}[ \t]{{0,8}}:))?([^\s;,]*)",
    re.IGNORECASE,
)
_WHOLE: Final = re.compile(
    r"id:(?P<id>[^\s;,]*) sub:(?P<sub>[^\s;,]*) dlvrd:(?P<dlvrd>[^\s;,]*) submit date:(?P<submit_date>[^\s;,]*) "
    r"done date:(?P<done_date>[^\s;,]*) stat:(?P<stat>[^\s;,]*) err:(?P<err>[^\s;,]*) text:(?P<text>.*)",
    re.IGNORECASE | re.DOTALL,
)
"""The standard's form, which is most of what comes: one match instead of a search for every name."""
_DATE_NAMES: Final = {"submitdate": "submit_date", "donedate": "done_date"}
_DATE_FORMATS: Final = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S", 14: "%Y%m%d%H%M%S"}


def parse_receipt(text: str | bytes) -> dict[str, str]:
    """The named values of a receipt: `id`, `sub`, `dlvrd`, `submit_date`, `done_date`, `stat`, `err`, `text`, and any
    other name that stands there, in small letters; what is not there is not in the dict. Of a name that stands twice
    the first counts, and nothing after `Text:` is looked at: that is the message's own text. Octets are read as
    Latin-1, so that `value.encode("latin-1")` gives them back. Never raises."""
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    if whole := _WHOLE.fullmatch(text):
        found: dict[str, str] = whole.groupdict()
        found["text"] = _after_colon(found["text"])
        return found
    return _parse_dialect(text)


def _after_colon(text: str) -> str:
    return text.removeprefix(" ").rstrip("\0")


def _parse_dialect(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    tail = _TEXT.search(text)
    head = text if tail is None else text[: tail.start()]
    for name, value in _PAIR.findall(head):
        key = name.lower().replace("-", "_")
        key = _DATE_NAMES.get(re.sub("[ _]", "", key), key)
        found.setdefault(key, value)
    if tail is not None:
        found["text"] = _after_colon(text[tail.end() :])
    return found


def parse_date(digits: str, zone: tzinfo = UTC) -> datetime | None:
    """A date of 10 digits (YYMMDDhhmm), 12 (with seconds) or 14 (with the century as well); None when it is none.
    Receipts do not say in which zone their dates are: the caller knows."""
    date_format = _DATE_FORMATS.get(len(digits))
    if date_format is None or not digits.isascii() or not digits.isdigit():
        return None
    try:
        return datetime.strptime(digits, date_format).replace(tzinfo=zone)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one SMSC writes receipts. `names` in the order written; `text` writes the text after `Text:`."""

    names: tuple[str, ...] = ("id", "sub", "dlvrd", "submit date", "done date", "stat", "err")
    upper_case: bool = False
    seconds: bool = False
    space_after_colon: bool = False
    separator: str = " "
    text_name: str | None = "Text"


STANDARD: Final = Dialect()
DIALECTS: Final[dict[str, Dialect]] = {
    "standard": STANDARD,
    "lower": Dialect(text_name="text"),
    "upper": Dialect(upper_case=True, text_name="TEXT"),
    "no_text": Dialect(text_name=None),
    "seconds": Dialect(seconds=True),
    "spaced": Dialect(space_after_colon=True, separator="  "),
    "short": Dialect(names=("id", "stat", "err"), text_name=None),
    "status_first": Dialect(names=("stat", "err", "id", "sub", "dlvrd", "submit date", "done date")),
}
"""Dialects that are met, by a name to choose them by."""


def format_receipt(
    message_id: str,
    stat: str | MessageState,
    submit_date: datetime,
    done_date: datetime,
    err: str = "000",
    text: str = "",
    sub: int = 1,
    dlvrd: int | None = None,
    dialect: Dialect = STANDARD,
) -> str:
    """A receipt; `dlvrd` left out is `sub` for a message delivered and 0 otherwise. Dates are written as they stand, in
    their own zone. Encode the answer with Latin-1 where `text` stands for octets."""
    word = next(word for word, state in STATE_WORDS.items() if state == stat) if isinstance(stat, int) else stat
    date_format = _DATE_FORMATS[12 if dialect.seconds else 10]
    values = {
        "id": message_id,
        "sub": f"{sub:03d}",
        "dlvrd": f"{(sub if word == 'DELIVRD' else 0) if dlvrd is None else dlvrd:03d}",
        "submit date": submit_date.strftime(date_format),
        "done date": done_date.strftime(date_format),
        "stat": word,
        "err": err,
    }
    colon = ": " if dialect.space_after_colon else ":"
    pairs = [f"{name.upper() if dialect.upper_case else name}{colon}{values[name]}" for name in dialect.names]
    if dialect.text_name is not None:
        pairs.append(f"{dialect.text_name}{colon}{text[:MAX_TEXT]}")
    return dialect.separator.join(pairs)
