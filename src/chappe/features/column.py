"""Column types that the features' tables share with the engine's statements."""

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Combinable

if TYPE_CHECKING:
    # Django's fields are generic for the type checker only.
    _BigInteger = models.BigIntegerField[int | Combinable, int]
else:
    _BigInteger = models.BigIntegerField


class AssignedId(_BigInteger):
    """A 64-bit key that we assign ourselves.

    On SQLite the type must read `integer`, or the primary key is not the row id but a second tree beside it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["primary_key"] = True
        super().__init__(*args, **kwargs)

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        return "integer" if connection.vendor == "sqlite" else super().db_type(connection)


class Milliseconds(_BigInteger):
    """An instant as milliseconds since 1970 UTC; 0 where there is none. Both halves compare these on the hot path."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("default", 0)
        super().__init__(*args, **kwargs)
