"""The simulated vendors, one file each; `VENDORS` lists them."""

from typing import Final

from .custom import Custom
from .esp import Esp
from .infobip import Infobip
from .link_mobility import LinkMobility
from .messagebird import MessageBird
from .messagemedia import MessageMedia
from .sinch import Sinch
from .twilio import Twilio
from .vendor import Vendor
from .vonage import Vonage

VENDORS: Final[dict[str, type[Vendor]]] = {
    one.KEY: one for one in (Custom, Esp, Twilio, LinkMobility, Sinch, Infobip, MessageMedia, Vonage, MessageBird)
}
