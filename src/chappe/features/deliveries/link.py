"""Short links of a delivery: whether its addresses can be followed, what the links begin with, and how they will look."""

from django.conf import settings

from chappe.features.connections.models import Connection
from chappe.features.connections.services import mid_link_base
from chappe.features.connections.way import Way
from chappe.features.deliveries.options import Options
from chappe.features.messages.handed import HANDING_OVER
from chappe.messaging import ConfigError, FieldError
from chappe.rules.link import ELSEWHERE, TOKEN, shortened

NOT_IN_EMAIL = "cannot be done in e-mail: its provider does that"
NO_ADDRESS = "needs an address for short links, which this installation has none of: set CHAPPE_LINK_URL"
NO_ADDRESS_AT_MID = "cannot be done: mid has no address for short links; CHAPPE_LINK_URL is to be set there"
_LIKE = "00000pNobzZdp4L9"
"""A token of no message."""


def base_of(way: Way) -> str:
    """What short links begin with that go out by this way; "" where none can."""
    if way.is_email:
        return ""
    if way.is_handed_over:
        return ELSEWHERE if way.mid_link_base is None else way.mid_link_base
    return own_base()


def own_base() -> str:
    """What this installation's own short links begin with; "" where it has no address for them."""
    base: str = settings.CONFIGURATION.link_base
    return base


def base_for(account: Connection) -> str | None:
    """What another installation is told that its account's short links begin with; "" where they cannot be made, None where
    that is not known here: this one hands them over itself."""
    return mid_link_base(account.pk) if account.provider in HANDING_OVER else own_base()


def problem(way: Way) -> str:
    """Why links that go out by this way cannot be followed; "" where they can."""
    if base_of(way):
        return ""
    if way.is_email:
        return NOT_IN_EMAIL
    return NO_ADDRESS_AT_MID if way.is_handed_over else NO_ADDRESS


def followed_base(options: Options, way: Way) -> str:
    """What addresses of a text will begin with; "" where they stay as they are. Raises ConfigError where they were to be
    followed and cannot be."""
    if not options.follow_links:
        return ""
    if wrong := problem(way):
        raise ConfigError([FieldError("follow_links", wrong)])
    return base_of(way)


def pictured(text: str, base: str) -> str:
    """A text as it will look with its short links, which are known only once its message has a number."""
    return shortened(text, lambda place: base + _LIKE[place % TOKEN :] + _LIKE[: place % TOKEN]) if base else text
