"""What is counted of short links: of each address, of its delivery, once each, whoever counts at the same moment."""

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
from tests.engine.stock import NOW_MS, Stock

from chappe.engine.store.click import MOST_URLS, Click, Clicked, add_clicks, set_clicks
from chappe.engine.store.relay_catalogue import relayed
from chappe.engine.store.store import Store, open_store
from chappe.features.tracking.services import LinkFigure, MessageClick, clicks_of, figures

SALE, NEWS = "https://shop.example/sale", "https://shop.example/news"


def click(message_id: int, place: int = 0, url: str = SALE, at_ms: int = NOW_MS, *, is_machine: bool = False) -> Click:
    return Click(message_id, place, url, at_ms, is_machine)


def add(stock: Stock, *clicks: Click) -> list[Clicked]:
    with stock.store.transaction():
        return [clicked for clicked, _ in add_clicks(stock.store, clicks)]


def told(stock: Stock, clicks: Iterable[Clicked]) -> None:
    with stock.store.transaction():
        set_clicks(stock.store, clicks)


def test_people_and_machines_are_counted_apart(stock: Stock) -> None:
    (message,) = stock.enqueue(1)
    add(stock, click(message, is_machine=True), click(message, at_ms=NOW_MS + 5))
    (now,) = add(stock, click(message, at_ms=NOW_MS + 9), click(message, at_ms=NOW_MS + 20, is_machine=True))
    assert (now.clicks, now.machine_clicks) == (2, 2)
    assert clicks_of(message) == [MessageClick(SALE, 2, 2, NOW_MS + 5, NOW_MS + 9)]


def test_while_programs_alone_have_looked_the_times_are_theirs(stock: Stock) -> None:
    (message,) = stock.enqueue(1)
    add(stock, click(message, is_machine=True), click(message, at_ms=NOW_MS + 5, is_machine=True))
    assert clicks_of(message) == [MessageClick(SALE, 0, 2, NOW_MS, NOW_MS + 5)]


def test_addresses_of_a_message_stand_in_their_order_and_apart_from_those_of_its_neighbours(stock: Stock) -> None:
    first, second = stock.enqueue(2)
    add(stock, click(first, 14, NEWS), click(first, 3, SALE), click(second, 0, SALE))
    assert [one.url for one in clicks_of(first)] == [SALE, NEWS]
    assert [one.url for one in clicks_of(second)] == [SALE]


def test_a_delivery_counts_people_once_for_each_address_and_once_in_all(stock: Stock) -> None:
    one, two, three = stock.enqueue(3, delivery=9)
    add(stock, click(one), click(one), click(one, 1, NEWS), click(two), click(three, is_machine=True))
    add(stock, click(one, 2, SALE), click(two, 1, NEWS, is_machine=True))
    found = figures(9)
    assert (found.people, found.clicks, found.machine_clicks) == (2, 5, 2)
    assert found.links == [LinkFigure(SALE, 2, 4, 1), LinkFigure(NEWS, 1, 1, 1)]


def test_who_was_a_machine_first_is_a_person_later(stock: Stock) -> None:
    (message,) = stock.enqueue(1, delivery=9)
    add(stock, click(message, is_machine=True))
    assert figures(9).people == 0
    add(stock, click(message))
    assert figures(9).people == 1


def test_beyond_a_hundred_addresses_a_delivery_counts_the_others_as_one(stock: Stock) -> None:
    ids = stock.enqueue(MOST_URLS + 2, delivery=9)
    for number, message in enumerate(ids):
        add(stock, click(message, 0, f"https://a.example/{number}"))
    add(stock, click(ids[-1], 1, "https://a.example/other"), click(ids[0]))
    found = figures(9)
    assert (found.people, found.clicks) == (MOST_URLS + 2, MOST_URLS + 4)
    assert len(found.links) == MOST_URLS + 1
    assert found.links[-1] == LinkFigure("", 2, 3, 0), "one opened two of them"


def test_a_message_of_no_delivery_is_counted_for_itself_alone(stock: Stock) -> None:
    own, handed_over = *stock.enqueue(1), *stock.enqueue(1, delivery=relayed(5, 0))
    add(stock, click(own), click(handed_over))
    assert clicks_of(own)
    assert clicks_of(handed_over)
    assert stock.query("SELECT * FROM link_count") == []


def test_a_message_that_is_gone_has_nothing_counted(stock: Stock) -> None:
    (message,) = stock.enqueue(1, delivery=9)
    stock.query("DELETE FROM message")
    assert add(stock, click(message)) == []
    told(stock, [Clicked(message, 0, SALE, 1, 0, NOW_MS, NOW_MS)])
    assert (clicks_of(message), figures(9).clicks) == ([], 0)


def test_of_a_message_whose_text_is_erased_it_is_counted_that_a_link_was_opened_and_not_which(stock: Stock) -> None:
    """A click waits to be counted while the text is erased, or mid keeps it for longer."""
    first, second = stock.enqueue(2, delivery=9)
    add(stock, click(second))
    stock.query(f"UPDATE message SET body = '' WHERE id = {first}")
    add(stock, click(first), click(first, 1, NEWS))
    told(stock, [Clicked(first, 1, NEWS, 4, 0, NOW_MS, NOW_MS), Clicked(first, 2, NEWS, 0, 1, NOW_MS, NOW_MS)])
    assert [(one.url, one.clicks, one.machine_clicks) for one in clicks_of(first)] == [
        ("", 1, 0),
        ("", 4, 0),
        ("", 0, 1),
    ]
    found = figures(9)
    assert (found.people, found.clicks, found.machine_clicks) == (2, 6, 1)
    assert found.links == [LinkFigure(SALE, 1, 1, 0)]


def test_what_was_counted_elsewhere_holds_where_it_is_more_however_often_it_is_told(stock: Stock) -> None:
    (message,) = stock.enqueue(1, delivery=9)
    early = Clicked(message, 0, SALE, 1, 2, NOW_MS, NOW_MS)
    late = replace(early, clicks=3, last_ms=NOW_MS + 7)
    for one in ([early], [late], [early, late, early], [late]):
        told(stock, one)
    assert clicks_of(message) == [MessageClick(SALE, 3, 2, NOW_MS, NOW_MS + 7)]
    found = figures(9)
    assert (found.people, found.clicks, found.machine_clicks) == (1, 3, 2)
    assert found.links == [LinkFigure(SALE, 1, 3, 2)]


def test_counters_of_one_moment_lose_nothing_and_wait_for_nobody_who_waits_for_them(database_url: str) -> None:
    """Two web processes, the same messages in opposite orders."""
    stock = Stock(database_url)
    ids = stock.enqueue(20, delivery=9)
    start = threading.Barrier(2)

    def count(place: int, order: list[int]) -> None:
        with closing(open_store(database_url).database) as opened:
            store = Store(opened)
            start.wait(30)
            for _ in range(20):
                with store.transaction():
                    add_clicks(store, [click(message, place, f"https://a.example/{place}") for message in order])

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(count, (0, 1), (ids, ids[::-1]), timeout=120))
    rows = stock.query("SELECT url, people, clicks FROM link_count WHERE delivery_id = 9 ORDER BY url")
    assert rows == [("*", 20, 800), ("https://a.example/0", 20, 400), ("https://a.example/1", 20, 400)]
    stock.close()


@pytest.mark.parametrize("place", [0, 14])
def test_the_last_place_of_a_message_is_not_the_first_of_the_next(stock: Stock, place: int) -> None:
    (message,) = stock.enqueue(1)
    add(stock, click(message, place))
    assert (len(clicks_of(message)), clicks_of(message - 1), clicks_of(message + 1)) == (1, [], [])
