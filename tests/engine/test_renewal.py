"""Leases are renewed while the database is there, and pile nothing up while it is not."""

import asyncio

from chappe.engine.ledger import Ledger
from chappe.engine.store.client import StoreClient
from chappe.engine.store.frame import Leased, Request
from chappe.engine.worker import RENEW_MS, Worker
from chappe.messaging import Category, OutboundMessage
from chappe.providers import registry
from chappe.providers.smpp import Dialect


class Away(StoreClient):
    """A store process that takes what it is sent and answers nothing."""

    def __init__(self) -> None:
        super().__init__(lambda answer: None, lambda: None)

    def send(self, request: Request) -> None: ...


class Unbound:
    """A slot whose link is down for a moment."""

    can_send = False
    room = 0
    window = 10
    limit_per_s = 0.0
    carry = ()


def test_renewals_do_not_pile_up_while_the_database_is_away() -> None:
    async def run() -> None:
        clock = [1_000.0]
        ledger = Ledger(Away())
        settings = registry.spec("smpp").parse({"host": "smsc.example", "account": "a", "password": "b"})
        worker = Worker(1, 1, Dialect(settings), ledger, ledger.client, clock=lambda: clock[0])
        worker.slots = [Unbound()]  # type: ignore[list-item]
        messages = [
            OutboundMessage(one, "+33612345678", "", "Hello", int(Category.MARKETING), 0, 0, 0, 0, 1)
            for one in range(3)
        ]
        worker.leased([Leased(one.id, 1, 0, 1, 1, [one], [0]) for one in messages])
        for _ in range(10):
            clock[0] += RENEW_MS / 1000
            worker.poll()
        assert len(ledger.page.horizons) == 3
        worker._horizon_moved(next(iter(worker._leases.values())), 1, int(clock[0] * 1000))
        worker.poll()
        assert len(ledger.page.horizons) == 4

    asyncio.run(run())
