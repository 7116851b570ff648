"""The commands, by name."""

import getpass
import sys

import typer
from rich.console import Console
from rich.text import Text

from chappe.cli import (
    bench,
    check,
    connection,
    demo,
    doctor,
    import_file,
    key,
    operator,
    organisation,
    person,
    secrets,
    send,
    simulate,
    status,
    timeline,
    up,
)
from chappe.features.audit.actor import Actor, ActorKind, acting_as
from chappe.messaging import ChappeError, ConfigError

app = typer.Typer(
    name="chappe",
    help="An open, self-hosted messaging engine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("send")(send.send)
app.command("import")(import_file.import_file)
app.command("check")(check.check)
app.command("status")(status.status)
app.command("timeline")(timeline.timeline)
app.add_typer(simulate.app, name="simulate")
app.command("bench", context_settings=simulate.PASSED_ON)(bench.bench)
app.command("doctor")(doctor.doctor)
app.add_typer(organisation.app, name="organisation")
app.add_typer(person.app, name="person")
app.add_typer(key.app, name="key")
app.add_typer(operator.app, name="operator")
app.add_typer(connection.app, name="connection")
app.add_typer(secrets.app, name="secrets")


def main() -> None:
    """Run a command; what goes wrong and can be said in words is said in words."""
    try:
        with acting_as(Actor(ActorKind.COMMAND, name=_login())):
            app()
    except ConfigError as error:
        problems = Console(stderr=True)
        for one in error.errors:
            problems.print(Text.assemble((one.field, "bold red"), f": {one.message}"))
        sys.exit(2)
    except ChappeError as error:
        Console(stderr=True).print(Text.assemble(("Error: ", "bold red"), str(error)))
        sys.exit(1)


def _login() -> str:
    """By whose hand the command runs; "" where the machine has no name for it, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
