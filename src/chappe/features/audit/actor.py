"""Who acts now. The edges say so: a web request, a command, a job. Knows no Django, so that commands start quickly."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    PERSON = "person"
    KEY = "key"
    OPERATOR = "operator"
    COMMAND = "command"
    SYSTEM = "system"


@dataclass(frozen=True)
class Actor:
    """`id` is of the person, the API key or the operator; `name` is kept with each event, for the row may go.

    `address` is where the request came from, "" where there was none.
    """

    kind: ActorKind
    id: int = 0
    name: str = ""
    address: str = ""


SYSTEM = Actor(ActorKind.SYSTEM)

_acting: ContextVar[Callable[[], Actor]] = ContextVar("chappe_acting", default=lambda: SYSTEM)


def acting() -> Actor:
    """Who acts; the system where nobody said otherwise."""
    return _acting.get()()


@contextmanager
def acting_as(actor: Actor | Callable[[], Actor]) -> Iterator[None]:
    """What is changed inside was done by `actor`; a function is asked when there is something to write down."""
    before = _acting.get()
    _acting.set(actor if callable(actor) else lambda: actor)
    try:
        yield
    finally:
        # Set back by value: a token is good in one context alone, and a request may pass through several.
        _acting.set(before)
