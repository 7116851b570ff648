"""Every knob of the simulated HTTP providers, with its unit, its limits and what it does: the one declaration from
which files are read, live changes are checked and docs/reference/http-simulator.md is written.
"""

import re
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from chappe.messaging import ConfigError, FieldError

from .quirks import Count, Fraction, Keep, Milliseconds, Seconds

EVERY: Final = "*"
"""Stands for every vendor where knobs are given."""
AT_START: Final = frozenset({"tls_certificate", "tls_key", "client_ca", "seed", "hook_connections"})
"""Knobs that are read when the simulator starts and stay as they are."""


class VendorRefusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Messages to some recipients are refused."""

    pattern: str
    """A regular expression that is looked for anywhere in the recipient."""
    code: str | int
    """The vendor's code, such as 21610 at Twilio or 52 at Infobip."""
    fraction: Fraction = 1.0
    """How many of the recipients that fit."""


class FailedStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Status reports of a fraction of the recipients do not say that the message was delivered."""

    status: str
    """The vendor's word, or number, such as undelivered at Twilio."""
    fraction: Fraction
    """How many of the recipients."""
    code: str = ""
    """The vendor's error code beside it."""


class InboundText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text from a phone: either `per_s` or `reply_to` says when."""

    text: str
    """The text."""
    per_s: Annotated[float, Meta(gt=0, le=10_000)] | None = None
    """So many each second."""
    reply_to: str | None = None
    """As a reply to messages in whose text this regular expression is found; an empty one is found in every text."""
    probability: Fraction = 1.0
    """For replies: how many of the recipients answer."""
    delay_ms: Milliseconds = 1000.0
    """For replies: how long after the message."""
    sender: str = "+336{n:08d}"
    """The phone, where it is no reply; `{n}` and `{n:08d}` stand for the number of texts so far."""
    recipient: str = ""
    """The number it is sent to. Left out: for a reply the sender of the message, else +33700000001."""


class VendorQuirks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one simulated vendor does. A knob left out does nothing."""

    account: dict[str, str] = msgspec.field(default_factory=dict)
    """The account at the vendor: credentials, and settings that the vendor keeps. Those left out are as listed above; a
    credential that is empty is not checked."""
    latency_ms: Milliseconds = 0.0
    """From a request to its answer."""
    latency_jitter_ms: Milliseconds = 0.0
    """Up to so much more, evenly spread by recipient."""
    rate_limit: Count = 0
    """Requests to send taken within any second; what goes beyond is answered as too many. 0: any number."""
    throttled_fraction: Fraction = 0.0
    """Recipients whose messages are answered as too many requests (429, or the vendor's own way)."""
    retry_after_s: Seconds | None = 1.0
    """What `Retry-After` says beside a 429; null: there is none."""
    failure_fraction: Fraction = 0.0
    """Recipients whose messages are answered with a server error, and not taken."""
    failure_status: Annotated[int, Meta(ge=500, le=599)] = 503
    """Its HTTP status."""
    unlucky_tries: Count = 1
    """How many requests to such a recipient are throttled or failed, unanswered, cut or answered with garbage before
    one goes well. 0: all of them."""
    refusals: tuple[VendorRefusal, ...] = ()
    """Recipients that are refused, by pattern; the first that fits counts."""
    hang_fraction: Fraction = 0.0
    """Recipients whose messages are taken and never answered."""
    cut_fraction: Fraction = 0.0
    """Recipients whose messages are taken, and the connection is closed in the middle of the answer."""
    garbage_fraction: Fraction = 0.0
    """Recipients whose messages are taken and answered with what cannot be read."""
    token_lifetime_s: Annotated[int, Meta(ge=1, le=31_536_000)] = 3599
    """How long a token is good, where the vendor gives tokens."""
    token_refusals: Count = 0
    """How many requests for a token are answered with an error before the first is answered with one."""
    token_refusal_status: Annotated[int, Meta(ge=400, le=599)] = 503
    """The HTTP status of those errors."""
    status_hooks: bool = True
    """Whether messages get status reports."""
    status_url: str = ""
    """Where status reports go, where the message names no address itself. Empty: nowhere."""
    status_delay_ms: Milliseconds = 1000.0
    """From a message to its last report but for `read`; where it is shorter than the latency, the report comes before
    the answer."""
    status_spread_ms: Milliseconds = 0.0
    """Up to so much more, evenly spread by recipient."""
    intermediate: bool = False
    """Whether a report that the message was sent comes first, at half of the delay."""
    failures: tuple[FailedStatus, ...] = ()
    """Recipients that are not reached, by fraction."""
    never_fraction: Fraction = 0.0
    """Recipients whose messages never get a report."""
    duplicate_fraction: Fraction = 0.0
    """Recipients whose last report comes twice."""
    duplicate_after_ms: Milliseconds = 0.0
    """How long after the first the second comes."""
    out_of_order_fraction: Fraction = 0.0
    """Recipients whose report that the message was sent comes after the last one instead of before it."""
    unknown_fraction: Fraction = 0.0
    """Recipients that get a report with a status word nobody knows before the last one."""
    unknown_status: Annotated[str, Meta(min_length=1)] = "simulated"
    """That word; a vendor whose statuses are numbers reads it as one, or says 9999."""
    wrong_signature_fraction: Fraction = 0.0
    """Recipients whose reports and replies are signed with another secret, or carry another password."""
    read_fraction: Fraction = 0.0
    """Recipients of delivered messages who read them: one more report, a delay later, where the vendor has a word for
    it."""
    inbound_url: str = ""
    """Where texts from phones go. Empty: nowhere."""
    inbound: tuple[InboundText, ...] = ()
    """Texts from phones."""
    hook_address: str = ""
    """host:port that hooks are sent to, whatever their URL says, without TLS: as if a proxy stood before the one who is
    called. The URL, which is signed, and `Host` stay as they are. Empty: where the URL says."""


class HttpQuirks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the simulated HTTP providers do."""

    seed: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] = 1
    """Decides, together with a recipient, the fate of that recipient: the same seed and the same recipients give the
    same counts."""
    keep: Keep = Keep.MESSAGES
    """What is remembered: `messages` (the latest `keep_messages` of them, to be looked at, and every identity),
    `identities` (enough for duplicates and for what is missing) or `counts` (memory that does not grow)."""
    keep_messages: Count = 100000
    """How many messages are remembered to be looked at."""
    identity: str = ""
    """A regular expression with one group that finds a message's identity in its text, such as `#(\\d+)`. Left out,
    recipient and text together are the identity."""
    tls_certificate: str = ""
    """Path of a certificate chain (PEM): the server speaks TLS."""
    tls_key: str = ""
    """Path of the key of that certificate (PEM)."""
    client_ca: str = ""
    """Path of the certificates (PEM) by one of which a client's own has to be signed. Empty: clients show none."""
    hook_connections: Annotated[int, Meta(ge=1, le=1000)] = 32
    """Hooks that may wait for an answer at a time, each on a connection that is kept open."""
    hook_tries: Annotated[int, Meta(ge=1)] = 5
    """How often a hook is called before it is given up; any answer from 200 to 299 takes it. A further try is the same
    call, with the times and signatures of the first."""
    hook_pause_ms: Milliseconds = 1000.0
    """How long a hook waits that was not taken; twice as long after each further try."""
    hook_timeout_ms: Annotated[float, Meta(ge=10, le=86_400_000)] = 10000.0
    """How long the answer to a hook may take."""
    vendors: dict[str, VendorQuirks] = msgspec.field(default_factory=dict)
    """The knobs of each vendor by its name; `*` stands for every vendor."""


GROUPS: Final = {
    "account": "Account",
    "latency_ms": "Answers",
    "refusals": "Refusals",
    "hang_fraction": "Answers that go wrong",
    "token_lifetime_s": "Tokens",
    "status_hooks": "Status reports",
    "inbound_url": "Texts from phones",
    "hook_address": "How hooks are reached",
}
"""The knob of a vendor that each group begins with, in the order of the declaration."""

TABLES: Final[dict[str, type[msgspec.Struct]]] = {
    "refusals": VendorRefusal,
    "failures": FailedStatus,
    "inbound": InboundText,
}
"""Knobs that hold tables, and what each of those is."""


def check(quirks: HttpQuirks) -> list[FieldError]:
    """What the types do not say."""
    errors = _check_pattern("identity", quirks.identity)
    if quirks.identity and not errors and re.compile(quirks.identity).groups != 1:
        errors.append(FieldError("identity", "needs exactly one group (a part in parentheses)"))
    if bool(quirks.tls_certificate) != bool(quirks.tls_key):
        errors.append(FieldError("tls_key", "certificate and key are given together"))
    if quirks.client_ca and not quirks.tls_certificate:
        errors.append(FieldError("client_ca", "clients show certificates only where tls_certificate is given"))
    for name, vendor in quirks.vendors.items():
        errors += [FieldError(f"vendors.{name}.{one.field}", one.message) for one in _check_vendor(vendor)]
    return errors


def _check_vendor(vendor: VendorQuirks) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, refusal in enumerate(vendor.refusals):
        errors += _check_pattern(f"refusals[{index}].pattern", refusal.pattern)
    for index, text in enumerate(vendor.inbound):
        if (text.per_s is None) == (text.reply_to is None):
            errors.append(FieldError(f"inbound[{index}]", "either per_s or reply_to is expected"))
        errors += _check_pattern(f"inbound[{index}].reply_to", text.reply_to or "")
        errors += _check_sender(f"inbound[{index}].sender", text.sender)
    if sum(failure.fraction for failure in vendor.failures) > 1:
        errors.append(FieldError("failures", "the fractions add up to more than 1"))
    for name in ("status_url", "inbound_url"):
        url = getattr(vendor, name)
        if url and not is_url(url):
            errors.append(FieldError(name, "an address that begins with http:// or https:// is expected"))
    if vendor.hook_address and not _is_address(vendor.hook_address):
        errors.append(FieldError("hook_address", "host:port is expected"))
    return errors


def is_url(url: str) -> bool:
    """Whether a hook can be called there."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _is_address(address: str) -> bool:
    return is_url(f"http://{address}") and address.rpartition(":")[2].isdigit()


def _check_pattern(name: str, pattern: str) -> list[FieldError]:
    try:
        re.compile(pattern)
    except re.error as error:
        return [FieldError(name, f"is not a regular expression: {error}")]
    return []


def _check_sender(name: str, sender: str) -> list[FieldError]:
    try:
        sender.format(n=0)
    except (ValueError, LookupError, AttributeError):
        return [FieldError(name, "no other placeholder than {n}, such as {n:08d}, is expected")]
    return []


def config_error(field: str, message: str) -> ConfigError:
    """One thing wrong with one field."""
    return ConfigError([FieldError(field, message)])


def builtins(value: object) -> Any:
    """A struct as plain tables."""
    return msgspec.to_builtins(value)
