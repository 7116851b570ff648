"""Short links for tests: an installation that has an address for them, and people who open them."""

import msgspec
import pytest
from django.conf import settings
from tests.row import NOW_MS

from chappe.engine.store.click import Click, add_clicks
from chappe.features.message_store import open_store

URL = "https://go.example.org"
BASE = f"{URL}/l/"
SALE, NEWS = "https://shop.example/sale", "https://shop.example/news"


def set_address(monkeypatch: pytest.MonkeyPatch, url: str = URL) -> None:
    """What short links of this installation begin with; "" takes it away."""
    given = msgspec.structs.replace(settings.CONFIGURATION, link_url=url, public_url="")
    monkeypatch.setattr(settings, "CONFIGURATION", given)


def opened(message_id: int, place: int = 0, url: str = SALE, *, is_machine: bool = False) -> None:
    """Somebody opens an address of a message, or a program does."""
    with open_store() as store, store.transaction():
        add_clicks(store, [Click(message_id, place, url, NOW_MS, is_machine)])
