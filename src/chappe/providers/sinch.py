"""Sinch, Conversation API with its SMS channel: https://developers.sinch.com/docs/conversation (2026-11).

One id a message, for all of its segments. What a message is refused for is told by HTTP status, and later by reason codes.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

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
    OutboundMessage,
    Receipt,
    ReceiptKind,
    Refused,
    SendOutcome,
    UnreadableBody,
)
from chappe.providers.auth import OAuth, client_credentials
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
from chappe.providers.http_settings import ACCOUNT, base_url_override, http_settings, mtls_errors, url
from chappe.providers.proof import check_age, is_same, secret_of
from chappe.providers.sender import bare, is_name

LONGEST_TEXT = 2000
LONGEST_VALIDITY_S = 259_200
TOKEN_URL = "https://auth.sinch.com/oauth2/token"  # noqa: S105 - where tokens are fetched

STATES: Mapping[str, ReceiptKind] = {
    "QUEUED_ON_CHANNEL": ReceiptKind.INTERMEDIATE,
    "SWITCHING_CHANNEL": ReceiptKind.INTERMEDIATE,
    "DELIVERED": ReceiptKind.SUCCESS,
    "READ": ReceiptKind.READ,
    "FAILED": ReceiptKind.ERROR,
}
ACCOUNT_TROUBLE: Mapping[str, str] = {
    "401": "Sinch does not accept the token: check the OAuth client id and secret",
    "403": "the OAuth client may not send for this project",
    "404": "no such app: check data centre, project id and app id",
}
"""By the status of HTTP."""

REFUSALS: Mapping[str, str] = {}
"""Sinch says why in words, which are shown."""

_OURS = (
    "DELIVERY_REJECTED_DUE_TO_POLICY RECIPIENT_NOT_OPTED_IN BAD_REQUEST OUTSIDE_ALLOWED_SENDING_WINDOW NO_PERMISSION "
    "UNSUPPORTED_OPERATION CHANNEL_BAD_CONFIGURATION CHANNEL_CONFIGURATION_MISSING UNKNOWN_APP RATE_LIMITED INTERNAL_ERROR "
    "CHANNEL_FAILURE"
)
ERROR_KINDS: Mapping[str, ErrorKind] = {
    "RECIPIENT_INVALID_CHANNEL_IDENTITY": ErrorKind.HARD,
    "RECIPIENT_NOT_REACHABLE": ErrorKind.SOFT,
    "DELIVERY_TIMED_OUT": ErrorKind.SOFT,
    **dict.fromkeys(_OURS.split(), ErrorKind.IGNORED),
}

_TEXT_CHANNELS = frozenset({"", "SMS", "MMS"})
_ALGORITHM = "HmacSHA256"


def _sender_problem(text: str) -> str | None:
    if not text or is_name(text):
        return None
    if text.startswith("00"):
        return "begins with 00; expected the country code first, such as 35312345678"
    if re.fullmatch(r"\+?[0-9]{3,15}", text):
        return None
    return (
        "expected the digits of a number with its country code first, such as 35312345678, or a name of at most 11 letters "
        "(without accents), digits and spaces"
    )


def _check(settings: Settings) -> Sequence[FieldError]:
    problem = mtls_errors(settings)
    return [FieldError("client_certificate", problem)] if problem else []


_ACCOUNT = (
    Setting(
        "client_id",
        SettingType.TEXT,
        "",
        "OAuth client id",
        "The id of an access key; on the Sinch dashboard under Access keys (it may have to be made first).",
        required=True,
        maximum=200,
    ),
    Setting(
        "client_secret",
        SettingType.PASSWORD,
        "",
        "OAuth client secret",
        "The secret of the same access key; shown once, when the key is made.",
        required=True,
        maximum=200,
    ),
    Setting(
        "data_centre",
        SettingType.CHOICE,
        "eu",
        "Data centre",
        "The region in which your Conversation API app is; on the Sinch dashboard, in the app. In another it is not found.",
        choices=(Choice("eu", "EU"), Choice("us", "US"), Choice("br", "Brazil")),
    ),
    Setting(
        "project_id",
        SettingType.TEXT,
        "",
        "Project id",
        "Of the project that the app belongs to; on the Sinch dashboard.",
        required=True,
        maximum=100,
    ),
    Setting(
        "app_id",
        SettingType.TEXT,
        "",
        "Conversation app id",
        "Of your Conversation API app, which has the SMS channel; on the Sinch dashboard under Conversation API, Apps.",
        required=True,
        maximum=100,
    ),
    Setting(
        "sender",
        SettingType.TEXT,
        "",
        "Sender",
        "A number with its country code first, such as 35312345678, or a name of at most 11 characters. Only a number can be "
        "answered.",
        required=True,
        maximum=16,
        check=_sender_problem,
    ),
    Setting(
        "webhook_secret",
        SettingType.PASSWORD,
        "",
        "Webhook secret token",
        "A secret that you make up and enter at both webhooks of the app: Sinch signs its calls with it. Without it no receipt "
        "and no text from a phone is taken.",
        maximum=200,
    ),
)

SPEC = ProviderSpec(
    key="sinch",
    label="Sinch",
    channels=frozenset({Channel.SMS}),
    summary="SMS by Sinch, over the SMS channel of its Conversation API.",
    features=frozenset(
        {
            Feature.RECEIPTS,
            Feature.READ_RECEIPTS,
            Feature.INBOUND,
            Feature.SENDER_OVERRIDE,
            Feature.VALIDITY,
            Feature.SIGNED_HOOKS,
        }
    ),
    settings=(
        *(replace(setting, group=ACCOUNT) for setting in _ACCOUNT),
        base_url_override("the API of the data centre"),
        replace(
            url(
                "token_url",
                "Token address",
                "Where tokens are fetched; change it for a simulator.",
                TOKEN_URL,
                required=True,
            ),
            group=ACCOUNT,
        ),
        *http_settings(rate_per_s=800, concurrency=50),
    ),
    check=_check,
)

QUIRKS: tuple[str, ...] = (
    "An app is in one region; in any other Sinch answers 404, and the connection waits (2026-11).",
    "Sinch takes up to 800 requests a second for a project, queues up to 500,000 messages for an app and sends 20 of them a "
    "second unless agreed otherwise (2026-11).",
    "A FAILED report says why by a reason code, which is kept as the code of the receipt (2026-11).",
    "A person who is not opted in at Sinch gets no message, which is no wish of theirs: nothing is written down (2026-11).",
    "A STOP comes as an ordinary text; the trigger OPT_OUT says nothing of SMS. In the US and Canada Sinch may answer it "
    "itself (2026-11).",
    "Signed calls carry a time; how old it may be is the setting hook_max_age_s. Whether Sinch signs a repeated one afresh is "
    "not documented (2026-11).",
    "Names as senders are not available in the US and Canada, and cannot be answered (2026-11).",
)
HOOK_SETUP: tuple[str, ...] = (
    "Make up a long secret and enter it here as the webhook secret token.",
    "On the Sinch dashboard open the Conversation API app, Webhooks, and add a webhook of target type HTTP with the address "
    "{status_url}, that secret token, and the triggers MESSAGE_DELIVERY and EVENT_DELIVERY.",
    "Add another of target type HTTP with the address {inbound_url}, the same secret token, and the trigger MESSAGE_INBOUND.",
)
HOOK_PROOF = (
    "The header x-sinch-webhook-signature of each call is the HMAC-SHA256 of body, nonce and timestamp under the webhook "
    "secret token."
)
SOURCES: tuple[str, ...] = (
    "https://developers.sinch.com/docs/conversation/api-reference/conversation/messages",
    "https://developers.sinch.com/docs/conversation/callbacks",
    "https://developers.sinch.com/docs/conversation/channel-support/sms",
    "https://github.com/sinch/sinch-sdk-python (2.3.0, domains/conversation)",
)

_HEADERS = (("Content-Type", "application/json"), ("Accept", "application/json"))


def auth(account: Account) -> OAuth:
    settings = account.settings
    request = client_credentials(settings.text("token_url"), settings.text("client_id"), settings.text("client_secret"))
    return OAuth(request)


def build(message: OutboundMessage, account: Account) -> HttpRequest | Refused:
    """https://developers.sinch.com/docs/conversation/api-reference/conversation/messages, Send a message."""
    if len(message.body) > LONGEST_TEXT:
        return Refused(f"the text has {len(message.body)} characters; Sinch takes at most {LONGEST_TEXT}")
    sender = bare(message.sender or account.settings.text("sender"))
    identity = {"channel": "SMS", "identity": plus_number(message.recipient)}
    fields: dict[str, Any] = {
        "app_id": account.settings.text("app_id"),
        "recipient": {"identified_by": {"channel_identities": [identity]}},
        "message": {"text_message": {"text": message.body}},
        "channel_properties": {"SMS_SENDER": sender},
        "correlation_id": str(message.id),
    }
    validity_s = seconds_left(message, 1, LONGEST_VALIDITY_S)
    if validity_s is not None:
        fields["ttl"] = f"{validity_s}s"
    return HttpRequest("POST", f"{_project(account)}/messages:send", _HEADERS, msgspec.json.encode(fields))


def _project(account: Account) -> str:
    settings = account.settings
    region = settings.text("data_centre")
    base = settings.text("base_url").rstrip("/") or f"https://{region}.conversation.api.sinch.com"
    return f"{base}/v1/projects/{quote(settings.text('project_id'), safe='')}"


def read(response: HttpResponse, account: Account) -> SendOutcome:
    """The HTTP status decides, not the word beside it."""
    answer = response.json if isinstance(response.json, dict) else {}
    message_id = said(answer.get("message_id"))
    if response.is_success and message_id:
        return Accepted((message_id,))
    error = answer.get("error")
    word, text = _error(error) if isinstance(error, dict) else ("", "")
    trouble = ACCOUNT_TROUBLE.get(str(response.status))
    if trouble:
        return Deferred(trouble, ACCOUNT_PAUSE_S, word or str(response.status), About.ACCOUNT)
    if response.status in (400, 422) and (word or text):
        return Refused(f"Sinch refused the message: {text or word}", word or str(response.status))
    return unexplained(response, SPEC.label)


def _error(error: Mapping[str, Any]) -> tuple[str, str]:
    return said(error.get("status")), said(error.get("message"))


def probe(account: Account) -> HttpRequest:
    app = quote(account.settings.text("app_id"), safe="")
    return HttpRequest("GET", f"{_project(account)}/apps/{app}", (("Accept", "application/json"),))


def probed(response: HttpResponse, account: Account) -> str:
    problem = ACCOUNT_TROUBLE.get(str(response.status)) or probe_problem(response, SPEC.label)
    is_app = isinstance(response.json, dict) and said(response.json.get("id")) == account.settings.text("app_id")
    return problem or ("" if is_app else "this is not Sinch's API, or another app; check the address and the app id")


def verify(request: HookRequest, account: Account, now_s: float) -> None:
    """https://developers.sinch.com/docs/conversation/callbacks, Validating callbacks: over body, nonce and time."""
    secret = secret_of(account.settings, "webhook_secret", "Webhook secret token")
    prefix = "x-sinch-webhook-signature"
    names = (prefix, f"{prefix}-nonce", f"{prefix}-timestamp", f"{prefix}-algorithm")
    given, nonce, signed_s, algorithm = (request.headers.get(name, "") for name in names)
    if not (given and nonce and signed_s):
        raise BadSignature("x-sinch-webhook-signature is missing, or its nonce or timestamp")
    if algorithm != _ALGORITHM:
        raise BadSignature(f"the call is not signed with {_ALGORITHM}")
    text = request.body + f".{nonce}.{signed_s}".encode("utf-8", "replace")
    if not is_same(base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode(), given.strip()):
        raise BadSignature("x-sinch-webhook-signature does not fit this call")
    check_age(signed_s, now_s, account.settings.number("hook_max_age_s"))


def events(request: HookRequest, account: Account) -> list[HookEvent]:
    """What the member that is there says; other triggers than those of messages tell nothing."""
    call = request.json if isinstance(request.json, dict) else {}
    report, message = call.get("message_delivery_report"), call.get("message")
    if isinstance(report, dict):
        return _receipt(report)
    if isinstance(message, dict):
        return _inbound(message)
    if "app_id" in call and "message" not in call and "message_delivery_report" not in call:
        return []
    raise UnreadableBody("not a call of Sinch's Conversation API")


def _receipt(report: Mapping[str, Any]) -> list[HookEvent]:
    message_id, status = said(report.get("message_id")), said(report.get("status"))
    if not (message_id and status):
        raise UnreadableBody("a delivery report without message_id or status")
    kind = STATES.get(status, ReceiptKind.INTERMEDIATE)
    reason = report.get("reason")
    code = said(reason.get("code")) if isinstance(reason, dict) else ""
    error_kind = ERROR_KINDS.get(code) if kind is ReceiptKind.ERROR else None
    return [Receipt(message_id, kind, status, code, error_kind)]


def _identity(values: Mapping[str, Any]) -> object:
    identity = values.get("channel_identity")
    return identity.get("identity") if isinstance(identity, dict) else None


def _inbound(message: Mapping[str, Any]) -> list[HookEvent]:
    identity = message.get("channel_identity")
    channel = said(identity.get("channel")) if isinstance(identity, dict) else ""
    if message.get("direction", "TO_APP") != "TO_APP" or channel not in _TEXT_CHANNELS:
        return []
    person = plus_number(_identity(message))
    if not person:
        raise UnreadableBody("a message without the number that it comes from")
    body = _text(message.get("contact_message"))
    if body is None:
        return []
    return [InboundMessage(person, plus_number(message.get("sender_id")), body, said(message.get("id")))]


def _text(content: object) -> str | None:
    """Of a text, or the address of what an MMS carries; None for what has neither."""
    if not isinstance(content, dict):
        return None
    for kind, member in (("text_message", "text"), ("media_message", "url")):
        inner = content.get(kind)
        value = inner.get(member) if isinstance(inner, dict) else None
        if isinstance(value, str):
            return value
    return None


def reply(request: HookRequest) -> HttpResponse:
    return NOTHING
