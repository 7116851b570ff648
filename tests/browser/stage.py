"""A whole Chappe that nobody has signed in to yet, with simulated providers behind it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.installation import HOST, Installation

from chappe.simulator import HttpSimulatorProcess, Quirks, SimulatorProcess


@dataclass(frozen=True)
class Stage:
    """Where the console is, the path of the link for the first person, and the providers."""

    place: str
    link: str
    smsc: SimulatorProcess
    providers: HttpSimulatorProcess
    installation: Installation


@contextmanager
def stage(folder: Path, url: str) -> Iterator[Stage]:
    """Everything that `chappe up` starts, on an empty database."""
    with (
        SimulatorProcess(Quirks(receipt_delay_ms=100.0)) as smsc,
        HttpSimulatorProcess("plain") as providers,
        Installation(folder, url) as installation,
    ):
        place = f"http://{HOST}:{installation.port}"
        installation.environment["CHAPPE_PUBLIC_URL"] = place
        installation.people()
        asked = [sys.executable, "-m", "chappe.cli.stage", "link"]
        done = subprocess.run(asked, env=installation.environment, check=True, stdout=subprocess.PIPE, text=True)
        installation.up()
        yield Stage(place, done.stdout.strip(), smsc, providers, installation)
