"""The audit trail: what is written with a change, how it is found again, and how it goes away."""

import csv
import io
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction
from django.db.models.signals import pre_save
from tests.features.stage import Stage
from tests.row import NOW_MS

from chappe.engine.vault import Vault
from chappe.features.accounts import people
from chappe.features.accounts import services as accounts
from chappe.features.accounts.models import User
from chappe.features.audit import record
from chappe.features.audit.actor import SYSTEM, Actor, ActorKind, acting, acting_as
from chappe.features.audit.export import COLUMNS, csv_lines, json_lines
from chappe.features.audit.models import AuditEvent
from chappe.features.audit.record import Event, Subject, note, together, unnoted
from chappe.features.audit.services import (
    Wanted,
    _after,
    _rows,
    delete_before,
    events_page,
    every_event,
    find_event,
    history_of,
)
from chappe.features.audit.value import LONGEST_TEXT, MOST_VALUES, differing, flat, hidden_changes, masked
from chappe.features.callbacks import services as callbacks
from chappe.features.connections.models import Connection
from chappe.features.contacts import services as contacts
from chappe.features.contacts.models import ContactList
from chappe.features.deliveries.services import Draft, change_delivery
from chappe.features.jobs import services as jobs
from chappe.features.refusal import InvalidInput, NotFound
from chappe.features.settings.retention import KINDS

JANE = Actor(ActorKind.PERSON, 7, "Jane", "192.0.2.1")
SUBJECT = Subject(1, "list", 5, "Customers")


def event(organisation_id: int = 1, **values: Any) -> AuditEvent:
    given = {"at_ms": NOW_MS, "actor_kind": "system", "action": "change", "subject_kind": "list", "subject_id": 5}
    return AuditEvent.objects.create(organisation_id=organisation_id, **given | values)


def told() -> list[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", "subject_kind", "before", "after"))


# -- who ---------------------------------------------------------------------------------------------------------------


def test_the_system_acts_where_nobody_said_otherwise() -> None:
    assert acting() == SYSTEM
    with acting_as(JANE):
        assert acting() == JANE
        with acting_as(SYSTEM):
            assert acting() == SYSTEM
        assert acting() == JANE
    assert acting() == SYSTEM


def test_who_acts_is_asked_when_it_is_written() -> None:
    known: list[Actor] = [SYSTEM]
    with acting_as(lambda: known[-1]):
        known.append(JANE)
        assert acting() == JANE


def test_a_thread_that_works_for_another_does_not_act_for_this_one() -> None:
    seen: list[Actor] = []
    with acting_as(JANE):
        thread = threading.Thread(target=lambda: seen.append(acting()))
        thread.start()
        thread.join()
    assert seen == [SYSTEM]


def test_somebody_is_forgotten_although_what_they_did_failed() -> None:
    with pytest.raises(ZeroDivisionError), acting_as(JANE):
        _ = 1 / 0
    assert acting() == SYSTEM


def test_a_job_is_the_systems_doing_whoever_runs_it(database: str) -> None:
    kept = dict(jobs.KINDS)
    seen: list[Actor] = []
    jobs.KINDS["look"] = jobs.Kind(lambda _job, _lease: seen.append(acting()), lambda _job, _error: None)
    try:
        jobs.enqueue(1, "look", 1, NOW_MS)
        with acting_as(JANE):
            jobs.run_until_empty()
    finally:
        jobs.KINDS.clear()
        jobs.KINDS.update(kept)
    assert seen == [SYSTEM]


# -- values ------------------------------------------------------------------------------------------------------------


def test_values_are_told_by_path_and_only_where_they_differ() -> None:
    before = dict(flat("settings", {"host": "a", "port": 1, "rows": [{"x": 1}, {"x": 2}], "words": ["a", "b"]}))
    after = dict(flat("settings", {"host": "b", "port": 1, "rows": [{"x": 1}, {"x": 3}], "words": ["a"]}))
    assert differing(before, after) == (
        {"settings.host": "a", "settings.rows[2].x": 2, "settings.words": ["a", "b"]},
        {"settings.host": "b", "settings.rows[2].x": 3, "settings.words": ["a"]},
    )


def test_what_is_empty_and_what_is_not_there_are_the_same() -> None:
    assert differing({"a": "", "b": None, "c": []}, {"a": None}) == ({}, {})
    assert differing({"a": False}, {"a": None}) == ({"a": False}, {})


def test_of_what_is_hidden_only_the_change_is_told() -> None:
    found = hidden_changes({"a": "1", "b": "2", "c": "", "d": "4"}, {"a": "1", "b": "3", "c": "5", "d": ""})
    assert found == {"b": {"hidden": "changed"}, "c": {"hidden": "set"}, "d": {"hidden": "removed"}}


def test_what_is_long_is_cut_and_what_is_much_is_counted() -> None:
    _, after = differing({}, {"body": "x" * 5000, "list": ["y" * 100] * 100})
    assert (len(after["body"]), after["body"][-1]) == (LONGEST_TEXT, "…")
    assert len(after["list"]) == LONGEST_TEXT
    _, after = differing({}, {f"{number}": 1 for number in range(MOST_VALUES + 30)})
    assert (len(after), after["…"]) == (MOST_VALUES + 1, 30)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("+33612345678", "+3361•••678"),
        ("jane@example.org", "j•••@example.org"),
        ("36180", "•••"),
        ("", "•••"),
    ],
)
def test_an_address_is_masked(address: str, shown: str) -> None:
    assert masked(address) == shown


# -- writing -----------------------------------------------------------------------------------------------------------


def test_a_change_and_what_is_told_of_it_are_one_transaction(database: str) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ContactList.objects.create(organisation=accounts.create_organisation("Relais", NOW_MS), name="Customers")
        _ = 1 / 0
    assert told() == []


def test_a_row_that_is_saved_by_itself_is_saved_with_its_event_or_not_at_all(database: str) -> None:
    organisation = accounts.create_organisation("Relais", NOW_MS)

    def refuse(**_: object) -> None:
        raise ZeroDivisionError

    pre_save.connect(refuse, sender=AuditEvent)
    try:
        with pytest.raises(ZeroDivisionError):
            ContactList.objects.create(organisation=organisation, name="Customers")
    finally:
        pre_save.disconnect(refuse, sender=AuditEvent)
    assert not ContactList.objects.exists()


def test_a_change_is_told_with_who_and_when(database: str) -> None:
    organisation = accounts.create_organisation("Relais", NOW_MS).pk
    with acting_as(JANE):
        row = contacts.create_list(organisation, "Customers", NOW_MS)
        contacts.rename_list(organisation, row.pk, "Subscribers")
    made, renamed = AuditEvent.objects.filter(subject_kind="list").order_by("pk")
    assert (made.actor_kind, made.actor_id, made.actor_name, made.address) == ("person", 7, "Jane", "192.0.2.1")
    assert made.at_ms > NOW_MS
    assert (renamed.action, renamed.before, renamed.after) == ("change", {"name": "Customers"}, {"name": "Subscribers"})
    assert (renamed.organisation_id, renamed.subject_id, renamed.subject_name) == (organisation, row.pk, "Subscribers")


def test_what_is_done_together_is_one_event_for_each_subject(database: str) -> None:
    other = Subject(1, "list", 6)
    with together("move"):
        note(SUBJECT, "change", before={"a": 1, "b": 1}, after={"a": 2, "b": 2})
        note(other, "create", after={"name": "x"})
        note(SUBJECT, "change", before={"a": 2, "c": 1}, after={"a": 3, "c": 2})
        assert told() == []
    assert told() == [
        ("move", "list", {"a": 1, "b": 1, "c": 1}, {"a": 3, "b": 2, "c": 2}),
        ("create", "list", {}, {"name": "x"}),
    ]


def test_what_fails_inside_tells_nothing_and_what_comes_after_it_does(database: str) -> None:
    with together():
        with pytest.raises(ZeroDivisionError), together("lost"):
            note(SUBJECT, "change", before={"a": 1}, after={"a": 2})
            _ = 1 / 0
        note(SUBJECT, "keep", after={"b": 1})
    assert told() == [("keep", "list", {}, {"b": 1})]


def test_a_change_of_nothing_is_none(database: str) -> None:
    note(SUBJECT, "change", before={"a": 1, "b": None}, after={"a": 1, "b": ""})
    assert told() == []
    note(SUBJECT, "test")
    assert [action for action, *_ in told()] == ["test"]


def test_who_joins_a_group_is_told_by_name(database: str) -> None:
    organisation = accounts.create_organisation("Relais", NOW_MS).pk
    jane = User.objects.create_user("jane@example.org", "jane@example.org", None, organisation_id=organisation)
    User.objects.create_user("root@example.org", "", None, organisation_id=organisation, role="administrator")
    group = people.create_group(organisation, people.Membership("Night shift", ["see_texts"], [jane.pk]))
    made = AuditEvent.objects.latest("pk")
    assert (made.action, made.subject_kind, made.after["people"]) == ("create", "group", ["jane@example.org"])
    people.change_group(organisation, group.pk, people.Membership("Night shift", ["see_texts"], []))
    changed = AuditEvent.objects.latest("pk")
    assert (changed.action, changed.before, changed.after) == ("change", {"people": ["jane@example.org"]}, {})


def test_a_second_factor_is_told_without_what_is_in_it(database: str) -> None:
    organisation = accounts.create_organisation("Relais", NOW_MS).pk
    jane = User.objects.create_user("jane@example.org", "jane@example.org", None, organisation_id=organisation)
    Authenticator.objects.create(user=jane, type="totp", data={"secret": "s3aled"})
    made = AuditEvent.objects.latest("pk")
    assert (made.action, made.subject_kind, made.organisation_id) == ("create", "second_factor", organisation)
    assert made.after == {"type": "totp", "data.secret": {"hidden": "set"}}


def test_two_events_make_one_from_the_first_before_to_the_last_after() -> None:
    made = Event(SUBJECT, record.CREATE, {}, {"name": "x", "secret": {"hidden": "set"}})
    changed = Event(SUBJECT, record.CHANGE, {"name": "x"}, {})
    assert made.then(changed) == Event(SUBJECT, record.CREATE, {}, {"secret": {"hidden": "set"}})
    gone = Event(SUBJECT, record.DELETE, {"name": "x"}, {})
    assert made.then(gone).action == record.DELETE


def test_what_was_told_before_is_not_told_again(database: str) -> None:
    with unnoted():
        note(SUBJECT, "change")
    assert told() == []


def test_of_a_text_that_is_too_long_the_trail_keeps_the_beginning(database: str) -> None:
    stage = Stage()
    draft = stage.draft("Hello")
    change_delivery(stage.organisation, draft.pk, Draft(body="y" * 3000), NOW_MS)
    changed = AuditEvent.objects.latest("pk")
    assert (changed.action, changed.before) == ("change", {"body": "Hello"})
    assert len(changed.after["body"]) == LONGEST_TEXT


def test_a_file_of_people_is_one_event_and_names_nobody(database: str) -> None:
    stage = Stage()
    before = AuditEvent.objects.count()
    rows = "".join(f"+336123456{number:02},Jane\n" for number in range(50))
    contacts.import_csv(stage.organisation, stage.people, io.BytesIO(f"phone,name\n{rows}".encode()), filename="a.csv")
    assert AuditEvent.objects.count() == before + 1
    found = AuditEvent.objects.latest("pk")
    assert (found.action, found.subject_kind, found.subject_id) == ("import", "list", stage.people.pk)
    assert found.after["filename"] == "a.csv"


def test_secrets_brought_under_another_key_are_told_row_by_row(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    organisation = accounts.create_organisation("Relais", NOW_MS).pk
    made = callbacks.create_endpoint(organisation, "https://example.org/", NOW_MS)
    ring = [bytes(range(32)), *settings.CONFIGURATION.keys]
    monkeypatch.setattr(callbacks, "process_vault", lambda: Vault(ring))
    assert callbacks.rotate_secrets() == 1
    found = AuditEvent.objects.latest("pk")
    assert (found.action, found.subject_kind, found.subject_id) == ("reseal", "callback", made.row.pk)
    assert (found.before, found.after) == ({}, {})


def test_a_connection_of_a_provider_that_is_no_more_is_followed_all_the_same(database: str) -> None:
    organisation = accounts.create_organisation("Relais", NOW_MS)
    row = Connection.objects.create(organisation=organisation, name="Old", provider="pigeon", settings={"loft": 1})
    assert AuditEvent.objects.latest("pk").after["settings.loft"] == 1
    row.delete()
    assert AuditEvent.objects.latest("pk").before["settings.loft"] == 1


# -- reading -----------------------------------------------------------------------------------------------------------


def test_pages_are_newest_first_and_follow_each_other(database: str) -> None:
    made = [event(at_ms=NOW_MS + number // 2) for number in range(7)]
    event(2)
    pages, cursor = [], ""
    while True:
        page = events_page(1, Wanted(), cursor, 3)
        pages.append([row.pk for row in page.items])
        if page.next is None:
            break
        cursor = page.next
    newest_first = [row.pk for row in reversed(made)]
    assert pages == [newest_first[:3], newest_first[3:6], newest_first[6:]]
    assert [row.pk for row in every_event(1, Wanted())] == newest_first


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(), "dcba"),
        (Wanted(actor_kind="person"), "cb"),
        (Wanted(actor_kind="person", actor_id=7), "b"),
        (Wanted(action="delete"), "d"),
        (Wanted(subject_kind="list"), "dca"),
        (Wanted(subject_kind="list", subject_id=9), "c"),
        (Wanted(since_ms=NOW_MS + 2), "dc"),
        (Wanted(until_ms=NOW_MS + 2), "ba"),
        (Wanted(since_ms=NOW_MS + 1, until_ms=NOW_MS + 3, subject_kind="list"), "c"),
        (Wanted(subject_kind="list", subject_id=10**30), ""),
    ],
)
def test_events_are_found_by_who_what_and_when(database: str, wanted: Wanted, found: str) -> None:
    event(actor_name="a")
    event(actor_name="b", at_ms=NOW_MS + 1, actor_kind="person", actor_id=7, subject_kind="contact")
    event(actor_name="c", at_ms=NOW_MS + 2, actor_kind="person", actor_id=8, subject_id=9)
    event(actor_name="d", at_ms=NOW_MS + 3, action="delete")
    assert "".join(row.actor_name for row in events_page(1, wanted, "", 50).items) == found


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(),
        Wanted(actor_kind="person", actor_id=7),
        Wanted(action="delete"),
        Wanted(subject_kind="list", subject_id=9),
        Wanted(since_ms=1, until_ms=NOW_MS),
    ],
)
def test_no_page_of_the_trail_sorts_or_reads_it_whole(
    sqlite_url: str, bound: Callable[[str], None], wanted: Wanted
) -> None:
    bound(sqlite_url)
    rows = _after(_rows(1, wanted), f"{NOW_MS}-1")[:51]
    plan = rows.explain()
    assert "SEARCH" in plan
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan


def test_what_cannot_be_looked_for_is_refused(database: str) -> None:
    for wanted, cursor in ((Wanted(actor_kind="ghost"), ""), (Wanted(), "x"), (Wanted(), "1-2-3")):
        with pytest.raises(InvalidInput):
            events_page(1, wanted, cursor, 50)


def test_an_event_of_another_organisation_is_not_there(database: str) -> None:
    row = event(2)
    assert find_event(2, row.pk) == row
    with pytest.raises(NotFound):
        find_event(1, row.pk)


def test_the_history_of_a_subject_is_its_own(database: str) -> None:
    first, _other, last = event(), event(subject_id=6), event()
    event(2)
    assert [row.pk for row in history_of(1, "list", 5)] == [last.pk, first.pk]


# -- files -------------------------------------------------------------------------------------------------------------


def cells(organisation_id: int, wanted: Wanted) -> list[dict[str, str]]:
    return list(
        csv.DictReader(io.StringIO("".join(csv_lines(organisation_id, wanted)).removeprefix("\ufeff"), newline=""))
    )


def test_a_spreadsheet_has_a_line_for_each_field_and_no_formula(database: str) -> None:
    before = {"name": "=1+1", "window": 5, "words": ["a", "b"]}
    event(actor_name="@x", subject_name='-"quoted", and\nmore', before=before, after={"name": "\tx", "is_on": True})
    event(action="test", after={"password": {"hidden": "changed"}})
    event(action="delete")
    found = cells(1, Wanted())
    assert tuple(found[0]) == COLUMNS
    assert [(row["action"], row["field"], row["before"], row["after"]) for row in found] == [
        ("delete", "", "", ""),
        ("test", "password", "", "(changed, hidden)"),
        ("change", "is_on", "", "true"),
        ("change", "name", "'=1+1", "'\tx"),
        ("change", "window", "5", ""),
        ("change", "words", "a, b", ""),
    ]
    assert found[2]["time"] == "2026-01-01T00:00:00.000+00:00"
    assert (found[2]["actor"], found[2]["subject"]) == ("'@x", '\'-"quoted", and\nmore')


def test_lines_of_json_hold_what_the_filter_lets_through(database: str) -> None:
    event(action="delete", before={"name": "é"})
    event()
    lines = list(json_lines(1, Wanted(action="delete")))
    assert len(lines) == 1
    found = json.loads(lines[0])
    assert (found["action"], found["before"], found["subject"]) == (
        "delete",
        {"name": "é"},
        {"kind": "list", "id": 5, "name": ""},
    )


def test_a_long_trail_is_read_in_pieces(sqlite_url: str, bound: Callable[[str], None]) -> None:
    bound(sqlite_url)
    given = {"actor_kind": "system", "action": "change", "subject_kind": "list"}
    AuditEvent.objects.bulk_create(
        [AuditEvent(organisation_id=1, at_ms=NOW_MS + number, **given) for number in range(1201)]
    )
    assert len(list(json_lines(1, Wanted()))) == 1201
    assert len(cells(1, Wanted(since_ms=NOW_MS + 1200))) == 1


# -- what goes away ----------------------------------------------------------------------------------------------------


def test_what_is_older_goes_in_bounded_steps_and_other_organisations_keep_theirs(database: str) -> None:
    for number in range(5):
        event(at_ms=NOW_MS + number)
    theirs = event(2)
    assert [delete_before(1, NOW_MS + 4, 3) for _ in range(3)] == [3, 1, 0]
    assert [row.at_ms for row in every_event(1, Wanted())] == [NOW_MS + 4]
    assert AuditEvent.objects.filter(pk=theirs.pk).exists()


def test_the_daily_deletion_takes_what_is_older_than_the_days_asked_for(database: str) -> None:
    for number in range(3):
        event(at_ms=NOW_MS + number)
    kind = KINDS["audit"]
    beats: list[int] = []
    done = kind.walks["audit"](1, NOW_MS + 2, 0, lambda: beats.append(1))
    assert (done.deleted, len(beats)) == (2, 1)
    assert kind.least_days >= 90


def test_who_is_erased_leaves_a_number_of_ours_and_nothing_else(database: str) -> None:
    stage = Stage()
    given = contacts.Details(phone="+33612345678", external_id="jane@example.org", attributes={"city": "Brest"})
    jane = contacts.create_contact(stage.organisation, given, [stage.people.pk], NOW_MS)
    made = AuditEvent.objects.get(subject_kind="contact")
    assert made.subject_name == "jane@example.org"
    assert made.after["attributes.city"] == {"hidden": "set"}
    contacts.erase_contact(stage.organisation, jane.pk, NOW_MS)
    rows = AuditEvent.objects.filter(subject_kind="contact", subject_id=jane.pk).order_by("pk")
    assert [(row.action, row.subject_name, row.before, row.after) for row in rows] == [
        ("create", "", {}, {}),
        ("erase", "", {}, {}),
    ]
