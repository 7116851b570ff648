"""Calls to customers' servers: signed, tried again, given up, and never in each other's way. Real servers and databases."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from django.conf import settings as django_settings
from django.db import connections
from tests.engine.customer import Customer
from tests.engine.house import in_loop, until
from tests.engine.stock import Stock

from chappe.engine import callback_sender
from chappe.engine.callback import Callbacks
from chappe.engine.callback_sender import MOST_IN_HAND, MOST_WINDOW, CallbackSender
from chappe.engine.store.callback_frame import CallbackWork
from chappe.engine.vault import Vault
from chappe.features.accounts.models import Organisation
from chappe.features.callbacks import services
from chappe.features.callbacks.services import Change, Letters, Secret
from chappe.messaging import DeliveryState, StoreError
from chappe.rules.callback import INBOUND, STATE_EVENTS, TRIED_FOR_MS

HOUR_S = 3600
DELIVERED = STATE_EVENTS[DeliveryState.DELIVERED]


class Agency:
    """A sender at the end of a store that answers at once, on a clock that a test moves."""

    is_behind = False

    def __init__(self, stock: Stock, organisation_id: int) -> None:
        self.stock = stock
        self.organisation_id = organisation_id
        self.callbacks = Callbacks(stock.store)
        self.ahead_s = 0.0
        self.sender = CallbackSender(self, Vault(django_settings.CONFIGURATION.keys), self.clock, lambda: 0.5)
        self.most_in_hand = 0
        self.asked: list[CallbackWork] = []
        self._number = 0

    def clock(self) -> float:
        return time.time() + self.ahead_s

    @property
    def now_ms(self) -> int:
        return int(self.clock() * 1000)

    # -- as the engine's end of a store process ----------------------------------------------------------------------

    def number(self) -> int:
        self._number += 1
        return self._number

    def send(self, request: CallbackWork, /) -> None:
        self.asked.append(request)
        with self.stock.store.transaction():
            answer = self.callbacks.work(request, self.now_ms)
        self.most_in_hand = max([self.most_in_hand, *(len(calls) for _, calls, _ in answer.calls)])
        asyncio.get_running_loop().call_soon(self.sender.take, answer)

    # -- as a recorder -----------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Endpoints as they are now."""
        self.sender.configure(self.callbacks.load().endpoints)

    def happens(self, count: int = 1, event: str = INBOUND, organisation_id: int = 0) -> None:
        """Something that the organisation's endpoints are to be told."""
        with self.stock.store.transaction():
            happened = [(organisation_id or self.organisation_id, event, n, self.now_ms, None) for n in range(count)]
            due = self.callbacks.write(happened, self.now_ms)
        for one in due:
            self.sender.wake(one.endpoint_ids)

    def sweep(self) -> None:
        with self.stock.store.transaction():
            self.callbacks.sweep(self.now_ms)

    # -- what there is -----------------------------------------------------------------------------------------------

    def rows(self, columns: str = "id", where: str = "1 = 1") -> list[tuple[Any, ...]]:
        return self.stock.query(f"SELECT {columns} FROM callback_event WHERE {where} ORDER BY id")

    def endpoint(self, url: str, **values: Any) -> Secret:
        given = {"allowed_networks": "127.0.0.0/8", **values}
        return services.create_endpoint(self.organisation_id, url, self.now_ms, **given)


@asynccontextmanager
async def at_work(agency: Agency) -> AsyncIterator[Agency]:
    agency.load()
    try:
        yield agency
    finally:
        await agency.sender.stop()


async def aside(work: Callable[..., Any], *values: Any, **named: Any) -> Any:
    """Call the control plane, which may not be called from a loop, in a thread that leaves no connection behind."""

    def call() -> Any:
        try:
            return work(*values, **named)
        finally:
            connections.close_all()

    return await asyncio.to_thread(call)


@pytest.fixture
def agency(stock: Stock) -> Agency:
    return Agency(stock, Organisation.objects.create(name="Relais").pk)


@pytest.fixture
def plain(sqlite_url: str, bound: Callable[[str], None]) -> Any:
    """An agency on the embedded database: what is tested does not depend on which one it is."""
    bound(sqlite_url)
    stock = Stock(sqlite_url)
    yield Agency(stock, Organisation.objects.create(name="Relais").pk)
    stock.close()


def run(work: Any) -> None:
    in_loop(lambda: work)()


# -- signatures --------------------------------------------------------------------------------------------------------


def test_a_call_is_signed_as_the_customers_library_expects_and_forgotten_once_taken(agency: Agency) -> None:
    async def work() -> None:
        async with Customer() as customer:
            made = await aside(agency.endpoint, customer.url)
            async with at_work(agency):
                agency.happens()
                await until(lambda: not agency.rows(), "the record")
            (call,) = customer.calls
        assert call.path == "/messages?from=chappe"
        assert call.headers["content-type"] == "application/json"
        assert call.is_signed_with(made.secret)
        assert not call.is_signed_with("whsec_" + "A" * 43 + "=")
        assert call.content["type"] == INBOUND

    run(work())


def test_two_secrets_are_live_until_the_time_of_the_old_one_is_over(plain: Agency) -> None:
    async def work() -> None:
        async with Customer() as customer:
            old = await aside(plain.endpoint, customer.url)
            new = await aside(services.rotate_secret, plain.organisation_id, old.row.pk, plain.now_ms, overlap_s=3600)
            async with at_work(plain):
                plain.happens()
                await until(lambda: len(customer.calls) == 1, "the first call")
                plain.stock.query(f"UPDATE callback_endpoint SET previous_until_ms = {plain.now_ms - 1}, version = 9")
                plain.load()
                plain.happens()
                await until(lambda: len(customer.calls) == 2, "the second call")
            first, second = customer.calls
        assert first.is_signed_with(old.secret)
        assert first.is_signed_with(new.secret)
        assert len(first.headers["webhook-signature"].split(" ")) == 2
        assert not second.is_signed_with(old.secret)
        assert second.is_signed_with(new.secret)

    run(work())


def test_a_secret_is_in_no_log_and_in_no_row_and_in_no_error(plain: Agency) -> None:
    async def work() -> None:
        async with Customer(lambda call: 500) as customer:
            made = await aside(plain.endpoint, customer.url)
            with structlog.testing.capture_logs() as lines:
                async with at_work(plain):
                    plain.happens()
                    await until(lambda: plain.rows("id", "attempts = 1"), "the record")
                    shown = repr([line.endpoint for line in plain.sender._lines.values()])
                plain.stock.query("UPDATE callback_endpoint SET secrets = ?, version = 7", b"broken")
                plain.load()
            assert any(line["event"] == "callback.unusable" for line in lines)
        bare = made.secret.removeprefix("whsec_")
        rows = plain.rows("last_error, data") + plain.stock.query("SELECT * FROM callback_endpoint")
        assert bare not in repr(lines) + shown + repr(rows) + repr(made)

    run(work())


# -- failures ----------------------------------------------------------------------------------------------------------


def test_what_fails_is_tried_for_a_day_at_growing_distances_and_then_a_dead_letter(agency: Agency) -> None:
    async def work() -> None:
        async with Customer(lambda call: 503) as customer:
            made = await aside(agency.endpoint, customer.url)
            async with at_work(agency):
                began = agency.now_ms
                agency.happens()
                waits = await fail_until_dead(agency)
                assert agency.rows("last_status, last_error") == [(503, "it answered 503")]
                assert [round(wait) for wait in waits[:6]] == [5, 30, 120, 600, 1800, 3600]
                assert max(waits) < 7300
                assert abs(began + TRIED_FOR_MS - agency.now_ms) < 3 * 60_000
                assert len(set(customer.ids)) == 1
                assert len(customer.calls) == len(waits) + 1
                # The customer is back, and asks for it.
                customer.answer = lambda call: 204
                letters = await aside(services.dead_letters, agency.organisation_id, made.row.pk, Letters(), "", 50)
                assert len(letters.items) == 1
                replayed = await aside(services.replay, agency.organisation_id, made.row.pk, Letters(), agency.now_ms)
                assert replayed == 1
                agency.ahead_s += callback_sender.LONGEST_REST_S + 1
                agency.sender.poll()
                await until(lambda: not agency.rows(), "the call")
                assert len(set(customer.ids)) == 1

    run(work())


async def fail_until_dead(agency: Agency) -> list[float]:
    """Move the clock on from try to try; how long each waited, in seconds."""
    waits: list[float] = []
    for tries in range(1, 100):
        await until(lambda n=tries: agency.rows("id", f"attempts = {n} AND lease_token = 0"), f"try {tries}")  # type: ignore[misc]
        ((due_ms, dead_ms),) = agency.rows("due_ms, dead_ms")
        if dead_ms:
            return waits
        waits.append(due_ms / 1000 - agency.clock())
        agency.ahead_s += max(waits[-1] + 0.05, callback_sender.LONGEST_REST_S + 1)
        agency.sender.poll()
    raise AssertionError("it is tried for ever")


def test_an_endpoint_that_is_away_loses_nothing(agency: Agency) -> None:
    async def work() -> None:
        async with Customer() as customer:
            port = customer.port
        await aside(agency.endpoint, customer.url)
        async with at_work(agency):
            agency.happens(20)
            await until(lambda: agency.rows("id", "attempts = 1"), "a failure")
            assert "could not be connected to" in agency.rows("last_error", "attempts = 1")[0][0]
            async with Customer(port=port) as customer:
                for _ in range(50):
                    agency.ahead_s += 60
                    agency.sender.poll()
                    await asyncio.sleep(0.02)
                    if not agency.rows():
                        break
                await until(lambda: not agency.rows(), "all calls")
                assert len(set(customer.ids)) == 20

    run(work())


def test_the_time_that_a_server_asks_for_is_given_to_it(plain: Agency) -> None:
    async def work() -> None:
        async with Customer(lambda call: (429, {"retry-after": "900"})) as customer:
            await aside(plain.endpoint, customer.url)
            async with at_work(plain):
                plain.happens(2)
                await until(lambda: plain.rows("id", "attempts = 1"), "the answer")
                ((due_ms,),) = plain.rows("due_ms", "attempts = 1")
                assert 890_000 < due_ms - plain.now_ms <= 900_000
                plain.ahead_s += 600
                plain.sender.poll()
                await asyncio.sleep(0.1)
                assert len(customer.calls) == 1  # nor is it called for anything else
                plain.ahead_s += 301
                plain.sender.poll()
                await until(lambda: len(customer.calls) == 2, "the next call")

    run(work())


def test_an_endpoint_that_answers_gone_is_switched_off(agency: Agency) -> None:
    async def work() -> None:
        async with Customer(lambda call: 410) as customer:
            made = await aside(agency.endpoint, customer.url)
            async with at_work(agency):
                agency.happens(30)
                await until(
                    lambda: agency.stock.query("SELECT 1 FROM callback_endpoint WHERE NOT is_enabled"), "the end"
                )
                agency.load()
                agency.happens()  # which nobody hears of
                assert len(agency.rows()) == 30
                assert len(customer.calls) <= 2
        row = await aside(services.find_endpoint, agency.organisation_id, made.row.pk)
        assert "410" in row.disabled_reason
        # Who switches it on again gets what waited; what was given up can be replayed.
        row = await aside(
            services.change_endpoint, agency.organisation_id, made.row.pk, Change(is_enabled=True), agency.now_ms
        )
        assert (row.is_enabled, row.disabled_reason) == (True, "")

    run(work())


def test_a_redirect_is_not_followed(plain: Agency) -> None:
    async def work() -> None:
        async with Customer() as other, Customer() as customer:
            customer.answer = lambda call: (307, {"location": other.url})
            await aside(plain.endpoint, customer.url)
            async with at_work(plain):
                plain.happens()
                await until(lambda: plain.rows("id", "attempts = 1"), "the record")
            assert plain.rows("last_status, last_error")[0] == (307, "it answered 307, and redirects are not followed")
            assert other.calls == []

    run(work())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433"])
def test_a_private_address_that_is_not_allowed_is_not_called(plain: Agency, host: str) -> None:
    async def work() -> None:
        async with Customer() as customer:
            await aside(plain.endpoint, f"http://{host}:{customer.port}/", allowed_networks="10.0.0.0/8")
            async with at_work(plain):
                plain.happens()
                await until(lambda: plain.rows("id", "attempts = 1"), "the record")
            assert customer.calls == []
            assert plain.rows("last_status")[0] == (0,)

    run(work())


# -- side by side ------------------------------------------------------------------------------------------------------


def test_an_endpoint_that_never_answers_holds_up_no_other(plain: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback_sender, "STOP_S", 0.1)

    async def work() -> None:
        async with Customer(lambda call: None) as silent, Customer() as quick:
            await aside(plain.endpoint, silent.url)
            good = await aside(plain.endpoint, quick.url)
            async with at_work(plain):
                plain.happens(500)
                await until(lambda: len(quick.calls) == 500, "all calls of the other")
                await until(lambda: not plain.rows("id", f"endpoint_id = {good.row.pk}"), "their record")
                assert len(silent.calls) == 1  # its window has not opened
            # What was under way when it stopped is due again at once.
            assert plain.rows("count(*)", f"due_ms <= {plain.now_ms} AND lease_token = 0") == [(500,)]

    run(work())


def test_windows_and_what_is_in_hand_are_bounded(plain: Agency) -> None:
    async def work() -> None:
        async with Customer() as customer:
            await aside(plain.endpoint, customer.url)
            async with at_work(plain):
                plain.happens(2000)
                await until(lambda: not plain.rows(), "all calls")
                assert 1 < customer.most_under_way <= MOST_WINDOW
                assert MOST_WINDOW < plain.most_in_hand <= MOST_IN_HAND
                assert len(customer.calls) == len(set(customer.ids)) == 2000
                assert len(plain.asked) < 200  # never a statement for each of them

    run(work())


def test_an_endpoint_that_keeps_failing_is_left_alone_between_tries(plain: Agency) -> None:
    async def work() -> None:
        async with Customer(lambda call: 500) as customer:
            await aside(plain.endpoint, customer.url)
            async with at_work(plain):
                plain.happens(100)
                await until(lambda: len(customer.calls) >= callback_sender.REST_AFTER, "the first failures")
                for _ in range(20):
                    plain.sender.poll()
                    await asyncio.sleep(0.005)
                assert len(customer.calls) == callback_sender.REST_AFTER
                assert len(plain.rows("id", "attempts = 0")) >= 95

    run(work())


def test_what_an_engine_that_died_had_in_hand_is_called_again_under_the_same_id(agency: Agency) -> None:
    async def work() -> None:
        async with Customer() as customer:
            made = await aside(agency.endpoint, customer.url)
            agency.load()
            agency.happens()
            with agency.stock.store.transaction():
                dead = agency.callbacks.work(CallbackWork(1, wants=[(made.row.pk, 10)]), agency.now_ms)
            ((_, (lost,), _),) = dead.calls
            async with at_work(agency):
                agency.sender.poll()
                await asyncio.sleep(0.1)
                assert customer.calls == []  # nobody else may have it yet
                agency.ahead_s = 121
                agency.sender.poll()
                await until(lambda: len(customer.calls) == 1, "the call")
                assert customer.ids == [lost.webhook_id]
                await until(lambda: not agency.rows(), "the record")

    run(work())


def test_a_late_engine_changes_nothing_of_what_another_holds(agency: Agency) -> None:
    made = agency.endpoint("https://example.org/messages")
    agency.callbacks.load()
    with agency.stock.store.transaction():
        agency.callbacks.write([(agency.organisation_id, INBOUND, 1, agency.now_ms, None)], agency.now_ms)
        want = CallbackWork(1, wants=[(made.row.pk, 10)])
        ((_, (first,), _),) = agency.callbacks.work(want, agency.now_ms).calls
        ((_, (second,), _),) = agency.callbacks.work(want, agency.now_ms + 121_000).calls
        late = [(5, agency.now_ms, 1, 500, "late", first.id, first.token)]
        agency.callbacks.work(CallbackWork(2, tried=late, back=[(5, first.id, first.token)]), agency.now_ms)
    assert agency.rows("attempts, dead_ms, lease_token") == [(0, 0, second.token)]


def test_calls_of_an_endpoint_that_is_switched_off_are_kept_and_go_on_later(plain: Agency) -> None:
    async def work() -> None:
        async with Customer(lambda call: 500) as customer:
            made = await aside(plain.endpoint, customer.url)
            identifier = made.row.pk
            async with at_work(plain):
                plain.happens(50)
                await until(lambda: len(customer.calls) >= 5, "some failures")
                await aside(
                    services.change_endpoint, plain.organisation_id, identifier, Change(is_enabled=False), plain.now_ms
                )
                plain.load()
                await until(lambda: not plain.rows("id", "lease_token > 0"), "their return")
                customer.answer = lambda call: 204
                await aside(
                    services.change_endpoint, plain.organisation_id, identifier, Change(is_enabled=True), plain.now_ms
                )
                plain.ahead_s += 300
                plain.load()
                await until(lambda: not plain.rows(), "all calls")
                assert len(set(customer.ids)) == 50

    run(work())


# -- what time brings --------------------------------------------------------------------------------------------------


def test_what_was_due_for_a_day_without_a_try_is_given_up_and_forgotten_a_month_later(agency: Agency) -> None:
    made = agency.endpoint("https://example.org/messages")
    agency.callbacks.load()
    agency.happens(3)
    agency.sweep()
    assert agency.rows("dead_ms") == [(0,)] * 3
    agency.ahead_s = 24 * HOUR_S + 11
    agency.sweep()
    ((dead_ms, error),) = set(agency.rows("dead_ms, last_error"))
    assert dead_ms > 0
    assert "not tried" in error
    agency.ahead_s += 29 * 24 * HOUR_S
    agency.sweep()
    assert len(services.dead_letters(agency.organisation_id, made.row.pk, Letters(), "", 50).items) == 3
    agency.ahead_s += 25 * HOUR_S
    agency.sweep()
    assert agency.rows() == []


def test_no_more_dead_letters_are_kept_than_the_bound(agency: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chappe.engine.callback.MOST_DEAD", 5)
    agency.endpoint("https://example.org/messages")
    agency.callbacks.load()
    agency.happens(12)
    for place, (identifier,) in enumerate(agency.rows()):
        agency.stock.query(f"UPDATE callback_event SET dead_ms = {agency.now_ms + place} WHERE id = {identifier}")
    newest = [row for (row,) in agency.rows()][-5:]
    agency.sweep()
    assert [row for (row,) in agency.rows()] == newest


def test_an_endpoint_that_is_deleted_takes_its_calls_with_it(agency: Agency) -> None:
    gone = agency.endpoint("https://example.org/gone").row
    kept = agency.endpoint("https://example.org/kept").row
    agency.callbacks.load()
    agency.happens(4)
    services.delete_endpoint(agency.organisation_id, gone.pk, agency.now_ms)
    agency.callbacks.load()
    agency.sweep()
    assert set(agency.rows("endpoint_id")) == {(kept.pk,)}
    agency.ahead_s = 300
    agency.sweep()
    assert agency.stock.query("SELECT id FROM callback_endpoint") == [(kept.pk,)]


def test_a_sender_whose_store_is_gone_stops_all_the_same(plain: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback_sender, "STOP_S", 0.1)

    async def work() -> None:
        async with Customer() as customer:
            made = await aside(plain.endpoint, customer.url)
            async with at_work(plain):
                customer.answer = lambda call: None
                plain.happens(3)
                await until(lambda: customer.calls, "a call")
                # It goes to another address meanwhile; what is under way at the old one is waited for no longer.
                change = Change(url=f"{customer.url}&again=1")
                await aside(services.change_endpoint, plain.organisation_id, made.row.pk, change, plain.now_ms)
                plain.load()
                await until(lambda: len(customer.calls) == 2, "a call to the other address")

                def refuse(request: CallbackWork, /) -> None:
                    raise StoreError("the store process is gone")

                monkeypatch.setattr(plain, "send", refuse)
        assert len(plain.rows()) == 3

    run(work())


def test_calls_are_held_back_while_messages_are_being_sent_and_only_then(
    plain: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback_sender, "BUSY_PER_S", 0.0)
    monkeypatch.setattr(callback_sender, "BUSY_BURST", 20.0)
    busy = [True]
    vault = Vault(django_settings.CONFIGURATION.keys)
    plain.sender = CallbackSender(plain, vault, plain.clock, is_busy=lambda: busy[0])

    async def work() -> None:
        async with Customer() as customer:
            await aside(plain.endpoint, customer.url)
            async with at_work(plain):
                plain.happens(100)
                await until(lambda: len(customer.calls) == 20, "what may be sent at a time")
                for _ in range(20):
                    plain.sender.poll()
                    await asyncio.sleep(0.005)
                assert len(customer.calls) == 20
                busy[0] = False
                await until(lambda: not plain.rows(), "all calls")  # without anybody telling

    run(work())
