"""What was opened of a message, and of a delivery."""

from dataclasses import dataclass

from chappe.engine.store.click import ANY, OTHERS
from chappe.features.tracking.models import LinkClick, LinkCount
from chappe.rules.link import PLACE_BITS


@dataclass(frozen=True)
class MessageClick:
    """An address of a message that was opened. `clicks` are people's, as far as that can be told; so are the times, where any
    of them did."""

    url: str
    clicks: int
    machine_clicks: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True)
class LinkFigure:
    """An address of a delivery; an empty `url` stands for all beyond the first hundred. `people`: messages from which it was
    opened, not by programs alone."""

    url: str
    people: int
    clicks: int
    machine_clicks: int


@dataclass(frozen=True)
class LinkFigures:
    """All addresses of a delivery together, and each: the most people first, and all beyond the first hundred last."""

    people: int
    clicks: int
    machine_clicks: int
    links: list[LinkFigure]


def clicks_of(message_id: int) -> list[MessageClick]:
    """In the order in which the addresses stand in its text. The message must be known to be of the organisation that asks."""
    first = message_id << PLACE_BITS
    rows = LinkClick.objects.filter(pk__range=(first, first | (1 << PLACE_BITS) - 1)).order_by("pk")
    return [MessageClick(row.url, row.clicks, row.machine_clicks, row.first_ms, row.last_ms) for row in rows]


def figures(delivery_id: int) -> LinkFigures:
    """All 0 where nothing was opened. The delivery must be known to be of the organisation that asks."""
    rows = {row.url: row for row in LinkCount.objects.filter(delivery_id=delivery_id)}
    total = rows.pop(ANY, None) or LinkCount()
    links = [LinkFigure(row.url, row.people, row.clicks, row.machine_clicks) for row in rows.values()]
    links.sort(key=lambda link: (link.url == OTHERS, -link.people, -link.clicks, link.url))
    return LinkFigures(total.people, total.clicks, total.machine_clicks, links)
