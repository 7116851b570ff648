"""What was opened of a message, and of a delivery."""

from collections.abc import Sequence
from dataclasses import dataclass

from chappe.engine.store.click import ANY, OTHERS
from chappe.features.tracking.models import LinkClick, LinkCount
from chappe.rules.link import MOST_LINKS, PLACE_BITS

BLANKED_AT_ONCE = 500
"""Messages: more would be more values than SQLite takes with a statement."""


@dataclass(frozen=True)
class MessageClick:
    """An address of a message that was opened; `url` is empty once the text is erased. `clicks` are people's, as far as that
    can be told; so are the times, where any of them did."""

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
    """All addresses of a delivery together, and each: the most people first, and all beyond the first hundred last. Once its
    texts are erased, there is none."""

    people: int
    clicks: int
    machine_clicks: int
    links: list[LinkFigure]

    @property
    def is_opened(self) -> bool:
        """Whether anybody opened one, or anything: also where it is not kept any more which."""
        return self.clicks + self.machine_clicks > 0


def clicks_of(message_id: int) -> list[MessageClick]:
    """In the order in which the addresses stand in its text. The message must be known to be of the organisation that asks."""
    first = message_id << PLACE_BITS
    rows = LinkClick.objects.filter(pk__range=(first, first | (1 << PLACE_BITS) - 1)).order_by("pk")
    return [MessageClick(row.url, row.clicks, row.machine_clicks, row.first_ms, row.last_ms) for row in rows]


def forget_addresses_of(messages: Sequence[int]) -> None:
    """Their texts are erased, in the same transaction: that links were opened stays, and not which."""
    for start in range(0, len(messages), BLANKED_AT_ONCE):
        some = messages[start : start + BLANKED_AT_ONCE]
        places = [message_id << PLACE_BITS | place for message_id in some for place in range(MOST_LINKS)]
        LinkClick.objects.filter(pk__in=places).update(url="")


def figures(delivery_id: int) -> LinkFigures:
    """All 0 where nothing was opened. The delivery must be known to be of the organisation that asks."""
    rows = {row.url: row for row in LinkCount.objects.filter(delivery_id=delivery_id)}
    total = rows.pop(ANY, None) or LinkCount()
    links = [LinkFigure(row.url, row.people, row.clicks, row.machine_clicks) for row in rows.values()]
    links.sort(key=lambda link: (link.url == OTHERS, -link.people, -link.clicks, link.url))
    return LinkFigures(total.people, total.clicks, total.machine_clicks, links)
