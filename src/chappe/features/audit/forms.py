"""What the trail can be looked through for."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from django import forms
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from chappe.features.audit.services import Wanted
from chappe.features.audit.wording import ACTIONS, ACTORS, SUBJECTS
from chappe.features.form import ConsoleForm


def _choices(labels: Mapping[str, str | Promise]) -> list[tuple[str, str | Promise]]:
    return [("", pgettext_lazy("audit", "all")), *labels.items()]


def _day() -> forms.DateInput:
    return forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})


ONE = r"^[a-z_]{1,30}-[0-9]{1,18}$"


class FilterForm(ConsoleForm):
    """Who, what, whom and when; both days are within. `actor` and `subject` are a kind and an id, set by links: they hold
    as long as that kind is chosen."""

    actor_kind = forms.ChoiceField(label=_("Who"), choices=_choices(ACTORS), required=False)
    action = forms.ChoiceField(label=_("What was done"), choices=_choices(ACTIONS), required=False)
    subject_kind = forms.ChoiceField(label=_("To what"), choices=_choices(SUBJECTS), required=False)
    since = forms.DateField(label=pgettext_lazy("a day", "From"), widget=_day(), required=False)
    until = forms.DateField(label=pgettext_lazy("a day", "To"), widget=_day(), required=False)
    actor = forms.RegexField(ONE, widget=forms.HiddenInput, required=False)
    subject = forms.RegexField(ONE, widget=forms.HiddenInput, required=False)

    def wanted(self) -> Wanted:
        """What was asked for; what cannot be read is not asked for, and said beside its field."""
        given = self.cleaned_data if self.is_valid() else self.cleaned_data or {}
        until = given.get("until")
        return Wanted(
            actor_kind=given.get("actor_kind", ""),
            actor_id=_id_of(given.get("actor_kind", ""), given.get("actor", "")),
            action=given.get("action", ""),
            subject_kind=given.get("subject_kind", ""),
            subject_id=_id_of(given.get("subject_kind", ""), given.get("subject", "")),
            since_ms=_start_ms(given.get("since")),
            until_ms=_start_ms(until + timedelta(days=1) if until and until < date.max else None),
        )


def _id_of(kind: str, one: str) -> int:
    """0 where another kind was chosen since."""
    name, _dash, number = one.rpartition("-")
    return int(number) if kind and name == kind else 0


def _start_ms(day: date | None) -> int:
    """When a day begins for the reader."""
    if day is None:
        return 0
    try:
        return max(0, int(timezone.make_aware(datetime(day.year, day.month, day.day)).timestamp() * 1000))  # noqa: DTZ001
    except OverflowError:
        return 0
