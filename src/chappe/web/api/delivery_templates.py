"""/v1/delivery-templates: what new deliveries begin with."""

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import Field

from chappe.features.clock import now_ms
from chappe.features.refusal import InvalidInput
from chappe.features.templates import services
from chappe.features.templates.models import BUILT_IN, DeliveryTemplate
from chappe.features.templates.services import Change
from chappe.web.api.auth import may_read, may_send, organisation_of
from chappe.web.api.deliveries import TermsFields, TermsOut, shown_terms, terms_of
from chappe.web.api.field import Cursor, Limit, shown_time

router = Router(tags=["delivery templates"])


class TemplateFields(TermsFields):
    connection_id: int | None = Field(
        default=None, description="its routing; null: the first connection of the list when a delivery begins"
    )
    body: str | None = Field(default=None, description="empty: each delivery has its own")


class TemplateCreate(TemplateFields):
    label: str = Field(max_length=200)
    internal_name: str | None = Field(
        default=None,
        max_length=services.LONGEST_NAME,
        description="letters, digits and . _ - only, and no other template's; null: one is made of the label",
    )
    template_id: int | None = Field(
        default=None, description="the template that it is a duplicate of; null: the one that is built in"
    )
    delivery_id: int | None = Field(default=None, description="or the delivery that is saved as a template")


class TemplateChange(TemplateFields):
    label: str | None = Field(default=None, max_length=200)
    internal_name: str | None = Field(default=None, max_length=services.LONGEST_NAME)


class TemplateOut(TermsOut):
    id: int = Field(description="0: the template that is built in")
    internal_name: str
    is_built_in: bool = Field(description="it can be read, duplicated and used, not changed or deleted")
    connection_id: int | None
    created_at: datetime | None
    changed_at: datetime | None


class TemplatePage(Schema):
    items: list[TemplateOut]
    next: str | None


@router.get("", response=TemplatePage, auth=may_read, summary="List delivery templates")
def list_templates(request: HttpRequest, cursor: Cursor = "", limit: Limit = 50) -> TemplatePage:
    """Newest first; the one that is built in is the last."""
    page = services.templates_page(organisation_of(request), cursor, limit)
    return TemplatePage(items=[_out(row) for row in page.items], next=page.next)


@router.post("", response={201: TemplateOut}, auth=may_send, summary="Duplicate a template, or save a delivery as one")
def create_template(request: HttpRequest, payload: TemplateCreate) -> Status[TemplateOut]:
    """What is not given is as the other template, or the delivery, has it."""
    if payload.template_id is not None and payload.delivery_id is not None:
        raise InvalidInput.at("delivery_id", "excludes template_id: give one or the other")
    organisation_id = organisation_of(request)
    change = Change(**terms_of(payload, but={"template_id", "delivery_id"}))
    if payload.delivery_id is not None:
        return Status(201, _out(services.keep_delivery(organisation_id, payload.delivery_id, change, now_ms())))
    of = BUILT_IN if payload.template_id is None else payload.template_id
    return Status(201, _out(services.create_template(organisation_id, change, now_ms(), of=of)))


@router.get("/{int:template_id}", response=TemplateOut, auth=may_read, summary="Read a delivery template")
def read_template(request: HttpRequest, template_id: int) -> TemplateOut:
    return _out(services.find_template(organisation_of(request), template_id))


@router.patch("/{int:template_id}", response=TemplateOut, auth=may_send, summary="Change a delivery template")
def change_template(request: HttpRequest, template_id: int, payload: TemplateChange) -> TemplateOut:
    """Deliveries that were made from it stay as they are."""
    change = Change(**terms_of(payload))
    return _out(services.change_template(organisation_of(request), template_id, change, now_ms()))


@router.delete("/{int:template_id}", response={204: None}, auth=may_send, summary="Delete a delivery template")
def delete_template(request: HttpRequest, template_id: int) -> Status[None]:
    services.delete_template(organisation_of(request), template_id)
    return Status(204, None)


def _out(row: DeliveryTemplate) -> TemplateOut:
    return TemplateOut(
        id=row.pk,
        label=row.label,
        internal_name=row.internal_name,
        is_built_in=row.is_built_in,
        connection_id=row.connection_id,
        **shown_terms(row),
        created_at=shown_time(row.created_ms),
        changed_at=shown_time(row.changed_ms),
    )
