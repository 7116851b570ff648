"""What is risky about settings, in words: one table for the forms, the pages and whoever else wants to know."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from chappe.providers.http_settings import is_loopback_host
from chappe.providers.relay import SPEC as RELAY
from chappe.providers.smpp_settings import SPEC as SMPP
from chappe.providers.smpp_settings import receiver_has_own

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Risk:
    """`is_taken` says whether settings take it; `words` stand beside `field` before they do, unless it shows in them only."""

    field: str
    words: str | Promise
    is_taken: Callable[[Values], bool]
    is_always_said: bool = True


@dataclass(frozen=True)
class Login:
    """Where a connection logs in, and as whom."""

    host: str
    port: int
    account: str


def risks(spec_key: str, values: Values) -> list[Risk]:
    """Those that these settings take; `values` are complete, parsed or as they are kept."""
    return [risk for risk in _of(spec_key) if risk.field in values and risk.is_taken(values)]


def said_beside(spec_key: str, values: Values) -> dict[str, str | Promise]:
    """What is said beside fields of the form of these settings, by field."""
    return {
        risk.field: risk.words
        for risk in _of(spec_key)
        if risk.field in values and (risk.is_always_said or risk.is_taken(values))
    }


def logins(spec_key: str, values: Values) -> frozenset[Login]:
    """By which a provider may take two connections for one. Providers that are called by HTTP tell each call apart; another
    Chappe knows an account by its operator."""
    if spec_key == RELAY.key and values.get("operator") and values.get("base_url"):
        return frozenset({_login_on_mid(str(values["base_url"]), str(values["operator"]))})
    if spec_key != SMPP.key or not values.get("account"):
        return frozenset()
    prefixes = ("", "receiver_") if receiver_has_own({**SMPP.defaults(), **values}) else ("",)
    complete = {**SMPP.defaults(), **values}
    return frozenset(
        Login(str(complete[f"{prefix}host"]).lower(), int(complete[f"{prefix}port"]), str(complete[f"{prefix}account"]))
        for prefix in prefixes
    )


def _login_on_mid(base_url: str, operator: str) -> Login:
    try:
        parts = urlsplit(base_url.strip())
        return Login(parts.hostname or "", parts.port or (80 if parts.scheme.lower() == "http" else 443), operator)
    except ValueError:
        return Login(base_url, 0, operator)


def login_field(spec_key: str) -> str:
    """The setting that says as whom a connection logs in."""
    return "operator" if spec_key == RELAY.key else "account"


def shares_login(spec_key: str, values: Values, others: Iterable[tuple[str, str, Values]]) -> list[str]:
    """The names of those among `others` (name, provider, settings) that log in as this one does."""
    own = logins(spec_key, values)
    return [name for name, provider, settings in others if provider == spec_key and own & logins(provider, settings)]


def _is_on(name: str) -> Callable[[Values], bool]:
    return lambda values: values[name] is True


def _is(name: str, value: str) -> Callable[[Values], bool]:
    return lambda values: values[name] == value


def _is_plain_smpp(values: Values) -> bool:
    host, receiver = (str(values.get(name, "")) for name in ("host", "receiver_host"))
    is_far = not is_loopback_host(host) or (bool(receiver) and not is_loopback_host(receiver))
    return values["tls"] is not True and is_far


def _is_plain_http(name: str) -> Callable[[Values], bool]:
    def is_plain(values: Values) -> bool:
        try:
            parts = urlsplit(str(values[name]))
            return parts.scheme.lower() == "http" and not is_loopback_host(parts.hostname or "")
        except ValueError:
            return False

    return is_plain


def _gives_in(values: Values) -> bool:
    return str(values["invalid_id_acknowledge_count"] or 0) != "0"


PLAIN = _("Without TLS whoever stands in between reads the password, the numbers and the texts, and can change them.")
_EVERYWHERE = (
    Risk(
        "allowed_networks",
        _(
            "Whoever may change this connection can have it call these addresses from inside your network. List as little as "
            "possible."
        ),
        lambda values: bool(str(values["allowed_networks"]).strip()),
    ),
    Risk(
        "transactional_despite_stop",
        _(
            "People who asked for no more messages still get some. Whether you may do this is for the law and your provider to "
            "say."
        ),
        _is_on("transactional_despite_stop"),
    ),
    Risk(
        "unknown_outcome",
        _("A message that is sent again after nobody answered may reach the person twice, and be paid for twice."),
        _is("unknown_outcome", "resend"),
    ),
)
_SMPP = (
    Risk("tls", PLAIN, _is_plain_smpp, is_always_said=False),
    Risk(
        "certificate_verification",
        _(
            "With less than the full check, somebody else can pass for the provider, and learn the password, the numbers and "
            "the texts."
        ),
        lambda values: values.get("tls") is True and values["certificate_verification"] != "full",
    ),
    Risk(
        "invalid_id_acknowledge_count",
        _("A receipt that is answered OK though its id is unknown is lost: the message stays unconfirmed for good."),
        _gives_in,
    ),
    Risk(
        "text_field_in_receipt",
        _("Whoever writes the text of a message can write something that passes for another message's id."),
        _is_on("text_field_in_receipt"),
    ),
)
_HTTP = tuple(
    Risk(name, PLAIN, _is_plain_http(name), is_always_said=False)
    for name in ("url", "base_url", "messages_url", "token_url", "oauth_url")
)


def _of(spec_key: str) -> tuple[Risk, ...]:
    return (*(_SMPP if spec_key == SMPP.key else _HTTP), *_EVERYWHERE)
