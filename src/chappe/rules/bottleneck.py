"""What limits the speed of a connection at this moment, from what its links show and from what waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

NEARLY = 0.9
"""Of a limit or a window: from here on it is what keeps messages back."""
SLOW_ANSWER_MS = 500.0
LOST_SHARE = 0.5
"""A full window that moves slower than this share of what its round trips allow is waiting for our own commits."""


class Limit(StrEnum):
    """What keeps the next message from going out now."""

    OFF = "off"
    NO_ENGINE = "no_engine"
    DOWN = "down"
    NOTHING_WAITS = "nothing_waits"
    HELD = "held"
    LATER = "later"
    PAUSE = "pause"
    RATE = "rate"
    SLOW_ANSWERS = "slow_answers"
    WINDOW = "window"
    OWN_COMMITS = "own_commits"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Sender:
    """One link that messages go out by, as its engine shows it. `round_trip_ms`: half of the answers came sooner; 0 where
    none was measured. `limit_per_s` 0: none."""

    is_bound: bool
    is_slowed: bool
    window: int
    in_flight: int
    sent_per_s: float
    limit_per_s: float
    round_trip_ms: float

    @property
    def window_allows_per_s(self) -> float:
        """By Little's law: a window in which each place is free again after a round trip."""
        return self.window * 1000 / self.round_trip_ms if self.round_trip_ms else 0.0


@dataclass(frozen=True)
class Waiting:
    """Messages in the outbox: due now, held by paused deliveries, due later."""

    due: int = 0
    held: int = 0
    later: int = 0


@dataclass(frozen=True)
class Bottleneck:
    """The limit, with the figures of all sending links together that are logged in. `links` of `links_in_all` are."""

    limit: Limit
    links: int = 0
    links_in_all: int = 0
    window: int = 0
    in_flight: int = 0
    sent_per_s: float = 0.0
    limit_per_s: float = 0.0
    window_allows_per_s: float = 0.0
    round_trip_ms: float = 0.0

    @property
    def is_trouble(self) -> bool:
        """Whether somebody has to do something before anything goes out."""
        return self.limit in (Limit.NO_ENGINE, Limit.DOWN)


def find_bottleneck(senders: Sequence[Sender], waiting: Waiting, *, is_enabled: bool = True) -> Bottleneck:
    """`senders` are the sending links that some engine shows now."""
    bound = [sender for sender in senders if sender.is_bound]
    trips = [sender.round_trip_ms for sender in bound if sender.round_trip_ms]
    is_limited = bool(bound) and all(sender.limit_per_s for sender in bound)
    return Bottleneck(
        _limit(senders, bound, waiting, is_enabled=is_enabled),
        links=len(bound),
        links_in_all=len(senders),
        window=sum(sender.window for sender in bound),
        in_flight=sum(sender.in_flight for sender in bound),
        sent_per_s=sum(sender.sent_per_s for sender in bound),
        limit_per_s=sum(sender.limit_per_s for sender in bound) if is_limited else 0.0,
        window_allows_per_s=sum(sender.window_allows_per_s for sender in bound),
        round_trip_ms=sum(trips) / len(trips) if trips else 0.0,
    )


def _limit(senders: Sequence[Sender], bound: Sequence[Sender], waiting: Waiting, *, is_enabled: bool) -> Limit:
    if not is_enabled:
        return Limit.OFF
    if not senders:
        return Limit.NO_ENGINE
    if not bound:
        return Limit.DOWN
    if not waiting.due and not any(sender.in_flight for sender in bound):
        return Limit.HELD if waiting.held else Limit.LATER if waiting.later else Limit.NOTHING_WAITS
    return _speed_limit(bound)


def _speed_limit(bound: Sequence[Sender]) -> Limit:
    """Of links that are logged in and have something to send."""
    if all(sender.is_slowed for sender in bound):
        return Limit.PAUSE
    if all(sender.limit_per_s and sender.sent_per_s >= NEARLY * sender.limit_per_s for sender in bound):
        return Limit.RATE
    full = [sender for sender in bound if sender.in_flight >= NEARLY * sender.window]
    if full:
        return _full_window(full)
    return Limit.PAUSE if any(sender.is_slowed for sender in bound) else Limit.NOTHING


def _full_window(full: Sequence[Sender]) -> Limit:
    allowed, sent = sum(one.window_allows_per_s for one in full), sum(one.sent_per_s for one in full)
    slowest_ms = max(one.round_trip_ms for one in full)
    if slowest_ms >= SLOW_ANSWER_MS:
        return Limit.SLOW_ANSWERS
    return Limit.OWN_COMMITS if 0 < sent < LOST_SHARE * allowed else Limit.WINDOW
