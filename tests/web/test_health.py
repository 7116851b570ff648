"""/healthz and /metrics."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from django.conf import settings
from django.test import Client
from tests import row
from tests.web.caller import Answer

from chappe.features.accounts.models import Organisation
from chappe.features.callbacks import services as callbacks
from chappe.features.callbacks.models import CallbackEvent
from chappe.features.messages.models import DeliveryCount, Outbox
from chappe.messaging import DeliveryState


def get(path: str, **headers: str) -> Answer:
    return Answer(Client().get(path, headers=headers))


def metrics() -> dict[str, float]:
    answer = get("/metrics")
    assert (answer.status, answer.type.split(";")[0]) == (200, "text/plain")
    lines = [line.rsplit(" ", 1) for line in answer.text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def test_health_is_ok_while_the_database_answers(database: str) -> None:
    answer = get("/healthz")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_health_is_bad_when_the_database_does_not_answer(bound: Callable[[str], None], tmp_path: Path) -> None:
    bound(f"sqlite:///{tmp_path}/no/such/directory/chappe.sqlite3")
    answer = get("/healthz")
    assert (answer.status, answer.type) == (503, "application/problem+json")
    assert str(tmp_path) not in answer.text


def test_messages_of_deliveries_are_counted_by_state_without_looking_at_them(database: str) -> None:
    DeliveryCount.objects.create(delivery_id=1, state=DeliveryState.SENT, messages=2_000_000)
    DeliveryCount.objects.create(delivery_id=2, state=DeliveryState.SENT, messages=5)
    DeliveryCount.objects.create(delivery_id=2, state=DeliveryState.FAILED, messages=1)
    found = metrics()
    assert found['chappe_delivery_messages{state="sent"}'] == 2_000_005
    assert found['chappe_delivery_messages{state="failed"}'] == 1
    assert found['chappe_delivery_messages{state="delivered"}'] == 0


def test_the_outbox_is_measured_by_connection_ranges_and_lists_alike(database: str) -> None:
    Outbox.objects.create(pk=1, connection_id=4, first_id=1, last_id=1000, due_ms=1)
    Outbox.objects.create(pk=2, connection_id=4, first_id=1, last_id=9000, ids=b"\0" * 24, is_held=True)
    Outbox.objects.create(pk=3, connection_id=5, first_id=7, last_id=7, due_ms=2**62)
    found = metrics()
    assert found['chappe_outbox_messages{connection="4"}'] == 1003
    assert found['chappe_outbox_held_messages{connection="4"}'] == 3
    assert found['chappe_outbox_oldest_due_seconds{connection="4"}'] > 1_700_000_000
    assert found['chappe_outbox_messages{connection="5"}'] == 1
    assert found['chappe_outbox_oldest_due_seconds{connection="5"}'] == 0


def test_a_link_is_bound_only_while_its_engine_says_so(database: str) -> None:
    row.link(4, "bound", in_flight=3, window=10, changed_ms=2**62)
    row.link(5, "bound", in_flight=3, window=10)
    found = metrics()
    here, gone = 'connection="4",role="transceiver",slot="0"', 'connection="5",role="transceiver",slot="0"'
    assert found[f"chappe_link_bound{{{here}}}"] == 1
    assert found[f"chappe_link_in_flight{{{here}}}"] == 3
    assert found[f"chappe_link_bound{{{gone}}}"] == 0
    assert found[f'chappe_link_state{{{gone},state="silent"}}'] == 1


def test_metrics_can_be_kept_for_those_who_have_the_token(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "CONFIGURATION", msgspec.structs.replace(settings.CONFIGURATION, metrics_token="t0"))
    assert get("/metrics").status == 401
    assert get("/metrics", authorization="Bearer t1").status == 401
    assert get("/metrics", authorization="Bearer t0").status == 200


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_health_and_metrics_are_only_read(database: str, path: str) -> None:
    assert Client().post(path).status_code == 405


def test_how_far_a_callback_is_behind_is_shown_by_its_number_alone(organisation: Organisation) -> None:
    late, idle, off = (
        callbacks.create_endpoint(organisation.pk, "https://example.org/messages", 1, is_enabled=one).row.pk
        for one in (True, True, False)
    )
    for endpoint in (late, off):
        CallbackEvent.objects.create(endpoint_id=endpoint, type="message.sent", due_ms=1)
    found = metrics()
    assert found[f'chappe_callback_oldest_due_seconds{{callback="{late}"}}'] > 1_700_000_000
    assert found[f'chappe_callback_oldest_due_seconds{{callback="{idle}"}}'] == 0
    assert f'chappe_callback_oldest_due_seconds{{callback="{off}"}}' not in found
