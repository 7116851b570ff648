"""Who calls, by the API key; and how often an address may come with a key that is none.

The limit spares the database, not the keys, which nobody guesses. So it never refuses a key that is good: a key that is
remembered passes without being looked up, and one that is not is looked up whatever came before it from its address.
But where too much came, all such keys are looked up together, by one question every `TURN_S` at most.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field

from chappe.web.failures import Client, Failures, address_of
from chappe.web.intake.committer import Committer
from chappe.web.intake.lookup import Caller
from chappe.web.wire import BadRequest

TURN_S = 0.05


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
        address, was_known = address_of(client), lookup.was_known(digest)
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
