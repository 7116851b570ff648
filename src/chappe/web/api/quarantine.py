"""/v1/quarantine: numbers not to be sent to."""

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema
from ninja.responses import Status as Answer
from pydantic import Field

from chappe.features.clock import now_ms
from chappe.features.consent import services
from chappe.features.consent.models import Quarantine
from chappe.web.api.auth import may_manage, may_read, organisation_of
from chappe.web.api.field import Body, Cursor, Limit, shown_time

router = Router(tags=["quarantine"])

Status = Literal["valid", "with_errors", "quarantine", "denylisted"]
Address = Annotated[str, Query(description="a number or how it begins, with or without its plus", max_length=320)]


class QuarantineCreate(Body):
    address: str = Field(max_length=320, examples=["+33612345678"])
    channel: Literal["sms", "rcs", "email"] = "sms"
    short_code: str = Field(default="", max_length=21, description="empty: for all short codes")
    status: Literal["quarantine", "denylisted"] = "quarantine"
    reason: str = Field(default="", max_length=200)


class Release(Body):
    reason: str = Field(default="", max_length=200)


class QuarantineOut(Schema):
    id: int
    address: str
    channel: str
    short_code: str
    status: Status
    reason: str
    error_count: int
    last_error_at: datetime | None
    created_at: datetime | None
    changed_at: datetime | None


class QuarantinePage(Schema):
    items: list[QuarantineOut]
    next: str | None


@router.get("", response=QuarantinePage, auth=may_read, summary="List or search the quarantine")
def list_quarantine(
    request: HttpRequest, address: Address = "", status: Status | None = None, cursor: Cursor = "", limit: Limit = 50
) -> QuarantinePage:
    page = services.quarantined(organisation_of(request), address, status or "", cursor, limit)
    return QuarantinePage(items=[_out(row) for row in page.items], next=page.next)


@router.post("", response={201: QuarantineOut}, auth=may_manage, summary="Send no more to a number")
def add_to_quarantine(request: HttpRequest, payload: QuarantineCreate) -> Answer[QuarantineOut]:
    block = services.Block(**payload.dict())
    return Answer(201, _out(services.add_to_quarantine(organisation_of(request), block, now_ms())))


@router.get("/{int:quarantine_id}", response=QuarantineOut, auth=may_read, summary="Read an entry")
def read_quarantine(request: HttpRequest, quarantine_id: int) -> QuarantineOut:
    return _out(services.find_quarantined(organisation_of(request), quarantine_id))


@router.post("/{int:quarantine_id}/release", response=QuarantineOut, auth=may_manage, summary="Send to it again")
def release(request: HttpRequest, quarantine_id: int, payload: Release | None = None) -> QuarantineOut:
    reason = payload.reason if payload else ""
    return _out(services.release(organisation_of(request), quarantine_id, reason, now_ms()))


def _out(row: Quarantine) -> QuarantineOut:
    return QuarantineOut.model_validate(
        {
            "id": row.pk,
            "address": row.address,
            "channel": row.channel,
            "short_code": row.short_code,
            "status": row.status,
            "reason": row.reason,
            "error_count": row.error_count,
            "last_error_at": shown_time(row.last_error_ms),
            "created_at": shown_time(row.created_ms),
            "changed_at": shown_time(row.changed_ms),
        }
    )
