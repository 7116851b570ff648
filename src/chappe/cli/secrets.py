"""`chappe secrets`: the encryption of what connections log in with."""

import typer

from chappe.cli.database import ready
from chappe.cli.screen import counted, screen

app = typer.Typer(no_args_is_help=True, help="Care for the encrypted secrets.")


@app.callback()
def secrets() -> None:
    """Care for the encrypted secrets."""


@app.command("rotate")
def rotate() -> None:
    """Bring every secret under the first of CHAPPE_KEYS; afterwards the older keys can be taken away."""
    ready()
    from chappe.features.connections.services import rotate_secrets

    rotated = rotate_secrets()
    words = f"{counted(rotated, 'connection')} brought under the first key."
    screen().print(words if rotated else "Every secret was under the first key already.")
