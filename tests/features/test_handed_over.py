"""Messages that another Chappe has taken over: they wait there, and say so wherever they are shown."""

from typing import Any

import pytest
from tests import row
from tests.features.stage import Stage
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection
from chappe.features.deliveries import services as deliveries
from chappe.features.messages import services
from chappe.features.messages.models import Segment
from chappe.features.messages.timeline import timeline, why_it_waits
from chappe.features.refusal import Conflict
from chappe.messaging import DeliveryState

WAITS = "Handed over to mid at 2026-01-01 00:00:00 UTC, and waits there under the number 815."
REASON = "handed over to mid at 2026-01-01 00:00:00 UTC, and waits there"


@pytest.fixture
def mid(organisation: Organisation) -> Connection:
    return relay(organisation.pk)


def relay(organisation_id: int, name: str = "Mid") -> Connection:
    made = row.connection(organisation_id, name)
    Connection.objects.filter(pk=made.pk).update(provider="relay")
    return made


def handed(mid: Connection, number: int = 1, **values: Any) -> None:
    row.message(mid.organisation_id, number, connection_id=mid.pk, **values)
    at = {"connection_id": mid.pk, "provider_message_id": "815", "state": DeliveryState.WAITING, "sent_ms": NOW_MS}
    row.segment(number, **at)


def test_a_message_that_was_handed_over_waits_on_mid(mid: Connection) -> None:
    handed(mid, reason="to be tried again after 503")
    found = services.find_message(mid.organisation_id, 1)
    assert found.reason == REASON
    assert why_it_waits(found, NOW_MS) == [WAITS]
    assert [(one.kind, one.text) for one in timeline(found, NOW_MS)] == [
        ("accepted", "Accepted."),
        ("handed_over", "Handed over to mid, which has it as number 815."),
        ("now", WAITS),
    ]


def test_what_is_found_says_that_it_waits_on_mid_in_any_list(mid: Connection) -> None:
    handed(mid)
    row.message(mid.organisation_id, 2, connection_id=mid.pk, recipient="+33612345678")
    page = services.search_messages(mid.organisation_id, "+33612345678", "", "", 50)
    assert [(one.pk, one.reason) for one in page.items] == [(2, ""), (1, REASON)]


def test_the_messages_of_a_delivery_say_that_they_wait_on_mid(database: str) -> None:
    stage = Stage()
    mid = relay(stage.organisation)
    delivery = stage.draft()
    handed(mid, delivery_id=delivery.pk)
    stage.reset(delivery, status="paused", first_message_id=1, last_message_id=1)
    delivery.refresh_from_db()
    for state in (None, DeliveryState.WAITING):
        assert [one.reason for one in deliveries.messages_page(delivery, "", 50, state).items] == [REASON]
    assert why_it_waits(services.find_message(stage.organisation, 1), NOW_MS) == [WAITS, "Its delivery is paused."]


def test_what_mids_provider_said_is_told_as_mids_word(mid: Connection) -> None:
    row.message(mid.organisation_id, 1, connection_id=mid.pk, state=DeliveryState.WAITING)
    row.segment(
        1,
        connection_id=mid.pk,
        provider_message_id="815",
        state=DeliveryState.DELIVERED,
        status="DELIVRD",
        code="000",
        done_ms=NOW_MS + 900,
    )
    found = services.find_message(mid.organisation_id, 1)
    assert [(one.kind, one.text) for one in timeline(found, NOW_MS)] == [
        ("accepted", "Accepted."),
        ("segment_sent", "Sent by mid, which has it as number 815."),
        ("receipt", "Mid tells that its provider reports DELIVRD 000."),
        ("delivered", "Delivered."),
    ]


def test_a_message_of_several_parts_of_which_a_provider_took_one_is_not_with_mid(organisation: Organisation) -> None:
    north = row.connection(organisation.pk)
    handed(north, segments=2)
    assert services.find_message(organisation.pk, 1).reason == ""


def test_a_connection_is_kept_as_long_as_messages_wait_on_mid(mid: Connection) -> None:
    handed(mid)
    with pytest.raises(Conflict, match="wait on mid"):
        connections.delete_connection(mid.organisation_id, mid.pk)
    assert Connection.objects.get() == mid
    Segment.objects.update(state=DeliveryState.SENT)
    connections.delete_connection(mid.organisation_id, mid.pk)
    assert not Connection.objects.exists()
