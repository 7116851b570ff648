"""The limit to approach: raw batched SMPP and the least that a durable store must do, with no product code.

Three processes, as the product has: an SMSC that answers at once and sends receipts, a client that reads batches of
people as JSON, renders, encodes, submits and parses in batches, a writer that inserts, updates on the answer and updates
on the receipt (SQLite, WAL, synchronous=FULL). Receipts are acknowledged after their commit.

Run: python -m bench.reference --messages 200000
"""

import argparse
import asyncio
import json
import os
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from multiprocessing.connection import Connection, Pipe
from pathlib import Path

import minijinja
import msgspec
import uvloop

HEADER = struct.Struct(">IIII")
SUBMIT, SUBMIT_RESP, DELIVER, DELIVER_RESP = 4, 0x80000004, 5, 0x80000005
TEXT = "Bonjour {{ name }}, votre commande {{ number }} est prete, venez la chercher au magasin avant samedi. STOP au 36111"
GSM = bytes(range(256))
"""Stands for the table of the GSM alphabet; what matters is the look-up of each octet."""


class Person(msgspec.Struct):
    name: str
    number: int
    phone: str


def people(first: int, last: int) -> bytes:
    return msgspec.json.encode([Person("Marie", number, f"336{number:08d}") for number in range(first, last + 1)])


class Smsc(asyncio.Protocol):
    """Answers each submit with an id and, in the same breath, its receipt."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport, self.buffer, self.next = transport, b"", 1

    def data_received(self, data: bytes) -> None:
        data, position, out = self.buffer + data, 0, []
        unpack, pack, end = HEADER.unpack_from, HEADER.pack, len(data)
        number = self.next
        while end - position >= 16:
            length, command, _, sequence = unpack(data, position)
            if end - position < length:
                break
            position += length
            if command == SUBMIT:
                name = b"%010x" % number
                out.append(pack(27, SUBMIT_RESP, 0, sequence) + name + b"\0")
                text = (
                    b"id:%b sub:001 dlvrd:001 submit date:2611210000 done date:2611210000 stat:DELIVRD err:000 text:"
                    % name
                )
                body = b"\0\1\1" + b"33600000000\0\1\1" + b"chappe\0\4\0\0\0\0\0\0\0\0" + bytes((len(text),)) + text
                out.append(pack(16 + len(body), DELIVER, 0, number & 0x7FFFFFFF) + body)
                number += 1
            elif command < 0x80000000:
                out.append(pack(17, command | 0x80000000, 0, sequence) + b"\0")
        self.buffer, self.next = data[position:], number
        if out:
            self.transport.write(b"".join(out))


async def serve(path: str) -> None:
    server = await asyncio.get_running_loop().create_server(Smsc, "127.0.0.1", 0)
    Path(path).write_text(str(server.sockets[0].getsockname()[1]))
    await asyncio.sleep(600)


def writer(connection: Connection, answers: Connection, path: str) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("pragma journal_mode=wal")
    database.execute("pragma synchronous=full")
    database.execute(
        "create table m (id integer primary key, recipient text, body text, state int, their text, at int)"
    )
    database.execute("create index t on m (their)")
    while True:
        frame = connection.recv_bytes()
        if not frame:
            return
        inserts, sent, received = msgspec.msgpack.decode(frame)
        database.execute("begin immediate")
        database.executemany("insert into m values (?,?,?,0,null,0)", inserts)
        database.executemany("update m set state=1, their=? where id=?", sent)
        database.executemany("update m set state=2, at=? where id=?", received)
        database.execute("commit")
        answers.send_bytes(b"k")


class Client(asyncio.Protocol):
    def __init__(self, messages: int, window: int, pipe: Connection, answers: Connection) -> None:
        self.messages, self.window, self.pipe, self.answers = messages, window, pipe, answers
        self.sequence = self.delivered = self.in_flight = 0
        self.buffer, self.ids = b"", {}
        # What a producer would have put into a queue; making it is not part of the measurement.
        self.batches = iter([people(at, min(at + 499, messages)) for at in range(1, messages + 1, 500)])
        self.people: list[Person] = []
        self.decode = msgspec.json.Decoder(list[Person]).decode
        self.render = minijinja.Environment(templates={"text": TEXT}).render_template
        self.inserts: list[object] = []
        self.sent: list[object] = []
        self.received: list[object] = []
        self.acknowledge: list[bytes] = []
        self.waiting: list[list[bytes]] = []
        self.done = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(answers.fileno(), self.committed)

    def connection_made(self, transport: asyncio.Transport) -> None:
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport = transport
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the reference SMSC closed the connection"))

    def send(self) -> None:
        out, pack = [], HEADER.pack
        count = min(self.window - self.in_flight, self.messages - self.sequence)
        while len(self.people) < count:
            self.people += self.decode(next(self.batches))
        chosen, self.people = self.people[:count], self.people[count:]
        for number, person in enumerate(chosen, self.sequence + 1):
            text = self.render("text", name=person.name, number=person.number)
            octets, number_text = text.encode("latin-1").translate(GSM), person.phone.encode()
            body = b"\0\1\1chappe\0\1\1" + number_text + b"\0\0\0\0\0\0\1\0\0\0" + bytes((len(octets),)) + octets
            out.append(pack(16 + len(body), SUBMIT, 0, number) + body)
            self.inserts.append((number, number_text.decode(), text))
        self.sequence += count
        self.in_flight += count
        if out:
            self.transport.write(b"".join(out))

    def data_received(self, data: bytes) -> None:
        data, position = self.buffer + data, 0
        unpack, end, ids, pack = HEADER.unpack_from, len(data), self.ids, HEADER.pack
        now = int(time.time() * 1000)
        while end - position >= 16:
            length, command, _, sequence = unpack(data, position)
            if end - position < length:
                break
            if command == SUBMIT_RESP:
                their = data[position + 16 : position + length - 1].decode()
                ids[their] = sequence
                self.sent.append((their, sequence))
                self.in_flight -= 1
            else:
                start = data.index(b"id:", position) + 3
                their = data[start : data.index(b" ", start)].decode()
                self.received.append((now, ids.pop(their)))
                self.acknowledge.append(pack(17, DELIVER_RESP, 0, sequence) + b"\0")
            position += length
        self.buffer = data[position:]
        self.send()
        if len(self.waiting) < 2 and (len(self.received) >= 500 or self.sequence == self.messages):
            self.commit()

    def commit(self) -> None:
        self.waiting.append(self.acknowledge)
        self.pipe.send_bytes(msgspec.msgpack.encode((self.inserts, self.sent, self.received)))
        self.inserts, self.sent, self.received, self.acknowledge = [], [], [], []

    def committed(self) -> None:
        self.answers.recv_bytes()
        acknowledged = self.waiting.pop(0)
        self.transport.write(b"".join(acknowledged))
        self.delivered += len(acknowledged)
        if self.delivered == self.messages:
            self.done.set_result(None)
        elif not self.waiting and (self.received or self.sent):
            self.commit()


async def drive(messages: int, window: int, port: int, pipe: Connection, answers: Connection) -> float:
    client = Client(messages, window, pipe, answers)
    started = time.perf_counter()
    await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
    await client.done
    return messages / (time.perf_counter() - started)


def measure(messages: int, window: int) -> float:
    """Messages a second through the reference loop, all committed and acknowledged."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "port"
        smsc = subprocess.Popen([sys.executable, "-m", "bench.reference", "--serve", str(ready)])
        theirs, ours = Pipe(duplex=False)
        # One way each: the loop makes the end that it watches non-blocking, and a large frame must not be cut.
        answers, answering = Pipe(duplex=False)
        child = os.fork()
        if child == 0:
            try:
                ours.close()
                writer(theirs, answering, f"{folder}/reference.sqlite3")
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(0)
        theirs.close()
        while not ready.exists() or not ready.read_text():
            time.sleep(0.01)
        try:
            return uvloop.run(drive(messages, window, int(ready.read_text()), ours, answers))
        finally:
            ours.send_bytes(b"")
            os.waitpid(child, 0)
            smsc.kill()
            smsc.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--serve")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--window", type=int, default=1000)
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(serve(arguments.serve))
    else:
        print(json.dumps({"messages_per_s": round(measure(arguments.messages, arguments.window))}))


if __name__ == "__main__":
    main()
