"""States of a message and the order they may follow; drawn in docs/explanation/state-machine.md."""

from enum import IntEnum, StrEnum


class Channel(StrEnum):
    SMS = "sms"
    RCS = "rcs"
    EMAIL = "email"


class Category(IntEnum):
    """Why a message is sent: marketing needs consent, transactional does not, a reply answers what a person just wrote.

    A reply goes out even to a number that this very text put in quarantine: it says so.
    """

    MARKETING = 0
    TRANSACTIONAL = 1
    REPLY = 2


class DeliveryState(IntEnum):
    """Where a message is. The numbers are stored and only ever grow along a message's life.

    WAITING says why in the message's `reason`. UNCONFIRMED: it may have been taken by the provider, nobody answered,
    and the connection's policy forbids sending again; a receipt can settle it where a segment of it was answered. READ: the
    person has seen it; only channels and providers that tell know it.
    """

    WAITING = 10
    UNCONFIRMED = 20
    SENT = 30
    DELIVERED = 40
    READ = 45
    FAILED = 50
    EXPIRED = 60
    EXCLUDED = 70
    CANCELLED = 80


ENDS = frozenset(
    {
        DeliveryState.DELIVERED,
        DeliveryState.READ,
        DeliveryState.FAILED,
        DeliveryState.EXPIRED,
        DeliveryState.EXCLUDED,
        DeliveryState.CANCELLED,
    }
)


def may_become(state: DeliveryState, new: DeliveryState) -> bool:
    """Whether `new` may follow `state` within one attempt: forward only, and an end is an end, but that what was delivered
    may be read."""
    if state is DeliveryState.DELIVERED:
        return new is DeliveryState.READ
    return state not in ENDS and new > state


class ErrorKind(StrEnum):
    """What an error means for the number: hard quarantines it, soft is retried and counted, ignored is only retried."""

    HARD = "hard"
    SOFT = "soft"
    IGNORED = "ignored"
