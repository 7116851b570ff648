"""Calls by the provider of a connection that somebody traces."""

from collections.abc import Iterator

import pytest
from tests.web.switchboard import PUBLIC, Switchboard, events, status_of, text_of, twilio_connection

from chappe.engine.address import inbound_url, status_url
from chappe.engine.traced_exchange import TracedExchange, read_exchange
from chappe.features.accounts.models import Organisation
from chappe.features.clock import now_ms
from chappe.features.connections.models import Connection
from chappe.features.traces import services
from chappe.features.traces.models import TraceEntry, TraceSession
from chappe.rules.trace import EXCHANGES_PER_S


@pytest.fixture
def board(database: str) -> Iterator[Switchboard]:
    made = Switchboard(database)
    yield made
    made.close()


@pytest.fixture
def twilio(organisation: Organisation) -> Connection:
    return twilio_connection(organisation.pk)


def traced(connection: Connection, number: str = "") -> TraceSession:
    wanted = services.Wanted(5, number)
    return services.start_trace(connection.organisation_id, connection.pk, wanted, None, now_ms())


def status_at(connection: Connection) -> str:
    return status_url(PUBLIC, "twilio", connection.organisation_id, connection.pk).removeprefix(PUBLIC)


def message_at(connection: Connection) -> str:
    return inbound_url(PUBLIC, "twilio", connection.organisation_id).removeprefix(PUBLIC)


def kept(board: Switchboard, session: TraceSession) -> list[TracedExchange]:
    board.run(board.committer.flush())
    rows = TraceEntry.objects.filter(session=session).order_by("pk")
    assert {(row.direction, row.kind) for row in rows} <= {("in", "exchange")}
    return [read_exchange(bytes(row.content)) for row in rows]


def test_what_the_provider_calls_is_in_the_trace_without_numbers_and_texts(
    board: Switchboard, twilio: Connection
) -> None:
    session = traced(twilio)
    board.twilio(status_at(twilio), status_of("SM7"))
    board.twilio(message_at(twilio), text_of("Bonjour"))
    report, text = kept(board, session)
    assert "SM7" in report.request
    assert report.status == 204
    assert text.outcome.startswith("1 text")
    everything = f"{report} {text}"
    assert "Bonjour" not in everything
    assert "5558675310" not in everything
    session.refresh_from_db()
    assert session.entries == 2


def test_of_one_number_its_texts_are_in_the_trace_and_nobody_elses(board: Switchboard, twilio: Connection) -> None:
    hers, other = traced(twilio, "+1 555 867 5310"), traced(twilio, "+1 555 000 0000")
    board.twilio(message_at(twilio), text_of("Bonjour"))
    assert len(kept(board, hers)) == 1
    assert kept(board, other) == []


def test_a_flood_of_calls_is_stored_whole_and_shown_in_part(board: Switchboard, twilio: Connection) -> None:
    session = traced(twilio)
    target, calls = status_at(twilio), EXCHANGES_PER_S + 10
    board.together(*(board.twilio_ask(target, status_of(f"SM{number}")) for number in range(calls)))
    assert len(events()) == calls
    assert EXCHANGES_PER_S <= len(kept(board, session)) <= calls
    session.refresh_from_db()
    assert session.entries + session.left_out == calls


def test_a_call_without_proof_is_in_the_trace_without_its_body(board: Switchboard, twilio: Connection) -> None:
    session = traced(twilio)
    board.twilio(status_at(twilio), status_of("SMsecret"), "wrong" * 8)
    (exchange,) = kept(board, session)
    assert exchange.status == 401
    assert "SMsecret" not in exchange.request


def test_nothing_is_kept_when_the_trace_is_over(board: Switchboard, twilio: Connection) -> None:
    session = traced(twilio)
    services.stop_trace(twilio.organisation_id, twilio.pk, session.pk, now_ms())
    board.twilio(status_at(twilio), status_of("SM7"))
    assert kept(board, session) == []
