"""Traced connections: what crosses their links is kept, no secret is, and the messages go their way as ever."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from tests.engine.house import House, in_loop, quirks, until

from chappe.engine.store.frame import Traced
from chappe.engine.store.trace_entry import TraceEntries
from chappe.engine.traced_exchange import LONGEST, TracedExchange, kept_exchange, read_exchange, shown_exchange
from chappe.features.connections import services as connections
from chappe.features.traces.models import TraceEntry, TraceSession
from chappe.messaging import DeliveryState, OutboundMessage, Refused
from chappe.providers.http import HttpRequest
from chappe.rules.trace import REQUESTS_PER_S, number_key
from chappe.simulator.quirks import Inbound
from chappe.smpp import Pdu, command_name, decode

DELIVERED, SENT = DeliveryState.DELIVERED, DeliveryState.SENT
MARIE, PAUL = "+33612345678", "+33687654321"
MINUTE_MS = 60_000


Build = Callable[..., House]


@pytest.fixture
def build(sqlite_url: str, bound: Callable[[str], None]) -> Iterator[Build]:
    """Makes a house on the embedded database: most of this does not depend on which one it is."""
    bound(sqlite_url)
    with _builder(sqlite_url) as builder:
        yield builder


@pytest.fixture
def build_anywhere(database: str) -> Iterator[Build]:
    """The same on either database."""
    with _builder(database) as builder:
        yield builder


@contextmanager
def _builder(url: str) -> Iterator[Build]:
    with ExitStack() as stack:

        def build(provider: str = "smpp", **settings: Any) -> House:
            house = House(url, provider, **settings)
            stack.callback(house.stock.close)
            return house

        yield build


def now_ms() -> int:
    return int(time.time() * 1000)


def traced(house: House, number: str = "", most_entries: int = 5_000, for_ms: int = 10 * MINUTE_MS) -> int:
    """Begin a trace, as the console does; its id."""
    sql = (
        "INSERT INTO trace_session (organisation_id, connection_id, number, most_entries, entries, left_out, started_ms, "
        "until_ms) VALUES (?, ?, ?, ?, 0, 0, ?, ?) RETURNING id"
    )
    begun = now_ms()
    values = (house.stock.organisation_id, house.connection_id, number_key(number), most_entries, begun, begun + for_ms)
    return int(house.stock.query(sql, *values)[0][0])


def pdus(house: House, session_id: int) -> list[tuple[str, Pdu]]:
    """Direction and PDU of each entry, in the order they are kept in."""
    sql = "SELECT direction, content FROM trace_entry WHERE session_id = ? AND kind = 'pdu' ORDER BY id"
    return [(row[0], decode(bytes(row[1]))) for row in house.stock.query(sql, session_id)]


def kinds(house: House, session_id: int) -> set[str]:
    return {f"{direction} {command_name(pdu.command_id)}" for direction, pdu in pdus(house, session_id)}


def counts(house: House, session_id: int) -> tuple[int, int]:
    """Entries kept and left out."""
    row = house.stock.query("SELECT entries, left_out FROM trace_session WHERE id = ?", session_id)[0]
    return int(row[0]), int(row[1])


def is_over(house: House, session_id: int) -> bool:
    return bool(house.stock.query("SELECT until_ms FROM trace_session WHERE id = ?", session_id)[0][0] <= now_ms())


def test_what_crosses_the_links_is_kept_from_the_bind_on_and_its_password_is_not(build_anywhere: Build) -> None:
    house = build_anywhere(password="s3cretpw")
    session = traced(house)
    house.fill(3, text="Bonjour Marie ", recipient=MARIE)

    @in_loop
    async def watch() -> None:
        async with house.at_work(quirks(inbound=[Inbound(text="STOP", reply_to="", delay_ms=1)])):
            await until(lambda: house.in_state(DELIVERED) == 3, "the delivery")
            await until(lambda: "out deliver_sm_resp" in kinds(house, session), "the entries")

    watch()
    assert {
        "out bind_transceiver",
        "in bind_transceiver_resp",
        "out submit_sm",
        "in submit_sm_resp",
        "in deliver_sm",
        "out deliver_sm_resp",
    } <= kinds(house, session)
    binds = [pdu for _, pdu in pdus(house, session) if command_name(pdu.command_id) == "bind_transceiver"]
    assert [bind.octets("password") for bind in binds] == [b"********"] * len(binds)
    assert not [row for row in house.stock.query("SELECT content FROM trace_entry") if b"s3cretpw" in bytes(row[0])]
    submits = [pdu for _, pdu in pdus(house, session) if command_name(pdu.command_id) == "submit_sm"]
    assert len(submits) == 3
    assert all(b"Bonjour Marie" in pdu.octets("short_message") for pdu in submits)


def test_a_trace_begins_and_ends_while_the_link_is_bound_and_nothing_is_kept_before_or_after(build: Build) -> None:
    house = build()

    @in_loop
    async def watch() -> None:
        async with house.at_work(quirks()) as (engine, smsc):
            house.fill(5, text="before ")
            await until(lambda: house.in_state(DELIVERED) == 5, "the delivery")
            session = traced(house)
            await until(lambda: all(flow.recording for flow in engine._flows.values()), "the beginning")
            house.fill(5, text="while ")
            await until(lambda: house.in_state(DELIVERED) == 10, "the delivery")
            house.stock.query("UPDATE trace_session SET until_ms = ? WHERE id = ?", now_ms(), session)
            await until(lambda: not any(flow.recording for flow in engine._flows.values()), "the end")
            house.fill(5, text="after ")
            await until(lambda: house.in_state(DELIVERED) == 15, "the delivery")
            assert smsc.stats().links_opened == 1
            texts = [pdu.octets("short_message") for direction, pdu in pdus(house, session) if direction == "out"]
            assert [text for text in texts if text and not text.startswith(b"while")] == []
            assert sum(text.startswith(b"while") for text in texts) == 5

    watch()


def test_a_number_shows_what_concerns_it_and_the_answers(build: Build) -> None:
    house = build()
    session = traced(house, number="06 12 34 56 78")
    house.fill(4, text="for Marie ", recipient=MARIE)
    house.fill(4, text="for Paul ", recipient=PAUL)

    @in_loop
    async def watch() -> None:
        async with house.at_work(quirks()):
            await until(lambda: house.in_state(DELIVERED) == 8, "the delivery")
            await until(lambda: counts(house, session)[0] == 16, "the entries")

    watch()
    found = pdus(house, session)
    numbers = [
        {pdu.octets("source_addr"), pdu.octets("destination_addr")}
        for _, pdu in found
        if pdu.fields.get("source_addr_ton") is not None
    ]
    assert len(numbers) == 8
    assert all(b"33612345678" in pair for pair in numbers)
    names = [command_name(pdu.command_id) for _, pdu in found]
    assert [names.count(name) for name in ("submit_sm", "submit_sm_resp", "deliver_sm", "deliver_sm_resp")] == [4] * 4
    assert counts(house, session) == (16, 0)


def test_of_a_flood_a_person_gets_what_can_be_read_and_the_rest_is_counted(build: Build) -> None:
    house = build(window=200)
    session = traced(house)
    house.fill(2_000)

    @in_loop
    async def watch() -> None:
        async with house.at_work(quirks()) as (_, smsc):
            began = time.monotonic()
            await until(lambda: house.in_state(DELIVERED) == 2_000, "the delivery")
            took_s = time.monotonic() - began
            await until(lambda: counts(house, session)[1] > 0, "the count of what was left out")
            assert smsc.tally.duplicates == 0
            assert counts(house, session)[0] <= 2 * REQUESTS_PER_S * (took_s + 3)

    watch()
    answers = [
        pdu.sequence_number for _, pdu in pdus(house, session) if command_name(pdu.command_id) == "submit_sm_resp"
    ]
    asked = [pdu.sequence_number for _, pdu in pdus(house, session) if command_name(pdu.command_id) == "submit_sm"]
    assert asked
    assert set(answers) <= set(asked)


def test_a_full_trace_ends_by_itself(build: Build) -> None:
    house = build()
    session = traced(house, most_entries=7)
    house.fill(20)

    @in_loop
    async def watch() -> None:
        async with house.at_work(quirks()):
            await until(lambda: house.in_state(DELIVERED) == 20, "the delivery")
            await until(lambda: is_over(house, session), "the end")

    watch()
    assert counts(house, session)[0] == len(pdus(house, session)) == 7


def test_two_traces_of_one_connection_are_kept_apart(build: Build) -> None:
    house = build()
    everybody, marie = traced(house), traced(house, number=MARIE)
    house.fill(2, recipient=MARIE)
    house.fill(2, recipient=PAUL)

    @in_loop
    async def watch() -> None:
        async with house.at_work(quirks()):
            await until(lambda: house.in_state(DELIVERED) == 4, "the delivery")
            await until(lambda: counts(house, marie)[0] == 8, "the entries of one number")
            await until(lambda: counts(house, everybody)[0] >= 18, "all entries")

    watch()


def test_exchanges_by_http_are_kept_without_secrets(build: Build) -> None:
    house = build("twilio")
    session = traced(house, number=MARIE)
    house.fill(2, text="Bonjour Marie ", recipient=MARIE)
    house.fill(1, text="Bonjour Paul ", recipient=PAUL)

    @in_loop
    async def watch() -> None:
        async with house.online():
            await until(lambda: house.in_state(SENT) == 3, "the sending")
            await until(lambda: counts(house, session)[0] >= 1, "the entries")

    watch()
    rows = house.stock.query("SELECT content, recipient FROM trace_entry WHERE session_id = ?", session)
    assert rows
    assert {row[1] for row in rows} == {number_key(MARIE)}
    exchanges = [read_exchange(bytes(row[0])) for row in rows]
    assert all(
        "Marie" in one.request and one.status == 201 and one.outcome.startswith("accepted SM") for one in exchanges
    )
    everything = json.dumps([bytes(row[0]).decode() for row in rows])
    assert "secret" not in everything
    assert "Paul" not in everything


def test_a_connection_that_is_deleted_takes_its_traces_along_and_an_engine_that_knows_it_still_keeps_nothing(
    build_anywhere: Build,
) -> None:
    house = build_anywhere()
    session = traced(house)
    row = (session, 1, "out", "pdu", 0, "transceiver", 1, "", "", b"x")
    entries = TraceEntries(house.stock.store)
    entries.add(Traced(1, [row, row], [(session, 3)]))
    entries.write(now_ms())
    assert counts(house, session) == (2, 3)
    connections.delete_connection(house.stock.organisation_id, house.connection_id)
    assert not TraceSession.objects.exists()
    assert not TraceEntry.objects.exists()
    entries.add(Traced(2, [row], []))
    entries.write(now_ms())
    assert not TraceEntry.objects.exists()


def test_entries_that_cannot_be_written_stop_nothing(build_anywhere: Build) -> None:
    house = build_anywhere()
    session = traced(house)
    entries = TraceEntries(house.stock.store)
    unfit: tuple[Any, ...] = (session, 1, "out", "pdu", 0, "transceiver", 1, None, None, None)
    entries.add(Traced(1, [unfit], []))
    entries.write(now_ms())
    assert counts(house, session) == (0, 0)
    entries.add(Traced(2, [(session, 1, "out", "pdu", 0, "transceiver", 1, "", "", b"x")], []))
    entries.write(now_ms())
    assert counts(house, session) == (1, 0)


def test_a_body_without_headers_is_hidden_like_any_other() -> None:
    request = "\nObawbhe Znevr"
    exchange = TracedExchange("POST", "/", request, 200, "", "accepted", 1.0, texts=("Bonjour Marie",))
    assert shown_exchange(exchange, shows_texts=False, shows_numbers=True).request == "\n•••"


def test_what_was_cut_off_shows_no_beginning_of_what_is_hidden() -> None:
    """A text that the end of what is kept cuts in two is not found there: its beginning goes as well."""
    text = "Bonjour Marie, " * 20
    body = text + "x" * (LONGEST - len(text) - 30) + text
    request = HttpRequest("POST", "https://api.example.org/", (("a", "b"),), body.encode())
    message = OutboundMessage(1, MARIE, "", text, 0, 0, 0, 0, 0, 1)
    exchange = read_exchange(kept_exchange(request, None, Refused("no"), 0.1, message, ("s3cret",)))
    assert "Bonjo" in exchange.request[-40:]
    assert "Bonjo" not in shown_exchange(exchange, shows_texts=False, shows_numbers=True).request
