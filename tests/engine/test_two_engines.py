"""Where a message is, told by its first segment alone, while two engines work on one PostgreSQL; and late words."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from threading import Thread

import psycopg
import pytest
from tests.engine.stock import DAY_MS, NOW_MS, Desk, Stock, delivery_row, policy, theirs

from chappe.engine.recorder import Recorder
from chappe.engine.store.frame import Leased, ProviderError, PutOff, Settled
from chappe.engine.store.store import LEASE_MS
from chappe.messaging import ENDS, DeliveryState, StoreBusy

WAITING, UNCONFIRMED, SENT = DeliveryState.WAITING, DeliveryState.UNCONFIRMED, DeliveryState.SENT
DELIVERED, EXPIRED = DeliveryState.DELIVERED, DeliveryState.EXPIRED
DELIVERY = 4
LONGEST_S = 60.0
WAITERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
def rivals(postgresql_url: str) -> Iterator[tuple[Desk, Desk]]:
    """Two engines, each with a connection of its own to one PostgreSQL."""
    stocks = Stock(postgresql_url), Stock(postgresql_url)
    yield Desk(stocks[0], "engine-1"), Desk(stocks[1], "engine-2")
    for stock in stocks:
        stock.close()


@contextmanager
def meanwhile(desk: Desk, other: Callable[[], object]) -> Iterator[None]:
    """What `desk` does within is committed only once `other`, in a thread, is done or waits for a lock."""
    database = desk.stock.store.database
    url, commit = database._url, database.commit  # type: ignore[attr-defined]
    thread = Thread(target=persistently(other), daemon=True)

    def late() -> None:
        database.commit = commit  # type: ignore[method-assign]
        thread.start()
        until = time.monotonic() + LONGEST_S
        with psycopg.connect(url, autocommit=True) as watch:
            while thread.is_alive() and watch.execute(WAITERS).fetchone() == (0,):
                assert time.monotonic() < until
                thread.join(0.01)
        commit()

    database.commit = late  # type: ignore[method-assign]
    yield
    thread.join(LONGEST_S)
    assert not thread.is_alive()


def persistently(work: Callable[[], object]) -> Callable[[], None]:
    """As the store process does it: again while the database cannot."""

    def run() -> None:
        for _ in range(10):
            try:
                work()
            except StoreBusy:
                continue
            return

    return run


def assert_counted(stock: Stock, delivery: int = DELIVERY) -> None:
    assert stock.counts(delivery) == stock.counted(delivery)


# -- two engines at once ---------------------------------------------------------------------------------------------


@pytest.mark.postgresql
def test_a_sweep_that_meets_a_late_sent_does_not_end_the_message(rivals: tuple[Desk, Desk]) -> None:
    one, two = rivals
    ids = one.stock.enqueue(2, delivery=DELIVERY, expires_ms=NOW_MS + 10_000)
    one.lease()
    two.now_ms += LEASE_MS + 1
    with meanwhile(one, two.tick):
        one.send(ids[:1], delivery=DELIVERY)
    assert_counted(one.stock)
    assert one.stock.state(ids[0]) == SENT


@pytest.mark.postgresql
def test_a_refusal_that_meets_a_late_sent_does_not_fail_the_message(rivals: tuple[Desk, Desk]) -> None:
    one, two = rivals
    (message_id,) = one.stock.enqueue(1, delivery=DELIVERY)
    with meanwhile(one, lambda: two.refuse(message_id, "ESME_RINVDSTADR", "0x0000000B", is_retried=False)):
        one.send([message_id], delivery=DELIVERY)
    assert_counted(one.stock)
    assert one.stock.state(message_id) == SENT


def second_attempt(desk: Desk, *, is_sent: bool) -> int:
    """A message whose first attempt the provider gave up, and whose second is on its way."""
    (message_id,) = desk.stock.enqueue(1, delivery=DELIVERY)
    desk.send([message_id], delivery=DELIVERY)
    desk.receipt(theirs(message_id), "error")
    if is_sent:
        desk.send([message_id], attempt=1, delivery=DELIVERY)
    return message_id


@pytest.mark.postgresql
def test_a_late_success_of_the_old_attempt_meets_the_answer_to_the_new_one(rivals: tuple[Desk, Desk]) -> None:
    one, two = rivals
    message_id = second_attempt(one, is_sent=False)
    with meanwhile(one, lambda: two.receipt(theirs(message_id, 0))):
        one.send([message_id], attempt=1, delivery=DELIVERY)
    assert_counted(one.stock)
    assert one.stock.state(message_id) == DELIVERED


@pytest.mark.postgresql
def test_a_late_success_of_the_old_attempt_meets_the_success_of_the_new_one(rivals: tuple[Desk, Desk]) -> None:
    one, two = rivals
    message_id = second_attempt(one, is_sent=True)
    with meanwhile(one, lambda: two.receipt(theirs(message_id, 0))):
        one.receipt(theirs(message_id, 1))
    assert_counted(one.stock)
    assert one.stock.state(message_id) == DELIVERED


@pytest.mark.postgresql
def test_an_error_of_the_second_segment_meets_the_success_of_the_first(rivals: tuple[Desk, Desk]) -> None:
    one, two = rivals
    (message_id,) = one.stock.enqueue(1, delivery=DELIVERY, segments=2)
    one.send([message_id], segments=2, delivery=DELIVERY)
    with meanwhile(one, lambda: two.receipt(theirs(message_id, 0, 1), "error")):
        one.receipt(theirs(message_id))
    assert_counted(one.stock)
    assert one.stock.state(message_id) == DELIVERED


@pytest.mark.postgresql
def test_an_error_of_the_second_segment_meets_the_answer_to_the_last(rivals: tuple[Desk, Desk]) -> None:
    one, two = rivals
    (message_id,) = one.stock.enqueue(1, delivery=DELIVERY, segments=2)
    parts = one.accepted(message_id, segments=2, delivery=DELIVERY)
    one.record(segments=parts["segments"][1:])
    with meanwhile(one, lambda: two.receipt(theirs(message_id, 0, 1), "error")):
        one.record(segments=parts["segments"][:1], sent=parts["sent"])
    assert_counted(one.stock)


# -- late words ------------------------------------------------------------------------------------------------------


def test_the_answer_to_an_attempt_that_was_given_up_does_not_stop_the_next(stock: Stock) -> None:
    """An engine that lost its lease is answered after the provider's error for what its heir sent."""
    late, heir = Desk(stock, "engine-1"), Desk(stock, "engine-2")
    (message_id,) = stock.enqueue(1, delivery=DELIVERY)
    late.lease()
    heir.now_ms += LEASE_MS + 1
    leases = heir.lease()
    heir.send([message_id], delivery=DELIVERY)
    heir.finish(leases)
    heir.receipt(theirs(message_id), "error")
    late.send([message_id], delivery=DELIVERY)
    assert_counted(stock)
    assert (stock.state(message_id), stock.message(message_id)["attempt"]) == (WAITING, 1)
    heir.now_ms += DAY_MS
    (leased,) = heir.lease()
    assert [message.attempt for message in leased.messages] == [1]


@pytest.mark.parametrize("is_delivered", [False, True])
def test_the_first_segment_of_an_attempt_that_its_second_segment_ended(
    stock: Stock, desk: Desk, is_delivered: bool
) -> None:
    (message_id,) = stock.enqueue(1, delivery=DELIVERY, segments=2)
    parts = desk.accepted(message_id, segments=2, delivery=DELIVERY)
    desk.record(segments=parts["segments"][1:])
    desk.receipt(theirs(message_id, 0, 1), "error")
    desk.record(segments=parts["segments"][:1], sent=parts["sent"])
    assert_counted(stock)
    assert stock.state(message_id) == WAITING
    if is_delivered:
        desk.receipt(theirs(message_id))
        assert_counted(stock)
        assert stock.state(message_id) == DELIVERED
    else:
        desk.now_ms += DAY_MS
        desk.lease()
        desk.send([message_id], attempt=1, segments=2, delivery=DELIVERY)
        assert_counted(stock)
        assert stock.state(message_id) == SENT


# -- anything in any order -------------------------------------------------------------------------------------------


@dataclass
class Flight:
    """A message that an engine has put on the wire; its segments are answered in any order."""

    leased: Leased
    message_id: int
    attempt: int
    left: list[int]
    parts: dict[str, list[tuple[int, ...]]]


@dataclass
class Engine:
    """A desk whose messages are answered, refused, forgotten; it does not notice that its leases have run out."""

    desk: Desk
    chance: random.Random
    lengths: dict[int, int]
    delivery: int
    flights: list[Flight] = field(default_factory=list)

    def lease(self) -> None:
        desk = self.desk
        for leased in desk.lease(self.chance.choice([1, 3, 100]), self.chance.choice([0, 2, 10])):
            for message in leased.messages:
                segments = self.lengths[message.id]
                parts = desk.accepted(message.id, message.attempt, segments, self.delivery)
                left = [i for i in range(segments) if i not in message.accepted_segments]
                self.chance.shuffle(left)
                if left:
                    self.flights.append(Flight(leased, message.id, message.attempt, left, parts))
                else:  # another engine was answered for the rest
                    desk.record(sent=parts["sent"])

    def answers(self) -> None:
        """Some answers, and receipts that overtake them, in one transaction."""
        lists: dict[str, list[object]] = {"segments": [], "sent": [], "receipts": []}
        for flight in self.chance.sample(self.flights, min(len(self.flights), self.chance.randint(1, 4))):
            count = self.chance.randint(1, len(flight.left))
            taken, flight.left = flight.left[:count], flight.left[count:]
            lists["segments"] += [flight.parts["segments"][i] for i in taken]
            if not flight.left:
                lists["sent"] += flight.parts["sent"]
                self._over(flight)
            if self.chance.random() < 0.3:
                lists["receipts"].append(self._receipt(flight.message_id, flight.attempt))
        self.desk.record(**lists)

    def failure(self) -> None:
        """The message in hand is refused, put off, left unconfirmed or too late."""
        if not self.flights:
            return
        flight = self.chance.choice(self.flights)
        one, there, now = flight.message_id, self.desk.stock.connection_id, self.desk.now_ms
        self._over(flight)
        lists: dict[str, list[object]]
        lists = self.chance.choice(
            [
                {"put_off": [PutOff(one, there, "busy", now + 1000, self.chance.random() < 0.5)]},
                {"errors": [ProviderError(one, there, "ESME_RSYSERR", "0x8", "words", now, True)]},
                {"errors": [ProviderError(one, there, "ESME_RINVSRCADR", "0xA", "no", now, False)]},
                {"settled": [Settled(one, int(UNCONFIRMED), "no answer", now)]},
                {"settled": [Settled(one, int(EXPIRED), "too late", now)]},
            ]
        )
        self.desk.record(**lists)

    def _over(self, flight: Flight) -> None:
        self.flights.remove(flight)
        if not any(other.leased is flight.leased for other in self.flights):
            self.desk.finish([flight.leased])

    def receipts(self) -> None:
        some = self.chance.choices(list(self.lengths), k=self.chance.randint(1, 3))
        self.desk.record(receipts=[self._receipt(one, self.chance.choice([0, 0, 1, 2])) for one in some])

    def _receipt(self, message_id: int, attempt: int) -> object:
        kind = self.chance.choice(["success", "success", "error", "error", "intermediate"])
        index = self.chance.choice([0, 0, 0, 1])
        return self.desk.received(theirs(message_id, attempt, index), kind)

    def step(self) -> None:
        draw = self.chance.random()
        if draw < 0.2:
            self.lease()
        elif draw < 0.55:
            self.answers()
        elif draw < 0.62:
            self.failure()
        elif draw < 0.85:
            self.receipts()
        elif draw < 0.88:
            self.desk.recorder = Recorder(self.desk.stock.store, self.desk.owner)
            self.desk.handle(policy(self.desk.stock))
            self.flights.clear()
        else:
            self.desk.tick(self.chance.choice([300, 1500, LEASE_MS + 1, 130_000]))


def enqueue_some(stock: Stock, delivery: int, chance: random.Random) -> dict[int, int]:
    """Messages, each with the number of its segments."""
    lengths: dict[int, int] = {}
    for segments in (1, 2, 3):
        expires = chance.choice([0, NOW_MS + 400_000])
        gap = chance.randint(0, 1)
        ids = stock.enqueue(4, delivery=delivery, segments=segments, gap=gap, expires_ms=expires)
        lengths |= dict.fromkeys(ids, segments)
    return lengths


def drain(stock: Stock, now_ms: int, lengths: dict[int, int], delivery: int) -> None:
    """Whatever still waits is sent and delivered by an engine that comes later."""
    desk = Desk(stock, "engine-3", retry_limit=30)
    desk.now_ms = now_ms + DAY_MS
    for _ in range(20):
        for leased in desk.lease(horizon=0):
            for message in leased.messages:
                desk.send([message.id], message.attempt, lengths[message.id], delivery)
            desk.finish([leased])
        desk.tick(DAY_MS)


def assert_nothing_waits(stock: Stock, delivery: int) -> None:
    assert WAITING not in stock.counted(delivery)
    assert stock.query("SELECT count(*) FROM outbox WHERE delivery_id = ?", delivery) == [(0,)]


def test_whatever_happens_to_long_messages_and_however_late_the_counts_are_right(stock: Stock) -> None:
    for seed in range(60 if stock.store.database.name == "sqlite" else 12):
        chance = random.Random(seed)
        stock.connection_id, delivery = 100 + seed, delivery_row("sending").pk
        desks = [Desk(stock, f"engine-{seed}-{n}", retry_limit=3) for n in (1, 2)]
        lengths = enqueue_some(stock, delivery, chance)
        engines = [Engine(desk, chance, lengths, delivery) for desk in desks]
        before: dict[int, tuple[int, int]] = {}
        for number in range(80):
            chance.choice(engines).step()
            assert stock.counts(delivery) == stock.counted(delivery), (seed, number)
            rows = stock.query("SELECT id, attempt, state FROM message_now WHERE delivery_id = ?", delivery)
            now = {message_id: (attempt, state) for message_id, attempt, state in rows}
            for one, was in before.items():
                assert now[one] >= was, (seed, number, one)
                assert was[1] not in ENDS or now[one] == was, (seed, number, one)
            before = now
        drain(stock, max(desk.now_ms for desk in desks), lengths, delivery)
        assert_counted(stock, delivery)
        assert_nothing_waits(stock, delivery)


@pytest.mark.postgresql
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_two_engines_at_once_count_every_message_once(postgresql_url: str) -> None:
    for seed in range(6):
        with closing(Stock(postgresql_url)) as mine, closing(Stock(postgresql_url)) as other:
            delivery = 1000 + seed
            mine.connection_id = other.connection_id = 100 + seed
            lengths = enqueue_some(mine, delivery, random.Random(seed))
            desks = [Desk(one, f"engine-{seed}-{n}", retry_limit=3) for n, one in enumerate((mine, other))]
            failures: list[BaseException] = []
            threads = [
                Thread(
                    target=_work, args=(desk, random.Random(seed * 10 + n), lengths, delivery, failures), daemon=True
                )
                for n, desk in enumerate(desks)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(LONGEST_S)
                assert not thread.is_alive()
            assert not failures
            assert_counted(mine, delivery)
            drain(mine, max(desk.now_ms for desk in desks), lengths, delivery)
            assert_counted(mine, delivery)
            assert_nothing_waits(mine, delivery)


def _work(
    desk: Desk, chance: random.Random, lengths: dict[int, int], delivery: int, failures: list[BaseException]
) -> None:
    engine = Engine(desk, chance, lengths, delivery)
    try:
        for _ in range(120):
            _keep_on(desk)
            engine.step()
    except BaseException as error:  # noqa: BLE001 - told by the thread that waits
        failures.append(error)


def _keep_on(desk: Desk) -> None:
    """As the store process does it: what met a deadlock is done again."""
    recorder = desk.recorder
    if getattr(recorder, "keeps_on", False):
        return

    def again(work: Callable[..., list[object]]) -> Callable[..., list[object]]:
        def persist(*values: object) -> list[object]:
            for _ in range(20):
                try:
                    return work(*values)
                except StoreBusy:
                    continue
            raise AssertionError("busy for ever")

        return persist

    recorder.handle, recorder.tick = again(recorder.handle), again(recorder.tick)  # type: ignore
    recorder.keeps_on = True  # type: ignore
