"""How far mid is in step, and mending, by the API."""

from collections.abc import Callable, Iterator

import pytest
from tests import row
from tests.mid import Mid, figures, in_step, mid, relay
from tests.row import NOW_MS
from tests.web.caller import Caller

from chappe.features.clock import now_ms
from chappe.features.connections.models import Connection
from chappe.features.contacts import services as contacts
from chappe.features.deliveries import services as deliveries
from chappe.features.deliveries.models import Delivery
from chappe.features.jobs.models import Job
from chappe.features.messages.models import DeliveryCount
from chappe.features.relay.models import RelayLink
from chappe.messaging import DeliveryState


@pytest.fixture
def there(database: str) -> Iterator[Mid]:
    with mid() as found:
        found.answers["GET"] = 200, {"account": "sms_crm", "version": "1.0", "now_ms": 1, "last_page": 14}
        yield found


@pytest.fixture
def account(caller: Caller, there: Mid) -> Connection:
    return relay(caller.organisation.pk, there.port)


def test_figures_of_both_sides_are_read(caller: Caller, account: Connection, there: Mid) -> None:
    at = f"/v1/connections/{account.pk}/mid"
    told = caller.get(at).json
    assert (told["state"], told["heard_at"], told["pages_behind"], told["deliveries"]) == ("silent", None, 14, [])
    now = now_ms()
    in_step(account, now, clock_ms=5_000)
    people = contacts.create_list(caller.organisation.pk, "Customers", NOW_MS)
    draft = deliveries.Draft(label="June", list_id=people.pk, connection_id=account.pk, body="Hello")
    delivery = deliveries.create_delivery(caller.organisation.pk, draft, NOW_MS)
    Delivery.objects.filter(pk=delivery.pk).update(status="sending", started_ms=now, changed_ms=now)
    DeliveryCount.objects.create(delivery_id=delivery.pk, state=DeliveryState.SENT, messages=3)
    figures(account, delivery.pk, now - 120_000, {DeliveryState.SENT: 1, DeliveryState.DELIVERED: 2})
    told = caller.get(at).json
    assert (told["state"], told["clock_ms"], told["pages_heeded"], told["pages_behind"]) == ("differs", 5_000, 12, 2)
    (one,) = told["deliveries"]
    assert (one["here"], one["on_mid"]) == ({"sent": 3}, {"sent": 1, "delivered": 2})
    assert (one["delivery_id"], one["unlike"], one["stands"]) == (delivery.pk, 2, True)
    there.answers["GET"] = 503, {"detail": "Busy."}
    told = caller.get(at).json
    assert (told["pages_behind"], told["silence"]) == (None, "mid answered 503: Busy.")


def test_mending_is_asked_for(caller: Caller, account: Connection) -> None:
    at = f"/v1/connections/{account.pk}/mid/mend"
    refused = caller.post(at)
    assert (refused.status, refused.json["detail"]) == (
        409,
        "No engine has spoken with mid for this connection yet.",
    )
    in_step(account, now_ms())
    begun = caller.post(at)
    assert (begun.status, begun.json["mending"]["status"], begun.json["reread_at"]) == (202, "waiting", None)
    assert caller.post(at).status == 409
    assert RelayLink.objects.get().reread_ms == 0
    assert Job.objects.get().subject_id == account.pk


def test_only_who_may_manage_mends_and_only_their_own(
    caller: Caller, stranger: Caller, call_as: Callable[..., Caller], account: Connection
) -> None:
    in_step(account, now_ms())
    at = f"/v1/connections/{account.pk}/mid"
    assert (call_as("read").get(at).status, call_as("read").post(f"{at}/mend").status) == (200, 403)
    assert (call_as("manage").get(at).status, call_as("manage").post(f"{at}/mend").status) == (403, 202)
    assert (stranger.get(at).status, stranger.post(f"{at}/mend").status) == (404, 404)
    other = row.connection(caller.organisation.pk)
    assert caller.get(f"/v1/connections/{other.pk}/mid").status == 404


def test_a_message_says_that_it_waits_on_mid(caller: Caller, account: Connection) -> None:
    row.message(caller.organisation.pk, connection_id=account.pk)
    place = {"connection_id": account.pk, "provider_message_id": "815", "sent_ms": NOW_MS}
    row.segment(1, state=DeliveryState.WAITING, **place)
    told = caller.get("/v1/messages/1").json
    assert told["reason"] == "handed over to mid at 2026-01-01 00:00:00 UTC, and waits there"
    assert told["waits_for"] == ["Handed over to mid at 2026-01-01 00:00:00 UTC, and waits there under the number 815."]
    kinds = [entry["kind"] for entry in caller.get("/v1/messages/1/timeline").json["entries"]]
    assert kinds == ["accepted", "handed_over", "now"]
