"""The editor of a delivery: its fields, its tables, and the draft that they make. A template of deliveries shares most."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from django import forms
from django.forms import BaseFormSet, formset_factory
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from chappe.features.connections.models import Connection
from chappe.features.connections.services import connections_of
from chappe.features.contacts.services import lists_page
from chappe.features.deliveries.link import own_base
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.options import Options
from chappe.features.deliveries.rich import ContentFields, content_of, initial_of, place_of
from chappe.features.deliveries.services import Draft, first_connection
from chappe.features.deliveries.state import CATEGORIES
from chappe.features.deliveries.template import LONGEST_BODY
from chappe.features.deliveries.terms import LONGEST_SERVICE_ID, LONGEST_SHORT_CODE, MOST_PARAMETERS, Written
from chappe.features.form import ConsoleForm
from chappe.features.messages.handed import HANDING_OVER
from chappe.features.refusal import InvalidInput
from chappe.features.words import localised
from chappe.messaging import Channel, FieldError
from chappe.providers.parameter import ParameterFormat
from chappe.providers.registry import PROVIDERS
from chappe.rules.link import TOKEN

Choices = list[tuple[str | int, str | Promise]]

UNITS: dict[str, int] = {"minutes": 60, "hours": 3600, "days": 86_400}
UNIT_LABELS: Choices = [("minutes", _("minutes")), ("hours", _("hours")), ("days", _("days"))]
MODES: Choices = [
    ("", _("Left to the provider")),
    (0, _("Normal")),
    (1, _("Flash: shown at once and not kept")),
    (2, _("Kept on the phone")),
    (3, _("Kept on the SIM card")),
]
FOLLOWED = _(
    "Web addresses in the text go out as short links of %(length)s characters that begin with %(base)s, and the report says "
    "how many people opened them. They lead on for 30 days. Not in e-mail."
)
FOLLOWED_ELSEWHERE = _(
    "Web addresses in the text go out as short links, and the report says how many people opened them. They lead on for 30 "
    "days. By Mid-sourcing alone: this installation has no address for links of its own (CHAPPE_LINK_URL)."
)
NOT_FOLLOWED = _(
    "Web addresses would go out as short links, and the report would say how many people opened them. For that, whoever runs "
    "this installation gives it an address for links: CHAPPE_LINK_URL."
)
LISTS_OFFERED = 500
_ROW = re.compile(r"tlvs\[(\d+)\](?:\.(\w+))?")


class TermsFields(forms.Form):
    """How messages go out, as a delivery says it and a template of deliveries."""

    category = forms.TypedChoiceField(
        label=_("Category"),
        coerce=int,
        choices=list(CATEGORIES.items()),
        help_text=_(
            "Marketing goes to nobody who wrote STOP or does not want it. Transactional is what people wait for: codes, "
            "appointments, parcels."
        ),
    )
    sender = forms.CharField(
        label=_("Sender"),
        max_length=64,
        required=False,
        help_text=_("A number, a short code or a name. Empty: the connection's own."),
    )
    body = forms.CharField(
        label=_("Text"),
        max_length=LONGEST_BODY,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 7, "spellcheck": "true"}),
        help_text=_(
            "What stands between {{ and }} is replaced by what is known of each person. "
            '{{ first_name|default("there") }} has a word for those of whom it is not known.'
        ),
    )
    follow_links = forms.BooleanField(label=_("Follow links"), required=False)
    validity = forms.IntegerField(
        label=_("Valid for"),
        min_value=1,
        max_value=43_200,
        help_text=_("From the start. Phones that were off all that time do not get it any more."),
    )
    validity_unit = forms.ChoiceField(label=_("Unit"), choices=UNIT_LABELS)
    short_code = forms.CharField(
        label=_("Short code"),
        max_length=LONGEST_SHORT_CODE,
        required=False,
        help_text=_("Whoever wrote STOP to it is left out. Empty: the connection's own."),
    )
    maximum_segments = forms.IntegerField(
        label=_("Most segments of a message"),
        min_value=0,
        max_value=255,
        required=False,
        help_text=_("Who would get a longer text is left out. Empty or 0: no limit."),
    )
    transmission_mode = forms.TypedChoiceField(
        label=_("Transmission mode"),
        choices=MODES,
        coerce=int,
        empty_value=None,
        required=False,
        help_text=_("How the phone treats the text, where the provider can say so (dest_addr_subunit)."),
    )
    service_id = forms.CharField(
        label=_("Service id"),
        max_length=LONGEST_SERVICE_ID,
        required=False,
        help_text=_("Sent in the one parameter that the connection has for it; not together with the table below."),
    )


class DeliveryForm(ContentFields, TermsFields, ConsoleForm):
    """Everything of a delivery that stands once."""

    label = forms.CharField(
        label=_("Name"), max_length=200, help_text=_("For you and your colleagues; nobody who gets the text sees it.")
    )
    list_id = forms.TypedChoiceField(label=_("List"), coerce=int, help_text=_("Who gets it."))
    connection_id = forms.TypedChoiceField(
        label=_("Connection"), coerce=int, help_text=_("The way it takes. The first one that can be used is chosen.")
    )

    field_names = {"validity_s": "validity"}

    def __init__(self, *args: Any, lists: Choices, connections: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["list_id"].choices = lists  # type: ignore[attr-defined]
        self.fields["connection_id"].choices = connections  # type: ignore[attr-defined]


class ParameterForm(ConsoleForm):
    """One row of the table of SMPP parameters; a row without a tag is none."""

    label = forms.CharField(label=_("Label"), max_length=100, required=False)
    tag = forms.CharField(label=_("Tag"), max_length=10, required=False)
    value = forms.CharField(label=_("Value"), max_length=2000, required=False, strip=False)
    format = forms.ChoiceField(
        label=_("Format"), choices=[(one.value, one.value) for one in ParameterFormat], required=False, initial="utf8"
    )
    maximum_octets = forms.IntegerField(label=_("At most (bytes)"), min_value=0, max_value=0xFFFF, required=False)

    def row(self) -> dict[str, Any] | None:
        cleaned = self.cleaned_data
        if not cleaned.get("tag"):
            return None
        return {
            **cleaned,
            "format": cleaned.get("format") or "utf8",
            "maximum_octets": cleaned.get("maximum_octets") or 0,
        }


class SuggestionForm(ConsoleForm):
    """Something to tap under a rich message; a row without a text is none."""

    kind = forms.ChoiceField(
        label=_("What it does"),
        choices=[
            ("reply", _("Answers with the text")),
            ("open_url", _("Opens a page")),
            ("dial", _("Dials a number")),
            ("show_location", _("Shows a place")),
        ],
        required=False,
    )
    text = forms.CharField(label=_("Text"), max_length=100, required=False)
    value = forms.CharField(label=_("Address, number, place or answer"), max_length=2000, required=False)


class CardForm(ConsoleForm):
    """One card of several; a row with nothing in it is none."""

    title = forms.CharField(label=_("Title"), max_length=200, required=False)
    description = forms.CharField(label=_("Text"), max_length=2000, required=False)
    url = forms.CharField(label=_("Picture or film (address)"), max_length=2000, required=False)
    thumbnail_url = forms.CharField(label=_("Picture that stands for a film"), max_length=2000, required=False)


def _rows(form: type[ConsoleForm], extra: int, most: int = MOST_PARAMETERS) -> "type[BaseFormSet[Any]]":
    return formset_factory(form, extra=extra, max_num=most, absolute_max=most)


SPARE_ROWS = {"tlvs": 1, "suggestions": 2, "cards": 2}
_FORMS = {"tlvs": ParameterForm, "suggestions": SuggestionForm, "cards": CardForm}
_MOST = {"tlvs": MOST_PARAMETERS, "suggestions": 11, "cards": 10}


class Template(Written, Protocol):
    """A template of deliveries, as far as the editor of a delivery must know one."""

    pk: int

    @property
    def connection_id(self) -> int | None: ...


class TermsEditor:
    """A form and its tables, as they are typed or as a row has them: what a delivery and a template of deliveries share.

    Whoever inherits sets `form` by `_begin`.
    """

    form: Any

    def __init__(self, organisation_id: int, data: QueryDict | None, row: Written | None) -> None:
        self._data = data
        self._connections = list(connections_of(organisation_id)[:LISTS_OFFERED])
        options = Options.of(row) if row else Options()
        self.initial_content = options.content
        content, self._rows = initial_of(options.content)
        self._rows["tlvs"] = [_row(one) for one in options.tlvs]
        self._initial = content | (_initial(row, options) if row else _EMPTY)
        self.kept = options.content if content.get("kind") == "kept" else None

    def _begin(self, form: Any) -> None:
        self.form = form
        if self.kept is None:
            choices = form.fields["kind"].choices
            form.fields["kind"].choices = [one for one in choices if one[0] != "kept"]
        self._explain_links(form.fields["follow_links"])
        self.tables = {name: self._table(name, self._data, self._rows.get(name, [])) for name in _FORMS}

    def _explain_links(self, field: Any) -> None:
        """What the box does here; it cannot be ticked where that would do nothing."""
        base, is_handed = own_base(), any(one.provider in HANDING_OVER for one in self._connections)
        if base:
            known = {"length": len(base) + TOKEN, "base": base}
            field.help_text = FOLLOWED % known
        elif is_handed:
            field.help_text = FOLLOWED_ELSEWHERE
        else:
            field.help_text = NOT_FOLLOWED
            field.disabled = not self._initial.get("follow_links")

    def _table(self, name: str, data: QueryDict | None, rows: Sequence[Mapping[str, Any]]) -> "BaseFormSet[Any]":
        made = _rows(_FORMS[name], SPARE_ROWS[name], _MOST[name])
        # Of a table that the page does not show nothing is posted.
        posted = data if data is not None and f"{name}-TOTAL_FORMS" in data else None
        return made(_with_row(posted, name, _MOST[name]), initial=list(rows), prefix=name)

    @property
    def tlvs(self) -> "BaseFormSet[Any]":
        return self.tables["tlvs"]

    @property
    def suggestions(self) -> "BaseFormSet[Any]":
        return self.tables["suggestions"]

    @property
    def cards(self) -> "BaseFormSet[Any]":
        return self.tables["cards"]

    @property
    def rich_names(self) -> list[str]:
        """The connections that carry rich content."""
        return [one.name for one in self._connections if _carries(one, Channel.RCS)]

    @property
    def has_connections(self) -> bool:
        return bool(self._connections)

    @property
    def is_advanced(self) -> bool:
        """Whether what is folded away holds anything, or is wrong."""
        names = ("short_code", "maximum_segments", "transmission_mode", "service_id")
        form = self.form
        said = any(form[name].value() not in (None, "", 0, "0") for name in names)
        return said or any(form[name].errors for name in names) or bool(_filled(self.tlvs)) or _is_wrong(self.tlvs)

    @property
    def is_rich(self) -> bool:
        tables = (self.suggestions, self.cards)
        return bool(self.form["kind"].value()) or any(_is_wrong(one) for one in tables)

    @property
    def has_wrong_rows(self) -> bool:
        return any(form.errors for table in self.tables.values() if table.is_bound for form in table.forms)

    def is_valid(self) -> bool:
        """Of what can be seen without asking a service."""
        return all([self.form.is_valid(), *(table.is_valid() for table in self.tables.values() if table.is_bound)])

    def terms(self) -> dict[str, Any]:
        """What is typed of how messages go out, as far as it can be read: also of a form that is not valid yet."""
        self.is_valid()
        form = self.form
        cleaned = form.cleaned_data
        body = cleaned.get("body", form["body"].value() or "")
        content = self.kept if cleaned.get("kind") == "kept" else content_of(cleaned, *self._rich_rows())
        return {
            "category": cleaned.get("category"),
            "sender": cleaned.get("sender", ""),
            "body": body.replace("\r\n", "\n"),
            "short_code": cleaned.get("short_code", ""),
            "validity_s": (cleaned.get("validity") or 72) * UNITS.get(cleaned.get("validity_unit", ""), 3600),
            "maximum_segments": cleaned.get("maximum_segments") or 0,
            "transmission_mode": cleaned.get("transmission_mode"),
            "service_id": cleaned.get("service_id", ""),
            "tlvs": [row for form in self._clean(self.tlvs) if (row := form.row())],
            "content": content,
            "follow_links": cleaned.get("follow_links", False),
        }

    def _rich_rows(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        return [one.cleaned_data for one in self._clean(self.suggestions)], [
            one.cleaned_data for one in self._clean(self.cards)
        ]

    @staticmethod
    def _clean(table: "BaseFormSet[Any]") -> Iterator[Any]:
        return (form for form in table.forms if hasattr(form, "cleaned_data"))

    def refuse(self, errors: Sequence[FieldError]) -> None:
        """Put each error of a service beside what it is about."""
        for error in errors:
            form, name = self._place(error.field)
            words = localised(error.message)
            form.add_error(name, words if name else f"{error.field}: {words}")

    def _place(self, field: str) -> tuple[Any, str | None]:
        if found := _ROW.fullmatch(field):
            filled = [form for form in self._clean(self.tlvs) if form.row()]
            return filled[int(found[1])], found[2] or "value"
        if field.startswith("content"):
            table, index, name = place_of(field, self.form.cleaned_data.get("kind", ""))
            if not table:
                return self.form, name
            filled = _filled(self.tables[table])
            return (filled[index], name) if index < len(filled) else (self.form, "kind")
        name = self.form.field_names.get(field, field)
        return self.form, name if name in self.form.fields else None


class Editor(TermsEditor):
    """The editor of a delivery, which may begin as a template has it."""

    def __init__(
        self,
        organisation_id: int,
        data: QueryDict | None = None,
        delivery: Delivery | None = None,
        list_id: int = 0,
        template: Template | None = None,
    ) -> None:
        super().__init__(organisation_id, data, delivery or template)
        lists = _lists(organisation_id, delivery)
        if not delivery and not list_id and lists:
            list_id = int(lists[0][0])
        routed = delivery or template
        connection_id = routed.connection_id if routed else None
        initial: dict[str, Any] = {"connection_id": connection_id or self._first(organisation_id)}
        if delivery:
            initial |= {"label": delivery.label, "list_id": delivery.contact_list_id}
        elif list_id:
            initial["list_id"] = list_id
        connections = offered(self._connections, connection_id)
        self._begin(DeliveryForm(data, initial=self._initial | initial, lists=lists, connections=connections))

    def _first(self, organisation_id: int) -> int | None:
        """The connection that is taken where nothing names one."""
        content = self.initial_content
        for channel in (None, Channel.EMAIL):
            try:
                return int(first_connection(organisation_id, channel, content).pk)
            except InvalidInput:
                continue
        return None

    @property
    def has_lists(self) -> bool:
        return bool(self.form.fields["list_id"].choices)

    def draft(self) -> Draft:
        """What is typed, as far as it can be read: also of a form that is not valid yet."""
        terms = self.terms()
        names = ("label", "list_id", "connection_id")
        return Draft(**{name: self.form.cleaned_data.get(name) for name in names}, **terms)


def _filled(table: "BaseFormSet[Any]") -> list[Any]:
    """The rows with anything in them."""
    keys = ("tag", "text", "title", "description", "url")
    return [
        form for form in table.forms if any(key in form.fields and (form[key].value() or "").strip() for key in keys)
    ]


def _is_wrong(table: "BaseFormSet[Any]") -> bool:
    return table.is_bound and not table.is_valid()


def _with_row(data: QueryDict | None, name: str, most: int) -> QueryDict | None:
    """What was posted, with one more row where the button for that was pressed."""
    key = f"{name}-TOTAL_FORMS"
    rows = str(data.get(key, "")) if data is not None else ""
    if data is None or data.get("do") != f"row-{name}" or not (rows.isdecimal() and len(rows) < 5):
        return data
    more = data.copy()
    more[key] = str(min(int(rows) + 1, most))
    return more


def _lists(organisation_id: int, delivery: Delivery | None) -> Choices:
    """The newest lists; that of the delivery always."""
    found = lists_page(organisation_id, "", LISTS_OFFERED).items
    if delivery and delivery.contact_list not in found:
        found.append(delivery.contact_list)
    return [(one.pk, one.name) for one in sorted(found, key=lambda one: one.name.casefold())]


def offered(connections: Sequence[Connection], connection_id: int | None) -> Choices:
    """Those that are switched on; that of this number always."""
    return [
        (one.pk, f"{one.name} · {localised(PROVIDERS[one.provider].label)}" if one.provider in PROVIDERS else one.name)
        for one in connections
        if one.is_enabled or one.pk == connection_id
    ]


def _carries(connection: Connection, channel: Channel) -> bool:
    spec = PROVIDERS.get(connection.provider)
    return spec is not None and channel in spec.channels


_EMPTY: dict[str, Any] = {"validity": 72, "validity_unit": "hours", "category": 0}


def _initial(row: Written, options: Options) -> dict[str, Any]:
    unit = next(name for name in ("days", "hours", "minutes") if not row.validity_s % UNITS[name] or name == "minutes")
    if unit == "days" and row.validity_s < 4 * UNITS["days"]:
        unit = "hours"  # as it is typed and told elsewhere
    return {
        **{name: getattr(row, name) for name in ("category", "sender", "body", "short_code")},
        "validity": row.validity_s // UNITS[unit],
        "validity_unit": unit,
        "maximum_segments": options.maximum_segments or None,
        "transmission_mode": options.transmission_mode,
        "service_id": options.service_id,
        "follow_links": options.follow_links,
    }


def _row(one: Any) -> dict[str, Any]:
    return {
        "label": one.label,
        "tag": one.tag,
        "value": one.value,
        "format": one.format.value,
        "maximum_octets": one.maximum_octets or None,
    }


class BeginForm(ConsoleForm):
    """The template that a new delivery begins with."""

    template = forms.ChoiceField(label=_("Template"))

    def __init__(self, templates: Sequence[Template], chosen: Template | None) -> None:
        super().__init__(initial={"template": chosen.pk if chosen else None})
        self.fields["template"].choices = [(one.pk, str(one)) for one in templates]  # type: ignore[attr-defined]


class ProofForm(ConsoleForm):
    """Where a proof goes."""

    numbers = forms.CharField(
        label=_("Numbers or addresses"),
        widget=forms.Textarea(attrs={"rows": 3}),
        required=False,
        help_text=_("One a line, with the country code; 100 at most."),
    )
    kept = forms.MultipleChoiceField(label=_("Kept numbers"), required=False, widget=forms.CheckboxSelectMultiple)
    place = forms.TypedChoiceField(label=_("As this person would get it"), coerce=int)

    def __init__(self, *args: Any, kept: Choices, people: Choices, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kept"].choices = kept  # type: ignore[attr-defined]
        self.fields["place"].choices = people  # type: ignore[attr-defined]
        if not kept:
            del self.fields["kept"]
        self.fields["numbers"].required = not kept

    @property
    def typed(self) -> str:
        """All that was chosen and typed, as a service reads it."""
        return "\n".join([*self.cleaned_data.get("kept", []), self.cleaned_data["numbers"]])


class NumberForm(ConsoleForm):
    """A test number to be kept."""

    address = forms.CharField(label=_("Number or address"), max_length=320)
    name = forms.CharField(label=_("Whose it is"), max_length=100, required=False)

    field_names = {"label": "name"}
