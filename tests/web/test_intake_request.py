"""What the intake says of each field that cannot be used."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.gsm import Encoding
from chappe.messaging import FieldError, MessageOptions, OutboundMessage, Refused
from chappe.providers import registry
from chappe.providers.smpp import Dialect
from chappe.web.intake.check import check_message
from chappe.web.intake.lookup import Target
from chappe.web.intake.lookup import _target as target_of
from chappe.web.intake.request import MessageIn, due_ms, read_lines, read_one
from chappe.web.intake.submission import Checked
from chappe.web.wire import BadRequest

NOW_MS = 1_767_225_600_000
GOOD: dict[str, Any] = {"to": "+33612345678", "text": "Bonjour"}


def target(**values: Any) -> Target:
    found = target_of(1, 1, "smpp", {"host": "smsc.example.org", "account": "relais", **values})
    assert found is not None
    return found


def errors_of(content: dict[str, Any], **settings: Any) -> dict[str, str]:
    """What is said of each field, by the decoder or by the check; {} where there is nothing to say."""
    try:
        message = read_one(json.dumps(content).encode())
    except BadRequest as error:
        assert error.status == 422
        found = error.errors
    else:
        checked = check_message(message, {1: target(**settings)}, NOW_MS)
        found = [] if isinstance(checked, Checked) else checked
    return {error.field: error.message for error in found}


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"to": None}, "to", "must be text, not null"),
        ({"to": 33612345678}, "to", "must be text, not a whole number"),
        ({"to": ""}, "to", "must have at least 1 character"),
        ({"to": "1" * 321}, "to", "must have at most 320 characters"),
        ({"to": "12"}, "to", "must be an international number"),
        ({"to": "+0612345678"}, "to", "must be an international number"),
        ({"to": "+3361234567٨"}, "to", "must be an international number"),
        ({"to": "+33612345678\0"}, "to", "must be an international number"),
        ({"to": "+33612345678;+33612345679"}, "to", "must be an international number"),
        ({"text": ""}, "text", "must have at least 1 character"),
        ({"text": "x" * 10_001}, "text", "must have at most 10000 characters"),
        ({"text": ["x"]}, "text", "must be text, not a list"),
        ({"text": "a\0b"}, "text", "must be text without U+0000"),
        ({"text": "日" * 256 * 70}, "text", "must have at most 10000 characters"),
        ({"connection_id": "1"}, "connection_id", "must be a whole number or null, not text"),
        ({"connection_id": 1.5}, "connection_id", "must be a whole number or null, not a number with decimals"),
        ({"connection_id": True}, "connection_id", "must be a whole number or null, not true or false"),
        ({"connection_id": 0}, "connection_id", "must be at least 1"),
        ({"connection_id": 2}, "connection_id", "there is no enabled connection 2"),
        ({"connection_id": 2**63}, "connection_id", "must be at most"),
        ({"connection_id": 10**400}, "connection_id", "must be at most"),
        ({"sender": "é"}, "sender", "must be printable ASCII"),
        ({"sender": "ABC\n"}, "sender", "must be printable ASCII"),
        ({"sender": "A\0"}, "sender", "must be printable ASCII"),
        ({"sender": "1" * 21}, "sender", "must have at most 20 characters"),
        ({"category": "reply"}, "category", "must be marketing or transactional"),
        ({"category": 1}, "category", "must be"),
        ({"validity_s": 0}, "validity_s", "must be at least 1"),
        ({"validity_s": 14 * 86_400 + 1}, "validity_s", "must be at most 1209600"),
        ({"validity_s": "60"}, "validity_s", "must be a whole number, not text"),
        ({"send_at": "2026-07-14T09:30:00"}, "send_at", "must be a time with its zone"),
        ({"send_at": "tomorrow"}, "send_at", "must be a time with its zone"),
        ({"send_at": 1_767_225_600}, "send_at", "must be a time or null, not a whole number"),
        ({"send_at": "2028-01-01T00:00:00Z"}, "send_at", "must be within a year"),
        ({"send_at": "9999-12-31T23:59:59-14:00"}, "send_at", "must be within a year"),
        ({"client_reference": "x" * 201}, "client_reference", "must have at most 200 characters"),
        ({"client_reference": "\0"}, "client_reference", "must be text without U+0000"),
        ({"options": []}, "options", "must be an object or null, not a list"),
        ({"options": {"transmission_mode": 4}}, "options.transmission_mode", "must be at most 3"),
        ({"options": {"maximum_segments": -1}}, "options.maximum_segments", "must be at least 0"),
        ({"options": {"maximum_segments": 256}}, "options.maximum_segments", "must be at most 255"),
        ({"options": {"service_id": "x"}}, "options.service_id", "the connection has no service id tag"),
        ({"options": {"service_id": "x" * 255}}, "options.service_id", "must have at most 254 characters"),
        ({"options": {"short_code": "1" * 22}}, "options.short_code", "must have at most 21 characters"),
        ({"options": {"short_code": "\0"}}, "options.short_code", "must be text without U+0000"),
        ({"options": {"content": {"type": "poem"}}}, "options.content.type", "is none of those there are"),
        ({"options": {"content": {"type": "card"}}}, "options.content", "needs a title, a description or a media"),
        (
            {"options": {"content": {"type": "media", "url": "ftp://x"}}},
            "options.content.url",
            "expected an address that begins with https://",
        ),
        (
            {"options": {"content": {"type": "carousel", "cards": [{"type": "card", "title": 1}]}}},
            "options.content.cards[0].title",
            "must be text, not a whole number",
        ),
        ({"text": " ", "options": {"content": {"type": "text", "text": "x"}}}, "text", "is needed: it is sent by SMS"),
        ({"options": {"colour": 1}}, "options.colour", "is not a field of this request"),
        ({"To": "+33612345678"}, "To", "is not a field of this request"),
        ({"a `b` - at `$.c`": 1}, "a `b` - at `$.c`", "is not a field of this request"),
        ({"x" * 5_000: 1}, "x" * 100, "is not a field of this request"),
        ({"text": "x" * 161, "options": {"maximum_segments": 1}}, "text", "has 2 segments"),
    ],
)
def test_what_is_wrong_is_said_of_the_field_it_is_wrong_with(change: dict[str, Any], field: str, words: str) -> None:
    errors = errors_of(GOOD | change)
    assert list(errors) == [field]
    assert errors[field].startswith(words)


@pytest.mark.parametrize("missing", ["to", "text"])
def test_what_is_missing_is_named(missing: str) -> None:
    assert errors_of({name: value for name, value in GOOD.items() if name != missing}) == {missing: "is needed"}


def test_all_that_the_check_finds_is_said_at_once() -> None:
    content = GOOD | {"to": "12", "send_at": "2028-01-01T00:00:00Z", "options": {"service_id": "x", "short_code": "\0"}}
    assert set(errors_of(content)) == {"to", "send_at", "options.service_id", "options.short_code"}


@pytest.mark.parametrize("content", [[], "text", 1, None, True])
def test_what_is_no_object_is_refused_as_such(content: object) -> None:
    with pytest.raises(BadRequest) as refused:
        read_one(json.dumps(content).encode())
    assert refused.value.status == 422
    assert refused.value.errors[0].message.startswith("must be an object, not ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b'{"to": "\xff", "text": "x"}',
        b'{"to": "+33612345678", "text": "\xed\xa0\x80"}',
        b'{"to": "+33612345678", "text": "\\ud800"}',
        b'{"to": "+33612345678", "text": "\\udc00\\ud800"}',
        b'{"to": "+33612345678", "text": "a\0b"}',
        b'{"to": "+33612345678", "text": "x"} {}',
        b'\xef\xbb\xbf{"to": "+33612345678", "text": "x"}',
        "{}".encode("utf-16"),
        b"[" * 60_000,
        b'{"to":' * 10_000,
    ],
)
def test_what_is_not_json_in_utf8_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        read_one(body)
    assert refused.value.status in (400, 422)


def test_of_a_field_given_twice_the_last_counts() -> None:
    assert read_one(b'{"to": "1", "text": "x", "to": "2"}').to == "2"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_octets_are_read_or_refused(body: bytes) -> None:
    for read in (read_one, lambda octets: read_lines(octets, 10)):
        try:
            read(body)
        except BadRequest as error:
            assert error.status in (400, 413, 422)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from([field for field in MessageIn.__struct_fields__ if field not in GOOD])


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(names, values | st.datetimes().map(str), max_size=4), st.text(max_size=20), st.text(max_size=300)
)
def test_any_values_are_kept_as_a_database_can_or_refused_by_field(content: Any, to: str, text: str) -> None:
    body = json.dumps(content | {"to": to, "text": text}).encode()
    try:
        message = read_one(body)
    except BadRequest as error:
        assert error.status in (400, 422)
        return
    found = check_message(message, {1: target()}, NOW_MS)
    if isinstance(found, Checked):
        kept = (found.recipient, message.text, message.sender, message.client_reference)
        assert "\0" not in "".join(kept).encode().decode()
        assert -(1 << 63) <= found.due_ms + message.validity_s * 1000 < 1 << 63
    else:
        assert found
        assert all(isinstance(error, FieldError) and error.field for error in found)


@pytest.mark.parametrize(
    ("to", "kept"),
    [
        ("+33612345678", "+33612345678"),
        ("33612345678", "+33612345678"),
        ("+33 6 12-34.56 (78)", "+33612345678"),
        ("+336\N{NO-BREAK SPACE}12345678", "+33612345678"),
    ],
)
def test_numbers_are_kept_with_a_plus_however_they_are_written(to: str, kept: str) -> None:
    found = check_message(MessageIn(to, "x"), {1: target()}, NOW_MS)
    assert isinstance(found, Checked)
    assert found.recipient == kept


def test_a_connection_that_sends_numbers_as_they_are_keeps_them_so() -> None:
    targets = {1: target(full_phone_number=True)}
    found = check_message(MessageIn("00 33-6", "x"), targets, NOW_MS)
    assert isinstance(found, Checked)
    assert found.recipient == "00 33-6"
    for to in ("1" * 21, "é", "1\n"):
        refused = check_message(MessageIn(to, "x"), targets, NOW_MS)
        assert isinstance(refused, list)
        assert refused[0].field == "to"
        assert "printable ASCII" in refused[0].message


@pytest.mark.parametrize(
    ("send_at", "due"),
    [
        (None, NOW_MS),
        ("2026-01-01T01:00:00Z", NOW_MS + 3_600_000),
        ("2026-01-01T01:00:00.250+01:00", NOW_MS + 250),
        ("2025-12-31T00:00:00Z", NOW_MS),
        ("0001-01-01T00:00:00+14:00", NOW_MS),
        ("2027-01-02T00:00:00Z", NOW_MS + 366 * 86_400_000),
    ],
)
def test_messages_are_due_at_their_time_and_never_in_the_past(send_at: str | None, due: int) -> None:
    content = json.dumps(GOOD | {"send_at": send_at}).encode()
    assert due_ms(read_one(content), NOW_MS) == due


def test_a_millisecond_past_the_farthest_time_is_too_far() -> None:
    at = datetime.fromtimestamp(NOW_MS / 1000, UTC) + timedelta(days=366, milliseconds=1)
    assert due_ms(MessageIn("1", "x", send_at=at), NOW_MS) is None


DIALECTS: list[dict[str, Any]] = [
    {},
    {"transliterate": True},
    {"message_payload": True},
    {"encodings": [{"encoding": "ucs2", "data_coding": 8}]},
    {"encodings": [{"encoding": "latin1", "data_coding": 3}, {"encoding": "ucs2", "data_coding": 8}]},
    {"encodings": [{"encoding": "gsm", "data_coding": 0}]},
    {"encodings": [{"encoding": "gsm", "data_coding": 0}], "transliterate": True},
]
texts = st.text(alphabet=st.sampled_from("aé€{日😀’œ\n\u200b") | st.characters(exclude_categories=["Cs"]), max_size=400)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(DIALECTS), texts.filter(lambda text: bool(text) and "\0" not in text), st.integers(0, 4))
def test_segments_and_encoding_are_those_the_connection_will_send(
    values: dict[str, Any], text: str, maximum: int
) -> None:
    target_ = target(**values)
    options = {"maximum_segments": maximum}
    found = check_message(read_one(json.dumps(GOOD | {"text": text, "options": options}).encode()), {1: target_}, 0)
    spec = registry.spec("smpp").parse({"host": "smsc.example.org", "account": "relais", **values})
    message = OutboundMessage(1, "+33612345678", "", text, 1, 0, 0, 0, 0, 1, MessageOptions(maximum_segments=maximum))
    sent = Dialect(spec).segments(message)
    if isinstance(sent, Refused):
        assert isinstance(found, list)
        assert found[0].field == "text"
    else:
        assert isinstance(found, Checked)
        assert found.segments == len(sent)
        codings = {Encoding(row["encoding"]).value: row["data_coding"] for row in spec.rows("encodings")}
        assert data_coding_of(sent[0][1]) == codings[found.encoding]


def data_coding_of(body: bytes) -> int:
    """Of a `submit_sm` body: after two addresses, three octets, two times, and two more octets."""
    at = body.index(b"\0") + 1  # service_type
    for _ in range(2):
        at = body.index(b"\0", at + 2) + 1
    at += 3
    for _ in range(2):
        at = body.index(b"\0", at) + 1
    return body[at + 2]


# -- lines -----------------------------------------------------------------------------------------------------------


def refused_lines(body: bytes, most: int = 10) -> BadRequest:
    with pytest.raises(BadRequest) as refused:
        read_lines(body, most)
    return refused.value


def test_each_line_that_cannot_be_used_is_named() -> None:
    good = json.dumps(GOOD).encode()
    body = b"\n".join([good, b'{"to":"1"}', b"{", b"", b"[]", good, b'{"to":"1","text":1,"x":2}'])
    errors = {error.field: error.message for error in refused_lines(body).errors}
    assert list(errors) == ["line 2: text", "line 3", "line 4", "line 5", "line 7: text"]
    assert errors["line 3"].startswith("is not JSON")
    assert errors["line 4"].startswith("is blank")


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n \n"])
def test_what_follows_the_last_line_is_no_line(end: bytes) -> None:
    assert len(read_lines(json.dumps(GOOD).encode() + b"\r\n" + json.dumps(GOOD).encode() + end, 2)) == 2


@pytest.mark.parametrize("body", [b"", b"\n", b" \r\n \n"])
def test_a_body_without_lines_is_refused(body: bytes) -> None:
    assert refused_lines(body).status == 422


def test_more_lines_than_allowed_are_counted_before_they_are_read() -> None:
    refused = refused_lines(b"[" + b"\n" * 1_000_000 + b"]", 10_000)
    assert (refused.status, refused.errors) == (413, [])
    assert "1000001" in refused.detail


def test_at_most_a_hundred_errors_are_told() -> None:
    assert len(refused_lines(b"{\n" * 9_999, 10_000).errors) == 100
