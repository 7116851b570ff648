"""Who calls, by the API key; and how often an address may come with a key that is none.

The limit spares the database, not the keys, which nobody guesses. So it never refuses a key that is good: a key that is
remembered passes without being looked up, and one that is not is looked up whatever came before it from its address.
But where too much came, all such keys are looked up together, by one question every `TURN_S` at most.
"""

import asyncio
import hashlib
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from chappe.web.intake.committer import Committer
from chappe.web.intake.lookup import Caller
from chappe.web.intake.request import BadRequest

MOST_FAILURES = 20
"""Keys that are none, from one address at once; then one more every `FAILURE_MS`."""
FAILURE_MS = 1_000
MOST_ADDRESSES = 10_000
TURN_S = 0.05

Client = tuple[str, int] | None
"""Address and port, as ASGI has them; None where there are none, as for a socket in the file system."""


class Failures:
    """What came from each address, as the instant up to which it counts."""

    def __init__(self, now_ms: Callable[[], int] = lambda: time.monotonic_ns() // 1_000_000) -> None:
        self._now_ms = now_ms
        self._until: dict[str, int] = {}

    def add(self, address: str) -> int:
        """Count one more and return 0; or, where there were too many, the ms until there may be one again."""
        now_ms = self._now_ms()
        # Those that came last are at the end, so that the others are forgotten first.
        until_ms = max(self._until.pop(address, 0), now_ms) + FAILURE_MS
        wait_ms = max(0, until_ms - now_ms - MOST_FAILURES * FAILURE_MS)
        if len(self._until) >= MOST_ADDRESSES:
            del self._until[next(iter(self._until))]
        self._until[address] = until_ms - FAILURE_MS if wait_ms else until_ms
        return wait_ms

    def take_back(self, address: str) -> None:
        """It was none after all."""
        until_ms = self._until.pop(address, 0) - FAILURE_MS
        if until_ms > self._now_ms():
            self._until[address] = until_ms

    def __len__(self) -> int:
        return len(self._until)


@dataclass
class Turn:
    """Keys that are looked up together."""

    digests: set[str] = field(default_factory=set)
    task: asyncio.Task[dict[str, Caller]] | None = None


class Door:
    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._failures = Failures()
        self._turn: Turn | None = None
        self._one_at_a_time = asyncio.Lock()
        self._next_turn = 0.0

    async def caller(self, token: str, client: Client) -> Caller:
        """The caller whose key `token` is. Raises BadRequest where it is nobody's."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        lookup = await self._committer.lookup()
        caller = lookup.known(digest)
        if caller is not None:
            return caller
        address, was_known = _address(client), lookup.was_known(digest)
        wait_ms = 0 if was_known else self._failures.add(address)
        if not lookup.is_nobody(digest):
            try:
                caller = await self._look_up(digest, in_turn=wait_ms > 0)
            except BaseException:
                if not was_known and not wait_ms:
                    self._failures.take_back(address)  # the database did not say that it is none
                raise
        if caller is not None:
            if not was_known and not wait_ms:
                self._failures.take_back(address)
            return caller
        if wait_ms:
            words = "Too many requests came from this address with an API key that is none, or that is revoked."
            raise BadRequest(429, words, retry_s=-(-wait_ms // 1000))
        raise BadRequest(401, NO_KEY)

    async def _look_up(self, digest: str, *, in_turn: bool) -> Caller | None:
        if not in_turn:
            return await self._committer.caller(digest)
        turn = self._turn
        if turn is None:
            turn = self._turn = Turn()
            turn.task = asyncio.create_task(self._take(turn))
        turn.digests.add(digest)
        assert turn.task is not None
        return (await asyncio.shield(turn.task)).get(digest)

    async def _take(self, turn: Turn) -> dict[str, Caller]:
        loop = asyncio.get_running_loop()
        async with self._one_at_a_time:
            await asyncio.sleep(max(0.0, self._next_turn - loop.time()))
            self._turn = None
            try:
                return await self._committer.callers(list(turn.digests))
            finally:
                self._next_turn = loop.time() + TURN_S


NO_KEY = "Send an API key that is not revoked: Authorization: Bearer chp_…"


def _address(client: Client) -> str:
    """Of an IPv6 address the network, for one machine may have as many addresses of it as it likes."""
    host = client[0] if client else ""
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return host
    mapped = address.ipv4_mapped
    return str(mapped) if mapped else str(ipaddress.IPv6Address(int(address) >> 64 << 64))
