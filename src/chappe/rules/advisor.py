"""Which window, limit and number of links a wanted speed needs, by Little's law; advice only, nothing is changed by it.

On one link as many messages are in flight as are sent in the time of one: 300 a second with answers after 100 ms are 30. A
place of the window is free again once the answer is committed, so a little is added for that, and a fifth for answers that
take longer than most.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

COMMIT_MS = 10.0
MARGIN = 1.2
PACE = 0.992
"""What a link reaches of its limit; see `rules.throttle`. Who wants what the limit says has it, for all that."""
LARGEST_WINDOW = 5000
MOST_PER_LINK = 1000.0
"""Messages a second; for more, providers and we do better with another link."""
ROOMY = 4
"""A window this many times what is needed only sends more twice after a broken link."""
SMALL_WINDOW = 100
SLOW_MS = 1000.0


class Change(StrEnum):
    """What to change to get to the wanted speed."""

    LIMIT = "limit"
    WINDOW = "window"
    LINKS = "links"
    SMALLER_WINDOW = "smaller_window"


@dataclass(frozen=True)
class Step:
    """One change: of a setting that every link has (or of the number of links) from what it is to what it should be."""

    change: Change
    present: float
    proposed: float


@dataclass(frozen=True)
class Link:
    """Each of `links` sending links, as they are set and as measured. `limit_per_s` 0: none. `round_trip_ms` 0: unknown.
    By HTTP there is one, whatever it is to send (`is_alone`)."""

    links: int
    window: int
    limit_per_s: float
    round_trip_ms: float
    largest_window: int = LARGEST_WINDOW
    is_alone: bool = False


@dataclass(frozen=True)
class Advice:
    """Speeds are messages a second of all links together; `limit_allows_per_s` 0: nothing is limited. `reachable_per_s`
    is what the settings allow as they are, 0 where no answer was measured yet; `steps` are empty when it is enough."""

    wanted_per_s: float
    window_allows_per_s: float
    limit_allows_per_s: float
    reachable_per_s: float
    needed_window: int
    is_slow_provider: bool
    steps: tuple[Step, ...]

    @property
    def is_measured(self) -> bool:
        return self.window_allows_per_s > 0

    @property
    def is_enough(self) -> bool:
        return self.reachable_per_s >= self.wanted_per_s * PACE


def window_for(per_s: float, round_trip_ms: float) -> int:
    """The window of one link that `per_s` needs."""
    return max(1, math.ceil(round(per_s * (round_trip_ms + COMMIT_MS) / 1000 * MARGIN, 6)))


def advise(link: Link, wanted_per_s: float) -> Advice:
    """What `wanted_per_s` of all links together needs."""
    is_measured = link.round_trip_ms > 0
    by_window = link.links * link.window * 1000 / (link.round_trip_ms + COMMIT_MS) if is_measured else 0.0
    by_limit = link.links * link.limit_per_s * PACE
    reachable = min(by_window, by_limit) if by_limit else by_window
    links = _links(link, wanted_per_s)
    each = wanted_per_s / links
    return Advice(
        wanted_per_s,
        by_window,
        by_limit,
        reachable if is_measured else 0.0,
        window_for(each, link.round_trip_ms) if is_measured else 0,
        link.round_trip_ms >= SLOW_MS,
        tuple(_steps(link, links, each)) if is_measured else (),
    )


def _links(link: Link, wanted_per_s: float) -> int:
    """As many links as there are, or more where one would need too much."""
    links = max(1, link.links)
    if link.is_alone:
        return links
    if wanted_per_s / links > MOST_PER_LINK:
        links = math.ceil(wanted_per_s / MOST_PER_LINK)
    most_each = link.largest_window * 1000 / (link.round_trip_ms + COMMIT_MS) / MARGIN
    return max(links, math.ceil(wanted_per_s / most_each))


def _steps(link: Link, links: int, each_per_s: float) -> list[Step]:
    """`each_per_s` is what each of `links` is to send."""
    steps = []
    if links > link.links:
        steps.append(Step(Change.LINKS, link.links, links))
    if 0 < link.limit_per_s < each_per_s:
        steps.append(Step(Change.LIMIT, link.limit_per_s, math.ceil(each_per_s)))
    needed = min(window_for(each_per_s, link.round_trip_ms), link.largest_window)
    if link.window < needed and link.window * 1000 / (link.round_trip_ms + COMMIT_MS) < each_per_s:
        steps.append(Step(Change.WINDOW, link.window, needed))
    elif link.window > SMALL_WINDOW and link.window >= ROOMY * needed:
        steps.append(Step(Change.SMALLER_WINDOW, link.window, max(needed, SMALL_WINDOW)))
    return steps
