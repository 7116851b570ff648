"""A shell in an installation whose database is the test's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from tests.cli.shell import Shell
from tests.row import NOW_MS

from chappe.cli.installation import installation
from chappe.features.accounts import services as accounts
from chappe.features.accounts.models import Organisation


@pytest.fixture
def shell(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    monkeypatch.setenv("CHAPPE_DATABASE_URL", database)
    monkeypatch.setenv("CHAPPE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "240")
    installation.cache_clear()
    yield Shell(monkeypatch, capsys)
    installation.cache_clear()
    structlog.reset_defaults()  # set up for this test's standard error


@pytest.fixture
def organisation(database: str) -> Organisation:
    return accounts.create_organisation("Relais", NOW_MS)
