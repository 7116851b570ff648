"""Bulk: messages from the store over one transceiver, with receipts, all committed. Run: python -m bench.bulk"""

import argparse
import json
import sys
import time

import psutil

from bench.scene import TEXT, Scene, scene, wait_for
from chappe.engine.store.catalogue import MESSAGE_COLUMNS
from chappe.engine.store.statement import Query
from chappe.engine.store.store import OutboxBatch, Store, open_store
from chappe.simulator import SimulatorProcess

DELIVERY = 1


def fill(store: Store, made: Scene, messages: int, *, batch: int = 5000) -> None:
    """Put `messages` into the store as a delivery of the connection, held back."""
    now_ms = int(time.time() * 1000)
    names = [column.name for column in MESSAGE_COLUMNS]
    for start in range(0, messages, batch):
        count = min(batch, messages - start)
        with store.transaction():
            ids = store.take_ids("message", count)
            blank = dict.fromkeys(names, 0) | {
                "organisation_id": made.organisation_id,
                "connection_id": made.connection_id,
                "delivery_id": DELIVERY,
                "channel": "sms",
                "sender": "",
                "options": None,
                "segments": 1,
                "state": 10,
                "reason": "",
                "is_possible_duplicate": False,
                "client_reference": "",
                "created_ms": now_ms,
                "due_ms": now_ms,
            }
            rows = [
                tuple(
                    (blank | {"id": i, "recipient": f"+336{i % 10**8:08d}", "body": TEXT.format("Marie", i)})[name]
                    for name in names
                )
                for i in ids
            ]
            store.enqueue([OutboxBatch(made.connection_id, DELIVERY, 5, now_ms, rows, is_held=True)])


def delivered(store: Store) -> int:
    rows = store.database.query(
        Query("SELECT messages FROM delivery_count WHERE delivery_id = ? AND state = 40"), (DELIVERY,)
    )
    return int(rows[0][0]) if rows else 0


def release(store: Store) -> None:
    with store.transaction():
        store.database.query(Query("UPDATE outbox SET is_held = ?"), (False,))


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


ID_PATTERN = r"(?i)\bid:([0-9a-z]{1,32})\b"


def measure(
    messages: int, window: int, database_url: str | None = None, *, made: Scene | None = None
) -> dict[str, float]:
    """Messages a second, and what each process spends on one, in microseconds of CPU. `made`: on a scene that is there."""
    if made is not None:
        with SimulatorProcess("bench") as smsc:
            made.point(smsc.port, {"window": window, "receipt_id_pattern": ID_PATTERN})
            return send(made, smsc, messages)
    with SimulatorProcess("bench") as smsc, scene(database_url) as new:
        new.prepare(smsc.port, {"window": window, "receipt_id_pattern": ID_PATTERN})
        return send(new, smsc, messages)


def send(made: Scene, smsc: SimulatorProcess, messages: int) -> dict[str, float]:
    store = open_store(made.url)
    fill(store, made, messages)
    engine = psutil.Process(made.start("-m", "chappe.engine.engine").pid)
    bound = Query("SELECT count(*) FROM link_state WHERE state = 'bound'")
    wait_for(lambda: store.database.query(bound)[0][0], 20, "the bind")
    processes = {"engine": engine, "store": engine.children()[0], "smsc": psutil.Process(smsc.pid)}
    before = {name: cpu_s(process) for name, process in processes.items()}
    started = time.perf_counter()
    release(store)
    wait_for(lambda: delivered(store) >= messages, 300, f"the delivery of {messages}")
    found: dict[str, float] = {"messages_per_s": round(messages / (time.perf_counter() - started))}
    for name, process in processes.items():
        found[f"{name}_cpu_us"] = round((cpu_s(process) - before[name]) / messages * 1e6, 1)
    store.database.close()
    made.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--window", type=int, default=1000)
    parser.add_argument("--database", default=None)
    arguments = parser.parse_args()
    json.dump(measure(arguments.messages, arguments.window, arguments.database), sys.stdout)


if __name__ == "__main__":
    main()
