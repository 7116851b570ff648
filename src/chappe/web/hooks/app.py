"""The ASGI side of the hooks: addresses, reads within limits, proofs, answers."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from urllib.parse import quote

import structlog

from chappe.engine.address import HOOKS, MESSAGE, RECEIVE, STATUS
from chappe.messaging import StoreError
from chappe.providers import registry
from chappe.providers.http import HookRequest, HttpResponse
from chappe.web.failures import Failures, address_of
from chappe.web.hooks.committer import LOOK_AGAIN_MS, Committer
from chappe.web.hooks.exchange import Noted, described, numbers_of
from chappe.web.hooks.lookup import Lookup
from chappe.web.hooks.reader import Heard, NoProof, Place, Refusal, hear
from chappe.web.hooks.tally import ACCEPTED, DUPLICATE
from chappe.web.room import Room
from chappe.web.wire import (
    PATIENCE_S,
    PROBLEM,
    Application,
    BadRequest,
    Gone,
    Receive,
    Scope,
    Send,
    expected,
    headers_of,
    live,
    problem_of,
    read_body,
    say,
)

MOST_OCTETS = 256 * 1024
MOST_HELD = 64 * 1024 * 1024
"""Octets of all bodies together that are being read or waiting to be stored. See `Room`."""
QUICK_OCTETS = 16 * 1024
"""Longer bodies are read in a thread, so that other calls do not wait."""
NOISY_LOOK_AGAIN_MS = 250
MOST_REMEMBERED = 20_000
"""Calls by which one that comes again is known for one."""
METHODS = frozenset({"GET", "POST"})
CHALLENGE = b'Basic realm="chappe"'
OUTCOMES = {
    400: "unreadable",
    405: "method",
    408: "too slow",
    413: "too large",
    415: "encoding",
    429: "too many",
    500: "failed",
    503: "not stored",
}
"""By which word a refusal is counted where it brings none of its own."""

_RECEIVE = re.compile(
    rf"(?:{STATUS}|{MESSAGE})/(?P<provider>[^/]{{1,40}})/(?P<of>[0-9]{{1,18}})(?:/(?P<id>[0-9]{{1,18}}))?/?"
)
_TOKEN = re.compile(r"(?![0-9]+$)[^/]+")

log = structlog.get_logger("chappe.hooks")


@dataclass
class Call:
    """One call as far as it has been understood."""

    method: str
    target: str
    headers: Mapping[str, str]
    at_ms: int
    started: float
    place: Place | None = None
    body: bytes = b""
    heard: Heard | None = None

    @property
    def connection_id(self) -> int:
        if self.heard is not None:
            return self.heard.connection_id
        return self.place.connection_id if self.place is not None else 0


class Hooks:
    """Answers the addresses of hooks itself and hands everything else to `rest`.

    `public_url` is what providers called, "" where only the calls themselves say so.
    """

    def __init__(
        self,
        committer: Committer,
        rest: Application,
        now_ms: Callable[[], int],
        public_url: str = "",
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._committer = committer
        self._rest = rest
        self._now_ms = now_ms
        self._public_url = public_url.rstrip("/")
        self._patience_s = patience_s
        self._failures = Failures()
        self._seen: dict[bytes, None] = {}
        self.room = Room(MOST_HELD)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_hook(scope["path"]):
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await live(self._rest, scope, receive, send, self._committer.close)
        else:
            await self._rest(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        call = Call(scope["method"], _target(scope), _headers(scope), self._now_ms(), asyncio.get_running_loop().time())
        try:
            heard = await self._hear(call, scope, headers, receive)
        except Gone:
            return
        except BadRequest as error:
            await self._refuse(call, error, headers, send)
        except StoreError as error:
            await self._refuse(call, BadRequest(503, f"Nothing was stored: {error}. Try again."), headers, send)
        except Exception:
            log.exception("hooks.failed")
            await self._refuse(
                call, BadRequest(500, "Nothing was stored; the log of the web process says why."), headers, send
            )
        else:
            self._count(call, self._word(call), described(heard.events), heard.reply)
            await _reply(send, heard.reply)

    async def _hear(self, call: Call, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Heard:
        """Read the whole call, check its proof, store what it tells; returns when that is committed."""
        address = address_of(scope.get("client"))
        place = call.place = await self._place(scope["path"], address)
        if call.method not in METHODS:
            raise BadRequest(405, "This address answers POST and GET only.")
        if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            raise BadRequest(415, "Send the body without Content-Encoding.")
        if place.hook is not None and not place.hook.is_enabled:
            raise Refusal(403, "This hook is switched off.", "switched off")
        with self.room.taken(place.organisation_id, expected(headers, MOST_OCTETS)):
            call.body = await read_body(receive, MOST_OCTETS, self._patience_s)
            request = HookRequest(call.method, self._url(scope, call), call.headers, call.body)
            lookup = await self._committer.lookup()
            try:
                heard = await _heard(place, request, lookup, call.at_ms)
            except NoProof as error:
                # Only now: who has the proof is never told to wait, whatever else came from its address.
                wait_ms = self._failures.add(address)
                if wait_ms:
                    raise NoProof(429, _TOO_MANY, error.outcome, retry_s=-(-wait_ms // 1000)) from None
                raise
            call.heard = heard
            await self._committer.commit(heard)
            return heard

    async def _place(self, path: str, address: str) -> Place:
        """What the address stands for. Raises Refusal where there is nothing."""
        lookup = await self._committer.lookup()
        place = find(path, lookup, self._now_ms())
        if place is not None:
            return place
        wait_ms = self._failures.add(address)
        # What was made a moment ago may not be known here yet.
        lookup = await self._committer.look_again(NOISY_LOOK_AGAIN_MS if wait_ms else LOOK_AGAIN_MS)
        place = find(path, lookup, self._now_ms())
        if place is None and wait_ms:
            raise Refusal(429, _TOO_MANY, "unknown", retry_s=-(-wait_ms // 1000))
        if place is None:
            raise Refusal(404, "There is nothing at this address.", "unknown")
        if not wait_ms:
            self._failures.take_back(address)
        return place

    def _url(self, scope: Scope, call: Call) -> str:
        """The address as the provider called it."""
        if self._public_url:
            return self._public_url + call.target
        return f"{scope.get('scheme', 'http')}://{call.headers.get('host', '')}{call.target}"

    async def _refuse(self, call: Call, error: BadRequest, headers: dict[bytes, bytes], send: Send) -> None:
        body = problem_of(error)
        outcome = error.outcome if isinstance(error, Refusal) else OUTCOMES.get(error.status, "refused")
        self._count(call, outcome, error.detail, HttpResponse(error.status, body))
        more = headers_of(error, headers, CHALLENGE)
        if error.status == 405:
            more = [(b"allow", b"GET, POST")]
        await say(send, error.status, PROBLEM, body, more)

    def _word(self, call: Call) -> str:
        """Whether the very same call was taken before, as far as is remembered here; it is stored all the same."""
        digest = blake2b(f"{call.connection_id} {call.target} ".encode() + call.body, digest_size=16).digest()
        if digest in self._seen:
            return DUPLICATE
        self._seen[digest] = None
        if len(self._seen) > MOST_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return ACCEPTED

    def _count(self, call: Call, outcome: str, words: str, response: HttpResponse) -> None:
        tally, place, connection_id = self._committer.tally, call.place, call.connection_id
        organisation_id, hook_id = (place.organisation_id, place.hook_id) if place is not None else (0, 0)
        tally.count(organisation_id, connection_id, hook_id, outcome, call.at_ms)
        # A flood is counted, and does not push out what is worth reading.
        traces = self._committer.traces(connection_id) if place is not None and response.status != 429 else ()
        has_room = tally.has_room(connection_id)
        if place is not None and response.status != 429 and (has_room or traces):
            took_ms = (asyncio.get_running_loop().time() - call.started) * 1000
            is_proven = call.heard is not None or outcome == OUTCOMES[400]
            events = call.heard.events if call.heard is not None else () if is_proven else None
            text = words if outcome == ACCEPTED else f"{outcome}: {words}"
            # fmt: off
            noted = Noted(
                connection_id, call.at_ms, took_ms, call.method, call.target, call.headers, call.body, response,
                text, place.secrets, events,
            )
            # fmt: on
            if has_room:
                tally.note(noted)
            for trace_id, number in traces:
                if not number or number in numbers_of(events or ()):
                    tally.trace(noted, trace_id)
        self._committer.flush_soon()


def is_hook(path: str) -> bool:
    """Whether providers call this address; hooks are managed by their number, which is no token."""
    return path.startswith(RECEIVE) or (path.startswith(HOOKS) and bool(_TOKEN.fullmatch(path, len(HOOKS))))


def find(path: str, lookup: Lookup, now_ms: int) -> Place | None:
    """What an address stands for, None where it is nothing."""
    if path.startswith(HOOKS):
        hook = lookup.hook(path.removeprefix(HOOKS), now_ms)
        if hook is None:
            return None
        return Place(hook.organisation_id, lookup.line(hook.connection_id), hook)
    found = _RECEIVE.fullmatch(path, len(RECEIVE))
    provider = provider_of(found["provider"]) if found else ""
    if not found or not provider:
        return None
    posts = lookup.posts(provider, int(found["of"]))
    if found["id"]:
        among = {post.id for post in posts}
        posts = lookup.line(int(found["id"])) if int(found["id"]) in among else ()
    return Place(int(found["of"]), posts) if posts else None


def provider_of(name: str) -> str:
    """The provider that an address names: by its key, with or without separators and a final -sms; "" for none."""
    plain = _plain(name)
    return next((key for key in registry.HTTP if _plain(key) == plain), "")


def _plain(name: str) -> str:
    return re.sub(r"[-_]", "", name.lower().removesuffix("-sms"))


async def _heard(place: Place, request: HookRequest, lookup: Lookup, now_ms: int) -> Heard:
    if len(request.body) <= QUICK_OCTETS:
        return hear(place, request, lookup, now_ms)
    return await asyncio.to_thread(hear, place, request, lookup, now_ms)


def _target(scope: Scope) -> str:
    """Path and query, octet for octet."""
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    query = scope.get("query_string", b"")
    return (raw + b"?" + query if query else raw).decode("latin-1")


def _headers(scope: Scope) -> dict[str, str]:
    """Names in lower case; of one that comes twice the values are joined, so that nobody picks one of two proofs."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


async def _reply(send: Send, reply: HttpResponse) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    if reply.status != 204:
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


_TOO_MANY = (
    "Too many calls without the proof that is needed, or to addresses that do not exist, came from this address."
)
