"""Connecting a provider: pick its kind, write what it asks for step by step, test it, and only then keep it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms
from chappe.features.connections import services
from chappe.features.connections.fact import facts_of
from chappe.features.connections.form_account import asks, problems_of, read_asked, written
from chappe.features.connections.form_draft import Draft, seal, unseal
from chappe.features.connections.form_settings import Group, SettingsForm
from chappe.features.connections.form_step import (
    Step,
    first_wrong,
    kinds,
    names_in,
    problems,
    sample_of,
    step_names,
    step_of,
    steps_of,
    variables,
)
from chappe.features.connections.form_value import Typed, read, rows_changed
from chappe.features.connections.models import Connection
from chappe.features.connections.risk import shares_login
from chappe.features.connections.trial import try_settings
from chappe.features.connections.verify import Pdus, TestForm, headers_told, shown_verification
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.features.view import PageRequest, page
from chappe.messaging import Channel, FieldError
from chappe.providers.registry import HTTP, PROVIDERS

if TYPE_CHECKING:
    from chappe.engine.net.verification import Verification
    from chappe.providers.contract import ProviderSpec


STOP = {"keyword": "STOP", "short_code": "", "reply": "", "action": "send_to_quarantine"}


@page(Right.MANAGE_CONNECTIONS)
def pick(request: PageRequest) -> HttpResponseBase:
    shown = [(kind, [PROVIDERS[key] for key in kind.keys]) for kind in kinds()]
    return render(request, "connections/pick.html", {"kinds": shown})


@page(Right.MANAGE_CONNECTIONS)
def wizard(request: PageRequest, provider: str) -> HttpResponseBase:
    if provider not in PROVIDERS:
        raise NotFound("provider", provider)
    spec = PROVIDERS[provider]
    if request.method == "POST":
        return Walk.of(request, spec).go(request.POST.get("do", "next"))
    return Walk(request, spec, begun(spec)).drawn()


def begun(spec: "ProviderSpec") -> Draft:
    """What a wizard begins with. A connection by SMPP heeds STOP unless somebody takes that away: by itself it has no keywords,
    and those who write STOP would be written to again."""
    names = {setting.name for setting in spec.settings}
    return Draft(typed=Typed({"automatic_replies": [STOP]} if "automatic_replies" in names else {}))


@dataclass(frozen=True)
class Walk:
    """Where somebody is on the way: `at` is the step, `errors` what a service found wrong."""

    request: PageRequest
    spec: "ProviderSpec"
    draft: Draft
    at: int = 0
    errors: Sequence[FieldError] = ()
    test: TestForm | None = None
    found: "Verification | None" = None
    pdus: Sequence[str] = ()
    words: Sequence[str] = field(default_factory=tuple)

    @classmethod
    def of(cls, request: PageRequest, spec: "ProviderSpec") -> "Walk":
        """What was posted, over what the form carried."""
        posted = request.POST.get("draft", "")
        draft = unseal(posted, request.person, spec.key)
        if draft is None:
            messages.warning(request, _("The form was open for too long. Begin again."))
            return cls(request, spec, begun(spec))
        asked = request.POST.get("step", "")
        at = min(int(asked) if asked.isdecimal() and len(asked) < 3 else 0, len(steps_of(spec.key)) - 1)
        walk = cls(request, spec, draft, at)
        typed = read(spec, step_names(spec, walk.step), request.POST, draft.typed, frozenset())
        name = request.POST.get("name", draft.name) if at == 0 else draft.name
        account = read_asked(request.POST, draft.asked) if at == 0 and asks(spec) else draft.asked
        return replace(walk, draft=replace(draft, typed=typed, name=name.strip(), asked=account))

    @property
    def step(self) -> Step:
        return steps_of(self.spec.key)[self.at]

    @property
    def is_last(self) -> bool:
        return self.at == len(steps_of(self.spec.key)) - 1

    @property
    def must_pass(self) -> bool:
        """Whether nothing is kept that no test found to work."""
        return self.spec.channels == {Channel.EMAIL}

    # -- what was asked for ------------------------------------------------------------------------------------------

    def go(self, order: str) -> HttpResponseBase:
        changed = rows_changed(self.spec, self.draft.typed, order)
        if changed is not None:
            return replace(self, draft=replace(self.draft, typed=changed)).drawn()
        match order:
            case "back":
                return replace(self, at=max(0, self.at - 1)).drawn()
            case "show":
                return self.drawn()
            case "try" if self.is_last:
                return self._tried().drawn()
            case "save" if self.is_last:
                return self._saved()
        return self._next().drawn()

    def _next(self) -> "Walk":
        wrong = self._checked()
        if wrong.errors or self.is_last:
            return wrong
        if not self.step.is_tried:
            return replace(self, at=self.at + 1)
        try:
            found = try_settings(self.request.person.organisation_id, self.spec.key, self.draft.typed.given)
        except InvalidInput as error:
            return self._wrong(error.errors)
        return replace(self, at=self.at + 1 if found.is_usable else self.at, found=found)

    def _checked(self) -> "Walk":
        """At the first step, up to this one, in which something is wrong; else here."""
        errors = [*self._name_errors(), *problems(self.spec, self.draft.typed)]
        wrong = first_wrong(self.spec, errors, self.at)
        return self if wrong is None else replace(self, at=wrong, errors=errors)

    def _name_errors(self) -> list[FieldError]:
        organisation_id = self.request.person.organisation_id
        problem = services.name_problem(organisation_id, self.draft.name)
        named = [FieldError("name", problem)] if problem else []
        return [*named, *problems_of(organisation_id, self.draft.asked)]

    def _wrong(self, errors: Sequence[FieldError]) -> "Walk":
        """At the first step that one of the errors is about."""
        return replace(self, at=min((step_of(self.spec, one.field) for one in errors), default=0), errors=errors)

    def _tried(self) -> "Walk":
        """After a test with what was typed for it."""
        test = TestForm(self.request.POST, spec=self.spec, is_needed=self.must_pass)
        if not test.is_valid():
            return replace(self, test=test)
        organisation_id, pdus = self.request.person.organisation_id, Pdus()
        try:
            found = try_settings(organisation_id, self.spec.key, self.draft.typed.given, **test.given, on_pdu=pdus)
        except InvalidInput as error:
            return self._wrong(error.errors)
        passed = self.draft.mark if found.is_usable else ""
        return replace(self, draft=replace(self.draft, passed=passed), test=test, found=found, pdus=pdus.lines)

    def _saved(self) -> HttpResponseBase:
        """Kept; switched on where a test found it to work."""
        if self.must_pass and not self.draft.has_passed:
            words = _("Test it first: it is kept when the provider has taken a test message.")
            return replace(self, words=[words], test=TestForm(self.request.POST, spec=self.spec)).drawn()
        try:
            made = services.create_connection(
                self.request.person.organisation_id,
                self.draft.name,
                self.spec.key,
                self.draft.typed.given,
                now_ms(),
                is_enabled=self.draft.has_passed,
                internal_name=written(self.request.person.organisation_id, self.draft.asked),
            )
        except InvalidInput as error:
            return self._wrong(error.errors).drawn()
        except Conflict as error:
            return self._wrong([FieldError("name", str(error))]).drawn()
        return self._arrived(made)

    def _arrived(self, made: Connection) -> HttpResponseBase:
        said = (
            _("%(name)s is connected.")
            if made.is_enabled
            else _("%(name)s is kept, switched off. Switch it on when a test has shown that it works.")
        )
        messages.success(self.request, said % {"name": made.name})
        is_called = self.spec.key != "smpp"
        return redirect("connections:hooks" if is_called else "connections:overview", made.pk)

    # -- what is drawn -----------------------------------------------------------------------------------------------

    def drawn(self) -> HttpResponseBase:
        names = step_names(self.spec, self.step)
        # What later steps are to ask for is not wrong yet.
        errors = [error for error in self.errors if step_of(self.spec, error.field) == self.at]
        form = SettingsForm(
            self.spec,
            names,
            self.draft.typed,
            name=self.draft.name if self.at == 0 else None,
            errors=errors,
            others=self._others(),
            organisation_id=self.request.person.organisation_id,
            asked=self.draft.asked if self.at == 0 and asks(self.spec) else None,
        )
        shown = {
            "spec": self.spec,
            "steps": self._steps(),
            "step": self.step,
            "at": self.at,
            "is_last": self.is_last,
            "form": form,
            "draft": seal(self.draft, self.request.person, self.spec.key),
            "found": shown_verification(self.found, self.pdus),
            "words": self.words,
            "must_pass": self.must_pass,
            "facts": facts_of(self.spec) if self.at == 0 and self.spec.hands_over else (),
            "has_passed": self.draft.has_passed,
            "quirks": HTTP[self.spec.key].QUIRKS if self.at == 0 and self.spec.key in HTTP else (),
            **self._groups(form),
            **self._last(),
            **self._sample(names),
        }
        return render(self.request, "connections/wizard.html", shown)

    def _steps(self) -> list[tuple[object, str]]:
        return [
            (step.title, "done" if place < self.at else "here" if place == self.at else "")
            for place, step in enumerate(steps_of(self.spec.key))
        ]

    def _groups(self, form: SettingsForm) -> dict[str, list[Group]]:
        groups, folded = (
            form.drawn(),
            len({self.spec.setting(name).group for name in names_in(self.spec, self.step.groups)}),
        )
        return {"groups": groups[:folded], "folded": groups[folded:]}

    def _last(self) -> Mapping[str, object]:
        """The test, with the headers that go with it."""
        if not self.is_last:
            return {}
        test = self.test or TestForm(spec=self.spec)
        return {"test": test, "headers": headers_told(self.spec, self.draft.typed.values)}

    def _sample(self, names: Sequence[str]) -> Mapping[str, object]:
        """What a payload makes of one message, beside it."""
        if "payload" not in names:
            return {}
        source = str(self.draft.typed.values.get("payload", self.spec.setting("payload").empty))
        sample, problem = sample_of(source)
        return {"sample": sample, "sample_problem": problem, "variables": variables()}

    def _others(self) -> list[str]:
        rows = services.connections_of(self.request.person.organisation_id)
        others = ((row.name, row.provider, row.settings) for row in rows)
        return shares_login(self.spec.key, self.draft.typed.values, others)
