"""/v1/deliveries."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.web.caller import Caller

from chappe.features.deliveries.models import Delivery
from chappe.features.jobs import services as jobs


class Stage:
    """A caller with a connection and a list of people, made through the API."""

    def __init__(self, caller: Caller, *phones: str) -> None:
        self.caller = caller
        settings = {"host": "smsc.example.org", "account": "relais"}
        connection = {"name": "North", "provider": "smpp", "settings": settings}
        self.connection = caller.post("/v1/connections", connection).json["id"]
        self.people = caller.post("/v1/lists", {"name": "Customers"}).json["id"]
        for phone in phones:
            caller.post("/v1/contacts", {"phone": phone, "attributes": {"name": "Zoë"}, "list_ids": [self.people]})

    def content(self, **values: Any) -> dict[str, Any]:
        given = {"label": "June", "list_id": self.people, "connection_id": self.connection, "body": "Hello {{ name }}"}
        return given | values

    def create(self, **values: Any) -> str:
        """The path of a new delivery."""
        answer = self.caller.post("/v1/deliveries", self.content(**values))
        assert answer.status == 201, answer.text
        return f"/v1/deliveries/{answer.json['id']}"

    def act(self, path: str, action: str, status: int = 200) -> dict[str, Any]:
        answer = self.caller.post(f"{path}/{action}")
        assert answer.status == status, answer.text
        content: dict[str, Any] = answer.json
        return content


@pytest.fixture
def stage(caller: Caller) -> Stage:
    return Stage(caller, "+33612345678", "+33612345679", "+33612345678")


def test_a_delivery_goes_from_draft_to_report(stage: Stage) -> None:
    path = stage.create(category="transactional", sender="Relais")
    assert stage.act(path, "analyse", 202)["status"] == "analysing"
    jobs.run_until_empty()
    ready = stage.caller.get(path).json
    assert (ready["status"], ready["audience"], ready["segments"]) == ("ready", 3, 2)
    assert (ready["category"], ready["encodings"]) == ("transactional", {"ucs2": 2})
    assert stage.act(path, "send")["status"] == "sending"
    assert stage.act(path, "pause")["status"] == "paused"
    assert stage.act(path, "resume")["status"] == "sending"
    assert stage.act(path, "cancel")["status"] == "cancelled"
    report = stage.caller.get(f"{path}/report").json
    assert report["states"] == {"waiting": 2, "excluded": 1}
    assert (report["audience"], report["exclusions"], report["failures"]) == (3, {"duplicate": 1}, [])


def test_a_preview_shows_texts_before_anything_is_made(stage: Stage) -> None:
    path = stage.create()
    items = stage.caller.get(f"{path}/preview").json["items"]
    assert [(one["recipient"], one["body"], one["reason"]) for one in items] == [
        ("+33612345678", "Hello Zoë", ""),
        ("+33612345678", "", "duplicate"),
        ("+33612345679", "Hello Zoë", ""),
    ]
    assert stage.caller.get(f"{path}/preview", people=0).status == 422
    assert stage.caller.get(path).json["audience"] == 0


def test_what_was_read_says_what_was_written(stage: Stage) -> None:
    tlvs = [{"label": "Code", "tag": "0x1401", "value": "{{ phone }}", "format": "ascii", "maximum_octets": 20}]
    path = stage.create(
        validity_s=3600, maximum_segments=2, transmission_mode=1, short_code="36180", tlvs=tlvs, sender="Relais"
    )
    read = stage.caller.get(path).json
    assert (read["validity_s"], read["maximum_segments"], read["transmission_mode"]) == (3600, 2, 1)
    assert (read["short_code"], read["tlvs"], read["sender"]) == ("36180", tlvs, "Relais")
    assert stage.caller.get("/v1/deliveries").json == {"items": [read], "next": None}


def test_a_change_leaves_what_it_does_not_name_and_null_takes_the_mode_away(stage: Stage) -> None:
    path = stage.create(transmission_mode=1, sender="Relais", tlvs=[{"tag": "1", "value": "x"}])
    changed = stage.caller.patch(path, {"transmission_mode": None, "body": "Good day"}).json
    assert (changed["transmission_mode"], changed["body"], changed["sender"]) == (None, "Good day", "Relais")
    assert len(changed["tlvs"]) == 1


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"body": "{{ nmae }}"}, {"body"}),
        ({"body": "{{ name"}, {"body"}),
        ({"category": "spam"}, {"category"}),
        ({"validity_s": 1}, {"validity_s"}),
        ({"sender": "Café"}, {"sender"}),
        ({"tlvs": [{"tag": "x", "value": "1"}]}, {"tlvs[0]"}),
        ({"tlvs": [{"tag": "1"}]}, {"tlvs[0].value"}),
        ({"service_id": "P1", "tlvs": [{"tag": "1", "value": "1"}]}, {"service_id"}),
        ({"label": ""}, {"label"}),
        ({"colour": "red"}, {"colour"}),
        ({"list_id": "1"}, {"list_id"}),
    ],
)
def test_what_cannot_be_sent_names_the_field(stage: Stage, values: dict[str, Any], fields: set[str]) -> None:
    answer = stage.caller.post("/v1/deliveries", stage.content(**values))
    assert (answer.status, set(answer.fields)) == (422, fields), answer.text
    assert not Delivery.objects.exists()


def test_what_cannot_be_done_now_is_a_conflict(stage: Stage) -> None:
    path = stage.create()
    for action in ("send", "pause", "resume", "cancel", "revise"):
        assert stage.act(path, action, 409)["status"] == 409
    stage.act(path, "analyse", 202)
    assert stage.caller.patch(path, {"label": "July"}).status == 409
    assert stage.caller.delete(path).status == 409


def test_a_delivery_not_sent_can_be_revised_and_deleted(stage: Stage) -> None:
    path = stage.create()
    stage.act(path, "analyse", 202)
    jobs.run_until_empty()
    assert stage.act(path, "revise")["status"] == "draft"
    assert stage.caller.delete(path).status == 204
    assert stage.caller.get(path).status == 404


def test_a_stranger_sees_nothing(stage: Stage, stranger: Caller) -> None:
    path = stage.create()
    assert stranger.get(path).status == 404
    assert stranger.get(f"{path}/report").status == 404
    assert stranger.get(f"{path}/preview").status == 404
    assert stranger.patch(path, {"label": "July"}).status == 404
    assert stranger.delete(path).status == 404
    for action in ("analyse", "revise", "send", "pause", "resume", "cancel"):
        assert stranger.post(f"{path}/{action}").status == 404
    assert stranger.get("/v1/deliveries").json == {"items": [], "next": None}
    assert stranger.post("/v1/deliveries", stage.content()).status == 404


def test_reading_needs_read_and_acting_needs_send(stage: Stage, call_as: Any) -> None:
    path = stage.create()
    reader, sender, manager = call_as("read"), call_as("send"), call_as("manage")
    assert reader.get(path).status == 200
    assert (sender.get(path).status, reader.post(f"{path}/analyse").status) == (403, 403)
    assert manager.post("/v1/deliveries", stage.content()).status == 403
    assert sender.post(f"{path}/analyse").status == 202


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
rows = st.lists(
    st.fixed_dictionaries(
        {"tag": st.sampled_from(["1", "0x1401", "x"]), "value": st.text(max_size=5)},
        optional={"format": st.sampled_from(["ascii", "uint8", "x"]), "maximum_octets": st.integers()},
    ),
    max_size=3,
)
changes = st.fixed_dictionaries(
    {},
    optional={
        "label": st.text(max_size=5) | json_values,
        "body": st.text(st.sampled_from("{}%|' na1*("), max_size=20) | json_values,
        "sender": st.text(max_size=5) | json_values,
        "validity_s": st.integers() | json_values,
        "maximum_segments": st.integers() | json_values,
        "transmission_mode": st.integers() | json_values,
        "short_code": st.text(max_size=5) | json_values,
        "service_id": st.text(max_size=5) | json_values,
        "category": json_values,
        "tlvs": rows | json_values,
        "list_id": st.integers(),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes)
def test_any_change_is_made_whole_or_not_at_all(stage: Stage, content: dict[str, object]) -> None:
    path = f"/v1/deliveries/{Delivery.objects.get().pk}" if Delivery.objects.exists() else stage.create()
    before = stage.caller.get(path).json
    answer = stage.caller.raw("PATCH", path, json.dumps(content).encode())
    assert answer.status in (200, 400, 404, 422), answer.text
    assert stage.caller.get(path).json == (answer.json if answer.status == 200 else before)
