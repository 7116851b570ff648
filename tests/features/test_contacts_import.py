"""Files of people."""

import io

import pytest
from tests.row import NOW_MS

from chappe.features.accounts.models import Organisation
from chappe.features.contacts import importing, services
from chappe.features.contacts.models import Contact, ContactImport, ContactImportChunk, ContactList, ContactListMember
from chappe.features.contacts.services import ImportOptions
from chappe.features.jobs import services as jobs
from chappe.features.jobs.models import Job
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.messaging import LeaseLost


@pytest.fixture
def people(database: str) -> ContactList:
    return services.create_list(Organisation.objects.create(name="Relais").pk, "Customers", NOW_MS)


def load(people: ContactList, content: str | bytes, **options: str) -> ContactImport:
    octets = content.encode() if isinstance(content, str) else content
    return services.import_csv(people.organisation_id, people, io.BytesIO(octets), ImportOptions(**options))


def phones(people: ContactList) -> list[str]:
    return list(ContactListMember.objects.filter(list_id=people.pk).order_by("phone").values_list("phone", flat=True))


def errors(row: ContactImport) -> list[tuple[int, str, str]]:
    return list(row.errors.order_by("pk").values_list("line", "field", "message"))


def test_people_of_a_file_are_on_the_list_with_their_attributes(people: ContactList) -> None:
    row = load(people, "Téléphone;First name;city\n+33612345678;Zoë;Lyon\n06 12 34 56 79;Jo;\n", default_region="FR")
    assert (row.status, row.rows, row.imported, row.rejected) == ("finished", 2, 2, 0)
    assert phones(people) == ["+33612345678", "+33612345679"]
    zoe = Contact.objects.get(phone="+33612345678")
    assert zoe.attributes == {"first_name": "Zoë", "city": "Lyon"}
    jo = Contact.objects.get(phone="+33612345679")
    assert (jo.phone_raw, jo.attributes) == ("06 12 34 56 79", {"first_name": "Jo"})
    people.refresh_from_db()
    assert people.attributes == ["first_name", "city"]


def test_a_number_that_cannot_be_read_is_imported_as_it_was_given(people: ContactList) -> None:
    row = load(people, "phone,name\n12,a\n,b\nhello,c\n+336123456789,d\n")
    assert (row.imported, row.rejected) == (4, 0)
    assert phones(people) == ["", "", "", ""]
    assert list(Contact.objects.order_by("pk").values_list("phone_raw", flat=True)) == [
        "12",
        "",
        "hello",
        "+336123456789",
    ]


def test_broken_rows_are_told_by_line_and_field(people: ContactList) -> None:
    long_name, long_phone = "n" * 1001, "1" * 65
    content = (
        f"external_id,phone,name\nA,+33612345678,a\nB,+33612345679\nC,+33612345670,{long_name}\n"
        f"D,{long_phone},d\n{'E' * 201},+33612345671,e\nF,+33612345672,f\0\n"
    ).encode() + b"G,+33612345673,\xff\n"
    row = load(people, content, encoding="utf-8")
    assert (row.rows, row.imported, row.rejected) == (7, 1, 6)
    assert errors(row) == [
        (3, "", "has 2 cells, and the header has 3"),
        (4, "name", "has more than 1000 characters"),
        (5, "phone", "has more than 64 characters"),
        (6, "external_id", "has more than 200 characters"),
        (7, "name", "holds a NUL character"),
        (8, "name", "is not text in utf-8"),
    ]


def test_the_same_file_again_makes_nobody_twice_where_people_have_an_external_id(people: ContactList) -> None:
    content = "external_id,phone,city\nA,+33612345678,Lyon\nB,+33612345679,Lille\n"
    load(people, content)
    load(people, content)
    assert Contact.objects.count() == 2
    assert phones(people) == ["+33612345678", "+33612345679"]


def test_an_external_id_changes_the_person_who_has_it_on_every_list(people: ContactList) -> None:
    load(people, "external_id,phone,city,age\nA,+33612345678,Lyon,31\n")
    other = services.create_list(people.organisation_id, "Friends", NOW_MS)
    row = load(other, "external_id,phone,city,name\nA,+33698765432,Lille,Zoë\n")
    assert row.imported == 1
    contact = Contact.objects.get()
    assert contact.attributes == {"city": "Lille", "age": "31", "name": "Zoë"}
    assert phones(people) == phones(other) == ["+33698765432"]


def test_a_person_twice_in_a_file_is_as_the_last_row_says(people: ContactList) -> None:
    load(people, "external_id,phone,city\nA,+33612345678,Lyon\nA,+33612345679,\nB,+33612345670,Nice\n")
    assert Contact.objects.count() == 2
    contact = Contact.objects.get(external_id="A")
    assert (contact.phone, contact.attributes) == ("+33612345679", {"city": "Lyon"})
    assert phones(people) == ["+33612345670", "+33612345679"]


def test_an_external_id_of_another_organisation_is_not_touched(people: ContactList) -> None:
    load(people, "external_id,phone\nA,+33612345678\n")
    other = services.create_list(Organisation.objects.create(name="Another").pk, "Theirs", NOW_MS)
    load(other, "external_id,phone\nA,+33612345679\n")
    assert phones(people) == ["+33612345678"]
    assert phones(other) == ["+33612345679"]


def test_people_made_before_and_after_a_file_have_numbers_of_their_own(people: ContactList) -> None:
    first = services.create_contact(people.organisation_id, services.Details(phone="+33600000001"), [people.pk], NOW_MS)
    load(people, "phone\n+33600000002\n+33600000003\n")
    last = services.create_contact(people.organisation_id, services.Details(phone="+33600000004"), [people.pk], NOW_MS)
    ids = list(Contact.objects.order_by("pk").values_list("pk", flat=True))
    assert (ids[0], ids[-1], len(set(ids))) == (first.pk, last.pk, 4)


class Interrupted(Exception):
    pass


def interrupted_after(batches: int) -> importing.Progress:
    remaining = [batches]

    def progress(row: ContactImport) -> None:
        remaining[0] -= 1
        if remaining[0] == 0:
            raise Interrupted

    return progress


def numbered(count: int) -> bytes:
    rows = [f"+336{number:08d},n{number}" if number % 7 else "broken" for number in range(count)]
    return "\n".join(["phone,name", *rows]).encode()


def test_an_import_that_was_interrupted_goes_on_where_it_stopped(people: ContactList) -> None:
    content = numbered(50)
    row = ContactImport.objects.create(organisation_id=people.organisation_id, list=people, created_ms=NOW_MS)
    with pytest.raises(Interrupted):
        importing.import_rows(row, io.BytesIO(content), interrupted_after(2), batch_size=10)
    kept = ContactImport.objects.get(pk=row.pk)
    assert (kept.rows, kept.status) == (20, "running")
    done = importing.import_rows(kept, io.BytesIO(content), batch_size=10)
    assert (done.rows, done.imported, done.rejected, done.status) == (50, 42, 8, "finished")
    assert len(phones(people)) == len(set(phones(people))) == 42
    assert [line for line, _, _ in errors(done)] == [number + 2 for number in range(0, 50, 7)]


def test_of_two_that_import_the_same_file_one_loses_and_leaves_nothing(people: ContactList) -> None:
    content = numbered(30)
    row = ContactImport.objects.create(organisation_id=people.organisation_id, list=people, created_ms=NOW_MS)
    late = ContactImport.objects.get(pk=row.pk)
    importing.import_rows(row, io.BytesIO(content), batch_size=10)
    with pytest.raises(LeaseLost):
        importing.import_rows(late, io.BytesIO(content), batch_size=10)
    assert len(phones(people)) == 25


def test_only_the_first_errors_are_kept_and_all_are_counted(
    people: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MOST_ERRORS", 15)
    row = ContactImport.objects.create(organisation_id=people.organisation_id, list=people, created_ms=NOW_MS)
    importing.import_rows(row, io.BytesIO(b"phone,name\n" + b"broken\n" * 40), batch_size=10)
    assert (row.rejected, row.errors.count()) == (40, 15)


def test_progress_is_told_after_each_batch(people: ContactList) -> None:
    seen: list[int] = []
    row = ContactImport.objects.create(organisation_id=people.organisation_id, list=people, created_ms=NOW_MS)
    importing.import_rows(row, io.BytesIO(numbered(25)), lambda done: seen.append(done.rows), batch_size=10)
    assert seen == [10, 20, 25]


def test_a_file_that_is_none_fails_with_the_reason(people: ContactList) -> None:
    with pytest.raises(InvalidInput, match="phone_column"):
        load(people, "name,city\na,b\n")
    row = ContactImport.objects.get()
    assert row.status == "failed"
    assert "phone_column" in row.error


# -- uploads ---------------------------------------------------------------------------------------------------------


def upload(people: ContactList, content: bytes, **options: str) -> ContactImport:
    stream = io.BytesIO(content)
    return services.upload(people.organisation_id, people.pk, stream, ImportOptions(**options), "people.csv", NOW_MS)


def test_an_uploaded_file_is_imported_by_a_job_and_then_forgotten(people: ContactList) -> None:
    row = upload(people, "phone,prénom\n06 12 34 56 78,Zoë\n".encode("cp1252"), default_region="FR")
    assert (row.status, row.filename) == ("waiting", "people.csv")
    jobs.run_until_empty()
    row.refresh_from_db()
    assert (row.status, row.imported) == ("finished", 1)
    assert Contact.objects.get().attributes == {"prénom": "Zoë"}
    assert not ContactImportChunk.objects.exists()


def test_a_file_of_many_chunks_is_read_as_one(people: ContactList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_CHUNK_OCTETS", 100)
    row = upload(people, numbered(60))
    assert row.chunks.count() > 5
    jobs.run_until_empty()
    assert len(phones(people)) == 51


def test_a_file_that_is_too_large_is_refused_and_nothing_of_it_stays(
    people: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "LARGEST_FILE", 100)
    monkeypatch.setattr(services, "_CHUNK_OCTETS", 60)
    with pytest.raises(InvalidInput, match="larger"):
        upload(people, numbered(60))
    assert not ContactImport.objects.exists()
    assert not ContactImportChunk.objects.exists()


class Broken(io.BytesIO):
    """A caller that hangs up in the middle."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 0:
            raise OSError
        return super().read(50)


def test_nothing_of_an_upload_that_broke_off_stays(people: ContactList) -> None:
    with pytest.raises(OSError):
        services.upload(people.organisation_id, people.pk, Broken(numbered(60)), ImportOptions(), "", NOW_MS)
    assert not ContactImport.objects.exists()


def test_an_upload_whose_process_died_is_cleared_away_a_day_later(people: ContactList) -> None:
    row = ContactImport.objects.create(
        organisation_id=people.organisation_id, list=people, status="uploading", created_ms=NOW_MS - 90_000_000
    )
    ContactImportChunk.objects.create(contact_import=row, position=0, data=b"x")
    upload(people, numbered(3))
    assert not ContactImport.objects.filter(pk=row.pk).exists()


def test_an_uploaded_file_that_is_none_fails_at_once_with_the_reason(people: ContactList) -> None:
    row = upload(people, b"name\na\n")
    jobs.run_until_empty()
    row.refresh_from_db()
    assert row.status == "failed"
    assert "phone_column" in row.error
    assert (Job.objects.get().status, Job.objects.get().tries) == ("failed", 0)
    assert not ContactImportChunk.objects.exists()


def test_a_list_that_a_file_is_read_into_cannot_be_deleted(people: ContactList) -> None:
    upload(people, numbered(5))
    with pytest.raises(Conflict):
        services.delete_list(people.organisation_id, people.pk, NOW_MS)


def test_imports_and_their_errors_are_paged_and_belong_to_their_organisation(people: ContactList) -> None:
    row = load(people, "phone,name\n" + "broken\n" * 5)
    other = Organisation.objects.create(name="Another").pk
    first = services.import_errors_page(people.organisation_id, row.pk, "", 3)
    assert first.next is not None
    rest = services.import_errors_page(people.organisation_id, row.pk, first.next, 3)
    assert [error.line for error in [*first.items, *rest.items]] == [2, 3, 4, 5, 6]
    assert rest.next is None
    assert services.imports_page(people.organisation_id, "", 10).items == [row]
    assert services.imports_page(other, "", 10).items == []
    with pytest.raises(NotFound):
        services.import_errors_page(other, row.pk, "", 3)


def test_people_of_a_file_have_their_email_addresses(people: ContactList) -> None:
    load(people, "external_id,E-mail,city\nA, Jane@Example.ORG ,Lyon\nB,jo at example,Lille\nC,,Nice\n")
    found = Contact.objects.order_by("external_id").values_list("email", "email_raw", "attributes")
    assert list(found) == [
        ("jane@example.org", "Jane@Example.ORG", {"city": "Lyon"}),
        ("", "jo at example", {"city": "Lille"}),
        ("", "", {"city": "Nice"}),
    ]
    members = ContactListMember.objects.filter(list_id=people.pk)
    assert sorted(members.values_list("email", flat=True)) == ["", "", "jane@example.org"]


def test_a_file_changes_what_it_has_a_column_for_and_leaves_the_rest(people: ContactList) -> None:
    load(people, "external_id,phone\nA,+33612345678\n")
    load(people, "external_id,email\nA,jane@example.org\n")
    load(people, "external_id,phone,email\nA,+33612345679,\n")
    contact, member = Contact.objects.get(), ContactListMember.objects.get()
    assert (contact.phone, contact.email) == (member.phone, member.email) == ("+33612345679", "jane@example.org")


def test_an_address_that_is_too_long_is_told_with_its_line(people: ContactList) -> None:
    row = load(people, f"external_id,email\nA,{'a' * 321}\nB,b@example.org\n")
    assert (row.imported, errors(row)) == (1, [(2, "email", "has more than 320 characters")])


def test_columns_become_what_somebody_says(people: ContactList) -> None:
    content = "a,b,c,d\n7,+33612345678,Lyon,secret\n"
    load(people, content, columns=("external_id", "phone", "town", ""))
    contact = Contact.objects.get()
    assert (contact.external_id, contact.phone, contact.attributes) == ("7", "+33612345678", {"town": "Lyon"})


@pytest.mark.parametrize(
    ("columns", "field"),
    [
        (("phone",), "columns"),
        (("city", "name"), "columns"),
        (("phone", "phone"), "columns[1]"),
        (("phone", "first name"), "columns[1]"),
        (("phone", "x" * 61), "columns[1]"),
    ],
)
def test_columns_that_cannot_be_are_named(people: ContactList, columns: tuple[str, ...], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(people, "a,b\n+33612345678,Lyon\n", columns=columns)
    assert [error.field for error in caught.value.errors] == [field]


def test_a_kept_file_says_what_would_be_read_of_it(people: ContactList) -> None:
    content = f"Mobile;Mail;Prénom;Mail\n0612345678;a@example.org;Zoë;\n12;;{'n' * 1001};\n;hello;;\n"
    row = services.keep_file(
        people.organisation_id,
        people.pk,
        io.BytesIO(content.encode()),
        ImportOptions(default_region="FR"),
        "june.csv",
        NOW_MS,
    )
    assert (row.status, row.lines) == ("mapping", 3)
    found = services.preview_of(row)
    assert (found.encoding, found.delimiter, found.errors) == ("utf-8", ";", ())
    assert found.columns == ["phone", "email", "prénom", ""]
    first, second, third = found.lines
    assert first.person is not None and first.person.phone == ("+33612345678", "0612345678")
    assert second.problem is not None and second.problem.field == "prénom"
    assert third.is_unread and third.is_unreachable
    assert (found.refused, found.unread) == (1, 1)
    assert not Contact.objects.exists() and not Job.objects.exists()


def test_a_kept_file_is_imported_as_its_columns_were_mapped(people: ContactList) -> None:
    organisation = people.organisation_id
    content = b"number,name\n+33612345678,Jo\n"
    row = services.keep_file(organisation, people.pk, io.BytesIO(content), ImportOptions(), "june.csv", NOW_MS)
    wrong = services.map_columns(organisation, row.pk, ImportOptions(columns=["", "name"]))
    assert [error.field for error in wrong.errors] == ["columns"]
    with pytest.raises(InvalidInput):
        services.start_import(organisation, row.pk, NOW_MS)
    services.map_columns(organisation, row.pk, ImportOptions(columns=["phone", "first_name"]))
    services.start_import(organisation, row.pk, NOW_MS)
    with pytest.raises(Conflict):
        services.start_import(organisation, row.pk, NOW_MS)
    assert jobs.run_until_empty() == 1
    assert Contact.objects.get().attributes == {"first_name": "Jo"}


def test_a_kept_file_can_be_thrown_away_and_is_after_a_day(people: ContactList) -> None:
    organisation = people.organisation_id
    first, second = (
        services.keep_file(organisation, people.pk, io.BytesIO(b"phone\n1\n"), ImportOptions(), "", NOW_MS)
        for _ in range(2)
    )
    services.discard_import(organisation, first.pk)
    with pytest.raises(NotFound):
        services.discard_import(organisation, first.pk)
    services.keep_file(organisation, people.pk, io.BytesIO(b"phone\n1\n"), ImportOptions(), "", NOW_MS + 2 * 86_400_000)
    assert not ContactImport.objects.filter(pk=second.pk).exists()


def test_what_is_no_csv_is_not_kept(people: ContactList) -> None:
    with pytest.raises(InvalidInput):
        services.keep_file(people.organisation_id, people.pk, io.BytesIO(b"  "), ImportOptions(), "", NOW_MS)
    assert not ContactImport.objects.exists()
