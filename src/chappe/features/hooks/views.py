"""Hooks: addresses of ours that providers call, how their calls are read, and how the last ones went."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from chappe.engine.address import HOOKS, hook_url
from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms
from chappe.features.confirmation import Question, when_confirmed
from chappe.features.connections.services import connections_of
from chappe.features.form import number_of
from chappe.features.hooks import services
from chappe.features.hooks.forms import KIND_LABELS, HookForm, NewHookForm
from chappe.features.hooks.models import Hook, HookCount
from chappe.features.hooks.wording import meanings_of, outcome_words
from chappe.features.view import PageRequest, page
from chappe.providers.hook_payload import PLACEHOLDERS, HookKind
from chappe.providers.registry import HTTP

Counted = tuple[Any, int, bool, int]
"""What became of calls, in words; how many; whether that is well; when the last."""


@page(Right.SEE_CONNECTIONS)
def list_hooks(request: PageRequest) -> HttpResponseBase:
    """Hooks that are described here, and the addresses that each provider has by itself."""
    organisation_id = request.person.organisation_id
    hooks = list(services.hooks_of(organisation_id).select_related("connection").order_by("name"))
    counts = services.counts_of(hooks)
    by_address = services.address_counts_of(organisation_id)
    own = [one for one in connections_of(organisation_id) if one.provider in HTTP]
    shown = {
        "hooks": [(hook, KIND_LABELS[hook.kind], *_sums(counts.get(hook.pk, []))) for hook in hooks],
        "addresses": [
            (one, *_sums(by_address.get(one.pk, []))) for one in own if not HTTP[one.provider].SPEC.has_described_hooks
        ],
        "can_be_made": bool(own),
    }
    return render(request, "hooks/hooks.html", shown)


@page(Right.MANAGE_HOOKS)
def create_hook(request: PageRequest) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    connections = [one for one in connections_of(organisation_id) if one.provider in HTTP]
    asked = {"connection": request.GET.get("connection", ""), "kind": HookKind.INBOUND.value}
    form = NewHookForm(request.POST or None, connections=connections, initial=asked)
    if request.method == "POST" and form.is_valid():
        made: Hook | None = None
        typed = form.cleaned_data
        with form.refusals():
            change = services.Change(name=typed["name"], payload=typed["payload"])
            made = services.create_hook(organisation_id, typed["connection"], typed["kind"], change, now_ms())
        if made is not None:
            messages.success(request, _("The hook is made. Give its address to the provider."))
            return redirect("hooks:hook", made.pk)
    shown = {"form": form, "placeholders": [(KIND_LABELS[kind], PLACEHOLDERS[kind]) for kind in HookKind]}
    return render(request, "hooks/new.html", shown)


@page(Right.SEE_CONNECTIONS)
def show_hook(request: PageRequest, hook_id: int) -> HttpResponseBase:
    """Its address, what became of its calls, and the last of them."""
    hook = services.find_hook(request.person.organisation_id, hook_id)
    counts = services.counts_of([hook]).get(hook.pk, [])
    shown = {
        "hook": hook,
        "kind": KIND_LABELS[hook.kind],
        "url": _url(request, hook) if request.person.may(Right.MANAGE_HOOKS) else "",
        "is_public": bool(settings.CONFIGURATION.public_url),
        "is_turning": hook.previous_until_ms > now_ms(),
        "counts": [_counted(one) for one in counts],
        "calls": services.last_calls(hook),
        "rules": services.shown_keywords(hook).rules if hook.kind == HookKind.INBOUND else (),
    }
    return render(request, "hooks/hook.html", shown)


@page(Right.MANAGE_HOOKS)
def edit_hook(request: PageRequest, hook_id: int) -> HttpResponseBase:
    """Change a hook; or, by another button of the same form, try a call against what is typed."""
    organisation_id = request.person.organisation_id
    hook = services.find_hook(organisation_id, hook_id)
    form, tried = HookForm(request.POST or None, hook=hook), None
    if request.method == "POST" and form.is_valid():
        if "try" in request.POST:
            tried = _tried(hook, form)
        elif _is_saved(organisation_id, hook, form, request.POST.get("version", "")):
            messages.success(request, _("Saved."))
            return redirect("hooks:hook", hook_id)
    shown = {"hook": hook, "form": form, "tried": tried, "placeholders": PLACEHOLDERS[HookKind(hook.kind)]}
    return render(request, "hooks/edit.html", shown)


def _is_saved(organisation_id: int, hook: Hook, form: HookForm, version: str) -> bool:
    read = number_of(version)
    with form.refusals():
        change = form.change(hook.version if read is None else read)
        services.change_hook(organisation_id, hook.pk, change, now_ms())
    return not form.is_refused


def _tried(hook: Hook, form: HookForm) -> dict[str, Any] | None:
    """What is read from the call that was typed."""
    change = services.Change(
        payload=form.cleaned_data["payload"], statuses=None if form.is_inbound else form.statuses()
    )
    with form.refusals():
        found = services.try_call(hook, form.cleaned_data["call"], change)
        return {"problem": found.problem, "values": found.values, "events": meanings_of(found.events)}
    return None


@page(Right.MANAGE_HOOKS)
@require_POST
def switch(request: PageRequest, hook_id: int) -> HttpResponseBase:
    change = services.Change(is_enabled=request.POST.get("is_enabled") == "1")
    services.change_hook(request.person.organisation_id, hook_id, change, now_ms())
    return redirect("hooks:hook", hook_id)


@page(Right.MANAGE_HOOKS)
@require_POST
def rotate(request: PageRequest, hook_id: int) -> HttpResponseBase:
    """Another address; the one before is good for a day more."""
    services.rotate_token(request.person.organisation_id, hook_id, now_ms())
    messages.success(request, _("The hook has another address. The one before is good for a day more."))
    return redirect("hooks:hook", hook_id)


@page(Right.MANAGE_HOOKS)
def delete_hook(request: PageRequest, hook_id: int) -> HttpResponseBase:
    hook = services.find_hook(request.person.organisation_id, hook_id)
    question = Question(
        name=hook.name,
        title=_("Delete the hook %(name)s") % {"name": hook.name},
        words=_("Calls to its address are refused from then on, and what they would have told is lost."),
        label=_("Delete the hook"),
        done=_("The hook is gone."),
        next_url=reverse("hooks:list"),
        cancel_url=reverse("hooks:hook", args=[hook_id]),
    )
    return when_confirmed(request, question, lambda: services.delete_hook(hook.organisation_id, hook_id))


def _url(request: HttpRequest, hook: Hook) -> str:
    """By the public address of this installation or, where there is none, by the one that the browser used."""
    return hook_url(settings.CONFIGURATION.public_url, hook.token) or request.build_absolute_uri(f"{HOOKS}{hook.token}")


def _counted(count: HookCount) -> Counted:
    words, is_well = outcome_words(count.outcome)
    return words, count.calls, is_well, count.last_ms


def _sums(counts: Sequence[HookCount]) -> tuple[int, int, int]:
    """Calls that were taken, calls that were refused, when the last came."""
    found = [_counted(one) for one in counts]
    taken = sum(calls for _, calls, is_well, _ in found if is_well)
    return taken, sum(calls for _, calls, *_ in found) - taken, max((last for *_, last in found), default=0)
