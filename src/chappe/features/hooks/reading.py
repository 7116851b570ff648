"""How the calls of a hook are read, from what its row says."""

from collections.abc import Mapping
from typing import Any

import msgspec

from chappe.providers.auth import Hash
from chappe.providers.hook_payload import HookKind, HookPayload, HookSettings, Meaning, Proof, ProofKind
from chappe.providers.registry import HTTP
from chappe.rules.hook_keyword import KeywordRules

SECRET = "secret"  # noqa: S105 - under which name the vault keeps it

_BY_PAYLOAD_ONLY = frozenset({"custom", "esp"})
"""Providers by HTTP of which only their operator knows what a call looks like."""


def reads_own_calls(provider: str) -> bool:
    """Whether the provider's adapter knows its calls, so that no payload is needed."""
    return provider in HTTP and provider not in _BY_PAYLOAD_ONLY


def keyword_rules(value: Mapping[str, Any]) -> KeywordRules:
    """Of the column, as they are; without the standard words. Raises msgspec.ValidationError."""
    return msgspec.convert(value, KeywordRules)


def proof_of(value: Mapping[str, Any]) -> Proof:
    """Of the column. Raises ValueError or TypeError for one that this version did not write."""
    given = dict(value)
    kind, digest = ProofKind(given.pop("kind", ProofKind.NONE)), Hash(given.pop("hash", Hash.SHA256))
    return Proof(kind=kind, hash=digest, **given)


def hook_settings(kind: str, payload: str, statuses: Mapping[str, str], proof: Mapping[str, Any]) -> HookSettings:
    """What is known of a hook with a payload. Raises ConfigError, ValueError or TypeError."""
    hook_kind = HookKind(kind)
    meanings = {word: Meaning(meaning) for word, meaning in statuses.items()}
    return HookSettings(hook_kind, HookPayload.parse(payload, hook_kind), meanings, proof_of(proof))
