"""The ASGI side of the intake: routes, reads within limits, answers."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Literal

import msgspec
import structlog

from chappe.features.deliveries.identifier import json_problem
from chappe.features.deliveries.measure import WHOLE
from chappe.messaging import Channel, DeliveryState, FieldError, StoreBusy, StoreFull
from chappe.messaging.content import Mms
from chappe.messaging.content import check as content_errors
from chappe.web.intake.committer import Accepted, Checked, Committer, Submission
from chappe.web.intake.door import NO_KEY, Door
from chappe.web.intake.lookup import Caller, Target, by_number
from chappe.web.intake.request import (
    MOST_ERRORS,
    NOTHING_SENT,
    MessageIn,
    due_ms,
    line_field,
    read_lines,
    read_one,
    recipient_of,
)
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
"""Longer bodies are checked in a thread: a text of ten thousand characters may take a while, and others do not wait."""
JSON, NDJSON = b"application/json", b"application/x-ndjson"
KINDS = {
    ONE: frozenset({"application/json"}),
    MANY: frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}),
}
READ_BY_DJANGO = frozenset({"GET", "HEAD"})
"""Methods of the first address that the API answers: searching messages."""

_KEY = re.compile(rf'"?([ !#-~]{{1,{MOST_KEY}}})"?')
_encoder = msgspec.json.Encoder()

log = structlog.get_logger("chappe.intake")


class Answer(msgspec.Struct, omit_defaults=True):
    """What is said of one message."""

    id: Annotated[int, msgspec.Meta(description="by which its status is read")]
    state: Annotated[
        Literal["waiting", "excluded"], msgspec.Meta(description="excluded: taken note of, and not sent; see reason")
    ]
    segments: int
    reason: Annotated[
        str,
        msgspec.Meta(
            description="why it is excluded: denylisted, quarantine or no_identifier", examples=["denylisted"]
        ),
    ] = ""
    encoding: Annotated[
        str,
        msgspec.Meta(
            description="how its text goes out: gsm, latin1 or ucs2; e-mail and content of RCS or MMS: utf-8",
            examples=["gsm"],
        ),
    ] = ""


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
            answers = _answers(submission.accepted)
            if scope["path"] == ONE:
                body = _encoder.encode(answers[0])
            else:
                kind, body = NDJSON, _encoder.encode_lines(answers)
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
        path = scope["path"]
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise BadRequest(401, NO_KEY)
        caller = await self._door.caller(token.strip(), scope.get("client"))
        if not caller.may_send:
            raise BadRequest(403, "This API key does not have the scope send.")
        _check_kind(path, headers)
        with self.room.taken(caller.organisation_id, expected(headers, MOST_OCTETS[path])):
            body = await read_body(receive, MOST_OCTETS[path], self._patience_s)
            submission = await self._submission(path, _key(headers), body, caller)
            if not submission.is_replay:
                await self._committer.commit(submission)
            return submission

    async def _submission(self, path: str, key: str, body: bytes, caller: Caller) -> Submission:
        """What is to be stored; nothing of it is unless all of it is right."""
        digest = hashlib.sha256(path.encode() + b"\n" + body).hexdigest() if key else ""
        organisation_id = caller.organisation_id

        def checked() -> list[Checked]:
            messages = [read_one(body)] if path == ONE else read_lines(body, MOST_LINES)
            targets = self._committer.targets(organisation_id)
            return _check_all(messages, targets, self._now_ms(), has_lines=path == MANY)

        async def in_time() -> list[Checked]:
            return checked() if len(body) <= QUICK_OCTETS else await asyncio.to_thread(checked)

        try:
            messages = await in_time()
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
            messages = await in_time()
        return Submission(organisation_id, messages, key, digest)


def _check_all(messages: list[MessageIn], targets: list[Target], now_ms: int, *, has_lines: bool) -> list[Checked]:
    by_id = by_number(targets)
    checked: list[Checked] = []
    errors: list[FieldError] = []
    for line, message in enumerate(messages, 1):
        found = check_message(message, by_id, now_ms)
        if isinstance(found, Checked):
            checked.append(found)
            continue
        errors += [FieldError(line_field(line, one.field), one.message) for one in found] if has_lines else found
        if len(errors) >= MOST_ERRORS:
            break
    if errors:
        raise BadRequest(422, NOTHING_SENT, errors[:MOST_ERRORS])
    return checked


def check_message(message: MessageIn, targets: dict[int, Target], now_ms: int) -> Checked | list[FieldError]:
    """What the decoder cannot see: whether it can be kept, and sent through the connection at all."""
    target = _target(message, targets)
    if isinstance(target, FieldError):
        return [target]
    errors = _nul_errors(message)
    recipient = recipient_of(message, target.way)
    if recipient is None:
        errors.append(FieldError("to", f"must be {_recipient_words(target)}"))
    if problem := target.way.sender_problem(message.sender):
        errors.append(FieldError("sender", problem))
    due = due_ms(message, now_ms)
    if due is None:
        errors.append(FieldError("send_at", "must be within a year"))
    errors += _option_errors(message, target)
    measured = _measured(message, target)
    if isinstance(measured, FieldError):
        return [*errors, measured]
    encoding, segments = measured
    options = message.options
    if options is not None and 0 < options.maximum_segments < segments:
        errors.append(
            FieldError("text", f"has {segments} segments; options.maximum_segments is {options.maximum_segments}")
        )
    if errors or recipient is None or due is None:
        return errors
    return Checked(message, target, recipient, due, segments, encoding)


_NUMBER = "an international number of 6 to 15 digits, such as +33612345678"


def _target(message: MessageIn, targets: dict[int, Target]) -> Target | FieldError:
    """The connection to send through: the one that is named, or the first of the channel that is wanted."""
    if message.connection_id is not None:
        named = targets.get(message.connection_id)
        return named or FieldError("connection_id", f"there is no enabled connection {message.connection_id}")
    channels = _channels(message)
    for channel in channels:
        for target in targets.values():
            if channel in target.way.spec.channels:
                return target
    words = f" for {channels[-1].value}" if targets else ""
    return FieldError("connection_id", f"there is no enabled connection{words}")


def _channels(message: MessageIn) -> tuple[Channel, ...]:
    """What the message is, as far as it says so itself; the best first."""
    if "@" in message.to:
        return (Channel.EMAIL,)
    content = message.options.content if message.options else None
    return (Channel.SMS,) if content is None or isinstance(content, Mms) else (Channel.RCS, Channel.SMS)


def _recipient_words(target: Target) -> str:
    if target.way.is_email:
        return "an e-mail address, such as jane@example.org"
    return "1 to 20 printable ASCII characters" if target.way.as_typed else _NUMBER


def _option_errors(message: MessageIn, target: Target) -> list[FieldError]:
    """What the connection cannot do of what is asked for."""
    options, errors = message.options, list[FieldError]()
    if options is None:
        return errors
    if options.service_id and not target.way.has_service_tag:
        errors.append(FieldError("options.service_id", "the connection has no service id tag to send it in"))
    if options.transmission_mode is not None and not target.way.has_transmission_modes:
        errors.append(FieldError("options.transmission_mode", "the connection's provider has no transmission modes"))
    if options.content is not None and target.way.is_email:
        errors.append(FieldError("options.content", "is for RCS and MMS; the connection sends e-mail"))
    elif options.content is not None:
        found = content_errors(options.content, message.text, "options.content")
        errors += [FieldError("text" if one.field == "body" else one.field, one.message) for one in found]
    return errors


def _measured(message: MessageIn, target: Target) -> tuple[str, int] | FieldError:
    """Encoding and segments, or what is wrong with the text."""
    if target.way.is_email:
        problem = json_problem(message.text)
        return FieldError("text", problem) if problem else WHOLE
    if message.options is not None and target.way.carried(message.options.content) is not None:
        return WHOLE
    measured = target.measure(message.text)
    if isinstance(measured, str):
        words = {"too_long": "has more than 255 segments"}.get(measured, "has characters that no encoding here holds")
        return FieldError("text", words)
    return measured[0].value, measured[1]


def _nul_errors(message: MessageIn) -> list[FieldError]:
    """Texts with U+0000, which PostgreSQL cannot keep: one of them would fail everything that shares its commit."""
    if "\0" not in message.text and "\0" not in message.client_reference and message.options is None:
        return []
    options = message.options
    texts = {"text": message.text, "client_reference": message.client_reference}
    if options is not None:
        texts |= {"options.service_id": options.service_id, "options.short_code": options.short_code}
    return [FieldError(field, "must be text without U+0000") for field, text in texts.items() if "\0" in text]


def _answers(accepted: Iterable[Accepted]) -> list[Answer]:
    return [
        Answer(
            one.id,
            "excluded" if one.state is DeliveryState.EXCLUDED else "waiting",
            one.segments,
            one.reason or "",
            one.encoding,
        )
        for one in accepted
    ]


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
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise BadRequest(415, "Send the body without Content-Encoding.")


async def _refuse_method(path: str, send: Send) -> None:
    allowed = b"GET, POST" if path == ONE else b"POST"
    body = problem_of(BadRequest(405, "This address does not answer this method."))
    await say(send, 405, PROBLEM, body, [(b"allow", allowed)])
