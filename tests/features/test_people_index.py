"""What the console asks of contacts and of the quarantine uses an index, however many there are: without reading a table whole,
and without sorting what it finds."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model, Q, QuerySet

from chappe.features.consent.models import Quarantine
from chappe.features.contacts.models import Contact, ContactImportError, ContactListMember

MEMBERS, PEOPLE = ContactListMember.objects.filter(list_id=1), Contact.objects.filter(organisation_id=1)
WATCHED = Quarantine.objects.filter(organisation_id=1)
BEGINNING = {"phone__gte": "+336", "phone__lt": "+336a"}
RANGE = {"address__gte": "+336", "address__lt": "+336a", "address__startswith": "+336"}

WALKS: dict[str, tuple[Callable[[], QuerySet[Any]], str]] = {
    "a list by number": (lambda: MEMBERS.order_by("phone", "contact_id"), "contact_list_member_once"),
    "behind the same number": (
        lambda: MEMBERS.filter(phone="", contact_id__gt=9).order_by("phone", "contact_id"),
        "contact_list_member_once",
    ),
    "behind a number": (
        lambda: MEMBERS.filter(phone__gt="+336").order_by("phone", "contact_id"),
        "contact_list_member_once",
    ),
    "a beginning on a list": (
        lambda: MEMBERS.filter(**BEGINNING).order_by("phone", "contact_id"),
        "contact_list_member_once",
    ),
    "the size of a list": (lambda: MEMBERS.values_list("list_id"), "contact_list_member"),
    "lists of a person": (lambda: ContactListMember.objects.filter(contact_id__in=[1]), "contact_list_member_contact"),
    "people by beginning": (lambda: PEOPLE.filter(**BEGINNING), "contact_phone"),
    "people by address": (lambda: PEOPLE.filter(Q(email="a@b.c") & ~Q(email="")), "contact_email"),
    "people by own id": (
        lambda: PEOPLE.filter(Q(external_id="A") & ~Q(external_id="")),
        "contact_external_id_once",
    ),
    "refused rows": (
        lambda: ContactImportError.objects.filter(contact_import=1),
        "contact_import_error_contact_import",
    ),
    "a status": (lambda: WATCHED.filter(status="valid", pk__lt=9).order_by("-pk"), "quarantine_status"),
    "all that is watched": (lambda: WATCHED.filter(pk__lt=9).order_by("-pk"), "quarantine_organisation"),
    "watched numbers by beginning": (lambda: WATCHED.filter(**RANGE).order_by("address"), "quarantine_address"),
    "a status by beginning": (
        lambda: WATCHED.filter(status="valid", **RANGE).order_by("address"),
        "quarantine_status_address",
    ),
}


@pytest.mark.parametrize("walk", WALKS)
def test_no_table_is_read_whole_or_sorted(database: str, walk: str) -> None:
    rows, index = WALKS[walk]
    plan = plan_of(rows())
    # SQLite names the index of a constraint by its table.
    assert index in plan or f"sqlite_autoindex_{index.rpartition('_')[0]}_1" in plan
    assert "Seq Scan" not in plan and "TEMP B-TREE" not in plan and "Sort" not in plan
    assert not any(f"SCAN {table}\n" in f"{plan}\n" for table in ("contact", "contact_list_member", "quarantine"))


def plan_of(rows: QuerySet[Model]) -> str:
    if connection.vendor == "postgresql":
        # An empty table is always read whole; what counts is that a full one would not have to be.
        with connection.cursor() as cursor:
            for kind in ("seqscan", "bitmapscan"):
                cursor.execute(f"SET enable_{kind} = off")
    return rows[:51].explain()
