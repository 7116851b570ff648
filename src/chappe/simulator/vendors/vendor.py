"""What all simulated vendors share: a request to send is judged, its messages are taken, its hooks are planned.

A vendor's own file holds what is its own: paths, credentials, bodies, ids, words and signatures.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import count
from typing import ClassVar, Final, NoReturn, Protocol

from chappe.messaging import FieldError

from ..calendar import Calendar
from ..http_fate import HttpFate, Lot, Lots
from ..http_hooks import Call, HookCaller
from ..http_quirks import InboundText, VendorQuirks, VendorRefusal
from ..http_server import JSON, Answer, Ending, Request
from ..http_tally import HookStats, HttpTally, VendorTally
from .message import Due, Reply, Report, Text

GARBAGE: Final = b'{"sid": "\xff\xfe<!DOCTYPE html><title>502'
OWN_NUMBER: Final = "+33700000001"


class Decline(Exception):
    """The request is answered so, and nothing is taken."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Manner(Protocol):
    """How one API of a vendor says no."""

    def throttled(self) -> Answer:
        """Too many requests."""

    def failed(self, status: int) -> Answer:
        """A server error."""

    def refused(self, refusal: VendorRefusal) -> Answer:
        """The whole request is refused with this code."""


class House(Protocol):
    """What a vendor needs of the simulator."""

    tally: HttpTally
    hooks: HookCaller
    calendar: "Calendar[Vendor, Due]"

    def take_id(self) -> int: ...


class Vendor(ABC):
    """One simulated vendor. `KEY` is its name and the first part of its paths."""

    KEY: ClassVar[str]
    LABEL: ClassVar[str]
    ACCOUNT: ClassVar[dict[str, str]]
    """Names and defaults of what its account holds."""
    CHOICES: ClassVar[dict[str, tuple[str, ...]]] = {}
    """What some of that may be."""
    NOTES: ClassVar[dict[str, str]] = {}
    """What some of that means, where its name does not say it."""
    SENT: ClassVar[str] = "sent"
    DELIVERED: ClassVar[str] = "delivered"
    READ: ClassVar[str] = ""

    def __init__(self, house: House, quirks: VendorQuirks, seed: int) -> None:
        self.house = house
        self._seed = seed
        self._unlucky: dict[str, int] = {}
        self._sources: list[asyncio.Task[None]] = []
        self._texts_made = 0
        self.token_refusals = quirks.token_refusals
        self.follow(quirks)

    def follow(self, quirks: VendorQuirks) -> None:
        """Do as these quirks say from now on."""
        self.quirks = quirks
        self.account = {**self.ACCOUNT, **quirks.account}
        self.fate = HttpFate(quirks, self._seed)
        self._unlucky.clear()
        self._may_stumble = bool(
            quirks.throttled_fraction
            or quirks.failure_fraction
            or quirks.hang_fraction
            or quirks.cut_fraction
            or quirks.garbage_fraction
        )

    # The vendor's own

    @abstractmethod
    def answer(self, request: Request, path: list[str]) -> Answer:
        """What a request is answered; `path` are the parts of its path after the vendor's name. Raises Decline."""

    @abstractmethod
    def throttled(self) -> Answer:
        """Too many requests."""

    @abstractmethod
    def failed(self, status: int) -> Answer:
        """A server error."""

    @abstractmethod
    def refused(self, refusal: VendorRefusal) -> Answer:
        """The whole request is refused with this code."""

    @abstractmethod
    def status_calls(self, report: Report, url: str) -> list[Call]:
        """The calls that say so, signed."""

    @abstractmethod
    def inbound_call(self, reply: Reply, url: str) -> Call:
        """The call that brings a text from a phone, signed."""

    @classmethod
    def problems(cls, account: dict[str, str]) -> list[FieldError]:
        """What is wrong with an account."""
        return [
            FieldError(f"vendors.{cls.KEY}.account.{name}", f"is none of {', '.join(words)}")
            for name, words in cls.CHOICES.items()
            if account[name] not in words
        ]

    def public_key(self) -> dict[str, str]:
        """The key that hooks are checked with, where that is no secret."""
        return {}

    def not_found(self) -> Answer:
        """There is nothing at the path."""
        return Answer(404, b"{}")

    # Sending

    @property
    def tally(self) -> VendorTally:
        return self.house.tally.vendors[self.KEY]

    def handle(self, request: Request, path: list[str]) -> Answer:
        """What a request is answered, and all that follows from it."""
        try:
            answer = self.answer(request, path)
        except Decline as declined:
            answer = declined.answer
        self.tally.answers[answer.status] += 1
        return answer

    def send(
        self,
        texts: Sequence[Text],
        accepted: Callable[[Sequence[Text]], Answer],
        *,
        manner: Manner | None = None,
        is_singly: bool = False,
    ) -> Answer:
        """Take the messages of a request that is well formed; the ids are theirs already. Raises Decline.

        `manner`: how this API says no, where not as the vendor does. `is_singly`: a refused message leaves the others
        of the request alone, and `accepted` answers for it.
        """
        manner = manner or self
        first = texts[0].recipient
        fate, stats = self.fate, self.tally.stats
        stats.requests += 1
        stats.messages += len(texts)
        self._limit(manner)
        lots = fate.lots(first)
        latency_s = fate.latency_s(lots)
        is_unlucky = self._may_stumble and self._is_unlucky(first, lots)
        if is_unlucky and lots[Lot.THROTTLED] < fate.throttled:
            stats.throttled += 1
            self._decline(self._with_retry_after(manner.throttled()), latency_s)
        if is_unlucky and lots[Lot.FAILED] < fate.failed:
            stats.failed += 1
            self._decline(manner.failed(self.quirks.failure_status), latency_s)
        self._refuse(texts, None if is_singly else manner, latency_s)
        for text in texts:
            if text.refusal is None:
                self._take(text)
        answer = accepted(texts)
        answer.delay_s = latency_s
        if is_unlucky:
            self._spoil(answer, fate.ending(lots))
        return answer

    def next_id(self) -> int:
        """A number for a message id; none comes twice, not after a restart either."""
        return self.house.take_id()

    def unauthorised(self, answer: Answer) -> NoReturn:
        """Decline wrong credentials."""
        self.tally.stats.unauthorised += 1
        raise Decline(answer)

    def _limit(self, manner: Manner) -> None:
        now = time.monotonic()
        rate, limit = self.tally.rate, self.quirks.rate_limit
        if limit and rate.inside(now) >= limit:
            self.tally.stats.throttled += 1
            raise Decline(self._with_retry_after(manner.throttled()))
        rate.add(now, 1)

    def _with_retry_after(self, answer: Answer) -> Answer:
        seconds = self.quirks.retry_after_s
        if seconds is not None and answer.status == 429:
            answer.headers = (*answer.headers, ("Retry-After", f"{seconds:g}"))
        return answer

    def _is_unlucky(self, recipient: str, lots: Lots) -> bool:
        """Whether one of the things that go wrong for a while goes wrong now."""
        fate = self.fate
        if lots[Lot.THROTTLED] >= fate.throttled and lots[Lot.FAILED] >= fate.failed and not fate.ending(lots):
            return False
        if not self.quirks.unlucky_tries:
            return True
        tries = self._unlucky[recipient] = self._unlucky.get(recipient, 0) + 1
        return tries <= self.quirks.unlucky_tries

    def _refuse(self, texts: Sequence[Text], manner: Manner | None, latency_s: float) -> None:
        for text in texts:
            refusal = text.refusal or self.fate.refusal(text.recipient, self.fate.lots(text.recipient))
            if refusal is None:
                continue
            self.tally.refused[str(refusal.code)] += 1
            text.refusal = refusal
            if manner is not None:
                self._decline(manner.refused(refusal), latency_s)

    def _decline(self, answer: Answer, latency_s: float) -> NoReturn:
        answer.delay_s = latency_s
        raise Decline(answer)

    def _take(self, text: Text) -> None:
        self.tally.stats.accepted += 1
        self.house.tally.take(self.KEY, text.message_id, text.sender, text.recipient, text.text)
        if self.quirks.status_hooks and text.wants_status and (text.status_url or self.quirks.status_url):
            self._plan(text)
        if self.quirks.inbound:
            self._plan_replies(text)

    def _spoil(self, answer: Answer, ending: str) -> None:
        stats = self.tally.stats
        match ending:
            case "hang":
                stats.unanswered += 1
                answer.ending = Ending.NEVER
            case "cut":
                stats.cut += 1
                answer.ending = Ending.CUT
            case "garbage":
                stats.garbage += 1
                answer.body, answer.content_type = GARBAGE, JSON

    # Hooks

    def _plan(self, text: Text) -> None:
        fate, quirks = self.fate, self.quirks
        lots = fate.lots(text.recipient)
        if lots[Lot.NEVER] < fate.never:
            return
        text.is_forged = lots[Lot.WRONG_SIGNATURE] < fate.wrong_signature
        delay_s = fate.delay_s(lots)
        failure = fate.failure(lots)
        status, code = failure or (self.DELIVERED, "")
        last = Report(text, status, code)
        if lots[Lot.OUT_OF_ORDER] < fate.out_of_order:
            self.later(1.5 * delay_s + 0.05, Report(text, self.SENT))
        elif quirks.intermediate:
            self.later(delay_s / 2, Report(text, self.SENT))
        if lots[Lot.UNKNOWN] < fate.unknown:
            self.later(delay_s * 0.75, Report(text, quirks.unknown_status))
        self.later(delay_s, last)
        if lots[Lot.DUPLICATE] < fate.duplicate:
            self.later(delay_s + quirks.duplicate_after_ms / 1000, last)
        if failure is None and self.READ and lots[Lot.READ] < fate.read:
            self.later(2 * delay_s, Report(text, self.READ))

    def _plan_replies(self, text: Text) -> None:
        for rule in self.fate.replies(text.recipient, text.text):
            recipient = rule.recipient or text.sender
            is_forged = self.fate.lots(text.recipient)[Lot.WRONG_SIGNATURE] < self.fate.wrong_signature
            self.later(rule.delay_ms / 1000, Reply(text.recipient, recipient, rule.text, is_forged, text))

    def later(self, delay_s: float, due: Due) -> None:
        """Plan a hook."""
        stats = self.hook_stats(due)
        stats.planned += 1
        stats.held += 1
        self.house.calendar.add(time.monotonic() + delay_s, self, [due])

    def hook_stats(self, due: Due) -> HookStats:
        """Where it counts."""
        tally = self.house.tally
        return tally.texts.stats if isinstance(due, Reply) else tally.statuses.stats

    def hand_over(self, dues: list[Due]) -> None:
        """These are due. One call may say several, and one may take several calls."""
        reports = [one for one in dues if isinstance(one, Report)]
        replies = [one for one in dues if isinstance(one, Reply)]
        tally = self.house.tally
        self._put(self._calls_of(reports), len(reports), tally.statuses.stats)
        texts = [self.inbound_call(one, url) for one in replies if (url := self.inbound_url(one))]
        for call in texts:
            call.is_text = True
        self._put(texts, len(replies), tally.texts.stats)

    def inbound_url(self, reply: Reply) -> str:
        """Where a text goes, "" for nowhere."""
        return self.quirks.inbound_url

    def report_calls(self, reports: Sequence[Report], url: str) -> list[Call]:
        """The calls that bring reports to one address."""
        return [call for report in reports for call in self.status_calls(report, url)]

    def _calls_of(self, reports: Sequence[Report]) -> list[Call]:
        by_url: dict[str, list[Report]] = {}
        for report in reports:
            if url := report.text.status_url or self.quirks.status_url:
                by_url.setdefault(url, []).append(report)
        return [call for url, some in by_url.items() for call in self.report_calls(some, url)]

    def _put(self, calls: list[Call], planned: int, stats: HookStats) -> None:
        more = len(calls) - planned
        stats.planned += more
        stats.held += more
        for call in calls:
            call.address = self.quirks.hook_address
        self.house.hooks.put(calls)

    def start(self) -> None:
        """Begin with the texts that come by themselves."""
        self._sources = [
            asyncio.create_task(self._make_texts(one, one.per_s)) for one in self.quirks.inbound if one.per_s
        ]

    def stop(self) -> None:
        """End with them."""
        for source in self._sources:
            source.cancel()
        self._sources.clear()

    async def _make_texts(self, rule: InboundText, per_s: float) -> None:
        begun = time.monotonic()
        for made in count(1):
            await asyncio.sleep(begun + made / per_s - time.monotonic())
            self._texts_made += 1
            sender = rule.sender.format(n=self._texts_made)
            self.later(0.0, Reply(sender, rule.recipient or OWN_NUMBER, rule.text))
