"""A message's life, in words an operator reads at two in the morning."""

import msgspec
import pytest
from tests import row
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import Connection, LinkState
from chappe.features.contacts.models import ContactList
from chappe.features.deliveries.models import Delivery
from chappe.features.messages.models import Message
from chappe.features.messages.timeline import timeline, why_it_waits
from chappe.messaging import Category, DeliveryState, MessageOptions


@pytest.fixture
def connection(organisation: Organisation) -> Connection:
    return row.connection(organisation.pk)


def told(message: Message, now_ms: int = NOW_MS) -> list[tuple[str, str]]:
    return [(entry.kind, entry.text) for entry in timeline(message, now_ms)]


def waits(message: Message) -> list[str]:
    return why_it_waits(message, NOW_MS)


def test_a_delivered_message_tells_its_segments_and_the_providers_word(connection: Connection) -> None:
    message = row.message(
        connection.organisation_id,
        segments=2,
        state=DeliveryState.DELIVERED,
        sent_ms=NOW_MS + 110,
        done_ms=NOW_MS + 900,
    )
    row.segment(
        1,
        0,
        provider_message_id="A%s1",
        status="DELIVRD",
        code="000",
        done_ms=NOW_MS + 900,
        state=DeliveryState.DELIVERED,
    )
    row.segment(1, 1)
    assert told(message) == [
        ("accepted", "Accepted."),
        ("segment_sent", "Segment 1 of 2 was taken by the provider under the id A%s1."),
        ("segment_sent", "Segment 2 of 2 was taken by the provider, which gave it no id."),
        ("receipt", "Segment 1 of 2: the provider reports DELIVRD 000."),
        ("delivered", "Delivered."),
    ]


def test_a_message_tried_again_tells_why_and_which_attempt_succeeded(connection: Connection) -> None:
    message = row.message(
        connection.organisation_id, attempt=1, due_ms=NOW_MS + 60_000, state=DeliveryState.SENT, sent_ms=NOW_MS + 60_100
    )
    row.segment(1, status="UNDELIV", code="011", done_ms=NOW_MS + 150, state=DeliveryState.FAILED)
    row.event(1, "put_off", "to be tried again after UNDELIV 011")
    row.segment(1, attempt=1, sent_ms=NOW_MS + 60_100, provider_message_id="B")
    texts = [text for _kind, text in told(message, NOW_MS + 70_000)]
    assert texts == [
        "Accepted.",
        "Segment 1 of 1 was taken by the provider, which gave it no id.",
        "Segment 1 of 1: the provider reports UNDELIV 011.",
        "to be tried again after UNDELIV 011",
        "Segment 1 of 1 (attempt 2) was taken by the provider under the id B.",
        "Waiting for the provider's receipt.",
    ]


def test_the_end_is_told_once_with_its_reason(connection: Connection) -> None:
    message = row.message(
        connection.organisation_id, state=DeliveryState.EXCLUDED, reason="denylisted", done_ms=NOW_MS + 300
    )
    row.event(1, "excluded", "denylisted")
    assert told(message)[1:] == [("excluded", "Not sent: denylisted.")]


def test_a_message_of_a_delivery_planned_for_later_says_so(connection: Connection) -> None:
    message = row.message(connection.organisation_id, delivery_id=12, due_ms=NOW_MS + 3_600_000)
    assert told(message) == [
        ("accepted", "Prepared by delivery 12."),
        ("planned", "To be sent from 2026-01-01 01:00:00 UTC."),
        ("now", "It is due at 2026-01-01 01:00:00 UTC."),
    ]


def test_a_message_that_was_put_off_was_not_planned_for_later(connection: Connection) -> None:
    message = row.message(connection.organisation_id, due_ms=NOW_MS + 5_000)
    row.event(1, "put_off", "the provider is busy")
    assert "planned" not in [kind for kind, _text in told(message)]


@pytest.mark.parametrize(
    "state",
    [
        DeliveryState.DELIVERED,
        DeliveryState.FAILED,
        DeliveryState.EXPIRED,
        DeliveryState.EXCLUDED,
        DeliveryState.CANCELLED,
    ],
)
def test_a_message_at_its_end_waits_for_nothing(connection: Connection, state: DeliveryState) -> None:
    assert waits(row.message(connection.organisation_id, state=state)) == []


@pytest.mark.parametrize("state", [DeliveryState.WAITING, DeliveryState.UNCONFIRMED, DeliveryState.SENT])
def test_every_message_that_waits_says_why(connection: Connection, state: DeliveryState) -> None:
    row.link(connection.pk, "bound")
    assert waits(row.message(connection.organisation_id, connection_id=connection.pk, state=state)) != []


REPLY = msgspec.json.encode(MessageOptions(wants_receipt=False))


def test_an_automatic_reply_waits_for_no_receipt(connection: Connection) -> None:
    given = {"category": Category.REPLY, "options": REPLY, "state": DeliveryState.SENT}
    (reason,) = waits(row.message(connection.organisation_id, **given))
    assert "No receipt was asked for" in reason
    assert "Waiting" not in reason


def test_other_options_do_not_take_the_receipt_away(connection: Connection) -> None:
    options = msgspec.json.encode(MessageOptions(service_id="4711"))
    message = row.message(connection.organisation_id, options=options, state=DeliveryState.SENT)
    assert waits(message) == ["Waiting for the provider's receipt."]


def test_only_what_a_receipt_can_find_is_said_to_be_settled_by_one(connection: Connection) -> None:
    settles = "a receipt can still settle it"
    nothing = row.message(connection.organisation_id, 1, state=DeliveryState.UNCONFIRMED)
    assert "no receipt can be matched with it" in waits(nothing)[0]
    row.segment(1, index=1, provider_message_id="B")  # which asks for no receipt
    assert settles not in waits(nothing)[0]
    row.segment(1, index=0, provider_message_id="A")
    assert settles in waits(nothing)[0]
    again = row.message(connection.organisation_id, 2, attempt=1, state=DeliveryState.UNCONFIRMED)
    row.segment(2, attempt=0, provider_message_id="A")
    assert settles not in waits(again)[0]
    reply = row.message(connection.organisation_id, 3, options=REPLY, state=DeliveryState.UNCONFIRMED)
    row.segment(3, provider_message_id="A")
    assert "no receipt was asked for" in waits(reply)[0]


def test_the_engines_reason_comes_first_as_a_sentence(connection: Connection) -> None:
    message = row.message(connection.organisation_id, reason="throttled by the provider", due_ms=NOW_MS + 1000)
    assert waits(message) == ["Throttled by the provider.", "It is due at 2026-01-01 00:00:01 UTC."]


def test_a_message_of_a_paused_delivery_says_so(connection: Connection) -> None:
    people = ContactList.objects.create(organisation_id=connection.organisation_id, name="All")
    delivery = Delivery.objects.create(
        organisation_id=connection.organisation_id,
        label="May",
        contact_list=people,
        connection=connection,
        body="x",
        status="paused",
    )
    assert waits(row.message(connection.organisation_id, delivery_id=delivery.pk)) == ["Its delivery is paused."]


def test_a_connection_that_is_not_ready_is_the_reason(connection: Connection) -> None:
    message = row.message(connection.organisation_id, connection_id=connection.pk)
    assert waits(message) == ["No engine serves the connection North."]
    link = row.link(connection.pk, "down", reason="bind refused: invalid password")
    assert waits(message) == [
        "No link of the connection North is logged in.",
        "Link 1 (transceiver): bind refused: invalid password.",
    ]
    row.link(connection.pk, "bound", role="receiver")
    assert waits(message)[0] == "No link of the connection North is logged in."
    link.state = "slowed"
    link.save()
    assert waits(message) == ["The provider asked the connection North to slow down."]
    link.state = "bound"
    link.save()
    assert waits(message) == ["Its turn has not come: other messages of the connection go first."]
    LinkState.objects.update(changed_ms=NOW_MS - 10_000)
    assert waits(message) == ["No engine serves the connection North."]
    Connection.objects.update(is_enabled=False)
    assert waits(message) == ["The connection North is switched off."]
    Connection.objects.all().delete()
    assert waits(message) == ["Its connection does not exist any more."]


def test_a_message_that_was_read_says_so_last(connection: Connection) -> None:
    message = row.message(connection.organisation_id, state=DeliveryState.READ, done_ms=NOW_MS + 900)
    assert told(message)[-1] == ("read", "Read.")
    assert waits(message) == []


@pytest.mark.parametrize("state", list(DeliveryState))
def test_every_state_has_words(connection: Connection, state: DeliveryState) -> None:
    assert told(row.message(connection.organisation_id, state=state, done_ms=NOW_MS + 900))


def test_links_that_were_opened_are_told_once_each_when_they_were_opened_first(connection: Connection) -> None:
    message = row.message(connection.organisation_id, state=DeliveryState.DELIVERED, done_ms=NOW_MS + 900)
    row.click(1, machine_clicks=2)
    row.click(1, 1, 3, url="https://shop.example/news", first_ms=NOW_MS + 7_000)
    row.click(1, 2, 0, 1, url="https://shop.example/terms", first_ms=NOW_MS + 1_000)
    row.click(2)
    assert told(message)[2:] == [
        ("looked_at", "A program looked at https://shop.example/terms; nobody opened it."),
        ("opened", "https://shop.example/sale was opened."),
        (
            "opened",
            "https://shop.example/news was opened 3 times, for the last time at 2026-01-01 00:01:05 UTC.",
        ),
    ]


def test_of_a_text_that_was_erased_it_is_told_that_links_were_opened_and_not_which(connection: Connection) -> None:
    message = row.message(connection.organisation_id, body="", state=DeliveryState.DELIVERED, done_ms=NOW_MS + 900)
    row.click(1, 0, 3, url="")
    row.click(1, 1, 0, 1, url="", first_ms=NOW_MS + 7_000)
    assert told(message)[2:] == [
        ("opened", "A link in its text was opened."),
        ("looked_at", "A program looked at a link in its text; nobody opened it."),
    ]
