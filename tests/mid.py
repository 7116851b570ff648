"""Mid as marketing's pages see it: a server that answers what it is asked, or does not; and marketing's rows of it."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.row import NOW_MS

from chappe.features.connections import services
from chappe.features.connections.models import Connection
from chappe.features.relay.models import RelayFigure, RelayLink
from chappe.messaging import DeliveryState

Answer = tuple[int, object]
AT = "/v1/relay/accounts/crm"


class Mid:
    """`answers` by method and address below the account; what is not among them is a problem with `status` 404."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | Callable[[Any], Answer]] = {}
        self.asked: list[tuple[str, Mapping[str, str], Any]] = []
        self.released = threading.Event()
        self.port = 0

    def life(self, message_id: int, state: str, *events: tuple[int, str, str], number: int = 815) -> None:
        told = [dict(zip(("at_ms", "kind", "text"), event, strict=True)) for event in events]
        life = {"id": number, "recipient": "•••", "state": state, "reason": "", "events": told}
        self.answers[f"GET /messages/{message_id}"] = 200, life

    def hang(self, request: str) -> None:
        """Answer only when the test is over."""

        def late(_body: Any) -> Answer:
            self.released.wait(30)
            return 503, {}

        self.answers[request] = late

    def answer(self, request: str, headers: Mapping[str, str], body: Any) -> Answer:
        self.asked.append((request, headers, body))
        found = self.answers.get(request, (404, {"detail": f"There is nothing at {request}."}))
        return found(body) if callable(found) else found


@contextmanager
def mid() -> Iterator[Mid]:
    """At work on a port of its own."""
    told = Mid()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, size = self.path.removeprefix(AT), int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(size)) if size else None
            status, content = told.answer(f"{self.command} {path}".strip(), dict(self.headers), body)
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield told
    finally:
        told.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def relay(organisation_id: int, port: int = 9, name: str = "Mid", **values: Any) -> Connection:
    """A connection that hands over to the mid at `port`."""
    settings = {
        "internal_name": "crm",
        "base_url": f"http://127.0.0.1:{port}",
        "operator": "sms",
        "password": "a winter sea",
        "allowed_networks": "127.0.0.0/8",
    }
    return services.create_connection(organisation_id, name, "relay", settings | values, NOW_MS)


def in_step(connection: Connection, now_ms: int, **values: Any) -> RelayLink:
    """The link as an engine would have left it."""
    given = {"page": 12, "heard_ms": now_ms, "pushed_ms": now_ms, "reread_ms": now_ms, "mid_version": "1.0"}
    return RelayLink.objects.create(connection_id=connection.pk, **given | values)


def figures(connection: Connection, delivery_id: int, at_ms: int, states: Mapping[DeliveryState, int]) -> None:
    """What mid counts of a delivery."""
    for state in DeliveryState:
        row = {"connection_id": connection.pk, "delivery_id": delivery_id, "state": state, "at_ms": at_ms}
        RelayFigure.objects.create(messages=states.get(state, 0), **row)
