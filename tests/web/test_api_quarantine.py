"""/v1/quarantine and /v1/error-qualifications."""

from typing import Any

import pytest
from tests.row import NOW_MS
from tests.web.caller import Caller

from chappe.features.connections.models import ErrorQualification
from chappe.features.consent.models import Quarantine


def error(caller: Caller, text: str, **values: Any) -> ErrorQualification:
    given: dict[str, Any] = {"kind": "soft", "first_ms": NOW_MS, "last_ms": NOW_MS}
    return ErrorQualification.objects.create(organisation_id=caller.organisation.pk, text=text, **given | values)


def test_a_number_is_added_read_listed_and_released(caller: Caller) -> None:
    added = caller.post("/v1/quarantine", {"address": "+33 612345678", "status": "denylisted", "reason": "by post"})
    assert (added.status, added.json["address"], added.json["status"]) == (201, "+33612345678", "denylisted")
    path = f"/v1/quarantine/{added.json['id']}"
    assert caller.get(path).json == added.json
    assert caller.get("/v1/quarantine", address="336", status="denylisted").json["items"] == [added.json]
    released = caller.post(f"{path}/release", {"reason": "asked again"})
    assert (released.status, released.json["status"], released.json["reason"]) == (200, "valid", "asked again")
    assert caller.post(f"{path}/release").status == 409
    assert caller.get("/v1/quarantine", status="denylisted").json == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ({}, {"address"}),
        ({"address": "0612345678"}, {"address"}),
        ({"address": 33612345678}, {"address"}),
        ({"address": "+33612345678", "status": "valid"}, {"status"}),
        ({"address": "+33612345678", "channel": "fax"}, {"channel"}),
        ({"address": "+33612345678", "short_code": "1" * 22}, {"short_code"}),
        ({"address": "+33612345678", "reason": "x" * 201, "more": 1}, {"reason", "more"}),
    ],
)
def test_a_bad_entry_names_its_fields_and_changes_nothing(caller: Caller, content: object, fields: set[str]) -> None:
    answer = caller.post("/v1/quarantine", content)
    assert (answer.status, set(answer.fields)) == (422, fields)
    assert not Quarantine.objects.exists()


def test_a_stranger_neither_sees_nor_releases_our_numbers(caller: Caller, stranger: Caller) -> None:
    number = caller.post("/v1/quarantine", {"address": "+33612345678"}).json["id"]
    assert stranger.get("/v1/quarantine").json["items"] == []
    assert stranger.get(f"/v1/quarantine/{number}").status == 404
    assert stranger.post(f"/v1/quarantine/{number}/release").status == 404
    assert caller.get(f"/v1/quarantine/{number}").json["status"] == "quarantine"


def test_an_error_is_found_by_its_status_and_settled_by_its_kind(caller: Caller) -> None:
    new = error(caller, "SR Generic UNDELIV 011", occurrences=3)
    error(caller, "SR Generic EXPIRED 000", status="keep")
    (shown,) = caller.get("/v1/error-qualifications", status="to_qualify").json["items"]
    assert (shown["id"], shown["text"], shown["occurrences"]) == (new.pk, "SR Generic UNDELIV 011", 3)
    answer = caller.patch(f"/v1/error-qualifications/{new.pk}", {"kind": "hard", "reason": "invalid number"})
    assert (answer.status, answer.json["kind"], answer.json["status"]) == (200, "hard", "keep")
    assert answer.json["reason"] == "invalid number"
    assert answer.json["occurrences"] == 3
    assert caller.get("/v1/error-qualifications", status="to_qualify").json["items"] == []
    assert len(caller.get("/v1/error-qualifications").json["items"]) == 2


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ({}, {"kind"}),
        ({"kind": "harsh"}, {"kind"}),
        ({"status": "done"}, {"status"}),
        ({"reason": "  "}, {"reason"}),
        ({"kind": "hard", "text": "x"}, {"text"}),
    ],
)
def test_a_bad_verdict_names_its_fields_and_changes_nothing(caller: Caller, content: object, fields: set[str]) -> None:
    row = error(caller, "SR Generic UNDELIV 011")
    answer = caller.patch(f"/v1/error-qualifications/{row.pk}", content)
    assert (answer.status, set(answer.fields)) == (422, fields)
    assert ErrorQualification.objects.values_list("kind", "status").get() == ("soft", "to_qualify")


def test_a_stranger_neither_sees_nor_settles_our_errors(caller: Caller, stranger: Caller) -> None:
    row = error(caller, "SR Generic UNDELIV 011")
    assert stranger.get("/v1/error-qualifications").json["items"] == []
    assert stranger.patch(f"/v1/error-qualifications/{row.pk}", {"kind": "hard"}).status == 404
    assert ErrorQualification.objects.get().kind == "soft"
