"""On mid: the quarantine that both sides of an account share.

Each side tells the other what changed. Times are moved to the clock of the side that writes; a change that says what is so
already is not written, so nothing goes to and fro.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection as database
from django.db import transaction

from chappe.features.audit.record import note
from chappe.features.connections.models import Connection
from chappe.features.consent import ledger
from chappe.features.consent.address import checked_address, short
from chappe.features.consent.models import Quarantine
from chappe.features.consent.services import REASON_CHARACTERS, SHORT_CODE_CHARACTERS
from chappe.features.refusal import InvalidInput
from chappe.features.relay.services import subject
from chappe.messaging import Channel
from chappe.rules.quarantine import QuarantineStatus, is_later, is_stopped

RELAY = "relay"
"""The door by which such a line came into the ledger."""
MOST_ENTRIES = 1_000
NOTICED_MS = 10_000
"""Engines hear of changes by their time: one of long ago is written as if it were of so long ago."""
LOOKED_AT = 5_000
"""Changes that one request looks through for those of numbers that the account has written to."""
MOST_AT_ONCE = 100_000
"""Changes of one millisecond: what one transaction writes."""
_SMS = Channel.SMS.value


@dataclass(frozen=True)
class Entry:
    """What is known of a number, for one short code or for all (""), since `changed_ms` of the clock of whoever says it."""

    address: str
    short_code: str
    status: str
    reason: str
    changed_ms: int


@dataclass(frozen=True)
class Changes:
    """What changed, oldest first. What is asked for next comes after `until_ms`; `is_more`: there is some already."""

    entries: list[Entry]
    until_ms: int
    is_more: bool


# -- what the other side says ----------------------------------------------------------------------------------------


def heed(account: Connection, entries: Sequence[Entry], ahead_ms: int, now_ms: int) -> int:
    """Take over what is to hold here, too; how many entries changed. Those whose number is none are passed over, and releases
    of numbers that are no business of the account: nothing is told of them either.

    `ahead_ms`: by how much our clock is ahead of theirs.
    """
    told = {(one.address, one.short_code): one for entry in entries if (one := _readable(entry)) is not None}
    with transaction.atomic():
        rows = Quarantine.objects.select_for_update().filter(
            organisation_id=account.organisation_id, channel=_SMS, address__in={address for address, _ in told}
        )
        own = {(row.address, row.short_code): row for row in rows}
        told = _without_strangers(account, told)
        changed = []
        for place in sorted(told):
            row = own.get(place) or _new(account, *place, now_ms)
            was = QuarantineStatus(row.status)
            if _is_changed(row, told[place], told[place].changed_ms + ahead_ms, now_ms):
                changed.append(row)
                _note_wish(account, row, was, now_ms)
        _write(changed)
        if changed:
            note(subject(account), "quarantine", after={"people": len({row.address for row in changed})})
    return len(changed)


def _without_strangers(account: Connection, told: dict[tuple[str, str], Entry]) -> dict[tuple[str, str], Entry]:
    """A stop is heeded whoever tells it; a release only of a number that the account has to do with."""
    released = {place for place, entry in told.items() if not is_stopped(QuarantineStatus(entry.status))}
    if not released:
        return told
    known = _acquaintances(account, sorted({address for address, _ in released}))
    return {place: entry for place, entry in told.items() if place not in released or place[0] in known}


def _readable(entry: Entry) -> Entry | None:
    try:
        address = checked_address(_SMS, entry.address)
        short_code = short("short_code", entry.short_code, SHORT_CODE_CHARACTERS)
    except InvalidInput:
        return None
    return Entry(address, short_code, entry.status, entry.reason[:REASON_CHARACTERS], entry.changed_ms)


def _new(account: Connection, address: str, short_code: str, now_ms: int) -> Quarantine:
    return Quarantine(
        organisation_id=account.organisation_id,
        channel=_SMS,
        address=address,
        short_code=short_code,
        status=QuarantineStatus.VALID.value,
        created_ms=now_ms,
    )


def _is_changed(row: Quarantine, entry: Entry, theirs_ms: int, now_ms: int) -> bool:
    """Write the entry into the row, unsaved, if it is to hold."""
    status = QuarantineStatus(entry.status)
    if not is_later(status, theirs_ms, QuarantineStatus(row.status), row.changed_ms):
        return False
    row.status, row.reason = status.value, entry.reason
    row.error_count = row.error_count if is_stopped(status) else 0
    row.changed_ms = min(max(theirs_ms, now_ms - NOTICED_MS), now_ms)
    return True


def _note_wish(account: Connection, row: Quarantine, was: QuarantineStatus, now_ms: int) -> None:
    is_given = row.status != QuarantineStatus.DENYLISTED
    if not is_given or was is QuarantineStatus.DENYLISTED:
        ledger.note(row, now_ms, is_given=is_given, source=RELAY, connection_id=account.pk)


def _write(rows: Sequence[Quarantine]) -> None:
    Quarantine.objects.bulk_create(
        _without_numbers(rows),
        update_conflicts=True,
        unique_fields=["organisation_id", "address", "channel", "short_code"],
        update_fields=["status", "reason", "error_count", "changed_ms"],
    )


def _without_numbers(rows: Sequence[Quarantine]) -> list[Quarantine]:
    """A row that is there already is found by what it is of: its number would be a conflict of its own."""
    for row in rows:
        row.pk = None
    return list(rows)


# -- what the other side is told -------------------------------------------------------------------------------------

# An account hears of numbers that it has written to, and of what people said to it; never of another's.
_IS_ITS = (
    "AND (EXISTS (SELECT 1 FROM message WHERE message.recipient = one.address AND message.connection_id = %s) "
    "OR EXISTS (SELECT 1 FROM consent_event AS wish WHERE wish.organisation_id = one.organisation_id "
    "AND wish.address = one.address AND wish.connection_id = %s))"
)
_CHANGED = (
    f"SELECT address, short_code, status, reason, changed_ms FROM quarantine AS one WHERE changed_ms > %s "  # noqa: S608 - ours
    f"AND changed_ms <= %s AND organisation_id = %s AND channel = 'sms' {_IS_ITS} ORDER BY changed_ms, id LIMIT %s"
)


def changed_since(account: Connection, after_ms: int, limit: int) -> Changes:
    """Changes after an instant, `limit` at most, but for those of the last millisecond, which are told together."""
    rows = Quarantine.objects.filter(organisation_id=account.organisation_id, changed_ms__gt=after_ms)
    changes = rows.order_by("changed_ms").values_list("changed_ms", flat=True)
    looked_at = changes[LOOKED_AT - 1 : LOOKED_AT].first()
    end_ms = until_ms = looked_at if looked_at is not None else changes.last() or after_ms
    found = _changed(account, after_ms, until_ms, limit + 1)
    if len(found) > limit:
        until_ms = found[limit - 1].changed_ms
        found = [one for one in found[:limit] if one.changed_ms < until_ms]
        found += _changed(account, until_ms - 1, until_ms, MOST_AT_ONCE)
    return Changes(found, until_ms, is_more=looked_at is not None or until_ms < end_ms)


def _changed(account: Connection, after_ms: int, until_ms: int, most: int) -> list[Entry]:
    with database.cursor() as cursor:
        cursor.execute(_CHANGED, [after_ms, until_ms, account.organisation_id, account.pk, account.pk, most])
        return [Entry(*row) for row in cursor.fetchall()]


def _acquaintances(account: Connection, addresses: Sequence[str]) -> set[str]:
    """Of numbers in quarantine, those that the account has written to, or that said something to it."""
    places = ", ".join(["%s"] * len(addresses))
    head = "SELECT address FROM quarantine AS one WHERE organisation_id = %s AND address IN "
    with database.cursor() as cursor:
        cursor.execute(f"{head}({places}) {_IS_ITS}", [account.organisation_id, *addresses, account.pk, account.pk])
        return {address for (address,) in cursor.fetchall()}
