"""The ASGI side of the intake: routes, reads within limits, answers."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Generator
from urllib.parse import parse_qsl

import msgspec
import structlog

from chappe.messaging import FieldError, StoreBusy, StoreFull
from chappe.providers.relay import unpacked
from chappe.web.intake.check import check_all
from chappe.web.intake.committer import Committer
from chappe.web.intake.door import Door
from chappe.web.intake.lookup import Caller
from chappe.web.intake.relay import account_target, check_relayed
from chappe.web.intake.request import (
    NOTHING_SENT,
    read_lines,
    read_one,
)
from chappe.web.intake.submission import Submission
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
    problem_of,
    read_body,
    say,
)

ONE, MANY = "/v1/messages", "/v1/messages/batch"
MOST_OCTETS = {ONE: 64 * 1024, MANY: 32 * 1024 * 1024}
MOST_HELD = 256 * 1024 * 1024
"""Octets of all bodies together that are being read or waiting to be stored. See `Room`."""
MOST_LINES = 10_000
MOST_KEY = 255
QUICK_OCTETS = 8 * 1024
"""Longer bodies are checked in the committer's thread, between its commits: ten thousand messages take a while, and the loop
does not wait."""
JSON, NDJSON = b"application/json", b"application/x-ndjson"
GZIP = b"gzip"
KINDS = {
    ONE: frozenset({"application/json"}),
    MANY: frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}),
}
READ_BY_DJANGO = frozenset({"GET", "HEAD"})
"""Methods of the first address that the API answers: searching messages."""

_KEY = re.compile(rf'"?([ !#-~]{{1,{MOST_KEY}}})"?')
_encoder = msgspec.json.Encoder()

log = structlog.get_logger("chappe.intake")


class Intake:
    """Answers the two addresses itself and hands everything else to `rest`."""

    def __init__(
        self, committer: Committer, rest: Application, now_ms: Callable[[], int], patience_s: float = PATIENCE_S
    ) -> None:
        self._committer = committer
        self._rest = rest
        self._now_ms = now_ms
        self._patience_s = patience_s
        self._door = Door(committer)
        self.room = Room(MOST_HELD)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in MOST_OCTETS:
            if scope["method"] == "POST":
                await self._answer(scope, receive, send)
                return
            if scope["path"] == MANY or scope["method"] not in READ_BY_DJANGO:
                await _refuse_method(scope["path"], send)
                return
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._rest(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._committer.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        more: list[tuple[bytes, bytes]] = []
        try:
            status, kind = 202, JSON
            submission = await self._accept(scope, headers, receive)
            if scope["path"] == ONE:
                body = _encoder.encode(submission.accepted[0])
            else:
                kind, body = NDJSON, _encoder.encode_lines(submission.accepted)
            if submission.is_replay:
                more.append((b"idempotent-replayed", b"true"))
        except Gone:
            return
        except BadRequest as error:
            status, kind, body = error.status, PROBLEM, problem_of(error)
            more = headers_of(error, headers)
        except (StoreBusy, StoreFull) as error:
            refusal = BadRequest(503, f"Nothing was stored: {error}. Try again.")
            status, kind, body = 503, PROBLEM, problem_of(refusal)
            more = headers_of(refusal, headers)
        except Exception:
            log.exception("intake.failed")
            status, kind = 500, PROBLEM
            body = problem_of(BadRequest(500, "Nothing was stored; the log of the web process says why."))
        await say(send, status, kind, body, more)

    async def _accept(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Submission:
        """Read and check the whole request, then store all of it; returns what was committed."""
        path, account = scope["path"], _account(scope)
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        caller = await self._door.admitted(authorization, scope.get("client"))
        if not account and not caller.may_send:
            raise BadRequest(403, "This API key does not have the scope send.")
        if account and not caller.is_relay:
            raise BadRequest(403, "Only an operator with the right administration sends for an account.")
        _check_kind(path, headers)
        with self.room.taken(caller.organisation_id, expected(headers, MOST_OCTETS[path])):
            body = await read_body(receive, MOST_OCTETS[path], self._patience_s)
            if _is_packed(headers):
                body = await asyncio.to_thread(_unpacked, body, MOST_OCTETS[path])
            submission = await self._submission(path, "" if account else _key(headers), body, caller, account)
            if not submission.is_replay:
                await self._committer.commit(submission)
            return submission

    async def _submission(self, path: str, key: str, body: bytes, caller: Caller, account: str) -> Submission:
        """What is to be stored; nothing of it is unless all of it is right."""
        digest = hashlib.sha256(path.encode() + b"\n" + body).hexdigest() if key else ""
        organisation_id = caller.organisation_id

        def checked() -> Generator[None, None, Submission]:
            messages = [read_one(body)] if path == ONE else read_lines(body, MOST_LINES, is_bundle=bool(account))
            targets = self._committer.targets(organisation_id)
            if account:
                target = account_target(targets, caller.operator, account)
                lines = yield from check_relayed(messages, target, self._now_ms())
                return Submission(organisation_id, [], lines=lines)
            all_of_them = yield from check_all(messages, targets, self._now_ms(), has_lines=path == MANY)
            return Submission(organisation_id, all_of_them, key, digest)

        async def in_time() -> Submission:
            return at_once(checked()) if len(body) <= QUICK_OCTETS else await self._committer.aside(checked())

        try:
            return await in_time()
        except BadRequest as refused:
            # What was taken once is answered the same although it could not be taken now.
            if key:
                before = Submission(organisation_id, [], key, digest)
                if await self._committer.was_answered(before):
                    return before
            # A connection made a moment ago may not be known here yet.
            if not any(error.field.endswith("connection_id") for error in refused.errors):
                raise
            await self._committer.look_again()
            return await in_time()


def at_once(work: Generator[None, None, Submission]) -> Submission:
    """All of it in one go."""
    try:
        while True:
            next(work)
    except StopIteration as end:
        found: Submission = end.value
        return found


def _key(headers: dict[bytes, bytes]) -> str:
    """The Idempotency-Key; empty where none is sent. With or without quotes it is the same."""
    given = headers.get(b"idempotency-key")
    if given is None:
        return ""
    found = _KEY.fullmatch(given.decode("latin-1").strip())
    if found is None:
        words = f"must have from 1 to {MOST_KEY} printable ASCII characters, and no quotes within"
        raise BadRequest(422, NOTHING_SENT, [FieldError("Idempotency-Key", words)])
    return found[1]


def _check_kind(path: str, headers: dict[bytes, bytes]) -> None:
    """Who names the body's kind names it right; who names none means ours."""
    kind, _, parameters = headers.get(b"content-type", b"").decode("latin-1").lower().partition(";")
    charset = parameters.partition("charset=")[2].strip().strip('"')
    if (kind.strip() and kind.strip() not in KINDS[path]) or charset not in ("", "utf-8", "utf8"):
        wanted = (JSON if path == ONE else NDJSON).decode()
        raise BadRequest(415, f"Send the body as Content-Type: {wanted}, in UTF-8.")
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding != b"identity" and (path == ONE or encoding != GZIP):
        raise BadRequest(415, f"Send the body without Content-Encoding{', or as gzip' if path == MANY else ''}.")


def _is_packed(headers: dict[bytes, bytes]) -> bool:
    return headers.get(b"content-encoding", b"").strip().lower() == GZIP


def _unpacked(body: bytes, most: int) -> bytes:
    try:
        return unpacked(body, most)
    except ValueError as error:
        raise BadRequest(400, f"The body cannot be unpacked: {error}.") from None


def _account(scope: Scope) -> str:
    """The account that an operator sends for: its internal name on the other side; "" for none."""
    if scope["path"] != MANY or not scope.get("query_string"):
        return ""
    pairs: dict[str, str] = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    return pairs.get("account", "")


async def _refuse_method(path: str, send: Send) -> None:
    allowed = b"GET, POST" if path == ONE else b"POST"
    body = problem_of(BadRequest(405, "This address does not answer this method."))
    await say(send, 405, PROBLEM, body, [(b"allow", allowed)])
