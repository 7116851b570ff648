"""Every HTTP provider, as a whole engine calls it: a message to its simulated self, and the verification of a connection."""

import asyncio
from typing import Any

import pytest
from tests.engine.house import House, in_loop, until
from tests.online import SECRETS, settings_for

from chappe.engine.net.verification import Subject, Verification, verify
from chappe.messaging import Channel, DeliveryState
from chappe.providers import registry
from chappe.simulator.http_quirks import HttpQuirks
from chappe.simulator.http_simulator import HttpSimulator

PROVIDERS = list(registry.VENDORS)
MAIL = '{"to": "marie@example.org", "from": "shop@example.org", "subject": "Hello", "html": "Bonjour"}'


@pytest.fixture
def url(sqlite_url: str, bound: object) -> str:
    assert callable(bound)
    bound(sqlite_url)
    return sqlite_url


def address(vendor: str) -> str:
    """Before the simulator's port is known."""
    return f"http://127.0.0.1:1/{vendor}"


def person(provider: str) -> dict[str, Any]:
    """What a message to a person holds, besides an identity in its text."""
    if registry.HTTP[provider].SPEC.channels != {Channel.EMAIL}:
        return {}
    return {"recipient": "marie@example.org", "channel": "email"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_messages_are_taken_once_each(url: str, provider: str) -> None:
    house = House(url, provider, **settings_for(provider, address))
    ids = house.fill(30, **person(provider))
    if provider == "esp":
        mail = [MAIL.replace("Bonjour", f"#{one}") for one in ids]
        for one, body in zip(ids, mail, strict=True):
            house.stock.query("UPDATE message SET body = ? WHERE id = ?", body, one)

    @in_loop
    async def send() -> None:
        async with HttpSimulator(HttpQuirks(identity=r"#(\d+)")) as simulator:
            house.set(**public(provider, settings_for(provider, simulator.url)))
            async with house.engine():
                await until(lambda: house.in_state(DeliveryState.SENT) == 30, "the sending of all")
                assert (simulator.stats().unique, simulator.stats().duplicates) == (30, 0)
                ((ids,),) = house.stock.query("SELECT count(DISTINCT provider_message_id) FROM segment")
                assert ids == 30, "each has the id that its receipt will bring"

    send()


def public(provider: str, settings: dict[str, Any]) -> dict[str, Any]:
    secrets = registry.spec(provider).secrets
    return {name: value for name, value in settings.items() if name not in secrets}


async def verified(provider: str, **others: str) -> tuple[Verification, HttpSimulator]:
    async with HttpSimulator() as simulator:
        settings = {**settings_for(provider, simulator.url), **others}
        hidden = registry.spec(provider).secrets
        secrets = {name: settings.pop(name) for name in list(settings) if name in hidden}
        subject = Subject(provider, settings, secrets)
        number, text = ("marie@example.org", MAIL) if provider == "esp" else ("+33612345678", "Bonjour")
        return await verify(subject, test_number=number, test_text=text), simulator


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_good_connection_is_found_usable_and_its_test_message_shown(provider: str) -> None:
    found, simulator = asyncio.run(verified(provider))
    assert found.is_usable, found.findings
    assert simulator.stats().messages == 1
    sent = found.exchanges[-1]
    assert sent.what == "test message"
    assert sent.reading.startswith("accepted ")
    assert "Bonjour" in sent.request
    everything = " ".join(exchange.request + exchange.response for exchange in found.exchanges)
    proofs = [line for line in everything.splitlines() if line.lower().startswith("authorization:")]
    assert all(line.endswith("•••") for line in proofs)
    assert not [name for name in SECRETS if settings_for(name, address)[SECRETS[name]] in everything.split()]


@pytest.mark.parametrize("provider", list(SECRETS))
def test_wrong_credentials_are_found_out_and_said(provider: str) -> None:
    found, simulator = asyncio.run(verified(provider, **{SECRETS[provider]: "mistaken"}))
    assert not found.is_usable
    assert simulator.stats().accepted == 0
    assert not [one for one in found.findings if "mistaken" in one.text]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_settings_that_cannot_be_used_are_named(provider: str) -> None:
    found = asyncio.run(verify(Subject(provider, {"max_per_s": -1, "nonsense": 1}, {})))
    texts = " ".join(one.text for one in found.findings)
    assert "max_per_s" in texts
    assert "nonsense" in texts
