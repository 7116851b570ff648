"""An organisation with a connection, a list and people on it, for tests of deliveries' pages; and an engine at work."""

import asyncio
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.engine.house import House, quirks

from chappe.simulator import Simulator

TYPED: dict[str, Any] = {
    "label": "Summer",
    "category": "0",
    "sender": "36111",
    "body": "Hello {{ name }}",
    "validity": "72",
    "validity_unit": "hours",
    "do": "save",
}


def typed(list_id: int, connection_id: int, /, **values: Any) -> dict[str, Any]:
    """The editor's form as a person fills it in, its tables empty unless `values` has rows of them."""
    tables = {
        f"{name}-{part}": 0 for name in ("tlvs", "suggestions", "cards") for part in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    return {**TYPED, "list_id": list_id, "connection_id": connection_id, **tables, **values}


@contextmanager
def at_work(house: House, **knobs: Any) -> Iterator[None]:
    """An SMSC and an engine bound to it, in a thread of their own: this one is left to the person at the console."""
    ports: queue.Queue[int] = queue.Queue()
    is_set, stop = threading.Event(), threading.Event()

    async def run() -> None:
        async with Simulator(quirks(**knobs), port=0) as smsc:
            ports.put(smsc.port)
            await asyncio.to_thread(is_set.wait)
            async with house.engine():
                await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        house.set(port=ports.get(timeout=10))
        is_set.set()
        yield
    finally:
        is_set.set()
        stop.set()
        thread.join()
