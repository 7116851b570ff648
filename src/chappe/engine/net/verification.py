"""Verify a connection of any provider: what was found, and what was exchanged on the way."""

from collections.abc import Mapping

import msgspec

from chappe.engine.net.check import check_connection
from chappe.engine.net.egress import Bound
from chappe.engine.net.finding import Finding, Report
from chappe.engine.net.http_check import HttpCheck, ShownExchange
from chappe.engine.net.probe import OnPdu
from chappe.messaging import ConfigError
from chappe.providers import registry
from chappe.providers.contract import ProviderSpec
from chappe.providers.http import Account


class Verification(msgspec.Struct, frozen=True):
    """`exchanges` are those of a provider that is called by HTTP."""

    findings: list[Finding]
    exchanges: list[ShownExchange] = []

    @property
    def is_usable(self) -> bool:
        return all(finding.level != "error" for finding in self.findings)


class Subject(msgspec.Struct, frozen=True):
    """The connection to verify: its settings as they are kept, and where its provider is told to call us."""

    provider: str
    settings: Mapping[str, object]
    secrets: Mapping[str, str]
    connection_id: int = 0
    organisation_id: int = 0
    status_url: str = ""
    inbound_url: str = ""
    is_public: bool = False
    """Whether this installation knows the address that it is reached at, which what is not kept yet has none below."""
    engine_links: int | None = None
    """Links that engines hold of it; None where that is not known."""
    bounds: tuple[Bound, ...] = ()
    """What it may be allowed to call at all."""


async def verify(
    subject: Subject, *, test_number: str | None = None, test_text: str | None = None, on_pdu: OnPdu | None = None
) -> Verification:
    """Use the connection as the engine would. Every wait is bounded; never raises for what a provider does."""
    adapter = registry.HTTP.get(subject.provider)
    if adapter is None:
        findings = await check_connection(
            subject.settings,
            subject.secrets,
            test_number=test_number,
            test_text=test_text,
            on_pdu=on_pdu,
            engine_links=subject.engine_links,
            bounds=subject.bounds,
        )
        return Verification(findings)
    report = Report()
    try:
        parsed = adapter.SPEC.parse({**subject.settings, **subject.secrets})
    except ConfigError as error:
        for one in error.errors:
            report.error(f"The setting {_label(adapter.SPEC, one.field)}: {one.message}.")
        return Verification(report.findings)
    urls = subject.status_url, subject.inbound_url
    account = Account(parsed, subject.connection_id, subject.organisation_id, *urls)
    check = HttpCheck(adapter, account, report, subject.bounds, is_public=subject.is_public)
    await check.run(test_number or "", test_text or "")
    return Verification(report.findings, check.exchanges)


def _label(spec: ProviderSpec, field: str) -> str:
    """A setting as the form calls it, with its name."""
    label = next((setting.label for setting in spec.settings if setting.name == field.partition("[")[0]), "")
    return f"'{label}' ({field})" if label else field
