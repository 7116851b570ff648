"""Growth: what a full store costs. Run: python -m bench.growth --messages 10000000 [--database postgresql://…]

Sending is the bulk measurement on a store that already holds so many messages. Receipts are matched and recorded in
batches of a thousand, in random order and by ids without any: for messages of the latest half million by the recorder
that sent them and by one that was started anew, and for random old ones.
"""

import argparse
import gc
import json
import random
import sys
import time

from bench.bulk import measure as bulk
from bench.scene import Scene, scene
from chappe.engine.recorder import Recorder
from chappe.engine.store.frame import Configure, Received, Record
from chappe.engine.store.process import GARBAGE_ROWS
from chappe.engine.store.statement import Query
from chappe.engine.store.store import Store, open_store

RECENT = 500_000
BATCH = 1_000
RECEIPTS = 50_000
CHUNK = 1_000_000

SERIES = {
    "sqlite": "WITH RECURSIVE s(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM s WHERE i < ?)",
    "postgresql": "WITH s(i) AS (SELECT generate_series(?::bigint, ?::bigint))",
}
PROVIDER_ID = {
    "sqlite": "printf('%08x', (i * 2654435761) % 4294967296)",
    "postgresql": "lpad(to_hex((i * 2654435761) % 4294967296), 8, '0')",
}


def provider_id(number: int) -> str:
    return f"{number * 2654435761 % 4294967296:08x}"


def fill(store: Store, made: Scene, messages: int, waiting: int = 0) -> None:
    """`messages` messages taken by the provider, whose receipts have not come; the last `waiting` are still to be sent."""
    name = store.database.name
    now_ms = int(time.time() * 1000)
    number = {
        "sqlite": "printf('+336%08d', (i * 7919) % 100000000)",
        "postgresql": "'+336' || lpad(((i * 7919) % 100000000)::text, 8, '0')",
    }[name]
    false = "0" if name == "sqlite" else "false"
    columns = (
        "id, organisation_id, connection_id, delivery_id, contact_id, channel, category, recipient, sender, body, segments, "
        "state, reason, attempt, tries, is_possible_duplicate, client_reference, created_ms, due_ms, expires_ms, sent_ms, "
        "done_ms"
    )
    values = (
        f"i, {made.organisation_id}, {made.connection_id}, 0, 0, 'sms', 0, {number}, '', 'Votre commande est prete, venez la "
        f"chercher au magasin avant samedi. STOP au 36111', 1, 10, '', 0, 0, {false}, '', {now_ms}, {now_ms}, 0, {now_ms}, 0"
    )
    for first in range(1, messages + 1, CHUNK):
        last = min(messages, first + CHUNK - 1)
        series = SERIES[name]
        with store.transaction():
            message = f"INSERT INTO message ({columns}) {series} SELECT {values} FROM s"
            segment = (
                "INSERT INTO segment (id, connection_id, provider_message_id, delivery_id, state, status, code, sent_ms, "
                f"done_ms) {series} SELECT i << 12, {made.connection_id}, {PROVIDER_ID[name]}, 0, 30, '', '', {now_ms}, 0 "
                "FROM s"
            )
            for sql, end in ((message, last), (segment, min(last, messages - waiting))):
                # PostgreSQL wants WITH in front of SELECT, SQLite takes it in front of INSERT or SELECT alike.
                if first <= end:
                    store.database.query(Query(sql), (first, end))
    with store.transaction():
        store.take_ids("message", messages)
    store.database.query(Query("ANALYZE"))


def start(store: Store, made: Scene) -> Recorder:
    recorder = Recorder(store, "bench")
    configure = Configure(0, made.connection_id, made.organisation_id, "Bench", "", False, "soft", 60.0, 20, 30.0, [])
    recorder.handle([configure], 1)
    return recorder


def send(recorder: Recorder, made: Scene, numbers: range) -> None:
    """The provider takes these."""
    for first in range(numbers.start, numbers.stop, BATCH):
        now_ms = int(time.time() * 1000)
        taken = range(first, min(first + BATCH, numbers.stop))
        record = Record(
            1,
            sent=[(number << 4, 0, now_ms) for number in taken],
            segments=[(number << 12, made.connection_id, provider_id(number), now_ms, 0) for number in taken],
        )
        recorder.handle([record], now_ms)


def receipts_per_s(recorder: Recorder, made: Scene, numbers: list[int]) -> int:
    started = time.perf_counter()
    for number, first in enumerate(range(0, len(numbers), BATCH), 1):
        now_ms = int(time.time() * 1000)
        receipts = [
            Received(token, made.connection_id, provider_id(one), "success", "DELIVRD", "000", now_ms)
            for token, one in enumerate(numbers[first : first + BATCH])
        ]
        recorder.handle([Record(number, receipts=receipts)], now_ms)
    return round(len(numbers) / (time.perf_counter() - started))


def measure(messages: int, sent: int, database_url: str | None = None) -> dict[str, float]:
    gc.set_threshold(GARBAGE_ROWS)  # as the store process does
    chance = random.Random(1)
    with scene(database_url) as made:
        made.prepare(1, {}, is_enabled=False)
        store = open_store(made.url)
        recent = min(RECENT, messages // 2)
        fill(store, made, messages, recent)
        count = min(RECEIPTS, recent // 2)
        sender = start(store, made)
        send(sender, made, range(messages - recent + 1, messages + 1))
        latest = chance.sample(range(messages - recent + 1, messages + 1), 2 * count)
        old = chance.sample(range(1, messages - recent + 1), count)
        found: dict[str, float] = {
            "messages": messages,
            "recent_receipts_per_s": receipts_per_s(sender, made, latest[:count]),
            "old_receipts_per_s": receipts_per_s(sender, made, old),
            "restarted_receipts_per_s": receipts_per_s(start(store, made), made, latest[count:]),
        }
        store.database.close()
        found["sent_per_s"] = bulk(sent, 1000, made=made)["messages_per_s"]
        return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--sent", type=int, default=100_000)
    parser.add_argument("--database", default=None)
    arguments = parser.parse_args()
    json.dump(measure(arguments.messages, arguments.sent, arguments.database), sys.stdout)


if __name__ == "__main__":
    main()
