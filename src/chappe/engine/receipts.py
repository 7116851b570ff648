"""What providers send us over SMPP: receipts and texts, read, recorded, and acknowledged after their commit."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import structlog

from chappe.engine.ledger import Ledger
from chappe.engine.net.smpp_client import Link
from chappe.engine.store.frame import Fates, InboundPiece, Received
from chappe.providers.smpp import Dialect
from chappe.rules.receipt import ReceiptRules
from chappe.smpp import CommandStatus, Delivery

log = structlog.get_logger("chappe.receipts")

SEQUENCE_BITS = 32


class Links:
    """Gives links numbers, so that a receipt's token (link number, sequence number) finds its way back."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._next = 1

    def add(self, link: Link) -> None:
        link.number, self._next = self._next, self._next + 1
        self._links[link.number] = link
        link.closed.add_done_callback(lambda _: self._links.pop(link.number, None))

    def answer(self, tokens: Iterable[int], status: int) -> None:
        """Answer deliveries by token; a link that is gone has nothing to be answered on."""
        by_link: dict[int, list[int]] = defaultdict(list)
        for token in tokens:
            by_link[token >> SEQUENCE_BITS].append(token & 0xFFFFFFFF)
        for number, sequence_numbers in by_link.items():
            link = self._links.get(number)
            if link is not None:
                link.answer(sequence_numbers, [status] * len(sequence_numbers))

    def count_unmatched(self, tokens: Iterable[int]) -> None:
        for token in tokens:
            link = self._links.get(token >> SEQUENCE_BITS)
            if link is not None:
                link.unmatched += 1


class Incoming:
    """The receiving side of one connection."""

    def __init__(
        self,
        connection_id: int,
        dialect: Dialect,
        rules: ReceiptRules,
        ledger: Ledger,
        links: Links,
        *,
        invalid_id_acknowledge_count: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connection_id = connection_id
        self._dialect = dialect
        self._rules = rules
        self._ledger = ledger
        self._links = links
        self._acknowledge_count = invalid_id_acknowledge_count
        self._clock = clock
        self.unreadable = 0

    def take(self, link: Link, deliveries: Sequence[Delivery]) -> None:
        """Read and record; the answers follow the commit (`told`)."""
        now_ms = int(self._clock() * 1000)
        page, base = self._ledger.page, link.number << SEQUENCE_BITS
        before = len(page.receipts)
        read, connection_id = self._rules.read, self._connection_id
        for delivery in deliveries:
            token = base | delivery.sequence_number
            if self._dialect.is_receipt(delivery):
                receipt = read(delivery.short_message, delivery.tlvs)
                if receipt is None:
                    self._refuse(link, delivery, "no id or status could be read from the receipt")
                    continue
                page.receipts.append(
                    Received(
                        token,
                        connection_id,
                        receipt.provider_message_id,
                        receipt.kind,
                        receipt.status,
                        receipt.code,
                        now_ms,
                    )
                )
            else:
                self._take_text(delivery, token, now_ms)
        link.receipts += len(page.receipts) - before
        self._ledger.touch()

    def _take_text(self, delivery: Delivery, token: int, now_ms: int) -> None:
        piece = self._dialect.read_inbound(delivery)
        self._ledger.page.inbound.append(
            InboundPiece(
                token,
                self._connection_id,
                piece.sender,
                piece.recipient,
                piece.encoding,
                piece.octets,
                piece.reference,
                piece.total,
                piece.position,
                now_ms,
                piece.linked_sms,
                piece.alias,
                piece.large_account,
            )
        )

    def _refuse(self, link: Link, delivery: Delivery, why: str) -> None:
        self.unreadable += 1
        log.warning("delivery.refused", connection=self._connection_id, reason=why, octets=len(delivery.short_message))
        link.answer([delivery.sequence_number], [CommandStatus.ESME_RX_R_APPN])

    def told(self, unknown: Sequence[tuple[int, int]]) -> None:
        """Receipts of ours whose id matched nothing in time: (token, times this id was seen)."""
        count = self._acknowledge_count
        self._links.count_unmatched(token for token, _ in unknown)
        given_up = [token for token, times in unknown if count and times >= count]
        refused = [token for token, times in unknown if not (count and times >= count)]
        self._links.answer(given_up, CommandStatus.ESME_ROK)
        self._links.answer(refused, CommandStatus.ESME_RINVMSGID)


def acknowledge(links: Links, fates: Fates) -> None:
    """Receipts and texts that are committed, and those that never will be."""
    links.answer(fates.taken, CommandStatus.ESME_ROK)
    links.answer(fates.refused, CommandStatus.ESME_RX_R_APPN)
