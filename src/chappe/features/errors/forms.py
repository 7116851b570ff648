"""What a person says of an error."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from chappe.features.connections.models import ErrorQualification
from chappe.features.connections.qualification import REASON_CHARACTERS
from chappe.features.form import ConsoleForm

KIND_LABELS: dict[str, Any] = {
    "soft": _("Soft: it may work another time; the number is counted, and tried again"),
    "hard": _("Hard: the number is no good; it goes into quarantine at once"),
    "ignored": _("Ignored: it says nothing about the number"),
}
SHORT_KINDS: dict[str, Any] = {"soft": _("soft"), "hard": _("hard"), "ignored": _("ignored")}


class VerdictForm(ConsoleForm):
    """What an error means, and how it is called in reports."""

    kind = forms.ChoiceField(label=_("What it means"), choices=list(KIND_LABELS.items()), widget=forms.RadioSelect)
    reason = forms.CharField(
        label=_("Reason in reports"),
        max_length=REASON_CHARACTERS,
        help_text=_("In a word or two: “number unassigned”, for instance."),
    )

    def __init__(self, *args: Any, qualification: ErrorQualification, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"kind": qualification.kind, "reason": qualification.reason})
        super().__init__(*args, **kwargs)
