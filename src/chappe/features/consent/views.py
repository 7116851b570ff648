"""Whom we may not write to, and what people said of it."""

from collections.abc import Iterator

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from chappe.features.accounts.right import Right
from chappe.features.clock import instant, now_ms
from chappe.features.consent import ledger, services
from chappe.features.consent.forms import BlockForm, FilterForm, LedgerForm, WishForm
from chappe.features.consent.models import Quarantine
from chappe.features.contacts.models import Contact
from chappe.features.contacts.services import find_contact
from chappe.features.form import chosen_ids, number_of
from chappe.features.stream import csv_line, download
from chappe.features.view import PageRequest, back, forbidden, page

ROWS_OF_A_PAGE = 50


@page(Right.SEE_CONSENT)
def quarantine(request: PageRequest) -> HttpResponseBase:
    form = FilterForm(request.GET)
    address, status = _filter(form)
    cursor = request.GET.get("cursor", "")
    is_whole = not request.person.may(Right.SEE_NUMBERS)
    found = services.quarantined(
        request.person.organisation_id, address, status, cursor, ROWS_OF_A_PAGE, is_whole=is_whole
    )
    query = request.GET.copy()
    query.pop("cursor", None)
    values = {
        "form": form,
        "page": found,
        "is_filtered": bool(address or status),
        "query": query.urlencode(),
        "has_blocking": any(row.status in services.BLOCKING for row in found.items),
        "blocking": services.BLOCKING,
    }
    return render(request, "consent/quarantine.html", values)


def _filter(form: FilterForm) -> tuple[str, str]:
    """What is looked for; nothing where it is not readable."""
    if not form.is_valid():
        return "", ""
    return form.cleaned_data["address"].strip(), form.cleaned_data["status"]


@page(Right.MANAGE_CONSENT)
@require_POST
def release(request: PageRequest) -> HttpResponseBase:
    """Those that were ticked may be written to again."""
    ids = chosen_ids(request.POST.getlist("ids"))
    reason = request.POST.get("reason", "")
    done = services.release_many(request.person.organisation_id, ids, reason, now_ms(), ledger.CONSOLE)
    words = ngettext("%(count)s is released.", "%(count)s are released.", done) % {"count": done}
    messages.success(request, words)
    return back(request, reverse("consent:quarantine"))


@page(Right.MANAGE_CONSENT)
def add(request: PageRequest) -> HttpResponseBase:
    form = BlockForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            services.add_to_quarantine(request.person.organisation_id, form.block(), now_ms(), ledger.CONSOLE)
            messages.success(request, _("Nothing more is sent there."))
            return redirect("consent:quarantine")
    return render(request, "consent/add.html", {"form": form})


@page(Right.SEE_CONSENT)
def export(request: PageRequest) -> HttpResponseBase:
    """The quarantine as a file, as it is filtered; with whole numbers, so only for those who may see them."""
    if not request.person.may(Right.SEE_NUMBERS):
        return forbidden(request, Right.SEE_NUMBERS)
    address, status = _filter(FilterForm(request.GET))
    rows = services.every_quarantined(request.person.organisation_id, address, status)
    name = f"chappe-quarantine-{timezone.localdate():%Y-%m-%d}.csv"
    return download(request, _lines(rows), name, "text/csv; charset=utf-8")


def _lines(rows: Iterator[Quarantine]) -> Iterator[str]:
    head = ("id", "channel", "address", "short_code", "status", "reason", "errors", "last_error", "since", "changed")
    yield csv_line(head)
    for row in rows:
        times = [_time(ms) for ms in (row.last_error_ms, row.created_ms, row.changed_ms)]
        facts = (row.channel, row.address, row.short_code, row.status, row.reason, str(row.error_count))
        yield csv_line([str(row.pk), *facts, *times])


def _time(ms: int) -> str:
    at = instant(ms)
    return at.isoformat(timespec="seconds") if at is not None else ""


# -- ledger ----------------------------------------------------------------------------------------------------------


@page(Right.SEE_CONSENT)
def show_ledger(request: PageRequest) -> HttpResponseBase:
    """Who said yes or no; of one address where one is asked for, by itself or by its line of the quarantine."""
    organisation_id = request.person.organisation_id
    form = LedgerForm(request.GET)
    form.field_names = {"channel": "address"}
    entry = _entry(organisation_id, request.GET.get("entry", ""))
    address = entry.address if entry else form["address"].value() or ""
    found = None
    with form.refusals():
        cursor = request.GET.get("cursor", "")
        found = ledger.ledger_page(organisation_id, address, "", cursor, ROWS_OF_A_PAGE)
    values = {"form": form, "page": found, "entry": entry, "is_filtered": bool(address.strip())}
    return render(request, "consent/ledger.html", values)


def _entry(organisation_id: int, text: str) -> Quarantine | None:
    number = number_of(text)
    return None if number is None else services.find_quarantined(organisation_id, number)


@page(Right.MANAGE_CONSENT)
def record(request: PageRequest) -> HttpResponseBase:
    """A wish that came by letter, by phone, at the counter. `contact` in the address: of a person whom we know."""
    organisation_id = request.person.organisation_id
    contact = _contact(organisation_id, request.GET.get("contact", ""))
    known = (contact.phone or contact.email) if contact else ""
    form = WishForm(request.POST or None, known_address=known)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            ledger.record_wish(organisation_id, form.wish(), now_ms(), ledger.CONSOLE)
            messages.success(request, _("It is written into the ledger, and heeded from now on."))
            return redirect("contacts:person", contact.pk) if contact else redirect("consent:ledger")
    return render(request, "consent/record.html", {"form": form, "contact": contact, "known": known})


def _contact(organisation_id: int, text: str) -> Contact | None:
    number = number_of(text)
    return None if number is None else find_contact(organisation_id, number)
