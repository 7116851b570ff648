"""Files of people at the console: upload, columns, progress, what was refused."""

import io
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from tests.console.browser import NOW_MS, Browser, Page

from chappe.features.accounts.models import Organisation
from chappe.features.contacts import services
from chappe.features.contacts.models import Contact, ContactImport, ContactList
from chappe.features.contacts.services import ImportOptions
from chappe.features.jobs import services as jobs
from chappe.features.live import TOPICS
from chappe.features.refusal import NotFound

CONTENT = "Mobile;Name;Town\n0612345678;Zoë;Lyon\n12;Jo;\n0698765432;" + "n" * 1001 + ";Nice\n"


@pytest.fixture
def people(organisation: Organisation) -> ContactList:
    return services.create_list(organisation.pk, "Customers", NOW_MS)


def upload(browser: Browser, people: ContactList, content: str = CONTENT, region: str = "FR") -> Page:
    file = SimpleUploadedFile("june.csv", content.encode(), "text/csv")
    return browser.post(f"/contacts/lists/{people.pk}/import/", {"file": file, "default_region": region})


def form_of(shown: Page) -> dict[str, str]:
    names = [one.get("name", "") for one in shown.controls() if one.get("type") not in ("checkbox", "radio")]
    return {name: shown.value_of(name) for name in names if name}


def kept(people: ContactList, content: str) -> ContactImport:
    stream = io.BytesIO(content.encode())
    return services.keep_file(people.organisation_id, people.pk, stream, ImportOptions(), "june.csv", NOW_MS)


def test_a_file_is_uploaded_mapped_imported_and_told_of(admin: Browser, people: ContactList) -> None:
    shown = upload(admin, people)
    assert "Found out: letters in UTF-8, between cells: semicolon." in shown.text
    assert [shown.value_of(f"use_{place}") for place in range(3)] == ["phone", "attribute", "attribute"]
    assert "+33612345678" in shown.text
    assert "1 of them would be refused." in shown.text
    assert "name has more than 1000 characters" in shown.text
    assert "imported, not readable" in shown.text
    assert not Contact.objects.exists()
    values = form_of(shown) | {"name_1": "first_name", "use_2": "", "start": ""}
    waiting = admin.post(shown.url, values)
    assert "It begins within a moment." in waiting.text
    assert jobs.run_until_empty() == 1
    done = admin.get(shown.url)
    assert "Imported 2" in done.text and "Refused 1" in done.text
    assert "4 first_name has more than 1000 characters" in done.text
    zoe = Contact.objects.get(phone="+33612345678")
    assert zoe.attributes == {"first_name": "Zoë"}
    assert f"/contacts/imports/{ContactImport.objects.get().pk}/" in admin.get("/contacts/imports/").links()


def test_what_is_no_csv_is_said_beside_the_field_and_not_kept(admin: Browser, people: ContactList) -> None:
    assert "is empty" in upload(admin, people, " ").error_of("file")
    assert "must be a country code" in upload(admin, people, region="XX").error_of("default_region")
    assert admin.post(f"/contacts/lists/{people.pk}/import/", {"default_region": ""}).error_of("file")
    assert not ContactImport.objects.exists()


def test_columns_that_cannot_be_are_said_beside_them_and_kept_as_chosen(admin: Browser, people: ContactList) -> None:
    shown = upload(admin, people)
    values = form_of(shown) | {"use_1": "phone", "use_2": "attribute", "name_2": "", "start": ""}
    refused = admin.post(shown.url, values)
    assert refused.error_of("name_2") == "An attribute needs a name."
    refused = admin.post(shown.url, values | {"name_2": "town"})
    assert "is what an earlier column is already" in refused.error_of("use_1")
    assert refused.value_of("use_1") == "phone"
    refused = admin.post(shown.url, values | {"use_0": "", "use_1": "", "name_2": "town"})
    assert "must have a phone or an email among them" in refused.text
    assert ContactImport.objects.get().status == "mapping"


def test_a_file_without_a_column_for_a_number_says_so_at_once(admin: Browser, people: ContactList) -> None:
    row = kept(people, "who,where\n+33612345678,Lyon\n")
    shown = admin.get(f"/contacts/imports/{row.pk}/")
    assert "must have a phone or an email among them" in shown.text
    assert "It is shown once the columns are settled." in shown.text


def test_read_in_another_way_the_columns_are_asked_for_anew(admin: Browser, people: ContactList) -> None:
    row = kept(people, "phone;a,b\n+33612345678;1,2\n")
    path = f"/contacts/imports/{row.pk}/"
    values = form_of(admin.get(path)) | {"delimiter": ";", "start": ""}
    other = admin.post(path, values)
    assert "the file has other columns" in other.text
    assert other.value_of("delimiter") == ";"
    assert "a,b" in other.text
    assert ContactImport.objects.get().status == "mapping"


def test_a_look_keeps_what_was_chosen_and_starts_nothing(admin: Browser, people: ContactList) -> None:
    shown = upload(admin, people, region="")
    looked = admin.post(shown.url, form_of(shown) | {"default_region": "FR", "use_2": "external_id", "look": ""})
    assert looked.value_of("use_2") == "external_id"
    assert "+33612345678" in looked.text
    assert ContactImport.objects.get().status == "mapping"


def test_a_file_is_thrown_away(admin: Browser, people: ContactList) -> None:
    row = kept(people, "phone\n1\n")
    assert "The file is thrown away." in admin.post(f"/contacts/imports/{row.pk}/discard/").text
    assert admin.get(f"/contacts/imports/{row.pk}/").status == 404


def test_the_refused_rows_are_a_file_that_no_spreadsheet_runs(admin: Browser, people: ContactList) -> None:
    content = "phone,=cmd()\n+33612345678," + "x" * 1001 + "\n"
    row = services.import_csv(
        people.organisation_id, people, io.BytesIO(content.encode()), ImportOptions(columns=["phone", "cmd"])
    )
    row.errors.update(field="=cmd()")
    answer = admin.client.get(f"/contacts/imports/{row.pk}/errors.csv")
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert lines == ["Line,Column,Why", "2,'=cmd(),has more than 1000 characters"]
    assert answer["Content-Disposition"] == f'attachment; filename="chappe-import-{row.pk}-refused.csv"'


def test_the_page_of_an_import_is_told_when_it_changes(people: ContactList, organisation: Organisation) -> None:
    row = kept(people, "phone\n+33612345678\n")
    before = TOPICS["import"].fingerprint(organisation.pk, row.pk)
    services.start_import(organisation.pk, row.pk, NOW_MS)
    jobs.run_until_empty()
    assert TOPICS["import"].fingerprint(organisation.pk, row.pk) != before
    with pytest.raises(NotFound):
        TOPICS["import"].fingerprint(organisation.pk + 1, row.pk)


def test_numbers_of_a_file_are_masked_for_whoever_may_not_see_them(
    people: ContactList, browse_as: Callable[..., Browser]
) -> None:
    row = kept(people, "phone,other\n+33612345678,0698765432\nbad,x,y\n")
    marketer = browse_as("marketer")
    assert marketer.user is not None
    marketer.user.withheld = ["see_numbers"]
    marketer.user.save()
    shown = marketer.get(f"/contacts/imports/{row.pk}/")
    assert "612345678" not in shown.html and "98765432" not in shown.html
    assert "+33••••••678" in shown.text


def test_who_may_only_look_sees_that_the_columns_are_to_be_said(
    people: ContactList, browse_as: Callable[..., Browser], stranger: Browser
) -> None:
    row = kept(people, "phone\n+33612345678\n")
    path = f"/contacts/imports/{row.pk}/"
    auditor = browse_as("auditor")
    assert "Somebody who may import contacts is to say what its columns are." in auditor.get(path).text
    assert auditor.post(path, {"start": ""}).status == 403
    for one in (path, f"{path}errors.csv"):
        assert stranger.get(one).status == 404
    assert stranger.post(path, {"start": ""}).status == 404
    assert stranger.post(f"{path}discard/").status == 404
