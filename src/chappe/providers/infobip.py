"""Infobip, SMS API v3: https://www.infobip.com/docs/api/channels/sms (2026-11).

Every message of an answer and every report of a call has a status of its own: a refusal comes with HTTP 200.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

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
from chappe.providers.http_settings import ACCOUNT, base_url_override, host_problem, http_settings, mtls_errors
from chappe.providers.length import segments
from chappe.providers.proof import is_same
from chappe.providers.sender import bare, bare_problem

MOST_SEGMENTS = 25
LONGEST_VALIDITY_S = 172_800
SHORTEST_VALIDITY_S = 60

STATES: Mapping[str, ReceiptKind] = {
    "ACCEPTED": ReceiptKind.INTERMEDIATE,
    "PENDING": ReceiptKind.INTERMEDIATE,
    "UNDELIVERABLE": ReceiptKind.ERROR,
    "DELIVERED": ReceiptKind.SUCCESS,
    "EXPIRED": ReceiptKind.ERROR,
    "REJECTED": ReceiptKind.ERROR,
    # A name within the group DELIVERED: with the operator, which may still report from the handset
    "DELIVERED_TO_OPERATOR": ReceiptKind.INTERMEDIATE,
}
"""Names of groups; one status has a meaning other than its group's."""

GROUPS = ("ACCEPTED", "PENDING", "UNDELIVERABLE", "DELIVERED", "EXPIRED", "REJECTED")
"""By `groupId`."""

TO_OPERATOR = "2"
SYSTEM_ERROR = "21"
SYSTEM_PAUSE_S = 60.0
ACCOUNT_TROUBLE: Mapping[str, str] = {
    "12": "no credits left",
    "17": "the prepaid package has expired",
}
REFUSALS: Mapping[str, str] = {
    "6": "the network is not open to this account",
    "8": "the number has a wrong prefix or length",
    "10": "the number is on a do-not-disturb list",
    "11": "the sender is not registered",
    "13": "the sender is blocked",
    "14": "the number is on the block list",
    "18": "a trial account sends to registered numbers only",
    "19": "there is no route to the number",
    "20": "too many messages to this number in an hour",
    "23": "the message id was used before",
    "24": "the user data header is not valid",
    "25": "the text is too long",
    "51": "the number is missing",
    "52": "the number is not valid",
}
HARD = frozenset({"8", "52"})
OPTED_OUT = frozenset({"10", "14"})

_OURS = "6 11 12 13 17 18 19 20 21 23 24 25 51 100"
STATUS_KINDS: Mapping[str, ErrorKind] = {
    **dict.fromkeys(HARD, ErrorKind.HARD),
    **dict.fromkeys((*OPTED_OUT, *_OURS.split()), ErrorKind.IGNORED),
}
"""By the id of a REJECTED status; the other groups are qualified by their error."""

OPT_OUT_ERRORS = frozenset({"573", "2050", "2052"})
ERROR_KINDS: Mapping[str, ErrorKind] = {
    **dict.fromkeys(("1", "9"), ErrorKind.HARD),  # unknown and illegal subscriber
    **dict.fromkeys(("6", "13", "27", "32", "256", "502"), ErrorKind.SOFT),
    **dict.fromkeys((*OPT_OUT_ERRORS, "581"), ErrorKind.IGNORED),
}


def _user_problem(text: str) -> str | None:
    if re.fullmatch(r"[A-Za-z0-9._-]*", text):
        return None
    return "has a special character; expected letters (without accents), digits, and any of . _ -"


def _check(settings: Settings) -> Sequence[FieldError]:
    problem = mtls_errors(settings)
    errors = [FieldError("client_certificate", problem)] if problem else []
    user, password = settings.text("webhook_username"), settings.text("webhook_password")
    if bool(user) != bool(password):
        missing = "webhook_password" if user else "webhook_username"
        errors.append(FieldError(missing, "is needed: webhooks have a username and a password, or neither"))
    return errors


_ACCOUNT = (
    Setting(
        "api_key",
        SettingType.PASSWORD,
        "",
        "Public API key",
        "In the Infobip portal under API keys. Copy the key that you have rather than making another.",
        required=True,
        maximum=200,
    ),
    Setting(
        "api_host",
        SettingType.TEXT,
        "",
        "Base URL given by Infobip",
        "In the Infobip portal, beside the API key, to be entered without https://: it looks like xxxxx.api.infobip.com.",
        required=True,
        maximum=253,
        check=host_problem,
    ),
    Setting(
        "sender",
        SettingType.TEXT,
        "",
        "Sender",
        "A number of this account with its country code and without + or 00, or a name of at most 11 characters, or digits "
        "such as 868686; in the Infobip portal. Only a number can be answered.",
        required=True,
        maximum=16,
        check=bare_problem,
    ),
    Setting(
        "webhook_username",
        SettingType.TEXT,
        "",
        "Webhook username",
        "Make one up, without special characters, and tell it to Infobip's support: their calls to us are proved by it. "
        "Without it no receipt and no text from a phone is taken.",
        maximum=100,
        check=_user_problem,
    ),
    Setting(
        "webhook_password",
        SettingType.PASSWORD,
        "",
        "Webhook password",
        "Make one up and tell it to Infobip's support, with the username.",
        maximum=200,
    ),
    Setting(
        "status_url_with_message",
        SettingType.BOOLEAN,
        False,
        "Send the address of receipts with each message",
        "Off: receipts come to the address that Infobip's support set. On: to the one sent along, which wins over that; try it "
        "first, since Infobip's user and password are promised only for the address that was set.",
    ),
)

SPEC = ProviderSpec(
    key="infobip",
    label="Infobip",
    channels=frozenset({Channel.SMS}),
    summary="SMS by Infobip, over its SMS API v3.",
    features=frozenset(
        {Feature.RECEIPTS, Feature.INBOUND, Feature.SENDER_OVERRIDE, Feature.VALIDITY, Feature.PROVIDER_OPT_OUTS}
    ),
    settings=(
        *(replace(setting, group=ACCOUNT) for setting in _ACCOUNT),
        base_url_override("the base URL given by Infobip"),
        *http_settings(rate_per_s=0, concurrency=50),
    ),
    check=_check,
)

QUIRKS: tuple[str, ...] = (
    "A refused message comes with HTTP 200 and the status group REJECTED (2026-11).",
    "A text has at most 25 segments, and a message is valid for at most 48 hours, counted in minutes (2026-11).",
    "A call may hold up to 100 receipts, in the order in which Infobip has them (2026-11).",
    "DELIVERED_TO_OPERATOR is the last word where there are no receipts from handsets; it counts as sent (2026-11).",
    "Calls are not signed: the webhook username and password prove them. Infobip's HMAC headers are not documented (2026-11).",
    "The statuses 10 and 14 and the errors 573, 2050 and 2052 are taken as opt-outs (2026-11).",
    "No message id of ours is sent, since one that was used before is refused; ours comes back as callbackData (2026-11).",
    "The credentials are tried on the logs, since a key for SMS alone may not see the balance (2026-11).",
    "No limit of speed is published; the connection waits when Infobip says too many (2026-11).",
    "A name as sender cannot be answered: put a link to opt out into the text (2026-11).",
)
HOOK_SETUP: tuple[str, ...] = (
    "Make up a username, without special characters, and a password; enter both here.",
    "Ask Infobip's support to send delivery reports to {status_url} and to protect the webhook with Basic authentication by "
    "that username and password.",
    "For texts from phones, ask them to do the same for your number with {inbound_url}.",
)
HOOK_PROOF = "Each call signs in by Basic authentication with the webhook username and password."
SOURCES: tuple[str, ...] = (
    "https://www.infobip.com/docs/api/channels/sms/outbound-sms/send-sms-messages",
    "https://www.infobip.com/docs/api/channels/sms/logs-and-status-reports/receive-outbound-sms-message-reports-v3",
    "https://www.infobip.com/docs/api/channels/sms/inbound-sms/receive-inbound-sms-messages",
    "https://www.infobip.com/docs/essentials/api-essentials/response-status-and-error-codes",
    "https://github.com/infobip/infobip-api-python-client (6.0.0)",
)

_HEADERS = (("Content-Type", "application/json"), ("Accept", "application/json"))


def auth(account: Account) -> Header:
    return Header("Authorization", f"App {account.settings.text('api_key')}")


def build(message: OutboundMessage, account: Account) -> HttpRequest | Refused:
    """https://www.infobip.com/docs/api/channels/sms/outbound-sms/send-sms-messages"""
    if segments(message.body) > MOST_SEGMENTS:
        return Refused(f"the text has more than the {MOST_SEGMENTS} segments that Infobip takes")
    entry: dict[str, Any] = {
        "sender": bare(message.sender or account.settings.text("sender")),
        "destinations": [{"to": bare(message.recipient)}],
        "content": {"text": message.body},
        "webhooks": {"callbackData": str(message.id), "contentType": "application/json"},
    }
    if account.status_url and account.settings.flag("status_url_with_message"):
        entry["webhooks"]["delivery"] = {"url": account.status_url}
    validity_s = seconds_left(message, SHORTEST_VALIDITY_S, LONGEST_VALIDITY_S)
    if validity_s is not None:
        entry["options"] = {"validityPeriod": {"amount": validity_s // 60, "timeUnit": "MINUTES"}}
    return HttpRequest("POST", f"{_base(account)}/sms/3/messages", _HEADERS, msgspec.json.encode({"messages": [entry]}))


def _base(account: Account) -> str:
    settings = account.settings
    return settings.text("base_url").rstrip("/") or f"https://{settings.text('api_host')}"


def read(response: HttpResponse, account: Account) -> SendOutcome:
    answer = response.json if isinstance(response.json, dict) else {}
    if response.is_success:
        return _taken(_first(answer.get("messages"))) or unexplained(response, SPEC.label)
    code, text = _error(answer)
    if response.status in (401, 403) and code:
        reason = "wrong API key" if response.status == 401 else "the API key may not send SMS"
        return Deferred(f"{reason}: {text}" if text else reason, ACCOUNT_PAUSE_S, code, About.ACCOUNT)
    if response.status in (400, 422) and code:
        place, problem = _violation(answer)
        kind = ErrorKind.HARD if place.endswith(".to") else ErrorKind.IGNORED
        said_all = " ".join(part for part in (text, place, problem) if part)
        return Refused(f"Infobip refused the message: {said_all or code}", code, kind)
    return unexplained(response, SPEC.label)


def _first(entries: object) -> Mapping[str, Any]:
    return entries[0] if isinstance(entries, list) and entries and isinstance(entries[0], dict) else {}


def _taken(entry: Mapping[str, Any]) -> SendOutcome | None:
    """What the status of a message says; None where there is neither a status nor an id."""
    message_id = said(entry.get("messageId"))
    status = entry.get("status") if isinstance(entry.get("status"), dict) else {}
    assert isinstance(status, dict)
    code = said(status.get("id"))
    if STATES.get(_group(status)) is not ReceiptKind.ERROR:
        return Accepted((message_id,)) if message_id else None
    reason = REFUSALS.get(code) or said(status.get("description")) or said(status.get("name")) or "refused"
    if code in ACCOUNT_TROUBLE:
        return Deferred(ACCOUNT_TROUBLE[code], ACCOUNT_PAUSE_S, code, About.ACCOUNT)
    if code == SYSTEM_ERROR:
        return Deferred(f"Infobip had an error of its own: {reason}", SYSTEM_PAUSE_S, code)
    kind = ErrorKind.HARD if code in HARD else ErrorKind.IGNORED
    return Refused(reason, code, kind, opts_out=code in OPTED_OUT)


def _group(status: Mapping[str, Any]) -> str:
    name, number = said(status.get("groupName")), said(status.get("groupId"))
    return name or (GROUPS[int(number)] if number in ("0", "1", "2", "3", "4", "5") else "")


def _error(answer: Mapping[str, Any]) -> tuple[str, str]:
    """Code and text of either shape of an error, "" where there are none."""
    code, text = said(answer.get("errorCode")), said(answer.get("description"))
    older = answer.get("requestError")
    exception = older.get("serviceException") if isinstance(older, dict) else None
    if not code and isinstance(exception, dict):
        return said(exception.get("messageId")), said(exception.get("text"))
    return code, text


def _violation(answer: Mapping[str, Any]) -> tuple[str, str]:
    violation = _first(answer.get("violations"))
    return said(violation.get("property")), said(violation.get("violation"))


def probe(account: Account) -> HttpRequest:
    return HttpRequest("GET", f"{_base(account)}/sms/3/logs?limit=1", (("Accept", "application/json"),))


def probed(response: HttpResponse, account: Account) -> str:
    if response.status == 401:
        return "Infobip does not know this API key"
    if response.status == 403:
        return "the API key may not see the logs of SMS; check its scopes in the Infobip portal"
    problem = probe_problem(response, SPEC.label)
    is_log = isinstance(response.json, dict) and isinstance(response.json.get("results"), list)
    return problem or ("" if is_log else "this is not Infobip's API; check the base URL")


def verify(request: HookRequest, account: Account, now_s: float) -> None:
    """Basic authentication as agreed with Infobip's support; nothing is signed, so there is no age to bound."""
    user, password = (account.settings.text(name) for name in ("webhook_username", "webhook_password"))
    if not (user and password):
        raise BadSignature("the settings webhook_username and webhook_password are empty, so no call can be checked")
    given = request.basic()
    if given is None:
        raise BadSignature("the call has no Basic authentication; Infobip's support sets it for your webhooks")
    is_user, is_password = is_same(given[0], user), is_same(given[1], password)
    if not (is_user and is_password):
        raise BadSignature("the call's username and password are not those of this connection's webhooks")


def events(request: HookRequest, account: Account) -> list[HookEvent]:
    """Of each of the results. One that cannot be read keeps none of the others from being taken."""
    results = request.json.get("results") if isinstance(request.json, dict) else None
    if not isinstance(results, list):
        raise UnreadableBody("no list of results: neither delivery reports nor texts from phones")
    events = [event for result in results if isinstance(result, dict) for event in _result(result)]
    if results and not events:
        raise UnreadableBody("the results are neither delivery reports nor texts from phones")
    return events


def _result(result: Mapping[str, Any]) -> list[HookEvent]:
    message_id, status, text = said(result.get("messageId")), result.get("status"), result.get("text")
    if isinstance(status, dict):
        return _report(result, message_id, status) if message_id and _group(status) else []
    person = plus_number(result.get("from"))
    if person and isinstance(text, str):
        return [InboundMessage(person, plus_number(result.get("to")), text, message_id)]
    return []


def _report(result: Mapping[str, Any], message_id: str, status: Mapping[str, Any]) -> list[HookEvent]:
    group, number = _group(status), said(status.get("id"))
    word = "DELIVERED_TO_OPERATOR" if group == "DELIVERED" and number == TO_OPERATOR else group
    kind = STATES.get(word, ReceiptKind.INTERMEDIATE)
    if kind is not ReceiptKind.ERROR:
        return [Receipt(message_id, kind, word)]
    error = result.get("error") if isinstance(result.get("error"), dict) else {}
    assert isinstance(error, dict)
    error_number = said(error.get("id"))
    error_number = "" if error_number == "0" else error_number
    code = said(error.get("name")) or error_number if error_number else said(status.get("name")) or number
    error_kind = ERROR_KINDS.get(error_number) or (STATUS_KINDS.get(number) if group == "REJECTED" else None)
    is_opt_out = error_number in OPT_OUT_ERRORS or (group == "REJECTED" and number in OPTED_OUT)
    person = plus_number(result.get("to"))
    receipt = Receipt(message_id, kind, word, code, ErrorKind.IGNORED if is_opt_out else error_kind)
    return [receipt, OptOut(person, code)] if is_opt_out and person else [receipt]


def reply(request: HookRequest) -> HttpResponse:
    return NOTHING
