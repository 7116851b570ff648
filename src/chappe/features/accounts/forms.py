"""What is asked of and about people."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from chappe.features.accounts.models import PeopleGroup, User
from chappe.features.accounts.right import LABELS, ROLE_LABELS, ROLES, Right, Role
from chappe.features.form import ConsoleForm

ROLE_CHOICES = [(role.value, ROLE_LABELS[role]) for role in Role]


class NewcomerForm(ConsoleForm):
    """Who follows an invitation. The address is asked where the link was made for none."""

    organisation = forms.CharField(
        label=_("Organisation"), max_length=200, help_text=_("Whose connections, contacts and deliveries these are.")
    )
    name = forms.CharField(label=_("Your name"), max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    email = forms.EmailField(
        label=_("E-mail address"),
        max_length=150,
        help_text=_("You sign in with it."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=500,
        strip=False,
        help_text=_("Ten characters or more; a sentence is easy to keep in mind."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, is_first: bool, needs_email: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not is_first:
            del self.fields["organisation"]
        if not needs_email:
            del self.fields["email"]


class InviteForm(ConsoleForm):
    email = forms.EmailField(label=_("E-mail address"), max_length=150)
    role = forms.ChoiceField(label=_("Role"), choices=ROLE_CHOICES)


def right_choices(rights: Iterable[Right]) -> list[tuple[str, Any]]:
    wanted = set(rights)
    return [(right.value, LABELS[right]) for right in Right if right in wanted]


class PlaceForm(ConsoleForm):
    """The role of a person, and what of it they lack."""

    role = forms.ChoiceField(label=_("Role"), choices=ROLE_CHOICES)
    withheld = forms.MultipleChoiceField(
        label=_("Withheld from this person"),
        choices=right_choices(Right),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("What the role gives and this person is not to have."),
    )

    def __init__(self, *args: Any, person: User, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"role": person.role, "withheld": person.withheld})
        super().__init__(*args, **kwargs)


class GroupForm(ConsoleForm):
    """People from whom some rights are withheld together."""

    name = forms.CharField(label=_("Name"), max_length=200)
    withheld = forms.MultipleChoiceField(
        label=_("Withheld from everybody in the group"),
        choices=right_choices(Right),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    people = forms.TypedMultipleChoiceField(
        label=_("People"), required=False, coerce=int, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, people: Iterable[User], group: PeopleGroup | None = None, **kwargs: Any) -> None:
        if group is not None:
            inside = [str(pk) for pk in group.people.values_list("pk", flat=True)]
            kwargs.setdefault("initial", {"name": group.name, "withheld": group.withheld, "people": inside})
        super().__init__(*args, **kwargs)
        self.fields["people"].choices = [(str(one.pk), one.name) for one in people]  # type: ignore[attr-defined]


class OrganisationForm(ConsoleForm):
    """A new organisation, and who is to be its first administrator."""

    name = forms.CharField(label=_("Name of the organisation"), max_length=200)
    email = forms.EmailField(
        label=_("Address of its first administrator"),
        max_length=150,
        help_text=_("Whoever follows the link that is made for this address."),
    )


def rights_by_role() -> list[tuple[Right, list[bool]]]:
    """For a table: each right, and whether each role has it, in the order of the roles."""
    return [(right, [right in ROLES[role] for role in Role]) for right in Right]
