"""The last exchanges with a provider, for its operator: without secrets, people's numbers and texts."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from chappe.engine.ledger import Ledger
from chappe.engine.net.redact import redact
from chappe.engine.store.statement import Row
from chappe.messaging import Accepted, SendOutcome, Unknown
from chappe.providers.contract import ProviderSpec, Settings
from chappe.providers.http import Account, HttpRequest, HttpResponse, Pairs

if TYPE_CHECKING:
    from chappe.engine.worker import Flight

ACCEPTED_EVERY_S = 1.0
OTHERS_EVERY_S = 0.2
LONGEST = 8_000


class Exchanges:
    """Keeps one accepted message a second, and more of what went another way: at the most, what an operator can read."""

    def __init__(self, spec: ProviderSpec, account: Account, ledger: Ledger) -> None:
        self._account = account
        self._ledger = ledger
        self._secrets = secret_values(spec, account.settings)
        self._next_accepted = self._next_other = 0.0

    def saw(
        self,
        request: HttpRequest,
        response: HttpResponse | None,
        outcome: SendOutcome,
        took_s: float,
        flight: "Flight",
    ) -> None:
        now = time.monotonic()
        if isinstance(outcome, Accepted):
            if now < self._next_accepted:
                return
            self._next_accepted = now + ACCEPTED_EVERY_S
        else:
            if now < self._next_other:
                return
            self._next_other = now + OTHERS_EVERY_S
        message = flight.message
        row = exchange_row(
            self._account.connection_id,
            request,
            response,
            outcome_words(outcome),
            took_s,
            self._secrets,
            (message.recipient, message.body),
        )
        self._ledger.page.exchanges.append(row)


def exchange_row(
    connection_id: int,
    request: HttpRequest,
    response: HttpResponse | None,
    outcome: str,
    took_s: float,
    secrets: Sequence[str],
    hides: Sequence[str],
) -> Row:
    """A row of `catalogue.INSERT_EXCHANGES` for a call of ours; the request is as built, without the proof."""

    def shown(text: str) -> str:
        return redact(text[:LONGEST], secrets, hides)

    answer = "" if response is None else _written(tuple(response.headers.items()), response.body)
    return (
        connection_id,
        "out",
        int((time.time() - took_s) * 1000),
        round(took_s * 1000, 3),
        request.method,
        shown(request.url),
        shown(_written(request.headers, request.body)),
        0 if response is None else response.status,
        shown(answer),
        shown(outcome)[:200],
    )


def outcome_words(outcome: SendOutcome) -> str:
    """For people: what was read in an answer."""
    if isinstance(outcome, Accepted):
        return f"accepted {' '.join(outcome.ids)}".strip()
    kind = type(outcome).__name__.lower()
    if isinstance(outcome, Unknown) or not outcome.code:
        return f"{kind}: {outcome.reason}"
    return f"{kind} {outcome.code}: {outcome.reason}"


def secret_values(spec: ProviderSpec, settings: Settings) -> tuple[str, ...]:
    """Everything in the settings that nobody may see, the values of locked rows included."""
    return tuple(str(value) for value in spec.split(settings)[1].values() if value)


def _written(headers: Pairs, body: bytes) -> str:
    head = "".join(f"{name}: {value}\n" for name, value in headers)
    return f"{head}\n{body[:LONGEST].decode('utf-8', 'replace')}"
