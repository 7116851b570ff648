"""Automatic replies: which row of the table answers a text from a phone."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec

_WORD = re.compile(r"[^\W_]+")


class KeywordAction(StrEnum):
    NONE = "none"
    SEND_TO_QUARANTINE = "send_to_quarantine"
    REMOVE_FROM_QUARANTINE = "remove_from_quarantine"


class AutomaticReply(msgspec.Struct, frozen=True):
    """A row: an empty keyword or short code matches all; an empty reply sends nothing, the action is still done.

    `short_code` also limits the action; empty, it is done for all short codes.
    """

    keyword: str = ""
    short_code: str = ""
    reply: str = ""
    action: KeywordAction = KeywordAction.NONE


def rows(table: Iterable[Mapping[str, Any]]) -> tuple[AutomaticReply, ...]:
    """From the settings of a connection."""
    return tuple(
        AutomaticReply(row["keyword"], row["short_code"], row["reply"], KeywordAction(row["action"])) for row in table
    )


def first_word(text: str) -> str:
    """The first run of letters and digits, "" where there is none."""
    found = _WORD.search(unicodedata.normalize("NFC", text))
    return found[0] if found else ""


def find_reply(table: Sequence[AutomaticReply], text: str, short_code: str) -> AutomaticReply | None:
    """The first row that matches, and only that one."""
    word = _folded(first_word(text))
    number = short_code.removeprefix("+")
    for row in table:
        if row.short_code and row.short_code.removeprefix("+") != number:
            continue
        if word.startswith(_folded(row.keyword)):
            return row
    return None


def _folded(word: str) -> str:
    return unicodedata.normalize("NFC", word).casefold()
