"""MessageBird (Bird), SMS REST API: https://developers.messagebird.com/api/sms-messaging (2026-11).

One id a message, for all of its segments. Errors come as `{"errors": [{"code", "description", "parameter"}]}`.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import msgspec

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
from chappe.providers.auth import Header
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
    seconds_left,
    unexplained,
)
from chappe.providers.http_settings import ACCOUNT, base_url, http_settings, mtls_errors
from chappe.providers.proof import check_age, is_same, secret_of, sha256_hex, token_claims
from chappe.providers.sender import bare, bare_problem

LONGEST_TEXT = 1377
LONGEST_VALIDITY_S = 172_800
LEEWAY_S = 1
"""Of a token's nbf and exp, as in the official validator."""

STATES: Mapping[str, ReceiptKind] = {
    "scheduled": ReceiptKind.INTERMEDIATE,
    "sent": ReceiptKind.INTERMEDIATE,
    "buffered": ReceiptKind.INTERMEDIATE,
    "delivered": ReceiptKind.SUCCESS,
    "expired": ReceiptKind.ERROR,
    "delivery_failed": ReceiptKind.ERROR,
}

ACCOUNT_TROUBLE: Mapping[str, str] = {
    "2": "wrong access token",
    "20": "nothing is found there; check the base URL",
    "25": "no balance left",
    "98": "the API is not found there; check the base URL",
}
REFUSALS: Mapping[str, str] = {
    "9": "a parameter is missing",
    "10": "a parameter is not valid",
    "21": "the request is not valid",
    "103": "the person asked for no more messages",
}
INTERNAL_ERROR = "99"
OPTED_OUT = "103"
ABOUT_RECIPIENT = frozenset({"recipient", "recipients"})
# Extended error codes that Bird lists under "unknown subscriber": not the number of an active line
ERROR_KINDS: Mapping[str, ErrorKind] = {
    **dict.fromkeys(("1", "5"), ErrorKind.HARD),
    OPTED_OUT: ErrorKind.IGNORED,
}


def _check(settings: Settings) -> Sequence[FieldError]:
    problem = mtls_errors(settings)
    return [FieldError("client_certificate", problem)] if problem else []


_ACCOUNT = (
    Setting(
        "access_token",
        SettingType.PASSWORD,
        "",
        "Access token",
        "The live access key of the API; on the dashboard under Developers, API access.",
        required=True,
        maximum=200,
    ),
    Setting(
        "signing_key",
        SettingType.PASSWORD,
        "",
        "Signing key",
        "What MessageBird signs its calls to us with; on the dashboard under Developers, API settings. Without it no receipt "
        "and no text from a phone is taken.",
        maximum=200,
    ),
    Setting(
        "sender",
        SettingType.TEXT,
        "",
        "Sender",
        "A number with its country code and without + or 00, or a name of at most 11 characters; `inbox` picks a number of "
        "yours. Only a number can be answered.",
        required=True,
        maximum=16,
        check=bare_problem,
    ),
)

SPEC = ProviderSpec(
    key="messagebird",
    label="MessageBird",
    channels=frozenset({Channel.SMS}),
    summary="SMS by MessageBird (Bird), over its SMS REST API.",
    features=frozenset(
        {
            Feature.RECEIPTS,
            Feature.INBOUND,
            Feature.SENDER_OVERRIDE,
            Feature.VALIDITY,
            Feature.PROVIDER_OPT_OUTS,
            Feature.SIGNED_HOOKS,
        }
    ),
    settings=(
        *(replace(setting, group=ACCOUNT) for setting in _ACCOUNT),
        base_url("https://rest.messagebird.com"),
        *http_settings(rate_per_s=0, concurrency=20),
    ),
    check=_check,
)

QUIRKS: tuple[str, ...] = (
    "Status reports come only for messages with a reference; ours is the number of the message (2026-11).",
    "Status reports are GET calls with everything in the query (2026-11).",
    "Without `datacoding` auto, characters outside the GSM alphabet are replaced; we send auto (2026-11).",
    "A text has at most 1377 characters (2026-11).",
    "A person who opted out makes a message fail with code 103 (2026-11).",
    "The signing key cannot be tried out; only a call shows whether it is right (2026-11).",
    "Calls with the older header MessageBird-Signature carry a time; hook_max_age_s says how old it may be (2026-11).",
    "No limit of speed is published; the connection waits when MessageBird says too many (2026-11).",
    "A name as sender cannot be answered: put a link to opt out into the text (2026-11).",
)
HOOK_SETUP: tuple[str, ...] = (
    "On the dashboard open Developers, API settings, and copy the signing key to this connection.",
    "Nothing more is needed for status reports: {status_url} goes with each message. It may also be entered there.",
    'For texts from phones open Flow Builder, create a flow from the template "Call HTTP endpoint with SMS", choose POST, '
    "enter {inbound_url}, save and publish.",
)
HOOK_PROOF = (
    "The header MessageBird-Signature-JWT of each call is a token under the signing key that vouches for address and body and "
    "names the time in which it is good. The older header MessageBird-Signature is taken as well."
)
SOURCES: tuple[str, ...] = (
    "https://developers.messagebird.com/api/sms-messaging",
    "https://developers.messagebird.com/api/#api-errors",
    "https://developers.messagebird.com/docs/verify-http-requests",
    "https://docs.bird.com/connectivity-platform/troubleshooting/sms-errors-and-error-codes",
    "https://github.com/messagebird/python-rest-api (2.2.0, request_validator.py and signed_request.py)",
)

_ALGORITHMS = frozenset({"HS256", "HS384", "HS512"})
_HEADERS = (("Content-Type", "application/json"), ("Accept", "application/json"))


def auth(account: Account) -> Header:
    return Header("Authorization", f"AccessKey {account.settings.text('access_token')}")


def build(message: OutboundMessage, account: Account) -> HttpRequest | Refused:
    """https://developers.messagebird.com/api/sms-messaging, Send outbound SMS."""
    if len(message.body) > LONGEST_TEXT:
        return Refused(f"the text has {len(message.body)} characters; MessageBird takes at most {LONGEST_TEXT}")
    fields: dict[str, Any] = {
        "originator": bare(message.sender or account.settings.text("sender")),
        "recipients": bare(message.recipient),
        "body": message.body,
        "datacoding": "auto",
    }
    if message.options is None or message.options.wants_receipt:
        fields["reference"] = str(message.id)
        if account.status_url:
            fields["reportUrl"] = account.status_url
    validity_s = seconds_left(message, 1, LONGEST_VALIDITY_S)
    if validity_s is not None:
        fields["validity"] = validity_s
    return HttpRequest("POST", f"{_base(account)}/messages", _HEADERS, msgspec.json.encode(fields))


def _base(account: Account) -> str:
    return account.settings.text("base_url").rstrip("/")


def read(response: HttpResponse, account: Account) -> SendOutcome:
    answer = response.json if isinstance(response.json, dict) else {}
    message_id = said(answer.get("id"))
    if response.is_success and message_id:
        return Accepted((message_id,))
    error = _first_error(answer)
    code = said(error.get("code"))
    if not code or code == INTERNAL_ERROR or response.is_success or response.status >= 500 or response.status == 429:
        return unexplained(response, SPEC.label)
    if code in ACCOUNT_TROUBLE or response.status in (401, 403):
        reason = ACCOUNT_TROUBLE.get(code) or said(error.get("description")) or "MessageBird turned the account away"
        return Deferred(reason, ACCOUNT_PAUSE_S, code, About.ACCOUNT)
    return _refused(code, error)


def _first_error(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    errors = answer.get("errors")
    return errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}


def _refused(code: str, error: Mapping[str, Any]) -> Refused:
    parameter, description = said(error.get("parameter")), said(error.get("description"))
    reason = REFUSALS.get(code) or description or "MessageBird refused the message"
    if code in REFUSALS and code != OPTED_OUT and description:
        reason = f"{reason}: {description}"
    kind = ErrorKind.HARD if parameter in ABOUT_RECIPIENT and code != OPTED_OUT else ErrorKind.IGNORED
    return Refused(reason, code, kind, opts_out=code == OPTED_OUT)


def probe(account: Account) -> HttpRequest:
    return HttpRequest("GET", f"{_base(account)}/balance", (("Accept", "application/json"),))


def probed(response: HttpResponse, account: Account) -> str:
    if response.status == 401:
        return "MessageBird does not know this access token"
    problem = probe_problem(response, SPEC.label)
    is_balance = isinstance(response.json, dict) and "amount" in response.json
    return problem or ("" if is_balance else "this is not MessageBird's API; check the base URL")


def verify(request: HookRequest, account: Account, now_s: float) -> None:
    """https://developers.messagebird.com/docs/verify-http-requests, and the older signature that it replaced."""
    secret = secret_of(account.settings, "signing_key", "Signing key")
    token = request.headers.get("messagebird-signature-jwt", "")
    if token:
        _verify_token(request, token_claims(token, secret, _ALGORITHMS), now_s)
    elif request.headers.get("messagebird-signature"):
        _verify_older(request, secret, now_s, account.settings.number("hook_max_age_s"))
    else:
        raise BadSignature("the header MessageBird-Signature-JWT is missing")


def _verify_token(request: HookRequest, claims: Mapping[str, Any], now_s: float) -> None:
    begins, ends = _time(claims.get("nbf")), _time(claims.get("exp"))
    if claims.get("iss") != "MessageBird" or begins is None or ends is None:
        raise BadSignature("the token has not the iss, nbf and exp of MessageBird's")
    if not begins - LEEWAY_S <= now_s < ends + LEEWAY_S:
        raise BadSignature("the token is not valid at this time")
    if not is_same(sha256_hex(request.url.encode("utf-8", "replace")), said(claims.get("url_hash"))):
        raise BadSignature("the address is not the one that was signed; check this installation's public address")
    wanted = said(claims.get("payload_hash"))
    if bool(request.body) != bool(wanted) or (wanted and not is_same(sha256_hex(request.body), wanted)):
        raise BadSignature("the body is not the one that was signed: its hash is not payload_hash")


def _time(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _verify_older(request: HookRequest, secret: bytes, now_s: float, longest_s: float) -> None:
    """Over time, query sorted by name and the body's hash; Bird's newer notifications put the whole address in between."""
    signed_s = request.headers.get("messagebird-request-timestamp", "")
    check_age(signed_s, now_s, longest_s)
    given = request.headers["messagebird-signature"]
    body_hash = hashlib.sha256(request.body).digest()
    for place in (urlencode(sorted(request.query, key=lambda pair: pair[0])), request.url):
        text = f"{signed_s}\n{place}\n".encode("utf-8", "replace") + body_hash
        if is_same(base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode(), given.strip()):
            return
    raise BadSignature("MessageBird-Signature does not fit this call")


def _fields(request: HookRequest) -> Mapping[str, Any]:
    """Of the body, a form or a JSON object, or else of the query."""
    if not request.body:
        return dict(request.query)
    return request.json if isinstance(request.json, dict) else dict(request.form)


def events(request: HookRequest, account: Account) -> list[HookEvent]:
    fields = _fields(request)
    if not fields and not request.body:
        return []
    person = plus_number(fields.get("originator"))
    body = fields.get("body", fields.get("message"))
    if person and isinstance(body, str):
        own = fields.get("recipient") or fields.get("receiver") or fields.get("shortcode")
        return [InboundMessage(person, plus_number(own), body, said(fields.get("id") or fields.get("mid")))]
    message_id, status = said(fields.get("id")), said(fields.get("status"))
    if message_id and status:
        return _receipt(fields, message_id, status)
    raise UnreadableBody("neither a status report nor a text from a phone")


def _receipt(fields: Mapping[str, Any], message_id: str, status: str) -> list[HookEvent]:
    kind = STATES.get(status, ReceiptKind.INTERMEDIATE)
    code, reason = said(fields.get("statusErrorCode")), said(fields.get("statusReason"))
    code = "" if code == "0" else code
    receipt = Receipt(message_id, kind, status, code)
    person = plus_number(fields.get("recipient"))
    if kind is not ReceiptKind.ERROR:
        return [receipt]
    if code == OPTED_OUT and person:
        opt_out = OptOut(person, f"statusErrorCode {code}", plus_number(fields.get("originator")))
        return [msgspec.structs.replace(receipt, error_kind=ErrorKind.IGNORED), opt_out]
    if ERROR_KINDS.get(code) is ErrorKind.HARD or reason == "unknown subscriber":
        return [msgspec.structs.replace(receipt, error_kind=ErrorKind.HARD)]
    return [receipt]


def reply(request: HookRequest) -> HttpResponse:
    return HttpResponse(200, b"OK", {"content-type": "text/plain; charset=utf-8"})
