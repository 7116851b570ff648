"""Hooks: kept only as they can be read; the token is shown to whoever may manage, the secret of the proof never again."""

import re
import secrets as randomness
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from chappe.engine.vault import Sealed, hook_place
from chappe.features import sealed
from chappe.features.accounts.services import checked_name
from chappe.features.audit.record import together
from chappe.features.connections.models import Connection
from chappe.features.connections.services import MASK, find_connection
from chappe.features.hooks.models import Hook, HookCount
from chappe.features.hooks.reading import SECRET, hook_settings, keyword_rules, proof_of, reads_own_calls
from chappe.features.messages.models import Exchange
from chappe.features.page import LARGEST_ID
from chappe.features.refusal import Conflict, InvalidInput, Mistakes, NotFound
from chappe.features.sealed import process_vault
from chappe.messaging import ConfigError, FieldError
from chappe.providers.auth import Hash
from chappe.providers.hook_payload import (
    CLIENT_REFERENCE,
    MESSAGE_ID,
    HookKind,
    HookPayload,
    Meaning,
    Preview,
    Proof,
    ProofKind,
    pasted,
    preview,
)
from chappe.providers.http import plus_number
from chappe.rules.hook_keyword import KeywordCategory, KeywordRules, fold

TOKEN_OCTETS = 24
GRACE_S = 86_400
LONGEST_GRACE_S = 30 * 86_400
MOST_WORDS = 100
LONGEST_WORD = 40
LONGEST_REPLY = 1000
LONGEST_SENDER = 21
LONGEST_SECRET = 1000
LONGEST_CALL = 256 * 1024

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_PROOF_FIELDS = frozenset({"kind", "user", "header", "hash", "is_base64", "timestamp_header", SECRET})


@dataclass(frozen=True)
class Change:
    """What a hook is to be; None leaves it as it is, and at the making means what an empty form says.

    `keywords` is a KeywordRules as JSON has it; `statuses` maps the provider's words to meanings; `proof` holds the fields
    of a Proof, and `secret`, which the mask or its absence leaves as it is. `version` is the one the caller has read: when
    somebody else changed the hook since, nothing is changed.
    """

    name: str | None = None
    sender_number: str | None = None
    keywords: Mapping[str, Any] | None = None
    payload: str | None = None
    statuses: Mapping[str, str] | None = None
    proof: Mapping[str, Any] | None = None
    is_enabled: bool | None = None
    version: int | None = None


def hooks_of(organisation_id: int) -> "QuerySet[Hook]":
    return Hook.objects.filter(organisation_id=organisation_id)


def find_hook(organisation_id: int, hook_id: int) -> Hook:
    """Raises NotFound."""
    return _found(hooks_of(organisation_id), hook_id)


def create_hook(organisation_id: int, connection_id: int, kind: str, change: Change, now_ms: int) -> Hook:
    """A new hook with a token of its own. Raises InvalidInput naming each field, or Conflict where the name is taken."""
    mistakes = Mistakes()
    hook = Hook(organisation_id=organisation_id, created_ms=now_ms, changed_ms=now_ms, token=_new_token())
    with mistakes.noted():
        if kind not in list(HookKind):
            raise InvalidInput.at("kind", f"must be one of {', '.join(HookKind)}")
        hook.kind = kind
    with mistakes.noted():
        try:
            hook.connection = find_connection(organisation_id, connection_id)
        except NotFound as error:
            raise InvalidInput.at("connection_id", str(error)) from None
    mistakes.refuse()
    empty = Change(name="", payload="", keywords={}, statuses={}, proof={}, sender_number="", is_enabled=True)
    given = {name: value for name, value in vars(change).items() if value is not None}
    secret = _apply(hook, replace(empty, **given), {})
    with _name_is_free(hook.name), together():
        hook.save()
        # The number of the row is part of what the secret is sealed for, so it can only follow it.
        hook.secrets = _sealed(hook, secret)
        hook.save(update_fields=["secrets"])
    return hook


def change_hook(organisation_id: int, hook_id: int, change: Change, now_ms: int) -> Hook:
    """The hook as changed; its version grows when anything differs. Raises NotFound, InvalidInput, Conflict."""
    with transaction.atomic():
        hook = _found(hooks_of(organisation_id).select_for_update(of=("self",)), hook_id)
        if change.version not in (None, hook.version):
            raise Conflict(f"The hook was changed since: it is at version {hook.version} now.")
        before, kept = _values(hook), _kept_secrets(hook, change.proof)
        secret = _apply(hook, change, kept)
        if change.proof is not None and (secret != kept or process_vault().needs_rotation(bytes(hook.secrets))):
            hook.secrets = _sealed(hook, secret)
        if before != _values(hook):
            _save_changed(hook, now_ms)
    return hook


def delete_hook(organisation_id: int, hook_id: int) -> None:
    """Raises NotFound. Calls to it are answered as those to an address that never was."""
    with transaction.atomic():
        hook = _found(hooks_of(organisation_id).select_for_update(of=("self",)), hook_id)
        HookCount.objects.filter(hook_id=hook.pk).delete()
        hook.delete()


def rotate_token(organisation_id: int, hook_id: int, now_ms: int, grace_s: int = GRACE_S) -> Hook:
    """Give the hook another token; the one before is good for `grace_s` more seconds. Raises NotFound, InvalidInput."""
    if not 0 <= grace_s <= LONGEST_GRACE_S:
        raise InvalidInput.at("grace_s", f"must be from 0 to {LONGEST_GRACE_S}")
    with together("rotate"):
        hook = _found(hooks_of(organisation_id).select_for_update(of=("self",)), hook_id)
        hook.previous_token, hook.previous_until_ms = (hook.token, now_ms + grace_s * 1000) if grace_s else ("", 0)
        hook.token = _new_token()
        _save_changed(hook, now_ms)
    return hook


def try_call(hook: Hook, call: str, change: Change | None = None) -> Preview:
    """What would be read from a call as somebody pastes it, by the hook as it is or with `change`; nothing is kept.

    Raises InvalidInput.
    """
    wanted = change or Change()
    payload = hook.payload if wanted.payload is None else wanted.payload
    statuses = hook.statuses if wanted.statuses is None else _statuses(wanted.statuses, hook.kind)
    if len(call) > LONGEST_CALL:
        raise InvalidInput.at("call", f"must have at most {LONGEST_CALL} characters")
    if not payload:
        raise InvalidInput.at("payload", "is needed: the calls of this hook are read as its provider defines them")
    settings = hook_settings(hook.kind, _payload(payload, hook), statuses, {})
    return preview(pasted(settings.payload, call), settings)


def counts_of(hooks: Iterable[Hook]) -> dict[int, list[HookCount]]:
    """Hook → its counts."""
    return _grouped(HookCount.objects.filter(hook_id__in=[hook.pk for hook in hooks]).order_by("outcome"), "hook_id")


def address_counts_of(organisation_id: int) -> dict[int, list[HookCount]]:
    """Connection → counts of calls to its provider's addresses."""
    found = HookCount.objects.filter(organisation_id=organisation_id, hook_id=0).order_by("outcome")
    return _grouped(found, "connection_id")


def last_calls(hook: Hook, most: int = 20) -> list[Exchange]:
    """The last calls that the hook's connection got, newest first; a few of each second are kept, and masked."""
    return list(Exchange.objects.filter(connection_id=hook.connection_id, direction="in").order_by("-id")[:most])


def rotate_secrets() -> int:
    """Bring every hook's secret under the first key; how many were not. Raises Sealed where a key is missing."""
    rows = Hook.objects.exclude(secrets=b"").iterator()
    return sealed.rotate(process_vault(), rows, lambda hook: hook_place(hook.organisation_id, hook.pk))


def shown_proof(hook: Hook) -> dict[str, Any]:
    """As people may see it: the secret masked, empty where there is none."""
    proof = proof_of(hook.proof)
    return {**msgspec.to_builtins(proof), SECRET: MASK if hook.secrets else ""}


def shown_keywords(hook: Hook) -> KeywordRules:
    """Those in force: with the standard words where there are no others."""
    return keyword_rules(hook.keywords).with_defaults()


# -- what a hook may be --------------------------------------------------------------------------------------------------


def _apply(hook: Hook, change: Change, kept: Mapping[str, str]) -> dict[str, str]:
    """Write `change` into the row, unsaved; the secrets that it then has. Raises InvalidInput naming each field."""
    mistakes, secrets = Mistakes(), dict(kept)
    with mistakes.noted():
        hook.name = hook.name if change.name is None else checked_name(change.name)
    with mistakes.noted():
        hook.sender_number = hook.sender_number if change.sender_number is None else _sender(change.sender_number)
    with mistakes.noted():
        hook.keywords = hook.keywords if change.keywords is None else _keywords(change.keywords, hook.kind)
    with mistakes.noted():
        hook.payload = hook.payload if change.payload is None else _payload(change.payload, hook)
    with mistakes.noted():
        hook.statuses = hook.statuses if change.statuses is None else _statuses(change.statuses, hook.kind)
    with mistakes.noted():
        if change.proof is not None:
            hook.proof, secrets = _proof(change.proof, kept)
    with mistakes.noted():
        if not hook.payload and hook.proof.get("kind", ProofKind.NONE) != ProofKind.NONE:
            raise InvalidInput.at("proof.kind", "must be none: the provider proves its calls in its own way")
    mistakes.refuse()
    hook.is_enabled = hook.is_enabled if change.is_enabled is None else change.is_enabled
    return secrets


def _sender(text: str) -> str:
    number = plus_number(text)
    if len(number) > LONGEST_SENDER:
        raise InvalidInput.at("sender_number", f"must have at most {LONGEST_SENDER} characters")
    return number


def _keywords(value: Mapping[str, Any], kind: str) -> dict[str, Any]:
    try:
        rules = keyword_rules(value)
    except msgspec.ValidationError as error:
        words, _, path = str(error).partition(" - at `$")
        field = f"keywords{path.rstrip('`')}"
        raise InvalidInput.at(field, words[0].lower() + words[1:].replace("`", "")) from None
    if kind != HookKind.INBOUND and rules != KeywordRules():
        raise InvalidInput.at("keywords", "are of inbound hooks only")
    errors = [*_reply_errors(rules), *_keyword_errors(rules)]
    if errors:
        raise InvalidInput(errors)
    plain: dict[str, Any] = msgspec.to_builtins(rules)
    return plain


def _reply_errors(rules: KeywordRules) -> Iterator[FieldError]:
    replies = [(f"rules[{place}].reply", rule.reply) for place, rule in enumerate(rules.rules)]
    for field, reply in [*replies, ("near_miss_reply", rules.near_miss_reply)]:
        if len(reply) > LONGEST_REPLY:
            yield FieldError(f"keywords.{field}", f"must have at most {LONGEST_REPLY} characters")


def _keyword_errors(rules: KeywordRules) -> Iterator[FieldError]:
    seen: dict[str, KeywordCategory] = {}
    categories: set[KeywordCategory] = set()
    for place, rule in enumerate(rules.rules):
        field = f"keywords.rules[{place}]"
        if rule.category in categories:
            yield FieldError(f"{field}.category", f"{rule.category} is there already: give it all its words at once")
        categories.add(rule.category)
        if rule.category is KeywordCategory.DEFAULT and rule.keywords:
            yield FieldError(f"{field}.keywords", "must be empty: the default answers what has no keyword")
        if len(rule.keywords) > MOST_WORDS:
            yield FieldError(f"{field}.keywords", f"must be at most {MOST_WORDS}")
            continue
        for number, keyword in enumerate(rule.keywords):
            problem = _keyword_problem(keyword, seen.get(fold(keyword)))
            if problem:
                yield FieldError(f"{field}.keywords[{number}]", problem)
            seen[fold(keyword)] = rule.category


def _keyword_problem(keyword: str, other: KeywordCategory | None) -> str:
    if len(keyword) > LONGEST_WORD:
        return f"must have at most {LONGEST_WORD} characters"
    if not fold(keyword):
        return "must have a letter or a digit"
    return f"is a keyword of {other} already" if other is not None else ""


def _payload(text: str, hook: Hook) -> str:
    if not text.strip() and reads_own_calls(hook.connection.provider):
        return ""
    try:
        payload = HookPayload.parse(text, HookKind(hook.kind))
    except ConfigError as error:
        raise InvalidInput(error.errors) from None
    if payload.kind is HookKind.FEEDBACK:
        _check_id(payload, hook.connection)
    return text


def _check_id(payload: HookPayload, connection: Connection) -> None:
    """Raises InvalidInput where reports bring another id than the one that the connection's messages are known by."""
    is_theirs = bool(connection.settings.get("message_id_field"))
    wanted = MESSAGE_ID if is_theirs else CLIENT_REFERENCE
    if "message_id_field" in connection.settings and wanted not in {name for name, _ in payload.places}:
        why = "keeps the provider's ids" if is_theirs else "is told no id by the provider's answers"
        words = f"has no {{{{{wanted}}}}}: the connection {why} (message_id_field), so its reports would match nothing"
        raise InvalidInput.at("payload", words)


def _statuses(value: Mapping[str, str], kind: str) -> dict[str, str]:
    errors: list[FieldError] = []
    if value and kind != HookKind.FEEDBACK:
        errors.append(FieldError("statuses", "are of feedback hooks only"))
    if len(value) > MOST_WORDS:
        errors.append(FieldError("statuses", f"must be at most {MOST_WORDS}"))
    seen: set[str] = set()
    for word, meaning in list(value.items())[:MOST_WORDS]:
        key = word.strip().lower()
        shown = word[:LONGEST_WORD]
        if not key or len(word) > LONGEST_WORD:
            errors.append(FieldError(f"statuses.{shown}", f"the word must have from 1 to {LONGEST_WORD} characters"))
        if key in seen:
            errors.append(FieldError(f"statuses.{shown}", "is there already, in other case"))
        if meaning not in list(Meaning):
            errors.append(FieldError(f"statuses.{shown}", f"must be one of {', '.join(Meaning)}"))
        seen.add(key)
    if errors:
        raise InvalidInput(errors)
    return {word.strip(): str(meaning) for word, meaning in value.items()}


def _proof(given: Mapping[str, Any], kept: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The columns of a proof: what may be shown, and the secret."""
    errors = [FieldError(f"proof.{name}", "is not a field of a proof") for name in given.keys() - _PROOF_FIELDS]
    for name, choices in (("kind", list(ProofKind)), ("hash", list(Hash))):
        if given.get(name, choices[0]) not in choices:
            errors.append(FieldError(f"proof.{name}", f"must be one of {', '.join(choices)}"))
    texts = ("user", "header", "timestamp_header", SECRET)
    errors += [
        FieldError(f"proof.{name}", "must be a text") for name in texts if not isinstance(given.get(name, ""), str)
    ]
    if not isinstance(given.get("is_base64", False), bool):
        errors.append(FieldError("proof.is_base64", "must be true or false"))
    if errors:
        raise InvalidInput(errors)
    proof = proof_of({name: value for name, value in given.items() if name != SECRET})
    secret = given.get(SECRET, MASK)
    secret = kept.get(SECRET, "") if secret == MASK else secret
    errors = [*_proof_errors(proof, secret)]
    if errors:
        raise InvalidInput(errors)
    if proof.kind is ProofKind.NONE:
        return {}, {}
    return msgspec.to_builtins(proof), {SECRET: secret}


def _proof_errors(proof: Proof, secret: str) -> Iterator[FieldError]:
    if proof.kind is ProofKind.NONE:
        return
    if not secret:
        yield FieldError(f"proof.{SECRET}", "is needed: what only the provider and this hook know")
    if len(secret) > LONGEST_SECRET:
        yield FieldError(f"proof.{SECRET}", f"must have at most {LONGEST_SECRET} characters")
    if proof.kind is ProofKind.BASIC and not 1 <= len(proof.user) <= 200:
        yield FieldError("proof.user", "is needed, with at most 200 characters")
    if ":" in proof.user:
        yield FieldError("proof.user", "must have no colon: what follows it would be the password")
    if proof.kind in (ProofKind.HEADER, ProofKind.HMAC) and not _HEADER.fullmatch(proof.header):
        yield FieldError("proof.header", "must be the name of a header, such as X-Signature")
    if proof.timestamp_header and (proof.kind is not ProofKind.HMAC or not _HEADER.fullmatch(proof.timestamp_header)):
        yield FieldError("proof.timestamp_header", "must be the name of a header, and goes with kind hmac only")


# -- rows ------------------------------------------------------------------------------------------------------------------


def _found(rows: "QuerySet[Hook]", hook_id: int) -> Hook:
    found = rows.select_related("connection").filter(pk=hook_id).first() if hook_id <= LARGEST_ID else None
    if found is None:
        raise NotFound("hook", hook_id)
    return found


def _values(hook: Hook) -> Sequence[object]:
    plain = (hook.name, hook.sender_number, hook.keywords, hook.payload, hook.statuses, hook.proof, hook.is_enabled)
    return (*plain, bytes(hook.secrets))


def _kept_secrets(hook: Hook, given: Mapping[str, Any] | None) -> dict[str, str]:
    """What the hook has, for who changes its proof. Raises InvalidInput where it cannot be opened and no other is given."""
    if given is None:
        return {}
    try:
        return process_vault().decrypt(bytes(hook.secrets), hook_place(hook.organisation_id, hook.pk))
    except Sealed as error:
        if given.get(SECRET, MASK) == MASK and given.get("kind", ProofKind.NONE) != ProofKind.NONE:
            words = f"is needed again, for what is kept cannot be opened: {error}"
            raise InvalidInput.at(f"proof.{SECRET}", words) from None
        return {}


def _sealed(hook: Hook, secrets: Mapping[str, str]) -> bytes:
    return process_vault().encrypt(secrets, hook_place(hook.organisation_id, hook.pk)) if secrets else b""


def _save_changed(hook: Hook, now_ms: int) -> None:
    hook.version += 1
    hook.changed_ms = now_ms
    with _name_is_free(hook.name), transaction.atomic():
        hook.save()


def _new_token() -> str:
    """192 bits; the letters before them tell it from an id, and from other keys where one is found."""
    return f"chh_{randomness.token_urlsafe(TOKEN_OCTETS)}"


def _grouped(rows: "QuerySet[HookCount]", field: str) -> dict[int, list[HookCount]]:
    grouped: dict[int, list[HookCount]] = {}
    for row in rows:
        grouped.setdefault(getattr(row, field), []).append(row)
    return grouped


@contextmanager
def _name_is_free(name: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise Conflict(f"There is a hook named {name} already.") from None


def tokens_of(connection_id: int) -> dict[str, str]:
    """The token that is in use for each kind of hook of a connection: of several of a kind, the oldest hook's."""
    rows = Hook.objects.filter(connection_id=connection_id, is_enabled=True).order_by("-pk")
    return {row.kind: row.token for row in rows}
