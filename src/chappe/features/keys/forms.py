"""Forms of API keys and operators."""

from django import forms
from django.utils.translation import gettext_lazy as _

from chappe.features.accounts.services import NAME_CHARACTERS
from chappe.features.form import ConsoleForm

SCOPES = (
    ("send", _("Send: messages and deliveries")),
    ("read", _("Read: whatever the organisation has, people's numbers and texts included")),
    ("manage", _("Manage: connections, hooks, contacts, consent")),
)


def _scopes() -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=_("It may"), choices=SCOPES, widget=forms.CheckboxSelectMultiple, required=True, initial=["send", "read"]
    )


class KeyForm(ConsoleForm):
    name = forms.CharField(
        label=_("Name"), help_text=_("What the key is for, such as “Website”."), max_length=NAME_CHARACTERS
    )
    scopes = _scopes()


class OperatorKeyForm(ConsoleForm):
    """A key of an operator: what it may do is the operator's affair."""

    name = forms.CharField(
        label=_("Name of the key"),
        help_text=_("Where it is used, such as “CRM, from March”."),
        max_length=NAME_CHARACTERS,
    )


class OperatorForm(ConsoleForm):
    label = forms.CharField(label=_("Label"), help_text=_("As people here call it."), max_length=NAME_CHARACTERS)
    scopes = _scopes()


class NewOperatorForm(OperatorForm):
    login = forms.CharField(
        label=_("Login"),
        help_text=_("Small letters and digits, with . _ - between them. It cannot be changed later."),
        max_length=64,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}),
    )
    field_order = ("login", "label", "scopes")
