"""The steps of connecting a provider: which settings each asks for, and what is left to be wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from chappe.features.connections.form_value import Typed
from chappe.features.connections.services import MASK
from chappe.messaging import ConfigError, FieldError
from chappe.providers import custom_auth, custom_http, http_settings, relay, smpp_settings
from chappe.providers.answer import ANSWER
from chappe.providers.payload import VARIABLES, PayloadFailed, compiled
from chappe.providers.registry import PROVIDERS

if TYPE_CHECKING:
    from chappe.providers.contract import ProviderSpec

Words = str | Promise


@dataclass(frozen=True)
class Step:
    """`groups` are asked for at once, `folded` ones below, where their defaults do for most. `is_tried`: the settings are used
    as the engine would before the next step. The last step, which tests, has no groups."""

    title: Words
    groups: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()
    is_tried: bool = False


@dataclass(frozen=True)
class Kind:
    """A family of providers, as people pick one."""

    title: Words
    text: Words
    keys: tuple[str, ...]


_TEST = Step(_("Test"))
_DETAILS = (http_settings.THROUGHPUT, http_settings.POLICY, http_settings.SECURITY)
_VENDOR = (Step(_("Account"), (http_settings.ACCOUNT,), _DETAILS), _TEST)
_STEPS: Mapping[str, tuple[Step, ...]] = {
    "smpp": (
        Step(_("Connection"), (smpp_settings.CONNECTION, smpp_settings.SECURITY)),
        Step(_("Messages"), (smpp_settings.CHANNEL, smpp_settings.THROUGHPUT, smpp_settings.ENCODINGS)),
        Step(
            _("Specifics"),
            (smpp_settings.SMSC, smpp_settings.RECEIPTS),
            (smpp_settings.INCOMING, smpp_settings.POLICY),
        ),
        _TEST,
    ),
    "custom": (
        Step(_("Provider"), (http_settings.ACCOUNT,), _DETAILS),
        Step(_("Authentication"), (custom_auth.AUTHENTICATION,)),
        Step(_("Messages"), (custom_http.REQUEST, ANSWER)),
        _TEST,
    ),
    "esp": (
        Step(_("Configuration"), (http_settings.ACCOUNT,), (ANSWER, *_DETAILS)),
        Step(_("Authentication"), (custom_auth.AUTHENTICATION,), is_tried=True),
        _TEST,
    ),
    "relay": (
        Step(_("Account"), (http_settings.ACCOUNT,)),
        Step(_("Mid-sourcing"), (relay.MID,), _DETAILS),
        Step(_("Test the connection")),
    ),
}
_APART = ("smpp", "custom", "esp", "relay")


def steps_of(key: str) -> tuple[Step, ...]:
    return _STEPS.get(key, _VENDOR)


def kinds() -> list[Kind]:
    """All providers there are, each in its family."""
    vendors = tuple(sorted((key for key in PROVIDERS if key not in _APART), key=lambda key: PROVIDERS[key].label))
    return [
        Kind(
            _("By SMPP"),
            _("A direct line to the provider's message centre: the fastest, and the one with the most to agree upon."),
            ("smpp",),
        ),
        Kind(_("By a provider's own API"), _("An account and a few fields: everything else is known."), vendors),
        Kind(
            _("By any other API"),
            _("A provider that takes JSON over HTTP, described by what it wants and what it answers."),
            ("custom", "esp"),
        ),
        Kind(
            _("By another Chappe"),
            _("Messages are prepared here and sent by an installation that has the connections to providers."),
            ("relay",),
        ),
    ]


def names_in(spec: "ProviderSpec", groups: Iterable[str]) -> list[str]:
    """The settings of these groups, in their order."""
    return [setting.name for group in groups for setting in spec.settings if setting.group == group]


def step_names(spec: "ProviderSpec", step: Step) -> list[str]:
    return names_in(spec, (*step.groups, *step.folded))


def problems(spec: "ProviderSpec", typed: Typed) -> list[FieldError]:
    """What a service would refuse in these settings."""
    try:
        spec.parse(spec.unmasked(typed.given, {}, MASK))
    except ConfigError as error:
        return list(error.errors)
    return []


def step_of(spec: "ProviderSpec", place: str) -> int:
    """The step that asks for what an error names; the first where none does."""
    name = place.removeprefix("settings.").partition("[")[0].partition(".")[0]
    steps = steps_of(spec.key)
    return next((at for at, step in enumerate(steps) if name in step_names(spec, step)), 0)


def first_wrong(spec: "ProviderSpec", errors: Sequence[FieldError], last: int) -> int | None:
    """The first step, up to `last`, in which something is wrong."""
    wrong = [at for error in errors if (at := step_of(spec, error.field)) <= last]
    return min(wrong, default=None)


SAMPLE: Mapping[str, Any] = {
    "toNumber": "+33612345678",
    "number": "+33612345678",
    "fromNumber": "36180",
    "sender": "36180",
    "message": 'Your order "42" is ready.\nSTOP 36180',
    "content": None,
    "profile": {"first_name": "Marie"},
    "delivery": {"id": 7, "name": "June"},
    "message_id": "184467440737",
    "callback_url": "https://sms.example.org/v1/hooks/…",
    "status_url": "https://sms.example.org/v1/hooks/…",
    "appId": "app-1",
}


def sample_of(source: str) -> tuple[str, str]:
    """A payload as one message would have it, and what is wrong with it: one of both is ""."""
    try:
        return compiled(source).render(SAMPLE).decode("utf-8", "replace"), ""
    except ConfigError as error:
        return "", error.errors[0].message
    except PayloadFailed as error:
        return "", str(error)


def variables() -> Mapping[str, str]:
    """What a payload may mention."""
    return VARIABLES
