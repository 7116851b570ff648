"""Who calls and what they may send through, remembered for a moment so that a request costs no look-up."""

import json
import time
from collections.abc import Sequence
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
NOBODY_MS = 10_000
"""How long a key that is none is remembered as such. No key that is made later is the same: they are random."""
MOST_NOBODIES = 10_000
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
    """Not thread-safe: for the one thread that owns the store. What is remembered may be asked for in another.

    API keys are known here by their digests.
    """

    def __init__(self, store: Store) -> None:
        self._database = store.database
        self._callers: dict[str, Caller] = {}
        self._nobodies: dict[str, int] = {}
        self._targets: dict[int, list[Target]] = {}
        self._versions: dict[int, tuple[int, Target | None]] = {}
        self.read_ms = 0
        """When the connections were read."""
        self.used: dict[int, int] = {}
        """Keys whose use is to be noted with the next commit: key → instant."""

    def known(self, digest: str) -> Caller | None:
        """The caller, if remembered."""
        caller = self._callers.get(digest)
        return caller if caller is not None and 0 < caller.until_ms - now_ms() <= KEY_MS else None

    def was_known(self, digest: str) -> bool:
        """Whether the key was good when it was looked up last."""
        return digest in self._callers

    def is_nobody(self, digest: str) -> bool:
        """Whether the key is remembered as none."""
        return 0 < self._nobodies.get(digest, 0) - now_ms() <= NOBODY_MS

    def callers(self, digests: Sequence[str]) -> dict[str, Caller]:
        """The callers whose keys these are; nobody's are not among them."""
        now = now_ms()
        found: dict[str, Caller] = {}
        for digest, key_id, organisation_id, scopes, last_used_ms in self._database.query(
            catalogue.API_KEYS, (list(digests),)
        ):
            granted = json.loads(scopes) if isinstance(scopes, str) else scopes
            found[digest] = Caller(key_id, organisation_id, "send" in granted, now + KEY_MS, last_used_ms)
            if last_used_ms <= now - USED_EVERY_MS:
                self.used[key_id] = now
        if len(self._callers) + len(found) > MOST_KEYS:
            self._callers.clear()
        self._callers.update(found)
        for digest in digests:
            if digest not in found:
                self._callers.pop(digest, None)
                self._nobodies[digest] = now + NOBODY_MS
        for digest in list(self._nobodies)[: max(0, len(self._nobodies) - MOST_NOBODIES)]:
            del self._nobodies[digest]
        return found

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


def now_ms() -> int:
    return int(time.time() * 1000)


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
