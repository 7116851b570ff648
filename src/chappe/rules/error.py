"""What an error says: its text for the qualification table, its kind, and its reason.

An outcome text is `SR <implementation> <status> <code>|<original>`: "SR" keeps texts of this kind apart from those of
e-mail, the implementation keeps providers apart, since each gives the same code another meaning.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from chappe.messaging import ErrorKind
from chappe.rules.smpp_status import STATUSES_BY_NAME

MESSAGE = "#MESSAGE#"
LONGEST = 200  # characters of a normalised text

_UUID = re.compile(r"\b[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}\b")
_LONG_NUMBER = re.compile(r"(?<!\w)\+?[0-9]{7,}\b")  # not inside a word: 0x00000400 is a code


class Reason(StrEnum):
    """Reasons with the numbers that reports and exports know them by."""

    NOT_DEFINED = "not_defined"
    USER_UNKNOWN = "user_unknown"
    INVALID_DOMAIN = "invalid_domain"
    UNREACHABLE = "unreachable"
    ACCOUNT_DISABLED = "account_disabled"
    MAILBOX_FULL = "mailbox_full"
    NOT_CONNECTED = "not_connected"
    ADDRESS_NOT_SPECIFIED = "address_not_specified"
    DENYLISTED = "denylisted"
    IN_QUARANTINE = "in_quarantine"
    DOUBLE = "double"
    SQL_RULE = "sql_rule"
    ARBITRATION = "arbitration"
    BAD_QUALITY = "bad_quality"
    UNQUALIFIED = "unqualified"
    NOT_ELIGIBLE = "not_eligible"
    LIMITED_SIZE = "limited_size"
    REFUSED = "refused"
    ERROR_IGNORED = "error_ignored"
    CONTROL_ADDRESS = "control_address"

    @property
    def number(self) -> int:
        return _NUMBERS[self]


_NUMBERS: Mapping[Reason, int] = {
    Reason.NOT_DEFINED: 0,
    Reason.USER_UNKNOWN: 1,
    Reason.INVALID_DOMAIN: 2,
    Reason.UNREACHABLE: 3,
    Reason.ACCOUNT_DISABLED: 4,
    Reason.MAILBOX_FULL: 5,
    Reason.NOT_CONNECTED: 6,
    Reason.ADDRESS_NOT_SPECIFIED: 7,
    Reason.DENYLISTED: 8,
    Reason.IN_QUARANTINE: 9,
    Reason.DOUBLE: 10,
    Reason.SQL_RULE: 11,
    Reason.ARBITRATION: 12,
    Reason.BAD_QUALITY: 14,
    Reason.UNQUALIFIED: 15,
    Reason.NOT_ELIGIBLE: 16,
    Reason.LIMITED_SIZE: 17,
    Reason.REFUSED: 20,
    Reason.ERROR_IGNORED: 25,
    Reason.CONTROL_ADDRESS: 127,
}


class Qualification(msgspec.Struct, frozen=True, gc=False):
    """What an error means for the number, and why. `is_known` False: new, and still to be qualified by somebody."""

    kind: ErrorKind
    reason: str = Reason.REFUSED
    is_known: bool = True


# States of the standard's receipts (appendix B). They are vague, so only what a state itself settles is settled here;
# the others keep the default kind until somebody qualifies status and code together.
RECEIPT_STATES: Mapping[str, tuple[ErrorKind | None, Reason]] = {
    "EXPIRED": (ErrorKind.SOFT, Reason.NOT_CONNECTED),
    "DELETED": (ErrorKind.IGNORED, Reason.ERROR_IGNORED),
    "UNDELIV": (None, Reason.UNREACHABLE),
    "REJECTD": (None, Reason.REFUSED),
    "UNKNOWN": (None, Reason.UNQUALIFIED),
}

# Statuses of `submit_sm_resp` that say something of the number, not of the message or the link.
_STATUS_REASONS: Mapping[str, Reason] = {
    "ESME_RINVDSTADR": Reason.USER_UNKNOWN,
    "ESME_RMSGQFUL": Reason.UNREACHABLE,
    "ESME_RTHROTTLED": Reason.UNREACHABLE,
    "ESME_RSYSERR": Reason.UNREACHABLE,
}


def outcome_text(implementation: str, status: str, code: str, original: str = MESSAGE) -> str:
    """`SR Generic UNDELIV 001|#MESSAGE#`; with `original`, what the provider wrote instead of the placeholder."""
    return f"{outcome_head(implementation, status, code)}|{original}"


def outcome_head(implementation: str, status: str, code: str) -> str:
    words = ("SR", implementation, status, code)
    return " ".join(" ".join(word.replace("|", " ").split()) for word in words if word.strip())


def normalise(text: str) -> str:
    """The text with what changes from one message to the next taken out, so that similar errors are one row."""
    head, bar, _ = text.partition("|")
    head = _LONG_NUMBER.sub("#NUMBER#", _UUID.sub("#ID#", " ".join(head.split())))
    tail = f"|{MESSAGE}" if bar else ""
    return head[: LONGEST - len(tail)] + tail


def qualify(
    text: str,
    table: Mapping[str, Qualification],
    default_kind: ErrorKind = ErrorKind.SOFT,
    *,
    status: str = "",
) -> Qualification:
    """What `text` means: by the table, else by what is built in for `status`, else the default with "refused".

    `table` is by normalised text. `status` is the provider's status word alone.
    """
    found = table.get(text) or table.get(normalise(text))
    if found is not None:
        return found
    word = status.upper()
    smpp = STATUSES_BY_NAME.get(word)
    if smpp is not None:
        return Qualification(smpp.kind, _STATUS_REASONS.get(word, Reason.ERROR_IGNORED))
    state = RECEIPT_STATES.get(word)
    if state is None:
        return Qualification(default_kind, Reason.REFUSED, is_known=False)
    kind, reason = state
    return Qualification(kind or default_kind, reason, is_known=kind is not None)
