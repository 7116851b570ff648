"""`chappe simulate`: the bundled simulators, by hand."""

import sys

import typer

app = typer.Typer(no_args_is_help=True, help="Run a simulator.")

PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.callback()
def simulate() -> None:
    """Run a simulator."""


@app.command("smsc", context_settings=PASSED_ON)
def smsc(context: typer.Context) -> None:
    """A scriptable SMSC; --help lists its options."""
    from chappe.simulator.__main__ import main

    sys.exit(main(context.args))


@app.command("http", context_settings=PASSED_ON)
def http(context: typer.Context) -> None:
    """Scriptable HTTP providers; --help lists its options."""
    from chappe.simulator.http_process import main

    sys.exit(main(context.args))
