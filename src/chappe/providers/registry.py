"""Which providers there are."""

from collections.abc import Mapping
from types import MappingProxyType

from chappe.providers import (
    custom_http,
    esp,
    infobip,
    link_mobility,
    messagebird,
    messagemedia,
    relay,
    sinch,
    twilio,
    vonage,
)
from chappe.providers.contract import ProviderSpec
from chappe.providers.http import HttpProvider
from chappe.providers.smpp_settings import SPEC as SMPP

_ADAPTERS: tuple[HttpProvider, ...] = (
    custom_http,
    esp,
    twilio,
    vonage,
    messagebird,
    link_mobility,
    sinch,
    infobip,
    messagemedia,
    relay,
)

HTTP: Mapping[str, HttpProvider] = MappingProxyType({adapter.SPEC.key: adapter for adapter in _ADAPTERS})
"""Adapters of the providers that are called by HTTP."""

VENDORS: Mapping[str, HttpProvider] = MappingProxyType(
    {key: adapter for key, adapter in HTTP.items() if not adapter.SPEC.hands_over}
)
"""Those among them that are somebody else's: all but another Chappe."""

PROVIDERS: Mapping[str, ProviderSpec] = MappingProxyType(
    {SMPP.key: SMPP, **{key: adapter.SPEC for key, adapter in HTTP.items()}}
)


def spec(key: str) -> ProviderSpec:
    """The declaration of a provider; KeyError for one that does not exist."""
    return PROVIDERS[key]
