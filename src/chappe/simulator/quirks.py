"""Every knob of the simulator, with its unit, its limits and what it does: the one declaration from which files are
read, live changes are checked and docs/reference/simulator.md is written.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from chappe.gsm import Encoding, TooManySegments, Unencodable, count
from chappe.messaging import ConfigError, FieldError
from chappe.smpp import CommandStatus
from chappe.smpp.receipt import DIALECTS

from .message_id import IdFormat

TLV_ONLY: Final = "tlv_only"
RECEIPT_DIALECTS: Final = (*DIALECTS, TLV_ONLY)
AT_START: Final = frozenset({"tls_certificate", "tls_key", "seed", "id_start"})
"""Knobs that are read when the simulator starts and stay as they are."""


class ReceiptsFor(StrEnum):
    """Which messages get a receipt."""

    ASKED = "asked"
    ALL = "all"
    NONE = "none"


class DelayShape(StrEnum):
    """How the delays of receipts spread."""

    FIXED = "fixed"
    UNIFORM = "uniform"
    EXPONENTIAL = "exponential"


class ReceiptText(StrEnum):
    """What stands after `text:` in a receipt."""

    START = "start"
    WHOLE = "whole"
    EMPTY = "empty"
    HOSTILE = "hostile"


class Garbage(StrEnum):
    """What kind of nonsense is sent."""

    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    BROKEN = "broken"


class DropMoment(StrEnum):
    """When a link that is to be dropped goes, seen from the message that does it."""

    BEFORE_ANSWER = "before_answer"
    AFTER_ANSWER = "after_answer"


class Segmentation(StrEnum):
    """How a long inbound text is carried."""

    UDH8 = "udh8"
    UDH16 = "udh16"
    SAR = "sar"
    PAYLOAD = "payload"


class Keep(StrEnum):
    """What is remembered of each message."""

    MESSAGES = "messages"
    IDENTITIES = "identities"
    COUNTS = "counts"


Fraction = Annotated[float, Meta(ge=0, le=1)]
Milliseconds = Annotated[float, Meta(ge=0, le=86_400_000)]
Seconds = Annotated[float, Meta(ge=0, le=31_536_000)]
Count = Annotated[int, Meta(ge=0)]


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Receipts of a fraction of the numbers do not say DELIVRD."""

    stat: Annotated[str, Meta(pattern="^[A-Za-z]{1,10}$")]
    """What they say, such as UNDELIV, EXPIRED or REJECTD."""
    err: Annotated[str, Meta(pattern="^[0-9A-Za-z]{1,6}$")]
    """The err beside it, such as 001."""
    fraction: Fraction
    """How many of the numbers."""


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Messages to some numbers are refused."""

    pattern: str
    """A regular expression that is looked for anywhere in the number."""
    status: str | int
    """The command_status, by name or number."""
    fraction: Fraction = 1.0
    """How many of the numbers that fit."""


class ThrottleWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time in which every message is answered ESME_RTHROTTLED."""

    from_s: Seconds
    """Its beginning, from the start of the simulator or of the period."""
    to_s: Seconds
    """Its end."""
    every_s: Seconds = 0.0
    """The length of the period, when it comes again. 0: it comes once."""


class InboundTlv(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An optional parameter of an inbound text."""

    tag: Annotated[int, Meta(ge=0, le=0xFFFF)]
    """Its tag."""
    value: Annotated[str, Meta(pattern="^([0-9A-Fa-f]{2})*$")] = ""
    """Its value in hexadecimal."""


class Inbound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text from a phone: exactly one of `after_s`, `every_s` and `reply_to` says when."""

    text: str
    """The text."""
    after_s: Seconds | None = None
    """Once, so long after the start or the change of the script."""
    every_s: Annotated[float, Meta(gt=0, le=31_536_000)] | None = None
    """Again and again, with so much time between."""
    reply_to: str | None = None
    """As a reply to messages in whose text this regular expression is found; an empty one is found in every text. Of
    a message in segments the first is looked at."""
    to: str | None = None
    """For replies: a regular expression that has to be found in the number as well."""
    probability: Fraction = 1.0
    """For replies: how many of the numbers answer."""
    delay_ms: Milliseconds = 1000.0
    """For replies: how long after the message."""
    sender: str = "336{n:08d}"
    """The phone, where it is no reply; `{n}` and `{n:08d}` stand for the number of texts so far."""
    recipient: str = ""
    """The short code or name it is sent to. Left out: for a reply the sender of the message, else 38600."""
    system_id: str = ""
    """Whose text it is. Left out: of the first account that receives."""
    count: Annotated[int, Meta(ge=1, le=100_000)] = 1
    """How many at once, where it is no reply."""
    encoding: Encoding = Encoding.GSM
    """How it is encoded."""
    data_coding: Annotated[int, Meta(ge=0, le=255)] | None = None
    """The data_coding it carries. Left out: 0, 3 or 8, as it is encoded."""
    segmentation: Segmentation = Segmentation.UDH8
    """How a long one is carried: by user data headers with a reference of 8 or 16 bits (`udh8`, `udh16`), by `sar_*`
    parameters (`sar`), or whole in message_payload (`payload`)."""
    is_shuffled: bool = False
    """Whether segments come in any order."""
    tlvs: tuple[InboundTlv, ...] = ()
    """Optional parameters on every segment."""


class Quirks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the simulated SMSC does. A knob left out does nothing."""

    seed: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] = 1
    """Decides, together with a number, the fate of that number: the same seed and the same numbers give the same
    counts."""
    keep: Keep = Keep.MESSAGES
    """What is remembered: `messages` (the latest `keep_messages` of them, to be looked at, and every identity),
    `identities` (enough for duplicates and for what is missing) or `counts` (memory that does not grow)."""
    keep_messages: Count = 100000
    """How many messages are remembered to be looked at."""
    identity: str = ""
    """A regular expression with one group that finds a message's identity in its text, such as `#(\\d+)`. Left out,
    number and text together are the identity."""
    identity_tlv: Annotated[int, Meta(ge=0, le=65535)] | None = None
    """The tag of an optional parameter that holds the identity instead."""
    accounts: dict[str, str] = msgspec.field(default_factory=dict)
    """Who may bind: system_id and password. Empty: anybody."""
    smsc_id: Annotated[str, Meta(max_length=15)] = "CHAPPE-SIM"
    """The system_id of the SMSC itself."""
    bind_refusals: Count = 0
    """How many binds are refused before the first is accepted."""
    bind_refusal_status: str | int = "ESME_RBINDFAIL"
    """The command_status of those refusals, by name or number."""
    most_links: Count = 0
    """Links that one system_id may have at once; one more is refused ESME_RALYBND. 0: any number."""
    tls_certificate: str = ""
    """Path of a certificate chain (PEM): links speak TLS."""
    tls_key: str = ""
    """Path of the key of that certificate (PEM)."""
    latency_ms: Milliseconds = 0.0
    """From a message to its submit_sm_resp."""
    latency_jitter_ms: Milliseconds = 0.0
    """Up to so much more, evenly spread, drawn for each read."""
    late_answer_fraction: Fraction = 0.0
    """Numbers whose messages are answered late."""
    late_answer_ms: Milliseconds = 70000.0
    """How late: longer than the client waits."""
    no_answer_fraction: Fraction = 0.0
    """Numbers whose messages are taken and never answered."""
    throttled_fraction: Fraction = 0.0
    """Numbers whose messages are answered ESME_RTHROTTLED."""
    unlucky_tries: Annotated[int, Meta(ge=1)] = 1
    """How many messages to such a number are late, unanswered or throttled before one goes well."""
    window_limit: Count = 0
    """Unanswered messages that one link may have; what goes beyond is refused. 0: any number."""
    window_status: str | int = "ESME_RTHROTTLED"
    """The command_status of that refusal, such as ESME_RTHROTTLED or ESME_RMSGQFUL."""
    rate_limit: Count = 0
    """Messages that one link may send within any second; what goes beyond is answered ESME_RTHROTTLED. 0: any
    number."""
    throttle_windows: tuple[ThrottleWindow, ...] = ()
    """Times in which everything is answered ESME_RTHROTTLED. `POST /throttle` begins one at once."""
    refusals: tuple[Refusal, ...] = ()
    """Numbers that are refused, by pattern; the first that fits counts."""
    id_format: IdFormat = IdFormat.DECIMAL
    """How ids are written in submit_sm_resp."""
    id_width: Annotated[int, Meta(ge=0, le=32)] = 0
    """Zeros are put before ids in submit_sm_resp up to this width."""
    receipt_id_format: IdFormat | None = None
    """How ids are written in receipts; left out, as in submit_sm_resp."""
    receipt_id_width: Annotated[int, Meta(ge=0, le=32)] | None = None
    """The same for ids in receipts; left out, as in submit_sm_resp."""
    id_start: Annotated[int, Meta(ge=0, lt=1 << 48)] = 0
    """The number behind the first id. 0: made from the clock, so that no id comes twice when the simulator starts
    again."""
    receipts: ReceiptsFor = ReceiptsFor.ASKED
    """Which messages get a receipt: those that ask for one in registered_delivery, all or none."""
    receipt_delay_ms: Milliseconds = 1000.0
    """From a message to its receipt."""
    receipt_spread_ms: Milliseconds = 0.0
    """How much more it may be, by the shape: the most for `uniform`, the mean for `exponential`."""
    receipt_shape: DelayShape = DelayShape.FIXED
    """How the delays spread."""
    receipt_window: Annotated[int, Meta(ge=1, le=1000000)] = 1000
    """deliver_sm that may wait for an answer on one link that is opened from now on."""
    receipt_dialect: str = "standard"
    """How receipts are written; `tlv_only` has no text at all, only optional parameters."""
    receipt_text: ReceiptText = ReceiptText.START
    """What stands after `text:`: the `start` of the message (20 octets), the `whole` message as far as it fits,
    nothing (`empty`), or what looks like a receipt itself (`hostile`)."""
    receipt_tlvs: bool = False
    """Whether receipts carry receipted_message_id and message_state as well."""
    failures: tuple[Failure, ...] = ()
    """Numbers that are not reached, by fraction."""
    never_fraction: Fraction = 0.0
    """Numbers that never get a receipt."""
    early_fraction: Fraction = 0.0
    """Numbers whose receipts come before the submit_sm_resp."""
    early_by_ms: Milliseconds = 0.0
    """How much later than its receipt such a submit_sm_resp comes, at least."""
    duplicate_fraction: Fraction = 0.0
    """Numbers whose receipts come twice."""
    duplicate_after_ms: Milliseconds = 0.0
    """How long after the first the second comes."""
    intermediate_fraction: Fraction = 0.0
    """Numbers that get an intermediate receipt, at half of the delay."""
    intermediate_stat: str = "ENROUTE"
    """What it says, such as ENROUTE or ACCEPTD."""
    intermediate_is_receipt: bool = False
    """Whether esm_class calls it a receipt, as many SMSCs do, instead of an intermediate notification."""
    redelivery_pause_ms: Milliseconds = 5000.0
    """How long a receipt or text waits that was refused or not answered."""
    redelivery_tries: Annotated[int, Meta(ge=1)] = 10
    """How often it is sent before it is given up. What a lost link leaves behind is not counted as a try."""
    answer_timeout_ms: Annotated[float, Meta(ge=10, le=86400000)] = 30000.0
    """How long the simulator waits for a deliver_sm_resp, on links opened from now on."""
    drop_after_messages: Count = 0
    """A link is dropped by its message of this number. 0: never."""
    drop_every_s: Seconds = 0.0
    """All links are dropped every so many seconds. 0: never."""
    drop_moment: DropMoment = DropMoment.BEFORE_ANSWER
    """Whether the message that drops the link is answered first."""
    most_drops: Count = 0
    """How many links are dropped so at most. 0: any number."""
    unbind_after_messages: Count = 0
    """The simulator unbinds a link after so many messages. 0: never."""
    silent_after_messages: Count = 0
    """After so many messages a link is dead: it reads everything and says nothing. 0: never."""
    answers_enquire_link: bool = True
    """Whether enquire_link is answered."""
    enquire_link_s: Seconds = 60.0
    """After so much silence the simulator asks by enquire_link itself, on links opened from now on. 0: never."""
    read_pause_ms: Milliseconds = 0.0
    """A pause after each read: a peer that is slow to take what it is sent."""
    garbage_every: Count = 0
    """After every so many messages of a link nonsense is sent. 0: never."""
    garbage: Garbage = Garbage.MALFORMED
    """What nonsense: a deliver_sm cut short (`malformed`), a command that does not exist (`unknown`), a length that
    cannot be (`broken`)."""
    inbound: tuple[Inbound, ...] = ()
    """Texts from phones."""


GROUPS: Final = {
    "seed": "What is decided and remembered",
    "accounts": "Binding",
    "latency_ms": "Answers",
    "window_limit": "Refusals",
    "id_format": "Message ids",
    "receipts": "Receipts",
    "redelivery_pause_ms": "Receipts and texts that are not taken",
    "drop_after_messages": "Links that go wrong",
    "inbound": "Texts from phones",
}
"""The knob that each group begins with, in the order of the declaration."""

TABLES: Final[dict[str, type[msgspec.Struct]]] = {
    "failures": Failure,
    "refusals": Refusal,
    "throttle_windows": ThrottleWindow,
    "inbound": Inbound,
    "tlvs": InboundTlv,
}
"""Knobs that hold tables, and what each of those is."""

_Struct = TypeVar("_Struct", bound=msgspec.Struct)


def change(quirks: Quirks, values: Mapping[str, object]) -> Quirks:
    """The same with some knobs changed. Raises ConfigError for a knob that does not exist or cannot be so."""
    check_names(values, Quirks)
    merged = convert({**msgspec.to_builtins(quirks), **values}, Quirks)
    check(merged)
    return merged


def convert(values: object, kind: type[_Struct], *, strict: bool = True) -> _Struct:
    """`values` as a struct; msgspec's error becomes a ConfigError that names the knob."""
    if isinstance(values, Mapping):
        check_names(values, kind)
    try:
        return msgspec.convert(values, kind, strict=strict)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        raise config_error(path.lstrip(".").rstrip("`") or "values", text) from None


def check_names(values: Mapping[Any, object], kind: type[msgspec.Struct]) -> None:
    """Raises ConfigError for names that do not exist; it says which there are."""
    if errors := list(_unknown_names(values, kind, "")):
        raise ConfigError(errors)


def _unknown_names(values: Mapping[Any, object], kind: type[msgspec.Struct], path: str) -> Iterator[FieldError]:
    known = kind.__struct_encode_fields__
    for name, value in values.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, 1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            yield FieldError(f"{path}{name}", f"does not exist{hint}; there are: {', '.join(known)}")
        elif name in TABLES and isinstance(value, list | tuple):
            for index, entry in enumerate(value):
                if isinstance(entry, Mapping):
                    yield from _unknown_names(entry, TABLES[name], f"{path}{name}[{index}].")


def check(quirks: Quirks) -> None:
    """What the types do not say. Raises ConfigError."""
    errors = [*_check_patterns(quirks), *_check_statuses(quirks), *_check_inbound(quirks)]
    if quirks.receipt_dialect not in RECEIPT_DIALECTS:
        errors.append(FieldError("receipt_dialect", f"is none of {', '.join(RECEIPT_DIALECTS)}"))
    if sum(failure.fraction for failure in quirks.failures) > 1:
        errors.append(FieldError("failures", "the fractions add up to more than 1"))
    if bool(quirks.tls_certificate) != bool(quirks.tls_key):
        errors.append(FieldError("tls_key", "certificate and key are given together"))
    for index, window in enumerate(quirks.throttle_windows):
        if window.to_s <= window.from_s or (window.every_s and window.to_s > window.every_s):
            errors.append(FieldError(f"throttle_windows[{index}]", "from_s < to_s, and to_s <= every_s, is expected"))
    if errors:
        raise ConfigError(errors)


def _check_patterns(quirks: Quirks) -> list[FieldError]:
    patterns = {"identity": quirks.identity}
    patterns |= {f"refusals[{index}].pattern": one.pattern for index, one in enumerate(quirks.refusals)}
    for index, one in enumerate(quirks.inbound):
        patterns |= {f"inbound[{index}].reply_to": one.reply_to or "", f"inbound[{index}].to": one.to or ""}
    errors = []
    for name, pattern in patterns.items():
        try:
            compiled = compile_pattern(pattern)
        except (re.error, UnicodeEncodeError) as error:
            errors.append(FieldError(name, f"is not a regular expression: {error}"))
        else:
            if name == "identity" and pattern and compiled.groups != 1:
                errors.append(FieldError(name, "needs exactly one group (a part in parentheses)"))
    return errors


def _check_statuses(quirks: Quirks) -> list[FieldError]:
    statuses = {"bind_refusal_status": quirks.bind_refusal_status, "window_status": quirks.window_status}
    statuses |= {f"refusals[{index}].status": one.status for index, one in enumerate(quirks.refusals)}
    errors = []
    for name, status in statuses.items():
        try:
            command_status(status)
        except ValueError as error:
            errors.append(FieldError(name, str(error)))
    return errors


def _check_inbound(quirks: Quirks) -> list[FieldError]:
    errors = []
    for index, one in enumerate(quirks.inbound):
        if sum(trigger is not None for trigger in (one.after_s, one.every_s, one.reply_to)) != 1:
            errors.append(FieldError(f"inbound[{index}]", "exactly one of after_s, every_s and reply_to is expected"))
        try:
            check_text(one, f"inbound[{index}]")
        except ConfigError as error:
            errors += error.errors
    return errors


def check_text(rule: Inbound, field: str = "inbound") -> None:
    """Whether the text can be written as the rule says. Raises ConfigError."""
    try:
        count(rule.text, rule.encoding, 16)
    except (Unencodable, TooManySegments) as error:
        raise config_error(f"{field}.text", str(error)) from None


def compile_pattern(pattern: str) -> re.Pattern[bytes]:
    """Patterns look at octets: of a number, or of a text in Latin-1. They are the operator's own and run unbounded."""
    return re.compile(pattern.encode("latin-1"))


def command_status(status: str | int) -> int:
    """The number of a command_status given by name or number; ValueError says what is allowed."""
    if isinstance(status, int):
        if not 0 < status <= 0xFFFFFFFF:
            raise ValueError("a number from 1 to 0xFFFFFFFF is expected")
        return status
    if status not in CommandStatus.__members__ or status == "ESME_ROK":
        close = difflib.get_close_matches(status, CommandStatus.__members__, 3, 0.4)
        raise ValueError(
            f"{status!r} is no command_status of SMPP 3.4" + (f"; near it: {', '.join(close)}" if close else "")
        )
    return int(CommandStatus[status])


def config_error(field: str, message: str) -> ConfigError:
    """One thing wrong with one field."""
    return ConfigError([FieldError(field, message)])
