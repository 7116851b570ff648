"""The main job by clicks alone, on PostgreSQL, as somebody does it who reads French."""

from pathlib import Path

import pytest
from tests.browser.conftest import Open
from tests.browser.journey import main_job
from tests.browser.reader import Reader
from tests.browser.stage import stage


@pytest.mark.postgresql
def test_the_main_job_is_done_in_french(postgresql_url: str, tmp_path: Path, open_page: Open) -> None:
    with stage(tmp_path, postgresql_url) as made:
        main_job(Reader(open_page(made.place, "fr"), "fr"), made)
