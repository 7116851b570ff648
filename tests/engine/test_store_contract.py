"""What a message store promises, on either database: enqueue, lease, horizon, finish, release, sweep."""

from itertools import pairwise

import msgspec
import pytest
from tests.engine.stock import DAY_MS, NOW_MS, Desk, Stock, delivery_row

from chappe.engine.store import catalogue
from chappe.engine.store.frame import Leased, PutOff
from chappe.engine.store.store import LEASE_MS, OUTBOX_MESSAGES, LeaseRequest, OutboxBatch, open_store
from chappe.features.consent.models import Quarantine
from chappe.features.deliveries.models import Delivery
from chappe.messaging import Category, DeliveryState, MessageOptions, StoreError

WAITING, UNCONFIRMED, SENT = DeliveryState.WAITING, DeliveryState.UNCONFIRMED, DeliveryState.SENT
DELIVERED, EXPIRED, EXCLUDED = DeliveryState.DELIVERED, DeliveryState.EXPIRED, DeliveryState.EXCLUDED
CANCELLED = DeliveryState.CANCELLED
LATER_MS = LEASE_MS + 1


def ids_of(leases: list[Leased]) -> list[int]:
    return [message.id for leased in leases for message in leased.messages]


def marked(leases: list[Leased]) -> list[int]:
    return [message.id for leased in leases for message in leased.messages if message.is_possible_duplicate]


# -- enqueue ----------------------------------------------------------------------


def test_ids_are_taken_once_whoever_takes_them(stock: Stock, database: str) -> None:
    other = open_store(database)
    taken: list[range] = []
    for store in (stock.store, other, stock.store, other):
        with store.transaction():
            taken.append(store.take_ids("message", 7))
    other.database.close()
    assert [len(block) for block in taken] == [7, 7, 7, 7]
    assert all(before.stop == after.start for before, after in pairwise(taken))


def test_a_transaction_that_fails_leaves_nothing(stock: Stock) -> None:
    with pytest.raises(ZeroDivisionError), stock.store.transaction():
        ids = stock.store.take_ids("message", 3)
        stock.store.enqueue([OutboxBatch(1, 4, 5, NOW_MS, [stock.row(i, 4) for i in ids])])
        _ = 1 / 0
    assert stock.query("SELECT count(*) FROM message") == [(0,)]
    assert stock.outbox() == 0
    assert stock.counts(4) == {}


def test_a_batch_becomes_rows_of_a_thousand_and_is_counted(stock: Stock) -> None:
    ids = stock.enqueue(2 * OUTBOX_MESSAGES + 5, delivery=4)
    rows = stock.query("SELECT first_id, last_id, ids FROM outbox ORDER BY id")
    assert [(first, last) for first, last, _ in rows] == [
        (ids[0], ids[999]),
        (ids[1000], ids[1999]),
        (ids[2000], ids[2004]),
    ]
    assert all(packed is None for _, _, packed in rows)
    assert stock.counts(4) == {WAITING: 2005}


def test_messages_that_do_not_wait_are_counted_and_never_leased(stock: Stock, desk: Desk) -> None:
    excluded = {"state": int(EXCLUDED), "reason": "quarantine"}
    ids = stock.enqueue(4, delivery=4, each=[{}, excluded, {}, excluded])
    assert stock.counts(4) == {WAITING: 2, EXCLUDED: 2}
    assert ids_of(desk.lease()) == [ids[0], ids[2]]


def test_what_is_refused_by_the_database_is_a_store_error(stock: Stock) -> None:
    stock.enqueue(1)
    with pytest.raises(StoreError), stock.store.transaction():
        stock.store.database.run(catalogue.INSERT_MESSAGES, [stock.row(1)])
    assert stock.query("SELECT count(*) FROM message") == [(1,)]


# -- lease ----------------------------------------------------------------------


def test_a_leased_message_is_as_it_was_enqueued(stock: Stock, desk: Desk) -> None:
    options = MessageOptions(transmission_mode=1, short_code="36000", wants_receipt=False)
    (message_id,) = stock.enqueue(
        1,
        delivery=4,
        body="Grüße 🙂",
        sender="ACME",
        category=int(Category.TRANSACTIONAL),
        expires_ms=NOW_MS + 5000,
        options=msgspec.json.encode(options),
    )
    ((message,),) = [leased.messages for leased in desk.lease()]
    assert (message.id, message.recipient, message.sender, message.body) == (
        message_id,
        f"+336{message_id:08d}",
        "ACME",
        "Grüße 🙂",
    )
    assert (message.category, message.attempt, message.tries) == (Category.TRANSACTIONAL, 0, 0)
    assert (message.expires_ms, message.delivery_id, message.organisation_id) == (NOW_MS + 5000, 4, 1)
    assert (message.options, message.is_possible_duplicate, message.accepted_segments) == (options, False, ())


def test_two_leasers_never_get_the_same_message(stock: Stock, database: str) -> None:
    ids = stock.enqueue(3500, gap=1)
    other = Stock(database)
    first, second = Desk(stock, "engine-1"), Desk(other, "engine-2")
    got: list[list[int]] = [[], []]
    for _ in range(4):
        for place, desk in enumerate((first, second)):
            got[place] += ids_of(desk.lease(messages=1000))
    other.close()
    assert sorted(got[0] + got[1]) == ids
    assert set(got[0]).isdisjoint(got[1])


@pytest.mark.postgresql
def test_a_leaser_passes_by_what_another_is_taking_at_this_moment(postgresql_url: str, bound: object) -> None:
    stock, other = Stock(postgresql_url), Stock(postgresql_url)
    ids = [stock.enqueue(1)[0] for _ in range(70)]
    request = LeaseRequest(1, 1, "", 1000, 10, resend_unknown=True)
    with stock.store.transaction():
        first = stock.store.lease(request, "engine-1", NOW_MS)
        with other.store.transaction():
            second = other.store.lease(request, "engine-2", NOW_MS)
    stock.close()
    other.close()
    assert ids_of(first.leases) == ids[:64]
    assert ids_of(second.leases) == ids[64:]


def test_nothing_is_leased_before_it_is_due(stock: Stock, desk: Desk) -> None:
    stock.enqueue(3, due_ms=NOW_MS + 1000)
    assert desk.lease() == []
    desk.now_ms += 1000
    assert len(ids_of(desk.lease())) == 3


def test_nothing_is_leased_while_it_is_held_or_of_another_connection(stock: Stock, desk: Desk) -> None:
    stock.enqueue(3, is_held=True)
    stock.connection_id = 2
    stock.enqueue(3)
    stock.connection_id = 1
    assert desk.lease() == []


def test_the_urgent_goes_before_the_old_and_the_old_before_the_new(stock: Stock, desk: Desk) -> None:
    late = stock.enqueue(1, due_ms=NOW_MS - 10)
    early = stock.enqueue(1, due_ms=NOW_MS - 20)
    urgent = stock.enqueue(1, due_ms=NOW_MS, priority=1)
    assert ids_of(desk.lease()) == urgent + early + late


def test_no_more_is_leased_than_asked_for_but_whole_rows(stock: Stock, desk: Desk) -> None:
    stock.enqueue(2500)
    assert len(ids_of(desk.lease(messages=1))) == 1000
    assert len(ids_of(desk.lease(messages=1001))) == 1500


def test_positions_count_the_messages_of_a_batch_that_are_gone(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(6, gap=2)
    ((before),) = desk.lease(horizon=0)
    desk.send(ids[1:3])
    desk.record(released=[(before.outbox_id, before.token)])
    ((leased),) = desk.lease()
    assert ids_of([leased]) == [ids[0], *ids[3:]]
    assert leased.positions == [0, 3, 4, 5]
    assert (leased.size, leased.horizon) == (6, 6)


def test_a_batch_of_which_nothing_waits_any_more_goes_away(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(3)
    (leased,) = desk.lease()
    desk.send(ids)
    desk.record(released=[(leased.outbox_id, leased.token)])
    assert desk.lease() == []
    assert stock.outbox() == 0


def test_segments_that_the_provider_took_already_are_told(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(2, segments=3)
    part = desk.accepted(ids[0], segments=3)["segments"]
    desk.record(segments=part[1:])
    first, second = desk.lease()[0].messages
    assert sorted(first.accepted_segments) == [1, 2]
    assert second.accepted_segments == ()


def test_segments_of_an_earlier_attempt_do_not_count(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, segments=2, attempt=1)
    desk.record(segments=desk.accepted(message_id, attempt=0, segments=2)["segments"])
    ((message,),) = [leased.messages for leased in desk.lease()]
    assert message.accepted_segments == ()


# -- what ends at the lease ----------------------------------------------------------------------


def test_a_message_past_its_validity_is_not_leased_but_ended(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(3, delivery=4, each=[{"expires_ms": NOW_MS}, {"expires_ms": NOW_MS + 1}, {}])
    assert ids_of(desk.lease()) == ids[1:]
    assert stock.states(ids) == [EXPIRED, WAITING, WAITING]
    assert stock.message(ids[0])["done_ms"] == NOW_MS
    assert stock.counts(4) == {EXPIRED: 1, WAITING: 2}


def test_a_number_in_quarantine_is_left_out_for_its_short_code_only(stock: Stock, desk: Desk) -> None:
    own, other = (msgspec.json.encode(MessageOptions(short_code=code)) for code in ("36180", "36555"))
    ids = stock.enqueue(
        6,
        recipient="+33600000001",
        each=[
            {"recipient": "+33600000009"},
            {"options": own},
            {"options": other},
            {},
            {"options": own, "category": int(Category.TRANSACTIONAL)},
            {"options": own, "category": int(Category.REPLY)},
        ],
    )
    with stock.store.transaction():
        stock.store.database.query(
            catalogue.SET_QUARANTINE,
            (1, "sms", "+33600000001", "36180", "denylisted", "stop", 0, 0, NOW_MS, NOW_MS),
        )
    leases = [answer.leases[0] for answer in desk.handle(desk.want(short_code="36180")) if hasattr(answer, "leases")]
    assert ids_of(leases) == [ids[0], ids[2], ids[5]]
    assert [stock.state(ids[place]) for place in (1, 3, 4)] == [EXCLUDED] * 3
    assert stock.message(ids[1])["reason"] == "denylisted"


def test_with_errors_is_not_in_quarantine_yet(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(1, recipient="+33600000001")
    values = (1, "sms", "+33600000001", "", "with_errors", "unreachable", 2, NOW_MS, NOW_MS, NOW_MS)
    with stock.store.transaction():
        stock.store.database.query(catalogue.SET_QUARANTINE, values)
    assert ids_of(desk.lease()) == ids


def test_another_organisations_quarantine_does_not_count(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(1, recipient="+33600000001")
    values = (2, "sms", "+33600000001", "", "denylisted", "stop", 0, 0, NOW_MS, NOW_MS)
    with stock.store.transaction():
        stock.store.database.query(catalogue.SET_QUARANTINE, values)
    assert ids_of(desk.lease()) == ids


def test_messages_of_a_cancelled_delivery_end_at_the_lease(stock: Stock, desk: Desk) -> None:
    delivery = delivery_row("cancelled")
    ids = stock.enqueue(3, delivery=delivery.pk)
    assert desk.lease() == []
    assert stock.states(ids) == [CANCELLED] * 3
    assert stock.counts(delivery.pk) == {CANCELLED: 3}
    assert stock.outbox() == 0


# -- the horizon ----------------------------------------------------------------------


def test_a_lease_that_ran_out_gives_back_what_lay_below_its_horizon_as_possible_duplicates(
    stock: Stock, desk: Desk
) -> None:
    ids = stock.enqueue(30)
    (leased,) = desk.lease(horizon=10)
    desk.record(horizons=[(leased.outbox_id, leased.token, 20, desk.now_ms + LEASE_MS)])
    desk.send(ids[:5])
    heir = Desk(stock, "engine-2")
    heir.now_ms += LATER_MS
    again = heir.lease(horizon=10)
    assert ids_of(again) == ids[5:]
    assert marked(again) == ids[5:20]
    assert [stock.message(i)["is_possible_duplicate"] for i in (ids[5], ids[19], ids[20])] == [True, True, False]
    assert "resent" in dict(stock.events(ids[5]))
    assert stock.events(ids[20]) == []


def test_a_lease_that_ran_out_leaves_what_may_have_gone_unconfirmed_where_nothing_goes_twice(
    stock: Stock, desk: Desk
) -> None:
    ids = stock.enqueue(30, delivery=4)
    desk.lease(horizon=10)
    heir = Desk(stock, "engine-2")
    heir.now_ms += LATER_MS
    again = heir.lease(horizon=10, resend=False)
    assert ids_of(again) == ids[10:]
    assert marked(again) == []
    assert stock.states(ids[9:11]) == [UNCONFIRMED, WAITING]
    assert stock.counts(4) == {UNCONFIRMED: 10, WAITING: 20}


def test_a_mark_stays_when_the_second_holder_dies_too(stock: Stock) -> None:
    ids = stock.enqueue(20)
    Desk(stock, "engine-1").lease(horizon=12)
    second, third = Desk(stock, "engine-2"), Desk(stock, "engine-3")
    second.now_ms += LATER_MS
    second.lease(horizon=3)
    third.now_ms += 2 * LATER_MS
    assert marked(third.lease()) == ids[:12]


@pytest.mark.parametrize("why", ["cancelled", "validity", "stop"])
def test_a_message_that_may_have_gone_out_and_may_not_go_again_is_left_unconfirmed(
    stock: Stock, desk: Desk, why: str
) -> None:
    delivery = delivery_row("sending")
    ids = stock.enqueue(4, delivery=delivery.pk, expires_ms=NOW_MS + 20_000 if why == "validity" else 0)
    desk.lease(horizon=2)
    if why == "cancelled":
        Delivery.objects.filter(pk=delivery.pk).update(status="cancelled")
    elif why == "stop":
        for message_id in ids:
            Quarantine.objects.create(
                organisation_id=stock.organisation_id,
                address=stock.message(message_id)["recipient"],
                status="denylisted",
            )
    heir = Desk(stock, "engine-2")
    heir.now_ms = NOW_MS + LEASE_MS + 1
    assert heir.lease(horizon=2) == []
    end = {"cancelled": CANCELLED, "validity": EXPIRED, "stop": EXCLUDED}[why]
    assert stock.states(ids) == [UNCONFIRMED, UNCONFIRMED, end, end]
    assert stock.message(ids[0])["reason"].startswith("it may have gone out, and is not sent again: ")
    assert stock.counts(delivery.pk) == {UNCONFIRMED: 2, end: 2}


def test_a_message_partly_taken_that_may_not_go_on_has_failed(stock: Stock, desk: Desk) -> None:
    delivery = delivery_row("sending")
    (message_id,) = stock.enqueue(1, delivery=delivery.pk, segments=3)
    desk.record(segments=desk.accepted(message_id, delivery=delivery.pk, segments=3)["segments"][1:])
    Delivery.objects.filter(pk=delivery.pk).update(status="cancelled")
    assert desk.lease() == []
    message = stock.message(message_id)
    words = "2 of 3 segments were sent, the others not: cancelled"
    assert (message["state"], message["reason"]) == (DeliveryState.FAILED, words)


def test_the_horizon_counts_places_in_a_batch_that_is_a_list(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(10, gap=3)
    desk.lease(horizon=4)
    heir = Desk(stock, "engine-2")
    heir.now_ms += LATER_MS
    assert marked(heir.lease()) == ids[:4]


def test_a_lease_is_kept_by_moving_its_horizon(stock: Stock, desk: Desk) -> None:
    stock.enqueue(5)
    (leased,) = desk.lease()
    heir = Desk(stock, "engine-2")
    heir.now_ms += LATER_MS
    desk.record(horizons=[(leased.outbox_id, leased.token, 5, heir.now_ms + LEASE_MS)])
    assert heir.lease() == []
    assert desk.lost == []


def test_a_late_holder_is_told_that_its_lease_is_lost_and_changes_nothing_of_it(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(5)
    (leased,) = desk.lease()
    heir = Desk(stock, "engine-2")
    heir.now_ms += LATER_MS
    (taken,) = heir.lease(horizon=3)
    lease = (leased.outbox_id, leased.token)
    desk.record(horizons=[(*lease, 5, heir.now_ms + 10 * LEASE_MS)])
    assert desk.lost == [leased.outbox_id]
    desk.record(finished=[lease])
    desk.record(released=[lease])
    rows = stock.query("SELECT lease_token, lease_owner, horizon, lease_until_ms FROM outbox")
    assert rows == [(taken.token, "engine-2", 3, heir.now_ms + LEASE_MS)]
    assert ids_of([taken]) == ids


def test_horizons_of_several_leases_move_together_and_only_the_lost_is_told(stock: Stock, desk: Desk) -> None:
    stock.enqueue(1000)
    stock.enqueue(1000, due_ms=NOW_MS + 1)
    desk.now_ms += 1
    first, second = desk.lease()
    until = desk.now_ms + LEASE_MS
    desk.record(horizons=[(first.outbox_id, first.token, 50, until), (second.outbox_id, second.token + 1, 60, until)])
    assert desk.lost == [second.outbox_id]
    assert stock.query("SELECT horizon FROM outbox ORDER BY id") == [(50,), (10,)]


def test_a_released_lease_can_be_taken_at_once_and_nothing_is_marked(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(5)
    (leased,) = desk.lease(horizon=5)
    desk.record(released=[(leased.outbox_id, leased.token)])
    again = Desk(stock, "engine-2").lease()
    assert ids_of(again) == ids
    assert marked(again) == []


def test_an_engine_does_not_take_from_itself_what_it_could_not_renew_in_time(stock: Stock, desk: Desk) -> None:
    """The database was away for longer than a lease lasts; what the engine has in hand is still in its hands."""
    ids = stock.enqueue(5)
    (leased,) = desk.lease()
    desk.now_ms += 3 * LEASE_MS
    assert desk.lease() == []
    desk.record(horizons=[(leased.outbox_id, leased.token, 5, desk.now_ms + LEASE_MS)])
    assert desk.lost == []
    assert not any(stock.message(i)["is_possible_duplicate"] for i in ids)


def test_an_engine_finds_again_what_it_was_never_told_that_it_has(stock: Stock, desk: Desk) -> None:
    """The lease was committed and the answer was lost."""
    ids = stock.enqueue(5)
    request = LeaseRequest(1, 1, "", 1000, 5, resend_unknown=True)
    with stock.store.transaction():
        stock.store.lease(request, desk.owner, NOW_MS)
    desk.now_ms += LATER_MS
    assert ids_of(desk.lease()) == ids


# -- messages put off ----------------------------------------------------------------------


def test_a_message_put_off_waits_in_a_row_of_its_own(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(3)
    leases = desk.lease()
    desk.put_off(ids[1], NOW_MS + 5000, reason="the provider's queue is full")
    desk.send([ids[0], ids[2]])
    desk.finish(leases)
    assert stock.message(ids[1])["reason"] == "the provider's queue is full"
    assert (stock.message(ids[1])["tries"], stock.message(ids[1])["due_ms"]) == (0, NOW_MS + 5000)
    desk.now_ms = NOW_MS + 4999
    assert desk.lease() == []
    desk.now_ms = NOW_MS + 5200
    again = desk.lease()
    assert ids_of(again) == [ids[1]]
    assert marked(again) == []


def test_a_message_put_off_is_not_also_given_with_the_batch_it_came_from(stock: Stock, desk: Desk) -> None:
    """The batch goes back while the message waits for another try: it must not be in two hands."""
    ids = stock.enqueue(3)
    (leased,) = desk.lease()
    desk.put_off(ids[1], NOW_MS + 1000)
    desk.record(released=[(leased.outbox_id, leased.token)])
    assert ids_of(desk.lease()) == [ids[0], ids[2]]
    desk.now_ms += 2000
    assert ids_of(desk.lease()) == [ids[1]]


def test_a_message_put_off_before_a_crash_comes_once(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(3)
    desk.lease()
    desk.put_off(ids[1], NOW_MS + 1000)
    heir = Desk(stock, "engine-2")
    heir.now_ms += LATER_MS
    assert sorted(ids_of(heir.lease())) == ids


def test_messages_put_off_to_nearly_the_same_time_share_a_row(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(50)
    leases = desk.lease()
    desk.record(put_off=[PutOff(message_id, 1, "busy", NOW_MS + 1001 + place) for place, message_id in enumerate(ids)])
    desk.finish(leases)
    assert stock.outbox() == 1
    assert desk.lease() == []
    desk.now_ms += 1200
    assert ids_of(desk.lease()) == ids


def test_a_message_of_a_paused_delivery_that_is_put_off_stays_held(stock: Stock, desk: Desk) -> None:
    delivery = delivery_row("sending")
    ids = stock.enqueue(2, delivery=delivery.pk)
    leases = desk.lease()
    desk.send(ids, delivery=delivery.pk)
    desk.finish(leases)
    Delivery.objects.filter(pk=delivery.pk).update(status="paused")
    desk.receipt(f"p{ids[0]}.0.0", "error")
    desk.now_ms += DAY_MS
    assert desk.lease() == []
    stock.query("UPDATE outbox SET is_held = ?", False)
    Delivery.objects.filter(pk=delivery.pk).update(status="sending")
    assert ids_of(desk.lease()) == ids[:1]


# -- the sweep ----------------------------------------------------------------------


def test_messages_whose_validity_ends_are_ended_though_nobody_leases_them(stock: Stock, desk: Desk) -> None:
    """Their connection has no link; they end all the same."""
    stock.connection_id = 9
    ids = stock.enqueue(3, delivery=4, expires_ms=NOW_MS + 5000)
    stock.connection_id = 1
    desk.tick(4000)
    assert stock.states(ids) == [WAITING] * 3
    desk.tick(1001)
    assert stock.states(ids) == [EXPIRED] * 3
    assert stock.counts(4) == {EXPIRED: 3}
    assert stock.outbox() == 0


def test_a_batch_is_swept_when_its_last_message_ends(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(2, each=[{"expires_ms": NOW_MS + 1000}, {"expires_ms": NOW_MS + 5000}])
    desk.tick(2000)
    assert stock.states(ids) == [WAITING, WAITING]
    desk.tick(4000)
    assert stock.states(ids) == [EXPIRED, EXPIRED]


def test_a_message_without_end_keeps_its_batch_from_the_sweep(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(2, each=[{"expires_ms": NOW_MS + 1000}, {}])
    desk.tick(DAY_MS)
    assert stock.states(ids) == [WAITING, WAITING]


def test_held_messages_of_a_cancelled_delivery_are_swept(stock: Stock, desk: Desk) -> None:
    delivery = delivery_row("paused")
    ids = stock.enqueue(2500, delivery=delivery.pk, is_held=True)
    Delivery.objects.filter(pk=delivery.pk).update(status="cancelled")
    desk.tick(1000)
    assert stock.counts(delivery.pk) == {CANCELLED: 2500}
    assert stock.message(ids[0])["reason"] == "cancelled"
    assert stock.outbox() == 0


def test_what_somebody_holds_is_not_swept(stock: Stock, desk: Desk) -> None:
    delivery = delivery_row("sending")
    ids = stock.enqueue(3, delivery=delivery.pk)
    desk.lease()
    Delivery.objects.filter(pk=delivery.pk).update(status="cancelled")
    Desk(stock, "engine-2").tick(1000)
    assert stock.states(ids) == [WAITING] * 3
