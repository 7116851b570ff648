"""Who may open which page: every address that the resolver knows is tried as each role, as a stranger, and as nobody."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test import Client
from ninja.operation import PathView
from tests.conftest import bind_django
from tests.console.browser import Browser
from tests.console.populated import Address, Populated, addresses, pages, populate

import chappe.web.console
from chappe.features.accounts import services as accounts
from chappe.features.accounts.person import person_of
from chappe.features.accounts.right import ROLES, Right, Role
from chappe.features.live import TOPICS
from chappe.features.view import Rule
from chappe.web.api.api import api
from chappe.web.api.auth import ApiKeyAuth, OperatorAuth

SOMEBODY = [*(role.value for role in Role), "nobody"]
"""Roles, and a person from whom every right is withheld."""
OF_THE_INSTALLATION = "people/organisations/"
"""For whoever administers the installation, whatever their role is."""
ALSO_NEEDED = {"consent/export.csv": Right.SEE_NUMBERS}
"""Beside what the rule says: a file has numbers whole or not at all."""
LIVE = "live/<slug:topic>/<int:subject>"
NOT_KEPT = {"django_session", "sqlite_sequence"}


@pytest.fixture(scope="module")
def built(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Populated, Populated]]:
    """Two organisations with an object of every kind, in one database for all of these tests; and its URL."""
    path = tmp_path_factory.mktemp("rules") / "chappe.sqlite3"
    shutil.copyfile(sqlite_template, path)
    url = f"sqlite:///{path}"
    bind_django(url)
    yield url, populate("Zorglub", 1), populate("Quokka", 2)


@pytest.fixture
def ours(built: tuple[str, Populated, Populated], bound: Callable[[str], None]) -> Populated:
    url, ours, _ = built
    bound(url)
    return ours


@pytest.fixture
def theirs(built: tuple[str, Populated, Populated], ours: Populated) -> Populated:
    return built[2]


def client_of(house: Populated, name: str, language: str = "en") -> Client:
    client = Client(headers={"accept-language": language})
    client.force_login(house.people[name])
    return client


def kept() -> dict[str, list[tuple[Any, ...]]]:
    """Everything in the database, but for who is signed in."""
    found = {}
    with connection.cursor() as cursor:
        for table in sorted(set(connection.introspection.table_names(cursor)) - NOT_KEPT):
            cursor.execute(f'SELECT * FROM "{table}"')
            found[table] = sorted(cursor.fetchall(), key=repr)
    return found


def said(answer: Any) -> str:
    return b"".join(answer.streaming_content if answer.streaming else [answer.content]).decode()


def reached() -> list[Address]:
    """Every page; the streams of what changes are tried apart."""
    return [one for one in pages() if one.route != LIVE]


def of_an_object() -> list[Address]:
    return [one for one in reached() if any(name.endswith("_id") or name == "number" for name in one.arguments)]


# -- rules -------------------------------------------------------------------------------------------------------------


def test_every_address_has_a_rule_or_a_door_of_its_own() -> None:
    """A page of ours has a rule; the rest are the sign-in's pages, the API, whose routes are tried below, and what
    monitors ask."""
    found = list(addresses())
    assert len(found) > 100
    for one in found:
        is_elsewhere = one.route.startswith(("v1/", "account/")) or one.route in ("healthz", "metrics")
        assert is_elsewhere != isinstance(one.rule, Rule), one.route


def test_public_pages_are_few() -> None:
    public = {one.route for one in pages() if one.rule.is_public}
    assert public == {"people/invitation/<str:token>", "preference/language", "preference/theme"}


def test_every_right_is_asked_for_somewhere() -> None:
    asked = {right for one in pages() for right in (one.rule.right, one.rule.change)}
    # These decide what is masked or offered on pages.
    assert set(Right) - asked == {Right.SEE_NUMBERS, Right.SEE_TEXTS}


def test_who_may_change_something_by_a_page_may_open_it() -> None:
    for one in pages():
        for rights in ROLES.values():
            if one.rule.change in rights:
                assert one.rule.right is None or one.rule.right in rights, one.route


# -- roles -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOMEBODY)
def test_pages_open_for_exactly_those_who_have_the_right(name: str, ours: Populated) -> None:
    person = person_of(ours.people[name])
    assert person is not None
    client = client_of(ours, name)
    before = kept()
    for one in reached():
        path = one.filled(ours.ids)
        status = client.get(path).status_code
        needed = {one.rule.needed("GET"), ALSO_NEEDED.get(one.route)} - {None}
        if not needed <= person.rights or one.route == OF_THE_INSTALLATION:
            assert status == 403, f"{path} answered {status} to the {name}"
        else:
            assert status in (200, 302, 405), f"{path} answered {status} to the {name}"
    after = kept()
    del before["audit_event"], after["audit_event"]  # which says who took files along
    assert after == before, "to look at a page changes nothing"


@pytest.mark.parametrize("name", SOMEBODY)
def test_nothing_is_changed_by_who_lacks_the_right(name: str, ours: Populated) -> None:
    person = person_of(ours.people[name])
    assert person is not None
    client = client_of(ours, name)
    before = kept()
    tried = 0
    for one in reached():
        needed = one.rule.needed("POST")
        if needed is not None and not person.may(needed):
            path = one.filled(ours.ids)
            status = client.post(path, {"name": "x", "confirm": "x", "do": "save"}).status_code
            assert status == 403, f"{path} answered {status} to a POST of the {name}"
            tried += 1
    assert tried > 10 or name == "administrator"
    assert kept() == before


def test_an_auditor_changes_nothing_by_any_form(ours: Populated) -> None:
    client = client_of(ours, "auditor")
    before = kept()
    for one in reached():
        if one.rule.change in ROLES[Role.AUDITOR]:
            path = one.filled(ours.ids)
            status = client.post(path, {"do": "save", "name": "x"}).status_code
            assert status in (200, 302, 400, 405) or one.route in ALSO_NEEDED, path
    assert kept() == before


def test_who_is_not_signed_in_is_sent_to_the_sign_in(ours: Populated) -> None:
    before, client = kept(), Client()
    for one in reached():
        if one.rule.is_public:
            continue
        path = one.filled(ours.ids)
        for answer in (client.get(path), client.post(path)):
            assert answer.status_code == 302, path
            assert answer.headers["Location"].startswith("/account/login/?next="), path
    assert kept() == before


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_page_is_whole_in_each_language(language: str, ours: Populated) -> None:
    """As `Browser` looks at pages: valid, with a title, labels, unique ids; for whoever may open all of them."""
    someone = Browser(ours.people["administrator"], language)
    for one in reached():
        if one.route == OF_THE_INSTALLATION:
            continue
        page = someone.get(one.filled(ours.ids))
        if page.status == 405:
            continue
        assert page.status == 200, one.route
        if page.root is not None:
            assert page.root.get("lang", "").startswith(language), one.route


@pytest.mark.postgresql
def test_every_page_opens_on_postgresql(postgresql_url: str, bound: Callable[[str], None]) -> None:
    bound(postgresql_url)
    house = populate("Zorglub", 1)
    client = client_of(house, "administrator")
    for one in reached():
        status = client.get(one.filled(house.ids)).status_code
        assert status in (200, 302, 405) or one.route == OF_THE_INSTALLATION, f"{one.route} answered {status}"


# -- strangers ---------------------------------------------------------------------------------------------------------


def test_nothing_of_ours_is_there_for_a_stranger(ours: Populated, theirs: Populated) -> None:
    client = client_of(theirs, "administrator")
    before = kept()
    for one in of_an_object():
        path = one.filled(ours.ids)
        status = client.get(path).status_code
        assert status in (404, 405), f"{path} answered {status}"
        answer = client.post(path, {"do": "save", "name": "x", "is_active": "1", "ids": str(ours.ids["contact_id"])})
        if answer.status_code == 302:  # back to the page of the object, which is not there
            answer = client.get(answer.headers["Location"])
        assert answer.status_code in (404, 405), f"{path} answered {answer.status_code} to a POST"
    assert kept() == before


def test_no_page_shows_a_stranger_anything_of_ours(ours: Populated, theirs: Populated) -> None:
    client = client_of(theirs, "administrator")
    seen = 0
    for one in reached():
        path = one.filled(theirs.ids)
        html = said(client.get(path)).lower()
        seen += theirs.mark.lower() in html
        assert ours.mark.lower() not in html, path
        assert ours.phone.removeprefix("+") not in html, path
    assert seen > 40, "pages show what is theirs"


@pytest.mark.parametrize(
    "path", ["/messages/?q=", "/contacts/people/?q=", "/consent/?address=", "/consent/ledger/?address="]
)
def test_a_stranger_who_knows_a_number_of_ours_finds_nothing(path: str, ours: Populated, theirs: Populated) -> None:
    assert ours.mark in client_of(ours, "administrator").get(path + quote(ours.phone)).content.decode()
    assert ours.mark not in client_of(theirs, "administrator").get(path + quote(ours.phone)).content.decode()


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_a_stranger_hears_nothing_of_ours(topic: str, ours: Populated, theirs: Populated) -> None:
    subject = {"links": 0, "home": 0, "inbox": 0}.get(topic)
    names = {"trace": "session_id", "proof": "delivery_id"}
    number = ours.ids[names.get(topic, f"{topic}_id")] if subject is None else 0
    client = client_of(theirs, "administrator")
    status = client.get(f"/live/{topic}/{number}").status_code
    assert status == (404 if number else 200)
    assert Client().get(f"/live/{topic}/{number}").status_code == 403


# -- the API -----------------------------------------------------------------------------------------------------------


def operations() -> Iterator[tuple[str, str, Any]]:
    """Method, address and operation of every route that keys are for."""
    return (one for one in every_operation() if not isinstance(one[2].auth_callbacks[0], OperatorAuth))


def every_operation() -> Iterator[tuple[str, str, Any]]:
    """The same with those for operators of another Chappe, which tests/web/test_relay.py tries."""
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            assert isinstance(view, PathView)
            for operation in view.operations:
                for method in operation.methods:
                    yield method, f"/v1{prefix}{path}", operation


def test_every_route_of_the_api_asks_for_a_scope_or_for_an_operator() -> None:
    found = list(every_operation())
    assert len(found) > 50
    for _, path, operation in found:
        (auth,) = operation.auth_callbacks
        assert isinstance(auth, OperatorAuth if path.startswith("/v1/relay/") else ApiKeyAuth), path


def call(method: str, path: str, ids: dict[str, Any], key: str) -> Any:
    filled = re.sub(r"\{(?:\w+:)?(\w+)\}", lambda found: str(ids[found[1]]), path)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body = {} if method == "GET" else {"data": BODIES.get((method, path), "{}")}
    return CALLER.generic(method, filled, content_type="application/json", headers=headers, **body)


CALLER = Client()
BODIES = {
    ("POST", "/v1/hooks/{int:hook_id}/test"): '{"call": "{}"}',
    ("PATCH", "/v1/error-qualifications/{int:qualification_id}"): '{"kind": "hard"}',
    ("PATCH", "/v1/lists/{int:list_id}"): '{"name": "x"}',
    ("POST", "/v1/lists/{int:list_id}/members"): '{"contact_ids": [1]}',
    ("POST", "/v1/lists/{int:list_id}/members/remove"): '{"contact_ids": [1]}',
}
"""Of routes that look at what they are given before they look for the object."""


def test_no_route_answers_without_a_key_or_beyond_its_scope(ours: Populated) -> None:
    keys = {one: accounts.create_api_key(ours.organisation, one, [one], 1).secret for one in accounts.SCOPES}
    before = kept()
    for method, path, operation in operations():
        assert call(method, path, ours.ids, "").status_code == 401, path
        for scope, key in keys.items():
            if scope != operation.auth_callbacks[0].scope:
                assert call(method, path, ours.ids, key).status_code == 403, path
    after = kept()
    del before["api_key"], after["api_key"]  # which say when they were used last
    assert after == before


def test_no_route_answers_a_stranger_s_key(ours: Populated, theirs: Populated) -> None:
    before = kept()
    for method, path, _ in operations():
        if "{" in path:
            answer = call(method, path, ours.ids, theirs.key)
            assert answer.status_code == 404, f"{method} {path}: {answer.status_code} {answer.content[:200]}"
    after = kept()
    del before["api_key"], after["api_key"]
    assert after == before


def test_no_route_shows_a_stranger_anything_of_ours(ours: Populated, theirs: Populated) -> None:
    for method, path, _ in operations():
        if method == "GET" and "{" not in path:
            text = call(method, path, {}, theirs.key).content.decode()
            assert ours.mark.lower() not in text.lower(), path


# -- from right to left ------------------------------------------------------------------------------------------------

SIDES = re.compile(
    r"(?:^|[;{\s])((?:margin|padding|border|inset)-(?:left|right)\b[\w-]*|(?:left|right|float|clear)\s*:)"
)
ALIGNED = re.compile(r"text-align\s*:\s*(?:left|right)\b")


def test_the_layout_names_no_side_so_that_it_turns_with_the_writing() -> None:
    """A page of a language that is written from right to left is the same page, mirrored."""
    sheet = Path(chappe.web.console.__file__).parent / "static" / "console" / "chappe.css"
    rules = re.sub(r"/\*.*?\*/", "", sheet.read_text("utf-8"), flags=re.DOTALL)
    assert [*SIDES.findall(rules), *ALIGNED.findall(rules)] == []
