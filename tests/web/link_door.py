"""The door of short links as a test meets it: called directly as ASGI, on stores of its own."""

import asyncio
from collections.abc import Callable
from typing import Any

from django.conf import settings
from tests.web.desk import Reply

from chappe.engine.store.store import Store, open_store
from chappe.engine.vault import Vault, link_signer
from chappe.features.clock import now_ms
from chappe.web.asgi import django_application
from chappe.web.links.app import WAIT_S, Links
from chappe.web.links.committer import Committer

PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
SIGNER = link_signer(Vault(settings.CONFIGURATION.keys))


def path_of(message_id: int, place: int = 0) -> str:
    return f"/l/{SIGNER.token(message_id, place)}"


class LinkDoor:
    """One loop for all of a test, as a web process has."""

    def __init__(
        self,
        url: str,
        opened: Callable[[], Store] | None = None,
        *,
        clock: Callable[[], int] = now_ms,
        wait_s: float = WAIT_S,
    ) -> None:
        self.told = 0
        self.committer = Committer(opened or (lambda: open_store(url)), self._tell, clock)
        self.links = Links(self.committer, django_application, SIGNER, clock, wait_s)  # type: ignore[arg-type]
        self._runner = asyncio.Runner()

    def _tell(self) -> None:
        self.told += 1

    def close(self) -> None:
        """Returns once all that was opened is counted."""
        self._runner.run(self.committer.close())
        self._runner.close()

    def run(self, work: Any) -> Any:
        return self._runner.run(work)

    def open(self, path: str, method: str = "GET", **headers: str) -> Reply:
        """`user_agent="x"` is the header User-Agent; a phone's browser unless one is given."""
        reply: Reply = self.run(self.ask(path, method, **headers))
        return reply

    def together(self, *paths: str) -> list[Reply]:
        async def gather() -> list[Reply]:
            return list(await asyncio.gather(*map(self.ask, paths)))

        replies: list[Reply] = self.run(gather())
        return replies

    async def ask(self, path: str, method: str = "GET", **headers: str) -> Reply:
        given = {"host": "go.example.org", "user_agent": PHONE, **headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "server": ("go.example.org", 443),
            "client": ("192.0.2.1", 1),
            "headers": [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in given.items()],
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.links(scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return Reply(sent[0]["status"], sent[0]["headers"], body)
