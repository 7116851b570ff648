"""The ASGI side of short links: whose they are, who asks, where they lead."""

from collections.abc import Callable

import msgspec
import structlog

from chappe.engine.store.click import Click
from chappe.messaging import MessageOptions
from chappe.rules.link import PATH, TOKEN, LinkSigner, link_at, without_query
from chappe.rules.visitor import is_machine
from chappe.web.links.committer import Committer
from chappe.web.links.page import POLICY, language_of, nothing_here
from chappe.web.wire import PROBLEM, Application, BadRequest, Receive, Scope, Send, headers_of, live, problem_of, say

METHODS = frozenset({"GET", "HEAD"})
LIFE_MS = 30 * 86_400_000
"""How long a link leads somewhere, from when its message went out, or was due to."""
WAIT_S = 2.0
"""How long somebody waits until what they opened is counted."""
HTML, TEXT = b"text/html; charset=utf-8", b"text/plain; charset=utf-8"
PRIVATE = [(b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer"), (b"x-robots-tag", b"noindex")]
"""Each opening is to be asked for here, and the page behind a link is not told which message it stood in."""
_read_options = msgspec.json.Decoder(MessageOptions).decode

log = structlog.get_logger("chappe.links")


class Links:
    """Answers short links itself and hands everything else to `rest`."""

    def __init__(
        self,
        committer: Committer,
        rest: Application,
        signer: LinkSigner,
        now_ms: Callable[[], int],
        wait_s: float = WAIT_S,
    ) -> None:
        self._committer = committer
        self._rest = rest
        self._signer = signer
        self._now_ms = now_ms
        self._wait_s = wait_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PATH):
            await self._answer(scope, send)
        elif scope["type"] == "lifespan":
            await live(self._rest, scope, receive, send, self._committer.close)
        else:
            await self._rest(scope, receive, send)

    async def _answer(self, scope: Scope, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            link = await self._followed(scope["method"], scope["path"].removeprefix(PATH), headers)
        except BadRequest as error:
            await _refuse(error, dict(scope["headers"]), send)
        except Exception:
            log.exception("links.failed")
            await _refuse(BadRequest(500, "The log of the web process says why."), dict(scope["headers"]), send)
        else:
            if link is None:
                page = nothing_here(language_of(headers.get("accept-language", "")))
                more = [(b"content-security-policy", POLICY.encode()), (b"vary", b"accept-language"), *PRIVATE]
                await say(send, 404, HTML, page, more)
            else:
                await say(send, 302, TEXT, b"", [(b"location", link.encode("ascii")), *PRIVATE])

    async def _followed(self, method: str, token: str, headers: dict[str, str]) -> str | None:
        """Where a link leads, which is counted; None where it is none, or none any more. Raises BadRequest."""
        if method not in METHODS:
            raise BadRequest(405, "This address answers GET only.")
        if not token[TOKEN : TOKEN + 1].isalnum():
            token = token[:TOKEN]  # what closes a sentence or a bracket was taken for a part of it
        found = self._signer.read(token)
        if found is None:
            return None
        message_id, place = found
        message = await self._committer.message(message_id)
        now_ms = self._now_ms()
        if message is None or message.options is None or now_ms >= message.out_ms + LIFE_MS:
            return None
        if not _read_options(message.options).link_base:
            return None
        link = link_at(message.body, place)
        if link is not None and method != "HEAD":
            click = Click(message_id, place, without_query(link), now_ms, is_machine(headers))
            await self._committer.count(click, self._wait_s)
        return link


async def _refuse(error: BadRequest, request: dict[bytes, bytes], send: Send) -> None:
    more = [(b"allow", b"GET, HEAD")] if error.status == 405 else headers_of(error, request)
    await say(send, error.status, PROBLEM, problem_of(error), [*more, *PRIVATE])
