"""What the small ASGI applications share: reading a request within limits, and answering it."""

import asyncio
import http
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from chappe.messaging import FieldError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

PROBLEM = b"application/problem+json"
PATIENCE_S = 30.0
"""How long a body may make no progress."""
WHOLE_BODY = 4
"""A whole body may take this many times the patience for one piece of it."""
BEARER = b'Bearer realm="chappe"'


class Gone(Exception):
    """The caller went away before the request was whole: nobody is there to be answered."""


class BadRequest(Exception):
    """The request cannot be taken; nothing of it was."""

    def __init__(self, status: int, detail: str, errors: list[FieldError] | None = None, *, retry_s: int = 1) -> None:
        self.status, self.detail, self.errors = status, detail, errors or []
        self.retry_s = retry_s
        """When it may be tried again, where the status says that it may."""
        super().__init__(detail)


def expected(headers: dict[bytes, bytes], most: int) -> int:
    """The octets to come, at most. Raises BadRequest before any of them is read."""
    length = headers.get(b"content-length", b"")
    if not length.isdigit():
        return most
    if len(length) > len(str(most)) or int(length) > most:
        raise BadRequest(413, f"The body has more than the {most} octets it may have.")
    return int(length)


async def read_body(receive: Receive, most: int, patience_s: float) -> bytes:
    """The whole body, or nothing: one that is broken off must not pass for a shorter one."""
    parts: list[bytes] = []
    size = 0
    loop = asyncio.get_running_loop()
    until = loop.time() + WHOLE_BODY * patience_s
    while True:
        try:
            # Octet by octet a body would hold its room for ever: the pieces have a limit each, and all of them one.
            async with asyncio.timeout_at(min(loop.time() + patience_s, until)):
                message = await receive()
        except TimeoutError:
            raise BadRequest(
                408, f"The body came too slowly: a pause of {patience_s:g} s, or too long in all."
            ) from None
        if message["type"] != "http.request":
            raise Gone
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise BadRequest(413, f"The body has more than the {most} octets it may have.")
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


def problem_of(error: BadRequest) -> bytes:
    return problem(error.status, http.HTTPStatus(error.status).phrase, error.detail, error.errors)


def headers_of(error: BadRequest, request: dict[bytes, bytes], challenge: bytes = BEARER) -> list[tuple[bytes, bytes]]:
    """What is said beside a problem; `challenge` is what a 401 asks for.

    A body that is too long is let pass unread where its end is known, so that a client that writes all of it before it
    reads can read why; where it is not, or where the client may not send it after all, the connection ends.
    """
    match error.status:
        case 401:
            return [(b"www-authenticate", challenge)]
        case 429 | 503:
            return [(b"retry-after", str(error.retry_s).encode())]
        case 408:
            return [(b"connection", b"close")]
        case 413 if b"content-length" not in request or b"expect" in request:
            return [(b"connection", b"close")]
    return []


async def live(
    rest: Application, scope: Scope, receive: Receive, send: Send, close: Callable[[], Awaitable[None]]
) -> None:
    """Start and end with `rest`, and `close` what is ours before the server hears that all has ended."""

    async def said(message: Scope) -> None:
        if message["type"] == "lifespan.shutdown.complete":
            await close()
        await send(message)

    await rest(scope, receive, said)


async def say(send: Send, status: int, kind: bytes, body: bytes, more: list[tuple[bytes, bytes]]) -> None:
    start = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


def problem(status: int, title: str, detail: str, errors: list[FieldError]) -> bytes:
    """RFC 9457, as the rest of the API answers."""
    content: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if errors:
        content["errors"] = [{"field": error.field, "message": error.message} for error in errors]
    return msgspec.json.encode(content)
