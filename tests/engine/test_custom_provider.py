"""Custom and e-mail providers, described by settings alone: a whole engine sends to simulated ones that check everything."""

import json
from typing import Any

import pytest
from tests.engine.house import House, in_loop, until, vendor_quirks

from chappe.messaging import DeliveryState
from chappe.simulator.http_simulator import HttpSimulator

KEY = "a-key-that-is-long-enough-for-sha-256"
HOSTILE = 'He said "oui" \\ {{toNumber}}\n'
OAUTH = {"client_id": "client", "client_secret": "simulator", "grant_type": "client_credentials"}
LOCKED = [
    {"label": "Content-Type", "value": "application/json"},
    {"label": "Charset", "value": "UTF-8"},
    {"label": "X-API-Key", "value": KEY, "locked": True},
]
PAYLOAD = """{"to": "{{toNumber}}", "from": "{{fromNumber}}", "text": "{{message}}", "reference": "{{message_id}}"}"""

WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # the connection's settings, the account at the provider
    "none": ({}, {}),
    "basic": ({"auth_type": "basic", "basic_user": "user", "basic_password": "simulator"}, {"auth": "basic"}),
    "api key in a header": (
        {"auth_type": "api_key", "api_token": KEY, "api_key_name": "X-API-Key", "api_key_form": "{token}"},
        {"auth": "api_key"},
    ),
    "api key in the address": (
        {"auth_type": "api_key", "api_token": KEY, "api_key_place": "query", "api_key_name": "api_key"},
        {"auth": "api_key", "header": ""},
    ),
    "api key in a locked header": ({"headers": LOCKED}, {"auth": "api_key"}),
    "mac": ({"auth_type": "mac", "api_token": KEY, "mac_secret": "simulator"}, {"auth": "mac"}),
    "mac by SHA-1 in Base64": (
        {
            "auth_type": "mac",
            "api_token": KEY,
            "mac_secret": "simulator",
            "mac_hash": "sha1",
            "mac_writing": "base64",
        },
        {"auth": "mac", "hash": "sha1"},
    ),
    "oauth in json": ({"auth_type": "oauth", "oauth_body": json.dumps(OAUTH)}, {"auth": "oauth"}),
    "oauth in a form": (
        {"auth_type": "oauth", "oauth_body": json.dumps(OAUTH), "oauth_sent_as": "form"},
        {"auth": "oauth"},
    ),
    "jwt": (
        {"auth_type": "jwt", "api_token": KEY, "jwt_payload": '{"iss": "us", "exp": 60}'},
        {"auth": "jwt", "issuer": "us"},
    ),
}


SOMEWHERE = "https://provider.example.org"


@pytest.fixture
def url(sqlite_url: str, bound: object) -> str:
    assert callable(bound)
    bound(sqlite_url)
    return sqlite_url


def moved_to(house: House, provider: HttpSimulator) -> None:
    """The connection's addresses are those of the simulator, which has one only once it runs."""
    base = provider.url(house.provider)
    token = "token_url" if house.provider == "esp" else "oauth_url"
    house.set(**{"url": f"{base}/messages", token: f"{base}/oauth/token"})


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_authenticate_is_believed_and_texts_arrive_as_typed(url: str, way: str) -> None:
    settings, account = WAYS[way]
    house = House(url, "custom", url=SOMEWHERE, oauth_url=SOMEWHERE, sender="36180", payload=PAYLOAD, **settings)
    house.fill(5, HOSTILE)

    @in_loop
    async def send() -> None:
        async with HttpSimulator(vendor_quirks("custom", account={"key": KEY, **account})) as provider:
            moved_to(house, provider)
            async with house.engine():
                await until(lambda: house.in_state(DeliveryState.SENT) == 5, "all five sent")
            texts = [record.text for record in provider.messages()]
            assert len(texts) == 5
            assert all(text.startswith(HOSTILE) for text in texts)

    send()
    house.stock.close()


def test_where_the_provider_gives_our_id_back_it_is_kept_as_the_provider_s(url: str) -> None:
    house = House(url, "custom", url=SOMEWHERE, payload=PAYLOAD)
    ids = house.fill(3)

    @in_loop
    async def send(count: int) -> None:
        async with HttpSimulator(vendor_quirks("custom")) as provider:
            moved_to(house, provider)
            async with house.engine():
                await until(lambda: house.in_state(DeliveryState.SENT) == count, f"{count} sent")

    send(3)
    assert kept(house) == {str(one) for one in ids}
    house.set(message_id_field="id")
    later = house.fill(3)
    send(6)
    assert len(kept(house)) == 6
    assert not kept(house) & {str(one) for one in later}
    house.stock.close()


def kept(house: House) -> set[str]:
    return {row[0] for row in house.stock.query("SELECT provider_message_id FROM segment")}


def test_an_e_mail_goes_out_as_the_json_that_it_is(url: str) -> None:
    house = House(
        url,
        "esp",
        url=SOMEWHERE,
        token_url=SOMEWHERE,
        auth_type="oauth2",
        client_id="client",
        client_secret="simulator",
        message_id_field="id",
    )
    texts = {"<p>#1</p>", 'a "b"\n #2'}
    common = {"to": "ana@example.org", "from": "us@example.org", "subject": "Boots"}
    bodies = [*(json.dumps({**common, "html": text}) for text in texts), "no json"]
    house.stock.enqueue(3, each=[{"body": body} for body in bodies])

    @in_loop
    async def send() -> None:
        async with HttpSimulator(vendor_quirks("esp", account={"auth": "oauth"})) as provider:
            moved_to(house, provider)
            async with house.engine():
                await until(lambda: house.in_state(DeliveryState.SENT) == 2, "both sent")
                await until(lambda: house.in_state(DeliveryState.FAILED) == 1, "the third refused")
            assert {record.text for record in provider.messages()} == texts

    send()
    house.stock.close()
