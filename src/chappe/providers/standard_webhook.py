"""How calls prove whose they are, by Standard Webhooks 1.0.0 ("Signature scheme", "Webhook headers"): ours to customers, and
those of one Chappe to another.

`webhook-id`, `webhook-timestamp` and `webhook-signature`, which holds one signature for each secret that is live.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable

SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
SECRET_OCTETS = 32


def new_secret() -> str:
    """A secret as its owner gets it."""
    return secret_text(secrets.token_bytes(SECRET_OCTETS))


def secret_text(key: bytes) -> str:
    """A secret as its owner gets it."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def secret_key(text: str) -> bytes:
    """What a secret signs with. Raises ValueError for what is no secret."""
    try:
        return base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("this is no secret of a callback") from None


def signatures(keys: Iterable[bytes], event_id: str, timestamp_s: int, body: bytes) -> str:
    """The header `webhook-signature`: one for each key, with a blank between."""
    signed = f"{event_id}.{timestamp_s}.".encode() + body
    digests = (hmac.digest(key, signed, hashlib.sha256) for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
