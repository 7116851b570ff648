"""What the checks of providers' proofs share: comparing, ages, and tokens signed with a shared secret."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from chappe.messaging import BadSignature
from chappe.providers.contract import Settings
from chappe.providers.http import read_json

LONGEST_AGE_S = 300.0
"""How old, or how far ahead of our clock, a signed time may be where no setting says so."""

_HASHES: Mapping[str, str] = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_LONGEST_TOKEN = 8192


def is_same(left: str, right: str) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(left.encode("utf-8", "replace"), right.encode("utf-8", "replace"))


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def secret_of(settings: Settings, name: str, label: str) -> bytes:
    """The secret that hooks are checked with. Raises BadSignature where it is not set: then nobody can be believed."""
    secret = settings.text(name)
    if not secret:
        raise BadSignature(f"the setting {name} ({label}) is empty, so no call can be checked")
    return secret.encode()


def check_age(signed_s: object, now_s: float, longest_s: float = LONGEST_AGE_S) -> None:
    """Raises BadSignature unless `signed_s`, a number or its digits, lies within `longest_s` of now."""
    text = str(signed_s) if isinstance(signed_s, str | int | float) and not isinstance(signed_s, bool) else ""
    if len(text) > 20 or not text.partition(".")[0].isdecimal() or not text.isascii():
        raise BadSignature("the signed time is missing or is no number of seconds")
    try:
        age_s = abs(now_s - float(text))
    except ValueError:
        raise BadSignature("the signed time is no number of seconds") from None
    if age_s > longest_s:
        raise BadSignature(f"the signed time is more than {longest_s:.0f} s from now")


def token_claims(token: str, secret: bytes, algorithms: frozenset[str]) -> Mapping[str, Any]:
    """The claims of a token (RFC 7519) under the HMAC of a shared secret; times in them are not looked at.

    Raises BadSignature for a token that is malformed, unsigned, signed otherwise than `algorithms` say, or by another.
    """
    parts = token.split(".") if len(token) <= _LONGEST_TOKEN else []
    if len(parts) != 3:
        raise BadSignature("the token is missing or is none")
    header, claims = _json_part(parts[0]), _json_part(parts[1])
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms or "crit" in header:
        raise BadSignature("the token is not signed in a way that is accepted: " + ", ".join(sorted(algorithms)))
    signed = f"{parts[0]}.{parts[1]}".encode("utf-8", "replace")
    wanted = base64.urlsafe_b64encode(hmac.new(secret, signed, _HASHES[algorithm]).digest()).decode().rstrip("=")
    if not is_same(wanted, parts[2]):
        raise BadSignature("the token is not signed with this connection's secret")
    return claims


def _json_part(part: str) -> dict[str, Any]:
    try:
        value = read_json(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadSignature("the token cannot be read")
    return value
