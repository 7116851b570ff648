"""The simulated vendors, one file each; `VENDORS` lists them."""

from typing import Final

from .custom import Custom
from .twilio import Twilio
from .vendor import Vendor

VENDORS: Final[dict[str, type[Vendor]]] = {one.KEY: one for one in (Custom, Twilio)}
