"""A text or receipt that the store cannot keep, for a reason that nobody thought of, is refused alone; the rest goes on."""

from tests.engine.house import House, in_loop, quirks, seen, until
from tests.engine.stock import Desk, Stock, theirs

from chappe.engine.store.frame import Configure, Record
from chappe.engine.store.process import apart, lone_token
from chappe.messaging import DeliveryState
from chappe.simulator.quirks import Inbound
from chappe.smpp import CommandStatus

TRIGGER = {
    "sqlite": "CREATE TRIGGER poison BEFORE INSERT ON inbound WHEN new.body = 'poison' "
    "BEGIN SELECT RAISE(ABORT, 'not this one'); END",
    "postgresql": "ALTER TABLE inbound ADD CONSTRAINT poison CHECK (body <> 'poison')",
}
"""What the store was not made for, made by the database itself."""


@in_loop
async def beside_a_poison(house: House) -> None:
    async with house.at_work(quirks(redelivery_tries=2, redelivery_pause_ms=50.0)) as (engine, smsc):
        await until(house.bound, "the bind")
        store = engine._client.pid
        ids = house.fill(50)
        for text in ("first", "poison", "last"):
            smsc.send_text(Inbound(text, sender="33612345678"))
        await until(lambda: {text for _, _, text, _ in house.stock.inbound()} == {"first", "last"}, "the other texts")
        await until(lambda: house.in_state(DeliveryState.DELIVERED) == len(ids), "messages and their receipts")
        await until(lambda: smsc.tally.deliveries_given_up == 1, "the second refusal")
        assert set(smsc.tally.deliveries_refused) == {CommandStatus.ESME_RX_R_APPN}
        assert seen(smsc) == set(ids)
        assert engine._client.pid == store


def test_a_text_that_cannot_be_kept_is_refused_and_the_engine_goes_on(database: str) -> None:
    house = House(database)
    house.stock.query(TRIGGER[house.stock.store.database.name])
    beside_a_poison(house)
    assert [text for _, _, text, _ in house.stock.inbound()] == ["first", "last"]
    house.stock.close()


def test_a_record_is_taken_apart_into_what_the_engine_did_and_each_thing_that_came(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1)
    own = desk.accepted(message_id)
    receipts = [desk.received(theirs(message_id)), desk.received("stranger")]
    record = Record(7, receipts=receipts, **own)
    first, *others = apart([record])
    assert [first, lone_token(first)] == [[Record(7, **own)], None]
    assert [lone_token(one) for one in others] == [receipt.token for receipt in receipts]


def test_what_is_not_a_record_of_things_that_came_is_not_taken_apart() -> None:
    configure = Configure(0, 1, 1, "Relais", "", False, "soft", 60.0, 20, 30.0, [])
    assert apart([configure]) == []
    assert apart([Record(1)]) == []
    assert apart([configure, Record(1)]) == [[configure], [Record(1)]]
