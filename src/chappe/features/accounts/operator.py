"""Operators: machines that sign in by name, with as many keys as it takes to change them without a stop."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from chappe.features.accounts.models import ApiKey, Operator
from chappe.features.accounts.password import hashed
from chappe.features.accounts.services import (
    ADMINISTRATION,
    KEY_PREFIX,
    OPERATOR_SCOPES,
    REPLIES,
    SCOPES,
    NewApiKey,
    checked_name,
    checked_scopes,
    new_key,
)
from chappe.features.page import LARGEST_ID, Page, newest_first
from chappe.features.refusal import Conflict, InvalidInput, Mistakes, NotFound

MOST_KEYS = 10
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Change:
    """What to change of an operator; None leaves it as it is. An empty password takes the one it has away."""

    label: str | None = None
    scopes: Sequence[str] | None = None
    is_enabled: bool | None = None
    password: str | None = field(default=None, repr=False)


def create_operator(
    organisation_id: int, login: str, label: str, scopes: Sequence[str], now_ms: int, password: str = ""
) -> Operator:
    """A new operator, without keys. Raises InvalidInput naming each field, or Conflict where the login is taken."""
    row, mistakes = Operator(organisation_id=organisation_id, created_ms=now_ms, changed_ms=now_ms), Mistakes()
    with mistakes.noted():
        row.login = checked_login(login)
    _apply(row, Change(label, scopes, password=password), mistakes)
    with _login_is_free(row), transaction.atomic():
        row.save()
    return row


def warnings_of(row: Operator) -> list[str]:
    """What is risky about an operator, in words for whoever looks after it; nothing where all is well."""
    said = []
    if not row.password:
        said.append(
            "This operator has no password: it signs in with its keys alone, and not at all without one. Give it a password "
            "that is long and used nowhere else."
        )
    if row.is_relay and set(row.scopes) & set(SCOPES):
        said.append(
            "It may sign in as another Chappe's account, for which the right administration is enough: with its other rights "
            "it reaches what belongs to the whole organisation."
        )
    return said


def every_operator(organisation_id: int) -> "QuerySet[Operator]":
    """The organisation's operators, by login."""
    return _rows(organisation_id).order_by("login")


def relay_operators(organisation_id: int) -> list[Operator]:
    """Those that sign in as another Chappe's account, by login; the first two hundred."""
    return list(_rows(organisation_id).filter(is_relay=True).order_by("login")[:200])


def operators_page(organisation_id: int, cursor: str, limit: int) -> Page[Operator]:
    """A page of the organisation's operators, newest first. Raises InvalidInput."""
    return newest_first(_rows(organisation_id), cursor, limit)


def find_operator(organisation_id: int, operator_id: int) -> Operator:
    """Raises NotFound."""
    return _found(_rows(organisation_id), operator_id)


def change_operator(organisation_id: int, operator_id: int, change: Change, now_ms: int) -> Operator:
    """The operator as changed; its keys may do that from now on, and within a second where messages are taken in.

    Raises NotFound, InvalidInput; Conflict where it is to sign in as another Chappe's account and its login is taken.
    """
    with transaction.atomic():
        row = _found(_rows(organisation_id).select_for_update(), operator_id)
        _apply(row, change, Mistakes())
        row.changed_ms = now_ms
        with _login_is_free(row), transaction.atomic():
            row.save()
    return row


def delete_operator(organisation_id: int, operator_id: int) -> None:
    """The operator goes, and its keys with it. Raises NotFound."""
    with transaction.atomic():
        _found(_rows(organisation_id).select_for_update(), operator_id).delete()


def keys_page(operator: Operator, cursor: str, limit: int) -> Page[ApiKey]:
    """A page of an operator's keys, revoked ones included, newest first. Raises InvalidInput."""
    return newest_first(operator.keys.all(), cursor, limit)


def add_key(organisation_id: int, operator_id: int, name: str, now_ms: int) -> NewApiKey:
    """One more key of an operator. Raises NotFound, InvalidInput; Conflict where it has too many that are in use."""
    with transaction.atomic():
        operator = _found(_rows(organisation_id).select_for_update(), operator_id)
        name = checked_name(name)
        if operator.keys.filter(revoked_ms=0).count() >= MOST_KEYS:
            raise Conflict(f"The operator has {MOST_KEYS} keys in use, and can have no more. Revoke one first.")
        return new_key(ApiKey(organisation_id=organisation_id, operator=operator, name=name, created_ms=now_ms))


def _rows(organisation_id: int) -> "QuerySet[Operator]":
    return Operator.objects.filter(organisation_id=organisation_id)


def _found(rows: "QuerySet[Operator]", operator_id: int) -> Operator:
    found = rows.filter(pk=min(operator_id, LARGEST_ID)).first()
    if found is None:
        raise NotFound("operator", operator_id)
    return found


def _apply(row: Operator, change: Change, mistakes: Mistakes) -> None:
    """Write `change` into the row, unsaved. Raises InvalidInput."""
    with mistakes.noted():
        row.label = row.label if change.label is None else checked_name(change.label, "label")
    with mistakes.noted():
        row.scopes = row.scopes if change.scopes is None else _checked_scopes(change.scopes)
    with mistakes.noted():
        if change.password is not None:
            row.password = hashed(change.password, row.login, row.label, KEY_PREFIX)
    row.is_relay = ADMINISTRATION in row.scopes
    with mistakes.noted():
        _check_apart(row)
    mistakes.refuse()
    row.is_enabled = row.is_enabled if change.is_enabled is None else change.is_enabled


def checked_login(text: str) -> str:
    """Other systems compare it letter by letter, and some of them know no capitals. Raises InvalidInput."""
    text = text.strip()
    if _LOGIN.fullmatch(text):
        return text
    if _LOGIN.fullmatch(text.lower()):
        raise InvalidInput.at("login", f"must be in small letters: write {text.lower()}")
    raise InvalidInput.at("login", "must have from 1 to 64 small letters and digits, with . _ - between them")


def _checked_scopes(scopes: Sequence[str]) -> list[str]:
    chosen = checked_scopes(scopes, OPERATOR_SCOPES)
    if REPLIES in chosen and ADMINISTRATION not in chosen:
        raise InvalidInput.at("scopes", f"must have {ADMINISTRATION} where they have {REPLIES}")
    return chosen


def _check_apart(row: Operator) -> None:
    """An account is named for its operator: of sms and sms_north nobody could tell whose sms_north_1 is.

    Raises InvalidInput.
    """
    if not row.is_relay:
        return
    for other in _rows(row.organisation_id).filter(is_relay=True).exclude(pk=row.pk).values_list("login", flat=True):
        if row.login.startswith(f"{other}_") or other.startswith(f"{row.login}_"):
            words = (
                f"begins as the login of the operator {other} does: whose an account is could not be told from its name"
            )
            raise InvalidInput.at("login", words)


@contextmanager
def _login_is_free(row: Operator) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        if _rows(row.organisation_id).filter(login=row.login).exclude(pk=row.pk).exists():
            raise Conflict(f"There is an operator {row.login} already.") from None
        raise Conflict(
            f"The login {row.login} is taken on this installation: operators that sign in for another Chappe have logins of "
            "their own."
        ) from None
