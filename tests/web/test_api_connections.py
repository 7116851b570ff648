"""/v1/connections."""

from typing import Any

import pytest
from tests import row
from tests.web.caller import Caller

from chappe.features.connections.models import Connection

SETTINGS = {"host": "smsc.example.org", "account": "relais", "password": "s3cr3t-1"}
MASK = "********"


def create(caller: Caller, name: str = "North", **settings: object) -> dict[str, Any]:
    answer = caller.post("/v1/connections", {"name": name, "provider": "smpp", "settings": SETTINGS | settings})
    assert answer.status == 201, answer.text
    content: dict[str, Any] = answer.json
    return content


def test_a_connection_is_created_read_listed_changed_and_deleted(caller: Caller) -> None:
    created = create(caller, window=20)
    path = f"/v1/connections/{created['id']}"
    assert caller.get(path).json == created
    assert caller.get("/v1/connections").json == {"items": [created]}
    changed = caller.patch(path, {"name": "South", "settings": {"window": 30}, "is_enabled": False})
    assert changed.status == 200
    assert (changed.json["name"], changed.json["settings"]["window"]) == ("South", 30)
    assert (changed.json["is_enabled"], changed.json["version"]) == (False, 2)
    assert caller.delete(path).status == 204
    assert caller.get(path).status == 404


def test_no_answer_ever_holds_a_secret(caller: Caller) -> None:
    created = create(caller)
    path = f"/v1/connections/{created['id']}"
    answers = [caller.get(path), caller.get("/v1/connections"), caller.patch(path, {"settings": {"port": 0}})]
    answers.append(caller.patch(path, {"settings": {"password": "s3cr3t-1", "window": "x"}}))
    assert created["settings"]["password"] == MASK
    assert not any("s3cr3t" in answer.text for answer in answers)


def test_what_was_read_can_be_written_back(caller: Caller) -> None:
    created = create(caller)
    answer = caller.patch(f"/v1/connections/{created['id']}", {"settings": created["settings"]})
    assert (answer.status, answer.json["version"]) == (200, 1)


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ({}, {"name", "provider"}),
        ({"name": 5, "provider": "smpp"}, {"name"}),
        ({"name": "", "provider": "smpp", "settings": SETTINGS | {"port": 0}}, {"name", "settings.port"}),
        ({"name": "x" * 201, "provider": "smpp"}, {"name"}),
        ({"name": "North", "provider": "pigeon"}, {"provider"}),
        ({"name": "North", "provider": "smpp", "colour": "red"}, {"colour"}),
        ({"name": "North", "provider": "smpp", "settings": []}, {"settings"}),
        ({"name": "North", "provider": "smpp", "is_enabled": "yes"}, {"is_enabled"}),
        ({"name": "North", "provider": "smpp", "settings": {"port": 0, "hots": 1}}, {"settings.port", "settings.hots"}),
        (
            {"name": "North", "provider": "smpp", "settings": SETTINGS | {"encodings": [{"data_coding": 999}]}},
            {"settings.encodings[0].data_coding"},
        ),
        ({"name": "a\0b", "provider": "smpp"}, {"name"}),
        ({"name": "North", "provider": "smpp", "settings": {"host": "\ud800"}}, {"settings.host"}),
    ],
)
def test_bad_input_names_its_fields_and_changes_nothing(caller: Caller, content: object, fields: set[str]) -> None:
    answer = caller.post("/v1/connections", content)
    assert answer.status == 422, answer.text
    assert answer.fields.keys() == fields
    assert not Connection.objects.exists()


def test_a_setting_that_does_not_exist_is_answered_with_the_one_meant(caller: Caller) -> None:
    answer = caller.post("/v1/connections", {"name": "a", "provider": "smpp", "settings": SETTINGS | {"acount": "x"}})
    assert "did you mean account" in answer.fields["settings.acount"]


def test_a_taken_name_is_a_conflict(caller: Caller) -> None:
    create(caller)
    answer = caller.post("/v1/connections", {"name": "North", "provider": "smpp", "settings": SETTINGS})
    assert (answer.status, answer.json["detail"]) == (409, "There is a connection named North already.")


def test_a_change_over_somebody_elses_is_a_conflict(caller: Caller) -> None:
    path = f"/v1/connections/{create(caller)['id']}"
    assert caller.patch(path, {"version": 1, "settings": {"window": 30}}).status == 200
    assert caller.patch(path, {"version": 1, "settings": {"window": 40}}).status == 409
    assert caller.get(path).json["settings"]["window"] == 30


def test_a_connection_shows_what_its_links_do(caller: Caller) -> None:
    created = create(caller)
    row.link(created["id"], "bound", window=10, in_flight=3, changed_ms=2**62)
    row.link(created["id"] + 1, "bound")
    (link,) = caller.get(f"/v1/connections/{created['id']}").json["links"]
    assert (link["state"], link["is_live"], link["in_flight"]) == ("bound", True, 3)
    assert caller.get("/v1/connections").json["items"][0]["links"] == [link]


def test_a_stranger_finds_no_connection_of_ours(caller: Caller, stranger: Caller) -> None:
    path = f"/v1/connections/{create(caller)['id']}"
    statuses = [
        stranger.get(path).status,
        stranger.patch(path, {"name": "Mine"}).status,
        stranger.delete(path).status,
        stranger.post(f"{path}/verify").status,
    ]
    assert statuses == [404, 404, 404, 404]
    assert stranger.get("/v1/connections").json == {"items": []}
    assert caller.get(path).json["name"] == "North"


def test_both_organisations_may_use_one_name(caller: Caller, stranger: Caller) -> None:
    assert create(caller)["name"] == create(stranger)["name"]


TWILIO = {"account_sid": "AC" + "1" * 32, "auth_token": "2" * 32, "sender": "+15005550006"}


def create_twilio(caller: Caller, name: str = "Twilio") -> dict[str, Any]:
    answer = caller.post("/v1/connections", {"name": name, "provider": "twilio", "settings": TWILIO})
    assert answer.status == 201, answer.text
    content: dict[str, Any] = answer.json
    return content


def test_a_vendor_connection_is_replaced_and_not_edited(caller: Caller) -> None:
    old = create_twilio(caller)
    path = f"/v1/connections/{old['id']}"
    refused = caller.patch(path, {"settings": {"sender": "+15005550007"}})
    assert (refused.status, "replace it" in refused.json["detail"]) == (409, True)
    assert caller.patch(path, {"settings": old["settings"], "name": "Main", "position": 3}).status == 200

    answer = caller.post(f"{path}/replace", {"settings": {"sender": "+15005550007"}})
    assert answer.status == 201, answer.text
    made = answer.json
    assert (made["name"], made["position"], made["is_enabled"], made["replaced_by"]) == ("Main", 3, True, None)
    assert (made["settings"]["sender"], made["settings"]["auth_token"]) == ("+15005550007", MASK)
    assert [one["id"] for one in caller.get("/v1/connections").json["items"]] == [made["id"]]
    everything = caller.get("/v1/connections?replaced=true").json["items"]
    assert [one["id"] for one in everything] == [old["id"], made["id"]]
    was = caller.get(path).json
    assert (was["replaced_by"], was["is_enabled"], was["settings"]["sender"]) == (made["id"], False, "+15005550006")


def test_what_was_replaced_is_neither_replaced_again_nor_switched_on(caller: Caller) -> None:
    path = f"/v1/connections/{create_twilio(caller)['id']}"
    assert caller.post(f"{path}/replace", {"settings": {}}).status == 201
    assert caller.post(f"{path}/replace", {"settings": {}}).status == 409
    assert caller.patch(path, {"is_enabled": True}).status == 409
    assert caller.delete(path).status == 204


def test_a_replacement_that_cannot_be_leaves_everything_as_it_was(caller: Caller) -> None:
    old = create_twilio(caller)
    path = f"/v1/connections/{old['id']}"
    answer = caller.post(f"{path}/replace", {"settings": {"sender": "not a sender at all"}})
    assert (answer.status, set(answer.fields)) == (422, {"settings.sender"})
    assert caller.post(f"{path}/replace", {"settings": {}, "version": 7}).status == 409
    create_twilio(caller, "Other")
    assert caller.post(f"{path}/replace", {"settings": {}, "name": "Other"}).status == 409
    assert caller.get(path).json == old


def test_the_list_is_in_the_order_of_positions(caller: Caller) -> None:
    first, second, third = (create(caller, name)["id"] for name in ("C", "B", "A"))
    assert caller.patch(f"/v1/connections/{first}", {"position": 9}).status == 200
    assert [one["id"] for one in caller.get("/v1/connections").json["items"]] == [second, third, first]
    assert create(caller, "D")["position"] == 9
    assert caller.patch(f"/v1/connections/{first}", {"position": -1}).fields.keys() == {"position"}
