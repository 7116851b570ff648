"""Short links: where they lead, who is counted, and what they never do."""

import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.e2e.installation import HOST, Installation
from tests.engine.stock import DAY_MS, Stock
from tests.web.link_door import PHONE, SIGNER, LinkDoor, path_of
from tests.web.test_intake_store import impatient, trouble

from chappe.engine.configuration import Configuration
from chappe.engine.store.relay_catalogue import relayed
from chappe.engine.store.store import Store, open_store
from chappe.engine.vault import Vault, link_signer
from chappe.features.clock import now_ms
from chappe.features.messages.models import Message
from chappe.features.relay.models import RelayPage
from chappe.features.tracking.services import clicks_of, figures
from chappe.messaging import MessageOptions, Told
from chappe.rules.link import LinkSigner
from chappe.web.links import committer
from chappe.web.links.committer import MOST_A_SECOND

SHOP = "https://shop.example/sale?ref=42"
COUNTED = "https://shop.example/sale"
LINKED = msgspec.json.encode(MessageOptions(link_base="https://go.example.org/l/"))


@pytest.fixture
def stock(database: str) -> Iterator[Stock]:
    made = Stock(database)
    yield made
    made.close()


@pytest.fixture
def door(database: str) -> Iterator[LinkDoor]:
    made = LinkDoor(database)
    yield made
    made.close()


def message(stock: Stock, body: str = f"See {SHOP}.", **values: Any) -> int:
    """A message whose links are followed, due now."""
    given = {"body": body, "options": LINKED, "due_ms": now_ms()} | values
    (made,) = stock.enqueue(1, **given)
    return made


def counts(message_id: int) -> list[tuple[str, int, int]]:
    return [(one.url, one.clicks, one.machine_clicks) for one in clicks_of(message_id)]


# -- where they lead -----------------------------------------------------------------------------------------------------


def test_a_link_leads_to_the_address_in_its_message_and_is_counted_without_its_query(
    stock: Stock, door: LinkDoor
) -> None:
    made = message(stock, delivery=9)
    reply = door.open(path_of(made))
    assert (reply.status, reply.headers["location"], reply.text) == (302, SHOP, "")
    assert counts(made) == [(COUNTED, 1, 0)], "it is counted once it is answered"
    found = figures(9)
    assert (found.people, found.clicks, found.links[0].url) == (1, 1, COUNTED)


@pytest.mark.parametrize("behind", [".", ")", "…", "/", "%20", "'s"])
def test_what_a_phone_takes_for_a_part_of_it_changes_nothing(stock: Stock, door: LinkDoor, behind: str) -> None:
    assert door.open(path_of(message(stock)) + behind).status == 302


def test_each_address_of_a_text_has_its_own_link(stock: Stock, door: LinkDoor) -> None:
    made = message(stock, "https://a.example and https://b.example/x.")
    assert door.open(path_of(made, 1)).headers["location"] == "https://b.example/x"
    assert door.open(path_of(made, 0)).headers["location"] == "https://a.example"
    assert door.open(path_of(made, 2)).status == 404
    assert counts(made) == [("https://a.example", 1, 0), ("https://b.example/x", 1, 0)]


def test_what_is_led_to_is_kept_by_nobody_and_told_nothing(stock: Stock, door: LinkDoor) -> None:
    headers = door.open(path_of(message(stock))).headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-robots-tag"] == "noindex"


def test_hosts_of_other_alphabets_and_odd_octets_go_out_as_ascii(stock: Stock, door: LinkDoor) -> None:
    made = message(stock, "https://bücher.example/éx\\\r\nSet-Cookie: a=b")
    assert door.open(path_of(made)).headers["location"] == "https://xn--bcher-kva.example/%C3%A9x%5C"


def test_a_link_made_by_a_key_of_before_is_still_one(database: str, stock: Stock) -> None:
    made = message(stock)
    old, new = b"o" * 32, b"n" * 32
    opened = LinkDoor(database)
    opened.links._signer = LinkSigner([new, old])
    assert opened.open(f"/l/{LinkSigner([old]).token(made, 0)}").status == 302
    opened.close()


# -- where they lead no more -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "token", ["", "x", "0" * 16, "0" * 17, "é" * 16, pytest.param(SIGNER.token(1, 0)[:-1] + "!", id="changed"), "a/b"]
)
def test_what_nobody_signed_is_nothing_and_asks_no_database(token: str) -> None:
    def opened() -> Store:
        raise AssertionError("the database is asked")

    shut = LinkDoor("", opened)
    reply = shut.open(f"/l/{token}")
    assert reply.status == 404
    shut.close()


def test_a_link_leads_nowhere_once_its_message_is_gone_or_its_text_is_erased(stock: Stock, door: LinkDoor) -> None:
    gone, erased = message(stock), message(stock)
    Message.objects.filter(pk=gone).delete()
    Message.objects.filter(pk=erased).update(body="", options=None)
    assert [door.open(path_of(one)).status for one in (gone, erased, erased + 1000)] == [404, 404, 404]


def test_a_link_lives_for_thirty_days_from_when_its_message_went_out_or_was_due_to(
    stock: Stock, door: LinkDoor
) -> None:
    young = message(stock, due_ms=now_ms() - 30 * DAY_MS + 60_000)
    old = message(stock, due_ms=now_ms() - 30 * DAY_MS)
    prepared_early = message(stock, due_ms=now_ms() - 40 * DAY_MS, state=30, sent_ms=now_ms() - 29 * DAY_MS)
    statuses = [door.open(path_of(one)).status for one in (young, old, prepared_early)]
    assert statuses == [302, 404, 302]


@pytest.mark.parametrize("options", [None, msgspec.json.encode(MessageOptions(short_code="36180"))])
def test_addresses_of_messages_that_are_not_followed_are_none_of_ours(
    stock: Stock, door: LinkDoor, options: bytes | None
) -> None:
    assert door.open(path_of(message(stock, options=options))).status == 404


@pytest.mark.parametrize(
    ("accepted", "words"),
    [
        ("fr-CH, fr;q=0.9, en;q=0.8", "Il n’y a rien ici"),
        ("de, en;q=0.5", "There is nothing here"),
        ("", "There is nothing here"),
        ("x" * 5000, "There is nothing here"),
    ],
)
def test_who_comes_to_nothing_reads_so_in_their_language(door: LinkDoor, accepted: str, words: str) -> None:
    reply = door.open("/l/0000000000000000", accept_language=accepted)
    assert (reply.status, reply.type) == (404, "text/html; charset=utf-8")
    assert words in reply.text
    assert f'lang="{"fr" if "rien" in words else "en"}"' in reply.text
    assert "sha256-" in reply.headers["content-security-policy"]


def test_other_methods_are_refused(stock: Stock, door: LinkDoor) -> None:
    made = message(stock)
    reply = door.open(path_of(made), "POST")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")
    assert counts(made) == []


# -- who is counted --------------------------------------------------------------------------------------------------------


def test_programs_are_counted_apart(stock: Stock, door: LinkDoor) -> None:
    made = message(stock, delivery=9)
    door.open(path_of(made), user_agent="WhatsApp/2.23.20.0 A")
    door.open(path_of(made), sec_purpose="prefetch;prerender")
    assert counts(made) == [(COUNTED, 0, 2)]
    assert (figures(9).people, figures(9).machine_clicks) == (0, 2)


def test_a_look_by_head_is_answered_the_same_and_no_click(stock: Stock, door: LinkDoor) -> None:
    made = message(stock)
    assert door.open(path_of(made), "HEAD").headers == door.open(path_of(made)).headers
    assert counts(made) == [(COUNTED, 1, 0)]


def test_clicks_that_come_together_are_all_counted(stock: Stock, door: LinkDoor) -> None:
    made = [message(stock, delivery=9) for _ in range(5)]
    replies = door.together(*[path_of(one) for one in made for _ in range(10)])
    assert {reply.status for reply in replies} == {302}
    assert [counts(one) for one in made] == [[(COUNTED, 10, 0)]] * 5
    assert (figures(9).people, figures(9).clicks) == (5, 50)


def test_what_no_person_does_is_not_counted_and_led_on_all_the_same(stock: Stock, database: str) -> None:
    at_ms = now_ms()
    made, door = message(stock), LinkDoor(database, clock=lambda: at_ms)
    replies = door.together(*[path_of(made)] * (MOST_A_SECOND + 5))
    door.close()
    assert {reply.status for reply in replies} == {302}
    assert counts(made) == [(COUNTED, MOST_A_SECOND, 0)]


def test_two_web_processes_count_together(database: str, stock: Stock) -> None:
    made = [message(stock, delivery=9) for _ in range(4)]
    errors: list[int] = []

    def visit() -> None:
        own = LinkDoor(database)
        for _ in range(10):
            errors.extend(reply.status for reply in own.together(*map(path_of, made)) if reply.status != 302)
        own.close()

    threads = [threading.Thread(target=visit) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    assert [counts(one) for one in made] == [[(COUNTED, 20, 0)]] * 4
    assert (figures(9).people, figures(9).clicks) == (4, 80)


# -- trouble ---------------------------------------------------------------------------------------------------------------


def test_who_waits_too_long_for_the_commit_goes_on_and_is_counted_later(database: str, stock: Stock) -> None:
    made, may_commit = message(stock), threading.Event()

    def opened() -> Store:
        store = open_store(database)
        commit = store.database.commit

        def held() -> None:
            assert may_commit.wait(30)
            commit()

        store.database.commit = held  # type: ignore[method-assign]
        return store

    slow = LinkDoor(database, opened, wait_s=0.05)
    assert [slow.open(path_of(made)).status for _ in range(3)] == [302, 302, 302]
    assert counts(made) == []
    may_commit.set()
    slow.close()
    assert counts(made) == [(COUNTED, 3, 0)]


def test_a_click_waits_for_a_database_that_is_locked(sqlite_url: str, bound: Callable[[str], None]) -> None:
    bound(sqlite_url)
    stock = Stock(sqlite_url)
    made = message(stock)
    brisk = LinkDoor(sqlite_url, impatient(sqlite_url), wait_s=0.05)
    with trouble(sqlite_url):
        assert brisk.open(path_of(made)).status == 302
        assert counts(made) == []
    assert brisk.open(path_of(made)).status == 302
    brisk.close()
    assert counts(made) == [(COUNTED, 2, 0)]
    stock.close()


@pytest.mark.postgresql
def test_while_the_database_is_away_people_are_asked_to_come_again(
    postgresql_url: str, bound: Callable[[str], None]
) -> None:
    stock, door = Stock(postgresql_url), LinkDoor(postgresql_url)
    made = message(stock)
    assert door.open(path_of(made)).status == 302
    with trouble(postgresql_url):
        reply = door.open(path_of(made))
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert door.open(path_of(made)).status == 302
    door.close()
    stock.close()
    bound(postgresql_url)
    assert counts(made) == [(COUNTED, 2, 0)]


def test_too_many_at_once_are_asked_to_come_again(
    stock: Stock, door: LinkDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "MOST_ASKED", 2)
    made = message(stock)
    replies = door.together(*[path_of(made)] * 5)
    refused = [reply for reply in replies if reply.status == 503]
    assert len(refused) == 3
    assert all(reply.headers["retry-after"] for reply in refused)
    assert door.open(path_of(made)).status == 302


def test_who_comes_while_too_much_waits_to_be_stored_goes_on_uncounted(
    stock: Stock, door: LinkDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "MOST_WAITING", 0)
    made = message(stock)
    assert door.open(path_of(made)).status == 302
    assert counts(made) == []


# -- through mid -----------------------------------------------------------------------------------------------------------


def told() -> list[Told]:
    return [msgspec.json.decode(bytes(page.told), type=Told) for page in RelayPage.objects.order_by("id")]


def test_an_opened_message_of_another_installation_is_told_to_it_with_how_often_in_all(
    stock: Stock, door: LinkDoor
) -> None:
    made, own = message(stock, delivery=relayed(5, 9)), message(stock, delivery=9)
    door.open(path_of(made))
    door.open(path_of(made), user_agent="curl/8.5.0")
    door.open(path_of(own))
    found = [click for page in told() for click in page.clicks]
    assert [(one.message_id, one.place, one.url, one.clicks, one.machine_clicks) for one in found] == [
        (made, 0, COUNTED, 1, 0),
        (made, 0, COUNTED, 1, 1),
    ]
    assert [page.id for page in RelayPage.objects.order_by("id")] == [relayed(5, 1), relayed(5, 2)]
    assert door.told == 2, "engines are told that there is something to push"


# -- all of it -------------------------------------------------------------------------------------------------------------


def test_a_served_link_answers_under_any_name_and_without_a_sign_in(tmp_path: Path, sqlite_url: str) -> None:
    stock = Stock(sqlite_url)
    made = message(stock)
    stock.close()
    with Installation(tmp_path, sqlite_url) as house:
        house.start_web()
        signer = link_signer(Vault(Configuration.load(house.environment).keys))
        asked = HTTPConnection(HOST, house.port, timeout=10)
        found = []
        for token in (signer.token(made, 0), "0" * 16):
            asked.request("GET", f"/l/{token}", headers={"Host": "go.example.org", "User-Agent": PHONE})
            reply = asked.getresponse()
            found.append((reply.status, reply.headers["Location"], len(reply.read()) > 0))
        asked.close()
    assert found == [(302, SHOP, False), (404, None, True)]
