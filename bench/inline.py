"""The reference loop with its writer in the same process, beside the loop as it is: why statements have a process of
their own (docs/adr/0002). Run: python -m bench.inline --messages 200000
"""

import argparse
import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing import Pipe
from pathlib import Path

import uvloop

from bench import reference


class Inline(reference.Client):
    """Commits where it stands: links wait while the statements run."""

    database: sqlite3.Connection

    def commit(self) -> None:
        database = self.database
        database.execute("begin immediate")
        database.executemany("insert into m values (?,?,?,0,null,0)", self.inserts)
        database.executemany("update m set state=1, their=? where id=?", self.sent)
        database.executemany("update m set state=2, at=? where id=?", self.received)
        database.execute("commit")
        self.transport.write(b"".join(self.acknowledge))
        self.delivered += len(self.acknowledge)
        self.inserts, self.sent, self.received, self.acknowledge = [], [], [], []
        if self.delivered == self.messages and not self.done.done():
            self.done.set_result(None)


async def drive(messages: int, window: int, port: int, path: str) -> float:
    import asyncio

    database = sqlite3.connect(path, isolation_level=None)
    for statement in (
        "pragma journal_mode=wal",
        "pragma synchronous=full",
        "create table m (id integer primary key, recipient text, body text, state int, their text, at int)",
        "create index t on m (their)",
    ):
        database.execute(statement)
    nobody, pipe = Pipe(duplex=False)
    client = Inline(messages, window, pipe, nobody)
    client.database = database
    started = time.perf_counter()
    await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
    await client.done
    return messages / (time.perf_counter() - started)


def measure(messages: int, window: int) -> float:
    """Messages a second with the writer inline, all committed and acknowledged."""
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "port"
        smsc = subprocess.Popen([sys.executable, "-m", "bench.reference", "--serve", str(ready)])
        while not ready.exists() or not ready.read_text():
            time.sleep(0.01)
        try:
            return uvloop.run(drive(messages, window, int(ready.read_text()), f"{folder}/inline.sqlite3"))
        finally:
            smsc.kill()
            smsc.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--window", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    own, inline = [], []
    for _ in range(arguments.runs):  # turn about, so that both meet the same machine
        own.append(reference.measure(arguments.messages, arguments.window))
        inline.append(measure(arguments.messages, arguments.window))
    own_process, same_process = statistics.median(own), statistics.median(inline)
    print(
        json.dumps(
            {
                "own_process_per_s": round(own_process),
                "inline_per_s": round(same_process),
                "ratio": round(own_process / same_process, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
