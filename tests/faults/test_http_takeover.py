"""A connection by HTTP and two engines on one PostgreSQL: one of them calls the provider, the other when that is no more."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.engine.house import TWILIO, House, in_loop, until, vendor_quirks
from tests.faults.plant import Plant

from chappe.messaging import DeliveryState
from chappe.simulator.http_simulator import HttpSimulator

CONCURRENCY = 10
MOST_MARKED = 3 * CONCURRENCY
"""Calls that were out when the engine looked ahead by twice as many."""
MOST_S = 30.0


class HttpPlant(Plant):
    """Engines as processes, and a provider that is called by HTTP."""

    def __init__(self, url: str, log: Path) -> None:
        settings = {"max_per_s": 100, "concurrency": CONCURRENCY, "unknown_outcome": "resend"}
        House.__init__(self, url, "twilio", **{**TWILIO, **settings})
        self.log = log
        self.engines = []

    def holders(self) -> list[str]:
        """Engines that hold the connection's slot."""
        return [owner for (owner,) in self.stock.query("SELECT owner FROM link_lease")]


@pytest.fixture
def house(postgresql_url: str, bound: Callable[[str], None], tmp_path: Path) -> Iterator[HttpPlant]:
    bound(postgresql_url)
    made = HttpPlant(postgresql_url, tmp_path / "engine.log")
    yield made
    made.close()


@pytest.mark.postgresql
def test_one_engine_calls_the_provider_and_another_takes_over_when_it_is_killed(house: HttpPlant) -> None:
    ids = house.fill(1500)  # in two batches: one is nobody's when the first engine dies

    @in_loop
    async def run() -> None:
        async with HttpSimulator(vendor_quirks("twilio", rate_limit=150, latency_ms=20)) as provider:
            house.set(base_url=provider.url("twilio"))
            first = house.start()
            await until(lambda: provider.stats().unique >= 50, "the first messages")
            (holder,) = house.holders()
            second = house.start()
            await until(lambda: provider.stats().unique >= 300, "more messages")
            assert house.holders() == [holder]
            assert house.stock.query("SELECT count(*) FROM message_event WHERE kind = 'put_off'") == [(0,)]
            house.kill(first)
            before = provider.stats().unique
            await until(lambda: provider.stats().unique > before + 2 * CONCURRENCY, "the take-over", MOST_S)
            (heir,) = house.holders()
            assert heir != holder
            house.let_leases_run_out()
            await until(lambda: house.in_state(DeliveryState.SENT) == len(ids), "the sending of all", 60.0)
            assert provider.stats().unique == len(ids)
            assert provider.stats().duplicates <= CONCURRENCY
            assert provider.stats().duplicates <= house.duplicates_marked() <= MOST_MARKED
            await asyncio.to_thread(house.stop, second)

    run()
