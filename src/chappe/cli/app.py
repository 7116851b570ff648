"""The commands, by name."""

import sys

import typer
from rich.console import Console

from chappe.cli import demo, up
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


def main() -> None:
    """Run a command; what goes wrong and can be said in words is said in words."""
    try:
        app()
    except ConfigError as error:
        problems = Console(stderr=True)
        for one in error.errors:
            problems.print(f"[bold red]{one.field}[/]: {one.message}")
        sys.exit(2)
    except ChappeError as error:
        Console(stderr=True).print(f"[bold red]Error:[/] {error}")
        sys.exit(1)
