"""Mail that this installation sends to its people, as Django wants to be told."""

from typing import Any
from urllib.parse import unquote, urlsplit

TIMEOUT_S = 15
PORTS = {"smtp": 587, "smtps": 465}


def mail_settings(url: str, sender: str) -> dict[str, Any]:
    """Django's settings for `CHAPPE_MAIL_URL`. Without one no mail goes out: pages then show links to hand over."""
    if not url:
        return {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}
    parts = urlsplit(url)
    is_encrypted = parts.scheme == "smtps"
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or PORTS[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": is_encrypted,
        "EMAIL_USE_TLS": not is_encrypted and parts.query != "tls=no",
        "EMAIL_TIMEOUT": TIMEOUT_S,
        "DEFAULT_FROM_EMAIL": sender,
    }
