"""LINK Mobility, SMS REST API of the Common platform, MT and delivery reports v1.18 (2021-04-29), MO messages v1.7.

Calls of ours go to the host that LINK names; calls of theirs come from a gate, whose user and password are the account's.
"""

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
    seconds_left,
    unexplained,
)
from chappe.providers.http_settings import ACCOUNT, base_url_override, host_problem, http_settings, mtls_errors
from chappe.providers.length import segments
from chappe.providers.proof import is_same, secret_of
from chappe.providers.sender import is_name

MOST_SEGMENTS = 254
LONGEST_VALIDITY_S = 172_800

_NOT_FINAL = ("1000", "1005", "1008", "1011", "1012", "1013")
_FAILED = (
    "0 1 2 3 4 5 6 104 105 1002 1003 1004 1006 1009 1010 2000 2001 2002 2003 2100 2101 2102 2103 2104 2105 2106 2107 2200 "
    "2201 2202 2203 2204 2205 2206 2207 3000 3001 3002 4000 4001 4002 4003 4004 4005 4006 4007"
)
STATES: Mapping[str, ReceiptKind] = {
    **dict.fromkeys(_NOT_FINAL, ReceiptKind.INTERMEDIATE),
    "1001": ReceiptKind.SUCCESS,
    "1007": ReceiptKind.SUCCESS,  # delivered; only its billing is still open
    **dict.fromkeys(_FAILED.split(), ReceiptKind.ERROR),
}
"""LINK's word for what became of a message is a number, `resultCode`."""

ACCOUNT_TROUBLE: Mapping[str, str] = {
    "106100": "wrong username or password",
    "106101": "access denied to this account",
    "106200": "wrong platform id",
    "106201": "wrong platform partner id",
    "106202": "wrong currency",
    "106300": "no gate is given",
    "106301": "the gate is not available; check the gate id",
}
REFUSALS: Mapping[str, str] = {
    "2000": "the sender is not valid",
    "2100": "the number is not valid",
    "2103": "the operator does not allow this to the number",
    "2104": "unknown subscriber",
    "2105": "the number is blocked",
    "2106": "the number is wrong",
    "2107": "the number is blocked for a time",
    "3000": "the text cannot be encoded",
}
UNKNOWN_ERROR = "106000"

_OURS = "0 1 2 3 4 5 6 104 105 2000 2001 2002 2003 3000 3001 3002 4000 4001 4002 4003 4004 4005 4006 4007"
ERROR_KINDS: Mapping[str, ErrorKind] = {
    **dict.fromkeys(("2100", "2104", "2106"), ErrorKind.HARD),
    **dict.fromkeys(("1004", "2103", "2105", "2107"), ErrorKind.SOFT),
    **dict.fromkeys(_OURS.split(), ErrorKind.IGNORED),
}

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_SHORT_NUMBER = re.compile(r"(?:[A-Z]{2}-)?([0-9]{1,6})")  # LINK puts the country before one: NO-2333
_SEGMENT_ID = re.compile(r"(.+)\$([0-9]{1,3})", re.DOTALL)


def _sender_problem(text: str) -> str | None:
    if not text or _NUMBER.fullmatch(text) or _SHORT_NUMBER.fullmatch(text):
        return None
    if text.isascii() and text.isdigit():
        meant = plus_number(text)
        return "is a number without its +; expected + and the country code first, such as " + (
            meant if meant.startswith("+") else "+35312345678"
        )
    if is_name(text):
        return None
    return (
        "expected + and a number with its country code, such as +35312345678, a short number, or a name of at most 11 letters "
        "(without accents), digits and spaces"
    )


def _check(settings: Settings) -> Sequence[FieldError]:
    problem = mtls_errors(settings)
    return [FieldError("client_certificate", problem)] if problem else []


_ACCOUNT = (
    Setting(
        "username",
        SettingType.TEXT,
        "",
        "Username",
        "Of your LINK Mobility account; LINK gives it to you. The gate calls us with the same.",
        required=True,
        maximum=200,
    ),
    Setting(
        "password",
        SettingType.PASSWORD,
        "",
        "Password",
        "Of your LINK Mobility account. The gate's password must be the same: it proves LINK's calls to us.",
        required=True,
        maximum=200,
    ),
    Setting(
        "sender",
        SettingType.TEXT,
        "",
        "Sender",
        "A number with + and its country code, such as +35312345678, a short number, or a name of at most 11 characters that "
        "is set up at LINK. A name cannot be answered.",
        required=True,
        maximum=16,
        check=_sender_problem,
    ),
    Setting(
        "platform_id",
        SettingType.TEXT,
        "",
        "Platform id",
        "Which of LINK's platforms carries your messages, such as COMMON_API; LINK gives it to you.",
        required=True,
        maximum=100,
    ),
    Setting(
        "platform_partner_id",
        SettingType.TEXT,
        "",
        "Platform partner id",
        "Your number on that platform; LINK gives it to you.",
        required=True,
        maximum=100,
    ),
    Setting(
        "endpoint_host",
        SettingType.TEXT,
        "",
        "Endpoint host",
        "The host that LINK gave you, without scheme and path: https://wsx.sp247.net/sms becomes wsx.sp247.net.",
        required=True,
        maximum=253,
        check=host_problem,
    ),
    Setting(
        "gate_id",
        SettingType.TEXT,
        "",
        "Gate id",
        "The gate through which LINK calls us with receipts and texts from phones; LINK sets it up and gives you its id.",
        required=True,
        maximum=200,
    ),
)

SPEC = ProviderSpec(
    key="link_mobility",
    label="LINK Mobility",
    channels=frozenset({Channel.SMS}),
    summary="SMS by LINK Mobility, over the SMS REST API of its Common platform.",
    features=frozenset({Feature.RECEIPTS, Feature.INBOUND, Feature.SENDER_OVERRIDE, Feature.VALIDITY}),
    settings=(
        *(replace(setting, group=ACCOUNT) for setting in _ACCOUNT),
        base_url_override("the endpoint host"),
        *http_settings(rate_per_s=0, concurrency=20),
    ),
    check=_check,
)

QUIRKS: tuple[str, ...] = (
    "A text with characters outside the Basic Multilingual Plane, such as emoji, is refused here, because LINK cannot send "
    "them (v1.18, 2021-04).",
    "A long message has a receipt for each segment, with $ and its index after the id; the first one, $0, says whether the "
    "message is delivered (v1.18, 2021-04).",
    "A text has at most 254 segments, and a message is valid for at most 48 hours (v1.18, 2021-04).",
    "Without a gate there are no receipts, and LINK refuses messages that want one; the connection waits then (v1.18, "
    "2021-04).",
    "Calls are not signed: the gate's user and password prove them, and must be those of the account (2026-11).",
    "Short numbers in texts from phones have the country before them, such as NO-2333 (MO v1.7).",
    "Receipts name no phone number, so a block at the subscriber is an error and no opt-out; STOP comes as an ordinary text "
    "(2026-11).",
    "LINK has other, national interfaces whose accounts do not work here (2026-11).",
    "No limit of speed is published (2026-11).",
)
HOOK_SETUP: tuple[str, ...] = (
    "Ask LINK's support for a gate of the type that sends JSON by POST, with your account's username and password as its Basic "
    "authentication, and without `acknowledge`.",
    "Give them {status_url} as the gate's address for delivery reports.",
    "Give them {inbound_url} as the address of the gate for texts from phones, and have your number or keyword routed to it.",
    "Enter the id of the gate for delivery reports here.",
)
HOOK_PROOF = (
    "Each call signs in by Basic authentication with the account's username and password, which LINK sets on the gate."
)
SOURCES: tuple[str, ...] = (
    "https://github.com/deveel/deveel.lm.client (LINK Mobility SMS REST API v1.18, MO messages v1.7, Gate API v1.2)",
    "https://github.com/navikt/shout-out-link-mobility-mock",
)

_HEADERS = (("Content-Type", "application/json"), ("Accept", "application/json"))


def auth(account: Account) -> Basic:
    return Basic(account.settings.text("username"), account.settings.text("password"))


def build(message: OutboundMessage, account: Account) -> HttpRequest | Refused:
    """SMS REST API v1.18, section Send."""
    settings = account.settings
    sender = message.sender or settings.text("sender")
    problem = _problem(message.body, sender)
    if problem:
        return Refused(problem)
    source, source_type = _source(sender)
    fields: dict[str, Any] = {
        "source": source,
        "sourceTON": source_type,
        "destination": plus_number(message.recipient),
        "destinationTON": "MSISDN",
        "userData": message.body,
        "dcs": "TEXT",
        "platformId": settings.text("platform_id"),
        "platformPartnerId": settings.text("platform_partner_id"),
        "refId": str(message.id),
        "useDeliveryReport": message.options is None or message.options.wants_receipt,
        "ignoreResponse": False,  # documented as true by default: then there would be no id
    }
    if fields["useDeliveryReport"]:
        fields["deliveryReportGates"] = [settings.text("gate_id")]
    validity_s = seconds_left(message, 1, LONGEST_VALIDITY_S)
    if validity_s is not None:
        fields["relativeValidityTime"] = validity_s * 1000
    return HttpRequest("POST", f"{_base(account)}/sms/send", _HEADERS, msgspec.json.encode(fields))


def _problem(body: str, sender: str) -> str:
    """Why LINK cannot send this; "" where it can."""
    place = next((place for place, character in enumerate(body, 1) if ord(character) > 0xFFFF), 0)
    if place:
        return f"character {place} of the text, an emoji or the like, cannot be sent by LINK Mobility; replace it"
    number = segments(body)
    if number > MOST_SEGMENTS:
        return f"the text has more than the {MOST_SEGMENTS} segments that LINK Mobility takes"
    is_usable = _sender_problem(sender) is None or _NUMBER.fullmatch(plus_number(sender))
    return "" if is_usable else "the sender is neither a number with +, a short number nor a name of 11 characters"


def _source(sender: str) -> tuple[str, str]:
    """How LINK wants it, and what kind it is."""
    short = _SHORT_NUMBER.fullmatch(sender)
    if short:
        return short[1], "SHORTNUMBER"
    number = plus_number(sender)
    return (number, "MSISDN") if number.startswith("+") else (sender, "ALPHANUMERIC")


def _base(account: Account) -> str:
    settings = account.settings
    return settings.text("base_url").rstrip("/") or f"https://{settings.text('endpoint_host')}"


def read(response: HttpResponse, account: Account) -> SendOutcome:
    answer = response.json if isinstance(response.json, dict) else {}
    message_id, description = said(answer.get("messageId")), said(answer.get("description"))
    result, error = said(answer.get("resultCode")), said(answer.get("status"))
    if response.is_success and message_id:
        return _refused(result, description) if STATES.get(result) is ReceiptKind.ERROR else Accepted((message_id,))
    if 400 <= response.status < 500 and error in ACCOUNT_TROUBLE:
        return Deferred(ACCOUNT_TROUBLE[error], ACCOUNT_PAUSE_S, error, About.ACCOUNT)
    if response.status in (400, 422) and error not in ("", UNKNOWN_ERROR, str(response.status)):
        return _refused(error, description)
    return unexplained(response, SPEC.label)


def _refused(code: str, description: str) -> Refused:
    reason = REFUSALS.get(code) or description or "LINK Mobility refused the message"
    kind = ErrorKind.HARD if ERROR_KINDS.get(code) is ErrorKind.HARD else ErrorKind.IGNORED
    return Refused(reason, code, kind)


def probe(account: Account) -> HttpRequest:
    """Gate API v1.2: the gate itself, which the account may or may not be allowed to see."""
    names = ("platform_id", "platform_partner_id", "gate_id")
    platform, partner, gate = (quote(account.settings.text(name), safe="") for name in names)
    url = f"{_base(account)}/gate/partnergate/platform/{platform}/partner/{partner}/id/{gate}"
    return HttpRequest("GET", url, (("Accept", "application/json"),))


def probed(response: HttpResponse, account: Account) -> str:
    if response.status == 401:
        return "LINK Mobility does not know this username and password"
    if response.status in (403, 404):
        return (
            f"LINK Mobility does not show the gate to this account (HTTP {response.status}), so nothing could be checked; "
            "messages may go out all the same"
        )
    problem = probe_problem(response, SPEC.label)
    is_gate = isinstance(response.json, dict) and ("gateType" in response.json or "destinations" in response.json)
    return problem or ("" if is_gate else "this is not LINK Mobility's API; check the endpoint host")


def verify(request: HookRequest, account: Account, now_s: float) -> None:
    """MO messages v1.7: Basic authentication, as set on the gate; nothing is signed, so there is no age to bound."""
    password = secret_of(account.settings, "password", "Password").decode()
    given = request.basic()
    if given is None:
        raise BadSignature("the call has no Basic authentication; set the account's username and password on the gate")
    is_user, is_password = is_same(given[0], account.settings.text("username")), is_same(given[1], password)
    if not (is_user and is_password):
        raise BadSignature("the gate's username and password are not those of this connection")


def events(request: HookRequest, account: Account) -> list[HookEvent]:
    fields = request.json if isinstance(request.json, dict) else {}
    message_id, result = said(fields.get("id")), said(fields.get("resultCode"))
    if message_id and result:
        return [_receipt(message_id, result)]
    content, person = fields.get("content"), plus_number(fields.get("source"))
    if isinstance(content, dict) and isinstance(content.get("userData"), str) and person:
        own, received_id = plus_number(fields.get("destination")), said(fields.get("messageId"))
        return [InboundMessage(person, own, content["userData"], received_id)]
    raise UnreadableBody("neither a delivery report nor a text from a phone in LINK Mobility's JSON")


def _receipt(message_id: str, result: str) -> Receipt:
    """Of a message, or of one of its segments, of which the first speaks for all."""
    segment = _SEGMENT_ID.fullmatch(message_id)
    message_id, index = (segment[1], int(segment[2])) if segment else (message_id, 0)
    kind = STATES.get(result, ReceiptKind.INTERMEDIATE) if index == 0 else ReceiptKind.INTERMEDIATE
    is_error = kind is ReceiptKind.ERROR
    return Receipt(message_id, kind, result, result if is_error else "", ERROR_KINDS.get(result) if is_error else None)


def reply(request: HookRequest) -> HttpResponse:
    return HttpResponse(200)
