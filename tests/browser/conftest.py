"""Debian's Chromium, and what it opens: a Chappe of its own processes."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

CHROMIUM = "chromium"
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
PATIENCE_MS = 15_000
WIDE = {"width": 1200, "height": 800}
expect.set_options(timeout=PATIENCE_MS)

MOST_PX = 1100
"""A picture's height; what goes on below is cut off."""
PICTURES = Path(__file__).parent.parent.parent / "docs" / "images" / "console"

Open = Callable[..., Page]
Keep = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """For one file's tests: as long as Playwright's loop runs in a thread, Django refuses it the database."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=[*QUIET])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Open]:
    """Opens a window of a browser of its own: cookies of its own, a language, and whatever else a context is given."""
    contexts: list[BrowserContext] = []

    def make(place: str, language: str = "en", **options: Any) -> Page:
        given = {"base_url": place, "locale": language, "viewport": WIDE, "timezone_id": "Europe/Paris"} | options
        context = chromium.new_context(**given)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        return context.new_page()

    yield make
    for one in contexts:
        one.close()


@pytest.fixture
def keep(pytestconfig: pytest.Config) -> Keep:
    """Keeps a picture of a page for docs/console-tour.md, by a name; nothing without --screenshots."""
    # Where the suite is run as a whole, this file is found too late for its option to be known.
    is_asked = pytestconfig.getoption("--screenshots", default=False)

    def kept(page: Page, name: str) -> None:
        if is_asked:
            PICTURES.mkdir(parents=True, exist_ok=True)
            page.set_viewport_size({**WIDE, "height": MOST_PX})
            page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")

    return kept


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", action="store_true", help="write the pictures of docs/console-tour.md")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for one in items:
        if Path(__file__).parent in one.path.parents:
            one.add_marker(pytest.mark.browser)
