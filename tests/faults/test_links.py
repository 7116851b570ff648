"""Links that are cut, providers that say "too fast", receipts that come before, twice or never."""

import time
from collections.abc import Callable

from tests.engine.house import quirks
from tests.faults.plant import DELIVERED, SENT, WINDOW, Plant, wait

from chappe.simulator import SimulatorProcess

MakePlant = Callable[..., Plant]


def test_messages_receipts_and_texts_survive_links_that_are_cut(plant: MakePlant, is_long: bool) -> None:
    cuts, count = (100, 30_000) if is_long else (25, 6000)
    house = plant(max_mt_per_s=0 if is_long else 400, child_connections=2)
    ids = house.fill(count, delivery=7)
    with house.smsc(latency_ms=5.0, early_fraction=0.05) as smsc:
        engine = house.start()
        cut = 0
        while cut < cuts:
            wait(lambda: any(link.is_open for link in smsc.stats().links), "a link")
            time.sleep(house.chance.uniform(0.02, 0.3))
            house.write(smsc)
            cut += smsc.post("/drop")["links"]
        house.set(max_mt_per_s=0)
        house.assert_whole(smsc, ids, cut * WINDOW)
        assert smsc.stats().links_dropped >= cuts
        house.stop(engine)


def test_links_that_die_without_a_word_are_given_up(plant: MakePlant) -> None:
    house = plant(enquire_link_s=1, mt_expiry_s=2)
    ids = house.fill(1500, delivery=7)
    with house.smsc(silent_after_messages=600) as smsc:
        engine = house.start()
        house.assert_whole(smsc, ids, 3 * WINDOW)
        assert smsc.stats().links_opened >= 3
        house.stop(engine)


def test_a_provider_that_takes_nothing_for_a_while_gets_everything_afterwards(plant: MakePlant, is_long: bool) -> None:
    seconds = 10 if is_long else 3
    house = plant()
    ids = house.fill(5000, delivery=7)
    with house.smsc() as smsc:
        engine = house.start()
        wait(lambda: smsc.stats().unique >= 100, "the first messages")
        smsc.post("/throttle", seconds=float(seconds))
        before = smsc.stats().messages
        time.sleep(seconds)
        # Slower each time it is told so: a window a try, and fewer and fewer tries.
        assert smsc.stats().messages - before <= (seconds + 2) * WINDOW
        house.assert_whole(smsc, ids, 0)
        house.stop(engine)
    assert house.duplicates_marked() == 0


def test_receipts_before_and_twice_end_each_message_and_those_that_never_come_leave_it_sent(
    plant: MakePlant, is_long: bool
) -> None:
    count = 50_000 if is_long else 4000
    house = plant(early_receipt_wait_s=30)
    house.fill(count, delivery=7)
    odd = {"early_fraction": 0.3, "early_by_ms": 100.0, "duplicate_fraction": 0.3, "never_fraction": 0.2}
    with house.smsc(**odd) as smsc:
        engine = house.start()
        wait(lambda: house.in_state(DELIVERED, SENT) == count, "the sending of all", 60)
        wait(lambda: smsc.stats().deliveries.held == 0, "the end of receipts")
        wait(lambda: smsc.stats().receipts_acknowledged == smsc.stats().receipts_sent, "all acknowledged")
        assert smsc.stats().deliveries.refused == {}
        assert smsc.stats().receipts_early > count // 5
        sent = house.in_state(SENT)
        assert count // 8 < sent < count // 3
        assert house.stock.counts(7) == {DELIVERED: count - sent, SENT: sent}
        house.stop(engine)


def test_a_provider_that_restarts_gets_what_is_left(plant: MakePlant) -> None:
    house = plant()
    ids = house.fill(4000, delivery=7)
    with house.smsc(receipts="none") as smsc:
        port = smsc.port
        engine = house.start()
        wait(lambda: smsc.stats().unique >= 500, "the first messages")
    first = house.in_state(SENT)
    assert first >= 500 - WINDOW
    with SimulatorProcess(quirks(receipts="none"), port=port) as smsc:
        wait(lambda: house.in_state(SENT) == len(ids), "the rest", 60)
        assert smsc.stats().duplicates == 0
        house.stop(engine)
