"""Tokens that a vendor gives and takes back: OAuth 2 with client credentials (RFC 6749, section 4.4)."""

import secrets
import time
from typing import TYPE_CHECKING

from ..http_server import Answer, json_answer

if TYPE_CHECKING:
    from .vendor import Vendor

MOST_KEPT = 1000


class Tokens:
    """The tokens that are good, and until when."""

    def __init__(self, vendor: "Vendor") -> None:
        self._vendor = vendor
        self._good: dict[str, float] = {}

    def answer(self, *, is_right: bool, is_grant: bool) -> Answer:
        """The token endpoint's answer."""
        vendor = self._vendor
        if vendor.token_refusals:
            vendor.token_refusals -= 1
            return json_answer(vendor.quirks.token_refusal_status, {"error": "temporarily_unavailable"})
        if not is_grant:
            return json_answer(400, {"error": "unsupported_grant_type", "error_description": "client_credentials"})
        if not is_right:
            vendor.tally.stats.unauthorised += 1
            return json_answer(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        vendor.tally.stats.tokens += 1
        token, lifetime_s = secrets.token_urlsafe(24), vendor.quirks.token_lifetime_s
        self._good[token] = time.monotonic() + lifetime_s
        while len(self._good) > MOST_KEPT:
            del self._good[next(iter(self._good))]
        return json_answer(200, {"access_token": token, "token_type": "bearer", "expires_in": lifetime_s, "scope": ""})

    def is_good(self, header: str) -> bool:
        """Whether an Authorization header holds a token that was given and has not expired."""
        scheme, _, token = header.partition(" ")
        return scheme.lower() == "bearer" and self._good.get(token, 0.0) > time.monotonic()
