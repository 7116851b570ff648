"""What the axis of a chart says."""

import pytest

from chappe.features.chart import Chart, Series


def chart(*columns: tuple[float, ...]) -> Chart:
    """Columns, each of which is made of so much of each series."""
    series = [Series("", "good", values) for values in zip(*columns, strict=True)]
    return Chart("", [""] * len(columns), series)


@pytest.mark.parametrize(
    ("highest", "marks"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (3, [0, 1, 2, 3]),
        (5, [0, 2, 4, 6]),
        (9, [0, 5, 10]),
        (100, [0, 25, 50, 75, 100]),
        (101, [0, 50, 100, 150]),
    ],
)
def test_what_is_counted_is_told_in_whole_numbers(highest: int, marks: list[float]) -> None:
    assert chart((0,), (highest,)).marks == marks


def test_columns_are_as_high_as_what_stands_on_each_other() -> None:
    assert chart((2, 1), (4, 3)).marks[-1] >= 7


def test_rates_may_be_less_than_one() -> None:
    assert chart((1.5,)).marks == [0, 0.5, 1, 1.5]
