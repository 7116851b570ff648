"""An HTTP exchange of a traced connection: kept without secrets, shown without what its reader may not see."""

import time
from collections.abc import Iterator, Sequence

import msgspec

from chappe.engine.exchange import CUT, ESCAPED, excerpt, outcome_words, written
from chappe.engine.net.redact import SHORTEST, mask_numbers, redact
from chappe.messaging import OutboundMessage, SendOutcome
from chappe.providers.http import HttpRequest, HttpResponse

LONGEST = 8_000
"""Characters that are kept of a request, and of an answer."""
HIDDEN = "•••"
END_OF_HEAD = "\n\n"
CONTENT_TEXTS = frozenset({"text", "title", "description", "name", "postback", "number"})
"""Members of a content that people read or write."""


class TracedExchange(msgspec.Struct, frozen=True, omit_defaults=True):
    """`request` and `response` are headers, an empty line and a body. `numbers` and `texts` are what stands in them of
    people. `status` 0: there was no answer."""

    method: str
    url: str
    request: str
    status: int
    response: str
    outcome: str
    took_ms: float
    numbers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(TracedExchange).decode


def kept_exchange(
    request: HttpRequest,
    response: HttpResponse | None,
    outcome: SendOutcome,
    took_s: float,
    message: OutboundMessage,
    secrets: Sequence[str],
) -> bytes:
    """A call of ours as it is kept; the request is as built, without the proof."""

    def kept(text: str) -> str:
        return excerpt(text, LONGEST, secrets) + (CUT if len(text) > LONGEST else "")

    answer = "" if response is None else written(tuple(response.headers.items()), response.body)
    exchange = TracedExchange(
        request.method,
        kept(request.url),
        kept(written(request.headers, request.body)),
        0 if response is None else response.status,
        kept(answer),
        kept(outcome_words(outcome)),
        round(took_s * 1000, 3),
        (message.recipient,),
        tuple(_texts(message)),
    )
    return write_exchange(exchange)


def began_ms(took_s: float) -> int:
    """When a call began that ends now."""
    return int((time.time() - took_s) * 1000)


def write_exchange(exchange: TracedExchange) -> bytes:
    return _encode(exchange)


def read_exchange(content: bytes) -> TracedExchange:
    return _decode(content)


def shown_exchange(exchange: TracedExchange, *, shows_texts: bool, shows_numbers: bool) -> TracedExchange:
    """The same for somebody who may see so much."""
    if shows_texts and shows_numbers:
        return exchange
    texts = () if shows_texts else exchange.texts
    numbers = () if shows_numbers else exchange.numbers

    def shown(text: str) -> str:
        return _redacted(text, texts, numbers)

    return msgspec.structs.replace(
        exchange,
        url=shown(exchange.url),
        request=_request(exchange.request, texts, numbers),
        response=shown(exchange.response),
        outcome=shown(exchange.outcome),
        numbers=(),
        texts=(),
    )


def _request(request: str, texts: Sequence[str], numbers: Sequence[str]) -> str:
    """What we said. A body in which the text is not found, and that may write it in a way unknown here, is hidden whole; one
    without the number loses all that look like one."""
    head, body = parted(request)
    hidden = _redacted(body, texts, ())
    if body and texts and hidden == body:
        hidden = HIDDEN
    elif numbers:
        without = _redacted(hidden, (), numbers)
        hidden = mask_numbers(hidden) if without == hidden else without
    return f"{_redacted(head, texts, numbers)}\n{hidden}"


def parted(written: str) -> tuple[str, str]:
    """The lines of the head, each with its end, and the body: as `exchange.written` joined them."""
    if written.startswith("\n"):
        return "", written[1:]
    head, mark, body = written.partition(END_OF_HEAD)
    return f"{head}\n" if mark else head, body


def _redacted(text: str, texts: Sequence[str], numbers: Sequence[str]) -> str:
    """At the end of a text that was cut, the beginning of what is to be hidden may stand: so much is taken off."""
    hides = (*texts, *numbers)
    kept = redact(text, (), hides)
    if not text.endswith(CUT) or not hides:
        return kept
    return kept[: max(0, len(kept) - ESCAPED * max(map(len, hides)) - len(CUT))] + CUT


def _texts(message: OutboundMessage) -> Iterator[str]:
    """What a message says: its body, and what stands in a content beside addresses of pages and pictures."""
    if message.body:
        yield message.body
    content = message.options.content if message.options is not None else None
    if content is not None:
        yield from _strings(msgspec.to_builtins(content))


def _strings(value: object) -> Iterator[str]:
    match value:
        case str() if len(value) >= SHORTEST:
            yield value
        case dict():
            for name, item in value.items():
                if name in CONTENT_TEXTS or not isinstance(item, str):
                    yield from _strings(item)
        case list() | tuple():
            for item in value:
                yield from _strings(item)
