"""A whole engine in the test's loop, with a store process of its own, and an SMSC it is bound to."""

import asyncio
import functools
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from django.conf import settings as django_settings
from tests.engine.stock import Stock

from chappe.engine.engine import Engine
from chappe.features.accounts.models import Organisation
from chappe.features.connections import services
from chappe.messaging import DeliveryState
from chappe.simulator import Quirks, Simulator
from chappe.simulator.http_quirks import HttpQuirks, VendorQuirks
from chappe.simulator.http_simulator import HttpSimulator
from chappe.simulator.profile import parse

PATIENCE_S = 15.0


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run an asynchronous test in a loop of its own, for a bounded time; what goes wrong in a callback fails it too."""

    @functools.wraps(test)
    def run(*arguments: object, **named: object) -> None:
        asyncio.run(_watched(test(*arguments, **named)))

    return run


async def _watched(test: Coroutine[Any, Any, None]) -> None:
    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context))
    await asyncio.wait_for(test, 5 * PATIENCE_S)
    assert not errors, errors


async def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
    """Wait for a condition, looking at it often; fails when it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds:g} s"
        await asyncio.sleep(0.01)


SMPP = {"host": "127.0.0.1", "account": "relais", "password": "secret", "reconnect_s": 0.2}
TWILIO = {"account_sid": "AC" + "1" * 32, "auth_token": "secret", "sender": "+33600000000", "max_per_s": 0}
USUAL = {"smpp": SMPP, "twilio": TWILIO}


class House:
    """An installation: its database, one organisation, one connection."""

    def __init__(self, url: str, provider: str = "smpp", /, **settings: Any) -> None:
        organisation, _ = Organisation.objects.get_or_create(name="Relais")
        values = {"allowed_networks": "127.0.0.0/8", **USUAL.get(provider, {}), **settings}
        self.url = url
        self.provider = provider
        self.connection_id = services.create_connection(organisation.pk, "North", provider, values, _now_ms()).pk
        self.stock = Stock(url, self.connection_id, organisation.pk)
        self.first = 0

    def fill(self, count: int, text: str = "", **values: Any) -> list[int]:
        """Messages that are due, each with its id as `#id` in its text."""
        now_ms = _now_ms()
        with self.stock.store.transaction():
            following = self.stock.store.take_ids("message", 1)[0] + 1
        each = [{"body": f"{text}#{following + place}"} for place in range(count)]
        ids = self.stock.enqueue(count, due_ms=now_ms, each=each, created_ms=now_ms, **values)
        assert ids[0] == following
        return ids

    def set(self, **settings: Any) -> None:
        """Change settings of the connection, as the console does."""
        ((values,),) = self.stock.query("SELECT settings FROM connection WHERE id = ?", self.connection_id)
        values = json.loads(values) if isinstance(values, str) else values
        sql = "UPDATE connection SET settings = ?, version = version + 1 WHERE id = ?"
        self.stock.query(sql, json.dumps({**values, **settings}), self.connection_id)

    def switch(self, *, on: bool) -> None:
        sql = "UPDATE connection SET is_enabled = ?, version = version + 1 WHERE id = ?"
        self.stock.query(sql, on, self.connection_id)

    def delivery_is(self, delivery_id: int, status: str) -> None:
        sql = "UPDATE delivery SET status = ?, changed_ms = ? WHERE id = ?"
        self.stock.query(sql, status, _now_ms(), delivery_id)

    def links(self) -> list[tuple[str, str, str]]:
        """Role, state and reason of each link, as they are shown."""
        rows = self.stock.query("SELECT role, state, reason FROM link_state ORDER BY slot, role")
        return [(row[0], row[1], row[2]) for row in rows]

    def bound(self) -> int:
        return sum(state != "down" for _, state, _ in self.links())

    def in_state(self, *states: DeliveryState) -> int:
        marks = ", ".join(str(int(state)) for state in states)
        return int(self.stock.query(f"SELECT count(*) FROM message_now WHERE state IN ({marks})")[0][0])

    def ended(self) -> int:
        return self.in_state(*(state for state in DeliveryState if state >= DeliveryState.DELIVERED))

    def duplicates_marked(self) -> int:
        return int(self.stock.query("SELECT count(*) FROM message WHERE is_possible_duplicate = ?", True)[0][0])

    @asynccontextmanager
    async def engine(self, owner: str | None = None) -> AsyncIterator[Engine]:
        """A running engine, stopped as it should be at the end."""
        configuration = msgspec.structs.replace(django_settings.CONFIGURATION, database_url=self.url)
        engine = Engine(configuration, owner)
        running = asyncio.create_task(engine.run())
        try:
            yield engine
        finally:
            engine.stop()
            await running

    @asynccontextmanager
    async def at_work(self, quirks: Quirks, port: int = 0) -> AsyncIterator[tuple[Engine, Simulator]]:
        """An SMSC and an engine bound to it."""
        async with Simulator(quirks, port=port) as smsc:
            self.set(port=smsc.port)
            async with self.engine() as engine:
                yield engine, smsc

    @asynccontextmanager
    async def online(self, **knobs: Any) -> AsyncIterator[tuple[Engine, HttpSimulator]]:
        """The provider of an HTTP connection with these knobs, and an engine that calls it."""
        async with HttpSimulator(vendor_quirks(self.provider, **knobs)) as provider:
            self.set(base_url=provider.url(self.provider))
            async with self.engine() as engine:
                yield engine, provider


def vendor_quirks(vendor: str, **knobs: Any) -> HttpQuirks:
    """A simulated HTTP provider that knows messages by `#id` in their text and makes no reports unless told to."""
    account = {"account_sid": TWILIO["account_sid"], "auth_token": TWILIO["auth_token"]} if vendor == "twilio" else {}
    values = {"account": account, "status_hooks": False, **knobs}
    return HttpQuirks(identity=r"#(\d+)", vendors={vendor: msgspec.convert(values, VendorQuirks)})


def seen(smsc: Simulator) -> set[int]:
    """Identities of the messages that the SMSC took."""
    return {one for one in smsc.tally.seen if isinstance(one, int)}


def quirks(**values: Any) -> Quirks:
    """An SMSC that knows messages by `#id` in their text and answers receipts at once."""
    usual = {"identity": r"#(\d+)", "receipt_delay_ms": 10.0, "id_start": 10_000_000}
    return parse(msgspec.to_builtins({**usual, **values}))


def _now_ms() -> int:
    return int(time.time() * 1000)
