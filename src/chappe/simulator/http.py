"""The HTTP side: counts, messages, and everything that can be asked of a running simulator, in JSON."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl, urlsplit

import httptools
import msgspec

from chappe.messaging import ConfigError, FieldError

from .quirks import Garbage, Inbound, check_text, convert

if TYPE_CHECKING:
    from .smsc import Simulator

MOST_OCTETS = 1 << 20
MOST_RECORDS = 1000
MOST_MISSING = 10_000_000
REASONS: Final = {
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
}

HEAD: Final = "HTTP/1.1 {} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which links are meant; all of them without either."""

    link: int | None = None
    system_id: str | None = None


class GarbageOrder(Which, frozen=True, forbid_unknown_fields=True):
    """What nonsense to send, and where."""

    kind: Garbage = Garbage.MALFORMED


class ThrottleOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long everything is answered ESME_RTHROTTLED."""

    seconds: float = 5.0


class MessagesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Messages to a number, or all; the latest first."""

    destination: str = ""
    limit: int = 100


class MissingQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"first": "from", "last": "to"}):
    """The numbers that should have been seen."""

    first: int
    last: int


class HttpError(Exception):
    """What is answered instead."""

    def __init__(self, status: int, errors: dict[str, str]) -> None:
        super().__init__(errors)
        self.status = status
        self.errors = errors


class HttpDoor(asyncio.Protocol):
    """One connection of an HTTP client: requests one after the other, each answered before the next is read."""

    def __init__(self, smsc: "Simulator") -> None:
        self._smsc = smsc
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._body = bytearray()
        self._octets = 0
        self._is_cross_site = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only
        self._smsc.doors.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._smsc.doors.discard(self)

    def data_received(self, data: bytes) -> None:
        self._octets += len(data)
        if self._octets > MOST_OCTETS:
            self._fail(413, f"more than {MOST_OCTETS} octets")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(400, "no upgrade is offered")
        except httptools.HttpParserError:
            self._fail(400, "this is not HTTP/1.1")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # httptools

    def on_message_begin(self) -> None:
        self._url = b""
        self._body.clear()
        self._is_cross_site = False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        # Browsers put Origin on requests that other sites make: none of theirs may change anything here.
        self._is_cross_site |= name.lower() == b"origin"

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._octets = 0
        if self._transport is None or self._transport.is_closing():
            return
        try:
            answer = self._answer(self._parser.get_method().decode(), bytes(self._body))
        except HttpError as error:
            self._write(error.status, {"errors": error.errors})
        except ConfigError as error:
            self._write(400, {"errors": {one.field: one.message for one in error.errors}})
        else:
            self._write(200, answer)
        if not self._parser.should_keep_alive():
            self._transport.close()

    # Within

    def _answer(self, method: str, body: bytes) -> object:
        parts = urlsplit(self._url.decode("latin-1"))
        methods = ROUTES.get(parts.path)
        if methods is None:
            raise HttpError(404, {"path": f"there is: {', '.join(ROUTES)}"})
        route = methods.get(method)
        if route is None:
            raise HttpError(405, {"method": f"{parts.path} takes {' and '.join(methods)}"})
        if method != "GET" and self._is_cross_site:
            raise HttpError(403, {"origin": "requests of other sites are not taken"})
        values = _values(body) if method == "POST" else dict(parse_qsl(parts.query, keep_blank_values=True))
        return route(self._smsc, values)

    def _write(self, status: int, answer: object) -> None:
        assert self._transport is not None
        body = msgspec.json.encode(answer) + b"\n"
        self._transport.write(HEAD.format(status, REASONS[status], len(body)).encode() + body)

    def _fail(self, status: int, text: str) -> None:
        """Answer what cannot be read, and close: where the next request begins is unknown."""
        if self._transport is not None and not self._transport.is_closing():
            self._write(status, {"errors": {"request": text}})
            self._transport.close()


def _values(body: bytes) -> dict[str, Any]:
    try:
        values = msgspec.json.decode(body) if body else {}
    except msgspec.DecodeError as error:
        raise HttpError(400, {"body": f"is not JSON: {error}"}) from None
    if not isinstance(values, dict):
        raise HttpError(400, {"body": "an object is expected"})
    return values


def _stats(smsc: "Simulator", values: dict[str, Any]) -> object:
    return smsc.stats()


def _messages(smsc: "Simulator", values: dict[str, Any]) -> object:
    query = convert(values, MessagesQuery, strict=False)
    return smsc.messages(query.destination, min(max(query.limit, 0), MOST_RECORDS))


def _missing(smsc: "Simulator", values: dict[str, Any]) -> object:
    query = convert(values, MissingQuery, strict=False)
    if not 0 <= query.last - query.first < MOST_MISSING:
        raise ConfigError([FieldError("to", f"from at most to, and at most {MOST_MISSING} numbers, is expected")])
    count, first = smsc.missing(query.first, query.last)
    return {"count": count, "first": first}


def _duplicates(smsc: "Simulator", values: dict[str, Any]) -> object:
    return {"count": smsc.tally.duplicates, "last": smsc.duplicates()}


def _quirks(smsc: "Simulator", values: dict[str, Any]) -> object:
    # Passwords go in and do not come out.
    return msgspec.structs.replace(smsc.quirks, accounts=dict.fromkeys(smsc.quirks.accounts, "********"))


def _change(smsc: "Simulator", values: dict[str, Any]) -> object:
    smsc.change(values)
    return _quirks(smsc, {})


def _drop(smsc: "Simulator", values: dict[str, Any]) -> object:
    which = convert(values, Which)
    return {"links": smsc.drop(which.link, which.system_id)}


def _unbind(smsc: "Simulator", values: dict[str, Any]) -> object:
    which = convert(values, Which)
    return {"links": smsc.unbind(which.link, which.system_id)}


def _silence(smsc: "Simulator", values: dict[str, Any]) -> object:
    which = convert(values, Which)
    return {"links": smsc.silence(which.link, which.system_id)}


def _garbage(smsc: "Simulator", values: dict[str, Any]) -> object:
    order = convert(values, GarbageOrder)
    return {"links": smsc.send_garbage(order.kind, order.link, order.system_id)}


def _throttle(smsc: "Simulator", values: dict[str, Any]) -> object:
    order = convert(values, ThrottleOrder)
    smsc.throttle(order.seconds)
    return {"seconds": order.seconds}


def _inbound(smsc: "Simulator", values: dict[str, Any]) -> object:
    rule = convert(values, Inbound)
    check_text(rule)
    return {"deliver_sm": smsc.send_text(rule)}


def _reset(smsc: "Simulator", values: dict[str, Any]) -> object:
    smsc.reset()
    return {}


Route = Callable[["Simulator", dict[str, Any]], object]
ROUTES: Final[dict[str, dict[str, Route]]] = {
    "/stats": {"GET": _stats},
    "/messages": {"GET": _messages},
    "/missing": {"GET": _missing},
    "/duplicates": {"GET": _duplicates},
    "/quirks": {"GET": _quirks, "POST": _change},
    "/drop": {"POST": _drop},
    "/unbind": {"POST": _unbind},
    "/silence": {"POST": _silence},
    "/garbage": {"POST": _garbage},
    "/throttle": {"POST": _throttle},
    "/inbound": {"POST": _inbound},
    "/reset": {"POST": _reset},
}
