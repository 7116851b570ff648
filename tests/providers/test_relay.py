"""The adapter by which one Chappe hands messages to another: lines, bundles, answers, and the calls that come back."""

import gzip
import json
import time
import zlib
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.messaging import (
    About,
    Accepted,
    BadSignature,
    Category,
    ConfigError,
    Deferred,
    OutboundMessage,
    OutgoingTlv,
    Pages,
    Refused,
    Told,
    UnreadableBody,
)
from chappe.messaging.message import MessageOptions
from chappe.providers import relay
from chappe.providers.http import Account, HookRequest, HttpResponse
from chappe.providers.standard_webhook import new_secret, secret_key, signatures
from chappe.rules.link import ELSEWHERE
from chappe.web.intake.request import MessageIn

SECRET = new_secret()
SETTINGS = {
    "internal_name": "crm",
    "base_url": "https://mid.example.com/chappe/",
    "operator": "sms",
    "password": "pa55word",
    "signing_secret": SECRET,
}
ACCOUNT = Account(relay.SPEC.parse(SETTINGS))
NOW_S = 1_780_000_000.0
NAME = "Marie Curie"


def outbound(**values: Any) -> OutboundMessage:
    given: dict[str, Any] = {
        "id": 815,
        "recipient": "+33612345678",
        "sender": "36180",
        "body": "Bonjour à tous",
        "category": int(Category.MARKETING),
        "attempt": 0,
        "tries": 0,
        "expires_ms": 0,
        "delivery_id": 17,
        "organisation_id": 1,
    }
    return OutboundMessage(**(given | values))


def line(**values: Any) -> dict[str, Any]:
    written = relay.line(outbound(**values), ACCOUNT)
    assert isinstance(written, bytes)
    return dict(json.loads(written))


# -- over ------------------------------------------------------------------------------------------------------------


def test_a_line_says_what_is_needed_to_send_the_message() -> None:
    assert line() == {
        "to": "+33612345678",
        "text": "Bonjour à tous",
        "relay_id": 815,
        "relay_delivery": 17,
        "sender": "36180",
        "category": "marketing",
    }
    assert line(delivery_id=0, sender="", category=int(Category.TRANSACTIONAL)).keys() == {"to", "text", "relay_id"}


def test_an_end_of_validity_goes_as_what_is_left_of_it() -> None:
    assert line(expires_ms=int((time.time() + 3600) * 1000))["validity_s"] in (3599, 3600)
    assert line(expires_ms=int((time.time() - 60) * 1000))["validity_s"] == 1


def test_the_options_of_sms_go_over_and_nothing_of_the_person_does() -> None:
    options = MessageOptions(
        transmission_mode=1,
        maximum_segments=3,
        service_id="shop",
        short_code="36180",
        tlvs=(OutgoingTlv(0x1400, b"\x00\x2a"),),
        profile={"name": NAME},
        delivery_name=NAME,
    )
    written = line(options=options)
    assert written["options"] == {
        "transmission_mode": 1,
        "maximum_segments": 3,
        "service_id": "shop",
        "short_code": "36180",
        "tlvs": [{"tag": 0x1400, "value": "002a"}],
    }
    assert NAME not in json.dumps(written)
    assert "options" not in line(options=MessageOptions(profile={"name": NAME}, delivery_name=NAME))


def test_links_are_followed_by_who_sends_them_and_the_text_goes_over_as_written() -> None:
    written = line(body="See https://shop.example", options=MessageOptions(link_base=ELSEWHERE))
    assert (written["text"], written["options"]) == ("See https://shop.example", {"follow_links": True})


@given(
    body=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300),
    sender=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12),
    number=st.integers(1, 1 << 39),
)
def test_the_intake_of_mid_reads_what_a_line_says(body: str, sender: str, number: int) -> None:
    options = MessageOptions(transmission_mode=0, tlvs=(OutgoingTlv(1, b"x"),))
    message = outbound(id=number, body=body, sender=sender, options=options, expires_ms=int(time.time() * 1000) + 5000)
    written = relay.line(message, ACCOUNT)
    assert isinstance(written, bytes)
    read = msgspec.json.decode(written, type=MessageIn)
    assert (read.to, read.text, read.sender or "", read.relay_id) == (message.recipient, body, sender, number)


def test_a_bundle_is_compressed_lines_for_the_account() -> None:
    request = relay.bundle([b'{"a":1}', b'{"b":2}'], ACCOUNT)
    assert (request.method, request.url) == ("POST", "https://mid.example.com/chappe/v1/messages/batch?account=crm")
    headers = dict(request.headers)
    assert (headers["Content-Type"], headers["Content-Encoding"]) == ("application/x-ndjson", "gzip")
    assert gzip.decompress(request.body) == b'{"a":1}\n{"b":2}'


def test_a_message_alone_is_a_bundle_of_one() -> None:
    request = relay.build(outbound(), ACCOUNT)
    assert not isinstance(request, Refused)
    assert json.loads(gzip.decompress(request.body)) == line()


# -- answers ---------------------------------------------------------------------------------------------------------


def answer(status: int, body: object, **headers: str) -> HttpResponse:
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, octets, {name.replace("_", "-"): value for name, value in headers.items()})


def lines_of(*numbers: int) -> bytes:
    return b"".join(
        json.dumps({"id": number, "state": "waiting", "segments": 1}).encode() + b"\n" for number in numbers
    )


def test_each_message_has_mids_number_of_it_in_the_order_of_the_lines() -> None:
    outcomes = relay.read_bundle(answer(202, lines_of(5, 3, 9)), ACCOUNT, 3)
    assert outcomes == [Accepted(("5",)), Accepted(("3",)), Accepted(("9",))]


@pytest.mark.parametrize("body", [b"", lines_of(1), lines_of(1, 2, 3), b"<html>", lines_of(1) + b"{"])
def test_an_answer_that_does_not_fit_has_everything_sent_again(body: bytes) -> None:
    first, second = relay.read_bundle(answer(202, body), ACCOUNT, 2)
    assert isinstance(first, Deferred)
    assert first == second
    assert first.about is About.ACCOUNT


def test_what_is_missing_on_mid_for_links_costs_no_message() -> None:
    errors = [{"field": "lines 1,2: options.follow_links", "message": "needs an address for short links"}]
    for outcome in relay.read_bundle(answer(422, {"errors": errors}), ACCOUNT, 2):
        assert isinstance(outcome, Deferred)
        assert outcome.about is About.ACCOUNT
        assert "needs an address for short links" in outcome.reason


def test_lines_that_mid_cannot_take_fail_alone_and_the_others_go_again_at_once() -> None:
    errors = [
        {"field": "line 2: to", "message": "is no number"},
        {"field": "line 2: text", "message": "is empty"},
        {"field": "line 9: to", "message": "there is no such line"},
        {"field": "body"},
        "?",
    ]
    outcomes = relay.read_bundle(answer(422, {"errors": errors}), ACCOUNT, 3)
    assert outcomes[1] == Refused("mid: to is no number", "422")
    assert outcomes[0] == outcomes[2]
    assert isinstance(outcomes[0], Deferred)
    assert (outcomes[0].after_s, outcomes[0].about) == (0.0, About.RATE)


@pytest.mark.parametrize("body", [{}, {"errors": []}, {"errors": "x"}, {"errors": [{"field": 3}]}, [], b"no"])
def test_a_refusal_that_names_no_line_fails_nothing(body: object) -> None:
    for outcome in relay.read_bundle(answer(422, body), ACCOUNT, 2):
        assert isinstance(outcome, Deferred)
        assert outcome.about is About.ACCOUNT


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 405, 408, 409, 413, 415, 426, 429, 500, 502, 503, 504])
def test_nothing_fails_for_trouble_with_the_account_or_the_way(status: int) -> None:
    outcomes = relay.read_bundle(answer(status, {"detail": "mid knows why"}), ACCOUNT, 2)
    assert len(outcomes) == 2
    for outcome in outcomes:
        assert isinstance(outcome, Deferred)
        assert outcome.about is not About.MESSAGE, "it is no try of the message"
        assert "mid knows why" in outcome.reason


def test_mid_says_how_long_to_wait() -> None:
    for status, about in ((429, About.RATE), (503, About.ACCOUNT)):
        (outcome,) = relay.read_bundle(answer(status, {}, retry_after="7"), ACCOUNT, 1)
        assert isinstance(outcome, Deferred)
        assert (outcome.after_s, outcome.about) == (7.0, about)


@given(
    st.integers(100, 599),
    st.binary(max_size=300) | st.sampled_from([b'{"id":1,"x":' + b"[" * 50_000, b"[" * 50_000, lines_of(1 << 70)]),
    st.integers(1, 4),
)
def test_whatever_comes_there_is_an_outcome_for_each_message(status: int, body: bytes, count: int) -> None:
    outcomes = relay.read_bundle(HttpResponse(status, body), ACCOUNT, count)
    assert len(outcomes) == count
    if status != 202:
        assert all(isinstance(outcome, Deferred | Refused) for outcome in outcomes)


# -- back ------------------------------------------------------------------------------------------------------------


def push(
    body: bytes = b"", *, secret: str = SECRET, name: str = "push_7", at_s: float = NOW_S, **headers: str
) -> HookRequest:
    signed = signatures([secret_key(secret)], name, int(at_s), body)
    given = {"webhook-id": name, "webhook-timestamp": str(int(at_s)), "webhook-signature": signed}
    more = {key.replace("_", "-"): value for key, value in headers.items()}
    return HookRequest("POST", "https://marketing.example.com/hooks", given | more, body)


def test_a_call_that_mid_signed_is_believed() -> None:
    relay.verify(push(b"body"), ACCOUNT, NOW_S)
    several = f"v1,b3RoZXI= {push(b'body').headers['webhook-signature']}"
    relay.verify(push(b"body", webhook_signature=several), ACCOUNT, NOW_S)


@pytest.mark.parametrize(
    "request_",
    [
        push(b"body", secret=new_secret()),
        push(b"body", webhook_id="push_8"),
        push(b"body", webhook_timestamp=str(int(NOW_S) + 1)),
        push(b"body", webhook_timestamp="yesterday"),
        push(b"body", webhook_timestamp=""),
        push(b"body", webhook_timestamp="9" * 40),
        push(b"body", webhook_signature=""),
        push(b"body", webhook_signature="v1, v1a,x ===="),
        replace(push(b"body"), body=b"bodY"),
        HookRequest("POST", "https://marketing.example.com/hooks", {}, b"body"),
    ],
)
def test_a_call_that_is_altered_or_of_somebody_else_is_not(request_: HookRequest) -> None:
    with pytest.raises(BadSignature):
        relay.verify(request_, ACCOUNT, NOW_S)


def test_a_call_of_long_ago_is_not_believed_and_clocks_may_differ() -> None:
    for apart_s in (300, -300):
        relay.verify(push(b"body", at_s=NOW_S + apart_s), ACCOUNT, NOW_S)
    for apart_s in (90_000, -90_000):
        with pytest.raises(BadSignature):
            relay.verify(push(b"body", at_s=NOW_S + apart_s), ACCOUNT, NOW_S)


def test_nobody_is_believed_without_a_secret() -> None:
    account = Account(relay.SPEC.parse({**SETTINGS, "signing_secret": ""}))
    with pytest.raises(BadSignature):
        relay.verify(push(b"body"), account, NOW_S)


def pages_of(*told: Told) -> bytes:
    return relay.packed(msgspec.json.encode(Pages(1, len(told), 5, told)))


def test_a_push_is_read_as_pages_with_its_number() -> None:
    told = Told(sent=[(5, 6)])
    assert relay.events(push(pages_of(told, told)), ACCOUNT) == [Pages(1, 2, 5, (told, told), 7)]


@pytest.mark.parametrize("name", ["", "push_", "push_x", "push_-1", "msg_7", f"push_{'9' * 30}", "push_٣"])
def test_a_push_without_a_number_is_not_read(name: str) -> None:
    with pytest.raises(UnreadableBody):
        relay.events(push(pages_of(Told()), name="push_7", webhook_id=name), ACCOUNT)


def test_a_bomb_is_not_unpacked() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1 << 20)
    bomb = b"".join(packer.compress(zeros) for _ in range(64)) + packer.flush()
    assert len(bomb) < 256 * 1024
    with pytest.raises(UnreadableBody, match="more than"):
        relay.read_pages(bomb)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"first":1,"last":0,"now_ms":1,"told":[]}',
        pages_of(Told())[:-3],
        pages_of(Told()) + b"x",
        pages_of(Told()) * 2,
        relay.packed(b"[]"),
        relay.packed(b"{"),
        relay.packed(b'{"first":1,"last":1,"now_ms":1,"told":[[[[5]]]]}'),
        relay.packed(b'{"first":1,"x":' + b"[" * 50_000),
        relay.packed(b"\xff"),
    ],
)
def test_what_is_no_pages_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        relay.read_pages(body)


@given(st.binary(max_size=400), st.booleans())
def test_whatever_comes_is_read_or_refused(body: bytes, is_packed: bool) -> None:
    with pytest.raises(UnreadableBody):
        relay.read_pages(relay.packed(body) if is_packed else body)


@given(st.binary(max_size=10_000))
def test_what_is_packed_is_unpacked(body: bytes) -> None:
    assert relay.unpacked(relay.packed(body), len(body)) == body
    with pytest.raises(ValueError, match="more than"):
        relay.unpacked(relay.packed(body + b"x"), len(body))


# -- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"base_url": "http://mid.example.com"}, "base_url"),
        ({"base_url": "https://mid.example.com/?a=b"}, "base_url"),
        ({"base_url": ""}, "base_url"),
        ({"operator": "SMS"}, "operator"),
        ({"operator": "é"}, "operator"),
        ({"operator": ""}, "operator"),
        ({"internal_name": "c r m"}, "internal_name"),
        ({"internal_name": ""}, "internal_name"),
        ({"signing_secret": "short"}, "signing_secret"),
    ],
)
def test_wrong_settings_are_said_where_they_stand(wrong: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        relay.SPEC.parse({**SETTINGS, **wrong})
    assert field in [error.field for error in refused.value.errors]


def test_without_tls_mid_may_be_on_the_same_machine_only() -> None:
    for host in ("127.0.0.1:8000", "localhost", "[::1]:8000"):
        relay.SPEC.parse({**SETTINGS, "base_url": f"http://{host}"})
