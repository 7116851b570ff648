"""`chappe organisation`: who uses this installation."""

from typing import Annotated

import typer

from chappe.cli.database import ready
from chappe.cli.installation import installation, migrate
from chappe.cli.screen import AsJson, moment, screen, show_json, show_table

app = typer.Typer(no_args_is_help=True, help="Make and list organisations.")


@app.command("create")
def create(name: Annotated[str, typer.Argument(help="A name that no other has.")]) -> None:
    """Make an organisation; on a new database, its tables first."""
    installation()
    migrate()
    from chappe.features.accounts.services import create_organisation
    from chappe.features.clock import now_ms

    created = create_organisation(name, now_ms())
    screen().print(f"The organisation {created.name} is made. `chappe key create NAME` gives a program access.")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every organisation, with its connections and keys in use."""
    ready()
    from django.db.models import Count, Q

    from chappe.features.accounts.models import Organisation

    counted = Organisation.objects.order_by("name").annotate(
        connection_count=Count("connections", distinct=True),
        key_count=Count("api_keys", filter=Q(api_keys__revoked_ms=0), distinct=True),
    )
    rows = [
        {"id": one.pk, "name": one.name, "connections": one.connection_count, "keys": one.key_count,
         "created": moment(one.created_ms)}
        for one in counted
    ]  # fmt: skip
    if as_json:
        show_json(rows)
    else:
        show_table((">Id", "Name", ">Connections", ">Keys", "Made (UTC)"), [row.values() for row in rows])
