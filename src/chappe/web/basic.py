"""Login and password in a header, as HTTP Basic has them (RFC 7617)."""

import base64
import binascii

SCHEME = "basic"
CHALLENGE = 'Basic realm="chappe", charset="UTF-8"'


def read_basic(token: str) -> tuple[str, str] | None:
    """Login and password of what stands behind the scheme; None where it is not of that form."""
    try:
        login, colon, secret = base64.b64decode(token.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (login, secret) if colon and login else None
