"""How requests to a custom provider prove who sends them, as settings: nothing, Basic, an API key, MAC, OAuth or JWT."""

import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import jwt

from chappe.messaging import FieldError
from chappe.providers.auth import Basic, Hash, Header, Jwt, Mac, NoAuth, OAuth, Query
from chappe.providers.contract import Choice, Setting, Settings, SettingType
from chappe.providers.header_table import is_header_name
from chappe.providers.http import Auth, HttpRequest
from chappe.providers.http_settings import LONGEST_PEM, url

AUTHENTICATION = "Authentication"
API_TOKEN = "{{apiToken}}"  # noqa: S105 - a placeholder, in the place of which the token goes

_KEYED = ("api_key", "mac", "oauth", "jwt")
_HMAC_ALGORITHMS = ("HS256", "HS384", "HS512")
_KEY_ALGORITHMS = ("RS256", "ES256")
_TIMES = ("exp", "nbf", "iat")


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _object_problem(text: str) -> str | None:
    if not text.strip():
        return None
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        what = error.msg[0].lower() + error.msg[1:]
        return f"line {error.lineno}, column {error.colno}: is not JSON: {what}"
    except (ValueError, RecursionError):
        return "is nested too deep, or has a number that is too long"
    return None if isinstance(value, dict) else 'expected an object: {"name": "value"}'


def _form_problem(text: str) -> str | None:
    """A mark that is wanted, and no control characters."""
    return None if text.isprintable() else "expected one line without control characters"


def _claims_problem(text: str) -> str | None:
    claims = _object(text) or {}
    for name in _TIMES:
        if name in claims and (isinstance(claims[name], bool) or not isinstance(claims[name], int | float)):
            return f"{name}: expected a number of seconds"
    return _object_problem(text)


def _setting(name: str, label: str, help_text: str, *when: str, **rest: Any) -> Setting:
    kind = rest.pop("type", SettingType.TEXT)
    default = rest.pop("default", "")
    applies_when = ("auth_type", when if len(when) > 1 else when[0])
    return Setting(name, kind, default, label, help_text, applies_when=applies_when, **rest)


def _choices(*pairs: tuple[str, str]) -> tuple[Choice, ...]:
    return tuple(Choice(value, label) for value, label in pairs)


def auth_settings() -> tuple[Setting, ...]:
    settings = (
        Setting(
            "auth_type",
            SettingType.CHOICE,
            "none",
            "Authentication",
            "How requests prove who sends them. A client certificate (mTLS) may come with any of these, or be all there is.",
            choices=_choices(
                ("none", "none"),
                ("basic", "Basic: user and password"),
                ("api_key", "API key"),
                ("mac", "MAC: a code made with a secret"),
                ("oauth", "OAuth: a token that is fetched"),
                ("jwt", "JWT: a token that is signed for each request"),
            ),
        ),
        _setting("basic_user", "User", "Of Basic authentication.", "basic", required=True, maximum=200),
        _setting(
            "basic_password", "Password", "Of Basic authentication.", "basic", type=SettingType.PASSWORD, maximum=1000
        ),
        _setting(
            "api_token",
            "API token",
            "Issued by the provider: the API key; the public half of a MAC; the key that signs a JWT (a private key in PEM for "
            f"RS256 and ES256). With OAuth it goes into the body where {API_TOKEN} stands, and may be left out.",
            *_KEYED,
            type=SettingType.PASSWORD,
            maximum=LONGEST_PEM,
        ),
        _setting(
            "api_key_place",
            "Place of the API key",
            "Where the API key goes.",
            "api_key",
            type=SettingType.CHOICE,
            default="header",
            choices=_choices(("header", "a header"), ("query", "the address, after the question mark")),
        ),
        _setting(
            "api_key_name",
            "Name of the API key",
            "The header, or the name in the address.",
            "api_key",
            default="Authorization",
            required=True,
            maximum=100,
            check=lambda text: (
                None if text.isascii() and text.isprintable() and " " not in text else "expected one word"
            ),
        ),
        _setting(
            "api_key_form",
            "Form of the API key",
            "What is written in the header, {token} being the API token; X-API-Key and its like want {token} alone.",
            "api_key",
            default="Bearer {token}",
            required=True,
            maximum=200,
            check=_form_problem,
        ),
        _setting(
            "mac_secret",
            "API secret key",
            "Makes the code: what is signed is the body of the request, octet for octet as it is sent (HMAC).",
            "mac",
            type=SettingType.PASSWORD,
            required=True,
            maximum=2000,
        ),
        _setting(
            "mac_hash",
            "Hash format",
            "Of the HMAC.",
            "mac",
            type=SettingType.CHOICE,
            default=Hash.SHA256.value,
            choices=tuple(Choice(one.value, f"HMAC-{one.name}") for one in Hash),
        ),
        _setting(
            "mac_writing",
            "Code written as",
            "How the octets of the code are written.",
            "mac",
            type=SettingType.CHOICE,
            default="hex",
            choices=_choices(("hex", "hexadecimal, in lower case"), ("base64", "Base64")),
        ),
        _setting(
            "mac_form",
            "Form of the proof",
            "What is written in the header Authorization: {token} is the API token and {mac} the code.",
            "mac",
            default="MAC {token}:{mac}",
            required=True,
            maximum=200,
            check=_form_problem,
        ),
        replace(
            url("oauth_url", "OAuth URL", "Where the token is fetched. No client certificate is shown there."),
            required=True,
            applies_when=("auth_type", "oauth"),
        ),
        _setting(
            "oauth_body",
            "OAuth body",
            "What is sent there, as JSON: grant_type, client_id, client_secret and what else the provider asks for.",
            "oauth",
            type=SettingType.PASSWORD,
            required=True,
            maximum=10_000,
            check=_object_problem,
        ),
        _setting(
            "oauth_sent_as",
            "OAuth body sent as",
            "RFC 6749 asks for a form; several providers take JSON.",
            "oauth",
            type=SettingType.CHOICE,
            default="json",
            choices=_choices(("json", "JSON, as it is written"), ("form", "a form, a field for each member")),
        ),
        _setting(
            "oauth_token_path",
            "Path of the token",
            "Where the token stands in the answer, such as access_token or data.token.",
            "oauth",
            default="access_token",
            required=True,
            maximum=200,
        ),
        _setting(
            "oauth_expiry_path",
            "Path of the expiry",
            "Where the answer says for how many seconds the token is good; an hour where it does not say.",
            "oauth",
            default="expires_in",
            maximum=200,
        ),
        _setting(
            "jwt_payload",
            "JWT payload",
            "The claims, as JSON: iss, sub, aud, exp… Small numbers in exp and nbf are seconds from when it is signed; without "
            "exp a token is good for five minutes.",
            "jwt",
            default="{}",
            required=True,
            maximum=10_000,
            check=_claims_problem,
        ),
        _setting(
            "jwt_algorithm",
            "JWT algorithm",
            "How it is signed, with the API token as the key.",
            "jwt",
            type=SettingType.CHOICE,
            default="HS256",
            choices=tuple(Choice(one, one) for one in (*_HMAC_ALGORITHMS, *_KEY_ALGORITHMS)),
        ),
    )
    return tuple(replace(setting, group=AUTHENTICATION) for setting in settings)


def auth_errors(settings: Settings) -> list[FieldError]:
    """What is wrong between the settings of the way that is chosen."""
    kind, token = settings.text("auth_type"), settings.text("api_token")
    errors = []
    if kind in ("api_key", "mac", "jwt") and not token:
        errors.append(FieldError("api_token", "is needed"))
    elif kind in ("api_key", "mac") and not token.isprintable():
        errors.append(FieldError("api_token", "expected one line without control characters"))
    is_in_header = kind == "api_key" and settings.text("api_key_place") == "header"
    if is_in_header and not is_header_name(settings.text("api_key_name")):
        errors.append(FieldError("api_key_name", "expected the name of a header: letters, digits and hyphens"))
    if is_in_header and "{token}" not in settings.text("api_key_form"):
        errors.append(FieldError("api_key_form", "expected {token} in it"))
    if kind == "mac" and "{mac}" not in settings.text("mac_form"):
        errors.append(FieldError("mac_form", "expected {mac} in it"))
    if kind == "jwt" and token and settings.text("jwt_algorithm") in _KEY_ALGORITHMS and not _signs(settings):
        errors.append(FieldError("api_token", f"expected a private key in PEM for {settings.text('jwt_algorithm')}"))
    return errors


def auth_of(settings: Settings) -> Auth:
    """The way that the settings choose."""
    token = settings.text("api_token")
    match settings.text("auth_type"):
        case "basic":
            return Basic(settings.text("basic_user"), settings.text("basic_password"))
        case "api_key" if settings.text("api_key_place") == "query":
            return Query(settings.text("api_key_name"), token)
        case "api_key":
            return Header(settings.text("api_key_name"), settings.text("api_key_form").replace("{token}", token))
        case "mac":
            is_base64 = settings.text("mac_writing") == "base64"
            form, hash_format = settings.text("mac_form"), Hash(settings.text("mac_hash"))
            return Mac(token, settings.text("mac_secret"), hash_format, is_base64, form=form)
        case "oauth":
            return OAuth(
                _token_request(settings), settings.text("oauth_token_path"), settings.text("oauth_expiry_path")
            )
        case "jwt":
            claims = _object(settings.text("jwt_payload")) or {}
            return Jwt(claims, token, settings.text("jwt_algorithm"))
    return NoAuth()


def _token_request(settings: Settings) -> HttpRequest:
    body = _with_token(_object(settings.text("oauth_body")) or {}, settings.text("api_token"))
    address = settings.text("oauth_url")
    if settings.text("oauth_sent_as") == "form":
        fields = {name: item if isinstance(item, str) else json.dumps(item) for name, item in body.items()}
        headers = (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"))
        return HttpRequest("POST", address, headers, urlencode(fields).encode())
    headers = (("Content-Type", "application/json"), ("Accept", "application/json"))
    return HttpRequest("POST", address, headers, json.dumps(body).encode())


def _with_token(value: Any, token: str) -> Any:
    """The body with the API token in its place, put in where JSON was read already: nothing in it can break out."""
    if isinstance(value, dict):
        return {name: _with_token(item, token) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_token(item, token) for item in value]
    return value.replace(API_TOKEN, token) if isinstance(value, str) else value


def _signs(settings: Settings) -> bool:
    try:
        jwt.encode({}, settings.text("api_token"), settings.text("jwt_algorithm"))
    except (jwt.PyJWTError, ValueError, TypeError):
        return False
    return True
