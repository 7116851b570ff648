"""Mid-sourcing: another Chappe, which has the connections and sends for this one. docs/explanation/mid-sourcing.md draws it.

Many messages go over in one request, as compressed lines for its `POST /v1/messages/batch`. It takes each of our numbers once
for an account, so what was not answered is simply sent again.
"""

import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from chappe import __version__
from chappe.messaging import (
    About,
    Accepted,
    BadSignature,
    Channel,
    Deferred,
    ErrorKind,
    FieldError,
    HookEvent,
    OutboundMessage,
    OutgoingTlv,
    Pages,
    ReceiptKind,
    Refused,
    SendOutcome,
    UnreadableBody,
)
from chappe.messaging.content import Content
from chappe.providers.auth import Basic
from chappe.providers.contract import Feature, ProviderSpec, Setting, Settings, SettingType
from chappe.providers.http import (
    ACCOUNT_PAUSE_S,
    NOTHING,
    Account,
    Found,
    HookRequest,
    HttpRequest,
    HttpResponse,
    detail_of,
    said,
)
from chappe.providers.http_settings import ACCOUNT, http_settings, is_loopback_host, mtls_errors, url
from chappe.providers.proof import check_age, is_same
from chappe.providers.standard_webhook import new_secret, secret_key, signatures

BATCH = "/v1/messages/batch"
ACCOUNTS = "/v1/relay/accounts/"
MOST_IN_BUNDLE = 10_000
MOST_OCTETS_IN_BUNDLE = 8 << 20
MOST_PAGES_OCTETS = 16 << 20
"""Of pages once they are no longer compressed."""
MOST_WARNINGS = 10
SLOWEST_S = 2.0
"""Clocks that are further apart are said to be, when the connection is tested."""
OURS_ONLY = frozenset({"unknown_outcome", "retry_delay_s", "retry_limit", "transactional_despite_stop", "max_per_s"})
"""Settings of other HTTP providers that are mid's to decide."""

MID = "Mid-sourcing"
"""The group of what leads to mid."""

STATES: Mapping[str, ReceiptKind] = {}
ACCOUNT_TROUBLE: Mapping[str, str] = {
    "401": "the operator's login, password or key is wrong, or it is switched off",
    "403": "the operator lacks the right administration",
    "404": "there is no such account on mid",
    "405": "this is not the address of a Chappe",
    "409": "mid has these numbers for other messages: this installation's database is one of before",
    "426": "mid is of an older version",
}
REFUSALS: Mapping[str, str] = {"422": "mid cannot send it as it is"}
ERROR_KINDS: Mapping[str, ErrorKind] = {}

_LOGIN_WORDS = "expected small letters and digits, with . _ - between them, as the operator is written on mid"


def _login_problem(text: str) -> str | None:
    if text != text.lower():
        return f"must be in small letters: {text.lower()}"
    return None if all(c.isascii() and (c.isalnum() or c in "._-") for c in text) else _LOGIN_WORDS


def _internal_name_problem(text: str) -> str | None:
    is_name = all(c.isascii() and (c.isalnum() or c in "._-") for c in text)
    return None if is_name else "expected letters, digits and . _ - only"


_ACCOUNT = (
    Setting(
        "internal_name",
        SettingType.TEXT,
        "",
        "Internal name",
        "What this account is called in the name of its counterpart on mid, behind the operator and _.",
        required=True,
        maximum=64,
        check=_internal_name_problem,
    ),
    replace(
        url(
            "base_url",
            "Address of mid",
            "Where the other Chappe stands, such as https://mid.example.com.",
            required=True,
        ),
    ),
    Setting(
        "operator",
        SettingType.TEXT,
        "",
        "Operator",
        "The login of the operator that was made for this account on mid; one for each account.",
        required=True,
        maximum=64,
        check=_login_problem,
    ),
    Setting(
        "password",
        SettingType.PASSWORD,
        "",
        "Password or key",
        "The operator's password, or one of its keys. With keys it is changed without a stop: make a new one on mid, write it "
        "here, then revoke the old one.",
        maximum=200,
    ),
    Setting(
        "signing_secret",
        SettingType.PASSWORD,
        "",
        "Secret of its calls",
        "What mid signs its calls to us with. Left empty, one is made; mid is told by itself.",
        maximum=200,
        made=new_secret,
    ),
)


def _check(settings: Settings) -> Sequence[FieldError]:
    errors = []
    if problem := mtls_errors(settings):
        errors.append(FieldError("client_certificate", problem))
    address = urlsplit(settings.text("base_url"))
    if address.scheme.lower() != "https" and not is_loopback_host(address.hostname or ""):
        errors.append(FieldError("base_url", "must begin with https://, since mid is on another machine"))
    if address.query or address.fragment:
        errors.append(FieldError("base_url", "must be an address without ? and #"))
    if settings.text("signing_secret"):
        try:
            secret_key(settings.text("signing_secret"))
        except ValueError:
            errors.append(FieldError("signing_secret", "must be a secret such as whsec_…, or be left empty"))
    return errors


SPEC = ProviderSpec(
    key="relay",
    label="Mid-sourcing",
    channels=frozenset({Channel.SMS}),
    summary="Another Chappe, which holds the connections to providers and sends for this one.",
    features=frozenset(
        {
            Feature.RECEIPTS,
            Feature.READ_RECEIPTS,
            Feature.INBOUND,
            Feature.LONG_MESSAGES,
            Feature.SENDER_OVERRIDE,
            Feature.VALIDITY,
            Feature.TRANSMISSION_MODE,
            Feature.CUSTOM_PARAMETERS,
            Feature.PROVIDER_OPT_OUTS,
            Feature.SIGNED_HOOKS,
        }
    ),
    settings=(
        *(replace(setting, group=ACCOUNT if setting.name == "internal_name" else MID) for setting in _ACCOUNT),
        *(setting for setting in http_settings(concurrency=1) if setting.name not in OURS_ONLY),
    ),
    check=_check,
    hands_over=True,
)

QUIRKS: tuple[str, ...] = (
    "Mid tries messages again by itself; here each of them has one attempt.",
    "A message waits until mid says that its provider took it.",
)
HOOK_SETUP: tuple[str, ...] = (
    "Nothing is to be entered on mid: this installation tells it {status_url} when it signs in.",
    "Where mid cannot call this installation, everything comes by asking, some seconds later.",
)
HOOK_PROOF = (
    "Standard Webhooks: webhook-signature is an HMAC-SHA256 of number, time and body with the secret. Numbers grow: a "
    "call that is played again is refused."
)
SOURCES: tuple[str, ...] = ("https://www.standardwebhooks.com/",)


# -- out -------------------------------------------------------------------------------------------------------------


class Parameter(msgspec.Struct, frozen=True):
    """An optional parameter; `value` is hexadecimal."""

    tag: int
    value: str


class OptionsOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a message asks for beyond its text: `OptionsIn` of the intake reads it."""

    transmission_mode: int | None = None
    maximum_segments: int = 0
    service_id: str = ""
    short_code: str = ""
    tlvs: tuple[Parameter, ...] = ()
    content: Content | None = None
    follow_links: bool = False


class LineOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message as it goes over: `MessageIn` of the intake reads it."""

    to: str
    text: str
    relay_id: int
    relay_delivery: int = 0
    sender: str = ""
    category: str = "transactional"
    validity_s: int = 0
    options: OptionsOut | None = None


class Taken(msgspec.Struct):
    """What mid says of a message."""

    id: int
    state: str = "waiting"
    reason: str = ""


_CATEGORIES = ("marketing", "transactional", "transactional")
_write = msgspec.json.Encoder().encode
_taken = msgspec.json.Decoder(Taken)
_pages = msgspec.json.Decoder(Pages)


def auth(account: Account) -> Basic:
    return Basic(account.settings.text("operator"), account.settings.text("password"))


def address(account: Account, path: str) -> str:
    return account.settings.text("base_url").rstrip("/") + path


def account_address(account: Account, rest: str = "") -> str:
    """What concerns this account on mid."""
    return address(account, f"{ACCOUNTS}{quote(account.settings.text('internal_name'), safe='')}{rest}")


def line(message: OutboundMessage, account: Account) -> bytes | Refused:
    """A message as a line of a bundle. Its end of validity goes as what is left of it: clocks may differ."""
    left_s = 0
    if message.expires_ms:
        left_s = max(1, -int(time.time() - message.expires_ms / 1000))
    return _write(
        LineOut(
            message.recipient,
            message.body,
            message.id,
            message.delivery_id,
            message.sender,
            _CATEGORIES[message.category],
            left_s,
            None if message.options is None else _options(message),
        )
    )


def _options(message: OutboundMessage) -> OptionsOut | None:
    options = message.options
    assert options is not None
    made = OptionsOut(
        options.transmission_mode,
        options.maximum_segments,
        options.service_id,
        options.short_code,
        tuple(_parameter(tlv) for tlv in options.tlvs),
        options.content,
        bool(options.link_base),
    )
    return None if made == OptionsOut() else made


def _parameter(tlv: OutgoingTlv) -> Parameter:
    return Parameter(tlv.tag, tlv.value.hex())


def bundle(lines: Sequence[bytes], account: Account) -> HttpRequest:
    """One request for many messages."""
    name = quote(account.settings.text("internal_name"), safe="")
    return HttpRequest(
        "POST",
        address(account, f"{BATCH}?account={name}"),
        (("Content-Type", "application/x-ndjson"), ("Content-Encoding", "gzip"), ("Accept", "application/x-ndjson")),
        packed(b"\n".join(lines)),
    )


def packed(data: bytes) -> bytes:
    """As gzip (RFC 1952), quickly rather than small."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def unpacked(data: bytes, most: int) -> bytes:
    """Raises ValueError for what is no gzip, or more than `most` octets when unpacked."""
    unpacker = zlib.decompressobj(31)
    try:
        plain = unpacker.decompress(data, most + 1)
    except zlib.error as error:
        raise ValueError(f"it is not gzip: {error}") from None
    if len(plain) > most:
        raise ValueError(f"unpacked it has more than {most} octets")
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("it is not one whole gzip member")
    return plain


def build(message: OutboundMessage, account: Account) -> HttpRequest | Refused:
    made = line(message, account)
    return made if isinstance(made, Refused) else bundle([made], account)


def read(response: HttpResponse, account: Account) -> SendOutcome:
    return read_bundle(response, account, 1)[0]


def read_bundle(response: HttpResponse, account: Account, count: int) -> Sequence[SendOutcome]:
    """What mid answered to a bundle of `count`: an outcome for each, in its order.

    Whatever is not understood is to be sent again: mid knows what it has.
    """
    if response.status == 202:
        try:
            taken = _taken.decode_lines(response.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            taken = []
        if len(taken) == count:
            return [Accepted((str(one.id),)) for one in taken]
        return [Deferred("mid's answer cannot be read", ACCOUNT_PAUSE_S, about=About.ACCOUNT)] * count
    if response.status == 422:
        return _refused(response, count)
    return [_trouble(response)] * count


def _trouble(response: HttpResponse) -> SendOutcome:
    status = str(response.status)
    if response.status in (429, 503):
        about = About.RATE if response.status == 429 else About.ACCOUNT
        return Deferred(_problem(response), response.retry_after_s(time.time(), 1.0), status, about)
    if status in ACCOUNT_TROUBLE:
        return Deferred(f"{ACCOUNT_TROUBLE[status]} ({_problem(response)})", ACCOUNT_PAUSE_S, status, About.ACCOUNT)
    return Deferred(_problem(response), 5.0, status, About.ACCOUNT)


def _refused(response: HttpResponse, count: int) -> Sequence[SendOutcome]:
    """Mid stores a bundle as a whole or not at all, and says which lines it cannot take: the others go again."""
    wrong: dict[int, SendOutcome] = {}
    found = response.json.get("errors", []) if isinstance(response.json, dict) else []
    for one in found if isinstance(found, list) else []:
        places, outcome = _said_of(one)
        for place in places:
            wrong.setdefault(place, outcome)
    if not any(place in wrong for place in range(1, count + 1)):
        return [Deferred(_problem(response), ACCOUNT_PAUSE_S, "422", About.ACCOUNT)] * count
    others = Deferred("another message of its bundle could not be taken", 0.0, about=About.RATE)
    return [wrong.get(place, others) for place in range(1, count + 1)]


UNKNOWN_FIELD = "is not a field of this request"
"""What the intake says of a field that it does not know."""
FOLLOW_LINKS = "options.follow_links"
"""What is wrong with it is wrong with mid's settings, and with no message."""


def _said_of(error: Any) -> tuple[Sequence[int], SendOutcome]:
    """Lines that one error in a problem is about, and what becomes of their messages."""
    named = error.get("field") if isinstance(error, dict) else None
    head, _, field = named.partition(": ") if isinstance(named, str) else ("", "", "")
    numbers = head.removeprefix("line").removeprefix("s").strip().split(",", MOST_IN_BUNDLE)
    places = [int(number) for number in numbers if number.isascii() and number.isdigit() and len(number) < 8]
    field, words = said(field), said(error.get("message")) if places else ""
    if words == UNKNOWN_FIELD:
        return places, Deferred(f"mid is older, and does not know {field}", ACCOUNT_PAUSE_S, "422", About.ACCOUNT)
    if field == FOLLOW_LINKS:
        return places, Deferred(f"mid: {field} {words}", ACCOUNT_PAUSE_S, "422", About.ACCOUNT)
    return places, Refused(f"mid: {field} {words}".strip(), "422")


def _detail(response: HttpResponse) -> str:
    """Mid's own words (RFC 9457); "" where there are none."""
    return detail_of(response)


def _problem(response: HttpResponse) -> str:
    detail = _detail(response)
    return f"mid answered HTTP {response.status}" + (f": {detail}" if detail else "")


# -- test ------------------------------------------------------------------------------------------------------------


def probe(account: Account) -> HttpRequest | None:
    return HttpRequest("GET", account_address(account), (("Accept", "application/json"),))


def probed(response: HttpResponse, account: Account) -> str:
    return next((one.words for one in findings(response, account, time.time()) if one.level == "error"), "")


def findings(response: HttpResponse, account: Account, now_s: float) -> Sequence[Found]:
    """Address, sign-in, right, version, clock and account, as far as the answer tells of them."""
    told = _told(response)
    if told is not None:
        return (
            Found("ok", "Address: a Chappe answers there."),
            _sign_in(account),
            *_rights(told),
            _version(told),
            _clock(told, now_s),
            _account_found(told, account),
            *(Found("warning", f"Mid warns: {said(words)}") for words in told.warnings[:MOST_WARNINGS]),
        )
    is_problem = response.headers.get("content-type", "").partition(";")[0].strip() == "application/problem+json"
    status, words = response.status, _problem(response)
    if not is_problem:
        return (Found("error", f"Address: no Chappe answers there ({words})."),)
    here = Found("ok", "Address: a Chappe answers there.")
    if status == 404 and _detail(response) == NO_ADDRESS:
        return (here, Found("error", "Version: that Chappe is of a version that knows no mid-sourcing."))
    if status == 401:
        return (here, Found("error", f"Sign-in: {ACCOUNT_TROUBLE['401']}."))
    if status == 403:
        return (here, _sign_in(account), Found("error", f"Right: {ACCOUNT_TROUBLE['403']} ({words})."))
    if status == 404:
        return (here, _sign_in(account), _ADMINISTRATION, Found("error", f"Account: {_detail(response) or words}"))
    return (here, Found("error", f"Sign-in: it is not known whether it works ({words})."))


class Told(msgspec.Struct):
    """What mid says of an account when it is asked for it."""

    account: str
    is_enabled: bool
    version: str
    now_ms: int
    operator: str = ""
    rights: list[str] = []
    connection: str = ""
    warnings: list[str] = []


NO_ADDRESS = "There is nothing at this address."
"""What a Chappe says of an address that it does not have."""
_ADMINISTRATION = Found("ok", "Right: the operator has administration.")
_read_told = msgspec.json.Decoder(Told)


def _told(response: HttpResponse) -> Told | None:
    if response.status != 200:
        return None
    try:
        return _read_told.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _sign_in(account: Account) -> Found:
    return Found("ok", f"Sign-in: the operator {account.settings.text('operator')} is let in.")


def _rights(told: Told) -> Sequence[Found]:
    if "administration" not in told.rights:
        return (Found("error", f"Right: {ACCOUNT_TROUBLE['403']}."),)
    replies = (
        Found("ok", "Right: the operator may change automatic replies.")
        if "replies" in told.rights
        else Found("ok", "Right: automatic replies are mid's alone.")
    )
    return (_ADMINISTRATION, replies)


def _account_found(told: Told, account: Account) -> Found:
    wanted = f"{account.settings.text('operator')}_{account.settings.text('internal_name')}"
    name = said(told.account)
    if name != wanted:
        return Found("error", f"Account: {wanted} was asked for, and mid has another one: {name}.")
    if not told.is_enabled:
        return Found("error", f"Account: {name} is switched off on mid.")
    return Found("ok", f"Account: {name} is there, by the connection {said(told.connection)}.")


def _version(told: Told) -> Found:
    version = said(told.version)
    if version == __version__:
        return Found("ok", f"Version: {version} on both sides.")
    return Found("warning", f"Version: mid has {version}, this installation {__version__}. Bring both to the same one.")


def _clock(told: Told, now_s: float) -> Found:
    """Times that mid tells are moved by the difference; people who compare both sides are to know of it."""
    ahead_s = told.now_ms / 1000 - now_s
    if abs(ahead_s) <= SLOWEST_S:
        return Found("ok", f"Clock: both sides agree within {SLOWEST_S:g} s.")
    words = f"mid is {ahead_s:.0f} s ahead" if ahead_s > 0 else f"mid is {-ahead_s:.0f} s behind"
    return Found("warning", f"Clock: {words}. Times are corrected by that; have both clocks set by NTP.")


# -- back ------------------------------------------------------------------------------------------------------------


def verify(request: HookRequest, account: Account, now_s: float) -> None:
    settings = account.settings
    secret = settings.text("signing_secret")
    if not secret:
        raise BadSignature("the setting signing_secret is empty, so no call can be checked")
    number, stamp = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
    given = request.headers.get("webhook-signature", "").split()
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 15):
        raise BadSignature("webhook-timestamp is missing or is no number of seconds")
    wanted = signatures([secret_key(secret)], number, int(stamp), request.body)
    if not any(is_same(one, wanted) for one in given):
        raise BadSignature("the call is not signed with this account's secret")
    check_age(stamp, now_s, settings.number("hook_max_age_s"))


def events(request: HookRequest, account: Account) -> list[HookEvent]:
    number = request.headers.get("webhook-id", "").removeprefix("push_")
    if not (number.isascii() and number.isdigit() and len(number) < 18):
        raise UnreadableBody("webhook-id is no number of a push")
    return [replace_number(read_pages(request.body), int(number))]


def read_pages(body: bytes) -> Pages:
    """Raises UnreadableBody."""
    try:
        pages = _pages.decode(unpacked(body, MOST_PAGES_OCTETS))
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise UnreadableBody(f"the pages cannot be read: {error}") from None
    return pages


def replace_number(pages: Pages, number: int) -> Pages:
    return msgspec.structs.replace(pages, number=number)


def reply(request: HookRequest) -> HttpResponse:
    return NOTHING
