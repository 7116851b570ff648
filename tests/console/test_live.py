"""What moves: a stream says that a page changed, to those who may see it, and to so many."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.test import AsyncClient
from tests import row
from tests.console.browser import Browser

from chappe.features.accounts.models import Organisation, User
from chappe.features.inbox.models import Conversation
from chappe.web.console import live

INBOX = "/live/inbox/0"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOOK_S", 0.05)
    live._answers.clear()
    live._open.clear()


def signed_in(user: User | None) -> AsyncClient:
    client = AsyncClient()
    if user is not None:
        client.force_login(user)
    return client


async def opened(client: AsyncClient, path: str = INBOX) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    return answer


class Watcher:
    """Reads a stream until it is cancelled, as the server does when the browser goes away."""

    def __init__(self, answer: Any) -> None:
        self.seen: list[bytes] = []
        self._task = asyncio.create_task(self._read(answer.streaming_content))

    async def _read(self, events: AsyncIterator[bytes]) -> None:
        async for event in events:
            self.seen.append(event)

    async def until(self, condition: Callable[[list[bytes]], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition(self.seen):
                await asyncio.sleep(0.01)

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def watch(test: Callable[[], Awaitable[None]]) -> None:
    async_to_sync(test)()


def write(organisation: Organisation, number: int) -> None:
    Conversation.objects.create(
        organisation_id=organisation.pk, number=f"+3361234567{number}", connection_id=1, last_inbound_id=number
    )


def test_a_stream_says_when_the_page_would_be_another(organisation: Organisation, admin: Browser) -> None:
    client = signed_in(admin.user)

    async def run() -> None:
        watcher = Watcher(await opened(client))
        await watcher.until(lambda seen: len(seen) >= 3)
        assert set(watcher.seen) == {b"retry: 3000\n\n", b": \n\n"}
        await sync_to_async(write)(organisation, 1)
        await watcher.until(lambda seen: b"event: changed\ndata: \n\n" in seen)
        await watcher.leave()
        assert not live._open

    watch(run)


def test_what_changes_for_another_organisation_is_not_told(organisation: Organisation, stranger: Browser) -> None:
    client = signed_in(stranger.user)

    async def run() -> None:
        watcher = Watcher(await opened(client))
        await sync_to_async(write)(organisation, 1)
        before = len(watcher.seen)
        await watcher.until(lambda seen: len(seen) > before + 3)
        assert set(watcher.seen) == {b"retry: 3000\n\n", b": \n\n"}
        await watcher.leave()

    watch(run)


def test_a_subject_of_another_organisation_is_not_there(organisation: Organisation, stranger: Browser) -> None:
    row.message(organisation.pk)
    client = signed_in(stranger.user)

    async def run() -> None:
        assert (await client.get("/live/message/1")).status_code == 404
        assert (await client.get("/live/nothing/1")).status_code == 404

    watch(run)


def test_nobody_watches_without_a_sign_in(organisation: Organisation) -> None:
    async def run() -> None:
        assert (await signed_in(None).get(INBOX)).status_code == 403

    watch(run)


def test_a_person_has_so_many_streams_and_each_that_ends_makes_room(admin: Browser) -> None:
    client = signed_in(admin.user)

    async def run() -> None:
        watchers = [Watcher(await opened(client)) for _ in range(live.MOST_OF_A_PERSON)]
        for watcher in watchers:
            await watcher.until(bool)
        assert (await client.get(INBOX)).status_code == 204
        await watchers.pop().leave()
        watchers.append(Watcher(await opened(client)))
        for watcher in watchers:
            await watcher.until(bool)
            await watcher.leave()
        assert not live._open

    watch(run)
