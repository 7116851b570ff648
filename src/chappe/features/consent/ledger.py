"""The ledger of consent: every yes and no of a person, by whichever door it came. What follows from it stops and releases
messages; the lines themselves are never changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from chappe.features.audit.record import Subject
from chappe.features.audit.record import note as audit
from chappe.features.audit.value import masked
from chappe.features.consent.address import checked_address, consent_channel, short
from chappe.features.consent.models import ConsentEvent, Quarantine
from chappe.features.page import Page, newest_first
from chappe.messaging import Channel
from chappe.rules.quarantine import QuarantineStatus

if TYPE_CHECKING:
    from django.db.models import QuerySet

API, CONSOLE = "api", "console"
EVIDENCE_CHARACTERS = 400
SENDER_CHARACTERS = 64


@dataclass(frozen=True)
class Wish:
    """What a person said: to `sender` of ours, "" for all; `evidence` is where and how."""

    address: str
    is_given: bool
    channel: str = "sms"
    sender: str = ""
    evidence: str = ""


def record_wish(organisation_id: int, wish: Wish, now_ms: int, source: str = API) -> ConsentEvent:
    """Write a line, and heed it for every connection of the organisation. Raises InvalidInput naming each field."""
    channel = consent_channel(wish.channel)
    event = ConsentEvent(
        organisation_id=organisation_id,
        channel=channel,
        address=checked_address(channel, wish.address),
        sender=short("sender", wish.sender, SENDER_CHARACTERS),
        is_given=wish.is_given,
        at_ms=now_ms,
        source=source,
        evidence=short("evidence", wish.evidence, EVIDENCE_CHARACTERS),
    )
    status = QuarantineStatus.VALID if wish.is_given else QuarantineStatus.DENYLISTED
    values = {"status": status.value, "reason": event.evidence[:200], "changed_ms": now_ms}
    released = {"error_count": 0} if wish.is_given else {}
    with transaction.atomic():
        event.save()
        Quarantine.objects.update_or_create(
            organisation_id=organisation_id,
            channel=channel,
            address=event.address,
            short_code="",
            defaults=values | released,
            create_defaults=values | {"created_ms": now_ms},
        )
        subject = Subject(organisation_id, "consent", event.pk, masked(event.address))
        facts = {"channel": channel, "sender": event.sender, "source": source}
        audit(subject, "give" if wish.is_given else "withdraw", after=facts)
    return event


def note(row: Quarantine, now_ms: int, *, is_given: bool, source: str = API, connection_id: int = 0) -> None:
    """The line that goes with a change of the quarantine by hand, or by another installation that sends through a connection;
    part of the caller's transaction."""
    ConsentEvent.objects.create(
        organisation_id=row.organisation_id,
        channel=row.channel,
        address=row.address,
        sender=row.short_code,
        is_given=is_given,
        at_ms=now_ms,
        source=source,
        evidence=row.reason,
        connection_id=connection_id,
    )


def ledger_page(organisation_id: int, address: str, channel: str, cursor: str, limit: int) -> Page[ConsentEvent]:
    """The lines of an address, or of all (""), newest first; `channel` "" is the one that the address is of.

    Raises InvalidInput.
    """
    rows: QuerySet[ConsentEvent] = ConsentEvent.objects.filter(organisation_id=organisation_id)
    if address.strip():
        channel = consent_channel(channel or (Channel.EMAIL if "@" in address else Channel.SMS).value)
        rows = rows.filter(channel=channel, address=checked_address(channel, address))
    return newest_first(rows, cursor, limit)


def lines_of(organisation_id: int, addresses: Sequence[str], most: int = 50) -> list[ConsentEvent]:
    """The last lines of a person's numbers and addresses, of every channel, newest first."""
    rows = ConsentEvent.objects.filter(organisation_id=organisation_id)
    found = [line for one in addresses for line in rows.filter(address=one).order_by("-pk")[:most]]
    return sorted(found, key=lambda line: -line.pk)[:most]
