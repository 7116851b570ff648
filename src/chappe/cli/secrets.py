"""`chappe secrets`: the encryption of what connections log in with, and of what callbacks are signed with."""

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
    from chappe.features.accounts import second_factor
    from chappe.features.callbacks import services as callbacks
    from chappe.features.connections import services as connections
    from chappe.features.hooks import services as hooks
    from chappe.features.relay import services as relay
    from chappe.features.sealed import process_vault

    rotated = {
        "connection": connections.rotate_secrets(),
        "callback": callbacks.rotate_secrets(),
        "hook": hooks.rotate_secrets(),
        "account of another installation": relay.rotate_secrets(),
        "second factor": second_factor.rotate(process_vault()),
    }
    words = " and ".join(counted(count, what) for what, count in rotated.items() if count)
    screen().print(
        f"{words} brought under the first key." if words else "Every secret was under the first key already."
    )
