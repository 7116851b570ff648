"""The test message of a check: sent as the engine would send it, its answer and its receipt explained."""

import time

from chappe.engine.net.arrival import Arrival, Arrivals, no_status
from chappe.engine.net.finding import Report
from chappe.engine.net.probe import News, Probe
from chappe.messaging import Category, OutboundMessage, ReceiptKind, Refused
from chappe.providers.contract import Settings
from chappe.providers.smpp import Dialect
from chappe.rules.provider_id import IdFormat, convert
from chappe.rules.smpp_status import status_of

TEXT = "Test of the connection by Chappe"
ANSWER_S = 30.0
"""The most that is waited for submit_sm_resp, whatever longer time the connection itself grants."""
RECEIPT_S = 10.0
VALIDITY_MS = 72 * 3_600_000
"""As messages of the API have it: a provider that refuses the end of validity is found out here."""


class Trial:
    def __init__(
        self,
        settings: Settings,
        dialect: Dialect,
        arrivals: Arrivals,
        sender: Probe,
        news: News,
        report: Report,
        engine_links: int | None = None,
    ) -> None:
        self._settings = settings
        self._dialect = dialect
        self._arrivals = arrivals
        self._sender = sender
        self._news = news
        self._report = report
        self._engine_links = engine_links
        self._raw_ids: list[str] = []
        self.latency_s = 0.0
        """From the last submit to its answer."""

    async def run(self, number: str, text: str, *, is_receiving: bool) -> None:
        """Send to `number`; wait for the receipt where there is a link that receipts come by."""
        segments = self._segments(number, text or TEXT)
        if isinstance(segments, Refused):
            self._report.error(f"The test message cannot be sent: {segments.reason}.")
            return
        self._arrivals.expect(number)
        if not await self._send(segments):
            return
        if not is_receiving:
            self._report.warning("No receipt was waited for: the receiver is not logged in.")
            return
        self._arrivals.know(self._raw_ids)
        if self._raw_ids:
            await self._news.until(lambda: self._arrivals.final is not None or not self._sender.is_usable, RECEIPT_S)
            self._explain()

    def _segments(self, number: str, text: str) -> list[tuple[int, bytes]] | Refused:
        now_ms = int(time.time() * 1000)
        message = OutboundMessage(
            id=now_ms,  # tells the segments of this test from those of the one before
            recipient=number,
            sender="",
            body=text,
            category=Category.TRANSACTIONAL,
            attempt=0,
            tries=0,
            expires_ms=now_ms + VALIDITY_MS,
            delivery_id=0,
            organisation_id=0,
        )
        return self._dialect.segments(message, now_ms)

    async def _send(self, segments: list[tuple[int, bytes]]) -> bool:
        """Whether the provider took every segment."""
        seconds = min(ANSWER_S, self._settings.number("mt_expiry_s"))
        sender, results = self._sender, self._sender.results
        for index, body in segments:
            # One after the other: a window of 1 does for any text.
            began = time.monotonic()
            if sender.is_usable:
                await sender.submit(body, index, seconds)
            if index not in results:
                self._report.error(self._unanswered(seconds))
                return False
            self.latency_s = time.monotonic() - began
            status, raw_id = results[index]
            if status:
                self._report.error(_refusal(status))
                return False
            self._raw_ids.append(raw_id.decode("latin-1"))
        self._judge_ids(len(segments))
        return True

    def _unanswered(self, seconds: float) -> str:
        if not self._sender.is_usable:
            return "The connection ended before the test message was answered."
        return f"The test message was not answered within {seconds:g} s. The provider may have taken it all the same."

    def _judge_ids(self, segments: int) -> None:
        self._raw_ids = [raw_id for raw_id in self._raw_ids if raw_id]
        took = f"in {self.latency_s * 1000:.3g} ms" + (f", in {segments} segments" if segments > 1 else "")
        if not self._raw_ids:
            self._report.warning(
                f"The provider took the test message {took}, and gave it no id: no receipt can ever be matched."
            )
            return
        shown = ", ".join(self._raw_ids[:3]) + (", …" if len(self._raw_ids) > 3 else "")
        self._report.ok(f"The provider took the test message {took}. Its id: {shown}")
        id_format = IdFormat(self._settings.text("id_format_in_acknowledgement"))
        odd = next((raw_id for raw_id in self._raw_ids if convert(raw_id, id_format) is None), None)
        if odd is not None:
            self._report.warning(
                f"The id {odd} is not written as 'Id format in the acknowledgement' says ({id_format}): it is kept as "
                "it came, and a receipt that writes it in another way will not match."
            )

    def _explain(self) -> None:
        arrivals = self._arrivals
        final = arrivals.final
        if final is not None:
            self._explain_own(final)
        elif arrivals.own:
            word = arrivals.own[-1].reading.status
            self._report.warning(
                f"A receipt came and its id matches, but {word} is matched neither by 'Pattern of success' nor by "
                "'Pattern of error': it changes nothing. Where that word is final, one of the patterns has to know it."
            )
        elif arrivals.unreadable:
            seen = arrivals.unreadable[0]
            self._report.error(f"A receipt about the test number came and could not be read. {_missing(seen)}")
        else:
            self._report.warning(f"No receipt came within {RECEIPT_S:g} s. {_elsewhere(self._engine_links)}")

    def _explain_own(self, arrival: Arrival) -> None:
        reading = arrival.reading
        after = f"after {arrival.after_s:.1f} s"
        if arrival.advice:
            self._report.error(f"The receipt came {after}, and would not be understood: {arrival.advice}")
            return
        code = f", code {reading.code}" if reading.code else ""
        words = f"The receipt came {after}: its id matches, and {reading.status}{code} means"
        if reading.kind is ReceiptKind.SUCCESS:
            self._report.ok(f"{words} delivered.")
        else:
            self._report.warning(f"{words} that the message did not reach the phone. The connection itself works.")


def _elsewhere(engine_links: int | None) -> str:
    """Where a receipt may be that did not come here."""
    if engine_links:
        links = "1 link" if engine_links == 1 else f"{engine_links} links"
        return (
            f"An engine that runs holds {links} of this connection, and the provider may have sent the receipt there, "
            "where it matches nothing. Switch the connection off (`chappe connection disable`) and check again."
        )
    if engine_links == 0:
        return (
            "No engine holds a link of this connection. It may come later, or have gone to another program that logs "
            "in with the same account."
        )
    return (
        "It may come later, or have gone to another link of the same account, such as an engine's that runs; there it "
        "will be one that matches nothing."
    )


def _missing(seen: str) -> str:
    return f"'Extraction of the id from the receipt' finds no id, or {no_status(seen)}"


def _refusal(status: int) -> str:
    known = status_of(status)
    words = f"{known.words} ({known.name})"
    if known.is_retried:
        return f"The provider did not take the test message now: {words}."
    return f"The provider refused the test message: {words}."
