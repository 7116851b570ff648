"""Organisations, and the keys that programs sign in with."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from chappe.features.accounts import password
from chappe.features.accounts.models import ApiKey, Operator, Organisation, User
from chappe.features.audit.record import together
from chappe.features.page import LARGEST_ID, Page, newest_first
from chappe.features.refusal import Conflict, InvalidInput, Mistakes, NotFound
from chappe.messaging import FieldError

SCOPES = ("send", "read", "manage")
ADMINISTRATION, REPLIES = "administration", "replies"
"""Rights of operators alone: to sign in as another Chappe's account here, and to change its automatic replies."""
OPERATOR_SCOPES = (*SCOPES, ADMINISTRATION, REPLIES)
KEY_PREFIX = "chp_"
SHOWN_CHARACTERS = 12
USED_EVERY_MS = 60_000
NAME_CHARACTERS = 200


@dataclass(frozen=True)
class NewApiKey:
    """A key just made. `secret` is shown to its owner now and kept nowhere."""

    row: ApiKey
    secret: str

    def __repr__(self) -> str:
        return f"NewApiKey({self.row})"


def create_organisation(name: str, now_ms: int) -> Organisation:
    """A new organisation. Raises InvalidInput, or Conflict where the name is taken."""
    name = checked_name(name)
    try:
        with transaction.atomic():
            return Organisation.objects.create(name=name, created_ms=now_ms)
    except IntegrityError:
        raise Conflict(f"There is an organisation named {name} already.") from None


def organisation_named(name: str) -> Organisation:
    """Raises NotFound."""
    found = Organisation.objects.filter(name=name).first()
    if found is None:
        raise NotFound("organisation", name)
    return found


def organisations_page(cursor: str, limit: int) -> Page[Organisation]:
    """Every organisation of the installation, newest first: for whoever administers it."""
    return newest_first(Organisation.objects.all(), cursor, limit)


def first_names() -> list[str]:
    """The names of the first two organisations."""
    return list(Organisation.objects.order_by("pk").values_list("name", flat=True)[:2])


def create_api_key(organisation: Organisation, name: str, scopes: Sequence[str], now_ms: int) -> NewApiKey:
    """A new key of `organisation`. Raises InvalidInput naming what is wrong with the name or the scopes."""
    mistakes, chosen = Mistakes(), list[str]()
    with mistakes.noted():
        name = checked_name(name)
    with mistakes.noted():
        chosen = checked_scopes(scopes)
    mistakes.refuse()
    return new_key(ApiKey(organisation=organisation, name=name, scopes=chosen, created_ms=now_ms))


def new_key(row: ApiKey) -> NewApiKey:
    """`row`, which says whose and what for, with a secret of its own, saved."""
    secret = KEY_PREFIX + secrets.token_urlsafe(24)
    row.prefix, row.digest = secret[:SHOWN_CHARACTERS], digest_of(secret)
    with transaction.atomic():
        row.save()
    return NewApiKey(row, secret)


def api_keys(organisation_id: int) -> "QuerySet[ApiKey]":
    """The keys of an organisation, revoked ones included, newest first."""
    return ApiKey.objects.filter(organisation_id=organisation_id).order_by("-pk")


def keys_page(organisation_id: int, cursor: str, limit: int) -> Page[ApiKey]:
    """A page of the keys that belong to no operator, newest first. Raises InvalidInput."""
    return newest_first(ApiKey.objects.filter(organisation_id=organisation_id, operator=None), cursor, limit)


def find_key(organisation_id: int, key_id: int) -> ApiKey:
    """Raises NotFound."""
    key = api_keys(organisation_id).filter(pk=min(key_id, LARGEST_ID)).select_related("operator").first()
    if key is None:
        raise NotFound("API key", key_id)
    return key


def authenticate(secret: str, now_ms: int) -> ApiKey | None:
    """The key that `secret` is, or None. Its last use is noted at most once a minute, so that reading stays reading."""
    key = ApiKey.objects.filter(digest=digest_of(secret), revoked_ms=0).select_related("operator").first()
    if key is not None and key.operator is not None and not key.operator.is_enabled:
        return None
    if key is not None and key.last_used_ms <= now_ms - USED_EVERY_MS:
        ApiKey.objects.filter(pk=key.pk, last_used_ms__lte=now_ms - USED_EVERY_MS).update(last_used_ms=now_ms)
        key.last_used_ms = now_ms
    return key


def sign_in_operator(login: str, secret: str, now_ms: int, *, is_patient: bool = True) -> Operator | None:
    """The operator that proves to be `login`, by its password or by one of its keys; None for one that is switched off, too.

    A password takes as long to check as its hash does, unless it proved right within the last minute. Without patience
    nothing slow is done: such a password is none.
    """
    if secret.startswith(KEY_PREFIX):
        key = authenticate(secret, now_ms)
        owner = key.operator if key is not None else None
        return owner if owner is not None and owner.login == login else None
    found = _operator_called(login)
    proof = (login, found.password if found is not None else "", secret)
    is_right = password.checked.is_remembered(*proof) or (is_patient and password.checked.is_right(*proof))
    return found if is_right and found is not None and found.is_enabled else None


def _operator_called(login: str) -> Operator | None:
    """The one that signs in as another Chappe's account, or the only one; two of the same login cannot be told apart."""
    if "\0" in login:
        return None
    found = list(Operator.objects.filter(login=login).order_by("-is_relay", "pk")[:2])
    return found[0] if found and (found[0].is_relay or len(found) == 1) else None


def revoke_api_key(organisation_id: int, key_id: int, now_ms: int) -> ApiKey:
    """The key lets nobody in from now on; it stays in the list. Raises NotFound."""
    with together("revoke"):
        key = find_key(organisation_id, key_id)
        if not key.revoked_ms:
            key.revoked_ms = now_ms
            key.save(update_fields=["revoked_ms"])
    return key


def digest_of(secret: str) -> str:
    """What is kept of a key. The key is 192 random bits, so a plain digest cannot be guessed back."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def checked_scopes(scopes: Sequence[str], known: Sequence[str] = SCOPES) -> list[str]:
    """Scopes as they are kept. Raises InvalidInput."""
    chosen = [scope for scope in known if scope in scopes]
    if not chosen or set(scopes) - set(known):
        raise InvalidInput.at("scopes", f"must be one or more of {', '.join(known)}")
    return chosen


def checked_name(name: str, field: str = "name", most: int = NAME_CHARACTERS) -> str:
    """A name as it is kept. Raises InvalidInput."""
    name = name.strip()
    if not 1 <= len(name) <= most or "\0" in name:
        raise InvalidInput([FieldError(field, f"must have from 1 to {most} characters")])
    return name


THEMES = ("", "light", "dark")


def set_language(user: User, language: str) -> None:
    """The language a person reads the console in."""
    user.language = language
    user.save(update_fields=["language"])


def set_theme(user: User, theme: str) -> None:
    """How the console looks for a person; "" is as their device has it."""
    user.theme = theme
    user.save(update_fields=["theme"])
