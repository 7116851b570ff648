"""Marketing in quiet hours: put off until they end, with the reason, or not sent at all; nothing else is touched."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from tests.engine.house import House, in_loop, quirks, seen, until
from tests.engine.stock import DAY_MS, NOW_MS, Desk, Stock, delivery_row
from tests.engine.test_two_engines import meanwhile

from chappe.engine.store.frame import LoadConnections
from chappe.engine.store.rule_frame import Rules
from chappe.features.accounts.models import Organisation
from chappe.features.messages.models import MessageNow
from chappe.features.messages.services import find_message
from chappe.features.messages.timeline import timeline, why_it_waits
from chappe.features.settings import services
from chappe.features.settings.services import Change
from chappe.messaging import Category, DeliveryState
from chappe.simulator import Simulator

Binder = Callable[[str], None]
WAITING, EXCLUDED, EXPIRED = DeliveryState.WAITING, DeliveryState.EXCLUDED, DeliveryState.EXPIRED
MARKETING, TRANSACTIONAL, REPLY = int(Category.MARKETING), int(Category.TRANSACTIONAL), int(Category.REPLY)
HOUR_MS = 3_600_000
MORNING_MS = NOW_MS + 8 * HOUR_MS
NIGHT = {"start": 20 * 60, "end": 8 * 60, "days": [1, 2, 3, 4, 5, 6, 7]}
ALWAYS = {"start": 0, "end": 0, "days": [1, 2, 3, 4, 5, 6, 7]}
REASON = "waits for the end of quiet hours at 08:00 UTC"


def hours(organisation_id: int, *periods: dict[str, Any], action: str = "queue", now_ms: int = NOW_MS) -> None:
    """Set quiet hours as the console does; none where there are no periods."""
    services.change_settings(organisation_id, Change(quiet_periods=periods, quiet_action=action), now_ms)


@pytest.fixture
def night(database: str, stock: Stock) -> Desk:
    """An engine at midnight, in an organisation that is quiet until eight."""
    Organisation.objects.get_or_create(pk=1, defaults={"name": "Relais"})
    hours(1, NIGHT)
    desk = Desk(stock)
    load(desk)
    return desk


def load(desk: Desk) -> None:
    """What an engine does every second."""
    assert any(isinstance(answer, Rules) for answer in desk.handle(LoadConnections(desk.number())))


def leased(desk: Desk) -> list[int]:
    return [message.id for lease in desk.lease() for message in lease.messages]


def dues(stock: Stock) -> list[int]:
    return [row[0] for row in stock.query("SELECT due_ms FROM outbox ORDER BY due_ms")]


def test_marketing_waits_for_the_end_of_quiet_hours_and_then_goes(night: Desk) -> None:
    ids = night.stock.enqueue(3, category=MARKETING)
    assert leased(night) == []
    assert dues(night.stock) == [MORNING_MS]
    night.now_ms = MORNING_MS
    assert leased(night) == ids


def test_everything_else_goes_at_once(night: Desk) -> None:
    for category in (TRANSACTIONAL, REPLY):
        (message_id,) = night.stock.enqueue(1, category=category)
        assert leased(night) == [message_id]


def test_of_a_mixed_batch_marketing_alone_waits_and_nothing_is_sent_twice(night: Desk) -> None:
    each = [{"category": MARKETING if place % 3 else TRANSACTIONAL} for place in range(9)]
    ids = night.stock.enqueue(9, each=each, priority=3)
    at_night = leased(night)
    assert at_night == ids[::3]
    night.now_ms = MORNING_MS
    assert leased(night) == [message_id for message_id in ids if message_id not in at_night]


def test_a_whole_delivery_is_put_off_by_its_batches_and_its_messages_are_not_touched(night: Desk) -> None:
    delivery = delivery_row(category=MARKETING)
    other = delivery_row(category=TRANSACTIONAL)
    ids = night.stock.enqueue(2_500, delivery=delivery.pk, category=MARKETING)
    urgent = night.stock.enqueue(2, delivery=other.pk, category=TRANSACTIONAL)
    assert leased(night) == urgent
    rows = night.stock.query("SELECT at_ms, due_ms, until_ms, zone FROM quiet_wait")
    assert rows == [(NOW_MS, NOW_MS, MORNING_MS, "UTC")] * 3
    assert night.stock.message(ids[0])["due_ms"] == NOW_MS
    night.now_ms = MORNING_MS
    assert len(leased(night)) == 2_500


def test_many_batches_do_not_keep_what_is_urgent_from_going(night: Desk) -> None:
    delivery = delivery_row(category=MARKETING)
    for _ in range(150):
        night.stock.enqueue(1, delivery=delivery.pk, category=MARKETING, priority=1)
    urgent = night.stock.enqueue(1, category=TRANSACTIONAL, priority=2)
    assert leased(night) == urgent
    assert set(dues(night.stock)[1:]) == {MORNING_MS}


def test_a_message_that_waits_says_why_and_its_timeline_goes_on_saying_so(night: Desk) -> None:
    (message_id,) = night.stock.enqueue(1, category=MARKETING)
    leased(night)
    message = MessageNow.objects.get(pk=message_id)
    assert why_it_waits(message, NOW_MS) == ["Waits for the end of quiet hours at 08:00 UTC."]
    texts = [entry.text for entry in timeline(message, MORNING_MS + 1)]
    assert "Put off until the end of quiet hours at 08:00 UTC." in texts
    assert "Waits for the end of quiet hours at 08:00 UTC." not in texts


def test_a_message_is_found_with_the_reason_for_which_it_waits(night: Desk) -> None:
    now = datetime.now(UTC)
    days = [(now + timedelta(days=days)).isoweekday() for days in (0, 1)]
    hours(1, {"start": 0, "end": 0, "days": days}, now_ms=NOW_MS + 1)
    load(night)
    night.now_ms = int(now.timestamp() * 1000)
    ids = night.stock.enqueue(2, gap=3, category=MARKETING)
    leased(night)
    end = (now + timedelta(days=2)).date()
    assert find_message(1, ids[1]).reason == f"waits for the end of quiet hours at {end} 00:00 UTC"


def test_discarded_messages_end_with_that_reason_and_are_counted(night: Desk) -> None:
    hours(1, NIGHT, action="discard")
    load(night)
    delivery = delivery_row(category=MARKETING)
    ids = night.stock.enqueue(3, delivery=delivery.pk, category=MARKETING)
    (alone,) = night.stock.enqueue(1, category=MARKETING)
    assert leased(night) == []
    assert night.stock.states([*ids, alone]) == [EXCLUDED] * 4
    assert night.stock.message(alone)["reason"] == "quiet_hours"
    assert night.stock.counts(delivery.pk) == night.stock.counted(delivery.pk) == {EXCLUDED: 3}
    assert night.stock.outbox() == 0


def test_very_many_discarded_messages_take_several_transactions(night: Desk) -> None:
    hours(1, NIGHT, action="discard")
    load(night)
    delivery = delivery_row(category=MARKETING)
    night.stock.enqueue(4_000, delivery=delivery.pk, category=MARKETING)
    (urgent,) = night.stock.enqueue(1, category=TRANSACTIONAL)
    assert leased(night) == [urgent]
    assert night.stock.counts(delivery.pk) == {WAITING: 2_000, EXCLUDED: 2_000}
    night.now_ms += 1_000
    leased(night)
    assert night.stock.counts(delivery.pk) == {EXCLUDED: 4_000}


def test_a_message_past_its_validity_is_not_sent_when_quiet_hours_end(night: Desk) -> None:
    ids = night.stock.enqueue(2, category=MARKETING, each=[{"expires_ms": NOW_MS + HOUR_MS}, {}])
    leased(night)
    night.now_ms = MORNING_MS
    assert leased(night) == ids[1:]
    assert night.stock.state(ids[0]) == EXPIRED


def test_quiet_hours_that_do_not_end_drop_a_message_after_seven_days(night: Desk) -> None:
    hours(1, ALWAYS)
    load(night)
    (message_id,) = night.stock.enqueue(1, category=MARKETING)
    leased(night)
    night.now_ms += 3 * DAY_MS
    hours(1, ALWAYS, NIGHT, now_ms=night.now_ms)  # a change lets all be looked at again: it waits on, not anew
    leased(night)
    assert dues(night.stock) == [NOW_MS + 7 * DAY_MS]
    night.now_ms = NOW_MS + 7 * DAY_MS
    assert leased(night) == []
    assert night.stock.state(message_id) == EXPIRED
    assert night.stock.message(message_id)["reason"] == "quiet hours did not end within 7 days"


def test_a_message_that_waited_a_night_and_comes_into_the_next_begins_to_wait_anew(night: Desk) -> None:
    night.stock.enqueue(1, category=MARKETING)
    leased(night)
    night.now_ms = NOW_MS + 21 * HOUR_MS
    leased(night)
    assert night.stock.query("SELECT since_ms FROM quiet_wait ORDER BY id") == [(NOW_MS,), (night.now_ms,)]


def test_quiet_hours_that_are_taken_away_let_everything_go_at_once(night: Desk) -> None:
    planned = night.stock.enqueue(1, category=MARKETING, due_ms=NOW_MS + 2 * HOUR_MS)
    ids = night.stock.enqueue(2, category=MARKETING)
    leased(night)
    hours(1, now_ms=NOW_MS + 1_000)
    night.now_ms += 1_000
    assert leased(night) == ids, "though this engine has not read the settings again"
    assert dues(night.stock)[-1] == NOW_MS + 2 * HOUR_MS
    assert why_it_waits(MessageNow.objects.get(pk=planned[0]), night.now_ms) != []


def test_quiet_hours_that_are_changed_put_messages_off_until_their_new_end(night: Desk) -> None:
    ids = night.stock.enqueue(2, category=MARKETING)
    leased(night)
    hours(1, {**NIGHT, "end": 6 * 60}, now_ms=NOW_MS + 1_000)
    night.now_ms += 1_000
    assert leased(night) == []
    assert dues(night.stock) == [NOW_MS + 6 * HOUR_MS]
    night.now_ms = NOW_MS + 6 * HOUR_MS
    assert leased(night) == ids


def test_what_another_engine_may_have_sent_is_marked_before_it_waits(night: Desk) -> None:
    (message_id,) = night.stock.enqueue(1, category=MARKETING)
    night.now_ms = NOW_MS + 12 * HOUR_MS
    assert leased(night) == [message_id]  # and the engine dies with it
    night.now_ms = NOW_MS + 22 * HOUR_MS
    other = Desk(night.stock, "engine-2")
    other.now_ms = night.now_ms
    load(other)
    (lease,) = other.lease()
    assert lease.messages[0].is_possible_duplicate
    other.record(released=[(lease.outbox_id, lease.token)])  # as its worker does
    assert leased(other) == []
    assert dues(night.stock) == [NOW_MS + 32 * HOUR_MS]


def test_a_stop_that_comes_in_the_night_holds_in_the_morning(night: Desk) -> None:
    (message_id,) = night.stock.enqueue(1, category=MARKETING, recipient="+33612345678")
    leased(night)
    night.stock.query(
        "INSERT INTO quarantine (organisation_id, channel, address, short_code, status, reason, error_count, last_error_ms, "
        "created_ms, changed_ms) VALUES (1, 'sms', '+33612345678', '', 'denylisted', '', 0, 0, 1, 1)"
    )
    night.now_ms = MORNING_MS
    assert leased(night) == []
    assert night.stock.message(message_id)["reason"] == "denylisted"


def test_another_organisation_is_not_quiet(night: Desk) -> None:
    ids = night.stock.enqueue(1, category=MARKETING, organisation_id=2)
    head = night.want()
    assert head.organisation_id == 1
    night.stock.organisation_id = 2
    assert leased(night) == ids


def test_two_engines_put_a_batch_off_once(postgresql_url: str, bound: Binder) -> None:
    bound(postgresql_url)
    Organisation.objects.get_or_create(pk=1, defaults={"name": "Relais"})
    hours(1, NIGHT)
    first, second = (Desk(Stock(postgresql_url), name) for name in ("engine-1", "engine-2"))
    for desk in (first, second):
        load(desk)
    delivery = delivery_row(category=MARKETING)
    first.stock.enqueue(20_000, delivery=delivery.pk, category=MARKETING)
    each = [{"category": MARKETING if place % 2 else TRANSACTIONAL} for place in range(10)]
    mixed = first.stock.enqueue(10, each=each, priority=3)
    at_night: list[int] = []
    with meanwhile(first, lambda: at_night.extend(leased(second))):
        at_night += leased(first)
    assert sorted(at_night) == mixed[::2]
    waits = first.stock.query("SELECT outbox_id FROM quiet_wait")
    assert len(waits) == len(set(waits)) == 21
    first.now_ms = MORNING_MS
    in_the_morning = [*leased(first), *leased(first)]
    assert len(in_the_morning) == len(set(in_the_morning)) == 20_005
    for desk in (first, second):
        desk.stock.close()


# -- a whole engine ----------------------------------------------------------------------------------------------------


async def aside(work: Callable[[int], None], organisation_id: int) -> None:
    """Django's part of it, on a thread with a connection of its own."""

    def close_after() -> None:
        try:
            work(organisation_id)
        finally:
            connection.close()

    await asyncio.to_thread(close_after)


def around_now(organisation_id: int) -> None:
    """Quiet from two hours ago, for two hours."""
    start, end = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-2, 2))
    hours(organisation_id, {**NIGHT, "start": start.hour * 60, "end": end.hour * 60})


def waiting(house: House) -> int:
    """Batches that were put off."""
    return int(house.stock.query("SELECT count(*) FROM quiet_wait")[0][0])


async def hears_of_it(house: House, smsc: Simulator) -> int:
    """Once the engine knows that it is quiet: the message that was put off first."""
    while True:
        (probe,) = house.fill(1, category=MARKETING)

        def is_over(number: int = probe) -> bool:
            return number in seen(smsc) or bool(waiting(house))

        await until(is_over, "sent or put off")
        if probe not in seen(smsc):
            return probe


@in_loop
async def at_night(house: House) -> None:
    organisation_id = house.stock.organisation_id
    async with house.at_work(quirks()) as (_, smsc):
        await until(lambda: house.bound() == 1, "bound")
        first = house.fill(5, category=MARKETING)
        await until(lambda: set(first) <= seen(smsc), "what comes before quiet hours")
        await aside(around_now, organisation_id)
        held = [await hears_of_it(house, smsc), *house.fill(5, category=MARKETING)]
        urgent = house.fill(5, category=TRANSACTIONAL)
        await until(lambda: set(urgent) <= seen(smsc), "what is not marketing")
        assert not set(held) & seen(smsc)
    async with house.at_work(quirks()) as (_, smsc):
        urgent = house.fill(5, category=TRANSACTIONAL)
        await until(lambda: set(urgent) <= seen(smsc), "what is not marketing, after a restart")
        assert not set(held) & seen(smsc)
        await aside(hours, organisation_id)
        await until(lambda: seen(smsc) == {*urgent, *held}, "what waited")


def test_an_engine_heeds_quiet_hours_within_a_moment_and_after_a_restart(database: str) -> None:
    house = House(database)
    at_night(house)
    house.stock.close()


@in_loop
async def into_the_night(house: House) -> None:
    house.set(max_mt_per_s=100)
    async with house.at_work(quirks()) as (_, smsc):
        await until(lambda: house.bound() == 1, "bound")
        ids = house.fill(3_000, category=MARKETING)
        urgent = house.fill(50, category=TRANSACTIONAL)
        await until(lambda: len(seen(smsc)) > 20, "the first ones")
        await aside(around_now, house.stock.organisation_id)
        await until(lambda: waiting(house), "put off")
        await until(lambda: set(urgent) <= seen(smsc), "what is not marketing")
        await until(lambda: due_now(house) == 0, "all of it is put off or sent")
        gone = seen(smsc)
        assert 0 < len(gone & set(ids)) < 2_000
        assert smsc.tally.duplicates == 0


def due_now(house: House) -> int:
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    return int(house.stock.query("SELECT count(*) FROM outbox WHERE due_ms <= ?", now_ms)[0][0])


def test_what_an_engine_has_in_hand_when_quiet_hours_begin_is_put_off(sqlite_url: str, bound: Binder) -> None:
    bound(sqlite_url)
    house = House(sqlite_url)
    into_the_night(house)
    house.stock.close()
