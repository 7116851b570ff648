"""Files that are made while they are read: none of them is ever whole in memory."""

from collections.abc import AsyncIterator, Iterator
from itertools import islice

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

LINES_AT_ONCE = 500


def download(request: HttpRequest, lines: Iterator[str], name: str, content_type: str) -> StreamingHttpResponse:
    """`lines` as a file to keep. What can be refused is to be refused before: the answer has begun when they are made."""
    pieces = _in_a_thread(lines) if isinstance(request, ASGIRequest) else lines
    answer = StreamingHttpResponse(pieces, content_type=content_type)
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


async def _in_a_thread(lines: Iterator[str]) -> AsyncIterator[str]:
    """The event loop serves others while the database is asked."""
    while some := await sync_to_async(_some)(lines):
        yield some


def _some(lines: Iterator[str]) -> str:
    return "".join(islice(lines, LINES_AT_ONCE))
