"""What is asked about a customer's URL."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from chappe.features.callbacks.models import CallbackEndpoint
from chappe.features.form import ConsoleForm
from chappe.rules.callback import EVENTS

EVENT_LABELS: Mapping[str, Any] = {
    "message.unconfirmed": _("A provider may have taken a message, and did not say"),
    "message.sent": _("A message was taken by its provider"),
    "message.delivered": _("A message was delivered"),
    "message.read": _("A message was read"),
    "message.failed": _("A message failed"),
    "message.expired": _("A message ran out of time"),
    "message.excluded": _("A message was not sent: consent or quarantine kept it back"),
    "message.cancelled": _("A message was cancelled with its delivery"),
    "inbound.received": _("A text came from a phone"),
    "consent.changed": _("Somebody said yes or no to our messages"),
}


class EndpointForm(ConsoleForm):
    """An address that is called, and what it wants to hear of."""

    url = forms.CharField(
        label=_("Address"),
        max_length=2000,
        help_text=_("It is called by POST, in JSON, signed; it should answer 2xx within ten seconds."),
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/chappe"}),
    )
    events = forms.MultipleChoiceField(
        label=_("What it hears of"),
        choices=[(event, EVENT_LABELS[event]) for event in EVENTS],
        widget=forms.CheckboxSelectMultiple,
    )
    allowed_networks = forms.CharField(
        label=_("Private networks allowed"),
        required=False,
        max_length=2000,
        help_text=_(
            "Where the address is within your own network: 10.0.0.0/8, for instance. Empty: public addresses only."
        ),
    )

    def __init__(self, *args: Any, endpoint: CallbackEndpoint | None = None, **kwargs: Any) -> None:
        values = {"events": list(EVENTS)}
        if endpoint is not None:
            values = {name: getattr(endpoint, name) for name in ("url", "events", "allowed_networks")}
        kwargs.setdefault("initial", values)
        super().__init__(*args, **kwargs)
