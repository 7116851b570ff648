"""/v1/consent: the ledger of people's yes and no."""

from datetime import datetime
from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema
from ninja.responses import Status as Answer
from pydantic import Field

from chappe.features.clock import now_ms
from chappe.features.consent import ledger
from chappe.features.consent.models import ConsentEvent
from chappe.web.api.auth import may_manage, may_read, organisation_of
from chappe.web.api.field import Body, Cursor, Limit, shown_time

router = Router(tags=["consent"])

Channel = Literal["sms", "rcs", "email"]
Address = Annotated[str, Query(description="a whole number or e-mail address; empty: all", max_length=320)]


class ConsentCreate(Body):
    address: str = Field(max_length=320, examples=["+33612345678"])
    channel: Channel = Field(default="sms", description="sms and rcs are one: a wish is about the number")
    is_given: bool = Field(description="true: the person wants messages; false: no more")
    sender: str = Field(
        default="", max_length=64, description="the one of ours the person spoke to; kept, limits nothing"
    )
    evidence: str = Field(default="", max_length=400, description="where and how the person said so")


class ConsentOut(Schema):
    id: int
    address: str
    channel: Channel
    sender: str
    is_given: bool
    at: datetime | None
    source: str = Field(description="the door it came by: keyword, provider, api, import or console")
    evidence: str
    connection_id: int | None


class ConsentPage(Schema):
    items: list[ConsentOut]
    next: str | None


@router.get("", response=ConsentPage, auth=may_read, summary="Read the ledger of consent")
def list_consent(
    request: HttpRequest, address: Address = "", channel: Channel = "sms", cursor: Cursor = "", limit: Limit = 50
) -> ConsentPage:
    page = ledger.ledger_page(organisation_of(request), address, channel, cursor, limit)
    return ConsentPage(items=[_out(row) for row in page.items], next=page.next)


@router.post("", response={201: ConsentOut}, auth=may_manage, summary="Write down what a person said")
def record_consent(request: HttpRequest, payload: ConsentCreate) -> Answer[ConsentOut]:
    """It holds for every connection of the organisation within a second, messages that wait included."""
    return Answer(201, _out(ledger.record_wish(organisation_of(request), ledger.Wish(**payload.dict()), now_ms())))


def _out(row: ConsentEvent) -> ConsentOut:
    return ConsentOut.model_validate(
        {
            "id": row.pk,
            "address": row.address,
            "channel": row.channel,
            "sender": row.sender,
            "is_given": row.is_given,
            "at": shown_time(row.at_ms),
            "source": row.source,
            "evidence": row.evidence,
            "connection_id": row.connection_id or None,
        }
    )
