"""Any sequence of what can happen to messages: counts stay right, states go forward, nothing is forgotten."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.engine.stock import Desk, Stock, delivery_row, theirs

from chappe.engine.store.frame import Leased, ProviderError, PutOff, Settled
from chappe.engine.store.store import LEASE_MS, unpack_ids
from chappe.features.deliveries.models import Delivery
from chappe.messaging import ENDS, DeliveryState

KINDS = ("success", "error", "intermediate")
MOST_STEPS = 50


@dataclass
class Held:
    """A lease in the hands of one engine, as its worker keeps it."""

    leased: Leased
    left: list[int]
    is_returned: bool = False
    attempts: dict[int, int] = field(default_factory=dict)


class Life(RuleBasedStateMachine):
    """Two engines on one store. Each example has a connection and a delivery of its own."""

    stock: Stock
    examples = 0

    @initialize(resends=st.booleans(), limit=st.integers(0, 3))
    def begin(self, resends: bool, limit: int) -> None:
        type(self).examples += 1
        self.connection_id = 100 + type(self).examples
        self.stock.connection_id = self.connection_id
        self.delivery = delivery_row("sending").pk
        self.desks = [Desk(self.stock, f"engine-{self.connection_id}-{n}", retry_limit=limit) for n in (1, 2)]
        self.held: list[list[Held]] = [[], []]
        self.resends = resends
        self.ids: list[int] = []
        self.before: dict[int, tuple[int, DeliveryState]] = {}
        self.known: list[str] = []

    # -- what can happen ---------------------------------------------------------------------------------------------

    @rule(count=st.integers(1, 5), gap=st.integers(0, 2), ends=st.booleans(), is_held=st.booleans())
    def enqueue(self, count: int, gap: int, ends: bool, is_held: bool) -> None:
        now = self.desks[0].now_ms
        expires = now + 200_000 if ends else 0
        is_held = is_held and self._status() == "paused"
        self.ids += self.stock.enqueue(
            count, delivery=self.delivery, gap=gap, due_ms=now, expires_ms=expires, is_held=is_held
        )

    @rule(who=st.integers(0, 1), horizon=st.integers(0, 4))
    def lease(self, who: int, horizon: int) -> None:
        for leased in self.desks[who].lease(horizon=horizon, resend=self.resends):
            held = Held(leased, [message.id for message in leased.messages])
            in_hands = {message_id for engine in self.held for other in engine for message_id in other.left}
            assert in_hands.isdisjoint(held.left), "a message is in two hands"
            held.attempts = {message.id: message.attempt for message in leased.messages}
            self.held[who].append(held)

    @precondition(lambda self: any(self.held))
    @rule(data=st.data(), outcome=st.sampled_from(["sent", "sent", "sent", "later", "error", "hard", "unknown", "end"]))
    def answer(self, data: st.DataObject, outcome: str) -> None:
        """A message in somebody's hands has its say; the lease ends with its last."""
        who = data.draw(st.sampled_from([n for n in (0, 1) if self.held[n]]))
        held = data.draw(st.sampled_from(self.held[who]))
        desk, message_id = self.desks[who], data.draw(st.sampled_from(held.left))
        lists = self._outcome(desk, message_id, held.attempts[message_id], outcome)
        held.left.remove(message_id)
        self._close(who, held, lists)

    def _outcome(self, desk: Desk, message_id: int, attempt: int, outcome: str) -> dict[str, Any]:
        connection, now = self.connection_id, desk.now_ms
        match outcome:
            case "sent":
                self.known.append(theirs(message_id, attempt))
                return desk.accepted(message_id, attempt, delivery=self.delivery)
            case "later":
                return {"put_off": [PutOff(message_id, connection, "busy", now + 1000)]}
            case "error":
                return {"errors": [ProviderError(message_id, connection, "ESME_RSYSERR", "0x8", "words", now, True)]}
            case "hard":
                return {"errors": [ProviderError(message_id, connection, "ESME_RINVDSTADR", "0xB", "no", now, False)]}
            case "unknown" if self.resends:
                return {"put_off": [PutOff(message_id, connection, "no answer", now + 1000, True)]}
            case "unknown":
                return {"settled": [Settled(message_id, DeliveryState.UNCONFIRMED, "no answer", now)]}
        return {"settled": [Settled(message_id, DeliveryState.EXPIRED, "too late", now)]}

    def _close(self, who: int, held: Held, lists: dict[str, Any]) -> None:
        lease = (held.leased.outbox_id, held.leased.token)
        if not held.left:
            lists["released" if held.is_returned else "finished"] = [lease]
            self.held[who].remove(held)
        self.desks[who].record(**lists)

    @precondition(lambda self: any(self.held))
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """The engine stops: what it has not sent goes back."""
        who = data.draw(st.sampled_from([n for n in (0, 1) if self.held[n]]))
        for held in list(self.held[who]):
            held.left, held.is_returned = [], True
            self._close(who, held, {})

    @rule(who=st.integers(0, 1))
    def die(self, who: int) -> None:
        """An engine is killed, and another takes its place once its leases have run out."""
        self.held[who] = []
        self.desks[who] = Desk(self.stock, f"{self.desks[who].owner}'", retry_limit=3)
        self._pass(LEASE_MS + 1)
        self.held = [[], []]  # the other was away for as long, and finds that it has lost everything
        self.desks[1 - who] = Desk(self.stock, f"{self.desks[1 - who].owner}'", retry_limit=3)
        for desk in self.desks:
            desk.now_ms = max(one.now_ms for one in self.desks)

    @precondition(lambda self: any(self.held))
    @rule(data=st.data())
    def horizon(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from([n for n in (0, 1) if self.held[n]]))
        held = data.draw(st.sampled_from(self.held[who])).leased
        until = self.desks[who].now_ms + LEASE_MS
        self.desks[who].record(horizons=[(held.outbox_id, held.token, held.size, until)])

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), who=st.integers(0, 1), kind=st.sampled_from(KINDS), times=st.integers(1, 2))
    def receipt(self, data: st.DataObject, who: int, kind: str, times: int) -> None:
        """For any message and any attempt: early, late, twice, for ids nobody will ever know."""
        message_id = data.draw(st.sampled_from(self.ids))
        attempt = data.draw(st.integers(0, 2))
        desk = self.desks[who]
        desk.record(receipts=[desk.received(theirs(message_id, attempt), kind) for _ in range(times)])

    @precondition(lambda self: self.known)
    @rule(data=st.data(), who=st.integers(0, 1), kind=st.sampled_from(KINDS))
    def known_receipt(self, data: st.DataObject, who: int, kind: str) -> None:
        self.desks[who].receipt(data.draw(st.sampled_from(self.known)), kind)

    @rule(status=st.sampled_from([*["paused", "sending", "sending"] * 4, "cancelled"]))
    def delivery_becomes(self, status: str) -> None:
        if self._status() not in ("cancelled", "finished"):
            Delivery.objects.filter(pk=self.delivery).update(status=status)
            sql = "UPDATE outbox SET is_held = ? WHERE delivery_id = ?"
            self.stock.query(sql, status == "paused", self.delivery)

    @rule(after_ms=st.sampled_from([200, 1500, 31_000, 70_000]))
    def time_passes(self, after_ms: int) -> None:
        if after_ms > LEASE_MS // 2:
            for who, desk in enumerate(self.desks):  # workers renew what they hold
                until = desk.now_ms + after_ms + LEASE_MS
                rows = [(held.leased.outbox_id, held.leased.token, 0, until) for held in self.held[who]]
                desk.record(horizons=rows)
        self._pass(after_ms)

    def _pass(self, after_ms: int) -> None:
        for desk in self.desks:
            desk.tick(after_ms)

    def _status(self) -> str:
        return str(Delivery.objects.values_list("status", flat=True).get(pk=self.delivery))

    # -- what holds all the same -------------------------------------------------------------------------------------

    def _now(self) -> dict[int, tuple[int, DeliveryState]]:
        sql = "SELECT id, attempt, state FROM message_now WHERE delivery_id = ?"
        return {row[0]: (row[1], DeliveryState(row[2])) for row in self.stock.query(sql, self.delivery)}

    @invariant()
    def counts_are_the_messages(self) -> None:
        if not hasattr(self, "delivery"):
            return
        counts = self.stock.counts(self.delivery)
        assert counts == self.stock.counted(self.delivery)
        assert sum(counts.values()) == len(self.ids)

    @invariant()
    def states_go_forward_and_ends_stay(self) -> None:
        if not hasattr(self, "delivery"):
            return
        now = self._now()
        for message_id, (attempt, state) in self.before.items():
            assert now[message_id] >= (attempt, state)
            assert state not in ENDS or now[message_id] == (attempt, state)
        self.before = now

    @invariant()
    def whatever_waits_is_in_a_batch(self) -> None:
        if not hasattr(self, "delivery"):
            return
        due = dict(
            self.stock.query("SELECT id, due_ms FROM message_now WHERE delivery_id = ? AND state = 10", self.delivery)
        )
        rows = self.stock.query(
            "SELECT first_id, last_id, ids, due_ms FROM outbox WHERE delivery_id = ?", self.delivery
        )
        for first, last, ids, due_ms in rows:
            for message_id in unpack_ids(ids) if ids else range(first, last + 1):
                if due.get(message_id, due_ms + 1) <= due_ms:
                    del due[message_id]
        assert not due

    def teardown(self) -> None:
        """In the end everything ends, and every receipt has been answered."""
        if not hasattr(self, "delivery"):
            return
        self.delivery_becomes("sending")
        self.die(0)
        desk = self.desks[0]
        for _ in range(12):
            self._pass(100_000)
            for leased in desk.lease(horizon=0, resend=self.resends):
                for message in leased.messages:
                    desk.record(**desk.accepted(message.id, message.attempt, delivery=self.delivery))
                    desk.receipt(theirs(message.id, message.attempt))
                desk.finish([leased])
        self.counts_are_the_messages()
        left = {state for _, state in self._now().values()} - ENDS
        assert left <= {DeliveryState.UNCONFIRMED, DeliveryState.SENT}
        sql = "SELECT count(*) FROM outbox WHERE delivery_id = ?"
        assert self.stock.query(sql, self.delivery) == [(0,)]
        for one in self.desks:
            assert {*one.taken, *one.unknown} == set(range(1, one._token + 1))


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
def test_whatever_happens_counts_states_and_batches_stay_right(stock: Stock) -> None:
    is_quick = stock.store.database.name == "sqlite"
    machine = type("Life", (Life,), {"stock": stock, "examples": 0})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=150 if is_quick else 20,
            stateful_step_count=MOST_STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
