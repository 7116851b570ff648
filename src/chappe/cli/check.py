"""`chappe check`: try a connection from here, and say what was found."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from chappe.cli.choice import OrganisationName, chosen_connection, chosen_organisation
from chappe.cli.database import ready
from chappe.cli.screen import AsJson, counted, screen, show_findings, show_json

if TYPE_CHECKING:
    from chappe.features.connections.models import Connection


def check(
    connection: Annotated[str, typer.Argument(help="Its name or number; may be left out where there is one.")] = "",
    to: Annotated[str, typer.Option(help="A number to send a test message to.")] = "",
    text: Annotated[str, typer.Option(help="The text of the test message.")] = "",
    trace: Annotated[bool, typer.Option("--trace", help="Show every PDU, without password and text.")] = False,
    organisation: OrganisationName = "",
    as_json: AsJson = False,
) -> None:
    """Connect, log in, measure, optionally send a test message. Exit code 1 where anything is wrong."""
    ready()
    from chappe.engine.net.check import check_connection
    from chappe.engine.vault import Sealed
    from chappe.features.clock import now_ms
    from chappe.features.connections.link import held_slots
    from chappe.features.connections.services import open_secrets

    row = chosen_connection(chosen_organisation(organisation), connection)
    log = screen(stderr=True)
    try:
        secrets = open_secrets(row)
    except Sealed as error:
        log.print(f"The secrets of {row.name} cannot be read: {error}. Write them again.")
        raise typer.Exit(1) from None
    if not as_json and (held := _held_links(row)):
        log.print(f"An engine holds {counted(held, 'link')} with this login while it is checked.")
    findings = asyncio.run(
        check_connection(
            row.settings,
            secrets,
            test_number=to or None,
            test_text=text or None,
            engine_links=held_slots(row.pk, now_ms()),
            on_pdu=(lambda direction, line: log.print(f"{direction:>3} {line}", style="dim")) if trace else None,
        )
    )
    if as_json:
        show_json(findings)
    else:
        show_findings((finding.level, finding.text, "") for finding in findings)
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(1)


def _held_links(row: "Connection") -> int:
    from chappe.features.clock import now_ms
    from chappe.features.connections.link import links_of

    return sum(link.is_bound for link in links_of([row.pk], now_ms()))
