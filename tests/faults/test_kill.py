"""An engine is killed at any moment; another takes over, and nothing is lost."""

import time
from collections.abc import Callable

import pytest
from tests.faults.plant import DELIVERED, WAITING, WINDOW, Plant, wait

MakePlant = Callable[..., Plant]


@pytest.mark.parametrize("with_store", [False, True], ids=["the engine alone", "with its store process"])
def test_messages_receipts_and_texts_survive_kills(plant: MakePlant, is_long: bool, with_store: bool) -> None:
    kills, count = (50, 20_000) if is_long else (4, 2500)
    house = plant(child_connections=2, max_mt_per_s=0)
    ids = house.fill(count, delivery=7)
    with house.smsc(latency_ms=15.0, duplicate_fraction=0.1, early_fraction=0.05) as smsc:
        for _ in range(kills):
            engine = house.start()
            before = smsc.stats().unique
            wait(lambda b=before: smsc.stats().unique > b or not house.in_state(WAITING), "messages")  # type: ignore[misc]
            house.write(smsc, 3)
            time.sleep(house.chance.uniform(0.0, 0.25))
            house.kill(engine, with_store=with_store)
            house.let_leases_run_out()
        house.start()
        house.assert_whole(smsc, ids, kills * WINDOW * 2)


def test_long_texts_survive_kills(plant: MakePlant, is_long: bool) -> None:
    """Segments that the provider took before the kill are not sent again unless nobody knows whether it did."""
    kills = 20 if is_long else 2
    house = plant()
    ids = house.fill(400, delivery=7, text="y" * 400, segments=3)
    with house.smsc(latency_ms=30.0) as smsc:
        for _ in range(kills):
            engine = house.start()
            before = smsc.stats().segments
            wait(lambda b=before: smsc.stats().segments > b + 100 or not house.in_state(WAITING), "segments")  # type: ignore[misc]
            house.kill(engine, with_store=True)
            house.let_leases_run_out()
        house.start()
        wait(lambda: house.in_state(DELIVERED) == len(ids), "the delivery of all", 60)
        stats = smsc.stats()
        assert stats.segments <= 3 * len(ids) + kills * WINDOW


def test_another_engine_takes_over_within_half_a_minute(plant: MakePlant, is_long: bool) -> None:
    """Without any help: the lease of a link runs out by itself, and so do, later, those of messages."""
    house = plant(max_mt_per_s=200)
    ids = house.fill(1200, delivery=7)
    with house.smsc() as smsc:
        first = house.start()
        wait(lambda: smsc.stats().unique >= 100, "the first messages")
        second = house.start()
        wait(lambda: smsc.stats().unique >= 300, "more messages")
        assert smsc.stats().links_opened == 1
        house.kill(first)
        before = smsc.stats().unique
        assert wait(lambda: smsc.stats().unique > before, "the take-over", 30) < 30
        if not is_long:
            house.let_leases_run_out()
        house.assert_whole(smsc, ids, WINDOW)
        house.stop(second)


def test_an_engine_whose_store_process_dies_ends_and_its_heir_goes_on(plant: MakePlant) -> None:
    house = plant()
    ids = house.fill(2000, delivery=7)
    with house.smsc(latency_ms=15.0) as smsc:
        engine = house.start()
        wait(lambda: smsc.stats().unique >= 200, "messages")
        store = house.store_of(engine)
        assert store is not None
        store.kill()
        assert engine.wait(10) != 0
        house.engines.remove(engine)
        house.let_leases_run_out()
        house.start()
        house.assert_whole(smsc, ids, WINDOW)


def test_an_engine_that_slept_through_its_leases_sends_nothing_of_what_it_lost(plant: MakePlant) -> None:
    """A machine that hangs and comes back finds that another has its messages."""
    house = plant(max_mt_per_s=100)
    ids = house.fill(1500, delivery=7)
    with house.smsc() as smsc:
        sleeper = house.start()
        wait(lambda: smsc.stats().unique >= 100, "messages")
        with house.asleep(sleeper):
            house.let_leases_run_out()
            house.set(max_mt_per_s=0)
            other = house.start()
            before = smsc.stats().unique
            wait(lambda: smsc.stats().unique > before + 200, "the other's messages")
        house.assert_whole(smsc, ids, 2 * WINDOW)
        house.stop(sleeper)
        house.stop(other)
