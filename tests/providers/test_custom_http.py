"""The custom provider: what its settings must be, and what becomes of them and of answers. Exchanges: custom/*.json."""

import json
from collections.abc import Generator
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.messaging import (
    Accepted,
    BadSignature,
    ConfigError,
    MessageOptions,
    OutboundMessage,
    Refused,
    UnreadableBody,
)
from chappe.messaging.content import Card, Carousel, Content, RichText
from chappe.providers import custom_http
from chappe.providers.answer import find
from chappe.providers.http import Account, HookRequest, HttpRequest, HttpResponse, Token, TokenRefused

SETTINGS: dict[str, Any] = {"url": "https://sms.example.org/send"}
DEFAULT_HEADERS = [
    {"label": "Content-Type", "value": "application/json"},
    {"label": "Charset", "value": "UTF-8"},
]
NOW_S = 1_700_000_000.0
KEY = "-----BEGIN PRIVATE KEY-----\nnot one\n-----END PRIVATE KEY-----"


def account(**settings: Any) -> Account:
    return Account(custom_http.SPEC.parse({**SETTINGS, **settings}), 42, 7)


def problems(**settings: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        account(**settings)
    return {error.field: error.message for error in caught.value.errors}


def message(body: str = "Hello", **values: Any) -> OutboundMessage:
    unsaid = {"id": 4711, "sender": "", "category": 0, "attempt": 0, "tries": 0, "expires_ms": 0, "delivery_id": 9}
    return OutboundMessage(**{**unsaid, "recipient": "+33612345678", "organisation_id": 7, "body": body, **values})


def sent(to: Account, text: OutboundMessage) -> Any:
    made = custom_http.build(text, to)
    assert isinstance(made, HttpRequest), made
    return json.loads(made.body)


def answered(status: int, body: Any, **settings: Any) -> Any:
    return custom_http.read(HttpResponse(status, json.dumps(body).encode()), account(**settings))


# -- settings ----------------------------------------------------------------------------------------------------------


def test_an_address_is_all_that_is_needed() -> None:
    made = custom_http.build(message(), account())
    assert isinstance(made, HttpRequest)
    assert (made.method, made.url) == ("POST", "https://sms.example.org/send")
    assert made.headers == (("Content-Type", "application/json"), ("Charset", "UTF-8"))
    assert problems(url="") == {"url": "is needed"}


def test_content_type_and_charset_may_change_and_cannot_be_removed() -> None:
    rows = [{"label": "content-type", "value": "application/vnd.acme+json"}]
    assert problems(headers=rows) == {"headers": "Charset is there from the start and cannot be removed"}
    with pytest.raises(
        ConfigError, match="Content-Type is there from the start and cannot be removed; headers: Charset"
    ):
        account(headers=[])
    made = custom_http.build(message(), account(headers=[*rows, DEFAULT_HEADERS[1]]))
    assert isinstance(made, HttpRequest)
    assert ("content-type", "application/vnd.acme+json") in made.headers


@pytest.mark.parametrize(
    ("row", "field", "said"),
    [
        ({"label": "X A", "value": "1"}, "headers[2].label", "letters"),
        ({"label": "X-A:", "value": "1"}, "headers[2].label", "letters"),
        ({"label": "Host", "value": "1"}, "headers[2].label", "sender itself"),
        ({"label": "charset", "value": "1"}, "headers[2].label", "another row"),
        ({"label": "X-A", "value": "1\r\nX-B: 2"}, "headers[2].value", "one line"),
        (
            {"label": "X-A", "value": "{{ nope }}", "type": "template"},
            "headers[2].value",
            "line 1, column 4: there is no value",
        ),
        ({"label": "X-A", "value": "{{ a", "type": "template"}, "headers[2].value", "line 1"),
        ({"label": "X-A", "value": "x", "type": "template", "locked": True}, "headers[2].type", "constant"),
        ({"label": "X-A", "value": "x", "type": "variable"}, "headers[2].type", "constant, template"),
    ],
)
def test_a_header_that_cannot_be_sent_is_named(row: dict[str, Any], field: str, said: str) -> None:
    found = problems(headers=[*DEFAULT_HEADERS, row])
    assert list(found) == [field]
    assert said in found[field]


def test_the_body_is_json_whatever_the_content_type() -> None:
    rows = [{"label": "Content-Type", "value": "text/xml"}, DEFAULT_HEADERS[1]]
    assert list(problems(headers=rows)) == ["headers[0].value"]


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"auth_type": "basic"}, "basic_user"),
        ({"auth_type": "api_key"}, "api_token"),
        ({"auth_type": "api_key", "api_token": "a\nb"}, "api_token"),
        ({"auth_type": "api_key", "api_token": "x", "api_key_form": "Bearer"}, "api_key_form"),
        ({"auth_type": "api_key", "api_token": "x", "api_key_name": "X Key"}, "api_key_name"),
        ({"auth_type": "api_key", "api_token": "x", "api_key_name": "X:Key"}, "api_key_name"),
        ({"auth_type": "mac", "api_token": "a\r\nb", "mac_secret": "x"}, "api_token"),
        ({"auth_type": "mac", "api_token": "x"}, "mac_secret"),
        ({"auth_type": "mac", "mac_secret": "x"}, "api_token"),
        ({"auth_type": "mac", "api_token": "x", "mac_secret": "x", "mac_form": "MAC"}, "mac_form"),
        ({"auth_type": "oauth", "oauth_body": "{}"}, "oauth_url"),
        ({"auth_type": "oauth", "oauth_url": "https://x.example"}, "oauth_body"),
        ({"auth_type": "oauth", "oauth_url": "https://x.example", "oauth_body": "[1]"}, "oauth_body"),
        ({"auth_type": "jwt"}, "api_token"),
        ({"auth_type": "jwt", "api_token": "x", "jwt_payload": '{"exp": "soon"}'}, "jwt_payload"),
        ({"auth_type": "jwt", "api_token": KEY, "jwt_algorithm": "RS256"}, "api_token"),
        ({"client_certificate": "-----BEGIN CERTIFICATE-----"}, "client_certificate"),
        ({"payload": '{"to": "{{toNumber}}"}'}, "payload"),
        ({"success_statuses": "200, 500"}, "success_statuses"),
        ({"message_id_field": "$.messages"}, "message_id_field"),
    ],
)
def test_what_a_way_to_authenticate_or_an_answer_needs_is_named(settings: dict[str, Any], field: str) -> None:
    assert list(problems(**settings)) == [field]


def test_json_in_a_setting_says_where_it_breaks() -> None:
    found = problems(auth_type="jwt", api_token="x", jwt_payload='{\n "iss": us}')
    assert found == {"jwt_payload": "line 2, column 9: is not JSON: expecting value"}


def test_what_belongs_to_another_way_is_not_needed_and_not_sent() -> None:
    made = custom_http.build(message(), account(basic_user="us", basic_password="p", api_token="t"))
    assert isinstance(made, HttpRequest)
    assert custom_http.auth(account(basic_user="us", api_token="t")).sign(made, "", NOW_S) == made


# -- proofs ------------------------------------------------------------------------------------------------------------


def test_a_locked_header_goes_out_with_the_proof_and_is_shown_nowhere_before() -> None:
    rows = [*DEFAULT_HEADERS, {"label": "X-Key", "value": "s3cret {{ x }}", "locked": True}]
    to = account(headers=rows)
    made = custom_http.build(message(), to)
    assert isinstance(made, HttpRequest)
    assert "s3cret" not in repr(made) + repr(to) + repr(custom_http.auth(to))
    assert ("X-Key", "s3cret {{ x }}") in custom_http.auth(to).sign(made, "", NOW_S).headers


def test_a_token_is_signed_with_the_api_token_and_verifies_with_another_library_s_code() -> None:
    key = "a-key-that-is-long-enough-for-sha-256"
    to = account(auth_type="jwt", api_token=key, jwt_payload='{"iss": "us", "aud": "acme", "exp": 60, "nbf": -5}')
    signed = custom_http.auth(to).sign(HttpRequest("POST", "https://x.example"), "", NOW_S)
    token = dict(signed.headers)["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, key, ["HS256"], audience="acme", options={"verify_exp": False, "verify_iat": False})
    assert claims == {"iss": "us", "aud": "acme", "iat": NOW_S, "exp": NOW_S + 60, "nbf": NOW_S - 5}


def test_an_expiry_that_is_an_instant_stays_one() -> None:
    to = account(auth_type="jwt", api_token="k", jwt_payload='{"exp": 1900000000}')
    signed = custom_http.auth(to).sign(HttpRequest("POST", "https://x.example"), "", NOW_S)
    token = dict(signed.headers)["Authorization"].removeprefix("Bearer ")
    assert jwt.decode(token, options={"verify_signature": False})["exp"] == 1_900_000_000


def fetched(steps: Generator[HttpRequest, HttpResponse, Token], answer: HttpResponse) -> Token:
    next(steps)
    try:
        steps.send(answer)
    except StopIteration as done:
        token: Token = done.value
        return token
    raise AssertionError("one request is enough")


def test_a_token_is_found_where_the_settings_say() -> None:
    to = account(
        auth_type="oauth",
        oauth_url="https://login.example.org",
        oauth_body='{"a": "b"}',
        oauth_token_path="data.0.token",
        oauth_expiry_path="data.0.ttl",
    )
    steps = custom_http.auth(to).fetch(NOW_S)
    token = fetched(steps, HttpResponse(200, b'{"data": [{"token": "t0", "ttl": "90"}]}'))
    assert (token.value, token.expires_in_s) == ("t0", 90.0)
    with pytest.raises(TokenRefused, match=r"data\.0\.token"):
        fetched(custom_http.auth(to).fetch(NOW_S), HttpResponse(200, b'{"access_token": "t0"}'))


def test_an_api_token_with_quotation_marks_stays_one_text_of_the_oauth_body() -> None:
    body = '{"grant_type": "x", "nested": [{"k": "a-{{apiToken}}"}]}'
    to = account(auth_type="oauth", oauth_url="https://l.example", oauth_body=body, api_token='q"}, {"')
    assert json.loads(next(custom_http.auth(to).fetch(NOW_S)).body) == {
        "grant_type": "x",
        "nested": [{"k": 'a-q"}, {"'}],
    }


# -- what is sent ------------------------------------------------------------------------------------------------------


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_any_text_arrives_as_it_was_typed(text: str) -> None:
    assert sent(account(), message(text))["text"] == text


def test_what_is_known_of_person_and_delivery_may_be_said() -> None:
    payload = """{"to": "{{toNumber}}", "m": "{{message}}", "n": "{{ profile.first_name }}", "d": {{ delivery.id }},
        "c": "{{ delivery.name }}", "app": "{{ appId }}", "cb": "{{ callback_url }}"}"""
    options = MessageOptions(profile={"first_name": 'An"a'}, delivery_name="Boots")
    to = Account(account(payload=payload, provider_app_id="a1").settings, 42, 7, "https://us.example/h")
    made = sent(to, message(options=options))
    assert {k: made[k] for k in ("n", "d", "c", "app", "cb")} == {
        "n": 'An"a',
        "d": 9,
        "c": "Boots",
        "app": "a1",
        "cb": "https://us.example/h",
    }


@pytest.mark.parametrize("content", [RichText("Rich"), Carousel((Card("A"), Card("B")))])
def test_rich_content_goes_out_with_the_text_that_stands_in_for_it(content: Content) -> None:
    payload = '{"to": "{{toNumber}}", "rcs": {{ content }}, "fallback": "{{message}}"}'
    made = sent(account(payload=payload), message("Plain", options=MessageOptions(content=content)))
    assert made["fallback"] == "Plain"
    assert made["rcs"]["type"] in ("text", "carousel")
    assert sent(account(payload=payload), message("Plain"))["rcs"] is None


def test_a_payload_that_fails_for_one_message_refuses_that_one() -> None:
    payload = '{"to": "{{toNumber}}", "m": "{{message}}", "x": {{ profile.age|default(1)|int }}}'
    to = account(payload=payload)
    assert sent(to, message(options=MessageOptions(profile={"age": "33"})))["x"] == 33
    refused = custom_http.build(message(options=MessageOptions(profile={"age": "s3cret"})), to)
    assert isinstance(refused, Refused)
    assert "s3cret" not in refused.reason


# -- answers -----------------------------------------------------------------------------------------------------------


def test_without_a_field_for_the_id_receipts_will_name_ours() -> None:
    assert answered(200, {}) == Accepted(("",), echoes_ours=True)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("id", "deep"),
        ("a.1.id", "deep"),
        ("a.0.id", None),
        ("a.9.id", None),
        ("last", 2),
        ("b.last", 2),
        ("", None),
        ("0", None),
    ],
)
def test_a_name_is_found_anywhere_and_a_path_only_where_it_leads(where: str, found: object) -> None:
    assert find({"a": [{"x": 1}, {"id": "deep"}], "b": {"id": "later", "last": 2}}, where) == found


def test_the_words_of_success_are_compared_without_case_and_truth_is_true() -> None:
    said = {"success_field": "ok", "success_values": "TRUE", "message_id_field": "id"}
    assert answered(200, {"ok": True, "id": 5}, **said) == Accepted(("5",))
    assert isinstance(answered(200, {"ok": False, "id": 5, "message": "no credit"}, **said), Refused)


def test_a_very_deep_answer_is_an_answer() -> None:
    body = b'{"a":' * 900 + b"1" + b"}" * 900
    assert isinstance(custom_http.read(HttpResponse(400, body), account()).reason, str)  # type: ignore[union-attr]


def test_calls_that_come_to_no_hook_are_believed_by_nobody() -> None:
    request = HookRequest("POST", "https://us.example/h", {}, b"{}")
    with pytest.raises(BadSignature):
        custom_http.verify(request, account(), NOW_S)
    with pytest.raises(UnreadableBody):
        custom_http.events(request, account())
