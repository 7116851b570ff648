"""What holds for every address of the API: keys, scopes, problems, its description."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from django.test import Client
from tests.row import NOW_MS
from tests.web.caller import Answer, Caller

from chappe.features.accounts import services
from chappe.features.accounts.models import ApiKey
from chappe.web.api.api import api
from chappe.web.asgi import django_application
from chappe.web.intake import description

PROBLEM = "application/problem+json"
OPEN = {"/v1/openapi.json"}


def described() -> list[tuple[str, str]]:
    """Every method and address of the API's own description that Django answers: all but those of the intake."""
    paths = api.get_openapi_schema()["paths"].items()
    intake = {("post", path) for path in description.operations()}
    return [(method, path) for path, methods in paths for method in methods if (method, path) not in intake]


def of_operators() -> list[tuple[str, str]]:
    """Those of them that another Chappe calls, by an operator."""
    return [one for one in described() if one[1].startswith("/v1/relay/")]


def of_keys() -> list[tuple[str, str]]:
    """All others, which a program calls, by a key."""
    return [one for one in described() if one not in of_operators()]


@pytest.mark.parametrize(("method", "path"), of_keys())
@pytest.mark.parametrize("authorization", [None, "Bearer chp_" + "A" * 32, "Basic Y2hwOg==", "Bearer"])
def test_no_address_answers_without_a_key(
    sqlite_url: str, bound: Callable[[str], None], method: str, path: str, authorization: str | None
) -> None:
    bound(sqlite_url)
    headers = {"authorization": authorization} if authorization else {}
    answer = Answer(Client(headers=headers).generic(method.upper(), re.sub(r"\{.*?\}", "1", path), b"{}"))
    assert (answer.status, answer.type) == (401, PROBLEM)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path"), of_keys())
def test_no_address_answers_a_key_without_a_scope_for_it(
    sqlite_url: str, bound: Callable[[str], None], method: str, path: str
) -> None:
    bound(sqlite_url)
    organisation = services.create_organisation("Relais", NOW_MS)
    made = services.create_api_key(organisation, "test", ["read"], NOW_MS)
    ApiKey.objects.update(scopes=[])
    answer = Caller(organisation, made.secret).raw(method.upper(), re.sub(r"\{.*?\}", "1", path), b"{}")
    assert (answer.status, answer.type) == (403, PROBLEM)
    assert "scope" in answer.json["detail"]


def test_a_key_may_do_what_its_scopes_say_and_no_more(call_as: Callable[..., Caller]) -> None:
    reader, manager = call_as("read"), call_as("manage")
    entry = {"address": "+33612345678"}
    assert (reader.get("/v1/quarantine").status, reader.post("/v1/quarantine", entry).status) == (200, 403)
    assert (manager.get("/v1/quarantine").status, manager.post("/v1/quarantine", entry).status) == (403, 201)


def test_a_revoked_key_is_refused_at_once(caller: Caller) -> None:
    assert caller.get("/v1/quarantine").status == 200
    services.revoke_api_key(caller.organisation.pk, ApiKey.objects.get().pk, NOW_MS)
    assert caller.get("/v1/quarantine").status == 401


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("GET", "/v1/nothing-here", b"", 404),
        ("GET", "/v1/connections/one", b"", 404),
        ("GET", "/v1/connections/-1", b"", 404),
        ("GET", f"/v1/messages/{10**30}", b"", 404),
        ("PUT", "/v1/connections", b"", 405),
        ("POST", "/v1/quarantine", b"", 422),
        ("POST", "/v1/quarantine", b"{", 400),
        ("POST", "/v1/quarantine", b"\xff", 400),
        ("POST", "/v1/quarantine", b"[1]", 400),
        ("POST", "/v1/quarantine", b"NaN", 400),
        ("POST", "/v1/quarantine", b"[" * 100_000, 400),
        ("POST", "/v1/quarantine", b'"' + b"x" * (32 * 1024 * 1024) + b'"', 413),
        ("GET", "/v1/quarantine?limit=0", b"", 422),
        ("GET", "/v1/quarantine?limit=501", b"", 422),
        ("GET", "/v1/quarantine?cursor=x", b"", 422),
        ("GET", "/v1/quarantine?address=%00", b"", 422),
        ("GET", "/v1/quarantine?status=blocked", b"", 422),
    ],
)
def test_every_error_is_a_problem(caller: Caller, method: str, path: str, content: bytes, status: int) -> None:
    answer = caller.raw(method, path, content)
    assert (answer.status, answer.type) == (status, PROBLEM)
    assert answer.json["status"] == status
    assert answer.json["type"] == "about:blank"
    assert answer.json["title"]
    assert answer.json["detail"]


def test_a_wrong_method_is_told_the_right_ones(caller: Caller) -> None:
    assert set(caller.raw("PUT", "/v1/quarantine", b"").headers["Allow"].split(", ")) == {"GET", "POST"}


def test_a_database_that_does_not_answer_is_a_problem_that_asks_to_try_again(
    bound: Callable[[str], None], tmp_path: Path
) -> None:
    bound(f"sqlite:///{tmp_path}/no/such/directory/chappe.sqlite3")
    answer = Answer(Client().get("/v1/quarantine", headers={"authorization": "Bearer chp_x"}))
    assert (answer.status, answer.type) == (503, PROBLEM)
    assert str(tmp_path) not in answer.text


def test_an_address_asked_for_under_another_host_name_is_a_problem_too(caller: Caller) -> None:
    answer = Answer(Client().get("/v1/quarantine", headers={"host": "elsewhere.example"}))
    assert (answer.status, answer.type) == (400, PROBLEM)


def test_the_description_names_every_error_as_a_problem(database: str) -> None:
    answer = Answer(Client().get("/v1/openapi.json"))
    assert answer.status == 200
    assert answer.json["openapi"].startswith("3.")
    for methods in answer.json["paths"].values():
        for operation in methods.values():
            assert PROBLEM in operation["responses"]["default"]["content"]
            assert operation["security"]
            assert operation["summary"]


def test_the_application_answers_as_asgi(caller: Caller) -> None:
    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(django_application)  # type: ignore[arg-type]  # stubs differ on Mapping
        headers = {"authorization": f"Bearer {caller.secret}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers) as client:
            return [
                await client.post("/v1/quarantine", json={"address": "+33612345678"}),
                await client.get("/v1/quarantine"),
            ]

    added, listed = asyncio.run(ask())
    assert added.status_code == 201
    assert [item["address"] for item in listed.json()["items"]] == ["+33612345678"]
