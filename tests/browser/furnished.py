"""A console with an object of every kind behind it, and somebody already signed in: for tests that look at each page."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections
from django.test import Client
from tests.conftest import migrate
from tests.console.populated import pages, populate
from tests.e2e.installation import HOST, Installation

LIVE = "live/<slug:topic>/<int:subject>"


@dataclass(frozen=True)
class Furnished:
    """Where it answers, what signs a browser in as an administrator, and the address of every page that they can look at."""

    place: str
    cookie: Any
    paths: list[str]


@contextmanager
def furnished(folder: Path) -> Iterator[Furnished]:
    url = f"sqlite:///{folder / 'chappe.sqlite3'}"
    # Playwright's loop runs in this thread, where Django's database refuses to.
    with ThreadPoolExecutor(1) as thread:
        session, paths = thread.submit(_furnish, url).result()
    with Installation(folder, url) as installation:
        installation.environment["CHAPPE_DATA_DIR"] = os.environ["CHAPPE_DATA_DIR"]  # its keys made the session
        installation.start_web()
        place = f"http://{HOST}:{installation.port}"
        yield Furnished(place, {"name": settings.SESSION_COOKIE_NAME, "value": session, "url": place}, paths)


def _furnish(url: str) -> tuple[str, list[str]]:
    """The session of somebody who is signed in, and the addresses that answer them with a page."""
    migrate(url)
    house = populate("Zorglub", 1)
    client = Client()
    client.force_login(house.people["administrator"])
    paths = [one.filled(house.ids) for one in pages() if one.route != LIVE]
    shown = [path for path in paths if _is_page(client.get(path))]
    tabs = ("", "settings/", "replace/", "verify/", "performance/", "exchanges/", "hooks/", "traces/")
    made = {provider: connection.pk for provider, connection in house.connections.items()} | {
        "relay": house.ids["mid_id"]
    }
    for provider, number in made.items():
        shown += [f"/connections/{number}/{tab}" for tab in tabs] + [f"/connections/new/{provider}/"]
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    connections.close_all()
    return session, sorted({*shown, "/account/password/change/", "/account/2fa/"})


def _is_page(answer: Any) -> bool:
    return answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html")
