"""/v1/messages and /v1/inbound: what became of messages, and what phones wrote."""

import pytest
from django.db import connection as database_connection
from django.test.utils import CaptureQueriesContext
from tests import row
from tests.row import NOW_MS
from tests.web.caller import Caller

from chappe.features.accounts.models import Organisation
from chappe.messaging import Category, DeliveryState


def numbers(caller: Caller, path: str, **query: str | int) -> list[int]:
    answer = caller.get(path, **query)
    assert answer.status == 200, answer.text
    return [item["id"] for item in answer.json["items"]]


def plan_of(sql: str) -> list[str]:
    with database_connection.cursor() as cursor:
        if database_connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            return [step for *_, step in cursor.fetchall()]
        # An empty table is always read whole; what counts is that a full one would not have to be.
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN {sql}")
        return [step.strip(" ->") for (step,) in cursor.fetchall()]


def test_a_message_shows_its_state_segments_and_times(caller: Caller, organisation: Organisation) -> None:
    row.message(
        organisation.pk,
        7,
        state=DeliveryState.DELIVERED,
        category=Category.TRANSACTIONAL,
        client_reference="order-9",
        sent_ms=NOW_MS + 100,
        done_ms=NOW_MS + 900,
    )
    row.segment(7, provider_message_id="A1", status="DELIVRD", code="000", state=DeliveryState.DELIVERED)
    shown = caller.get("/v1/messages/7").json
    assert (shown["state"], shown["category"], shown["client_reference"]) == ("delivered", "transactional", "order-9")
    assert (shown["created_at"], shown["done_at"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.900Z")
    assert (shown["expires_at"], shown["delivery_id"], shown["waits_for"]) == (None, None, [])
    (segment,) = shown["provider_segments"]
    assert (segment["index"], segment["attempt"], segment["provider_message_id"]) == (1, 1, "A1")
    assert (segment["state"], segment["status"], segment["code"]) == ("delivered", "DELIVRD", "000")


def test_the_text_of_a_message_is_given_only_to_those_who_ask(caller: Caller, organisation: Organisation) -> None:
    row.message(organisation.pk, 7)
    assert "parcel" not in caller.get("/v1/messages/7").text
    assert "parcel" not in caller.get("/v1/messages", recipient="+33612345678").text
    assert "parcel" not in caller.get("/v1/messages/7/timeline").text
    assert caller.get("/v1/messages/7", body="true").json["body"] == "Your parcel is here"


def test_a_message_that_waits_says_why(caller: Caller, organisation: Organisation) -> None:
    connection = row.connection(organisation.pk, is_enabled=False)
    row.message(organisation.pk, 7, connection_id=connection.pk)
    assert caller.get("/v1/messages/7").json["waits_for"] == ["The connection North is switched off."]


def test_the_timeline_tells_a_messages_life_in_order(caller: Caller, organisation: Organisation) -> None:
    row.message(organisation.pk, 7, state=DeliveryState.FAILED, reason="UNDELIV 011", done_ms=NOW_MS + 900)
    row.segment(7, provider_message_id="A1")
    row.event(7, "error", "UNDELIV 011 (hard: invalid number)")
    shown = caller.get("/v1/messages/7/timeline").json
    assert (shown["id"], shown["state"]) == (7, "failed")
    assert [entry["kind"] for entry in shown["entries"]] == ["accepted", "segment_sent", "error", "failed"]
    assert shown["entries"][0] == {"at": "2026-01-01T00:00:00Z", "kind": "accepted", "text": "Accepted."}


def test_a_message_shows_which_of_its_links_were_opened(caller: Caller, organisation: Organisation) -> None:
    row.message(organisation.pk, 7, state=DeliveryState.DELIVERED, done_ms=NOW_MS + 900)
    assert caller.get("/v1/messages/7").json["clicks"] == []
    row.click(7, 0, 2, 1)
    row.click(7, 3, 0, 1, url="https://shop.example/news", last_ms=NOW_MS + 5_000)
    at, last = "2026-01-01T00:00:05Z", "2026-01-01T00:01:05Z"
    sale, news = "https://shop.example/sale", "https://shop.example/news"
    assert caller.get("/v1/messages/7").json["clicks"] == [
        {"url": sale, "clicks": 2, "machine_clicks": 1, "first_at": at, "last_at": last},
        {"url": news, "clicks": 0, "machine_clicks": 1, "first_at": at, "last_at": at},
    ]
    shown = caller.get("/v1/messages/7/timeline").json["entries"]
    assert [entry["kind"] for entry in shown] == ["accepted", "delivered", "opened", "looked_at"]


@pytest.mark.parametrize("spelling", ["+33612345678", "33612345678", " 33612345678"])
def test_messages_are_found_by_recipient_newest_first(
    caller: Caller, organisation: Organisation, spelling: str
) -> None:
    row.message(organisation.pk, 7)
    row.message(organisation.pk, 8, recipient="+33700000000")
    row.message(organisation.pk, 9)
    assert numbers(caller, "/v1/messages", recipient=spelling) == [9, 7]


def test_messages_are_found_by_the_providers_id(caller: Caller, organisation: Organisation) -> None:
    connection = row.connection(organisation.pk)
    row.message(organisation.pk, 7)
    row.segment(7, 1, connection_id=connection.pk, provider_message_id="A1")
    row.segment(7, 2, connection_id=connection.pk, provider_message_id="A1")
    assert numbers(caller, "/v1/messages", provider_message_id="A1") == [7]
    assert numbers(caller, "/v1/messages", provider_message_id="A2") == []


def test_the_pages_of_a_search_follow_each_other(caller: Caller, organisation: Organisation) -> None:
    for number in range(1, 6):
        row.message(organisation.pk, number)
    first = caller.get("/v1/messages", recipient="+33612345678", limit=2).json
    row.message(organisation.pk, 6)
    second = caller.get("/v1/messages", recipient="+33612345678", limit=2, cursor=first["next"]).json
    third = caller.get("/v1/messages", recipient="+33612345678", limit=2, cursor=second["next"]).json
    assert [[item["id"] for item in page["items"]] for page in (first, second, third)] == [[5, 4], [3, 2], [1]]
    assert third["next"] is None


@pytest.mark.parametrize("query", [{}, {"recipient": "+336", "provider_message_id": "A1"}])
def test_a_search_needs_exactly_one_thing_to_search_for(caller: Caller, query: dict[str, str]) -> None:
    answer = caller.get("/v1/messages", **query)
    assert (answer.status, list(answer.fields)) == (422, ["recipient"])


def test_a_search_walks_an_index_and_never_the_table(caller: Caller, organisation: Organisation) -> None:
    row.connection(organisation.pk)
    with CaptureQueriesContext(database_connection) as captured:
        caller.get("/v1/messages", recipient="+33612345678")
        caller.get("/v1/messages", provider_message_id="A1")
        caller.get("/v1/inbound", sender="+33612345678")
        caller.get("/v1/quarantine")
        caller.get("/metrics")
    large = ('"message_now"', '"segment"', '"inbound"', '"quarantine"')
    reads = [query["sql"] for query in captured if query["sql"].startswith("SELECT")]
    plans = {sql: plan_of(sql) for sql in reads if any(f"FROM {table}" in sql for table in large)}
    assert len(plans) >= 6
    for sql, plan in plans.items():
        assert not [step for step in plan if step.startswith(("SCAN", "Seq Scan", "USE TEMP B-TREE"))], (sql, plan)


def test_a_stranger_finds_nothing_of_ours(caller: Caller, stranger: Caller, organisation: Organisation) -> None:
    connection = row.connection(organisation.pk)
    row.message(organisation.pk, 7)
    row.segment(7, connection_id=connection.pk, provider_message_id="A1")
    row.inbound(organisation.pk, 7)
    paths = ["/v1/messages/7", "/v1/messages/7/timeline", "/v1/inbound/7"]
    assert [stranger.get(path).status for path in paths] == [404, 404, 404]
    assert numbers(stranger, "/v1/messages", recipient="+33612345678") == []
    assert numbers(stranger, "/v1/messages", provider_message_id="A1") == []
    assert numbers(stranger, "/v1/inbound") == []


def test_texts_from_phones_are_listed_newest_first_and_by_phone(caller: Caller, organisation: Organisation) -> None:
    row.inbound(organisation.pk, 1)
    row.inbound(organisation.pk, 2, sender="33700000000", body="Hello", keyword="HELLO", reply_message_id=9)
    assert numbers(caller, "/v1/inbound") == [2, 1]
    assert numbers(caller, "/v1/inbound", sender="+33700000000") == [2]
    shown = caller.get("/v1/inbound/2").json
    assert (shown["body"], shown["keyword"], shown["reply_message_id"]) == ("Hello", "HELLO", 9)
    assert caller.get("/v1/inbound/1").json["reply_message_id"] is None
    first = caller.get("/v1/inbound", limit=1).json
    assert numbers(caller, "/v1/inbound", limit=1, cursor=first["next"]) == [1]
