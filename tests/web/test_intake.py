"""POST /v1/messages and /v1/messages/batch: who may, what is stored, what is answered. On both databases."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.row import NOW_MS, connection
from tests.web.caller import Caller
from tests.web.desk import JSON, MANY, NDJSON, ONE, Desk, lined

from chappe.engine.store.store import unpack_ids
from chappe.features.accounts import services as accounts
from chappe.features.accounts.models import ApiKey
from chappe.features.connections.models import Connection
from chappe.features.consent.models import Quarantine
from chappe.features.messages.models import Message, Outbox
from chappe.messaging import Category, DeliveryState
from chappe.web.intake.app import MOST_HELD, MOST_OCTETS
from chappe.web.wire import BadRequest, read_body

PROBLEM = "application/problem+json"
GOOD: dict[str, Any] = {"to": "+33612345678", "text": "Bonjour"}


def packed() -> list[int]:
    """Every message that an outbox row holds."""
    ids: list[int] = []
    for row in Outbox.objects.order_by("pk"):
        ids += unpack_ids(bytes(row.ids)) if row.ids else range(row.first_id, row.last_id + 1)
    return ids


def block(organisation_id: int, address: str, status: str = "quarantine", short_code: str = "") -> None:
    Quarantine.objects.create(
        organisation_id=organisation_id, address=address, status=status, short_code=short_code, channel="sms"
    )


# -- one message -----------------------------------------------------------------------------------------------------


def test_a_message_is_stored_with_its_outbox_row_before_it_is_answered(desk: Desk, north: Connection) -> None:
    before = int(time.time() * 1000)
    reply = desk.send(text="Votre code est 123 456 😀", client_reference="order 7", sender="Relais")
    assert (reply.status, reply.type) == (202, JSON)
    row = Message.objects.get()
    assert reply.json == {"id": row.pk, "state": "waiting", "segments": 1, "encoding": "ucs2"}
    assert (row.organisation_id, row.connection_id, row.delivery_id) == (north.organisation_id, north.pk, 0)
    assert (row.recipient, row.sender, row.body) == ("+33612345678", "Relais", "Votre code est 123 456 😀")
    assert (row.category, row.channel, row.options) == (Category.TRANSACTIONAL, "sms", None)
    assert (row.client_reference, row.segments, row.state, row.reason) == ("order 7", 1, DeliveryState.WAITING, "")
    assert before <= row.created_ms <= int(time.time() * 1000)
    assert row.due_ms - row.created_ms < 1_000
    assert row.expires_ms == row.due_ms + 72 * 3_600_000
    outbox = Outbox.objects.get()
    assert (outbox.connection_id, outbox.due_ms, outbox.expires_ms) == (north.pk, row.due_ms, row.expires_ms)
    assert packed() == [row.pk]
    assert desk.told == 1


def test_a_message_for_later_waits_in_the_outbox_until_then(desk: Desk, north: Connection) -> None:
    at_ms = (int(time.time()) + 3_600) * 1000
    at = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(at_ms / 1000))
    assert desk.send(send_at=at, validity_s=60).status == 202
    row = Message.objects.get()
    assert (row.due_ms, row.expires_ms) == (at_ms, at_ms + 60_000)
    assert Outbox.objects.get().due_ms == at_ms


def test_options_are_kept_and_an_empty_table_of_them_is_none(desk: Desk, north: Connection) -> None:
    Connection.objects.update(settings=north.settings | {"service_id_tag": "0x1400"}, version=2)
    options = {"transmission_mode": 1, "maximum_segments": 3, "service_id": "42", "short_code": "36180"}
    assert desk.send(options=options).status == 202
    assert json.loads(bytes(Message.objects.get().options or b"")) == options
    assert desk.send(options={}).status == 202
    assert desk.send(options=None).status == 202
    assert list(Message.objects.order_by("pk").values_list("options", flat=True))[1:] == [None, None]


def test_transactional_messages_go_before_marketing_ones(desk: Desk, north: Connection) -> None:
    desk.send(category="marketing")
    desk.send(category="transactional")
    marketing, transactional = Outbox.objects.order_by("pk")
    assert transactional.priority < marketing.priority


def test_ids_are_never_given_twice(desk: Desk, north: Connection, database: str) -> None:
    other = Desk(database, desk.key)
    try:
        ids = [asked.send().json["id"] for _ in range(3) for asked in (desk, other)]
    finally:
        other.close()
    assert len(set(ids)) == 6
    assert sorted(packed()) == sorted(ids)


# -- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [ONE, MANY])
@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Bearer chp_nobody", "Basic Y2hwOg==", "chp_nobody", "Bearer é\xff"]
)
def test_nobody_sends_without_a_key(desk: Desk, north: Connection, path: str, authorization: str) -> None:
    reply = desk.post(GOOD, path, authorization=authorization)
    assert (reply.status, reply.type) == (401, PROBLEM)
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert not Message.objects.exists()


@pytest.mark.parametrize("path", [ONE, MANY])
def test_a_key_without_the_scope_send_is_refused(
    desk: Desk, north: Connection, call_as: Callable[..., Caller], path: str
) -> None:
    desk.key = call_as("read", "manage").secret
    reply = desk.post(GOOD, path)
    assert (reply.status, reply.type) == (403, PROBLEM)
    assert "send" in reply.json["detail"]


def test_the_word_bearer_may_be_written_in_any_case(desk: Desk, north: Connection) -> None:
    assert desk.post(GOOD, authorization=f"bearer  {desk.key}").status == 202


def test_a_revoked_key_is_refused_within_a_second(desk: Desk, north: Connection) -> None:
    assert desk.send().status == 202
    accounts.revoke_api_key(north.organisation_id, ApiKey.objects.get().pk, NOW_MS)
    started = time.monotonic()
    while (status := desk.send().status) == 202 and time.monotonic() - started < 3:
        pass
    assert (status, time.monotonic() - started < 1.2) == (401, True)


def test_the_use_of_a_key_is_noted_once_a_minute_with_what_it_sends(desk: Desk, north: Connection) -> None:
    desk.send()
    first = ApiKey.objects.get().last_used_ms
    assert abs(first - time.time() * 1000) < 10_000
    desk.send()
    assert ApiKey.objects.get().last_used_ms == first


# -- organisations and connections -----------------------------------------------------------------------------------


def test_an_organisation_cannot_use_the_connection_of_another(desk: Desk, north: Connection, stranger: Caller) -> None:
    theirs = connection(stranger.organisation.pk, "South", settings=north.settings)
    for asked in (theirs.pk, 10**6):
        reply = desk.send(connection_id=asked)
        assert reply.status == 422
        assert reply.fields == {"connection_id": f"there is no enabled connection {asked}"}
    reply = desk.batch([GOOD, GOOD | {"connection_id": theirs.pk}])
    assert list(reply.fields) == ["line 2: connection_id"]
    assert not Message.objects.exists()
    desk.key = stranger.secret
    assert desk.send().status == 202
    assert (Message.objects.get().organisation_id, Message.objects.get().connection_id) == (
        stranger.organisation.pk,
        theirs.pk,
    )


def test_of_several_connections_the_first_of_the_list_is_used(desk: Desk, north: Connection, database: str) -> None:
    south = connection(north.organisation_id, "South", settings=north.settings)
    assert desk.send(connection_id=south.pk).status == 202
    assert desk.send().status == 202
    Connection.objects.filter(pk=north.pk).update(position=1)
    other = Desk(database, desk.key)
    try:
        assert other.send().status == 202
    finally:
        other.close()
    through = Message.objects.order_by("pk").values_list("connection_id", flat=True)
    assert list(through) == [south.pk, north.pk, south.pk]


def test_without_a_connection_nothing_can_be_sent(desk: Desk) -> None:
    assert desk.send().fields == {"connection_id": "there is no enabled connection"}


def test_a_connection_just_made_can_be_used_at_once(desk: Desk, north: Connection) -> None:
    assert desk.send().status == 202
    south = connection(north.organisation_id, "South", settings=north.settings)
    assert desk.send(connection_id=south.pk).status == 202


def test_a_disabled_connection_is_not_used(desk: Desk, north: Connection) -> None:
    Connection.objects.update(is_enabled=False, version=2)
    assert desk.send(connection_id=north.pk).status == 422


def test_a_connection_whose_settings_cannot_be_read_does_not_harm_the_others(desk: Desk, north: Connection) -> None:
    broken = [connection(north.organisation_id, name, settings=bad) for name, bad in (("A", {}), ("B", {"port": "x"}))]
    Connection.objects.create(organisation_id=north.organisation_id, name="C", provider="pigeon", settings={})
    assert desk.send(connection_id=north.pk).status == 202
    assert desk.send(connection_id=broken[0].pk).status == 422


# -- consent ---------------------------------------------------------------------------------------------------------


def test_a_quarantined_number_is_answered_with_the_reason_and_never_queued(desk: Desk, north: Connection) -> None:
    block(north.organisation_id, "+33612345678")
    block(north.organisation_id, "+33612345679", "denylisted")
    reply = desk.send()
    assert reply.status == 202
    assert (reply.json["state"], reply.json["reason"]) == ("excluded", "quarantine")
    assert desk.send("0033612345679"[2:]).json["reason"] == "denylisted"
    assert desk.send("+33612345670").json["state"] == "waiting"
    rows = Message.objects.order_by("pk")
    assert [row.state for row in rows] == [DeliveryState.EXCLUDED, DeliveryState.EXCLUDED, DeliveryState.WAITING]
    assert rows[0].done_ms == rows[0].created_ms
    assert packed() == [rows[2].pk]


def test_entries_that_do_not_keep_a_number_from_being_sent_to_do_not_count(
    desk: Desk, north: Connection, stranger: Caller
) -> None:
    block(north.organisation_id, "+33612345678", "with_errors")
    block(north.organisation_id, "+33612345678", "valid", "36180")
    block(north.organisation_id, "+33612345678", "denylisted", "99999")
    block(stranger.organisation.pk, "+33612345678")
    assert desk.send().json["state"] == "waiting"


def test_an_entry_counts_for_the_short_code_it_is_sent_from(desk: Desk, north: Connection) -> None:
    block(north.organisation_id, "+33612345678", "denylisted", "36180")
    assert desk.send(options={"short_code": "36180"}).json["state"] == "excluded"
    assert desk.send(options={"short_code": "36181"}).json["state"] == "waiting"
    south = connection(north.organisation_id, "South", settings=north.settings | {"short_code": "36180"})
    assert desk.send(connection_id=south.pk).json["state"] == "excluded"


def test_only_a_connection_that_says_so_sends_transactional_messages_despite_a_stop(
    desk: Desk, north: Connection
) -> None:
    settings = north.settings | {"transactional_despite_stop": True}
    despite = connection(north.organisation_id, "Despite", settings=settings)
    block(north.organisation_id, "+33612345678", "denylisted")
    block(north.organisation_id, "+33612345679", "quarantine")

    def state(to: str, through: Connection, category: str) -> str:
        return str(desk.send(to, connection_id=through.pk, category=category).json["state"])

    assert state("+33612345678", north, "transactional") == "excluded"
    assert state("+33612345678", despite, "transactional") == "waiting"
    assert state("+33612345678", despite, "marketing") == "excluded"
    assert state("+33612345679", despite, "transactional") == "excluded"


# -- many messages ---------------------------------------------------------------------------------------------------


def test_ten_thousand_lines_are_answered_line_by_line(desk: Desk, north: Connection) -> None:
    block(north.organisation_id, "+33600000007")
    reply = desk.batch({"to": f"+336{index:08d}", "text": f"Point {index}"} for index in range(10_000))
    assert (reply.status, reply.type) == (202, NDJSON)
    lines = reply.lines
    assert len(lines) == 10_000
    assert lines[7]["state"] == "excluded"
    rows = dict(Message.objects.values_list("pk", "body"))
    assert [rows[line["id"]] for line in lines] == [f"Point {index}" for index in range(10_000)]
    assert sorted(packed()) == sorted(line["id"] for line in lines if line["state"] == "waiting")


def test_one_line_more_is_too_many(desk: Desk, north: Connection) -> None:
    assert desk.batch(GOOD for _ in range(10_001)).status == 413
    assert not Message.objects.exists()


def test_one_bad_line_refuses_all_and_is_named_by_its_number(desk: Desk, north: Connection) -> None:
    lines = [GOOD] * 20
    lines[11] = GOOD | {"to": "12"}
    lines[17] = GOOD | {"options": {"service_id": "1"}}
    reply = desk.batch(lines)
    assert (reply.status, reply.type) == (422, PROBLEM)
    assert list(reply.fields) == ["line 12: to", "line 18: options.service_id"]
    assert (Message.objects.exists(), Outbox.objects.exists()) == (False, False)


def test_messages_of_one_request_may_go_to_several_connections_at_several_times(desk: Desk, north: Connection) -> None:
    south = connection(north.organisation_id, "South", settings=north.settings)
    when = {"send_at": "2099-01-01T00:00:00Z"}
    assert desk.batch([GOOD | {"connection_id": south.pk} | when]).status == 422
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600))
    lines = [
        GOOD | {"connection_id": through.pk, **at}
        for through in (north, south)
        for at in ({}, {"send_at": soon})
    ]  # fmt: skip
    replies = desk.batch(lines * 2).lines
    assert len(replies) == 8
    assert Outbox.objects.count() == 4
    assert sorted(packed()) == sorted(line["id"] for line in replies)
    for outbox in Outbox.objects.all():
        ids = unpack_ids(bytes(outbox.ids)) if outbox.ids else range(outbox.first_id, outbox.last_id + 1)
        held = Message.objects.filter(pk__in=ids)
        assert {(row.connection_id, row.due_ms) for row in held} == {(outbox.connection_id, outbox.due_ms)}


# -- methods, kinds and sizes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("PUT", ONE, 405, "GET, POST"),
        ("DELETE", ONE, 405, "GET, POST"),
        ("OPTIONS", ONE, 405, "GET, POST"),
        ("GET", MANY, 405, "POST"),
        ("PATCH", MANY, 405, "POST"),
        ("POST", ONE + "/", 404, None),
        ("POST", MANY + "/1", 404, None),
        ("POST", "/v1/messages/1", 405, "GET"),
        ("GET", ONE, 422, None),  # searching needs something to look for
    ],
)
def test_other_methods_and_addresses_are_problems(
    desk: Desk, method: str, path: str, status: int, allow: str | None
) -> None:
    reply = desk.run(desk.ask(b"", path, method))
    assert (reply.status, reply.headers.get("allow", reply.headers.get("Allow"))) == (status, allow)
    if status >= 400:
        assert reply.headers.get("content-type", reply.headers.get("Content-Type")) == PROBLEM


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (ONE, {}, 202),
        (ONE, {"content_type": "application/json"}, 202),
        (ONE, {"content_type": "Application/JSON; charset=UTF-8"}, 202),
        (ONE, {"content_type": 'application/json;charset="utf-8"'}, 202),
        (ONE, {"content_encoding": "identity"}, 202),
        (ONE, {"content_type": "application/x-www-form-urlencoded"}, 415),
        (ONE, {"content_type": "application/x-ndjson"}, 415),
        (ONE, {"content_type": "application/json; charset=latin-1"}, 415),
        (ONE, {"content_encoding": "gzip"}, 415),
        (MANY, {}, 202),
        (MANY, {"content_type": "application/x-ndjson"}, 202),
        (MANY, {"content_type": "application/jsonl; charset=utf-8"}, 202),
        (MANY, {"content_type": "application/json"}, 415),
        (MANY, {"content_type": "text/csv"}, 415),
    ],
)
def test_a_body_of_another_kind_is_refused(
    desk: Desk, north: Connection, path: str, headers: dict[str, str], status: int
) -> None:
    reply = desk.post(GOOD, path, **headers)
    assert reply.status == status
    if status == 415:
        assert reply.type == PROBLEM
        assert not Message.objects.exists()


@pytest.mark.parametrize("path", [ONE, MANY])
@pytest.mark.parametrize("length", ["+1", "9" * 30, "9" * 5_000])
def test_a_body_said_to_be_too_long_is_refused_before_it_is_read(
    desk: Desk, north: Connection, path: str, length: str
) -> None:
    said = str(MOST_OCTETS[path] + 1) if length == "+1" else length
    reply = desk.run(desk.parts([], path, content_length=said))
    assert (reply.status, reply.type) == (413, PROBLEM)


def test_a_body_that_turns_out_too_long_is_refused_while_it_is_read(desk: Desk, north: Connection) -> None:
    whole = desk.run(desk.parts([{"body": b" " * (MOST_OCTETS[ONE] + 1)}]))
    endless = desk.run(desk.parts([{"body": b" " * 8192, "more_body": True}] * 9))
    lying = desk.run(desk.parts([{"body": b" " * 8192, "more_body": True}] * 9, content_length="5"))
    assert [reply.status for reply in (whole, endless, lying)] == [413, 413, 413]


def test_a_body_in_parts_is_one_body(desk: Desk, north: Connection) -> None:
    body = json.dumps(GOOD).encode()
    parts = [{"body": body[:9]}, {"body": b""}, {"body": body[9:]}, {}]
    assert desk.run(desk.parts(parts)).status == 202
    assert Message.objects.count() == 1


def test_a_body_that_is_broken_off_does_not_pass_for_a_shorter_one(desk: Desk, north: Connection) -> None:
    body = lined([GOOD] * 3)
    whole_lines = body[: len(body) // 3 * 2]
    gone = {"type": "http.disconnect"}
    for parts in ([{"body": whole_lines, "more_body": True}, gone], [gone]):
        assert desk.run(desk.parts(parts, MANY)).status == 0
    assert not Message.objects.exists()
    assert desk.intake.room.held == 0


def test_a_body_that_stops_coming_is_not_waited_for_for_ever(desk: Desk, north: Connection) -> None:
    reply = desk.run(desk.parts([{"body": b"{", "more_body": True}]))
    assert (reply.status, reply.type, reply.headers["connection"]) == (408, PROBLEM, "close")
    assert desk.intake.room.held == 0


def test_a_body_that_trickles_in_is_not_waited_for_for_ever() -> None:
    async def an_octet() -> dict[str, object]:
        await asyncio.sleep(0.05)  # what a slow caller does
        return {"type": "http.request", "body": b" ", "more_body": True}

    with pytest.raises(BadRequest, match="too slowly") as caught:
        asyncio.run(read_body(an_octet, 10_000, 0.1))
    assert caught.value.status == 408


def test_bodies_together_are_bounded(desk: Desk, north: Connection) -> None:
    stuck = [desk.parts([], MANY) for _ in range(MOST_HELD // MOST_OCTETS[MANY] + 1)]
    replies = desk.together(*stuck)
    share = MOST_HELD // MOST_OCTETS[MANY] // 2
    assert sorted(reply.status for reply in replies) == [408] * share + [429] * (len(stuck) - share)
    assert {reply.headers.get("retry-after") for reply in replies if reply.status == 429} == {"1"}
    assert desk.intake.room.held == 0
    assert desk.send().status == 202


# -- poison ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"text": "a\0b"},
        {"client_reference": "\0"},
        {"text": "\ud800"},
        {"client_reference": "\udfff"},
        {"sender": "\0"},
        {"options": {"short_code": "\0"}},
    ],
)
def test_a_text_that_no_database_keeps_harms_nobody_else(
    desk: Desk, north: Connection, change: dict[str, object]
) -> None:
    replies = desk.together(*(desk.ask(GOOD) for _ in range(3)), desk.ask(GOOD | change), desk.ask(GOOD))
    assert [reply.status for reply in replies] in ([202, 202, 202, 422, 202], [202, 202, 202, 400, 202])
    assert Message.objects.count() == 4


def test_every_text_that_is_taken_is_kept_as_it_was(desk: Desk, north: Connection) -> None:
    texts = [
        "\u0001\u001b\u007f",
        "é\u0301\u200b\u202e",
        "😀" * 30,
        "'; DROP TABLE message; --",
        "%s ? {0} {{to}}",
        "\r\n",
    ]
    for text in texts:
        assert desk.send(text=text, client_reference=text).status == 202
    rows = Message.objects.order_by("pk")
    assert [(row.body, row.client_reference) for row in rows] == [(text, text) for text in texts]
