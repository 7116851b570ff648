"""The pages of docs/reference/providers/, drawn from what the adapters declare; and that of SMPP's settings."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from chappe.messaging import Channel, ErrorKind, ReceiptKind
from chappe.providers.contract import Feature, ProviderSpec, Setting, described
from chappe.providers.http import HttpProvider
from chappe.providers.http_settings import http_settings
from chappe.providers.registry import HTTP, PROVIDERS
from chappe.providers.smpp_settings import SPEC as SMPP

FOLDER = "providers"
INDEX = f"{FOLDER}/README.md"
SHARED = f"{FOLDER}/http-settings.md"
SMPP_SETTINGS = "smpp-settings.md"

Addresses = Callable[[str], tuple[str, str]]
"""Of a provider by its key: where it tells what became of messages, and where it brings texts from phones."""

_HEAD = """\
What each provider can do here, as its adapter declares it; each name leads to the provider's page. What all that are called
by HTTP share has a page of its own: [their settings](http-settings.md). How they are set up:

- [Connect a vendor](../../how-to/connect-a-vendor.md)
- [Connect a custom provider](../../how-to/connect-a-custom-provider.md)
- [Connect an e-mail provider](../../how-to/connect-an-email-provider.md)
- [Connect an SMSC](../../how-to/connect-an-smsc.md)
"""
_FOOT = """\
A feature that is missing here is one that the provider does not have or that Chappe does not use. Hooks that are not signed are
proved by user and password, or by their address; each page says how.
"""
_SHARED_HEAD = """\
Every provider that is called by HTTP has these besides [its own](README.md). Where a provider's documentation or contract
gives other defaults for speed, its page says so.
"""
_HOOKS = """\
In these addresses `1` is the organisation's number; a further `/` and number names one connection of several, as the
addresses do that go out with messages. [Receive hooks](../../how-to/receive-hooks.md) has the rest.
"""
_CUSTOM_HOOKS = """\
Each hook has an address of its own, which ends in a secret. [Receive hooks](../../how-to/receive-hooks.md) has the rest.
"""
_RECEIPTS: Mapping[ReceiptKind, str] = {
    ReceiptKind.INTERMEDIATE: "nothing yet: the message stays as it is",
    ReceiptKind.SUCCESS: "delivered",
    ReceiptKind.READ: "read, and so delivered",
    ReceiptKind.ERROR: "failed",
}
_ERRORS: Mapping[ErrorKind, str] = {
    ErrorKind.HARD: "hard: the number goes into quarantine",
    ErrorKind.SOFT: "soft: counts against the number",
    ErrorKind.IGNORED: "nothing",
}
_CHANNELS: Mapping[Channel, str] = {channel: channel.value.upper() for channel in Channel} | {Channel.EMAIL: "e-mail"}


def pages(addresses: Addresses, line: str) -> dict[str, str]:
    """File name under docs/reference/ → its text. `line` says of each page that it is drawn."""
    drawn = {f"{FOLDER}/{key}.md": page(adapter, addresses, line) for key, adapter in HTTP.items()}
    return {SMPP_SETTINGS: SMPP.reference(), INDEX: matrix(line), SHARED: shared_settings(line), **drawn}


def matrix(line: str) -> str:
    """What each provider can do, one column for each."""
    columns = [f"[{spec.label}]({_place(spec)})" for spec in PROVIDERS.values()]
    lines = ["# Providers", "", line, "", _HEAD, f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines.append(_row("channels", (_channels(spec) for spec in PROVIDERS.values())))
    for feature in Feature:
        cells = ("yes" if feature in spec.features else "" for spec in PROVIDERS.values())
        lines.append(_row(feature.value, cells))
    return _finished([*lines, "", _FOOT])


def shared_settings(line: str) -> str:
    """What every HTTP provider can be told."""
    return _finished(["# Settings of every HTTP provider", "", line, "", _SHARED_HEAD, *described(http_settings())])


def page(adapter: HttpProvider, addresses: Addresses, line: str) -> str:
    """Everything that an adapter declares."""
    spec = adapter.SPEC
    return _finished(
        [
            *(f"# {spec.label}", "", line, "", spec.summary, ""),
            *_abilities(spec),
            *_settings(spec),
            *_hooks(adapter, addresses),
            *_words(adapter),
            *_codes(adapter),
            *_listed("Quirks", adapter.QUIRKS),
            *_listed("Sources", adapter.SOURCES),
        ]
    )


def _place(spec: ProviderSpec) -> str:
    return f"../{SMPP_SETTINGS}" if spec.key == SMPP.key else f"{spec.key}.md"


def _channels(spec: ProviderSpec) -> str:
    return ", ".join(_CHANNELS[channel] for channel in Channel if channel in spec.channels)


def _abilities(spec: ProviderSpec) -> Iterator[str]:
    able = [feature.value for feature in Feature if feature in spec.features]
    unable = [feature.value for feature in Feature if feature not in spec.features]
    yield from ("## What it can do", "", f"- Key: `{spec.key}`", f"- Channels: {_channels(spec)}")
    yield from (f"- Can: {', '.join(able)}", f"- Cannot: {', '.join(unable)}")
    for setting in spec.settings:
        if setting.name == "sender":
            yield f"- Senders: {setting.help}"
    yield ""


def _settings(spec: ProviderSpec) -> Iterator[str]:
    shared = {setting.name: setting for setting in http_settings()}
    own = [setting for setting in spec.settings if setting.name not in shared]
    yield from ("## Settings", "", *described(own, 3))
    yield from ("### Of every HTTP provider", "", _shared_sentence(spec, shared), "")


def _shared_sentence(spec: ProviderSpec, shared: Mapping[str, Setting]) -> str:
    other = [
        f"`{one.name}` {one.default:g}"
        for one in spec.settings
        if one.name in shared and one.default != shared[one.name].default
    ]
    defaults = f" Other defaults than there: {', '.join(other)}." if other else ""
    return f"And [those of every HTTP provider](http-settings.md): speed, retries, certificates, networks.{defaults}"


def _hooks(adapter: HttpProvider, addresses: Addresses) -> Iterator[str]:
    yield from ("## Hooks", "", f"**Proof.** {adapter.HOOK_PROOF}", "")
    if not adapter.HOOK_SETUP:
        return
    status_url, inbound_url = (f"`{url}`" for url in addresses(adapter.SPEC.key))
    for number, step in enumerate(adapter.HOOK_SETUP, 1):
        yield f"{number}. {step.replace('{status_url}', status_url).replace('{inbound_url}', inbound_url)}"
    yield from ("", _HOOKS if "/receive/" in status_url else _CUSTOM_HOOKS)


def _words(adapter: HttpProvider) -> Iterator[str]:
    if not adapter.STATES:
        return
    yield from ("## Status words", "", "Any other word is kept and changes nothing.", "")
    yield from _table(("word", "becomes"), ((f"`{word}`", _RECEIPTS[kind]) for word, kind in adapter.STATES.items()))


def _codes(adapter: HttpProvider) -> Iterator[str]:
    """Of answers, then of receipts."""
    if adapter.REFUSALS:
        yield from (
            "## Refusals",
            "",
            "With one of these a message has failed. Others are shown as the provider says them.",
            "",
        )
        yield from _table(("code", "reason shown"), ((f"`{code}`", text) for code, text in adapter.REFUSALS.items()))
    if adapter.ACCOUNT_TROUBLE:
        yield from (
            "## Trouble with the account",
            "",
            "No message fails for these: the connection waits, and tries again.",
            "",
        )
        trouble = adapter.ACCOUNT_TROUBLE.items()
        yield from _table(("code", "reason shown"), ((f"`{code}`", text) for code, text in trouble))
    if adapter.ERROR_KINDS:
        yield from (
            "## Errors in receipts",
            "",
            "What an error says of the number. Others are qualified by people.",
            "",
        )
        yield from _table(("codes", "of the number"), _codes_by_kind(adapter.ERROR_KINDS))


def _codes_by_kind(kinds: Mapping[str, ErrorKind]) -> Iterator[tuple[str, str]]:
    """In an order of their own: adapters may have them from sets, which have none."""
    for kind in ErrorKind:
        codes = [code for code, its_kind in kinds.items() if its_kind is kind]
        if codes:
            codes.sort(key=lambda code: (int(code) if code.isdecimal() else 0, code))
            yield " ".join(f"`{code}`" for code in codes), _ERRORS[kind]


def _listed(heading: str, items: Iterable[str]) -> Iterator[str]:
    yield from (f"## {heading}", "", *(f"- {item}" for item in items), "")


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield from (f"| {' | '.join(heads)} |", "|---" * len(heads) + "|")
    yield from (f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    yield ""


def _row(head: str, cells: Iterable[str]) -> str:
    return f"| {head} | {' | '.join(cells)} |"


def _finished(lines: Iterable[str]) -> str:
    return "\n".join(line.rstrip("\n") + ("\n" if line.endswith("\n") else "") for line in lines).rstrip() + "\n"
