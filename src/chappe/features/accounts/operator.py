"""Operators: machines that sign in by name, with as many keys as it takes to change them without a stop."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from chappe.features.accounts.models import ApiKey, Operator
from chappe.features.accounts.services import NewApiKey, checked_name, checked_scopes, new_key
from chappe.features.page import LARGEST_ID, Page, newest_first
from chappe.features.refusal import Conflict, InvalidInput, Mistakes, NotFound

MOST_KEYS = 10
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Change:
    """What to change of an operator; None leaves it as it is."""

    label: str | None = None
    scopes: Sequence[str] | None = None
    is_enabled: bool | None = None


def create_operator(organisation_id: int, login: str, label: str, scopes: Sequence[str], now_ms: int) -> Operator:
    """A new operator, without keys. Raises InvalidInput naming each field, or Conflict where the login is taken."""
    row, mistakes = Operator(organisation_id=organisation_id, created_ms=now_ms, changed_ms=now_ms), Mistakes()
    with mistakes.noted():
        row.login = _login(login)
    _apply(row, Change(label, scopes), mistakes)
    with _login_is_free(row.login), transaction.atomic():
        row.save()
    return row


def operators_page(organisation_id: int, cursor: str, limit: int) -> Page[Operator]:
    """A page of the organisation's operators, newest first. Raises InvalidInput."""
    return newest_first(_rows(organisation_id), cursor, limit)


def find_operator(organisation_id: int, operator_id: int) -> Operator:
    """Raises NotFound."""
    return _found(_rows(organisation_id), operator_id)


def change_operator(organisation_id: int, operator_id: int, change: Change, now_ms: int) -> Operator:
    """The operator as changed; its keys may do that from now on, and within a second where messages are taken in.

    Raises NotFound, InvalidInput.
    """
    with transaction.atomic():
        row = _found(_rows(organisation_id).select_for_update(), operator_id)
        _apply(row, change, Mistakes())
        row.changed_ms = now_ms
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
        row.scopes = row.scopes if change.scopes is None else checked_scopes(change.scopes)
    mistakes.refuse()
    row.is_enabled = row.is_enabled if change.is_enabled is None else change.is_enabled


def _login(text: str) -> str:
    """Other systems compare it letter by letter, and some of them know no capitals."""
    text = text.strip()
    if not _LOGIN.fullmatch(text):
        words = "must have from 1 to 64 small letters and digits, with . _ - between them"
        raise InvalidInput.at("login", words)
    return text


@contextmanager
def _login_is_free(login: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        raise Conflict(f"There is an operator {login} already.") from None
