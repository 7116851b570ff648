"""Of a connection's form: for which operator of another Chappe it is, and its internal name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django import forms
from django.utils.translation import gettext as _

from chappe.features.accounts.operator import relay_operators
from chappe.features.connections.account import MOST_CHARACTERS, Naming, asked_name, checked_internal_name
from chappe.features.connections.models import Connection
from chappe.features.refusal import InvalidInput
from chappe.messaging import FieldError

if TYPE_CHECKING:
    from chappe.providers.contract import ProviderSpec

OPERATOR, INTERNAL_NAME = "operator", "internal_name"


@dataclass(frozen=True)
class Asked:
    """As it was typed: the operator's login, or "" for none, and the name, with or without the operator in front."""

    operator: str = ""
    internal_name: str = ""

    @property
    def is_any(self) -> bool:
        return bool(self.operator or self.internal_name)


def asks(spec: "ProviderSpec | None") -> bool:
    """Whether others can send through such a connection; one that hands over has its internal name among its settings."""
    return spec is not None and not spec.hands_over


def asked_of(connection: Connection) -> Asked:
    """As the connection has it."""
    owner = Naming(connection.organisation_id).owner(connection)
    return Asked(owner.login if owner is not None else "", connection.internal_name)


def read_asked(data: Mapping[str, str], before: Asked) -> Asked:
    """What a form posted; as it was before where the form does not have it."""
    return Asked(data.get(OPERATOR, before.operator).strip(), data.get(INTERNAL_NAME, before.internal_name).strip())


def written(organisation_id: int, asked: Asked) -> str:
    """The internal name that is meant. Raises InvalidInput."""
    return asked_name(organisation_id, asked.operator, asked.internal_name)


def problems_of(organisation_id: int, asked: Asked) -> list[FieldError]:
    """What a service would refuse of it in a new connection."""
    try:
        checked_internal_name(organisation_id, written(organisation_id, asked))
    except InvalidInput as error:
        return list(error.errors)
    return []


def account_fields(organisation_id: int) -> dict[str, forms.Field]:
    """To choose an operator and to name the account."""
    logins = [one.login for one in relay_operators(organisation_id)]
    return {
        OPERATOR: forms.ChoiceField(
            label=_("For the operator of another Chappe"),
            help_text=_(
                "Another Chappe signs in here as an operator with the right ADMINISTRATION, and sends through the connection "
                "that is named for it."
            ),
            choices=[("", _("none: for this installation alone")), *((login, login) for login in logins)],
            required=False,
        ),
        INTERNAL_NAME: forms.CharField(
            label=_("Internal name"),
            help_text=_(
                "Letters, digits and . _ - only. For an operator: the internal name that the account has on the other Chappe; "
                "the operator and _ are written in front."
            ),
            max_length=MOST_CHARACTERS,
            required=False,
            widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
        ),
    }
