"""`chappe key`: what programs sign in with."""

from typing import Annotated

import typer

from chappe.cli.choice import NoChoice, OrganisationName, chosen_organisation
from chappe.cli.database import ready
from chappe.cli.screen import AsJson, moment, screen, show_json, show_table

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="send, read or manage; may be given several times. Left out: send, read.")
    ] = None,
    organisation: OrganisationName = "",
) -> None:
    """Make a key and show it, this once. Standard output holds the key alone."""
    ready()
    from chappe.features.accounts.services import create_api_key
    from chappe.features.clock import now_ms

    owner = chosen_organisation(organisation)
    created = create_api_key(owner, name, scope or ["send", "read"], now_ms())
    scopes = ", ".join(created.row.scopes)
    screen(stderr=True).print(f"Key {created.row.pk} of {owner.name} ({scopes}). It is shown now and never again:")
    typer.echo(created.secret)


@app.command("list")
def list_(organisation: OrganisationName = "", as_json: AsJson = False) -> None:
    """The keys of an organisation, by how they begin."""
    ready()
    from chappe.features.accounts.services import api_keys

    rows = [
        {
            "id": key.pk,
            "name": key.name,
            "begins": key.prefix,
            "operator": key.operator.login if key.operator else "",
            "scopes": ", ".join(key.granted),
            "last_used": moment(key.last_used_ms),
            "revoked": moment(key.revoked_ms),
        }
        for key in api_keys(chosen_organisation(organisation).pk).select_related("operator")
    ]
    if as_json:
        show_json(rows)
    else:
        columns = (">Id", "Name", "Begins", "Operator", "Scopes", "Last used (UTC)", "Revoked (UTC)")
        show_table(columns, [row.values() for row in rows])


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="Its number, its name, or how it begins.")],
    organisation: OrganisationName = "",
) -> None:
    """Let a key in no more; within a second."""
    ready()
    from chappe.features.accounts.services import api_keys, revoke_api_key
    from chappe.features.clock import now_ms

    owner = chosen_organisation(organisation)
    live = [one for one in api_keys(owner.pk) if not one.revoked_ms]
    found = [one for one in live if key in (str(one.pk), one.name, one.prefix)]
    if len(found) != 1:
        words = "There is no key" if not found else "There are several keys"
        raise NoChoice(f"{words} {key} in {owner.name} that is in use; `chappe key list` shows their numbers.")
    revoked = revoke_api_key(owner.pk, found[0].pk, now_ms())
    screen().print(f"The key {revoked.name} ({revoked.prefix}…) lets nobody in any more.")
