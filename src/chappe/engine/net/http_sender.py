"""Sends the requests of one connection with their proof: fetches a token once for all that need it, and again in time."""

import asyncio
import math
import time
from collections.abc import Callable, Generator

from chappe.engine.net.http_client import HttpClient, Journey, NoAnswer, NotSent, Unwritable
from chappe.messaging import ChappeError
from chappe.providers.auth import TOKEN_S
from chappe.providers.http import Auth, HttpRequest, HttpResponse, Token, TokenRefused, said

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
        self._fetches = 0
        """How many tokens were got: two of them may read the same."""
        self._good_until = 0.0
        self._fetching: asyncio.Task[None] | None = None

    async def send(self, request: HttpRequest, journey: Journey | None = None) -> HttpResponse:
        """The provider's answer. Raises NotSent, NoAnswer or NoToken. `journey` says meanwhile how far the request is."""
        journey = journey or Journey()
        if not self._auth.needs_token:
            return await self._exchange(request, "", journey)
        token, number = await self._current()
        response = await self._exchange(request, token, journey)
        if response.status == UNAUTHORIZED:
            # It was taken back before its time; nothing was done with the request.
            journey.has_left = False
            if self._fetches == number:
                self._good_until = 0.0
            token, _ = await self._current()
            response = await self._exchange(request, token, journey)
        return response

    async def ready(self) -> float:
        """Have a token, where one is needed; for how many seconds it will be used. Raises NoToken."""
        if self._auth.needs_token:
            await self._current()
        return max(0.0, self._good_until - self._clock())

    async def proven(self, request: HttpRequest) -> HttpRequest:
        """The request as it goes out, secrets and all. Raises NotSent or NoToken."""
        token, _ = await self._current() if self._auth.needs_token else ("", 0)
        return self._sign(request, token)

    async def _exchange(self, request: HttpRequest, token: str, journey: Journey) -> HttpResponse:
        signed = self._sign(request, token)
        try:
            return await self._messages.exchange(signed, timeout_s=self._response_s, journey=journey)
        except Unwritable as error:
            if _is_writable(request):
                raise NotSent("a secret has characters that no header may have, such as a line's end") from error
            raise

    def _sign(self, request: HttpRequest, token: str) -> HttpRequest:
        try:
            return self._auth.sign(request, token, self._clock())
        except (TypeError, ValueError) as error:  # a key that does not suit: the fault is not the message's
            raise NotSent(f"the request could not be signed: {type(error).__name__}") from None

    async def _current(self) -> tuple[str, int]:
        """A good token and its number; whoever comes first fetches it, the others wait for the same."""
        if self._clock() < self._good_until:
            return self._token, self._fetches
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._fetched)
        await asyncio.shield(self._fetching)
        return self._token, self._fetches

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
        lifetime_s = token.expires_in_s if 0 < token.expires_in_s < math.inf else TOKEN_S
        margin_s = min(TOKEN_MARGIN_S, lifetime_s / 5)
        self._token, self._good_until = token.value, self._clock() + lifetime_s - margin_s
        self._fetches += 1

    async def _walk(self) -> Token:
        steps = self._auth.fetch(self._clock())
        response: HttpResponse | None = None
        for _ in range(TOKEN_STEPS + 1):
            step = _next(steps, response)
            if isinstance(step, Token):
                return step
            response = await self._tokens.exchange(step, timeout_s=TOKEN_TIMEOUT_S)
        raise TokenRefused(f"no token after {TOKEN_STEPS} requests")

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
        await self._messages.close()
        await self._tokens.close()


def _next(steps: Generator[HttpRequest, HttpResponse, Token], response: HttpResponse | None) -> HttpRequest | Token:
    """The next request of a token's making, or the token. Raises TokenRefused, for any octets whatever."""
    try:
        return next(steps) if response is None else steps.send(response)
    except StopIteration as done:
        token: Token = done.value
    except TokenRefused as error:
        raise TokenRefused(error.reason + _oauth_words(response)) from None
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise TokenRefused(f"the token endpoint's answer could not be read: {type(error).__name__}") from None
    if not token.value.isprintable():
        raise TokenRefused("the token endpoint gave a token with characters that no header may have")
    return token


def _oauth_words(response: HttpResponse | None) -> str:
    """What the endpoint says by the word of RFC 6749, section 5.2, or else by its status."""
    if response is None or response.is_success:
        return ""
    word = said(response.json.get("error")) if isinstance(response.json, dict) else ""
    hint = ": check the client id and the client secret" if word in _NOT_US or response.status in (401, 403) else ""
    return f"{f' ({word})' if word.isidentifier() else ''}{hint}"


_NOT_US = ("invalid_client", "unauthorized_client")


def _is_writable(request: HttpRequest) -> bool:
    return all(text.isprintable() for header in request.headers for text in header)
