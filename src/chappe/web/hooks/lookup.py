"""Which connections and hooks there are to be called, remembered for a moment so that a call costs no look-up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog

from chappe.engine.address import inbound_url, status_url
from chappe.engine.store import catalogue, hook_catalogue, trace_catalogue
from chappe.engine.store.statement import Row
from chappe.engine.store.store import Store
from chappe.engine.vault import Sealed, Vault, connection_place, hook_place
from chappe.features.hooks.reading import SECRET, hook_settings, keyword_rules
from chappe.messaging import ConfigError
from chappe.providers import registry
from chappe.providers.hook_payload import HookKind, HookSettings
from chappe.providers.http import Account, HttpProvider
from chappe.rules.hook_keyword import STANDARD, KeywordRules, rules_for

REMEMBERED_MS = 1_000
"""How long a hook that is switched off or gone may still be answered as one."""

log = structlog.get_logger("chappe.hooks")


@dataclass(frozen=True)
class Post:
    """A connection whose provider's adapter reads its calls. `account` None: its settings cannot be read here now."""

    id: int
    organisation_id: int
    provider: str
    adapter: HttpProvider
    account: Account | None
    secrets: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Hook:
    """A row of that name. `settings` None: the adapter of its connection reads the calls; or, where `is_broken`, nobody can."""

    id: int
    organisation_id: int
    connection_id: int
    provider: str
    tokens: tuple[str, str] = field(repr=False)
    previous_until_ms: int
    is_enabled: bool
    is_inbound: bool
    sender_number: str
    rules: KeywordRules
    settings: HookSettings | None
    secret: str = field(default="", repr=False)
    is_broken: bool = False


class Lookup:
    """Not thread-safe: for the one thread that owns the store. What is remembered may be asked for in another."""

    def __init__(self, store: Store, vault: Vault, public_url: str) -> None:
        self._database = store.database
        self._vault = vault
        self._public_url = public_url
        self._kept_posts: dict[int, tuple[int, Post]] = {}
        self._kept_hooks: dict[int, tuple[int, Hook]] = {}
        self._posts: dict[tuple[str, int], list[Post]] = {}
        self._by_id: dict[int, Post] = {}
        self._tokens: dict[str, Hook] = {}
        self._inbound: dict[int, list[Hook]] = {}
        self._heirs: dict[int, int] = {}
        self._lines: dict[int, list[Post]] = {}
        self._traces: dict[int, list[tuple[int, str]]] = {}
        self.read_ms = 0
        """When they were read."""

    def posts(self, provider: str, organisation_id: int) -> Sequence[Post]:
        """The connections of an organisation with a provider: those in use first, as its list has them, then the others."""
        return self._posts.get((provider, organisation_id), ())

    def post(self, connection_id: int) -> Post | None:
        return self._by_id.get(connection_id)

    def hook(self, token: str, now_ms: int) -> Hook | None:
        """Whose token this is, or was until a moment that has not come yet."""
        hook = self._tokens.get(token)
        if hook is None or token == hook.tokens[0]:
            return hook
        return hook if now_ms < hook.previous_until_ms else None

    def line(self, connection_id: int) -> Sequence[Post]:
        """A connection, and then those that it replaced and that replaced it: a provider still signs what it tells of old
        messages as it did, or signs it by the new settings already."""
        return sorted(self._lines.get(self._heir(connection_id), ()), key=lambda post: post.id != connection_id)

    def traces(self, connection_id: int) -> Sequence[tuple[int, str]]:
        """The traces of a connection that run: id, and whose number alone is meant, "" for everybody's."""
        return self._traces.get(connection_id, ())

    def _heir(self, connection_id: int) -> int:
        """The connection that is used in the place of this one: itself where it was not replaced."""
        while heir := self._heirs.get(connection_id, 0):
            connection_id = heir
        return connection_id

    def rules(self, connection_id: int, recipient: str) -> KeywordRules:
        """The keywords for texts to a number of a connection: those of its inbound hook for that number, or for all.

        A hook goes over to the connection that replaces its own.
        """
        hooks = self._inbound.get(self._heir(connection_id), ())
        return rules_for([(hook.sender_number, hook.rules) for hook in hooks], recipient)

    def is_stale(self, now_ms: int, age_ms: int = REMEMBERED_MS) -> bool:
        return not 0 <= now_ms - self.read_ms < age_ms

    def refresh(self, now_ms: int) -> None:
        places: list[tuple[tuple[bool, bool, int, int], Post]] = []
        heirs: dict[int, int] = {}
        for identifier, organisation_id, _, *rest in self._database.query(catalogue.CONNECTIONS):
            row = [organisation_id, *rest]
            if row[1] not in registry.HTTP:
                continue  # nobody calls us for those
            *_, is_enabled, _version, position, replaced_by, _internal_name = row
            post = self._post(identifier, row)
            heirs[identifier] = replaced_by
            if post is not None:
                places.append(((not is_enabled, replaced_by != 0, position, identifier), post))
        posts: dict[tuple[str, int], list[Post]] = {}
        for _, post in sorted(places, key=lambda place: place[0]):
            posts.setdefault((post.provider, post.organisation_id), []).append(post)
        hooks = [self._hook(row) for row in self._database.query(hook_catalogue.HOOKS)]
        inbound: dict[int, list[Hook]] = {}
        for hook in sorted(hooks, key=lambda hook: hook.id):
            if hook.is_enabled and hook.is_inbound:
                inbound.setdefault(hook.connection_id, []).append(hook)
        self._posts, self._by_id = posts, {post.id: post for _, post in places}
        self._tokens = {token: hook for hook in hooks for token in hook.tokens if token}
        self._inbound, self._heirs, self.read_ms = inbound, heirs, now_ms
        traces: dict[int, list[tuple[int, str]]] = {}
        for trace_id, connection_id, number, left, _ in self._database.query(trace_catalogue.OPEN_TRACES, (now_ms,)):
            if left > 0:
                traces.setdefault(connection_id, []).append((trace_id, number))
        self._traces = traces
        lines: dict[int, list[Post]] = {}
        for _, post in places:
            lines.setdefault(self._heir(post.id), []).append(post)
        self._lines = lines

    def _post(self, identifier: int, row: Sequence[Any]) -> Post | None:
        organisation_id, provider, settings, sealed, _, version, *_ = row
        adapter = registry.HTTP.get(provider)
        if adapter is None:
            return None
        kept = self._kept_posts.get(identifier)
        if kept is None or kept[0] != version:
            account, secrets = self._account(identifier, organisation_id, adapter, _read(settings), bytes(sealed))
            kept = version, Post(identifier, organisation_id, provider, adapter, account, secrets)
            self._kept_posts[identifier] = kept
        return kept[1]

    def _account(
        self, identifier: int, organisation_id: int, adapter: HttpProvider, settings: Mapping[str, Any], sealed: bytes
    ) -> tuple[Account | None, tuple[str, ...]]:
        try:
            secrets = self._vault.decrypt(sealed, connection_place(organisation_id, identifier))
            parsed = adapter.SPEC.parse({**settings, **secrets})
        except (ConfigError, Sealed) as error:
            log.warning("hooks.connection", connection=identifier, reason=str(error))
            return None, ()
        place = (self._public_url, adapter.SPEC.key, organisation_id, identifier)
        account = Account(parsed, identifier, organisation_id, status_url(*place), inbound_url(*place))
        return account, tuple(secrets.values())

    def _hook(self, row: Row) -> Hook:
        identifier, version = row[0], row[-1]
        kept = self._kept_hooks.get(identifier)
        if kept is None or kept[0] != version:
            kept = version, self._made(row)
            self._kept_hooks[identifier] = kept
        return kept[1]

    def _made(self, row: Row) -> Hook:
        identifier, organisation_id, connection_id, provider, kind, token, previous, until_ms, sender, *rest = row
        keywords, payload, statuses, proof, sealed, is_enabled, _ = rest
        settings, secret, rules, is_broken = None, "", STANDARD, False
        try:
            rules = keyword_rules(_read(keywords)).with_defaults()
            if payload:
                settings = hook_settings(kind, payload, _read(statuses), _read(proof))
            place = hook_place(organisation_id, identifier)
            secret = self._vault.decrypt(bytes(sealed), place).get(SECRET, "")
        except (ConfigError, Sealed, ValueError, TypeError, msgspec.ValidationError) as error:
            log.warning("hooks.hook", hook=identifier, reason=str(error))
            is_broken = True
        return Hook(
            identifier,
            organisation_id,
            connection_id,
            provider,
            (token, previous),
            until_ms,
            bool(is_enabled),
            kind == HookKind.INBOUND,
            sender,
            rules,
            settings,
            secret,
            is_broken,
        )


def _read(value: str | Mapping[str, Any]) -> Mapping[str, Any]:
    """A JSON column, which SQLite gives as text."""
    found: Mapping[str, Any] = json.loads(value) if isinstance(value, str) else value
    return found
