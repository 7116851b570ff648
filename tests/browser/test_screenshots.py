"""Every screen with the demo's data: looked at, and with --screenshots kept as the pictures of docs/console-tour.md."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from tests.browser.conftest import Keep, Open
from tests.browser.journey import PASSWORD

PEOPLE = 300
SCREENS = {
    "home": "/",
    "connections": "/connections/",
    "wall": "/connections/wall/",
    "connection-settings": "/connections/1/settings/",
    "connection-performance": "/connections/1/performance/",
    "connect": "/connections/new/",
    "list": "/contacts/lists/1/",
    "import": "/contacts/imports/1/",
    "person": "/contacts/people/1/",
    "quarantine": "/consent/",
    "keywords": "/consent/keywords/",
    "deliveries": "/deliveries/",
    "editor": "/deliveries/new/",
    "report": "/deliveries/1/report/",
    "message": "/messages/",
    "inbox": "/inbox/",
    "hooks": "/hooks/",
    "errors": "/errors/",
    "audit": "/audit/",
    "settings": "/settings/quiet-hours/",
}


def write(page: Page) -> None:
    """A text with a character that makes it dearer."""
    page.get_by_label("Name", exact=True).fill("Summer")
    page.get_by_label("Text", exact=True).fill("Bonjour {{ prénom }}, c’est l’été au magasin de {{ ville }} !")
    expect(page.get_by_text("U+2019")).to_be_visible()


def find(page: Page) -> None:
    """A message by the number of somebody who got one, and what happened to it."""
    page.goto("/deliveries/1/messages/")
    number = page.get_by_role("table").get_by_role("link").first.inner_text().strip()
    page.goto("/messages/")
    page.get_by_role("searchbox").fill(number)
    page.get_by_role("button", name="Find").click()
    page.get_by_role("table").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()


ACTS = {"editor": write, "message": find}
"""What is done on a page before it is looked at."""


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The demo, run to its end and left up; the link that it prints."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    start = "from chappe.cli import main; main()"
    command = [sys.executable, "-c", start, "demo", "--people", str(PEOPLE), "--data", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    try:
        yield next(line.strip() for line in process.stdout if "/people/invitation/" in line)
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def sign_in(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_label("Your name").fill("Marie Curie")
    page.get_by_label("E-mail address").fill("marie@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("navigation", name="Main menu")).to_be_visible()


def test_every_screen_has_something_to_show(link: str, open_page: Open, keep: Keep) -> None:
    page = open_page(link.partition("/people/")[0], reduced_motion="reduce")
    sign_in(page, link)
    for name, path in SCREENS.items():
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        if name in ACTS:
            ACTS[name](page)
        keep(page, name)
