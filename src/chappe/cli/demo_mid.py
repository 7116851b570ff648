"""`chappe demo --mid`: a delivery prepared on one installation and sent by another, and every count of both compared."""

import time
from pathlib import Path
from typing import Any

from chappe.cli import demo
from chappe.cli.audience import Audience
from chappe.cli.client import Client, wait
from chappe.cli.demo import ACCOUNT, House, console
from chappe.simulator import SimulatorProcess

SAME_S = 30.0
"""Within which both sides must say the same once all is over."""


def run(folder: Path, audience: Audience, *, leave: bool) -> None:
    started = time.monotonic()
    mid_house, house = House.at(folder / "mid", "mid: sends"), House.at(folder / "marketing", "marketing: prepares")
    demo.head("Chappe: one delivery, prepared by one installation and sent by another")
    with (
        SimulatorProcess(demo.quirks()) as smsc,
        demo.installation(mid_house, "mid", str(smsc.port)) as (mid_key_api, (operator_key,)),
        demo.installation(house, "marketing", mid_house.public_url, operator_key) as (api, _),
    ):
        door = Client(demo.HOST, mid_house.port, operator_key)
        _test(door)
        list_id = demo.import_people(api, audience, folder)
        demo.quarantine(api, audience)
        delivery = demo.analyse(api, list_id, audience)
        demo.send(api, delivery)
        demo.wait_for_replies(smsc)
        _compare(api, mid_key_api, door, smsc, delivery, audience)
        console.print(f"\nDone in {time.monotonic() - started:.0f} s. Every count agrees on both sides.\n")
        if not leave:
            demo.stay(house, mid_house)
    console.print("\nWhere to look next:")
    console.print("  how two installations work together    docs/explanation/mid-sourcing.md")
    console.print("  setting it up                          docs/how-to/mid-sourcing.md")


def _test(door: Client) -> None:
    """What mid says of the account, before anything is sent."""
    found = door.get(f"/v1/relay/accounts/{ACCOUNT}")
    console.print(f"  mid knows the account [bold]{found['account']}[/] of the operator [bold]{found['operator']}[/]")


def _compare(api: Client, mid: Client, door: Client, smsc: SimulatorProcess, delivery: int, audience: Audience) -> None:
    demo.head("4. Report, on both sides")
    states, theirs = wait(lambda: _same(api, door, delivery), SAME_S, "the same figures on both sides", every_s=0.5)
    report = api.get(f"/v1/deliveries/{delivery}/report")
    left_out = sum(report["exclusions"].values())
    table = demo.table("state", "here")
    table.add_column("on mid", justify="right")
    for state, count in states.items():
        if count or theirs.get(state):
            own = f"   ({left_out:,} left out before)" if state == "excluded" else ""
            table.add_row(state, f"{count:,}", f"{theirs.get(state, 0):,}{own}")
    console.print(table)
    stops, here, there = _wait_for_stops(api, mid)
    stats = smsc.stats()
    demo.agree("audience", sum(states.values()), audience.people)
    demo.agree("messages of the delivery on mid", sum(theirs.values()), audience.people - left_out)
    stopped = sum(demo.never_left(api, number, delivery) for number in stops)
    demo.agree("messages the provider saw", stats.unique, audience.people - left_out - stopped)
    demo.agree("receipts and texts left unanswered", stats.deliveries.unanswered + stats.deliveries.held, 0)
    demo.agree("people who wrote STOP and are left alone here", len(stops & here), len(stops))
    demo.agree("people who wrote STOP and are left alone on mid", len(stops & there), len(stops))
    complained = set(audience.quarantined)
    told = wait(lambda: _told(mid, complained), SAME_S, "the quarantine on mid", every_s=0.5)
    demo.agree("people in quarantine here who are so on mid", told, len(complained))


def _told(mid: Client, complained: set[str]) -> int:
    """How many of these mid will not write to, once it is all of them."""
    there = {row["address"] for row in mid.items("/v1/quarantine?status=quarantine")}
    return len(complained) if complained <= there else 0


def _same(api: Client, door: Client, delivery: int) -> tuple[dict[str, int], dict[str, int]] | None:
    """The states of both sides, once they say the same; what was left out here never went over."""
    report = api.get(f"/v1/deliveries/{delivery}/report")
    figures = door.get(f"/v1/relay/accounts/{ACCOUNT}/figures?deliveries={delivery}")
    here, there = report["states"], figures["deliveries"].get(str(delivery), {})
    left_out = sum(report["exclusions"].values())
    handed_over = {**here, "excluded": here.get("excluded", 0) - left_out}
    names = {*handed_over, *there}
    is_same = all(handed_over.get(name, 0) == there.get(name, 0) for name in names)
    return (here, there) if is_same else None


def _wait_for_stops(api: Client, mid: Client) -> tuple[set[str], set[str], set[str]]:
    """Who wrote STOP, as marketing has it, and who is left alone on either side."""

    def heard() -> Any:
        texts = api.items("/v1/inbound")
        stops = {text["sender"] for text in texts if text["body"].strip().upper().startswith("STOP")}
        here, there = (
            {row["address"] for row in side.items("/v1/quarantine?status=denylisted")} for side in (api, mid)
        )
        is_all = len(texts) == len(mid.items("/v1/inbound"))
        return (stops, here, there) if is_all and stops <= here and stops <= there else None

    found: tuple[set[str], set[str], set[str]] = wait(heard, SAME_S, "the replies on both sides", every_s=0.5)
    return found
