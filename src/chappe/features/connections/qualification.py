"""What providers' errors mean: texts arrive with the default kind, and a person says what they are."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from chappe.features.audit.record import Subject, note
from chappe.features.connections.models import ErrorQualification
from chappe.features.page import LARGEST_ID, Page, newest_first
from chappe.features.refusal import InvalidInput, NotFound
from chappe.messaging import ErrorKind, FieldError

STATUSES = ("to_qualify", "keep", "ignore")
KINDS = tuple(kind.value for kind in ErrorKind)
REASON_CHARACTERS = 40


@dataclass(frozen=True)
class Verdict:
    """What a person says of an error; None leaves it as it is. Saying a kind alone settles the error: it is kept."""

    kind: str | None = None
    reason: str | None = None
    status: str | None = None


def qualifications(organisation_id: int, status: str, cursor: str, limit: int) -> Page[ErrorQualification]:
    """A page of the organisation's errors, newest first; `status` "" is all. Raises InvalidInput."""
    rows = _rows(organisation_id)
    if status:
        _one_of("status", status, STATUSES)
        rows = rows.filter(status=status)
    return newest_first(rows, cursor, limit)


def find_qualification(organisation_id: int, qualification_id: int) -> ErrorQualification:
    """Raises NotFound."""
    found = _rows(organisation_id).filter(pk=min(qualification_id, LARGEST_ID)).first()
    if found is None:
        raise NotFound("error qualification", qualification_id)
    return found


def qualify(organisation_id: int, qualification_id: int, verdict: Verdict) -> ErrorQualification:
    """Say what an error means; the next receipt that carries it is read so. Raises NotFound, InvalidInput."""
    changes = _changes(verdict)
    rows = _rows(organisation_id).filter(pk=min(qualification_id, LARGEST_ID))
    with transaction.atomic():
        row = rows.select_for_update().first()
        if row is None:
            raise NotFound("error qualification", qualification_id)
        before = {name: getattr(row, name) for name in changes}
        # An update of these columns alone: the recorder counts occurrences in the same row at the same time.
        rows.update(**changes)
        note(Subject(organisation_id, "error", row.pk, row.text), "qualify", before=before, after=changes)
        return rows.get()


def _rows(organisation_id: int) -> "QuerySet[ErrorQualification]":
    return ErrorQualification.objects.filter(organisation_id=organisation_id)


def _changes(verdict: Verdict) -> dict[str, str]:
    changes: dict[str, str] = {}
    if verdict.kind is not None:
        changes["kind"] = _one_of("kind", verdict.kind, KINDS)
        changes["status"] = "keep"
    if verdict.status is not None:
        changes["status"] = _one_of("status", verdict.status, STATUSES)
    if verdict.reason is not None:
        changes["reason"] = _reason(verdict.reason)
    if not changes:
        raise InvalidInput([FieldError("kind", "is needed where neither status nor reason is given")])
    return changes


def _reason(reason: str) -> str:
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_CHARACTERS:
        raise InvalidInput.at("reason", f"must have from 1 to {REASON_CHARACTERS} characters")
    return reason


def _one_of(field: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise InvalidInput.at(field, f"must be one of {', '.join(choices)}")
    return value
