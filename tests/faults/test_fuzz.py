"""An SMSC that sends whatever it likes: no engine ends, none grows, and messages go on."""

import asyncio
import random
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
from tests.faults.plant import DELIVERED, FAILED, SENT, Plant, wait

from chappe.smpp import CommandId, Pdu, Role, Session, Tag, encode
from chappe.smpp.event import BindRequested, Submits
from chappe.smpp.tlv import Tlv

MakePlant = Callable[..., Plant]
WRITE = 100
ENQUIRE = struct.pack(">IIII", 16, int(CommandId.ENQUIRE_LINK), 0, 77)
ENQUIRED = struct.pack(">III", int(CommandId.ENQUIRE_LINK_RESP), 0, 77)
COMMANDS = [int(one) for one in CommandId if one is not CommandId.UNBIND]
"""An unbind is a right one, after which nothing counts: it has its own rate, as a length that cannot be."""
NO_LENGTHS = (0, 15, 500, 1 << 20, 0xFFFFFFFF)
ROOM_MIB = 24
"""What a process may grow by in the last third: arenas that are not given back. By then, in the long run, SQLite's cache
of 64 MiB is full (it is after a million PDUs, of which 250,000 are stored), and the memory of strangers' ids, too."""


class Fuzzer:
    """PDUs that nearly make sense: right ones with a few octets changed, cut, stretched, or of a kind nobody expects."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.read = 0
        """PDUs that the engine has read, as its answers to the `enquire_link` after each write show."""

    def write(self) -> bytes:
        return b"".join(self._pdu() for _ in range(WRITE)) + ENQUIRE

    def _pdu(self) -> bytes:
        chance = self.chance
        data = bytearray(encode(self._right()))
        match chance.randrange(8):
            case 0 | 1:
                return bytes(data)
            case 2 | 3 | 4:
                for _ in range(chance.randrange(1, 6)):
                    data[chance.randrange(4, len(data))] = chance.randrange(256)
            case 5:
                del data[chance.randrange(16, len(data)) :]
            case 6:
                data += chance.randbytes(chance.randrange(1, 40))
            case 7:
                data = bytearray(data[:16]) + chance.randbytes(chance.randrange(0, 120))
                struct.pack_into(">I", data, 4, chance.choice([*COMMANDS, chance.getrandbits(32)]))
        length = len(data) if chance.randrange(8000) else chance.choice(NO_LENGTHS)
        struct.pack_into(">I", data, 0, length)
        if int.from_bytes(data[4:8], "big") == CommandId.UNBIND and chance.randrange(1000):
            data[7] = 0x55
        return bytes(data)

    def _right(self) -> Pdu:
        chance = self.chance
        receipt = chance.randrange(2)
        text = (
            f"id:{chance.getrandbits(33)} sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 "
            f"stat:{chance.choice(['DELIVRD', 'UNDELIV', 'ENROUTE', 'XX'])} err:{chance.randrange(1000):03} text:x"
        ).encode()
        if not receipt:
            text = chance.randbytes(chance.randrange(140))
            if chance.randrange(2):
                text = bytes((5, 0, 3, chance.randrange(256), chance.randrange(5), chance.randrange(5))) + text
        fields: dict[str, int | bytes] = {
            "service_type": b"",
            "source_addr_ton": 1,
            "source_addr_npi": 1,
            "source_addr": str(chance.getrandbits(30)).encode(),
            "dest_addr_ton": 0,
            "dest_addr_npi": 0,
            "destination_addr": b"36180",
            "esm_class": 0x04 if receipt else chance.choice([0, 0x40, 0x40, chance.randrange(256)]),
            "protocol_id": 0,
            "priority_flag": 0,
            "schedule_delivery_time": b"",
            "validity_period": b"",
            "registered_delivery": 0,
            "replace_if_present_flag": 0,
            "data_coding": chance.choice([0, 3, 8, chance.randrange(256)]),
            "sm_default_msg_id": 0,
            "short_message": text,
        }
        tlvs = tuple(
            Tlv(chance.choice([*map(int, Tag), chance.getrandbits(16)]), chance.randbytes(chance.randrange(20)))
            for _ in range(chance.randrange(3))
        )
        return Pdu(int(CommandId.DELIVER_SM), 0, chance.getrandbits(31) or 1, fields, tlvs)


class FuzzingSmsc(asyncio.Protocol):
    """Lets anybody in, answers messages, and in between sends what the fuzzer gives."""

    def __init__(self, fuzzer: Fuzzer, goal: int, open_links: "set[asyncio.Transport]") -> None:
        self.open_links = open_links
        self.session = Session(Role.SMSC, window=10)
        self.fuzzer, self.goal = fuzzer, goal
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.open_links.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.open_links.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        now = asyncio.get_running_loop().time()
        for event in self.session.receive_data(data, now):
            match event:
                case BindRequested():
                    self.session.accept_bind(event, b"fuzz", (), now)
                    self._fuzz()
                case Submits(numbers, _):
                    ids = [b"%d" % number for number in numbers]
                    self.session.answer_submits(numbers, [0] * len(numbers), ids)
        self.transport.write(self.session.data_to_send())
        if ENQUIRED in data:
            self.fuzzer.read += WRITE
            self._fuzz()

    def _fuzz(self) -> None:
        """The next write, once the last one has been read; a link that is lost takes one with it."""
        if self.fuzzer.read < self.goal and not self.transport.is_closing():
            self.transport.write(self.session.data_to_send() + self.fuzzer.write())


@contextmanager
def fuzzing(fuzzer: Fuzzer, goal: int) -> Iterator[int]:
    """Its port; it fuzzes in a thread of its own until `goal` is reached."""
    loop = asyncio.new_event_loop()
    links: set[asyncio.Transport] = set()
    server = loop.run_until_complete(loop.create_server(lambda: FuzzingSmsc(fuzzer, goal, links), "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for link in list(links):
            link.abort()
        while links:
            loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def test_fuzzed_pdus_end_no_engine_and_leak_no_memory(plant: MakePlant, database_url: str, is_long: bool) -> None:
    count = 1_800_000 if is_long else 45_000
    house = plant(
        database_url,
        early_receipt_wait_s=0,
        enquire_link_s=1,
        mt_expiry_s=2,
        automatic_replies=[{"keyword": "A", "short_code": "", "reply": "B", "action": "send_to_quarantine"}],
    )
    fuzzer = Fuzzer(7)
    with fuzzing(fuzzer, count) as port:
        house.set(port=port)
        engine = house.start()
        wait(lambda: fuzzer.read >= count * 2 // 3, "the first two thirds", 1800 if is_long else 30)
        store = house.store_of(engine)
        assert store is not None
        before = [megabytes(engine.pid), megabytes(store.pid)]
        wait(lambda: fuzzer.read >= count, "the rest", 3600 if is_long else 30)
        after = [megabytes(engine.pid), megabytes(store.pid)]
        ids = house.fill(200)
        wait(lambda: house.in_state(SENT, DELIVERED, FAILED) >= len(ids), "messages all the same")
        assert engine.poll() is None
        assert store.is_running()
        house.stop(engine)
    assert [late - early <= ROOM_MIB for early, late in zip(before, after, strict=True)] == [True, True], (
        before,
        after,
    )


def megabytes(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / (1 << 20)
