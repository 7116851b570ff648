"""How the states of messages and of other things are called and coloured on pages."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from chappe.messaging import DeliveryState

STATES: Mapping[DeliveryState, str | Promise] = {
    DeliveryState.WAITING: _("Waiting"),
    DeliveryState.UNCONFIRMED: _("Unconfirmed"),
    DeliveryState.SENT: _("Sent"),
    DeliveryState.DELIVERED: _("Delivered"),
    DeliveryState.READ: _("Read"),
    DeliveryState.FAILED: _("Failed"),
    DeliveryState.EXPIRED: _("Expired"),
    DeliveryState.EXCLUDED: _("Excluded"),
    DeliveryState.CANCELLED: _("Cancelled"),
}

TONES: Mapping[DeliveryState, str] = {
    DeliveryState.WAITING: "mute",
    DeliveryState.UNCONFIRMED: "warn",
    DeliveryState.SENT: "info",
    DeliveryState.DELIVERED: "good",
    DeliveryState.READ: "good",
    DeliveryState.FAILED: "bad",
    DeliveryState.EXPIRED: "bad",
    DeliveryState.EXCLUDED: "mute",
    DeliveryState.CANCELLED: "mute",
}
