"""The hooks as a test meets them: called directly as ASGI, on a store of its own, by providers that sign as theirs do."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from django.conf import settings
from tests.web.desk import Part, Reply

from chappe.engine.store.hook_event import HeldInbound, read
from chappe.engine.store.store import Store, open_store
from chappe.engine.vault import Vault
from chappe.features.clock import now_ms
from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection
from chappe.features.hooks.models import HookCount
from chappe.features.messages.models import Exchange, HookEvent
from chappe.web.asgi import django_application
from chappe.web.hooks.app import Hooks
from chappe.web.hooks.committer import Committer

PUBLIC = "https://chappe.example.org"
TOKEN = "12345678901234567890123456789012"
ACCOUNT = "AC" + "1" * 32
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


class Switchboard:
    """Hooks with an engine to wake. One loop for all of a test, as a web process has."""

    def __init__(
        self,
        url: str,
        opened: Callable[[], Store] | None = None,
        *,
        public: str = PUBLIC,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self.told = 0
        self.public = public
        vault = Vault(settings.CONFIGURATION.keys)
        self.committer = Committer(opened or (lambda: open_store(url)), self._tell, vault, public, clock)
        self.hooks = Hooks(self.committer, django_application, clock, public, patience_s=0.2)  # type: ignore[arg-type]
        self._runner = asyncio.Runner()

    def _tell(self) -> None:
        self.told += 1

    def close(self) -> None:
        self.run(self.committer.close())
        self.leave()

    def leave(self) -> None:
        """Where the hooks were ended as a server ends them."""
        self._runner.close()

    def run(self, work: Any) -> Any:
        return self._runner.run(work)

    def together(self, *asked: Any) -> list[Reply]:
        async def gather() -> list[Reply]:
            return list(await asyncio.gather(*asked))

        replies: list[Reply] = self.run(gather())
        return replies

    def counted(self) -> dict[tuple[int, int, str], int]:
        """(connection, hook, outcome) → calls, as it is in the database."""
        self.run(self.committer.flush())
        return {(row.connection_id, row.hook_id, row.outcome): row.calls for row in HookCount.objects.all()}

    def exchanges(self) -> list[Exchange]:
        self.run(self.committer.flush())
        return list(Exchange.objects.order_by("id"))

    # -- calls ---------------------------------------------------------------------------------------------------------

    def call(self, target: str, body: bytes = b"", method: str = "POST", **headers: str) -> Reply:
        """`content_type="x"` is the header Content-Type."""
        reply: Reply = self.run(self.ask(target, body, method, **headers))
        return reply

    async def ask(self, target: str, body: bytes = b"", method: str = "POST", **headers: str) -> Reply:
        return await self.parts(target, [{"body": body}], method, content_length=str(len(body)), **headers)

    def post(self, target: str, content: object, **headers: str) -> Reply:
        return self.call(target, json.dumps(content).encode(), content_type=JSON, **headers)

    def twilio(self, target: str, fields: Mapping[str, str], token: str = TOKEN, **headers: str) -> Reply:
        reply: Reply = self.run(self.twilio_ask(target, fields, token, **headers))
        return reply

    async def twilio_ask(self, target: str, fields: Mapping[str, str], token: str = TOKEN, **headers: str) -> Reply:
        body, signature = signed(self.public + target, fields, token)
        given = {"content_type": FORM, "x_twilio_signature": signature, **headers}
        return await self.ask(target, body, **given)

    async def parts(self, target: str, parts: Sequence[Part], method: str = "POST", **headers: str) -> Reply:
        """A call whose body comes in parts; a part may be the caller going away; where there is none nothing ever comes."""
        address = headers.pop("address", "192.0.2.1")
        path, _, query = target.partition("?")
        given = {"host": "chappe.example.org", **headers}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "server": ("localhost", 80),
            "client": (address, 1),
            "headers": [
                (name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in given.items() if value
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

        await self.hooks(scope, receive, send)
        if not sent:
            return Reply(0, [], b"")
        return Reply(sent[0]["status"], sent[0]["headers"], b"".join(message.get("body", b"") for message in sent[1:]))


def signed(url: str, fields: Mapping[str, str], token: str = TOKEN) -> tuple[bytes, str]:
    """A form and its signature, as Twilio documents it."""
    body = urlencode(fields).encode()
    text = url + "".join(name + value for name, value in sorted(parse_qsl(body.decode(), keep_blank_values=True)))
    return body, base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def twilio_connection(organisation_id: int, name: str = "Twilio", token: str = TOKEN, **values: Any) -> Connection:
    given = {"account_sid": ACCOUNT, "auth_token": token, "sender": "+15017122661"}
    made = connections.create_connection(organisation_id, name, "twilio", given, 1)
    if values:
        Connection.objects.filter(pk=made.pk).update(**values)
    return made


def custom_connection(organisation_id: int, name: str = "Own") -> Connection:
    """One of a provider that nobody wrote an adapter for; how it sends does not matter here."""
    return Connection.objects.create(organisation_id=organisation_id, name=name, provider="custom", created_ms=1)


def status_of(message_id: str = "SM1", word: str = "delivered", **more: str) -> dict[str, str]:
    """A status callback of Twilio's."""
    return {"MessageSid": message_id, "MessageStatus": word, "To": "+15558675310", "AccountSid": ACCOUNT, **more}


def text_of(body: str = "STOP", sender: str = "+15558675310", **more: str) -> dict[str, str]:
    """An incoming text of Twilio's."""
    return {
        "MessageSid": "SM9",
        "SmsStatus": "received",
        "From": sender,
        "To": "+15017122661",
        "Body": body,
        "AccountSid": ACCOUNT,
        **more,
    }


def events() -> list[Any]:
    """What is kept for engines, in order."""
    return [read(row.kind, bytes(row.data)) for row in HookEvent.objects.order_by("id")]


def events_of(connection: Connection) -> list[Any]:
    rows = HookEvent.objects.filter(connection_id=connection.pk).order_by("id")
    assert {row.organisation_id for row in rows} <= {connection.organisation_id}
    return [read(row.kind, bytes(row.data)) for row in rows]


def keywords_of(event: Any) -> list[str]:
    """The words to leave by that count for a text."""
    assert isinstance(event, HeldInbound)
    assert event.keywords is not None
    return [word for rule in event.keywords.rules if rule.category == "opt_out" for word in rule.keywords]


def plain(event: Any) -> Any:
    return msgspec.to_builtins(event)
