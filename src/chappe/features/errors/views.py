"""Errors that providers gave, as a list of work: each is said once what it means."""

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from chappe.features.accounts.right import Right
from chappe.features.connections import qualification
from chappe.features.connections.qualification import Verdict
from chappe.features.errors.forms import SHORT_KINDS, VerdictForm
from chappe.features.view import PageRequest, page

ERRORS_OF_A_PAGE = 50
TO_QUALIFY, ALL = "to_qualify", "all"
BOXES = {
    TO_QUALIFY: gettext_lazy("To be qualified"),
    "keep": gettext_lazy("Qualified"),
    "ignore": gettext_lazy("Set aside"),
    ALL: gettext_lazy("All"),
}


@page(Right.SEE_CONNECTIONS)
def list_errors(request: PageRequest) -> HttpResponseBase:
    """Those that nobody has qualified yet come first."""
    asked = request.GET.get("status", TO_QUALIFY)
    status = asked if asked in BOXES else TO_QUALIFY
    found = qualification.qualifications(
        request.person.organisation_id,
        "" if status == ALL else status,
        request.GET.get("cursor", ""),
        ERRORS_OF_A_PAGE,
    )
    shown = {"page": found, "status": status, "boxes": BOXES.items(), "kinds": SHORT_KINDS}
    return render(request, "errors/errors.html", shown)


@page(Right.SEE_CONNECTIONS, change=Right.QUALIFY_ERRORS)
def show_error(request: PageRequest, error_id: int) -> HttpResponseBase:
    """One error, and what it is to mean from the next receipt on."""
    row = qualification.find_qualification(request.person.organisation_id, error_id)
    form = VerdictForm(request.POST or None, qualification=row)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            verdict = Verdict(kind=form.cleaned_data["kind"], reason=form.cleaned_data["reason"])
            qualification.qualify(request.person.organisation_id, error_id, verdict)
        if not form.is_refused:
            messages.success(request, _("The next receipt with this error is read so."))
            return redirect("errors:list")
    return render(request, "errors/error.html", {"error": row, "form": form})


@page(Right.QUALIFY_ERRORS)
@require_POST
def set_aside(request: PageRequest, error_id: int) -> HttpResponseBase:
    """Nothing is to be said of it: it leaves the list of work."""
    qualification.qualify(request.person.organisation_id, error_id, Verdict(status="ignore"))
    return redirect("errors:list")
