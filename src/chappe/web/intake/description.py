"""The two addresses of the fast path in OpenAPI, drawn from the structs that read and answer them."""

from typing import Any

import msgspec

from chappe.web.intake.app import JSON, MANY, MOST_KEY, MOST_LINES, MOST_OCTETS, NDJSON, ONE
from chappe.web.intake.request import MessageIn
from chappe.web.intake.submission import Answer
from chappe.web.wire import PROBLEM

_PLACE = "#/components/schemas/{name}"
_IDEMPOTENCY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MOST_KEY},
    "description": "The same request with the same key is taken once; its answer is given again, with the header "
    "Idempotent-Replayed. Printable ASCII.",
    "example": "order-7",
}
_LINES = (
    f"One message a line, at most {MOST_LINES} lines and {MOST_OCTETS[MANY] // 1024**2} MiB; all are taken, or none. "
    "The answer has a line for each, in their order. Problems name lines from 1."
)
_MESSAGE = {"to": "+33612345678", "text": "Your code is 123456.", "client_reference": "order-7"}
_OTHER = {"to": "+33612345679", "text": "Your parcel is here.", "category": "marketing"}
_ANSWER = {"id": 42, "state": "waiting", "segments": 1, "encoding": "gsm"}
_EXCLUDED = {"id": 43, "state": "excluded", "segments": 1, "reason": "denylisted", "encoding": "gsm"}
PROBLEMS = {
    400: "The body is not JSON.",
    401: "No API key, or one that is revoked.",
    403: "The API key does not have the scope send.",
    408: "The body stopped coming.",
    413: "The body is too long, or has too many lines.",
    415: "The body is of another kind.",
    422: "A field cannot be used, or the Idempotency-Key was used for another request; nothing was sent.",
    429: "Other requests of the organisation take all the room it may have, or too many came from this address with a "
    "key that is none. Nothing was stored; Retry-After says when to try again.",
    503: "The database does not answer, or too much is waiting for it; nothing was stored, or the detail says that this is "
    "not known: it went away during the commit. Try again, with an Idempotency-Key.",
}
"""Status → what it means. Lines that are not JSON are 422, for they are named."""


def schemas() -> dict[str, Any]:
    """What the operations refer to, by name."""
    return msgspec.json.schema_components((MessageIn, Answer), ref_template=_PLACE)[1]


def operations() -> dict[str, dict[str, Any]]:
    """Address → what its POST is."""
    return {
        ONE: _operation("send_message", "Send a message", "", JSON, _MESSAGE, _ANSWER),
        MANY: _operation(
            "send_messages", "Send many messages", _LINES, NDJSON, _lines(_MESSAGE, _OTHER), _lines(_ANSWER, _EXCLUDED)
        ),
    }


def _operation(name: str, summary: str, text: str, kind: bytes, asked: object, answered: object) -> dict[str, Any]:
    accepted = {
        "description": "Stored; what is not excluded will be sent.",
        "content": _content(kind, "Answer", answered),
    }
    problems = {
        str(status): {"description": words, "content": _content(PROBLEM, "Problem")}
        for status, words in PROBLEMS.items()
        if not (status == 400 and kind == NDJSON)
    }
    return {
        "operationId": name,
        "summary": summary,
        "description": f"Answered once what was sent is committed. {text}".strip(),
        "parameters": [_IDEMPOTENCY],
        "requestBody": {"required": True, "content": _content(kind, "MessageIn", asked)},
        "responses": {"202": accepted, **problems},
        "tags": ["messages"],
        "security": [{"ApiKeyAuth": []}],
    }


def _content(kind: bytes, schema: str, example: object = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": _PLACE.format(name=schema)}}
    if example is not None:
        content["example"] = example
    return {kind.decode(): content}


def _lines(*messages: object) -> str:
    return msgspec.json.Encoder().encode_lines(messages).decode()
