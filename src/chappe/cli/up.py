"""`chappe up`: everything that one machine needs."""

import os
import socket
from typing import Annotated

import typer

from chappe.cli.installation import installation, migrate
from chappe.cli.screen import screen
from chappe.cli.supervisor import Supervisor

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - not listened on, only translated
"""Addresses that are listened on and cannot be called."""


def up(
    engines: Annotated[int, typer.Option(min=1, max=8, help="Engine processes; connections are shared out.")] = 1,
    web: Annotated[bool, typer.Option(help="Also start the web process, which answers the API.")] = True,
    simulator: Annotated[
        str, typer.Option(help="Also start the bundled SMSC with this profile, on the ports of `simulate smsc`.")
    ] = "",
) -> None:
    """Start the web process, the engine and the jobs on this machine, and keep them up."""
    configuration = installation()
    said = []
    supervisor = Supervisor(os.environ)
    assemble(supervisor, configuration.host, configuration.port, engines=engines, web=web)
    if simulator:
        said.append(add_simulator(supervisor, simulator))
    migrate()
    if web:
        place = configuration.public_url or reachable(configuration.host, configuration.port)
        said.insert(0, where_it_answers(configuration.host, configuration.port, configuration.public_url))
        said.append(first_link(place))
    for words in filter(None, said):
        screen(stderr=True).print(words, soft_wrap=True)
    supervisor.run()


def assemble(supervisor: Supervisor, host: str, port: int, *, engines: int = 1, web: bool = True) -> None:
    """The processes of an installation."""
    for number in range(engines):
        # The name outlives the process, so that an engine started anew has its links at once. Another installation that
        # works on the same database has another host or another supervisor.
        owner = f"{socket.gethostname()}-{os.getpid()}-{number + 1}"
        supervisor.add(f"engine-{number + 1}" if engines > 1 else "engine", "-m", "chappe.engine.engine", owner)
    if web:
        supervisor.add("web", "-m", "chappe.web.serve", host, str(port))
    supervisor.add("jobs", "-m", "chappe.features.jobs.process")


def add_simulator(supervisor: Supervisor, profile: str) -> str:
    """The bundled SMSC, on the ports that it has by itself; where it answers. Raises ConfigError for the profile."""
    from chappe.simulator import HTTP_PORT, SMPP_PORT
    from chappe.simulator.profile import load

    load(profile)  # here, and not again and again in a process that ends at once
    supervisor.add("simulator", "-m", "chappe.simulator", "--quirks", profile)
    return f"The simulator takes SMPP at 127.0.0.1:{SMPP_PORT}; what it saw is at http://127.0.0.1:{HTTP_PORT}/stats"


def reachable(host: str, port: int) -> str:
    """The address to open from this machine."""
    name = ANYWHERE.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def where_it_answers(host: str, port: int, public_url: str = "") -> str:
    """What to open and what to ask first: there is nothing at /v1/ itself."""
    place = public_url or reachable(host, port)
    return (
        f"The console is at {place}/\n"
        f"The API is described at {place}/v1/openapi.json; its requests need a key, which `chappe key create NAME` "
        f"makes. {place}/healthz says whether it is up."
    )


def first_link(place: str) -> str:
    """What to say where nobody can sign in yet: a link for the first administrator, which works once; "" elsewhere."""
    from django.urls import reverse

    from chappe.features.accounts import invitation
    from chappe.features.clock import now_ms

    if not invitation.needs_first_person():
        return ""
    made = invitation.invite_first(now_ms())
    return (
        f"Nobody can sign in yet. Open this link to become the first administrator; it works once, within a day:\n"
        f"{place}{reverse('accounts:invitation', args=[made.token])}"
    )
