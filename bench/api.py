"""API: one message a request, durable before the 202. Run: python -m bench.api

The load generator speaks HTTP/1.1 over keep-alive connections with one request in flight on each, prebuilt but for the
number: what it costs must not hide what the server does. At half the load the latency is taken as well: each text holds
the instant at which the client began to write its request, and the SMSC, a process of the same machine and clock, looks
at it when it has read the `submit_sm`. With `--serve` this is that SMSC.
"""

import argparse
import asyncio
import json
import re
import signal
import sys
import time
from pathlib import Path
from typing import cast

import uvloop

from bench.reference import Smsc
from bench.scene import Scene, scene, wait_for
from chappe.engine.store.statement import Query
from chappe.engine.store.store import open_store

CONNECTIONS = 256
STAMP = re.compile(rb"t=(\d+)\.")
LONGEST_STAMP = 24
"""Octets: what a read may cut off, and the next one goes on with."""


def now_us() -> int:
    """Of the one clock that all processes of a machine share."""
    return time.monotonic_ns() // 1000


class Observer(Smsc):
    """The reference SMSC, with an eye on the clock: `delays` gets the µs from a request to its `submit_sm`."""

    def __init__(self, delays: list[int]) -> None:
        self.delays, self.cut = delays, b""

    def data_received(self, data: bytes) -> None:
        now, seen, end = now_us(), self.cut + data, 0
        for found in STAMP.finditer(seen):
            self.delays.append(now - int(found[1]))
            end = found.end()
        self.cut = seen[max(end, len(seen) - LONGEST_STAMP) :]
        super().data_received(data)


async def serve(path: Path) -> None:
    """Serve until SIGTERM; `path` holds the port, and `path`.delays afterwards what was seen."""
    delays: list[int] = []
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, done.set)
    server = await loop.create_server(lambda: Observer(delays), "127.0.0.1", 0)
    path.write_text(str(server.sockets[0].getsockname()[1]))
    await done.wait()
    path.with_suffix(".delays").write_text(json.dumps(delays))


class Caller(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, load: "Load") -> None:
        self.load, self.buffer = load, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        self.load.idle.append(self)

    def data_received(self, data: bytes) -> None:
        self.buffer = data = self.buffer + data if self.buffer else data
        head = data.find(b"\r\n\r\n")
        if head < 0 or not data.endswith(b"}"):
            return
        self.buffer = b""
        self.load.answered(self, data.startswith(b"HTTP/1.1 202"))


class Load:
    def __init__(self, port: int, key: str, seconds: float, rate: float) -> None:
        self.port, self.seconds, self.rate = port, seconds, rate
        head = f"POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nContent-Length: "
        self.head = head.encode()
        self.idle: list[Caller] = []
        self.accepted = self.refused = self.number = 0
        self.stop_at = 0.0
        self.done = asyncio.get_running_loop().create_future()
        self.outstanding = 0

    def fire(self, caller: Caller) -> None:
        self.number += 1
        body = b'{"to":"+336%08d","text":"Votre code est %06d. Il est valable dix minutes. t=%d."}' % (
            self.number,
            self.number,
            now_us(),
        )
        self.outstanding += 1
        caller.transport.write(self.head + b"%d\r\n\r\n" % len(body) + body)

    def answered(self, caller: Caller, is_accepted: bool) -> None:
        self.outstanding -= 1
        if is_accepted:
            self.accepted += 1
        else:
            self.refused += 1
        if time.perf_counter() >= self.stop_at:
            if not self.outstanding and not self.done.done():
                self.done.set_result(None)
        elif self.rate:
            self.idle.append(caller)
        else:
            self.fire(caller)

    async def run(self) -> float:
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            await loop.create_connection(lambda: Caller(self), "127.0.0.1", self.port)
        started = time.perf_counter()
        self.stop_at = started + self.seconds
        if not self.rate:
            callers, self.idle = self.idle, []
            for caller in callers:
                self.fire(caller)
        else:
            while time.perf_counter() < self.stop_at:
                due = int((time.perf_counter() - started) * self.rate) - self.number
                for _ in range(min(due, len(self.idle))):
                    self.fire(self.idle.pop())
                await asyncio.sleep(0.001)
        await asyncio.wait_for(self.done, 30)
        return self.accepted / (time.perf_counter() - started)


async def load(port: int, key: str, seconds: float, rate: float) -> tuple[float, int]:
    made = Load(port, key, seconds, rate)
    return await made.run(), made.refused


def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def start_web(made: Scene) -> int:
    import urllib.request

    port = free_port()
    made.start("-m", "chappe.web.serve", "127.0.0.1", str(port))

    def is_up() -> bool:
        try:
            return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1).status == 200)
        except OSError:
            return False

    wait_for(is_up, 30, "the web process's start")
    return port


def percentiles(name: str, delays: list[float]) -> dict[str, float]:
    ordered = sorted(delays)
    return {f"{name}_p{share}_ms": round(ordered[len(ordered) * share // 100], 1) for share in (50, 99)}


def measure(seconds: float = 5.0, database_url: str | None = None) -> dict[str, float]:
    with scene(database_url) as made:
        ready = Path(made.folder) / "port"
        made.start("-m", "bench.api", "--serve", str(ready))
        wait_for(lambda: ready.exists() and ready.read_text(), 20, "the SMSC's start")
        made.prepare(int(ready.read_text()), {"window": 1000})
        port = start_web(made)
        uvloop.run(load(port, made.key, 1.0, 0))
        rate, refused = uvloop.run(load(port, made.key, seconds, 0))
        store = open_store(made.url)
        store.database.query(Query("DELETE FROM outbox"))
        last = store.database.query(Query("SELECT max(id) FROM message"))[0][0]
        made.start("-m", "chappe.engine.engine")
        bound = Query("SELECT count(*) FROM link_state WHERE state = 'bound'")
        wait_for(lambda: store.database.query(bound)[0][0], 20, "the bind")
        half, refused_half = uvloop.run(load(port, made.key, seconds, rate / 2))
        waiting = Query("SELECT count(*) FROM message_now WHERE id > ? AND state < 30")
        wait_for(lambda: store.database.query(waiting, (last,))[0][0] == 0, 30, "the sending of all")
        sent = Query("SELECT sent_ms - created_ms FROM message_now WHERE id > ? AND sent_ms > 0")
        stored_to_answer = [float(row[0]) for row in store.database.query(sent, (last,))]
        store.database.close()
        made.stop()
        request_to_submit = [delay / 1000 for delay in json.loads(ready.with_suffix(".delays").read_text())]
        if len(request_to_submit) != len(stored_to_answer):
            raise RuntimeError(f"{len(stored_to_answer)} messages were sent, the SMSC saw {len(request_to_submit)}")
        return {
            "requests_per_s": round(rate),
            "half_load_requests_per_s": round(half),
            **percentiles("request_to_submit", request_to_submit),
            **percentiles("stored_to_answer", stored_to_answer),
            "refused": refused + refused_half,
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--database", default=None)
    parser.add_argument("--serve", type=Path)
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(serve(arguments.serve))
        return
    json.dump(measure(arguments.seconds, arguments.database), sys.stdout)


if __name__ == "__main__":
    main()
