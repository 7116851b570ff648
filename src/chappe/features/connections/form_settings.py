"""The form of a provider's settings, drawn from its declaration: groups, help, units, choices, tables, secrets."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.forms import BoundField
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from chappe.features.clock import now_ms
from chappe.features.connections.certificate import NAMES as CERTIFICATES
from chappe.features.connections.certificate import days_left
from chappe.features.connections.form_account import INTERNAL_NAME, OPERATOR, Asked, account_fields
from chappe.features.connections.form_value import CLEAR, WAS, Typed, cell_name, field_of
from chappe.features.connections.risk import login_field, said_beside
from chappe.features.connections.services import LONGEST_NAME
from chappe.features.form import ConsoleForm
from chappe.features.words import localised
from chappe.messaging import FieldError
from chappe.providers.contract import ProviderSpec, Setting, SettingType
from chappe.providers.registry import PROVIDERS

FEW = 4
"""Choices that are shown at once; more are a list that opens."""
LONG = 10_000
"""Characters from which on a text has lines."""
ROWS_OF_TEXT = 12
SOON_DAYS = 30
_CODE = re.compile(r"`([^`]+)`")


class SettingField(forms.Field):
    """Takes what it is given: the provider's declaration has the last word."""

    def clean(self, value: Any) -> Any:
        return value


class UnshownText(forms.Textarea):
    """A secret of several lines: written, never shown."""

    def format_value(self, value: Any) -> str:
        return ""


@dataclass(frozen=True)
class Item:
    """A line of the form. `when` names the field on which it depends, with the values by which it counts, and the same in
    words. `clear` is the box that takes a kept secret away."""

    bound: BoundField
    warning: str = ""
    unit: str = ""
    when: str = ""
    when_values: str = ""
    when_words: str = ""
    clear: BoundField | None = None

    @property
    def is_wide(self) -> bool:
        """Whether it wants the whole width of the form."""
        return isinstance(self.bound.field.widget, forms.Textarea | forms.RadioSelect)


@dataclass(frozen=True)
class Row:
    place: int
    fields: Sequence[BoundField]
    is_kept: bool
    """Whether it stays: a row that is there from the start."""
    was: BoundField | None = None


@dataclass(frozen=True)
class Table:
    name: str
    label: str
    help: SafeString
    rows: Sequence[Row]
    count: BoundField
    errors: Sequence[str]
    is_ordered: bool
    may_grow: bool


@dataclass(frozen=True)
class Group:
    title: str
    slug: str
    lines: Sequence[Item | Table] = field(default_factory=tuple)
    has_errors: bool = False


class SettingsForm(ConsoleForm):
    """The settings `names` of a provider as `typed`, with the errors that a service gave. `stored`: secrets that are kept."""

    def __init__(
        self,
        spec: ProviderSpec,
        names: Sequence[str],
        typed: Typed,
        *,
        stored: frozenset[str] = frozenset(),
        name: str | None = None,
        errors: Iterable[FieldError] = (),
        others: Sequence[str] = (),
        organisation_id: int = 0,
        asked: Asked | None = None,
    ) -> None:
        """`name` is the connection's, where it is part of the form, and so is `asked`; `others`: connections that log in as
        this one does."""
        self.spec, self.names, self.typed, self.stored = spec, names, typed, stored
        self.asked = asked
        self.known = {**spec.defaults(), **typed.values}
        self.warnings = said_beside(spec.key, self.known)
        if others:
            self.warnings[login_field(spec.key)] = shared_login_words(spec.key, others)
        super().__init__(self._flat(name), use_required_attribute=False)
        if name is not None:
            self.fields["name"] = _name_field()
        if asked is not None:
            self.fields |= account_fields(organisation_id)
        for setting in self._settings():
            self.fields |= self._fields_of(setting)
        self.table_errors: dict[str, list[str]] = {}
        self.full_clean()
        for error in errors:
            self._put(error)

    def _settings(self) -> Iterator[Setting]:
        return (self.spec.setting(name) for name in self.names)

    # -- values ------------------------------------------------------------------------------------------------------

    def _flat(self, name: str | None) -> dict[str, Any]:
        flat: dict[str, Any] = {} if name is None else {"name": name}
        if self.asked is not None:
            flat |= {OPERATOR: self.asked.operator, INTERNAL_NAME: self.asked.internal_name}
        for setting in self._settings():
            value = self.typed.values.get(setting.name, setting.empty)
            if setting.type is SettingType.TABLE:
                flat |= self._flat_rows(setting, value)
            elif not setting.is_secret:
                flat[setting.name] = _as_text(value)
        return flat

    def _flat_rows(self, setting: Setting, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        flat: dict[str, Any] = {f"{setting.name}-rows": len(rows)}
        cells = dict(setting.locked_cells(rows))
        for place, row in enumerate(rows):
            for column in setting.columns:
                is_hidden = place in cells and column.name == setting.locks
                value = "" if is_hidden else row.get(column.name, column.empty)
                flat[cell_name(setting.name, place, column.name)] = _as_text(value)
            if self._is_known(cells.get(place, "")):
                flat[cell_name(setting.name, place, WAS)] = cells[place]
        return flat

    def _is_known(self, secret: str) -> bool:
        """Whether there is such a secret, kept or typed."""
        typed = self.typed.secrets.get(secret)
        return bool(typed) if typed is not None else secret in self.stored

    # -- fields ------------------------------------------------------------------------------------------------------

    def _fields_of(self, setting: Setting) -> dict[str, forms.Field]:
        if setting.type is SettingType.TABLE:
            return self._fields_of_rows(setting)
        made: dict[str, forms.Field] = {setting.name: self._field(setting, setting.name)}
        if setting.is_secret and not setting.required and self._is_known(setting.name):
            made[CLEAR + setting.name] = SettingField(label=_("Take it away"), widget=forms.CheckboxInput)
        return made

    def _field(self, setting: Setting, name: str) -> SettingField:
        help_text = _help(setting)
        if setting.is_secret:
            help_text = format_html("{} {}", self._secret_state(name), help_text)
        elif name in CERTIFICATES:
            help_text = format_html("{} {}", _validity(str(self.known[name])), help_text)
        return SettingField(
            label=localised(setting.label or setting.name),
            help_text=help_text,
            widget=_widget(setting),
            required=_is_needed(setting),
        )

    def _secret_state(self, name: str) -> SafeString:
        """Whether a secret is there: all that is ever told of it."""
        if self._is_known(name):
            return format_html('<span class="pill good">{}</span> {}', _("set"), _("It stays unless you type another."))
        return format_html('<span class="pill">{}</span>', _("not set"))

    def _fields_of_rows(self, setting: Setting) -> dict[str, forms.Field]:
        made: dict[str, forms.Field] = {f"{setting.name}-rows": SettingField(widget=forms.HiddenInput)}
        rows = self.typed.values.get(setting.name, setting.empty)
        cells = dict(setting.locked_cells(rows))
        for place, _row in enumerate(rows):
            for column in setting.columns:
                name = cell_name(setting.name, place, column.name)
                made[name] = SettingField(label=_column_label(column), widget=_widget(column), required=True)
            known = cells.get(place, "")
            if self._is_known(known):
                locked = made[cell_name(setting.name, place, setting.locks)]
                locked.widget = forms.PasswordInput(attrs={"autocomplete": "new-password"})
                locked.help_text = format_html(
                    '<span class="pill good">{}</span> {}', _("set"), _("It stays unless you type another.")
                )
                made[cell_name(setting.name, place, WAS)] = SettingField(widget=forms.HiddenInput)
        return made

    def _put(self, error: FieldError) -> None:
        """An error beside its field; beside the table where it is about one as a whole; above all else."""
        name, words = field_of(error.field), sentence(localised(error.message))
        setting = next((one for one in self._settings() if one.name == name and one.columns), None)
        if name in self.fields:
            self.add_error(name, words)
        elif setting is not None:
            self.table_errors.setdefault(name, []).append(words)
            self.add_error(None, _("%(label)s: %(words)s") % {"label": localised(setting.label), "words": words})
        else:
            self.add_error(None, words)

    @property
    def opens_account(self) -> bool:
        """Whether there is something to see of the operator and the internal name."""
        return self.asked is not None and (self.asked.is_any or bool({OPERATOR, INTERNAL_NAME} & set(self.errors)))

    # -- as it is drawn ----------------------------------------------------------------------------------------------

    def drawn(self) -> list[Group]:
        """The groups of the settings, in the order of the declaration."""
        groups: dict[str, list[Setting]] = {}
        for setting in self._settings():
            groups.setdefault(setting.group, []).append(setting)
        return [self._group(title, settings) for title, settings in groups.items()]

    def _group(self, title: str, settings: Sequence[Setting]) -> Group:
        items = [self._table(one) if one.type is SettingType.TABLE else self._item(one) for one in settings]
        slug = re.sub(r"\W+", "-", title.lower())
        return Group(localised(title), slug, items, any(self._is_wrong(one.name) for one in settings))

    def _is_wrong(self, name: str) -> bool:
        return name in self.table_errors or any(key == name or key.startswith(f"{name}-") for key in self.errors)

    def _item(self, setting: Setting) -> Item:
        name = setting.name
        clear = CLEAR + name
        when = self._when(setting)
        return Item(
            self[name],
            str(self.warnings.get(name, "")),
            localised(setting.unit),
            *when,
            clear=self[clear] if clear in self.fields else None,
        )

    def _when(self, setting: Setting) -> tuple[str, str, str]:
        """On which field this one depends, by which values, and that in words."""
        if setting.applies_when is None or setting.applies_when[0] not in self.names:
            return "", "", ""
        name, wanted = setting.applies_when
        other = self.spec.setting(name)
        values = wanted if isinstance(wanted, tuple) else (wanted,)
        told = _(" or ").join(f"“{_value_label(other, value)}”" for value in values)
        words = _("Counts where “%(field)s” is %(values)s.") % {"field": localised(other.label), "values": told}
        return name, " ".join(str(value) for value in values), words

    def _table(self, setting: Setting) -> Table:
        rows = self.typed.values.get(setting.name, setting.empty)
        first = setting.columns[0].name
        stay = {row[first] for row in setting.default or ()} if setting.locks else set()
        drawn = [self._row(setting, place, row.get(first) in stay) for place, row in enumerate(rows)]
        return Table(
            setting.name,
            localised(setting.label),
            _help(setting),
            drawn,
            self[f"{setting.name}-rows"],
            self.table_errors.get(setting.name, ()),
            is_ordered=not setting.locks,
            may_grow=setting.maximum is None or len(drawn) < setting.maximum,
        )

    def _row(self, setting: Setting, place: int, is_kept: bool) -> Row:
        names = [cell_name(setting.name, place, column.name) for column in setting.columns]
        was = cell_name(setting.name, place, WAS)
        return Row(place, [self[name] for name in names], is_kept, self[was] if was in self.fields else None)


def sentence(words: str) -> str:
    """With a capital and a stop, so that several can follow each other. What begins with a name stays as it is."""
    is_word = words.partition(" ")[0].isalpha()
    capital = words[:1].upper() + words[1:] if is_word else words
    return capital if not words or words[-1] in ".!?…" else f"{capital}."


def shared_login_words(spec_key: str, others: Sequence[str]) -> str:
    words = (
        _(
            "Another connection signs in as the same operator on the same mid: %(names)s. An operator is for one account: make "
            "another one on mid, or nobody can tell apart whose messages are whose."
        )
        if PROVIDERS[spec_key].hands_over
        else _(
            "Another connection logs in with the same account: %(names)s. The provider may send the receipts of one to the "
            "other, where they match nothing, and counts the links of both together."
        )
    )
    return words % {"names": ", ".join(others)}


def _validity(pem: str) -> SafeString:
    """How long a certificate is good; nothing of what is none."""
    days = days_left(pem, now_ms())
    if days is None:
        return SafeString()
    if days < 0:
        return format_html('<span class="pill bad">{}</span>', _("It is over."))
    words = ngettext("good for %(days)s more day", "good for %(days)s more days", days) % {"days": days}
    return format_html('<span class="pill {}">{}</span>', "warn" if days < SOON_DAYS else "good", words)


def _name_field() -> forms.Field:
    return SettingField(
        label=_("Name"),
        help_text=_("As people here know it. It stands in deliveries and reports."),
        widget=forms.TextInput(attrs={"maxlength": LONGEST_NAME}),
    )


def _as_text(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_needed(setting: Setting) -> bool:
    """Whether it is not said to be optional: it must be there, or has a value in any case."""
    return setting.required or setting.empty not in ("", None)


def _column_label(column: Setting) -> str:
    """Its label; one that has none is called by its name, whose words the console has elsewhere."""
    return localised(column.label) if column.label else _(column.name.replace("_", " ").capitalize())


def _value_label(setting: Setting, value: object) -> str:
    if isinstance(value, bool):
        return pgettext("setting", "on") if value else pgettext("setting", "off")
    labels = {choice.value: choice.label for choice in setting.choices}
    return localised(labels.get(str(value), str(value)))


def _help(setting: Setting) -> SafeString:
    return coded(localised(setting.help))


def coded(text: str) -> SafeString:
    """A sentence in which names of the wire stand between backticks, as HTML."""
    return mark_safe(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S308 - escaped before


def _widget(setting: Setting) -> forms.Widget:
    match setting.type:
        case SettingType.BOOLEAN:
            return forms.CheckboxInput()
        case SettingType.CHOICE:
            choices = [(choice.value, localised(choice.label).replace("`", "")) for choice in setting.choices]
            return (
                forms.RadioSelect(choices=choices)
                if len(choices) <= FEW and setting.group
                else forms.Select(choices=choices)
            )
        case SettingType.INTEGER | SettingType.NUMBER:
            return forms.NumberInput(attrs=_bounds(setting))
    return _text_widget(setting)


def _bounds(setting: Setting) -> dict[str, Any]:
    bounds = {"min": setting.minimum, "max": setting.maximum}
    step = "1" if setting.type is SettingType.INTEGER else "any"
    return {"step": step, **{name: f"{value:.12g}" for name, value in bounds.items() if value is not None}}


def _text_widget(setting: Setting) -> forms.Widget:
    plain = {"autocomplete": "off", "spellcheck": "false"}
    longest = setting.maximum or 0
    if setting.is_secret and longest < LONG:
        return forms.PasswordInput(attrs={"autocomplete": "new-password"})
    if setting.is_secret:
        return UnshownText(attrs={**plain, "rows": 3, "class": "mono"})
    if longest >= LONG or "\n" in str(setting.default or ""):
        rows = ROWS_OF_TEXT if "\n" in str(setting.default or "") else 4
        return forms.Textarea(attrs={**plain, "rows": rows, "class": "mono"})
    if not setting.group and 1000 < longest < 2000:
        return forms.Textarea(attrs={"rows": 2})
    return forms.TextInput(attrs={**plain, "class": "mono"} if setting.type is SettingType.PATTERN else plain)
