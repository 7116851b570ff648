"""The last exchanges with a provider, for its operator: without secrets, people's numbers and texts."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from chappe.engine.ledger import Ledger
from chappe.engine.net.redact import MASK, SHORTEST, redact
from chappe.engine.store.statement import Row
from chappe.messaging import Accepted, OutboundMessage, SendOutcome, Unknown
from chappe.providers.contract import ProviderSpec, Settings
from chappe.providers.http import Account, HttpRequest, HttpResponse, Pairs

if TYPE_CHECKING:
    from chappe.engine.worker import Flight

ACCEPTED_EVERY_S = 1.0
OTHERS_EVERY_S = 0.2
LONGEST = 8_000
ESCAPED = 6
"""Characters in which an escape may write one of a secret."""
MOST_MARGIN = 8_000
LOOKED_AT = 40_000
CUT = "…"
"""What `said` puts where it cuts."""


OnSeen = Callable[
    [HttpRequest, HttpResponse | None, SendOutcome, float, OutboundMessage, Sequence[str]],
    None,
]


class Exchanges:
    """Keeps one accepted message a second, and more of what went another way: at the most, what an operator can read."""

    def __init__(self, spec: ProviderSpec, account: Account, ledger: Ledger, on_seen: OnSeen) -> None:
        """`on_seen` is told of all of them, with the secrets that may stand in them."""
        self._account = account
        self._on_seen = on_seen
        self._ledger = ledger
        # Who knows the token of a hook may call it.
        tokens = [
            url.rpartition("/")[2] for url in (account.status_url, account.inbound_url) if spec.has_described_hooks
        ]
        self._secrets = (*secret_values(spec, account.settings), *filter(None, tokens))
        self._next_accepted = self._next_other = 0.0

    def hidden(self, outcome: SendOutcome) -> SendOutcome:
        """The same without secrets in its words, which are recorded and logged: a provider may repeat what it was sent."""
        if isinstance(outcome, Accepted):
            return outcome
        return msgspec.structs.replace(outcome, reason=without_secrets(outcome.reason, self._secrets))

    def saw(
        self,
        request: HttpRequest,
        response: HttpResponse | None,
        outcome: SendOutcome,
        took_s: float,
        flight: "Flight",
    ) -> None:
        message = flight.message
        self._on_seen(request, response, outcome, took_s, message, self._secrets)
        now = time.monotonic()
        if isinstance(outcome, Accepted):
            if now < self._next_accepted:
                return
            self._next_accepted = now + ACCEPTED_EVERY_S
        else:
            if now < self._next_other:
                return
            self._next_other = now + OTHERS_EVERY_S
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
        return excerpt(text, LONGEST, secrets, hides)

    answer = "" if response is None else written(tuple(response.headers.items()), response.body)
    return (
        connection_id,
        "out",
        int((time.time() - took_s) * 1000),
        round(took_s * 1000, 3),
        request.method,
        shown(request.url),
        shown(written(request.headers, request.body)),
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


def without_secrets(words: str, secrets: Sequence[str]) -> str:
    """A provider's words as an adapter keeps them: where they were cut off, the beginning of a secret may be left."""
    text = redact(words, secrets)
    if not text.endswith(CUT):
        return text
    kept = text.removesuffix(CUT)
    for secret in secrets:
        size = next((n for n in range(min(len(secret), len(kept)), SHORTEST - 1, -1) if kept.endswith(secret[:n])), 0)
        if size:
            return f"{kept[:-size]}{MASK}{CUT}"
    return text


def excerpt(text: str, longest: int, secrets: Sequence[str], hides: Sequence[str] = ()) -> str:
    """The beginning of a text as it may be kept: without what nobody may see, and without what a database does not keep.

    Cut off where it might break a secret, the text is looked through for some way beyond, and then loses as much at its end.
    """
    margin = min(MOST_MARGIN, ESCAPED * max(map(len, (*secrets, *hides)), default=0))
    looked_at = text[: longest + margin]
    kept = redact(looked_at, secrets, hides)
    if len(looked_at) < len(text):
        kept = kept[: max(0, len(kept) - margin)]
    return kept[:longest].replace("\0", "").encode("utf-8", "replace").decode()


def written(headers: Pairs, body: bytes) -> str:
    """Head and body, as much of them as any excerpt looks at."""
    head = "".join(f"{name}: {value}\n" for name, value in headers)
    return f"{head}\n{body[:LOOKED_AT].decode('utf-8', 'replace')}"
