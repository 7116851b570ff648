"""The editor of a template of deliveries: what that of a delivery has, without a list, and with names and a routing."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from chappe.features.deliveries.forms import Choices, TermsEditor, TermsFields, offered
from chappe.features.deliveries.rich import ContentFields
from chappe.features.form import ConsoleForm
from chappe.features.templates.models import DeliveryTemplate
from chappe.features.templates.services import LONGEST_NAME, Change

FIRST: Choices = [("", _("The first of the list that can be used"))]


class NameFields(forms.Form):
    """What a template is called."""

    label = forms.CharField(
        label=_("Label"), max_length=200, help_text=_("What you and your colleagues know the template by.")
    )
    internal_name = forms.CharField(
        label=_("Internal name"),
        max_length=LONGEST_NAME,
        help_text=_("What programs know it by: letters, digits and . _ - only, and no other template's."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class TemplateForm(ContentFields, TermsFields, NameFields, ConsoleForm):
    """Everything of a template that stands once."""

    connection_id = forms.TypedChoiceField(
        label=_("Routing"),
        coerce=int,
        empty_value=None,
        required=False,
        help_text=_("The connection that deliveries made from the template take; each of them may take another."),
    )

    field_names = {"validity_s": "validity"}

    def __init__(self, *args: Any, connections: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["connection_id"].choices = FIRST + connections  # type: ignore[attr-defined]
        self.fields["body"].required = False


class KeepForm(NameFields, ConsoleForm):
    """The names of a template that a delivery is saved as."""


class TemplateEditor(TermsEditor):
    """The form and its tables, as they are typed or as the template has them."""

    def __init__(self, organisation_id: int, data: QueryDict | None, template: DeliveryTemplate) -> None:
        super().__init__(organisation_id, data, template)
        names = ("label", "internal_name", "connection_id")
        initial = self._initial | {name: getattr(template, name) for name in names}
        connections = offered(self._connections, template.connection_id)
        self._begin(TemplateForm(data, initial=initial, connections=connections))

    def change(self) -> Change:
        """What is typed."""
        terms = self.terms()
        names = ("label", "internal_name", "connection_id")
        return Change(**{name: self.form.cleaned_data.get(name) for name in names}, **terms)
