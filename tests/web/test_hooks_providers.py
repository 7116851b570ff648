"""Every provider that we know, at its own address: nobody is believed without proof, and what is shown of calls is masked."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.providers import recordings
from tests.web.switchboard import Switchboard, events_of

from chappe.engine.net.redact import MASK
from chappe.features.accounts.models import Organisation
from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection
from chappe.features.hooks.reading import reads_own_calls
from chappe.features.messages.models import HookEvent
from chappe.messaging import InboundMessage, OptIn, OptOut
from chappe.providers.http import HookRequest, HttpResponse
from chappe.providers.registry import VENDORS
from chappe.web.hooks.exchange import Noted, described, masked_body, shown

RECORDED = {key: recordings.Recordings(VENDORS[key]) for key in sorted(VENDORS) if reads_own_calls(key)}
CALLS = [
    pytest.param(key, entry, id=f"{key}: {entry['name']}")
    for key, recorded in RECORDED.items()
    for entry in recorded.entries("hooks")
    if entry["verified"] and entry["events"] != "unreadable"
]


@pytest.fixture
def board(sqlite_url: str, bound: Any) -> Iterator[Switchboard]:
    bound(sqlite_url)
    made = Switchboard(sqlite_url)
    yield made
    made.close()


def connected(key: str) -> Connection:
    organisation = Organisation.objects.create(name="Relais", created_ms=1)
    return connections.create_connection(organisation.pk, key, key, RECORDED[key].settings, 1)


def target(connection: Connection, kind: str) -> str:
    return f"/v1/receive/distribution/{kind}/{connection.provider}/{connection.organisation_id}"


@pytest.mark.parametrize("key", RECORDED)
@pytest.mark.parametrize("kind", ["status", "message"])
def test_nobody_is_believed_without_the_providers_proof(key: str, kind: str, board: Switchboard) -> None:
    connection = connected(key)
    for entry in RECORDED[key].entries("hooks"):
        if "proof" in entry or not (entry.get("text") or "?" in entry["url"]):
            continue  # signed by what stands in the body alone; or a provider that tries the address and tells nothing
        body = entry.get("text", "").encode()
        query = entry["url"].partition("?")[2]
        url = target(connection, kind) + (f"?{query}" if query and "sig" not in query else "")
        reply = board.call(url, body, entry.get("method", "POST"), content_type=_kind(entry))
        assert (reply.status, reply.type) in {(401, "application/problem+json"), (429, "application/problem+json")}
    assert not HookEvent.objects.exists()


def _kind(entry: dict[str, Any]) -> str:
    headers = {name.lower(): value for name, value in entry.get("headers", {}).items()}
    return str(headers.get("content-type", "application/json"))


def test_a_provider_that_signs_in_by_user_and_password_is_taken(board: Switchboard) -> None:
    connection = connected("infobip")
    settings = RECORDED["infobip"].settings
    names = [name for name in settings if "webhook" in name]
    user = next(settings[name] for name in names if "user" in name)
    password = next(settings[name] for name in names if "pass" in name)
    pair = base64.b64encode(f"{user}:{password}".encode()).decode()
    text = {
        "messageId": "r-1",
        "from": "33612345678",
        "to": "36180",
        "text": "STOP",
        "receivedAt": "2026-11-22T10:00:00Z",
    }
    reply = board.post(target(connection, "message"), {"results": [text]}, authorization=f"Basic {pair}")
    assert reply.status < 300
    (event,) = events_of(connection)
    assert (event.message.sender, event.message.body) == ("+33612345678", "STOP")


# -- what is shown -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "entry"), CALLS)
def test_what_is_shown_of_a_recorded_call_has_no_number_text_or_secret(key: str, entry: dict[str, Any]) -> None:
    recorded = RECORDED[key]
    request = recordings.hook(entry)
    account = recorded.account(entry)
    told = recorded.adapter.events(request, account)
    secrets = [value for name, value in account.settings.items() if name in recorded.adapter.SPEC.secrets and value]
    row = shown(noted(request, told, secrets))
    text = " ".join(str(value) for value in row)
    for event in told:
        if isinstance(event, InboundMessage):
            assert len(event.body) < 4 or event.body not in text
            assert digits(event.sender) not in text
        elif isinstance(event, OptOut | OptIn):
            assert digits(event.address) not in text
    for secret in secrets:
        assert secret not in text
    assert "signature: ey" not in text


def digits(number: str) -> str:
    """Something to look for: a sender may be a name of a few letters, which may be part of another word."""
    return number.removeprefix("+") if len(number) > 6 else "\0"


def noted(request: HookRequest, told: Any, secrets: list[str]) -> Noted:
    path = request.url.split("/", 3)[3]
    return Noted(
        1,
        1,
        1.0,
        request.method,
        f"/{path}",
        request.headers,
        request.body,
        HttpResponse(200),
        described(told),
        secrets,
        told,
    )


@pytest.mark.parametrize(
    ("body", "kind", "seen"),
    [
        ({"to": "+33612345678", "id": "m1"}, "application/json", {"to": f"{MASK}78", "id": "m1"}),
        ({"to": 33612345678}, "application/json", {"to": f"{MASK}78"}),
        ({"id": 33612345678}, "application/json", {"id": f"{MASK}78"}),
        ({"id": "12345678"}, "application/json", {"id": "12345678"}),
        ([{"content": {"text": "hello", "n": 1}}], "application/json", [{"content": {"text": MASK, "n": 1}}]),
        (
            {"original_text": "hello", "ok": True},
            "application/json",
            {"original_text": MASK, "ok": True},
        ),
    ],
)
def test_numbers_and_texts_in_json_are_masked_and_ids_are_not(body: Any, kind: str, seen: Any) -> None:
    assert json.loads(masked_body(json.dumps(body).encode(), kind, {"12345678"})) == seen


def test_numbers_and_texts_in_forms_are_masked() -> None:
    shown_form = masked_body(
        b"To=%2B33612345678&Body=call+me&MessageSid=SM1&Empty=", "application/x-www-form-urlencoded"
    )
    assert shown_form == f"To={MASK}78&Body={MASK}&MessageSid=SM1&Empty="


@pytest.mark.parametrize("body", [b"\xff\xfe +33612345678", b"not JSON +33612345678", b"[" * 5000])
def test_what_cannot_be_read_is_shown_without_numbers(body: bytes) -> None:
    assert "336123456" not in masked_body(body, "application/json")
