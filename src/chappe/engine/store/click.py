"""What is counted of short links: of each address of a message, and summed up for its delivery.

Messages are locked by rising number before anything of theirs is read, and deliveries are after them: so whoever counts at the
same moment, in this process or another, waits. A message that is gone has nothing counted any more; of one whose text is
erased it is not kept what was opened.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from chappe.engine.store import click_catalogue as catalogue
from chappe.engine.store.relay_catalogue import number_there
from chappe.engine.store.statement import Row
from chappe.engine.store.store import Store
from chappe.rules.link import MOST_LINKS, PLACE_BITS

MOST_URLS = 100
"""Addresses of a delivery that are told apart."""
ANY, OTHERS = "*", ""
"""What is counted beside addresses: all of them together, and those beyond the first hundred."""


@dataclass(frozen=True, slots=True)
class Click:
    """Somebody opened an address; `url` is it as it is counted."""

    message_id: int
    place: int
    url: str
    at_ms: int
    is_machine: bool = False


@dataclass(frozen=True, slots=True)
class Clicked:
    """How often an address of a message was opened in all. The times are those of people, where any of them did. `url` is empty
    where the text is erased."""

    message_id: int
    place: int
    url: str
    clicks: int = 0
    machine_clicks: int = 0
    first_ms: int = 0
    last_ms: int = 0

    @property
    def id(self) -> int:
        return self.message_id << PLACE_BITS | self.place

    def after(self, click: Click) -> "Clicked":
        """With one more."""
        first_ms, last_ms = self.first_ms, self.last_ms
        if not self.clicks and (not click.is_machine or not self.machine_clicks):
            first_ms = last_ms = click.at_ms
        elif not (click.is_machine and self.clicks):
            first_ms, last_ms = min(first_ms, click.at_ms), max(last_ms, click.at_ms)
        counts = (self.clicks + (not click.is_machine), self.machine_clicks + click.is_machine)
        return Clicked(self.message_id, self.place, self.url, *counts, first_ms, last_ms)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a message is."""

    organisation_id: int
    delivery_id: int
    has_text: bool = True


Before = dict[int, Clicked]
"""What was counted of messages until now, by `Clicked.id`."""


def add_clicks(store: Store, clicks: Iterable[Click]) -> list[tuple[Clicked, Owner]]:
    """Count them, in the caller's transaction; the addresses that were opened, with how often that makes."""
    now: dict[int, Clicked] = {}
    some = list(clicks)
    owners, before = _held(store, {click.message_id for click in some})
    for click in some:
        if click.message_id in owners:
            empty = Clicked(click.message_id, click.place, click.url)
            known = now.get(empty.id) or before.get(empty.id) or empty
            now[empty.id] = known.after(click)
    return _write(store, owners, before, now)


def set_clicks(store: Store, told: Iterable[Clicked]) -> list[tuple[Clicked, Owner]]:
    """Take over what somebody else counted, in the caller's transaction: the larger numbers hold, so that it may be told in any
    order, and again. What changed by it."""
    now: dict[int, Clicked] = {}
    some = list(told)
    owners, before = _held(store, {one.message_id for one in some})
    for one in some:
        known = now.get(one.id) or before.get(one.id) or replace(one, clicks=0, machine_clicks=0)
        larger = _larger(known, one)
        if one.message_id in owners and larger != known:
            now[one.id] = larger
    return _write(store, owners, before, now)


def _larger(known: Clicked, told: Clicked) -> Clicked:
    is_later = told.clicks + told.machine_clicks > known.clicks + known.machine_clicks
    return replace(
        known,
        clicks=max(known.clicks, told.clicks),
        machine_clicks=max(known.machine_clicks, told.machine_clicks),
        first_ms=told.first_ms if is_later else known.first_ms,
        last_ms=told.last_ms if is_later else known.last_ms,
    )


def _held(store: Store, messages: Iterable[int]) -> tuple[dict[int, Owner], Before]:
    """Those of these messages that are there, which are ours until the commit; and what was counted of them."""
    rows = store.database.query(catalogue.CLICKED_MESSAGES, (sorted(messages),))
    places = [row[0] << PLACE_BITS | place for row in rows for place in range(MOST_LINKS)]
    found = store.database.query(catalogue.CLICKS, (places,)) if places else []
    before = [Clicked(row[0] >> PLACE_BITS, row[0] & (1 << PLACE_BITS) - 1, *row[1:]) for row in found]
    return {row[0]: Owner(row[1], row[2], bool(row[3])) for row in rows}, {one.id: one for one in before}


def _write(
    store: Store, owners: Mapping[int, Owner], before: Before, now: Mapping[int, Clicked]
) -> list[tuple[Clicked, Owner]]:
    changed = [(_kept(one, owners[one.message_id]), owners[one.message_id]) for _, one in sorted(now.items())]
    store.database.run(catalogue.SET_CLICKS, [_row(one, owner) for one, owner in changed])
    deliveries: dict[int, list[Clicked]] = defaultdict(list)
    for one, owner in changed:
        # Of messages that another installation hands over, those of no delivery of its own are of none here.
        if owner.delivery_id and number_there(owner.delivery_id) != 0:
            deliveries[owner.delivery_id].append(one)
    for delivery_id in sorted(deliveries):
        _sum_up(store, delivery_id, deliveries[delivery_id], before)
    return changed


def _kept(one: Clicked, owner: Owner) -> Clicked:
    """Who counts with us may keep texts for longer than we, and a click may wait while its text is erased."""
    return one if owner.has_text else replace(one, url="")


def _row(one: Clicked, owner: Owner) -> Row:
    head = (one.id, owner.organisation_id, owner.delivery_id, one.url, one.clicks, one.machine_clicks)
    return (*head, one.first_ms, one.last_ms)


def _sum_up(store: Store, delivery_id: int, changed: Sequence[Clicked], before: Before) -> None:
    """Add what changed to the counts of a delivery."""
    store.database.query(catalogue.HOLD_LINK_COUNT, (delivery_id,))
    told_apart = {url for (url,) in store.database.query(catalogue.COUNTED_LINKS, (delivery_id,))}
    for one in changed:
        if one.url and len(told_apart) < MOST_URLS:
            told_apart.add(one.url)

    def names(url: str) -> tuple[str, ...]:
        if not url:
            return (ANY,)
        return ANY, url if url in told_apart else OTHERS

    opened = {(one.message_id, name) for one in before.values() if one.clicks for name in names(one.url)}
    sums: dict[str, tuple[int, int, int]] = {}
    for one in changed:
        was = before.get(one.id) or Clicked(one.message_id, one.place, one.url)
        for name in names(one.url):
            is_new = bool(one.clicks) and (one.message_id, name) not in opened
            if is_new:
                opened.add((one.message_id, name))
            people, clicks, machine_clicks = sums.get(name, (0, 0, 0))
            # fmt: off
            sums[name] = (
                people + is_new, clicks + one.clicks - was.clicks,
                machine_clicks + one.machine_clicks - was.machine_clicks,
            )
            # fmt: on
    store.database.run(catalogue.COUNT_LINKS, [(delivery_id, name, *counts) for name, counts in sorted(sums.items())])
