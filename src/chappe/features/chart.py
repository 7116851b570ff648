"""Charts as values: a page draws them as SVG on the server, with a table for those who cannot see them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.functional import Promise

Label = str | Promise
MARKS = 4
"""Steps that an axis has at most."""


@dataclass(frozen=True)
class Series:
    """One colour of a chart. `tone` is a meaning: good, bad, warn, info, mute."""

    name: Label
    tone: str
    values: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """Stacked columns: one place for each of `labels`, in which the series stand on each other."""

    title: Label
    labels: Sequence[str]
    series: Sequence[Series]
    unit: Label = ""

    @property
    def totals(self) -> list[float]:
        return [sum(series.values[place] for series in self.series) for place in range(len(self.labels))]

    @property
    def is_empty(self) -> bool:
        return not any(self.totals)

    @property
    def marks(self) -> list[float]:
        """The numbers of its axis, from 0 up: a round step apart, as few as tell the columns, and none of them less than the
        highest. Where all that is counted is whole, so are they."""
        most = max(self.totals, default=0)
        step = rounded_up(most / MARKS)
        if all(value == int(value) for series in self.series for value in series.values):
            step = max(1.0, step if step == int(step) else rounded_up(math.ceil(step)))
        return [step * place for place in range(max(1, math.ceil(most / step)) + 1)]


@dataclass(frozen=True)
class Share:
    """A part of a whole, for a bar of parts."""

    name: Label
    tone: str
    value: int


def rounded_up(value: float) -> float:
    """1, 2, 2.5 or 5 times a power of ten, not less than `value`; 1 for nothing."""
    if value <= 0:
        return 1
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value)
