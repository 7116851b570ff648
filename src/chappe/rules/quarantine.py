"""Numbers not to be sent to: what puts them there, for which short code, and what lets them out."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from chappe.messaging import ErrorKind

_DAY_MS = 86_400_000


class QuarantineStatus(StrEnum):
    VALID = "valid"
    WITH_ERRORS = "with_errors"
    QUARANTINE = "quarantine"
    DENYLISTED = "denylisted"


class QuarantineEntry(msgspec.Struct, frozen=True, gc=False):
    """What is known of one number for one short code ("" stands for all). `last_error_ms` is the last one *counted*."""

    status: QuarantineStatus = QuarantineStatus.VALID
    short_code: str = ""
    reason: str = ""
    error_count: int = 0
    last_error_ms: int = 0


@dataclass(frozen=True)
class QuarantineLimits:
    """How many soft errors, how far apart, and after how long without any the count starts again."""

    soft_errors: int = 5
    apart_ms: int = _DAY_MS
    reset_ms: int = 10 * _DAY_MS
    mailbox_full_reset_ms: int = 30 * _DAY_MS

    def reset_after_ms(self, reason: str) -> int:
        return self.mailbox_full_reset_ms if reason == "mailbox_full" else self.reset_ms


DEFAULT_LIMITS = QuarantineLimits()


def after_error(
    entry: QuarantineEntry, kind: ErrorKind, reason: str, now_ms: int, limits: QuarantineLimits = DEFAULT_LIMITS
) -> QuarantineEntry:
    """The entry after an error of this kind. Quarantined and denylisted numbers stay what they are."""
    if kind is ErrorKind.IGNORED or is_stopped(entry.status):
        return entry
    if kind is ErrorKind.HARD:
        return QuarantineEntry(QuarantineStatus.QUARANTINE, entry.short_code, reason, entry.error_count + 1, now_ms)
    is_counting = entry.status is QuarantineStatus.WITH_ERRORS and not is_stale(entry, now_ms, limits)
    if is_counting and now_ms - entry.last_error_ms < limits.apart_ms:
        return entry
    count = entry.error_count + 1 if is_counting else 1
    is_enough = count >= limits.soft_errors
    status = QuarantineStatus.QUARANTINE if is_enough else QuarantineStatus.WITH_ERRORS
    return QuarantineEntry(status, entry.short_code, reason, count, now_ms)


def after_success(entry: QuarantineEntry) -> QuarantineEntry:
    """A delivered message clears the count; it does not let anybody out of quarantine."""
    if entry.status is not QuarantineStatus.WITH_ERRORS:
        return entry
    return QuarantineEntry(QuarantineStatus.VALID, entry.short_code)


def after_stop(entry: QuarantineEntry, reason: str = "stop") -> QuarantineEntry:
    """The person asked for no more."""
    return msgspec.structs.replace(entry, status=QuarantineStatus.DENYLISTED, reason=reason)


def after_release(entry: QuarantineEntry) -> QuarantineEntry:
    """By hand, or because the person asked for more: valid, with nothing counted."""
    return QuarantineEntry(QuarantineStatus.VALID, entry.short_code)


def is_stale(entry: QuarantineEntry, now_ms: int, limits: QuarantineLimits = DEFAULT_LIMITS) -> bool:
    """Whether an entry with errors has gone so long without one that it no longer counts."""
    is_counting = entry.status is QuarantineStatus.WITH_ERRORS
    return is_counting and now_ms - entry.last_error_ms >= limits.reset_after_ms(entry.reason)


def is_stopped(status: QuarantineStatus) -> bool:
    """Whether the status alone forbids sending; with_errors still lets messages through."""
    return status is QuarantineStatus.QUARANTINE or status is QuarantineStatus.DENYLISTED


def is_blocked(entry_short_code: str, short_code: str) -> bool:
    """Whether an entry for one short code counts when sending from another: its own, or an entry for all."""
    return not entry_short_code or entry_short_code == short_code


def quarantine_address(number: str, *, full_phone_number: bool) -> str:
    """A number that a phone's text puts in quarantine, as the recipients' numbers are written.

    Providers drop the plus of international numbers, so it is put back; not where the connection sends, and so gets,
    numbers exactly as they are.
    """
    return number if full_phone_number or number.startswith("+") else f"+{number}"


def is_later(new: QuarantineStatus, new_ms: int, own: QuarantineStatus, own_ms: int) -> bool:
    """Whether what another installation says of a number, changed at `new_ms`, is to hold here: it is `own` since `own_ms`.

    Errors are each side's own, and a stop outweighs them whenever they were. Between a stop and a release the later one holds,
    at the same instant the stop; a person's own word outweighs what errors led to.
    """
    if new is own or new is QuarantineStatus.WITH_ERRORS:
        return False
    if is_stopped(new):
        is_released_since = own is QuarantineStatus.VALID and own_ms > new_ms
        return own is not QuarantineStatus.DENYLISTED and not is_released_since
    return is_stopped(own) and new_ms > own_ms
