"""A provider that calls hooks which an operator describes is told their addresses."""

import asyncio

import msgspec
import pytest
from django.conf import settings as django_settings
from tests.engine.house import House, in_loop, until
from tests.online import settings_for

from chappe.engine.engine import Engine
from chappe.features.connections.models import Connection
from chappe.features.hooks.models import Hook
from chappe.messaging import DeliveryState
from chappe.simulator.http_quirks import HttpQuirks
from chappe.simulator.http_simulator import HttpSimulator

PAYLOAD = '{"to": "{{toNumber}}", "from": "{{fromNumber}}", "text": "{{message}} told to call {{status_url}}"}'
PUBLIC_URL = "https://chappe.example.org"


@pytest.fixture
def url(sqlite_url: str, bound: object) -> str:
    assert callable(bound)
    bound(sqlite_url)
    return sqlite_url


def hook(house: House, token: str) -> None:
    connection = Connection.objects.get(pk=house.connection_id)
    owner = connection.organisation
    Hook.objects.create(organisation=owner, connection=connection, name="Reports", kind="feedback", token=token)


def test_a_custom_provider_is_told_the_address_of_its_own_hook(url: str) -> None:
    house = House(url, "custom", **{**settings_for("custom", lambda vendor: "http://127.0.0.1:1"), "payload": PAYLOAD})
    configuration = msgspec.structs.replace(django_settings.CONFIGURATION, database_url=url, public_url=PUBLIC_URL)

    @in_loop
    async def send() -> None:
        async with HttpSimulator(HttpQuirks()) as provider:
            house.set(url=f"{provider.url('custom')}/messages")
            engine = Engine(configuration)
            running = asyncio.create_task(engine.run())
            try:
                house.fill(1)
                await until(lambda: house.in_state(DeliveryState.SENT) == 1, "the first message")
                assert provider.messages()[0].text.endswith("told to call ")
                await asyncio.to_thread(hook, house, "token-0123456789")
                await until(lambda: told(house, provider) == f"{PUBLIC_URL}/v1/hooks/token-0123456789", "the new hook")
            finally:
                engine.stop()
                await running

    send()
    kept = [request for (request,) in house.stock.query("SELECT request FROM exchange")]
    assert kept
    assert not [request for request in kept if "token-0123456789" in request], "who knows the token may call"


def told(house: House, provider: HttpSimulator) -> str:
    """Send one more message; the address that the latest one named."""
    house.fill(1)
    return provider.messages(limit=1)[0].text.rpartition(" ")[2]
