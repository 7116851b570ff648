"""A provider of SMS and RCS that nobody wrote an adapter for, described by settings: its address, headers, way to
authenticate, payload and answers.

Its calls to us are described hook by hook (`hook_payload`), each hook with an address and a proof of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from chappe.messaging import (
    BadSignature,
    Channel,
    ErrorKind,
    FieldError,
    HookEvent,
    OutboundMessage,
    ReceiptKind,
    Refused,
    SendOutcome,
    UnreadableBody,
)
from chappe.providers.answer import answer_settings, read_answer
from chappe.providers.auth import WithHeaders
from chappe.providers.contract import Feature, ProviderSpec, Setting, Settings, SettingType
from chappe.providers.custom_auth import auth_errors, auth_of, auth_settings
from chappe.providers.header_table import header_errors, headers, locked_headers, open_headers
from chappe.providers.hook_payload import RECEIPT_KINDS, STATUSES, Meaning
from chappe.providers.http import NOTHING, Account, Auth, HookRequest, HttpRequest, HttpResponse
from chappe.providers.http_settings import ACCOUNT, http_settings, mtls_errors, url
from chappe.providers.payload import (
    LONGEST_SOURCE,
    VARIABLES,
    PayloadFailed,
    check_message_payload,
    compiled,
    values_of,
)

LONGEST_TEXT = 10_000
REQUEST = "Request"
KEPT_HEADERS = ("Content-Type", "Charset")

PAYLOAD = """{
  "from": "{{fromNumber}}",
  "to": "{{toNumber}}",
  "text": "{{message}}",
  "clientReference": "{{message_id}}"
}"""
"""What a new connection starts with."""

STATES: Mapping[str, ReceiptKind] = {
    word: RECEIPT_KINDS[meaning] for word, meaning in STATUSES.items() if meaning is not Meaning.IGNORED
}
ACCOUNT_TROUBLE: Mapping[str, str] = {}
REFUSALS: Mapping[str, str] = {}
ERROR_KINDS: Mapping[str, ErrorKind] = {}
"""What codes mean is a matter of settings."""


def _check(settings: Settings) -> Sequence[FieldError]:
    return list(_errors(settings))


def _errors(settings: Settings) -> Iterator[FieldError]:
    if problem := mtls_errors(settings):
        yield FieldError("client_certificate", problem)
    yield from auth_errors(settings)
    yield from header_errors(settings, KEPT_HEADERS)
    yield from check_message_payload(settings.text("payload"))


_ACCOUNT = (
    Setting("provider_name", SettingType.TEXT, "", "Provider's name", "As people here call it.", maximum=100),
    Setting(
        "provider_app_id",
        SettingType.TEXT,
        "",
        "Application id",
        "Issued by the provider; in the payload and in headers it is {{appId}}.",
        maximum=200,
    ),
    replace(
        url("url", "Provider's URL", "The address of its API, to which each message is posted."),
        required=True,
    ),
    Setting(
        "sender",
        SettingType.TEXT,
        "",
        "Sender",
        "For messages that name none: a number, a short code or a name, written as the provider wants it.",
        maximum=64,
    ),
)
_REQUEST = (
    headers(
        "Headers of each request. Content-Type and Charset stay, their values may change. A locked value is encrypted, never "
        "shown again, and the same for all messages.",
        KEPT_HEADERS,
    ),
    Setting(
        "payload",
        SettingType.TEXT,
        PAYLOAD,
        "Payload",
        "The body of each request: JSON with values in double braces. A value within quotation marks is escaped, one without "
        "is JSON of its own. There are " + "; ".join(f"{name}: {what}" for name, what in VARIABLES.items()) + ".",
        maximum=LONGEST_SOURCE,
        required=True,
    ),
)

SPEC = ProviderSpec(
    key="custom",
    label="Custom provider",
    channels=frozenset({Channel.SMS, Channel.RCS}),
    has_described_hooks=True,
    summary="SMS and RCS by any provider that takes JSON over HTTP, described by its settings.",
    features=frozenset(
        {
            Feature.RECEIPTS,
            Feature.READ_RECEIPTS,
            Feature.INBOUND,
            Feature.SENDER_OVERRIDE,
            Feature.CUSTOM_PARAMETERS,
            Feature.SIGNED_HOOKS,
        }
    ),
    settings=(
        *(replace(setting, group=ACCOUNT) for setting in _ACCOUNT),
        *auth_settings(),
        *(replace(setting, group=REQUEST) for setting in _REQUEST),
        *answer_settings(),
        *http_settings(rate_per_s=0, concurrency=25),
    ),
    check=_check,
)

QUIRKS: tuple[str, ...] = (
    "The token endpoint of OAuth is called without the client certificate.",
    "A message with RCS content goes out as the payload says: content is the whole of it, message the text for other phones.",
    "An answer of 5xx leaves it unknown whether the message was taken, whatever it says, unless its code is one of those that "
    "are tried again.",
    "An answer of 4xx in which neither a code nor a text is found refuses nothing: the message is tried again.",
    "A hook without a proof is believed by its address alone, which nobody can guess.",
)
HOOK_SETUP: tuple[str, ...] = (
    "Make a hook of the kind Feedback for this connection, paste a status report of the provider into its payload, and put "
    "placeholders where the values stand.",
    "Give its address to the provider, at its site or as a constant of the payload: {status_url}.",
    "Make a hook of the kind Inbound likewise, and give the provider its address for texts from phones: {inbound_url}.",
    "Choose the proof that the provider can give with each call: a header, Basic authentication or an HMAC.",
)
HOOK_PROOF = (
    "Each hook says what it asks of a call: a fixed header, Basic authentication, an HMAC of the body, or nothing but its "
    "address, which nobody can guess."
)
SOURCES: tuple[str, ...] = ("https://www.rfc-editor.org/rfc/rfc9110", "https://www.rfc-editor.org/rfc/rfc6749")


def auth(account: Account) -> Auth:
    locked = locked_headers(account.settings)
    way = auth_of(account.settings)
    return WithHeaders(way, locked) if locked else way


def build(message: OutboundMessage, account: Account) -> HttpRequest | Refused:
    settings = account.settings
    if len(message.body) > LONGEST_TEXT:
        return Refused(f"the text has {len(message.body)} characters; at most {LONGEST_TEXT} can be sent")
    values = values_of(message, account, message.sender or settings.text("sender"))
    try:
        body = compiled(settings.text("payload")).render(values)
        own_headers = open_headers(settings, values)
    except PayloadFailed as error:
        return Refused(str(error))
    return HttpRequest("POST", settings.text("url"), own_headers, body)


def read(response: HttpResponse, account: Account) -> SendOutcome:
    return read_answer(response, account.settings, _name(account))


def _name(account: Account) -> str:
    return account.settings.text("provider_name") or "the provider"


def probe(account: Account) -> HttpRequest | None:
    """None: no call is known to cost nothing. With OAuth the fetch of the token shows what it can."""
    return None


def probed(response: HttpResponse, account: Account) -> str:
    return ""


def verify(request: HookRequest, account: Account, now_s: float) -> None:
    """Each hook has its own proof (`hook_payload.verify_hook`); a call to the connection at large has none."""
    raise BadSignature("calls of this provider are taken at the addresses of its hooks only")


def events(request: HookRequest, account: Account) -> list[HookEvent]:
    """Likewise (`hook_payload.events_of`)."""
    raise UnreadableBody("calls of this provider are taken at the addresses of its hooks only")


def reply(request: HookRequest) -> HttpResponse:
    return NOTHING
