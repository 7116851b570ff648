"""What belongs to one system_id: its links, and the receipts and texts that wait for one of them to take them."""

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from .link import Link


class Parcel(NamedTuple):
    """A deliver_sm that is a text from a phone, or that was sent before."""

    body: bytes
    is_text: bool
    tries: int


Item: TypeAlias = bytes | Parcel
"""A deliver_sm: the body alone for a receipt that goes out for the first time, which is most of them."""


def unwrap(item: Item) -> bytes:
    """The body."""
    return item if type(item) is bytes else item.body  # type: ignore[union-attr]


class Account:
    """Receipts of a message go to any link of the same system_id that receives, in turn; without one they wait."""

    def __init__(self, system_id: str) -> None:
        self.system_id = system_id
        self.links: list[Link] = []
        self.receivers: list[Link] = []
        self.waiting: deque[Item] = deque()
        self._turn = 0

    def put(self, items: list[Item]) -> None:
        """Send these as soon as the receipt windows allow."""
        if not self.waiting and len(self.receivers) == 1 and self.receivers[0].room >= len(items):
            self.receivers[0].deliver(items)
            return
        self.waiting.extend(items)
        self.pump()

    def put_back(self, items: Iterable[Item]) -> None:
        """What a lost link left behind goes first."""
        self.waiting.extendleft(items)
        self.pump()

    def pump(self) -> None:
        """Send what waits, in even shares over the links that have room."""
        waiting = self.waiting
        while waiting:
            free = [link for link in self.receivers if link.room]
            if not free:
                return
            share = -(-len(waiting) // len(free))
            self._turn += 1
            for place in range(len(free)):
                link = free[(place + self._turn) % len(free)]
                count = min(share, link.room, len(waiting))
                if count:
                    link.deliver([waiting.popleft() for _ in range(count)])
