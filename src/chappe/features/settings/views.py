"""The pages of an organisation's settings: an overview, and one page for each thing that is settled."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from chappe.engine.configuration import ANY_NETWORK
from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms
from chappe.features.form import ConfirmForm
from chappe.features.settings import egress, quiet_wait, services
from chappe.features.settings import retention as keeping
from chappe.features.settings.forms import MomentForm, NetworksForm, OrganisationForm, QuietHoursForm, RetentionForm
from chappe.features.settings.models import OrganisationSettings
from chappe.features.settings.place import region_name
from chappe.features.settings.services import Change, quiet_hours_of, settings_of
from chappe.features.settings.week import coming_week
from chappe.features.view import PageRequest, page
from chappe.rules.quiet_hours import QuietAction, QuietHours, shown


@page(Right.MANAGE_SETTINGS)
def overview(request: PageRequest) -> HttpResponseBase:
    row = settings_of(request.person.organisation_id)
    at_ms, hours = now_ms(), quiet_hours_of(row)
    values = {
        "settings": row,
        "language": {"": _("as each person's browser asks for it"), "en": "English", "fr": "Français"}[row.language],
        "region": region_name(row.region) if row.region else "",
        "state": _state(hours, at_ms) if hours else None,
        "week": coming_week(hours, at_ms) if hours else None,
        "waiting": quiet_wait.waiting(row.organisation_id, at_ms) if hours else 0,
        "kept": keeping.kept(row),
        "is_any_network": row.allowed_networks == ANY_NETWORK,
        "ceiling": egress.ceiling(),
        "is_any_ceiling": egress.ceiling() == ANY_NETWORK,
    }
    return render(request, "settings/overview.html", values)


# -- organisation ------------------------------------------------------------------------------------------------------


@page(Right.MANAGE_SETTINGS)
def organisation(request: PageRequest) -> HttpResponseBase:
    row = settings_of(request.person.organisation_id)
    names = ("language", "time_zone", "region", "unknown_error_kind")
    initial = {"name": request.person.organisation.name, **{name: getattr(row, name) for name in names}}
    form = OrganisationForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        with form.refusals():
            change = Change(**{name: given[name] for name in ("name", *names)}, version=_version(request))
            services.change_settings(row.organisation_id, change, now_ms())
            return _saved(request)
    return render(request, "settings/organisation.html", {"form": form, "settings": row})


# -- quiet hours -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """Whether it is quiet at a moment, and until when that stays so, as the clock shows it."""

    is_quiet: bool
    until: str


def _state(hours: QuietHours, at_ms: int) -> State:
    is_quiet, until_ms = hours.state_at(at_ms)
    is_known = is_quiet or hours.is_quiet(until_ms)
    return State(is_quiet, shown(until_ms, hours.zone, at_ms) if is_known else "")


@page(Right.MANAGE_SETTINGS)
def quiet_hours(request: PageRequest) -> HttpResponseBase:
    row = settings_of(request.person.organisation_id)
    data = request.POST if request.method == "POST" else None
    form = QuietHoursForm(row.quiet_periods, row.quiet_action, row.version, data)
    if data is not None and form.is_valid():
        with form.refusals():
            change = Change(
                quiet_periods=[one.period for one in form.filled if one.period is not None],
                quiet_action=form.action.cleaned_data["action"],
                version=_version(request),
            )
            services.change_settings(row.organisation_id, change, now_ms())
            return _saved(request, "settings:quiet_hours")
    hours, at_ms = quiet_hours_of(row), now_ms()
    values = {
        "form": form,
        "settings": row,
        "state": _state(hours, at_ms) if hours else None,
        "week": coming_week(hours, at_ms) if hours else None,
        "waiting": quiet_wait.waiting(row.organisation_id, at_ms) if hours else 0,
        **_tried(request, row, hours),
    }
    return render(request, "settings/quiet_hours.html", values)


def _tried(request: PageRequest, row: OrganisationSettings, hours: QuietHours | None) -> dict[str, Any]:
    """What would become of a marketing message at the moment that was asked about."""
    form = MomentForm(request.GET if "at" in request.GET else None)
    if not form.is_bound or not form.is_valid():
        return {"tester": form}
    at_ms = round(form.cleaned_data["at"].timestamp() * 1000)
    is_quiet, until_ms = hours.state_at(at_ms) if hours is not None else (False, 0)
    return {
        "tester": form,
        "answer": {
            "at_ms": at_ms,
            "is_quiet": is_quiet,
            "is_dropped": is_quiet and row.quiet_action == QuietAction.DISCARD,
            "until_ms": until_ms,
        },
    }


# -- retention ---------------------------------------------------------------------------------------------------------


@page(Right.MANAGE_SETTINGS)
def retention(request: PageRequest) -> HttpResponseBase:
    row = settings_of(request.person.organisation_id)
    kept = keeping.kept(row)
    form = RetentionForm(kept, request.POST or None)
    values: dict[str, Any] = {"form": form, "settings": row, "kept": kept, "fields": _fields(form, kept)}
    if request.method != "POST" or not form.is_valid():
        return render(request, "settings/retention.html", values)
    change = Change(retention=form.days, version=_version(request))
    with form.refusals():
        services.check(row, change)
    name = request.person.organisation.name
    is_asked = "confirmation" in request.POST
    certain = ConfirmForm(request.POST if is_asked else None, name=name)
    shorter = [] if form.is_refused else _shorter(form, kept)
    if shorter and not (is_asked and certain.is_valid()):
        return render(request, "settings/retention.html", {**values, "shorter": shorter, "certain": certain})
    if not form.is_refused:
        with form.refusals():
            services.change_settings(row.organisation_id, change, now_ms())
    return render(request, "settings/retention.html", values) if form.is_refused else _saved(request)


def _shorter(form: RetentionForm, kept: list[keeping.Kept]) -> list[tuple[Any, int]]:
    """What is kept for less long from now on, and for how many days."""
    days = form.days
    found = ((one, days[one.kind.key]) for one in kept)
    return [(one.kind.label, new) for one, new in found if new and (not one.days or new < one.days)]


def _fields(form: RetentionForm, kept: list[keeping.Kept]) -> list[tuple[Any, keeping.Kept]]:
    return [(form[one.kind.key], one) for one in kept]


# -- networks ----------------------------------------------------------------------------------------------------------


@page(Right.MANAGE_SETTINGS)
def networks(request: PageRequest) -> HttpResponseBase:
    row = settings_of(request.person.organisation_id)
    is_any = row.allowed_networks == ANY_NETWORK
    initial = {
        "scope": ANY_NETWORK if is_any else NetworksForm.LISTED,
        "allowed_networks": "" if is_any else row.allowed_networks,
    }
    form = NetworksForm(request.POST or None, initial=initial)
    values = {
        "form": form,
        "settings": row,
        "ceiling": egress.ceiling(),
        "is_any_ceiling": egress.ceiling() == ANY_NETWORK,
        "listed": egress.listed(row.organisation_id),
    }
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            services.check(row, Change(allowed_networks=form.text))
            cut_off = egress.beyond(row.organisation_id, form.text)
            if cut_off and "certain" not in request.POST:
                return render(request, "settings/networks.html", {**values, "cut_off": cut_off})
            change = Change(allowed_networks=form.text, version=_version(request))
            services.change_settings(row.organisation_id, change, now_ms())
            return _saved(request)
    return render(request, "settings/networks.html", values)


def _saved(request: PageRequest, back: str = "settings:overview") -> HttpResponseBase:
    messages.success(request, _("Saved. It holds within a second."))
    return redirect(back)


def _version(request: PageRequest) -> int | None:
    """The settings as the form was filled in from."""
    text = request.POST.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None
