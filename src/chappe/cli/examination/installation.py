"""The installation: its database, its keys, what is set up. Django is set up before."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chappe.cli.database import NotReady, first_line, pending_migrations
from chappe.cli.examination.symptom import Symptom, error, ok, warning
from chappe.cli.screen import counted

if TYPE_CHECKING:
    from chappe.features.connections.models import Connection

CLOCK_APART_MS = 2_000
LEAST_POSTGRESQL = 140_000


def database() -> Iterator[Symptom]:
    """Reachable, of a version that will do, with all tables of this version."""
    from django.db import Error, connection

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        yield from _server(connection)
        pending = pending_migrations()
    except (Error, NotReady) as problem:
        words = first_line(problem).removeprefix("The database cannot be used: ")
        yield error(f"The database cannot be used: {words}", "Check CHAPPE_DATABASE_URL, and that its server runs.")
        return
    if pending:
        words = f"{counted(len(pending), 'change')} to the tables still to be made, the first {pending[0]}."
        yield error(words, "Run `chappe up`; it makes them as it starts.")
    else:
        yield ok("The database has every table of this version.")


def _server(connection: Any) -> Iterator[Symptom]:
    from chappe.features.clock import now_ms

    if connection.vendor != "postgresql":
        yield ok("The database answers: SQLite.")
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_setting('server_version_num')::int")
        name, number = cursor.fetchone()
        cursor.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        apart = abs(cursor.fetchone()[0] - now_ms())
    if number < LEAST_POSTGRESQL:
        yield error(f"The database answers: PostgreSQL {name}.", "Update the server to PostgreSQL 14 or later.")
    else:
        yield ok(f"The database answers: PostgreSQL {name}.")
    if apart > CLOCK_APART_MS:
        yield warning(
            f"The clocks of this machine and of the database are {apart / 1000:.1f} s apart.",
            "Let NTP keep both: leases and schedules go by them.",
        )


def connections() -> Iterator[Symptom]:
    """Settings and secrets that can be read; no two connections on one login by mistake; files enough for all links."""
    from chappe.features.connections.models import Connection

    found = list(Connection.objects.select_related("organisation").order_by("organisation__name", "name"))
    if not found:
        yield warning(
            "There is no connection yet, so nothing can be sent.", "`chappe connection create NAME` makes one."
        )
        return
    readable: list[tuple[Connection, dict[str, str]]] = []
    for one in found:
        secrets, problem = _opened(one)
        if problem is not None:
            yield problem
        elif one.is_enabled:
            readable.append((one, secrets))
            yield from _settings(one, secrets)
    yield from _public_url(found)
    yield from _old_keys(found)
    yield from _shared_logins(readable)
    yield ok(f"{counted(len(found), 'connection')}, {sum(one.is_enabled for one in found)} switched on.")


def _opened(one: "Connection") -> tuple[dict[str, str], Symptom | None]:
    from chappe.engine.vault import Sealed
    from chappe.features.connections.services import open_secrets

    try:
        return open_secrets(one), None
    except Sealed as problem:
        fix = "Give the key back in CHAPPE_KEYS, or write the password anew: `chappe connection change --new-password`."
        return {}, error(f"The secrets of {_name(one)} cannot be read: {problem}.", fix)


def _settings(one: "Connection", secrets: dict[str, str]) -> Iterator[Symptom]:
    from chappe.messaging import ConfigError
    from chappe.providers.registry import PROVIDERS

    spec = PROVIDERS.get(one.provider)
    if spec is None:
        yield error(f"{_name(one)} is of an unknown kind, {one.provider}.", "Install the version that knows it.")
        return
    try:
        settings = spec.parse({**one.settings, **secrets})
    except ConfigError as problem:
        fields = "; ".join(f"{each.field} {each.message}" for each in problem.errors)
        yield error(f"The settings of {_name(one)} cannot be used: {fields}.", "`chappe connection change` sets them.")
        return
    if one.provider != "smpp":
        yield from _certificate(one, settings.text("client_certificate"))
    elif not settings.text("password"):
        yield warning(
            f"{_name(one)} logs in without a password.", "If that is not meant: `connection change --new-password`."
        )


def _certificate(one: "Connection", pem: str) -> Iterator[Symptom]:
    """Ours, for mTLS: what ends soon, while there is time to have it renewed."""
    from chappe.engine.net.diagnosis import judge_client_certificate
    from chappe.engine.net.finding import Report

    report = Report()
    judge_client_certificate(pem, datetime.now(UTC), report)
    for finding in report.findings:
        if finding.level != "ok":
            made = error if finding.level == "error" else warning
            yield made(f"{_name(one)}: {finding.text}", "`chappe connection change` sets the new one and its key.")


def _public_url(found: "list[Connection]") -> Iterator[Symptom]:
    from django.conf import settings

    from chappe.providers.registry import HTTP

    by_http = [one for one in found if one.is_enabled and one.provider in HTTP]
    if by_http and not settings.CONFIGURATION.public_url:
        yield warning(
            f"Providers of {counted(len(by_http), 'connection')} are not told where to report what became of messages.",
            "Set CHAPPE_PUBLIC_URL to the address at which they reach the web process.",
        )


def _old_keys(found: "list[Connection]") -> Iterator[Symptom]:
    from chappe.features.callbacks.models import CallbackEndpoint
    from chappe.features.sealed import process_vault

    vault = process_vault()
    old = [one for one in found if vault.needs_rotation(bytes(one.secrets))]
    signing = [one for one in CallbackEndpoint.objects.all() if vault.needs_rotation(bytes(one.secrets))]
    kinds = {"connection": len(old), "callback": len(signing)}
    named = " and ".join(counted(count, what) for what, count in kinds.items() if count)
    if named:
        words = f"The secrets of {named} are still under an older key of CHAPPE_KEYS."
        yield warning(words, "`chappe secrets rotate` brings them under the first.")


def _shared_logins(found: "list[tuple[Connection, dict[str, str]]]") -> Iterator[Symptom]:
    logins: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for one, secrets in found:
        place = tuple(one.settings.get(name) for name in ("host", "port", "account"))
        if one.settings.get("account"):
            logins[*place, secrets.get("password", "")].append(_name(one))
    for names in logins.values():
        if len(names) > 1:
            yield warning(
                f"{' and '.join(names)} log in at the same server with the same account and password.",
                "A receipt comes to whichever the provider picks, and matches nothing at the other. Use one of them, "
                "or ask the provider for another account.",
            )


def _name(one: "Connection") -> str:
    return f"{one.name} ({one.organisation.name})"
