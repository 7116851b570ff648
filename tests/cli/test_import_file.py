"""`chappe import`: a file onto a list, with what could not be taken."""

from pathlib import Path

import pytest
from tests.cli.shell import Shell

from chappe.features.accounts.models import Organisation
from chappe.features.contacts.models import Contact, ContactList, ContactListMember


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text("Name;Portable\nAnn;0612345678\nBob;0612345679\n")
    return path


def test_people_go_onto_a_list_that_is_made(shell: Shell, organisation: Organisation, file: Path) -> None:
    result = shell.done("import", file, "--list", "Customers", "--region", "fr")
    assert "Of 2 rows 2 went onto the list Customers." in result.out
    assert set(Contact.objects.values_list("phone", flat=True)) == {"+33612345678", "+33612345679"}
    shell.done("import", file, "--list", "Customers", "--region", "fr")
    assert ContactList.objects.get().name == "Customers"
    assert ContactListMember.objects.count() == 4


def test_rows_that_cannot_be_taken_are_shown(shell: Shell, organisation: Organisation, file: Path) -> None:
    file.write_text(file.read_text() + "Carl;1;2\n")
    result = shell("import", file, "--list", "Customers")
    assert result.code == 1
    assert "Of 3 rows 2 went onto the list Customers." in result.out
    assert "1 row not taken" in result.out
    assert "has 3 cells, and the header has 2" in result.out


def test_of_many_bad_rows_the_first_are_shown(shell: Shell, organisation: Organisation, file: Path) -> None:
    file.write_text(file.read_text() + "Carl;1;2\n" * 25)
    assert "and 5 more; --json gives them all." in shell("import", file, "--list", "Customers").out
    assert len(shell("import", file, "--list", "Customers", "--json").json["errors"]) == 25


def test_a_column_may_be_named(shell: Shell, organisation: Organisation, file: Path) -> None:
    file.write_text("Name,Where\nAnn,+33612345678\n")
    result = shell("import", file, "--list", "Customers")
    assert result.code == 2
    assert "phone_column: is needed" in result.err
    shell.done("import", file, "--list", "Customers", "--phone-column", "Where")


def test_a_country_that_does_not_exist_is_refused(shell: Shell, organisation: Organisation, file: Path) -> None:
    result = shell("import", file, "--list", "Customers", "--region", "XX")
    assert result.code == 2
    assert "region" in result.err


def test_a_file_that_does_not_exist_is_refused(shell: Shell, organisation: Organisation) -> None:
    result = shell("import", "nowhere.csv", "--list", "Customers")
    assert result.code == 2
    assert "does not exist" in result.err
