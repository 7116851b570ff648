"""What is counted of the traffic: in the transaction that it happens in, and added up when it is old."""

from collections import Counter

import pytest
from tests.engine.house import House, in_loop, quirks, until
from tests.engine.stock import DAY_MS, NOW_MS, Desk, Stock, policy, theirs

from chappe.engine.traffic import BUCKET_MS, HOUR_MS, SWEEP_MS, SWEPT
from chappe.messaging import DeliveryState, StoreError, TrafficKind

SENT, DELIVERED, READ, FAILED = TrafficKind.SENT, TrafficKind.DELIVERED, TrafficKind.READ, TrafficKind.FAILED
RECEIPT, UNMATCHED, INBOUND = TrafficKind.RECEIPT, TrafficKind.UNMATCHED, TrafficKind.INBOUND


def counted(stock: Stock) -> dict[tuple[int, TrafficKind], int]:
    """By delivery and kind, whatever the bucket."""
    found: Counter[tuple[int, TrafficKind]] = Counter()
    rows = stock.query(
        "SELECT delivery_id, kind, messages FROM traffic WHERE organisation_id = 1 AND connection_id = 1"
    )
    for delivery_id, kind, messages in rows:
        found[delivery_id, TrafficKind(kind)] += messages
    return dict(found)


def buckets(stock: Stock) -> list[tuple[int, int, int]]:
    """When each begins, how wide it is, how much is in it."""
    return stock.query("SELECT bucket_ms, width_ms, messages FROM traffic ORDER BY bucket_ms, width_ms")  # type: ignore[return-value]


def sent(stock: Stock, desk: Desk, count: int = 1, delivery: int = 0, segments: int = 1) -> list[int]:
    ids = stock.enqueue(count, delivery=delivery, segments=segments)
    desk.send(ids, delivery=delivery, segments=segments)
    return ids


def test_what_is_taken_and_delivered_is_counted_by_delivery(stock: Stock, desk: Desk) -> None:
    mine, others = sent(stock, desk, 3, delivery=4), sent(stock, desk, 2)
    for message_id in [*mine[:2], others[0]]:
        desk.receipt(theirs(message_id))
    assert counted(stock) == {(4, SENT): 3, (0, SENT): 2, (4, DELIVERED): 2, (0, DELIVERED): 1, (0, RECEIPT): 3}


def test_a_message_of_many_segments_is_counted_once(stock: Stock, desk: Desk) -> None:
    sent(stock, desk, 2, delivery=4, segments=3)
    assert counted(stock) == {(4, SENT): 2}


def test_a_message_whose_segments_were_taken_before_an_interruption_is_counted(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, delivery=4, segments=2)
    lists = desk.accepted(message_id, segments=2, delivery=4)
    desk.record(segments=lists["segments"])
    assert counted(stock) == {}
    desk.record(sent=lists["sent"])
    assert counted(stock) == {(4, SENT): 1}


def test_the_same_outcome_twice_is_counted_once(stock: Stock, desk: Desk) -> None:
    (message_id,) = sent(stock, desk, delivery=4)
    desk.send([message_id], delivery=4)
    desk.receipt(theirs(message_id))
    desk.receipt(theirs(message_id))
    assert counted(stock) == {(4, SENT): 1, (4, DELIVERED): 1, (0, RECEIPT): 2}


def test_a_message_that_fails_and_one_that_expires_are_counted_as_that(stock: Stock, desk: Desk) -> None:
    failed, expired, answered = stock.enqueue(3, delivery=4)
    desk.refuse(failed, is_retried=False)
    desk.settle(expired, DeliveryState.EXPIRED)
    desk.send([answered], delivery=4)
    desk.receipt(theirs(answered), "error")
    kinds = counted(stock)
    assert (kinds[4, FAILED], kinds[4, TrafficKind.EXPIRED], kinds[0, RECEIPT]) == (1, 1, 1)


def test_a_receipt_that_matches_nothing_is_counted_once_it_is_given_up(stock: Stock, desk: Desk) -> None:
    desk.receipt("nobody's")
    assert counted(stock) == {}
    desk.tick(40_000)
    assert counted(stock) == {(0, UNMATCHED): 1}


def test_texts_and_wishes_are_counted(stock: Stock) -> None:
    replies = [{"keyword": "STOP", "action": "send_to_quarantine", "reply": "", "short_code": ""}]
    desk = Desk(stock, automatic_replies=replies)
    desk.text("STOP")
    desk.text("hello")
    assert counted(stock) == {(0, INBOUND): 2, (0, TrafficKind.OPT_OUT): 1}


def test_what_is_rolled_back_is_not_counted(stock: Stock, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = stock.enqueue(2, delivery=4)
    commit = stock.store.database.commit

    def refuse() -> None:
        raise StoreError("the disk is gone")

    monkeypatch.setattr(stock.store.database, "commit", refuse)
    with pytest.raises(StoreError, match="disk"):
        desk.send(ids, delivery=4)
    stock.store.database.rollback()
    monkeypatch.setattr(stock.store.database, "commit", commit)
    assert counted(stock) == {}
    desk.send(ids, delivery=4)
    assert counted(stock) == {(4, SENT): 2}


def test_each_five_minutes_have_a_bucket(stock: Stock, desk: Desk) -> None:
    sent(stock, desk, 2)
    desk.now_ms += BUCKET_MS - 1
    sent(stock, desk, 1)
    desk.now_ms += 1
    sent(stock, desk, 1)
    assert buckets(stock) == [(NOW_MS, BUCKET_MS, 3), (NOW_MS + BUCKET_MS, BUCKET_MS, 1)]


def test_old_buckets_become_hours_then_days_then_nothing(stock: Stock, desk: Desk) -> None:
    for _ in range(30):
        sent(stock, desk, 1)
        desk.now_ms += BUCKET_MS
    desk.tick(4 * DAY_MS)
    hours = [(NOW_MS, HOUR_MS, 12), (NOW_MS + HOUR_MS, HOUR_MS, 12), (NOW_MS + 2 * HOUR_MS, HOUR_MS, 6)]
    assert buckets(stock) == hours
    desk.tick(40 * DAY_MS)
    assert buckets(stock) == [(NOW_MS, DAY_MS, 30)]
    desk.tick(800 * DAY_MS)
    assert buckets(stock) == []


def test_a_sweep_takes_a_bounded_number_of_rows(stock: Stock, desk: Desk) -> None:
    values = ",".join(
        f"(1, 1, {delivery}, {NOW_MS - 10 * DAY_MS}, {BUCKET_MS}, 30, 1)" for delivery in range(SWEPT + 1)
    )
    with stock.store.transaction():
        stock.query(
            "INSERT INTO traffic (organisation_id, connection_id, delivery_id, bucket_ms, width_ms, kind, messages) "
            f"VALUES {values}"
        )
    desk.tick(1_000)
    assert Counter(width for _, width, _ in buckets(stock)) == {BUCKET_MS: 1, HOUR_MS: SWEPT}
    desk.tick(SWEEP_MS)
    assert Counter(width for _, width, _ in buckets(stock)) == {HOUR_MS: SWEPT + 1}


def test_connections_are_counted_apart(stock: Stock, desk: Desk) -> None:
    desk.handle(policy(stock, connection_id=2, organisation_id=7))
    sent(stock, desk, 1)
    stock.connection_id = 2
    sent(stock, desk, 2)
    rows = stock.query("SELECT organisation_id, connection_id, messages FROM traffic ORDER BY organisation_id")
    assert rows == [(1, 1, 1), (7, 2, 2)]


# -- a whole engine ----------------------------------------------------------------------------------------------------


@in_loop
async def watch(house: House, count: int) -> None:
    shown = "SELECT count(*) FROM link_state WHERE receipts_per_s > 0 AND unmatched_per_s = 0"
    async with house.at_work(quirks()):
        await until(lambda: house.stock.query(shown)[0][0] == 1, "the receipts of the link")
        await until(lambda: house.in_state(DeliveryState.DELIVERED) == count, "the delivery of all")
    found = dict(house.stock.query("SELECT kind, sum(messages) FROM traffic GROUP BY kind"))  # type: ignore[arg-type]
    assert found == {SENT: count, DELIVERED: count, RECEIPT: count}


def test_a_link_shows_its_receipts_and_all_are_counted(database: str) -> None:
    house = House(database, window=50, max_mt_per_s=300)
    house.fill(450)
    watch(house, 450)
    house.stock.close()
