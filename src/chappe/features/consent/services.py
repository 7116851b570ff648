"""Numbers not to be sent to. Every change here reaches the engines within a second, by its `changed_ms`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from chappe.features.audit.record import together
from chappe.features.consent import ledger
from chappe.features.consent.address import checked_address, consent_channel, short
from chappe.features.consent.models import Quarantine
from chappe.features.page import (
    LARGEST_ID,
    LARGEST_PAGE,
    Page,
    in_order,
    newest_first,
    page_of,
    place_of,
    size_of_page,
)
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.messaging import Channel
from chappe.rules.email_address import read_email
from chappe.rules.quarantine import QuarantineStatus

STATUSES = tuple(status.value for status in QuarantineStatus)
BLOCKING = (QuarantineStatus.QUARANTINE.value, QuarantineStatus.DENYLISTED.value)
SHORT_CODE_CHARACTERS = 21
REASON_CHARACTERS = 200
MOST_AT_ONCE = 500
_SIGNS = dict.fromkeys(map(ord, " .-/()\u00a0\u202f"))
"""What people write into a number to read it more easily."""


@dataclass(frozen=True)
class Block:
    """What not to send to: a number in international form or an e-mail address, for one short code or for all ("")."""

    address: str
    channel: str = Channel.SMS.value
    short_code: str = ""
    status: str = QuarantineStatus.QUARANTINE.value
    reason: str = ""


def quarantined(
    organisation_id: int, address: str, status: str, cursor: str, limit: int, *, is_whole: bool = False
) -> Page[Quarantine]:
    """A page of the organisation's rows, newest first; in the order of the numbers where the beginning of one is given.

    `address` is a number or how it begins, with or without its plus, or a whole e-mail address; "" is all, as it is
    for `status`. `is_whole`: a number is taken as the whole one, for whoever asks may not see numbers and would find them
    out digit by digit. Raises InvalidInput.
    """
    rows = _rows(organisation_id)
    if status:
        rows = rows.filter(status=_one_of("status", status, STATUSES))
    start = address.strip()
    digits = start.translate(_SIGNS).removeprefix("+")
    if digits.isascii() and digits.isdigit():
        if is_whole:
            return newest_first(rows.filter(address__in=[f"+{digits}", digits]), cursor, limit)
        return _by_number(organisation_id, rows, digits, cursor, limit)
    if start:
        rows = rows.filter(address=read_email(start) or start)
    return newest_first(rows, cursor, limit)


def every_quarantined(organisation_id: int, address: str, status: str) -> Iterator[Quarantine]:
    """The same, all of them, read as they are asked for. Raises InvalidInput."""
    cursor: str | None = ""
    while cursor is not None:
        page = quarantined(organisation_id, address, status, cursor, LARGEST_PAGE)
        yield from page.items
        cursor = page.next


def entries_of(organisation_id: int, addresses: Sequence[str], most: int = 100) -> list[Quarantine]:
    """What is known of a person's numbers and addresses, written in any of these ways."""
    return list(_rows(organisation_id).filter(address__in=addresses).order_by("-changed_ms")[:most])


def find_quarantined(organisation_id: int, quarantine_id: int) -> Quarantine:
    """Raises NotFound."""
    return _found(_rows(organisation_id), quarantine_id)


def add_to_quarantine(organisation_id: int, block: Block, now_ms: int, source: str = ledger.API) -> Quarantine:
    """Send no more to `block.address`. What is there already changes to what is asked. Raises InvalidInput."""
    values = {
        "status": _one_of("status", block.status, BLOCKING),
        "reason": short("reason", block.reason, REASON_CHARACTERS),
        "changed_ms": now_ms,
    }
    channel = consent_channel(block.channel)
    with transaction.atomic():
        row, _is_new = Quarantine.objects.update_or_create(
            organisation_id=organisation_id,
            channel=channel,
            address=checked_address(channel, block.address),
            short_code=short("short_code", block.short_code, SHORT_CODE_CHARACTERS),
            defaults=values,
            create_defaults=values | {"created_ms": now_ms},
        )
        if row.status == QuarantineStatus.DENYLISTED:
            ledger.note(row, now_ms, is_given=False, source=source)
    return row


def release(organisation_id: int, quarantine_id: int, reason: str, now_ms: int, source: str = ledger.API) -> Quarantine:
    """Send to it again and count its errors from nothing. The row stays, so that the engines hear of it.

    Raises NotFound; Conflict where it does not keep anything from being sent.
    """
    reason = short("reason", reason, REASON_CHARACTERS)
    with together("release"):
        row = _found(_rows(organisation_id).select_for_update(), quarantine_id)
        if row.status not in BLOCKING:
            raise Conflict(f"{row.address} is not kept from being sent to.")
        _release(row, reason, now_ms, source)
    return row


def release_many(
    organisation_id: int, quarantine_ids: Sequence[int], reason: str, now_ms: int, source: str = ledger.API
) -> int:
    """Release those of them that keep something from being sent, all or none; how many these were.

    Those of another organisation are passed over, as if there were none. Raises InvalidInput.
    """
    reason = short("reason", reason, REASON_CHARACTERS)
    if len(quarantine_ids) > MOST_AT_ONCE:
        raise InvalidInput.at("ids", f"must be at most {MOST_AT_ONCE}")
    ids = [pk for pk in quarantine_ids if 0 < pk <= LARGEST_ID]
    with together("release"):
        rows = _rows(organisation_id).select_for_update().filter(pk__in=ids, status__in=BLOCKING).order_by("pk")
        for row in (released := list(rows)):
            _release(row, reason, now_ms, source)
    return len(released)


def _release(row: Quarantine, reason: str, now_ms: int, source: str) -> None:
    was_a_wish = row.status == QuarantineStatus.DENYLISTED
    row.status, row.reason, row.error_count, row.changed_ms = QuarantineStatus.VALID.value, reason, 0, now_ms
    row.save(update_fields=["status", "reason", "error_count", "changed_ms"])
    if was_a_wish:
        ledger.note(row, now_ms, is_given=True, source=source)


def _rows(organisation_id: int) -> "QuerySet[Quarantine]":
    return Quarantine.objects.filter(organisation_id=organisation_id)


def _found(rows: "QuerySet[Quarantine]", quarantine_id: int) -> Quarantine:
    found = rows.filter(pk=min(quarantine_id, LARGEST_ID)).first()
    if found is None:
        raise NotFound("quarantine entry", quarantine_id)
    return found


def _by_number(
    organisation_id: int, rows: "QuerySet[Quarantine]", digits: str, cursor: str, limit: int
) -> Page[Quarantine]:
    """In the order of the numbers: those written with a plus, then the others.

    Some collations put signs aside, so that a range has both ways of writing in it.
    """
    after = place_of(cursor, lambda pk: _rows(organisation_id).filter(pk=pk).values_list("address", flat=True).first())
    most = size_of_page(limit) + 1
    found: list[Quarantine] = []
    for start in (f"+{digits}", digits):
        is_behind = after is not None and after[0].startswith("+") != start.startswith("+")
        if is_behind and start.startswith("+"):
            continue
        written = rows.filter(address__startswith=start)
        begins = None if is_behind else after
        found += in_order(written, "address", "id", begins, most - len(found), start, has_few_alike=True)
    return page_of(found, limit, lambda row: str(row.pk))


def _one_of(field: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise InvalidInput.at(field, f"must be one of {', '.join(choices)}")
    return value
