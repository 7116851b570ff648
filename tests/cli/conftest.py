"""A shell in an installation whose database is the test's."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from tests.cli.shell import Shell
from tests.row import NOW_MS

from chappe.cli.installation import installation
from chappe.features.accounts import services as accounts
from chappe.features.accounts.models import Organisation


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture
def shell(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    monkeypatch.setenv("CHAPPE_DATABASE_URL", database)
    monkeypatch.setenv("CHAPPE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CHAPPE_PORT", str(free_port()))
    monkeypatch.setenv("COLUMNS", "240")
    installation.cache_clear()
    yield Shell(monkeypatch, capsys)
    installation.cache_clear()
    structlog.reset_defaults()  # set up for this test's standard error


@pytest.fixture
def organisation(database: str) -> Organisation:
    return accounts.create_organisation("Relais", NOW_MS)
