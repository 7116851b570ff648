"""HTTP: messages from the store through one connection to a simulated provider, all committed. Run: python -m bench.requests"""

import argparse
import json
import sys
import time

import psutil

from bench.bulk import cpu_s, fill, release
from bench.scene import scene, wait_for
from chappe.engine.store.statement import Query
from chappe.engine.store.store import open_store
from chappe.simulator.http_quirks import HttpQuirks, VendorQuirks
from chappe.simulator.process import HttpSimulatorProcess
from chappe.simulator.quirks import Keep

SENT = Query("SELECT messages FROM delivery_count WHERE delivery_id = 1 AND state = 30")
READY = Query("SELECT count(*) FROM link_state WHERE state = 'ready'")
TWILIO = {"account_sid": "AC" + "1" * 32, "auth_token": "bench", "sender": "+33600000000"}


def measure(messages: int, concurrency: int, database_url: str | None = None) -> dict[str, float]:
    """Messages a second, a request each, and what each process spends on one, in microseconds of CPU."""
    account = {"account_sid": TWILIO["account_sid"], "auth_token": TWILIO["auth_token"]}
    knobs = HttpQuirks(keep=Keep.COUNTS, vendors={"twilio": VendorQuirks(account=account, status_hooks=False)})
    with HttpSimulatorProcess(knobs) as provider, scene(database_url) as made:
        address = {"base_url": f"http://127.0.0.1:{provider.port}/twilio"}
        made.connect("twilio", {**TWILIO, **address, "concurrency": concurrency, "max_per_s": 0})
        store = open_store(made.url)
        fill(store, made, messages)
        engine = psutil.Process(made.start("-m", "chappe.engine.engine").pid)
        wait_for(lambda: store.database.query(READY)[0][0], 20, "the connection")
        processes = {"engine": engine, "store": engine.children()[0], "provider": psutil.Process(provider.pid)}
        before = {name: cpu_s(process) for name, process in processes.items()}
        started = time.perf_counter()
        release(store)

        def sent() -> int:
            rows = store.database.query(SENT)
            return int(rows[0][0]) if rows else 0

        wait_for(lambda: sent() >= messages, 300, f"the sending of {messages}")
        found: dict[str, float] = {"requests_per_s": round(messages / (time.perf_counter() - started))}
        for name, process in processes.items():
            found[f"{name}_cpu_us"] = round((cpu_s(process) - before[name]) / messages * 1e6, 1)
        store.database.close()
        made.stop()
        return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--concurrency", type=int, default=200)
    parser.add_argument("--database", default=None)
    arguments = parser.parse_args()
    json.dump(measure(arguments.messages, arguments.concurrency, arguments.database), sys.stdout)


if __name__ == "__main__":
    main()
