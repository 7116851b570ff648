"""Sends the requests of one connection with their proof: fetches a token once for all that need it, and again in time."""

import asyncio
import time
from collections.abc import Callable

from chappe.engine.net.http_client import HttpClient, NoAnswer, NotSent
from chappe.messaging import ChappeError
from chappe.providers.http import Auth, HttpRequest, HttpResponse, Token, TokenRefused

TOKEN_MARGIN_S = 60.0
"""A token is not used in the last minute of its life, or the last fifth where it lives for less than five."""
TOKEN_TIMEOUT_S = 15.0
TOKEN_STEPS = 3
"""Requests that fetching one token may take."""
UNAUTHORIZED = 401


class NoToken(ChappeError):
    """No token could be got, so nothing was sent."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class HttpSender:
    """`messages` is the client towards the provider, `tokens` that towards its token endpoint: without our certificate."""

    def __init__(
        self,
        auth: Auth,
        messages: HttpClient,
        tokens: HttpClient,
        *,
        response_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._auth = auth
        self._messages = messages
        self._tokens = tokens
        self._response_s = response_s
        self._clock = clock
        self._token = ""
        self._good_until = 0.0
        self._fetching: asyncio.Task[None] | None = None

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The provider's answer. Raises NotSent, NoAnswer or NoToken."""
        if not self._auth.needs_token:
            return await self._exchange(request, "")
        token = await self._current()
        response = await self._exchange(request, token)
        if response.status == UNAUTHORIZED:
            # It was taken back before its time; nothing was done with the request.
            if self._token == token:
                self._good_until = 0.0
            response = await self._exchange(request, await self._current())
        return response

    async def ready(self) -> float:
        """Have a token, where one is needed; for how many seconds it will be used. Raises NoToken."""
        if self._auth.needs_token:
            await self._current()
        return max(0.0, self._good_until - self._clock())

    async def proven(self, request: HttpRequest) -> HttpRequest:
        """The request as it goes out, secrets and all. Raises NoToken."""
        token = await self._current() if self._auth.needs_token else ""
        return self._auth.sign(request, token, self._clock())

    async def _exchange(self, request: HttpRequest, token: str) -> HttpResponse:
        signed = self._auth.sign(request, token, self._clock())
        return await self._messages.exchange(signed, timeout_s=self._response_s)

    async def _current(self) -> str:
        """A good token; whoever comes first fetches it, the others wait for the same."""
        if self._clock() < self._good_until:
            return self._token
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._fetched)
        await asyncio.shield(self._fetching)
        return self._token

    def _fetched(self, task: "asyncio.Task[None]") -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()  # those who waited have it; where nobody does, nothing is to be logged

    async def _fetch(self) -> None:
        """Go through the steps of the token's making."""
        try:
            token = await self._walk()
        except TokenRefused as error:
            raise NoToken(error.reason) from None
        except (NotSent, NoAnswer) as error:
            raise NoToken(f"no token: {error.reason}") from None
        margin = min(TOKEN_MARGIN_S, token.expires_in_s / 5)
        self._token, self._good_until = token.value, self._clock() + token.expires_in_s - margin

    async def _walk(self) -> Token:
        steps = self._auth.fetch(self._clock())
        try:
            request = next(steps)
            for _ in range(TOKEN_STEPS):
                request = steps.send(await self._tokens.exchange(request, timeout_s=TOKEN_TIMEOUT_S))
        except StopIteration as done:
            token: Token = done.value
            return token
        raise TokenRefused(f"no token after {TOKEN_STEPS} requests")

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
        await self._messages.close()
        await self._tokens.close()
