"""A whole engine that sends messages and tells customers of them."""

import pytest
from tests.engine.customer import Customer
from tests.engine.house import House, in_loop, quirks, until

from chappe.features.accounts.models import Organisation
from chappe.features.callbacks import services
from chappe.messaging import DeliveryState
from chappe.simulator.quirks import Inbound

EVENTS = ("message.sent", "message.delivered", "inbound.received")
LOOPBACK = "127.0.0.0/8"


def test_messages_and_texts_are_told_while_another_endpoint_never_answers(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chappe.engine.callback_sender.STOP_S", 0.1)
    house = House(database, window=50)
    organisation_id = house.stock.organisation_id
    stranger = Organisation.objects.create(name="Another")
    good, silent, other = Customer(), Customer(lambda call: None), Customer()

    def endpoint(of: int) -> services.Secret:
        return services.create_endpoint(of, "http://127.0.0.1/", 1, events=EVENTS, allowed_networks=LOOPBACK)

    @in_loop
    async def work() -> None:
        async with good, silent, other:
            for place, customer in enumerate((good, silent, other)):
                house.stock.query("UPDATE callback_endpoint SET url = ? WHERE id = ?", customer.url, made[place].row.pk)
            async with house.at_work(quirks(inbound=(Inbound("Merci", reply_to=r"#\d*00$"),))):
                await until(lambda: house.in_state(DeliveryState.DELIVERED) == len(ids), "the delivery of all")
                await until(lambda: len(house.stock.inbound()) == 3, "the texts")
                await until(lambda: len(good.calls) == 2 * len(ids) + 3, "all calls")
                waiting = f"SELECT count(*) FROM callback_event WHERE endpoint_id = {made[0].row.pk}"
                await until(lambda: house.stock.query(waiting) == [(0,)], "their record")
        assert len(silent.calls) == 1

    made = [endpoint(of) for of in (organisation_id, organisation_id, stranger.pk)]
    ids = house.fill(300)
    work()
    told = {(call.type, call.content["data"]["id"]) for call in good.calls}
    assert {message for name, message in told if name == "message.sent"} == set(ids)
    assert {message for name, message in told if name == "message.delivered"} == set(ids)
    assert len([name for name, _ in told if name == "inbound.received"]) == 3
    assert all(call.is_signed_with(made[0].secret) for call in good.calls)
    assert len(set(good.ids)) == len(good.calls)
    assert other.calls == []
    house.stock.close()


def test_a_test_call_and_a_changed_address_reach_a_running_engine(database: str) -> None:
    house = House(database)
    first, second = Customer(), Customer()
    made = services.create_endpoint(house.stock.organisation_id, "http://127.0.0.1:1/", 1, allowed_networks=LOOPBACK)

    def test_call() -> None:
        house.stock.query(
            "INSERT INTO callback_event (endpoint_id, type, subject_id, at_ms, due_ms, give_up_ms, attempts, lease_token, "
            "dead_ms, last_status, last_error) SELECT id, 'callback.test', 0, 1, 1, 4102444800000, 0, 0, 0, 0, '' "
            "FROM callback_endpoint"
        )

    def point_at(customer: Customer) -> None:
        house.stock.query("UPDATE callback_endpoint SET url = ?, version = version + 1", customer.url)

    @in_loop
    async def work() -> None:
        async with first, second, house.engine():
            for customer in (first, second):
                point_at(customer)
                test_call()
                await until(lambda c=customer: len(c.calls) == 1, "the call")  # type: ignore[misc]

    work()
    assert [call.type for call in first.calls + second.calls] == ["callback.test"] * 2
    assert second.calls[0].is_signed_with(made.secret)
    assert second.calls[0].content["data"] == {}
    house.stock.close()
