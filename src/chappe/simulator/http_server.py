"""HTTP/1.1 for the simulated providers: connections that stay open, requests that come before the last is answered,
limits, and answers that come late, in part or never.

A request is handed over whole, and its answer may be given at once or later. Answers leave in the order of their
requests (RFC 9112, section 9.3.2), those of one read in one write.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum
from http import HTTPStatus
from typing import Any, Final, cast
from urllib.parse import parse_qsl, unquote

import httptools
import msgspec

MOST_HEAD_OCTETS = 64 * 1024
MOST_BODY_OCTETS = 4 * 1024 * 1024
MOST_WAITING = 128
"""Requests of one connection that may wait for their answers before no more are read."""
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
_REASONS: Final = {one.value: one.phrase for one in HTTPStatus}


class Ending(Enum):
    """What becomes of an answer on its way out."""

    WHOLE = "whole"
    NEVER = "never"
    CUT = "cut"


class Request(msgspec.Struct, gc=False):
    """A request as it came: names of headers in lower case, the path still percent-encoded."""

    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    body: bytes

    def header(self, name: bytes) -> str:
        """The value of a header, "" where there is none."""
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def parameters(self) -> dict[str, str]:
        """The query, decoded; of a name that comes twice the last value."""
        return dict(parse_qsl(self.query, keep_blank_values=True)) if self.query else {}

    @property
    def segments(self) -> list[str]:
        """The path between its slashes, decoded."""
        return [unquote(one) for one in self.path.strip("/").split("/")]


class Answer(msgspec.Struct, gc=False):
    """What is answered, when (`delay_s` from now) and how much of it."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    ending: Ending = Ending.WHOLE


def json_answer(status: int, value: object, *headers: tuple[str, str]) -> Answer:
    """`value` in JSON."""
    return Answer(status, msgspec.json.encode(value), JSON, headers)


def written(answer: Answer) -> bytes:
    """The octets of an answer."""
    reason = _REASONS.get(answer.status, "Unknown")
    more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
    if answer.status == HTTPStatus.NO_CONTENT:
        return f"HTTP/1.1 204 {reason}\r\n{more}\r\n".encode("latin-1")
    kind = f"Content-Type: {answer.content_type}\r\n" if answer.content_type else ""
    head = f"HTTP/1.1 {answer.status} {reason}\r\n{kind}{more}Content-Length: {len(answer.body)}\r\n\r\n"
    return head.encode("latin-1") + answer.body


Handler = Callable[[Request], Answer]


class _Turn:
    """The place of one request in the line of answers; `octets` is None until there are any."""

    __slots__ = ("is_last", "octets")

    def __init__(self) -> None:
        self.octets: bytes | None = None
        self.is_last = False


class Connection(asyncio.Protocol):
    """One connection of a client. `doors` are all that are open."""

    def __init__(self, handle: Handler, doors: "set[Connection]") -> None:
        self._handle = handle
        self._doors = doors
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._turns: deque[_Turn] = deque()
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._head_octets = 0
        self._body_octets = 0
        self._is_reading = False
        self._is_paused = False
        self._is_refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only
        self._doors.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._doors.discard(self)
        self._transport = None
        self._turns.clear()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        self._is_reading = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400)
        except httptools.HttpParserCallbackError:
            self._refuse(self._excess())
        except httptools.HttpParserError:
            self._refuse(400)
        finally:
            self._is_reading = False
        self._flush()

    def close(self) -> None:
        """Close at once, whatever is still to be answered."""
        if self._transport is not None:
            self._transport.abort()

    # httptools

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = {}
        self._body = []
        self._head_octets = self._body_octets = 0

    def on_url(self, url: bytes) -> None:
        self._measure(len(url))
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._measure(len(name) + len(value))
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        if self._headers.get(b"expect", b"").lower() == b"100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_octets += len(body)
        if self._body_octets > MOST_BODY_OCTETS:
            raise ValueError("the body is too long")
        self._body.append(body)

    def on_message_complete(self) -> None:
        path, _, query = self._url.decode("latin-1").partition("?")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        request = Request(self._parser.get_method().decode("latin-1"), path, query, self._headers, body)
        turn = _Turn()
        turn.is_last = not self._parser.should_keep_alive()
        self._turns.append(turn)
        answer = self._handle(request)
        if answer.delay_s > 0:
            asyncio.get_running_loop().call_later(answer.delay_s, self._give, turn, answer)
        else:
            self._give(turn, answer)

    # Within

    def _excess(self) -> int:
        """The status for what went wrong within: a limit, or a fault of ours."""
        if self._body_octets > MOST_BODY_OCTETS:
            return 413
        return 431 if self._head_octets > MOST_HEAD_OCTETS else 500

    def _measure(self, octets: int) -> None:
        self._head_octets += octets
        if self._head_octets > MOST_HEAD_OCTETS:
            raise ValueError("the head is too long")

    def _give(self, turn: _Turn, answer: Answer) -> None:
        if answer.ending is Ending.NEVER:
            return
        octets = written(answer)
        if answer.ending is Ending.CUT:
            octets = octets[: len(octets) - len(answer.body) // 2 - 1]
            turn.is_last = True
        turn.octets = octets
        if not self._is_reading:
            self._flush()

    def _flush(self) -> None:
        transport, turns = self._transport, self._turns
        if transport is None or transport.is_closing():
            return
        ready: list[bytes] = []
        is_last = False
        while turns and not is_last:
            octets = turns[0].octets
            if octets is None:
                break
            ready.append(octets)
            is_last = turns.popleft().is_last
        if ready:
            transport.write(b"".join(ready))
        if is_last:
            transport.close()
            return
        self._pace(transport)

    def _pace(self, transport: asyncio.Transport) -> None:
        """Reads no further while too many requests wait."""
        is_full = len(self._turns) >= MOST_WAITING
        if is_full != self._is_paused:
            self._is_paused = is_full
            if is_full:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def _refuse(self, status: int) -> None:
        """Answer what cannot be read and close: where the next request begins is unknown."""
        self._is_refused = True
        turn = _Turn()
        turn.is_last = True
        turn.octets = written(json_answer(status, {"error": _REASONS[status]}, ("Connection", "close")))
        self._turns.append(turn)


def json_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a body holds; None where it holds anything else."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return value if isinstance(value, dict) else None


def form_fields(body: bytes) -> dict[str, str]:
    """The fields of a form; of a name that comes twice the last value."""
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=1000))
    except (UnicodeDecodeError, ValueError):
        return {}
