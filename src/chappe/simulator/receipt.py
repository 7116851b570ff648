"""Receipts as bodies of deliver_sm, many at once (SMPP 3.4, clause 4.6.1 and appendix B).

The text is `smpp.format_receipt`'s, made once for each outcome and minute with marks in place of the id and the message
text, and cut at the marks: what is left for each receipt is putting pieces together.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from struct import Struct

from chappe.smpp import MessageState, Tag, format_receipt
from chappe.smpp.receipt import DIALECTS, MAX_TEXT, STATE_WORDS

from .quirks import TLV_ONLY, Quirks, ReceiptText

ID_MARK = "\x01"
TEXT_MARK = "\x02"
MOST_OCTETS = 254
HOSTILE_TEXT = b"id:0 stat:UNDELIV err:999 done date:0001010000 text:id:1 stat:REJECTD %s {0} \x00\xff"

FIXED = b"\x04\0\0\0\0\0\0\0\0"
"""From esm_class (an SMSC delivery receipt) to sm_default_msg_id."""
NOTIFICATION = b"\x20\0\0\0\0\0\0\0\0"
"""The same for an intermediate notification."""

_TLV = Struct(">HH")
_STATE = Struct(">HHB")


class ReceiptWriter:
    """Writes the bodies of receipts in one dialect."""

    def __init__(self, quirks: Quirks) -> None:
        self._is_empty = quirks.receipt_dialect == TLV_ONLY
        self._dialect = DIALECTS["standard" if self._is_empty else quirks.receipt_dialect]
        self.unit_s = 1 if self._dialect.seconds else 60
        """The seconds that the dates of this dialect tell apart."""
        self._has_tlvs = quirks.receipt_tlvs or self._is_empty
        self._text = quirks.receipt_text if self._dialect.text_name else ReceiptText.EMPTY
        self._pieces: dict[tuple[str, str, int, int], tuple[bytes, bytes, bytes]] = {}

    def bodies(
        self,
        heads: Sequence[bytes],
        ids: Sequence[bytes],
        texts: Sequence[bytes],
        outcome: tuple[str, str],
        submitted: float,
        done: float,
        fixed: bytes = FIXED,
    ) -> list[bytes]:
        """`heads` are what comes before esm_class, `texts` the octets of the messages, `outcome` is stat and err; both
        times are seconds since 1970."""
        before, between, after = self._cut(outcome, submitted, done)
        if self._has_tlvs or self._text is not ReceiptText.START or after:
            state = STATE_WORDS.get(outcome[0], MessageState.UNKNOWN)
            return [
                self._special(head + fixed, number, before + number + between, text, after, state)
                for head, number, text in zip(heads, ids, texts, strict=True)
            ]
        return [
            b"%b%b%c%b" % (head, fixed, len(receipt), receipt)
            for head, receipt in zip(
                heads,
                [
                    b"%b%b%b%b" % (before, number, between, text[:MAX_TEXT])
                    for number, text in zip(ids, texts, strict=True)
                ],
                strict=True,
            )
        ]

    def _special(
        self, start: bytes, number: bytes, receipt: bytes, text: bytes, after: bytes, state: MessageState
    ) -> bytes:
        receipt = (receipt + self._quoted(text) + after)[:MOST_OCTETS]
        if self._is_empty:
            receipt = b""
        tlvs = b""
        if self._has_tlvs:
            head = _TLV.pack(Tag.RECEIPTED_MESSAGE_ID, len(number) + 1)
            tlvs = head + number + b"\0" + _STATE.pack(Tag.MESSAGE_STATE, 1, state)
        return b"%b%c%b%b" % (start, len(receipt), receipt, tlvs)

    def _quoted(self, text: bytes) -> bytes:
        match self._text:
            case ReceiptText.EMPTY:
                return b""
            case ReceiptText.START:
                return text[:MAX_TEXT]
            case ReceiptText.WHOLE:
                return text
            case ReceiptText.HOSTILE:
                return text[:MAX_TEXT] + b" " + HOSTILE_TEXT

    def _cut(self, outcome: tuple[str, str], submitted: float, done: float) -> tuple[bytes, bytes, bytes]:
        """What stands before the id, between the id and the text, and after the text."""
        key = (*outcome, int(submitted) // self.unit_s, int(done) // self.unit_s)
        pieces = self._pieces.get(key)
        if pieces is None:
            if len(self._pieces) > 1000:
                self._pieces.clear()
            pieces = self._pieces[key] = self._make(outcome, submitted, done)
        return pieces

    def _make(self, outcome: tuple[str, str], submitted: float, done: float) -> tuple[bytes, bytes, bytes]:
        stat, err = outcome
        dates = datetime.fromtimestamp(submitted, UTC), datetime.fromtimestamp(done, UTC)
        whole = format_receipt(ID_MARK, stat, *dates, err, TEXT_MARK, dialect=self._dialect)
        before, _, rest = whole.partition(ID_MARK)
        between, _, after = rest.partition(TEXT_MARK)
        return before.encode("latin-1"), between.encode("latin-1"), after.encode("latin-1")
