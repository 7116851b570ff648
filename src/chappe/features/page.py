"""Long lists, a page at a time. A page starts after a key, not at an offset: the last costs what the first does."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Generic, TypeVar

from django.db.models import Model, QuerySet

from chappe.features.refusal import InvalidInput

LARGEST_ID = 2**63 - 1
LARGEST_PAGE = 500

Item = TypeVar("Item")
Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True)
class Page(Generic[Item]):
    """Some items, and the cursor that the next page starts from; None on the last page."""

    items: list[Item]
    next: str | None


def newest_first(rows: "QuerySet[Row]", cursor: str, limit: int) -> Page[Row]:
    """The page of `rows` after `cursor` ("" is the first page), by falling id."""
    before = read_cursor(cursor)
    found = list(rows.filter(pk__lt=before).order_by("-pk")[: size_of_page(limit) + 1])
    return page_of(found, limit, lambda row: str(row.pk))


def in_order(
    rows: "QuerySet[Row]",
    text: str,
    number: str,
    after: tuple[str, int] | None,
    most: int,
    start: str = "",
    *,
    has_few_alike: bool = False,
) -> list[Row]:
    """The first `most` rows in the order of the columns `text` and then `number`, behind `after` where it is given; where the
    text begins with `start`, of digits that may have a plus before them.

    Two walks of an index: asked for as one ("the text is greater, or the same and the number is greater"), a database would
    begin at the beginning for each page. So it would if the page's beginning and `start` were both asked for. Where few rows
    have the same text they are all read: asked for those behind a number, or in its order, SQLite might walk an index of
    numbers.
    """
    ordered = rows.order_by(text, number)
    # A range, which every collation has an index for: digits come before letters in all of them.
    ranged = ordered.filter(**{f"{text}__lt": f"{start}a"}) if start else ordered
    if after is None:
        return list(ranged.filter(**{f"{text}__gte": start} if start else {})[:most])
    if has_few_alike:
        alike = sorted(rows.filter(**{text: after[0]}), key=attrgetter(number))
        same = [row for row in alike if getattr(row, number) > after[1]][:most]
    else:
        same = list(ordered.filter(**{text: after[0], f"{number}__gt": after[1]})[:most])
    return [*same, *ranged.filter(**{f"{text}__gt": after[0]})[: most - len(same)]] if len(same) < most else same


def place_of(cursor: str, text_of: Callable[[int], str | None]) -> tuple[str, int] | None:
    """Where a page of `in_order` goes on, None for the first: the text and the number of the row whose number the cursor is.

    The text itself is not in the cursor, for it is in the address of the page, and may be what its reader is not to see. Raises
    InvalidInput, also where the row is gone meanwhile.
    """
    if not cursor:
        return None
    number = read_cursor(cursor)
    text = text_of(number)
    if text is None:
        raise InvalidInput.at("cursor", "must be the `next` of another page")
    return text, number


def page_of(found: list[Item], limit: int, key: Callable[[Item], str]) -> Page[Item]:
    """A page of `limit` items out of `limit + 1` that were asked for."""
    limit = size_of_page(limit)
    items = found[:limit]
    return Page(items, key(items[-1]) if len(found) > limit else None)


def read_cursor(cursor: str) -> int:
    if not cursor:
        return LARGEST_ID
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 20 and int(cursor) <= LARGEST_ID):
        raise InvalidInput.at("cursor", "must be the `next` of another page")
    return int(cursor)


def size_of_page(limit: int) -> int:
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidInput.at("limit", f"must be from 1 to {LARGEST_PAGE}")
    return limit
