"""The settings of a connection that is there: changed where its kind allows that, else replaced by a new connection."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms
from chappe.features.connections import history, services
from chappe.features.connections.form_account import asked_of, asks, read_asked, written
from chappe.features.connections.form_draft import Draft, seal, unseal
from chappe.features.connections.form_settings import SettingsForm
from chappe.features.connections.form_step import sample_of, variables
from chappe.features.connections.form_value import Typed, read, rows_changed
from chappe.features.connections.models import Connection
from chappe.features.connections.replacement import replace_connection
from chappe.features.connections.risk import shares_login
from chappe.features.connections.version import Difference, setting_text
from chappe.features.refusal import Conflict, InvalidInput
from chappe.features.view import PageRequest, page
from chappe.messaging import FieldError
from chappe.providers.contract import ProviderSpec


@page(Right.SEE_CONNECTIONS, change=Right.MANAGE_CONNECTIONS)
def edit(request: PageRequest, connection_id: int) -> HttpResponseBase:
    """All settings, as a form where they can be changed; as they are for those who may not, or where none can."""
    connection = services.find_connection(request.person.organisation_id, connection_id)
    is_fixed = connection.provider in services.VENDORS or bool(connection.replaced_by)
    if is_fixed or not request.person.may(Right.MANAGE_CONNECTIONS):
        return as_they_are(request, connection, is_fixed=is_fixed)
    sheet = Sheet.begun(request, connection)
    return sheet.posted(_change) if request.method == "POST" else sheet.drawn()


@page(Right.MANAGE_CONNECTIONS)
def replacement(request: PageRequest, connection_id: int) -> HttpResponseBase:
    connection = services.find_connection(request.person.organisation_id, connection_id)
    if connection.replaced_by:
        messages.warning(request, _("This connection was replaced already."))
        return redirect("connections:overview", connection.replaced_by)
    sheet = replace(Sheet.begun(request, connection), is_replacement=True)
    return sheet.posted(_replace) if request.method == "POST" else sheet.drawn()


def as_they_are(request: PageRequest, connection: Connection, *, is_fixed: bool) -> HttpResponseBase:
    """The settings to read."""
    spec = services.provider_spec(connection.provider)
    shown = services.shown_settings(connection)
    told = [(one, setting_text(one, shown.get(one.name))) for one in spec.settings]
    groups = [(group, [pair for pair in told if pair[0].group == group]) for group in spec.groups]
    context = {"connection": connection, "groups": groups, "is_fixed": is_fixed}
    return render(request, "connections/settings.html", context)


@dataclass(frozen=True)
class Sheet:
    """The form of a connection's settings. `version` is the one that was read when the form was opened; `since`, after
    somebody else's change, what differs from it now."""

    request: PageRequest
    connection: Connection
    spec: ProviderSpec
    draft: Draft
    version: int
    stored: frozenset[str]
    errors: Sequence[FieldError] = ()
    since: Sequence[Difference] = ()
    is_replacement: bool = False

    @classmethod
    def begun(cls, request: PageRequest, connection: Connection) -> "Sheet":
        """As it was posted; else as the connection is."""
        spec = services.provider_spec(connection.provider)
        stored = services.stored_secrets(connection)
        draft = Draft(connection.name, Typed(dict(connection.settings)), asked=asked_of(connection))
        if request.method != "POST":
            return cls(request, connection, spec, draft, connection.version, stored)
        carried = unseal(request.POST.get("draft", ""), request.person, str(connection.pk)) or draft
        typed = read(spec, [one.name for one in spec.settings], request.POST, carried.typed, stored)
        posted = request.POST.get("version", "")
        version = int(posted) if posted.isdecimal() and len(posted) < 18 else 0
        asked = read_asked(request.POST, draft.asked) if asks(spec) else draft.asked
        return cls(request, connection, spec, Draft(request.POST.get("name", ""), typed, asked=asked), version, stored)

    def posted(self, keep: "Callable[[Sheet], Connection]") -> HttpResponseBase:
        """Keeps what was typed, and goes to the connection; else the form again."""
        order = self.request.POST.get("do", "save")
        typed = rows_changed(self.spec, self.draft.typed, order)
        if typed is not None:
            return replace(self, draft=replace(self.draft, typed=typed)).drawn()
        if order == "show":
            return self.drawn()
        if self.version != self.connection.version:
            return self._overtaken()
        try:
            made = keep(self)
        except InvalidInput as error:
            return replace(self, errors=error.errors).drawn()
        except Conflict as error:
            return replace(self, errors=[FieldError("", str(error))]).drawn()
        return redirect("connections:overview", made.pk)

    def _overtaken(self) -> HttpResponseBase:
        """Somebody changed it meanwhile: what they changed, and everything typed."""
        since = history.since(self.request.person.organisation_id, self.connection.pk, self.version)
        return replace(self, since=since, version=self.connection.version, errors=[_overtaken()]).drawn()

    @property
    def given(self) -> dict[str, object]:
        return self.draft.typed.given

    def drawn(self) -> HttpResponseBase:
        names = [one.name for one in self.spec.settings]
        form = SettingsForm(
            self.spec,
            names,
            self.draft.typed,
            stored=self.stored,
            name=self.draft.name,
            errors=self.errors,
            others=logged_in_alike(self.connection, self.draft.typed.values),
            organisation_id=self.connection.organisation_id,
            asked=self.draft.asked if asks(self.spec) and not self.is_replacement else None,
        )
        shown = {
            "connection": self.connection,
            "spec": self.spec,
            "form": form,
            "groups": form.drawn(),
            "version": self.version,
            "since": self.since,
            "draft": seal(self.draft, self.request.person, str(self.connection.pk)),
            "is_replacement": self.is_replacement,
            **self._sample(),
        }
        return render(self.request, "connections/edit.html", shown)

    def _sample(self) -> dict[str, object]:
        if "payload" not in self.draft.typed.values:
            return {}
        sample, problem = sample_of(str(self.draft.typed.values["payload"]))
        return {"sample": sample, "sample_problem": problem, "variables": variables()}


def _overtaken() -> FieldError:
    words = _(
        "Somebody else changed this connection since you opened the form. What you typed is still here: look at what they "
        "changed, below, and save again where yours is to count."
    )
    return FieldError("", words)


def logged_in_alike(connection: Connection, values: Mapping[str, Any]) -> list[str]:
    """The names of other connections of the organisation that log in with the same account."""
    rows = services.connections_of(connection.organisation_id).exclude(pk=connection.pk)
    others = ((row.name, row.provider, row.settings) for row in rows)
    return shares_login(connection.provider, values, others)


def _change(sheet: Sheet) -> Connection:
    organisation_id, connection = sheet.request.person.organisation_id, sheet.connection
    internal_name = written(organisation_id, sheet.draft.asked)
    change = services.Change(sheet.draft.name, sheet.given, version=sheet.version, internal_name=internal_name)
    changed = services.change_connection(organisation_id, connection.pk, change, now_ms())
    is_changed = changed.version != connection.version
    messages.success(sheet.request, _("The changes are saved.") if is_changed else _("Nothing was different."))
    return changed


def _replace(sheet: Sheet) -> Connection:
    organisation_id, old = sheet.request.person.organisation_id, sheet.connection
    made = replace_connection(
        organisation_id, old.pk, sheet.given, now_ms(), name=sheet.draft.name, version=sheet.version
    )
    messages.success(
        sheet.request, _("%(name)s is replaced. What waited goes out through this connection.") % {"name": old.name}
    )
    return made
