"""The main job by clicks alone, on PostgreSQL, as somebody does it who reads French."""

from pathlib import Path

import pytest
from tests.browser.conftest import Open
from tests.browser.journey import main_job
from tests.browser.reader import Reader
from tests.browser.stage import stage
from tests.conftest import administer, sibling


@pytest.mark.postgresql
def test_the_main_job_is_done_in_french(postgresql_server: str, tmp_path: Path, open_page: Open) -> None:
    # An empty database: the installation makes its tables itself. Playwright's loop runs in this thread, where Django's
    # database refuses to.
    administer(postgresql_server, "CREATE DATABASE console TEMPLATE template0")
    with stage(tmp_path, sibling(postgresql_server, "console")) as made:
        main_job(Reader(open_page(made.place, "fr"), "fr"), made)
