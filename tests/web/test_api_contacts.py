"""/v1/lists, /v1/contacts and /v1/imports."""

import itertools
import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.web.caller import Answer, Caller

from chappe.features.contacts import services
from chappe.features.contacts.models import Contact, ContactImport
from chappe.features.jobs import services as jobs
from chappe.web.api import contacts as routes

PHONE = "+33612345678"
CSV = "phone,name\n+33612345678,Zoë\n12,Jo\nbroken\n"


def create_list(caller: Caller, name: str = "Customers") -> int:
    answer = caller.post("/v1/lists", {"name": name})
    assert answer.status == 201, answer.text
    number: int = answer.json["id"]
    return number


def create_contact(caller: Caller, **content: Any) -> dict[str, Any]:
    answer = caller.post("/v1/contacts", {"phone": PHONE} | content)
    assert answer.status == 201, answer.text
    created: dict[str, Any] = answer.json
    return created


def upload(caller: Caller, list_id: int, content: str | bytes = CSV, query: str = "", kind: str = "text/csv") -> Answer:
    octets = content.encode() if isinstance(content, str) else content
    client = Client(raise_request_exception=False, headers={"authorization": f"Bearer {caller.secret}"})
    path = f"/v1/lists/{list_id}/imports{query}"
    return Answer(client.generic("POST", path, octets, content_type=kind))


def upload_form(caller: Caller, list_id: int, **files: SimpleUploadedFile) -> Answer:
    client = Client(raise_request_exception=False, headers={"authorization": f"Bearer {caller.secret}"})
    return Answer(client.post(f"/v1/lists/{list_id}/imports", files))


def test_a_list_is_created_read_renamed_listed_and_deleted(caller: Caller) -> None:
    number = create_list(caller)
    create_contact(caller, list_ids=[number], attributes={"city": "Lyon"})
    read = caller.get(f"/v1/lists/{number}").json
    assert (read["name"], read["size"], read["attributes"]) == ("Customers", 1, ["city"])
    assert caller.patch(f"/v1/lists/{number}", {"name": "Friends"}).json["name"] == "Friends"
    assert [item["id"] for item in caller.get("/v1/lists").json["items"]] == [number]
    assert caller.delete(f"/v1/lists/{number}").status == 204
    assert caller.get(f"/v1/lists/{number}").status == 404


def test_a_name_that_is_taken_is_a_conflict(caller: Caller) -> None:
    create_list(caller)
    assert caller.post("/v1/lists", {"name": "Customers"}).status == 409


def test_a_contact_is_created_read_changed_found_and_deleted(caller: Caller) -> None:
    created = create_contact(caller, phone="06 12 34 56 78", default_region="FR", external_id="C1")
    path = f"/v1/contacts/{created['id']}"
    assert (created["phone"], created["phone_raw"]) == (PHONE, "06 12 34 56 78")
    assert caller.get(path).json == created
    changed = caller.patch(path, {"attributes": {"city": "Lyon", "age": 31}}).json
    assert (changed["attributes"], changed["external_id"]) == ({"city": "Lyon", "age": 31}, "C1")
    assert caller.get("/v1/contacts", phone=PHONE).json["items"] == [changed]
    assert caller.get("/v1/contacts", external_id="C2").json["items"] == []
    assert caller.delete(path).status == 204
    assert caller.get(path).status == 404


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ({}, {"phone"}),
        ({"phone": "12"}, {"phone"}),
        ({"phone": 33612345678}, {"phone"}),
        ({"phone": PHONE, "attributes": {"a b": "x"}}, {"attributes.a b"}),
        ({"phone": PHONE, "default_region": "XX"}, {"default_region"}),
        ({"phone": PHONE, "colour": "red"}, {"colour"}),
    ],
)
def test_what_cannot_be_kept_names_the_field(caller: Caller, content: dict[str, Any], fields: set[str]) -> None:
    answer = caller.post("/v1/contacts", content)
    assert (answer.status, set(answer.fields)) == (422, fields)


def test_people_are_put_on_a_list_paged_and_taken_off(caller: Caller) -> None:
    number = create_list(caller)
    ids = [create_contact(caller, phone=f"+3361234567{digit}")["id"] for digit in (3, 1, 2)]
    members = f"/v1/lists/{number}/members"
    assert caller.post(members, {"contact_ids": ids}).json == {"changed": 3}
    first = caller.get(members, limit=2).json
    rest = caller.get(members, limit=2, cursor=first["next"]).json
    assert [one["phone"][-1] for one in first["items"] + rest["items"]] == ["1", "2", "3"]
    assert rest["next"] is None
    assert caller.post(f"{members}/remove", {"contact_ids": ids[:1]}).json == {"changed": 1}
    assert caller.post(members, {"contact_ids": [987654]}).status == 404
    assert caller.post(members, {"contact_ids": []}).status == 422


def test_erasing_is_accepted_and_the_contact_is_gone_at_once(caller: Caller) -> None:
    created = create_contact(caller)
    assert caller.post(f"/v1/contacts/{created['id']}/erase").status == 202
    assert caller.get(f"/v1/contacts/{created['id']}").status == 404


# -- files -----------------------------------------------------------------------------------------------------------


def test_a_file_is_accepted_imported_and_its_bad_rows_are_listed(caller: Caller) -> None:
    number = create_list(caller)
    answer = upload(caller, number, query="?filename=june.csv")
    assert (answer.status, answer.json["status"], answer.json["filename"]) == (202, "waiting", "june.csv")
    jobs.run_until_empty()
    done = caller.get(f"/v1/imports/{answer.json['id']}").json
    assert (done["status"], done["rows"], done["imported"], done["rejected"]) == ("finished", 3, 2, 1)
    errors = caller.get(f"/v1/imports/{answer.json['id']}/errors").json
    assert errors == {
        "items": [{"line": 4, "field": "", "message": "has 1 cells, and the header has 2"}],
        "next": None,
    }
    assert caller.get("/v1/imports").json["items"] == [done]
    assert caller.get(f"/v1/lists/{number}").json["size"] == 2


def test_a_file_may_come_as_a_form(caller: Caller) -> None:
    number = create_list(caller)
    answer = upload_form(caller, number, file=SimpleUploadedFile("people.csv", CSV.encode(), "text/csv"))
    assert (answer.status, answer.json["filename"]) == (202, "people.csv")
    jobs.run_until_empty()
    assert Contact.objects.count() == 2


def test_how_to_read_a_file_can_be_said(caller: Caller) -> None:
    number = create_list(caller)
    content = "nom|contact\nZoë|06 12 34 56 78\n".encode("cp1252")
    upload(caller, number, content, "?phone_column=contact&default_region=FR&encoding=cp1252&delimiter=%7C")
    jobs.run_until_empty()
    contact = Contact.objects.get()
    assert (contact.phone, contact.attributes) == (PHONE, {"nom": "Zoë"})


def test_what_the_columns_of_a_file_become_can_be_said(caller: Caller) -> None:
    number = create_list(caller)
    content = f"a,b,c\nZoë,{PHONE},secret\n"
    answer = upload(caller, number, content, "?columns=first_name&columns=phone&columns=")
    assert answer.json["status"] == "waiting"
    jobs.run_until_empty()
    contact = Contact.objects.get()
    assert (contact.phone, contact.attributes) == (PHONE, {"first_name": "Zoë"})
    wrong = upload(caller, number, content, "?columns=phone").json["id"]
    jobs.run_until_empty()
    failed = caller.get(f"/v1/imports/{wrong}").json
    assert (failed["status"], failed["error"]) == ("failed", "columns: must be 3, one for each column of the file")


def test_a_file_that_is_none_fails_and_says_why(caller: Caller) -> None:
    answer = upload(caller, create_list(caller), b"\xff\xfe\x00")
    jobs.run_until_empty()
    failed = caller.get(f"/v1/imports/{answer.json['id']}").json
    assert (failed["status"], "UTF-16" in failed["error"]) == ("failed", True)


def test_a_file_that_is_too_large_is_refused_before_it_is_kept(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    number = create_list(caller)
    monkeypatch.setattr(services, "LARGEST_FILE", 10)
    monkeypatch.setattr(routes, "ENVELOPE_OCTETS", 0)
    assert upload(caller, number).status == 413
    assert not ContactImport.objects.exists()


def test_a_file_in_another_form_is_refused(caller: Caller) -> None:
    number = create_list(caller)
    assert upload(caller, number, kind="application/json").status == 415
    other = SimpleUploadedFile("people.csv", CSV.encode(), "text/csv")
    assert upload_form(caller, number, attachment=other).status == 400
    assert upload(caller, number, kind="multipart/form-data").status == 400
    assert upload(caller, number, query="?default_region=XX").status == 422
    assert upload(caller, 987654).status == 404
    assert not ContactImport.objects.exists()


# -- rights ----------------------------------------------------------------------------------------------------------


def test_a_stranger_sees_nothing(caller: Caller, stranger: Caller) -> None:
    number, contact = create_list(caller), create_contact(caller)["id"]
    imported = upload(caller, number).json["id"]
    for path in (f"lists/{number}", f"lists/{number}/members", f"contacts/{contact}", f"imports/{imported}"):
        assert stranger.get(f"/v1/{path}").status == 404
    assert stranger.delete(f"/v1/lists/{number}").status == 404
    assert stranger.delete(f"/v1/contacts/{contact}").status == 404
    assert stranger.post(f"/v1/contacts/{contact}/erase").status == 404
    assert upload(stranger, number).status == 404
    for path in ("lists", "contacts", "imports"):
        assert stranger.get(f"/v1/{path}").json == {"items": [], "next": None}


def test_reading_needs_read_and_changing_needs_manage(call_as: Any) -> None:
    reader, manager, nobody = call_as("read"), call_as("manage"), Client(raise_request_exception=False)
    number = create_list(manager)
    assert reader.get("/v1/lists").status == 200
    assert manager.get("/v1/lists").status == 403
    assert reader.post("/v1/lists", {"name": "x"}).status == 403
    assert upload(reader, number).status == 403
    assert nobody.get("/v1/contacts").status_code == 401


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
details = st.fixed_dictionaries(
    {"phone": st.just(PHONE) | st.text(max_size=20) | json_values},
    optional={
        "external_id": st.text(max_size=3) | json_values,
        "attributes": st.dictionaries(st.sampled_from(["a", "é", "a b", "phone"]), json_values) | json_values,
        "default_region": st.sampled_from(["FR", "fr", "XX"]) | json_values,
        "list_ids": st.lists(st.integers()) | json_values,
    },
)
NUMBERS = itertools.count()
quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(details)
def test_any_contact_is_kept_whole_or_not_at_all(caller: Caller, content: dict[str, object]) -> None:
    before = Contact.objects.count()
    answer = caller.raw("POST", "/v1/contacts", json.dumps(content).encode())
    assert answer.status in (201, 400, 404, 409, 422), answer.text
    assert Contact.objects.count() == before + (answer.status == 201)
    if answer.status == 201:
        assert caller.get(f"/v1/contacts/{answer.json['id']}").json == answer.json


@quick
@given(st.text(max_size=20), st.text(max_size=20), st.integers(0, 2**70))
def test_any_question_is_answered(caller: Caller, words: str, cursor: str, number: int) -> None:
    for path in ("/v1/contacts", "/v1/lists", "/v1/imports"):
        answer = caller.get(path, phone=words, external_id=words, cursor=cursor)
        assert answer.status in (200, 422), answer.text
        assert caller.get(f"{path}/{number}").status == 404


@quick
@given(st.binary(max_size=60), st.text(max_size=10), st.text(max_size=3))
def test_any_file_is_imported_or_fails_with_a_reason(caller: Caller, content: bytes, column: str, region: str) -> None:
    number = create_list(caller, f"list {next(NUMBERS)}")
    stream = SimpleUploadedFile("x.csv", b"phone,name\n" + content, "text/csv")
    upload_form(caller, number, file=stream)
    jobs.run_until_empty()
    assert not ContactImport.objects.exclude(status__in=["finished", "failed"]).exists()
    assert not ContactImport.objects.filter(status="failed", error="").exists()
