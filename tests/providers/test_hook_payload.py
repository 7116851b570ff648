"""Hooks of custom providers: what a sample says about where values stand, and what real calls then tell."""

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.messaging import BadSignature, ConfigError, InboundMessage, Receipt, ReceiptKind, UnreadableBody
from chappe.providers.auth import Hash
from chappe.providers.hook_payload import (
    HookKind,
    HookPayload,
    HookSettings,
    Meaning,
    Proof,
    ProofKind,
    events_of,
    feedback_events,
    inbound_events,
    pasted,
    preview,
    verify_hook,
)
from chappe.providers.http import HookRequest

NOW_S = 1_700_000_000.0
INBOUND = """{
  "results": [
    {
      "from": "{{ProfileNumber}}",
      "to": "{{InboundNumber}}",
      "text": "{{InboundMessage}}",
      "messageId": "{{RequestID}}",
      "receivedAt": "{{OriginTimestamp}}"
    }
  ]
}"""
FEEDBACK = """{
  "clientReference": "{{client_reference}}",
  "statuses": [{"code": {{failureCode}}, "status": "{{feedbackStatus}}"}]
}"""


def call(value: Any) -> HookRequest:
    return HookRequest("POST", "https://us.example/h", {"content-type": "application/json"}, json.dumps(value).encode())


def form_call(*pairs: tuple[str, str]) -> HookRequest:
    headers = {"content-type": "application/x-www-form-urlencoded; charset=UTF-8"}
    return HookRequest("POST", "https://us.example/h", headers, urlencode(pairs).encode())


def inbound(sample: str) -> HookPayload:
    return HookPayload.parse(sample, HookKind.INBOUND)


def feedback(sample: str) -> HookPayload:
    return HookPayload.parse(sample, HookKind.FEEDBACK)


def problems(sample: str, kind: HookKind = HookKind.INBOUND) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        HookPayload.parse(sample, kind)
    assert {error.field for error in caught.value.errors} == {"payload"}
    return [error.message for error in caught.value.errors]


def test_every_item_of_a_list_is_a_text() -> None:
    items = [
        {"from": "33612345678", "to": "36180", "text": "STOP", "messageId": 17, "receivedAt": "2026-01-01T00:00:00Z"},
        {"from": "+33687654321", "to": "0033755555555", "text": 'Say "oui"\n{{InboundMessage}}', "more": [1]},
    ]
    assert inbound_events(inbound(INBOUND), call({"results": items, "count": 2})) == [
        InboundMessage("+33612345678", "36180", "STOP", "17"),
        InboundMessage("+33687654321", "+33755555555", 'Say "oui"\n{{InboundMessage}}'),
    ]


def test_an_empty_list_of_texts_is_no_text_and_no_error() -> None:
    assert inbound_events(inbound(INBOUND), call({"results": []})) == []


def test_what_stands_beside_a_list_holds_for_each_of_its_items() -> None:
    payload = inbound('{"to": "{{InboundNumber}}", "m": [{"f": "{{ProfileNumber}}", "t": "{{InboundMessage}}"}]}')
    texts = inbound_events(
        payload, call({"to": "36180", "m": [{"f": "33612345678", "t": "a"}, {"f": "Ana", "t": "b"}]})
    )
    assert texts == [InboundMessage("+33612345678", "36180", "a"), InboundMessage("Ana", "36180", "b")]


def test_lists_side_by_side_go_item_by_item_and_must_be_as_long() -> None:
    payload = inbound('{"from": ["{{ProfileNumber}}"], "text": ["{{InboundMessage}}"]}')
    assert [one.body for one in inbound_events(payload, call({"from": ["a", "b"], "text": ["1", "2"]}))] == ["1", "2"]
    with pytest.raises(UnreadableBody, match="2 and 3 items"):
        inbound_events(payload, call({"from": ["a", "b"], "text": ["1", "2", "3"]}))


def test_a_list_with_a_different_placeholder_at_each_place_is_read_by_place() -> None:
    payload = inbound('["sms", "{{ProfileNumber}}", "{{InboundMessage}}"]')
    assert inbound_events(payload, call(["sms", "33612345678", "yes"])) == [InboundMessage("+33612345678", "", "yes")]
    with pytest.raises(UnreadableBody):
        inbound_events(payload, call(["sms"]))


def test_a_single_object_is_read_where_the_sample_has_a_list_and_the_other_way_round() -> None:
    alone = '{"f": "{{ProfileNumber}}", "t": "{{InboundMessage}}"}'
    item = {"f": "33612345678", "t": "yes"}
    expected = [InboundMessage("+33612345678", "", "yes")]
    assert inbound_events(inbound(f"[{alone}]"), call(item)) == expected
    assert inbound_events(inbound(alone), call([item, item])) == expected * 2


def test_text_around_a_placeholder_is_not_part_of_the_value() -> None:
    payload = inbound('{"f": "tel:{{ ProfileNumber }};x", "t": "{{InboundMessage}}"}')
    assert inbound_events(payload, call({"f": "tel:+33612345678;x", "t": "y"})) == [
        InboundMessage("+33612345678", "", "y")
    ]


def test_form_encoded_calls_are_read_in_body_or_address() -> None:
    payload = inbound("msisdn={{ProfileNumber}}&to=36180&text={{InboundMessage}}&id=%7B%7BRequestID%7D%7D")
    assert payload.is_form
    pairs = (("msisdn", "33612345678"), ("to", "1"), ("text", "a & b=c + é"), ("id", "9"))
    expected = [InboundMessage("+33612345678", "", "a & b=c + é", "9")]
    assert inbound_events(payload, form_call(*pairs)) == expected
    assert inbound_events(payload, HookRequest("GET", f"https://us.example/h?{urlencode(pairs)}", {})) == expected


def test_a_repeated_name_of_a_form_is_a_list() -> None:
    payload = inbound("to={{InboundNumber}}&from={{ProfileNumber}}&text={{InboundMessage}}")
    texts = inbound_events(
        payload, form_call(("to", "36180"), ("from", "a"), ("text", "1"), ("from", "b"), ("text", "2"))
    )
    assert [(one.sender, one.recipient, one.body) for one in texts] == [("a", "36180", "1"), ("b", "36180", "2")]


@pytest.mark.parametrize(
    ("sample", "request_"),
    [
        (INBOUND, HookRequest("POST", "https://us.example", {}, b"\xff\xfe")),
        (INBOUND, HookRequest("POST", "https://us.example", {}, b"[" * 100_000)),
        ("a={{ProfileNumber}}&b={{InboundMessage}}", call({"a": "1", "b": "2"})),
    ],
)
def test_a_call_in_another_format_is_unreadable(sample: str, request_: HookRequest) -> None:
    with pytest.raises(UnreadableBody, match="expected"):
        inbound_events(inbound(sample), request_)


def test_a_call_with_nothing_in_its_places_is_refused_and_says_which() -> None:
    with pytest.raises(UnreadableBody, match=r"results\[\]\.from, results\[\]\.text"):
        inbound_events(inbound(INBOUND), call({"result": [{"from": "33612345678", "text": "STOP"}]}))


def test_feedback_is_read_with_our_own_reference() -> None:
    value = {"clientReference": "4711", "statuses": [{"code": 21610, "status": "FAILED"}]}
    assert feedback_events(feedback(FEEDBACK), {}, call(value)) == [
        Receipt("4711", ReceiptKind.ERROR, "FAILED", "21610")
    ]


def test_a_list_of_reasons_that_is_empty_does_not_hide_the_receipt() -> None:
    payload = feedback('{"id": "{{message_id}}", "s": "{{feedbackStatus}}", "errors": [{"code": "{{failureCode}}"}]}')
    assert feedback_events(payload, {}, call({"id": "a1", "s": "delivered", "errors": []})) == [
        Receipt("a1", ReceiptKind.SUCCESS, "delivered")
    ]
    two = {"id": "a1", "s": "failed", "errors": [{"code": "1"}, {"code": "2"}]}
    assert feedback_events(payload, {}, call(two)) == [Receipt("a1", ReceiptKind.ERROR, "failed", "1")]


def test_words_mean_what_the_hook_says_and_else_what_is_usual() -> None:
    payload = feedback('[{"id": "{{message_id}}", "s": "{{feedbackStatus}}"}]')
    words = ["Arrivé", "DELIVERED", "seen", "noise", "martian"]
    said = {"ARRIVÉ": Meaning.DELIVERED, "noise": Meaning.IGNORED, "delivered": Meaning.SENT}
    receipts = feedback_events(payload, said, call([{"id": str(i), "s": word} for i, word in enumerate(words)]))
    assert [(one.status, one.kind) for one in receipts] == [
        ("Arrivé", ReceiptKind.SUCCESS),
        ("DELIVERED", ReceiptKind.INTERMEDIATE),
        ("seen", ReceiptKind.READ),
        ("martian", ReceiptKind.INTERMEDIATE),
    ]


def test_what_a_sample_lacks_is_named() -> None:
    assert problems('{"text": "{{InboundMessage}}"}') == ["has no {{ProfileNumber}}: write it in place of the value"]
    assert problems('{"text": "hello"}') == [
        "has no {{InboundMessage}}, {{ProfileNumber}}: write it in place of the value"
    ]
    assert problems('{"status": "{{feedbackStatus}}"}', HookKind.FEEDBACK) == [
        "has no {{client_reference or message_id}}: write it in place of the value"
    ]


def test_a_sample_that_is_no_json_says_where() -> None:
    assert problems('{\n  "a": "{{ProfileNumber}}",\n  "b" "{{InboundMessage}}"\n}') == [
        "line 3, column 7: is not JSON: expecting ':' delimiter"
    ]
    assert problems('{"a": {{ProfileNumber}}, "b": {{InboundMessage}} "c"}')[0].startswith("line 1, column 50: ")


def test_a_placeholder_that_does_not_exist_is_named_with_its_place() -> None:
    (problem,) = problems('{\n "a": "{{ProfileNumbr}}", "b": "{{InboundMessage}}"}')
    assert problem.startswith("line 2, column 8: there is no placeholder ProfileNumbr; there are InboundMessage, ")


@pytest.mark.parametrize(
    "sample", ["", " \n", "x" * 20_001, "[" * 10_000, '{"a": ' + "9" * 5000 + "}", '"{{', "\ud800"]
)
def test_samples_without_sense_are_config_errors(sample: str) -> None:
    assert problems(sample)


def test_two_values_in_one_text_cannot_be_told_apart() -> None:
    assert "only one value" in problems('{"x": "{{ProfileNumber}}:{{InboundMessage}}"}')[0]


def test_preview_shows_what_is_read_and_from_where() -> None:
    payload = inbound(INBOUND)
    text = '{"results": [{"from": "33612345678", "text": "STOP"}, {"from": "Ana", "text": "yes"}]}'
    seen = preview(pasted(payload, text), HookSettings(HookKind.INBOUND, payload))
    assert ("ProfileNumber", "results[].from", ("33612345678", "Ana")) in seen.values
    assert ("RequestID", "results[].messageId", (None, None)) in seen.values
    assert seen.events == (InboundMessage("+33612345678", "", "STOP"), InboundMessage("Ana", "", "yes"))
    assert seen.problem == ""


def test_preview_says_why_nothing_is_read() -> None:
    payload = inbound(INBOUND)
    settings = HookSettings(HookKind.INBOUND, payload)
    assert preview(pasted(payload, "hello"), settings).problem == "expected JSON"
    seen = preview(pasted(payload, '{"results": [{"text": "STOP"}]}'), settings)
    assert ("InboundMessage", "results[].text", ("STOP",)) in seen.values
    assert "results[].from" in seen.problem


# -- proofs ------------------------------------------------------------------------------------------------------------


def with_proof(**values: Any) -> HookSettings:
    return HookSettings(HookKind.INBOUND, inbound(INBOUND), proof=Proof(**values))


def request(body: bytes = b"{}", **headers: str) -> HookRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HookRequest("POST", "https://us.example/h", named, body)


def holds(call: HookRequest, settings: HookSettings, secret: str = "s3cret") -> bool:
    try:
        verify_hook(call, settings, secret, NOW_S)
    except BadSignature as error:
        assert "s3cret" not in str(error)
        return False
    return True


def test_without_a_proof_the_address_is_enough() -> None:
    assert holds(request(), with_proof(), "")


def test_basic_and_header_proofs_are_compared_whole() -> None:
    basic = with_proof(kind=ProofKind.BASIC, user="us")
    assert holds(request(authorization="Basic " + base64.b64encode(b"us:s3cret").decode()), basic)
    assert not holds(request(authorization="Basic " + base64.b64encode(b"them:s3cret").decode()), basic)
    assert not holds(request(authorization="Basic " + base64.b64encode(b"us:s3cre").decode()), basic)
    header = with_proof(kind=ProofKind.HEADER, header="X-Token")
    assert holds(request(x_token="s3cret"), header)
    assert not holds(request(x_token="s3cretx"), header)
    assert not holds(request(), header)


@pytest.mark.parametrize("kind", list(ProofKind)[1:])
def test_a_proof_without_a_secret_lets_nothing_through(kind: ProofKind) -> None:
    assert not holds(request(x=""), with_proof(kind=kind, header="X"), "")


@pytest.mark.parametrize("hash_", list(Hash))
def test_an_hmac_is_of_the_octets_of_the_body(hash_: Hash) -> None:
    tag = hmac.new(b"s3cret", b'{"a":1}', getattr(hashlib, hash_.value))
    settings = with_proof(kind=ProofKind.HMAC, header="X-Sig", hash=hash_)
    assert holds(request(b'{"a":1}', x_sig=tag.hexdigest()), settings)
    assert holds(request(b'{"a":1}', x_sig=f"{hash_.value}={tag.hexdigest().upper()}"), settings)
    assert not holds(request(b'{"a":2}', x_sig=tag.hexdigest()), settings)
    in_base64 = with_proof(kind=ProofKind.HMAC, header="X-Sig", hash=hash_, is_base64=True)
    assert holds(request(b'{"a":1}', x_sig=base64.b64encode(tag.digest()).decode()), in_base64)


def test_a_call_without_a_body_has_nothing_that_is_signed() -> None:
    tag = hmac.new(b"s3cret", b"", hashlib.sha256).hexdigest()
    assert not holds(request(b"", x_sig=tag), with_proof(kind=ProofKind.HMAC, header="X-Sig"))


@pytest.mark.parametrize("header", ["", "zz", "é", "=", "sha256=", "00" * 32])
def test_a_signature_of_nonsense_does_not_hold(header: str) -> None:
    assert not holds(request(x_sig=header), with_proof(kind=ProofKind.HMAC, header="X-Sig"))
    assert not holds(request(x_sig=header), with_proof(kind=ProofKind.HMAC, header="X-Sig", is_base64=True))


def test_an_old_call_does_not_count_again() -> None:
    settings = with_proof(kind=ProofKind.HMAC, header="X-Sig", timestamp_header="X-Time")
    for stamp, is_taken in (("1700000010", True), ("1699999000", False), ("x", False), ("", False)):
        tag = hmac.new(b"s3cret", f"{stamp}.{{}}".encode(), hashlib.sha256).hexdigest()
        assert holds(request(b"{}", x_sig=tag, x_time=stamp), settings) is is_taken


# -- any octets --------------------------------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["results", "from", "text"]), inner),
    max_leaves=12,
)


@given(values | st.builds(lambda items: {"results": items}, st.lists(values, max_size=3)))
def test_any_json_is_texts_or_unreadable(value: Any) -> None:
    payload = inbound(INBOUND)
    try:
        events = events_of(call(value), HookSettings(HookKind.INBOUND, payload))
    except UnreadableBody:
        return
    assert all(isinstance(one, InboundMessage) and one.sender and one.body for one in events)


@given(st.binary(max_size=60), st.sampled_from(["application/json", "application/x-www-form-urlencoded", ""]))
def test_any_octets_are_receipts_or_unreadable(body: bytes, content_type: str) -> None:
    for sample in (FEEDBACK, "id={{message_id}}&s={{feedbackStatus}}"):
        payload = feedback(sample)
        seen = preview(
            HookRequest("POST", "https://us.example", {"content-type": content_type}, body),
            HookSettings(HookKind.FEEDBACK, payload),
        )
        assert seen.problem or isinstance(seen.events, tuple)


@given(st.text(max_size=60))
def test_any_sample_is_a_payload_or_a_config_error(sample: str) -> None:
    try:
        HookPayload.parse(sample, HookKind.FEEDBACK)
    except ConfigError as error:
        assert error.errors
