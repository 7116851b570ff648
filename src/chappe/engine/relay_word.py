"""On marketing: what mid told of messages that were handed over to it, for the recorder to act on.

Pages are heeded in their order, each once; what comes out of order is left to be asked for. Read again, they tell of states
only, which go forward and so can be told as often as one likes.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from chappe.engine.arrival import Wished
from chappe.engine.store import relay_catalogue as catalogue
from chappe.engine.store.frame import InboundPiece, Received
from chappe.engine.store.store import Store
from chappe.gsm import Encoding
from chappe.messaging import DeliveryState, OptIn, OptOut, Pages, ReceiptKind, StateTold, TextTold, Told, WishTold

WAITING = DeliveryState.WAITING
Found = tuple[int, int, int]
"""A segment's id, its delivery's, and its state as it is believed to be."""
Find = Callable[[int, Sequence[str]], dict[str, Found]]
"""Segments of a connection by the provider's ids."""


@dataclass
class Word:
    """What some pages come to: `sent` as `frame.Record` has it, with the segments of before; receipts; other states, with their
    segments; what people said. `rest` is of messages that nobody knows yet."""

    sent: list[tuple[int, int, int]] = field(default_factory=list)
    segments: list[tuple[int, int, str, int, int]] = field(default_factory=list)
    taken: dict[str, tuple[int, int]] = field(default_factory=dict)
    receipts: list[Received] = field(default_factory=list)
    states: list[tuple[StateTold, int]] = field(default_factory=list)
    spoken: list[InboundPiece | Wished] = field(default_factory=list)
    rest: Told = field(default_factory=Told)


class Reader:
    """One per recorder."""

    def __init__(self, store: Store) -> None:
        self._database = store.database

    def due(self, connection_id: int, pages: Pages, now_ms: int) -> tuple[Sequence[Told], bool]:
        """Those of these pages that come next, in the caller's transaction; and whether some before them are missing."""
        clock_ms = pages.now_ms - now_ms
        ((heeded,),) = self._database.query(catalogue.RELAY_PAGE_NOW, (connection_id, 0, clock_ms, 0, now_ms))
        if pages.first > heeded + 1:
            return (), True
        if pages.last > heeded:
            self._database.query(catalogue.RELAY_PAGE_HEEDED, (pages.last, connection_id))
        return pages.told[heeded + 1 - pages.first :], False

    def read(self, connection_id: int, told: Iterable[Told], clock_ms: int, find: Find) -> Word:
        """What they come to; times are moved to our clock."""
        word = Word()
        for one in told:
            known = find(connection_id, _ids_of(one))
            _read_sent(word, connection_id, one, clock_ms, known)
            _read_delivered(word, connection_id, one, clock_ms, known)
            _read_states(word, connection_id, one, clock_ms, known)
            word.spoken += [_text(connection_id, text, clock_ms) for text in one.texts]
            word.spoken += [_wish(connection_id, wish) for wish in one.wishes]
        return word


def _ids_of(told: Told) -> list[str]:
    ids = [str(row[0]) for row in told.sent]
    ids += [str(row[0]) for row in told.delivered]
    ids += [str(state.message_id) for state in told.states]
    return list(dict.fromkeys(ids))


def _read_sent(word: Word, connection_id: int, told: Told, clock_ms: int, known: dict[str, Found]) -> None:
    for message_id, at_ms in told.sent:
        theirs = str(message_id)
        found = known.get(theirs)
        if found is None:
            word.rest.sent.append((message_id, at_ms))
        elif found[2] == WAITING and theirs not in word.taken:
            word.sent.append((found[0] >> 8, found[1], at_ms - clock_ms))
            word.segments.append((found[0], connection_id, theirs, at_ms - clock_ms, found[1]))
            word.taken[theirs] = found[:2]


def _read_delivered(word: Word, connection_id: int, told: Told, clock_ms: int, known: dict[str, Found]) -> None:
    kind = ReceiptKind.SUCCESS.value
    for message_id, at_ms, status, code in told.delivered:
        theirs = str(message_id)
        if theirs in known:
            word.receipts.append(Received(0, connection_id, theirs, kind, status, code, at_ms - clock_ms))
        else:
            word.rest.delivered.append((message_id, at_ms, status, code))


def _read_states(word: Word, connection_id: int, told: Told, clock_ms: int, known: dict[str, Found]) -> None:
    for state in told.states:
        theirs, at_ms = str(state.message_id), state.at_ms - clock_ms
        found = known.get(theirs)
        if found is None:
            word.rest.states.append(state)
        elif state.state == DeliveryState.READ:
            kind = ReceiptKind.READ.value
            word.receipts.append(Received(0, connection_id, theirs, kind, state.status, state.code, at_ms))
        else:
            word.states.append((msgspec.structs.replace(state, at_ms=at_ms), found[0]))


def _text(connection_id: int, text: TextTold, clock_ms: int) -> InboundPiece:
    return InboundPiece(
        0,
        connection_id,
        text.sender,
        text.recipient,
        Encoding.UCS2.value,
        text.body.encode("utf-16-be", "surrogatepass"),
        0,
        1,
        1,
        text.at_ms - clock_ms,
        provider_message_id=f"mid {text.inbound_id}",
        is_answered=True,
    )


def _wish(connection_id: int, wish: WishTold) -> Wished:
    kind = OptIn if wish.is_given else OptOut
    return Wished(connection_id, kind(wish.address, wish.evidence, wish.sender))
