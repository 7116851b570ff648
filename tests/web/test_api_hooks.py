"""/v1/hooks: making, changing, trying and rotating the addresses that providers call."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.web.caller import Caller

from chappe.features.accounts.models import Organisation
from chappe.features.connections.models import Connection
from chappe.features.hooks.models import Hook, HookCount
from chappe.features.messages.models import Exchange

INBOUND = '{"from": "{{ProfileNumber}}", "text": "{{InboundMessage}}"}'
BASIC = {"kind": "basic", "user": "them", "secret": "s3cret"}


@pytest.fixture
def own(organisation: Organisation) -> Connection:
    return Connection.objects.create(organisation=organisation, name="Own", provider="custom")


def content(own: Connection, **values: object) -> dict[str, Any]:
    return {"connection_id": own.pk, "name": "Texts", "kind": "inbound", "payload": INBOUND, **values}


def test_a_hook_that_was_made_says_what_the_provider_is_to_call(caller: Caller, own: Connection) -> None:
    answer = caller.post("/v1/hooks", content(own, proof=BASIC, sender_number="36180"))
    assert answer.status == 201
    made = answer.json
    assert made["url"] == f"http://testserver/v1/hooks/{Hook.objects.get().token}"
    assert (made["kind"], made["connection_id"], made["sender_number"], made["version"]) == (
        "inbound",
        own.pk,
        "36180",
        1,
    )
    assert made["proof"] == {
        "kind": "basic",
        "user": "them",
        "header": "",
        "hash": "sha256",
        "is_base64": False,
        "timestamp_header": "",
        "secret": "********",
    }
    assert made["keywords"]["rules"][0]["category"] == "opt_out"
    assert caller.get(f"/v1/hooks/{made['id']}").json == made
    assert caller.get("/v1/hooks").json == {"items": [made]}


def test_the_public_address_of_the_installation_goes_first(
    caller: Caller, own: Connection, settings_with_public_url: None
) -> None:
    made = caller.post("/v1/hooks", content(own)).json
    assert made["url"].startswith("https://chappe.example.org/v1/hooks/chh_")


@pytest.fixture
def settings_with_public_url(monkeypatch: pytest.MonkeyPatch) -> None:
    import msgspec
    from django.conf import settings

    given = msgspec.structs.replace(settings.CONFIGURATION, public_url="https://chappe.example.org")
    monkeypatch.setattr(settings, "CONFIGURATION", given)


def test_a_hook_is_changed_and_deleted(caller: Caller, own: Connection) -> None:
    made = caller.post("/v1/hooks", content(own, proof=BASIC)).json
    path = f"/v1/hooks/{made['id']}"
    words = {"rules": [{"category": "opt_out", "keywords": ["HALT"], "reply": "Bye"}], "near_miss_reply": "{word}?"}
    changed = caller.patch(path, {"name": "New", "keywords": words, "is_enabled": False, "version": 1}).json
    assert (changed["name"], changed["is_enabled"], changed["version"]) == ("New", False, 2)
    assert changed["keywords"]["rules"] == words["rules"]
    assert changed["proof"]["secret"] == "********"
    assert changed["url"] == made["url"]
    assert caller.patch(path, {"name": "Newer", "version": 1}).status == 409
    assert caller.delete(path).status == 204
    assert caller.get(path).status == 404


def test_a_proof_is_changed_without_its_secret(caller: Caller, own: Connection) -> None:
    made = caller.post("/v1/hooks", content(own, proof=BASIC)).json
    answer = caller.patch(f"/v1/hooks/{made['id']}", {"proof": {"kind": "basic", "user": "us"}})
    assert (answer.status, answer.json["proof"]["user"], answer.json["proof"]["secret"]) == (200, "us", "********")


def test_rotation_answers_with_the_new_address(caller: Caller, own: Connection) -> None:
    made = caller.post("/v1/hooks", content(own)).json
    path = f"/v1/hooks/{made['id']}/rotate"
    rotated = caller.post(path, {"grace_s": 60}).json
    assert rotated["url"] != made["url"]
    assert rotated["previous_until"] is not None
    assert caller.post(path).status == 200
    assert caller.post(path, {"grace_s": -1}).fields == {"grace_s": "must be from 0 to 2592000"}


def test_a_call_can_be_tried(caller: Caller, own: Connection) -> None:
    made = caller.post("/v1/hooks", content(own)).json
    path = f"/v1/hooks/{made['id']}/test"
    found = caller.post(path, {"call": '{"from": "33612345678", "text": "STOP"}'}).json
    assert found["problem"] == ""
    assert {"placeholder": "InboundMessage", "where": "text", "found": ["STOP"]} in found["values"]
    (event,) = found["events"]
    assert (event["type"], event["sender"], event["body"]) == ("InboundMessage", "+33612345678", "STOP")
    assert caller.post(path, {"call": "{}"}).json["problem"] != ""
    assert list(caller.post(path, {"call": "{}", "payload": "{"}).fields) == ["payload"]


def test_counts_and_last_calls_are_shown(caller: Caller, own: Connection) -> None:
    made = caller.post("/v1/hooks", content(own)).json
    HookCount.objects.create(
        organisation_id=own.organisation_id, connection_id=own.pk, hook_id=made["id"], outcome="accepted", calls=7
    )
    Exchange.objects.create(
        connection_id=own.pk, direction="in", at_ms=1, method="POST", url="/v1/hooks/•••", status=200
    )
    counts = caller.get(f"/v1/hooks/{made['id']}").json["counts"]
    assert counts == [{"outcome": "accepted", "calls": 7, "last_at": None}]
    (call,) = caller.get(f"/v1/hooks/{made['id']}/calls").json["items"]
    assert (call["method"], call["url"], call["status"]) == ("POST", "/v1/hooks/•••", 200)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"payload": "{"}, "payload"),
        ({"connection_id": 999}, "connection_id"),
        ({"name": ""}, "name"),
        ({"kind": "both"}, "kind"),
        ({"colour": "red"}, "colour"),
        ({"keywords": {"rules": [{"category": "none"}]}}, "keywords.rules[0].category"),
        ({"keywords": {"rules": [{"category": "help", "keywords": ["?"]}]}}, "keywords.rules[0].keywords[0]"),
        ({"proof": {"kind": "basic"}}, "proof.secret"),
        ({"statuses": {"ok": "sent"}}, "statuses"),
    ],
)
def test_what_cannot_be_used_is_named(values: dict[str, Any], field: str, caller: Caller, own: Connection) -> None:
    answer = caller.post("/v1/hooks", content(own, **values))
    assert answer.status == 422
    assert field in answer.fields
    assert not Hook.objects.exists()


def test_who_may_read_sees_no_address_and_who_may_not_manage_changes_nothing(
    call_as: Callable[..., Caller], caller: Caller, own: Connection
) -> None:
    made = caller.post("/v1/hooks", content(own)).json
    reader = call_as("read")
    assert reader.get(f"/v1/hooks/{made['id']}").json["url"] is None
    token = Hook.objects.get().token
    assert token not in reader.get("/v1/hooks").text
    for answer in (
        reader.post("/v1/hooks", content(own, name="Other")),
        reader.patch(f"/v1/hooks/{made['id']}", {"name": "x"}),
        reader.delete(f"/v1/hooks/{made['id']}"),
        reader.post(f"/v1/hooks/{made['id']}/rotate"),
        reader.post(f"/v1/hooks/{made['id']}/test", {"call": "{}"}),
        call_as("send").get("/v1/hooks"),
    ):
        assert answer.status == 403


def test_another_organisation_sees_and_changes_nothing(caller: Caller, stranger: Caller, own: Connection) -> None:
    made = caller.post("/v1/hooks", content(own)).json
    path = f"/v1/hooks/{made['id']}"
    assert stranger.get("/v1/hooks").json == {"items": []}
    for answer in (
        stranger.get(path),
        stranger.get(f"{path}/calls"),
        stranger.patch(path, {"name": "x"}),
        stranger.delete(path),
        stranger.post(f"{path}/rotate"),
        stranger.post(f"{path}/test", {"call": "{}"}),
    ):
        assert answer.status == 404
    assert stranger.post("/v1/hooks", content(own, name="Theirs")).fields == {
        "connection_id": f"There is no connection {own.pk}."
    }
    assert Hook.objects.get().name == "Texts"
