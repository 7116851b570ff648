"""What commands show: tables and marks for people, JSON for programs. User data is never read as markup."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from chappe.messaging import ConfigError

WIDTH_WITHOUT_TERMINAL = 160

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table, for programs.")]

MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "bold red")}


def screen(*, stderr: bool = False) -> Console:
    """Standard output as it is now. A pipe has no width of its own; a table cut to 80 columns helps nobody there."""
    has_width = "COLUMNS" in os.environ or sys.stdout.isatty()
    return Console(
        stderr=stderr, markup=False, highlight=False, width=None if has_width else WIDTH_WITHOUT_TERMINAL, emoji=False
    )


def show_json(value: Any) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def show_table(columns: Iterable[str], rows: Iterable[Iterable[object]], title: str = "") -> None:
    """A column whose name starts with > is of figures. A cell may be a `Text` with a colour of its own."""
    table = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", title_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
    screen().print(table)


def show_findings(findings: Iterable[tuple[str, str, str]]) -> None:
    """Level, text and what to do about it, one under the other."""
    out = screen()
    for level, text, fix in findings:
        mark, style = MARKS[level]
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=1)
        grid.add_column(overflow="fold")
        grid.add_row(Text(mark, style), Text(text))
        if fix:
            grid.add_row("", Text(f"→ {fix}", "cyan"))
        out.print(grid)


@contextmanager
def fields_named() -> Iterator[None]:
    """What is wrong with what was given, a line a field; then exit code 2. Within, Django is set up."""
    from chappe.features.refusal import InvalidInput

    try:
        yield
    except (ConfigError, InvalidInput) as error:
        for one in error.errors:
            field = one.field.removeprefix("settings.")
            screen(stderr=True).print(Text.assemble((field, "bold red"), f": {one.message}"))
        raise typer.Exit(2) from None


def moment(ms: int) -> str:
    """A time of a table; "" for none."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") if ms else ""


def counted(number: int, what: str) -> str:
    """`1 link`, `2,000 links`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def span(ms: int) -> str:
    """How long, in the one unit that says it best."""
    seconds = max(0, ms) // 1000
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
