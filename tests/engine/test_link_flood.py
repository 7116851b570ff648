"""A link to a provider that does not behave: it asks and asks and reads nothing, or answers in another order."""

import asyncio
import ipaddress
import struct
from collections.abc import Awaitable, Callable, Sequence

from chappe.engine.net import smpp_client
from chappe.engine.net.egress import EgressPolicy
from chappe.engine.net.smpp_client import Endpoint, Link, connect
from chappe.providers.smpp import BindParameters
from chappe.smpp import BindKind, Delivery, SubmitTemplate

LOOPBACK = EgressPolicy((ipaddress.ip_network("127.0.0.0/8"),))
BODY = SubmitTemplate(source_addr=b"36180").body(b"33612345678", b"Hello", 0, 0, 1)
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Owner:
    """Says when the link is bound, and counts the answers."""

    def __init__(self) -> None:
        self.bound = asyncio.Event()
        self.answered = 0
        self.all_answered = asyncio.Event()

    def link_bound(self, link: Link) -> None:
        self.bound.set()

    def link_results(self, link: Link, tokens: Sequence[object], statuses: Sequence[int], ids: Sequence[bytes]) -> None:
        self.answered += len(tokens)
        if self.answered == 6:
            self.all_answered.set()

    def link_expired(self, link: Link, tokens: Sequence[object]) -> None: ...
    def link_deliveries(self, link: Link, deliveries: Sequence[Delivery]) -> None: ...
    def link_closed(self, link: Link, reason: str, unanswered: Sequence[object]) -> None: ...


def pdu(command_id: int, sequence_number: int, body: bytes = b"") -> bytes:
    return struct.pack(">IIII", 16 + len(body), command_id, 0, sequence_number) + body


async def bound(peer: Peer) -> tuple[Link, Owner, asyncio.Server]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)
        writer.write(pdu(0x80000009, 1, b"\0"))
        try:
            await peer(reader, writer)
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    bind = BindParameters(BindKind.TRANSCEIVER, b"relais", b"secret", b"", 0x34, 0, 0, b"")
    place = ("127.0.0.1", server.sockets[0].getsockname()[1])
    owner = Owner()
    link = Link(Endpoint(bind, *place, 10, 5.0, 2.0, 60.0, "", LOOPBACK), owner)
    await connect(link)
    await asyncio.wait_for(owner.bound.wait(), 5)
    return link, owner, server


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    questions = b"".join(pdu(0x15, number) for number in range(1, 4097))
    while True:
        writer.write(questions)
        await writer.drain()


async def answer_backwards(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    numbers: list[int] = []
    while len(numbers) < 6:
        head = await reader.readexactly(16)
        numbers.append(int.from_bytes(head[12:], "big"))
        await reader.readexactly(int.from_bytes(head[:4], "big") - 16)
    writer.write(b"".join(pdu(0x80000004, number, b"id\0") for number in reversed(numbers[:5])))
    await writer.drain()
    writer.write(pdu(0x80000004, numbers[5], b"id\0"))
    await reader.read()


def test_a_provider_that_reads_no_answers_is_read_no_more() -> None:
    async def run() -> None:
        link, _, server = await bound(flood)
        transport = link._transport
        assert transport is not None
        async with asyncio.timeout(30):
            while transport.is_reading():
                await asyncio.sleep(0)
        assert transport.get_write_buffer_size() < smpp_client.WRITE_OCTETS + (1 << 20)
        link.close("enough")
        transport.abort()
        server.close()

    asyncio.run(run())


def test_every_write_is_measured_whatever_the_order_of_the_answers() -> None:
    async def run() -> None:
        link, owner, server = await bound(answer_backwards)
        for number in range(6):
            link.submit([BODY], [f"message {number}"])
        await asyncio.wait_for(owner.all_answered.wait(), 5)
        assert len(link.round_trips) == 6
        link.close("enough")
        server.close()

    asyncio.run(run())
