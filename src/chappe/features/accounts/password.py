"""Passwords of operators: a machine sends its password with each request, so what a slow hash said is kept for a moment."""

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from functools import cache

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from chappe.features.accounts.models import User
from chappe.features.refusal import InvalidInput

MOST_CHARACTERS = 200
REMEMBERED_MS = 60_000
MOST_REMEMBERED = 1_000


def hashed(password: str, login: str, label: str, key_prefix: str) -> str:
    """A password as it is kept; "" for none. Raises InvalidInput.

    What begins as keys do would be looked for among them.
    """
    if not password:
        return ""
    if len(password) > MOST_CHARACTERS or not password.isprintable() or password.startswith(key_prefix):
        words = f"must have at most {MOST_CHARACTERS} printable characters, and not begin with {key_prefix}"
        raise InvalidInput.at("password", words)
    try:
        validate_password(password, User(username=login, first_name=label))
    except ValidationError as error:
        raise InvalidInput.at("password", " ".join(error.messages)) from None
    return make_password(password)


class Checked:
    """Passwords that proved right, by a keyed digest of what was compared: neither they nor what is guessed from them is here.

    The hash of the password is part of what is compared, so that a password that was changed is forgotten at once. One hash
    is made at a time: a flood of wrong passwords takes one processor and not all.
    """

    def __init__(self, now_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000) -> None:
        self._now_ms = now_ms
        self._key = secrets.token_bytes(32)
        self._until: dict[bytes, int] = {}
        self._hashing = threading.Lock()

    def is_remembered(self, login: str, stored: str, password: str) -> bool:
        """Whether it proved right within the last minute; takes no time."""
        return self._until.get(self._mark(login, stored, password), 0) > self._now_ms()

    def is_right(self, login: str, stored: str, password: str) -> bool:
        """Takes as long as the hash takes, also where nothing is `stored`: who is known here is told to nobody."""
        with self._hashing:
            if self.is_remembered(login, stored, password):
                return True
            if not check_password(password, stored or _nobodys()) or not stored:
                return False
            self._remember(self._mark(login, stored, password))
        return True

    def _remember(self, mark: bytes) -> None:
        if len(self._until) >= MOST_REMEMBERED:
            self._until.clear()
        self._until[mark] = self._now_ms() + REMEMBERED_MS

    def _mark(self, login: str, stored: str, password: str) -> bytes:
        text = "\0".join((login, stored, password)).encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, text, hashlib.sha256)


@cache
def _nobodys() -> str:
    return make_password(secrets.token_urlsafe(24))


checked = Checked()
"""Of this process."""
