"""Forms of an organisation's settings."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, time
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from chappe.engine.configuration import ANY_NETWORK
from chappe.features.accounts.services import NAME_CHARACTERS
from chappe.features.form import ConsoleForm
from chappe.features.refusal import Conflict, InvalidInput
from chappe.features.settings.place import regions, time_zones
from chappe.features.settings.retention import LONGEST_DAYS, Kept
from chappe.features.settings.services import LONGEST_LIST
from chappe.features.words import localised
from chappe.messaging import ErrorKind
from chappe.rules.quiet_hours import MOST_PERIODS, QuietAction

DAYS = (
    (1, _("Monday")),
    (2, _("Tuesday")),
    (3, _("Wednesday")),
    (4, _("Thursday")),
    (5, _("Friday")),
    (6, _("Saturday")),
    (7, _("Sunday")),
)
WEEKLY, DATES = "weekly", "dates"
MINUTE = "%H:%M"


class OrganisationForm(ConsoleForm):
    name = forms.CharField(label=_("Name"), max_length=NAME_CHARACTERS)
    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=(("", _("As each person's browser asks for it")), ("en", "English"), ("fr", "Français")),
        help_text=_("Of people who have chosen none themselves, and of letters to those who are invited."),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"), help_text=_("Times are shown in it, and quiet hours follow its clock.")
    )
    region = forms.ChoiceField(
        label=_("Country of numbers"),
        required=False,
        help_text=_("A number without a country code, in a file or a form, is read as one of this country."),
    )
    unknown_error_kind = forms.ChoiceField(
        label=_("Errors that nobody has qualified"),
        widget=forms.RadioSelect,
        choices=(
            (ErrorKind.SOFT.value, _("Count against the number: after several it is quarantined")),
            (ErrorKind.HARD.value, _("Quarantine the number at once")),
            (ErrorKind.IGNORED.value, _("Say nothing about the number")),
        ),
        help_text=_("For connections made from now on; each can say otherwise."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"].choices = list(time_zones())  # type: ignore[attr-defined]
        none = ("", _("None: numbers need their country code"))
        self.fields["region"].choices = [none, *regions()]  # type: ignore[attr-defined]


class PeriodForm(ConsoleForm):
    """One quiet period. `None` stands for a row that is left free."""

    kind = forms.ChoiceField(
        label=_("Quiet on"),
        required=False,
        choices=(("", _("no day: this period is free")), (WEEKLY, _("days of the week")), (DATES, _("dates"))),
    )
    days = forms.TypedMultipleChoiceField(
        label=_("Days"), required=False, coerce=int, choices=DAYS, widget=forms.CheckboxSelectMultiple
    )
    first = forms.DateField(
        label=_("First day"), required=False, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    last = forms.DateField(
        label=_("Last day"), required=False, widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
    )
    start = forms.TimeField(
        label=pgettext_lazy("time of day", "From"),
        required=False,
        widget=forms.TimeInput(format=MINUTE, attrs={"type": "time"}),
    )
    end = forms.TimeField(
        label=pgettext_lazy("time of day", "Until"),
        required=False,
        widget=forms.TimeInput(format=MINUTE, attrs={"type": "time"}),
    )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = self.cleaned_data
        needed = {WEEKLY: ("days", "start", "end"), DATES: ("first", "last", "start", "end")}
        for name in needed.get(given.get("kind", ""), ()):
            if name not in self.errors and given.get(name) in (None, []):
                self.add_error(name, _("This is needed."))
        return given

    @property
    def period(self) -> dict[str, Any] | None:
        """As the service takes it."""
        given = self.cleaned_data
        if not given["kind"]:
            return None
        times = {"start": _minutes(given["start"]), "end": _minutes(given["end"])}
        if given["kind"] == WEEKLY:
            return {**times, "days": given["days"]}
        return {**times, "first": given["first"].isoformat(), "last": given["last"].isoformat()}


class ActionForm(ConsoleForm):
    action = forms.ChoiceField(
        label=_("What becomes of a marketing message in quiet hours"),
        widget=forms.RadioSelect,
        choices=(
            (QuietAction.QUEUE.value, _("It waits, and is sent when they end")),
            (QuietAction.DISCARD.value, _("It is not sent at all")),
        ),
    )


class QuietHoursForm:
    """The whole page: what happens, and up to five periods, of which one is free where there is room."""

    def __init__(
        self, periods: list[dict[str, Any]], action: str, version: int, data: Mapping[str, Any] | None = None
    ) -> None:
        shown = min(MOST_PERIODS, len(periods) + 1) if data is None else _rows_in(data)
        self.action = ActionForm(data, initial={"action": action})
        self.periods = [
            PeriodForm(data, prefix=f"p{place}", initial=_initial(periods[place]) if place < len(periods) else None)
            for place in range(shown)
        ]
        self.version = version if data is None else int(data.get("version") or 0)

    def __iter__(self) -> Iterator[ConsoleForm]:
        return iter([self.action, *self.periods])

    def is_valid(self) -> bool:
        valid = [form.is_valid() for form in self]  # each of them, so that every mistake is shown
        return all(valid)

    @property
    def filled(self) -> list[PeriodForm]:
        return [form for form in self.periods if form.period is not None]

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """What the service refuses becomes errors of the period that it is about, or of the page."""
        try:
            yield
        except InvalidInput as error:
            for one in error.errors:
                head, _mark, name = one.field.removeprefix("quiet_periods").rpartition(".")
                place = head.strip("[]")
                form: ConsoleForm = self.filled[int(place)] if place.isdigit() else self.action
                form.add_error(name if name in form.fields else None, localised(one.message))
        except Conflict as error:
            self.action.add_error(None, localised(str(error)))


def _rows_in(data: Mapping[str, Any]) -> int:
    return max(1, sum(f"p{place}-kind" in data for place in range(MOST_PERIODS)))


def _initial(period: Mapping[str, Any]) -> dict[str, Any]:
    days = list(period.get("days") or [])
    return {
        "kind": WEEKLY if days else DATES,
        "days": days,
        "first": _day(period.get("first")),
        "last": _day(period.get("last")),
        "start": _time(period["start"]),
        "end": _time(period["end"]),
    }


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _time(minutes: int) -> time:
    return time(minutes // 60, minutes % 60)


def _minutes(given: time) -> int:
    return given.hour * 60 + given.minute


class MomentForm(ConsoleForm):
    """“Would a marketing message go out at …?”"""

    at = forms.DateTimeField(
        label=_("A marketing message at"),
        input_formats=["%Y-%m-%dT%H:%M"],
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"}),
    )


class RetentionForm(ConsoleForm):
    """Days of each kind; `field_names` maps the service's names to them."""

    def __init__(self, kinds: list[Kept], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.field_names = {f"retention.{kept.kind.key}": kept.kind.key for kept in kinds}
        for kept in kinds:
            self.fields[kept.kind.key] = forms.IntegerField(
                label=str(kept.kind.label),
                help_text=str(kept.kind.help),
                required=False,
                min_value=0,
                max_value=LONGEST_DAYS,
                initial=kept.days or None,
            )
            self.fields[kept.kind.key].widget.attrs["placeholder"] = _("for ever")

    @property
    def days(self) -> dict[str, int]:
        return {key: days or 0 for key, days in self.cleaned_data.items()}


class NetworksForm(ConsoleForm):
    """Any network, or those of a list."""

    LISTED = "listed"
    scope = forms.ChoiceField(
        label=_("Connections and callbacks may be allowed to call"),
        widget=forms.RadioSelect,
        choices=((ANY_NETWORK, _("any private network or host")), (LISTED, _("only those of this list"))),
    )
    allowed_networks = forms.CharField(
        label=_("Networks and hosts"),
        required=False,
        max_length=LONGEST_LIST,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "mono"}),
        help_text=_("Networks such as 10.1.0.0/16 or names of hosts, separated by commas. Left empty: none at all."),
    )

    @property
    def text(self) -> str:
        given = self.cleaned_data
        return ANY_NETWORK if given["scope"] == ANY_NETWORK else " ".join(given["allowed_networks"].split())
