"""The store process: a child of the engine that runs its every statement, and commits what is waiting in one transaction.

A process of its own because the statements and the links then use a core each; a thread would share one.
"""

import gc
import os
import select
import signal
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import structlog

from chappe.engine import log as log_settings
from chappe.engine.recorder import Recorder
from chappe.engine.store.frame import Answer, Fates, InboundPiece, Received, Record, Request, Traced, Trouble
from chappe.engine.store.relay_frame import PagesHeard, StepTaken
from chappe.engine.store.store import open_store
from chappe.engine.store.trace_entry import TraceEntries
from chappe.messaging import StoreBusy, StoreFull, StoreUnsure

TICK_S = 0.2
RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
READ_OCTETS = 1 << 20
LENGTH = struct.Struct(">I")
GARBAGE_ROWS = 100_000
"""Collections of cycles look through every new tuple, and rows make none: at the default of 700 they took 3 % of the time."""

log = structlog.get_logger("chappe.store")


class FrameReader:
    """Cuts a stream of length-prefixed frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer += data
        frames, start, buffer = [], 0, self._buffer
        while len(buffer) - start >= 4:
            (length,) = LENGTH.unpack_from(buffer, start)
            if len(buffer) - start - 4 < length:
                break
            frames.append(bytes(buffer[start + 4 : start + 4 + length]))
            start += 4 + length
        del buffer[:start]
        return frames


_encode = msgspec.msgpack.Encoder().encode


def frame(message: object) -> bytes:
    body = _encode(message)
    return LENGTH.pack(len(body)) + body


def lone_token(requests: Sequence[Request]) -> int | None:
    """That of the one receipt or text which is all that `requests` hold; None where they hold more, or no such thing."""
    match requests:
        case [Record(number=0, receipts=[Received(token=token)], inbound=[])]:
            return token
        case [Record(number=0, receipts=[], inbound=[InboundPiece(token=token)])]:
            return token
    return None


def _is_told_by_mid(requests: Sequence[Request]) -> bool:
    """Whether all of it is what another Chappe said, which may not bring the engine down each time it says so."""
    return all(isinstance(request, PagesHeard | StepTaken) for request in requests)


def apart(requests: Sequence[Request]) -> list[list[Request]]:
    """The same in smaller batches, to be handled in this order; empty where there are none.

    Every receipt and text becomes a record of its own, without a number: that stays with what the engine did itself.
    """
    if len(requests) > 1:
        return [[request] for request in requests]
    (record,) = requests
    if not isinstance(record, Record) or not (record.receipts or record.inbound):
        return []
    parts: list[list[Request]] = [[msgspec.structs.replace(record, receipts=[], inbound=[])]]
    parts += [[Record(0, receipts=[receipt])] for receipt in record.receipts]
    parts += [[Record(0, inbound=[piece])] for piece in record.inbound]
    return parts


class StoreProcess:
    def __init__(
        self,
        connection: socket.socket,
        recorder: Recorder,
        trace_entries: TraceEntries,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._socket = connection
        self._recorder = recorder
        self._trace_entries = trace_entries
        self._clock = clock
        self._reader = FrameReader()
        self._decode = msgspec.msgpack.Decoder(Request).decode
        self._is_troubled = False
        self._parent = os.getppid()

    def run(self) -> None:
        """Serve until the engine closes its end."""
        next_tick = time.monotonic()
        while True:
            wait = max(0.0, next_tick - time.monotonic())
            readable, _, _ = select.select([self._socket], [], [], wait)
            requests: list[Request] = []
            if readable:
                data = self._socket.recv(READ_OCTETS)
                if not data:
                    self._trace_entries.write(self._now_ms())
                    return
                requests = self._without_traces([self._decode(body) for body in self._reader.feed(data)])
            if requests:
                self._answer(partial(self._handle, deque([requests]), []))
            if time.monotonic() >= next_tick:
                self._answer(self._tick)
                self._answer(self._news)
                self._trace_entries.write(self._now_ms())
                next_tick = time.monotonic() + TICK_S

    def _without_traces(self, requests: list[Request]) -> list[Request]:
        """The requests that somebody waits for; what is kept of traces is put aside for a quiet moment."""
        for request in requests:
            if isinstance(request, Traced):
                self._trace_entries.add(request)
        return [request for request in requests if not isinstance(request, Traced)]

    def _handle(self, waiting: deque[list[Request]], answers: list[Answer]) -> list[Answer]:
        """Handle what is `waiting`; called again after trouble, it goes on where it was.

        What fails is taken apart until the one receipt or text that cannot be kept is alone, and that is refused: it may
        not bring the engine down each time its provider sends it again.
        """
        while waiting:
            try:
                answers += self._recorder.handle(waiting[0], self._now_ms())
            except (StoreBusy, StoreFull, StoreUnsure):
                raise
            except Exception as error:
                token = lone_token(waiting[0])
                parts = [] if token is not None else apart(waiting[0])
                if token is None and not parts and not _is_told_by_mid(waiting[0]):
                    raise
                log.exception("store.refused", error=str(error), parts=len(parts))
                answers += [] if token is None else [Fates(refused=[token])]
                waiting.popleft()
                waiting.extendleft(reversed(parts))
            else:
                waiting.popleft()
        return answers

    def _tick(self) -> list[Answer]:
        return self._recorder.tick(self._now_ms())

    def _news(self) -> list[Answer]:
        return self._recorder.news(self._now_ms())

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _answer(self, work: Callable[[], list[Answer]]) -> None:
        answers = self._persist(work)
        if self._is_troubled:
            self._is_troubled = False
            answers = [*answers, Trouble("")]
        if answers:
            self._socket.sendall(b"".join(map(frame, answers)))

    def _persist(self, work: Callable[[], list[Answer]]) -> list[Answer]:
        """Do `work`, again and again while the database cannot: what it holds has been promised to nobody else.

        Bounded by the engine's life: with nothing acknowledged, its links stop reading and every queue stays as it is.
        """
        tries = 0
        while True:
            try:
                return work()
            except (StoreBusy, StoreFull) as error:
                if not self._is_troubled:
                    self._is_troubled = True
                    log.warning("store.trouble", error=str(error))
                    self._socket.sendall(frame(Trouble(str(error))))
                if os.getppid() != self._parent:
                    raise
                time.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])
                tries += 1


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log_settings.configure(os.environ.get("CHAPPE_LOG_LEVEL", "info"))
    gc.set_threshold(GARBAGE_ROWS)
    number, owner = int(sys.argv[1]), sys.argv[2]
    connection = socket.socket(fileno=number)
    store = open_store(os.environ["CHAPPE_STORE_URL"])  # not an argument: the URL may hold a password
    try:
        StoreProcess(connection, Recorder(store, owner), TraceEntries(store)).run()
    except (BrokenPipeError, ConnectionResetError):
        return


if __name__ == "__main__":
    main()
