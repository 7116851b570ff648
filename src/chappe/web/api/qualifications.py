"""/v1/error-qualifications: what providers' errors mean."""

from datetime import datetime
from typing import Literal

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from chappe.features.connections import qualification as services
from chappe.features.connections.models import ErrorQualification
from chappe.web.api.auth import may_manage, may_read, organisation_of
from chappe.web.api.field import Body, Cursor, Limit, shown_time

router = Router(tags=["error qualifications"])

Kind = Literal["hard", "soft", "ignored"]
Status = Literal["to_qualify", "keep", "ignore"]


class QualificationChange(Body):
    kind: Kind | None = Field(
        default=None, description="hard quarantines the number, soft is counted, ignored is only retried"
    )
    reason: str | None = Field(default=None, max_length=40)
    status: Status | None = Field(default=None, description="keep when only kind is given")


class QualificationOut(Schema):
    id: int
    text: str = Field(description="the error as it is compared: numbers of the provider's own replaced")
    first_text: str = Field(description="as it came the first time")
    kind: Kind
    reason: str
    status: Status
    occurrences: int
    first_at: datetime | None
    last_at: datetime | None


class QualificationPage(Schema):
    items: list[QualificationOut]
    next: str | None


@router.get("", response=QualificationPage, auth=may_read, summary="List errors and what they mean")
def list_qualifications(
    request: HttpRequest, status: Status | None = None, cursor: Cursor = "", limit: Limit = 50
) -> QualificationPage:
    page = services.qualifications(organisation_of(request), status or "", cursor, limit)
    return QualificationPage(items=[_out(row) for row in page.items], next=page.next)


@router.patch("/{int:qualification_id}", response=QualificationOut, auth=may_manage, summary="Say what an error means")
def qualify(request: HttpRequest, qualification_id: int, payload: QualificationChange) -> QualificationOut:
    verdict = services.Verdict(**payload.dict())
    return _out(services.qualify(organisation_of(request), qualification_id, verdict))


def _out(row: ErrorQualification) -> QualificationOut:
    return QualificationOut.model_validate(
        {
            "id": row.pk,
            "text": row.text,
            "first_text": row.first_text,
            "kind": row.kind,
            "reason": row.reason,
            "status": row.status,
            "occurrences": row.occurrences,
            "first_at": shown_time(row.first_ms),
            "last_at": shown_time(row.last_ms),
        }
    )
