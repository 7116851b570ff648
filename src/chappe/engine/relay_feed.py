"""On mid: what happens to the messages of accounts becomes pages, in the recorder's transaction, and pages become pushes.

One row for each account and commit. Where no message of a commit is another Chappe's, that costs a look at the largest number.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from chappe.engine.store import relay_catalogue as catalogue
from chappe.engine.store.click import Clicked, Owner
from chappe.engine.store.relay_catalogue import RELAY_BITS, account_of, relayed
from chappe.engine.store.relay_frame import PagesDue, PagesFound, PagesTold, PagesWanted, RelayAccounts
from chappe.engine.store.store import Store
from chappe.engine.traffic import passed
from chappe.messaging import ClickTold, DeliveryState, StateTold, TextTold, Told, WishTold

if TYPE_CHECKING:
    from chappe.engine.change import MessageNow
    from chappe.engine.store.frame import Received

LEASE_MS = 10_000
"""How long an account is an engine's after its last look, which it takes every second. Two that push the same do no harm, and
nobody who pushes does: a STOP would have to be asked for."""
MOST_PAGES = 500
MOST_TOLD = 10_000
"""What a push tells at most, but for its last page: packed it fits into what a hook takes."""
LINE_OCTETS = 40
"""What is told of a message that was sent or delivered; longer words, and texts, count for more."""
KEPT_MS = 8 * 86_400_000
"""How long pages are kept: the other side may be away for a week. A day of them is read again now and then."""
SWEEP_MS = 60_000
SWEPT = 2_000
SENT, DELIVERED = DeliveryState.SENT, DeliveryState.DELIVERED
_BEYOND = 1 << RELAY_BITS
_delivery = itemgetter(1)
_write = msgspec.json.encode


@dataclass
class Feed:
    """What one transaction tells, by account; `accounts` are the connections through which another Chappe sends."""

    accounts: frozenset[int] = frozenset()
    pages: dict[int, Told] = field(default_factory=lambda: defaultdict(Told))

    def sent(self, sent: Sequence[tuple[int, int, int]]) -> None:
        """Messages that were taken: (id << 4 | attempt, delivery, at ms)."""
        if not sent or max(map(_delivery, sent)) < _BEYOND:
            return
        for turn, delivery_id, at_ms in sent:
            if delivery_id >= _BEYOND:
                self.pages[delivery_id >> RELAY_BITS].sent.append((turn >> 4, at_ms))

    def delivered(self, delivered: "Sequence[tuple[Received, tuple[int, int]]]") -> None:
        """Receipts that simply say so, with their segments: (id, delivery)."""
        for receipt, (segment_id, delivery_id) in delivered:
            if delivery_id >= _BEYOND:
                row = (segment_id >> 12, receipt.at_ms, receipt.status, receipt.code)
                self.pages[delivery_id >> RELAY_BITS].delivered.append(row)

    def changed(self, messages: "Iterable[MessageNow]", now_ms: int) -> None:
        """Messages that the careful way changed."""
        for message in messages:
            account = account_of(message.delivery_id)
            if account and message.was != message.state:
                for state in passed(message.was, message.state):
                    self._state(self.pages[account], message, state, now_ms)

    @staticmethod
    def _state(page: Told, message: "MessageNow", state: DeliveryState, now_ms: int) -> None:
        match state:
            case DeliveryState.WAITING:
                pass
            case DeliveryState.SENT:
                page.sent.append((message.id, message.sent_ms or now_ms))
            case DeliveryState.DELIVERED:
                page.delivered.append((message.id, message.done_ms or now_ms, "", ""))
            case _:
                page.states.append(StateTold(message.id, state, message.done_ms or now_ms, message.reason))

    def clicked(self, clicked: "Iterable[tuple[Clicked, Owner]]") -> None:
        """What was opened of messages that we handed over in our turn."""
        for account, told in told_of(clicked).items():
            self.pages[account].clicks.extend(told.clicks)

    def text(self, connection_id: int, text: TextTold) -> None:
        """A text from a phone that came by a connection."""
        if connection_id in self.accounts:
            self.pages[connection_id].texts.append(text)

    def wish(self, connection_id: int, wish: WishTold) -> None:
        """A person's yes or no that came by a connection."""
        if connection_id in self.accounts:
            self.pages[connection_id].wishes.append(wish)


def told_of(clicked: Iterable[tuple[Clicked, Owner]]) -> dict[int, Told]:
    """What was opened of the messages of accounts, by account."""
    pages: dict[int, Told] = defaultdict(Told)
    for one, owner in clicked:
        if account := account_of(owner.delivery_id):
            counts = (one.clicks, one.machine_clicks, one.first_ms, one.last_ms)
            pages[account].clicks.append(ClickTold(one.message_id, one.place, one.url, *counts))
    return pages


def write_pages(store: Store, pages: Mapping[int, Told], now_ms: int) -> list[int]:
    """Insert what is told, by account, in the caller's transaction and as the last of it: numbers are taken from a row that
    stays locked until the commit, so that they rise in the order of commits. The accounts that are told something."""
    rows = []
    for account, told in sorted(pages.items()):
        if told.size:
            (number,) = store.take_ids(f"relay_page {account}", 1)
            data = _write(told)
            rows.append((relayed(account, number), now_ms, max(told.size, len(data) // LINE_OCTETS), data))
    store.database.run(catalogue.INSERT_RELAY_PAGES, rows)
    return [account_of(row[0]) for row in rows]


class Pages:
    """One per recorder: knows the accounts, writes what a `Feed` gathered, and hands out what is to be pushed."""

    def __init__(self, store: Store, owner: str) -> None:
        self._store = store
        self._database = store.database
        self._owner = owner
        self._accounts: frozenset[int] | None = None
        self._sweep_ms = 0

    def feed(self) -> Feed:
        """For one transaction."""
        if self._accounts is None:
            self.load()
        return Feed(self._accounts or frozenset())

    def load(self) -> RelayAccounts:
        """Those that are called. What happens to the others is written down, too: they may be called again tomorrow."""
        self._accounts = frozenset(row[0] for row in self._database.query(catalogue.RELAY_CONNECTIONS))
        return RelayAccounts(self._database.query(catalogue.RELAY_ACCOUNTS))

    def write(self, feed: Feed, now_ms: int) -> list[PagesDue]:
        """Insert what was gathered, in the caller's transaction."""
        accounts = write_pages(self._store, feed.pages, now_ms)
        return [PagesDue(accounts)] if accounts else []

    def find(self, wanted: PagesWanted, now_ms: int) -> PagesFound:
        """What was not told yet, if it is ours to tell."""
        account = wanted.connection_id
        values = (self._owner, now_ms + LEASE_MS, now_ms, now_ms, account, self._owner, now_ms)
        leased = self._database.query(catalogue.LEASE_RELAY_ACCOUNT, values)
        if not leased:
            return PagesFound(wanted.number, account)
        ((told, push_number),) = leased
        first = told + 1
        span = (relayed(account, first), relayed(account + 1, 0) - 1)
        found: list[bytes] = []
        size = 0
        for page_id, one_size, data in self._database.query(catalogue.RELAY_PAGES, (*span, MOST_PAGES)):
            if found and size + one_size > MOST_TOLD:
                break
            if not found:
                first = page_id - relayed(account, 0)  # those before it may be forgotten
            size += one_size
            found.append(bytes(data))
        return PagesFound(wanted.number, account, push_number, first, found, is_full=size >= MOST_TOLD // 2)

    def told(self, told: PagesTold, now_ms: int) -> None:
        if told.error:
            values: tuple[object, ...] = (told.error[:400], told.connection_id, self._owner)
            self._database.query(catalogue.RELAY_PUSH_FAILED, values)
        else:
            values = (told.last, now_ms, told.connection_id, told.last)
            self._database.query(catalogue.RELAY_PUSHED, values)

    def sweep(self, now_ms: int) -> None:
        """Forget pages past their time."""
        if self._sweep_ms > now_ms or not self._accounts:
            return
        dropped = self._database.query(catalogue.DROP_RELAY_PAGES, (now_ms - KEPT_MS, SWEPT))
        self._sweep_ms = now_ms + (1_000 if len(dropped) == SWEPT else SWEEP_MS)
