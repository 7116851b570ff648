"""/v1/inbound: texts from phones."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from chappe.features.messages import services
from chappe.features.messages.models import Inbound
from chappe.web.api.auth import may_read, organisation_of
from chappe.web.api.field import Cursor, Limit, shown_time

router = Router(tags=["inbound"])

Sender = Annotated[str, Query(description="the phone's whole number, with or without its plus", max_length=64)]


class InboundOut(Schema):
    id: int
    connection_id: int
    sender: str = Field(description="the phone")
    recipient: str = Field(description="the number or short code it wrote to")
    body: str
    segments: int
    is_complete: bool = Field(description="false: some of its segments never came")
    linked_sms: str
    alias: str
    large_account: str
    provider_message_id: str
    keyword: str = Field(description="of the automatic reply that matched")
    action: str = Field(description="what the automatic reply did")
    reply_message_id: int | None
    received_at: datetime | None


class InboundPage(Schema):
    items: list[InboundOut]
    next: str | None


@router.get("", response=InboundPage, auth=may_read, summary="List texts from phones")
def list_inbound(request: HttpRequest, sender: Sender = "", cursor: Cursor = "", limit: Limit = 50) -> InboundPage:
    page = services.inbound_page(organisation_of(request), sender, cursor, limit)
    return InboundPage(items=[_out(row) for row in page.items], next=page.next)


@router.get("/{int:inbound_id}", response=InboundOut, auth=may_read, summary="Read a text from a phone")
def read_inbound(request: HttpRequest, inbound_id: int) -> InboundOut:
    return _out(services.find_inbound(organisation_of(request), inbound_id))


def _out(row: Inbound) -> InboundOut:
    return InboundOut(
        id=row.pk,
        connection_id=row.connection_id,
        sender=row.sender,
        recipient=row.recipient,
        body=row.body,
        segments=row.segments,
        is_complete=row.is_complete,
        linked_sms=row.linked_sms,
        alias=row.alias,
        large_account=row.large_account,
        provider_message_id=row.provider_message_id,
        keyword=row.keyword,
        action=row.action,
        reply_message_id=row.reply_message_id or None,
        received_at=shown_time(row.received_ms),
    )
