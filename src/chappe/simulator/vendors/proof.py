"""How credentials are written and compared."""

import base64
import hmac


def basic(user: str, password: str) -> str:
    """The value of Authorization (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def credentials(header: str) -> tuple[str, str] | None:
    """User and password of a Basic header; None where it is none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (ValueError, UnicodeDecodeError):
        return None
    return (user, password) if colon else None


def matches(given: str, expected: str) -> bool:
    """Whether a credential is right; one that is expected empty is not checked."""
    return not expected or hmac.compare_digest(given.encode(), expected.encode())


def forged(secret: str, *, is_forged: bool) -> str:
    """The secret, or another one."""
    return f"not {secret}" if is_forged else secret
