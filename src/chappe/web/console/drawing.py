"""Charts as numbers that a template can draw: no style, only positions, as our content policy wants it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.functional import Promise

from chappe.features.chart import Chart, Share

WIDTH, HEIGHT = 720.0, 220.0
BOTTOM, TOP = 26.0, 12.0
GAP, DIGIT = 6.0, 7.4
"""Between the numbers of the axis and the columns; and how wide one of their digits is."""
MOST_LABELS = 8


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    width: float
    height: float
    tone: str
    title: str


@dataclass(frozen=True)
class Mark:
    """A word on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Drawing:
    """`left` is where the columns begin, `axis` where the numbers beside them end."""

    width: float
    height: float
    left: float
    axis: float
    boxes: list[Box]
    lines: list[Mark]
    labels: list[Mark]


def drawn(chart: Chart, figure: Callable[[float], str]) -> Drawing:
    """The columns of a chart; `figure` writes numbers as people read them."""
    places = len(chart.labels)
    marks = chart.marks
    left = GAP + DIGIT * max(len(figure(mark)) for mark in marks)
    step = (WIDTH - left) / max(places, 1)
    scale = (HEIGHT - BOTTOM - TOP) / marks[-1]
    boxes = []
    for place, label in enumerate(chart.labels):
        floor = HEIGHT - BOTTOM
        for series in chart.series:
            height = series.values[place] * scale
            if height > 0:
                title = f"{label}: {series.name} {figure(series.values[place])}"
                floor -= height
                box = Box(left + place * step + step * 0.1, floor, step * 0.8, height, series.tone, title)
                boxes.append(box)
    every = -(-places // MOST_LABELS) or 1
    labels = [
        Mark(left + (place + 0.5) * step, label) for place, label in enumerate(chart.labels) if place % every == 0
    ]
    lines = [Mark(HEIGHT - BOTTOM - mark * scale, figure(mark)) for mark in marks]
    return Drawing(WIDTH, HEIGHT, left, left - GAP, boxes, lines, labels)


@dataclass(frozen=True)
class Part:
    x: float
    width: float
    tone: str
    name: str | Promise
    value: int
    percent: float


def parts(shares: Sequence[Share]) -> list[Part]:
    """Shares side by side over a width of 100."""
    total = sum(share.value for share in shares)
    found, at = [], 0.0
    for share in shares:
        width = 100.0 * share.value / total if total else 0.0
        found.append(Part(at, width, share.tone, share.name, share.value, width))
        at += width
    return found
