"""Traffic for charts, what waits, and how fast connections are: read from counts, links and the outbox."""

from typing import Any

import pytest
from tests.row import NOW_MS, connection, link

from chappe.engine.store.store import pack_ids
from chappe.features.accounts.models import Organisation
from chappe.features.accounts.services import create_organisation
from chappe.features.connections.performance import line_of, lines_of, speed_of
from chappe.features.messages import traffic
from chappe.features.messages.models import Outbox, Traffic
from chappe.features.messages.queue import MOST_BATCHES, Queue, queues_of
from chappe.features.messages.traffic import DAY_MS, HOUR_MS, MINUTE_MS, WIDTHS, Period, Steps
from chappe.features.refusal import InvalidInput, NotFound
from chappe.messaging import TrafficKind
from chappe.rules.advisor import Change
from chappe.rules.bottleneck import Limit

SENT, DELIVERED, UNMATCHED = TrafficKind.SENT, TrafficKind.DELIVERED, TrafficKind.UNMATCHED
NOON_MS = NOW_MS + 12 * HOUR_MS


def counted(organisation_id: int, at_ms: int, messages: int, kind: TrafficKind = SENT, **values: Any) -> None:
    given = {"connection_id": 1, "width_ms": 5 * MINUTE_MS, "kind": kind, "bucket_ms": at_ms}
    Traffic.objects.create(organisation_id=organisation_id, messages=messages, **given | values)


def waiting(connection_id: int, number: int, **values: Any) -> None:
    given = {"due_ms": NOW_MS, "first_id": number, "last_id": number + 9}
    Outbox.objects.create(pk=number, connection_id=connection_id, **given | values)


# -- series ------------------------------------------------------------------------------------------------------------


def test_a_day_is_shown_in_half_hours_and_ends_with_the_present_one() -> None:
    steps = traffic.steps_until(NOON_MS + 1, Period.DAY)
    assert (steps.count, steps.step_ms, steps.end_ms) == (48, 30 * MINUTE_MS, NOON_MS + 30 * MINUTE_MS)


def test_long_steps_begin_at_the_readers_midnight() -> None:
    steps = traffic.steps_until(NOON_MS, Period.MONTH, offset_ms=2 * HOUR_MS)
    assert {(steps.begin(place) + 2 * HOUR_MS) % (12 * HOUR_MS) for place in range(steps.count)} == {0}
    assert steps.begin(steps.count - 1) <= NOON_MS < steps.end_ms


@pytest.mark.parametrize("period", list(Period))
def test_no_period_has_more_steps_than_a_chart_can_show(period: Period) -> None:
    length_ms, step_ms = WIDTHS[period]
    assert length_ms // step_ms <= 75
    assert length_ms % step_ms == 0


def test_a_period_that_is_none_is_refused() -> None:
    assert traffic.read_period("") is Period.DAY
    with pytest.raises(InvalidInput, match="24h"):
        traffic.read_period("1 day")


def test_the_series_of_an_organisation_adds_its_connections_and_deliveries(organisation: Organisation) -> None:
    counted(organisation.pk, NOW_MS, 3)
    counted(organisation.pk, NOW_MS + 25 * MINUTE_MS, 4, connection_id=2, delivery_id=9)
    counted(organisation.pk, NOW_MS + 30 * MINUTE_MS, 5)
    counted(organisation.pk, NOW_MS - 1, 100)
    counted(organisation.pk + 1, NOW_MS, 100)
    found = traffic.of_organisation(organisation.pk, Steps(NOW_MS, 30 * MINUTE_MS, 3))
    assert found.of(SENT) == [7, 5, 0]
    assert found.total(SENT, NOW_MS + 1) == 5
    assert (found.total(SENT), found.of(DELIVERED)) == (12, [0, 0, 0])


def test_a_connection_and_a_delivery_have_series_of_their_own(organisation: Organisation) -> None:
    counted(organisation.pk, NOW_MS, 3, connection_id=2)
    counted(organisation.pk, NOW_MS, 4, connection_id=2, delivery_id=9)
    counted(organisation.pk, NOW_MS, 5, connection_id=3, delivery_id=8)
    steps = Steps(NOW_MS, HOUR_MS, 1)
    assert traffic.of_connection(organisation.pk, 2, steps).of(SENT) == [7]
    assert traffic.of_delivery(organisation.pk, 9, steps).of(SENT) == [4]


def test_another_organisation_sees_nothing(organisation: Organisation) -> None:
    counted(organisation.pk, NOW_MS, 3, delivery_id=9)
    steps, other = Steps(NOW_MS, HOUR_MS, 1), organisation.pk + 1
    assert traffic.of_connection(other, 1, steps).counts == {}
    assert traffic.of_delivery(other, 9, steps).counts == {}
    assert traffic.of_organisation(other, steps).counts == {}


def test_the_busiest_time_is_told_a_second(organisation: Organisation) -> None:
    counted(organisation.pk, NOW_MS, 3000)
    counted(organisation.pk, NOW_MS, 3000, delivery_id=4)
    counted(organisation.pk, NOW_MS - HOUR_MS, 7200, width_ms=HOUR_MS)
    assert traffic.busiest_per_s(organisation.pk, 1, NOW_MS - DAY_MS) == 20.0
    assert traffic.busiest_per_s(organisation.pk, 2, NOW_MS - DAY_MS) == 0.0


# -- what waits --------------------------------------------------------------------------------------------------------


def test_what_waits_is_told_apart(organisation: Organisation) -> None:
    waiting(1, 100, due_ms=NOW_MS - 5000)
    waiting(1, 200, ids=pack_ids([200, 205, 209]))
    waiting(1, 300, is_held=True, due_ms=NOW_MS - 9000)
    waiting(1, 400, due_ms=NOW_MS + 60_000)
    waiting(2, 500)
    assert queues_of([1, 3], NOW_MS) == {1: Queue(13, 10, 10, NOW_MS - 5000, 5000), 3: Queue()}


def test_a_long_queue_is_not_counted_to_its_end_and_yet_the_oldest_is_known(organisation: Organisation) -> None:
    batches = [
        Outbox(pk=10 * n, connection_id=1, priority=1, due_ms=NOW_MS, first_id=10 * n, last_id=10 * n + 9)
        for n in range(1, MOST_BATCHES + 2)
    ]
    Outbox.objects.bulk_create(batches)
    waiting(1, 1_000_000, priority=5, due_ms=NOW_MS - 9000)
    waiting(1, 2_000_000, priority=7, due_ms=NOW_MS - 99_000, is_held=True)
    found = queues_of([1], NOW_MS)[1]
    assert (found.due, found.is_more, found.oldest_due_ms) == (10 * MOST_BATCHES, True, NOW_MS - 9000)


# -- the wall ----------------------------------------------------------------------------------------------------------


def test_a_line_says_what_limits_the_connection(organisation: Organisation) -> None:
    north, south = connection(organisation.pk), connection(organisation.pk, "South", is_enabled=False)
    busy = {"window": 10, "in_flight": 10, "sent_per_s": 98.0, "round_trip_p50_ms": 100.0}
    link(north.pk, "bound", **busy)
    waiting(north.pk, 100)
    lines = lines_of(organisation.pk, NOW_MS)
    assert [(line.connection, line.bottleneck.limit) for line in lines] == [(north, Limit.WINDOW), (south, Limit.OFF)]
    assert lines[0].bottleneck.window_allows_per_s == 100.0


def test_a_receiver_that_is_down_makes_the_connection_less_than_whole(organisation: Organisation) -> None:
    north = connection(organisation.pk)
    link(north.pk, "bound", role="transmitter", window=10)
    assert line_of(organisation.pk, north.pk, NOW_MS).is_whole
    link(north.pk, "down", role="receiver")
    line = line_of(organisation.pk, north.pk, NOW_MS)
    assert (line.is_whole, line.bottleneck.limit) == (False, Limit.NOTHING_WAITS)


def test_an_engine_that_fell_silent_is_no_engine(organisation: Organisation) -> None:
    north = connection(organisation.pk)
    link(north.pk, "bound", changed_ms=NOW_MS - 60_000)
    assert line_of(organisation.pk, north.pk, NOW_MS).bottleneck.limit is Limit.NO_ENGINE


def test_the_receipts_of_the_last_minutes_are_beside_it(organisation: Organisation) -> None:
    north = connection(organisation.pk)
    counted(organisation.pk, NOW_MS - 5 * MINUTE_MS, 7, TrafficKind.RECEIPT, connection_id=north.pk)
    counted(organisation.pk, NOW_MS, 2, UNMATCHED, connection_id=north.pk)
    counted(organisation.pk, NOW_MS - HOUR_MS, 99, UNMATCHED, connection_id=north.pk)
    line = line_of(organisation.pk, north.pk, NOW_MS)
    assert (line.matched, line.unmatched) == (7, 2)


def test_the_line_of_another_organisation_is_not_there(organisation: Organisation) -> None:
    other = create_organisation("Other", NOW_MS)
    with pytest.raises(NotFound):
        line_of(other.pk, connection(organisation.pk).pk, NOW_MS)
    assert lines_of(other.pk, NOW_MS) == []


# -- the advisor -------------------------------------------------------------------------------------------------------


def test_the_advisor_knows_the_settings_and_what_was_measured(organisation: Organisation) -> None:
    north = connection(organisation.pk, settings={"child_connections": 2, "max_mt_per_s": 150})
    for slot in (0, 1):
        link(north.pk, "bound", slot=slot, window=10, round_trip_p50_ms=90.0, round_trip_p99_ms=130.0 + slot)
    counted(organisation.pk, NOW_MS - HOUR_MS, 30_000, connection_id=north.pk)
    speed = speed_of(line_of(organisation.pk, north.pk, NOW_MS), None, NOW_MS)
    assert (speed.link.links, speed.link.window, speed.link.limit_per_s) == (2, 10, 150.0)
    assert (speed.advice.wanted_per_s, speed.busiest_per_s, speed.round_trip_p99_ms) == (300.0, 100.0, 131.0)
    assert Change.WINDOW in [step.change for step in speed.advice.steps]


def test_by_http_the_window_is_the_requests_at_a_time(organisation: Organisation) -> None:
    values = {"concurrency": 4, "max_per_s": 0}
    made = connection(organisation.pk, settings=values)
    made.provider = "custom"
    made.save()
    link(made.pk, "ready", role="http", window=4, round_trip_p50_ms=190.0)
    speed = speed_of(line_of(organisation.pk, made.pk, NOW_MS), 40, NOW_MS)
    assert tuple(setting.name for setting in speed.settings) == ("concurrency", "max_per_s")
    assert (speed.advice.reachable_per_s, speed.advice.is_enough) == (20.0, False)


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e9, float("nan")])
def test_a_speed_that_is_none_is_refused(organisation: Organisation, rate: float) -> None:
    line = line_of(organisation.pk, connection(organisation.pk).pk, NOW_MS)
    with pytest.raises(InvalidInput, match="more than 0"):
        speed_of(line, rate, NOW_MS)
