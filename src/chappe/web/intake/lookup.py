"""Who calls and what they may send through, remembered for a moment so that a request costs no look-up."""

import hashlib
import json
from dataclasses import dataclass

from chappe.engine.store import catalogue
from chappe.engine.store.store import Store
from chappe.features.deliveries.measure import Measure
from chappe.messaging import ConfigError
from chappe.providers import registry

KEY_MS = 1_000
"""How long a revoked key may still be taken for good."""
CONNECTIONS_MS = 1_000
MOST_KEYS = 10_000
USED_EVERY_MS = 60_000


@dataclass
class Caller:
    key_id: int
    organisation_id: int
    may_send: bool
    until_ms: int
    last_used_ms: int


@dataclass(frozen=True)
class Target:
    """A connection as far as the intake must know it."""

    id: int
    organisation_id: int
    measure: Measure
    as_typed: bool
    has_service_tag: bool
    short_code: str
    despite_stop: bool


class Lookup:
    """Not thread-safe: for the one thread that owns the store."""

    def __init__(self, store: Store) -> None:
        self._database = store.database
        self._callers: dict[str, Caller | None] = {}
        self._targets: dict[int, list[Target]] = {}
        self._versions: dict[int, tuple[int, Target | None]] = {}
        self.read_ms = 0
        """When the connections were read."""
        self.used: dict[int, int] = {}
        """Keys whose use is to be noted with the next commit: key → instant."""

    def known(self, token: str, now_ms: int) -> Caller | None:
        """The caller, if remembered."""
        caller = self._callers.get(token)
        return caller if caller is not None and caller.until_ms > now_ms else None

    def caller(self, token: str, now_ms: int) -> Caller | None:
        """The caller whose key `token` is; None for nobody."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        rows = self._database.query(catalogue.API_KEY, (digest,))
        if not rows:
            return None
        key_id, organisation_id, scopes, last_used_ms = rows[0]
        granted = json.loads(scopes) if isinstance(scopes, str) else scopes
        caller = Caller(key_id, organisation_id, "send" in granted, now_ms + KEY_MS, last_used_ms)
        if len(self._callers) >= MOST_KEYS:
            self._callers.clear()
        self._callers[token] = caller
        if last_used_ms <= now_ms - USED_EVERY_MS:
            self.used[key_id] = now_ms
        return caller

    def targets(self, organisation_id: int) -> list[Target]:
        """The enabled connections of an organisation, oldest first."""
        return self._targets.get(organisation_id, [])

    def is_stale(self, now_ms: int) -> bool:
        return not 0 <= now_ms - self.read_ms < CONNECTIONS_MS

    def refresh(self, now_ms: int) -> None:
        targets: dict[int, list[Target]] = {}
        for identifier, organisation_id, _, provider, settings, _, is_enabled, version in self._database.query(
            catalogue.CONNECTIONS
        ):
            kept = self._versions.get(identifier)
            if kept is None or kept[0] != version:
                kept = (version, _target(identifier, organisation_id, provider, settings))
                self._versions[identifier] = kept
            if is_enabled and kept[1] is not None:
                targets.setdefault(organisation_id, []).append(kept[1])
        for found in targets.values():
            found.sort(key=lambda target: target.id)
        self._targets, self.read_ms = targets, now_ms


def _target(identifier: int, organisation_id: int, provider: str, settings: str | dict[str, object]) -> Target | None:
    values = json.loads(settings) if isinstance(settings, str) else settings
    try:
        parsed = registry.spec(provider).parse(values)
        return Target(
            identifier,
            organisation_id,
            Measure.of(parsed, 0),
            parsed.flag("full_phone_number"),
            bool(parsed.text("service_id_tag")),
            parsed.text("short_code"),
            parsed.flag("transactional_despite_stop"),
        )
    except (ConfigError, KeyError):
        return None  # one that cannot be used must not keep the others from being used
