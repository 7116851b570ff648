"""On marketing: what keeps an account in step with mid, with a real store here and an HTTP server that plays mid there."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from tests.engine.house import in_loop, until
from tests.engine.http_peer import Peer
from tests.engine.stock import Desk, Stock, delivery_row
from tests.engine.test_http_sender import http

from chappe.engine import relay_flow, relay_step
from chappe.engine.http_flow import open_sender
from chappe.engine.net.http_sender import HttpSender
from chappe.engine.relay_flow import Keeper
from chappe.engine.store import catalogue
from chappe.engine.store.relay_frame import PagesHeard, StepFound, StepTaken
from chappe.messaging import DeliveryState, Told
from chappe.messaging.relay import Pages
from chappe.providers import relay
from chappe.providers.http import Account
from chappe.providers.relay import packed

PHONE, OTHER = "+33612345678", "+33687654321"
PUSHES = "https://marketing.example.com/hooks/1"
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Mid:
    """Answers as mid does, from what a test gave it; keeps what it was told."""

    def __init__(self) -> None:
        self.ahead_ms = 0
        self.signed_in: list[dict[str, Any]] = []
        self.itself: dict[str, Any] = {"version": "1.2.3"}
        """What it says of itself to who signs in."""
        self.told: list[dict[str, Any]] = []
        self.actions: list[str] = []
        self.entries: list[dict[str, Any]] = []
        self.stretch = 1_000
        """How many of them it tells at once."""
        self.pages: list[Told] = []
        self.newest = 0
        self.asked_after: list[int] = []
        self.figures: dict[str, dict[str, int]] = {}
        self.status = 0
        """What everything is answered with; 0: as it should be."""
        self.rounds = 0

    def now_ms(self) -> int:
        return now_ms() + self.ahead_ms

    async def script(self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await peer.read(reader):
            head, _, body = request.partition(b"\r\n\r\n")
            _, target, _ = head.split(b"\r\n")[0].decode().split(" ")
            path = urlsplit(target)
            rest = path.path.removeprefix("/v1/relay/accounts/crm")
            query = {name: values[0] for name, values in parse_qs(path.query).items()}
            writer.write(http(self.status, {"detail": "not now"}) if self.status else self._answer(rest, query, body))
            await writer.drain()

    def _answer(self, rest: str, query: dict[str, str], body: bytes) -> bytes:
        match rest.split("/"):
            case [""]:
                self.signed_in.append(json.loads(body))
                return http(200, self.itself)
            case ["", "pages"]:
                return self._pages(int(query["after"]))
            case ["", "quarantine"] if body:
                self.told.append(json.loads(body))
                return http(200, {"changed": 1})
            case ["", "quarantine"]:
                self.rounds += 1
                new = [one for one in self.entries if one["changed_ms"] > int(query["after_ms"])]
                some = new[: self.stretch]
                until_ms = max((one["changed_ms"] for one in some), default=int(query["after_ms"]))
                found = {"now_ms": self.now_ms(), "until_ms": until_ms, "is_more": len(new) > len(some)}
                return http(200, {**found, "entries": some})
            case ["", "deliveries", number, action]:
                self.actions.append(f"{action} {number}")
                return http(200, {"status": "sending"})
            case ["", "figures"]:
                return http(200, {"now_ms": self.now_ms(), "deliveries": self.figures})
        return http(404, {"detail": rest})

    def _pages(self, after: int) -> bytes:
        self.asked_after.append(after)
        told = tuple(self.pages[after:])
        newest = self.newest or len(self.pages)
        pages = Pages(after + 1, after + len(told), self.now_ms(), told)
        return http(200, packed(msgspec.json.encode(pages)), **{"chappe-last-page": str(newest)})

    def block(self, address: str, status: str, changed_ms: int) -> None:
        one = {"address": address, "short_code": "", "status": status, "reason": "stop", "changed_ms": changed_ms}
        self.entries.append(one)


class Place:
    """Which connection it is."""

    id = organisation_id = 1


class Flow:
    """The connection that a keeper belongs to: its store is the recorder of `desk`."""

    def __init__(self, desk: Desk, url: str) -> None:
        settings = {"internal_name": "crm", "base_url": url, "operator": "sms", "password": "key"}
        parsed = relay.SPEC.parse({**settings, "signing_secret": SECRET, "allowed_networks": "127.0.0.0/8"})
        self.connection = Place()
        self.account = Account(parsed, 1, 1, PUSHES)
        self.refuses_next = False
        """The next that is to be taken over meets a store process that is behind."""
        self.taken: list[StepTaken] = []
        self.heard: list[PagesHeard] = []
        self.keeper = Keeper(self)  # type: ignore[arg-type]
        self._desk = desk

    def open_sender(self) -> HttpSender:
        return open_sender(relay, self.account)  # type: ignore[arg-type]

    def tell_store(self, make: Callable[[int], Any]) -> bool:
        request = make(self._desk.number())
        if self.refuses_next and isinstance(request, StepTaken) and request.entries:
            self.refuses_next = False
            return False
        self.taken += [request] if isinstance(request, StepTaken) else []
        self.heard += [request] if isinstance(request, PagesHeard) else []
        self._desk.now_ms = now_ms()
        for answer in self._desk.handle(request):
            if isinstance(answer, StepFound):
                self.keeper.found(answer)
        return True


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds follow each other closely."""
    for name in ("TELL_S", "ASK_S", "FIGURES_S", "PUSHED_S", "PUSHED_ASK_S"):
        monkeypatch.setattr(relay_flow, name, 0.02)
    monkeypatch.setattr(relay_flow, "REST_S", (0.02,))


@pytest.fixture
def stock(sqlite_url: str, bound: Callable[[str], None]) -> Iterator[Stock]:
    bound(sqlite_url)
    made = Stock(sqlite_url)
    yield made
    made.close()


@pytest.fixture
def desk(stock: Stock) -> Desk:
    return Desk(stock, hands_over=True)


@pytest.fixture
def mid() -> Mid:
    return Mid()


@asynccontextmanager
async def keeping(desk: Desk, mid: Mid) -> AsyncIterator[Flow]:
    """An account is kept in step within, and was at least once."""
    async with Peer(mid.script) as peer:
        flow = Flow(desk, peer.url)
        running = asyncio.create_task(flow.keeper.run())
        try:
            await until(lambda: mid.rounds or mid.status, "the first round")
            yield flow
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def some_rounds(mid: Mid, count: int = 3) -> None:
    before = mid.rounds
    await until(lambda: mid.rounds >= before + count, "some rounds")


def link(stock: Stock) -> dict[str, Any]:
    names = ("page", "told_push", "mid_version", "mid_link_base", "error", "heard_ms")
    rows = stock.query(f"SELECT {', '.join(names)} FROM relay_link")
    return dict(zip(names, rows[0] if rows else (0, "", "", None, "", 0), strict=True))


def block(stock: Stock, address: str, status: str, changed_ms: int) -> None:
    values = (1, "sms", address, "", status, "by hand", 0, 0, 1, changed_ms)
    stock.store.database.query(catalogue.SET_QUARANTINE, values)


def status_of(stock: Stock, address: str) -> str:
    found = stock.quarantine(address)
    return str(found[0]) if found else ""


# -- signing in ------------------------------------------------------------------------------------------------------


def test_mid_is_told_once_where_to_push_and_with_which_secret(stock: Stock, desk: Desk, mid: Mid) -> None:
    @in_loop
    async def run() -> None:
        async with keeping(desk, mid):
            await some_rounds(mid)
        assert mid.signed_in == [{"push_url": PUSHES, "secret": SECRET}]
        assert (link(stock)["told_push"], link(stock)["mid_version"], link(stock)["error"]) == (PUSHES, "1.2.3", "")

    run()


def test_what_short_links_of_mid_begin_with_is_known_and_stays_so_while_it_is_away(
    stock: Stock, desk: Desk, mid: Mid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_flow, "SIGN_IN_S", 0.02)
    first, other = "https://go.example.org/l/", "https://a.much.longer.example.org/l/"
    mid.itself["link_base"] = first

    @in_loop
    async def run() -> None:
        async with keeping(desk, mid):
            await until(lambda: link(stock)["mid_link_base"] == first, "the address")
            for base in (other, "", first):
                mid.itself["link_base"] = base
                await until(lambda b=base: link(stock)["mid_link_base"] == b, "another address")  # type: ignore[misc]
            mid.status = 503
            await until(lambda: link(stock)["error"], "the error")
        async with keeping(desk, mid) as flow:  # an engine that has not heard of it yet
            await until(lambda: flow.taken, "a step without mid")
            assert link(stock)["mid_link_base"] == first
            mid.status = 0
            del mid.itself["link_base"]
            await until(lambda: link(stock)["mid_link_base"] is None, "mid of an older version")

    run()


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("http://a.example/l/", "http://a.example/l/"),
        ("HTTPS://A.example/l/", "HTTPS://A.example/l/"),
        ("https://" + "a" * 92, "https://" + "a" * 92),
        ("https://" + "a" * 93, None),
        ("", ""),
        (None, None),
        (7, None),
        (["https://a.example/l/"], None),
        ("https://", None),
        ("ftp://a.example/l/", None),
        ("javascript:alert(1)//https://a.example", None),
        ("https://a.example/ l/", None),
        ("https://é.example/l/", None),
        ("https://a.example/l/\n", None),
        ("https://a.example/\0/", None),
    ],
)
def test_of_what_mid_says_of_its_links_only_what_they_can_begin_with_is_believed(
    stock: Stock, desk: Desk, mid: Mid, told: object, kept: str | None
) -> None:
    mid.itself["link_base"] = told

    @in_loop
    async def run() -> None:
        async with keeping(desk, mid):
            await some_rounds(mid)
        assert (link(stock)["mid_link_base"], link(stock)["error"]) == (kept, "")

    run()


def test_what_keeps_it_out_of_step_is_written_down_until_it_is_over(stock: Stock, desk: Desk, mid: Mid) -> None:
    mid.status = 503

    @in_loop
    async def run() -> None:
        async with keeping(desk, mid):
            await until(lambda: link(stock)["error"] == "mid answered 503: not now", "the error")
            assert link(stock)["heard_ms"] == 0
            mid.status = 0
            await until(lambda: link(stock)["error"] == "", "the end of it")
            assert link(stock)["heard_ms"] > 0
            mid.status = 500
            await until(lambda: link(stock)["error"].startswith("mid answered 500"), "the next error")
            mid.status = 0
            await until(lambda: len(mid.signed_in) == 2, "another sign-in, for mid may be another by now")

    run()


# -- quarantine ------------------------------------------------------------------------------------------------------


def test_what_changes_in_the_quarantine_here_is_told_to_mid_once(stock: Stock, desk: Desk, mid: Mid) -> None:
    changed_ms = now_ms()

    @in_loop
    async def run() -> None:
        async with keeping(desk, mid):
            block(stock, PHONE, "denylisted", changed_ms)
            block(stock, OTHER, "with_errors", changed_ms)
            await until(lambda: mid.told, "the telling")
            await some_rounds(mid)
            (told,) = mid.told
            assert [(one["address"], one["status"], one["changed_ms"]) for one in told["entries"]] == [
                (PHONE, "denylisted", changed_ms)
            ]
            assert abs(told["now_ms"] - now_ms()) < 10_000
            block(stock, PHONE, "valid", changed_ms + 5)
            await until(lambda: len(mid.told) == 2, "the change")
            await some_rounds(mid)
            assert len(mid.told) == 2

    run()


def test_what_mid_did_not_hear_is_told_again(stock: Stock, desk: Desk, mid: Mid) -> None:
    @in_loop
    async def run() -> None:
        async with keeping(desk, mid):
            mid.status = 503
            block(stock, PHONE, "quarantine", now_ms())
            await until(lambda: link(stock)["error"], "the error")
            mid.status = 0
            await until(lambda: mid.told, "the telling")

    run()


def test_more_than_goes_at_once_is_told_in_turn(
    stock: Stock, desk: Desk, mid: Mid, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("relay_step", "relay_flow"):
        monkeypatch.setattr(f"chappe.engine.{module}.MOST_TOLD", 10)
    changed_ms = now_ms()
    for number in range(35):
        block(stock, f"+336000000{number:02d}", "quarantine", changed_ms)

    @in_loop
    async def run() -> None:
        async with keeping(desk, mid):
            await until(lambda: len(addresses(mid)) >= 35, "all of them")
            await some_rounds(mid)
            assert len(addresses(mid)) == len(set(addresses(mid))) == 35

    run()


def addresses(mid: Mid) -> list[str]:
    return [one["address"] for told in mid.told for one in told["entries"]]


@pytest.mark.parametrize(
    ("ahead_ms", "own", "theirs", "later_ms", "after"),
    [
        (0, "", "denylisted", 0, "denylisted"),
        (-300_000, "valid", "denylisted", 60_000, "denylisted"),
        (300_000, "valid", "denylisted", -60_000, "valid"),
        (-300_000, "denylisted", "valid", 60_000, "valid"),
        (300_000, "denylisted", "valid", -60_000, "denylisted"),
        (0, "denylisted", "quarantine", 60_000, "denylisted"),
        (0, "with_errors", "quarantine", -60_000, "quarantine"),
    ],
)
def test_between_both_sides_the_later_word_holds_whatever_their_clocks_say(
    stock: Stock, desk: Desk, mid: Mid, ahead_ms: int, own: str, theirs: str, later_ms: int, after: str
) -> None:
    changed_ms = now_ms() - 120_000
    if own:
        block(stock, PHONE, own, changed_ms)
    mid.ahead_ms = ahead_ms
    mid.block(PHONE, theirs, changed_ms + later_ms + ahead_ms)

    @in_loop
    async def run() -> None:
        async with keeping(desk, mid):
            await some_rounds(mid)
            assert status_of(stock, PHONE) == after

    run()


def test_however_much_changes_at_mid_in_a_moment_all_of_it_is_heard(
    stock: Stock, desk: Desk, mid: Mid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_flow, "MOST_STRETCHES", 2)
    mid.stretch, now = 3, now_ms()
    numbers = [f"+3361234567{place % 10}{place // 10}" for place in range(20)]
    for place, number in enumerate(numbers):
        mid.block(number, "denylisted", now - 1_000 + place)

    @in_loop
    async def run() -> None:
        async with keeping(desk, mid):
            await until(lambda: status_of(stock, numbers[-1]) == "denylisted", "the last of them")

    run()
    assert [status_of(stock, number) for number in numbers] == ["denylisted"] * 20


def test_what_mid_tells_again_is_written_once_and_not_told_to_and_fro(stock: Stock, desk: Desk, mid: Mid) -> None:
    mid.block(PHONE, "denylisted", now_ms())

    @in_loop
    async def run() -> None:
        async with keeping(desk, mid) as flow:
            await until(lambda: status_of(stock, PHONE) == "denylisted", "the entry")
            await some_rounds(mid, 5)
            assert sum(len(taken.entries) for taken in flow.taken) == 1
            assert len(addresses(mid)) <= 1

    run()


def test_what_the_database_was_too_busy_for_is_heeded_afterwards(stock: Stock, desk: Desk, mid: Mid) -> None:
    @in_loop
    async def run() -> None:
        async with keeping(desk, mid) as flow:
            flow.refuses_next = True
            mid.block(PHONE, "denylisted", now_ms())
            await until(lambda: not flow.refuses_next, "an answer that nobody could write down")
            await until(lambda: status_of(stock, PHONE) == "denylisted", "the entry")

    run()


# -- deliveries, figures, pages --------------------------------------------------------------------------------------


def test_pause_resume_and_cancel_go_over_each_once(stock: Stock, desk: Desk, mid: Mid) -> None:
    delivery = delivery_row("paused", now_ms())

    def change(status: str) -> None:
        sql = "UPDATE delivery SET status = ?, changed_ms = changed_ms + 1 WHERE id = ?"
        stock.query(sql, status, delivery.pk)

    @in_loop
    async def run() -> None:
        async with keeping(desk, mid):
            for status, action in (("", "pause"), ("sending", "resume"), ("paused", "pause"), ("cancelled", "cancel")):
                if status:
                    change(status)
                await until(lambda a=action: mid.actions[-1:] == [f"{a} {delivery.pk}"], action)  # type: ignore[misc]
                await some_rounds(mid)
            assert [one.partition(" ")[0] for one in mid.actions] == ["pause", "resume", "pause", "cancel"]

    run()


def test_of_however_many_deliveries_the_latest_is_told_too(
    stock: Stock, desk: Desk, mid: Mid, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (relay_step, relay_flow):
        monkeypatch.setattr(module, "MOST_CHANGED", 3)
    changed_ms = now_ms() - 5_000
    for _ in range(4):
        delivery_row("finished", changed_ms)
    numbers = [delivery_row("paused", changed_ms + place // 5).pk for place in range(8)]

    @in_loop
    async def run() -> None:
        async with keeping(desk, mid):
            await until(lambda: len(mid.actions) >= 8, "all were told")  # type: ignore[misc]
            await some_rounds(mid)
        assert mid.actions == [f"pause {number}" for number in numbers]

    run()


def test_mids_figures_of_a_delivery_stand_beside_our_own(stock: Stock, desk: Desk, mid: Mid) -> None:
    delivery = delivery_row("sending", now_ms())
    mid.figures = {str(delivery.pk): {"waiting": 3, "delivered": 4, "of another version": 5}}

    def kept() -> dict[int, int]:
        rows = stock.query("SELECT state, messages FROM relay_figure WHERE delivery_id = ?", delivery.pk)
        return {state: messages for state, messages in rows if messages}

    @in_loop
    async def run() -> None:
        async with keeping(desk, mid):
            await until(lambda: kept() == {DeliveryState.WAITING: 3, DeliveryState.DELIVERED: 4}, "the figures")
            mid.figures = {str(delivery.pk): {"delivered": 7}}
            await until(lambda: kept() == {DeliveryState.DELIVERED: 7}, "the new figures")

    run()


def test_pages_are_asked_for_from_where_we_are(stock: Stock, desk: Desk, mid: Mid) -> None:
    mid.pages = [Told(), Told(sent=[(9, 1)]), Told()]

    @in_loop
    async def run() -> None:
        async with keeping(desk, mid) as flow:
            await until(lambda: link(stock)["page"] == 3, "the pages")
            heard = len([one for one in flow.heard if not one.is_again])
            await some_rounds(mid)
            assert len([one for one in flow.heard if not one.is_again]) == heard == 1
            mid.pages.append(Told())
            await until(lambda: link(stock)["page"] == 4, "the next page")
            assert mid.asked_after[-1] >= 3

    run()


def test_where_mids_pages_begin_anew_all_of_them_are_read_and_they_are_followed_from_there(
    stock: Stock, desk: Desk, mid: Mid
) -> None:
    """Mid's database was put back to what it was before."""
    mid.pages = [Told() for _ in range(9)]

    @in_loop
    async def run() -> None:
        async with keeping(desk, mid) as flow:
            await until(lambda: link(stock)["page"] == 9, "the pages")
            del mid.pages[4:]
            await until(lambda: link(stock)["page"] == 4, "the beginning")
            assert any(one.is_again for one in flow.heard)
            mid.pages.append(Told())
            await until(lambda: link(stock)["page"] == 5, "the next page")

    run()
