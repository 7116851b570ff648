"""Texts from phones: replies to messages, texts at their time, and how a long one is carried (3GPP TS 23.040, clause
9.2.3.24; SMPP 3.4, clauses 5.3.2.22 to 5.3.2.32).
"""

import asyncio
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chappe.gsm import Encoding, concatenation_header, encode, split
from chappe.smpp import Tag, encode_tlvs

from .account import Account, Item, Parcel
from .fate import LOTS, draw, threshold
from .quirks import Inbound, Quirks, Segmentation, compile_pattern
from .submission import UDHI, Batch, latin

if TYPE_CHECKING:
    from .smsc import Simulator

DATA_CODINGS = {Encoding.GSM: 0, Encoding.LATIN1: 3, Encoding.UCS2: 8}
DEFAULT_RECIPIENT = "38600"
FIRST_LOTS = 1
"""The first block of lots that scripts draw from: block 0 is the fate of the number."""


class Script:
    """The inbound texts of one set of quirks."""

    def __init__(self, smsc: "Simulator", quirks: Quirks) -> None:
        self._smsc = smsc
        self._seed = quirks.seed
        self.replies = [_Reply(rule, index) for index, rule in enumerate(quirks.inbound) if rule.reply_to is not None]
        self._timed = [rule for rule in quirks.inbound if rule.reply_to is None]
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._sent = 0
        self._reference = 0
        self._order = random.Random(quirks.seed)  # noqa: S311 (the order of segments, not a secret)

    def start(self) -> None:
        """Wait for the first of each."""
        for index, rule in enumerate(self._timed):
            self._wait(index, rule, rule.after_s if rule.after_s is not None else rule.every_s or 0)

    def stop(self) -> None:
        """No more texts by the clock."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def send(self, rule: Inbound) -> int:
        """Texts of this rule at once; how many deliver_sm they make."""
        account = self._smsc.account_for_text(rule.system_id)
        items: list[Item] = []
        for _ in range(rule.count):
            self._sent += 1
            sender = rule.sender.replace("{n}", str(self._sent)).replace("{n:08d}", f"{self._sent:08d}")
            head = b"\0" + address(sender) + address(rule.recipient or DEFAULT_RECIPIENT)
            items += self._parcels(rule, head)
        account.put(items)
        return len(items)

    def react(self, account: Account, batch: Batch) -> None:
        """Answer these messages, as some of their recipients would."""
        blocks = {reply.block for reply in self.replies}
        lots = {block: [draw(number, self._seed, block) for number in batch.destinations] for block in blocks}
        for reply in self.replies:
            for index in reply.chosen(batch, lots[reply.block]):
                head = batch.heads[index]
                if reply.rule.recipient:
                    head = head[: head.index(b"\0", head.index(b"\0") + 3) + 1] + address(reply.rule.recipient)
                due = self._smsc.now() + reply.rule.delay_ms / 1000
                self._smsc.calendar.add(due, account, self._parcels(reply.rule, head))

    def _parcels(self, rule: Inbound, head: bytes) -> list[Item]:
        self._reference = self._reference % 0xFFFF + 1
        bodies = bodies_of(rule, head, self._reference)
        if rule.is_shuffled:
            self._order.shuffle(bodies)
        return [Parcel(body, True, 0) for body in bodies]

    def _wait(self, index: int, rule: Inbound, delay_s: float) -> None:
        self._timers[index] = asyncio.get_running_loop().call_later(delay_s, self._due, index, rule)

    def _due(self, index: int, rule: Inbound) -> None:
        self.send(rule)
        if rule.every_s is not None:
            self._wait(index, rule, rule.every_s)


class _Reply:
    """A rule that answers messages, ready to be asked often."""

    def __init__(self, rule: Inbound, index: int) -> None:
        self.rule = rule
        self.block, self._lot = FIRST_LOTS + index // LOTS, index % LOTS
        self._edge = threshold(rule.probability)
        self._text = compile_pattern(rule.reply_to).search if rule.reply_to else None
        self._number = compile_pattern(rule.to).search if rule.to else None

    def chosen(self, batch: Batch, lots: Sequence[tuple[int, ...]]) -> list[int]:
        """The places of the messages that are answered."""
        edge, own = self._edge, self._lot
        return [index for index, lot in enumerate(lots) if lot[own] < edge and self._fits(batch, index)]

    def _fits(self, batch: Batch, index: int) -> bool:
        text, kind, coding = batch.texts[index], batch.classes[index], batch.codings[index]
        if not _is_first(text, kind[0]) or (self._number and not self._number(batch.destinations[index])):
            return False
        return self._text is None or self._text(latin(text, coding)) is not None


def bodies_of(rule: Inbound, head: bytes, reference: int) -> list[bytes]:
    """The deliver_sm of one text; `head` is what comes before esm_class."""
    data = encode(rule.text, rule.encoding)
    coding = DATA_CODINGS[rule.encoding] if rule.data_coding is None else rule.data_coding
    own = encode_tlvs((tlv.tag, bytes.fromhex(tlv.value)) for tlv in rule.tlvs)
    bits = 16 if rule.segmentation is Segmentation.UDH16 else 8
    if rule.segmentation is Segmentation.PAYLOAD:
        return [_body(head, 0, coding, b"", encode_tlvs([(Tag.MESSAGE_PAYLOAD, data)]) + own)]
    segments = split(data, rule.encoding, bits)
    if len(segments) == 1:
        return [_body(head, 0, coding, data, own)]
    bodies = []
    for index, segment in enumerate(segments, 1):
        if rule.segmentation is Segmentation.SAR:
            bodies.append(_body(head, 0, coding, segment, _sar(reference, len(segments), index) + own))
        else:
            header = concatenation_header(reference % (1 << bits), len(segments), index, bits)
            bodies.append(_body(head, UDHI, coding, header + segment, own))
    return bodies


def address(number: str) -> bytes:
    """TON, NPI, number and NUL: international for long numbers, network specific for short codes, else alphanumeric."""
    digits = number.removeprefix("+")
    if not digits.isdigit():
        return b"\x05\x00" + number.encode("latin-1") + b"\0"
    return (b"\x01\x01" if len(digits) > 6 else b"\x03\x00") + digits.encode() + b"\0"


def _body(head: bytes, esm_class: int, data_coding: int, text: bytes, tlvs: bytes) -> bytes:
    return b"%b%c\0\0\0\0\0\0%c\0%c%b%b" % (head, esm_class, data_coding, len(text), text, tlvs)


def _sar(reference: int, total: int, index: int) -> bytes:
    return encode_tlvs(
        [
            (Tag.SAR_MSG_REF_NUM, reference.to_bytes(2, "big")),
            (Tag.SAR_TOTAL_SEGMENTS, bytes((total,))),
            (Tag.SAR_SEGMENT_SEQNUM, bytes((index,))),
        ]
    )


def _is_first(text: bytes, esm_class: int) -> bool:
    """Whether this is a whole message or the first segment of one: people answer once."""
    if not esm_class & UDHI or not text:
        return True
    header = text[1 : 1 + text[0]]
    return len(header) < 5 or header[0] not in (0x00, 0x08) or header[-1] == 1
