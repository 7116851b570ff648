"""Providers' calls: whose they are, what is kept of them, and how they are answered."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from tests.web.switchboard import (
    FORM,
    PUBLIC,
    Switchboard,
    custom_connection,
    events,
    events_of,
    keywords_of,
    signed,
    status_of,
    text_of,
    twilio_connection,
)

from chappe.engine.address import hook_url, inbound_url, status_url
from chappe.engine.store.hook_event import HeldInbound
from chappe.features.accounts import services as accounts
from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import Connection
from chappe.features.connections.replacement import replace_connection
from chappe.features.hooks import services
from chappe.features.hooks.models import Hook
from chappe.features.hooks.services import Change
from chappe.features.messages.models import HookEvent
from chappe.messaging import Receipt, ReceiptKind
from chappe.web.hooks.app import MOST_OCTETS

PROBLEM = "application/problem+json"
INBOUND = (
    '{"id": "{{RequestID}}", "from": "{{ProfileNumber}}", "to": "{{InboundNumber}}", "text": "{{InboundMessage}}"}'
)
FEEDBACK = '{"ref": "{{message_id}}", "status": "{{feedbackStatus}}", "code": "{{failureCode}}"}'
STOP = {"id": "r-1", "from": "33612345678", "to": "36180", "text": "STOP"}


@pytest.fixture
def board(database: str) -> Iterator[Switchboard]:
    made = Switchboard(database)
    yield made
    made.close()


@pytest.fixture
def twilio(organisation: Organisation) -> Connection:
    return twilio_connection(organisation.pk)


@pytest.fixture
def other(database: str) -> Organisation:
    return accounts.create_organisation("Another", 1)


def status_at(connection: Connection, *, named: bool = True) -> str:
    url = status_url(PUBLIC, "twilio", connection.organisation_id, connection.pk if named else 0)
    return url.removeprefix(PUBLIC)


def message_at(connection: Connection) -> str:
    return inbound_url(PUBLIC, "twilio", connection.organisation_id).removeprefix(PUBLIC)


def hook(connection: Connection, kind: str = "inbound", **values: object) -> Hook:
    given: dict[str, object] = {"name": f"{kind} of {connection.name}", **values}
    if connection.provider == "custom":
        given.setdefault("payload", INBOUND if kind == "inbound" else FEEDBACK)
    change = Change(**given)  # type: ignore[arg-type]
    return services.create_hook(connection.organisation_id, connection.pk, kind, change, 1)


def at(hook: Hook) -> str:
    return hook_url(PUBLIC, hook.token).removeprefix(PUBLIC)


# -- providers' own addresses ------------------------------------------------------------------------------------------


def test_a_status_is_kept_for_its_connection_and_engines_are_woken(board: Switchboard, twilio: Connection) -> None:
    reply = board.twilio(status_at(twilio), status_of("SM7", "undelivered", ErrorCode="30003"))
    assert (reply.status, reply.text) == (204, "")
    (event,) = events_of(twilio)
    assert (event.provider_message_id, event.kind, event.status, event.code) == (
        "SM7",
        ReceiptKind.ERROR,
        "undelivered",
        "30003",
    )
    assert board.told == 1


def test_a_text_is_kept_with_the_keywords_that_count(board: Switchboard, twilio: Connection) -> None:
    reply = board.twilio(message_at(twilio), text_of("Stop"))
    assert reply.status == 200
    (event,) = events_of(twilio)
    assert (event.message.sender, event.message.recipient, event.message.body) == (
        "+15558675310",
        "+15017122661",
        "Stop",
    )
    assert "STOP" in keywords_of(event)


@pytest.mark.parametrize("slug", ["twilio", "twilio-sms", "TWILIO-SMS"])
def test_a_provider_is_called_by_its_key_and_by_usual_names(slug: str, board: Switchboard, twilio: Connection) -> None:
    target = f"/v1/receive/distribution/status/{slug}/{twilio.organisation_id}"
    assert board.twilio(target, status_of()).status == 204
    assert len(events_of(twilio)) == 1


def test_among_connections_the_proof_tells_whose_call_it_is(board: Switchboard, organisation: Organisation) -> None:
    first, second = (
        twilio_connection(organisation.pk, name, token) for name, token in (("A", "a" * 32), ("B", "b" * 32))
    )
    board.twilio(status_at(first, named=False), status_of("SM-of-B"), "b" * 32)
    assert (len(events_of(first)), len(events_of(second))) == (0, 1)


def test_a_connection_in_use_goes_before_those_of_before(board: Switchboard, organisation: Organisation) -> None:
    old = twilio_connection(organisation.pk, "Old", is_enabled=False)
    replaced = twilio_connection(organisation.pk, "Replaced", replaced_by=99)
    last = twilio_connection(organisation.pk, "Last", position=2)
    first = twilio_connection(organisation.pk, "First", position=1)
    board.twilio(status_at(first, named=False), status_of())
    assert [len(events_of(one)) for one in (old, replaced, last, first)] == [0, 0, 0, 1]


def test_late_receipts_of_a_connection_that_is_switched_off_are_taken(
    board: Switchboard, organisation: Organisation
) -> None:
    old = twilio_connection(organisation.pk, "Old", "o" * 32, is_enabled=False, replaced_by=99)
    twilio_connection(organisation.pk, "New")
    assert board.twilio(status_at(old, named=False), status_of(), "o" * 32).status == 204
    assert len(events_of(old)) == 1


def test_an_address_that_names_a_connection_is_for_that_one_alone(
    board: Switchboard, organisation: Organisation
) -> None:
    first, second = (twilio_connection(organisation.pk, name) for name in ("A", "B"))
    board.twilio(status_at(second), status_of())
    assert (len(events_of(first)), len(events_of(second))) == (0, 1)
    strange = twilio_connection(organisation.pk, "C", "c" * 32)
    assert board.twilio(status_at(strange), status_of()).status == 401


def test_what_is_signed_is_the_public_address_octet_for_octet(board: Switchboard, twilio: Connection) -> None:
    target = f"{status_at(twilio)}?a=%7e+b&&c=%C3%A9"
    assert board.twilio(target, status_of(), host="10.0.0.7:8025").status == 204
    _, signature = signed(PUBLIC + target, status_of())
    assert board.twilio(target.replace("%7e", "~"), status_of(), x_twilio_signature=signature).status == 401


def test_without_a_public_address_the_one_that_the_call_names_is_signed(database: str, twilio: Connection) -> None:
    board = Switchboard(database, public="")
    try:
        body, signature = signed(f"https://sms.example.net{status_at(twilio)}", status_of())
        given = {"content_type": FORM, "x_twilio_signature": signature}
        assert board.call(status_at(twilio), body, host="sms.example.net", **given).status == 204
        assert board.call(status_at(twilio), body, host="other.example.net", **given).status == 401
    finally:
        board.close()


def test_a_status_word_that_nobody_knows_is_kept_as_it_is(board: Switchboard, twilio: Connection) -> None:
    assert board.twilio(status_at(twilio), status_of(word="teleported")).status == 204
    (event,) = events()
    assert (event.kind, event.status) == (ReceiptKind.INTERMEDIATE, "teleported")
    assert "teleported" in board.exchanges()[0].outcome


def test_the_same_call_twice_is_no_error_and_is_counted(board: Switchboard, twilio: Connection) -> None:
    replies = [board.twilio(status_at(twilio), status_of()) for _ in range(3)]
    assert [reply.status for reply in replies] == [204] * 3
    assert board.counted() == {(twilio.pk, 0, "accepted"): 1, (twilio.pk, 0, "duplicate"): 2}


# -- hooks -------------------------------------------------------------------------------------------------------------


def test_stop_at_a_hook_is_kept_with_its_connection(board: Switchboard, organisation: Organisation) -> None:
    own = custom_connection(organisation.pk)
    reply = board.post(at(hook(own)), STOP)
    assert (reply.status, reply.text) == (200, "")
    (event,) = events_of(own)
    assert isinstance(event, HeldInbound)
    assert (event.message.sender, event.message.recipient, event.message.body, event.message.provider_message_id) == (
        "+33612345678",
        "36180",
        "STOP",
        "r-1",
    )
    assert "STOP" in keywords_of(event)
    assert board.told == 1


def test_feedback_is_read_by_the_hooks_own_words(board: Switchboard, organisation: Organisation) -> None:
    own = custom_connection(organisation.pk)
    target = at(hook(own, "feedback", statuses={"ARRIVED": "delivered", "noise": "ignored"}))
    for status in ("arrived", "FAILED", "noise", "beamed"):
        assert board.post(target, {"ref": "m1", "status": status, "code": 7}).status == 200
    assert events_of(own) == [
        Receipt("m1", ReceiptKind.SUCCESS, "arrived", "7"),
        Receipt("m1", ReceiptKind.ERROR, "FAILED", "7"),
        Receipt("m1", ReceiptKind.INTERMEDIATE, "beamed", "7"),
    ]


def test_what_stands_in_the_address_of_a_get_is_read_like_a_form(
    board: Switchboard, organisation: Organisation
) -> None:
    own = custom_connection(organisation.pk)
    target = at(hook(own, "feedback", payload="id={{message_id}}&state={{feedbackStatus}}"))
    assert board.call(f"{target}?id=m%2B1&state=delivered", method="GET").status == 200
    assert events_of(own) == [Receipt("m+1", ReceiptKind.SUCCESS, "delivered")]


@pytest.mark.parametrize(
    ("numbers", "recipient", "word"),
    [
        ((), "+15017122661", "STOP"),
        (("",), "+15017122661", "HALT0"),
        (("+15017122661",), "+15017122661", "HALT0"),
        (("+15017122662",), "+15017122661", "STOP"),
        (("", "+15017122661"), "+15017122661", "HALT1"),
        (("", "+15017122662"), "+15017122661", "HALT0"),
    ],
)
def test_keywords_are_those_of_the_inbound_hook_for_the_number(
    numbers: tuple[str, ...], recipient: str, word: str, board: Switchboard, twilio: Connection
) -> None:
    """`numbers` of the hooks that the connection has, the first with the word HALT0."""
    for place, number in enumerate(numbers):
        rules = {"rules": [{"category": "opt_out", "keywords": [f"HALT{place}"]}]}
        hook(twilio, name=f"{place}", sender_number=number, keywords=rules)
    board.twilio(message_at(twilio), text_of(To=recipient))
    (event,) = events()
    assert word in keywords_of(event)
    assert len(keywords_of(event)) == (1 if word != "STOP" else 6)


@pytest.mark.parametrize("token", ["o" * 32, "n" * 32])
def test_hooks_and_their_keywords_go_over_to_the_connection_that_replaces_theirs(
    token: str, board: Switchboard, organisation: Organisation
) -> None:
    """A provider goes on calling the addresses that it was told, and signs by the old token or the new one."""
    old = twilio_connection(organisation.pk, "Old", "o" * 32)
    moved = hook(old, keywords={"rules": [{"category": "opt_out", "keywords": ["ARRET"]}]})
    replace_connection(organisation.pk, old.pk, {"auth_token": "n" * 32}, 1)
    named = inbound_url(PUBLIC, "twilio", organisation.pk, old.pk).removeprefix(PUBLIC)
    for place, target in enumerate([message_at(old), named, at(moved)]):
        fields = text_of("ARRET", MessageSid=f"SM{place}")
        assert board.twilio(target, fields, token).status == 200
        assert keywords_of(events()[-1]) == ["ARRET"]
    assert board.twilio(at(moved), text_of("ARRET"), "x" * 32).status == 401


def test_keywords_of_a_hook_that_is_switched_off_do_not_count(board: Switchboard, twilio: Connection) -> None:
    hook(twilio, keywords={"rules": [{"category": "opt_out", "keywords": ["HALT"]}]}, is_enabled=False)
    board.twilio(message_at(twilio), text_of())
    assert "STOP" in keywords_of(events()[0])


def test_a_hook_without_a_payload_is_read_and_proved_as_its_provider_does(
    board: Switchboard, twilio: Connection
) -> None:
    target = at(hook(twilio, keywords={"rules": [{"category": "opt_out", "keywords": ["HALT"]}]}))
    assert board.twilio(target, text_of("halt")).status == 200
    assert board.twilio(target, text_of("halt"), "wrong" * 8).status == 401
    (event,) = events_of(twilio)
    assert keywords_of(event) == ["HALT"]


def test_a_rotated_token_is_good_until_its_time_has_come(database: str, organisation: Organisation) -> None:
    now = [1_000_000]
    made = hook(custom_connection(organisation.pk))
    before = at(made)
    after = at(services.rotate_token(organisation.pk, made.pk, now[0], grace_s=60))
    board = Switchboard(database, clock=lambda: now[0])
    try:
        assert before != after
        assert [board.post(target, STOP).status for target in (before, after)] == [200, 200]
        now[0] += 59_999
        assert [board.post(target, STOP).status for target in (before, after)] == [200, 200]
        now[0] += 1
        assert [board.post(target, STOP).status for target in (before, after)] == [404, 200]
    finally:
        board.close()


def test_a_token_rotated_without_grace_is_good_no_more(database: str, organisation: Organisation) -> None:
    made = hook(custom_connection(organisation.pk))
    before = at(made)
    after = at(services.rotate_token(organisation.pk, made.pk, 2, grace_s=0))
    board = Switchboard(database)
    try:
        assert [board.post(target, STOP).status for target in (before, after)] == [404, 200]
    finally:
        board.close()


def test_what_is_made_changed_and_deleted_counts_within_a_second(database: str, organisation: Organisation) -> None:
    now = [1_000_000]
    board = Switchboard(database, clock=lambda: now[0])
    try:
        assert board.post("/v1/hooks/chh_nobody", STOP).status == 404
        made = hook(custom_connection(organisation.pk))
        now[0] += 50
        assert board.post(at(made), STOP).status == 200
        services.change_hook(organisation.pk, made.pk, Change(is_enabled=False), 3)
        now[0] += 1000
        assert board.post(at(made), STOP).status == 403
        services.delete_hook(organisation.pk, made.pk)
        now[0] += 1000
        assert board.post(at(made), STOP).status == 404
    finally:
        board.close()


@pytest.mark.parametrize("kind", ["basic", "header", "hmac"])
def test_a_hook_asks_for_the_proof_that_it_was_given(kind: str, board: Switchboard, organisation: Organisation) -> None:
    fields: dict[str, object] = {
        "basic": {"user": "them"},
        "header": {"header": "X-Key"},
        "hmac": {"header": "X-Signature", "timestamp_header": "X-Time"},
    }[kind]  # type: ignore[assignment]
    made = hook(custom_connection(organisation.pk), proof={"kind": kind, "secret": "s3cret", **fields})  # type: ignore[dict-item]
    right, wrong = proofs(kind)
    for headers in (*wrong, {}):
        reply = board.post(at(made), STOP, **headers)
        assert (reply.status, reply.type) == (401 if kind == "basic" else 403, PROBLEM)
        assert reply.headers.get("www-authenticate") == ('Basic realm="chappe"' if kind == "basic" else None)
    assert events() == []
    assert board.post(at(made), STOP, **right).status == 200
    assert len(events()) == 1


def proofs(kind: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Headers that are right, and some that are not."""

    def basic(pair: str) -> dict[str, str]:
        return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def mac(key: str, at_s: float) -> dict[str, str]:
        text = f"{at_s:.0f}.".encode() + json.dumps(STOP).encode()
        return {"x_time": f"{at_s:.0f}", "x_signature": hmac.new(key.encode(), text, hashlib.sha256).hexdigest()}

    now_s = time.time()
    match kind:
        case "basic":
            return basic("them:s3cret"), [basic("them:no"), basic("us:s3cret"), {"authorization": "Bearer s3cret"}]
        case "header":
            return {"x_key": "s3cret"}, [{"x_key": "no"}, {"x_other": "s3cret"}]
    replayed = mac("s3cret", now_s - 3600)
    return mac("s3cret", now_s), [mac("no", now_s), replayed, {**mac("s3cret", now_s), "x_time": f"{now_s + 1:.0f}"}]


# -- borders between organisations -------------------------------------------------------------------------------------


def test_another_organisations_address_proves_nothing_and_changes_nothing(
    board: Switchboard, twilio: Connection, other: Organisation
) -> None:
    theirs = twilio_connection(other.pk, token="t" * 32)
    for target in (
        f"/v1/receive/distribution/status/twilio/{other.pk}",
        f"/v1/receive/distribution/status/twilio/{other.pk}/{theirs.pk}",
    ):
        assert board.twilio(target, status_of()).status == 401
    # A connection of ours in the address of theirs is none of theirs.
    assert board.twilio(f"/v1/receive/distribution/status/twilio/{other.pk}/{twilio.pk}", status_of()).status == 404
    assert events() == []


def test_the_same_account_in_two_organisations_goes_where_the_address_says(
    board: Switchboard, twilio: Connection, other: Organisation
) -> None:
    theirs = twilio_connection(other.pk)
    board.twilio(status_at(theirs, named=False), status_of())
    assert (len(events_of(twilio)), len(events_of(theirs))) == (0, 1)


def test_a_hook_of_another_organisation_is_for_that_organisation(
    board: Switchboard, organisation: Organisation, other: Organisation
) -> None:
    ours, theirs = custom_connection(organisation.pk), custom_connection(other.pk)
    hook(ours)
    board.post(at(hook(theirs)), STOP)
    assert (len(events_of(ours)), len(events_of(theirs))) == (0, 1)
    assert {row.organisation_id for row in HookEvent.objects.all()} == {other.pk}


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/v1/hooks/nobody",
        "/v1/hooks/chh_" + "x" * 400,
        "/v1/hooks/%E9%00",
        "/v1/receive/distribution/",
        "/v1/receive/distribution/status/acme/1",
        "/v1/receive/distribution/status/smpp/1",
        "/v1/receive/distribution/status/twilio/999",
        "/v1/receive/distribution/status/twilio/999999999999999999999999",
        "/v1/receive/distribution/status/twilio/x",
        "/v1/receive/distribution/status/twilio/1/999",
        "/v1/receive/distribution/status/twilio/-1",
        "/v1/receive/distribution/receipt/twilio/1",
        "/v1/receive/distribution/status/twilio/1/1/1",
    ],
)
def test_there_is_nothing_at_an_address_that_nobody_has(target: str, board: Switchboard, twilio: Connection) -> None:
    reply = board.post(target, STOP)
    assert (reply.status, reply.type, reply.json["detail"]) == (404, PROBLEM, "There is nothing at this address.")
    assert board.counted() == {(0, 0, "unknown"): 1}


def test_hooks_are_managed_where_numbers_stand(board: Switchboard, organisation: Organisation) -> None:
    reply = board.call("/v1/hooks/1", method="GET", host="localhost")
    assert reply.status == 401
    assert "API key" in reply.json["detail"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_another_method_is_refused(method: str, board: Switchboard, twilio: Connection) -> None:
    reply = board.call(status_at(twilio), method=method)
    assert (reply.status, reply.headers["allow"]) == (405, "GET, POST")
    assert board.counted() == {(twilio.pk, 0, "method"): 1}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_twilio_signature": ""},
        {"x_twilio_signature": "AAAA"},
        {"x_twilio_signature": "é"},
        {"authorization": "Basic eDp5", "x_twilio_signature": "AAAA"},
    ],
)
def test_a_call_without_the_right_proof_changes_nothing(
    headers: dict[str, str], board: Switchboard, twilio: Connection
) -> None:
    body, _ = signed(PUBLIC + status_at(twilio), status_of())
    reply = board.call(status_at(twilio), body, content_type=FORM, **headers)
    assert (reply.status, reply.type) == (403 if "authorization" in headers else 401, PROBLEM)
    assert "proof" in reply.json["detail"]
    assert events() == []
    assert board.told == 0
    assert board.counted() == {(twilio.pk, 0, "no proof"): 1}


def test_a_call_that_was_changed_on_its_way_is_refused(board: Switchboard, twilio: Connection) -> None:
    _, signature = signed(PUBLIC + status_at(twilio), status_of())
    body, _ = signed("", status_of(word="failed"))
    assert board.call(status_at(twilio), body, content_type=FORM, x_twilio_signature=signature).status == 401
    assert events() == []


@pytest.mark.parametrize("length", [str(MOST_OCTETS + 1), "9" * 30])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    length: str, board: Switchboard, twilio: Connection
) -> None:
    gone = [{"type": "http.disconnect"}]
    reply = board.run(board.parts(status_at(twilio), gone, content_length=length))
    assert (reply.status, reply.type) == (413, PROBLEM)
    assert board.counted() == {(twilio.pk, 0, "too large"): 1}
    assert board.hooks.room.held == 0


def test_a_body_that_grows_too_large_is_refused(board: Switchboard, twilio: Connection) -> None:
    parts = [{"body": b"x" * 100_000}] * 3
    assert board.run(board.parts(status_at(twilio), parts)).status == 413


def test_a_body_of_the_greatest_size_is_read(board: Switchboard, organisation: Organisation) -> None:
    own = custom_connection(organisation.pk)
    content = {**STOP, "x": ""}
    content["x"] = "x" * (MOST_OCTETS - len(str(content).encode()))
    assert board.post(at(hook(own)), content).status == 200
    assert len(events_of(own)) == 1


def test_a_body_that_stops_coming_is_refused_and_one_that_is_broken_off_is_nothing(
    board: Switchboard, organisation: Organisation
) -> None:
    target = at(hook(custom_connection(organisation.pk)))
    assert board.run(board.parts(target, [{"body": b"{", "more_body": True}])).status == 408
    broken = [{"body": b'{"id":1', "more_body": True}, {"type": "http.disconnect"}]
    assert board.run(board.parts(target, broken)).status == 0
    assert events() == []
    assert board.hooks.room.held == 0


def test_a_compressed_body_is_refused(board: Switchboard, twilio: Connection) -> None:
    assert board.call(status_at(twilio), b"x", content_encoding="gzip").status == 415


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"\xff\xfe",
        b"[" * 100_000,
        b'"text"',
        b'{"text": "no sender"}',
        b'{"from": 1}',
        b"\x00",
        b"null",
    ],
)
def test_a_call_that_cannot_be_read_is_refused(body: bytes, board: Switchboard, organisation: Organisation) -> None:
    made = hook(custom_connection(organisation.pk))
    reply = board.call(at(made), body, content_type="application/json")
    assert (reply.status, reply.type) == (400, PROBLEM)
    assert reply.json["detail"].startswith("The call cannot be read")
    assert events() == []
    assert board.counted() == {(made.connection_id, made.pk, "unreadable"): 1}


def test_a_hook_that_is_switched_off_says_so(board: Switchboard, organisation: Organisation) -> None:
    made = hook(custom_connection(organisation.pk), is_enabled=False)
    reply = board.post(at(made), STOP)
    assert (reply.status, reply.json["detail"]) == (403, "This hook is switched off.")
    assert board.counted() == {(made.connection_id, made.pk, "switched off"): 1}


@pytest.mark.parametrize("what", ["connection", "hook"])
def test_while_its_settings_cannot_be_opened_a_provider_is_told_to_come_again(
    what: str, board: Switchboard, organisation: Organisation
) -> None:
    twilio = twilio_connection(organisation.pk)
    made = hook(custom_connection(organisation.pk), proof={"kind": "header", "header": "X-Key", "secret": "s3cret"})
    if what == "connection":
        Connection.objects.filter(pk=twilio.pk).update(secrets=b"\x01" + bytes(200))
        reply = board.twilio(status_at(twilio), status_of())
    else:
        Hook.objects.update(secrets=b"\x01" + bytes(200))
        reply = board.post(at(made), STOP, x_key="s3cret")
    assert (reply.status, reply.headers["retry-after"]) == (503, "60")
    assert events() == []


def test_a_connection_that_cannot_be_opened_harms_no_other(board: Switchboard, organisation: Organisation) -> None:
    broken = twilio_connection(organisation.pk, "Broken")
    Connection.objects.filter(pk=broken.pk).update(secrets=b"\x01" + bytes(200))
    good = twilio_connection(organisation.pk, "Good")
    assert board.twilio(status_at(good, named=False), status_of()).status == 204
    assert len(events_of(good)) == 1


# -- floods ------------------------------------------------------------------------------------------------------------


def test_an_address_that_keeps_coming_without_proof_is_told_to_wait_and_right_calls_from_it_pass(
    board: Switchboard, twilio: Connection
) -> None:
    replies = [board.twilio(status_at(twilio), status_of(), "wrong" * 8) for _ in range(40)]
    assert [reply.status for reply in replies[:20]] == [401] * 20
    assert 429 in {reply.status for reply in replies[20:]}
    late = next(reply for reply in replies if reply.status == 429)
    assert int(late.headers["retry-after"]) >= 1
    assert board.twilio(status_at(twilio), status_of()).status == 204
    assert board.twilio(status_at(twilio), status_of(), "wrong" * 8, address="192.0.2.2").status == 401
    assert len(events()) == 1
    assert board.counted()[twilio.pk, 0, "no proof"] == 41
    assert {row.status for row in board.exchanges()} <= {204, 401}


def test_tokens_cannot_be_guessed_at_leisure_and_the_right_one_passes(
    board: Switchboard, organisation: Organisation
) -> None:
    made = hook(custom_connection(organisation.pk))
    replies = board.together(*(board.ask(f"/v1/hooks/guess{number}", b"{}") for number in range(40)))
    assert sorted({reply.status for reply in replies}) == [404, 429]
    assert board.post(at(made), STOP).status == 200


# -- what is counted and shown -----------------------------------------------------------------------------------------


def test_accepted_calls_are_counted_and_shown_without_numbers_texts_and_proofs(
    board: Switchboard, twilio: Connection
) -> None:
    board.twilio(message_at(twilio), text_of("Please call me, STOP", ProfileName="Jane"))
    (row,) = board.exchanges()
    assert (row.connection_id, row.direction, row.method, row.status) == (twilio.pk, "in", "POST", 200)
    assert row.outcome == "1 text"
    assert row.url == message_at(twilio)
    assert "MessageSid=SM9" in row.request
    assert "x-twilio-signature: •••" in row.request
    for hidden in ("15558675310", "15017122661", "call", "Jane"):
        assert hidden not in row.request, hidden
    assert "10" in row.request


def test_a_hooks_token_and_secret_are_not_kept(board: Switchboard, organisation: Organisation) -> None:
    made = hook(
        custom_connection(organisation.pk), proof={"kind": "header", "header": "X-Pass", "secret": "s3cret-word"}
    )
    board.post(at(made), {**STOP, "note": f"s3cret-word {made.token}"}, x_pass="s3cret-word")
    (row,) = board.exchanges()
    shown = f"{row.url} {row.request} {row.response} {row.outcome}"
    for hidden in ("s3cret-word", made.token, quote(made.token), "33612345678", '"STOP"'):
        assert hidden not in shown, hidden
    assert row.url == "/v1/hooks/•••"


def test_nothing_of_the_body_of_a_call_without_proof_is_kept(board: Switchboard, twilio: Connection) -> None:
    board.twilio(status_at(twilio), status_of("SMsecret"), "wrong" * 8)
    (row,) = board.exchanges()
    assert row.outcome.startswith("no proof: ")
    assert "SMsecret" not in row.request
    assert "octets, not kept" in row.request


def test_a_few_calls_of_a_second_are_shown_and_all_are_counted(board: Switchboard, twilio: Connection) -> None:
    target = status_at(twilio)
    board.together(*(board.twilio_ask(target, status_of(f"SM{number}")) for number in range(30)))
    assert board.counted() == {(twilio.pk, 0, "accepted"): 30}
    assert len(board.exchanges()) == 3
    assert len(events()) == 30


def test_no_more_exchanges_are_kept_than_fit(board: Switchboard, twilio: Connection) -> None:
    for number in range(40):
        board.together(*(board.twilio_ask(status_at(twilio), status_of(f"SM{number}-{one}")) for one in range(3)))
        board.run(board.committer.flush())
    rows = board.exchanges()
    assert len(rows) == 100
    assert "SM39-" in rows[-1].request
