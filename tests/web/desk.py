"""The intake as a test meets it: asked directly as ASGI, on a store of its own, many requests at once if need be."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chappe.engine.store.store import Store, open_store
from chappe.features.clock import now_ms
from chappe.web.asgi import django_application
from chappe.web.intake.app import Intake
from chappe.web.intake.committer import Committer

ONE, MANY = "/v1/messages", "/v1/messages/batch"
JSON, NDJSON = "application/json", "application/x-ndjson"


class Reply:
    """What came back."""

    def __init__(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self.headers = {name.decode(): value.decode() for name, value in headers}
        self.text = body.decode()
        self.type = self.headers.get("content-type", "")
        assert self.headers.get("content-length", str(len(body))) == str(len(body))

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def fields(self) -> dict[str, str]:
        """What the problem says of each field."""
        assert self.type == "application/problem+json"
        return {error["field"]: error["message"] for error in self.json["errors"]}


Part = dict[str, Any]


class Desk:
    """An intake with a key to ask it with. One loop for all of a test, as a web process has."""

    def __init__(self, url: str, key: str = "", opened: Callable[[], Store] | None = None) -> None:
        self.key = key
        self.told = 0
        self.committer = Committer(opened or (lambda: open_store(url)), self._tell)
        self.intake = Intake(self.committer, django_application, now_ms, patience_s=0.2)  # type: ignore[arg-type]
        self._runner = asyncio.Runner()

    def _tell(self) -> None:
        self.told += 1

    def close(self) -> None:
        self._runner.run(self.committer.close())
        self.leave()

    def leave(self) -> None:
        """Where the intake was ended as a server ends it."""
        self._runner.close()

    def run(self, work: Any) -> Any:
        return self._runner.run(work)

    def post(self, content: object, path: str = ONE, **headers: str) -> Reply:
        reply: Reply = self.run(self.ask(content, path, **headers))
        return reply

    def send(self, to: str = "+33612345678", text: str = "Bonjour", **values: object) -> Reply:
        return self.post({"to": to, "text": text, **values})

    def batch(self, lines: Iterable[object], **headers: str) -> Reply:
        return self.post(lined(lines), MANY, **headers)

    def together(self, *asked: Any) -> list[Reply]:
        """Several `ask`s at the same time."""

        async def gather() -> list[Reply]:
            return list(await asyncio.gather(*asked))

        replies: list[Reply] = self.run(gather())
        return replies

    async def ask(self, content: object, path: str = ONE, method: str = "POST", **headers: str) -> Reply:
        """`content` as JSON; octets as they are. `idempotency_key="x"` is the header Idempotency-Key."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return await self.parts([{"body": body}], path, method, content_length=str(len(body)), **headers)

    async def parts(self, parts: Sequence[Part], path: str = ONE, method: str = "POST", **headers: str) -> Reply:
        """A request whose body comes in parts; a part may be the caller going away, or None: nothing ever comes."""
        path, _, query = path.partition("?")
        given = {"authorization": f"Bearer {self.key}", **headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 1),
            "headers": [
                (b"host", b"localhost"),
                *((name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in given.items()),
            ],
        }
        waiting = list(parts)
        sent: list[Any] = []

        async def receive() -> Part:
            if not waiting:
                await asyncio.Event().wait()
            part = waiting.pop(0)
            return {"type": "http.request", "body": b"", "more_body": bool(waiting), **part}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.intake(scope, receive, send)
        if not sent:
            return Reply(0, [], b"")
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return Reply(sent[0]["status"], sent[0]["headers"], body)


def lined(lines: Iterable[object]) -> bytes:
    """NDJSON."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)
