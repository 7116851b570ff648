"""Files that are made while they are read: none of them is ever whole in memory."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

LINES_AT_ONCE = 500
BOM = "\ufeff"
"""At the start of a CSV file: without it a spreadsheet reads other letters than were written."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


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


def csv_line(cells: Iterable[str]) -> str:
    """A line of a CSV file, of which no spreadsheet takes a cell for a formula."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([guarded(cell) for cell in cells])
    return line.getvalue()


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
