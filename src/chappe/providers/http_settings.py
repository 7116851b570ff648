"""Settings that every HTTP provider has, besides its own."""

import ipaddress
import re
from dataclasses import replace
from urllib.parse import urlsplit

from chappe.providers.contract import Choice, Setting, Settings, SettingType
from chappe.providers.smpp_settings import networks_problem

ACCOUNT = "Account"
THROUGHPUT = "Throughput and delays"
SECURITY = "Security"
POLICY = "Errors and retries"

LONGEST_PEM = 20_000


def _url_problem(text: str) -> str | None:
    if not text:
        return None
    scheme, colon, rest = text.partition("://")
    if not colon or scheme.lower() not in ("https", "http") or not rest or any(c.isspace() for c in text):
        return "expected an address that begins with https://"
    if not text.isascii():
        return "expected ASCII characters; write the name of the host in its xn-- form"
    return "expected an address without a user and a password" if "@" in rest.partition("/")[0] else None


def url(name: str, label: str, help_text: str, default: str = "", *, required: bool = False) -> Setting:
    """A setting that holds an address to call."""
    return Setting(
        name, SettingType.TEXT, default, label, help_text, maximum=2000, required=required, check=_url_problem
    )


def _pem_problem(text: str) -> str | None:
    return None if not text or "-----BEGIN " in text else "expected PEM: a text with -----BEGIN …-----"


def _grouped(group: str, *settings: Setting) -> tuple[Setting, ...]:
    return tuple(replace(setting, group=group) for setting in settings)


def http_settings(*, rate_per_s: float = 0.0, concurrency: int = 50) -> tuple[Setting, ...]:
    """What the sender itself goes by; the defaults are those of the provider's contract or documentation."""
    return (
        *_grouped(
            THROUGHPUT,
            Setting(
                "max_per_s",
                SettingType.NUMBER,
                rate_per_s,
                "Requests per second",
                "At most so many requests in any second; 0 for no limit.",
                minimum=0,
                maximum=100_000,
                unit="requests/s",
            ),
            Setting(
                "concurrency",
                SettingType.INTEGER,
                concurrency,
                "Requests at a time",
                "At most so many requests wait for an answer, each on a connection that is kept open. After a crash no more "
                "messages than these may go out twice.",
                minimum=1,
                maximum=1000,
            ),
            Setting(
                "connect_timeout_s",
                SettingType.NUMBER,
                10.0,
                "Time to connect",
                "How long opening a connection may take, TLS included. A message whose request never went out is tried again.",
                minimum=0.1,
                maximum=120,
                unit="s",
            ),
            Setting(
                "response_timeout_s",
                SettingType.NUMBER,
                30.0,
                "Time to answer",
                "How long an answer may take once the request is out. After that it is not known whether the message was "
                "taken.",
                minimum=0.1,
                maximum=300,
                unit="s",
            ),
        ),
        *_grouped(
            POLICY,
            Setting(
                "unknown_outcome",
                SettingType.CHOICE,
                "leave",
                "A message nobody answered for",
                "What happens to a message whose request went out and got no usable answer.",
                choices=(
                    Choice("leave", "is left unconfirmed: it may have been taken, and nobody gets it twice"),
                    Choice("resend", "is sent again and marked as a possible duplicate"),
                ),
            ),
            Setting(
                "retry_delay_s",
                SettingType.NUMBER,
                60.0,
                "Time between attempts",
                "Before the second attempt; it doubles with each further one.",
                minimum=1,
                maximum=86_400,
                unit="s",
            ),
            Setting(
                "retry_limit",
                SettingType.INTEGER,
                5,
                "Attempts",
                "So many attempts after the first; then the message has failed.",
                minimum=0,
                maximum=14,
            ),
            Setting(
                "default_error_kind",
                SettingType.CHOICE,
                "soft",
                "Kind of a new error",
                "What an error means for the number until somebody qualifies it.",
                choices=(
                    Choice("soft", "counts; five of them put the number in quarantine"),
                    Choice("hard", "puts the number in quarantine at once"),
                    Choice("ignored", "means nothing for the number"),
                ),
            ),
            Setting(
                "early_receipt_wait_s",
                SettingType.NUMBER,
                30.0,
                "Wait for early receipts",
                "A receipt may come before the answer that names its id: so long it is kept.",
                minimum=0,
                maximum=300,
                unit="s",
            ),
            Setting(
                "transactional_despite_stop",
                SettingType.BOOLEAN,
                False,
                "Transactional messages despite STOP",
                "Lets transactional messages through to people who asked for no more marketing from this connection.",
            ),
        ),
        *_grouped(
            SECURITY,
            Setting(
                "client_certificate",
                SettingType.TEXT,
                "",
                "Client certificate",
                "For mTLS: the certificate, with what it is signed by, in PEM. Not shown to the token endpoint.",
                maximum=LONGEST_PEM,
                check=_pem_problem,
            ),
            Setting(
                "client_key",
                SettingType.PASSWORD,
                "",
                "Client key",
                "For mTLS: the certificate's private key, in PEM, without a passphrase.",
                maximum=LONGEST_PEM,
                check=_pem_problem,
            ),
            Setting(
                "certificate_authority",
                SettingType.TEXT,
                "",
                "Private certificate authority",
                "Certificates, in PEM, that are trusted instead of the system's.",
                maximum=LONGEST_PEM,
                check=_pem_problem,
            ),
            Setting(
                "hook_max_age_s",
                SettingType.NUMBER,
                86_400.0,
                "Oldest call accepted",
                "Calls of the provider that carry a signed time are refused when it lies further back. Providers repeat for "
                "hours what was not taken, not always signed anew; what is repeated changes nothing a second time.",
                minimum=60,
                maximum=604_800,
                unit="s",
            ),
            Setting(
                "allowed_networks",
                SettingType.TEXT,
                "",
                "Private networks allowed",
                "Addresses that are not public are never called, unless their network (10.1.0.0/16) or the host's name is "
                "listed here. Separate by commas.",
                maximum=2000,
                check=networks_problem,
            ),
        ),
    )


def base_url(default: str) -> Setting:
    """Where the provider's API stands; another for a region of its own, or for a simulator."""
    return replace(
        url(
            "base_url",
            "Base URL",
            "Where the API is called; change it for a region of its own, or a simulator.",
            default,
            required=True,
        ),
        group=ACCOUNT,
    )


def base_url_override(host_field: str) -> Setting:
    """For a provider whose host is a setting of its own: an address that wins over it where it is set."""
    help_text = f"Called instead of {host_field} where it is set: for a proxy or a simulator. Empty otherwise."
    return replace(url("base_url", "Other address", help_text), group=ACCOUNT)


def is_loopback_host(host: str) -> bool:
    """Whether what is sent there stays on this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def host_problem(text: str) -> str | None:
    """What is wrong with a host of the Internet, to be given by its name alone."""
    if not text or _HOST.fullmatch(text):
        return None
    meant = _host_meant(text)
    if _HOST.fullmatch(meant):
        return f"expected the host only, without scheme and path: {meant}"
    return "expected the name of a host, such as api.example.com"


_HOST = re.compile(
    r"(?=.{4,253}$)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)


def _host_meant(text: str) -> str:
    address = text.strip()
    try:
        return urlsplit(address if "://" in address else f"https://{address}").hostname or ""
    except ValueError:
        return ""


def mtls_errors(settings: Settings) -> str:
    """What is wrong between certificate and key; "" when both are there, or neither."""
    has_certificate, has_key = bool(settings.text("client_certificate")), bool(settings.text("client_key"))
    if has_certificate == has_key:
        return ""
    return "needs its private key" if has_certificate else "needs its certificate"
