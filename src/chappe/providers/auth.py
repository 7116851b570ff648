"""The ways in which requests prove who sends them (`http.Auth`)."""

import base64
import hashlib
import hmac
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import jwt
import msgspec

from chappe.providers.http import Auth, HttpRequest, HttpResponse, Token, TokenRefused

TOKEN_S = 3600.0
"""How long a token is taken to be good where its endpoint does not say."""
JWT_S = 300.0

_HMACS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


@dataclass(frozen=True)
class _WithoutToken:
    @property
    def needs_token(self) -> bool:
        return False

    def fetch(self, now_s: float) -> Generator[HttpRequest, HttpResponse, Token]:
        yield from ()
        raise TokenRefused("no token is needed")


@dataclass(frozen=True)
class NoAuth(_WithoutToken):
    """The request goes out as it is; a client certificate may be all the proof there is."""

    def sign(self, request: HttpRequest, token: str, now_s: float) -> HttpRequest:
        return request


@dataclass(frozen=True)
class Basic(_WithoutToken):
    """User and password (RFC 7617), in UTF-8."""

    user: str
    password: str = field(repr=False)

    def sign(self, request: HttpRequest, token: str, now_s: float) -> HttpRequest:
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode("ascii")
        return request.with_header("Authorization", f"Basic {pair}")


@dataclass(frozen=True)
class Header(_WithoutToken):
    """A fixed value in a header: an API key."""

    name: str
    value: str = field(repr=False)

    def sign(self, request: HttpRequest, token: str, now_s: float) -> HttpRequest:
        return request.with_header(self.name, self.value)


@dataclass(frozen=True)
class Query(_WithoutToken):
    """A fixed value in the query of the URL: an API key."""

    name: str
    value: str = field(repr=False)

    def sign(self, request: HttpRequest, token: str, now_s: float) -> HttpRequest:
        parts = urlsplit(request.url)
        pair = urlencode({self.name: self.value})
        query = f"{parts.query}&{pair}" if parts.query else pair
        return msgspec.structs.replace(request, url=urlunsplit(parts._replace(query=query)))


class Hash(StrEnum):
    """Hash formats of a MAC."""

    SHA256 = "sha256"
    SHA512 = "sha512"
    SHA1 = "sha1"
    MD5 = "md5"


@dataclass(frozen=True)
class Mac(_WithoutToken):
    """`Authorization: MAC <token>:<tag>`, the tag being the HMAC of the body's octets under the secret.

    `is_base64`: the tag is written so, else in lower-case hexadecimal.
    """

    token: str = field(repr=False)
    secret: str = field(repr=False)
    hash: Hash = Hash.SHA256
    is_base64: bool = False
    header: str = "Authorization"
    form: str = "MAC {token}:{mac}"

    def sign(self, request: HttpRequest, token: str, now_s: float) -> HttpRequest:
        tag = hmac.new(self.secret.encode(), request.body, getattr(hashlib, self.hash.value)).digest()
        written = base64.b64encode(tag).decode("ascii") if self.is_base64 else tag.hex()
        value = self.form.replace("{token}", self.token).replace("{mac}", written)
        return request.with_header(self.header, value)


@dataclass(frozen=True)
class Jwt(_WithoutToken):
    """A signed token made anew for each request (RFC 7519). `claims` may say `exp` and `nbf` in seconds from now: small
    numbers are taken so, since as instants they lie in 1970."""

    claims: Mapping[str, Any]
    key: str = field(repr=False)
    algorithm: str = "HS256"

    def sign(self, request: HttpRequest, token: str, now_s: float) -> HttpRequest:
        now = int(now_s)
        claims = {"iat": now, "exp": now + int(JWT_S), **self.claims}
        for name in ("exp", "nbf", "iat"):
            value = claims.get(name)
            if isinstance(value, int | float) and value < 1_000_000_000:
                claims[name] = now + int(value)
        return request.with_header("Authorization", f"Bearer {self._token(claims)}")

    def _token(self, claims: Mapping[str, Any]) -> str:
        hash_name = _HMACS.get(self.algorithm)
        if hash_name is None:
            return jwt.encode(dict(claims), self.key, self.algorithm)
        # By hand, since a key is as long as the provider made it, and PyJWT warns of each shorter than RFC 7518 wants it.
        parts = {"alg": self.algorithm, "typ": "JWT"}, claims
        signed = b".".join(_base64url(msgspec.json.encode(part)) for part in parts)
        tag = hmac.new(self.key.encode(), signed, hash_name).digest()
        return b".".join((signed, _base64url(tag))).decode("ascii")


@dataclass(frozen=True)
class WithHeaders:
    """Another way, and with it headers that are secrets themselves."""

    inner: Auth
    headers: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def needs_token(self) -> bool:
        return self.inner.needs_token

    def sign(self, request: HttpRequest, token: str, now_s: float) -> HttpRequest:
        for name, value in self.headers:
            request = request.with_header(name, value)
        return self.inner.sign(request, token, now_s)

    def fetch(self, now_s: float) -> Generator[HttpRequest, HttpResponse, Token]:
        return (yield from self.inner.fetch(now_s))


@dataclass(frozen=True)
class OAuth:
    """A bearer token from a token endpoint (RFC 6749), fetched when needed and used until just before it expires.

    `token_path` and `expiry_path` say where they stand in the answer, members separated by dots.
    """

    request: HttpRequest = field(repr=False)
    token_path: str = "access_token"  # noqa: S105 - where it stands, not what it is
    expiry_path: str = "expires_in"
    form: str = field(default="Bearer {token}")
    header: str = "Authorization"

    @property
    def needs_token(self) -> bool:
        return True

    def sign(self, request: HttpRequest, token: str, now_s: float) -> HttpRequest:
        return request.with_header(self.header, self.form.replace("{token}", token))

    def fetch(self, now_s: float) -> Generator[HttpRequest, HttpResponse, Token]:
        response = yield self.request
        if not response.is_success:
            raise TokenRefused(f"the token endpoint answered {response.status}")
        value = at_path(response.json, self.token_path)
        if not isinstance(value, str) or not value:
            raise TokenRefused(f"the token endpoint's answer has no text at {self.token_path}")
        expires = at_path(response.json, self.expiry_path) if self.expiry_path else None
        try:
            return Token(value, float(expires) if expires is not None else TOKEN_S)
        except (TypeError, ValueError):
            return Token(value, TOKEN_S)


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def client_credentials(url: str, client_id: str, client_secret: str) -> HttpRequest:
    """The token request of RFC 6749, section 4.4, with the client's own names in Basic authentication."""
    request = HttpRequest(
        "POST", url, (("Content-Type", "application/x-www-form-urlencoded"),), b"grant_type=client_credentials"
    )
    return Basic(client_id, client_secret).sign(request, "", 0.0)


def at_path(value: Any, path: str) -> Any:
    """What stands at `messages.0.id`: names of members, numbers of places; None where nothing does."""
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and len(step) < 6 and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value
