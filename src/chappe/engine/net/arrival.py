"""What a provider delivers while a connection is checked, and how its receipts are read by the settings.

The check records nothing, so whatever is not the test message's own receipt is put off with a passing error: the
provider keeps it and sends it again, to the engine.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

from chappe.engine.net.probe import News, Probe
from chappe.messaging import ReceiptKind
from chappe.providers.contract import Settings
from chappe.providers.smpp import Dialect
from chappe.rules.provider_id import IdFormat, convert
from chappe.rules.receipt import Reading, ReceiptRules
from chappe.smpp import CommandStatus, Delivery, Tag

MOST_HELD = 1_000
SHOWN_CHARACTERS = 200
ALIKE_DIGITS = 6
LEAST_ID = 4
"""A shorter id is found in a receipt by accident."""
USUAL_LONGEST_ID = 20
"""What a pattern that is proposed takes at least: a decimal id of 64 bits."""
_WORD = re.compile(r"[0-9A-Za-z]{4,}")


@dataclass(frozen=True)
class Arrival:
    """A receipt of the test message. `advice` says what to change where the settings do not match it; else empty."""

    reading: Reading
    after_s: float
    advice: str = ""


class Arrivals:
    """Takes what is delivered on all connections of a check."""

    def __init__(self, settings: Settings, dialect: Dialect, news: News) -> None:
        self._settings = settings
        self._dialect = dialect
        self._rules = ReceiptRules.of(settings)
        self._news = news
        self._held: list[tuple[Probe, Delivery, float]] = []
        self._raw_ids: list[str] | None = None
        self._number = ""
        self._is_waiting = False
        self._since = 0.0
        self.receipts_put_off = 0
        self.texts_put_off = 0
        self.own: list[Arrival] = []
        self.unreadable: list[str] = []
        """What the patterns saw of receipts about the test number in which they found no id or no status."""

    def expect(self, number: str) -> None:
        """A test message goes out: receipts are kept unanswered until its ids are known, for they may come first."""
        self._number, self._is_waiting, self._since = number, True, time.monotonic()

    def know(self, raw_ids: Sequence[str]) -> None:
        """The provider's ids of the test message, as it wrote them."""
        self._raw_ids = [raw_id for raw_id in raw_ids if raw_id]
        held, self._held = self._held, []
        for probe, delivery, at in held:
            self._judge(probe, delivery, at)

    def give_up(self) -> None:
        """No receipt is waited for any more."""
        self._is_waiting = False
        held, self._held = self._held, []
        for probe, delivery, _ in held:
            self._put_off(probe, delivery)

    def take(self, probe: Probe, deliveries: Sequence[Delivery]) -> None:
        now = time.monotonic()
        for delivery in deliveries:
            if not (self._is_waiting and self._dialect.is_receipt(delivery)):
                self._put_off(probe, delivery)
            elif self._raw_ids is not None:
                self._judge(probe, delivery, now)
            elif len(self._held) < MOST_HELD:
                self._held.append((probe, delivery, now))
            else:
                self._put_off(probe, delivery)
        self._news.tell()

    @property
    def final(self) -> Arrival | None:
        """The receipt that settles the message, or the one that shows what is wrong with the settings."""
        return next((one for one in self.own if one.advice or one.reading.kind is not ReceiptKind.INTERMEDIATE), None)

    # -- within ------------------------------------------------------------------------------------------------------

    def _put_off(self, probe: Probe, delivery: Delivery) -> None:
        if self._dialect.is_receipt(delivery):
            self.receipts_put_off += 1
        else:
            self.texts_put_off += 1
        probe.answer(delivery, CommandStatus.ESME_RX_T_APPN)

    def _judge(self, probe: Probe, delivery: Delivery, at: float) -> None:
        reading = self._rules.explain(delivery.short_message, delivery.tlvs)
        advice = self._advice(reading, delivery)
        if advice is None:
            if self._is_about_number(delivery) and not (reading.raw_id and reading.status):
                self.unreadable.append(reading.seen[:SHOWN_CHARACTERS])
            self._put_off(probe, delivery)
            return
        self.own.append(Arrival(reading, at - self._since, advice))
        probe.answer(delivery, CommandStatus.ESME_ROK)

    def _advice(self, reading: Reading, delivery: Delivery) -> str | None:
        """None for a receipt of another message; "" where the settings match it as they are."""
        assert self._raw_ids is not None
        kept = IdFormat(self._settings.text("id_format_in_acknowledgement"))
        ours = {convert(raw_id, kept) or raw_id for raw_id in self._raw_ids}
        if reading.provider_message_id in ours:
            return "" if reading.status else no_status(reading.seen[:SHOWN_CHARACTERS])
        if not self._is_about_number(delivery):
            return None
        for raw_id in self._raw_ids:
            advice = (
                self._other_formats(raw_id, reading)
                or self._other_place(raw_id, reading, delivery)
                or self._other_formats_and_pattern(raw_id, reading)
            )
            if advice:
                return advice
        return None

    def _other_formats(self, raw_id: str, reading: Reading) -> str | None:
        """The id formats under which acknowledgement and receipt would match."""
        pair = self._formats_of(raw_id, reading.raw_id) if reading.raw_id is not None else None
        if pair is None:
            return None
        return (
            f"its id is written in another way: {raw_id} in the acknowledgement, {reading.raw_id} in the receipt. "
            f"{_set_formats(pair)}."
        )

    def _other_formats_and_pattern(self, raw_id: str, reading: Reading) -> str | None:
        """As `_other_formats`, for an id of the receipt that the pattern does not find, or cuts short."""
        found = reading.raw_id or ""
        words = {word for word in _WORD.findall(reading.seen) if word != found}
        # What the pattern cut short is the id more likely than another word.
        for word in sorted(words, key=lambda word: (not (found and word.startswith(found)), -len(word))):
            pair = self._formats_of(raw_id, word) if len(raw_id) >= LEAST_ID else None
            if pair is None:
                continue
            missed = (
                f"finds only the first {len(found)} of its {len(word)} characters"
                if found and word.startswith(found)
                else "does not find it"
            )
            longest = max(USUAL_LONGEST_ID, len(word))
            proposed = rf", such as to (?i)\bid:([0-9a-z]{{1,{longest}}})\b" if f"id:{word}" in reading.seen else ""
            return (
                f"its id is written in another way, {raw_id} in the acknowledgement and {word} in the receipt, and "
                f"'Extraction of the id from the receipt' {missed}. {_set_formats(pair)}, and change the pattern"
                f"{proposed}."
            )
        return None

    def _formats_of(self, acknowledged: str, received: str) -> tuple[IdFormat, IdFormat] | None:
        """The id formats under which the two ids are the same."""
        names = ("id_format_in_acknowledgement", "id_format_in_receipt")
        now = tuple(self._settings.text(name) for name in names)
        pairs = [(first, second) for first in IdFormat for second in IdFormat]
        # The fewest changes first.
        for pair in sorted(pairs, key=lambda pair: sum(new.value != old for new, old in zip(pair, now, strict=True))):
            value = convert(acknowledged, pair[0])
            if value is not None and value == convert(received, pair[1]):
                return pair
        return None

    @staticmethod
    def _other_place(raw_id: str, reading: Reading, delivery: Delivery) -> str | None:
        """Where else in the receipt the id stands."""
        if len(raw_id) < LEAST_ID:
            return None
        if reading.raw_id and raw_id.startswith(reading.raw_id):
            return (
                f"'Extraction of the id from the receipt' finds only the first {len(reading.raw_id)} characters of the "
                f"id, which has {len(raw_id)}. Widen the pattern."
            )
        if raw_id in reading.seen:
            return (
                "the id stands in it, but 'Extraction of the id from the receipt' does not find it. Change the "
                f"pattern. It sees: {reading.seen[:SHOWN_CHARACTERS]}"
            )
        if delivery.tlv(Tag.RECEIPTED_MESSAGE_ID) == raw_id.encode("latin-1", "replace") + b"\0":
            return (
                "the id stands only in the optional field 0x001E. Switch on 'Id or error code in an optional field' "
                r"and let 'Extraction of the id from the receipt' look for it, as in 0x001E:(\S+)"
            )
        return None

    def _is_about_number(self, delivery: Delivery) -> bool:
        """Whether the phone is that of the test message, however its number is written."""
        tail = re.sub(r"\D", "", self._number)[-ALIKE_DIGITS:]
        sides = (delivery.source, delivery.destination)
        return bool(tail) and any(side.decode("latin-1").endswith(tail) for side in sides)


def _set_formats(pair: tuple[IdFormat, IdFormat]) -> str:
    return f"Set 'Id format in the acknowledgement' to {pair[0]} and 'Id format in the receipt' to {pair[1]}"


def no_status(seen: str) -> str:
    return f"'Extraction of the status from the receipt' finds no status. Change the pattern. It sees: {seen}"
