"""Bulk through two tiers: messages from marketing's store to an SMSC behind mid, and back until marketing has every receipt.

Run: python -m bench.relay
"""

import argparse
import json
import socket
import sys
import time
from contextlib import ExitStack

import psutil

from bench.bulk import ID_PATTERN, cpu_s, delivered, fill, release
from bench.scene import Scene, scene, wait_for
from chappe.engine.store.statement import Query
from chappe.engine.store.store import Store, open_store
from chappe.simulator import SimulatorProcess

READY_S = 60.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def serve(made: Scene, port: int) -> psutil.Process:
    """The web process of an installation."""
    made.environment["CHAPPE_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
    process = psutil.Process(made.start("-m", "chappe.web.serve", "127.0.0.1", str(port)).pid)

    def answers() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    wait_for(answers, READY_S, "the web process")
    return process


def prepare_mid(mid: Scene, smsc_port: int, window: int) -> str:
    """The mid account and its operator; the operator's key."""
    mid.prepare(smsc_port, {"window": window, "receipt_id_pattern": ID_PATTERN})
    found = mid.django(
        "from chappe.features.accounts import operator as o\n"
        "from chappe.features.connections.models import Connection\n"
        "from chappe.features.relay.models import RelayAccount\n"
        f"x = o.create_operator({mid.organisation_id}, 'shop', 'Shop', ['administration'], now)\n"
        f"k = o.add_key({mid.organisation_id}, x.id, 'bench', now)\n"
        f"Connection.objects.filter(pk={mid.connection_id}).update(internal_name='shop_bulk')\n"
        f"RelayAccount.objects.create(connection_id={mid.connection_id}, organisation_id={mid.organisation_id}, "
        "operator='shop', allowed_networks='127.0.0.0/8')\n"
        "result = {'key': k.secret}"
    )
    return str(found["key"])


def measure(messages: int, window: int) -> dict[str, float]:
    with ExitStack() as stack:
        smsc = stack.enter_context(SimulatorProcess("bench"))
        mid, marketing = stack.enter_context(scene()), stack.enter_context(scene())
        key = prepare_mid(mid, smsc.port, window)
        mid_port, port = free_port(), free_port()
        account = {
            "base_url": f"http://127.0.0.1:{mid_port}",
            "internal_name": "bulk",
            "operator": "shop",
            "password": key,
        }
        marketing.connect("relay", account)
        store = open_store(marketing.url)
        fill(store, marketing, messages)
        processes = {"mid_web": serve(mid, mid_port), "web": serve(marketing, port)}
        for name, one in (("mid_", mid), ("", marketing)):
            engine = psutil.Process(one.start("-m", "chappe.engine.engine").pid)
            wait_for(engine.children, 20, "the store process")
            processes |= {f"{name}engine": engine, f"{name}store": engine.children()[0]}
        processes["smsc"] = psutil.Process(smsc.pid)
        ready = open_store(mid.url)
        wait_for(lambda: _is_ready(ready, "bound") and _is_ready(store, "ready"), 30, "the links")
        ready.database.close()
        return _send(store, processes, messages)


def _is_ready(store: Store, state: str) -> bool:
    return bool(store.database.query(Query("SELECT count(*) FROM link_state WHERE state = ?"), (state,))[0][0])


def _send(store: Store, processes: dict[str, psutil.Process], messages: int) -> dict[str, float]:
    before = {name: cpu_s(process) for name, process in processes.items()}
    started = time.perf_counter()
    release(store)
    wait_for(lambda: delivered(store) >= messages, 300, f"the delivery of {messages}")
    found: dict[str, float] = {"messages_per_s": round(messages / (time.perf_counter() - started))}
    for name, process in processes.items():
        found[f"{name}_cpu_us"] = round((cpu_s(process) - before[name]) / messages * 1e6, 1)
    store.database.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--window", type=int, default=1000)
    arguments = parser.parse_args()
    json.dump(measure(arguments.messages, arguments.window), sys.stdout)


if __name__ == "__main__":
    main()
