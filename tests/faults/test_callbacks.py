"""An engine is killed at the moment in which a customer has been told, and nobody has written it down."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.engine.customer import Answer, Call, Customer
from tests.faults.plant import DELIVERED, Plant, wait

from chappe.engine.callback_sender import MOST_IN_HAND
from chappe.features.callbacks import services

MakePlant = Callable[..., Plant]
EVENTS = ("message.sent", "message.delivered")


@contextmanager
def listening(answer: Callable[[Call], Answer]) -> Iterator[Customer]:
    """A customer's server in a thread of its own."""
    loop, customer = asyncio.new_event_loop(), Customer(answer)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(customer.__aenter__(), loop).result(10)
    try:
        yield customer
    finally:
        asyncio.run_coroutine_threadsafe(customer.__aexit__(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.mark.parametrize("with_store", [False, True], ids=["the engine alone", "with its store process"])
def test_a_call_that_nobody_recorded_is_made_again_under_the_same_id(plant: MakePlant, with_store: bool) -> None:
    house = plant()
    killed = threading.Event()
    last: list[Call] = []

    def answer(call: Call) -> Answer:
        if len(customer.calls) == 30:
            house.kill(house.engines[0], with_store=with_store)
            last.append(call)
            killed.set()
        return 204

    with listening(answer) as customer, house.smsc(id_start=20_000_000):
        made = services.create_endpoint(
            house.stock.organisation_id, customer.url, 1, events=EVENTS, allowed_networks="127.0.0.1/32"
        )
        house.start()
        ids = house.fill(200)
        assert killed.wait(30)
        house.let_leases_run_out()
        house.stock.query("UPDATE callback_event SET due_ms = 1 WHERE lease_token > 0")
        house.start()
        wait(lambda: house.in_state(DELIVERED) == len(ids), "the delivery of all")
        wait(lambda: house.stock.query("SELECT count(*) FROM callback_event") == [(0,)], "the end of calls")
        told = {(call.type, call.content["data"]["id"]) for call in customer.calls}
        # Of a message that was taken and delivered while its own engine died, it may be that both are told at once.
        assert {message for kind, message in told if kind == "message.delivered"} == set(ids)
        assert {message for kind, message in told if kind == "message.sent"} == set(ids)
        times = Counter(customer.ids)
        assert times[last[0].id] == 2
        assert sum(times.values()) - len(times) <= MOST_IN_HAND  # no more than were under way or not recorded yet
        bodies = {(call.id, call.body) for call in customer.calls}
        assert len({identifier for identifier, _ in bodies}) == len(times)
        assert all(call.is_signed_with(made.secret) for call in customer.calls)
