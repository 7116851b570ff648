"""Hooks: one provider's call a request, durable before its answer. Run: python -m bench.hooks

Half of the callers bring receipts to a hook that is proved by an HMAC, the other half signed status callbacks of Twilio's to
its own address. Each keeps a connection open with one call in flight; calls are made and signed before the clock runs. First
as fast as they go, then at a steady rate, at which each answer's delay is taken.
"""

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from collections.abc import Iterator
from typing import cast
from urllib.parse import urlencode

import uvloop

from bench.api import percentiles, start_web
from bench.scene import Scene, scene
from chappe.engine.store.statement import Query
from chappe.engine.store.store import open_store

CALLERS = 64
RATE = 2_000
PUBLIC = "https://chappe.example.org"
TOKEN = "1234567890" * 3 + "12"
SECRET = "hook-secret"
PAYLOAD = '{"ref": "{{message_id}}", "status": "{{feedbackStatus}}"}'


class Caller(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, load: "Load") -> None:
        self.load, self.buffer, self.since = load, b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it
        self.load.idle.append(self)

    def fire(self, request: bytes) -> None:
        self.since = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer = data = self.buffer + data if self.buffer else data
        if b"\r\n\r\n" not in data:
            return  # no answer that is a yes has a body
        self.buffer = b""
        self.load.answered(self, data.startswith((b"HTTP/1.1 200", b"HTTP/1.1 204")))


class Load:
    """`rate` 0: as fast as they are answered."""

    def __init__(self, requests: Iterator[bytes], seconds: float, rate: float) -> None:
        self.requests, self.seconds, self.rate = requests, seconds, rate
        self.idle: list[Caller] = []
        self.delays_ms: list[float] = []
        self.fired = self.refused = self.outstanding = 0
        self.stop_at = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def fire(self, caller: Caller) -> None:
        request = next(self.requests, None)
        if request is None:
            self.stop_at = 0.0
            return
        self.fired += 1
        self.outstanding += 1
        caller.fire(request)

    def answered(self, caller: Caller, is_taken: bool) -> None:
        now = time.perf_counter()
        self.outstanding -= 1
        self.delays_ms.append((now - caller.since) * 1000)
        self.refused += not is_taken
        if now < self.stop_at and not self.rate:
            self.fire(caller)
        else:
            self.idle.append(caller)
        if now >= self.stop_at and not self.outstanding and not self.done.done():
            self.done.set_result(None)

    async def run(self, port: int) -> float:
        """Calls answered in a second."""
        loop = asyncio.get_running_loop()
        for _ in range(CALLERS):
            await loop.create_connection(lambda: Caller(self), "127.0.0.1", port)
        started = time.perf_counter()
        self.stop_at = started + self.seconds
        if not self.rate:
            callers, self.idle = self.idle, []
            for caller in callers:
                self.fire(caller)
        while self.rate and time.perf_counter() < self.stop_at:
            due = int((time.perf_counter() - started) * self.rate) - self.fired
            for _ in range(min(due, len(self.idle))):
                self.fire(self.idle.pop())
            await asyncio.sleep(0.001)
        if self.outstanding:
            await asyncio.wait_for(self.done, 30)
        return len(self.delays_ms) / (time.perf_counter() - started)


async def load(port: int, requests: Iterator[bytes], seconds: float, rate: float) -> tuple[float, Load]:
    made = Load(requests, seconds, rate)
    return await made.run(port), made


def furnish(made: Scene) -> dict[str, object]:
    """An organisation with a connection to Twilio, and one with a hook; the addresses to call."""
    return made.django(
        "from django.core.management import call_command\n"
        "call_command('migrate', verbosity=0)\n"
        "from chappe.features.accounts import services as a\n"
        "from chappe.features.connections import services as c\n"
        "from chappe.features.hooks import services as h\n"
        "o = a.create_organisation('Bench', now)\n"
        f"t = dict(account_sid='AC' + '1' * 32, auth_token={TOKEN!r}, sender='+15017122661')\n"
        "t = c.create_connection(o.pk, 'Twilio', 'twilio', t, now)\n"
        "own = c.create_connection(o.pk, 'Own', 'custom', {'url': 'http://127.0.0.1:9/', 'message_id_field': 'id'}, now)\n"
        f"proof = dict(kind='hmac', header='X-Signature', secret={SECRET!r})\n"
        f"change = h.Change(name='Hook', payload={PAYLOAD!r}, proof=proof)\n"
        "hook = h.create_hook(o.pk, own.pk, 'feedback', change, now)\n"
        "result = dict(hook='/v1/hooks/' + hook.token,"
        " twilio=f'/v1/receive/distribution/status/twilio/{o.pk}/{t.pk}')"
    )


def calls(targets: dict[str, object], first: int, count: int) -> list[bytes]:
    """Whole requests, signed, no two of them the same."""
    return [
        _twilio(str(targets["twilio"]), number) if number % 2 else _own(str(targets["hook"]), number)
        for number in range(first, first + count)
    ]


def _own(target: str, number: int) -> bytes:
    body = b'{"ref":"m-%09d","status":"delivered"}' % number
    tag = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return _request(target, body, "application/json", f"X-Signature: {tag}")


def _twilio(target: str, number: int) -> bytes:
    fields = {
        "AccountSid": "AC" + "1" * 32,
        "MessageSid": f"SM{number:032d}",
        "MessageStatus": "delivered",
        "To": "+15558675310",
    }
    text = PUBLIC + target + "".join(name + value for name, value in fields.items())
    tag = base64.b64encode(hmac.new(TOKEN.encode(), text.encode(), hashlib.sha1).digest()).decode()
    return _request(
        target, urlencode(fields).encode(), "application/x-www-form-urlencoded", f"X-Twilio-Signature: {tag}"
    )


def _request(target: str, body: bytes, kind: str, proof: str) -> bytes:
    head = f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n{proof}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def measure(seconds: float = 5.0, database_url: str | None = None) -> dict[str, float]:
    with scene(database_url) as made:
        made.environment["CHAPPE_PUBLIC_URL"] = PUBLIC
        targets = furnish(made)
        port = start_web(made)
        warm, fast = calls(targets, 0, 2_000), calls(targets, 1_000_000, round(20_000 * seconds))
        steady = calls(targets, 3_000_000, round(RATE * seconds) + CALLERS)
        uvloop.run(load(port, iter(warm), 1.0, 0))
        rate, first = uvloop.run(load(port, iter(fast), seconds, 0))
        steady_rate, second = uvloop.run(load(port, iter(steady), seconds, RATE))
        store = open_store(made.url)
        ((kept,),) = store.database.query(Query("SELECT count(*) FROM hook_event"))
        store.database.close()
        made.stop()
        taken = len(warm) + first.fired + second.fired
        if kept != taken:
            raise RuntimeError(f"{taken} calls were taken, {kept} events are kept")
        return {
            "calls_per_s": round(rate),
            "steady_calls_per_s": round(steady_rate),
            **percentiles("answer", second.delays_ms),
            "refused": first.refused + second.refused,
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--database", default=None)
    arguments = parser.parse_args()
    json.dump(measure(arguments.seconds, arguments.database), sys.stdout)


if __name__ == "__main__":
    main()
