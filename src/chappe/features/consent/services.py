"""Numbers not to be sent to. Every change here reaches the engines within a second, by its `changed_ms`."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q, QuerySet

from chappe.features.audit.record import together
from chappe.features.consent import ledger
from chappe.features.consent.address import checked_address, consent_channel, short
from chappe.features.consent.models import Quarantine
from chappe.features.page import LARGEST_ID, Page, newest_first
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.messaging import Channel
from chappe.rules.email_address import read_email
from chappe.rules.quarantine import QuarantineStatus

STATUSES = tuple(status.value for status in QuarantineStatus)
BLOCKING = (QuarantineStatus.QUARANTINE.value, QuarantineStatus.DENYLISTED.value)
SHORT_CODE_CHARACTERS = 21
REASON_CHARACTERS = 200


@dataclass(frozen=True)
class Block:
    """What not to send to: a number in international form or an e-mail address, for one short code or for all ("")."""

    address: str
    channel: str = Channel.SMS.value
    short_code: str = ""
    status: str = QuarantineStatus.QUARANTINE.value
    reason: str = ""


def quarantined(organisation_id: int, address: str, status: str, cursor: str, limit: int) -> Page[Quarantine]:
    """A page of the organisation's rows, newest first.

    `address` is a number or how it begins, with or without its plus, or a whole e-mail address; "" is all, as it is
    for `status`. Raises InvalidInput.
    """
    rows = _rows(organisation_id)
    if address.strip():
        rows = rows.filter(_beginning(address.strip()))
    if status:
        rows = rows.filter(status=_one_of("status", status, STATUSES))
    return newest_first(rows, cursor, limit)


def find_quarantined(organisation_id: int, quarantine_id: int) -> Quarantine:
    """Raises NotFound."""
    return _found(_rows(organisation_id), quarantine_id)


def add_to_quarantine(organisation_id: int, block: Block, now_ms: int) -> Quarantine:
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
            ledger.note(row, now_ms, is_given=False)
    return row


def release(organisation_id: int, quarantine_id: int, reason: str, now_ms: int) -> Quarantine:
    """Send to it again and count its errors from nothing. The row stays, so that the engines hear of it.

    Raises NotFound; Conflict where it does not keep anything from being sent.
    """
    reason = short("reason", reason, REASON_CHARACTERS)
    with together("release"):
        row = _found(_rows(organisation_id).select_for_update(), quarantine_id)
        if row.status not in BLOCKING:
            raise Conflict(f"{row.address} is not kept from being sent to.")
        was_a_wish = row.status == QuarantineStatus.DENYLISTED
        row.status, row.reason, row.error_count, row.changed_ms = QuarantineStatus.VALID.value, reason, 0, now_ms
        row.save(update_fields=["status", "reason", "error_count", "changed_ms"])
        if was_a_wish:
            ledger.note(row, now_ms, is_given=True)
    return row


def _rows(organisation_id: int) -> "QuerySet[Quarantine]":
    return Quarantine.objects.filter(organisation_id=organisation_id)


def _found(rows: "QuerySet[Quarantine]", quarantine_id: int) -> Quarantine:
    found = rows.filter(pk=min(quarantine_id, LARGEST_ID)).first()
    if found is None:
        raise NotFound("quarantine entry", quarantine_id)
    return found


def _beginning(start: str) -> Q:
    """As ranges, which every collation has an index for: digits come before letters in all of them."""
    digits = start.removeprefix("+")
    if not digits.isdigit():
        return Q(address=read_email(start) or start)
    with_plus = Q(address__gte=f"+{digits}", address__lt=f"+{digits}a")
    return with_plus | Q(address__gte=digits, address__lt=f"{digits}a")


def _one_of(field: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise InvalidInput.at(field, f"must be one of {', '.join(choices)}")
    return value
