"""The e-mail provider: identifiers, settings, and bodies that are JSON. Exchanges: esp/*.json."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.messaging import Accepted, ConfigError, OutboundMessage, Refused
from chappe.providers import esp
from chappe.providers.esp import IdentifierKind, identifier_of
from chappe.providers.http import Account, HttpRequest, HttpResponse
from chappe.providers.payload import Payload

SETTINGS: dict[str, Any] = {"url": "https://esp.example.org/send"}


def account(**settings: Any) -> Account:
    return Account(esp.SPEC.parse({**SETTINGS, **settings}), 42, 7)


def problems(**settings: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        account(**settings)
    return [error.field for error in caught.value.errors]


def message(body: str) -> OutboundMessage:
    return OutboundMessage(1, "ana@example.org", "", body, 0, 0, 0, 0, 0, 7)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("email", "Ana@Example.org"),
        # printf ana@example.org | sha256sum
        ("hashed_email", "86b9260a115ceac89a9738af23696ce3a5d70449de8d95ef28bd754bb80196b9"),
        ("external_id", "crm-7"),
        ("phone", "+33612345678"),
        ("attribute", "L-99"),
    ],
)
def test_a_person_is_named_as_the_provider_knows_them(kind: str, expected: str) -> None:
    attributes = {"loyalty": "L-99", "age": 7}
    assert identifier_of(kind, " Ana@Example.org ", "crm-7", "+33612345678", attributes, "loyalty") == expected


@pytest.mark.parametrize("kind", list(IdentifierKind))
def test_who_has_no_identifier_has_an_empty_one(kind: IdentifierKind) -> None:
    assert identifier_of(kind, "", "", "", {}, "loyalty") == ""
    assert identifier_of(kind, "", "", "", {"loyalty": [1]}, "loyalty") == ""


def test_the_identifier_goes_into_the_payload_and_the_payload_out_as_it_is() -> None:
    source = '{"to": "{{ user_identifier }}", "data": {"name": "{{ first_name }}"}}'
    body = Payload(source).render({"user_identifier": "crm-7", "first_name": 'An"a\n'}).decode()
    made = esp.build(message(body), account())
    assert isinstance(made, HttpRequest)
    assert (made.method, made.url) == ("POST", "https://esp.example.org/send")
    assert json.loads(made.body) == {"to": "crm-7", "data": {"name": 'An"a\n'}}


@pytest.mark.parametrize("body", ["", "Hello", '{"a": }', "{'a': 1}", "[" * 5000, '{"a": "\ud800"', '{"a": 1} x'])
def test_a_body_that_is_no_json_is_refused_and_not_quoted(body: str) -> None:
    made = esp.build(message(body), account())
    assert isinstance(made, Refused)
    assert "Hello" not in made.reason


@given(st.text(max_size=30))
def test_any_body_is_sent_as_json_or_refused(body: str) -> None:
    made = esp.build(message(body), account())
    assert isinstance(made, Refused) or json.loads(made.body) is not ...


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"url": ""}, ["url"]),
        ({"identifier_type": "attribute"}, ["identifier_attribute"]),
        ({"auth_type": "basic"}, ["basic_user"]),
        ({"auth_type": "oauth2"}, ["token_url", "client_id", "client_secret"]),
        ({"client_secret_name": "client_id"}, ["client_secret_name"]),
        ({"client_id_name": "client id"}, ["client_id_name"]),
        (
            {
                "auth_type": "oauth2",
                "token_url": "https://x.example",
                "client_id": "a",
                "client_secret": "b",
                "credentials_sent_as": "headers",
                "client_id_name": "(id)",
            },
            ["client_id_name"],
        ),
        ({"headers": [{"label": "Charset", "value": "UTF-8"}]}, ["headers"]),
    ],
)
def test_what_is_missing_is_named(settings: dict[str, Any], fields: list[str]) -> None:
    assert problems(**settings) == fields


def test_any_2xx_is_enough_where_no_field_is_named() -> None:
    assert isinstance(esp.read(HttpResponse(202), account()), Accepted)
