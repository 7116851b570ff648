"""Callbacks: the addresses of customers' programs that we call, and the calls that were given up."""

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from chappe.features.accounts.right import Right
from chappe.features.callbacks import services
from chappe.features.callbacks.forms import EVENT_LABELS, EndpointForm
from chappe.features.clock import now_ms
from chappe.features.confirmation import Question, when_confirmed
from chappe.features.form import chosen_ids
from chappe.features.view import PageRequest, page

LETTERS_OF_A_PAGE = 50


@page(Right.SEE_CONNECTIONS)
def list_callbacks(request: PageRequest) -> HttpResponseBase:
    rows = list(services.endpoints_of(request.person.organisation_id).order_by("pk"))
    dead = services.dead_counts([row.pk for row in rows])
    return render(request, "callbacks/callbacks.html", {"rows": [(row, dead.get(row.pk, 0)) for row in rows]})


@page(Right.MANAGE_HOOKS)
def create_callback(request: PageRequest) -> HttpResponseBase:
    """A new address; its secret is shown on the answer, this once."""
    form = EndpointForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            made = services.create_endpoint(request.person.organisation_id, now_ms=now_ms(), **form.cleaned_data)
        if not form.is_refused:
            return render(request, "callbacks/secret.html", {"callback": made.row, "secret": made.secret})
    return render(request, "callbacks/edit.html", {"form": form, "callback": None})


@page(Right.SEE_CONNECTIONS)
def show_callback(request: PageRequest, callback_id: int) -> HttpResponseBase:
    """One address: what it hears of, and what could not be said to it."""
    organisation_id, asked = request.person.organisation_id, request.GET.get("event", "")
    row = services.find_endpoint(organisation_id, callback_id)
    letters = services.dead_letters(
        organisation_id, callback_id, services.Letters(event=asked), request.GET.get("cursor", ""), LETTERS_OF_A_PAGE
    )
    shown = {
        "callback": row,
        "events": [EVENT_LABELS[event] for event in row.events],
        "letters": letters,
        "is_signed_twice": row.previous_until_ms > now_ms(),
    }
    return render(request, "callbacks/callback.html", shown)


@page(Right.MANAGE_HOOKS)
def edit_callback(request: PageRequest, callback_id: int) -> HttpResponseBase:
    row = services.find_endpoint(request.person.organisation_id, callback_id)
    form = EndpointForm(request.POST or None, endpoint=row)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            change = services.Change(**form.cleaned_data)
            services.change_endpoint(request.person.organisation_id, callback_id, change, now_ms())
        if not form.is_refused:
            messages.success(request, _("Saved."))
            return redirect("callbacks:callback", callback_id)
    return render(request, "callbacks/edit.html", {"form": form, "callback": row})


@page(Right.MANAGE_HOOKS)
@require_POST
def switch(request: PageRequest, callback_id: int) -> HttpResponseBase:
    """On or off. What happens while it is off is not called later."""
    change = services.Change(is_enabled=request.POST.get("is_enabled") == "1")
    services.change_endpoint(request.person.organisation_id, callback_id, change, now_ms())
    return redirect("callbacks:callback", callback_id)


@page(Right.MANAGE_HOOKS)
@require_POST
def try_callback(request: PageRequest, callback_id: int) -> HttpResponseBase:
    services.send_test(request.person.organisation_id, callback_id, now_ms())
    messages.success(request, _("A test call is on its way. If it cannot be made, it will be among the dead letters."))
    return redirect("callbacks:callback", callback_id)


@page(Right.MANAGE_HOOKS)
@require_POST
def rotate(request: PageRequest, callback_id: int) -> HttpResponseBase:
    """A new secret, shown this once; for a day, calls are signed with both."""
    made = services.rotate_secret(request.person.organisation_id, callback_id, now_ms())
    return render(request, "callbacks/secret.html", {"callback": made.row, "secret": made.secret, "is_new": True})


@page(Right.MANAGE_HOOKS)
@require_POST
def replay(request: PageRequest, callback_id: int) -> HttpResponseBase:
    """Call again: the chosen ones, or all. To choose none is not to mean all."""
    chosen = request.POST.getlist("letter")
    letters = services.Letters(ids=chosen_ids(chosen)) if chosen or "chosen" in request.POST else services.Letters()
    count = services.replay(request.person.organisation_id, callback_id, letters, now_ms())
    said = ngettext("%(count)s call is made again.", "%(count)s calls are made again.", count)
    messages.success(request, said % {"count": count})
    return redirect("callbacks:callback", callback_id)


@page(Right.MANAGE_HOOKS)
def delete_callback(request: PageRequest, callback_id: int) -> HttpResponseBase:
    row = services.find_endpoint(request.person.organisation_id, callback_id)
    question = Question(
        name=row.url,
        title=_("Delete this callback"),
        words=_("Nothing is called any more, and what was still to be called is forgotten."),
        label=_("Delete the callback"),
        done=_("The callback is gone."),
        next_url=reverse("callbacks:list"),
        cancel_url=reverse("callbacks:callback", args=[callback_id]),
    )
    return when_confirmed(
        request, question, lambda: services.delete_endpoint(row.organisation_id, callback_id, now_ms())
    )
