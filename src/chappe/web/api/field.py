"""What several routes take and give: times, cursors, and bodies that name every mistake."""

from datetime import datetime
from typing import Annotated

from ninja import Query, Schema
from pydantic import ConfigDict

from chappe.features.clock import instant

Cursor = Annotated[str, Query(description="the `next` of the page before; empty for the first page", max_length=400)]
Limit = Annotated[int, Query(description="items of a page, from 1 to 500", ge=1, le=500)]


class Body(Schema):
    """A request body: a name it does not know is a mistake, and so is a number written as text."""

    model_config = ConfigDict(extra="forbid", strict=True)


def shown_time(ms: int) -> datetime | None:
    """A column's instant as the API writes it, in UTC; null where there is none."""
    return instant(ms)
