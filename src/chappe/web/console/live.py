"""What changes is told to browsers by server-sent events; they then fetch the fragment of the page again."""

import asyncio
import time
from collections.abc import AsyncIterator, Hashable

from asgiref.sync import sync_to_async
from django.db import OperationalError, close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from chappe.features.accounts.models import User
from chappe.features.accounts.person import Person, person_of
from chappe.features.live import TOPICS
from chappe.features.refusal import NotFound
from chappe.features.view import Rule

LOOK_S = 1.0
LONGEST_S = 600.0
"""A stream ends by itself after so long; the browser opens another, and whoever lost their rights meanwhile gets none."""
MOST_STREAMS = 200
"""Of this process; beyond, a page is as fresh as when it was opened."""
MOST_OF_A_PERSON = 12

_open: dict[int, int] = {}
"""Streams by person."""


async def live(request: HttpRequest, topic: str, subject: int) -> HttpResponseBase:
    """A stream of `changed` events for one topic, such as `delivery` 12."""
    person = await sync_to_async(_person)(request)
    if person is None:
        return HttpResponse(status=403)
    if topic not in TOPICS:
        return HttpResponse(status=404)
    if sum(_open.values()) >= MOST_STREAMS or _open.get(person.user.pk, 0) >= MOST_OF_A_PERSON:
        return HttpResponse(status=204)  # the browser does not ask again
    try:
        seen = await sync_to_async(_fingerprint)(topic, person.organisation_id, subject)
    except NotFound:
        return HttpResponse(status=404)
    answer = StreamingHttpResponse(_events(person, topic, subject, seen), content_type="text/event-stream")
    answer["Cache-Control"] = "no-store"
    answer["X-Accel-Buffering"] = "no"  # a proxy in front passes each event on at once
    return answer


live.rule = Rule(None, None)  # type: ignore[attr-defined]


def _person(request: HttpRequest) -> Person | None:
    user = request.user
    return person_of(user) if isinstance(user, User) else None


def _fingerprint(topic: str, organisation_id: int, subject: int) -> Hashable:
    close_old_connections()
    return TOPICS[topic](organisation_id, subject)


async def _events(person: Person, topic: str, subject: int, seen: Hashable) -> AsyncIterator[bytes]:
    _open[person.user.pk] = _open.get(person.user.pk, 0) + 1
    end = time.monotonic() + LONGEST_S
    try:
        yield b"retry: 3000\n\n"
        while time.monotonic() < end:
            await asyncio.sleep(LOOK_S)
            try:
                now = await sync_to_async(_fingerprint)(topic, person.organisation_id, subject)
            except OperationalError:
                continue  # the database is away for a moment
            except NotFound:
                yield b"event: changed\ndata: gone\n\n"
                return
            # A comment where nothing changed: it shows that the other end is still there.
            yield b": \n\n" if now == seen else b"event: changed\ndata: \n\n"
            seen = now
    finally:
        _open[person.user.pk] -= 1
        if not _open[person.user.pk]:
            del _open[person.user.pk]
