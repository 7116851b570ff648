"""`chappe up`: everything that one machine needs."""

import os
from typing import Annotated

import typer
from rich.console import Console

from chappe.cli.installation import installation, migrate
from chappe.cli.supervisor import Supervisor


def up(
    engines: Annotated[int, typer.Option(min=1, max=8, help="Engine processes; connections are shared out.")] = 1,
    web: Annotated[bool, typer.Option(help="Also start the web process (API, hooks, console).")] = True,
    simulator: Annotated[str, typer.Option(help="Also start the bundled SMSC with this profile.")] = "",
) -> None:
    """Start the web process, the engine and the jobs on this machine, and keep them up."""
    configuration = installation()
    migrate()
    supervisor = Supervisor(os.environ)
    assemble(supervisor, configuration.host, configuration.port, engines=engines, web=web)
    if simulator:
        supervisor.add(
            "simulator", "-m", "chappe.simulator", "--port", "2775", "--http-port", "8026", "--quirks", simulator
        )
    if web:
        Console(stderr=True).print(
            f"Chappe answers at [bold]http://{configuration.host}:{configuration.port}/v1/[/], described at /v1/openapi.json"
        )
    supervisor.run()


def assemble(supervisor: Supervisor, host: str, port: int, *, engines: int = 1, web: bool = True) -> None:
    """The processes of an installation."""
    for number in range(engines):
        supervisor.add(f"engine-{number + 1}" if engines > 1 else "engine", "-m", "chappe.engine.engine")
    if web:
        supervisor.add("web", "-m", "chappe.web.serve", host, str(port))
    supervisor.add("jobs", "-m", "chappe.features.jobs.process")
