"""The engine against an SMSC of another author: the npm package `smpp`."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from bench.scene import Scene, wait_for
from tests.interop.caller import Caller, bound, endpoint
from tests.interop.peer import FOLDER, WAIT_S, Event, Peer

from chappe.engine.net.smpp_client import connect
from chappe.engine.store.catalogue import MESSAGE_COLUMNS
from chappe.engine.store.statement import Query
from chappe.engine.store.store import OutboxBatch, Store, open_store
from chappe.messaging import DeliveryState
from chappe.smpp import BindKind, SubmitTemplate

pytestmark = pytest.mark.interop_node

PHONE = "+33612345670"
LONG = "Bonjour Marie, votre commande à 15 € est là : venez la chercher à Évreux [code {A|B}] avant samedi. " * 4
CYRILLIC = "Здравствуйте, ваш заказ готов 🎉 " * 5


@pytest.fixture
def smsc() -> Iterator[Peer]:
    with Peer(["node", str(FOLDER / "node" / "smsc.js")]) as peer:
        yield peer


@pytest.fixture
def port(smsc: Peer) -> int:
    return int(smsc.next("listening")["port"])


# -- a link ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BindKind)
def test_every_kind_of_bind_is_accepted_and_ended(smsc: Peer, port: int, kind: BindKind) -> None:
    async def talk() -> None:
        async with bound(endpoint(port, kind)):
            pass

    asyncio.run(talk())
    seen = smsc.next(f"bind_{kind.name.lower()}")
    assert seen["is_accepted"]
    assert {name: seen[name] for name in ("system_id", "system_type", "addr_ton", "addr_npi", "address_range")} == {
        "system_id": "chappe",
        "system_type": "VMS",
        "addr_ton": 1,
        "addr_npi": 1,
        "address_range": "^386",
    }
    assert seen["interface_version"] == 0x34
    smsc.next("unbind")
    smsc.next("close")


def test_a_wrong_password_is_told_in_words(smsc: Peer, port: int) -> None:
    async def talk() -> str:
        caller = Caller(endpoint(port, password="wrong"))
        await connect(caller.link)
        return await asyncio.wait_for(caller.link.closed, WAIT_S)

    assert asyncio.run(talk()) == "the provider refused the log-in: wrong password"
    assert not smsc.next("bind_transceiver")["is_accepted"]


def test_a_quiet_link_asks_for_a_sign_of_life_and_gets_it(smsc: Peer, port: int) -> None:
    async def talk() -> None:
        async with bound(endpoint(port, enquire_link_s=0.2)) as caller:
            # A link whose question is not answered dies: the third question stands for two answers.
            for _ in range(3):
                await asyncio.to_thread(smsc.next, "enquire_link")
            assert caller.link.is_bound

    asyncio.run(talk())


def test_a_sign_of_life_is_given_when_it_is_asked_for(smsc: Peer, port: int) -> None:
    async def talk() -> Event:
        async with bound(endpoint(port)):
            smsc.order("enquire_link")
            return await asyncio.to_thread(smsc.next, "enquire_link_resp")

    assert asyncio.run(talk())["command_status"] == 0


def test_a_link_that_the_provider_unbinds_ends_in_order(smsc: Peer, port: int) -> None:
    async def talk() -> str:
        async with bound(endpoint(port)) as caller:
            smsc.order("unbind")
            assert (await asyncio.to_thread(smsc.next, "unbind_resp"))["command_status"] == 0
            return await asyncio.wait_for(caller.link.closed, WAIT_S)

    assert asyncio.run(talk()) == "the connection was closed"


def test_a_command_that_smpp_does_not_have_is_refused_and_the_link_goes_on(smsc: Peer, port: int) -> None:
    template = SubmitTemplate(source_addr=b"CHAPPE")

    async def talk() -> list[tuple[int, bytes]]:
        async with bound(endpoint(port)) as caller:
            smsc.order("unknown")
            assert (await asyncio.to_thread(smsc.next, "generic_nack"))["command_status"] == 3
            return await caller.submit([template.body(b"33612345670", b"still here", 0, 0, 0)])

    assert asyncio.run(talk()) == [(0, b"1000001")]


def test_answers_fit_their_messages_when_many_are_under_way(smsc: Peer, port: int) -> None:
    template = SubmitTemplate(source_addr=b"CHAPPE", dest_addr_ton=1, dest_addr_npi=1)
    numbers = [b"3361234%03d%d" % (number, 9 if number % 3 == 0 else 7) for number in range(300)]

    async def talk() -> list[tuple[int, bytes]]:
        async with bound(endpoint(port, window=300)) as caller:
            return await caller.submit([template.body(number, b"hello", 0, 0, 0) for number in numbers])

    answers = asyncio.run(talk())
    assert [status for status, _ in answers] == [0x0B if number.endswith(b"9") else 0 for number in numbers]
    assert [one for _, one in answers if one] == [b"%d" % number for number in range(1_000_001, 1_000_201)]


# -- a whole engine --------------------------------------------------------------------------------------------------


class Installation:
    """An engine process with one connection, and its store."""

    def __init__(self, scene: Scene, store: Store, smsc: Peer) -> None:
        self.scene = scene
        self.store = store
        self.smsc = smsc

    def start(self, links: int = 1) -> None:
        self.process = self.scene.start("-m", "chappe.engine.engine")
        wait_for(
            lambda: self.rows("SELECT count(*) FROM link_state WHERE state = 'bound'")[0][0] == links, WAIT_S, "bind"
        )

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(WAIT_S)

    def rows(self, statement: str) -> Sequence[Any]:
        return self.store.database.query(Query(statement))

    def send(self, *texts: tuple[str, str], **values: object) -> list[int]:
        """Queue a message for each (recipient, text); their ids."""
        now_ms = int(time.time() * 1000)
        blank: dict[str, object] = dict.fromkeys([column.name for column in MESSAGE_COLUMNS], 0)
        blank |= {"organisation_id": self.scene.organisation_id, "connection_id": self.scene.connection_id}
        blank |= {"channel": "sms", "sender": "ACME", "options": None, "segments": 1, "state": 10, "reason": ""}
        blank |= {"is_possible_duplicate": False, "client_reference": "", "created_ms": now_ms, "due_ms": now_ms}
        with self.store.transaction():
            ids = self.store.take_ids("message", len(texts))
            made = [
                {**blank, **values, "id": number, "recipient": recipient, "body": body}
                for number, (recipient, body) in zip(ids, texts, strict=True)
            ]
            rows = [tuple(one[column.name] for column in MESSAGE_COLUMNS) for one in made]
            self.store.enqueue([OutboxBatch(self.scene.connection_id, 0, 5, now_ms, rows)])
        return list(ids)

    def ends(self, ids: Sequence[int]) -> dict[int, tuple[DeliveryState, str]]:
        """State and reason of these messages once all of them have ended."""
        listed = ", ".join(map(str, ids))
        statement = f"SELECT id, state, reason FROM message_now WHERE id IN ({listed}) AND state >= 40"
        wait_for(lambda: len(self.rows(statement)) == len(ids), WAIT_S, "the end of the messages")
        return {number: (DeliveryState(state), reason) for number, state, reason in self.rows(statement)}

    def inbound(self, count: int) -> Sequence[Any]:
        statement = "SELECT sender, recipient, body, segments, is_complete FROM inbound ORDER BY id"
        wait_for(lambda: len(self.rows(statement)) == count, WAIT_S, "the texts from phones")
        return self.rows(statement)


Install = Callable[..., Installation]


@pytest.fixture
def install(tmp_path: Path, smsc: Peer, port: int) -> Iterator[Install]:
    scene = Scene(tmp_path)
    stores = []

    def make(**settings: object) -> Installation:
        scene.prepare(port, {"account": "chappe", "password": "s3cret", "window": 50, **settings})
        stores.append(open_store(scene.url))
        return Installation(scene, stores[-1], smsc)

    yield make
    scene.stop()
    for store in stores:
        store.database.close()


def whole(smsc: Peer, total: int) -> tuple[str, list[Event]]:
    """The text of so many segments as the SMSC reads them, and the segments in the order of the text."""
    found = sorted((smsc.next("submit_sm") for _ in range(total)), key=lambda one: one["concatenation"][2])
    assert [one["concatenation"] for one in found] == [
        [found[0]["concatenation"][0], total, position] for position in range(1, total + 1)
    ]
    return "".join(one["text"] for one in found), found


MODES = {"transceiver": 1, "transmitter_receiver": 2}


@pytest.mark.parametrize("mode", MODES)
def test_texts_go_out_and_their_receipts_come_back(install: Install, smsc: Peer, mode: str) -> None:
    engine = install(mode=mode, retry_limit=0)
    engine.start(MODES[mode])
    ids = engine.send((PHONE, "Bonjour [50 €]"), ("+33612345678", "not reached"), ("+33612345679", "refused"))
    ends = engine.ends(ids)
    assert [ends[number][0] for number in ids] == [DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.FAILED]
    assert ends[ids[2]][1] == "the number is not valid"
    seen = {one["destination_addr"]: one for one in (smsc.next("submit_sm") for _ in ids)}
    first = seen[PHONE.removeprefix("+")]
    assert first["text"] == "Bonjour [50 €]"
    assert first["source_addr"] == "ACME"
    assert first["registered_delivery"] == 1
    assert first["kind"] == ("bind_transmitter" if mode == "transmitter_receiver" else "bind_transceiver")
    for _ in range(2):
        assert smsc.next("deliver_sm_resp")["command_status"] == 0
    assert engine.stop() == 0
    for _ in range(MODES[mode]):
        smsc.next("unbind")


@pytest.mark.parametrize(("text", "size"), [(LONG, 153), (CYRILLIC, 67)], ids=["GSM", "UCS-2"])
def test_long_texts_are_put_together_by_the_other_side(install: Install, smsc: Peer, text: str, size: int) -> None:
    engine = install()
    engine.start()
    ids = engine.send((PHONE, text))
    units = len(text.encode("utf-16-be")) // 2 if size == 67 else len(text) + sum(map(text.count, "[]{}|€"))
    total = math.ceil(units / size)
    read, segments = whole(smsc, total)
    assert read == text
    assert [one["data_coding"] for one in segments] == [8 if size == 67 else 0] * total
    assert [one["registered_delivery"] for one in segments] == [1] + [0] * (total - 1)
    assert engine.ends(ids)[ids[0]][0] is DeliveryState.DELIVERED


def test_a_long_text_in_a_payload_is_read_whole(install: Install, smsc: Peer) -> None:
    engine = install(message_payload=True, encodings=[{"encoding": "ucs2", "data_coding": 8}])
    engine.start()
    ids = engine.send((PHONE, LONG))
    assert smsc.next("submit_sm")["text"] == LONG
    assert engine.ends(ids)[ids[0]][0] is DeliveryState.DELIVERED


def test_the_end_of_validity_is_the_same_instant_at_the_other_side(install: Install, smsc: Peer) -> None:
    engine = install()
    engine.start()
    expires_ms = (int(time.time()) + 3600) * 1000
    engine.ends(engine.send((PHONE, "soon"), expires_ms=expires_ms))
    meant = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(expires_ms / 1000))
    assert smsc.next("submit_sm")["validity_period"] == meant


def test_texts_from_phones_arrive_whole(install: Install, smsc: Peer) -> None:
    engine = install()
    engine.start()
    phone = {"from": "33612345670", "to": "38600"}
    smsc.order("inbound", **phone, pieces=[[1, "STOP € à"]], data_coding=0, total=1)
    assert list(engine.inbound(1)[0][:4]) == ["+33612345670", "38600", "STOP € à", 1]
    pieces = [[2, "ваш 🎉"], [1, "Где "], [3, " заказ?"]]
    smsc.order("inbound", **phone, pieces=pieces, data_coding=8, reference=7, total=3)
    sender, recipient, body, segments, is_complete = engine.inbound(2)[1]
    assert (sender, recipient, body, segments) == ("+33612345670", "38600", "Где ваш 🎉 заказ?", 3)
    assert is_complete
    for _ in range(4):
        assert smsc.next("deliver_sm_resp")["command_status"] == 0


def test_an_engine_whose_password_is_wrong_says_so(install: Install, smsc: Peer) -> None:
    engine = install(password="wrong", reconnect_s=0.5)
    engine.scene.start("-m", "chappe.engine.engine")
    assert not smsc.next("bind_transceiver")["is_accepted"]
    reasons = "SELECT reason FROM link_state WHERE state = 'down' AND reason <> ''"
    wait_for(lambda: engine.rows(reasons), WAIT_S, "the reason")
    assert "wrong password" in engine.rows(reasons)[0][0]
    assert not smsc.next("bind_transceiver")["is_accepted"]  # tried again, after the time before reconnection


def test_an_engine_binds_again_after_the_provider_unbound_it(install: Install, smsc: Peer) -> None:
    engine = install(reconnect_s=0.2)
    engine.start()
    smsc.next("bind_transceiver")
    smsc.order("unbind")
    smsc.next("unbind_resp")
    smsc.next("bind_transceiver")
    ids = engine.send((PHONE, "again"))
    assert engine.ends(ids)[ids[0]][0] is DeliveryState.DELIVERED
