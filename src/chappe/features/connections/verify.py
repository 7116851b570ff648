"""Testing a connection from its pages: what is asked, what was found, and what was exchanged, for people to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms
from chappe.features.connections import services
from chappe.features.connections.exchange_text import Told, told
from chappe.features.connections.link import held_slots
from chappe.features.connections.models import Connection
from chappe.features.form import ConsoleForm
from chappe.features.view import PageRequest, page
from chappe.messaging import Channel

if TYPE_CHECKING:
    from chappe.engine.net.verification import Verification
    from chappe.providers.contract import ProviderSpec

MAIL = '{\n  "to": "{{ user_identifier }}",\n  "from": "shop@example.org",\n  "subject": "Test",\n  "html": "<p>Test</p>"\n}'
MOST_PDUS = 200
LEVELS: Mapping[str, tuple[str | Promise, str]] = {
    "ok": (gettext_lazy("Fine"), "good"),
    "warning": (gettext_lazy("Look at this"), "warn"),
    "error": (gettext_lazy("Wrong"), "bad"),
}
WHAT: Mapping[str, str | Promise] = {
    "credentials": gettext_lazy("Credentials"),
    "test message": gettext_lazy("Test message"),
    "token": gettext_lazy("Token"),
}


class TestForm(ConsoleForm):
    """Where a test message goes, and what it says. Without a recipient none is sent."""

    __test__ = False  # pytest takes its name for a test's

    number = forms.CharField(max_length=320, required=False, strip=True)
    text = forms.CharField(max_length=20_000, required=False, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, *args: Any, spec: "ProviderSpec", is_needed: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, use_required_attribute=False, **kwargs)
        number, text = self.fields["number"], self.fields["text"]
        number.required = text.required = is_needed
        if spec.hands_over:
            del self.fields["number"], self.fields["text"]
        elif spec.channels == {Channel.EMAIL}:
            number.label = _("Recipient")
            number.help_text = _("An address of yours, or the identifier by which the provider knows you.")
            text.label = _("JSON payload")
            text.help_text = _(
                "The body exactly as the provider's API expects it. {{ user_identifier }} becomes the recipient."
            )
            text.widget = forms.Textarea(attrs={"rows": 9, "class": "mono", "spellcheck": "false"})
            text.initial = MAIL
        else:
            number.label = _("Number")
            number.help_text = _(
                "A telephone of yours, with its country code: +33612345678. Empty: only the log-in is tested, and nothing "
                "is sent."
            )
            text.label = _("Message")
            text.help_text = _("Empty: a text that says that it is a test.")

    @property
    def given(self) -> dict[str, str | None]:
        """As services take it."""
        number, text = (self.cleaned_data.get(name) or None for name in ("number", "text"))
        return {"test_number": number, "test_text": text}


@dataclass(frozen=True)
class ShownFinding:
    text: str
    level: str | Promise
    tone: str


@dataclass(frozen=True)
class ShownCall:
    what: str | Promise
    request: Told
    response: Told
    reading: str
    took_ms: float


@dataclass(frozen=True)
class ShownVerification:
    is_usable: bool
    findings: Sequence[ShownFinding]
    calls: Sequence[ShownCall]
    pdus: Sequence[str]


class Pdus:
    """What crossed a link, a line each, up to so many."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, direction: str, line: str) -> None:
        if len(self.lines) < MOST_PDUS:
            self.lines.append(f"{'→' if direction == 'out' else '←'} {line}")


def shown_verification(found: "Verification | None", pdus: Sequence[str] = ()) -> ShownVerification | None:
    if found is None:
        return None
    findings = [ShownFinding(one.text, *LEVELS[one.level]) for one in found.findings]
    calls = [
        ShownCall(
            WHAT.get(one.what, one.what),
            told(one.request, has_first_line=True),
            told(one.response, has_first_line=True),
            one.reading,
            one.took_ms,
        )
        for one in found.exchanges
    ]
    return ShownVerification(found.is_usable, findings, calls, pdus)


def headers_told(spec: "ProviderSpec", values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The headers that the operator wrote, a secret one without its value."""
    names = {setting.name for setting in spec.settings}
    if "headers" not in names:
        return []
    rows = values.get("headers", spec.setting("headers").empty)
    return [(str(row["label"]), services.MASK if row.get("locked") else str(row.get("value", ""))) for row in rows]


@page(Right.SEE_CONNECTIONS, change=Right.MANAGE_CONNECTIONS)
def verify(request: PageRequest, connection_id: int) -> HttpResponseBase:
    connection = services.find_connection(request.person.organisation_id, connection_id)
    spec = services.provider_spec(connection.provider)
    form, found, pdus = TestForm(request.POST if request.method == "POST" else None, spec=spec), None, Pdus()
    if request.method == "POST" and form.is_valid():
        with form.refusals():
            found = services.verify_connection(connection, **form.given, on_pdu=pdus)
    shown = {
        "connection": connection,
        "spec": spec,
        "form": form,
        "found": shown_verification(found, pdus.lines),
        "held": held_words(connection),
        "headers": headers_told(spec, connection.settings),
    }
    return render(request, "connections/verify.html", shown)


def held_words(connection: Connection) -> str:
    """What to know before a test of a connection that engines hold links of; "" where none does."""
    held = held_slots(connection.pk, now_ms())
    if not held or connection.provider != "smpp":
        return ""
    words = ngettext(
        "An engine holds %(count)s link of this connection. The test opens one more: the provider may refuse it, or send the "
        "receipt of the test message to the engine. Switch the connection off first where that happens.",
        "Engines hold %(count)s links of this connection. The test opens one more: the provider may refuse it, or send the "
        "receipt of the test message to an engine. Switch the connection off first where that happens.",
        held,
    )
    return words % {"count": held}
