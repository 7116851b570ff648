"""How long to wait for what (SMPP 3.4, clause 7.2), and the keeping alive of a quiet link (clause 4.11).

Times are seconds of one monotonic clock, which the caller reads.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Timers:
    """`response_s`: from a request to its answer (response_timer). `bind_s`: from the bind to its answer, and on the
    SMSC side from the connection to a bind (session_init_timer). `enquire_link_s`: an enquire_link goes out when
    nothing was sent or received for so long; when nothing at all comes in for twice as long after it, the link is dead.
    None is: for ever."""

    response_s: float | None = 60.0
    bind_s: float | None = 30.0
    enquire_link_s: float | None = 60.0

    def __post_init__(self) -> None:
        for name in ("response_s", "bind_s", "enquire_link_s"):
            seconds = getattr(self, name)
            if seconds is not None and not seconds > 0:
                raise ValueError(f"{name} has to be more than 0, or None for no limit; it is {seconds}")


DEFAULT_TIMERS: Final = Timers()


class KeepAlive:
    """Knows when a link is idle and when it is dead.

    A link that is written to and never says anything is not idle; it is asked after two periods all the same, so that
    a peer that swallows everything is found out even where the response timer is shorter than the period."""

    __slots__ = ("_asked_at", "_period", "_received_at", "_sent_at")

    def __init__(self, period_s: float | None) -> None:
        self._period = period_s
        self._sent_at = 0.0
        self._received_at = 0.0
        self._asked_at: float | None = None

    def start(self, now: float) -> None:
        self._sent_at = self._received_at = now
        self._asked_at = None

    def received(self, now: float) -> None:
        self._received_at = now
        self._asked_at = None

    def sent(self, now: float) -> None:
        self._sent_at = now

    def asked(self, now: float) -> None:
        """An enquire_link went out."""
        self._sent_at = self._asked_at = now

    @property
    def is_waiting(self) -> bool:
        """Asked, and nothing received since."""
        return self._asked_at is not None

    def deadline(self) -> float | None:
        """When to ask; once asked, when to give up."""
        if self._period is None:
            return None
        if self._asked_at is not None:
            return self._asked_at + 2 * self._period
        idle = max(self._sent_at, self._received_at) + self._period
        return min(idle, self._received_at + 2 * self._period)
