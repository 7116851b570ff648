"""Throttle: 300 messages a second for a minute, as the SMSC sees it. Run: python -m bench.throttle"""

import argparse
import json
import sys

from bench.bulk import ID_PATTERN, fill, release
from bench.scene import scene, wait_for
from chappe.engine.store.statement import Query
from chappe.engine.store.store import open_store
from chappe.simulator import SimulatorProcess


def measure(limit: int = 300, seconds: int = 60) -> dict[str, float]:
    """The most in any one-second window, and the mean from the first message to the last."""
    messages = limit * seconds
    with SimulatorProcess("bench") as smsc, scene() as made:
        made.prepare(smsc.port, {"window": 100, "max_mt_per_s": limit, "receipt_id_pattern": ID_PATTERN})
        store = open_store(made.url)
        fill(store, made, messages)
        made.start("-m", "chappe.engine.engine")
        bound = Query("SELECT count(*) FROM link_state WHERE state = 'bound'")
        wait_for(lambda: store.database.query(bound)[0][0], 20, "the bind")
        release(store)
        wait_for(lambda: smsc.stats().messages >= messages, seconds * 1.2 + 10, "the sending of all", every_s=0.5)
        stats = smsc.stats()
        store.database.close()
        assert stats.first is not None
        assert stats.last is not None
        return {
            "limit_per_s": limit,
            "most_in_a_second": stats.most_in_a_second,
            "mean_per_s": round((messages - 1) / (stats.last - stats.first).total_seconds(), 2),
        }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    json.dump(measure(arguments.limit, arguments.seconds), sys.stdout)


if __name__ == "__main__":
    main()
