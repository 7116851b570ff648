"""Errors that a caller cannot carry on from. Expected results are values (see `outcome`)."""

from collections.abc import Sequence
from dataclasses import dataclass


class ChappeError(Exception):
    """The root of our own errors; `str()` is for the operator and never holds a secret or a message body."""


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with one field: its path in the input, and what was expected."""

    field: str
    message: str


class ConfigError(ChappeError):
    """Settings that cannot be used. Not a send error, so ignoring send failures cannot hide it."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in self.errors))


class HookRejected(ChappeError):
    """A call to one of our hooks that is not accepted."""


class BadSignature(HookRejected):
    """The provider's proof is absent or wrong."""


class UnreadableBody(HookRejected):
    """The body is not what the provider's format says."""


class StoreError(ChappeError):
    """The message store did not do what was asked; nothing of the transaction remains."""


class StoreBusy(StoreError):
    """Locked or restarting: the same call may succeed later."""


class StoreFull(StoreError):
    """No room left to write; everything waits until there is."""


class StoreUnsure(StoreError):
    """A commit was sent and its answer never came: it may have taken place. Not to be done again blindly."""


class LeaseLost(StoreError):
    """Somebody else holds the batch now; what the late worker wanted to write is not written."""
