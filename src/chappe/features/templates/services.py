"""Templates of deliveries: what every new delivery would else be told again, kept by a name.

Every organisation has one that is built in; the others are duplicates, or were deliveries once. A delivery takes what its
template says when it begins, and knows nothing of it any more.
"""

import re
import unicodedata
from dataclasses import dataclass, replace

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from chappe.features.accounts.services import checked_name
from chappe.features.connections.models import Connection
from chappe.features.connections.services import connection_to_use
from chappe.features.connections.way import Way
from chappe.features.deliveries import services as deliveries
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.options import Options
from chappe.features.deliveries.services import Draft
from chappe.features.deliveries.terms import Terms, Written, apply_terms, terms_errors, terms_of
from chappe.features.page import LARGEST_ID, Page, page_of, read_cursor, size_of_page
from chappe.features.refusal import Conflict, InvalidInput, Mistakes, NotFound
from chappe.features.templates.models import BUILT_IN, DeliveryTemplate

BUILT_IN_LABEL, BUILT_IN_NAME = "Mobile (SMS)", "mobile"
LONGEST_NAME = 64
OFFERED = 500
NOT_CHANGED = "This template is built in and cannot be changed. Duplicate it, and change the copy."
NOT_DELETED = "This template is built in and cannot be deleted."
_NAME = re.compile(rf"[A-Za-z0-9_.-]{{1,{LONGEST_NAME}}}")
_NAME_WORDS = f"expected letters, digits and . _ - only, {LONGEST_NAME} at most"
_TAKEN = "is taken by another template"
_OTHER = re.compile(r"[^A-Za-z0-9_.]+")


@dataclass(frozen=True)
class Change(Terms):
    """What a template is to say; None, and a routing that is UNSET, leave it as it is. A `connection_id` of None is the first
    connection of the list."""

    label: str | None = None
    internal_name: str | None = None
    connection_id: int | msgspec.UnsetType | None = msgspec.UNSET

    @property
    def is_of_names(self) -> bool:
        """Whether nothing of it concerns how messages go out."""
        return self == Change(label=self.label, internal_name=self.internal_name)


# -- what there is ---------------------------------------------------------------------------------------------------


def templates_page(organisation_id: int, cursor: str, limit: int) -> Page[DeliveryTemplate]:
    """Newest first, and the one that is built in last. Raises InvalidInput."""
    before, most = read_cursor(cursor), size_of_page(limit)
    found = list(_templates(organisation_id).filter(pk__lt=before).order_by("-pk")[: most + 1])
    if before > BUILT_IN and len(found) <= most:
        found.append(built_in(organisation_id))
    return page_of(found, limit, lambda row: str(row.pk))


def templates_offered(organisation_id: int) -> list[DeliveryTemplate]:
    """The newest, in the order of their labels, behind the one that is built in."""
    found = _templates(organisation_id).order_by("-pk")[:OFFERED]
    return [built_in(organisation_id), *sorted(found, key=lambda one: one.label.casefold())]


def find_template(organisation_id: int, template_id: int) -> DeliveryTemplate:
    """Raises NotFound."""
    return built_in(organisation_id) if template_id == BUILT_IN else _found(_templates(organisation_id), template_id)


def built_in(organisation_id: int) -> DeliveryTemplate:
    """The template that is in no table: everything as it is by default."""
    return DeliveryTemplate(
        pk=BUILT_IN, organisation_id=organisation_id, label=BUILT_IN_LABEL, internal_name=BUILT_IN_NAME
    )


def _templates(organisation_id: int) -> "QuerySet[DeliveryTemplate]":
    return DeliveryTemplate.objects.filter(organisation_id=organisation_id).select_related("connection")


def _found(rows: "QuerySet[DeliveryTemplate]", template_id: int) -> DeliveryTemplate:
    found = rows.filter(pk=min(template_id, LARGEST_ID)).first()
    if found is None:
        raise NotFound("delivery template", template_id)
    return found


# -- making and changing ---------------------------------------------------------------------------------------------


def create_template(organisation_id: int, change: Change, now_ms: int, of: int = BUILT_IN) -> DeliveryTemplate:
    """A duplicate of the template `of`, changed. Without an internal name it gets one of its label.

    Of a duplicate that differs by its names alone nothing else is looked at: what is wrong with it by now is found when it
    is changed or used. Raises NotFound, InvalidInput.
    """
    source = find_template(organisation_id, of)
    return _made(organisation_id, source, source.label, source.connection, change, now_ms)


def keep_delivery(organisation_id: int, delivery_id: int, change: Change, now_ms: int) -> DeliveryTemplate:
    """A template that says what a delivery says. Raises NotFound, InvalidInput."""
    source = deliveries.find_delivery(organisation_id, delivery_id)
    connection = connection_to_use(organisation_id, source.connection_id)
    return _made(organisation_id, source, source.label, connection, change, now_ms)


def change_template(organisation_id: int, template_id: int, change: Change, now_ms: int) -> DeliveryTemplate:
    """Deliveries that it was used for stay as they are. Raises NotFound, InvalidInput; Conflict for the built-in one."""
    if template_id == BUILT_IN:
        raise Conflict(NOT_CHANGED)
    with transaction.atomic():
        template = _locked(organisation_id, template_id)
        template.changed_ms = now_ms
        _apply(template, change)
        _save(template)
    return template


def delete_template(organisation_id: int, template_id: int) -> None:
    """Raises NotFound; Conflict for the built-in one."""
    if template_id == BUILT_IN:
        raise Conflict(NOT_DELETED)
    with transaction.atomic():
        _locked(organisation_id, template_id).delete()


def _locked(organisation_id: int, template_id: int) -> DeliveryTemplate:
    rows = DeliveryTemplate.objects.filter(organisation_id=organisation_id).select_for_update()
    return _found(rows, template_id)


def _made(
    organisation_id: int, source: Written, label: str, connection: Connection | None, change: Change, now_ms: int
) -> DeliveryTemplate:
    made = DeliveryTemplate(
        organisation_id=organisation_id, label=label, connection=connection, created_ms=now_ms, changed_ms=now_ms
    )
    apply_terms(made, Terms(**terms_of(source)))
    with transaction.atomic():
        if not change.internal_name:
            name = free_name(organisation_id, change.label if change.label is not None else label)
            change = replace(change, internal_name=name)
        _apply(made, change)
        _save(made)
    return made


def _save(template: DeliveryTemplate) -> None:
    """Raises InvalidInput where somebody else took its name at the same moment."""
    try:
        with transaction.atomic():
            template.save()
    except IntegrityError:
        raise InvalidInput.at("internal_name", _TAKEN) from None


def _apply(template: DeliveryTemplate, change: Change) -> None:
    """Write the change into the row, unsaved. Raises InvalidInput, NotFound for a connection of nobody here."""
    mistakes = Mistakes()
    if change.label is not None:
        with mistakes.noted():
            template.label = checked_name(change.label, "label")
    if change.internal_name is not None:
        with mistakes.noted():
            template.internal_name = _checked_internal_name(template, change.internal_name)
    if not change.is_of_names:
        with mistakes.noted():
            _apply_terms(template, change)
    mistakes.refuse()


def _apply_terms(template: DeliveryTemplate, change: Change) -> None:
    if change.connection_id is None:
        template.connection = None
    elif not isinstance(change.connection_id, msgspec.UnsetType):
        template.connection = connection_to_use(template.organisation_id, change.connection_id)
    errors = apply_terms(template, change)
    errors += terms_errors(template, _way_of(template), (), is_text_needed=False)
    if errors:
        raise InvalidInput(errors)


def _way_of(template: DeliveryTemplate) -> Way | None:
    """By which a delivery of it would go out now; None where there is none yet."""
    connection = template.connection
    if connection is None:
        try:
            connection = deliveries.first_connection(template.organisation_id, None, Options.of(template).content)
        except InvalidInput:
            return None
    return deliveries.way_or_none(connection)


# -- names -----------------------------------------------------------------------------------------------------------


def free_name(organisation_id: int, label: str) -> str:
    """An internal name made of a label that no template here has."""
    plain = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    stem = _OTHER.sub("-", plain).strip("-.")[: LONGEST_NAME - 8].lower() or "template"
    rows = DeliveryTemplate.objects.filter(organisation_id=organisation_id, internal_name__startswith=stem)
    taken = {BUILT_IN_NAME, *rows.values_list("internal_name", flat=True)}
    return (
        stem
        if stem not in taken
        else next(name for n in range(2, len(taken) + 3) if (name := f"{stem}-{n}") not in taken)
    )


def _checked_internal_name(template: DeliveryTemplate, name: str) -> str:
    name = name.strip()
    if not _NAME.fullmatch(name):
        raise InvalidInput.at("internal_name", _NAME_WORDS)
    rows = DeliveryTemplate.objects.filter(organisation_id=template.organisation_id, internal_name=name)
    if name == BUILT_IN_NAME or rows.exclude(pk=template.pk).exists():
        raise InvalidInput.at("internal_name", _TAKEN)
    return name


# -- using -----------------------------------------------------------------------------------------------------------


def draft_of(organisation_id: int, template_id: int, given: Draft) -> Draft:
    """What a new delivery says: all that the template does, but for what is given. Raises NotFound."""
    template = find_template(organisation_id, template_id)
    return replace(Draft(connection_id=template.connection_id, **terms_of(template)), **given.said())


def create_delivery(organisation_id: int, template_id: int, given: Draft, now_ms: int) -> Delivery:
    """A new draft of a delivery that begins as the template has it. Raises NotFound, InvalidInput."""
    return deliveries.create_delivery(organisation_id, draft_of(organisation_id, template_id, given), now_ms)
