"""What callbacks cost: the bulk measurement with nobody to be told, with a customer who is told of what is delivered, of
what is sent as well, and with one who never answers. Run: python -m bench.callbacks [--messages 100000]
"""

import argparse
import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import cast

import uvloop

from bench.bulk import ID_PATTERN, send
from bench.scene import scene, wait_for
from chappe.engine.store.statement import Query
from chappe.engine.store.store import open_store
from chappe.simulator import SimulatorProcess

LENGTH = b"content-length: "
TOLD = {
    "nobody": [],
    "delivered": ["message.delivered"],
    "sent and delivered": ["message.sent", "message.delivered"],
    "silent": ["message.sent", "message.delivered"],
}
"""What the customer of a run wants to hear of."""


class Customer(asyncio.Protocol):
    """Takes every call, or reads it and never answers."""

    def __init__(self, *, is_silent: bool) -> None:
        self._is_silent = is_silent
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass of it

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = self._data[:end].lower() + b"\r\n"
            length = int(head[head.index(LENGTH) + len(LENGTH) :].split(b"\r\n", 1)[0])
            if len(self._data) < end + 4 + length:
                return
            self._data = self._data[end + 4 + length :]
            if not self._is_silent:
                self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def serve(ready: Path, *, is_silent: bool) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Customer(is_silent=is_silent), "127.0.0.1", 0)
    ready.write_text(str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


def measure(told: str, messages: int, window: int, database_url: str | None = None) -> dict[str, float]:
    """What `bench.bulk` finds, and the calls that were made until all messages were delivered."""
    with SimulatorProcess("bench") as smsc, scene(database_url) as made:
        made.prepare(smsc.port, {"window": window, "receipt_id_pattern": ID_PATTERN})
        ready = made.folder / "customer"
        serving = ["-m", "bench.callbacks", "--serve", str(ready), *(["--silent"] if told == "silent" else [])]
        customer = subprocess.Popen([sys.executable, *serving])
        try:
            wait_for(lambda: ready.exists() and ready.read_text(), 20, "the customer")
            if TOLD[told]:
                made.django(
                    "from chappe.features.callbacks import services as c\n"
                    f"c.create_endpoint({made.organisation_id}, 'http://127.0.0.1:{ready.read_text()}/', now, "
                    f"events={TOLD[told]!r}, allowed_networks='127.0.0.0/8')\nresult = {{}}"
                )
            found = send(made, smsc, messages)
            store = open_store(made.url)
            ((left,),) = store.database.query(Query("SELECT count(*) FROM callback_event"))
            store.database.close()
        finally:
            customer.kill()
            customer.wait()
        return found | {"calls": messages * len(TOLD[told]) - left}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--window", type=int, default=1000)
    parser.add_argument("--database", default=None)
    parser.add_argument("--serve", type=Path, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--silent", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        uvloop.run(serve(arguments.serve, is_silent=arguments.silent))
        return
    for told in TOLD:
        found = measure(told, arguments.messages, arguments.window, arguments.database)
        sys.stdout.write(f"{told}: {json.dumps(found)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
