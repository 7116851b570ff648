"""What people type about contacts, lists and files of them."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chappe.features.contacts.csv_file import LONGEST_CELL, MOST_COLUMNS
from chappe.features.contacts.importing import (
    EMAIL,
    EXTERNAL_ID,
    LEFT_OUT,
    LONGEST_ATTRIBUTE_NAME,
    LONGEST_EMAIL,
    LONGEST_EXTERNAL_ID,
    PHONE,
    RESERVED,
)
from chappe.features.contacts.models import Contact
from chappe.features.contacts.phone import LONGEST_RAW
from chappe.features.contacts.preview import Preview
from chappe.features.contacts.services import Details, ImportOptions
from chappe.features.form import ConsoleForm

ATTRIBUTE = "attribute"
NEW_ATTRIBUTES = 3
"""Empty lines for attributes that a person does not have yet."""

ENCODING_CHOICES = (
    ("", _("As it was found")),
    ("utf-8", "UTF-8"),
    ("cp1252", _("Windows (cp1252)")),
    ("latin-1", "Latin-1"),
)
DELIMITER_CHOICES = (
    ("", _("As it was found")),
    (",", _("Comma")),
    (";", _("Semicolon")),
    ("\t", _("Tab")),
    ("|", _("Vertical bar")),
)
DELIMITERS = dict(DELIMITER_CHOICES)
COLUMN_CHOICES = (
    (PHONE, _("The phone number")),
    (EMAIL, _("The e-mail address")),
    (EXTERNAL_ID, _("Your own id of the person")),
    (ATTRIBUTE, _("An attribute")),
    (LEFT_OUT, _("Left out")),
)

REGION_HELP = _(
    "Two letters, such as FR: numbers without a country code are read as numbers of this country. Empty: they are not read, "
    "and these people are left out of deliveries."
)


def region_field() -> forms.CharField:
    return forms.CharField(
        label=_("Country of local numbers"),
        max_length=2,
        required=False,
        help_text=REGION_HELP,
        widget=forms.TextInput(attrs={"class": "short", "autocomplete": "off"}),
    )


class SearchForm(ConsoleForm):
    q = forms.CharField(
        label=_("Number, e-mail address or your own id"),
        required=False,
        max_length=320,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )


class ListForm(ConsoleForm):
    name = forms.CharField(label=_("Name"), max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))


class MemberForm(ConsoleForm):
    """Who is to be put on a list."""

    field_names = {"search": "person"}
    person = forms.CharField(
        label=_("Number, e-mail address or your own id"),
        max_length=320,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class UploadForm(ConsoleForm):
    field_names = {"encoding": "file", "delimiter": "file"}
    file = forms.FileField(
        label=_("CSV file"),
        help_text=_(
            "The first line names the columns, each other line is a person. At most 256 MiB. Nothing is imported before you "
            "have said what the columns are."
        ),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv,text/plain"}),
    )
    default_region = region_field()


class MappingForm(ConsoleForm):
    """How a file is read, and what each of its columns becomes."""

    encoding = forms.ChoiceField(label=_("Letters"), choices=ENCODING_CHOICES, required=False)
    delimiter = forms.ChoiceField(label=_("Between cells"), choices=DELIMITER_CHOICES, required=False)
    default_region = region_field()
    width = forms.IntegerField(min_value=1, max_value=MOST_COLUMNS, widget=forms.HiddenInput)

    def __init__(self, *args: Any, width: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["default_region"].help_text = ""  # it was said when the file was chosen
        self.places = range(width)
        for place in self.places:
            self._add_column(place, gettext("Column %(number)s") % {"number": place + 1})
        self.field_names = {f"columns[{place}]": f"use_{place}" for place in self.places}

    def _add_column(self, place: int, label: str) -> None:
        """In a table, whose headings are the labels of those who see it."""
        use = forms.Select(attrs={"aria-label": gettext("%(column)s: becomes") % {"column": label}})
        name = forms.TextInput(attrs={"aria-label": gettext("%(column)s: name of the attribute") % {"column": label}})
        self.fields[f"use_{place}"] = forms.ChoiceField(label=label, choices=COLUMN_CHOICES, required=False, widget=use)
        self.fields[f"name_{place}"] = forms.CharField(
            label=label, required=False, max_length=LONGEST_ATTRIBUTE_NAME, widget=name
        )

    @classmethod
    def of(cls, found: Preview, options: Mapping[str, Any]) -> "MappingForm":
        """As the file is read now."""
        initial: dict[str, Any] = {name: options.get(name, "") for name in ("encoding", "delimiter", "default_region")}
        for place, name in enumerate(found.columns):
            is_attribute = name != LEFT_OUT and name not in RESERVED
            initial[f"use_{place}"] = ATTRIBUTE if is_attribute else name
            initial[f"name_{place}"] = name if is_attribute else ""
        return cls(initial=initial | {"width": len(found.header)}, width=len(found.header))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        for place in self.places:
            if given.get(f"use_{place}") == ATTRIBUTE and not given.get(f"name_{place}"):
                self.add_error(f"name_{place}", gettext("An attribute needs a name."))
        return given

    def options(self) -> ImportOptions:
        given = self.cleaned_data
        columns = [
            given[f"name_{place}"] if given[f"use_{place}"] == ATTRIBUTE else given[f"use_{place}"]
            for place in self.places
        ]
        kept = {name: given[name] or None for name in ("default_region", "encoding", "delimiter")}
        return ImportOptions(columns=columns, **kept)


class PersonForm(ConsoleForm):
    """Facts and attributes of a person. Without `sees_numbers` the number and the address are not shown, and stay where
    nothing is typed."""

    phone = forms.CharField(label=_("Phone number"), max_length=LONGEST_RAW, required=False)
    email = forms.CharField(label=_("E-mail address"), max_length=LONGEST_EMAIL, required=False)
    external_id = forms.CharField(
        label=_("Your own id"),
        max_length=LONGEST_EXTERNAL_ID,
        required=False,
        help_text=_("A file with this id changes this person instead of making another."),
    )
    default_region = region_field()

    def __init__(
        self, *args: Any, contact: Contact | None = None, region: str = "", sees: bool = True, **kwargs: Any
    ) -> None:
        self.contact, self.sees_numbers = contact, sees
        self.known: Mapping[str, Any] = contact.attributes if contact else {}
        super().__init__(*args, initial=_facts(contact, sees) | {"default_region": region}, **kwargs)
        for place, (name, value) in enumerate(self.known.items()):
            self.fields[f"value_{place}"] = forms.CharField(
                label=name, initial=_shown(value), required=False, max_length=LONGEST_CELL
            )
        for place in range(NEW_ATTRIBUTES):
            self.fields[f"new_name_{place}"] = forms.CharField(
                label=_("New attribute"), required=False, max_length=LONGEST_ATTRIBUTE_NAME
            )
            self.fields[f"new_value_{place}"] = forms.CharField(
                label=_("Value"), required=False, max_length=LONGEST_CELL
            )
        self.field_names = {f"attributes.{name}": f"value_{place}" for place, name in enumerate(self.known)}
        if contact is not None and not sees:
            hidden = _("It is hidden from you. Empty leaves it as it is.")
            self.fields["phone"].help_text = self.fields["email"].help_text = hidden

    def attribute_fields(self) -> list[forms.BoundField]:
        return [self[f"value_{place}"] for place in range(len(self.known))]

    def new_fields(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        return [(self[f"new_name_{place}"], self[f"new_value_{place}"]) for place in range(NEW_ATTRIBUTES)]

    def details(self) -> Details:
        """What differs from what is known; the values of attributes are texts, but those that nobody changed."""
        given = self.cleaned_data
        attributes: dict[str, Any] = {}
        for place, (name, value) in enumerate(self.known.items()):
            typed = given[f"value_{place}"]
            if typed != _shown(value):
                attributes[name] = typed or None
        for place in range(NEW_ATTRIBUTES):
            name, typed = given[f"new_name_{place}"], given[f"new_value_{place}"]
            if name and typed:
                self.field_names = {**self.field_names, f"attributes.{name}": f"new_name_{place}"}
                attributes[name] = typed
        return Details(
            phone=self._reach("phone"),
            email=self._reach("email"),
            external_id=given["external_id"],
            attributes=attributes,
            default_region=given["default_region"] or None,
        )

    def _reach(self, name: str) -> str | None:
        typed: str = self.cleaned_data[name]
        if self.contact is None:
            return typed
        is_as_shown = typed == _facts(self.contact, self.sees_numbers)[name]
        return None if is_as_shown else typed


def _facts(contact: Contact | None, sees: bool) -> dict[str, str]:
    if contact is None:
        return {}
    return {
        "phone": (contact.phone or contact.phone_raw) if sees else "",
        "email": (contact.email or contact.email_raw) if sees else "",
        "external_id": contact.external_id,
    }


def _shown(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
