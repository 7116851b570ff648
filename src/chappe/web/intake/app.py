"""The ASGI side of the intake: routes, reads within limits, answers."""

import hashlib
import http
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

from chappe.messaging import FieldError
from chappe.web.intake.committer import Accepted, Checked, Committer, Submission
from chappe.web.intake.lookup import Target
from chappe.web.intake.request import BadRequest, MessageIn, due_ms, problem, read_lines, read_one, recipient_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ONE, MANY = "/v1/messages", "/v1/messages/batch"
MOST_OCTETS = {ONE: 64 * 1024, MANY: 32 * 1024 * 1024}
MOST_LINES = 10_000
MOST_KEY = 255
JSON, NDJSON, PROBLEM = b"application/json", b"application/x-ndjson", b"application/problem+json"


_encoder = msgspec.json.Encoder()


class Answer(msgspec.Struct, omit_defaults=True):
    """What is said of one message."""

    id: int
    state: str
    segments: int
    reason: str = ""
    encoding: str = ""


class Intake:
    """Answers the two addresses itself and hands everything else to `rest`."""

    def __init__(self, committer: Committer, rest: Application, now_ms: Callable[[], int]) -> None:
        self._committer = committer
        self._rest = rest
        self._now_ms = now_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in MOST_OCTETS:
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
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
            submission = await self._submission(scope["path"], headers, receive)
            await self._committer.commit(submission)
            answers = _answers(submission.accepted)
            if scope["path"] == ONE:
                body = msgspec.json.encode(answers[0])
            else:
                kind, body = NDJSON, _encoder.encode_lines(answers)
            if submission.is_replay:
                more.append((b"idempotent-replayed", b"true"))
        except BadRequest as error:
            status, kind = error.status, PROBLEM
            body = problem(status, http.HTTPStatus(status).phrase, error.detail, error.errors)
            if status == 401:
                more.append((b"www-authenticate", b'Bearer realm="chappe"'))
            if status == 503:
                more.append((b"retry-after", b"1"))
            if status == 413:
                more.append((b"connection", b"close"))
        length = str(len(body)).encode()
        start = [(b"content-type", kind), (b"content-length", length), *more]
        await send({"type": "http.response.start", "status": status, "headers": start})
        await send({"type": "http.response.body", "body": body})

    async def _submission(self, path: str, headers: dict[bytes, bytes], receive: Receive) -> Submission:
        """Read and check the whole request; nothing is stored before all of it is right."""
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        caller = await self._committer.caller(token.strip()) if scheme.lower() == "bearer" and token else None
        if caller is None:
            raise BadRequest(401, "Send an API key that is not revoked: Authorization: Bearer chp_…")
        if not caller.may_send:
            raise BadRequest(403, "This API key does not have the scope send.")
        body = await _read(headers, receive, MOST_OCTETS[path])
        messages = [read_one(body)] if path == ONE else read_lines(body, MOST_LINES)
        targets = {target.id: target for target in self._committer.targets(caller.organisation_id)}
        checked, errors = [], []
        now_ms = self._now_ms()
        for line, message in enumerate(messages, 1):
            found = check_message(message, targets, now_ms)
            if isinstance(found, Checked):
                checked.append(found)
            else:
                prefix = "" if path == ONE else f"line {line}: "
                errors += [FieldError(f"{prefix}{error.field}", error.message) for error in found]
                if len(errors) >= 100:
                    break
        if errors:
            raise BadRequest(422, "Nothing was sent.", errors)
        key = headers.get(b"idempotency-key", b"").decode("latin-1").strip().strip('"')
        if len(key) > MOST_KEY:
            raise BadRequest(422, f"The Idempotency-Key is longer than {MOST_KEY} characters.")
        digest = hashlib.sha256(path.encode() + b"\n" + body).hexdigest() if key else ""
        return Submission(caller.organisation_id, checked, key, digest)


def check_message(message: MessageIn, targets: dict[int, Target], now_ms: int) -> Checked | list[FieldError]:
    """What the decoder cannot see: whether it can be sent through the connection at all."""
    errors: list[FieldError] = []
    if message.connection_id is None:
        # An organisation with one connection need not name it.
        target = next(iter(targets.values())) if len(targets) == 1 else None
        if target is None:
            words = "is needed: there are several connections" if targets else "there is no enabled connection"
            return [FieldError("connection_id", words)]
    else:
        target = targets.get(message.connection_id)
        if target is None:
            return [FieldError("connection_id", f"there is no enabled connection {message.connection_id}")]
    recipient = recipient_of(message, as_typed=target.as_typed)
    if recipient is None:
        errors.append(FieldError("to", "must be an international number of 6 to 15 digits, such as +33612345678"))
    due = due_ms(message, now_ms)
    if due is None:
        errors.append(FieldError("send_at", "must be within a year"))
    options = message.options
    if options is not None and options.service_id and not target.has_service_tag:
        errors.append(FieldError("options.service_id", "the connection has no service id tag to send it in"))
    measured = target.measure(message.text)
    if isinstance(measured, str):
        words = {"too_long": "has more than 255 segments"}.get(measured, "has characters that no encoding here holds")
        return [*errors, FieldError("text", words)]
    encoding, segments = measured
    if options is not None and 0 < options.maximum_segments < segments:
        errors.append(
            FieldError("text", f"has {segments} segments; options.maximum_segments is {options.maximum_segments}")
        )
    if errors or recipient is None or due is None:
        return errors
    return Checked(message, target, recipient, due, segments, encoding.value)


def _answers(accepted: Iterable[Accepted]) -> list[Answer]:
    return [Answer(one.id, one.state.name.lower(), one.segments, one.reason, one.encoding) for one in accepted]


async def _read(headers: dict[bytes, bytes], receive: Receive, most: int) -> bytes:
    """The body, refused before it is read where its length is said, and while it is read where it is not."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > most:
        raise BadRequest(413, f"The body has {int(length)} octets; it may have {most}.")
    message = await receive()
    body = bytes(message.get("body", b""))
    if not message.get("more_body"):
        return body
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        parts.append(bytes(message.get("body", b"")))
        size += len(parts[-1])
        if size > most:
            raise BadRequest(413, f"The body has more than the {most} octets it may have.")
    return b"".join(parts)
