"""What a connection by HTTP does with many messages at a time: stops, pauses, holds, limits; and what it keeps of them."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import structlog
from tests.engine.house import House, in_loop, until, vendor_quirks
from tests.engine.http_peer import Peer, Script, answering, hang
from tests.engine.link_end import LOOPBACK
from tests.engine.test_http_sender import http
from tests.online import settings_for

from chappe.engine.http_slot import HttpSlot
from chappe.engine.net.http_client import HttpClient
from chappe.engine.net.http_sender import HttpSender
from chappe.messaging import About, Accepted, Deferred, DeliveryState, SendOutcome, Unknown
from chappe.providers import custom_http, registry
from chappe.providers.auth import NoAuth, OAuth
from chappe.providers.http import Account, Auth, HttpRequest, HttpResponse
from chappe.simulator.http_simulator import HttpSimulator

SENT, WAITING, UNCONFIRMED, FAILED = (
    DeliveryState.SENT,
    DeliveryState.WAITING,
    DeliveryState.UNCONFIRMED,
    DeliveryState.FAILED,
)
TAKEN = http(200, {"id": "1"})
SECRET = "s3cr3t/of+the client"


class Remembering:
    """Who a slot works for, and who watches it: keeps what it is told."""

    def __init__(self) -> None:
        self.told: dict[Any, SendOutcome] = {}
        self.then: Callable[[Any], None] = lambda token: None

    def outcomes(self, slot: HttpSlot, outcomes: Sequence[tuple[Any, SendOutcome]]) -> None:
        slot.uncommitted -= len(outcomes)
        for token, outcome in outcomes:
            assert token not in self.told, "each has one outcome"
            self.told[token] = outcome
            self.then(token)

    def poll(self) -> None:
        pass

    def hidden(self, outcome: SendOutcome) -> SendOutcome:
        return outcome

    def saw(self, request: HttpRequest, response: HttpResponse | None, *_: object) -> None:
        if response is not None and response.headers.get("x-unshowable"):
            raise RuntimeError("what is shown to people is not worth a message")


def slot_of(owner: Remembering, *, window: int = 5, auth: Auth | None = None) -> HttpSlot:
    settings = custom_http.SPEC.parse({"url": "https://api.example/", "message_id_field": "id"})
    sender = HttpSender(auth or NoAuth(), HttpClient(LOOPBACK), HttpClient(LOOPBACK), response_s=30.0)
    account = Account(settings, 1, 1)
    return HttpSlot(1, custom_http, account, sender, limit_per_s=0, concurrency=window, host=owner, watcher=owner)


def requests(peer: Peer, count: int) -> list[HttpRequest]:
    return [HttpRequest("POST", peer.url, (), b"%d" % number) for number in range(count)]


# -- the end ---------------------------------------------------------------------------------------------------------


def test_what_hangs_when_a_slot_stops_has_no_answer_and_what_waits_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chappe.engine.http_slot.DRAIN_S", 0.2)

    @in_loop
    async def run() -> None:
        owner = Remembering()
        async with Peer(hang) as peer:
            slot = slot_of(owner, window=3)
            slot.submit(requests(peer, 10), range(10))
            await until(lambda: len(peer.requests) == 3, "the first requests")
            await slot.stop()
            assert [type(owner.told[token]) for token in range(10)] == [Unknown] * 3 + [Deferred] * 7
            assert (slot.uncommitted, slot.oldest_unanswered_at) == (0, None)
            assert slot.reason == "", "the end is no trouble of the account"

    run()


def test_what_waits_for_a_token_when_a_slot_stops_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chappe.engine.http_slot.DRAIN_S", 0.2)

    @in_loop
    async def run() -> None:
        owner = Remembering()
        async with Peer(hang) as tokens, Peer(answering(TAKEN)) as peer:
            slot = slot_of(owner, auth=OAuth(HttpRequest("POST", tokens.url)))
            slot.submit(requests(peer, 5), range(5))
            await until(lambda: tokens.requests, "the fetch of a token")
            await slot.stop()
            assert {type(one) for one in owner.told.values()} == {Deferred}
            assert (len(owner.told), peer.connections) == (5, 0)

    run()


def test_what_is_answered_while_a_slot_stops_counts() -> None:
    async def slow(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read(reader)
        await asyncio.sleep(0.1)
        writer.write(TAKEN)
        await writer.drain()

    @in_loop
    async def run() -> None:
        owner = Remembering()
        async with Peer(slow) as peer:
            slot = slot_of(owner)
            slot.submit(requests(peer, 5), range(5))
            await slot.stop()
            assert {type(one) for one in owner.told.values()} == {Accepted}

    run()


# -- lanes -----------------------------------------------------------------------------------------------------------


def test_a_message_does_not_wait_for_another_that_hangs_while_there_is_room() -> None:
    """It comes at the moment in which the lane before it ends."""

    async def first_hangs(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await peer.read(reader):
            if not request.endswith(b"0"):
                writer.write(TAKEN)
                await writer.drain()

    @in_loop
    async def run() -> None:
        owner = Remembering()
        async with Peer(first_hangs) as peer:
            slot = slot_of(owner, window=2)
            hanging, short, late = requests(peer, 3)
            owner.then = lambda token: slot.submit([late], ["late"]) if token == "short" else None
            slot.submit([hanging, short], ["hanging", "short"])
            await until(lambda: "late" in owner.told, "the message that came late")
            for lane in list(slot._lanes):
                lane.cancel()
            await slot.stop()

    run()


def test_what_cannot_be_shown_keeps_no_message_from_going_out() -> None:
    @in_loop
    async def run() -> None:
        owner = Remembering()
        async with Peer(answering(TAKEN.replace(b"\r\n\r\n", b"\r\nX-Unshowable: 1\r\n\r\n"))) as peer:
            slot = slot_of(owner, window=1)
            slot.submit(requests(peer, 5), range(5))
            await until(lambda: len(owner.told) == 5, "all messages")
            await slot.stop()

    run()


def test_after_a_hold_one_message_tries_alone_and_then_all_may() -> None:
    @in_loop
    async def run() -> None:
        owner, answers = Remembering(), [http(401, {}), http(401, {}), TAKEN]

        async def script(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await peer.read(reader):
                writer.write(answers.pop(0))
                await writer.drain()

        async with Peer(script) as peer:
            slot = slot_of(owner)
            for number, state in enumerate(["down", "down", "up"]):
                slot.try_again()
                assert slot.room == (1 if slot.reason else 5)
                slot.submit(requests(peer, 1), [number])
                assert slot.room == (0 if slot.reason else 4), "no other goes beside the one that tries"
                await until(lambda: number in owner.told, "its answer")  # noqa: B023
                assert bool(slot.reason) is (state == "down")
            assert slot.room == 5
            await slot.stop()

    run()


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
@pytest.mark.parametrize("provider", list(registry.VENDORS))
def test_a_redirect_is_read_as_an_address_that_is_not_the_api_by_every_provider(provider: str, status: int) -> None:
    """Nothing was sent to where it leads, and no message is lost: the connection waits until its address is right."""
    settings = settings_for(provider, lambda vendor: f"http://127.0.0.1:1/{vendor}")
    account = Account(registry.spec(provider).parse(settings), 1, 1)
    response = HttpResponse(status, b"<html>Moved</html>", {"location": "https://elsewhere.example/"})
    outcome = registry.HTTP[provider].read(response, account)
    assert isinstance(outcome, Deferred)
    assert outcome.about is About.ACCOUNT


# -- a whole engine --------------------------------------------------------------------------------------------------


@pytest.fixture
def url(sqlite_url: str, bound: object) -> str:
    assert callable(bound)
    bound(sqlite_url)
    return sqlite_url


CUSTOM = {
    "url": "https://api.example/",
    "auth_type": "api_key",
    "api_token": SECRET,
    "sender": "+33600000000",
    "payload": '{"to": "{{toNumber}}", "text": "{{message}}"}',
    "message_id_field": "id",
    "error_text_field": "message",
    "max_per_s": 0,
}


def serving(house: House, script: Script, check: Callable[[Peer], bool], what: str) -> None:
    """Run an engine with this provider until something is true."""

    @in_loop
    async def run() -> None:
        async with Peer(script) as peer:
            house.set(url=peer.url)
            async with house.engine():
                await until(lambda: check(peer), what)

    run()


def test_no_more_requests_wait_for_an_answer_than_the_connection_may_have(url: str) -> None:
    house = House(url, "custom", **{**CUSTOM, "concurrency": 7})
    house.fill(100)
    at_once = [0, 0]

    async def counting(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await peer.read(reader):
            at_once[0] += 1
            at_once[1] = max(at_once)
            await asyncio.sleep(0.02)
            at_once[0] -= 1
            writer.write(TAKEN)
            await writer.drain()

    serving(house, counting, lambda peer: house.in_state(SENT) == 100, "the sending of all")
    assert at_once == [0, 7]


def test_in_no_second_are_there_more_requests_than_the_limit_although_answers_take_their_time(url: str) -> None:
    house = House(url, "twilio", max_per_s=40, concurrency=50)
    house.fill(130)

    @in_loop
    async def run() -> None:
        # The provider counts what reaches it, which on a busy machine comes a little closer together than it left.
        async with house.online(rate_limit=44, latency_ms=50, latency_jitter_ms=400) as (_, provider):
            await until(lambda: house.in_state(SENT) == 130, "the sending of all")
            assert provider.stats().duplicates == 0
            assert house.stock.query("SELECT count(*) FROM message_event WHERE kind = 'put_off'") == [(0,)]

    run()


def test_a_connection_that_is_told_to_wait_slows_no_other(url: str) -> None:
    slow = House(url, "twilio")
    slow.stock.query("UPDATE connection SET name = 'South'")
    fast = House(url, "twilio")
    slow.fill(20)
    fast.fill(60)

    @in_loop
    async def run() -> None:
        knobs = {"throttled_fraction": 1.0, "retry_after_s": 600, "unlucky_tries": 0}
        async with (
            HttpSimulator(vendor_quirks("twilio", **knobs)) as busy,
            HttpSimulator(vendor_quirks("twilio")) as idle,
        ):
            slow.set(base_url=busy.url("twilio"))
            fast.set(base_url=idle.url("twilio"))
            async with slow.engine():
                await until(lambda: busy.stats().vendors["twilio"].requests > 0, "the first 429")
                await until(lambda: fast.in_state(SENT) == 60, "the sending of the others")
                assert idle.stats().unique == 60
                assert busy.stats().accepted == 0
                states = "SELECT state FROM link_state WHERE connection_id = ?"
                await until(lambda: fast.stock.query(states, fast.connection_id) == [("ready",)], "its state")
        assert slow.in_state(WAITING) == 20

    run()


def test_an_engine_that_stops_while_requests_hang_leaves_them_unconfirmed_and_loses_none(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chappe.engine.http_slot.DRAIN_S", 0.2)
    monkeypatch.setattr("chappe.engine.flow.DRAIN_S", 0.2)
    house = House(url, "custom", **{**CUSTOM, "concurrency": 5})
    house.fill(30)
    serving(house, hang, lambda peer: len(peer.requests) == 5, "the first requests")
    assert (house.in_state(UNCONFIRMED), house.in_state(WAITING)) == (5, 25)


ECHOES = {
    "as it is": SECRET,
    "in JSON": json.dumps(SECRET)[1:-1].replace("/", "\\/"),
    "in an address": "s3cr3t%2Fof%2Bthe%20client",
    "in a form": "s3cr3t%2Fof%2Bthe+client",
}


@pytest.mark.parametrize("status", [401, 400, 500])
@pytest.mark.parametrize("echo", ECHOES)
def test_a_secret_that_a_provider_repeats_is_kept_nowhere(url: str, status: int, echo: str) -> None:
    house = House(url, "custom", **CUSTOM)
    house.fill(1)
    answer = http(status, {"message": f"wrong key {ECHOES[echo]}"}, **{"X-Echo": SECRET})
    with structlog.testing.capture_logs() as logs:
        serving(
            house,
            answering(answer),
            lambda peer: bool(
                house.stock.query("SELECT 1 FROM exchange") and house.in_state(WAITING, FAILED, UNCONFIRMED)
            ),
            "the record",
        )
    tables = [
        name
        for (name,) in house.stock.query("SELECT name FROM sqlite_master WHERE type = 'table'")
        if not name.startswith(("auth_", "django_", "sqlite_"))
    ]
    assert {"exchange", "message", "message_event", "link_state"} <= set(tables)
    kept = [repr(logs), *(repr(house.stock.query(f"SELECT * FROM {table}")) for table in tables)]
    everything = " ".join(kept)
    assert "wrong key" in everything
    assert not [one for one in (SECRET, *ECHOES.values()) if one in everything]


@pytest.mark.parametrize("shown", range(4, len(SECRET), 5))
def test_the_beginning_of_a_secret_is_not_kept_where_words_are_cut_off(url: str, shown: int) -> None:
    """Of an error's words the first 199 characters are kept, of an answer the first 8000."""
    house = House(url, "custom", **CUSTOM)
    house.fill(1)
    words = "wrong key " + "x" * (189 - shown) + SECRET
    answer = http(401, {"message": words, "more": "y" * (8000 - 44 - len(words) - 24 - shown) + SECRET + "z" * 9000})
    serving(house, answering(answer), lambda peer: bool(house.stock.query("SELECT 1 FROM exchange")), "the record")
    kept = repr(house.stock.query("SELECT * FROM exchange")) + repr(house.links())
    assert "wrong key" in kept
    assert SECRET[:4] not in kept


def test_octets_that_no_database_keeps_cost_no_message(database: str) -> None:
    house = House(database, "custom", **CUSTOM)
    house.fill(20)
    answer = http(200, b'{"id": "1", "note": "\0\xed\xa0\x80\xff"}\0', **{"X-Odd": "a"})
    serving(house, answering(answer), lambda peer: len(peer.requests) >= 20, "all requests")
    assert house.in_state(WAITING) == 0
    assert house.duplicates_marked() == 0
    house.stock.close()
