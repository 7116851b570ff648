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
