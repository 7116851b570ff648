"""A whole Chappe that nobody has signed in to yet, with simulated providers behind it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
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


@dataclass(frozen=True)
class House:
    """An installation alone: where its console is, and the path of the link for the first person."""

    place: str
    link: str
    installation: Installation


@dataclass(frozen=True)
class TwoTiers:
    """Two of them that know nothing of each other yet, and the SMSC that mid is going to be connected to."""

    mid: House
    marketing: House
    smsc: SimulatorProcess


@contextmanager
def stage(folder: Path, url: str) -> Iterator[Stage]:
    """Everything that `chappe up` starts, on an empty database."""
    with (
        SimulatorProcess(Quirks(receipt_delay_ms=100.0)) as smsc,
        HttpSimulatorProcess("plain") as providers,
        house(folder, url) as made,
    ):
        yield Stage(made.place, made.link, smsc, providers, made.installation)


@contextmanager
def two_tiers(folder: Path, tables: Path) -> Iterator[TwoTiers]:
    """Both on SQLite, with a copy of `tables`; they start at the same time."""
    homes = [folder / "mid", folder / "marketing"]
    for home in homes:
        home.mkdir()
        shutil.copyfile(tables, home / "chappe.sqlite3")
    with SimulatorProcess(Quirks(receipt_delay_ms=100.0)) as smsc, ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        houses = [house(home, f"sqlite:///{home / 'chappe.sqlite3'}", has_tables=True) for home in homes]
        mid, marketing = pool.map(stack.enter_context, houses)
        yield TwoTiers(mid, marketing, smsc)


@contextmanager
def house(folder: Path, url: str, *, has_tables: bool = False) -> Iterator[House]:
    """One installation that nobody has signed in to."""
    with Installation(folder, url) as installation:
        place = f"http://{HOST}:{installation.port}"
        installation.environment["CHAPPE_PUBLIC_URL"] = place
        if not has_tables:
            installation.people()
        asked = [sys.executable, "-m", "chappe.cli.stage", "link"]
        done = subprocess.run(asked, env=installation.environment, check=True, stdout=subprocess.PIPE, text=True)
        installation.up()
        yield House(place, done.stdout.strip(), installation)
