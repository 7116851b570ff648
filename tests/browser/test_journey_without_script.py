"""The main job by clicks alone, in a browser that runs no script."""

from pathlib import Path

from tests.browser.conftest import Open
from tests.browser.journey import main_job
from tests.browser.reader import Reader
from tests.browser.stage import stage


def test_the_main_job_is_done_without_javascript(tmp_path: Path, open_page: Open) -> None:
    with stage(tmp_path, f"sqlite:///{tmp_path / 'chappe.sqlite3'}") as made:
        page = open_page(made.place, java_script_enabled=False)
        main_job(Reader(page, has_script=False), made)
