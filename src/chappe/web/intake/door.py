"""Who calls, by the API key or, for another Chappe, as an operator; and how often an address may come with what proves nothing.

The limit spares the database, not the keys, which nobody guesses. So it never refuses a key that is good: a key that is
remembered passes without being looked up, and one that is not is looked up whatever came before it from its address.
But where too much came, all such keys are looked up together, by one question every `TURN_S` at most.

Passwords may be guessed, and take a while to check: where too much came, only one that proved right a moment ago passes. They
are checked in a thread, one at a time.
"""

import asyncio
import hashlib
from dataclasses import dataclass, field

from chappe.features.accounts.password import checked
from chappe.features.accounts.services import KEY_PREFIX
from chappe.messaging import ChappeError
from chappe.web.basic import SCHEME, read_basic
from chappe.web.failures import Client, Failures, address_of
from chappe.web.intake.committer import Committer
from chappe.web.intake.lookup import Caller, Relay
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
        self._hashing = asyncio.Lock()

    async def admitted(self, authorization: str, client: Client) -> Caller:
        """The caller that a header names. Raises BadRequest where it is nobody."""
        scheme, _, token = authorization.partition(" ")
        scheme, token = scheme.lower(), token.strip()
        if scheme == SCHEME and (given := read_basic(token)) is not None:
            return await self.relay(*given, client)
        if scheme != "bearer" or not token:
            raise BadRequest(401, NO_KEY)
        return await self.caller(token, client)

    async def relay(self, login: str, secret: str, client: Client) -> Caller:
        """The operator that signs in as another Chappe's account, with its password or one of its keys.

        Raises BadRequest for everybody else.
        """
        if secret.startswith(KEY_PREFIX):
            caller = await self.caller(secret, client)
            if caller.operator != login:
                raise BadRequest(401, NO_OPERATOR)
            if not caller.is_relay:
                raise BadRequest(403, f"The operator {login} does not have the right administration.")
            return caller
        known = (await self._committer.lookup()).relay(login)
        if known is not None and checked.is_remembered(login, known.password, secret):
            return known.caller()
        address = address_of(client)
        wait_ms = self._failures.add(address)
        if wait_ms:
            words = "Too many requests came from this address with a login or a password that is wrong."
            raise BadRequest(429, words, retry_s=-(-wait_ms // 1000))
        try:
            known = await self._proved(login, secret)
        except ChappeError:
            self._failures.take_back(address)  # the database did not say that it is wrong
            raise
        if known is None:
            raise BadRequest(401, NO_OPERATOR)
        self._failures.take_back(address)
        return known.caller()

    async def _proved(self, login: str, secret: str) -> Relay | None:
        """The operator whose password this is."""
        known = (await self._committer.lookup()).relay(login)
        if known is None:
            await self._committer.look_again()  # it may have been made a moment ago
            known = (await self._committer.lookup()).relay(login)
        stored = known.password if known is not None else ""
        async with self._hashing:  # in threads they would wait for each other there, and hold up what else needs one
            is_right = await asyncio.to_thread(checked.is_right, login, stored, secret)
        return known if is_right else None

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


NO_OPERATOR = "The login, the password or the key is wrong, or the operator is switched off."
NO_KEY = "Send an API key that is not revoked: Authorization: Bearer chp_…"
