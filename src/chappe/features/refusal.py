"""Why a service did not do what it was asked; nothing was changed when one of these is raised."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chappe.messaging import ChappeError, FieldError


class NotFound(ChappeError):
    """There is no such thing in this organisation; one that belongs to another organisation is not told apart."""

    def __init__(self, what: str, number: object) -> None:
        self.what = what
        super().__init__(f"There is no {what} {number}.")


class Conflict(ChappeError):
    """It cannot be done to the thing as it is now."""


class InvalidInput(ChappeError):
    """What was given cannot be used; each error names its field."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in self.errors))

    @classmethod
    def at(cls, field: str, message: str) -> "InvalidInput":
        return cls([FieldError(field, message)])


class Mistakes:
    """Gathers what is wrong with several fields, so that one answer names them all."""

    def __init__(self) -> None:
        self._errors: list[FieldError] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """InvalidInput within is kept for later; what it was to give keeps the value it had before."""
        try:
            yield
        except InvalidInput as error:
            self._errors += error.errors

    def refuse(self) -> None:
        """Raises InvalidInput where there were any."""
        if self._errors:
            raise InvalidInput(self._errors)
