"""Twilio, Programmable Messaging: https://www.twilio.com/docs/messaging/api/message-resource (2026-11).

Twilio splits texts by itself and gives one id a message. Its codes: https://www.twilio.com/docs/api/errors.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote, urlencode

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
    OptIn,
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
from chappe.providers.http_settings import ACCOUNT, base_url, http_settings, mtls_errors
from chappe.providers.proof import is_same, secret_of, sha256_hex
from chappe.providers.sender import is_name

LONGEST_TEXT = 1600
LONGEST_VALIDITY_S = 36_000
QUEUE_PAUSE_S = 60.0

STATES: Mapping[str, ReceiptKind] = {
    "accepted": ReceiptKind.INTERMEDIATE,
    "scheduled": ReceiptKind.INTERMEDIATE,
    "queued": ReceiptKind.INTERMEDIATE,
    "sending": ReceiptKind.INTERMEDIATE,
    "sent": ReceiptKind.INTERMEDIATE,
    "delivered": ReceiptKind.SUCCESS,
    "partially_delivered": ReceiptKind.SUCCESS,
    "read": ReceiptKind.READ,
    "undelivered": ReceiptKind.ERROR,
    "failed": ReceiptKind.ERROR,
    "canceled": ReceiptKind.ERROR,
}

ACCOUNT_TROUBLE: Mapping[str, str] = {
    "20003": "wrong Account SID or Auth Token",
    "20404": "the account is not found there",
    "21609": "the address for status callbacks is not one that Twilio can call; check this installation's public address",
    "30002": "the account is suspended",
}
REFUSALS: Mapping[str, str] = {
    "21211": "the number is not a phone number",
    "21212": "the sender is not one",
    "21408": "the account may not send to this region",
    "21602": "the text is empty",
    "21603": "the sender is missing",
    "21604": "the recipient is missing",
    "21606": "the sender cannot send SMS from this account",
    "21608": "a trial account sends to verified numbers only",
    "21610": "the person asked this sender for no more messages",
    "21612": "this sender cannot reach this number",
    "21614": "the number is not that of a mobile phone",
    "21617": "the text is too long",
    "21703": "the messaging service has no sender",
    "21704": "the messaging service has no sender for this number",
    "21705": "the Messaging Service SID is wrong",
    "21712": "the sender is not in the messaging service",
}
HARD = frozenset({"21211", "21614", "30005"})
OPTED_OUT = "21610"
_OURS = "21610 30001 30002 30007 30010 30017 30018 30022 30023 30032 30034 30410 30450 63018"
ERROR_KINDS: Mapping[str, ErrorKind] = {
    **dict.fromkeys(HARD, ErrorKind.HARD),
    # 30006 is a landline or a carrier that cannot be reached: one never changes, the other may
    **dict.fromkeys(("30003", "30004", "30006"), ErrorKind.SOFT),
    **dict.fromkeys(_OURS.split(), ErrorKind.IGNORED),
}

_EMPTY_ANSWER = HttpResponse(
    200, b'<?xml version="1.0" encoding="UTF-8"?><Response/>', {"content-type": "text/xml; charset=utf-8"}
)
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_HASHES = {"HMAC_SHA1": hashlib.sha1, "HMAC_SHA256": hashlib.sha256}


def _sid_problem(text: str) -> str | None:
    if not text or re.fullmatch(r"AC[0-9a-fA-F]{32}", text):
        return None
    return "is no Account SID; expected AC followed by 32 hexadecimal digits"


def _sender_problem(text: str) -> str | None:
    if text.startswith("00"):
        return "begins with 00; expected the country code first, such as +13531234567"
    if not text or _SERVICE.fullmatch(text) or re.fullmatch(r"\+?[0-9]{3,15}", text):
        return None
    if text.startswith("MG") and len(text) > 11:
        return "is no Messaging Service SID; expected MG followed by 32 hexadecimal digits"
    if is_name(text):
        return None
    return (
        "expected a number with its country code, a short code, a name of at most 11 letters (without accents), digits "
        "and spaces, or a Messaging Service SID, which begins with MG"
    )


def _check(settings: Settings) -> Sequence[FieldError]:
    problem = mtls_errors(settings)
    return [FieldError("client_certificate", problem)] if problem else []


_ACCOUNT = (
    Setting(
        "account_sid",
        SettingType.TEXT,
        "",
        "Account SID",
        "Of the account, or better of a sub-account; on the dashboard of the Twilio Console. It begins with AC.",
        required=True,
        maximum=34,
        check=_sid_problem,
    ),
    Setting(
        "auth_token",
        SettingType.PASSWORD,
        "",
        "Auth Token",
        "The primary one, next to the Account SID on the dashboard. It signs in and it proves Twilio's calls to us.",
        required=True,
        maximum=200,
    ),
    Setting(
        "sender",
        SettingType.TEXT,
        "",
        "Sender",
        "A number bought in this account with its country code, a short code, a name that is enabled at Twilio, or the SID "
        "of a messaging service (it begins with MG, and gives the most control of numbers and routing).",
        required=True,
        maximum=34,
        check=_sender_problem,
    ),
    Setting(
        "webhook_shared_key",
        SettingType.PASSWORD,
        "",
        "SharedKey for webhooks",
        "The secret of the SharedKey, where the account has its webhooks signed with one; empty elsewhere.",
        maximum=200,
    ),
)

SPEC = ProviderSpec(
    key="twilio",
    label="Twilio",
    channels=frozenset({Channel.SMS}),
    summary="SMS by Twilio's Programmable Messaging.",
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
        base_url("https://api.twilio.com"),
        *http_settings(rate_per_s=0, concurrency=25),
    ),
    check=_check,
)

QUIRKS: tuple[str, ...] = (
    "The status address travels with each message; the one for texts from phones is set up at Twilio (2026-11).",
    "No callback comes for the status that the answer to the send already had (2026-11).",
    "A text has at most 1600 characters, and a message is valid for at most ten hours (2026-11).",
    "Twilio queues up to ten hours of traffic for a sender and sends it at that sender's speed; when that is full it answers "
    "with code 21611 and the connection waits (2026-11).",
    "STOP and its like are answered by Twilio itself, and block the number or the whole messaging service. With Advanced "
    "Opt-Out the call says so, and no reply of ours goes out (2026-11).",
    "A name as sender cannot be answered: put a link to opt out into the text (2026-11).",
    "No status of its own says that the validity ended; such a message ends as failed or undelivered (2026-11).",
    "Calls carry no time, so an old one cannot be told from a new one; the same event twice changes nothing (2026-11).",
)
HOOK_SETUP: tuple[str, ...] = (
    "Nothing is to be set up for status reports: {status_url} goes with each message.",
    "For texts from phones, open the number (Phone Numbers, Manage, Active numbers) or the messaging service (Integration).",
    'Under "A message comes in" choose Webhook, enter {inbound_url} and the method HTTP POST.',
    "The address for when that fails may be the same.",
)
HOOK_PROOF = (
    "The header X-Twilio-Signature of each call is the HMAC-SHA1 of its address and fields under the Auth Token or, with a "
    "SharedKey, their HMAC-SHA256 under that."
)
SOURCES: tuple[str, ...] = (
    "https://www.twilio.com/docs/messaging/api/message-resource",
    "https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks",
    "https://www.twilio.com/docs/messaging/guides/webhook-request",
    "https://www.twilio.com/docs/usage/webhooks/webhooks-security",
    "https://www.twilio.com/docs/api/errors",
    "https://github.com/twilio/twilio-python (9.13.0, request_validator.py)",
)


def auth(account: Account) -> Basic:
    return Basic(account.settings.text("account_sid"), account.settings.text("auth_token"))


def build(message: OutboundMessage, account: Account) -> HttpRequest | Refused:
    """https://www.twilio.com/docs/messaging/api/message-resource, Create a Message."""
    if len(message.body) > LONGEST_TEXT:
        return Refused(f"the text has {len(message.body)} characters; Twilio takes at most {LONGEST_TEXT}")
    sender = message.sender or account.settings.text("sender")
    fields = {"To": message.recipient, "Body": message.body}
    fields |= {"MessagingServiceSid": sender} if _SERVICE.fullmatch(sender) else {"From": plus_number(sender)}
    if account.status_url and (message.options is None or message.options.wants_receipt):
        fields["StatusCallback"] = account.status_url
    validity_s = seconds_left(message, 1, LONGEST_VALIDITY_S)
    if validity_s is not None:
        fields["ValidityPeriod"] = str(validity_s)
    headers = (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"))
    return HttpRequest("POST", _resource(account, "/Messages.json"), headers, urlencode(fields).encode())


def _resource(account: Account, path: str) -> str:
    base, sid = account.settings.text("base_url").rstrip("/"), account.settings.text("account_sid")
    return f"{base}/2010-04-01/Accounts/{quote(sid, safe='')}{path}"


def read(response: HttpResponse, account: Account) -> SendOutcome:
    answer = response.json if isinstance(response.json, dict) else {}
    sid = said(answer.get("sid"))
    if response.is_success and sid:
        # No callback comes for a status that the answer has already, so an end is taken here
        is_failed = STATES.get(said(answer.get("status"))) is ReceiptKind.ERROR
        return _refused(said(answer.get("error_code")), answer.get("error_message")) if is_failed else Accepted((sid,))
    code = said(answer.get("code"))
    if not code or response.is_success or response.status >= 500:
        return unexplained(response, SPEC.label)
    if code == "21611":
        after_s = response.retry_after_s(time.time(), QUEUE_PAUSE_S)
        return Deferred("the sender's queue at Twilio is full", after_s, code, About.RATE)
    if response.status == 429 or code == "20429":
        after_s = response.retry_after_s(time.time(), 1.0)
        return Deferred("too many requests at a time for Twilio", after_s, code, About.RATE)
    if code in ACCOUNT_TROUBLE or response.status in (401, 403):
        reason = ACCOUNT_TROUBLE.get(code) or said(answer.get("message")) or "Twilio turned the account away"
        return Deferred(reason, ACCOUNT_PAUSE_S, code, About.ACCOUNT)
    return _refused(code, answer.get("message") or answer.get("detail"))


def _refused(code: str, text: object) -> Refused:
    reason = REFUSALS.get(code) or said(text) or "Twilio refused the message"
    kind = ErrorKind.HARD if code in HARD else ErrorKind.IGNORED
    return Refused(reason, code, kind, opts_out=code == OPTED_OUT)


def probe(account: Account) -> HttpRequest:
    return HttpRequest("GET", _resource(account, ".json"), (("Accept", "application/json"),))


def probed(response: HttpResponse, account: Account) -> str:
    if response.status in (401, 404):
        return "Twilio does not know this Account SID and Auth Token"
    problem = probe_problem(response, SPEC.label)
    answer = response.json if isinstance(response.json, dict) else {}
    status = said(answer.get("status"))
    if problem or status == "active":
        return problem
    return f"the account is {status} at Twilio" if status else "this is not Twilio's API; check the base URL"


def verify(request: HookRequest, account: Account, now_s: float) -> None:
    """https://www.twilio.com/docs/usage/webhooks/webhooks-security. Twilio signs no time, so there is no age to bound."""
    given = request.headers.get("x-twilio-signature", "")
    if not given:
        raise BadSignature("the header X-Twilio-Signature is missing")
    algorithm = _algorithm(request.headers.get("x-twilio-webhooks-signature-settings", ""))
    if algorithm == "HMAC_SHA256":
        secret = secret_of(account.settings, "webhook_shared_key", "SharedKey for webhooks")
    else:
        secret = secret_of(account.settings, "auth_token", "Auth Token")
    fields = "".join(name + value for name, value in sorted(set(_signed_fields(request))))
    for url in _with_and_without_port(request.url.partition("#")[0]):
        mac = hmac.new(secret, (url + fields).encode("utf-8", "replace"), _HASHES[algorithm]).digest()
        if is_same(base64.b64encode(mac).decode(), given):
            return
    raise BadSignature("X-Twilio-Signature does not fit this call")


def _algorithm(header: str) -> str:
    """What the SharedKey's header `key=…,algorithm=…` names; SHA-1 under the Auth Token where there is none."""
    pairs = (part.partition("=") for part in header.split(","))
    named = [value.strip().upper() for name, _, value in pairs if name.strip() == "algorithm" and value.strip()]
    if named and named[0] not in _HASHES:
        raise BadSignature("X-Twilio-Webhooks-Signature-Settings names an algorithm that is not known")
    return named[0] if named else "HMAC_SHA1"


def _signed_fields(request: HookRequest) -> Sequence[tuple[str, str]]:
    """Of a form; any other body must be vouched for by its hash in the URL, which is signed."""
    if request.method == "POST" and request.content_type == "application/x-www-form-urlencoded":
        return request.form
    wanted = dict(request.query).get("bodySHA256", "")
    if (request.body or wanted) and not is_same(sha256_hex(request.body), wanted):
        raise BadSignature("the body is not the one that was signed: its hash is not bodySHA256")
    return ()


def _with_and_without_port(url: str) -> tuple[str, str]:
    """The signature may be made over either, says Twilio's own validator."""
    scheme, _, rest = url.partition("://")
    host = re.split(r"[/?]", rest, maxsplit=1)[0]
    rest = rest.removeprefix(host)
    bare = re.sub(r":[0-9]*$", "", host)
    with_port = host if host != bare else f"{bare}:{443 if scheme.lower() == 'https' else 80}"
    return f"{scheme}://{bare}{rest}", f"{scheme}://{with_port}{rest}"


def _fields(request: HookRequest) -> Mapping[str, str]:
    return dict(request.query if request.method == "GET" else request.form)


def _is_inbound(fields: Mapping[str, str]) -> bool:
    status = fields.get("MessageStatus") or fields.get("SmsStatus", "")
    return status in ("received", "receiving") or (not status and "Body" in fields)


def events(request: HookRequest, account: Account) -> list[HookEvent]:
    fields = _fields(request)
    if not fields and not request.body:
        return []
    message_id = fields.get("MessageSid") or fields.get("SmsSid", "")
    if not message_id:
        raise UnreadableBody("no MessageSid in the call: not one of Twilio's about a message")
    if _is_inbound(fields):
        return _inbound(fields, message_id)
    status = fields.get("MessageStatus") or fields.get("SmsStatus", "")
    if not status:
        raise UnreadableBody("neither MessageStatus nor Body in the call")
    return _receipt(fields, message_id, status)


def _receipt(fields: Mapping[str, str], message_id: str, status: str) -> list[HookEvent]:
    kind = STATES.get(status, ReceiptKind.INTERMEDIATE)
    code = fields.get("ErrorCode", "").strip()
    code = "" if code == "0" else said(code)
    error_kind = ERROR_KINDS.get(code) if kind is ReceiptKind.ERROR else None
    events: list[HookEvent] = [Receipt(said(message_id), kind, said(status), code, error_kind)]
    if code == OPTED_OUT and fields.get("To"):
        events.append(OptOut(plus_number(fields["To"]), "ErrorCode 21610", _scope(fields, "From")))
    return events


def _inbound(fields: Mapping[str, str], message_id: str) -> list[HookEvent]:
    person = plus_number(fields.get("From"))
    if not person:
        raise UnreadableBody("no From in the call: not one of Twilio's about a text from a phone")
    wish = fields.get("OptOutType", "").upper()
    evidence, sender = f"OptOutType {wish}", _scope(fields, "To")
    events: list[HookEvent] = []
    if wish == "STOP":
        events.append(OptOut(person, evidence, sender, said(message_id)))
    elif wish == "START":
        events.append(OptIn(person, evidence, sender, said(message_id)))
    own, body = plus_number(fields.get("To")), fields.get("Body", "")
    is_answered = wish in ("STOP", "START", "HELP")
    events.append(InboundMessage(person, own, body, said(message_id), is_answered=is_answered))
    return events


def _scope(fields: Mapping[str, str], own: str) -> str:
    """What an opt-out covers: the number of ours, or everything where a messaging service was used."""
    return "" if fields.get("MessagingServiceSid") else plus_number(fields.get(own))


def reply(request: HookRequest) -> HttpResponse:
    """To a text from a phone an empty TwiML document, which sends nothing; nothing at all to a status."""
    return _EMPTY_ANSWER if _is_inbound(_fields(request)) else NOTHING
