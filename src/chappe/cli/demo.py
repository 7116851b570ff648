"""`chappe demo`: the main job on this machine, against the bundled SMSC, and every count compared."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from chappe.cli.audience import Audience, make
from chappe.cli.client import ApiError, Client, wait
from chappe.messaging import ChappeError

if TYPE_CHECKING:
    from chappe.simulator import HttpSimulatorProcess, Quirks, SimulatorProcess

TEXT = (
    "{{ code }} : bonjour {{ prénom }} ! Il vous reste {{ points }} points au magasin de {{ ville }}. {{ note }} "
    "{{ mot }} STOP au 36111"
)
IDENTITY = r"(C\d{6}) : "
"""How the simulated provider tells our messages apart, to count those that came twice or never."""
SHORT_CODE = "36111"
OPERATOR, ACCOUNT = "demo", "sms"
"""By which the account is found on mid: demo_sms."""
HOST = "127.0.0.1"
SETTLE_S = 90.0
REPLY = "Vous ne recevrez plus de messages de notre part."

console = Console(highlight=False)


class DemoFailed(ChappeError):
    """A count does not agree with another."""


@dataclass
class Sides:
    """Both ends of the demo: our API, where providers reach it, and the simulated providers."""

    api: Client
    smsc: "SimulatorProcess"
    providers: "HttpSimulatorProcess"
    public_url: str


def demo(
    people: Annotated[int, typer.Option(min=100, max=1_000_000, help="People in the invented audience.")] = 10_000,
    data: Annotated[Path, typer.Option(help="Where the demo's database is made anew.")] = Path("chappe-data/demo"),
    leave: Annotated[
        bool, typer.Option("--exit", help="End when all is done, instead of leaving the console up.")
    ] = False,
    mid: Annotated[
        bool, typer.Option("--mid", help="Two installations: one prepares the delivery, the other one sends it.")
    ] = False,
) -> None:
    """Import, analyse, send, receive and report, by SMPP and by HTTP; fails unless every count agrees.

    Then the console stays up with what was made, until Ctrl-C.
    """
    folder = data.absolute()
    _made_anew(folder)
    os.environ.setdefault("CHAPPE_LOG_LEVEL", "error")
    audience = make(people)
    if mid:
        from chappe.cli import demo_mid

        demo_mid.run(folder, audience, leave=leave)
    else:
        _run(folder, audience, leave=leave)


def quirks() -> "Quirks":
    """Of the bundled SMSC: some of everything that real ones do."""
    from chappe.simulator.profile import PROFILES

    return msgspec.structs.replace(
        PROFILES["demo"], identity=IDENTITY, receipt_spread_ms=700.0, redelivery_pause_ms=1000.0, redelivery_tries=3
    )


def _run(folder: Path, audience: Audience, *, leave: bool) -> None:
    from chappe.cli import demo_http
    from chappe.simulator import HttpSimulatorProcess, SimulatorProcess

    started = time.monotonic()
    house = House.at(folder)
    head("Chappe: one delivery, end to end, on this machine")
    with (
        SimulatorProcess(quirks()) as smsc,
        HttpSimulatorProcess(demo_http.QUIRKS) as providers,
        installation(house, "smsc", str(smsc.port)) as (api, _),
    ):
        sides = Sides(api, smsc, providers, house.public_url)
        list_id = import_people(api, audience, folder)
        quarantine(api, audience)
        delivery = analyse(api, list_id, audience)
        send(api, delivery)
        wait_for_replies(smsc)
        _report(sides, delivery, audience)
        _by_http(sides, audience)
        console.print(f"\nDone in {time.monotonic() - started:.0f} s. Every count agrees.\n")
        if not leave:
            stay(house)
    console.print("\nWhere to look next:")
    console.print(f"  the database of this run    {folder / 'chappe.sqlite3'}")
    console.print(f"  the invented audience       {folder / 'audience.csv'}")
    console.print("  with your own provider      docs/how-to/connect-an-smsc.md")
    console.print("  step by step                docs/tutorial.md")


def stay(*houses: "House") -> None:
    """Leave the consoles up, with the simulated providers behind them, until somebody says that it is enough."""
    is_one = len(houses) == 1
    words = "The console is up" if is_one else "The consoles are up"
    console.print(f"{words}, with this delivery, its messages and its replies in {'it' if is_one else 'them'}. Open")
    for house in houses:
        name = f"   {house.name}" if house.name else ""
        console.print(f"\n  [bold]{_first_link(house)}[/]{name}", soft_wrap=True)
    console.print("\nsay who you are, and look around. Ctrl-C ends it. (With --exit the demo ends by itself.)")
    enough = threading.Event()
    before = {number: signal.signal(number, lambda *_: enough.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        enough.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _first_link(house: "House") -> str:
    """For the one person who looks; it works once."""
    (path,) = house.stage("link")
    return house.public_url + path


# -- the stage -------------------------------------------------------------------------------------------------------


def _made_anew(folder: Path) -> None:
    """An empty folder; one that a demo did not make is not touched."""
    mark = folder / ".demo"
    if folder.exists() and any(folder.iterdir()) and not mark.exists():
        raise DemoFailed(f"{folder} holds something else than a demo; choose another folder with --data")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mark.touch()


@dataclass(frozen=True)
class House:
    """Where an installation stands, and what its processes are told."""

    name: str
    port: int
    environment: dict[str, str]

    @classmethod
    def at(cls, folder: Path, name: str = "") -> "House":
        folder.mkdir(parents=True, exist_ok=True)
        port = _free_port()
        own = {
            "CHAPPE_DATA_DIR": str(folder),
            "CHAPPE_DATABASE_URL": f"sqlite:///{folder / 'chappe.sqlite3'}",
            "CHAPPE_PUBLIC_URL": f"http://{HOST}:{port}",
        }
        return cls(name, port, {**os.environ, **own})

    @property
    def public_url(self) -> str:
        return self.environment["CHAPPE_PUBLIC_URL"]

    def stage(self, *arguments: str) -> list[str]:
        """Have something put into the database; the lines that are said of it."""
        asked = [sys.executable, "-m", "chappe.cli.stage", *arguments]
        done = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True, env=self.environment)
        return done.stdout.split()


@contextmanager
def installation(house: House, *stage: str) -> Iterator[tuple[Client, list[str]]]:
    """A whole Chappe, as `chappe up` starts it, with what `stage` puts into it: its API, and what else was said."""
    from chappe.cli.supervisor import Supervisor
    from chappe.cli.up import assemble

    key, *more = house.stage(*stage)
    supervisor = Supervisor(house.environment)
    assemble(supervisor, HOST, house.port)
    stop = threading.Event()

    def keep_up() -> None:
        while not stop.wait(0.1):
            supervisor.look()

    keeper = threading.Thread(target=keep_up, daemon=True)
    keeper.start()
    client = Client(HOST, house.port, key)
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        wait(lambda: _is_up(client), 60, "the start")
        yield client, more
    finally:
        signal.signal(signal.SIGTERM, before)
        stop.set()
        keeper.join()
        supervisor.stop()


def _is_up(client: Client) -> bool:
    try:
        links = client.get("/v1/connections")["items"][0]["links"]
    except ApiError:
        return False
    return any(link["state"] in {"bound", "ready"} for link in links)


def _free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


# -- the acts --------------------------------------------------------------------------------------------------------


def import_people(api: Client, audience: Audience, folder: Path) -> int:
    head("1. Import")
    (folder / "audience.csv").write_text(audience.text, encoding="utf-8")
    list_id = int(api.post("/v1/lists", {"name": "Customers"})["id"])
    row = api.post(f"/v1/lists/{list_id}/imports?default_region=FR&filename=audience.csv", audience.text)
    with _progress("people", audience.people) as bar:

        def done() -> Any:
            found = api.get(f"/v1/imports/{row['id']}")
            bar(found["imported"] + found["rejected"])
            return found if found["status"] not in {"waiting", "running"} else None

        found = wait(done, 120, "the import")
    if found["status"] != "finished":
        raise DemoFailed(f"the import ended as {found['status']}: {found['error']}")
    agree("people imported", found["imported"], audience.people)
    return list_id


def import_lines(api: Client, text: str) -> int:
    """A list of the people of these lines, the first of which names the columns."""
    list_id = int(api.post("/v1/lists", {"name": "Customers by HTTP"})["id"])
    row = api.post(f"/v1/lists/{list_id}/imports?default_region=FR&filename=some.csv", text)
    done = {"finished", "failed"}
    found = wait(lambda: (f := api.get(f"/v1/imports/{row['id']}"))["status"] in done and f, 60, "the import")
    if found["status"] != "finished":
        raise DemoFailed(f"the import ended as {found['status']}: {found['error']}")
    return list_id


def quarantine(api: Client, audience: Audience) -> None:
    for number in audience.quarantined:
        api.post("/v1/quarantine", {"address": number, "reason": "complained by post"})


def analyse(api: Client, list_id: int, audience: Audience) -> int:
    head("2. Analysis")
    (connection,) = api.get("/v1/connections")["items"]
    delivery = api.post(
        "/v1/deliveries",
        {
            "label": "Points of the month",
            "list_id": list_id,
            "connection_id": connection["id"],
            "category": "marketing",
            "sender": SHORT_CODE,
            "body": TEXT,
            "validity_s": 3600,
        },
    )
    identifier = int(delivery["id"])
    api.post(f"/v1/deliveries/{identifier}/analyse")
    ready = wait(
        lambda: (d := api.get(f"/v1/deliveries/{identifier}"))["status"] in {"ready", "failed"} and d,
        120,
        "the analysis",
    )
    if ready["status"] == "failed":
        raise DemoFailed(ready["error"])
    report = api.get(f"/v1/deliveries/{identifier}/report")
    shown = table("left out, and why", "people")
    for reason, count in sorted(report["exclusions"].items()):
        shown.add_row(reason.replace("_", " "), f"{count:,}")
    console.print(shown)
    shown = table("encoding", "messages")
    for encoding, count in sorted(report["encodings"].items()):
        shown.add_row(encoding, f"{count:,}")
    shown.add_row("[bold]segments in all[/]", f"[bold]{report['segments']:,}[/]")
    console.print(shown)
    agree("bad numbers left out", report["exclusions"].get("bad_number", 0), audience.bad_numbers)
    agree("the same number twice", report["exclusions"].get("duplicate", 0), audience.duplicates)
    agree("audience", sum(report["states"].values()), audience.people)
    return identifier


def send(api: Client, delivery: int) -> None:
    head("3. Send")
    report = api.get(f"/v1/deliveries/{delivery}/report")
    total = report["audience"]
    api.post(f"/v1/deliveries/{delivery}/send")
    with _progress("messages settled", total) as bar:

        def settled() -> Any:
            states = api.get(f"/v1/deliveries/{delivery}/report")["states"]
            agree("sum of the states", sum(states.values()), total, quiet=True)
            # Unconfirmed stays who wrote STOP to a message whose answer the dropped link took: nobody sends it again.
            open_ones = states.get("waiting", 0) + states.get("sent", 0)
            bar(total - open_ones)
            return open_ones == 0

        wait(settled, SETTLE_S, "the end of every message", every_s=0.25)


def wait_for_replies(smsc: "SimulatorProcess") -> None:
    """Texts from phones come a while after the messages: until the simulated phones have said what they had to say."""

    def is_quiet() -> bool:
        stats = smsc.stats()
        waiting = stats.deliveries.held + stats.deliveries.unanswered
        return waiting == 0 and stats.texts_sent == stats.texts_acknowledged

    wait(is_quiet, SETTLE_S, "the end of the replies", every_s=0.25)


def _report(sides: Sides, delivery: int, audience: Audience) -> None:
    head("4. Report")
    report = sides.api.get(f"/v1/deliveries/{delivery}/report")
    stats = sides.smsc.stats()
    states = report["states"]
    shown = table("state", "messages")
    for state, count in states.items():
        if count:
            shown.add_row(state, f"{count:,}")
    shown.add_row("[bold]audience[/]", f"[bold]{sum(states.values()):,}[/]")
    console.print(shown)
    for failure in report["failures"][:5]:
        console.print(f"  {failure['messages']:>6,}  {failure['reason']}")
    inbound = sides.api.items("/v1/inbound")
    stops = {text["sender"] for text in inbound if text["body"].strip().upper().startswith("STOP")}
    denylisted = {row["address"] for row in sides.api.items("/v1/quarantine?status=denylisted")}
    several = sum(1 for text in inbound if text["segments"] > 1)
    excluded = sum(report["exclusions"].values())
    console.print(
        f"\n  {len(inbound):,} texts came back, {several} of them in several parts; {len(stops)} people wrote STOP.\n"
        f"  The provider dropped the link {stats.links_dropped} time(s), called us too fast "
        f"{sum(stats.refused.values()):,} time(s),\n  and sent {stats.receipts_early:,} receipts before their answer; "
        f"{stats.duplicates:,} messages were sent again,\n  "
        "after an error or because the dropped link took their answers with it (these are marked)."
    )
    agree("audience", sum(states.values()), audience.people)
    stopped = sum(never_left(sides.api, number, delivery) for number in stops)
    agree("messages the provider saw", stats.unique, audience.people - excluded - stopped)
    agree("receipts and texts left unanswered", stats.deliveries.unanswered + stats.deliveries.held, 0)
    agree("people who wrote STOP and are left alone", len(stops & denylisted), len(stops))


def never_left(api: Client, number: str, delivery: int) -> bool:
    """Whether the message to somebody who wrote STOP was still here, and so was stopped."""
    found = api.get(f"/v1/messages?recipient={number.removeprefix('+')}")["items"]
    return any(one["state"] == "excluded" and not one["sent_at"] for one in found if one["delivery_id"] == delivery)


def _by_http(sides: Sides, audience: Audience) -> None:
    """The same text by HTTP: a vendor, and a provider described by settings alone."""
    from chappe.cli import demo_http

    head("5. By HTTP")
    api, providers = sides.api, sides.providers
    lines = audience.text.splitlines(keepends=True)[: demo_http.PEOPLE + 1]
    list_id = import_lines(api, "".join(lines))
    vendor = demo_http.connect_vendor(api, providers, sides.public_url)
    custom = demo_http.connect_custom(api, providers)
    for name, connection_id in (("twilio", vendor), ("custom", custom)):
        demo_http.verify(api, connection_id, agree, name)
        before = providers.stats()
        # A digit of their own tells the messages of each connection apart.
        report = demo_http.deliver(
            api, list_id, connection_id, TEXT.replace("{{ code }}", f"{connection_id}{{{{ code }}}}")
        )
        stats, states = providers.stats(), report["states"]
        taken = stats.vendors[name].accepted - before.vendors[name].accepted
        refused = sum(stats.vendors[name].refused.values())
        shown = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in states.items() if count)
        console.print(f"  {name}: {shown}")
        agree(f"{name}: audience", sum(states.values()), len(lines) - 1)
        left_out = states.get("excluded", 0)
        agree(f"{name}: messages the provider saw", taken + refused, len(lines) - 1 - left_out)
    demo_http.quiet(providers)
    stats = providers.stats()
    agree("messages sent twice", stats.duplicates, 0)
    agree("calls of our hooks that were refused", sum(stats.statuses.refused.values()), 0)
    stops = {text["sender"] for text in api.items("/v1/inbound") if text["connection_id"] in (vendor, custom)}
    denylisted = {row["address"] for row in api.items("/v1/quarantine?status=denylisted")}
    agree("people who wrote STOP by HTTP and are left alone", len(stops & denylisted), len(stops))


# -- how it is shown -------------------------------------------------------------------------------------------------


def agree(what: str, found: int, expected: int, *, quiet: bool = False) -> None:
    if found != expected:
        raise DemoFailed(f"{what}: {found:,} where {expected:,} is expected")
    if not quiet:
        console.print(f"  [green]✓[/] {what}: {found:,}")


def head(text: str) -> None:
    console.print(f"\n[bold]{text}[/]")


def table(name: str, count: str) -> Table:
    table = Table(box=None, padding=(0, 2), show_header=True, header_style="dim")
    table.add_column(name, min_width=28)
    table.add_column(count, justify="right")
    return table


@contextmanager
def _progress(what: str, total: int) -> Iterator[Any]:
    columns = (TextColumn("  {task.description}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
