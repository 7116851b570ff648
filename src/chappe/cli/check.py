"""`chappe check`: try a connection from here, and say what was found."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from chappe.cli.choice import OrganisationName, chosen_connection, chosen_organisation
from chappe.cli.database import ready
from chappe.cli.screen import AsJson, counted, screen, show_findings, show_json

if TYPE_CHECKING:
    from rich.console import Console

    from chappe.engine.net.http_check import ShownExchange
    from chappe.features.connections.models import Connection


def check(
    connection: Annotated[str, typer.Argument(help="Its name or number; may be left out where there is one.")] = "",
    to: Annotated[str, typer.Option(help="A number to send a test message to.")] = "",
    text: Annotated[str, typer.Option(help="The text of the test message.")] = "",
    trace: Annotated[
        bool,
        typer.Option(
            "--trace", help="Show every PDU without password and text, or every request and answer without secrets."
        ),
    ] = False,
    organisation: OrganisationName = "",
    as_json: AsJson = False,
) -> None:
    """Connect, log in, measure, optionally send a test message. Exit code 1 where anything is wrong."""
    ready()
    from chappe.engine.net.verification import verify
    from chappe.engine.vault import Sealed
    from chappe.features.connections.services import verification_subject
    from chappe.features.deliveries.identifier import for_test

    row = chosen_connection(chosen_organisation(organisation), connection)
    log = screen(stderr=True)
    try:
        subject = verification_subject(row)
    except Sealed as error:
        log.print(f"The secrets of {row.name} cannot be read: {error}. Write them again.")
        raise typer.Exit(1) from None
    if not as_json and (held := _held_links(row)):
        log.print(f"An engine holds {counted(held, 'link')} with this login while it is checked.")
    found = asyncio.run(
        verify(
            subject,
            test_number=to or None,
            test_text=for_test(subject, to, text) if to and text else text or None,
            on_pdu=(lambda direction, line: log.print(f"{direction:>3} {line}", style="dim")) if trace else None,
        )
    )
    if trace:
        for exchange in found.exchanges:
            _show_exchange(exchange, log)
    if as_json:
        show_json(found.findings)
    else:
        show_findings((finding.level, finding.text, "") for finding in found.findings)
    if not found.is_usable:
        raise typer.Exit(1)


def _show_exchange(exchange: "ShownExchange", log: "Console") -> None:
    """Brackets are the provider's, and no markup."""
    log.print(f"{exchange.what} ({exchange.took_ms:g} ms): {exchange.reading}", markup=False)
    for mark, text in ((">", exchange.request), ("<", exchange.response)):
        log.print("".join(f"{mark} {line}\n" for line in text.splitlines()), style="dim", markup=False)


def _held_links(row: "Connection") -> int:
    from chappe.features.clock import now_ms
    from chappe.features.connections.link import links_of

    return sum(link.is_bound for link in links_of([row.pk], now_ms()))
