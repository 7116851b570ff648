"""/v1/deliveries and /v1/delivery-templates: links that are followed, and what is told of them."""

from collections.abc import Callable

import pytest
from tests.linked import NEWS, SALE, opened, set_address
from tests.web.caller import Caller
from tests.web.test_api_deliveries import Stage

from chappe.features.jobs import services as jobs
from chappe.features.messages.models import Message


@pytest.fixture
def stage(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> Stage:
    set_address(monkeypatch)
    return Stage(caller, "+33612345678", "+33612345679")


def analysed(stage: Stage, path: str) -> list[int]:
    """The numbers of the messages of a delivery."""
    stage.act(path, "analyse", 202)
    jobs.run_until_empty()
    return list(Message.objects.order_by("pk").values_list("pk", flat=True))


def test_following_is_said_read_and_taken_back(stage: Stage) -> None:
    assert stage.caller.get(stage.create()).json["follow_links"] is False
    path = stage.create(follow_links=True)
    assert stage.caller.get(path).json["follow_links"] is True
    assert stage.caller.patch(path, {"body": f"See {SALE}"}).json["follow_links"] is True
    assert stage.caller.patch(path, {"follow_links": False}).json["follow_links"] is False


def test_templates_have_it_like_deliveries(stage: Stage) -> None:
    path = "/v1/delivery-templates"
    assert stage.caller.get(f"{path}/0").json["follow_links"] is False
    made = stage.caller.post(path, {"label": "Shop", "follow_links": True}).json
    assert made["follow_links"] is True
    begun = {"label": "June", "list_id": stage.people, "template_id": made["id"], "body": "Hi"}
    delivery = stage.caller.post("/v1/deliveries", begun).json
    assert delivery["follow_links"] is True
    assert stage.caller.post(path, {"label": "Kept", "delivery_id": delivery["id"]}).json["follow_links"] is True
    assert stage.caller.post("/v1/deliveries", begun | {"follow_links": False}).json["follow_links"] is False


def test_without_an_address_for_links_the_field_is_named(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    set_address(monkeypatch, "")
    for path, content in (
        ("/v1/deliveries", stage.content(follow_links=True)),
        ("/v1/delivery-templates", {"label": "Shop", "follow_links": True}),
    ):
        answer = stage.caller.post(path, content)
        assert answer.status == 422
        assert "CHAPPE_LINK_URL" in answer.fields["follow_links"]


@pytest.mark.parametrize("value", ["yes", 1, []])
def test_it_is_true_or_false(stage: Stage, value: object) -> None:
    answer = stage.caller.post("/v1/deliveries", stage.content(follow_links=value))
    assert (answer.status, set(answer.fields)) == (422, {"follow_links"})


def test_the_report_tells_of_all_links_and_its_links_of_each(stage: Stage) -> None:
    path = stage.create(body=f"{SALE} or {NEWS}", follow_links=True)
    first, second = analysed(stage, path)
    nothing = {"people": 0, "clicks": 0, "machine_clicks": 0}
    assert stage.caller.get(f"{path}/report").json["links"] == nothing
    assert stage.caller.get(f"{path}/links").json == {**nothing, "items": []}
    opened(first)
    opened(first, 1, NEWS)
    opened(second, 1, NEWS)
    opened(second, is_machine=True)
    totals = {"people": 2, "clicks": 3, "machine_clicks": 1}
    assert stage.caller.get(f"{path}/report").json["links"] == totals
    assert stage.caller.get(f"{path}/links").json == {
        **totals,
        "items": [
            {"url": NEWS, "people": 2, "clicks": 2, "machine_clicks": 0},
            {"url": SALE, "people": 1, "clicks": 1, "machine_clicks": 1},
        ],
    }


def test_a_report_of_links_that_are_not_followed_has_none(stage: Stage) -> None:
    path = stage.create()
    assert stage.caller.get(f"{path}/report").json["links"] is None
    assert stage.caller.get(f"{path}/links").json["items"] == []


def test_links_are_for_keys_of_the_organisation_that_may_read(
    stage: Stage, stranger: Caller, call_as: Callable[..., Caller]
) -> None:
    path = stage.create(follow_links=True)
    assert stranger.get(f"{path}/links").status == 404
    assert call_as("send").get(f"{path}/links").status == 403
    assert call_as("read").get(f"{path}/links").status == 200
