"""/v1/delivery-templates, and deliveries that begin with one."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.web.caller import Caller

from chappe.features.templates.models import DeliveryTemplate

PATH = "/v1/delivery-templates"
TLV = {"label": "Campaign", "tag": "0x1401", "value": "{{ phone }}", "format": "ascii", "maximum_octets": 20}


class Stage:
    """A caller with a connection and a list, made through the API."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        settings = {"host": "smsc.example.org", "account": "relais"}
        connection = {"name": "North", "provider": "smpp", "settings": settings}
        self.connection = caller.post("/v1/connections", connection).json["id"]
        self.people = caller.post("/v1/lists", {"name": "Customers"}).json["id"]

    def made(self, **values: Any) -> dict[str, Any]:
        answer = self.caller.post(PATH, {"label": "Shop", **values})
        assert answer.status == 201, answer.text
        content: dict[str, Any] = answer.json
        return content

    def full(self) -> dict[str, Any]:
        return self.made(
            connection_id=self.connection,
            category="transactional",
            sender="Relais",
            body="Hello {{ name }}",
            short_code="36180",
            validity_s=3600,
            maximum_segments=2,
            transmission_mode=1,
            tlvs=[TLV],
        )


@pytest.fixture
def stage(caller: Caller) -> Stage:
    return Stage(caller)


def test_what_was_read_says_what_was_written(stage: Stage) -> None:
    made = stage.full()
    read = stage.caller.get(f"{PATH}/{made['id']}").json
    assert read == made
    assert (read["label"], read["internal_name"], read["is_built_in"]) == ("Shop", "shop", False)
    assert (read["category"], read["sender"], read["tlvs"]) == ("transactional", "Relais", [TLV])
    assert (read["short_code"], read["validity_s"], read["transmission_mode"]) == ("36180", 3600, 1)


def test_the_list_is_read_by_cursor_and_ends_with_what_is_built_in(stage: Stage) -> None:
    made = stage.full()
    first = stage.caller.get(PATH, limit=1).json
    assert first["items"] == [made]
    second = stage.caller.get(PATH, limit=1, cursor=first["next"]).json
    assert [(one["id"], one["label"], one["is_built_in"]) for one in second["items"]] == [(0, "Mobile (SMS)", True)]
    assert second["next"] is None


def test_a_duplicate_says_what_the_other_says_but_for_what_is_given(stage: Stage) -> None:
    old = stage.full()
    new = stage.made(label="Shop 2", template_id=old["id"], sender="36111", internal_name="shop.two")
    changed = {"id", "label", "internal_name", "sender", "created_at", "changed_at"}
    assert {name for name in old if old[name] != new[name]} <= changed
    assert (new["sender"], new["internal_name"]) == ("36111", "shop.two")


def test_a_delivery_is_saved_as_a_template_and_begins_with_one(stage: Stage) -> None:
    first = {"label": "June", "list_id": stage.people, "template_id": stage.full()["id"]}
    delivery = stage.caller.post("/v1/deliveries", first)
    assert delivery.status == 201, delivery.text
    assert (delivery.json["sender"], delivery.json["body"], delivery.json["tlvs"]) == (
        "Relais",
        "Hello {{ name }}",
        [TLV],
    )
    kept = stage.made(label="Kept", delivery_id=delivery.json["id"], transmission_mode=None)
    assert (kept["tlvs"], kept["connection_id"], kept["transmission_mode"]) == ([TLV], stage.connection, None)
    again = stage.caller.post("/v1/deliveries", first | {"template_id": kept["id"], "sender": "36111", "tlvs": []}).json
    assert (again["sender"], again["tlvs"], again["category"]) == ("36111", [], "transactional")


def test_a_delivery_without_a_text_is_refused_unless_its_template_has_one(stage: Stage) -> None:
    bare = {"label": "June", "list_id": stage.people}
    for given in (bare, bare | {"template_id": 0}):
        answer = stage.caller.post("/v1/deliveries", given)
        assert (answer.status, set(answer.fields)) == (422, {"body"})
    assert stage.caller.post("/v1/deliveries", bare | {"template_id": 0, "body": "Hello"}).status == 201


def test_a_change_leaves_what_it_does_not_name_and_null_takes_the_routing_away(stage: Stage) -> None:
    made = stage.full()
    path = f"{PATH}/{made['id']}"
    changed = stage.caller.patch(path, {"label": "Store", "connection_id": None, "transmission_mode": None}).json
    assert (changed["label"], changed["connection_id"], changed["transmission_mode"]) == ("Store", None, None)
    assert (changed["sender"], changed["tlvs"], changed["internal_name"]) == ("Relais", [TLV], "shop")
    assert stage.caller.delete(path).status == 204
    assert stage.caller.get(path).status == 404


def test_what_is_built_in_is_read_and_never_changed_or_deleted(stage: Stage) -> None:
    assert stage.caller.get(f"{PATH}/0").json["internal_name"] == "mobile"
    refused = stage.caller.patch(f"{PATH}/0", {"label": "Mine"})
    assert (refused.status, "built in" in refused.json["detail"]) == (409, True)
    assert stage.caller.delete(f"{PATH}/0").status == 409


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"label": ""}, {"label"}),
        ({"internal_name": "a b"}, {"internal_name"}),
        ({"internal_name": "mobile"}, {"internal_name"}),
        ({"category": "spam"}, {"category"}),
        ({"sender": "x" * 21}, {"sender"}),
        ({"service_id": "P1", "tlvs": [TLV]}, {"service_id"}),
        ({"tlvs": [{"tag": "x", "value": "1"}]}, {"tlvs[0]"}),
        ({"validity_s": 1, "maximum_segments": 300}, {"validity_s", "maximum_segments"}),
        ({"template_id": 0, "delivery_id": 1}, {"delivery_id"}),
        ({"list_id": 1}, {"list_id"}),
    ],
)
def test_what_cannot_be_names_the_field(stage: Stage, values: dict[str, Any], fields: set[str]) -> None:
    answer = stage.caller.post(PATH, {"label": "Shop", **values})
    assert (answer.status, set(answer.fields)) == (422, fields), answer.text
    assert not DeliveryTemplate.objects.exists()


def test_a_stranger_finds_nothing(stage: Stage, stranger: Caller) -> None:
    path = f"{PATH}/{stage.full()['id']}"
    assert stranger.get(path).status == 404
    assert stranger.patch(path, {"label": "x"}).status == 404
    assert stranger.delete(path).status == 404
    assert stranger.post(PATH, {"label": "x", "template_id": int(path.rpartition("/")[2])}).status == 404
    assert [one["id"] for one in stranger.get(PATH).json["items"]] == [0]


def test_a_key_that_only_reads_changes_nothing(stage: Stage, call_as: Callable[..., Caller]) -> None:
    reader = call_as("read")
    made = stage.full()
    assert reader.get(PATH).status == 200
    assert reader.post(PATH, {"label": "x"}).status == 403
    assert reader.delete(f"{PATH}/{made['id']}").status == 403
