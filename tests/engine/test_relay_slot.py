"""Messages that go to mid in bundles: how many at a time, what one that mid cannot take does to the others, and silence."""

import asyncio
import gzip
import json
from typing import Any

import pytest
from tests.engine.house import in_loop, until
from tests.engine.http_peer import Peer
from tests.engine.test_http_sender import http
from tests.engine.test_http_slot import Remembering

from chappe.engine import http_slot
from chappe.engine.http_flow import open_sender
from chappe.engine.http_slot import HttpSlot
from chappe.messaging import About, Accepted, Deferred, Refused
from chappe.providers import relay
from chappe.providers.http import Account


class Mid:
    """Takes bundles, each once `lets` has been released for it; what it says to lines is `says`."""

    def __init__(self) -> None:
        self.bundles: list[list[int]] = []
        self.wrong: set[int] = set()
        self.most = 10_000
        self.is_silent = False
        self.lets = asyncio.Semaphore(1_000)

    async def script(self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await peer.read(reader):
            body = gzip.decompress(request.partition(b"\r\n\r\n")[2])
            numbers = [json.loads(line)["relay_id"] for line in body.splitlines()]
            self.bundles.append(numbers)
            await self.lets.acquire()
            if self.is_silent:
                writer.transport.abort()
                return
            writer.write(self._answer(numbers))
            await writer.drain()

    def _answer(self, numbers: list[int]) -> bytes:
        if len(numbers) > self.most:
            return http(413, b"too large")
        places = [place for place, number in enumerate(numbers, 1) if number in self.wrong]
        if places:
            errors = [{"field": f"line {place}: to", "message": "is no number"} for place in places]
            return http(422, {"errors": errors})
        return http(202, b"".join(b'{"id": %d}\n' % (1000 + number) for number in numbers))


class Marketing(Remembering):
    """What a worker does with outcomes, as far as a slot is concerned."""

    def accepted(self) -> set[int]:
        return {number for number, one in self.told.items() if one == Accepted((str(1000 + number),))}


def slot_of(owner: Remembering, peer: Peer, lanes: int = 2) -> HttpSlot:
    settings: dict[str, Any] = {"internal_name": "crm", "base_url": peer.url, "operator": "sms", "password": "key"}
    settings |= {"allowed_networks": "127.0.0.0/8", "concurrency": lanes}
    account = Account(relay.SPEC.parse(settings), 1, 1)
    sender = open_sender(relay, account)  # type: ignore[arg-type]
    found: Any = relay
    return HttpSlot(1, found, account, sender, limit_per_s=0, concurrency=lanes, host=owner, watcher=owner)


def submit(slot: HttpSlot, *numbers: int) -> None:
    lines = [json.dumps({"to": "+336", "text": "x", "relay_id": number}).encode() for number in numbers]
    slot.submit(lines, numbers)


def test_bundles_grow_with_what_waits() -> None:
    @in_loop
    async def run() -> None:
        owner, mid = Marketing(), Mid()
        mid.lets = asyncio.Semaphore(0)
        async with Peer(mid.script) as peer:
            slot = slot_of(owner, peer)
            for number in (1, 2):
                submit(slot, number)
                await until(lambda n=number: len(mid.bundles) == n, "a message alone")  # type: ignore[misc]
            for number in range(3, 403):
                submit(slot, number)
            for _ in range(4):
                mid.lets.release()
            await until(lambda: owner.accepted() == set(range(1, 403)), "all answers")
            assert mid.bundles == [[1], [2], list(range(3, 403))]
            await slot.stop()

    run()


def test_a_bundle_holds_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MOST_IN_BUNDLE", 100)

    @in_loop
    async def run() -> None:
        owner, mid = Marketing(), Mid()
        async with Peer(mid.script) as peer:
            slot = slot_of(owner, peer)
            assert slot.room == 200
            submit(slot, *range(250))
            await until(lambda: len(owner.accepted()) == 250, "all answers")
            assert sorted(map(len, mid.bundles)) == [50, 100, 100]
            assert sorted(number for bundle in mid.bundles for number in bundle) == list(range(250))
            await slot.stop()

    run()


def test_a_bundle_has_only_so_many_octets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MOST_OCTETS_IN_BUNDLE", 1_000)

    @in_loop
    async def run() -> None:
        owner, mid = Marketing(), Mid()
        async with Peer(mid.script) as peer:
            slot = slot_of(owner, peer)
            submit(slot, *range(100))
            await until(lambda: len(owner.accepted()) == 100, "all answers")
            assert 3 < len(mid.bundles) < 10
            await slot.stop()

    run()


def test_where_a_proxy_takes_no_large_request_bundles_become_smaller() -> None:
    @in_loop
    async def run() -> None:
        owner, mid = Marketing(), Mid()
        mid.most = 30
        async with Peer(mid.script) as peer:
            slot = slot_of(owner, peer, lanes=1)
            left = list(range(100))
            while left:
                submit(slot, *left)
                await until(lambda: owner.told.keys() >= set(left), "the outcomes")  # noqa: B023 - awaited at once
                assert slot.can_send
                left = [number for number in left if isinstance(owner.told.pop(number), Deferred)]
            assert sorted(number for some in mid.bundles if len(some) <= 30 for number in some) == list(range(100))
            assert [len(some) for some in mid.bundles if len(some) > 30] == [100, 50]
            submit(slot, *range(50))
            await until(lambda: len(owner.accepted()) == 50, "the answers")
            assert [len(some) for some in mid.bundles[-2:]] == [25, 25]
            await slot.stop()

    run()


def test_once_a_proxy_takes_large_requests_again_bundles_are_large_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_slot, "SMALLER_S", 0.0)

    @in_loop
    async def run() -> None:
        owner, mid = Marketing(), Mid()
        mid.most = 30
        async with Peer(mid.script) as peer:
            slot = slot_of(owner, peer, lanes=1)
            submit(slot, *range(50))
            await until(lambda: len(owner.told) == 50, "the outcomes")
            mid.most = 10_000
            owner.told.clear()
            submit(slot, *range(50))
            await until(lambda: len(owner.accepted()) == 50, "the answers")
            assert [len(some) for some in mid.bundles] == [50, 50]
            await slot.stop()

    run()


def test_one_that_mid_cannot_take_fails_alone() -> None:
    @in_loop
    async def run() -> None:
        owner, mid = Marketing(), Mid()
        mid.wrong = {3}
        async with Peer(mid.script) as peer:
            slot = slot_of(owner, peer, lanes=1)
            submit(slot, 1, 2, 3, 4)
            await until(lambda: len(owner.told) == 4, "the outcomes")
            assert owner.told[3] == Refused("mid: to is no number", "422")
            for number in (1, 2, 4):
                assert owner.told[number] == Deferred(
                    "another message of its bundle could not be taken", 0.0, about=About.RATE
                )
            again = [number for number, one in owner.told.items() if isinstance(one, Deferred)]
            owner.told.clear()
            assert slot.can_send
            submit(slot, *again)
            await until(lambda: owner.accepted() == {1, 2, 4}, "the others")
            await slot.stop()

    run()


def test_what_nobody_answers_waits_to_be_handed_over_again_and_is_not_unknown() -> None:
    @in_loop
    async def run() -> None:
        owner, mid = Marketing(), Mid()
        mid.is_silent = True
        async with Peer(mid.script) as peer:
            slot = slot_of(owner, peer)
            submit(slot, *range(10))
            await until(lambda: len(owner.told) == 10, "the outcomes")
            outcomes = set(map(repr, owner.told.values()))
            assert len(outcomes) == 1
            assert isinstance(owner.told[0], Deferred)
            assert owner.told[0].about is About.ACCOUNT
            assert not slot.can_send
            mid.is_silent = False
            owner.told.clear()
            slot.try_again()
            assert slot.room == 1, "one alone shows whether that is over"
            submit(slot, 0)
            await until(lambda: owner.accepted() == {0}, "its answer")
            assert slot.room > 1
            await slot.stop()

    run()


def test_what_is_under_way_when_it_stops_waits_to_be_handed_over_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chappe.engine.http_slot.DRAIN_S", 0.2)

    @in_loop
    async def run() -> None:
        owner, mid = Marketing(), Mid()
        mid.lets = asyncio.Semaphore(0)
        async with Peer(mid.script) as peer:
            slot = slot_of(owner, peer)
            submit(slot, *range(5))
            await until(lambda: mid.bundles, "the bundle")
            submit(slot, *range(5, 9))
            await slot.stop()
            assert {type(one) for one in owner.told.values()} == {Deferred}
            assert sorted(owner.told) == list(range(9))

    run()
