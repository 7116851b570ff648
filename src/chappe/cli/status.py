"""`chappe status`: what every connection does now, what waits and why, which deliveries run."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.text import Text

from chappe.cli.choice import OrganisationName
from chappe.cli.database import ready
from chappe.cli.screen import AsJson, moment, screen, show_json, show_table, span
from chappe.messaging import ENDS, DeliveryState

if TYPE_CHECKING:
    from chappe.features.connections.link import Link
    from chappe.features.connections.models import Connection
    from chappe.features.messages.count import Depth

COLOURS = {
    **dict.fromkeys(("bound", "ready"), "green"),
    "slowed": "yellow",
    **dict.fromkeys(("down", "silent", "no engine", "unusable"), "red"),
    "off": "dim",
}
LIMITS = ("pause", "rate", "slow_answers", "window", "own_commits", "nothing")
"""What may limit a connection that sends."""
RUNNING = ("analysing", "sending", "paused")


def status(organisation: OrganisationName = "", as_json: AsJson = False) -> None:
    """Connections and their links, what waits and why, running deliveries. Of all organisations unless one is named."""
    ready()
    from chappe.features.accounts.services import organisation_named
    from chappe.features.clock import now_ms
    from chappe.features.connections.models import Connection

    found = Connection.objects.filter(replaced_by=0).select_related("organisation")
    found = found.order_by("organisation__name", "name")
    if organisation:
        found = found.filter(organisation=organisation_named(organisation))
    connections, now = list(found), now_ms()
    links, waiting, speed = _links(connections, now), _waiting(connections, now), _speed(connections, now)
    deliveries = _deliveries(organisation)
    if as_json:
        show_json({"links": links, "speed": speed, "waiting": waiting, "deliveries": deliveries})
        return
    if not connections:
        screen().print("There is no connection yet. `chappe connection create NAME` makes one.")
    else:
        _show_links(links)
    _show_speed(speed)
    _show_waiting(waiting)
    _show_deliveries(deliveries)


def _links(connections: "Iterable[Connection]", now: int) -> list[dict[str, Any]]:
    """A row for each link, and one for each connection of which something is to be said besides."""
    from chappe.features.connections.link import all_links

    links = all_links(now)
    is_engine_running = any(link.is_live for link in links)
    rows = []
    for one in connections:
        place = {"organisation": one.organisation.name, "connection": one.name, "connection_id": one.pk}
        if not one.is_enabled:
            rows.append({**place, "link": "", "state": "off", "reason": "switched off"})
            continue
        found = [link for link in links if link.connection_id == one.pk]
        live = {link.slot for link in found if link.is_live}
        # What is left of a slot that an engine shows is of another mode that the connection had.
        rows += [{**place, **_link(link, now)} for link in found if link.is_live or link.slot not in live]
        closed = _why_closed(one)
        if not live:
            reason = f"no engine shows a link for it: {closed or _why_nobody_serves(is_engine_running)}"
            rows.append({**place, "link": "", "state": "no engine", "reason": reason})
        elif closed:
            reason = f"{closed} An engine goes on as it was until it starts anew"
            rows.append({**place, "link": "", "state": "unusable", "reason": reason})
    return rows


def _why_closed(one: "Connection") -> str:
    """Why an engine with the keys of this process could not open the connection; "" where it could."""
    from chappe.engine.vault import Sealed
    from chappe.features.connections.services import open_secrets

    try:
        open_secrets(one)
    except Sealed as error:
        return (
            f"its secrets cannot be read: {error}. Give the key back in CHAPPE_KEYS, or write the password anew with "
            f"`chappe connection change {one.pk} --new-password`."
        )
    return ""


def _why_nobody_serves(is_engine_running: bool) -> str:
    if not is_engine_running:
        # One that can use none of the connections shows nothing either.
        return "start one by `chappe up`; if one runs, look for connection.unusable in its log, and run `chappe doctor`"
    return "look for connection.unusable in the log of the engine that runs; `chappe doctor` examines settings and keys"


def _link(link: "Link", now: int) -> dict[str, Any]:
    row = {
        "link": f"{link.slot + 1} {link.role}",
        "state": link.state,
        "reason": link.reason,
        "since_ms": link.since_ms,
        "for_s": max(0, now - link.since_ms) // 1000,
        "seen_ms": link.seen_ms,
        "window": link.window,
        "in_flight": link.in_flight,
        "sent_per_s": link.sent_per_s,
        "limit_per_s": link.limit_per_s,
        "round_trip_p50_ms": link.round_trip_p50_ms,
        "round_trip_p99_ms": link.round_trip_p99_ms,
        "engine": link.owner,
    }
    return row if link.is_live else {**row, **_silent(link, now)}


def _silent(link: "Link", now: int) -> dict[str, Any]:
    """What is left to say of a link whose engine says nothing any more: not how it does, only how it was."""
    return {
        "state": "silent",
        "reason": f"not seen since {moment(link.seen_ms)} UTC, when it was {link.state}: its engine ended or hangs",
        "since_ms": link.seen_ms,
        "for_s": max(0, now - link.seen_ms) // 1000,
        "window": 0,
        "in_flight": 0,
        "sent_per_s": 0,
        "round_trip_p50_ms": 0,
        "round_trip_p99_ms": 0,
    }


def _speed(connections: "Iterable[Connection]", now: int) -> list[dict[str, Any]]:
    """What limits each connection, by a name for programs and in words."""
    from chappe.features.connections.explanation import what_limits
    from chappe.features.connections.performance import lines_for

    return [
        {
            "organisation": line.connection.organisation.name,
            "connection": line.connection.name,
            "connection_id": line.connection.pk,
            "sent_per_s": round(line.bottleneck.sent_per_s, 1),
            "limited_by": line.bottleneck.limit.value,
            "words": what_limits(line),
        }
        for line in lines_for(list(connections), now)
    ]


def _waiting(connections: "Iterable[Connection]", now: int) -> list[dict[str, Any]]:
    from chappe.features.messages.count import outbox_by_connection

    depths = {depth.connection_id: depth for depth in outbox_by_connection()}
    return [
        {
            "organisation": one.organisation.name,
            "connection": one.name,
            "messages": depth.messages,
            "held": depth.held,
            "late_s": max(0, now - depth.oldest_due_ms) // 1000 if depth.oldest_due_ms else 0,
            "why": _why(depth, now),
        }
        for one in connections
        if (depth := depths.get(one.pk)) is not None
    ]


def _why(depth: "Depth", now: int) -> list[str]:
    """What keeps the message that has been due the longest; where all are held, the first of those."""
    from chappe.engine.store.store import unpack_ids
    from chappe.features.messages.models import MessageNow, Outbox
    from chappe.features.messages.timeline import why_it_waits

    batches = Outbox.objects.filter(connection_id=depth.connection_id).order_by("is_held", "due_ms", "priority", "id")
    batch = batches.first()
    if batch is None:
        return []
    ids = list(unpack_ids(bytes(batch.ids))) if batch.ids else range(batch.first_id, batch.last_id + 1)
    next_ids = ids[batch.horizon : batch.horizon + 100]
    waits = MessageNow.objects.filter(pk__in=next_ids, state=DeliveryState.WAITING).order_by("pk").first()
    return why_it_waits(waits, now) if waits is not None else []


def _deliveries(organisation: str) -> list[dict[str, Any]]:
    from django.db.models import Sum

    from chappe.features.deliveries.models import Delivery
    from chappe.features.messages.models import DeliveryCount

    found = Delivery.objects.select_related("organisation", "connection").filter(status__in=RUNNING).order_by("pk")
    if organisation:
        found = found.filter(organisation__name=organisation)
    done = DeliveryCount.objects.filter(delivery_id__in=[one.pk for one in found], state__in=[int(end) for end in ENDS])
    finished = dict(done.values_list("delivery_id").annotate(total=Sum("messages")))
    return [
        {
            "id": one.pk,
            "organisation": one.organisation.name,
            "label": one.label,
            "connection": one.connection.name,
            "status": one.status,
            "audience": one.audience,
            "done": finished.get(one.pk, 0),
        }
        for one in found
    ]


def _show_links(links: list[dict[str, Any]]) -> None:
    rows = []
    for one in links:
        state = Text(one["state"], COLOURS.get(one["state"], ""))
        name = f"{one['connection']} ({one['organisation']})"
        if not one["link"]:
            rows.append((name, "", state, "", "", "", "", one["reason"]))
            continue
        limit = f" of {one['limit_per_s']:g}" if one["limit_per_s"] else ""
        has_sender = one["window"] > 0
        rows.append(
            (
                name,
                one["link"],
                state,
                span(one["for_s"] * 1000),
                f"{one['in_flight']}/{one['window']}" if has_sender else "",
                f"{one['sent_per_s']:g}{limit}" if has_sender else "",
                f"{one['round_trip_p50_ms']:g}/{one['round_trip_p99_ms']:g} ms" if one["round_trip_p50_ms"] else "",
                one["reason"],
            )
        )
    columns = ("Connection", "Link", "State", ">For", ">Window", ">A second", ">p50/p99", "Reason")
    show_table(columns, rows, "Connections")


def _show_speed(speed: list[dict[str, Any]]) -> None:
    """Of connections that have something to send: what stands still is told with its links and with what waits."""
    rows = [
        (f"{one['connection']} ({one['organisation']})", one["words"]) for one in speed if one["limited_by"] in LIMITS
    ]
    if rows:
        show_table(("Connection", "Why it is no faster"), rows, "Speed")


def _show_waiting(waiting: list[dict[str, Any]]) -> None:
    if not waiting:
        screen().print("Nothing waits.")
        return
    rows = [
        (
            f"{one['connection']} ({one['organisation']})",
            f"{one['messages']:,}",
            f"{one['held']:,}" if one["held"] else "",
            span(one["late_s"] * 1000) if one["late_s"] else "",
            " ".join(one["why"]),
        )
        for one in waiting
    ]
    show_table(("Connection", ">Waiting", ">Held", ">Due for", "Why the first waits"), rows, "Waiting")


def _show_deliveries(deliveries: list[dict[str, Any]]) -> None:
    if not deliveries:
        return
    rows = [
        (one["id"], one["label"], one["connection"], one["status"], f"{one['done']:,} of {one['audience']:,}")
        for one in deliveries
    ]
    show_table((">Id", "Delivery", "Connection", "Status", ">Done"), rows, "Running deliveries")
