"""The audit trail at the console: found again, read field by field, taken along; and the history on other pages."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.template import Context, RequestContext, Template
from django.test import AsyncClient, RequestFactory
from django.urls import reverse
from django.utils import translation
from tests.console.browser import Browser, Page
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation, User
from chappe.features.accounts.person import person_of
from chappe.features.audit.actor import Actor, ActorKind, acting_as
from chappe.features.audit.following import FOLLOWED
from chappe.features.audit.models import AuditEvent
from chappe.features.audit.wording import ACTIONS, FIELDS, PAGES, SUBJECTS, label_of
from chappe.features.connections import services as connections
from chappe.features.connections.models import Connection
from chappe.features.contacts import services as contacts
from chappe.features.deliveries.services import ACTIONS as MOVES

JANE = Actor(ActorKind.PERSON, 77, "Jane", "192.0.2.1")
SMPP = {"host": "smsc.example.org", "account": "relais", "password": "s3cret-1", "window": 20}


@pytest.fixture
def north(organisation: Organisation) -> Connection:
    """A connection that was made by the system and changed by Jane."""
    made = connections.create_connection(organisation.pk, "North", "smpp", SMPP, NOW_MS)
    change = connections.Change(settings={"window": 40, "tls": True, "password": "s3cret-2"})
    with acting_as(JANE):
        return connections.change_connection(organisation.pk, made.pk, change, NOW_MS)


def rows(shown: Page) -> list[list[str]]:
    """The cells of the first table."""
    body = shown.all("tbody")[0]
    return [[" ".join("".join(cell.itertext()).split()) for cell in row] for row in body.iter("tr")]


def test_who_did_what_to_what_is_listed_newest_first(admin: Browser, north: Connection) -> None:
    changed, made, *_ = rows(admin.get("/audit/"))
    assert changed[1:] == ["Jane Person", "Changed", "North Connection", "Password, TLS, Sending window"]
    assert made[1:4] == ["Chappe itself", "Created", "North Connection"]
    assert made[4].endswith(" more")


def test_an_event_is_read_field_by_field_and_shows_no_secret(admin: Browser, north: Connection) -> None:
    event = AuditEvent.objects.get(action="change", subject_kind="connection")
    shown = admin.get(f"/audit/{event.pk}/")
    found = {row[0]: row[1:] for row in rows(shown)}
    assert found["Password"] == ["changed; the value is never shown"]
    assert ["20", "40"] in found.values()
    assert ["no", "yes"] in found.values()
    assert "192.0.2.1" in shown.text
    assert "{" not in shown.text
    assert "s3cret" not in shown.html


def test_the_trail_is_narrowed_down(admin: Browser, north: Connection, organisation: Organisation) -> None:
    contacts.create_list(organisation.pk, "Customers", NOW_MS)
    assert {row[3] for row in rows(admin.get("/audit/", subject_kind="list"))} == {"Customers List"}
    assert [row[1] for row in rows(admin.get("/audit/", actor_kind="person"))] == ["Jane Person"]
    by_jane = admin.get("/audit/", actor_kind="person", actor="person-77")
    assert "Only what Jane did." in by_jane.text
    assert by_jane.value_of("actor_kind") == "person"
    of_north = admin.get("/audit/", subject_kind="connection", subject=f"connection-{north.pk}")
    assert "Only what was done to North." in of_north.text
    assert len(rows(of_north)) == 2
    assert len(rows(admin.get("/audit/", subject_kind="list", subject=f"connection-{north.pk}"))) == 1
    none = admin.get("/audit/", action="erase")
    assert "Nothing was found" in none.text
    assert "/audit/" in none.links()


def test_the_last_day_that_is_asked_for_counts_whole(admin: Browser, organisation: Organisation) -> None:
    AuditEvent.objects.all().delete()
    given = {"organisation_id": organisation.pk, "actor_kind": "system", "action": "change", "subject_kind": "list"}
    AuditEvent.objects.create(at_ms=NOW_MS + 86_399_999, subject_name="late", **given)
    AuditEvent.objects.create(at_ms=NOW_MS + 86_400_000, subject_name="after", **given)
    assert [row[3] for row in rows(admin.get("/audit/", since="2026-01-01", until="2026-01-01"))] == ["late List"]


def test_a_day_that_is_none_is_said_beside_its_field(admin: Browser, north: Connection) -> None:
    shown = admin.get("/audit/", since="2026-02-31")
    assert shown.error_of("since")
    assert len(rows(shown)) > 1
    assert admin.get("/audit/", since="0001-01-01", until="9999-12-31").status == 200
    assert admin.get("/audit/", cursor="x").status == 400


def test_a_long_trail_goes_on_on_the_next_page(admin: Browser, organisation: Organisation) -> None:
    for number in range(60):
        contacts.create_list(organisation.pk, f"List {number}", NOW_MS)
    first = admin.get("/audit/", subject_kind="list")
    (following,) = first.find("a", rel="next")
    second = admin.get(f"/audit/{following.get('href')}")
    assert len(rows(first)) == 50
    assert [row[3] for row in rows(second)] == [f"List {number} List" for number in range(9, -1, -1)]


def test_where_nothing_was_changed_it_says_what_will_be_here(admin: Browser) -> None:
    AuditEvent.objects.all().delete()
    assert "Nothing was changed yet" in admin.get("/audit/").text


def download(browser: Browser, path: str) -> str:
    response: Any = browser.client.get(path)
    assert response.status_code == 200
    assert response["Content-Disposition"].startswith("attachment; filename=")
    return b"".join(response.streaming_content).decode()


def test_what_is_exported_is_what_the_filter_lets_through(admin: Browser, north: Connection) -> None:
    text = download(admin, "/audit/export.csv?actor_kind=person").removeprefix("\ufeff")
    lines = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {row["actor"] for row in lines} == {"Jane"}
    objects = [json.loads(line) for line in download(admin, "/audit/export.jsonl").splitlines()]
    assert objects[0]["actor"] == {"kind": "person", "id": 77, "name": "Jane"}
    assert "s3cret" not in json.dumps(objects)
    assert len(objects) == AuditEvent.objects.filter(organisation_id=north.organisation_id).count()


def test_a_file_is_streamed_by_the_server_that_people_use(admin: Browser, north: Connection) -> None:
    async def ask() -> bytes:
        client = AsyncClient()
        assert admin.user is not None
        await client.aforce_login(admin.user)
        response: Any = await client.get("/audit/export.jsonl")
        return b"".join([part async for part in response.streaming_content])

    assert len(async_to_sync(ask)().splitlines()) > 2


@pytest.mark.parametrize("path", ["/audit/", "/audit/export.csv", "/audit/export.jsonl"])
@pytest.mark.parametrize(("role", "status"), [("auditor", 200), ("operator", 403), ("marketer", 403)])
def test_the_trail_is_for_those_with_the_right_to_it(
    browse_as: Callable[..., Browser], path: str, role: str, status: int
) -> None:
    assert browse_as(role).client.get(path).status_code == status


def test_a_stranger_finds_nothing_of_ours(stranger: Browser, north: Connection) -> None:
    event = AuditEvent.objects.filter(subject_kind="connection").latest("pk")
    assert stranger.get(f"/audit/{event.pk}/").status == 404
    assert "North" not in stranger.get("/audit/").text
    assert "North" not in download(stranger, "/audit/export.csv")


def test_the_trail_is_read_in_french(browse_as: Callable[..., Browser], north: Connection) -> None:
    reader = browse_as(language="fr")
    shown = reader.get("/audit/")
    assert {"Modification", "Création"} <= {row[2] for row in rows(shown)}
    event = AuditEvent.objects.get(action="change", subject_kind="connection")
    assert "valeur" in reader.get(f"/audit/{event.pk}/").text


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("name", "Name"),
        ("settings.window", "Sending window"),
        ("settings.headers[2].value", "Headers 2: Value"),
        ("settings.headers[X-Key]", "Headers X-Key"),
        ("keywords.rules[1].keywords", "Keywords: Rule 1: Keywords"),
        ("attributes.city", "Attribute: city"),
        ("of_a_later_release", "Of a later release"),
    ],
)
def test_a_field_has_a_name_that_people_know(path: str, label: str) -> None:
    with translation.override("en"):
        assert label_of(path) == label


def test_what_has_a_page_is_one_step_away_and_what_is_gone_is_not(
    admin: Browser, north: Connection, organisation: Organisation
) -> None:
    event = AuditEvent.objects.filter(subject_kind="connection").latest("pk")
    assert f"/connections/{north.pk}/" in admin.get(f"/audit/{event.pk}/").links()
    connections.delete_connection(organisation.pk, north.pk)
    gone = AuditEvent.objects.filter(action="delete").latest("pk")
    assert f"/connections/{north.pk}/" not in admin.get(f"/audit/{gone.pk}/").links()


@pytest.mark.parametrize("kind", PAGES)
def test_a_page_that_the_trail_leads_to_is_there(kind: str) -> None:
    assert reverse(PAGES[kind], args=[1])


def test_every_action_and_subject_that_services_name_has_words(database: str) -> None:
    assert {one.kind for one in FOLLOWED.values()} <= SUBJECTS.keys()
    assert set(MOVES.values()) <= ACTIONS.keys()
    columns = {column for one in FOLLOWED.values() for column in one.shown}
    assert columns - FIELDS.keys() == set()


# -- on other pages ----------------------------------------------------------------------------------------------------


def history(user: User | None, kind: str, subject: int) -> str:
    translation.activate("en")
    request: Any = RequestFactory().get("/")
    request.user = user
    request.person = person_of(user) if user is not None else None
    context: Context = RequestContext(request)
    return Template("{% audit_history kind subject %}").render(_with(context, kind=kind, subject=subject))


def _with(context: Context, **values: object) -> Context:
    context.update(values)
    return context


def test_the_history_of_a_thing_stands_on_its_page(
    admin: Browser, browse_as: Callable[..., Browser], stranger: Browser, north: Connection
) -> None:
    shown = history(admin.user, "connection", north.pk)
    assert "Jane" in shown
    assert "s3cret" not in shown
    assert history(browse_as("marketer").user, "connection", north.pk).strip() == ""
    assert "Jane" not in history(stranger.user, "connection", north.pk)
    assert "not changed" in history(admin.user, "connection", 4711)
