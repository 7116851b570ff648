"""Forms that keep what was typed and say what is wrong beside the field."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

from django import forms
from django.utils.translation import gettext as _

from chappe.features.refusal import Conflict, InvalidInput
from chappe.features.words import localised

LONGEST_NUMBER = 20
"""Digits, one more than an id may have."""
LONGEST_NAME = 2_500
"""Of a thing that is confirmed by its name: the longest is an address that is called."""


class ConsoleForm(forms.Form):
    """A form whose service has the last word: within `refusals()`, what the service refuses becomes the form's errors.

    `field_names` maps the names that services use to the form's own, where they differ.
    """

    field_names: Mapping[str, str] = {}
    error_css_class = "has-error"
    required_css_class = "is-required"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        self.is_refused = False

    def refusals(self) -> AbstractContextManager[None, bool]:
        """InvalidInput and Conflict within become errors, beside the field where there is one; see `is_refused`."""
        return cast(AbstractContextManager[None, bool], self._refusals())

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except InvalidInput as error:
            self.is_refused = True
            for one in error.errors:
                name = self.field_of(one.field)
                known = name in self.fields
                words = localised(one.message)
                self.add_error(name if known else None, words if known else f"{one.field}: {words}")
        except Conflict as error:
            self.is_refused = True
            self.add_error(None, localised(str(error)))

    def field_of(self, path: str) -> str:
        """The form's own name for what a service calls `path`."""
        return self.field_names.get(path, path)


class ConfirmForm(ConsoleForm):
    """What cannot be undone is confirmed by typing the name of the thing."""

    confirmation = forms.CharField(
        max_length=LONGEST_NAME, strip=True, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.name = name
        self.fields["confirmation"].label = _("Type “%(name)s” to confirm") % {"name": name}

    def clean_confirmation(self) -> str:
        typed: str = self.cleaned_data["confirmation"]
        if _as_typed(typed) != _as_typed(self.name):
            raise forms.ValidationError(_("This is not the same. Type “%(name)s”.") % {"name": self.name})
        return typed


def _as_typed(name: str) -> str:
    """What of a name can be typed: a field of one line takes no line breaks, and keyboards write an accent in one way only."""
    return "".join(unicodedata.normalize("NFC", name).split())


def chosen_ids(values: Iterable[str]) -> list[int]:
    """Of boxes that were ticked. Raises InvalidInput where there are none."""
    ids = [number for value in values if (number := number_of(value)) is not None]
    if not ids:
        raise InvalidInput.at("ids", _("Nothing was chosen."))
    return ids


def number_of(text: str) -> int | None:
    """The number of a thing that an address or a box names; None where it names none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < LONGEST_NUMBER else None
