"""Which organisation and which connection a command is about, by the names people give them."""

from typing import TYPE_CHECKING, Annotated

import typer

from chappe.messaging import ChappeError

if TYPE_CHECKING:
    from chappe.features.accounts.models import Organisation
    from chappe.features.connections.models import Connection

OrganisationName = Annotated[str, typer.Option("--organisation", help="Its name; may be left out where there is one.")]


class NoChoice(ChappeError):
    """It is not clear what is meant; the text names what there is."""


def chosen_organisation(name: str) -> "Organisation":
    """The organisation of this name; without one, the only one. Raises NotFound, NoChoice."""
    from chappe.features.accounts.models import Organisation
    from chappe.features.accounts.services import organisation_named

    if name:
        return organisation_named(name)
    found = list(Organisation.objects.order_by("name")[:20])
    if len(found) == 1:
        return found[0]
    if not found:
        raise NoChoice("There is no organisation yet. `chappe organisation create NAME` makes one.")
    raise NoChoice(f"Say which organisation by --organisation: {', '.join(one.name for one in found)}.")


def chosen_connection(organisation: "Organisation", name: str) -> "Connection":
    """The connection of this name or number; without one, the only one. Raises NoChoice."""
    from chappe.features.connections.services import connections_of

    found = list(connections_of(organisation.pk).order_by("name"))
    if not found:
        raise NoChoice(f"{organisation.name} has no connection yet. `chappe connection create NAME` makes one.")
    chosen = [one for one in found if name in (one.name, str(one.pk))] if name else found
    # A name that is another connection's number: the name is meant.
    named = [one for one in chosen if one.name == name]
    if len(named or chosen) == 1:
        return (named or chosen)[0]
    listed = ", ".join(one.name for one in found)
    if name:
        raise NoChoice(f"There is no connection {name} in {organisation.name}. There is: {listed}.")
    raise NoChoice(f"Say which connection: {listed}.")
