"""Calls our hooks: many at a time over connections that are kept open, each again until it is taken or given up."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import aiohttp
import msgspec
from yarl import URL

from .http_quirks import HttpQuirks
from .http_tally import HookTally, HttpTally

Headers = tuple[tuple[str, str], ...]


class Call(msgspec.Struct):
    """A hook as the vendor calls it. `url` is what was signed; `address` (host:port), where there is one, is connected
    to instead, without TLS. `is_text` tells texts from phones from status reports. `prove` gives the headers of a proof
    that takes long to make: in a thread, when the call goes out."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""
    is_text: bool = False
    address: str = ""
    prove: Callable[[], Headers] | None = None
    tries: int = 0


class HookCaller:
    """A number of workers on one queue."""

    def __init__(self, quirks: HttpQuirks, tally: HttpTally) -> None:
        self.quirks = quirks
        self.tally = tally
        self._queue: asyncio.Queue[Call] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None
        self._retries: set[asyncio.TimerHandle] = set()

    def start(self) -> None:
        """Within the loop that calls."""
        count = self.quirks.hook_connections
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=count),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )
        self._workers = [asyncio.create_task(self._work(self._session)) for _ in range(count)]

    async def stop(self) -> None:
        """Forget what waits."""
        for timer in self._retries:
            timer.cancel()
        self._retries.clear()
        for worker in self._workers:
            worker.cancel()
        for worker in self._workers:
            with contextlib.suppress(asyncio.CancelledError):
                await worker
        self._workers.clear()
        if self._session is not None:
            await self._session.close()
            self._session = None

    def put(self, calls: Iterable[Call]) -> None:
        """Make these calls now; they were counted as planned and held."""
        for call in calls:
            self._queue.put_nowait(call)

    def tally_of(self, call: Call) -> HookTally:
        """Where a call counts."""
        return self.tally.texts if call.is_text else self.tally.statuses

    async def _work(self, session: aiohttp.ClientSession) -> None:
        while True:
            call = await self._queue.get()
            status = await self._send(session, call)
            self._settle(call, status)

    async def _send(self, session: aiohttp.ClientSession, call: Call) -> int:
        """The status of the answer, 0 for none."""
        url, headers = call.url, call.headers
        if call.address:
            parts = urlsplit(url)
            url = f"http://{call.address}{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            headers = (*headers, ("Host", parts.netloc))
        if call.prove is not None:
            headers = (*headers, *await asyncio.get_running_loop().run_in_executor(None, call.prove))
        timeout = aiohttp.ClientTimeout(total=self.quirks.hook_timeout_ms / 1000)
        started = time.perf_counter()
        try:
            async with session.request(
                call.method,
                URL(url, encoded=True),
                headers=headers,
                data=call.body or None,
                allow_redirects=False,
                timeout=timeout,
            ) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return 0
        self.tally_of(call).latencies.add(time.perf_counter() - started)
        return response.status

    def _settle(self, call: Call, status: int) -> None:
        tally = self.tally_of(call)
        stats = tally.stats
        stats.calls += 1
        call.tries += 1
        if 200 <= status < 300:
            stats.acknowledged += 1
            stats.held -= 1
            return
        if status:
            tally.refused[status] += 1
        else:
            stats.unanswered += 1
        if call.tries >= self.quirks.hook_tries:
            stats.given_up += 1
            stats.held -= 1
            return
        stats.sent_again += 1
        self._later(call, self.quirks.hook_pause_ms / 1000 * 2 ** min(call.tries - 1, 20))

    def _later(self, call: Call, pause_s: float) -> None:
        def again() -> None:
            self._retries.discard(timer)
            self._queue.put_nowait(call)

        timer = asyncio.get_running_loop().call_later(pause_s, again)
        self._retries.add(timer)
