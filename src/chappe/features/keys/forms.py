"""Forms of API keys and operators."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from chappe.features.accounts.password import MOST_CHARACTERS
from chappe.features.accounts.services import NAME_CHARACTERS
from chappe.features.form import ConsoleForm

SCOPES = (
    ("send", _("Send: messages and deliveries")),
    ("read", _("Read: whatever the organisation has, people's numbers and texts included")),
    ("manage", _("Manage: connections, hooks, contacts, consent")),
)

RELAY_SCOPES = (
    (
        "administration",
        _("ADMINISTRATION: sign in for another Chappe, hand over its messages, take back what becomes of them"),
    ),
    ("replies", _("Automatic replies: let the other Chappe change those of its account; goes with ADMINISTRATION")),
)


def _scopes(choices: Sequence[tuple[str, str | Promise]], initial: Sequence[str] = ()) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=_("It may"), choices=choices, widget=forms.CheckboxSelectMultiple, required=True, initial=list(initial)
    )


def _password(**words: Any) -> forms.CharField:
    return forms.CharField(
        **words,
        max_length=MOST_CHARACTERS,
        strip=False,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class KeyForm(ConsoleForm):
    name = forms.CharField(
        label=_("Name"), help_text=_("What the key is for, such as “Website”."), max_length=NAME_CHARACTERS
    )
    scopes = _scopes(SCOPES, ("send", "read"))


class OperatorKeyForm(ConsoleForm):
    """A key of an operator: what it may do is the operator's affair."""

    name = forms.CharField(
        label=_("Name of the key"),
        help_text=_("Where it is used, such as “CRM, from March”."),
        max_length=NAME_CHARACTERS,
    )


class OperatorForm(ConsoleForm):
    label = forms.CharField(label=_("Label"), help_text=_("As people here call it."), max_length=NAME_CHARACTERS)
    scopes = _scopes((*SCOPES, *RELAY_SCOPES))


class NewOperatorForm(OperatorForm):
    login = forms.CharField(
        label=_("Login"),
        help_text=_("Small letters and digits, with . _ - between them. It cannot be changed later."),
        max_length=64,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}),
    )
    password = _password(
        label=_("Password"),
        help_text=_(
            "Ten characters or more. It may be left empty, and is better not: without one the operator signs in by keys alone."
        ),
    )
    field_order = ("login", "label", "password", "scopes")


class PasswordForm(ConsoleForm):
    """Another password of an operator."""

    password = _password(
        label=_("New password"), help_text=_("Ten characters or more, used nowhere else. Nobody is shown it again.")
    )

    def clean_password(self) -> str:
        typed: str = self.cleaned_data["password"]
        if not typed:
            raise forms.ValidationError(_("Write the password."))
        return typed
