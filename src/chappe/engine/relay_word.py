"""On marketing: what mid told of messages that were handed over to it, for the recorder to act on.

Pages are heeded in their order, each once; what comes out of order is left to be asked for. Read again, they tell of states
only, which go forward and so can be told as often as one likes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from chappe.engine.arrival import Wished
from chappe.engine.store import relay_catalogue as catalogue
from chappe.engine.store.click import Clicked
from chappe.engine.store.frame import InboundPiece, Received
from chappe.engine.store.hook_event import LONGEST_ADDRESS
from chappe.engine.store.store import Store
from chappe.gsm import Encoding
from chappe.messaging import (
    ClickTold,
    DeliveryState,
    OptIn,
    OptOut,
    Pages,
    ReceiptKind,
    StateTold,
    TextTold,
    Told,
    WishTold,
)
from chappe.rules.link import LONGEST_SHOWN, MOST_LINKS

MOST_KNOWN = 500_000
"""Messages with mid that are remembered, all accounts together; the others are looked up."""
MOST_CLICKS = (1 << 31) - 1
WAITING, SENT, DELIVERED = DeliveryState.WAITING, DeliveryState.SENT, DeliveryState.DELIVERED
_STATES = frozenset(int(state) for state in DeliveryState)
_SUCCESS, _READ = ReceiptKind.SUCCESS.value, ReceiptKind.READ.value
Place = tuple[int, int]
"""A segment's id and its delivery's."""
Handed = dict[int, Place]
"""By mid's number."""
LookUp = Callable[[int, set[int]], Mapping[int, tuple[int, int, int]]]
"""Segments by mid's numbers, with the state they are in."""


@dataclass
class Word:
    """What some pages come to: `sent` as `frame.Record` has it, with its `segments`; `delivered` with their places, believed to
    be sent by then; `receipts` of which less is believed; other states, with their segments; what people said, and opened.
    `rest` is of messages that nobody knows yet."""

    sent: list[tuple[int, int, int]] = field(default_factory=list)
    segments: list[tuple[int, int, str, int, int]] = field(default_factory=list)
    delivered: list[tuple[Received, Place]] = field(default_factory=list)
    receipts: list[Received] = field(default_factory=list)
    states: list[tuple[StateTold, int]] = field(default_factory=list)
    spoken: list[InboundPiece | Wished] = field(default_factory=list)
    clicks: list[Clicked] = field(default_factory=list)
    rest: Told = field(default_factory=Told)


class Known:
    """The messages that wait with mid or were sent there, by account: what was handed over last."""

    def __init__(self) -> None:
        self._by_connection: dict[int, Handed] = {}

    def of(self, connection_id: int) -> Handed:
        return self._by_connection.setdefault(connection_id, {})

    def add(self, handed: Mapping[int, Handed]) -> None:
        for connection_id, places in handed.items():
            self.of(connection_id).update(places)
        while (excess := sum(map(len, self._by_connection.values())) - MOST_KNOWN) > 0:
            largest = max(self._by_connection.values(), key=len)
            for number in [number for number, _ in zip(largest, range(excess), strict=False)]:
                del largest[number]

    def drop(self, done: Iterable[tuple[int, int]]) -> None:
        for connection_id, number in done:
            self.of(connection_id).pop(number, None)


class Reader:
    """One per recorder."""

    def __init__(self, store: Store) -> None:
        self._database = store.database
        self.known = Known()

    def due(self, connection_id: int, pages: Pages, now_ms: int) -> tuple[Sequence[Told], bool]:
        """Those of these pages that come next, in the caller's transaction; and whether some before them are missing."""
        clock_ms = pages.now_ms - now_ms
        values = (connection_id, 0, clock_ms, 0, now_ms)
        ((heeded,),) = self._database.query(catalogue.RELAY_PAGE_NOW, values)
        if pages.first > heeded + 1 and pages.number:
            return (), True  # a push; of what was asked for, what is not there is there no more
        if pages.last > heeded:
            self._database.query(catalogue.RELAY_PAGE_HEEDED, (pages.last, connection_id))
        return pages.told[max(0, heeded + 1 - pages.first) :], False

    def read(
        self,
        connection_id: int,
        pages: Iterable[Told],
        clock_ms: int,
        look_up: LookUp,
        *,
        is_again: bool = False,
    ) -> Word:
        """What they come to; times are moved to our clock. `is_again`: they were told before, so memory is no help."""
        word, told = Word(), _joined(pages)
        known: Handed = {} if is_again else self.known.of(connection_id)
        _read_sent(word, connection_id, told, clock_ms, known)
        _read_delivered(word, connection_id, told, clock_ms, known)
        _read_states(word, connection_id, told, clock_ms, known)
        _read_clicks(word, told, clock_ms, known)
        if word.rest.size:
            _look_up_rest(word, connection_id, clock_ms, look_up)
        word.spoken += [_text(connection_id, text, clock_ms) for text in told.texts]
        word.spoken += [_wish(connection_id, wish, clock_ms) for wish in told.wishes]
        return word


def _joined(pages: Iterable[Told]) -> Told:
    """Pages as one: of all that happened to a message the order stays."""
    first, *others = pages
    for told in others:
        first.sent.extend(told.sent)
        first.delivered.extend(told.delivered)
        first.states.extend(told.states)
        first.texts.extend(told.texts)
        first.wishes.extend(told.wishes)
        first.clicks.extend(told.clicks)
    return first


def _read_sent(word: Word, connection_id: int, told: Told, clock_ms: int, known: Handed) -> None:
    sent, segments, rest = word.sent, word.segments, word.rest.sent
    for row in told.sent:
        number, at_ms = row
        place = known.get(number)
        if place is None:
            rest.append(row)
            continue
        segment_id, delivery_id = place
        sent.append((segment_id >> 8, delivery_id, at_ms - clock_ms))
        segments.append((segment_id, connection_id, "", at_ms - clock_ms, delivery_id))


def _read_delivered(word: Word, connection_id: int, told: Told, clock_ms: int, known: Handed) -> None:
    delivered, rest = word.delivered, word.rest.delivered
    for row in told.delivered:
        number, at_ms, status, code = row
        place = known.get(number)
        if place is None:
            rest.append(row)
        else:
            words = _kept(status, 40), _kept(code, 40)
            receipt = Received(0, connection_id, str(number), _SUCCESS, *words, at_ms - clock_ms)
            delivered.append((receipt, place))


def _read_states(word: Word, connection_id: int, told: Told, clock_ms: int, known: Handed) -> None:
    for state in told.states:
        place = known.get(state.message_id)
        if place is None:
            word.rest.states.append(state)
        else:
            _add_state(word, connection_id, state, clock_ms, place[0])


def _add_state(word: Word, connection_id: int, state: StateTold, clock_ms: int, segment_id: int) -> None:
    at_ms = state.at_ms - clock_ms
    if state.state == DeliveryState.READ:
        head = (0, connection_id, str(state.message_id), _READ)
        word.receipts.append(Received(*head, _kept(state.status, 40), _kept(state.code, 40), at_ms))
    elif state.state in _STATES:  # another version may know more of them
        word.states.append((msgspec.structs.replace(state, at_ms=at_ms, reason=_kept(state.reason, 200)), segment_id))


def _read_clicks(word: Word, told: Told, clock_ms: int, known: Handed) -> None:
    for click in told.clicks:
        place = known.get(click.message_id)
        if place is None:
            word.rest.clicks.append(click)
        else:
            _add_clicks(word, click, clock_ms, place[0])


def _add_clicks(word: Word, click: ClickTold, clock_ms: int, segment_id: int) -> None:
    url = _kept(click.url, LONGEST_SHOWN)
    clicks, machine_clicks = _bounded(click.clicks), _bounded(click.machine_clicks)
    if 0 <= click.place < MOST_LINKS and url.startswith(("http://", "https://")):  # another version may know others
        times = (click.first_ms - clock_ms, click.last_ms - clock_ms)
        word.clicks.append(Clicked(segment_id >> 12, click.place, url, clicks, machine_clicks, *times))


def _bounded(count: int) -> int:
    return max(0, min(count, MOST_CLICKS))


def _look_up_rest(word: Word, connection_id: int, clock_ms: int, look_up: LookUp) -> None:
    """What memory does not know: the store may, and knows how far each message is, too."""
    rest, word.rest = word.rest, Told()
    numbers = {row[0] for row in rest.sent} | {row[0] for row in rest.delivered}
    numbers |= {state.message_id for state in rest.states} | {click.message_id for click in rest.clicks}
    found = look_up(connection_id, numbers)
    sent: set[int] = set()
    for row in rest.sent:
        place = found.get(row[0])
        if place is None:
            word.rest.sent.append(row)
        elif place[2] == WAITING and row[0] not in sent:
            sent.add(row[0])
            word.sent.append((place[0] >> 8, place[1], row[1] - clock_ms))
            word.segments.append((place[0], connection_id, "", row[1] - clock_ms, place[1]))
    for one in rest.delivered:
        number, at_ms, status, code = one
        place = found.get(number)
        if place is None:
            word.rest.delivered.append(one)
            continue
        words = _kept(status, 40), _kept(code, 40)
        receipt = Received(0, connection_id, str(number), _SUCCESS, *words, at_ms - clock_ms)
        if number in sent or place[2] == SENT:
            word.delivered.append((receipt, place[:2]))
        elif place[2] == WAITING:
            word.receipts.append(receipt)
    for state in rest.states:
        place = found.get(state.message_id)
        if place is None:
            word.rest.states.append(state)
        elif place[2] < DELIVERED or (state.state, place[2]) == (DeliveryState.READ, DELIVERED):
            _add_state(word, connection_id, state, clock_ms, place[0])
    for click in rest.clicks:
        place = found.get(click.message_id)
        if place is None:
            word.rest.clicks.append(click)
        else:
            _add_clicks(word, click, clock_ms, place[0])


def _text(connection_id: int, text: TextTold, clock_ms: int) -> InboundPiece:
    return InboundPiece(
        0,
        connection_id,
        _kept(text.sender, LONGEST_ADDRESS),
        _kept(text.recipient, LONGEST_ADDRESS),
        Encoding.UCS2.value,
        text.body.encode("utf-16-be", "surrogatepass"),
        0,
        1,
        1,
        text.at_ms - clock_ms,
        provider_message_id=f"mid {text.inbound_id} {text.at_ms}",
        is_answered=True,
    )


def _wish(connection_id: int, wish: WishTold, clock_ms: int) -> Wished:
    kind = OptIn if wish.is_given else OptOut
    said = kind(_kept(wish.address, LONGEST_ADDRESS), _kept(wish.evidence, 400), _kept(wish.sender, LONGEST_ADDRESS))
    return Wished(connection_id, said, wish.at_ms - clock_ms)


def _kept(text: str, most: int) -> str:
    """As a database keeps it: mid's may be another, and of another version."""
    return (text.replace("\0", "") if "\0" in text else text)[:most]
