"""/v1/deliveries: one text to a list, from draft to report."""

from collections.abc import Callable, Set
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from django.http import HttpRequest
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from chappe.features.clock import now_ms
from chappe.features.deliveries import services
from chappe.features.deliveries.analysis import Excluded, Prepared
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.terms import Written
from chappe.features.deliveries.terms import terms_of as row_terms
from chappe.features.templates import services as templates
from chappe.features.tracking.services import LinkFigure, LinkFigures, figures
from chappe.messaging import Category
from chappe.web.api.auth import may_read, may_send, organisation_of
from chappe.web.api.field import Body, Cursor, Limit, shown_time

router = Router(tags=["deliveries"])

People = Annotated[int, Query(description="how many of them", ge=1, le=services.MOST_PREVIEWED)]
CategoryName = Literal["marketing", "transactional"]


class ParameterBody(Body):
    label: str = Field(default="", max_length=100, description="for people; not sent")
    tag: str = Field(max_length=10, examples=["0x1403"])
    value: str = Field(max_length=2000, description="a text like the body: it may mention the person")
    format: str = Field(default="utf8", max_length=10, description="ascii, utf8, latin1, gsm, ucs2, int8 … uint64")
    maximum_octets: int = Field(default=0, ge=0, le=65535, description="0: no limit of its own")


class TermsFields(Body):
    """How messages go out, as a delivery says it and a template of deliveries."""

    sender: str | None = Field(default=None, max_length=64, description="empty: the connection's own")
    category: CategoryName | None = None
    short_code: str | None = Field(default=None, max_length=21, description="empty: the connection's own")
    validity_s: int | None = Field(default=None, description="how long after the start a message may still be sent")
    maximum_segments: int | None = Field(default=None, description="longer messages are left out; 0: no limit")
    transmission_mode: int | None = Field(
        default=None, description="0 normal, 1 flash, 2 mobile, 3 SIM; null: left to the provider"
    )
    service_id: str | None = None
    tlvs: list[ParameterBody] | None = Field(default=None, description="of SMPP")
    content: dict[str, Any] | None = Field(
        default=None,
        description="what RCS or MMS carry, as options.content of a message; its texts may mention the person. The body goes "
        "to phones, and through connections, without them",
    )
    follow_links: bool | None = Field(
        default=None,
        description="addresses in the text go out as short links, and who opens them is counted; not in e-mail, and only where "
        "the installation has an address for links (CHAPPE_LINK_URL), or the connection hands over to another one",
    )


class DeliveryCreate(TermsFields):
    label: str = Field(max_length=200)
    list_id: int
    template_id: int | None = Field(
        default=None, description="what is not given is as this delivery template has it; 0: the one that is built in"
    )
    connection_id: int | None = Field(
        default=None, description="null: the first of the list that is switched on, complete and of the channel"
    )
    channel: Literal["sms", "rcs", "email"] | None = Field(
        default=None, description="of the connection, where none is named; null: what the content needs, else sms"
    )
    body: str | None = Field(
        default=None,
        description="needed, unless the template has one: {{ name }} stands for an attribute of the person, {{ phone }} for "
        "the number, {{ email }} for the address; for e-mail the JSON that the provider expects, with {{ user_identifier }}",
    )


class DeliveryChange(TermsFields):
    label: str | None = Field(default=None, max_length=200)
    list_id: int | None = None
    connection_id: int | None = None
    body: str | None = None


class TermsOut(Schema):
    id: int
    label: str
    category: CategoryName
    sender: str
    body: str
    short_code: str
    validity_s: int
    maximum_segments: int
    transmission_mode: int | None
    service_id: str
    tlvs: list[dict[str, Any]]
    content: dict[str, Any] | None
    follow_links: bool


class DeliveryOut(TermsOut):
    status: str = Field(
        description="draft, analysing, ready, sending, paused, finished, cancelled, or failed: not analysed"
    )
    error: str = Field(description="why the analysis failed")
    list_id: int
    connection_id: int
    warnings: list[str] = Field(description="what to think about before it is sent")
    cost: float = Field(description="always 0: what your own provider charges is between you and it")
    audience: int
    segments: int
    encodings: dict[str, int]
    created_at: datetime | None
    analysed_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None


class DeliveryPage(Schema):
    items: list[DeliveryOut]
    next: str | None


class Reason(Schema):
    reason: str
    messages: int


class Clicks(Schema):
    people: int = Field(description="messages from which it was opened, not by programs alone")
    clicks: int = Field(description="how often people opened it, as far as they can be told from programs")
    machine_clicks: int = Field(
        description="how often programs did: phones, messengers and scanners that look at links"
    )


class OpenedLink(Clicks):
    url: str = Field(description="without its query; empty: all beyond the first hundred")


class OpenedLinks(Clicks):
    items: list[OpenedLink] = Field(description="the most people first; 101 at most")


class ReportOut(Schema):
    id: int
    status: str
    audience: int
    states: dict[str, int] = Field(description="messages by state; together they are the audience")
    delivered: int = Field(description="messages that arrived, those that were read among them")
    read: int = Field(description="messages that were read, as far as the channel and the provider tell")
    exclusions: dict[str, int] = Field(description="people left out by the analysis, by reason")
    encodings: dict[str, int]
    segments: int
    failures: list[Reason] = Field(description="why messages failed or expired, the most frequent first")
    is_sample: bool = Field(description="the failures are of a part of the messages, for there are very many")
    links: Clicks | None = Field(description="of all links together; null: they are not followed")
    started_at: datetime | None
    finished_at: datetime | None


class PreviewOut(Schema):
    contact_id: int
    recipient: str
    body: str = Field(description="empty where no message is made; addresses in it stand as they were written")
    encoding: str
    segments: int
    reason: str = Field(description="why this person would be left out; empty: would get the message")


class PreviewList(Schema):
    items: list[PreviewOut]


@router.get("/deliveries", response=DeliveryPage, auth=may_read, summary="List deliveries")
def list_deliveries(request: HttpRequest, cursor: Cursor = "", limit: Limit = 50) -> DeliveryPage:
    page = services.deliveries_page(organisation_of(request), cursor, limit)
    return DeliveryPage(items=[_out(row) for row in page.items], next=page.next)


@router.post("/deliveries", response={201: DeliveryOut}, auth=may_send, summary="Create a delivery")
def create_delivery(request: HttpRequest, payload: DeliveryCreate) -> Status[DeliveryOut]:
    organisation_id, draft = organisation_of(request), services.Draft(**terms_of(payload, but={"template_id"}))
    if payload.template_id is None:
        return Status(201, _out(services.create_delivery(organisation_id, draft, now_ms())))
    return Status(201, _out(templates.create_delivery(organisation_id, payload.template_id, draft, now_ms())))


@router.get("/deliveries/{int:delivery_id}", response=DeliveryOut, auth=may_read, summary="Read a delivery")
def read_delivery(request: HttpRequest, delivery_id: int) -> DeliveryOut:
    return _out(services.find_delivery(organisation_of(request), delivery_id))


@router.patch("/deliveries/{int:delivery_id}", response=DeliveryOut, auth=may_send, summary="Change a draft")
def change_delivery(request: HttpRequest, delivery_id: int, payload: DeliveryChange) -> DeliveryOut:
    return _out(
        services.change_delivery(organisation_of(request), delivery_id, services.Draft(**terms_of(payload)), now_ms())
    )


@router.delete(
    "/deliveries/{int:delivery_id}", response={204: None}, auth=may_send, summary="Delete a delivery not sent"
)
def delete_delivery(request: HttpRequest, delivery_id: int) -> Status[None]:
    services.delete_delivery(organisation_of(request), delivery_id, now_ms())
    return Status(204, None)


@router.post(
    "/deliveries/{int:delivery_id}/analyse", response={202: DeliveryOut}, auth=may_send, summary="Prepare the messages"
)
def analyse(request: HttpRequest, delivery_id: int) -> Status[DeliveryOut]:
    """Done after this answer: read the delivery until it is ready (or failed), then send it."""
    return Status(202, _acted(request, delivery_id, services.analyse))


@router.get("/deliveries/{int:delivery_id}/preview", response=PreviewList, auth=may_read, summary="Preview")
def preview(request: HttpRequest, delivery_id: int, people: People = 5) -> PreviewList:
    """What the first people of the list would get now. Nothing is kept."""
    found = services.preview(organisation_of(request), delivery_id, people)
    return PreviewList(items=[_preview(one) for one in found])


@router.post("/deliveries/{int:delivery_id}/revise", response=DeliveryOut, auth=may_send, summary="Back to draft")
def revise(request: HttpRequest, delivery_id: int) -> DeliveryOut:
    return _acted(request, delivery_id, services.revise_delivery)


@router.post("/deliveries/{int:delivery_id}/send", response=DeliveryOut, auth=may_send, summary="Send")
def send(request: HttpRequest, delivery_id: int) -> DeliveryOut:
    return _acted(request, delivery_id, services.send)


@router.post("/deliveries/{int:delivery_id}/pause", response=DeliveryOut, auth=may_send, summary="Pause")
def pause(request: HttpRequest, delivery_id: int) -> DeliveryOut:
    return _acted(request, delivery_id, services.pause)


@router.post("/deliveries/{int:delivery_id}/resume", response=DeliveryOut, auth=may_send, summary="Resume")
def resume(request: HttpRequest, delivery_id: int) -> DeliveryOut:
    return _acted(request, delivery_id, services.resume)


@router.post("/deliveries/{int:delivery_id}/cancel", response=DeliveryOut, auth=may_send, summary="Cancel")
def cancel(request: HttpRequest, delivery_id: int) -> DeliveryOut:
    """What waits ends as cancelled; what has left cannot be called back."""
    return _acted(request, delivery_id, services.cancel)


@router.get("/deliveries/{int:delivery_id}/report", response=ReportOut, auth=may_read, summary="Report")
def report(request: HttpRequest, delivery_id: int) -> ReportOut:
    found = services.report(organisation_of(request), delivery_id)
    row = found.delivery
    return ReportOut(
        id=row.pk,
        status=row.status,
        audience=row.audience,
        states={state.name.lower(): messages for state, messages in found.states.items()},
        delivered=found.delivered,
        read=found.read,
        exclusions=found.exclusions,
        encodings=row.encodings,
        segments=row.segments,
        failures=[Reason(reason=reason, messages=messages) for reason, messages in found.reasons],
        is_sample=found.is_sample,
        links=Clicks(**_clicks(found.links)) if found.links else None,
        started_at=shown_time(row.started_ms),
        finished_at=shown_time(row.finished_ms),
    )


@router.get(
    "/deliveries/{int:delivery_id}/links", response=OpenedLinks, auth=may_read, summary="Links that were opened"
)
def list_links(request: HttpRequest, delivery_id: int) -> OpenedLinks:
    """Each address that was opened. None where links are not followed, nobody opened one yet, or all texts are erased."""
    found = figures(services.find_delivery(organisation_of(request), delivery_id).pk)
    return OpenedLinks(**_clicks(found), items=[OpenedLink(url=one.url, **_clicks(one)) for one in found.links])


def _clicks(of: LinkFigure | LinkFigures) -> dict[str, int]:
    return {name: getattr(of, name) for name in Clicks.model_fields}


def _acted(request: HttpRequest, delivery_id: int, action: Callable[[int, int, int], Delivery]) -> DeliveryOut:
    return _out(action(organisation_of(request), delivery_id, now_ms()))


def _preview(one: Prepared | Excluded) -> PreviewOut:
    shown: dict[str, Any] = {"body": "", "encoding": "", "segments": 0, "reason": ""}
    return PreviewOut.model_validate(shown | msgspec.structs.asdict(one))


def terms_of(payload: TermsFields, but: Set[str] = frozenset()) -> dict[str, Any]:
    """What a body gives, as services name it."""
    given = payload.dict(exclude_unset=True, exclude=set(but))
    if (category := given.pop("category", None)) is not None:
        given["category"] = int(Category[category.upper()])
    if payload.tlvs is not None:
        given["tlvs"] = [row.dict() for row in payload.tlvs]
    return given


def shown_terms(row: Written) -> dict[str, Any]:
    """What a row says of how messages go out."""
    category: CategoryName = "transactional" if row.category == Category.TRANSACTIONAL else "marketing"
    return row_terms(row) | {"category": category}


def _out(row: Delivery) -> DeliveryOut:
    return DeliveryOut(
        id=row.pk,
        label=row.label,
        status=row.status,
        error=row.error,
        list_id=row.contact_list_id,
        connection_id=row.connection_id,
        **shown_terms(row),
        warnings=services.warnings_of(row),
        cost=0,
        audience=row.audience,
        segments=row.segments,
        encodings=row.encodings,
        created_at=shown_time(row.created_ms),
        analysed_at=shown_time(row.analysed_ms),
        started_at=shown_time(row.started_ms),
        finished_at=shown_time(row.finished_ms),
    )
