"""What needs a person now."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.features.stage import Stage
from tests.row import NOW_MS, connection, link

from chappe.features.accounts.models import Organisation
from chappe.features.accounts.right import ROLES, Right, Role
from chappe.features.attention import DAY_MS, MOST_COUNTED, Concern, Matter, concerns, running
from chappe.features.callbacks.models import CallbackEndpoint, CallbackEvent
from chappe.features.connections.models import ErrorQualification
from chappe.features.connections.performance import lines_of
from chappe.features.messages.models import DeliveryCount, Outbox, Traffic
from chappe.features.messages.traffic import Period, of_organisation, steps_until
from chappe.messaging import DeliveryState, TrafficKind

ALL = frozenset(Right)


def found(organisation_id: int, rights: frozenset[Right] = ALL) -> list[Concern]:
    lately = of_organisation(organisation_id, steps_until(NOW_MS, Period.DAY))
    return concerns(organisation_id, lines_of(organisation_id, NOW_MS), lately, rights, NOW_MS)


def matters(organisation_id: int, rights: frozenset[Right] = ALL) -> list[Matter]:
    return [concern.matter for concern in found(organisation_id, rights)]


def certificate(days: int) -> str:
    """Good for so many days from NOW_MS."""
    now, key = datetime.fromtimestamp(NOW_MS / 1000, UTC), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relais")])
    made = x509.CertificateBuilder(
        name, name, key.public_key(), 1, now - timedelta(days=99), now + timedelta(days=days)
    )
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def endpoint(organisation_id: int, url: str = "https://example.org/hook", **values: Any) -> CallbackEndpoint:
    return CallbackEndpoint.objects.create(organisation_id=organisation_id, url=url, **values)


def test_an_organisation_in_which_all_is_well_needs_nobody(organisation: Organisation) -> None:
    link(connection(organisation.pk).pk, "bound", window=10)
    connection(organisation.pk, "Old", is_enabled=False)
    assert found(organisation.pk) == []


def test_links_that_are_down_and_connections_that_nobody_serves_are_told_apart(organisation: Organisation) -> None:
    north = connection(organisation.pk)
    connection(organisation.pk, "South")
    link(north.pk, "down")
    assert found(organisation.pk) == [
        Concern(Matter.NO_ENGINE, 1, ["South"], north.pk + 1),
        Concern(Matter.LINKS_DOWN, 1, ["North"], north.pk),
    ]


def test_messages_that_have_been_due_for_long_are_told_of_a_link_that_works(organisation: Organisation) -> None:
    north = connection(organisation.pk)
    link(north.pk, "bound", window=10)
    row = {"connection_id": north.pk, "first_id": 1, "last_id": 9}
    Outbox.objects.create(pk=1, due_ms=NOW_MS - 3_600_000, is_held=True, **row)
    assert matters(organisation.pk) == []
    Outbox.objects.create(pk=2, due_ms=NOW_MS - 3_600_000, **row)
    assert found(organisation.pk) == [Concern(Matter.LATE, 1, ["North"], north.pk)]


def test_receipts_that_matched_nothing_are_those_of_the_last_day(organisation: Organisation) -> None:
    north = connection(organisation.pk)
    link(north.pk, "bound", window=10)
    row = {"organisation_id": organisation.pk, "connection_id": north.pk, "width_ms": 300_000}
    Traffic.objects.create(bucket_ms=NOW_MS - 2 * DAY_MS, kind=TrafficKind.UNMATCHED, messages=9, **row)
    Traffic.objects.create(bucket_ms=NOW_MS - 3_600_000, kind=TrafficKind.SENT, messages=9, **row)
    assert matters(organisation.pk) == []
    Traffic.objects.create(bucket_ms=NOW_MS - 3_600_000, kind=TrafficKind.UNMATCHED, messages=4, **row)
    assert found(organisation.pk) == [Concern(Matter.UNMATCHED, 4, ["North"], north.pk)]


def test_errors_to_qualify_are_counted_up_to_a_bound(organisation: Organisation) -> None:
    row = {"organisation_id": organisation.pk, "kind": "soft"}
    ErrorQualification.objects.create(text="known", status="keep", **row)
    rows = [ErrorQualification(text=f"SR {n}", **row) for n in range(MOST_COUNTED + 5)]
    ErrorQualification.objects.bulk_create(rows)
    ErrorQualification.objects.create(text="SR Generic UNDELIV 1|#MESSAGE#", occurrences=9, **row)
    (concern,) = found(organisation.pk)
    assert concern.names[0] == "Generic UNDELIV 1"
    assert (concern.matter, concern.count, concern.is_more) == (Matter.UNKNOWN_ERRORS, MOST_COUNTED, True)


def test_callbacks_that_fail_were_given_up_or_switched_off(organisation: Organisation) -> None:
    off = endpoint(organisation.pk, "https://off.example.org", is_enabled=False, disabled_reason="it answered 410")
    endpoint(organisation.pk, "https://unused.example.org", is_enabled=False)
    failing = endpoint(organisation.pk, "https://failing.example.org")
    CallbackEvent.objects.create(endpoint_id=failing.pk, type="inbound", due_ms=NOW_MS + 60_000, attempts=4)
    lossy = endpoint(organisation.pk, "https://lossy.example.org")
    CallbackEvent.objects.create(endpoint_id=lossy.pk, type="inbound", due_ms=NOW_MS, attempts=1)
    CallbackEvent.objects.create(endpoint_id=lossy.pk, type="inbound", dead_ms=NOW_MS - 1)
    assert found(organisation.pk) == [
        Concern(Matter.CALLBACKS_OFF, 1, [off.url], off.pk),
        Concern(Matter.CALLBACKS_FAILING, 1, [failing.url], failing.pk),
        Concern(Matter.DEAD_LETTERS, 1, [lossy.url], lossy.pk),
    ]


@pytest.mark.parametrize(("days", "matter"), [(5, Matter.CERTIFICATE_ENDS), (-2, Matter.CERTIFICATE_OVER), (90, None)])
def test_a_certificate_that_ends_is_told_in_time(organisation: Organisation, days: int, matter: Matter | None) -> None:
    north = connection(organisation.pk, settings={"client_certificate": certificate(days)})
    link(north.pk, "ready", role="http", window=10)
    expected = [Concern(matter, 1, ["North"], north.pk, max(days, 0))] if matter else []
    assert found(organisation.pk) == expected


def test_a_certificate_that_is_none_is_the_settings_affair(organisation: Organisation) -> None:
    north = connection(organisation.pk, settings={"certificate_authority": "-----BEGIN NONSENSE-----"})
    link(north.pk, "ready", role="http", window=10)
    assert found(organisation.pk) == []


def test_a_delivery_whose_analysis_failed_is_told_for_some_days(database: str) -> None:
    stage = Stage()
    link(stage.connection.pk, "bound", window=10)
    delivery = stage.draft()
    stage.reset(delivery, status="failed", changed_ms=NOW_MS - DAY_MS)
    assert found(stage.organisation) == [Concern(Matter.DELIVERIES_FAILED, 1, ["June"], delivery.pk)]
    stage.reset(delivery, changed_ms=NOW_MS - 8 * DAY_MS)
    assert found(stage.organisation) == []


def test_nobody_is_told_of_what_they_may_not_look_into(organisation: Organisation) -> None:
    connection(organisation.pk)
    ErrorQualification.objects.create(organisation_id=organisation.pk, kind="soft", text="SR x")
    lost = endpoint(organisation.pk)
    CallbackEvent.objects.create(endpoint_id=lost.pk, type="inbound", dead_ms=NOW_MS - 1)
    assert matters(organisation.pk, ROLES[Role.MARKETER]) == [Matter.NO_ENGINE]
    operators = [Matter.NO_ENGINE, Matter.UNKNOWN_ERRORS, Matter.DEAD_LETTERS]
    assert matters(organisation.pk, ROLES[Role.OPERATOR]) == operators


def test_another_organisations_troubles_are_its_own(organisation: Organisation) -> None:
    connection(organisation.pk)
    assert found(organisation.pk + 1) == []


def test_running_deliveries_are_told_with_their_progress(database: str) -> None:
    stage = Stage()
    stage.draft()
    first, second = stage.draft(label="First"), stage.draft(label="Second")
    stage.reset(first, status="sending", audience=10)
    stage.reset(second, status="paused", audience=5)
    for state, messages in ((DeliveryState.DELIVERED, 3), (DeliveryState.FAILED, 1), (DeliveryState.WAITING, 6)):
        DeliveryCount.objects.create(delivery_id=first.pk, state=state, messages=messages)
    assert [(one.delivery.label, one.done) for one in running(stage.organisation)] == [("Second", 0), ("First", 4)]
    assert running(stage.organisation + 1) == []
