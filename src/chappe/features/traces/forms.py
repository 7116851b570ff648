"""What to trace."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy

from chappe.features.form import ConsoleForm
from chappe.features.traces.services import LONGEST_NUMBER, MINUTES


def _minutes() -> list[tuple[int, str]]:
    return [(one, ngettext("%(count)s minute", "%(count)s minutes", one) % {"count": one}) for one in MINUTES]


class StartForm(ConsoleForm):
    minutes = forms.TypedChoiceField(
        label=pgettext_lazy("trace", "For"),
        choices=_minutes,
        coerce=int,
        help_text=_("It ends by itself; you can stop it at any time."),
    )
    number = forms.CharField(
        label=_("Only this number"),
        required=False,
        max_length=LONGEST_NUMBER,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "tel"}),
        help_text=_("As you like to write it, with or without the country code. Empty: everything on the connection."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"minutes": MINUTES[1]})
        super().__init__(*args, **kwargs)
