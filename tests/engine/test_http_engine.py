"""A whole engine and a provider that it calls by HTTP: every outcome that an answer, or none, can have."""

import asyncio
from typing import Any

import pytest
from tests.engine.house import House, in_loop, until, vendor_quirks

from chappe.messaging import DeliveryState
from chappe.simulator.http_simulator import HttpSimulator

SENT, FAILED, UNCONFIRMED, WAITING = (
    DeliveryState.SENT,
    DeliveryState.FAILED,
    DeliveryState.UNCONFIRMED,
    DeliveryState.WAITING,
)


@pytest.fixture
def url(sqlite_url: str, bound: object) -> str:
    """The embedded database: most of this does not depend on which one it is."""
    assert callable(bound)
    bound(sqlite_url)
    return sqlite_url


def calls(provider: HttpSimulator) -> int:
    return provider.stats().vendors["twilio"].requests


def ready(house: House) -> bool:
    return [state for _, state, _ in house.links()] == ["ready"]


def test_messages_go_out_once_each_as_a_request(database: str) -> None:
    house = House(database, "twilio", concurrency=20)
    ids = house.fill(500)

    @in_loop
    async def send() -> None:
        async with house.online() as (_, provider):
            await until(lambda: house.in_state(SENT) == len(ids), "the sending of all")
            assert (provider.stats().unique, provider.stats().duplicates) == (len(ids), 0)
            await until(lambda: house.stock.outbox() == 0, "the end of the outbox")

    send()
    assert house.duplicates_marked() == 0
    house.stock.close()


def run(house: House, states: dict[DeliveryState, int], **knobs: Any) -> HttpSimulator:
    """Send everything to a provider with these knobs until so many messages are in these states."""
    kept: list[HttpSimulator] = []

    @in_loop
    async def send() -> None:
        async with house.online(**knobs) as (_, provider):
            kept.append(provider)
            await until(lambda: all(house.in_state(one) == count for one, count in states.items()), str(states))

    send()
    return kept[0]


def test_a_refusal_fails_the_message_alone_and_says_why(url: str) -> None:
    house = House(url, "twilio")
    house.fill(10)
    house.fill(1, recipient="+33699999999")
    run(house, {SENT: 10, FAILED: 1}, refusals=[{"pattern": "99999999", "code": 21211}])
    ((reason,),) = house.stock.query("SELECT reason FROM message WHERE state = 50")
    assert "21211" not in reason, "the reason is for people; the code is with the error"
    assert reason


def test_someone_who_opted_out_at_the_provider_is_written_to_no_more(url: str) -> None:
    house = House(url, "twilio")
    house.fill(1, recipient="+33699999999")
    run(house, {FAILED: 1}, refusals=[{"pattern": "99999999", "code": 21610}])
    assert house.stock.query("SELECT address, status FROM quarantine") == [("+33699999999", "denylisted")]
    ((address, is_given, source),) = house.stock.query("SELECT address, is_given, source FROM consent_event")
    assert (address, bool(is_given), source) == ("+33699999999", False, "provider")


def test_what_is_never_answered_is_left_unconfirmed_and_not_sent_twice(url: str) -> None:
    house = House(url, "twilio", response_timeout_s=0.3)
    house.fill(5)
    provider = run(house, {UNCONFIRMED: 5}, hang_fraction=1.0)
    assert (provider.stats().unique, provider.stats().duplicates) == (5, 0)


def test_what_is_never_answered_is_sent_again_and_marked_where_the_connection_says_so(url: str) -> None:
    house = House(url, "twilio", response_timeout_s=0.3, unknown_outcome="resend")
    house.fill(5)
    provider = run(house, {SENT: 5}, cut_fraction=1.0)
    assert provider.stats().unique == 5
    assert provider.stats().duplicates == house.duplicates_marked() == 5


def test_too_many_requests_pause_the_connection_and_lose_nothing(url: str) -> None:
    house = House(url, "twilio", concurrency=5)
    house.fill(40)
    provider = run(house, {SENT: 40}, throttled_fraction=0.2, retry_after_s=0.2)
    assert provider.stats().duplicates == 0
    assert house.stock.query("SELECT max(tries) FROM message") == [(0,)], "being throttled is no try"


def test_wrong_credentials_make_messages_wait_until_they_are_right(url: str) -> None:
    house = House(url, "twilio", auth_token="mistaken")
    house.fill(20)

    @in_loop
    async def send() -> None:
        async with house.online() as (_, provider):
            await until(lambda: [state for _, state, _ in house.links()] == ["down"], "the refusal")
            ((_, _, reason),) = house.links()
            assert reason
            assert "mistaken" not in reason
            assert house.in_state(WAITING) == 20
            # The provider is changed to know the other password: the connection's stays sealed as it is.
            provider.change({"vendors": {"twilio": {"account": {"auth_token": "mistaken"}}}})
            house.set(max_per_s=0)
            await until(lambda: house.in_state(SENT) == 20, "the sending of all")
            await until(lambda: ready(house), "the end of the trouble")

    send()


def test_a_provider_that_cannot_be_reached_loses_nothing(url: str) -> None:
    house = House(url, "twilio", base_url="http://127.0.0.1:9/twilio")
    house.fill(20)

    @in_loop
    async def send() -> None:
        async with house.engine():
            await until(lambda: [state for _, state, _ in house.links()] == ["down"], "the trouble")
            assert house.in_state(WAITING) == 20
            async with HttpSimulator(vendor_quirks("twilio")) as provider:
                house.set(base_url=provider.url("twilio"))
                await until(lambda: house.in_state(SENT) == 20, "the sending of all")

    send()


def test_a_private_address_is_not_called_unless_the_connection_allows_it(url: str) -> None:
    house = House(url, "twilio", allowed_networks="")
    house.fill(3)

    @in_loop
    async def send() -> None:
        async with house.online() as (_, provider):
            await until(lambda: [state for _, state, _ in house.links()] == ["down"], "the refusal")
            ((_, _, reason),) = house.links()
            assert "private" in reason
            assert calls(provider) == 0

    send()


def test_the_limit_of_requests_a_second_is_kept(url: str) -> None:
    house = House(url, "twilio", max_per_s=50)
    house.fill(60)

    @in_loop
    async def send() -> None:
        async with house.online(rate_limit=50) as (_, provider):
            await until(lambda: house.in_state(SENT) == 60, "the sending of all")
            assert provider.stats().duplicates == 0
            assert house.stock.query("SELECT count(*) FROM message_event WHERE kind = 'put_off'") == [(0,)]

    send()


def test_the_last_exchanges_are_kept_without_secrets_numbers_and_texts(url: str) -> None:
    house = House(url, "twilio")
    house.fill(1, text="Bonjour Marie ", recipient="+33612345678")
    run(house, {SENT: 1})
    ((method, address, request, status, response, outcome),) = house.stock.query(
        "SELECT method, url, request, status, response, outcome FROM exchange"
    )
    assert (method, status) == ("POST", 201)
    assert outcome.startswith("accepted SM")
    everything = f"{address} {request} {response}"
    assert not [one for one in ("secret", "33612345678", "Marie") if one in everything]


def test_a_message_whose_time_has_passed_is_not_sent(url: str) -> None:
    house = House(url, "twilio")
    house.fill(3, expires_ms=1)

    @in_loop
    async def send() -> None:
        async with house.online() as (_, provider):
            await until(lambda: house.in_state(DeliveryState.EXPIRED) == 3, "the end of all")
            assert calls(provider) == 0

    send()


def test_an_engine_that_stops_waits_for_the_answers_it_is_owed(url: str) -> None:
    house = House(url, "twilio", concurrency=10)
    house.fill(30)

    @in_loop
    async def send() -> None:
        async with house.online(latency_ms=300) as (engine, provider):
            await until(lambda: calls(provider) > 0, "the first requests")
            engine.stop()
            await asyncio.sleep(0)
        assert house.in_state(SENT) == provider.stats().unique
        assert house.in_state(UNCONFIRMED) == 0

    send()
