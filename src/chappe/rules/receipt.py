"""Reading receipts as the connection's settings say: which id, which status, which code.

A receipt may hold the text of the message, which a stranger may have written. So the text part is dropped first unless
the connection keeps it, and patterns are run with a time limit.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from chappe.messaging import Receipt, ReceiptKind
from chappe.messaging import pattern as user_pattern
from chappe.messaging.pattern import Pattern
from chappe.rules.provider_id import IdFormat, read_id, reader

ID_PATTERN = r"(?i)\bid:([0-9a-z]{1,10})"
STATUS_PATTERN = r"(?i)\bstat:(\S{5,15})"
SUCCESS_PATTERN = r"(?i)^DELIV"
ERROR_PATTERN = r"(?i)^(UNDELIV|REJECT|EXPIRED|DELETED|UNKNOWN|FAIL)"
ERROR_CODE_PATTERN = r"(?i)\berr:(.{3})"

MESSAGE_PAYLOAD = 0x0424  # holds the receipt's text where short_message does not; it is part of `text` already

# The text is the last field of a receipt, so all that follows the first "text:" is the stranger's, a second "text:"
# included. No word limit is asked for before it: losing a field is safe, letting a forged one in is not.
_TEXT_FIELD = re.compile(r"text\s*[:=]", re.IGNORECASE)

# The receipt of the standard's appendix B in its usual layout. Where it matches, the default patterns (with any width of
# the id) and the dropping of the text give the same answer as their own searches would (tests/rules/test_receipt.py
# holds it): nothing before a captured value can hold "id:", "stat:", "err:" or "text:" at a word limit.
_ID_OF_ANY_WIDTH = re.compile(r"\(\?i\)\\bid:\(\[0-9(a-z)?\]\{1,([0-9]{1,3})\}\)(\\b)?")
_AFTER_THE_ID = (
    r"(?: sub:[0-9]{1,3})?(?: dlvrd:[0-9]{1,3})?"
    r"(?: submit date:[0-9 :./+-]{1,25}+)?(?: ?done date:[0-9 :./+-]{1,25}+)?"
    r" ?stat:([A-Za-z]{5,15}) err:([0-9A-Za-z]{3})[0-9]*+(?= |\Z)"
)


def _usual_layout(id_pattern: str) -> "re.Pattern[str] | None":
    form = _ID_OF_ANY_WIDTH.fullmatch(id_pattern)
    if form is None:
        return None
    letters, width, is_whole = form.groups()
    end = "(?= )" if is_whole else "[0-9A-Za-z-]*+"  # where the pattern asks for the id's end, one that is cut is none
    return re.compile(f"id:([0-9{'A-Za-z' if letters else ''}]{{1,{width}}}){end}{_AFTER_THE_ID}")


_MOST_STATUS_WORDS = 1024
LONGEST_WORD = 40
LONGEST_ID = 255
"""What is kept of a status or code, and of an id; a pattern may capture more than any provider means."""


class Reading(msgspec.Struct, frozen=True):
    """What the patterns found in a receipt, for the operator who writes them: None where nothing was found."""

    seen: str
    raw_id: str | None
    provider_message_id: str | None
    is_id_in_format: bool
    status: str | None
    code: str | None
    kind: ReceiptKind | None


class ReceiptRules:
    """How one connection reads receipts, compiled once; raises `ConfigError` for patterns that cannot be used."""

    def __init__(
        self,
        *,
        id_pattern: str = ID_PATTERN,
        status_pattern: str = STATUS_PATTERN,
        success_pattern: str = SUCCESS_PATTERN,
        error_pattern: str = ERROR_PATTERN,
        code_pattern: str = ERROR_CODE_PATTERN,
        id_format: IdFormat = IdFormat.AS_IS,
        appends_optional_fields: bool = False,
        keeps_text: bool = False,
    ) -> None:
        self._id = Pattern(id_pattern, groups=1)
        self._status = Pattern(status_pattern, groups=1)
        self._code = Pattern(code_pattern, groups=1) if code_pattern else None
        self._success = Pattern(success_pattern)
        self._error = Pattern(error_pattern)
        self._id_format = id_format
        self._read_id = reader(id_format)
        self._appends = appends_optional_fields
        self._keeps_text = keeps_text
        self._kinds: dict[str, ReceiptKind] = {}
        has_defaults = (status_pattern, code_pattern) == (STATUS_PATTERN, ERROR_CODE_PATTERN)
        usual = _usual_layout(id_pattern) if has_defaults else None
        # Kept text and appended fields come after what the usual layout captures, so they cannot change the answer.
        self._match_usual = None if usual is None else usual.match

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "ReceiptRules":
        """From the settings of an SMPP connection."""
        return cls(
            id_pattern=settings["receipt_id_pattern"],
            status_pattern=settings["receipt_status_pattern"],
            success_pattern=settings["success_pattern"],
            error_pattern=settings["error_pattern"],
            code_pattern=settings["error_code_pattern"],
            id_format=IdFormat(settings["id_format_in_receipt"]),
            appends_optional_fields=settings["optional_fields_in_receipt"],
            keeps_text=settings["text_field_in_receipt"],
        )

    def read(self, text: str | bytes, tlvs: Sequence[tuple[int, bytes]] = ()) -> Receipt | None:
        """The receipt, or None where the id or the status cannot be found."""
        if isinstance(text, bytes):
            text = text_of(text)
        if self._match_usual is not None:
            usual = self._match_usual(text)
            if usual is not None:
                found, status, code = usual.groups()
                kind = self._kinds.get(status) or self.kind_of(status)
                return Receipt(self._read_id(found), kind, status, code)
        seen = self._visible(text, tlvs)
        raw_id = self._id.capture(seen)
        captured = self._status.capture(seen)
        if not raw_id or not captured:
            return None
        captured_code = self._code.capture(seen) if self._code is not None else None
        status, code = captured[:LONGEST_WORD], (captured_code or "")[:LONGEST_WORD]
        return Receipt(self._read_id(raw_id)[:LONGEST_ID], self.kind_of(captured), status, code)

    def explain(self, text: str | bytes, tlvs: Sequence[tuple[int, bytes]] = ()) -> Reading:
        """What each pattern sees and finds; `read` without its short cut."""
        if isinstance(text, bytes):
            text = text_of(text)
        seen = self._visible(text, tlvs)
        raw_id = self._id.capture(seen)
        status = self._status.capture(seen)
        value, is_in_format = read_id(raw_id, self._id_format) if raw_id else (None, False)
        return Reading(
            seen=seen,
            raw_id=raw_id or None,
            provider_message_id=value,
            is_id_in_format=is_in_format,
            status=status or None,
            code=self._code.capture(seen) if self._code is not None else None,
            kind=self.kind_of(status) if status else None,
        )

    def kind_of(self, status: str) -> ReceiptKind:
        """What the status means: success, error, or neither, which changes nothing."""
        kind = self._kinds.get(status)
        if kind is None:
            if self._success.matches(status):
                kind = ReceiptKind.SUCCESS
            elif self._error.matches(status):
                kind = ReceiptKind.ERROR
            else:
                kind = ReceiptKind.INTERMEDIATE
            if len(self._kinds) >= _MOST_STATUS_WORDS:
                self._kinds.clear()  # a provider has some ten words; more than this is somebody's free text
            self._kinds[status] = kind
        return kind

    def _visible(self, text: str, tlvs: Sequence[tuple[int, bytes]]) -> str:
        """What the patterns may look at."""
        if not self._keeps_text:
            field = _TEXT_FIELD.search(text)
            if field is not None:
                text = text[: field.start()]
        if self._appends and tlvs:
            text += "".join(optional_field(tag, value) for tag, value in tlvs if tag != MESSAGE_PAYLOAD)
        return text.replace("\0", "")  # which nobody sees, and PostgreSQL keeps in no text


def text_of(octets: bytes) -> str:
    """The text of a receipt: octets as Latin-1, or UCS-2 where the first is NUL. `data_coding` is not asked: many SMSCs
    copy it from the message and write ASCII all the same, others (those made with the npm package smpp 0.5, 2026-11)
    write the whole receipt in UCS-2 when the text that it repeats needs it."""
    return octets.decode("utf-16-be", "replace") if octets[:1] == b"\0" else octets.decode("latin-1")


def optional_field(tag: int, value: bytes) -> str:
    """An optional parameter as the patterns see it: ` 0x001E:value`; "" for one that is not 8-bit text."""
    octets = value.rstrip(b"\0")
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    return f" 0x{tag:04X}:{text}" if text.isprintable() else ""


def check_pattern(pattern: str, groups: int | None = None) -> None:
    """Raises `ConfigError` for bad syntax, another number of capture groups, or a pattern that can run for long."""
    user_pattern.check(pattern, groups=groups)
