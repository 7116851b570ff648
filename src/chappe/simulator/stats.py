"""What is shown of the counts: the answer to `GET /stats`, and what tests compare with."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

import msgspec

from .tally import Tally, by_name

if TYPE_CHECKING:
    from .link import Link


class LinkStats(msgspec.Struct, frozen=True):
    """One link; `most_in_a_second` is exact for the times of arrival."""

    number: int
    system_id: str
    kind: str
    peer: str
    is_open: bool
    messages: int
    pending: int
    most_in_a_second: int

    @classmethod
    def of(cls, link: "Link") -> Self:
        return cls(
            link.number,
            link.account.system_id if link.account else "",
            link.kind.name.lower() if link.kind else "",
            link.peer,
            link.is_open,
            link.messages,
            link.pending,
            link.rate.most,
        )


class Deliveries(msgspec.Struct, frozen=True):
    """deliver_sm of both kinds and what became of them; `held` are those not due yet or without a link to take them."""

    held: int
    refused: dict[str, int]
    unanswered: int
    sent_again: int
    given_up: int


class Stats(msgspec.Struct, frozen=True):
    """All counts. `messages` came in, `accepted` were taken, of which `unique` for the first time and `duplicates`
    again; a time is None before the first message."""

    messages: int
    accepted: int
    unique: int
    duplicates: int
    without_identity: int
    segments: int
    refused: dict[str, int]
    unanswered: int
    most_in_a_second: int
    first: datetime | None
    last: datetime | None
    receipts_sent: int
    receipts_early: int
    receipts_acknowledged: int
    texts_sent: int
    texts_acknowledged: int
    deliveries: Deliveries
    links_opened: int
    links_dropped: int
    binds_accepted: int
    binds_refused: dict[str, int]
    malformed: int
    garbage_sent: int
    links: list[LinkStats]

    @classmethod
    def of(cls, tally: Tally, links: Sequence[LinkStats], held: int) -> Self:
        deliveries = Deliveries(
            held,
            by_name(tally.deliveries_refused),
            tally.deliveries_unanswered,
            tally.deliveries_sent_again,
            tally.deliveries_given_up,
        )
        return cls(
            messages=tally.arrived,
            accepted=tally.accepted,
            unique=tally.unique,
            duplicates=tally.duplicates,
            without_identity=tally.without_identity,
            segments=tally.segments,
            refused=by_name(tally.refused),
            unanswered=tally.unanswered,
            most_in_a_second=tally.rate.most,
            first=_time(tally.first),
            last=_time(tally.last),
            receipts_sent=tally.receipts_sent,
            receipts_early=tally.receipts_early,
            receipts_acknowledged=tally.receipts_acknowledged,
            texts_sent=tally.texts_sent,
            texts_acknowledged=tally.texts_acknowledged,
            deliveries=deliveries,
            links_opened=tally.links_opened,
            links_dropped=tally.links_dropped,
            binds_accepted=tally.binds_accepted,
            binds_refused=by_name(tally.binds_refused),
            malformed=tally.malformed,
            garbage_sent=tally.garbage_sent,
            links=list(links),
        )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
