"""One delivery to very many people through the whole product: speed of the analysis, memory of all processes together.

Run: python -m bench.delivery --people 1000000
"""

import argparse
import json
import sys
import threading
import time
from typing import Any

import psutil

from bench.api import start_web
from bench.bulk import ID_PATTERN
from bench.scene import Scene, scene
from chappe.cli.client import Client, wait
from chappe.simulator import SimulatorProcess

NAMES = ("Zoé", "Noël", "Marie", "Jean", "Lucas", "Emma", "Chloé", "Jürgen", "Inès", "Paul")
SAMPLE_S = 0.25


class Memory(threading.Thread):
    """Watches what our processes hold: proportional set size, so that what they share counts once."""

    def __init__(self, made: Scene) -> None:
        super().__init__(daemon=True)
        self.made, self.most, self.parts, self.ended = made, 0.0, dict[str, float](), threading.Event()

    def run(self) -> None:
        while not self.ended.wait(SAMPLE_S):
            parts: dict[str, float] = {}
            for process in list(self.made.processes):
                try:
                    top = psutil.Process(process.pid)
                    for one in (top, *top.children(recursive=True)):
                        name = " ".join(one.cmdline()[2:3])
                        parts[name] = parts.get(name, 0) + one.memory_full_info().pss / 2**20
                except psutil.Error:
                    continue
            if sum(parts.values()) > self.most:
                self.most, self.parts = sum(parts.values()), {name: round(size) for name, size in parts.items()}


def rows(people: int) -> str:
    lines = ["phone,name,points"]
    lines += [f"+336{number % 10**8:08d},{NAMES[number % 10]},{number % 2000}" for number in range(people)]
    return "\n".join(lines)


def measure(people: int) -> dict[str, Any]:
    with SimulatorProcess("bench") as smsc, scene() as made:
        made.prepare(smsc.port, {"window": 1000, "receipt_id_pattern": ID_PATTERN})
        api = Client("127.0.0.1", start_web(made), made.key)
        made.start("-m", "chappe.engine.engine")
        made.start("-m", "chappe.features.jobs.process")
        memory = Memory(made)
        memory.start()
        list_id = api.post("/v1/lists", {"name": "Everybody"})["id"]
        started = time.monotonic()
        row = api.post(f"/v1/lists/{list_id}/imports", rows(people))
        wait(lambda: api.get(f"/v1/imports/{row['id']}")["status"] == "finished", 600, "the import", 0.5)
        imported = time.monotonic() - started
        delivery = api.post(
            "/v1/deliveries",
            {
                "label": "Everybody",
                "list_id": list_id,
                "connection_id": made.connection_id,
                "body": "Bonjour {{ name }}, il vous reste {{ points }} points. STOP au 36111",
            },
        )["id"]
        started = time.monotonic()
        api.post(f"/v1/deliveries/{delivery}/analyse")
        wait(lambda: api.get(f"/v1/deliveries/{delivery}")["status"] == "ready", 600, "the analysis", 0.1)
        analysed = time.monotonic() - started
        started = time.monotonic()
        api.post(f"/v1/deliveries/{delivery}/send")

        def is_done() -> bool:
            states = api.get(f"/v1/deliveries/{delivery}/report")["states"]
            return bool(states.get("delivered", 0) == people)

        wait(is_done, 900, "the end of the delivery", 0.5)
        sent = time.monotonic() - started
        memory.ended.set()
        memory.join()
        return {
            "people": people,
            "imported_per_s": round(people / imported),
            "analysed_per_s": round(people / analysed),
            "delivered_per_s": round(people / sent),
            "most_memory_mib": round(memory.most),
            "memory_by_process": memory.parts,
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=1_000_000)
    json.dump(measure(parser.parse_args().people), sys.stdout)


if __name__ == "__main__":
    main()
