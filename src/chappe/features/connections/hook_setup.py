"""How a connection's provider is told to call us: addresses to copy, and what is to be done at the provider."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from chappe.engine.address import hook_urls
from chappe.features.connections.models import Connection
from chappe.features.hooks.models import Hook
from chappe.features.hooks.services import hooks_of, tokens_of
from chappe.providers.registry import HTTP

NO_ADDRESS = "…"


@dataclass(frozen=True)
class HookSetup:
    """`steps` have the addresses in them; an address is "" where there is none. `is_described`: the provider calls `hooks`,
    which an operator makes, each with an address and a proof of its own."""

    is_public: bool
    status_url: str
    inbound_url: str
    steps: Sequence[str]
    proof: str
    quirks: Sequence[str]
    is_described: bool
    hooks: Sequence[Hook]


def hook_setup(connection: Connection, *, shows_tokens: bool) -> HookSetup | None:
    """None for a provider that does not call us: what it has to say comes by the links.

    Who knows the address of a described hook may call it: without `shows_tokens` there is none in what is given.
    """
    adapter = HTTP.get(connection.provider)
    if adapter is None:
        return None
    public_url = settings.CONFIGURATION.public_url
    tokens = tokens_of(connection.pk) if shows_tokens else {}
    place = (connection.organisation_id, connection.pk, tokens)
    status_url, inbound_url = hook_urls(public_url, adapter.SPEC, *place)
    steps = [
        step.replace("{status_url}", status_url or NO_ADDRESS).replace("{inbound_url}", inbound_url or NO_ADDRESS)
        for step in adapter.HOOK_SETUP
    ]
    is_described = adapter.SPEC.has_described_hooks
    hooks = list(hooks_of(connection.organisation_id).filter(connection_id=connection.pk)) if is_described else []
    return HookSetup(
        bool(public_url), status_url, inbound_url, steps, adapter.HOOK_PROOF, adapter.QUIRKS, is_described, hooks
    )
