"""/v1/messages: what became of messages. Sending them is the intake's."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from chappe.features.clock import now_ms
from chappe.features.messages import services
from chappe.features.messages.models import MessageNow, Segment
from chappe.features.messages.timeline import Entry, timeline, why_it_waits
from chappe.features.tracking.services import MessageClick, clicks_of
from chappe.messaging import Category, DeliveryState
from chappe.web.api.auth import may_read, organisation_of
from chappe.web.api.field import Cursor, Limit, shown_time

router = Router(tags=["messages"])

Recipient = Annotated[
    str, Query(description="the whole number, with or without its plus, or the e-mail address", max_length=320)
]
ProviderId = Annotated[str, Query(description="the id the provider gave a segment", max_length=255)]
WithBody = Annotated[bool, Query(description="also give the text; it is left out unless asked for")]


class SegmentOut(Schema):
    attempt: int = Field(description="from 1")
    index: int = Field(description="from 1")
    provider_message_id: str
    state: str
    status: str = Field(description="the provider's word, as it came")
    code: str
    sent_at: datetime | None
    done_at: datetime | None


class MessageOut(Schema):
    id: int
    state: str = Field(
        description="waiting, unconfirmed, sent, delivered, read, failed, expired, excluded or cancelled",
        examples=["sent"],
    )
    reason: str = Field(description="why it waits, or why it ended so")
    recipient: str
    sender: str
    channel: str = Field(description="sms, rcs or email")
    category: str
    connection_id: int
    delivery_id: int | None
    client_reference: str
    segments: int
    is_possible_duplicate: bool
    cost: float = Field(description="always 0: what your own provider charges is between you and it")
    created_at: datetime | None
    due_at: datetime | None
    expires_at: datetime | None
    sent_at: datetime | None
    done_at: datetime | None
    body: str | None = Field(default=None, description="null unless asked for with ?body=true")


class ClickOut(Schema):
    """The times are those of people, where any of them opened it."""

    url: str = Field(description="an address of its text, without ? and # and what follows; empty: the text is erased")
    clicks: int = Field(description="of people, as far as that can be told")
    machine_clicks: int = Field(description="of programs that open links to show or check them")
    first_at: datetime | None
    last_at: datetime | None


class MessageDetail(MessageOut):
    waits_for: list[str] = Field(description="in plain words, everything that keeps it where it is")
    provider_segments: list[SegmentOut]
    clicks: list[ClickOut] = Field(description="which of its links were opened, where they are followed")


class MessagePage(Schema):
    items: list[MessageOut]
    next: str | None


class EntryOut(Schema):
    at: datetime | None
    kind: str
    text: str


class Timeline(Schema):
    id: int
    state: str
    entries: list[EntryOut]


@router.get("", response=MessagePage, auth=may_read, summary="Search messages by recipient or by the provider's id")
def search_messages(
    request: HttpRequest,
    recipient: Recipient = "",
    provider_message_id: ProviderId = "",
    cursor: Cursor = "",
    limit: Limit = 50,
) -> MessagePage:
    page = services.search_messages(organisation_of(request), recipient, provider_message_id, cursor, limit)
    return MessagePage(items=[MessageOut(**_facts(row, with_body=False)) for row in page.items], next=page.next)


@router.get("/{int:message_id}", response=MessageDetail, auth=may_read, summary="Read the status of a message")
def read_message(request: HttpRequest, message_id: int, body: WithBody = False) -> MessageDetail:
    row = services.find_message(organisation_of(request), message_id)
    return MessageDetail(
        **_facts(row, with_body=body),
        waits_for=why_it_waits(row, now_ms()),
        provider_segments=[_segment(segment) for segment in services.segments_of(row.pk)],
        clicks=[_click(one) for one in clicks_of(row.pk)],
    )


@router.get("/{int:message_id}/timeline", response=Timeline, auth=may_read, summary="Read the life of a message")
def read_timeline(request: HttpRequest, message_id: int) -> Timeline:
    row = services.find_message(organisation_of(request), message_id)
    entries = [_entry(entry) for entry in timeline(row, now_ms())]
    return Timeline(id=row.pk, state=_state(row.state), entries=entries)


def _facts(row: MessageNow, *, with_body: bool) -> dict[str, Any]:
    return {
        "id": row.pk,
        "state": _state(row.state),
        "reason": row.reason,
        "recipient": row.recipient,
        "sender": row.sender,
        "channel": row.channel,
        "category": Category(row.category).name.lower(),
        "connection_id": row.connection_id,
        "delivery_id": row.delivery_id or None,
        "client_reference": row.client_reference,
        "segments": row.segments,
        "is_possible_duplicate": row.is_possible_duplicate,
        "cost": 0,
        "created_at": shown_time(row.created_ms),
        "due_at": shown_time(row.due_ms),
        "expires_at": shown_time(row.expires_ms),
        "sent_at": shown_time(row.sent_ms),
        "done_at": shown_time(row.done_ms),
        "body": row.body if with_body else None,
    }


def _segment(row: Segment) -> SegmentOut:
    return SegmentOut(
        attempt=row.attempt,
        index=row.place,
        provider_message_id=row.provider_message_id,
        state=_state(row.state),
        status=row.status,
        code=row.code,
        sent_at=shown_time(row.sent_ms),
        done_at=shown_time(row.done_ms),
    )


def _click(one: MessageClick) -> ClickOut:
    return ClickOut(
        url=one.url,
        clicks=one.clicks,
        machine_clicks=one.machine_clicks,
        first_at=shown_time(one.first_ms),
        last_at=shown_time(one.last_ms),
    )


def _state(state: int) -> str:
    return DeliveryState(state).name.lower()


def _entry(entry: Entry) -> EntryOut:
    return EntryOut(at=shown_time(entry.at_ms), kind=entry.kind, text=entry.text)
