"""What goes out has short links, what is kept does not, and as many segments go out as were counted."""

import re

import msgspec
import pytest
from django.conf import settings
from tests.engine.house import House, in_loop, quirks, until

from chappe.engine.vault import Vault, link_signer
from chappe.gsm import Encoding, count
from chappe.messaging import DeliveryState, MessageOptions
from chappe.rules.link import links_in, measured

BASE = "https://go.example.org/l/"
SHORT = re.compile(re.escape(BASE) + r"([0-9A-Za-z]{16})")
FOLLOWED = msgspec.json.encode(MessageOptions(link_base=BASE))
SALE = "https://shop.example/sale/" + "summer-" * 20 + "?ref=42"
ONE = f"Marie, see {SALE}. "
MANY = f"Marie, see {SALE} and (https://shop.example/news), " + "x" * 200
SIGNER = link_signer(Vault(settings.CONFIGURATION.keys))
SENT, DELIVERED = DeliveryState.SENT, DeliveryState.DELIVERED


@pytest.fixture
def url(sqlite_url: str, bound: object) -> str:
    """The embedded database: this does not depend on which one it is."""
    assert callable(bound)
    bound(sqlite_url)
    return sqlite_url


def went_out_by_smpp(house: House, message_id: int) -> list[str]:
    """Send it; the texts of its segments, in their order."""
    texts: list[str] = []

    @in_loop
    async def send() -> None:
        async with house.at_work(quirks()) as (_, smsc):
            await until(lambda: house.in_state(DELIVERED) == 1, "the delivery")
            number = house.stock.message(message_id)["recipient"].removeprefix("+")
            texts.extend(one.text for one in reversed(smsc.messages(number)))

    send()
    # The first segment, which asks for the receipt, goes last.
    return [*texts[-1:], *texts[:-1]]


def places(text: str) -> list[tuple[int, int] | None]:
    return [SIGNER.read(token) for token in SHORT.findall(text)]


@pytest.mark.parametrize("text", [ONE, MANY], ids=["one", "many"])
def test_a_text_goes_out_with_short_links_and_is_kept_as_it_was_written(url: str, text: str) -> None:
    house = House(url)
    (message_id,) = house.fill(1, text=text, options=FOLLOWED)
    segments = went_out_by_smpp(house, message_id)
    out, kept = "".join(segments), house.stock.message(message_id)["body"]
    assert places(out) == [(message_id, place) for place in range(len(links_in(text)))]
    assert SHORT.sub("", out) == re.sub(r"https://[^\s)]+?(?=\.? |\))", "", kept)
    assert kept == f"{text}#{message_id}"
    assert len(segments) == count(measured(kept, BASE), Encoding.GSM) < count(kept, Encoding.GSM)


def test_addresses_of_messages_that_are_not_followed_go_out_as_they_are(url: str) -> None:
    house = House(url)
    options = msgspec.json.encode(MessageOptions(short_code="36180"))
    (message_id,) = house.fill(1, text="See https://shop.example ", options=options)
    assert went_out_by_smpp(house, message_id) == [f"See https://shop.example #{message_id}"]


def test_a_request_carries_short_links_and_what_is_kept_of_it_hides_them(url: str) -> None:
    house = House(url, "twilio")
    (message_id,) = house.fill(1, text=ONE, options=FOLLOWED)
    texts: list[str] = []

    @in_loop
    async def send() -> None:
        async with house.online() as (_, provider):
            await until(lambda: house.in_state(SENT) == 1, "the sending")
            await until(lambda: house.stock.query("SELECT 1 FROM exchange"), "what is kept")
            texts.extend(one.text for one in provider.messages())

    send()
    assert [places(text) for text in texts] == [[(message_id, 0)]]
    ((address, request, response),) = house.stock.query("SELECT url, request, response FROM exchange")
    everything = f"{address} {request} {response}"
    assert not [one for one in ("Marie", "shop.example", "go.example", SHORT.findall(texts[0])[0]) if one in everything]
