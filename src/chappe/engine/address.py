"""Addresses of ours that providers call: how they are written, by the engine into its requests and by pages for people to copy.

`/v1/receive/distribution/{status|message}/{provider}/{organisation}/{connection}`; without the connection, any connection of
the organisation with that provider is meant. And `/v1/hooks/{token}`.
"""

from collections.abc import Mapping
from urllib.parse import quote

from chappe.providers.contract import ProviderSpec

RECEIVE = "/v1/receive/distribution/"
HOOKS = "/v1/hooks/"
STATUS, MESSAGE = "status", "message"
FEEDBACK, INBOUND = "feedback", "inbound"
"""Kinds of hooks."""


def status_url(public_url: str, provider_key: str, organisation_id: int, connection_id: int = 0) -> str:
    """Where a provider tells what became of messages; "" where there is no public address. `connection_id` 0: any."""
    return _receive_url(STATUS, public_url, provider_key, organisation_id, connection_id)


def inbound_url(public_url: str, provider_key: str, organisation_id: int, connection_id: int = 0) -> str:
    """Where a provider brings texts from phones; "" where there is no public address. `connection_id` 0: any."""
    return _receive_url(MESSAGE, public_url, provider_key, organisation_id, connection_id)


def hook_url(public_url: str, token: str) -> str:
    """The address of a hook; "" where there is no public address."""
    return f"{public_url.rstrip('/')}{HOOKS}{quote(token, safe='')}" if public_url else ""


def hook_urls(
    public_url: str, spec: ProviderSpec, organisation_id: int, connection_id: int, tokens: Mapping[str, str]
) -> tuple[str, str]:
    """Where the provider of a connection tells what became of messages, and where it brings texts; "" for nowhere.

    `tokens` are those of the connection's own hooks by their kind: a provider whose hooks are described calls these.
    """
    if spec.has_described_hooks:
        found = (tokens.get(FEEDBACK, ""), tokens.get(INBOUND, ""))
        status, inbound = (hook_url(public_url, token) if token else "" for token in found)
        return status, inbound
    place = (public_url, spec.key, organisation_id, connection_id)
    return status_url(*place), inbound_url(*place)


def _receive_url(kind: str, public_url: str, provider_key: str, organisation_id: int, connection_id: int) -> str:
    if not public_url:
        return ""
    url = f"{public_url.rstrip('/')}{RECEIVE}{kind}/{quote(provider_key, safe='')}/{organisation_id}"
    return f"{url}/{connection_id}" if connection_id else url
