"""What becomes of the messages of one read: who is refused, what is answered and when, which receipts follow.

Everything is done to the whole batch. Steps that look at each number are left out where no knob asks for them.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from functools import partial
from itertools import compress, repeat
from typing import TYPE_CHECKING

from chappe.smpp import CommandStatus

from .calendar import STEP_S
from .fate import DELIVERED, Fate, Lot
from .message_id import writer
from .quirks import DropMoment, Quirks, ReceiptsFor, ThrottleWindow, command_status
from .receipt import FIXED, NOTIFICATION, ReceiptWriter
from .submission import UDHI, Batch, read

if TYPE_CHECKING:
    from .account import Account, Item
    from .link import Link
    from .smsc import Simulator

THROTTLED = int(CommandStatus.ESME_RTHROTTLED)
ALWAYS = frozenset({b"\x01"})
ON_FAILURE = 2
MOST_UNLUCKY = 1_000_000


class Intake:
    """Takes messages for one simulator, as one set of quirks says."""

    def __init__(self, smsc: "Simulator", quirks: Quirks) -> None:
        self._smsc = smsc
        self._quirks = quirks
        self._fate = Fate(quirks)
        self._looks_at_numbers = self._fate.refuses or self._fate.delays_answers or self._fate.varies_receipts
        self._jitter = random.Random(quirks.seed)  # noqa: S311 (a delay, not a secret)
        self._receipts = ReceiptWriter(quirks)
        self._window_status = command_status(quirks.window_status)
        receipt_format = quirks.receipt_id_format or quirks.id_format
        receipt_width = quirks.id_width if quirks.receipt_id_width is None else quirks.receipt_id_width
        self._ids = writer(quirks.id_format, quirks.id_width)
        self._receipt_ids = writer(receipt_format, receipt_width)
        self._has_one_form = (receipt_format, receipt_width) == (quirks.id_format, quirks.id_width)
        self._unlucky: dict[tuple[bytes, int], int] = {}

    def take(self, link: "Link", numbers: Sequence[int], bodies: Sequence[bytes]) -> None:
        """Deal with what one read brought."""
        if link.is_leaving:
            return
        now = self._smsc.now()
        count = self._until_milestone(link, len(numbers))
        numbers, bodies = numbers[:count], bodies[:count]
        self._smsc.tally.arrive(now, count)
        link.messages += count
        link.rate.add(now, count)
        if admitted := self._admit(link, numbers, now):
            self._accept(link, numbers[:admitted], bodies[:admitted])
        self._pass_milestones(link, count)

    def _accept(self, link: "Link", numbers: Sequence[int], bodies: Sequence[bytes]) -> None:
        smsc, fate = self._smsc, self._fate
        batch, malformed, statuses = read(numbers, bodies)
        if malformed:
            link.refuse(malformed, statuses)
        lots = list(map(fate.lots, batch.destinations)) if self._looks_at_numbers else []
        if fate.refuses:
            batch, lots = self._refuse_numbers(link, batch, lots)
        if not batch.numbers:
            return
        ids = smsc.take_ids(len(batch.numbers))
        answered = self._ids(ids)
        smsc.tally.take(link.number, batch, answered)
        assert link.account is not None
        self._give_receipts(link.account, batch, answered if self._has_one_form else self._receipt_ids(ids), lots)
        self._answer(link, batch.numbers, answered, batch.destinations, lots)
        if smsc.script.replies:
            smsc.script.react(link.account, batch)

    # Who is let in

    def _admit(self, link: "Link", numbers: Sequence[int], now: float) -> int:
        """How many of the messages, from the first, are not refused for coming too fast."""
        quirks = self._quirks
        admitted = len(numbers)
        if self._is_throttled(now):
            link.refuse(numbers, [THROTTLED] * admitted)
            return 0
        if quirks.window_limit and (over := link.pending + admitted - quirks.window_limit) > 0:
            admitted = max(0, admitted - over)
            link.refuse(numbers[admitted:], [self._window_status] * (len(numbers) - admitted))
        if quirks.rate_limit:
            allowed = max(0, min(admitted, quirks.rate_limit - link.admitted.inside(now)))
            link.refuse(numbers[allowed:admitted], [THROTTLED] * (admitted - allowed))
            link.admitted.add(now, allowed)
            admitted = allowed
        return admitted

    def _is_throttled(self, now: float) -> bool:
        if now < self._smsc.throttled_until:
            return True
        since = now - self._smsc.started
        return any(map(_holds, self._quirks.throttle_windows, repeat(since)))

    def _refuse_numbers(
        self, link: "Link", batch: Batch, lots: list[tuple[int, ...]]
    ) -> tuple[Batch, list[tuple[int, ...]]]:
        fate = self._fate
        statuses = list(map(fate.refusal, batch.destinations, lots))
        for index, lot in enumerate(lots):
            if lot[Lot.THROTTLED] < fate.throttled and self._is_unlucky(batch.destinations[index], Lot.THROTTLED):
                statuses[index] = statuses[index] or THROTTLED
        if not any(statuses):
            return batch, lots
        link.refuse(list(compress(batch.numbers, statuses)), list(filter(None, statuses)))
        good = [not status for status in statuses]
        return batch.only(good), list(compress(lots, good))

    def _is_unlucky(self, destination: bytes, lot: Lot) -> bool:
        """Whether this try still goes wrong."""
        key = destination, int(lot)
        tries = self._unlucky.get(key, 0)
        if tries >= self._quirks.unlucky_tries:
            return False
        if len(self._unlucky) >= MOST_UNLUCKY:
            self._unlucky.clear()
        self._unlucky[key] = tries + 1
        return True

    # Answers

    def _answer(
        self,
        link: "Link",
        numbers: Sequence[int],
        ids: Sequence[bytes],
        destinations: Sequence[bytes],
        lots: list[tuple[int, ...]],
    ) -> None:
        quirks = self._quirks
        latency_s = quirks.latency_ms / 1000
        if quirks.latency_jitter_ms:
            latency_s += self._jitter.random() * quirks.latency_jitter_ms / 1000
        if not self._fate.delays_answers:
            _answer_in(latency_s, link, numbers, ids)
            return
        groups: dict[float, list[int]] = {}
        for index, lot in enumerate(lots):
            more_s = self._more_latency_s(destinations[index], lot)
            if more_s is None:
                self._smsc.tally.unanswered += 1
            else:
                groups.setdefault(latency_s + more_s, []).append(index)
        for delay_s, places in groups.items():
            _answer_in(delay_s, link, [numbers[place] for place in places], [ids[place] for place in places])

    def _more_latency_s(self, destination: bytes, lot: tuple[int, ...]) -> float | None:
        """How much later the answer comes than others; None: never."""
        fate = self._fate
        if lot[Lot.UNANSWERED] < fate.unanswered and self._is_unlucky(destination, Lot.UNANSWERED):
            return None
        if lot[Lot.LATE] < fate.late and self._is_unlucky(destination, Lot.LATE):
            return self._quirks.late_answer_ms / 1000
        return self._quirks.early_by_ms / 1000 if lot[Lot.EARLY] < fate.early else 0.0

    # Receipts

    def _give_receipts(
        self, account: "Account", batch: Batch, ids: Sequence[bytes], lots: list[tuple[int, ...]]
    ) -> None:
        quirks = self._quirks
        if quirks.receipts is ReceiptsFor.NONE:
            return
        asks = quirks.receipts is ReceiptsFor.ASKED and not ALWAYS.issuperset(batch.registered)
        if self._fate.varies_receipts:
            self._give_varied(account, batch, ids, lots, asks=asks)
            return
        if asks:
            wanting = [one[0] & 1 for one in batch.registered]  # all of these are delivered: 2 asks for failures
            batch, ids = batch.only(wanting), list(compress(ids, wanting))
        wall = time.time()
        delay_s = quirks.receipt_delay_ms / 1000
        bodies = self._receipts.bodies(batch.heads, ids, _readable(batch), DELIVERED, wall, wall + delay_s)
        self._smsc.calendar.add(self._smsc.now() + delay_s, account, bodies)

    def _give_varied(
        self, account: "Account", batch: Batch, ids: Sequence[bytes], lots: list[tuple[int, ...]], *, asks: bool
    ) -> None:
        """Receipts whose outcome, time or number differs; those of one outcome and one time are made together."""
        fate, wall = self._fate, time.time()
        groups: dict[tuple[tuple[str, str], int], list[tuple[int, float]]] = {}
        for index, lot in enumerate(lots):
            if lot[Lot.NEVER] < fate.never:
                continue
            outcome = fate.outcome(lot)
            if asks and not _is_asked(batch.registered[index][0], outcome):
                continue
            delay_s = 0.0 if lot[Lot.EARLY] < fate.early else fate.delay_s(lot)
            key = outcome, int((wall + delay_s) // self._receipts.unit_s)
            groups.setdefault(key, []).append((index, delay_s))
        texts = _readable(batch)
        for (outcome, unit), places in groups.items():
            chosen = [index for index, _ in places]
            bodies = self._receipts.bodies(
                [batch.heads[index] for index in chosen],
                [ids[index] for index in chosen],
                [texts[index] for index in chosen],
                outcome,
                wall,
                unit * self._receipts.unit_s,
            )
            self._post(account, bodies, [delay for _, delay in places], [lots[index] for index in chosen])
        if fate.intermediate:
            self._give_intermediate(account, batch, ids, lots)

    def _post(self, account: "Account", bodies: list[bytes], delays: list[float], lots: list[tuple[int, ...]]) -> None:
        """Early ones at once, so that they are written before the answers; others, and copies, when they are due."""
        fate, now = self._fate, self._smsc.now()
        early: list[Item] = []
        due: dict[int, list[Item]] = {}
        copy_s = self._quirks.duplicate_after_ms / 1000
        for body, delay_s, lot in zip(bodies, delays, lots, strict=True):
            if lot[Lot.EARLY] < fate.early:
                early.append(body)
            else:
                due.setdefault(int((now + delay_s) / STEP_S), []).append(body)
            if lot[Lot.DUPLICATE] < fate.duplicate:
                due.setdefault(int((now + delay_s + copy_s) / STEP_S), []).append(body)
        for step, items in due.items():
            self._smsc.calendar.add(step * STEP_S, account, items)
        if early:
            self._smsc.tally.receipts_early += len(early)
            account.put(early)

    def _give_intermediate(
        self, account: "Account", batch: Batch, ids: Sequence[bytes], lots: list[tuple[int, ...]]
    ) -> None:
        chosen = [lot[Lot.INTERMEDIATE] < self._fate.intermediate for lot in lots]
        some, wall = batch.only(chosen), time.time()
        outcome = self._quirks.intermediate_stat, "000"
        kind = FIXED if self._quirks.intermediate_is_receipt else NOTIFICATION
        bodies = self._receipts.bodies(
            some.heads, list(compress(ids, chosen)), _readable(some), outcome, wall, wall, kind
        )
        for body, lot in zip(bodies, compress(lots, chosen), strict=True):
            self._smsc.calendar.add(self._smsc.now() + self._fate.delay_s(lot) / 2, account, [body])

    # Milestones of a link

    def _until_milestone(self, link: "Link", count: int) -> int:
        """How many messages are looked at: none after the one that drops the link."""
        left = self._quirks.drop_after_messages - link.messages
        return left if 0 < left < count and self._smsc.may_drop else count

    def _pass_milestones(self, link: "Link", count: int) -> None:
        quirks = self._quirks
        before = link.messages - count
        if quirks.garbage_every:
            for _ in range(link.messages // quirks.garbage_every - before // quirks.garbage_every):
                link.send_garbage(quirks.garbage)
        if before < quirks.silent_after_messages <= link.messages:
            link.is_silent = True
        if before < quirks.unbind_after_messages <= link.messages:
            link.unbind()
        if before < quirks.drop_after_messages <= link.messages and self._smsc.may_drop:
            self._leave(link)

    def _leave(self, link: "Link") -> None:
        link.is_leaving = True
        self._smsc.count_drop()
        longest_s = (self._quirks.latency_ms + self._quirks.latency_jitter_ms) / 1000
        if self._quirks.drop_moment is DropMoment.BEFORE_ANSWER:
            link.drop(at_once=True)
        elif longest_s:
            asyncio.get_running_loop().call_later(longest_s + STEP_S, partial(link.drop, at_once=False))
        else:
            link.drop(at_once=False)


def _answer_in(delay_s: float, link: "Link", numbers: Sequence[int], ids: Sequence[bytes]) -> None:
    link.pending += len(numbers)
    statuses = [0] * len(numbers)
    if delay_s:
        asyncio.get_running_loop().call_later(delay_s, link.answer, numbers, statuses, ids)
    else:
        link.answer(numbers, statuses, ids)


def _holds(window: ThrottleWindow, since_s: float) -> bool:
    at = since_s % window.every_s if window.every_s else since_s
    return window.from_s <= at < window.to_s


def _is_asked(registered: int, outcome: tuple[str, str]) -> bool:
    """registered_delivery, 5.2.17: 1 asks for every receipt, 2 for those of failures."""
    return bool(registered & 1) or (registered & 3 == ON_FAILURE and outcome is not DELIVERED)


def _readable(batch: Batch) -> Sequence[bytes]:
    """The texts without their user data headers."""
    if not any(b"".join(batch.classes)):
        return batch.texts
    return [
        text[1 + text[0] :] if text and kind[0] & UDHI else text
        for text, kind in zip(batch.texts, batch.classes, strict=True)
    ]
