"""A customer's program: a real HTTP server that keeps what it is told, and answers as a test wants."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import standardwebhooks

Answer = int | tuple[int, dict[str, str]] | None
"""A status, with headers; None: nothing is ever answered."""


@dataclass(frozen=True)
class Call:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def content(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def type(self) -> str:
        return str(self.content["type"])

    def is_signed_with(self, secret: str) -> bool:
        """By the word of the library that customers use."""
        try:
            standardwebhooks.Webhook(secret).verify(self.body, self.headers)
        except standardwebhooks.WebhookVerificationError:
            return False
        return True


class Customer:
    """Listens on a port of its own within `async with`; `answer` is asked for each call."""

    def __init__(self, answer: Callable[[Call], Answer] = lambda call: 204, port: int = 0) -> None:
        self.answer = answer
        self.calls: list[Call] = []
        self.port = port
        self.under_way = 0
        self.most_under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/messages?from=chappe"

    @property
    def ids(self) -> list[str]:
        return [call.id for call in self.calls]

    async def __aenter__(self) -> "Customer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        call = Call(head[0].split(" ")[1], headers, body)
        self.calls.append(call)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            answer = self.answer(call)
            if answer is None:
                await asyncio.Event().wait()
                return False
            status, extra = answer if isinstance(answer, tuple) else (answer, {})
            lines = [f"HTTP/1.1 {status} As told", "content-length: 0", *(f"{k}: {v}" for k, v in extra.items())]
            await asyncio.sleep(0)
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            await writer.drain()
        finally:
            self.under_way -= 1
        return True
