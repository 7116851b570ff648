"""The audit trail: who changed what, found again and taken along."""

from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from chappe.features.accounts.right import Right
from chappe.features.audit import services
from chappe.features.audit.export import csv_lines, json_lines
from chappe.features.audit.forms import FilterForm
from chappe.features.audit.services import Wanted
from chappe.features.audit.wording import told
from chappe.features.stream import download
from chappe.features.view import PageRequest, page

EVENTS_OF_A_PAGE = 50
FORMATS = {
    "csv": (csv_lines, "text/csv; charset=utf-8"),
    "jsonl": (json_lines, "application/x-ndjson; charset=utf-8"),
}


@page(Right.SEE_AUDIT)
def show_trail(request: PageRequest) -> HttpResponseBase:
    form = FilterForm(request.GET)
    wanted = form.wanted()
    found = services.events_page(
        request.person.organisation_id, wanted, request.GET.get("cursor", ""), EVENTS_OF_A_PAGE
    )
    query = request.GET.copy()
    query.pop("cursor", None)
    values = {
        "form": form,
        "events": [told(one) for one in found.items],
        "page": found,
        "query": query.urlencode(),
        "wanted": wanted,
        "is_filtered": wanted != Wanted(),
        "by": found.items[0].actor_name if wanted.actor_id and found.items else "",
        "of": found.items[0].subject_name if wanted.subject_id and found.items else "",
    }
    return render(request, "audit/trail.html", values)


@page(Right.SEE_AUDIT)
def show_event(request: PageRequest, event_id: int) -> HttpResponseBase:
    event = told(services.find_event(request.person.organisation_id, event_id))
    return render(request, "audit/event.html", {"event": event})


@page(Right.SEE_AUDIT)
def export(request: PageRequest, kind: str) -> HttpResponseBase:
    """The events that the filter of the address lets through, as a file."""
    lines, content_type = FORMATS[kind]
    wanted = FilterForm(request.GET).wanted()
    services.events_page(request.person.organisation_id, wanted, "", 1)
    name = f"chappe-audit-{timezone.localdate():%Y-%m-%d}.{kind}"
    return download(request, lines(request.person.organisation_id, wanted), name, content_type)
