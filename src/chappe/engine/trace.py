"""What crosses one connection's links, PDU by PDU: in the log with secrets and texts masked, and kept for who traces it.

Nothing here runs for a link that nobody traces. What is kept goes to the store process beside the records, never with
them: it may be left out, and nothing waits for it.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from chappe.engine.store.client import StoreClient
from chappe.engine.store.frame import Traced
from chappe.engine.store.statement import Row
from chappe.messaging import StoreError
from chappe.rules.trace import EXCHANGES_PER_S, REQUESTS_PER_S, Sample, number_key
from chappe.smpp.address import addresses
from chappe.smpp.constants import RESPONSE, CommandId
from chappe.smpp.mask import without_password
from chappe.smpp.pdu import HEADER, HEADER_LENGTH
from chappe.smpp.trace import trace

log = structlog.get_logger("chappe.trace")

LONGEST = 1 << 20
FLUSH_S = 0.25
MOST_HELD = 2_000
"""Entries that wait to be flushed, all traces of a connection together."""
MOST_AWAITED = 20_000
"""Requests whose answers are still to be kept; more than a window holds."""

Sink = Callable[[str, bytes], None]
"""Takes a direction, `in` or `out`, and one whole PDU."""


class Trace:
    """Cuts what one link reads and writes into PDUs. Each link has one of its own: what two of them read would mix."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)
        self._held = {"in": b"", "out": b""}

    def octets(self, direction: str, data: bytes) -> None:
        data = self._held[direction] + data
        start = 0
        while len(data) - start >= HEADER_LENGTH:
            length = int.from_bytes(data[start : start + 4], "big")
            if not HEADER_LENGTH <= length <= LONGEST:
                start = len(data)  # not a stream of PDUs any more; the session closes it
                break
            if len(data) - start < length:
                break
            for sink in self._sinks:
                sink(direction, data[start : start + length])
            start += length
        self._held[direction] = data[start:]


def logger(connection_id: int) -> Sink:
    """A line in the log for each PDU."""

    def write(direction: str, pdu: bytes) -> None:
        log.info("pdu", connection=connection_id, direction=direction, pdu=trace(pdu))

    return write


@dataclass(frozen=True)
class TraceOrder:
    """That a connection is to be traced, as its row says: `number` is a `number_key`, "" for everybody's."""

    id: int
    number: str
    left: int
    until_ms: int


Numbers = tuple[str, str]
"""Sender and recipient, as `number_key` has them."""


@dataclass
class _Order:
    """One order while it is carried out. `awaited`: by link, direction and sequence number, whose answers are kept."""

    order: TraceOrder
    sample: Sample
    left: int
    awaited: dict[tuple[int, str, int], Numbers] = field(default_factory=dict)

    def may_mean(self, pdu: bytes) -> bool:
        """A quick look, which spares reading most PDUs that concern others: the digits of a key stand in a number."""
        number = self.order.number
        return not number.isdigit() or number.encode() in pdu

    def is_over(self, now_ms: int) -> bool:
        return self.left <= 0 or now_ms >= self.order.until_ms

    def awaits(self, key: tuple[int, str, int], numbers: Numbers) -> None:
        self.awaited[key] = numbers
        if len(self.awaited) > MOST_AWAITED:
            del self.awaited[next(iter(self.awaited))]


class Recording:
    """Keeps what crosses one connection for all who trace it now."""

    def __init__(self, client: StoreClient, per_s: int) -> None:
        self._client = client
        self._per_s = per_s
        self._orders: dict[int, _Order] = {}
        self._rows: list[Row] = []
        self._timer: asyncio.TimerHandle | None = None

    def set(self, orders: Sequence[TraceOrder]) -> None:
        """What is wanted now. Called every second; what goes on goes on as it was."""
        if self._orders.keys() - {order.id for order in orders}:
            self._flush()  # with what is to be said of those that end
        known, self._orders = self._orders, {}
        for order in orders:
            self._orders[order.id] = known.get(order.id) or _Order(order, Sample(self._per_s), order.left)

    def link(self, slot: int, role: str, link: int) -> Sink:
        """For a `Trace` of one link; `link` is another number for each TCP connection."""

        def keep(direction: str, pdu: bytes) -> None:
            self._pdu(slot, role, link, direction, pdu)

        return keep

    def wants(self, numbers: Numbers) -> list[int]:
        """The orders that an exchange with these numbers is to be kept for: one more is on its way for each of them."""
        now, now_ms = time.monotonic(), int(time.time() * 1000)
        wanted = []
        for order_id, order in self._orders.items():
            is_meant = not order.order.number or order.order.number in numbers
            if is_meant and not order.is_over(now_ms) and order.sample.takes(now):
                order.left -= 1
                wanted.append(order_id)
        self._flush_soon()
        return wanted

    def exchange(self, orders: Sequence[int], at_ms: int, numbers: Numbers, content: bytes) -> None:
        for order_id in orders:
            self._rows.append((order_id, at_ms, "out", "exchange", 0, "http", 0, *numbers, content))

    def close(self) -> None:
        """What is held goes out."""
        self._flush()

    # -- within ------------------------------------------------------------------------------------------------------

    def _pdu(self, slot: int, role: str, link: int, direction: str, pdu: bytes) -> None:
        _, command_id, _, number = HEADER.unpack_from(pdu)
        now, now_ms = time.monotonic(), int(time.time() * 1000)
        kept, numbers = b"", None
        for order_id, order in self._orders.items():
            if order.is_over(now_ms):
                continue
            if command_id & RESPONSE:
                asked = order.awaited.pop((link, "in" if direction == "out" else "out", number), None)
                if asked is None and (command_id != CommandId.GENERIC_NACK or order.order.number):
                    continue
                numbers = asked or ("", "")
            else:
                if order.order.number:
                    if not order.may_mean(pdu):
                        continue
                    numbers = numbers or _numbers(pdu)
                    if order.order.number not in numbers:
                        continue
                if not order.sample.takes(now):
                    continue
                numbers = numbers or _numbers(pdu)
                order.awaits((link, direction, number), numbers)
            if len(self._rows) >= MOST_HELD:
                order.sample.left_out += 1
                continue
            order.left -= 1
            kept = kept or without_password(pdu)
            self._rows.append((order_id, now_ms, direction, "pdu", slot, role, link, *numbers, kept))
        self._flush_soon()

    def _flush_soon(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        rows, self._rows = self._rows, []
        if self._client.is_behind:
            for row in rows:
                if row[0] in self._orders:
                    self._orders[row[0]].sample.left_out += 1
            return
        left_out = [(order_id, count) for order_id, one in self._orders.items() if (count := one.sample.counted())]
        if rows or left_out:
            with contextlib.suppress(StoreError):  # the engine ends; there is nobody to keep it
                self._client.send(Traced(self._client.number(), rows, left_out))


def _numbers(pdu: bytes) -> Numbers:
    source, destination = addresses(pdu)
    return number_key(source.decode("latin-1")), number_key(destination.decode("latin-1"))


__all__ = ["EXCHANGES_PER_S", "REQUESTS_PER_S", "Recording", "Sink", "Trace", "TraceOrder", "logger"]
