"""Who may listen to what changes, and what so many who listen cost."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from tests.console.browser import Browser
from tests.console.test_live import INBOX, Watcher, opened, signed_in, watch, write

from chappe.features.accounts.models import Organisation, User
from chappe.features.live import TOPICS
from chappe.web.console import live


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_S", 0.05)
    live._answers.clear()
    live._open.clear()


def test_who_may_not_open_a_page_does_not_hear_that_it_changes(browse_as: Callable[..., Browser]) -> None:
    auditor = browse_as("auditor").client
    assert auditor.get(INBOX).status_code == 403
    assert auditor.get("/live/trace/1").status_code == 403


def test_only_the_first_page_is_everybody_s() -> None:
    assert {name for name, topic in TOPICS.items() if topic.right is None} == {"home"}


def test_a_stream_is_not_asked_for_by_other_methods(admin: Browser) -> None:
    assert admin.client.head(INBOX).status_code == 405
    assert admin.client.post(INBOX).status_code == 405


@pytest.mark.parametrize("withdrawn", [{"withheld": ["use_inbox"]}, {"is_active": False}], ids=["right", "door"])
def test_a_stream_ends_at_the_next_change_for_who_may_watch_no_more(
    withdrawn: dict[str, object], organisation: Organisation, admin: Browser
) -> None:
    client = signed_in(admin.user)

    async def run() -> None:
        watcher = Watcher(await opened(client))
        await watcher.until(lambda seen: len(seen) > 1)
        await sync_to_async(User.objects.update)(**withdrawn)
        await sync_to_async(write)(organisation, 1)
        async with asyncio.timeout(20):
            while live._open:
                await asyncio.sleep(0)
        assert not [event for event in watcher.seen if event.startswith(b"event:")]
        await watcher.leave()

    watch(run)


def test_streams_share_one_thread_and_keep_no_connection_of_their_requests(admin: Browser) -> None:
    client = signed_in(admin.user)

    async def run() -> None:
        watchers = [Watcher(await opened(client)) for _ in range(live.MOST_OF_A_PERSON)]
        for one in watchers:
            await one.until(lambda seen: len(seen) > 1)
        assert await sync_to_async(lambda: connections["default"].connection)() is None
        assert len([one for one in threading.enumerate() if one.name.startswith("live")]) == 1
        for one in watchers:
            await one.leave()

    watch(run)


def test_streams_that_come_together_are_not_more_than_there_is_room_for(admin: Browser) -> None:
    client = signed_in(admin.user)

    async def run() -> None:
        answers = [await opened(client) for _ in range(live.MOST_OF_A_PERSON + 3)]
        watchers = [Watcher(one) for one in answers]
        for one in watchers:
            await one.until(bool)
        assert [one.seen[0] for one in watchers].count(live.LATER) == 3
        for one in watchers:
            await one.leave()

    watch(run)
