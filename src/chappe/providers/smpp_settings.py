"""Every setting of an SMPP connection, with what it changes on the wire."""

import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from chappe.messaging import Channel, FieldError
from chappe.providers.contract import Choice, Feature, ProviderSpec, Setting, Settings, SettingType

CONNECTION = "Connection"
CHANNEL = "Channel"
THROUGHPUT = "Throughput and delays"
ENCODINGS = "Encodings"
SMSC = "SMSC specifics"
RECEIPTS = "Receipts"
SECURITY = "Security"
INCOMING = "Incoming traffic"
POLICY = "Errors and retries"

ID_PATTERN = r"(?i)\bid:([0-9a-z]{1,10})"
STATUS_PATTERN = r"(?i)\bstat:(\S{5,15})"
SUCCESS_PATTERN = r"(?i)^DELIV"
ERROR_PATTERN = r"(?i)^(UNDELIV|REJECT|EXPIRED|DELETED|UNKNOWN|FAIL)"
ERROR_CODE_PATTERN = r"(?i)\berr:(.{3})"

STANDARD_ACCOUNT, STANDARD_PASSWORD = 15, 8
"""Characters that SMPP 3.4 has room for in `system_id` and `password`, 5.2.1 and 5.2.2."""
MOST_LOGIN = 64
_AT_THEIR_WISH = "The standard allows {0} characters; a longer one only where the provider issued it so."

_TON_VALUES = (
    "0 unknown, 1 international, 2 national, 3 network specific, 4 subscriber number, 5 alphanumeric, 6 abbreviated"
)
_NPI_VALUES = (
    "0 unknown, 1 ISDN (E.164), 3 data, 4 telex, 6 land mobile, 8 national, 9 private, 10 ERMES, 14 internet, 18 WAP"
)

_ID_FORMATS = (
    Choice("as_is", "kept exactly as it came"),
    Choice("decimal", "a decimal number: spaces around it and leading zeros are removed"),
    Choice("hexadecimal", "a hexadecimal number, without 0x or a final h: kept as a decimal number"),
    Choice("hexadecimal_string", "octets written in hexadecimal: 414243 is kept as ABC"),
)

_INCOMING_FORMATS = (
    Choice("ascii", "text in ASCII"),
    Choice("utf8", "text in UTF-8"),
    Choice("latin1", "text in Latin-1"),
    Choice("gsm", "text in the GSM alphabet, an octet a character"),
    Choice("ucs2", "text in UCS-2"),
    Choice("binary", "a big-endian signed number, as wide as the value that comes"),
)


def parse_tag(text: str) -> int:
    """A parameter tag, decimal or hexadecimal with 0x, from 0 to 65535; ValueError for anything else."""
    stripped = text.strip()
    if not re.fullmatch(r"0[xX][0-9A-Fa-f]{1,4}|[0-9]{1,5}", stripped):
        raise ValueError(text)
    value = int(stripped, 16) if stripped[:2].lower() == "0x" else int(stripped)
    if value > 0xFFFF:
        raise ValueError(text)
    return value


def _tag_problem(text: str) -> str | None:
    if not text:
        return None
    try:
        parse_tag(text)
    except ValueError:
        return "expected a tag from 0 to 65535: decimal such as 5123, or hexadecimal such as 0x1403"
    return None


def _service_tag_problem(text: str) -> str | None:
    if text and not re.fullmatch(r"0[xX][0-9A-Fa-f]{1,4}", text.strip()):
        return "expected a tag in hexadecimal, such as 0x1403"
    return None


def _ascii_problem(text: str) -> str | None:
    return None if text.isascii() and (not text or text.isprintable()) else "expected ASCII characters only"


def _host_problem(text: str) -> str | None:
    if not text:
        return None
    if re.fullmatch(r"[A-Za-z0-9_.-]+", text) or _is_address(text):
        return None
    return "expected a host name or an IP address, without a scheme or a port"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _name_problem(text: str) -> str | None:
    if not text.strip():
        return "expected the provider's name"
    return "expected a name on one line, without |" if re.search(r"[|\r\n]", text) else None


def _keyword_problem(text: str) -> str | None:
    return None if not text or text.isalnum() else "expected one word of letters and digits, without spaces"


def _dedicated_problem(value: bool) -> str | None:
    if value:
        return None
    return "must stay on: receipts, retries and limits are kept by the process that holds the links"


def allowed_networks(text: str) -> tuple[list[ipaddress.IPv4Network | ipaddress.IPv6Network], list[str]]:
    """The networks and host names of `allowed_networks`; ValueError for an entry that is neither."""
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
    hosts: list[str] = []
    for entry in re.split(r"[\s,;]+", text.strip()):
        if not entry:
            continue
        try:
            networks.append(ipaddress.ip_network(entry, strict=False))
        except ValueError:
            if "/" in entry or _host_problem(entry) or re.fullmatch(r"[0-9.]+", entry):
                raise ValueError(entry) from None
            hosts.append(entry.lower())
    return networks, hosts


def networks_problem(text: str) -> str | None:
    try:
        allowed_networks(text)
    except ValueError as error:
        return f"expected networks such as 10.1.0.0/16 or host names, separated by commas; not {error}"
    return None


def _ton(name: str, label: str, where: str, default: int = 0) -> Setting:
    help_text = f"Type of number, sent unchanged in `{where}`: {_TON_VALUES}."
    return Setting(name, SettingType.INTEGER, default, label, help_text, minimum=0, maximum=255)


def _npi(name: str, label: str, where: str, default: int = 0) -> Setting:
    help_text = f"Numbering plan, sent unchanged in `{where}`: {_NPI_VALUES}."
    return Setting(name, SettingType.INTEGER, default, label, help_text, minimum=0, maximum=255)


def _grouped(group: str, *settings: Setting) -> tuple[Setting, ...]:
    return tuple(replace(setting, group=group) for setting in settings)


_CONNECTION = _grouped(
    CONNECTION,
    Setting(
        "implementation_name",
        SettingType.TEXT,
        "Generic",
        "SMSC implementation name",
        "The provider's name. Not sent: it opens every outcome text (`SR <name> <status> <code>|…`), so the same code "
        "of two providers can be qualified differently.",
        maximum=60,
        check=_name_problem,
    ),
    Setting(
        "host",
        SettingType.TEXT,
        "",
        "Server",
        "Host name or IP address to connect to. All TCP connections are opened by us, also those that only receive.",
        required=True,
        maximum=253,
        check=_host_problem,
    ),
    Setting("port", SettingType.INTEGER, 2775, "Port", "TCP port to connect to.", minimum=1, maximum=65535),
    Setting(
        "account",
        SettingType.TEXT,
        "",
        "Account",
        f"Login, sent in `system_id` of the bind. {_AT_THEIR_WISH.format(STANDARD_ACCOUNT)}",
        required=True,
        maximum=MOST_LOGIN,
        check=_ascii_problem,
    ),
    Setting(
        "password",
        SettingType.PASSWORD,
        "",
        "Password",
        f"Sent in `password` of the bind. {_AT_THEIR_WISH.format(STANDARD_PASSWORD)}",
        maximum=MOST_LOGIN,
        check=_ascii_problem,
    ),
    Setting(
        "system_type",
        SettingType.TEXT,
        "",
        "System type",
        "Sent in `system_type` of the bind. Some providers ask for a value of their own.",
        maximum=12,
        check=_ascii_problem,
    ),
    Setting(
        "child_connections",
        SettingType.INTEGER,
        1,
        "Connections per sending thread",
        "Total connections = processes x sending threads x this. In transmitter + receiver mode it counts pairs.",
        minimum=1,
        maximum=100,
    ),
    Setting(
        "sending_threads",
        SettingType.INTEGER,
        1,
        "Sending threads",
        "Second factor of the total number of connections.",
        minimum=1,
        maximum=100,
    ),
    Setting(
        "processes",
        SettingType.INTEGER,
        1,
        "SMS processes",
        "Third factor of the total number of connections; normally 1.",
        minimum=1,
        maximum=100,
    ),
    Setting(
        "dedicated_process",
        SettingType.BOOLEAN,
        True,
        "Send messages through a dedicated process",
        "Must stay on.",
        check=_dedicated_problem,
    ),
    Setting(
        "mode",
        SettingType.CHOICE,
        "transceiver",
        "Connection mode",
        "Which binds are made.",
        choices=(
            Choice("transceiver", "one TCP connection, `bind_transceiver`, sends and receives"),
            Choice(
                "transmitter_receiver",
                "pairs of TCP connections: `bind_transmitter` sends, `bind_receiver` gets receipts and texts",
            ),
        ),
    ),
    Setting(
        "receiver_differs",
        SettingType.BOOLEAN,
        False,
        "Use different parameters for the receiver",
        "Off: the receiver binds with the transmitter's parameters. On: with its own, below.",
        applies_when=("mode", "transmitter_receiver"),
    ),
    Setting(
        "receiver_host",
        SettingType.TEXT,
        "",
        "Receiver's server",
        "Host name or IP address for `bind_receiver`.",
        maximum=253,
        applies_when=("receiver_differs", True),
        check=_host_problem,
    ),
    Setting(
        "receiver_port",
        SettingType.INTEGER,
        2775,
        "Receiver's port",
        "TCP port for `bind_receiver`.",
        minimum=1,
        maximum=65535,
        applies_when=("receiver_differs", True),
    ),
    Setting(
        "receiver_account",
        SettingType.TEXT,
        "",
        "Receiver's account",
        f"`system_id` of `bind_receiver`. {_AT_THEIR_WISH.format(STANDARD_ACCOUNT)}",
        maximum=MOST_LOGIN,
        applies_when=("receiver_differs", True),
        check=_ascii_problem,
    ),
    Setting(
        "receiver_password",
        SettingType.PASSWORD,
        "",
        "Receiver's password",
        f"`password` of `bind_receiver`. {_AT_THEIR_WISH.format(STANDARD_PASSWORD)}",
        maximum=MOST_LOGIN,
        applies_when=("receiver_differs", True),
        check=_ascii_problem,
    ),
    Setting(
        "receiver_system_type",
        SettingType.TEXT,
        "",
        "Receiver's system type",
        "`system_type` of `bind_receiver`.",
        maximum=12,
        applies_when=("receiver_differs", True),
        check=_ascii_problem,
    ),
    Setting(
        "verbose_traces",
        SettingType.BOOLEAN,
        False,
        "Verbose SMPP traces",
        "Logs every PDU, with numbers, texts and the password masked. Keep it off on busy connections.",
    ),
)

_CHANNEL = _grouped(
    CHANNEL,
    Setting(
        "transliterate",
        SettingType.BOOLEAN,
        False,
        "Allow transliteration of characters",
        "On: a character that an encoding lacks is replaced by its nearest (ê by e) before the next encoding of the "
        "table is tried, so a text stays cheap. Off: the next encoding is tried at once and the text is kept exactly.",
    ),
    Setting(
        "source_number",
        SettingType.TEXT,
        "",
        "Source number",
        "`source_addr` of messages whose delivery names no sender. Empty: the field is sent empty and the provider "
        "puts its own number.",
        maximum=20,
        check=_ascii_problem,
    ),
    _ton("source_ton", "Source TON", "source_addr_ton"),
    _npi("source_npi", "Source NPI", "source_addr_npi"),
    _ton("destination_ton", "Destination TON", "dest_addr_ton", 1),
    _npi("destination_npi", "Destination NPI", "dest_addr_npi", 1),
    Setting(
        "service_type",
        SettingType.TEXT,
        "",
        "Service type",
        "Sent unchanged in `service_type`.",
        maximum=5,
        check=_ascii_problem,
    ),
    Setting(
        "short_code",
        SettingType.TEXT,
        "",
        "Short code",
        "Main number of the account: shown in previews when no sender is set, and the number whose quarantine applies. "
        "Empty when there are several or it is not known. Not sent.",
        maximum=20,
        check=_ascii_problem,
    ),
)

_THROUGHPUT = _grouped(
    THROUGHPUT,
    Setting(
        "window",
        SettingType.INTEGER,
        10,
        "Sending window",
        "How many `submit_sm` may wait for their answer on one connection: at least messages per second x latency in "
        "seconds (300 x 0.1 = 30). Too small limits the speed; too large sends more duplicates after a broken link, "
        "and providers refuse what exceeds theirs.",
        minimum=1,
        maximum=5000,
    ),
    Setting(
        "max_mt_per_s",
        SettingType.NUMBER,
        0,
        "Maximum throughput",
        "`submit_sm` per second and connection, never exceeded; 0: no limit. Times the number of connections for the "
        "total. Above some 1000, add connections instead.",
        minimum=0,
        maximum=100_000,
        unit="messages per second",
    ),
    Setting(
        "reconnect_s",
        SettingType.NUMBER,
        10,
        "Time before reconnection",
        "How long to wait after a connection is lost or a bind failed.",
        minimum=0.1,
        maximum=3600,
        unit="seconds",
    ),
    Setting(
        "mt_expiry_s",
        SettingType.NUMBER,
        60,
        "Expiration period of messages",
        "How long to wait for a `submit_sm_resp`. A message without one may have been taken: see `unknown_outcome`.",
        minimum=1,
        maximum=3600,
        unit="seconds",
    ),
    Setting(
        "bind_timeout_s",
        SettingType.NUMBER,
        30,
        "Bind time-out",
        "From the start of the TCP connection to the answer to the bind; then the connection is closed and tried "
        "again after the time before reconnection.",
        minimum=1,
        maximum=600,
        unit="seconds",
    ),
    Setting(
        "enquire_link_s",
        SettingType.NUMBER,
        60,
        "enquire_link period",
        "An idle connection is asked for a sign of life this often; without one for twice as long it counts as dead.",
        minimum=1,
        maximum=3600,
        unit="seconds",
    ),
)

_ENCODINGS = _grouped(
    ENCODINGS,
    Setting(
        "encodings",
        SettingType.TABLE,
        ({"data_coding": 0, "encoding": "gsm"}, {"data_coding": 8, "encoding": "ucs2"}),
        "Encodings",
        "Tried from top to bottom: the first that can hold the whole text is used and its `data_coding` is sent; when "
        "none can, the message fails. Put the cheapest first; a single row forces that encoding.",
        minimum=1,
        maximum=20,
        columns=(
            Setting(
                "data_coding",
                SettingType.INTEGER,
                help="Value of the `data_coding` field.",
                required=True,
                minimum=0,
                maximum=255,
            ),
            Setting(
                "encoding",
                SettingType.CHOICE,
                choices=(
                    Choice("gsm", "GSM 7-bit, 160 characters, 153 a segment"),
                    Choice("latin1", "Latin-1, 140 characters, 134 a segment"),
                    Choice("ucs2", "UCS-2, 70 characters, 67 a segment"),
                ),
            ),
        ),
    ),
)

_SMSC = _grouped(
    SMSC,
    Setting(
        "message_payload",
        SettingType.BOOLEAN,
        False,
        "Send long texts in message_payload",
        "Off: a long text goes out in several `submit_sm` with a user data header and the phone joins them. On: in one "
        "`submit_sm`, in the `message_payload` parameter; its segments cannot be counted, so every message is one.",
    ),
    Setting(
        "full_phone_number",
        SettingType.BOOLEAN,
        False,
        "Send the full phone number",
        "Off: only the digits go in `destination_addr` (TON and NPI stand for the plus), and numbers that automatic "
        "replies put in quarantine get a plus. On: the number is sent, and put in quarantine, exactly as it is.",
    ),
    _ton("bind_ton", "Bind TON", "addr_ton"),
    _npi("bind_npi", "Bind NPI", "addr_npi"),
    Setting(
        "address_range",
        SettingType.TEXT,
        "",
        "Address range",
        "Sent unchanged in `address_range` of the bind; often the short codes allowed.",
        maximum=40,
        check=_ascii_problem,
    ),
    Setting(
        "service_id_tag",
        SettingType.TEXT,
        "",
        "Service id tag",
        "Tag, in hexadecimal such as 0x1403, of one more parameter on every message whose delivery has a service or "
        "program id: its value, in UTF-8. A delivery with optional SMPP parameters of its own cannot use it too.",
        check=_service_tag_problem,
    ),
)

_RECEIPTS = _grouped(
    RECEIPTS,
    Setting(
        "invalid_id_acknowledge_count",
        SettingType.INTEGER,
        0,
        "Invalid id acknowledge count",
        'A receipt with an unknown id is answered with the error "message id invalid". From this many times for the '
        "same id it is answered OK, though nothing was done, to empty the provider's queue. 0: never give in. 1: "
        "always OK; only while somebody watches.",
        minimum=0,
        maximum=1000,
    ),
    Setting(
        "early_receipt_wait_s",
        SettingType.NUMBER,
        30,
        "Wait for early receipts",
        "Some providers send the receipt before `submit_sm_resp`. An id counts as unknown only after this time.",
        minimum=0,
        maximum=300,
        unit="seconds",
    ),
    Setting(
        "receipt_id_pattern",
        SettingType.PATTERN,
        ID_PATTERN,
        "Extraction of the id from the receipt",
        "Finds the message id in the receipt's text. Give it as much context as possible (a prefix, word limits \\b): "
        "the text of the message may be in the receipt, and must not pass for an id.",
        groups=1,
        required=True,
    ),
    Setting(
        "receipt_status_pattern",
        SettingType.PATTERN,
        STATUS_PATTERN,
        "Extraction of the status from the receipt",
        "Finds the status word in the receipt's text.",
        groups=1,
        required=True,
    ),
    Setting(
        "success_pattern",
        SettingType.PATTERN,
        SUCCESS_PATTERN,
        "Pattern of success",
        "A status it matches means delivered. A status that neither this nor the next pattern matches changes nothing.",
        required=True,
    ),
    Setting(
        "error_pattern",
        SettingType.PATTERN,
        ERROR_PATTERN,
        "Pattern of error",
        "A status it matches means failed.",
        required=True,
    ),
    Setting(
        "error_code_pattern",
        SettingType.PATTERN,
        ERROR_CODE_PATTERN,
        "Extraction of the error code from the receipt",
        "Finds the error code in the receipt's text; it becomes part of the outcome text. Empty: no code.",
        groups=1,
    ),
    Setting(
        "id_format_in_acknowledgement",
        SettingType.CHOICE,
        "as_is",
        "Id format in the acknowledgement",
        "How `message_id` of `submit_sm_resp` is read. Many providers write hexadecimal here and decimal in receipts.",
        choices=_ID_FORMATS,
    ),
    Setting(
        "id_format_in_receipt",
        SettingType.CHOICE,
        "as_is",
        "Id format in the receipt",
        "How the id found in a receipt is read.",
        choices=_ID_FORMATS,
    ),
    Setting(
        "optional_fields_in_receipt",
        SettingType.BOOLEAN,
        False,
        "Id or error code in an optional field",
        "On: the receipt's optional parameters are added to the text that the patterns see, as ` 0x001E:value` (tag of "
        "four digits in capitals). Only parameters that hold 8-bit text can be found this way.",
    ),
    Setting(
        "text_field_in_receipt",
        SettingType.BOOLEAN,
        False,
        "Id or error code in the text field",
        "Off: the `text:` part of a receipt is dropped before the patterns look. On: it is kept; a sender could then "
        "write something there that passes for an id.",
    ),
)

_SECURITY = _grouped(
    SECURITY,
    Setting("tls", SettingType.BOOLEAN, False, "TLS", "Encrypts every connection to the provider."),
    Setting(
        "certificate_verification",
        SettingType.CHOICE,
        "full",
        "Certificate verification",
        "What is checked of the provider's certificate, against the system's trusted authorities.",
        choices=(
            Choice("full", "certificate and host name"),
            Choice("no_host_name", "certificate only"),
            Choice("none", "nothing: still encrypted, open to a man in the middle"),
        ),
        applies_when=("tls", True),
    ),
    Setting(
        "allowed_networks",
        SettingType.TEXT,
        "",
        "Private networks allowed",
        "Loopback, private and link-local addresses are never called unless listed here: networks such as 10.1.0.0/16 "
        "or host names, separated by commas. Needed for a provider reached through a VPN.",
        maximum=2000,
        check=networks_problem,
    ),
)


def _incoming_tag(name: str, label: str) -> tuple[Setting, Setting]:
    return (
        Setting(
            f"{name}_tag",
            SettingType.TEXT,
            "",
            f"{label}: tag",
            f"Tag of the parameter that fills this field of an inbound message; decimal, or hexadecimal with 0x. "
            f"Empty: {'the short code fills it' if name == 'large_account' else 'it stays empty'}.",
            check=_tag_problem,
        ),
        Setting(
            f"{name}_format",
            SettingType.CHOICE,
            "ascii",
            f"{label}: format",
            "How the parameter's value is read.",
            choices=_INCOMING_FORMATS,
        ),
    )


_INCOMING = _grouped(
    INCOMING,
    *_incoming_tag("linked_sms", "Linked SMS"),
    *_incoming_tag("alias", "Alias"),
    *_incoming_tag("large_account", "Large account"),
    Setting(
        "automatic_replies",
        SettingType.TABLE,
        (),
        "Automatic replies",
        "What to do with a text from a phone. Rows are tried from top to bottom; only the first that matches counts.",
        maximum=500,
        columns=(
            Setting(
                "keyword",
                SettingType.TEXT,
                "",
                help="Start of the first word of the text: AD matches AD, Adapt and ADOBE. Empty: any text.",
                maximum=40,
                check=_keyword_problem,
            ),
            Setting(
                "short_code",
                SettingType.TEXT,
                "",
                help="The number the text was sent to, and the one the action is limited to. Empty: any, and all.",
                maximum=20,
                check=_ascii_problem,
            ),
            Setting(
                "reply",
                SettingType.TEXT,
                "",
                help="Sent back as it is, without asking for a receipt. Empty: nothing, the action is still done.",
                maximum=1500,
            ),
            Setting(
                "action",
                SettingType.CHOICE,
                "none",
                help="Done besides the reply.",
                choices=(
                    Choice("none", "nothing more"),
                    Choice("send_to_quarantine", "nothing is sent to this number any more"),
                    Choice("remove_from_quarantine", "the number may be written to again"),
                ),
            ),
        ),
    ),
)

_POLICY = _grouped(
    POLICY,
    Setting(
        "unknown_outcome",
        SettingType.CHOICE,
        "resend",
        "When nobody answered",
        "What becomes of a message whose `submit_sm_resp` did not come, or whose link broke before it.",
        choices=(
            Choice("resend", "sent again, marked as a possible duplicate"),
            Choice("hold", "not sent again; a receipt settles it only where a segment of it had been answered"),
        ),
    ),
    Setting(
        "retry_delay_s",
        SettingType.NUMBER,
        60,
        "Time between attempts",
        "The least time before a message that the provider put off is tried again.",
        minimum=1,
        maximum=86_400,
        unit="seconds",
    ),
    Setting(
        "retry_limit",
        SettingType.INTEGER,
        20,
        "Attempts after the first",
        "How often a message is tried again; never after the end of its validity.",
        minimum=0,
        maximum=1000,
    ),
    Setting(
        "default_error_kind",
        SettingType.CHOICE,
        "soft",
        "Kind of a new error",
        "What an outcome text means until somebody qualifies it.",
        choices=(
            Choice("soft", "counted against the number"),
            Choice("hard", "quarantines the number at once"),
            Choice("ignored", "says nothing about the number"),
        ),
    ),
    Setting(
        "transactional_despite_stop",
        SettingType.BOOLEAN,
        False,
        "Transactional messages in spite of STOP",
        "On: a person who refused by STOP still gets transactional messages. Ask your lawyer and your provider first.",
    ),
)


def receiver_has_own(settings: Mapping[str, Any]) -> bool:
    """Whether receivers bind with parameters of their own; never in transceiver mode, whatever the box says."""
    return bool(settings["receiver_differs"]) and settings["mode"] == "transmitter_receiver"


def _between_fields(settings: Settings) -> list[FieldError]:
    if not receiver_has_own(settings):
        return []
    needed = "is needed when the receiver has parameters of its own"
    return [FieldError(name, needed) for name in ("receiver_host", "receiver_account") if not settings[name]]


SPEC = ProviderSpec(
    key="smpp",
    label="SMPP 3.4",
    channels=frozenset({Channel.SMS}),
    summary="A connection to a provider by SMPP 3.4. Durations are in seconds.",
    features=frozenset(
        {
            Feature.RECEIPTS,
            Feature.INBOUND,
            Feature.LONG_MESSAGES,
            Feature.SENDER_OVERRIDE,
            Feature.VALIDITY,
            Feature.TRANSMISSION_MODE,
            Feature.CUSTOM_PARAMETERS,
        }
    ),
    settings=(
        *_CONNECTION,
        *_CHANNEL,
        *_THROUGHPUT,
        *_ENCODINGS,
        *_SMSC,
        *_RECEIPTS,
        *_SECURITY,
        *_INCOMING,
        *_POLICY,
    ),
    check=_between_fields,
)


class Endpoint(NamedTuple):
    """Where to connect, and as whom."""

    host: str
    port: int
    account: str
    password: str
    system_type: str

    def __repr__(self) -> str:
        return f"Endpoint({self.host!r}, {self.port}, {self.account!r})"


def endpoint(settings: Settings, *, receiver: bool = False) -> Endpoint:
    """Of the transmitter (or transceiver), or of the receiver."""
    prefix = "receiver_" if receiver and receiver_has_own(settings) else ""
    return Endpoint(
        settings.text(f"{prefix}host"),
        settings.integer(f"{prefix}port"),
        settings.text(f"{prefix}account"),
        settings.text(f"{prefix}password"),
        settings.text(f"{prefix}system_type"),
    )


def total_connections(settings: Mapping[str, Any]) -> int:
    """Processes x sending threads x child connections: links in transceiver mode, pairs of links otherwise."""
    total = settings["processes"] * settings["sending_threads"] * settings["child_connections"]
    return int(total)


def total_tcp_connections(settings: Mapping[str, Any]) -> int:
    """TCP connections opened: a pair is two."""
    return total_connections(settings) * (2 if settings["mode"] == "transmitter_receiver" else 1)


def total_mt_per_s(settings: Mapping[str, Any]) -> float:
    """The limit of all connections together; 0 where there is none."""
    return float(settings["max_mt_per_s"]) * total_connections(settings)


def recommended_window(mt_per_s: float, latency_s: float) -> int:
    """The smallest window that never makes a link of this latency wait for an answer."""
    return max(1, math.ceil(round(mt_per_s * latency_s, 6)))
