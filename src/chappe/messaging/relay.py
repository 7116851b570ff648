"""What one Chappe tells another of the messages that it sends for it: see docs/explanation/mid-sourcing.md."""

import re

import msgspec

LONGEST_LINK_BASE = 100
_LINK_BASE = re.compile(r"https?://[!-~]+", re.IGNORECASE)


class StateTold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A state that a message went to otherwise than by being sent and delivered. `state` is a `DeliveryState`, `reason` mid's;
    `status` and `code` are the provider's words."""

    message_id: int
    state: int
    at_ms: int
    reason: str = ""
    status: str = ""
    code: str = ""


class TextTold(msgspec.Struct, frozen=True, array_like=True):
    """A text from a phone, whole; `inbound_id` is mid's number of it."""

    inbound_id: int
    sender: str
    recipient: str
    body: str
    at_ms: int
    is_answered: bool = False


class WishTold(msgspec.Struct, frozen=True, array_like=True):
    """A person's yes or no, said to mid. `sender`: the one of mid's that the person wrote to."""

    address: str
    is_given: bool
    evidence: str
    at_ms: int
    sender: str = ""


class ClickTold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How often an address of a message was opened in all, by people and by programs; `place` is its place in the text. Told
    again with each click: the larger numbers hold."""

    message_id: int
    place: int
    url: str
    clicks: int
    machine_clicks: int
    first_ms: int
    last_ms: int


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What happened to one account in one commit. Messages go by mid's numbers; times are of mid's clock.

    `sent`: (message, sent ms). `delivered`: (message, done ms, status, code).
    """

    sent: list[tuple[int, int]] = []
    delivered: list[tuple[int, int, str, str]] = []
    states: list[StateTold] = []
    texts: list[TextTold] = []
    wishes: list[WishTold] = []
    clicks: list[ClickTold] = []

    @property
    def size(self) -> int:
        """How much it tells."""
        happened = len(self.sent) + len(self.delivered) + len(self.states)
        return happened + len(self.texts) + len(self.wishes) + len(self.clicks)


class Pages(msgspec.Struct, frozen=True):
    """Pages `first` to `last` of an account, with no page missing between, as they are told at `now_ms` of mid's clock.

    `number` is the number of the push that brought them, which grows with each; 0: they were asked for.
    """

    first: int
    last: int
    now_ms: int
    told: tuple[Told, ...]
    number: int = 0


read_pages = msgspec.json.Decoder(Pages).decode
"""Raises msgspec.DecodeError."""


def read_link_base(value: object) -> str | None:
    """What mid's short links begin with, as it says when it is signed in to; "" where it has no address for them. None where it
    says nothing of them, as older versions do, or nothing that links can begin with."""
    if not isinstance(value, str) or len(value) > LONGEST_LINK_BASE:
        return None
    return value if not value or _LINK_BASE.fullmatch(value) else None
