"""How fast connections are, what limits them, and what a wanted speed needs: from what engines show and what is counted."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from chappe.features.connections.link import Link, links_of
from chappe.features.connections.models import Connection, OrphanReceipt
from chappe.features.connections.services import connections_of, find_connection, provider_spec
from chappe.features.messages.queue import Queue, queues_of
from chappe.features.messages.traffic import busiest_per_s, by_connection
from chappe.features.refusal import InvalidInput
from chappe.messaging import TrafficKind
from chappe.providers.contract import ProviderSpec, Setting
from chappe.providers.smpp_settings import SPEC as SMPP
from chappe.providers.smpp_settings import total_connections
from chappe.rules import advisor
from chappe.rules.bottleneck import Bottleneck, Sender, find_bottleneck

RECENT_MS = 600_000
"""How far back the receipts on the wall are counted."""
BUSIEST_MS = 7 * 86_400_000
MOST_LINES = 200
"""Connections on one wall."""
MOST_UNMATCHED = 20
LARGEST_RATE = 100_000.0


@dataclass(frozen=True)
class Line:
    """A connection on the wall. `links` are those that an engine shows now, and those that fell silent; `matched` and
    `unmatched` are receipts of the last ten minutes or so."""

    connection: Connection
    links: Sequence[Link]
    queue: Queue
    matched: int
    unmatched: int

    @cached_property
    def senders(self) -> list[Link]:
        """The live links that messages go out by."""
        return [link for link in self.links if link.is_live and link.sends]

    @cached_property
    def bottleneck(self) -> Bottleneck:
        senders = [_sender(link) for link in self.senders]
        return find_bottleneck(senders, self.queue.waiting, is_enabled=self.connection.is_enabled)

    @property
    def is_whole(self) -> bool:
        """Whether every link is logged in; one that only takes receipts in is needed, too."""
        live = [link for link in self.links if link.is_live]
        return bool(live) and all(link.is_bound for link in live)

    @cached_property
    def round_trip_p50_ms(self) -> float:
        """Of the sending links together; 0.0 where none was measured."""
        return self.bottleneck.round_trip_ms

    @cached_property
    def round_trip_p99_ms(self) -> float:
        return max((link.round_trip_p99_ms for link in self.senders if link.is_bound), default=0.0)


@dataclass(frozen=True)
class Speed:
    """What the settings allow. `settings` are those of window and limit, which differ by kind of connection. One that hands
    over has no speed of its own: its messages go in bundles, and leave as fast as mid sends them."""

    link: advisor.Link
    advice: advisor.Advice
    busiest_per_s: float
    round_trip_p99_ms: float
    settings: tuple[Setting, Setting | None]
    hands_over: bool = False

    @property
    def window_about(self) -> float:
        return about(self.advice.window_allows_per_s)

    @property
    def busiest_about(self) -> float:
        return round(self.busiest_per_s, 0 if self.busiest_per_s >= 10 else 1)

    @property
    def limit_in_all(self) -> float:
        return self.link.limit_per_s * self.link.links


def lines_of(organisation_id: int, now_ms: int) -> list[Line]:
    """The connections of an organisation, in the order of the list."""
    return lines_for(list(connections_of(organisation_id)[:MOST_LINES]), now_ms)


def line_of(organisation_id: int, connection_id: int, now_ms: int) -> Line:
    """Raises NotFound."""
    (line,) = lines_for([find_connection(organisation_id, connection_id)], now_ms)
    return line


def lines_for(connections: Sequence[Connection], now_ms: int) -> list[Line]:
    """A line for each of these, which may be of several organisations."""
    ids = [one.pk for one in connections]
    links: dict[int, list[Link]] = {}
    for link in links_of(ids, now_ms):
        links.setdefault(link.connection_id, []).append(link)
    queues = queues_of(ids, now_ms)
    kinds, none = (TrafficKind.RECEIPT, TrafficKind.UNMATCHED), Counter[TrafficKind]()
    receipts: dict[int, Counter[TrafficKind]] = {}
    for organisation_id in {one.organisation_id for one in connections}:
        receipts |= by_connection(organisation_id, now_ms - RECENT_MS, kinds)
    return [
        Line(one, _shown(links.get(one.pk, [])), queues[one.pk], *(receipts.get(one.pk, none)[kind] for kind in kinds))
        for one in connections
    ]


def _shown(links: Sequence[Link]) -> list[Link]:
    """Without what is left of a slot that an engine shows: of another mode that the connection had."""
    live = {link.slot for link in links if link.is_live}
    return [link for link in links if link.is_live or link.slot not in live]


def _sender(link: Link) -> Sender:
    return Sender(
        link.is_bound,
        link.is_slowed,
        link.window,
        link.in_flight,
        link.sent_per_s,
        link.limit_per_s,
        link.round_trip_p50_ms,
    )


def unmatched_receipts(organisation_id: int, connection_id: int) -> list[OrphanReceipt]:
    """The latest receipts whose ids nobody knew, newest first. Raises NotFound."""
    connection = find_connection(organisation_id, connection_id)
    return list(OrphanReceipt.objects.filter(connection_id=connection.pk).order_by("-pk")[:MOST_UNMATCHED])


# -- the advisor -----------------------------------------------------------------------------------------------------


def speed_of(line: Line, wanted_per_s: float | None, now_ms: int) -> Speed:
    """What a wanted speed needs of this connection; None is what its limit allows, else the most that was seen.

    Raises InvalidInput.
    """
    if wanted_per_s is not None and not 0 < wanted_per_s <= LARGEST_RATE:
        raise InvalidInput.at("rate", f"must be more than 0 and at most {LARGEST_RATE:.0f}")
    connection = line.connection
    spec = provider_spec(connection.provider)
    window, limit = _settings_of(spec)
    limit_per_s = _value(connection, limit) if limit is not None else 0.0
    trips = [] if spec.hands_over else [link for link in line.senders if link.round_trip_p50_ms]
    trip_ms = sum(link.round_trip_p50_ms for link in trips) / len(trips) if trips else 0.0
    is_alone = connection.provider != SMPP.key
    link = advisor.Link(
        1 if is_alone else _sending_links(connection),
        int(_value(connection, window)),
        limit_per_s,
        trip_ms,
        int(window.maximum or advisor.LARGEST_WINDOW),
        is_alone,
    )
    busiest = busiest_per_s(connection.organisation_id, connection.pk, now_ms - BUSIEST_MS)
    wanted = wanted_per_s or limit_per_s * link.links or max(busiest, 100.0)
    p99_ms = max((one.round_trip_p99_ms for one in trips), default=0.0)
    return Speed(link, advisor.advise(link, round(wanted, 1)), busiest, p99_ms, (window, limit), spec.hands_over)


def _settings_of(spec: ProviderSpec) -> tuple[Setting, Setting | None]:
    """Of the window, and of the limit where there is one."""
    named = {setting.name: setting for setting in spec.settings}
    window, limit = ("window", "max_mt_per_s") if spec.key == SMPP.key else ("concurrency", "max_per_s")
    return named[window], named.get(limit)


def _sending_links(connection: Connection) -> int:
    names = ("processes", "sending_threads", "child_connections")
    declared = {setting.name: setting.default for setting in SMPP.settings if setting.name in names}
    return total_connections({**declared, **connection.settings})


def about(value: float) -> float:
    """Without the digits that nobody can promise."""
    if value < 10:
        return round(value, 1)
    return float(round(value, 2 - len(str(int(value)))))


def _value(connection: Connection, setting: Setting) -> float:
    return float(connection.settings.get(setting.name, setting.default))
