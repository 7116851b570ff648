"""The two addresses of the fast path in OpenAPI, drawn from the structs that read and answer them."""

from typing import Any

import msgspec

from chappe.web.intake.app import MANY, MOST_LINES, MOST_OCTETS, ONE, Answer
from chappe.web.intake.request import MessageIn

_PLACE = "#/components/schemas/{name}"
_IDEMPOTENCY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "schema": {"type": "string", "maxLength": 255},
    "description": "the same request with the same key is taken once; its answer is given again",
}
_LINES = (
    f"One message a line, at most {MOST_LINES} lines and {MOST_OCTETS[MANY] // 1024**2} MiB; all are taken, or none. "
    "The answer has a line for each, in their order."
)


def schemas() -> dict[str, Any]:
    """What the operations refer to, by name."""
    return msgspec.json.schema_components((MessageIn, Answer), ref_template=_PLACE)[1]


def operations() -> dict[str, dict[str, Any]]:
    """Address → what its POST is."""
    return {
        ONE: _operation("send_message", "Send a message", "", "application/json"),
        MANY: _operation("send_messages", "Send many messages", _LINES, "application/x-ndjson"),
    }


def _operation(name: str, summary: str, text: str, kind: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "description": f"Answered once what was sent is committed. {text}".strip(),
        "parameters": [_IDEMPOTENCY],
        "requestBody": {"required": True, "content": _content(kind, "MessageIn")},
        "responses": {"202": {"description": "Taken; it will be sent.", "content": _content(kind, "Answer")}},
        "tags": ["messages"],
        "security": [{"ApiKeyAuth": []}],
    }


def _content(kind: str, schema: str) -> dict[str, Any]:
    return {kind: {"schema": {"$ref": _PLACE.format(name=schema)}}}
