"""What a connection is, in the words that people know accounts by: its type, channel, delivery mode and connector."""

from collections.abc import Container
from typing import TYPE_CHECKING

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chappe.features.connections.account import account_name
from chappe.features.connections.models import Connection
from chappe.features.words import localised
from chappe.messaging import Channel
from chappe.providers.registry import PROVIDERS

if TYPE_CHECKING:
    from chappe.providers.contract import ProviderSpec

CHANNELS = {
    Channel.SMS: gettext_lazy("Mobile (SMS)"),
    Channel.RCS: gettext_lazy("RCS"),
    Channel.EMAIL: gettext_lazy("E-mail"),
}
CONNECTORS = {"smpp": gettext_lazy("Extended generic SMPP")}

Fact = tuple[str, str]


def facts_of(spec: "ProviderSpec") -> tuple[Fact, ...]:
    """Label and value of each."""
    connector: str | Promise = CONNECTORS.get(spec.key, localised(spec.label))
    return (
        (_("Type"), _("Routing")),
        (_("Channel"), channel_words(spec.channels)),
        (_("Delivery mode"), _("Mid-sourcing") if spec.hands_over else _("Bulk delivery")),
        *(((_("Connector"), str(connector)),) if not spec.hands_over else ()),
    )


def counterpart_of(connection: Connection) -> str:
    """What the connection on mid must be called that an account hands over to; "" where it hands over to none."""
    spec, settings = PROVIDERS.get(connection.provider), connection.settings
    if spec is None or not spec.hands_over:
        return ""
    return account_name(settings.get("operator", ""), settings.get("internal_name", ""))


def channel_words(channels: Container[Channel]) -> str:
    return ", ".join(str(label) for channel, label in CHANNELS.items() if channel in channels)
