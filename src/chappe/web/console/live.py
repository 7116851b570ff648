"""What changes is told to browsers by server-sent events; they then fetch the fragment of the page again."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_GET

from chappe.features.accounts.models import User
from chappe.features.accounts.person import Person, person_of
from chappe.features.live import TOPICS, mark
from chappe.features.refusal import NotFound
from chappe.features.view import Rule

LOOK_S = 1.0
LONGEST_S = 600.0
"""A stream ends by itself after so long, and the browser opens another."""
MOST_STREAMS = 200
"""Of this process; beyond, a page is as fresh as when it was opened."""
MOST_OF_A_PERSON = 12
LATER = b"retry: 60000\n\n"
"""To a stream that came together with others when there was room for one."""

Key = tuple[str, int, int]
"""Topic, organisation, subject."""
Question = TypeVar("Question")
Told = TypeVar("Told")


@dataclass
class Watched:
    """A subject that streams listen to. They share each answer: it is asked about once a second however many they are."""

    streams: int = 0
    asked_at: float = 0.0
    answer: "asyncio.Future[Hashable] | None" = None


@dataclass(frozen=True)
class Stream:
    """Somebody who listens, and what the page that they have was made of."""

    person: Person
    key: Key
    seen: str


_open: Counter[int] = Counter()
"""Streams by person."""
_answers: dict[Key, Watched] = {}
# All streams together have this one thread, and so one connection to the database. Each had a thread of its request, and with
# it a connection: a hundred pages left open would have taken all that PostgreSQL gives.
_looker = ThreadPoolExecutor(1, thread_name_prefix="live")


@require_GET
async def live(request: HttpRequest, topic: str, subject: int) -> HttpResponseBase:
    """A stream of `changed` events for one topic, such as `delivery` 12."""
    admitted = await sync_to_async(_admitted)(request, topic, subject)
    if not isinstance(admitted, Stream):
        return admitted
    answer = StreamingHttpResponse(_events(admitted), content_type="text/event-stream")
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"  # a proxy in front passes each event on at once
    return answer


live.rule = Rule(None, None)  # type: ignore[attr-defined]


def _admitted(request: HttpRequest, topic: str, subject: int) -> Stream | HttpResponse:
    """The stream that was asked for, or the answer where there is none."""
    person = person_of(request.user) if isinstance(request.user, User) else None
    if person is None:
        return HttpResponse(status=403)
    if topic not in TOPICS:
        return HttpResponse(status=404)
    if not TOPICS[topic].is_open_to(person):
        return HttpResponse(status=403)
    if not _has_room(person):
        return HttpResponse(status=204)  # the browser does not ask again
    key = (topic, person.organisation_id, subject)
    try:
        now = mark(_fingerprint(key))
        return Stream(person, key, request.GET.get("seen", now))
    except NotFound:
        return HttpResponse(status=404)
    finally:
        connections.close_all()  # the request does not end for ten minutes, and reads nothing more


async def _events(stream: Stream) -> AsyncIterator[bytes]:
    if not _has_room(stream.person):
        yield LATER
        return
    watched = _answers.setdefault(stream.key, Watched())
    watched.streams += 1
    _open[stream.person.user.pk] += 1
    try:
        async for event in _changes(stream, watched):
            yield event
    finally:
        _leave(stream, watched)


def _has_room(person: Person) -> bool:
    return _open.total() < MOST_STREAMS and _open[person.user.pk] < MOST_OF_A_PERSON


def _leave(stream: Stream, watched: Watched) -> None:
    _open[stream.person.user.pk] -= 1
    if not _open[stream.person.user.pk]:
        del _open[stream.person.user.pk]
    watched.streams -= 1
    if not watched.streams:
        _answers.pop(stream.key, None)
    if not _answers:
        _looker.submit(connections.close_all)


async def _changes(stream: Stream, watched: Watched) -> AsyncIterator[bytes]:
    end, seen = time.monotonic() + LONGEST_S, stream.seen
    yield b"retry: 3000\n\n"
    while time.monotonic() < end:
        await asyncio.sleep(LOOK_S)
        try:
            now = mark(await _asked(watched, stream.key))
            if now != seen and not await _in_looker(_may_still, stream):
                return
        except (OperationalError, InterfaceError):
            continue  # the database is away for a moment
        except NotFound:
            yield b"event: changed\ndata: gone\n\n"
            return
        # A comment where nothing changed: it shows that the other end is still there.
        yield b": \n\n" if now == seen else b"event: changed\ndata: \n\n"
        seen = now


async def _asked(watched: Watched, key: Key) -> Hashable:
    """What the topic answers, or answered another stream within the last look."""
    now = time.monotonic()
    if watched.answer is None or now - watched.asked_at >= LOOK_S:
        watched.asked_at, watched.answer = now, asyncio.ensure_future(_in_looker(_fingerprint, key))
    return await asyncio.shield(watched.answer)


async def _in_looker(ask: Callable[[Question], Told], question: Question) -> Told:
    def told() -> Told:
        try:
            return ask(question)
        except (OperationalError, InterfaceError):
            connections.close_all()  # the next question gets another connection
            raise

    return await asyncio.get_running_loop().run_in_executor(_looker, told)


def _fingerprint(key: Key) -> Hashable:
    topic, organisation_id, subject = key
    return TOPICS[topic].fingerprint(organisation_id, subject)


def _may_still(stream: Stream) -> bool:
    """Whether who listens may, as of now: rights are withdrawn while pages are open."""
    user = User.objects.select_related("organisation").filter(pk=stream.person.user.pk).first()
    person = person_of(user) if user is not None else None
    topic, organisation_id, _ = stream.key
    return person is not None and person.organisation_id == organisation_id and TOPICS[topic].is_open_to(person)
