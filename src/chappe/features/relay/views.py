"""Other installations: whose messages go out through connections of ours, and how far they were told what became of them."""

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms
from chappe.features.confirmation import Question, when_confirmed
from chappe.features.relay import overview, services
from chappe.features.relay.forms import NetworksForm
from chappe.features.view import PageRequest, page


@page(Right.SEE_CONNECTIONS)
def list_accounts(request: PageRequest) -> HttpResponseBase:
    return render(request, "relay/accounts.html", {"accounts": overview.accounts(request.person.organisation_id)})


@page(Right.SEE_CONNECTIONS, change=Right.MANAGE_CONNECTIONS)
def show_account(request: PageRequest, account_id: int) -> HttpResponseBase:
    """One account: how it is told, its deliveries, and the networks that it may be called in."""
    account = overview.find_account(request.person.organisation_id, account_id)
    form = NetworksForm(
        request.POST or None, initial={"allowed_networks": account.row.allowed_networks if account.row else ""}
    )
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            services.allow_networks(account.connection, form.cleaned_data["allowed_networks"])
        if not form.is_refused:
            messages.success(request, _("Saved."))
            return redirect("relay:account", account_id)
    found = overview.deliveries_page(
        account.connection.pk, request.GET.get("cursor", ""), overview.DELIVERIES_OF_A_PAGE
    )
    return render(request, "relay/account.html", {"account": account, "form": form, "page": found})


@page(Right.SEE_CONNECTIONS)
def show_delivery(request: PageRequest, account_id: int, number: int) -> HttpResponseBase:
    account, delivery = _found(request, account_id, number)
    return render(request, "relay/delivery.html", {"account": account, "delivery": delivery})


@page(Right.MANAGE_CONNECTIONS)
@require_POST
def pause(request: PageRequest, account_id: int, number: int) -> HttpResponseBase:
    return _changed(request, account_id, number, "pause")


@page(Right.MANAGE_CONNECTIONS)
@require_POST
def resume(request: PageRequest, account_id: int, number: int) -> HttpResponseBase:
    return _changed(request, account_id, number, "resume")


@page(Right.MANAGE_CONNECTIONS)
def cancel(request: PageRequest, account_id: int, number: int) -> HttpResponseBase:
    account, delivery = _found(request, account_id, number)
    url = reverse("relay:delivery", args=[account_id, number])
    question = Question(
        name=str(delivery.number),
        title=_("Cancel delivery %(number)s of %(operator)s") % {"number": number, "operator": account.operator},
        words=_(
            "What still waits here is never sent, and the other installation is told so. What has left cannot be called back. "
            "This cannot be undone."
        ),
        label=_("Cancel the delivery"),
        done=_("Cancelled: what waited is not sent. What has left cannot be called back."),
        next_url=url,
        cancel_url=url,
    )
    return when_confirmed(
        request, question, lambda: services.delivery_is(account.connection, number, "cancel", now_ms())
    )


def _changed(request: PageRequest, account_id: int, number: int, action: str) -> HttpResponseBase:
    account, _delivery = _found(request, account_id, number)
    services.delivery_is(account.connection, number, action, now_ms())
    return redirect("relay:delivery", account_id, number)


def _found(request: PageRequest, account_id: int, number: int) -> tuple[overview.Account, overview.Delivery]:
    """Raises NotFound."""
    account = overview.find_account(request.person.organisation_id, account_id)
    return account, overview.find_delivery(account.connection.pk, number)
