"""API keys, and operators with theirs. A secret is on the page that answers its making, and on none after it."""

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chappe.features.accounts import operator, services
from chappe.features.accounts.right import Right
from chappe.features.accounts.services import NewApiKey
from chappe.features.clock import now_ms
from chappe.features.confirmation import Question, when_confirmed
from chappe.features.connections.account import accounts_of
from chappe.features.form import ConsoleForm
from chappe.features.keys.forms import KeyForm, NewOperatorForm, OperatorForm, OperatorKeyForm, PasswordForm
from chappe.features.view import PageRequest, page

ROWS_OF_A_PAGE = 50


@page(Right.MANAGE_KEYS)
def list_keys(request: PageRequest) -> HttpResponseBase:
    found = services.keys_page(request.person.organisation_id, request.GET.get("cursor", ""), ROWS_OF_A_PAGE)
    return render(request, "keys/keys.html", {"page": found})


@page(Right.MANAGE_KEYS)
def new_key(request: PageRequest) -> HttpResponseBase:
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            made = services.create_api_key(
                request.person.organisation, form.cleaned_data["name"], form.cleaned_data["scopes"], now_ms()
            )
            return _secret(request, made)
    return _form(request, form, _("New API key"), _("Make the key"), "keys:list")


@page(Right.MANAGE_KEYS)
def revoke_key(request: PageRequest, key_id: int) -> HttpResponseBase:
    key = services.find_key(request.person.organisation_id, key_id)
    url = reverse("keys:operator", args=[key.operator_id]) if key.operator_id else reverse("keys:list")
    question = Question(
        name=key.name,
        title=_("Revoke “%(name)s”") % {"name": key.name},
        words=_("Whatever uses this key is refused within a second, and for good. A key cannot be brought back."),
        label=_("Revoke the key"),
        done=_("The key “%(name)s” lets nobody in any more.") % {"name": key.name},
        next_url=url,
        cancel_url=url,
    )
    return when_confirmed(request, question, lambda: services.revoke_api_key(key.organisation_id, key_id, now_ms()))


@page(Right.MANAGE_KEYS)
def list_operators(request: PageRequest) -> HttpResponseBase:
    found = operator.operators_page(request.person.organisation_id, request.GET.get("cursor", ""), ROWS_OF_A_PAGE)
    return render(request, "keys/operators.html", {"page": found})


@page(Right.MANAGE_KEYS)
def new_operator(request: PageRequest) -> HttpResponseBase:
    form = NewOperatorForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        with form.refusals():
            made = operator.create_operator(
                request.person.organisation_id,
                given["login"],
                given["label"],
                given["scopes"],
                now_ms(),
                given["password"],
            )
            words = _("The operator is made. It signs in with a key: make the first one.")
            messages.success(request, _("The operator is made.") if made.password else words)
            return redirect("keys:operator", made.pk)
    return _form(request, form, _("New operator"), _("Make the operator"), "keys:operators")


@page(Right.MANAGE_KEYS)
def show_operator(request: PageRequest, operator_id: int) -> HttpResponseBase:
    found = operator.find_operator(request.person.organisation_id, operator_id)
    keys = operator.keys_page(found, request.GET.get("cursor", ""), ROWS_OF_A_PAGE)
    shown = {
        "operator": found,
        "page": keys,
        "form": OperatorKeyForm(),
        "warnings": operator.warnings_of(found),
        "accounts": accounts_of(found) if found.is_relay else [],
    }
    return render(request, "keys/operator.html", shown)


@page(Right.MANAGE_KEYS)
def edit_operator(request: PageRequest, operator_id: int) -> HttpResponseBase:
    found = operator.find_operator(request.person.organisation_id, operator_id)
    form = OperatorForm(request.POST or None, initial={"label": found.label, "scopes": found.scopes})
    if request.method == "POST" and form.is_valid():
        change = operator.Change(form.cleaned_data["label"], form.cleaned_data["scopes"])
        with form.refusals():
            operator.change_operator(request.person.organisation_id, operator_id, change, now_ms())
            messages.success(request, _("Saved."))
            return redirect("keys:operator", operator_id)
    title = _("Change the operator %(login)s") % {"login": found.login}
    return _form(request, form, title, _("Save"), "keys:operator", operator_id)


@page(Right.MANAGE_KEYS)
def operator_password(request: PageRequest, operator_id: int) -> HttpResponseBase:
    """Set or change it; the old one lets in no longer."""
    found = operator.find_operator(request.person.organisation_id, operator_id)
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            change = operator.Change(password=form.cleaned_data["password"])
            operator.change_operator(request.person.organisation_id, operator_id, change, now_ms())
            messages.success(request, _("The password is set. What signs in by an old one is refused."))
            return redirect("keys:operator", operator_id)
    title = _("Password of %(login)s") % {"login": found.login}
    return _form(request, form, title, _("Set the password"), "keys:operator", operator_id)


@page(Right.MANAGE_KEYS)
@require_POST
def remove_password(request: PageRequest, operator_id: int) -> HttpResponseBase:
    operator.change_operator(request.person.organisation_id, operator_id, operator.Change(password=""), now_ms())
    messages.success(request, _("The password is taken away: the operator signs in with its keys alone."))
    return redirect("keys:operator", operator_id)


@page(Right.MANAGE_KEYS)
@require_POST
def switch_operator(request: PageRequest, operator_id: int) -> HttpResponseBase:
    is_on = request.POST.get("is_enabled") == "1"
    operator.change_operator(request.person.organisation_id, operator_id, operator.Change(is_enabled=is_on), now_ms())
    words = _("The operator is switched on.") if is_on else _("The operator is switched off: its keys let nobody in.")
    messages.success(request, words)
    return redirect("keys:operator", operator_id)


@page(Right.MANAGE_KEYS)
def delete_operator(request: PageRequest, operator_id: int) -> HttpResponseBase:
    found = operator.find_operator(request.person.organisation_id, operator_id)
    question = Question(
        name=found.login,
        title=_("Delete the operator %(login)s") % {"login": found.login},
        words=_(
            "Its keys go with it, and whatever uses them is refused. To stop it for a while, switch it off instead."
        ),
        label=_("Delete the operator"),
        done=_("The operator %(login)s and its keys are gone.") % {"login": found.login},
        next_url=reverse("keys:operators"),
        cancel_url=reverse("keys:operator", args=[operator_id]),
    )
    return when_confirmed(request, question, lambda: operator.delete_operator(found.organisation_id, operator_id))


@page(Right.MANAGE_KEYS)
def new_operator_key(request: PageRequest, operator_id: int) -> HttpResponseBase:
    found = operator.find_operator(request.person.organisation_id, operator_id)
    form = OperatorKeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            made = operator.add_key(request.person.organisation_id, operator_id, form.cleaned_data["name"], now_ms())
            return _secret(request, made)
    title = _("New key of %(login)s") % {"login": found.login}
    return _form(request, form, title, _("Make the key"), "keys:operator", operator_id)


def _form(
    request: PageRequest, form: ConsoleForm, title: str, label: str, back: str, *args: object
) -> HttpResponseBase:
    values = {"form": form, "title": title, "label": label, "back": resolve_url(back, *args)}
    return render(request, "keys/form.html", values)


def _secret(request: PageRequest, made: NewApiKey) -> HttpResponseBase:
    return render(request, "keys/secret.html", {"key": made.row, "secret": made.secret})
