"""What can be asked of the running HTTP simulator, in JSON, under /simulator/."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

import msgspec

from chappe.messaging import ConfigError, FieldError

from .http import MOST_MISSING, MOST_RECORDS, MessagesQuery, MissingQuery
from .http_quirks import HttpQuirks, config_error
from .http_server import Answer, Request, json_answer, json_object
from .quirks import convert
from .tally import MOST_LISTED

if TYPE_CHECKING:
    from .http_simulator import HttpSimulator


class InboundOrder(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    rename={"sender": "from", "recipient": "to"},
):
    """A text from a phone, to be sent at once; `count` times."""

    vendor: str
    sender: str
    recipient: str
    text: str
    count: int = 1


def control(simulator: "HttpSimulator", request: Request, path: list[str]) -> Answer:
    """What a request under /simulator/ is answered."""
    name = "/".join(path)
    methods = ROUTES.get(name)
    if methods is None:
        return _errors(404, {"path": f"there is: {', '.join(ROUTES)}"})
    route = methods.get(request.method)
    if route is None:
        return _errors(405, {"method": f"{name} takes {' and '.join(methods)}"})
    # Browsers put Origin on requests that other sites make: none of theirs may change anything here.
    if request.method != "GET" and b"origin" in request.headers:
        return _errors(403, {"origin": "requests of other sites are not taken"})
    values: dict[str, Any] | None = dict(parse_qsl(request.query, keep_blank_values=True))
    if request.method == "POST":
        values = json_object(request.body) if request.body else {}
    if values is None:
        return _errors(400, {"body": "a JSON object is expected"})
    try:
        return json_answer(200, route(simulator, values))
    except ConfigError as error:
        return _errors(400, {one.field: one.message for one in error.errors})


def _errors(status: int, errors: dict[str, str]) -> Answer:
    return json_answer(status, {"errors": errors})


def _stats(simulator: "HttpSimulator", values: dict[str, Any]) -> object:
    return simulator.stats()


def _messages(simulator: "HttpSimulator", values: dict[str, Any]) -> object:
    query = convert(values, MessagesQuery, strict=False)
    return simulator.messages(query.destination, min(max(query.limit, 0), MOST_RECORDS))


def _missing(simulator: "HttpSimulator", values: dict[str, Any]) -> object:
    query = convert(values, MissingQuery, strict=False)
    if not 0 <= query.last - query.first < MOST_MISSING:
        raise ConfigError([FieldError("to", f"from at most to, and at most {MOST_MISSING} numbers, is expected")])
    count, first = simulator.tally.missing(query.first, query.last, MOST_LISTED)
    return {"count": count, "first": first}


def _duplicates(simulator: "HttpSimulator", values: dict[str, Any]) -> object:
    return {"count": simulator.tally.duplicates, "last": [str(one) for one in simulator.tally.twice]}


def _quirks(simulator: "HttpSimulator", values: dict[str, Any]) -> object:
    # Credentials go in and do not come out.
    quirks = simulator.quirks
    masked = {
        name: msgspec.structs.replace(one, account=dict.fromkeys(one.account, "********"))
        for name, one in quirks.vendors.items()
    }
    return msgspec.structs.replace(quirks, vendors=masked)


def _change(simulator: "HttpSimulator", values: dict[str, Any]) -> HttpQuirks | object:
    simulator.change(values)
    return _quirks(simulator, {})


def _inbound(simulator: "HttpSimulator", values: dict[str, Any]) -> object:
    order = convert(values, InboundOrder)
    if not 1 <= order.count <= 100_000:
        raise config_error("count", "a number from 1 to 100000 is expected")
    return {"texts": simulator.send_text(order.vendor, order.sender, order.recipient, order.text, order.count)}


def _keys(simulator: "HttpSimulator", values: dict[str, Any]) -> object:
    return simulator.public_keys()


def _reset(simulator: "HttpSimulator", values: dict[str, Any]) -> object:
    simulator.reset()
    return {}


Route = Callable[["HttpSimulator", dict[str, Any]], object]
ROUTES: Final[dict[str, dict[str, Route]]] = {
    "stats": {"GET": _stats},
    "messages": {"GET": _messages},
    "missing": {"GET": _missing},
    "duplicates": {"GET": _duplicates},
    "keys": {"GET": _keys},
    "quirks": {"GET": _quirks, "POST": _change},
    "inbound": {"POST": _inbound},
    "reset": {"POST": _reset},
}
