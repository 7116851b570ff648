"""An e-mail service provider that sends what its API is told: JSON over HTTP, one request a person.

It designs and delivers the e-mail; we post the message's body, which is the JSON that its API or its event service expects,
filled in for the person already, with {{ user_identifier }} as the person is known there.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

import msgspec

from chappe.messaging import (
    Channel,
    ErrorKind,
    FieldError,
    OutboundMessage,
    ReceiptKind,
    Refused,
    SendOutcome,
)
from chappe.providers import custom_http
from chappe.providers.answer import answer_settings, read_answer
from chappe.providers.auth import Basic, NoAuth, OAuth, WithHeaders
from chappe.providers.contract import Choice, Feature, ProviderSpec, Setting, Settings, SettingType
from chappe.providers.custom_auth import AUTHENTICATION
from chappe.providers.header_table import header_errors, headers, is_header_name, locked_headers, open_headers
from chappe.providers.http import Account, Auth, HttpRequest, HttpResponse
from chappe.providers.http_settings import ACCOUNT, http_settings, mtls_errors, url
from chappe.providers.payload import PayloadFailed, values_of

LONGEST_BODY = 1_000_000
KEPT_HEADERS = ("Content-Type",)
USER_IDENTIFIER = "user_identifier"
"""The variable that stands for the person in a payload."""

STATES: Mapping[str, ReceiptKind] = {}
ACCOUNT_TROUBLE: Mapping[str, str] = {}
REFUSALS: Mapping[str, str] = {}
ERROR_KINDS: Mapping[str, ErrorKind] = {}
"""What codes mean is a matter of settings."""


class IdentifierKind(StrEnum):
    """By what the provider knows a person."""

    EMAIL = "email"
    HASHED_EMAIL = "hashed_email"
    EXTERNAL_ID = "external_id"
    PHONE = "phone"
    ATTRIBUTE = "attribute"


def identifier_of(
    kind: IdentifierKind | str,
    email: str,
    external_id: str,
    phone: str,
    attributes: Mapping[str, Any],
    attribute: str = "",
) -> str:
    """What stands for a person in a payload; "" where that is not known of them, who can then not be reached.

    The hash is SHA-256 of the address in lower case without spaces around it, in hexadecimal. `attribute` names the one that
    counts for ATTRIBUTE.
    """
    match IdentifierKind(kind):
        case IdentifierKind.EMAIL:
            return email.strip()
        case IdentifierKind.HASHED_EMAIL:
            plain = email.strip().lower()
            return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest() if plain else ""
        case IdentifierKind.EXTERNAL_ID:
            return external_id
        case IdentifierKind.PHONE:
            return phone
    value = attributes.get(attribute)
    return "" if value is None or isinstance(value, dict | list) else str(value)


def _check(settings: Settings) -> Sequence[FieldError]:
    return list(_errors(settings))


def _errors(settings: Settings) -> Iterator[FieldError]:
    if problem := mtls_errors(settings):
        yield FieldError("client_certificate", problem)
    names = settings.text("client_id_name"), settings.text("client_secret_name")
    if names[0] == names[1]:
        yield FieldError("client_secret_name", "must differ from the name of the client id")
    if settings.text("auth_type") == "oauth2" and settings.text("credentials_sent_as") == "headers":
        for place, name in zip(("client_id_name", "client_secret_name"), names, strict=True):
            if not is_header_name(name):
                yield FieldError(place, "expected the name of a header: letters, digits and hyphens")
    yield from header_errors(settings, KEPT_HEADERS)


def _word_problem(text: str) -> str | None:
    is_word = text.isascii() and text.isprintable() and not any(c in ' :"' for c in text)
    return None if is_word else "expected one word of ASCII characters"


def _oauth(name: str, label: str, help_text: str, default: str = "", **rest: Any) -> Setting:
    kind = rest.pop("type", SettingType.TEXT)
    return Setting(
        name, kind, default, label, help_text, required=True, applies_when=("auth_type", "oauth2"), maximum=2000, **rest
    )


_ACCOUNT = (
    replace(
        url("url", "HTTP POST URL", "The endpoint of the provider to which each message is posted."),
        required=True,
    ),
    headers(
        "Headers of each request. Content-Type stays, its value may change. A locked value is encrypted, never shown again "
        "and the same for all messages.",
        KEPT_HEADERS,
    ),
    Setting(
        "identifier_type",
        SettingType.CHOICE,
        IdentifierKind.EMAIL.value,
        "Identifier type",
        "What {{ user_identifier }} becomes in a message: that by which the provider knows a person.",
        choices=(
            Choice(IdentifierKind.EMAIL.value, "the e-mail address"),
            Choice(IdentifierKind.HASHED_EMAIL.value, "the SHA-256 of the e-mail address in lower case"),
            Choice(IdentifierKind.EXTERNAL_ID.value, "the external id"),
            Choice(IdentifierKind.PHONE.value, "the phone number"),
            Choice(IdentifierKind.ATTRIBUTE.value, "an attribute of the person"),
        ),
    ),
    Setting(
        "identifier_attribute",
        SettingType.TEXT,
        "",
        "Attribute",
        "The attribute by which the provider knows a person.",
        maximum=100,
        required=True,
        applies_when=("identifier_type", IdentifierKind.ATTRIBUTE.value),
    ),
)
_AUTHENTICATION = (
    Setting(
        "auth_type",
        SettingType.CHOICE,
        "none",
        "Authentication",
        "How requests prove who sends them; an API key may go into a locked header.",
        choices=(
            Choice("none", "none"),
            Choice("basic", "Basic: user and password"),
            Choice("oauth2", "OAuth2: client credentials"),
        ),
    ),
    Setting(
        "basic_user",
        SettingType.TEXT,
        "",
        "User",
        "As the provider gave it.",
        required=True,
        applies_when=("auth_type", "basic"),
        maximum=200,
    ),
    Setting(
        "basic_password",
        SettingType.PASSWORD,
        "",
        "Password",
        "As the provider gave it.",
        applies_when=("auth_type", "basic"),
        maximum=1000,
    ),
    replace(
        url("token_url", "Token URL", "Where the token is fetched; the check of a connection does so."),
        required=True,
        applies_when=("auth_type", "oauth2"),
    ),
    _oauth("client_id", "Client id", "As the provider gave it."),
    _oauth("client_secret", "Client secret", "As the provider gave it.", type=SettingType.PASSWORD),
    _oauth(
        "client_id_name", "Name of the client id", "As the token endpoint calls it.", "client_id", check=_word_problem
    ),
    _oauth(
        "client_secret_name",
        "Name of the client secret",
        "As the token endpoint calls it.",
        "client_secret",
        check=_word_problem,
    ),
    _oauth(
        "credentials_sent_as",
        "Credentials sent as",
        "How the token endpoint wants the client id and the client secret.",
        "form",
        type=SettingType.CHOICE,
        choices=(
            Choice("form", "fields of a form (RFC 6749)"),
            Choice("json", "members of a JSON object"),
            Choice("headers", "headers"),
        ),
    ),
)

SPEC = ProviderSpec(
    key="esp",
    label="E-mail service provider",
    channels=frozenset({Channel.EMAIL}),
    has_described_hooks=True,
    summary="E-mail by any provider whose API takes JSON over HTTP.",
    features=frozenset({Feature.CUSTOM_PARAMETERS, Feature.RECEIPTS, Feature.READ_RECEIPTS, Feature.SIGNED_HOOKS}),
    settings=(
        *(replace(setting, group=ACCOUNT) for setting in _ACCOUNT),
        *(replace(setting, group=AUTHENTICATION) for setting in _AUTHENTICATION),
        *answer_settings(),
        *http_settings(rate_per_s=0, concurrency=25),
    ),
    check=_check,
)

QUIRKS: tuple[str, ...] = (
    "The body of a message is the JSON that the provider's API expects; the provider designs and delivers the e-mail.",
    "Without a hook the provider's own reports stay with it: what we know is whether it took the message.",
)
HOOK_SETUP: tuple[str, ...] = (
    "Make a hook of the kind Feedback for this connection, paste one of the provider's reports into its payload, and put "
    "placeholders where the values stand.",
    "Give its address to the provider: {status_url}.",
    "Choose the proof that the provider can give with each call: a header, Basic authentication or an HMAC.",
)
HOOK_PROOF = custom_http.HOOK_PROOF
SOURCES: tuple[str, ...] = ("https://www.rfc-editor.org/rfc/rfc6749",)


def auth(account: Account) -> Auth:
    settings = account.settings
    way: Auth = NoAuth()
    if settings.text("auth_type") == "basic":
        way = Basic(settings.text("basic_user"), settings.text("basic_password"))
    elif settings.text("auth_type") == "oauth2":
        way = OAuth(_token_request(settings))
    locked = locked_headers(settings)
    return WithHeaders(way, locked) if locked else way


def _token_request(settings: Settings) -> HttpRequest:
    """The client-credentials grant (RFC 6749, section 4.4.2), with the names that this provider has for its parts."""
    pairs = tuple((settings.text(f"{name}_name"), settings.text(name)) for name in ("client_id", "client_secret"))
    grant = {"grant_type": "client_credentials"}
    accept = ("Accept", "application/json")
    sent_as = settings.text("credentials_sent_as")
    if sent_as == "json":
        body = json.dumps(grant | dict(pairs)).encode()
        return HttpRequest("POST", settings.text("token_url"), (("Content-Type", "application/json"), accept), body)
    form = (("Content-Type", "application/x-www-form-urlencoded"), accept)
    if sent_as == "headers":
        return HttpRequest("POST", settings.text("token_url"), (*form, *pairs), urlencode(grant).encode())
    return HttpRequest("POST", settings.text("token_url"), form, urlencode(grant | dict(pairs)).encode())


def build(message: OutboundMessage, account: Account) -> HttpRequest | Refused:
    settings = account.settings
    if len(message.body) > LONGEST_BODY:
        return Refused(f"the message has {len(message.body)} characters; at most {LONGEST_BODY} can be sent")
    body = message.body.encode("utf-8", "replace")
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
        own_headers = open_headers(settings, values_of(message, account, message.sender))
    except (msgspec.DecodeError, RecursionError):
        return Refused(_json_problem(message.body))
    except PayloadFailed as error:
        return Refused(str(error))
    return HttpRequest("POST", settings.text("url"), own_headers, body)


def _json_problem(text: str) -> str:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        what = error.msg[0].lower() + error.msg[1:]
        return f"the message is not JSON: line {error.lineno}, column {error.colno}: {what}"
    except (ValueError, RecursionError):
        pass
    return "the message is not JSON: it is nested too deep, or has a number that is too long"


def read(response: HttpResponse, account: Account) -> SendOutcome:
    return read_answer(response, account.settings, "the e-mail provider")


# No call is known to cost nothing, and calls of the provider are read hook by hook: as of any provider that settings describe.
probe, probed = custom_http.probe, custom_http.probed
verify, events, reply = custom_http.verify, custom_http.events, custom_http.reply
