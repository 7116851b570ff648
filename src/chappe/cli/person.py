"""`chappe person`: links for people who cannot sign in yet, or no more."""

from typing import TYPE_CHECKING, Annotated

import typer

from chappe.cli.choice import OrganisationName, chosen_organisation
from chappe.cli.database import ready
from chappe.cli.screen import fields_named, screen

if TYPE_CHECKING:
    from chappe.engine.configuration import Configuration

app = typer.Typer(no_args_is_help=True, help="Invite people, and let them in again.")

Email = Annotated[str, typer.Argument(help="The address they sign in with.")]


@app.callback()
def person() -> None:
    """Invite people, and let them in again."""


@app.command("invite")
def invite(
    email: Email,
    role: Annotated[str, typer.Option(help="marketer, operator, administrator or auditor.")] = "administrator",
    organisation: OrganisationName = "",
) -> None:
    """Make a link for one person and show it, this once. Standard output holds the link alone."""
    configuration = ready()
    from django.urls import reverse

    from chappe.features.accounts import invitation
    from chappe.features.clock import now_ms

    owner = chosen_organisation(organisation)
    with fields_named():
        made = invitation.invite(owner.pk, email, role, "", now_ms())
    screen(stderr=True).print(f"{made.row.email} is invited to {owner.name}. The link works once, for a week:")
    typer.echo(place(configuration) + reverse("accounts:invitation", args=[made.token]))


@app.command("password")
def password(email: Email) -> None:
    """Make a link by which somebody sets a new password. Standard output holds the link alone."""
    configuration = ready()
    from chappe.features.accounts.letter import password_link
    from chappe.features.accounts.people import person_at

    someone = person_at(email)
    screen(stderr=True).print(f"A link for {someone.email}; it works once, and the old password stays good until then:")
    typer.echo(place(configuration) + password_link(someone))


def place(configuration: "Configuration") -> str:
    """Where people open the console."""
    from chappe.cli.up import reachable

    return configuration.public_url or reachable(configuration.host, configuration.port)
