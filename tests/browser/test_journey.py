"""The main job by clicks alone, on SQLite, in English."""

from pathlib import Path

from tests.browser.conftest import Open
from tests.browser.journey import main_job
from tests.browser.reader import Reader
from tests.browser.stage import stage


def test_the_main_job_is_done_from_the_console_alone(tmp_path: Path, open_page: Open) -> None:
    with stage(tmp_path, f"sqlite:///{tmp_path / 'chappe.sqlite3'}") as made:
        main_job(Reader(open_page(made.place)), made)
