"""What /v1/openapi.json says of the intake is what the intake does."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.web.desk import MANY, ONE, Desk, lined

from chappe.features.connections.models import Connection
from chappe.features.consent.models import Quarantine
from chappe.web.api.api import api
from chappe.web.intake.app import MOST_LINES
from chappe.web.intake.description import PROBLEMS
from chappe.web.intake.request import MessageIn, OptionsIn, read_lines, read_one
from chappe.web.intake.submission import Answer
from chappe.web.wire import BadRequest

DOCUMENT: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema()))
SCHEMAS = DOCUMENT["components"]["schemas"]
GOOD: dict[str, Any] = {"to": "+33612345678", "text": "Bonjour"}


def operation(path: str) -> Any:
    return DOCUMENT["paths"][path]["post"]


def content(path: str) -> Any:
    """Of the request: schema and example."""
    ((_kind, found),) = operation(path)["requestBody"]["content"].items()
    return found


def fields() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field, nested ones by their path, with its schema; what may also be null is told by what else it may be."""
    for prefix, name in (("", "MessageIn"), ("options.", "OptionsIn")):
        for field, schema in SCHEMAS[name]["properties"].items():
            kinds = [one for one in schema.get("anyOf", [schema]) if one != {"type": "null"}]
            assert len(kinds) == 1
            yield prefix + field, {"description": schema.get("description"), **kinds[0]}


def asked(field: str, value: object) -> dict[str, str]:
    """What is said of a message with this value."""
    changed = {"options": {field.removeprefix("options."): value}} if field.startswith("options.") else {field: value}
    try:
        read_one(json.dumps(GOOD | changed).encode())
    except BadRequest as error:
        return {one.field: one.message for one in error.errors}
    return {}


def edges() -> Iterator[tuple[str, object, object]]:
    """Field, the last value that may be, the first that may not; of every limit that is described."""
    for field, schema in fields():
        if "maxLength" in schema:
            yield field, "1" * schema["maxLength"], "1" * (schema["maxLength"] + 1)
        if schema.get("minLength"):
            yield field, "1" * schema["minLength"], ""
        if "maximum" in schema:
            yield field, schema["maximum"], schema["maximum"] + 1
        if "minimum" in schema:
            yield field, schema["minimum"], schema["minimum"] - 1
        if "enum" in schema:
            yield field, schema["enum"][-1], "another"


@pytest.mark.parametrize(("field", "last", "beyond"), list(edges()))
def test_a_limit_is_where_it_is_described(field: str, last: object, beyond: object) -> None:
    assert asked(field, last) == {}
    assert list(asked(field, beyond)) == [field]


def test_every_field_and_no_other_is_described() -> None:
    for name, struct in (("MessageIn", MessageIn), ("OptionsIn", OptionsIn), ("Answer", Answer)):
        assert tuple(SCHEMAS[name]["properties"]) == struct.__struct_fields__
    assert SCHEMAS["MessageIn"]["required"] == ["to", "text"]
    assert SCHEMAS["MessageIn"]["additionalProperties"] is SCHEMAS["OptionsIn"]["additionalProperties"] is False


def test_every_field_but_the_table_of_options_says_what_it_is_for() -> None:
    silent = [field for field, schema in fields() if not schema.get("description")]
    assert silent == ["options"]


def test_the_pattern_of_a_sender_is_that_of_other_languages_too() -> None:
    pattern = dict(fields())["sender"]["pattern"]
    assert "\\Z" not in pattern  # JavaScript, which OpenAPI's patterns are of, does not know it
    for sender in ("", "Relais 24", "~!"):
        assert re.search(pattern, sender)
        assert asked("sender", sender) == {}
    for sender in ("é", "a\n", "\n", "\x7f"):
        assert not re.search(pattern, sender)
        assert list(asked("sender", sender)) == ["sender"]


def test_defaults_are_those_of_a_message_that_says_nothing() -> None:
    message = read_one(json.dumps(GOOD).encode())
    for field, schema in SCHEMAS["MessageIn"]["properties"].items():
        if field not in GOOD:
            assert getattr(message, field) == schema["default"]


@pytest.mark.parametrize("path", [ONE, MANY])
def test_both_addresses_are_described_whole(path: str) -> None:
    described = operation(path)
    assert content(path)["schema"] == {"$ref": "#/components/schemas/MessageIn"}
    (header,) = described["parameters"]
    assert (header["name"], header["in"], header["required"]) == ("Idempotency-Key", "header", False)
    assert described["security"] == [{"ApiKeyAuth": []}]
    assert "ApiKeyAuth" in DOCUMENT["components"]["securitySchemes"]
    statuses = {int(status) for status in described["responses"] if status.isdigit()}
    assert statuses - {400} == {202} | PROBLEMS.keys() - {400}
    for status in statuses - {202}:
        answer = described["responses"][str(status)]["content"]
        assert answer == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_the_intake_takes_the_examples_and_answers_as_described(desk: Desk, north: Connection) -> None:
    Quarantine.objects.create(organisation_id=north.organisation_id, address="+33612345679", status="denylisted")
    example = content(ONE)["example"]
    assert read_one(json.dumps(example).encode()).to == "+33612345678"
    one = desk.post(example, content_type="application/json")
    lines = content(MANY)["example"].encode()
    assert len(read_lines(lines, MOST_LINES)) == 2
    many = desk.post(lines, MANY, content_type="application/x-ndjson")
    assert (one.status, many.status) == (202, 202)
    shown = [operation(path)["responses"]["202"]["content"] for path in (ONE, MANY)]
    assert (one.type, many.type) == (next(iter(shown[0])), next(iter(shown[1])))
    assert without_id(one.json) == without_id(shown[0][one.type]["example"])
    examples = [json.loads(line) for line in shown[1][many.type]["example"].splitlines()]
    assert [without_id(line) for line in many.lines] == [without_id(line) for line in examples]
    properties = SCHEMAS["Answer"]["properties"]
    for line in (one.json, *many.lines):
        assert set(SCHEMAS["Answer"]["required"]) <= set(line) <= set(properties)
        assert line["state"] in properties["state"]["enum"]


def without_id(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "id"}


def test_problems_are_as_described(desk: Desk, north: Connection) -> None:
    replies = [
        desk.post(b"{"),
        desk.post(GOOD, authorization="Bearer chp_x"),
        desk.run(desk.parts([{"body": b"{", "more_body": True}])),
        desk.run(desk.parts([], content_length="99999999")),
        desk.post(GOOD, content_type="text/plain"),
        desk.post({}),
        desk.post(lined([GOOD, {}]), MANY),
    ]
    assert [reply.status for reply in replies] == [400, 401, 408, 413, 415, 422, 422]
    problem = SCHEMAS["Problem"]
    for reply in replies:
        assert reply.status in PROBLEMS
        assert set(problem["required"]) <= set(reply.json) <= set(problem["properties"])
