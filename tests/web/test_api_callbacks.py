"""/v1/callbacks."""

from typing import Any

import pytest
from tests.row import NOW_MS
from tests.web.caller import Caller

from chappe.features.callbacks.models import CallbackEndpoint, CallbackEvent
from chappe.rules.callback import EVENTS

URL = "https://example.org/messages?token=4711"
PATH = "/v1/callbacks"


def create(caller: Caller, **values: object) -> dict[str, Any]:
    answer = caller.post(PATH, {"url": URL, **values})
    assert answer.status == 201, answer.text
    content: dict[str, Any] = answer.json
    return content


def dead(callback: dict[str, Any], count: int = 1, **values: Any) -> list[int]:
    """Calls that were given up; their ids."""
    given = {"endpoint_id": callback["id"], "type": "message.sent", "subject_id": 7, "at_ms": NOW_MS, "attempts": 19}
    given |= {"due_ms": NOW_MS, "last_status": 503, "last_error": "it answered 503", **values}
    rows = [CallbackEvent.objects.create(**{"dead_ms": NOW_MS + place, **given}) for place in range(count)]
    return [row.pk for row in rows]


def test_a_callback_is_created_read_listed_changed_and_deleted(caller: Caller) -> None:
    created = create(caller, events=["message.sent", "inbound.received"])
    secret = created.pop("secret")
    assert secret.startswith("whsec_")
    path = f"{PATH}/{created['id']}"
    assert caller.get(path).json == created
    assert caller.get(PATH).json == {"items": [created]}
    assert (created["events"], created["is_enabled"]) == (["message.sent", "inbound.received"], True)
    changed = caller.patch(path, {"url": "https://example.org/other", "is_enabled": False, "version": 1})
    assert (changed.status, changed.json["version"]) == (200, 2)
    assert (changed.json["url"], changed.json["is_enabled"]) == ("https://example.org/other", False)
    assert caller.patch(path, {"is_enabled": True, "version": 1}).status == 409
    assert caller.delete(path).status == 204
    assert caller.get(path).status == 404
    assert caller.get(PATH).json == {"items": []}


def test_a_callback_hears_of_everything_unless_told_otherwise(caller: Caller) -> None:
    assert create(caller)["events"] == list(EVENTS)


def test_a_secret_is_shown_when_it_is_made_and_never_again(caller: Caller) -> None:
    created = create(caller)
    path = f"{PATH}/{created['id']}"
    rotated = caller.post(f"{path}/rotate-secret", {"overlap_s": 600})
    assert rotated.status == 200
    secrets = [created["secret"], rotated.json["secret"]]
    assert len(set(secrets)) == 2
    answers = [caller.get(path), caller.get(PATH), caller.patch(path, {"is_enabled": False})]
    answers += [caller.patch(path, {"url": "x"}), caller.get(f"{path}/dead-letters")]
    assert not any(secret in answer.text for secret in secrets for answer in answers)
    kept = repr(list(CallbackEndpoint.objects.values_list()))
    assert not any(secret.removeprefix("whsec_") in kept for secret in secrets)


def test_the_old_secret_lives_on_for_as_long_as_was_asked(caller: Caller) -> None:
    path = f"{PATH}/{create(caller)['id']}"
    assert caller.post(f"{path}/rotate-secret").json["previous_secret_until"] is not None
    assert caller.post(f"{path}/rotate-secret", {"overlap_s": 0}).json["previous_secret_until"] is None
    assert caller.post(f"{path}/rotate-secret", {"overlap_s": -1}).fields.keys() == {"overlap_s"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://example.org/",
        "http://example.org/",
        "https://",
        "https://user:word@example.org/",
        "https://example.org/#part",
        "https://example.org:99999/",
        "https://exämple.org/",
        "https://example.org/a b",
        "https://[::1/",
    ],
)
def test_an_address_that_cannot_be_called_is_refused(caller: Caller, url: str) -> None:
    answer = caller.post(PATH, {"url": url})
    assert (answer.status, list(answer.fields)) == (422, ["url"])


def test_within_ones_own_networks_a_call_need_not_be_encrypted(caller: Caller) -> None:
    assert create(caller, url="http://10.1.2.3:8080/", allowed_networks="10.1.0.0/16")["url"].startswith("http://")


def test_every_mistake_is_named(caller: Caller) -> None:
    answer = caller.post(PATH, {"url": "x", "events": ["message.eaten"], "allowed_networks": "10.0.0.0/99"})
    assert answer.fields.keys() == {"url", "events", "allowed_networks"}
    assert caller.post(PATH, {"url": URL, "events": []}).fields.keys() == {"events"}


def test_there_is_a_bound_to_how_many_there_are(caller: Caller) -> None:
    for _ in range(20):
        create(caller)
    assert caller.post(PATH, {"url": URL}).status == 409


def test_a_test_call_is_put_in_line(caller: Caller) -> None:
    created = create(caller, events=["message.failed"])
    answer = caller.post(f"{PATH}/{created['id']}/test")
    row = CallbackEvent.objects.get()
    assert (answer.status, row.type, row.endpoint_id) == (202, "callback.test", created["id"])
    assert answer.json["webhook_id"].startswith(f"evt_{row.pk}_")
    caller.patch(f"{PATH}/{created['id']}", {"is_enabled": False})
    assert caller.post(f"{PATH}/{created['id']}/test").status == 409


# -- dead letters ----------------------------------------------------------------------------------------------------


def test_dead_letters_come_in_pages_those_given_up_last_first(caller: Caller) -> None:
    created = create(caller)
    ids = dead(created, 5) + dead(created, 2, dead_ms=NOW_MS + 4)
    waiting = dead(created, dead_ms=0)
    path, found, cursor = f"{PATH}/{created['id']}/dead-letters", [], ""
    while cursor is not None:
        page = caller.get(path, limit=2, cursor=cursor).json
        found += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert found == [ids[6], ids[5], *reversed(ids[:5])]
    assert waiting[0] not in found
    (item,) = caller.get(path, limit=1).json["items"]
    assert (item["type"], item["subject_id"], item["attempts"]) == ("message.sent", 7, 19)
    assert (item["last_status"], item["last_error"]) == (503, "it answered 503")
    assert caller.get(path, cursor="x").fields.keys() == {"cursor"}


def test_dead_letters_of_one_event_can_be_asked_for(caller: Caller) -> None:
    created = create(caller)
    (wanted,) = dead(created, type="inbound.received")
    dead(created, 3)
    path = f"{PATH}/{created['id']}/dead-letters"
    assert [item["id"] for item in caller.get(path, type="inbound.received").json["items"]] == [wanted]
    assert caller.get(path, type="message.eaten").status == 422


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        (None, {0, 1, 2, 3}),
        ({"type": "inbound.received"}, {3}),
        ({"since": "2026-01-01T00:00:00.001Z"}, {1, 2, 3}),
        ({"since": "2026-01-01T00:00:00.001Z", "until": "2026-01-01T00:00:00.001Z"}, {1}),
        ({"type": "inbound.received", "until": "2026-01-01T00:00:00.001Z"}, set()),
    ],
)
def test_many_are_replayed_by_what_they_are(caller: Caller, asked: object, chosen: set[int]) -> None:
    created = create(caller)
    ids = dead(created, 3) + dead(created, dead_ms=NOW_MS + 3, type="inbound.received")
    answer = caller.post(f"{PATH}/{created['id']}/dead-letters/replay", asked)
    assert (answer.status, answer.json) == (200, {"replayed": len(chosen)})
    again = set(CallbackEvent.objects.filter(dead_ms=0, attempts=0, give_up_ms__gt=NOW_MS).values_list("pk", flat=True))
    assert again == {ids[place] for place in chosen}


def test_one_is_replayed_by_its_id_and_only_once(caller: Caller) -> None:
    created = create(caller)
    ids = dead(created, 2)
    path = f"{PATH}/{created['id']}/dead-letters/replay"
    assert caller.post(path, {"ids": [ids[0], 99]}).json == {"replayed": 1}
    assert caller.post(path, {"ids": [ids[0]]}).json == {"replayed": 0}
    assert caller.post(path, {"ids": []}).fields.keys() == {"ids"}
    assert caller.post(path, {"since": "yesterday"}).fields.keys() == {"since"}
    caller.patch(f"{PATH}/{created['id']}", {"is_enabled": False})
    assert caller.post(path).status == 409


# -- borders ---------------------------------------------------------------------------------------------------------


def test_another_organisation_sees_and_changes_nothing(caller: Caller, stranger: Caller) -> None:
    created = create(caller)
    dead(created)
    path = f"{PATH}/{created['id']}"
    assert stranger.get(PATH).json == {"items": []}
    asked = [stranger.get(path), stranger.patch(path, {"is_enabled": False}), stranger.delete(path)]
    asked += [stranger.post(f"{path}/{one}") for one in ("test", "rotate-secret", "dead-letters/replay")]
    asked += [stranger.get(f"{path}/dead-letters")]
    assert [answer.status for answer in asked] == [404] * 7
    assert caller.get(path).json["version"] == 1
    assert CallbackEvent.objects.get().dead_ms == NOW_MS


@pytest.mark.parametrize("scope", ["send", "read"])
def test_only_keys_that_may_manage_change_anything(call_as: Any, scope: str) -> None:
    other = call_as(scope)
    assert other.post(PATH, {"url": URL}).status == 403
    created = create(call_as("manage"))
    path = f"{PATH}/{created['id']}"
    asked = [other.patch(path, {}), other.delete(path), other.post(f"{path}/test"), other.post(f"{path}/rotate-secret")]
    asked.append(other.post(f"{path}/dead-letters/replay"))
    assert {answer.status for answer in asked} == {403}
    assert other.get(path).status == (200 if scope == "read" else 403)
