"""The engine's end of its store process: sends requests, hands answers on. Nothing here waits for the database."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import cast

import msgspec

from chappe.engine.store.frame import Answer, Request
from chappe.engine.store.process import FrameReader, frame
from chappe.messaging import StoreError

STOP_S = 10.0
MOST_BEHIND = 1 << 20
"""Octets that wait to be sent. Outcomes are bounded by the links' windows; this bounds what only time brings."""


class StoreClient(asyncio.Protocol):
    """`on_answer` is called for each answer in order; `on_lost` when the store process is gone."""

    def __init__(self, on_answer: Callable[[Answer], None], on_lost: Callable[[], None]) -> None:
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._reader = FrameReader()
        self._decode = msgspec.msgpack.Decoder(Answer).decode
        self._transport: asyncio.Transport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0

    async def start(self, url: str, owner: str) -> None:
        ours, theirs = socket.socketpair()
        environment = {**os.environ, "CHAPPE_STORE_URL": url}
        with theirs:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - starting it is quick; its work is what takes time
                [sys.executable, "-m", "chappe.engine.store.process", str(theirs.fileno()), owner],
                pass_fds=[theirs.fileno()],
                env=environment,
            )
        ours.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            ours.setsockopt(socket.SOL_SOCKET, option, 1 << 20)
        await asyncio.get_running_loop().create_connection(lambda: self, sock=ours)

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def is_behind(self) -> bool:
        """Whether requests pile up, as when the database is away: nothing is to be asked again and again then."""
        return self._transport is not None and self._transport.get_write_buffer_size() > MOST_BEHIND

    def number(self) -> int:
        self._number += 1
        return self._number

    def send(self, request: Request) -> None:
        if self._transport is None:
            raise StoreError("the store process is gone")
        self._transport.write(frame(request))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        self._transport.set_write_buffer_limits(high=16 << 20)

    def data_received(self, data: bytes) -> None:
        for body in self._reader.feed(data):
            self._on_answer(self._decode(body))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._on_lost()

    async def stop(self) -> None:
        """Close our end; the process commits what it has read and leaves."""
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            try:
                await asyncio.to_thread(self._process.wait, STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
