"""MessageMedia (Sinch Engage), Messages API v1: https://developers.messagemedia.com/code/messages-api-documentation (2026-11).

Calls of theirs are signed with RSA over request line, Date and body: enterprise webhooks, which the account must have.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from chappe.messaging import (
    About,
    Accepted,
    BadSignature,
    Channel,
    Deferred,
    ErrorKind,
    FieldError,
    HookEvent,
    InboundMessage,
    OptOut,
    OutboundMessage,
    Receipt,
    ReceiptKind,
    Refused,
    SendOutcome,
    UnreadableBody,
)
from chappe.providers.auth import Basic
from chappe.providers.contract import Feature, ProviderSpec, Setting, Settings, SettingType
from chappe.providers.http import (
    ACCOUNT_PAUSE_S,
    Account,
    HookRequest,
    HttpRequest,
    HttpResponse,
    plus_number,
    probe_problem,
    said,
    unexplained,
)
from chappe.providers.http_settings import ACCOUNT, LONGEST_PEM, base_url, http_settings, mtls_errors
from chappe.providers.proof import check_age, secret_of
from chappe.providers.sender import is_name

LONGEST_TEXT = 5000
SHORTEST_NAME = 3
SMALLEST_KEY_BITS = 1024

STATES: Mapping[str, ReceiptKind] = {
    **dict.fromkeys(
        ("scheduled", "queued", "processing", "processed", "held", "enroute", "submitted"), ReceiptKind.INTERMEDIATE
    ),
    "delivered": ReceiptKind.SUCCESS,
    "read": ReceiptKind.READ,
    # "cancelled" is what somebody did at MessageMedia: the message will not come
    **dict.fromkeys(("expired", "rejected", "undeliverable", "failed", "cancelled"), ReceiptKind.ERROR),
}
ACCOUNT_TROUBLE: Mapping[str, str] = {}
REFUSALS: Mapping[str, str] = {}
"""MessageMedia says what is wrong in words, which are shown."""

OPTED_OUT = frozenset({"302", "412"})
_OURS = "301 302 303 304 305 330 331 332 333 402 403 405 410 412"
ERROR_KINDS: Mapping[str, ErrorKind] = {
    **dict.fromkeys(("411", "413"), ErrorKind.HARD),
    **dict.fromkeys(("320", "400", "401", "414"), ErrorKind.SOFT),
    **dict.fromkeys(_OURS.split(), ErrorKind.IGNORED),
}

DIGESTS: Mapping[str, hashes.HashAlgorithm] = {
    "SHA224": hashes.SHA224(),
    "SHA256": hashes.SHA256(),
    "SHA512": hashes.SHA512(),
}
VERSIONS = ("HTTP/1.1", "HTTP/1.0", "HTTP/2", "HTTP/2.0")
"""Of the request line: a proxy may have spoken another to us than MessageMedia to it."""


def _sender_problem(text: str) -> str | None:
    if not text or re.fullmatch(r"\+?[1-9][0-9]{2,14}", text):
        return None
    if text.startswith("00"):
        return "begins with 00; expected the country code first, such as 61491570156"
    if is_name(text):
        return None if len(text) >= SHORTEST_NAME else f"is a name of less than {SHORTEST_NAME} characters"
    return (
        "expected the digits of a number with its country code first, such as 61491570156, a short code, or a name of 3 to 11 "
        "letters (without accents), digits and spaces"
    )


@lru_cache(maxsize=256)
def _public_key(text: str) -> rsa.RSAPublicKey | None:
    """From Base64 of a SubjectPublicKeyInfo, with armour or without; None where it is no RSA key that is large enough."""
    inner = re.sub(r"-----(BEGIN|END) PUBLIC KEY-----|\s", "", text)
    try:
        key = load_der_public_key(base64.b64decode(inner, validate=True))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, rsa.RSAPublicKey) and key.key_size >= SMALLEST_KEY_BITS else None


def _key_problem(text: str) -> str | None:
    if not text or _public_key(text) is not None:
        return None
    return "is no RSA public key; expected its Base64, or PEM with -----BEGIN PUBLIC KEY-----"


def _check(settings: Settings) -> Sequence[FieldError]:
    problem = mtls_errors(settings)
    return [FieldError("client_certificate", problem)] if problem else []


_ACCOUNT = (
    Setting(
        "api_key",
        SettingType.TEXT,
        "",
        "Username (API key)",
        "The key of a Basic authentication key pair; in the MessageMedia hub under Configuration, API settings.",
        required=True,
        maximum=200,
    ),
    Setting(
        "api_secret",
        SettingType.PASSWORD,
        "",
        "Password (API secret)",
        "The secret of the same pair; shown once, when the pair is made.",
        required=True,
        maximum=200,
    ),
    Setting(
        "sender",
        SettingType.TEXT,
        "",
        "Sender",
        "A number with its country code, such as 61491570156, or a registered name of 3 to 11 characters. Only a number can be "
        "answered.",
        required=True,
        maximum=16,
        check=_sender_problem,
    ),
    Setting(
        "webhook_public_key",
        SettingType.TEXT,
        "",
        "Enterprise webhook public key",
        "MessageMedia's public key for your account, by which its calls to us are checked; ask your contact there for it. "
        "Without it no receipt and no text from a phone is taken.",
        maximum=LONGEST_PEM,
        check=_key_problem,
    ),
)

SPEC = ProviderSpec(
    key="messagemedia",
    label="MessageMedia",
    channels=frozenset({Channel.SMS}),
    summary="SMS by MessageMedia (Sinch Engage), over its Messages API v1.",
    features=frozenset(
        {
            Feature.RECEIPTS,
            Feature.READ_RECEIPTS,
            Feature.INBOUND,
            Feature.SENDER_OVERRIDE,
            Feature.VALIDITY,
            Feature.PROVIDER_OPT_OUTS,
            Feature.SIGNED_HOOKS,
        }
    ),
    settings=(
        *(replace(setting, group=ACCOUNT) for setting in _ACCOUNT),
        base_url("https://api.messagemedia.com"),
        *http_settings(rate_per_s=0, concurrency=20),
    ),
    check=_check,
)

QUIRKS: tuple[str, ...] = (
    "Newer accounts have hosts of their own: https://au.app.api.sinch.com and https://eu.app.api.sinch.com (2026).",
    "Receipts and replies to a message come to the address that goes with the message (2026-11).",
    "Texts that answer no message come only by a webhook of the account (2026-11).",
    "In a receipt, source_number is the person to whom the message went (2026-11).",
    "Receipts carry the text of the message; it is not kept (2026-11).",
    "A text has at most 5000 characters (2026-11).",
    "Where the account drops equal messages, the second one within 24 hours fails with code 305 (2026-11).",
    "A blocked number ends as rejected with code 302 or 412, which is taken as an opt-out (2026-11).",
    "Calls are signed with RSA over request line, Date and body; older samples in C# sign the body alone, which is refused "
    "(2026-11).",
    "Signed calls carry a Date; how old it may be is the setting hook_max_age_s (2026-11).",
    "Names as senders have 3 to 11 characters, are registered beforehand, and cannot be answered (2026-11).",
    "No limit of speed is published (2026-11).",
)
HOOK_SETUP: tuple[str, ...] = (
    "Ask your contact at MessageMedia for enterprise webhooks (API_SECURE_CALLBACKS), and enter the public key here.",
    "Nothing is to be set up for receipts and replies: {status_url} goes with each message.",
    "For texts that answer no message, make a webhook of the account (POST /v1/webhooks/messages) with the url {inbound_url}, "
    "the method POST, the encoding JSON, the event RECEIVED_SMS and a template of the members reply_id ($moId), message_id "
    "($mtId), content ($moContent), source_number ($sourceAddress) and destination_number ($destinationAddress).",
    "For opt-outs make another with the event OPT_OUT_SMS and a template of the members opt_out_id ($notificationId), "
    "source_number ($sourceAddress) and content ($moContent).",
)
HOOK_PROOF = (
    "The header X-MessageMedia-Signature of each call is an RSA signature of request line, Date and body, made with the "
    "private half of the public key."
)
SOURCES: tuple[str, ...] = (
    "https://developers.messagemedia.com/code/messages-api-documentation",
    "https://support.messagemedia.com/hc/en-us/articles/4413635760527-Enterprise-Webhooks",
    "https://github.com/messagemedia/messages-python-sdk (2.1.0)",
    "https://github.com/messagemedia/enterprise-webhooks-nodejs-sdk",
)

_HEADERS = (("Content-Type", "application/json"), ("Accept", "application/json"))


def auth(account: Account) -> Basic:
    return Basic(account.settings.text("api_key"), account.settings.text("api_secret"))


def build(message: OutboundMessage, account: Account) -> HttpRequest | Refused:
    """https://developers.messagemedia.com/code/messages-api-documentation, Send messages."""
    if len(message.body) > LONGEST_TEXT:
        return Refused(f"the text has {len(message.body)} characters; MessageMedia takes at most {LONGEST_TEXT}")
    source, source_type = _source(message.sender or account.settings.text("sender"))
    fields: dict[str, Any] = {
        "content": message.body,
        "destination_number": plus_number(message.recipient),
        "source_number": source,
        "source_number_type": source_type,
        "format": "SMS",
        "delivery_report": message.options is None or message.options.wants_receipt,
        "metadata": {"ref": str(message.id)},
    }
    if account.status_url:
        fields["callback_url"] = account.status_url
    if message.expires_ms:
        fields["message_expiry_timestamp"] = _instant(message.expires_ms)
    return HttpRequest("POST", f"{_base(account)}/v1/messages", _HEADERS, msgspec.json.encode({"messages": [fields]}))


def _source(sender: str) -> tuple[str, str]:
    number = plus_number(sender)
    if number.startswith("+"):
        return number, "INTERNATIONAL"
    return sender, "SHORTCODE" if sender.isdigit() else "ALPHANUMERIC"


def _instant(time_ms: int) -> str:
    instant = datetime.fromtimestamp(time_ms / 1000, UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _base(account: Account) -> str:
    return account.settings.text("base_url").rstrip("/")


def read(response: HttpResponse, account: Account) -> SendOutcome:
    answer = response.json if isinstance(response.json, dict) else {}
    entries = answer.get("messages")
    entry = entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else {}
    message_id, status = said(entry.get("message_id")), said(entry.get("status"))
    if response.is_success and message_id:
        is_failed = STATES.get(status) is ReceiptKind.ERROR
        return Refused(f"MessageMedia says {status}", status) if is_failed else Accepted((message_id,))
    text = said(answer.get("message"))
    if response.status in (401, 403, 404, 422) and text:
        reason = f"MessageMedia turned the account away (HTTP {response.status}): {text}"
        return Deferred(reason, ACCOUNT_PAUSE_S, str(response.status), About.ACCOUNT)
    if response.status == 400 and text:
        return _refused(text, answer.get("details"))
    return unexplained(response, SPEC.label)


def _refused(text: str, details: object) -> Refused:
    """`details` are texts such as "/messages/0/destination_number: …"."""
    detail = said(details[0]) if isinstance(details, list) and details else ""
    kind = ErrorKind.HARD if "/destination_number" in detail.partition(":")[0] else ErrorKind.IGNORED
    return Refused(f"MessageMedia refused the message: {text}{': ' if detail else ''}{detail}", "400", kind)


def probe(account: Account) -> HttpRequest:
    return HttpRequest("GET", f"{_base(account)}/v1/messaging/credits", (("Accept", "application/json"),))


def probed(response: HttpResponse, account: Account) -> str:
    if response.status in (401, 403):
        return "MessageMedia does not accept this API key and secret"
    problem = probe_problem(response, SPEC.label)
    return problem or ("" if isinstance(response.json, dict) else "this is not MessageMedia's API; check the base URL")


def verify(request: HookRequest, account: Account, now_s: float) -> None:
    """Enterprise webhooks: PKCS #1 v1.5 over request line, the value of Date and the body, nothing between them."""
    key = _public_key(secret_of(account.settings, "webhook_public_key", "Enterprise webhook public key").decode())
    headers = {name: request.headers.get(name, "") for name in ("x-messagemedia-signature", "date")}
    if not all(headers.values()) or key is None:
        raise BadSignature("X-MessageMedia-Signature or Date is missing")
    digest = DIGESTS.get(request.headers.get("x-messagemedia-digest-type", "").upper().replace("-", ""))
    if digest is None or request.headers.get("x-messagemedia-cipher-type", "").upper() != "RSA":
        raise BadSignature("the call is not signed by RSA with SHA224, SHA256 or SHA512")
    try:
        signature = base64.b64decode(headers["x-messagemedia-signature"].strip(), validate=True)
    except (binascii.Error, ValueError):
        raise BadSignature("X-MessageMedia-Signature is no Base64") from None
    if not any(_is_signed(key, signature, text, digest) for text in _signed_texts(request, headers["date"])):
        raise BadSignature("X-MessageMedia-Signature does not fit this call; check this installation's public address")
    check_age(_seconds(headers["date"]), now_s, account.settings.number("hook_max_age_s"))


def _signed_texts(request: HookRequest, date: str) -> list[bytes]:
    rest = request.url.partition("://")[2].partition("#")[0]
    target = re.sub(r"^[^/?]*", "", rest)
    target = target if target.startswith("/") else f"/{target}"
    return [
        f"{request.method} {target} {version}{date}".encode("utf-8", "replace") + request.body for version in VERSIONS
    ]


def _is_signed(key: rsa.RSAPublicKey, signature: bytes, text: bytes, digest: hashes.HashAlgorithm) -> bool:
    try:
        key.verify(signature, text, padding.PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True


def _seconds(date: str) -> float | None:
    """Of an HTTP date (RFC 9110, section 5.6.7), which is in GMT."""
    try:
        instant = parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):
        return None
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


def events(request: HookRequest, account: Account) -> list[HookEvent]:
    fields = request.json if isinstance(request.json, dict) else {}
    person, body = plus_number(fields.get("source_number")), fields.get("content")
    if person and said(fields.get("opt_out_id")):
        return [OptOut(person, said(body) or "OPT_OUT_SMS")]
    reply_id = said(fields.get("reply_id"))
    if person and reply_id and isinstance(body, str):
        return [InboundMessage(person, plus_number(fields.get("destination_number")), body, reply_id)]
    message_id, status = said(fields.get("message_id")), said(fields.get("status"))
    if message_id and status:
        return _receipt(fields, message_id, status)
    raise UnreadableBody("neither a delivery report nor a reply in MessageMedia's JSON")


def _receipt(fields: Mapping[str, Any], message_id: str, status: str) -> list[HookEvent]:
    kind, code = STATES.get(status, ReceiptKind.INTERMEDIATE), said(fields.get("error_code"))
    if kind is not ReceiptKind.ERROR:
        return [Receipt(message_id, kind, status, code)]
    events: list[HookEvent] = [Receipt(message_id, kind, status, code, ERROR_KINDS.get(code))]
    person = plus_number(fields.get("source_number"))
    if code in OPTED_OUT and person:
        events.append(OptOut(person, f"error_code {code}"))
    return events


def reply(request: HookRequest) -> HttpResponse:
    return HttpResponse(200)
