"""Who calls and what they may send through, remembered for a moment so that a request costs no look-up."""

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from chappe.engine.store import catalogue
from chappe.engine.store.relay_catalogue import MID_LINK_BASES
from chappe.engine.store.store import Store
from chappe.features.connections.services import read_way
from chappe.features.connections.way import Way
from chappe.features.deliveries.identifier import Identifier
from chappe.features.deliveries.measure import Measure
from chappe.messaging import ConfigError

KEY_MS = 1_000
"""How long a key that was revoked, or whose operator was switched off, may still be taken for good."""
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
    operator: str = ""
    """The login of the operator that it is; "" for a key that belongs to none."""
    is_relay: bool = False
    """Whether it is another Chappe's account, which sends for it."""


@dataclass(frozen=True)
class Relay:
    """An operator that signs in as another Chappe's account and is switched on; its password is hashed, or "" for none."""

    login: str
    organisation_id: int
    password: str
    may_send: bool

    def caller(self) -> Caller:
        """It, where it signed in by its password and not by a key."""
        return Caller(0, self.organisation_id, self.may_send, 0, 0, self.login, is_relay=True)


@dataclass(frozen=True)
class Target:
    """A connection as far as the intake must know it. `former` are those in whose place it is."""

    id: int
    organisation_id: int
    way: Way
    measure: Measure
    identifier: Identifier | None
    """By what an e-mail provider knows a person; None for the others."""
    internal_name: str = ""
    former: tuple[int, ...] = ()


class Lookup:
    """Not thread-safe: for the one thread that owns the store. What is remembered may be asked for in another.

    API keys are known here by their digests.
    """

    def __init__(self, store: Store) -> None:
        self._database = store.database
        self._callers: dict[str, Caller] = {}
        self._nobodies: dict[str, int] = {}
        self._targets: dict[int, list[Target]] = {}
        self._relays: dict[str, Relay] = {}
        self._versions: dict[int, tuple[tuple[int, str | None], Target | None]] = {}
        self.read_ms = 0
        """When the connections and the operators were read."""
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
        refused: set[str] = set()
        for digest, key_id, organisation_id, scopes, last_used_ms, is_enabled, *operator in self._database.query(
            catalogue.API_KEYS, (list(digests),)
        ):
            if not is_enabled:  # its operator may be switched on again: it is not remembered as nobody's
                refused.add(digest)
                continue
            login, is_relay = operator
            may_send = "send" in _listed(scopes)
            found[digest] = Caller(
                key_id, organisation_id, may_send, now + KEY_MS, last_used_ms, login, is_relay=bool(is_relay)
            )
            if last_used_ms <= now - USED_EVERY_MS:
                self.used[key_id] = now
        if len(self._callers) + len(found) > MOST_KEYS:
            self._callers.clear()
        self._callers.update(found)
        for digest in digests:
            if digest not in found:
                self._callers.pop(digest, None)
                if digest not in refused:
                    self._nobodies[digest] = now + NOBODY_MS
        for digest in list(self._nobodies)[: max(0, len(self._nobodies) - MOST_NOBODIES)]:
            del self._nobodies[digest]
        return found

    def relay(self, login: str) -> Relay | None:
        """The operator of this login that may sign in as another Chappe's account."""
        return self._relays.get(login)

    def targets(self, organisation_id: int) -> list[Target]:
        """The enabled connections of an organisation, in the order of its list."""
        return self._targets.get(organisation_id, [])

    def is_stale(self, now_ms: int) -> bool:
        return not 0 <= now_ms - self.read_ms < CONNECTIONS_MS

    def refresh(self, now_ms: int) -> None:
        self._relays = {
            login: Relay(login, organisation_id, password, "send" in _listed(scopes))
            for login, organisation_id, password, scopes in self._database.query(catalogue.RELAY_OPERATORS)
        }
        link_bases: dict[int, str | None] = dict(self._database.query(MID_LINK_BASES))
        found: list[tuple[int, int, Target]] = []
        successors: dict[int, int] = {}
        for identifier, organisation_id, _, *row in self._database.query(catalogue.CONNECTIONS):
            provider, settings, sealed, is_enabled, version, position, replaced_by, internal_name = row
            if replaced_by:
                successors[identifier] = replaced_by
            kept, as_it_is = self._versions.get(identifier), (version, link_bases.get(identifier))
            if kept is None or kept[0] != as_it_is:
                target = _target(identifier, organisation_id, provider, settings, sealed, internal_name, as_it_is[1])
                kept = self._versions[identifier] = (as_it_is, target)
            if is_enabled and kept[1] is not None:
                found.append((position, identifier, kept[1]))
        former = _former(successors)
        targets: dict[int, list[Target]] = defaultdict(list)
        for _, identifier, target in sorted(found, key=lambda one: one[:2]):
            known = replace(target, former=former[identifier]) if identifier in former else target
            targets[target.organisation_id].append(known)
        self._targets, self.read_ms = dict(targets), now_ms


def now_ms() -> int:
    return int(time.time() * 1000)


def _listed(scopes: str | list[str]) -> list[str]:
    listed: list[str] = json.loads(scopes) if isinstance(scopes, str) else scopes
    return listed


def by_number(targets: Iterable[Target]) -> dict[int, Target]:
    """In their order, and behind them once more under the numbers of those that they replaced."""
    found = list(targets)
    return {one.id: one for one in found} | {number: one for one in found for number in one.former}


def _former(successors: Mapping[int, int]) -> dict[int, tuple[int, ...]]:
    """Connection → those that it stands in for, one after another."""
    former: dict[int, tuple[int, ...]] = {}
    for first in successors:
        last = successors[first]
        while last in successors:
            last = successors[last]
        former[last] = (*former.get(last, ()), first)
    return former


def _target(
    identifier: int,
    organisation_id: int,
    provider: str,
    settings: str | dict[str, object],
    sealed: bytes = b"",
    internal_name: str = "",
    mid_link_base: str | None = None,
) -> Target | None:
    values = json.loads(settings) if isinstance(settings, str) else settings
    try:
        way = read_way(organisation_id, identifier, provider, values, bytes(sealed))
    except ConfigError:
        return None  # one that is not complete must not keep the others from being used
    if way.is_handed_over:
        way = replace(way, mid_link_base=mid_link_base)
    return Target(identifier, organisation_id, way, Measure.of(way, 0), Identifier.of(way), internal_name)
