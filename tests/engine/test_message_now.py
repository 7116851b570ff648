"""Where a message is, told by its first segment alone: long messages, late words, rows of before, ways in for readers."""

import json
import re
from collections.abc import Sequence
from contextlib import closing
from itertools import permutations
from threading import Barrier, Thread
from typing import Any
from unittest.mock import Mock

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.engine.stock import NOW_MS, Desk, Stock, theirs

from chappe.cli import status
from chappe.engine.store import catalogue
from chappe.engine.store.frame import Settled
from chappe.engine.store.statement import Query, Row
from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import Connection
from chappe.features.contacts import services as contacts
from chappe.features.deliveries import services as deliveries
from chappe.features.deliveries.models import Delivery
from chappe.features.jobs.models import Job
from chappe.features.messages import count, timeline
from chappe.features.messages import services as messages
from chappe.features.messages.models import Outbox
from chappe.messaging import DeliveryState, StoreBusy

WAITING, UNCONFIRMED, SENT = DeliveryState.WAITING, DeliveryState.UNCONFIRMED, DeliveryState.SENT
DELIVERED, FAILED, EXPIRED = DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.EXPIRED
CANCELLED = DeliveryState.CANCELLED
DELIVERY = 4
LONGEST_S = 60.0


def assert_counted(stock: Stock, delivery: int = DELIVERY) -> None:
    assert stock.counts(delivery) == stock.counted(delivery)


# -- long messages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_long_message_is_sent_with_its_last_segment_whichever_that_is(
    stock: Stock, order: tuple[int, ...], is_restarted: bool
) -> None:
    desk = Desk(stock)
    (message_id,) = stock.enqueue(1, delivery=DELIVERY, segments=3)
    parts = desk.accepted(message_id, segments=3, delivery=DELIVERY)
    for index in order:
        assert stock.state(message_id) == WAITING
        is_last = index == order[-1]
        desk.now_ms += 10
        desk.record(segments=[parts["segments"][index]], sent=parts["sent"] if is_last else [])
        desk = Desk(stock, "engine-2") if is_restarted else desk
        assert_counted(stock)
    assert stock.state(message_id) == SENT
    desk.receipt(theirs(message_id))
    assert stock.state(message_id) == DELIVERED
    assert_counted(stock)


@pytest.mark.parametrize("kind", ["success", "error", "intermediate"])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("is_together", [False, True])
def test_a_receipt_may_come_before_a_long_message_is_complete(
    stock: Stock, desk: Desk, kind: str, first: int, is_together: bool
) -> None:
    """The engine's ids, the provider's word, and the rest of the segments, in one transaction or in three."""
    (message_id,) = stock.enqueue(1, delivery=DELIVERY, segments=2)
    parts = desk.accepted(message_id, segments=2, delivery=DELIVERY)
    early, late = parts["segments"][first], parts["segments"][1 - first]
    desk.record(segments=[early])
    said = desk.received(theirs(message_id), kind)
    if is_together:
        desk.record(segments=[late], sent=parts["sent"], receipts=[said])
    else:
        desk.record(receipts=[said])
        assert_counted(stock)
        if first == 0 and kind == "error":
            return  # another attempt has begun, and what is left of this one comes late
        desk.record(segments=[late], sent=parts["sent"])
    assert_counted(stock)
    assert stock.state(message_id) == {"success": DELIVERED, "error": WAITING, "intermediate": SENT}[kind]


# -- late words ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [EXPIRED, CANCELLED, UNCONFIRMED])
@pytest.mark.parametrize("kind", ["success", "error"])
@pytest.mark.parametrize("is_known", [False, True])
def test_an_answer_and_a_receipt_after_an_end(
    stock: Stock, desk: Desk, end: DeliveryState, kind: str, is_known: bool
) -> None:
    (message_id,) = stock.enqueue(1, delivery=DELIVERY)
    desk.settle(message_id, end)
    desk.send([message_id], delivery=DELIVERY)
    assert stock.state(message_id) == (SENT if end == UNCONFIRMED else end)
    assert_counted(stock)
    desk = desk if is_known else Desk(stock, "engine-2")
    token = desk.receipt(theirs(message_id), kind)
    assert desk.taken == [token]
    after = {"success": DELIVERED, "error": WAITING}[kind]
    assert stock.state(message_id) == (after if end == UNCONFIRMED else end)
    assert_counted(stock)


@pytest.mark.parametrize("is_known", [False, True])
@pytest.mark.parametrize("new", ["nothing", "sent", "delivered"])
def test_a_late_success_of_an_attempt_given_up_counts_once(stock: Stock, desk: Desk, is_known: bool, new: str) -> None:
    (message_id,) = stock.enqueue(1, delivery=DELIVERY)
    desk.send([message_id], delivery=DELIVERY)
    desk.receipt(theirs(message_id), "error")
    assert stock.segment(message_id)[0] == FAILED
    if new != "nothing":
        desk.send([message_id], attempt=1, delivery=DELIVERY)
        assert stock.state(message_id) == SENT
    if new == "delivered":
        desk.receipt(theirs(message_id, 1))
    desk = desk if is_known else Desk(stock, "engine-2")
    desk.receipt(theirs(message_id))
    assert stock.state(message_id) == DELIVERED
    assert_counted(stock)
    desk.receipt(theirs(message_id, 1))
    desk.receipt(theirs(message_id, 1), "error")
    assert stock.state(message_id) == DELIVERED
    assert_counted(stock)


def test_a_receipt_of_the_first_attempt_does_not_speak_of_the_second(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, delivery=DELIVERY)
    desk.send([message_id], delivery=DELIVERY)
    desk.receipt(theirs(message_id), "error")
    desk.send([message_id], attempt=1, delivery=DELIVERY)
    desk.receipt(theirs(message_id), "error")
    assert (stock.state(message_id), stock.message(message_id)["attempt"]) == (SENT, 1)
    assert_counted(stock)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_an_id_that_comes_again_means_the_latest_message(stock: Stock, desk: Desk, is_restarted: bool) -> None:
    old, new = stock.enqueue(2, delivery=DELIVERY)
    for message_id in (old, new):
        parts = desk.accepted(message_id, delivery=DELIVERY)
        (one, there, _, *rest) = parts["segments"][0]
        desk.record(segments=[(one, there, "again", *rest)], sent=parts["sent"])
    desk = Desk(stock, "engine-2") if is_restarted else desk
    for _ in range(2):
        desk.receipt("again")
        assert stock.states([old, new]) == [SENT, DELIVERED]
        assert_counted(stock)


# -- both ways in one transaction ------------------------------------------------------------------------------------


def test_one_message_that_is_not_where_it_was_believed_leaves_the_others_as_they_would_be(
    stock: Stock, desk: Desk
) -> None:
    """The bulk updates are undone, and each message is looked at."""
    ids = stock.enqueue(6, delivery=DELIVERY)
    desk.send(ids[:3], delivery=DELIVERY)
    Desk(stock, "engine-2").receipt(theirs(ids[0]), "error")
    desk.settle(ids[3], EXPIRED)
    parts = [desk.accepted(message_id, delivery=DELIVERY) for message_id in ids[3:]]
    lists = {name: [row for part in parts for row in part[name]] for name in ("segments", "sent")}
    receipts = [desk.received(theirs(message_id)) for message_id in (*ids[:2], ids[4])]
    desk.record(**lists, receipts=receipts)
    assert stock.states(ids) == [DELIVERED, DELIVERED, SENT, EXPIRED, DELIVERED, SENT]
    assert sorted(desk.taken) == sorted(receipt.token for receipt in receipts)
    assert_counted(stock)
    desk.record(receipts=[desk.received(theirs(message_id)) for message_id in ids])
    assert stock.states(ids) == [DELIVERED, DELIVERED, DELIVERED, EXPIRED, DELIVERED, DELIVERED]
    assert_counted(stock)


def test_why_a_message_waited_is_not_said_of_it_once_it_is_sent(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, delivery=DELIVERY)
    desk.put_off(message_id, NOW_MS + 1000)
    assert stock.message(message_id)["reason"] == "busy"
    desk.send([message_id], delivery=DELIVERY)
    assert (stock.state(message_id), stock.message(message_id)["reason"]) == (SENT, "")
    desk.receipt(theirs(message_id))
    assert (stock.state(message_id), stock.message(message_id)["reason"]) == (DELIVERED, "")


# -- two engines -----------------------------------------------------------------------------------------------------


@pytest.mark.postgresql
def test_of_two_engines_that_wait_for_each_other_both_get_their_way_in_the_end(postgresql_url: str) -> None:
    """Each has sent a message that the other ends: PostgreSQL gives up one of both, whose work is done again."""
    with closing(Stock(postgresql_url)) as mine, closing(Stock(postgresql_url)) as other:
        desks = Desk(mine, "engine-1"), Desk(other, "engine-2")
        ids = mine.enqueue(2, delivery=DELIVERY)
        busy: list[StoreBusy] = []
        both = Barrier(2, timeout=LONGEST_S)

        def work(desk: Desk, sent: int, ended: int) -> None:
            wait_before_locking(desk, both)
            lists = {
                **desk.accepted(sent, delivery=DELIVERY),
                "settled": [Settled(ended, int(EXPIRED), "late", NOW_MS)],
            }
            for _ in range(3):
                try:
                    desk.record(**lists)
                except StoreBusy as error:
                    busy.append(error)
                    continue
                break

        threads = [
            Thread(target=work, args=(desk, *order)) for desk, order in zip(desks, (ids, ids[::-1]), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONGEST_S)
        assert len(busy) == 1
        assert sorted(mine.states(ids)) == [SENT, EXPIRED]
        assert_counted(mine)


def wait_before_locking(desk: Desk, both: Barrier) -> None:
    """The bulk updates are done, and the first message is going to be looked at: wait there for the other engine, once."""
    database = desk.stock.store.database
    query = database.query

    def late(statement: Query, values: Sequence[Any] = ()) -> list[Row]:
        if "FOR UPDATE" in statement.sql and statement is not catalogue.STILL_WAITING:
            database.query = query  # type: ignore[method-assign]
            both.wait()
        return query(statement, values)

    database.query = late  # type: ignore[method-assign]


# -- rows of before ----------------------------------------------------------------------------------------------------


def old_segment(stock: Stock, message_id: int, index: int = 0, state: int = SENT, done_ms: int = 0) -> None:
    stock.query(
        "INSERT INTO segment (id, connection_id, provider_message_id, state, status, code, sent_ms, done_ms) "
        "VALUES (?, 1, ?, ?, '', '', ?, ?)",
        *(message_id << 12 | index, theirs(message_id, 0, index), int(state), NOW_MS, done_ms),
    )


def old_message(stock: Stock, message_id: int, state: DeliveryState, done_ms: int = 0) -> None:
    sql = "UPDATE message SET state = ?, sent_ms = ?, done_ms = ? WHERE id = ?"
    stock.query(sql, int(state), NOW_MS, done_ms, message_id)
    for old, change in ((WAITING, -1), (state, 1)):
        sql = (
            "INSERT INTO delivery_count (delivery_id, state, messages) VALUES (?, ?, ?) ON CONFLICT (delivery_id, state) "
            "DO UPDATE SET messages = delivery_count.messages + excluded.messages"
        )
        stock.query(sql, DELIVERY, int(old), change)


def test_messages_of_before_go_on_where_they_were(database: str) -> None:
    """Sent, delivered, and one whose second segment is still to be answered."""
    with closing(Stock(database)) as stock:
        sent, delivered, begun = ids = stock.enqueue(3, delivery=DELIVERY, segments=2)
        call_command("migrate", "messages_store", "0003", verbosity=0)
        for message_id in ids:
            old_segment(stock, message_id, state=DELIVERED if message_id == delivered else SENT)
        old_message(stock, sent, SENT)
        old_message(stock, delivered, DELIVERED, NOW_MS + 5)
        call_command("migrate", "messages_store", verbosity=0)
        assert stock.states(ids) == [SENT, DELIVERED, WAITING]
        assert stock.message(delivered)["done_ms"] == NOW_MS + 5
        assert_counted(stock)
        desk = Desk(stock)
        parts = desk.accepted(begun, segments=2, delivery=DELIVERY)
        desk.record(segments=parts["segments"][1:], sent=parts["sent"])
        assert_counted(stock)
        for message_id in ids:
            desk.receipt(theirs(message_id))
        assert stock.states(ids) == [DELIVERED] * 3
        assert_counted(stock)


def test_the_way_back_keeps_where_every_message_is(database: str) -> None:
    with closing(Stock(database)) as stock:
        desk = Desk(stock)
        ids = stock.enqueue(5, delivery=DELIVERY)
        desk.put_off(ids[1], NOW_MS)
        desk.settle(ids[2], EXPIRED)
        desk.now_ms += 10
        desk.send(ids[:2], delivery=DELIVERY)
        desk.record(segments=desk.accepted(ids[3], delivery=DELIVERY)["segments"])
        desk.now_ms += 10
        desk.receipt(theirs(ids[0]))
        names = "id, state, reason, sent_ms, done_ms"
        before = stock.query(f"SELECT {names} FROM message_now ORDER BY id")
        call_command("migrate", "messages_store", "0003", verbosity=0)
        assert stock.query(f"SELECT {names} FROM message ORDER BY id") == before
        taken = stock.query("SELECT id >> 12, state FROM segment ORDER BY id")
        assert taken == [(ids[0], DELIVERED), (ids[1], SENT), (ids[3], SENT)]
        call_command("migrate", "messages_store", verbosity=0)
        assert stock.query(f"SELECT {names} FROM message_now ORDER BY id") == before
        assert_counted(stock)


# -- ways in for readers -----------------------------------------------------------------------------------------------

ROWS = 100_000
NUMBERS = {
    "sqlite": f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) SELECT i FROM n) AS n",
    "postgresql": f"generate_series(1::bigint, {ROWS}) AS n(i)",
}


def fill(stock: Stock) -> None:
    """Messages to 20,000 numbers, each with a segment that says delivered."""
    numbers = NUMBERS[stock.store.database.name]
    false = "0" if stock.store.database.name == "sqlite" else "false"
    stock.query(
        "INSERT INTO message (id, organisation_id, connection_id, delivery_id, contact_id, channel, category, recipient, "
        "sender, body, segments, state, reason, attempt, tries, is_possible_duplicate, client_reference, created_ms, "
        "due_ms, expires_ms, sent_ms, done_ms) SELECT i, 1, 1, i % 20, 0, 'sms', 0, '+3361' || (i % 20000), '', 'x', 1, 10, "
        f"'', 0, 0, {false}, '', 1, 1, 0, 0, 0 FROM {numbers}"
    )
    stock.query(
        "INSERT INTO segment (id, connection_id, provider_message_id, delivery_id, state, status, code, sent_ms, done_ms) "
        f"SELECT i << 12, 1, 'p' || i, i % 20, 40, '', '', 2, 3 FROM {numbers}"
    )
    stock.query("ANALYZE message")
    stock.query("ANALYZE segment")


def plan_of(sql: str, values: Sequence[Any] | None = None) -> str:
    how = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        cursor.execute(f"{how} {sql}", values)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def is_whole(plan: str) -> bool:
    """Whether a table of messages or segments is read from end to end. SQLite scans the list that it was given, too."""
    return bool(re.search(r"Seq Scan on (message|segment)|SCAN (m|s|message|segment|message_now)\b", plan))


def test_readers_find_their_way_through_the_view_without_reading_it_whole(database: str) -> None:
    with closing(Stock(database)) as stock:
        fill(stock)
        Connection.objects.create(
            pk=1, organisation=Organisation.objects.create(pk=1, name="Relais"), name="North", provider="smpp"
        )
        Outbox.objects.create(id=1, connection_id=1, first_id=70, last_id=170)
        job = Job(organisation_id=1, subject_id=0, arguments={"phone": "+336177"})
        with CaptureQueriesContext(connection) as seen:
            assert messages.find_message(1, 77).state == DELIVERED
            assert len(messages.search_messages(1, "+336177", "", "", 20).items) == 5
            assert [one.pk for one in messages.search_messages(1, "", "p77", "", 20).items] == [77]
            list(timeline.timeline(messages.find_message(1, 77), NOW_MS))
            status._why(count.outbox_by_connection()[0], NOW_MS)
            deliveries._failure_reasons(Delivery(pk=7))
            contacts._erase_job(job, Mock())
        read = [one["sql"] for one in seen.captured_queries if re.search(r"message|segment", one["sql"])]
        assert len(read) >= 10
        for sql in read:
            assert not is_whole(plan := plan_of(sql)), f"{sql}\n{plan}"
        assert messages.search_messages(1, "+336177", "", "", 20).items == []


ENGINE = [
    ("MESSAGES_IN_RANGE", (70, 170)),
    ("WAITING_IN_RANGE", (70, 170)),
    ("WAITING_AMONG", ([70, 80],)),
    ("SEGMENTS_OF", (70 << 12, 80 << 12)),
    ("STILL_WAITING", ([70, 80],)),
    ("MESSAGES_NOW", ([70, 80],)),
    ("SEGMENTS_BY_PROVIDER_ID", (1, ["p70", "p80"])),
    ("DELIVERED_SINCE", ("+336177", 1, 0)),
]


def test_the_engine_reads_neither_messages_nor_segments_whole(database: str) -> None:
    with closing(Stock(database)) as stock:
        fill(stock)
        for name, given in ENGINE:
            sql, values = getattr(catalogue, name).sql, list(given)
            if connection.vendor == "sqlite":
                sql = sql.replace("IN ??", "IN (SELECT value FROM json_each(?))").replace("FOR UPDATE", "")
                values = [json.dumps(value) if isinstance(value, list) else value for value in values]
            plan = plan_of(sql.replace("IN ??", "= ANY(?)").replace("?", "%s"), values)
            assert not is_whole(plan), f"{name}\n{plan}"
