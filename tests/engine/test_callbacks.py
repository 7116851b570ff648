"""What the recorder writes for customers' programs, and what a call says, on both databases."""

import json
from typing import Any

import pytest
from tests.engine.stock import NOW_MS, Desk, Stock, theirs

from chappe.engine.store.callback_frame import CallbackCalls, CallbacksDue, CallbackWork
from chappe.engine.store.frame import Collect, LoadConnections, Record
from chappe.engine.store.hook_event import Arrived, keep
from chappe.features.accounts.models import Organisation
from chappe.features.callbacks import services
from chappe.features.callbacks.models import CallbackEndpoint
from chappe.messaging import DeliveryState, OptOut
from chappe.rules.callback import EVENTS

URL = "https://example.org/messages"
Rows = list[tuple[int, str, int]]


@pytest.fixture
def organisation(database: str) -> Organisation:
    """That of the desk's messages."""
    return Organisation.objects.create(pk=1, name="Relais")


def endpoint(organisation: Organisation, *events: str) -> CallbackEndpoint:
    return services.create_endpoint(organisation.pk, URL, NOW_MS, events=events or EVENTS).row


def load(desk: Desk) -> None:
    """What the engine asks for every second."""
    desk.handle(LoadConnections(desk.number()))


def events(stock: Stock) -> list[tuple[str, int]]:
    """Type and message of the calls that are owed."""
    return [(row[0], row[1]) for row in stock.query("SELECT type, subject_id FROM callback_event ORDER BY id")]


def calls(desk: Desk, row: CallbackEndpoint) -> dict[str, dict[str, Any]]:
    """What the endpoint is told, by type; leased as an engine does."""
    answers = desk.handle(CallbackWork(desk.number(), wants=[(row.pk, 100)]))
    ((_, found, is_full),) = next(answer.calls for answer in answers if isinstance(answer, CallbackCalls))
    assert not is_full
    contents = [json.loads(call.body) for call in found]
    return {content["type"]: content for content in contents}


# -- what is written -----------------------------------------------------------------------------------------------------


def test_nothing_is_written_where_nobody_wants_to_be_told(stock: Stock, desk: Desk) -> None:
    load(desk)
    (message,) = stock.enqueue(1)
    desk.send([message])
    desk.receipt(theirs(message))
    desk.text("STOP")
    assert events(stock) == []


def test_sent_and_delivered_are_told_in_the_transaction_that_says_so(
    organisation: Organisation, stock: Stock, desk: Desk
) -> None:
    endpoint(organisation)
    load(desk)
    ids = stock.enqueue(3)
    answers = desk.record(**desk.accepted(ids[0]))
    assert [answer for answer in answers if isinstance(answer, CallbacksDue)] != []
    assert events(stock) == [("message.sent", ids[0])]
    desk.send(ids[1:])
    desk.record(receipts=[desk.received(theirs(message)) for message in ids])
    assert events(stock)[3:] == [("message.delivered", message) for message in ids]


def test_a_message_that_is_taken_and_delivered_at_once_is_told_twice(
    organisation: Organisation, stock: Stock, desk: Desk
) -> None:
    endpoint(organisation)
    load(desk)
    (message,) = stock.enqueue(1)
    desk.record(**desk.accepted(message), receipts=[desk.received(theirs(message))])
    assert events(stock) == [("message.sent", message), ("message.delivered", message)]


def test_a_message_of_which_only_the_record_was_missing_is_told_as_sent(
    organisation: Organisation, stock: Stock, desk: Desk
) -> None:
    endpoint(organisation)
    load(desk)
    (message,) = stock.enqueue(1, segments=2)
    parts = desk.accepted(message, segments=2)
    desk.record(segments=parts["segments"])
    desk.record(sent=parts["sent"])
    assert events(stock) == [("message.sent", message)]


def test_each_endpoint_is_told_what_it_asked_for(organisation: Organisation, stock: Stock, desk: Desk) -> None:
    first = endpoint(organisation, "message.delivered", "message.failed")
    second = endpoint(organisation, "message.sent", "message.delivered")
    off = endpoint(organisation)
    services.change_endpoint(organisation.pk, off.pk, services.Change(is_enabled=False), NOW_MS)
    load(desk)
    (message,) = stock.enqueue(1)
    desk.send([message])
    desk.receipt(theirs(message))
    owed = stock.query("SELECT endpoint_id, type FROM callback_event ORDER BY endpoint_id, id")
    assert owed == [
        (first.pk, "message.delivered"),
        (second.pk, "message.sent"),
        (second.pk, "message.delivered"),
    ]


def test_another_organisation_is_told_nothing(organisation: Organisation, stock: Stock, desk: Desk) -> None:
    endpoint(Organisation.objects.create(pk=2, name="Another"))
    load(desk)
    (message,) = stock.enqueue(1)
    desk.send([message])
    desk.settle(*stock.enqueue(1), DeliveryState.FAILED)
    desk.receipt(theirs(message))
    desk.text("STOP")
    assert events(stock) == []


@pytest.mark.parametrize(
    "state", [state for state in DeliveryState if state not in (10, 30, 40, 45)], ids=lambda state: state.name
)
def test_every_other_end_is_told_with_its_reason(
    organisation: Organisation, stock: Stock, desk: Desk, state: DeliveryState
) -> None:
    row = endpoint(organisation)
    load(desk)
    (message,) = stock.enqueue(1, client_reference="order 7")
    desk.settle(message, state, "for a reason of ours")
    name = f"message.{state.name.lower()}"
    assert events(stock) == [(name, message)]
    data = calls(desk, row)[name]["data"]
    assert (data["id"], data["state"], data["reason"]) == (message, state.name.lower(), "for a reason of ours")
    assert (data["client_reference"], data["sent_at"]) == ("order 7", None)


def test_what_is_read_was_delivered(organisation: Organisation, stock: Stock, desk: Desk) -> None:
    endpoint(organisation)
    load(desk)
    (message,) = stock.enqueue(1)
    desk.send([message])
    desk.record(receipts=[desk.received(theirs(message), "read", "READ")])
    assert events(stock) == [(f"message.{state}", message) for state in ("sent", "delivered", "read")]
    desk.record(receipts=[desk.received(theirs(message), "read", "READ")])
    assert len(events(stock)) == 3  # said again, it is told once


def test_an_error_that_is_tried_again_is_no_end(organisation: Organisation, stock: Stock, desk: Desk) -> None:
    row = endpoint(organisation)
    load(desk)
    (message,) = stock.enqueue(1)
    desk.send([message])
    desk.receipt(theirs(message), "error")
    assert stock.state(message) == DeliveryState.WAITING
    assert events(stock) == [("message.sent", message)]
    desk.send([message], attempt=1)
    desk.receipt(theirs(message, 1), "success")
    assert [name for name, _ in events(stock)] == ["message.sent", "message.sent", "message.delivered"]
    assert calls(desk, row)["message.delivered"]["data"]["status"] == "DELIVRD"


def test_a_page_that_fails_leaves_nothing_to_be_told(organisation: Organisation, stock: Stock, desk: Desk) -> None:
    endpoint(organisation)
    load(desk)
    (message,) = stock.enqueue(1)
    bad = ("not a number", 1, "x", NOW_MS, 0)
    page = desk.accepted(message)
    with pytest.raises(Exception):  # noqa: B017 - each database refuses it in its own way
        desk.handle(Record(desk.number(), sent=page["sent"], segments=[*page["segments"], bad]))  # type: ignore[list-item]
    assert events(stock) == []
    desk.record(**page)
    assert events(stock) == [("message.sent", message)]


def test_a_recorder_that_was_told_of_no_endpoint_yet_looks_for_them_itself(
    organisation: Organisation, stock: Stock, desk: Desk
) -> None:
    endpoint(organisation)
    (message,) = stock.enqueue(1)
    desk.send([message])
    assert events(stock) == [("message.sent", message)]


# -- what is said --------------------------------------------------------------------------------------------------------


def test_a_call_says_what_the_message_is_and_what_became_of_it(
    organisation: Organisation, stock: Stock, desk: Desk
) -> None:
    row = endpoint(organisation)
    load(desk)
    (message,) = stock.enqueue(1, client_reference="order 7", sender="36180", category=1)
    desk.send([message])
    desk.now_ms += 2500
    desk.receipt(theirs(message))
    told = calls(desk, row)
    assert told["message.delivered"] == {
        "type": "message.delivered",
        "timestamp": "2026-01-01T00:00:02.500Z",
        "data": {
            "id": message,
            "state": "delivered",
            "reason": "",
            "recipient": f"+336{message:08d}",
            "sender": "36180",
            "channel": "sms",
            "category": "transactional",
            "connection_id": 1,
            "delivery_id": None,
            "client_reference": "order 7",
            "segments": 1,
            "is_possible_duplicate": False,
            "status": "DELIVRD",
            "code": "000",
            "created_at": "2026-01-01T00:00:00.000Z",
            "sent_at": "2026-01-01T00:00:00.000Z",
            "done_at": "2026-01-01T00:00:02.500Z",
        },
    }
    # That of before says what was so then.
    sent = told["message.sent"]["data"]
    assert (sent["state"], sent["done_at"], sent["status"]) == ("sent", None, "")
    assert told["message.sent"]["timestamp"] == "2026-01-01T00:00:00.000Z"


def test_no_call_of_a_message_holds_its_text(organisation: Organisation, stock: Stock, desk: Desk) -> None:
    row = endpoint(organisation)
    load(desk)
    (message,) = stock.enqueue(1, body="The code is 4711")
    desk.send([message])
    assert "4711" not in json.dumps(calls(desk, row))


def test_a_text_from_a_phone_is_told_with_its_words(organisation: Organisation, stock: Stock, desk: Desk) -> None:
    row = endpoint(organisation)
    load(desk)
    desk.text("Où est mon colis ?", sender="33612345678")
    (told,) = calls(desk, row).values()
    assert (told["type"], told["timestamp"]) == ("inbound.received", "2026-01-01T00:00:00.000Z")
    ((inbound_id,),) = stock.query("SELECT id FROM inbound")
    data = told["data"]
    assert (data["id"], data["body"], data["recipient"]) == (inbound_id, "Où est mon colis ?", "36180")
    assert data["sender"].endswith("33612345678")
    assert (data["is_complete"], data["reply_message_id"]) == (True, None)
    assert data["received_at"] == told["timestamp"]


def test_what_a_person_says_of_being_written_to_is_told(organisation: Organisation, stock: Stock, desk: Desk) -> None:
    row = endpoint(organisation, "consent.changed")
    load(desk)
    with stock.store.transaction():
        keep(stock.store, [Arrived(1, 1, OptOut("+33612345678", "STOP"), NOW_MS)])
    desk.handle(Collect(desk.number()))
    (told,) = calls(desk, row).values()
    assert told["type"] == "consent.changed"
    data = told["data"]
    assert (data["address"], data["is_given"], data["source"]) == ("+33612345678", False, "provider")


def test_a_message_that_is_no_more_is_told_by_its_number(organisation: Organisation, stock: Stock, desk: Desk) -> None:
    row = endpoint(organisation)
    load(desk)
    (message,) = stock.enqueue(1)
    desk.send([message])
    stock.query("DELETE FROM message")
    assert calls(desk, row)["message.sent"]["data"] == {"id": message, "state": "sent", "reason": ""}
