"""What an adapter of an HTTP provider is: a file of facts and five or six functions, without input or output.

The engine's sender owns sockets, time-outs, address rules, tokens, masking and retries; the web process owns the hooks'
URLs, limits and commits. So an adapter is tested with bytes alone.
"""

import base64
import math
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Literal, Protocol, cast
from urllib.parse import parse_qsl, urlsplit

import msgspec

from chappe.messaging import (
    About,
    Deferred,
    ErrorKind,
    HookEvent,
    OutboundMessage,
    ReceiptKind,
    Refused,
    SendOutcome,
    Unknown,
)
from chappe.providers.contract import ProviderSpec, Settings

LONGEST_PAUSE_S = 3600.0
"""Of what a provider asks for by Retry-After, no more is believed."""

LONGEST_SAID = 200
"""Characters that are kept of a provider's own words."""

ACCOUNT_PAUSE_S = 60.0
"""Before the next message is tried after the provider turned our account away."""

Pairs = Sequence[tuple[str, str]]


class HttpRequest(msgspec.Struct, frozen=True):
    """A request, complete but for the proof of who sends it, which its connection's `Auth` adds."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def with_header(self, name: str, value: str) -> "HttpRequest":
        """The same with this header, in place of another of the same name."""
        others = tuple(header for header in self.headers if header[0].lower() != name.lower())
        return msgspec.structs.replace(self, headers=(*others, (name, value)))


@dataclass(frozen=True)
class HttpResponse:
    """An answer. Names of `headers` are in lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @cached_property
    def json(self) -> Any:
        """The body as JSON, None where it is none."""
        return read_json(self.body)

    def retry_after_s(self, now_s: float, default: float) -> float:
        """What Retry-After says (RFC 9110, section 10.2.3), in seconds or as a date; `default` where it says nothing."""
        text = self.headers.get("retry-after", "").strip()
        if not text:
            return default
        try:
            wanted = float(text) if text[:1].isdigit() else parsedate_to_datetime(text).timestamp() - now_s
        except (ValueError, TypeError, OverflowError):
            return default
        return min(max(0.0, wanted), LONGEST_PAUSE_S) if math.isfinite(wanted) else default


@dataclass(frozen=True)
class HookRequest:
    """A call to one of our hooks. `url` is as the provider called it, scheme and host included, query octet for octet.

    Names of `headers` are in lower case.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @cached_property
    def query(self) -> Pairs:
        """Of the URL, decoded, in order, empty values included."""
        return _pairs(urlsplit(self.url).query)

    @cached_property
    def form(self) -> Pairs:
        """Of the body where it is form-encoded, decoded, in order, empty values included; else nothing."""
        if self.content_type != "application/x-www-form-urlencoded":
            return ()
        return _pairs(self.body.decode("utf-8", "replace"))

    @cached_property
    def json(self) -> Any:
        """The body as JSON, None where it is none."""
        return read_json(self.body)

    def basic(self) -> tuple[str, str] | None:
        """User and password of Basic authentication (RFC 7617); None where there are none."""
        scheme, _, rest = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            user, colon, password = base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")
        except ValueError:
            return None
        return (user, password) if colon else None

    def bearer(self) -> str:
        """The token of `Authorization: Bearer`, "" where there is none."""
        scheme, _, rest = self.headers.get("authorization", "").partition(" ")
        return rest.strip() if scheme.lower() == "bearer" else ""


@dataclass(frozen=True)
class Account:
    """A connection as its adapter sees it.

    `status_url` is where the provider tells what became of messages, `inbound_url` where it brings texts from phones; ""
    where this installation has no public address.
    """

    settings: Settings
    connection_id: int = 0
    organisation_id: int = 0
    status_url: str = ""
    inbound_url: str = ""


@dataclass(frozen=True)
class Token:
    """What a token endpoint gave, and for how long."""

    value: str = field(repr=False)
    expires_in_s: float


class TokenRefused(Exception):
    """The token endpoint gave no token. `reason` is for the operator and holds no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Auth(Protocol):
    """How requests of one connection prove who sends them."""

    @property
    def needs_token(self) -> bool:
        """Whether `fetch` must have been gone through before `sign`."""

    def sign(self, request: HttpRequest, token: str, now_s: float) -> HttpRequest:
        """The request with its proof. Called for each request when it goes out; `token` is "" where none is needed."""

    def fetch(self, now_s: float) -> Generator[HttpRequest, HttpResponse, Token]:
        """Yields requests, is sent their responses, returns the token. Raises TokenRefused."""


class HttpProvider(Protocol):
    """What a module in this room offers to be an HTTP provider; `registry.HTTP` lists them."""

    SPEC: ProviderSpec

    STATES: Mapping[str, ReceiptKind]
    """The provider's words for what became of a message. A word that is not here changes nothing, and is kept."""

    ACCOUNT_TROUBLE: Mapping[str, str]
    """Its codes for what is wrong with our account: nothing goes out for a while, and no message fails."""

    REFUSALS: Mapping[str, str]
    """Its codes with which a message is refused for good → the reason that people are shown."""

    ERROR_KINDS: Mapping[str, ErrorKind]
    """Its codes of errors in receipts → what they say of the recipient. Others are qualified by people."""

    HOOK_SETUP: tuple[str, ...]
    """What is to be done at the provider so that it calls us: steps, with {status_url} and {inbound_url} in them."""

    HOOK_PROOF: str
    """How its calls prove whose they are."""

    QUIRKS: tuple[str, ...]
    """What nobody expects, each with the month in which it was so."""

    SOURCES: tuple[str, ...]
    """The provider's pages, and the releases of its SDKs, that the adapter was written from."""

    def auth(self, account: Account) -> Auth: ...

    def build(self, message: OutboundMessage, account: Account) -> HttpRequest | Refused:
        """The request that sends a message; its whole text, however many segments that makes."""

    def read(self, response: HttpResponse, account: Account) -> SendOutcome:
        """What the provider answered. For any octets whatever; a 5xx after a whole request is `Unknown` unless the
        provider says that it took nothing."""

    def probe(self, account: Account) -> HttpRequest | None:
        """A request that costs nothing and shows whether the credentials are right; None where there is none."""

    def probed(self, response: HttpResponse, account: Account) -> str:
        """What is wrong according to the answer to `probe`, in words for the operator; "" when all is well."""

    def verify(self, request: HookRequest, account: Account, now_s: float) -> None:
        """Raises BadSignature unless the call carries the provider's proof: absent, wrong and too old alike."""

    def events(self, request: HookRequest, account: Account) -> list[HookEvent]:
        """What a verified call tells, in its order; nothing for what does not concern us. Raises UnreadableBody."""

    def reply(self, request: HookRequest) -> HttpResponse:
        """What the provider wants to hear once the events are committed."""


class Bundler(HttpProvider, Protocol):
    """An adapter that sends many messages by one request."""

    MOST_IN_BUNDLE: int
    MOST_OCTETS_IN_BUNDLE: int
    """Of its lines; one line alone may have more."""

    def line(self, message: OutboundMessage, account: Account) -> bytes | Refused:
        """A message's part of a request."""

    def bundle(self, lines: Sequence[bytes], account: Account) -> HttpRequest:
        """The request that sends them; `MOST_IN_BUNDLE` at most."""

    def read_bundle(self, response: HttpResponse, account: Account, count: int) -> Sequence[SendOutcome]:
        """What the provider answered to a bundle of `count`, for each in its order. For any octets whatever."""


def bundler(adapter: HttpProvider) -> Bundler | None:
    """The adapter, if it sends many messages by one request."""
    return cast(Bundler, adapter) if hasattr(adapter, "read_bundle") else None


@dataclass(frozen=True)
class Found:
    """One of several things that the answer to a `probe` tells, in words for the operator."""

    level: Literal["ok", "warning", "error"]
    words: str


class Examiner(HttpProvider, Protocol):
    """An adapter whose `probe` shows more than whether the credentials are right."""

    def findings(self, response: HttpResponse, account: Account, now_s: float) -> Sequence[Found]:
        """All of it, one by one. `now_s` is our time when it was answered. For any octets whatever."""


def examiner(adapter: HttpProvider) -> Examiner | None:
    """The adapter, if its `probe` shows more than one thing."""
    return cast(Examiner, adapter) if hasattr(adapter, "findings") else None


NOTHING = HttpResponse(204)
"""The usual answer to a hook."""


def seconds_left(message: OutboundMessage, shortest_s: int, longest_s: int) -> int | None:
    """Until the message's validity ends, held within what the provider takes; None where it has no end."""
    if not message.expires_ms:
        return None
    return min(max(shortest_s, math.floor(message.expires_ms / 1000 - time.time())), longest_s)


_ACCOUNT_TROUBLE = {
    401: "wrong credentials",
    402: "no balance left",
    403: "not allowed to this account",
}


def unexplained(response: HttpResponse, provider: str) -> SendOutcome:
    """The outcome of a send where only the HTTP status of the answer is understood."""
    status = response.status
    reason = f"{provider} answered HTTP {status}"
    if status == 429:
        return Deferred(f"{reason}: too many requests", response.retry_after_s(time.time(), 1.0), "429", About.RATE)
    if response.is_success or status >= 500 or status < 200:
        return Unknown(f"{reason}, with nothing that tells whether the message was taken")
    if status in (401, 402, 403, 404, 405) or status < 400:
        return Deferred(
            f"{reason}: {_ACCOUNT_TROUBLE.get(status, 'not the API')}", ACCOUNT_PAUSE_S, str(status), About.ACCOUNT
        )
    return Deferred(f"{reason} without saying why", ACCOUNT_PAUSE_S, str(status))


def probe_problem(response: HttpResponse, provider: str) -> str:
    """What is wrong according to the HTTP status of an answer to a probe; "" where it is a success."""
    if response.is_success:
        return ""
    trouble = _ACCOUNT_TROUBLE.get(response.status)
    if trouble is None and 300 <= response.status < 500 and response.status != 429:
        trouble = "not the API; check the base URL and the account"
    return f"{provider} answered HTTP {response.status}" + (f": {trouble}" if trouble else "; try again later")


def said(value: Any) -> str:
    """A provider's own word or text, fit to be kept and shown: one line, not too long; "" for what is no text or number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = " ".join(str(value)[: 4 * LONGEST_SAID].split())
    text = "".join(c for c in text if c.isprintable())
    return text if len(text) <= LONGEST_SAID else text[: LONGEST_SAID - 1] + "…"


def detail_of(response: HttpResponse) -> str:
    """What a problem (RFC 9457, 3.1.4) says of itself, fit to be shown; "" where the answer is none."""
    return said(response.json.get("detail")) if isinstance(response.json, dict) else ""


def plus_number(value: Any) -> str:
    """A number as we hold it, from one that a provider writes with "+", with "00" or with neither.

    E.164 numbers have 7 to 15 digits and begin with none of 0; short codes and names stay as they are.
    """
    text = said(value)
    digits = text.removeprefix("+") if text.startswith("+") else text.removeprefix("00")
    is_number = 7 <= len(digits) <= 15 and digits.isascii() and digits.isdigit() and not digits.startswith("0")
    return f"+{digits}" if is_number else text


def read_json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _pairs(text: str) -> Pairs:
    try:
        return tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=1000))
    except ValueError:
        return ()
