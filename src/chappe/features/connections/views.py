"""The pages of connections, but for those that have a module of their own."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from chappe.features.accounts.right import Right
from chappe.features.audit.actor import ActorKind
from chappe.features.audit.wording import ACTORS
from chappe.features.clock import now_ms
from chappe.features.confirmation import Question, when_confirmed
from chappe.features.connections import history, services
from chappe.features.connections.account import Naming
from chappe.features.connections.certificate import Expiry, expiries
from chappe.features.connections.edit import logged_in_alike
from chappe.features.connections.exchange import exchanges_page
from chappe.features.connections.exchange_text import Told, told
from chappe.features.connections.fact import counterpart_of, facts_of
from chappe.features.connections.form_account import (
    INTERNAL_NAME,
    OPERATOR,
    Asked,
    account_fields,
    asked_of,
    asks,
    written,
)
from chappe.features.connections.form_settings import shared_login_words
from chappe.features.connections.hook_setup import hook_setup
from chappe.features.connections.models import Connection, ConnectionVersion
from chappe.features.connections.order import move
from chappe.features.connections.performance import Line, line_of, lines_of
from chappe.features.connections.risk import Risk, risks
from chappe.features.connections.version import BEGIN, CHANGE, CREATE, REPLACE, REPLACED, REVERT
from chappe.features.connections.wall import ShownLine, drawn_line
from chappe.features.form import ConsoleForm
from chappe.features.messages.models import Exchange
from chappe.features.view import PageRequest, back, page
from chappe.messaging import Channel, ConfigError
from chappe.providers.contract import ProviderSpec
from chappe.providers.registry import HTTP, PROVIDERS

SHOWN = 20
MOST_DAYS = 36_500
"""Within which the end of a certificate is shown: all that people issue."""
ACTIONS = {
    BEGIN: gettext_lazy("The history begins"),
    CREATE: gettext_lazy("Connected"),
    CHANGE: gettext_lazy("Changed"),
    REVERT: gettext_lazy("Brought back"),
    REPLACE: gettext_lazy("Made in the place of another"),
    REPLACED: gettext_lazy("Replaced"),
}
CHANNELS = {
    Channel.SMS: gettext_lazy("SMS"),
    Channel.RCS: gettext_lazy("RCS"),
    Channel.EMAIL: gettext_lazy("E-mail"),
}


@dataclass(frozen=True)
class Listed:
    """A line of the list. `used_for` are the channels for which what names no connection goes through it."""

    shown: ShownLine
    spec: ProviderSpec | None
    is_complete: bool
    used_for: str

    @property
    def connection(self) -> Connection:
        return self.shown.line.connection

    @property
    def channels(self) -> str:
        return channels_of(self.spec)


def channels_of(spec: ProviderSpec | None) -> str:
    return channel_words(spec.channels if spec is not None else ())


def channel_words(channels: Container[Channel]) -> str:
    return ", ".join(str(label) for channel, label in CHANNELS.items() if channel in channels)


# -- the list ------------------------------------------------------------------------------------------------------------


@page(Right.SEE_CONNECTIONS)
def connections(request: PageRequest) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    listed = _listed(lines_of(organisation_id, now_ms()))
    replaced = services.replaced_connections(organisation_id)
    return render(request, "connections/list.html", {"listed": listed, "replaced": replaced})


def _listed(lines: list[Line]) -> list[Listed]:
    taken: set[Channel] = set()
    found = []
    for line in lines:
        connection, spec = line.connection, PROVIDERS.get(line.connection.provider)
        is_complete = _is_complete(connection)
        channels = set(spec.channels) if spec is not None and is_complete and connection.is_enabled else set()
        found.append(Listed(drawn_line(line), spec, is_complete, channel_words(channels - taken)))
        taken |= channels
    return found


def _is_complete(connection: Connection) -> bool:
    try:
        services.way_of(connection)
    except ConfigError:
        return False
    return True


@page(Right.MANAGE_CONNECTIONS)
@require_POST
def moved(request: PageRequest, connection_id: int) -> HttpResponseBase:
    places = -1 if request.POST.get("direction") == "up" else 1
    move(request.person.organisation_id, connection_id, places, now_ms())
    return redirect("connections:list")


@page(Right.MANAGE_CONNECTIONS)
@require_POST
def switched(request: PageRequest, connection_id: int) -> HttpResponseBase:
    is_enabled = request.POST.get("to") == "on"
    change = services.Change(is_enabled=is_enabled)
    changed = services.change_connection(request.person.organisation_id, connection_id, change, now_ms())
    said = (
        _("%(name)s is switched on.")
        if is_enabled
        else _("%(name)s is switched off. What waits for it goes on waiting.")
    )
    messages.success(request, said % {"name": changed.name})
    return back(request)


# -- one connection ------------------------------------------------------------------------------------------------------


class NameForm(ConsoleForm):
    """Its name; and, where others can send through it, for whom it is."""

    name = forms.CharField(max_length=services.LONGEST_NAME, label=gettext_lazy("Name"))

    def __init__(self, *args: Any, connection: Connection, **kwargs: Any) -> None:
        asked = asked_of(connection)
        initial = {"name": connection.name, OPERATOR: asked.operator, INTERNAL_NAME: asked.internal_name}
        super().__init__(*args, initial=initial, **kwargs)
        if asks(PROVIDERS.get(connection.provider)) and not connection.replaced_by:
            self.fields |= account_fields(connection.organisation_id)

    def change(self, organisation_id: int) -> services.Change:
        """What to change. Raises InvalidInput."""
        given = self.cleaned_data
        if INTERNAL_NAME not in given:
            return services.Change(name=given["name"])
        asked = Asked(given[OPERATOR], given[INTERNAL_NAME])
        return services.Change(name=given["name"], internal_name=written(organisation_id, asked))


@page(Right.SEE_CONNECTIONS, change=Right.MANAGE_CONNECTIONS)
def overview(request: PageRequest, connection_id: int) -> HttpResponseBase:
    """What the connection is and how it is; its name can be changed here, whatever its kind."""
    organisation_id = request.person.organisation_id
    line = line_of(organisation_id, connection_id, now_ms())
    form = NameForm(request.POST or None, connection=line.connection)
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            services.change_connection(organisation_id, connection_id, form.change(organisation_id), now_ms())
        if not form.is_refused:
            messages.success(request, _("The name is changed."))
            return redirect("connections:overview", connection_id)
    return render(request, "connections/overview.html", {"form": form, **_facts(line)})


def _facts(line: Line) -> dict[str, object]:
    connection = line.connection
    spec, naming = PROVIDERS.get(connection.provider), Naming(connection.organisation_id)
    return {
        "connection": connection,
        "shown": drawn_line(line),
        "spec": spec,
        "channels": channels_of(spec),
        "is_complete": _is_complete(connection),
        "is_fixed": connection.provider in services.VENDORS,
        "risks": _risks(connection, spec),
        "certificates": _certificates(connection),
        "former": services.former_connection(connection),
        "shared": _shared(connection),
        "facts": facts_of(spec) if spec is not None else (),
        "owner": naming.owner(connection),
        "counterpart": counterpart_of(connection),
        "naming_warnings": naming.warnings(connection),
    }


def _shared(connection: Connection) -> str:
    names = logged_in_alike(connection, connection.settings)
    return shared_login_words(connection.provider, names) if names else ""


def _risks(connection: Connection, spec: ProviderSpec | None) -> list[tuple[str, Risk]]:
    """Those that the settings take, each with the label of its setting."""
    if spec is None:
        return []
    taken = risks(spec.key, {**spec.defaults(), **connection.settings})
    return [(spec.setting(risk.field).label, risk) for risk in taken]


def _certificates(connection: Connection) -> list[Expiry]:
    return expiries([connection], now_ms(), MOST_DAYS)


@page(Right.SEE_CONNECTIONS)
def exchanges(request: PageRequest, connection_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    connection = services.find_connection(organisation_id, connection_id)
    found = exchanges_page(organisation_id, connection_id, request.GET.get("cursor", ""), SHOWN)
    shown = [(row, *_told(row)) for row in found.items]
    context = {"connection": connection, "page": found, "exchanges": shown, "is_http": connection.provider in HTTP}
    return render(request, "connections/exchanges.html", context)


def _told(row: Exchange) -> tuple[Told, Told]:
    return told(row.request, has_first_line=False), told(row.response, has_first_line=False)


@page(Right.SEE_CONNECTIONS)
def hooks(request: PageRequest, connection_id: int) -> HttpResponseBase:
    """What is to be done at the provider so that it calls us, with the addresses to copy."""
    organisation_id = request.person.organisation_id
    connection = services.find_connection(organisation_id, connection_id)
    shows_tokens = request.person.may(Right.MANAGE_HOOKS)
    context = {"connection": connection, "setup": hook_setup(connection, shows_tokens=shows_tokens)}
    return render(request, "connections/hooks.html", context)


# -- what was ------------------------------------------------------------------------------------------------------------


@page(Right.SEE_CONNECTIONS)
def past(request: PageRequest, connection_id: int) -> HttpResponseBase:
    """The versions of the connection, with what each changed."""
    organisation_id = request.person.organisation_id
    connection = services.find_connection(organisation_id, connection_id)
    found = history.history_page(organisation_id, connection_id, request.GET.get("cursor", ""), SHOWN)
    context = {
        "connection": connection,
        "page": found,
        "entries": [(_done(one.version), _who(one.version), one) for one in found.items],
        "why_not": history.revert_problem(connection),
    }
    return render(request, "connections/history.html", context)


def _done(row: ConnectionVersion) -> str | Promise:
    return ACTIONS.get(row.action, row.action)


def _who(row: ConnectionVersion) -> str:
    """Who made a version: a person by name, anything else with what it is."""
    if row.action == BEGIN:
        return ""
    kind = str(ACTORS.get(row.actor_kind, row.actor_kind))
    if not row.actor_name:
        return kind
    return row.actor_name if row.actor_kind == ActorKind.PERSON else f"{row.actor_name} ({kind})"


@page(Right.SEE_CONNECTIONS)
def version(request: PageRequest, connection_id: int, number: int) -> HttpResponseBase:
    """What the connection has otherwise now than it had then, and what a revert would therefore do."""
    organisation_id = request.person.organisation_id
    connection = services.find_connection(organisation_id, connection_id)
    row = history.find_version(organisation_id, connection_id, number)
    context = {
        "connection": connection,
        "version": row,
        "action": _done(row),
        "who": _who(row),
        "since": history.since(organisation_id, connection_id, number),
        "why_not": history.revert_problem(connection),
    }
    return render(request, "connections/version.html", context)


@page(Right.MANAGE_CONNECTIONS)
def reverted(request: PageRequest, connection_id: int, number: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    connection = services.find_connection(organisation_id, connection_id)
    history.find_version(organisation_id, connection_id, number)
    question = Question(
        name=connection.name,
        title=_("Bring back version %(number)s of %(name)s?") % {"number": number, "name": connection.name},
        words=_(
            "All settings, and the secrets, become what they were in that version. Name, place in the list, and whether it is "
            "switched on stay. What is in use now stays in the history, and can be brought back likewise."
        ),
        label=_("Bring back"),
        done=_("The settings of version %(number)s are back.") % {"number": number},
        next_url=reverse("connections:overview", args=(connection_id,)),
        cancel_url=reverse("connections:version", args=(connection_id, number)),
    )
    return when_confirmed(request, question, lambda: history.revert(organisation_id, connection_id, number, now_ms()))


@page(Right.MANAGE_CONNECTIONS)
def deleted(request: PageRequest, connection_id: int) -> HttpResponseBase:
    organisation_id = request.person.organisation_id
    connection = services.find_connection(organisation_id, connection_id)
    question = Question(
        name=connection.name,
        title=_("Delete %(name)s?") % {"name": connection.name},
        words=_(
            "Its settings, secrets, history and hooks go. Receipts that its provider still brings match nothing any more. "
            "Where it was used by deliveries, switch it off instead."
        ),
        label=_("Delete"),
        done=_("%(name)s is deleted.") % {"name": connection.name},
        next_url=reverse("connections:list"),
        cancel_url=reverse("connections:overview", args=(connection_id,)),
    )
    return when_confirmed(request, question, lambda: services.delete_connection(organisation_id, connection_id))
