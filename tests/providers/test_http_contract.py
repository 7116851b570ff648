"""What holds for every provider that is called by HTTP, by what was recorded of it (`recordings.py`) and by chance."""

import copy
import json
from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.providers.recordings import FILES, HOME, NOW_S, Entry, Recordings, hook, message, response, wire

from chappe.messaging import (
    Accepted,
    BadSignature,
    ConfigError,
    Deferred,
    ErrorKind,
    InboundMessage,
    OptIn,
    OptOut,
    Receipt,
    ReceiptKind,
    Refused,
    SendOutcome,
    Unknown,
    UnreadableBody,
)
from chappe.providers import registry
from chappe.providers.http import Account, HookRequest, HttpProvider, HttpRequest, HttpResponse

TOKEN = "recorded-token"  # what the token endpoint gave, where there is one
ALL = [Recordings(adapter) for adapter in registry.VENDORS.values()]
OUTCOMES = {"accepted": Accepted, "refused": Refused, "deferred": Deferred, "unknown": Unknown}
EVENTS = {kind.__name__: kind for kind in (Receipt, InboundMessage, OptOut, OptIn)}
MEMBERS = {
    "requests": {"name", "call", "settings", "message", "status_url", "inbound_url", "now_s", "expected", "source"},
    "responses": {"name", "call", "settings", "status", "headers", "body", "text", "expected", "source"},
    "hooks": {"name", "settings", "now_s", "status_url", "inbound_url", "method", "url", "headers", "text", "verified"}
    | {"proof", "events", "reply", "source"},
}

HOOKLESS = {
    "custom": "its hooks have settings and proofs of their own, one by one: test_hook_payload.py",
    "esp": "an e-mail provider's reports stay with it",
}

each = pytest.mark.parametrize("recorded", ALL, ids=lambda recorded: recorded.key)
each_with_hooks = pytest.mark.parametrize(
    "recorded", [one for one in ALL if one.key not in HOOKLESS], ids=lambda recorded: recorded.key
)


def entries(file: str, **wanted: object) -> list[Any]:
    return [
        pytest.param(recorded, entry, id=f"{recorded.key}: {entry['name']}")
        for recorded in ALL
        for entry in recorded.entries(file)
        if all(entry.get(name) == value for name, value in wanted.items())
    ]


def secrets(recorded: Recordings) -> list[str]:
    """Of settings, and of locked rows of their tables."""
    spec = recorded.adapter.SPEC
    return [value for value in spec.split(spec.parse(recorded.settings))[1].values() if value]


def shown(*values: object) -> str:
    return "\n".join(part for value in values for part in (repr(value), str(value)))


# --- what is sent


def outgoing(recorded: Recordings, entry: Entry) -> HttpRequest | Refused:
    adapter, account = recorded.adapter, recorded.account(entry)
    now_s = entry.get("now_s", NOW_S)
    if entry.get("call") == "token":
        return next(adapter.auth(account).fetch(now_s))
    made = adapter.probe(account) if entry.get("call") == "probe" else adapter.build(message(entry), account)
    assert made is not None
    if isinstance(made, Refused):
        return made
    auth = adapter.auth(account)
    return auth.sign(made, TOKEN if auth.needs_token else "", now_s)


@pytest.mark.parametrize(("recorded", "entry"), entries("requests"))
def test_request_is_the_recorded_one(recorded: Recordings, entry: Entry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chappe.providers.http.time", SimpleNamespace(time=lambda: entry.get("now_s", NOW_S)))
    expected = dict(entry["expected"])
    made = outgoing(recorded, entry)
    if "refused" in expected:
        assert isinstance(made, Refused)
        assert_fields(made, expected["refused"])
        return
    assert isinstance(made, HttpRequest)
    seen = wire(made)
    headers = expected.pop("headers", {})
    assert {name: seen["headers"].get(name) for name in headers} == headers
    del seen["headers"]
    assert seen == {"query": {}, **expected}


@each
def test_text_that_is_far_too_long_is_refused_without_being_quoted(recorded: Recordings) -> None:
    entry: Entry = {"message": {"recipient": "+33612345678", "body": "Zz" * 20_000}}
    made = recorded.adapter.build(message(entry), recorded.account(entry))
    assert isinstance(made, Refused)
    assert made.kind is ErrorKind.IGNORED
    assert any(c.isdigit() for c in made.reason)
    assert "ZzZz" not in shown(made)


# --- what is answered


def assert_fields(value: object, expected: Entry) -> None:
    for name, wanted in expected.items():
        got = msgspec.json.decode(msgspec.json.encode(getattr(value, name)))
        if name == "reason":
            assert wanted in got
        else:
            assert got == wanted, name


@pytest.mark.parametrize(("recorded", "entry"), entries("responses"))
def test_answer_is_read_as_recorded(recorded: Recordings, entry: Entry) -> None:
    answer, account, expected = response(entry), recorded.account(entry), dict(entry["expected"])
    if entry.get("call") == "probe":
        problem = recorded.adapter.probed(answer, account)
        assert expected["problem"] in problem
        assert bool(expected["problem"]) == bool(problem)
        return
    outcome = recorded.adapter.read(answer, account)
    assert type(outcome) is OUTCOMES[expected.pop("outcome")], outcome
    if isinstance(outcome, Accepted):
        assert all(outcome.ids)
    else:
        assert outcome.reason
    assert_fields(outcome, expected)


@pytest.mark.parametrize("status", [200, 202, 301, 400, 401, 403, 404, 418, 429, 500, 503])
@pytest.mark.parametrize("body", [b"", b"<html>Sorry</html>", b"null", b"[]", b'"ok"', b"{}", b"\xff\x00"])
@each
def test_answer_in_no_format_loses_no_message(recorded: Recordings, status: int, body: bytes) -> None:
    outcome = recorded.adapter.read(HttpResponse(status, body), recorded.account({}))
    wanted = Unknown if status < 300 or status >= 500 else Deferred
    assert isinstance(outcome, wanted), outcome


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
JSON = (
    LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.text(max_size=5), LEAVES | st.lists(LEAVES), max_size=3)
)


@st.composite
def twisted(draw: st.DrawFn, values: list[Any]) -> bytes:
    """One of the values as JSON, with anything in any place of it, or without that place."""
    whole = [copy.deepcopy(draw(st.sampled_from(values)))] if values else [draw(JSON)]
    holder: Any = whole
    place: Any = 0
    while isinstance(holder[place], dict | list) and holder[place] and draw(st.integers(0, 3)):
        holder = holder[place]
        place = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
    if holder is not whole and draw(st.booleans()):
        del holder[place]
    else:
        holder[place] = draw(JSON)
    return json.dumps(whole[0]).encode()


@cache
def answers(recorded: Recordings) -> st.SearchStrategy[HttpResponse]:
    like = [entry["body"] for entry in recorded.entries("responses") if "body" in entry]
    bodies = st.binary(max_size=100) | twisted(like)
    headers = st.just({}) | st.text(max_size=10).map(lambda text: {"retry-after": text, "content-type": text})
    return st.builds(
        HttpResponse, st.sampled_from([200, 201, 202, 204, 302, 400, 401, 404, 422, 429, 500]), bodies, headers
    )


@settings(deadline=None, max_examples=300)
@given(data=st.data())
@each
def test_any_octets_as_an_answer_give_an_outcome(recorded: Recordings, data: st.DataObject) -> None:
    answer = data.draw(answers(recorded))
    account = recorded.account({})
    outcome: SendOutcome = recorded.adapter.read(answer, account)
    assert isinstance(outcome, Accepted | Refused | Deferred | Unknown)
    if answer.status >= 500:
        assert not isinstance(outcome, Accepted | Refused)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(outcome), type=type(outcome)) == outcome
    assert len(shown(outcome)) < 4000
    assert isinstance(recorded.adapter.probed(answer, account), str)


# --- what hooks tell


def told(recorded: Recordings, entry: Entry) -> list[Any]:
    return recorded.adapter.events(hook(entry), recorded.account(entry))


def check(recorded: Recordings, entry: Entry, request: HookRequest | None = None) -> None:
    recorded.adapter.verify(request or hook(entry), recorded.account(entry), float(entry.get("now_s", NOW_S)))


@pytest.mark.parametrize(("recorded", "entry"), entries("hooks", verified=False))
def test_hook_without_a_good_proof_is_refused(recorded: Recordings, entry: Entry) -> None:
    with pytest.raises(BadSignature) as raised:
        check(recorded, entry)
    assert str(raised.value)
    assert not any(secret in shown(raised.value) for secret in secrets(recorded))


@pytest.mark.parametrize(("recorded", "entry"), entries("hooks", verified=True))
def test_hook_tells_what_was_recorded(recorded: Recordings, entry: Entry) -> None:
    check(recorded, entry)
    if entry["events"] == "unreadable":
        with pytest.raises(UnreadableBody):
            told(recorded, entry)
        return
    wanted = [EVENTS[event["type"]](**{k: v for k, v in event.items() if k != "type"}) for event in entry["events"]]
    assert [json_form(event) for event in told(recorded, entry)] == [json_form(event) for event in wanted]


def json_form(event: Any) -> Any:
    return type(event).__name__, msgspec.to_builtins(event)


@pytest.mark.parametrize(("recorded", "entry"), entries("hooks", verified=True))
def test_hook_is_answered_as_the_provider_wants(recorded: Recordings, entry: Entry) -> None:
    answer, wanted = recorded.adapter.reply(hook(entry)), entry.get("reply", {})
    assert answer.status == wanted.get("status", answer.status)
    assert answer.is_success
    assert answer.body.decode() == wanted.get("text", answer.body.decode())
    assert answer.headers.get("content-type", "").startswith(wanted.get("content_type", ""))


@pytest.mark.parametrize(("recorded", "entry"), entries("hooks", verified=True))
def test_hook_without_its_proof_is_refused(recorded: Recordings, entry: Entry) -> None:
    if not entry.get("text") and "?" not in entry["url"]:
        return  # nothing is told, so there is nothing to prove
    request = hook(entry)
    kind = {name: value for name, value in request.headers.items() if name == "content-type"}
    bare = without(HookRequest(request.method, request.url, kind, request.body), entry.get("proof", []))
    with pytest.raises(BadSignature):
        check(recorded, entry, bare)


def without(request: HookRequest, names: list[str]) -> HookRequest:
    """Without these members of the query, form or JSON object."""
    body, (path, mark, query) = request.body, request.url.partition("?")
    parts = [pair for pair in query.split("&") if pair.partition("=")[0] not in names]
    if isinstance(request.json, dict):
        body = json.dumps({name: value for name, value in request.json.items() if name not in names}).encode()
    elif request.form:
        body = b"&".join(pair for pair in body.split(b"&") if pair.partition(b"=")[0].decode() not in names)
    return HookRequest(request.method, path + mark + "&".join(parts), request.headers, body if names else request.body)


@pytest.mark.parametrize(("recorded", "entry"), entries("hooks", verified=True))
def test_hook_is_refused_where_its_secret_is_not_set(recorded: Recordings, entry: Entry) -> None:
    if not entry.get("text") and "?" not in entry["url"]:
        return
    names = recorded.read("settings")["hook_secrets"]
    unset = {**entry.get("settings", {}), **dict.fromkeys(names, "")}
    with pytest.raises((BadSignature, ConfigError), match="|".join(names)):
        check(recorded, {**entry, "settings": unset})


@settings(deadline=None, max_examples=300)
@given(data=st.data())
@each
def test_any_call_is_refused_or_tells_events(recorded: Recordings, data: st.DataObject) -> None:
    account = recorded.account({})
    request = data.draw(calls(recorded))
    try:
        recorded.adapter.verify(request, account, float(NOW_S))
    except BadSignature as error:
        assert not any(secret in shown(error) for secret in secrets(recorded))
    try:
        events = recorded.adapter.events(request, account)
    except UnreadableBody:
        return
    assert all(type(event) in EVENTS.values() for event in events)
    for event in events:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=type(event)) == event
    assert recorded.adapter.reply(request).is_success


@cache
def calls(recorded: Recordings) -> st.SearchStrategy[HookRequest]:
    """Recorded ones with anything in any place, and anything at all."""
    seen = [hook(entry) for entry in recorded.entries("hooks")]
    loaded = [request.json for request in seen if isinstance(request.json, dict | list)]
    names = sorted({name for request in seen for name, _ in (*request.query, *request.form)} | {"a"})
    words = sorted({value for request in seen for _, value in (*request.query, *request.form)} | {""})
    pair = st.tuples(st.sampled_from(names), st.sampled_from(words) | st.text(max_size=8))
    form = st.lists(pair, max_size=8).map(lambda pairs: urlencode(pairs).encode())
    bodies = st.binary(max_size=60) | form | twisted(loaded)
    kinds = st.sampled_from(["application/x-www-form-urlencoded", "application/json", "text/plain", ""])
    some = st.sampled_from([request.headers for request in seen])
    headers = st.tuples(some, kinds, st.text(max_size=8), st.booleans()).map(
        lambda drawn: (
            {**dict.fromkeys(drawn[0], drawn[2])} | {"content-type": drawn[1]}
            if drawn[3]
            else {**drawn[0], "content-type": drawn[1]}
        )
    )
    urls = form.map(lambda query: "https://hooks.example.org/x?" + query.decode()) | st.just(
        "https://hooks.example.org/x"
    )
    return st.builds(HookRequest, st.sampled_from(["POST", "GET"]), urls, headers, st.just(b"") | bodies)


# --- words, secrets, documents


@each
def test_every_status_word_is_recorded_with_its_kind(recorded: Recordings) -> None:
    mapped = {word: str(kind) for word, kind in recorded.adapter.STATES.items()}
    assert recorded.read("words")["words"] == mapped


@each_with_hooks
def test_a_status_word_nobody_knows_changes_nothing_and_is_kept(recorded: Recordings) -> None:
    known = recorded.read("words")["words"]
    strange = [
        event
        for entry in recorded.entries("hooks")
        if entry["verified"] and entry["events"] != "unreadable"
        for event in told(recorded, entry)
        if isinstance(event, Receipt) and event.status not in known
    ]
    assert strange
    assert all(event.kind is ReceiptKind.INTERMEDIATE and event.error_kind is None for event in strange)


@each
def test_secrets_are_declared_and_shown_nowhere(recorded: Recordings) -> None:
    declared, given_values = recorded.adapter.SPEC, recorded.settings
    assert declared.secrets <= given_values.keys() | {"client_key"}
    assert set(recorded.read("settings")["hook_secrets"]) <= declared.secrets | {
        "webhook_username",
        "webhook_public_key",
    }
    account = recorded.account({})
    entry: Entry = {"message": {"recipient": "+33612345678", "body": "Hello"}}
    made = recorded.adapter.build(message(entry), account)
    texts = shown(account, account.settings, made, recorded.adapter.probe(account), recorded.adapter.auth(account))
    for status in (200, 400, 401, 500):
        echo = json.dumps({"error": "no", "message": "no"}).encode()
        answer = HttpResponse(status, echo)
        texts += shown(recorded.adapter.read(answer, account), recorded.adapter.probed(answer, account))
    assert secrets(recorded)
    assert not [secret for secret in secrets(recorded) if secret in texts]


@each
def test_every_recording_is_used(recorded: Recordings) -> None:
    assert {path.name for path in (HOME / recorded.key).iterdir()} == {f"{file}.json" for file in FILES}
    for file in FILES:
        read = recorded.read(file)
        assert read["source"], file
        assert read["date"], file
    for file, members in MEMBERS.items():
        assert set(recorded.read(file)) == {"source", "date", file}
        names = [entry["name"] for entry in recorded.entries(file)]
        assert len(set(names)) == len(names)
        assert not {name for entry in recorded.entries(file) for name in entry} - members
        assert names, file


def test_every_folder_of_recordings_belongs_to_a_provider() -> None:
    folders = {path.name for path in HOME.iterdir() if path.is_dir() and any(path.glob("*.json"))}
    assert folders == set(registry.VENDORS)


@each
def test_recordings_show_each_kind_of_answer_and_call(recorded: Recordings) -> None:
    expected = [entry["expected"] for entry in recorded.entries("responses")]
    assert {"accepted", "refused", "deferred", "unknown"} <= {entry.get("outcome") for entry in expected}
    calls_made = {entry.get("call", "send") for entry in recorded.entries("requests")}
    assert "send" in calls_made
    if recorded.adapter.probe(recorded.account({})) is not None:
        assert "probe" in calls_made
        assert {bool(entry["problem"]) for entry in expected if "problem" in entry} == {True, False}


@each_with_hooks
def test_recordings_show_good_and_bad_proofs_of_receipts_and_texts(recorded: Recordings) -> None:
    verdicts = {entry["verified"] for entry in recorded.entries("hooks")}
    assert verdicts == {True, False}
    kinds = {
        event["type"]
        for entry in recorded.entries("hooks")
        if isinstance(entry.get("events"), list)
        for event in entry["events"]
    }
    assert {"Receipt", "InboundMessage"} <= kinds


def sentences(adapter: HttpProvider) -> Iterator[str]:
    yield from (adapter.SPEC.summary, *adapter.QUIRKS, *adapter.HOOK_SETUP, adapter.HOOK_PROOF)


@each
def test_documents_can_be_drawn_of_it(recorded: Recordings) -> None:
    adapter = recorded.adapter
    for sentence in sentences(adapter):
        assert sentence.endswith("."), sentence
    assert all(source.startswith("https://") for source in adapter.SOURCES)  # type: ignore[attr-defined]
    assert adapter.__doc__
    assert adapter.SPEC.features


@each_with_hooks
def test_how_to_set_up_hooks_names_their_addresses(recorded: Recordings) -> None:
    adapter = recorded.adapter
    steps = [step.format(status_url="<status>", inbound_url="<inbound>") for step in adapter.HOOK_SETUP]  # type: ignore[attr-defined]
    assert any("<inbound>" in step for step in steps)
    assert any("<status>" in step for step in steps)


@each
def test_account_without_a_public_address_still_sends(recorded: Recordings) -> None:
    # For an e-mail provider the body is JSON; a number is both.
    entry: Entry = {"message": {"recipient": "+33612345678", "body": "2026"}}
    account = recorded.account(entry)
    assert account == Account(account.settings, 42, 7)
    assert isinstance(recorded.adapter.build(message(entry), account), HttpRequest)
