"""Faults: real processes, killed, cut off and starved. `pytest tests/faults --long` does more of everything."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.faults.plant import Plant


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="more kills, more cuts, more messages: an hour of them")


@pytest.fixture(scope="session")
def is_long(pytestconfig: pytest.Config) -> bool:
    # Where the suite is run as a whole, this file is found too late for its option to be known.
    return bool(pytestconfig.getoption("--long", default=False))


@pytest.fixture
def plant(sqlite_url: str, bound: Callable[[str], None], tmp_path: Path) -> Iterator[Callable[..., Plant]]:
    """Makes an installation on the embedded database (or at `url`); all of its processes are ended with the test."""
    made: list[Plant] = []

    def make(url: str = "", **settings: object) -> Plant:
        bound(url or sqlite_url)
        made.append(Plant(url or sqlite_url, tmp_path / "engine.log", **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()
        print(one.log.read_text() if one.log.exists() else "")  # pytest shows it where the test failed
