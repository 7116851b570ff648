"""What providers told our hooks, waiting in the table `hook_event` until an engine acts on it.

The web process has answered each call after the commit of its rows; here they are taken out in the transaction that carries
them out. A receipt whose id nobody knows yet stays, and is looked at again until it is given up.
"""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field

import structlog

from chappe.engine.store import catalogue
from chappe.engine.store.frame import InboundPiece, Received
from chappe.engine.store.hook_event import LARGE, HeldInbound, HeldRest, read
from chappe.engine.store.statement import Row
from chappe.engine.store.store import Store
from chappe.gsm import Encoding
from chappe.messaging import InboundMessage, OptIn, OptOut, Pages, Receipt

log = structlog.get_logger("chappe.arrival")

MOST = 1_000
"""Events carried out in one transaction."""
MOST_LINES = 20_000
"""What pages of another Chappe tell, likewise: each may tell of thousands of messages."""
FIRST = 20
"""Events looked at first: of pages no more are read into memory at once."""
GAP_MS = 10_000
"""How long pages wait for those before them, which another engine may be about to commit."""
SOON_MS, LATER_MS, YOUNG_MS = 200, 1_000, 2_000
"""A receipt that came early is looked at again soon while it is young, then every second."""


@dataclass(frozen=True)
class Wished:
    """A person's yes or no, as a provider told it. `at_ms`: when it was said, where that is known; 0: just now."""

    connection_id: int
    wish: OptOut | OptIn
    at_ms: int = 0

    @property
    def provider_message_id(self) -> str:
        return self.wish.provider_message_id


@dataclass
class Told:
    """Events taken for this transaction. Tokens of receipts and texts are the rows' ids, made negative: no link's are."""

    ids: list[int] = field(default_factory=list)
    receipts: list[Received] = field(default_factory=list)
    spoken: list[InboundPiece | Wished] = field(default_factory=list)
    """What people said, in the order it came."""
    pages: list[tuple[int, int, Pages, int]] = field(default_factory=list)
    """Of connections with another Chappe: the event's id, the connection, and when they came."""
    rests: list[tuple[int, HeldRest, int]] = field(default_factory=list)
    """What was left of such pages, with the time when they came."""
    early: list[int] = field(default_factory=list)
    """Pages whose predecessors are not there yet."""
    is_cut: bool = False
    """There is more, which would have been too much."""


class Arrivals:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._database = store.database
        self._tried: Row = ()

    def are_due(self, now_ms: int, connections: Sequence[int]) -> bool:
        """Whether anything is to be done: a look that writes nothing."""
        return bool(self._database.query(catalogue.HOOK_EVENTS_ARE_DUE, (now_ms, connections)))

    def take(self, now_ms: int, connections: Sequence[int], most: int) -> Told:
        """The events that are due longest, of connections that this engine knows; nobody else has them meanwhile."""
        told, self._tried, lines = Told(), (), 0
        for row in self._due(now_ms, connections, most):
            if lines >= MOST_LINES:
                told.is_cut = True
                break
            event_id, connection_id, kind, data, received_ms = self._tried = row
            told.ids.append(event_id)
            match read(kind, bytes(data)):
                case Receipt() as receipt:
                    told.receipts.append(_received(event_id, connection_id, receipt, received_ms))
                case HeldInbound() as held:
                    told.spoken.append(_piece(event_id, connection_id, held, received_ms))
                case Pages() as pages:
                    told.pages.append((event_id, connection_id, pages, received_ms))
                    lines += sum(page.size for page in pages.told)
                case HeldRest() as rest:
                    told.rests.append((connection_id, rest, received_ms))
                    lines += rest.told.size
                case (OptOut() | OptIn()) as wish:
                    told.spoken.append(Wished(connection_id, wish))
        told.spoken = self.unrepeated(told.spoken)
        return told

    def _due(self, now_ms: int, connections: Sequence[int], most: int) -> list[Row]:
        found = self._database.query(catalogue.DUE_HOOK_EVENTS, (now_ms, connections, min(most, FIRST)))
        if len(found) < FIRST or most <= FIRST or any(row[2] in LARGE for row in found):
            return found
        return self._database.query(catalogue.DUE_HOOK_EVENTS, (now_ms, connections, most))

    def unrepeated(self, spoken: Sequence[InboundPiece | Wished]) -> list[InboundPiece | Wished]:
        """Without texts that we have, and the wishes that came with them: providers repeat a call whose answer they did not
        get, and a START that is told again must not undo the STOP after it."""
        asked: dict[int, set[str]] = {}
        for one in spoken:
            if one.provider_message_id:
                asked.setdefault(one.connection_id, set()).add(one.provider_message_id)
        seen = {
            (connection_id, theirs)
            for connection_id, ids in asked.items()
            for (theirs,) in self._database.query(catalogue.INBOUND_SEEN, (connection_id, sorted(ids)))
        }
        return list(_without(spoken, seen))

    def settle(self, told: Told, kept: Sequence[Received], now_ms: int) -> None:
        """Delete the events that were carried out; those `kept` are looked at again."""
        waiting = {-receipt.token: receipt for receipt in kept}
        stays = {*waiting, *told.early}
        self._database.run(catalogue.DELETE_HOOK_EVENTS, [(one,) for one in told.ids if one not in stays])
        rows = [(now_ms + SOON_MS, event_id) for event_id in told.early]
        rows += [
            (now_ms + (SOON_MS if now_ms - receipt.at_ms < YOUNG_MS else LATER_MS), event_id)
            for event_id, receipt in waiting.items()
        ]
        self._database.run(catalogue.PUT_OFF_HOOK_EVENTS, rows)

    def refuse(self) -> bool:
        """Delete the event that was taken last, which cannot be carried out whatever is tried; False where none was.

        Not the first that is due: that may be another by now, where two engines met the same one.
        """
        if not self._tried:
            return False
        event_id, connection_id, kind, _, _ = self._tried
        self._database.run(catalogue.DELETE_HOOK_EVENTS, [(event_id,)])
        log.error("hook_event.refused", number=event_id, connection=connection_id, kind=kind)
        return True


def _without(spoken: Iterable[InboundPiece | Wished], seen: Set[tuple[int, str]]) -> Iterator[InboundPiece | Wished]:
    """What is not among `seen`, each text and each wish once."""
    new: set[tuple[int, str, str]] = set()
    for one in spoken:
        theirs = (one.connection_id, one.provider_message_id)
        key = (*theirs, f"{type(one.wish).__name__} {one.wish.address}" if isinstance(one, Wished) else "")
        if theirs in seen or key in new:
            continue
        if one.provider_message_id:
            new.add(key)
        yield one


def _received(event_id: int, connection_id: int, receipt: Receipt, at_ms: int) -> Received:
    kind = receipt.error_kind.value if receipt.error_kind else ""
    head = (-event_id, connection_id, receipt.provider_message_id, receipt.kind.value)
    return Received(*head, receipt.status, receipt.code, at_ms, kind)


def _piece(event_id: int, connection_id: int, held: HeldInbound, at_ms: int) -> InboundPiece:
    message: InboundMessage = held.message
    return InboundPiece(
        -event_id,
        connection_id,
        message.sender,
        message.recipient,
        Encoding.UCS2.value,
        message.body.encode("utf-16-be", "surrogatepass"),
        message.reference,
        message.total,
        message.position,
        at_ms,
        linked_sms=message.linked_sms,
        provider_message_id=message.provider_message_id,
        keywords=held.keywords,
        is_answered=message.is_answered,
    )
