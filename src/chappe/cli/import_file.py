"""`chappe import`: people from a CSV file onto a list."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from chappe.cli.choice import OrganisationName, chosen_organisation
from chappe.cli.database import ready
from chappe.cli.screen import AsJson, counted, fields_named, screen, show_json, show_table

if TYPE_CHECKING:
    from chappe.features.contacts.models import ContactImport, ContactList

ERRORS_SHOWN = 20


def import_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="A CSV file with a header.")],
    list_name: Annotated[str, typer.Option("--list", help="The list; it is made where there is none of this name.")],
    region: Annotated[str, typer.Option(help="Country of numbers without a country code, such as FR.")] = "",
    phone_column: Annotated[str, typer.Option(help="The column with the numbers; else found by its name.")] = "",
    encoding: Annotated[str, typer.Option(help="utf-8, cp1252 or latin-1; else found out.")] = "",
    delimiter: Annotated[str, typer.Option(help="What stands between cells; else found out.")] = "",
    organisation: OrganisationName = "",
    as_json: AsJson = False,
) -> None:
    """Import people. Rows that cannot be taken are shown at the end; exit code 1 where there are any."""
    ready()
    from chappe.features.contacts.services import ImportOptions, import_csv

    owner = chosen_organisation(organisation)
    options = ImportOptions(phone_column or None, region.upper() or None, encoding or None, delimiter or None)
    with fields_named(), file.open("rb") as stream, _bar(quiet=as_json) as bar:
        people = _list_named(owner.pk, list_name)
        task = bar.add_task(file.name, total=file.stat().st_size)

        def advance(row: "ContactImport") -> None:
            bar.update(task, completed=stream.tell(), description=counted(row.rows, "row"))

        done = import_csv(people.organisation_id, people, stream, options, filename=file.name, progress=advance)
        bar.update(task, completed=file.stat().st_size)
    _show(done, as_json=as_json)
    if done.rejected:
        raise typer.Exit(1)


def _bar(*, quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=screen(stderr=True),
        disable=quiet,
    )


def _list_named(organisation_id: int, name: str) -> "ContactList":
    from chappe.features.clock import now_ms
    from chappe.features.contacts.models import ContactList
    from chappe.features.contacts.services import create_list

    found = ContactList.objects.filter(organisation_id=organisation_id, name=name.strip()).first()
    return found or create_list(organisation_id, name, now_ms())


def _show(done: "ContactImport", *, as_json: bool) -> None:
    errors = list(done.errors.order_by("pk")[:ERRORS_SHOWN])
    if as_json:
        kept = done.errors.order_by("pk").values("line", "field", "message")
        figures = {"rows": done.rows, "imported": done.imported, "rejected": done.rejected, "errors": list(kept)}
        show_json(figures)
        return
    screen().print(f"Of {counted(done.rows, 'row')} {done.imported:,} went onto the list {done.list.name}.")
    if errors:
        rows = [(error.line, error.field, error.message) for error in errors]
        show_table((">Line", "Column", "What is wrong"), rows, f"{counted(done.rejected, 'row')} not taken")
        if done.rejected > len(errors):
            screen().print(f"and {done.rejected - len(errors):,} more; --json gives them all.")
