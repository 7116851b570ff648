"""Vonage, by its SMS API or its Messages API (2026-11).

The SMS API (https://developer.vonage.com/en/api/sms) answers 200 to everything, with an id and later a receipt for each
segment. The Messages API (https://developer.vonage.com/en/api/messages) gives one id a message. Hooks of both are
understood whichever is chosen.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import msgspec

from chappe.gsm import Encoding, can_encode
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
    Unknown,
    UnreadableBody,
)
from chappe.providers.auth import Basic, at_path
from chappe.providers.contract import Choice, Feature, ProviderSpec, Setting, Settings, SettingType
from chappe.providers.http import (
    ACCOUNT_PAUSE_S,
    NOTHING,
    Account,
    HookRequest,
    HttpRequest,
    HttpResponse,
    plus_number,
    probe_problem,
    said,
    seconds_left,
    unexplained,
)
from chappe.providers.http_settings import ACCOUNT, base_url, http_settings, mtls_errors, url
from chappe.providers.proof import check_age, is_same, secret_of, sha256_hex, token_claims
from chappe.providers.sender import bare, bare_problem

LONGEST_TEXT = 3200
SHORTEST_VALIDITY_S, LONGEST_VALIDITY_S = 20, 604_800
LONGEST_CALLBACK = 100
"""Characters of the SMS API's `callback`."""
RATE_PAUSE_S = 1.0
TROUBLE_PAUSE_S = 30.0

STATES: Mapping[str, ReceiptKind] = {
    "accepted": ReceiptKind.INTERMEDIATE,
    "buffered": ReceiptKind.INTERMEDIATE,
    "submitted": ReceiptKind.INTERMEDIATE,
    "unknown": ReceiptKind.INTERMEDIATE,
    "delivered": ReceiptKind.SUCCESS,
    "read": ReceiptKind.READ,
    "expired": ReceiptKind.ERROR,
    "failed": ReceiptKind.ERROR,
    "rejected": ReceiptKind.ERROR,
    "undeliverable": ReceiptKind.ERROR,
}

# `status` of the SMS API, and the number of an error of the Messages API, https://developer.vonage.com/en/api-errors
RATE_TROUBLE = frozenset({"1", "10", "1000", "throttled"})
PASSING_TROUBLE = frozenset({"5", "13", "1030", "1100"})
ACCOUNT_TROUBLE: Mapping[str, str] = {
    "4": "wrong API key or API secret",
    "8": "the account is barred",
    "9": "no balance left",
    "11": "the account is not enabled for the SMS API",
    "14": "Vonage expects another signature",
    "23": "the address for receipts is not one that Vonage can call; check this installation's public address",
    "32": "signature and secret were sent together",
    "1060": "the account is barred",
    "1070": "no balance left",
    "1080": "the account is not enabled for this API",
    "low-balance": "no balance left",
    "unauthorized": "wrong API key or API secret",
    "account-suspended": "the account is suspended",
    "unprovisioned": "the account is not enabled for this API",
}
REFUSALS: Mapping[str, str] = {
    "2": "a parameter is missing",
    "3": "a parameter is not valid",
    "6": "the message cannot be routed, often for the number's prefix",
    "7": "the number is barred at Vonage",
    "12": "the text is too long",
    "15": "the sender is not allowed there",
    "22": "the network code is not valid",
    "29": "a trial account sends to numbers on its list only",
    "33": "the number is not in use any more",
    "34": "the number is not a phone number",
    "101": "the person asked for no more messages",
    "1010": "a parameter is missing",
    "1020": "a parameter is not valid",
    "1040": "the message cannot be routed, often for the number's prefix",
    "1050": "the number is barred at Vonage",
    "1090": "the text is too long",
    "1120": "the sender is not allowed there",
    "1160": "a trial account sends to numbers on its list only",
    "1170": "the number is not a phone number",
}
HARD = frozenset({"33", "34", "1170"})
SOFT = frozenset({"6", "7", "1040", "1050"})
SEND_OPTED_OUT = "101"

RECEIPT_OPTED_OUT = "9"
"""`err-code` of the SMS API: an illegal number, and a person who opted out alike; so nothing is said of the number."""
ERROR_KINDS: Mapping[str, ErrorKind] = {
    **dict.fromkeys(("3", "1170", "1190"), ErrorKind.HARD),
    **dict.fromkeys(["2", "4", "5", "7", "8", "12", "15", "1180", "1220", "1230", "1260"], ErrorKind.SOFT),
    **dict.fromkeys(["6", "10", "11", "13", "14", "16", "50", "51", "52", "53", "54"], ErrorKind.IGNORED),
}

SMS, MESSAGES = "sms", "messages"
_FORM = (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"))
_JSON = (("Content-Type", "application/json"), ("Accept", "application/json"))


def _check(settings: Settings) -> Sequence[FieldError]:
    problem = mtls_errors(settings)
    return [FieldError("client_certificate", problem)] if problem else []


_ACCOUNT = (
    Setting(
        "api",
        SettingType.CHOICE,
        SMS,
        "API",
        "Which of Vonage's APIs sends. Both take the same key and secret.",
        choices=(
            Choice(SMS, "SMS API: an id and a receipt for each segment"),
            Choice(MESSAGES, "Messages API: one id a message, and read receipts where the channel has them"),
        ),
    ),
    Setting(
        "account_sid",
        SettingType.TEXT,
        "",
        "Account SID (API key)",
        "The API key of the account, eight characters; on the first page of the Vonage dashboard.",
        required=True,
        maximum=40,
    ),
    Setting(
        "auth_token",
        SettingType.PASSWORD,
        "",
        "Auth token (API secret)",
        "The API secret, next to the API key on the dashboard.",
        required=True,
        maximum=200,
    ),
    Setting(
        "sender",
        SettingType.TEXT,
        "",
        "Sender",
        "A number with its country code and without + or 00, or a name of at most 11 characters. Only a number can be "
        "answered.",
        required=True,
        maximum=16,
        check=bare_problem,
    ),
    Setting(
        "signature_secret",
        SettingType.PASSWORD,
        "",
        "Signature secret",
        "What Vonage signs its calls to us with; on the dashboard under API settings. Without it no receipt and no text from a "
        "phone is taken.",
        maximum=200,
    ),
    Setting(
        "signature_algorithm",
        SettingType.CHOICE,
        "md5hash",
        "Signature method",
        "How the calls of the SMS API are signed, as chosen on the dashboard next to the signature secret. The Messages API "
        "signs with a token, whatever this says.",
        choices=(
            Choice("md5hash", "MD5 hash"),
            Choice("md5", "MD5 HMAC"),
            Choice("sha1", "SHA-1 HMAC"),
            Choice("sha256", "SHA-256 HMAC"),
            Choice("sha512", "SHA-512 HMAC"),
        ),
    ),
    Setting(
        "longest_text",
        SettingType.INTEGER,
        LONGEST_TEXT,
        "Longest text",
        "Longer texts are refused before they are sent. Vonage's pages say 3200 in one place and 1000 in another.",
        minimum=1,
        maximum=LONGEST_TEXT,
        unit="characters",
    ),
)

SPEC = ProviderSpec(
    key="vonage",
    label="Vonage",
    channels=frozenset({Channel.SMS}),
    summary="SMS by Vonage (formerly Nexmo), over its SMS API or its Messages API.",
    features=frozenset(
        {
            Feature.RECEIPTS,
            Feature.INBOUND,
            Feature.LONG_MESSAGES,
            Feature.SENDER_OVERRIDE,
            Feature.VALIDITY,
            Feature.READ_RECEIPTS,
            Feature.PROVIDER_OPT_OUTS,
            Feature.SIGNED_HOOKS,
        }
    ),
    settings=(
        *(replace(setting, group=ACCOUNT) for setting in _ACCOUNT),
        base_url("https://rest.nexmo.com"),
        replace(
            url(
                "messages_url",
                "Base URL of the Messages API",
                "Where the Messages API is called; for instance https://api-eu.vonage.com keeps to Europe.",
                "https://api.nexmo.com",
                required=True,
            ),
            group=ACCOUNT,
            applies_when=("api", MESSAGES),
        ),
        *http_settings(rate_per_s=30, concurrency=20),
    ),
    check=_check,
)

QUIRKS: tuple[str, ...] = (
    "The SMS API answers HTTP 200 to refusals too; what counts is the status of each segment (2026-11).",
    "Each segment has an id and a receipt of its own in the SMS API, one for all in the Messages API (2026-11).",
    "In receipts of the SMS API `to` is the sender and `msisdn` the recipient (2026-11).",
    "An address for receipts of more than 100 characters does not go with the message of the SMS API; the dashboard's is "
    "called then (2026-11).",
    "With Opt-Out Assist a message to a person who opted out is accepted first and fails with err-code 9 later, which "
    "is also the code of an illegal number; the number is put on the opt-out list (2026-11).",
    "Signing of calls is switched on by Vonage's support; until then none carries a signature and all are refused (2026-11).",
    "Signed calls carry a time; how old it may be is the setting hook_max_age_s (2026-11).",
    "Accounts send at most 30 requests a second unless agreed otherwise; numbers of the US one a second (2026-11).",
    "A name as sender cannot be answered: put a link to opt out into the text (2026-11).",
)
HOOK_SETUP: tuple[str, ...] = (
    "On the dashboard open API settings, copy the signature secret and its method to this connection, and have Vonage's "
    "support switch on signed webhooks for the SMS API.",
    "SMS API: enter {status_url} under Delivery receipts and {inbound_url} under Inbound SMS, with the method POST.",
    "Messages API: enter the same addresses as Status URL and Inbound URL of the application that the number is linked to.",
)
HOOK_PROOF = (
    "Calls of the SMS API carry timestamp and sig, which is made of all parameters with the signature secret; those of the "
    "Messages API a bearer token under the same secret that vouches for the body."
)
SOURCES: tuple[str, ...] = (
    "https://developer.vonage.com/en/api/sms",
    "https://developer.vonage.com/en/api/messages",
    "https://developer.vonage.com/en/api-errors/sms",
    "https://developer.vonage.com/en/api-errors/messages",
    "https://developer.vonage.com/en/getting-started/concepts/signing-messages",
    "https://developer.vonage.com/en/getting-started/concepts/webhooks",
    "https://github.com/Vonage/vonage-python-sdk (4.9.1; 3.12.0 for md5hash)",
)


def auth(account: Account) -> Basic:
    return Basic(account.settings.text("account_sid"), account.settings.text("auth_token"))


def build(message: OutboundMessage, account: Account) -> HttpRequest | Refused:
    longest = account.settings.integer("longest_text")
    if len(message.body) > longest:
        return Refused(f"the text has {len(message.body)} characters; Vonage takes at most {longest}")
    return _build_messages(message, account) if _is_messages(account) else _build_sms(message, account)


def _is_messages(account: Account) -> bool:
    return account.settings.text("api") == MESSAGES


def _wants_receipt(message: OutboundMessage) -> bool:
    return message.options is None or message.options.wants_receipt


def _build_sms(message: OutboundMessage, account: Account) -> HttpRequest:
    """https://developer.vonage.com/en/api/sms"""
    sender = bare(message.sender or account.settings.text("sender"))
    fields = {"to": bare(message.recipient), "from": sender, "text": message.body, "client-ref": str(message.id)}
    if not can_encode(message.body, Encoding.GSM):
        fields["type"] = "unicode"
    if not _wants_receipt(message):
        fields["status-report-req"] = "false"
    elif account.status_url and len(account.status_url) <= LONGEST_CALLBACK:
        fields["callback"] = account.status_url
    validity_s = seconds_left(message, SHORTEST_VALIDITY_S, LONGEST_VALIDITY_S)
    if validity_s is not None:
        fields["ttl"] = str(validity_s * 1000)
    return HttpRequest("POST", f"{_base(account, 'base_url')}/sms/json", _FORM, urlencode(fields).encode())


def _build_messages(message: OutboundMessage, account: Account) -> HttpRequest:
    """https://developer.vonage.com/en/api/messages, channel `sms`."""
    fields: dict[str, Any] = {
        "message_type": "text",
        "channel": "sms",
        "to": bare(message.recipient),
        "from": bare(message.sender or account.settings.text("sender")),
        "text": message.body,
        "client_ref": str(message.id),
        "sms": {"encoding_type": "auto"},
    }
    if account.status_url and _wants_receipt(message):
        fields |= {"webhook_url": account.status_url, "webhook_version": "v1"}
    validity_s = seconds_left(message, SHORTEST_VALIDITY_S, LONGEST_VALIDITY_S)
    if validity_s is not None:
        fields["ttl"] = validity_s
    return HttpRequest("POST", f"{_base(account, 'messages_url')}/v1/messages", _JSON, msgspec.json.encode(fields))


def _base(account: Account, setting: str) -> str:
    return account.settings.text(setting).rstrip("/")


def read(response: HttpResponse, account: Account) -> SendOutcome:
    answer = response.json if isinstance(response.json, dict) else {}
    return _read_messages(response, answer) if _is_messages(account) else _read_sms(response, answer)


def _read_sms(response: HttpResponse, answer: Mapping[str, Any]) -> SendOutcome:
    listed = answer.get("messages")
    parts = [part for part in listed if isinstance(part, dict)] if isinstance(listed, list) else []
    if not parts or response.status >= 500:
        return unexplained(response, SPEC.label)
    taken = [part for part in parts if said(part.get("status")) == "0"]
    if len(taken) == len(parts):
        return Accepted(tuple(said(part.get("message-id")) for part in parts))
    if taken:
        return Unknown(f"Vonage took {len(taken)} of {len(parts)} segments")
    return _not_taken(response, said(parts[0].get("status")), parts[0].get("error-text"))


def _read_messages(response: HttpResponse, answer: Mapping[str, Any]) -> SendOutcome:
    message_id = said(answer.get("message_uuid"))
    if response.is_success and message_id:
        return Accepted((message_id,))
    code = _error_number(answer)
    if not code or response.is_success or response.status >= 500:
        return unexplained(response, SPEC.label)
    return _not_taken(response, code, answer.get("detail") or answer.get("title"))


def _not_taken(response: HttpResponse, code: str, text: object) -> SendOutcome:
    if code in RATE_TROUBLE or response.status == 429:
        after_s = response.retry_after_s(time.time(), RATE_PAUSE_S)
        return Deferred("more requests a second than Vonage takes of this account", after_s, code, About.RATE)
    if code in PASSING_TROUBLE:
        return Deferred(said(text) or "a passing error at Vonage", TROUBLE_PAUSE_S, code)
    if code in ACCOUNT_TROUBLE or response.status in (401, 402, 403):
        reason = ACCOUNT_TROUBLE.get(code) or said(text) or "Vonage turned the account away"
        return Deferred(reason, ACCOUNT_PAUSE_S, code, About.ACCOUNT)
    if not code:
        return unexplained(response, SPEC.label)
    kind = ErrorKind.HARD if code in HARD else ErrorKind.SOFT if code in SOFT else ErrorKind.IGNORED
    reason = REFUSALS.get(code) or said(text) or "Vonage refused the message"
    return Refused(reason, code, kind, opts_out=code == SEND_OPTED_OUT)


def _error_number(error: Any) -> str:
    """Of an error of the Messages API: at the end of `type`, in `title`, or, in older hooks, in `code`."""
    if not isinstance(error, dict):
        return ""
    ending, title = said(error.get("type")).rpartition("#")[2], said(error.get("title"))
    return next((word for word in (ending, title) if word.isdecimal()), "") or said(error.get("code")) or ending


def probe(account: Account) -> HttpRequest:
    return HttpRequest("GET", f"{_base(account, 'base_url')}/account/get-balance", (("Accept", "application/json"),))


def probed(response: HttpResponse, account: Account) -> str:
    if response.status == 401:
        return "Vonage does not know this API key and API secret"
    problem = probe_problem(response, SPEC.label)
    is_balance = isinstance(response.json, dict) and "value" in response.json
    return problem or ("" if is_balance else "this is not Vonage's API; check the base URL")


def verify(request: HookRequest, account: Account, now_s: float) -> None:
    """https://developer.vonage.com/en/getting-started/concepts/signing-messages for the SMS API; for the Messages API
    https://developer.vonage.com/en/getting-started/concepts/webhooks, section Signed webhooks.

    A call without any parameter passes: Vonage tries addresses so, and it tells nothing.
    """
    if not request.body and not request.query:
        return
    secret = secret_of(account.settings, "signature_secret", "Signature secret")
    token = request.bearer()
    if token:
        _verify_token(request, token_claims(token, secret, frozenset({"HS256"})), account, now_s)
        return
    fields = _parameters(request)
    given = fields.get("sig", "")
    if not given:
        raise BadSignature("neither the parameter sig nor a bearer token is there")
    check_age(fields.get("timestamp", ""), now_s, account.settings.number("hook_max_age_s"))
    if not is_same(signature(fields, secret, account.settings.text("signature_algorithm")), given.lower()):
        raise BadSignature("sig does not fit this call; check the signature secret and its method")


def _verify_token(request: HookRequest, claims: Mapping[str, Any], account: Account, now_s: float) -> None:
    if not request.body:
        raise BadSignature("the token says nothing of what the address carries")
    if not is_same(sha256_hex(request.body), said(claims.get("payload_hash"))):
        raise BadSignature("the body is not the one that was signed: its hash is not payload_hash")
    if not is_same(account.settings.text("account_sid"), said(claims.get("api_key"))):
        raise BadSignature("the token is of another account")
    check_age(claims.get("iat"), now_s, account.settings.number("hook_max_age_s"))


def signature(fields: Mapping[str, str], secret: bytes, algorithm: str) -> str:
    """The `sig` of these parameters, in lower-case hexadecimal; a `sig` among them does not count."""
    cleaned = {name: value.replace("&", "_").replace("=", "_") for name, value in fields.items() if name != "sig"}
    text = "".join(f"&{name}={cleaned[name]}" for name in sorted(cleaned)).encode("utf-8", "replace")
    if algorithm == "md5hash":
        return hashlib.md5(text + secret, usedforsecurity=False).hexdigest()
    return hmac.new(secret, text, algorithm).hexdigest()


def _parameters(request: HookRequest) -> Mapping[str, str]:
    """Of the query, or of the form or JSON object that the body is: only one of them, so that all of it is signed."""
    if not request.body:
        return dict(request.query)
    if request.form:
        return dict(request.form)
    loaded = request.json
    if not isinstance(loaded, dict) or any(isinstance(value, dict | list) for value in loaded.values()):
        return {}
    return {name: _as_text(value) for name, value in loaded.items()}


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def events(request: HookRequest, account: Account) -> list[HookEvent]:
    if not request.body and not request.query:
        return []
    if request.body and isinstance(request.json, dict) and "message_uuid" in request.json:
        return _events_messages(request.json)
    fields = _parameters(request)
    message_id = said(fields.get("messageId"))
    if message_id and fields.get("status"):
        return _receipt_sms(fields, message_id)
    if message_id and fields.get("msisdn") and fields.get("type") != "binary":
        return [_inbound_sms(fields, message_id)]
    if message_id and "data" in fields:
        return []
    raise UnreadableBody("neither a receipt nor a text from a phone, of the SMS API or the Messages API")


def _receipt_sms(fields: Mapping[str, str], message_id: str) -> list[HookEvent]:
    code = said(fields.get("err-code"))
    receipt = _receipt(message_id, said(fields["status"]), "" if code == "0" else code)
    person = plus_number(fields.get("msisdn"))
    if receipt.kind is ReceiptKind.ERROR and code == RECEIPT_OPTED_OUT and person:
        return [receipt, OptOut(person, f"err-code {code}", plus_number(fields.get("to")))]
    return [receipt]


def _receipt(message_id: str, status: str, code: str) -> Receipt:
    kind = STATES.get(status, ReceiptKind.INTERMEDIATE)
    return Receipt(message_id, kind, status, code, ERROR_KINDS.get(code) if kind is ReceiptKind.ERROR else None)


def _inbound_sms(fields: Mapping[str, str], message_id: str) -> InboundMessage:
    person, own, body = plus_number(fields["msisdn"]), plus_number(fields.get("to")), fields.get("text", "")
    numbers = [fields.get(f"concat-{name}", "") for name in ("ref", "total", "part")]
    if fields.get("concat") == "true" and all(text.isascii() and text.isdigit() and len(text) < 6 for text in numbers):
        reference, total, position = map(int, numbers)
        if 1 <= position <= total <= 255:
            return InboundMessage(person, own, body, message_id, reference, total, position)
    return InboundMessage(person, own, body, message_id)


def _events_messages(data: Mapping[str, Any]) -> list[HookEvent]:
    message_id = said(data.get("message_uuid"))
    status = said(data.get("status"))
    if not message_id:
        raise UnreadableBody("message_uuid is empty")
    if status:
        return [_receipt(message_id, status, _error_number(data.get("error")))]
    person, text = _number(data.get("from")), data.get("text", at_path(data, "message.content.text"))
    if person and isinstance(text, str):
        return [InboundMessage(person, _number(data.get("to")), text, message_id)]
    if person and said(data.get("message_type")) not in ("", "text"):
        return []
    raise UnreadableBody("neither status nor text in a call of the Messages API")


def _number(value: Any) -> str:
    """Of version v0.1 an object with type and number, later the number itself."""
    return plus_number(value.get("number") if isinstance(value, dict) else value)


def reply(request: HookRequest) -> HttpResponse:
    return NOTHING
