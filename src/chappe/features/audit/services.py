"""Reading the trail, a page at a time or as a file, and taking away what is older than it is kept."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from chappe.features.audit.actor import ActorKind
from chappe.features.audit.models import AuditEvent
from chappe.features.page import LARGEST_ID, Page, page_of, size_of_page
from chappe.features.refusal import InvalidInput, NotFound

EXPORTED_AT_ONCE = 500
KINDS = tuple(kind.value for kind in ActorKind)


@dataclass(frozen=True)
class Wanted:
    """Which events: each condition that is not empty must hold. Times are milliseconds since 1970 UTC: from `since_ms`,
    before `until_ms`. An id of 0 is any; one is only looked at with its kind."""

    actor_kind: str = ""
    actor_id: int = 0
    action: str = ""
    subject_kind: str = ""
    subject_id: int = 0
    since_ms: int = 0
    until_ms: int = 0


def events_page(organisation_id: int, wanted: Wanted, cursor: str, limit: int) -> Page[AuditEvent]:
    """A page of the organisation's events, newest first. Raises InvalidInput."""
    found = _after(_rows(organisation_id, wanted), cursor)[: size_of_page(limit) + 1]
    return page_of(list(found), limit, cursor_of)


def find_event(organisation_id: int, event_id: int) -> AuditEvent:
    """Raises NotFound."""
    found = AuditEvent.objects.filter(organisation_id=organisation_id, pk=min(event_id, LARGEST_ID)).first()
    if found is None:
        raise NotFound("audit event", event_id)
    return found


def history_of(organisation_id: int, kind: str, subject_id: int, most: int = 10) -> list[AuditEvent]:
    """The last changes of one subject, newest first."""
    return events_page(organisation_id, Wanted(subject_kind=kind, subject_id=subject_id), "", most).items


def every_event(organisation_id: int, wanted: Wanted) -> Iterator[AuditEvent]:
    """All of them, newest first, read in pieces as they are taken. Raises InvalidInput, at the first."""
    cursor: str | None = ""
    while cursor is not None:
        page = events_page(organisation_id, wanted, cursor, EXPORTED_AT_ONCE)
        yield from page.items
        cursor = page.next


def delete_before(organisation_id: int, ms: int, at_most: int) -> int:
    """Take away events from before `ms`, the oldest first; how many that were. Call again until it is 0."""
    old = AuditEvent.objects.filter(organisation_id=organisation_id, at_ms__lt=ms).order_by("at_ms", "pk")
    return AuditEvent.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:at_most])).delete()[0]


def forget_name(organisation_id: int, kind: str, subject_id: int) -> None:
    """A person is erased: what was done stays in the trail, and nothing of whom it was done to but a number of ours."""
    rows = AuditEvent.objects.filter(organisation_id=organisation_id, subject_kind=kind, subject_id=subject_id)
    rows.update(subject_name="", before={}, after={})


def cursor_of(event: AuditEvent) -> str:
    return f"{event.at_ms}-{event.pk}"


def _rows(organisation_id: int, wanted: Wanted) -> "QuerySet[AuditEvent]":
    rows = AuditEvent.objects.filter(organisation_id=organisation_id)
    if wanted.actor_kind:
        if wanted.actor_kind not in KINDS:
            raise InvalidInput.at("actor_kind", f"must be one of {', '.join(KINDS)}")
        rows = rows.filter(actor_kind=wanted.actor_kind)
        rows = rows.filter(actor_id=_id(wanted.actor_id)) if wanted.actor_id else rows
    if wanted.action:
        rows = rows.filter(action=wanted.action)
    if wanted.subject_kind:
        rows = rows.filter(subject_kind=wanted.subject_kind)
        rows = rows.filter(subject_id=_id(wanted.subject_id)) if wanted.subject_id else rows
    if wanted.since_ms:
        rows = rows.filter(at_ms__gte=min(wanted.since_ms, LARGEST_ID))
    if wanted.until_ms:
        rows = rows.filter(at_ms__lt=min(wanted.until_ms, LARGEST_ID))
    return rows


def _id(number: int) -> int:
    return max(-1, min(number, LARGEST_ID))


def _after(rows: "QuerySet[AuditEvent]", cursor: str) -> "QuerySet[AuditEvent]":
    """By falling time, and of one millisecond by falling id, as every index of the table has them."""
    if cursor:
        at_ms, event_id = _read_cursor(cursor)
        rows = rows.filter(Q(at_ms__lt=at_ms) | Q(at_ms=at_ms, pk__lt=event_id), at_ms__lte=at_ms)
    return rows.order_by("-at_ms", "-pk")


def _read_cursor(cursor: str) -> tuple[int, int]:
    parts = cursor.split("-")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        raise InvalidInput.at("cursor", "must be the `next` of another page")
    return int(parts[0]), int(parts[1])
