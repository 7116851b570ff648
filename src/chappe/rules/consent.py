"""May this message go to this number? Asked when a delivery is analysed, and again when each message is dispatched."""

from collections.abc import Iterable
from enum import StrEnum

from chappe.messaging import Category
from chappe.rules.quarantine import QuarantineStatus, is_blocked


class Exclusion(StrEnum):
    """Why a message is not sent; kept as the message's reason. `NONE` is the empty word: it may go."""

    NONE = ""
    DENYLISTED = "denylisted"
    QUARANTINE = "quarantine"
    OPTED_OUT = "opted_out"
    NO_OPT_IN = "no_opt_in"
    QUIET_HOURS = "quiet_hours"


def may_send(
    category: Category,
    status: QuarantineStatus,
    *,
    has_consent: bool | None = None,
    requires_opt_in: bool = False,
    transactional_despite_stop: bool = False,
) -> Exclusion:
    """`NONE` when the message may go, else why not.

    `status` is that of the quarantine entry that counts for the sending short code. `has_consent` None: the person
    said nothing, which stands for yes unless the organisation `requires_opt_in`.

    Quarantine by errors stops everything: the number does not work. A STOP stops everything too, because a person who
    wrote STOP to a number means that number; only a connection that says so lets transactional messages through. A
    person's preference about marketing concerns marketing alone. A reply answers what this very person just wrote.
    """
    if category == Category.REPLY:
        return Exclusion.NONE
    if status is QuarantineStatus.QUARANTINE:
        return Exclusion.QUARANTINE
    is_marketing = category == Category.MARKETING
    if status is QuarantineStatus.DENYLISTED and (is_marketing or not transactional_despite_stop):
        return Exclusion.DENYLISTED
    if is_marketing and has_consent is False:
        return Exclusion.OPTED_OUT
    if is_marketing and requires_opt_in and not has_consent:
        return Exclusion.NO_OPT_IN
    return Exclusion.NONE


def strictest(entries: Iterable[tuple[QuarantineStatus, str]], short_code: str) -> QuarantineStatus:
    """The status that counts for a short code among a number's entries of (status, short code).

    Errors outrank a STOP, since no setting lets anything past them.
    """
    found = {status for status, entry_short_code in entries if is_blocked(entry_short_code, short_code)}
    for status in (QuarantineStatus.QUARANTINE, QuarantineStatus.DENYLISTED, QuarantineStatus.WITH_ERRORS):
        if status in found:
            return status
    return QuarantineStatus.VALID


def exclusion(
    entries: Iterable[tuple[str, str]], category: int, short_code: str, *, transactional_despite_stop: bool
) -> Exclusion:
    """`NONE` when the quarantine lets a message go to a number, else why not.

    `entries` are all that is known of the number, each (short code or "" for all, status). No entries, no reason: whoever
    asks for each of many messages spares the call.
    """
    status = strictest([(QuarantineStatus(status), code) for code, status in entries], short_code)
    return may_send(Category(category), status, transactional_despite_stop=transactional_despite_stop)
