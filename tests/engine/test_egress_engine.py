"""What an organisation lets its connections call: heeded by engines within a moment."""

import asyncio
import time
from collections.abc import Callable

import pytest
from django.db import connections
from tests.engine.house import House, in_loop, quirks, until

from chappe.features.settings.services import Change, change_settings
from chappe.messaging import DeliveryState

TAKEN = (DeliveryState.SENT, DeliveryState.DELIVERED)


async def allow(organisation_id: int, networks: str) -> None:
    """As an administrator does, in a thread that leaves no connection behind."""

    def change() -> None:
        try:
            change_settings(organisation_id, Change(allowed_networks=networks), int(time.time() * 1000))
        finally:
            connections.close_all()

    await asyncio.to_thread(change)


@pytest.mark.parametrize("provider", ["twilio", "smpp"])
def test_a_network_that_the_organisation_forbids_is_not_called_any_more(
    sqlite_url: str, bound: Callable[[str], None], provider: str
) -> None:
    bound(sqlite_url)
    house = House(sqlite_url, provider)
    organisation_id = house.stock.organisation_id

    def is_up() -> list[bool]:
        return [state != "down" for _, state, _ in house.links()]

    def settled(filled: int) -> Callable[[], bool]:
        return lambda: house.in_state(*TAKEN) == filled or is_up() == [False]

    @in_loop
    async def send() -> None:
        async with house.online() if provider == "twilio" else house.at_work(quirks()):
            house.fill(1)
            await until(lambda: house.in_state(*TAKEN) == 1 and is_up() == [True], "the first message")
            await allow(organisation_id, "10.0.0.0/8")
            filled = 1
            while is_up() == [True]:  # until the engine has heard of it
                house.fill(1)
                filled += 1
                await until(settled(filled), "sent or refused")
            await until(lambda: "the settings of the organisation do not let it" in house.links()[0][2], "the reason")
            house.fill(1)
            await allow(organisation_id, "127.0.0.0/8")
            await until(lambda: house.in_state(*TAKEN) == filled + 1, "everything, once it is allowed again")

    send()
    house.stock.close()
