"""People, lists, and files of people."""

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, Q, QuerySet

from chappe.features.accounts.services import checked_name
from chappe.features.audit.following import subject_of
from chappe.features.audit.record import Subject, note, unnoted
from chappe.features.audit.services import forget_name
from chappe.features.clock import now_ms as clock_ms
from chappe.features.contacts.csv_file import LONGEST_CELL
from chappe.features.contacts.forgetting import FORGETTING
from chappe.features.contacts.importing import (
    LONGEST_ATTRIBUTE_NAME,
    LONGEST_EMAIL,
    LONGEST_EXTERNAL_ID,
    RESERVED,
    Progress,
    import_rows,
    note_attributes,
)
from chappe.features.contacts.models import (
    Contact,
    ContactImport,
    ContactImportChunk,
    ContactImportError,
    ContactList,
    ContactListMember,
)
from chappe.features.contacts.phone import LONGEST_RAW, PhoneReader, check_region
from chappe.features.contacts.preview import Preview, preview
from chappe.features.jobs import services as jobs
from chappe.features.jobs.models import Job
from chappe.features.messages.models import Inbound, Message, MessageNow
from chappe.features.page import (
    LARGEST_ID,
    LARGEST_PAGE,
    Page,
    in_order,
    newest_first,
    page_of,
    place_of,
    read_cursor,
    size_of_page,
)
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.features.settings.services import settings_of
from chappe.features.traces.services import forget_person as forget_traced
from chappe.features.tracking.services import forget_addresses_of
from chappe.messaging import ENDS, ChappeError, FieldError
from chappe.rules.email_address import read_email

LARGEST_FILE = 256 * 1024 * 1024
MOST_ATTRIBUTES = 200
MOST_MEMBERS_AT_ONCE = 10_000
MOST_COUNTED = 10_000
"""People of a list that a page counts; beyond, it says that there are more."""
SHORTEST_BEGINNING = 8
"""Digits of a number's beginning that people are looked for by: of fewer there are too many, and others' to pass over."""
_CHUNK_OCTETS = 1024 * 1024
_ROWS_AT_ONCE = 5000
_ERASE_AGAIN_MS = 3_600_000
_LONGEST_UPLOAD_MS = 86_400_000

IMPORT, FORGET_LIST, ERASE = "contacts.import", "contacts.forget_list", "contacts.erase"
LONGEST_INBOUND_SENDER = 64
"""Of a longer address, the table of texts from phones has the beginning."""


# -- lists -----------------------------------------------------------------------------------------------------------


def create_list(organisation_id: int, name: str, now_ms: int) -> ContactList:
    """A new, empty list. Raises InvalidInput, or Conflict where the name is taken."""
    return _save_list(ContactList(organisation_id=organisation_id, name=checked_name(name), created_ms=now_ms))


def find_list(organisation_id: int, list_id: int) -> ContactList:
    """Raises NotFound."""
    found = ContactList.objects.filter(organisation_id=organisation_id, pk=min(list_id, LARGEST_ID)).first()
    if found is None:
        raise NotFound("list", list_id)
    return found


def lists_page(organisation_id: int, cursor: str, limit: int) -> Page[ContactList]:
    return newest_first(ContactList.objects.filter(organisation_id=organisation_id), cursor, limit)


def rename_list(organisation_id: int, list_id: int, name: str) -> ContactList:
    """Raises NotFound, InvalidInput, or Conflict where the name is taken."""
    contact_list = find_list(organisation_id, list_id)
    contact_list.name = checked_name(name)
    return _save_list(contact_list)


def delete_list(organisation_id: int, list_id: int, now_ms: int) -> None:
    """The list goes at once, who was on it soon after; the people stay. Raises NotFound; Conflict while it is used."""
    with transaction.atomic():
        contact_list = find_list(organisation_id, list_id)
        if contact_list.imports.filter(status__in=["uploading", "waiting", "running"]).exists():
            raise Conflict("A file is being imported into this list.")
        try:
            contact_list.delete()
        except ProtectedError:
            raise Conflict("Deliveries were made for this list.") from None
        jobs.enqueue(organisation_id, FORGET_LIST, list_id, now_ms)


def size_of_list(list_id: int) -> int:
    """How many people are on the list; walks an index, so not for a page."""
    return ContactListMember.objects.filter(list_id=list_id).count()


def sizes_of(list_ids: Iterable[int]) -> dict[int, int]:
    """List → how many people are on it, counted to one more than `MOST_COUNTED`."""
    rows = ContactListMember.objects.values_list("list_id")
    return {pk: rows.filter(list_id=pk)[: MOST_COUNTED + 1].count() for pk in list_ids}


def _save_list(contact_list: ContactList) -> ContactList:
    try:
        with transaction.atomic():
            contact_list.save()
    except IntegrityError:
        raise Conflict(f"There is a list named {contact_list.name} already.") from None
    return contact_list


# -- members ---------------------------------------------------------------------------------------------------------


def members_page(
    organisation_id: int, list_id: int, cursor: str, limit: int, search: str = "", *, is_whole: bool = False
) -> Page[Contact]:
    """A page of the people on a list, in the order of their numbers; those that `search` finds where it is given, as
    `find_people` has it. Raises NotFound, InvalidInput.
    """
    find_list(organisation_id, list_id)
    wanted = _wanted(organisation_id, search.strip()) if search.strip() else _Wanted("phone", "", is_beginning=True)
    if search.strip():
        wanted.refuse_beginning(is_refused=is_whole)
    if not wanted.is_beginning:
        return Page(_on_list(organisation_id, list_id, wanted), None)
    members = ContactListMember.objects.filter(list_id=list_id)
    after = place_of(cursor, partial(_phone_of, organisation_id))
    rows = in_order(members, "phone", "contact_id", after, size_of_page(limit) + 1, wanted.value)
    found = Contact.objects.filter(organisation_id=organisation_id).in_bulk([row.contact_id for row in rows])
    page = page_of(rows, limit, lambda row: str(row.contact_id))
    return Page([found[row.contact_id] for row in page.items if row.contact_id in found], page.next)


def _on_list(organisation_id: int, list_id: int, wanted: "_Wanted") -> list[Contact]:
    """The people of this number, address or external id who are on the list, as many as a page may hold.

    From the people to their lists: the other way a database may walk the whole list.
    """
    rows = Contact.objects.filter(wanted.of_contact(), organisation_id=organisation_id)
    people = list(rows.order_by("pk")[:LARGEST_PAGE])
    lists = _members([one.pk for one in people]).values_list("contact_id", "list_id")
    there = {contact_id for contact_id, of in lists if of == list_id}
    return [one for one in people if one.pk in there]


def add_members(organisation_id: int, list_id: int, contact_ids: Sequence[int]) -> int:
    """Put people on a list; how many were not on it before. Raises NotFound for a list or a person that is not ours."""
    contact_list = find_list(organisation_id, list_id)
    if len(contact_ids) > MOST_MEMBERS_AT_ONCE:
        raise InvalidInput.at("contact_ids", f"must be at most {MOST_MEMBERS_AT_ONCE}")
    with transaction.atomic():
        found = Contact.objects.select_for_update().filter(organisation_id=organisation_id).in_bulk(set(contact_ids))
        if missing := set(contact_ids) - found.keys():
            raise NotFound("contact", min(missing))
        there = set(_members(found).filter(list_id=list_id).values_list("contact_id", flat=True))
        new = [contact for pk, contact in sorted(found.items()) if pk not in there]
        ContactListMember.objects.bulk_create(
            [
                ContactListMember(list_id=list_id, phone=contact.phone, email=contact.email, contact_id=contact.pk)
                for contact in new
            ],
            ignore_conflicts=True,
        )
        note_attributes(list_id, dict.fromkeys(name for contact in new for name in contact.attributes))
        if new:
            note(subject_of(contact_list), "add_people", after={"people": len(new)})
    return len(new)


def remove_members(organisation_id: int, list_id: int, contact_ids: Sequence[int]) -> int:
    """Take people off a list; how many were on it. The people stay. Raises NotFound for the list."""
    contact_list = find_list(organisation_id, list_id)
    if len(contact_ids) > MOST_MEMBERS_AT_ONCE:
        raise InvalidInput.at("contact_ids", f"must be at most {MOST_MEMBERS_AT_ONCE}")
    with transaction.atomic():
        gone = _members(contact_ids).filter(list_id=list_id).delete()[0]
        if gone:
            note(subject_of(contact_list), "remove_people", after={"people": gone})
    return gone


def _members(contact_ids: Iterable[int]) -> "QuerySet[ContactListMember]":
    return ContactListMember.objects.filter(contact_id__in=[pk for pk in contact_ids if 0 < pk <= LARGEST_ID])


# -- people ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Details:
    """What is said of a person; None leaves it as it is. An attribute given as None is taken away, as is a number or an
    address given as ""."""

    phone: str | None = None
    external_id: str | None = None
    attributes: Mapping[str, Any] | None = None
    default_region: str | None = None
    email: str | None = None


def create_contact(organisation_id: int, details: Details, list_ids: Sequence[int], now_ms: int) -> Contact:
    """A new person, on these lists. Raises InvalidInput; NotFound for a list; Conflict for a taken external id."""
    contact = Contact(organisation_id=organisation_id, created_ms=now_ms)
    with transaction.atomic():
        _apply(contact, details)
        _save_contact(contact)
        for list_id in dict.fromkeys(list_ids):
            add_members(organisation_id, list_id, [contact.pk])
    return contact


def find_contact(organisation_id: int, contact_id: int) -> Contact:
    """Raises NotFound."""
    return _found(Contact.objects.filter(organisation_id=organisation_id), contact_id)


def contacts_page(
    organisation_id: int, cursor: str, limit: int, phone: str = "", external_id: str = "", email: str = ""
) -> Page[Contact]:
    """A page of people, newest first; those with this number, external id or e-mail address where one is given."""
    rows = Contact.objects.filter(organisation_id=organisation_id)
    if phone:
        # A plus in a URL arrives as a space.
        rows = rows.filter(phone=PhoneReader().read(f"+{phone.strip().removeprefix('+')}") or phone)
    if external_id:
        rows = rows.filter(external_id=external_id).exclude(external_id="")
    if email:
        rows = rows.filter(email=read_email(email) or email).exclude(email="")
    return newest_first(rows, cursor, limit)


def find_people(organisation_id: int, search: str, cursor: str, limit: int, *, is_whole: bool = False) -> Page[Contact]:
    """A page of the people with this number (or its beginning), address or external id, in the order of their numbers.

    `is_whole`: the beginning of a number is not enough, for whoever asks may not see numbers and would find them out digit by
    digit. Raises InvalidInput where it says too little to look for.
    """
    wanted = _wanted(organisation_id, search.strip())
    wanted.refuse_beginning(is_refused=is_whole)
    if wanted.is_beginning and len(wanted.value) <= SHORTEST_BEGINNING:
        words = f"give at least {SHORTEST_BEGINNING} digits of a number, with its country code"
        raise InvalidInput.at("search", words)
    rows = Contact.objects.filter(wanted.of_contact(), organisation_id=organisation_id)
    start = wanted.value if wanted.is_beginning else ""
    after = place_of(cursor, partial(_phone_of, organisation_id))
    found = in_order(rows, "phone", "id", after, size_of_page(limit) + 1, start)
    return page_of(found, limit, lambda one: str(one.pk))


def _phone_of(organisation_id: int, contact_id: int) -> str | None:
    rows = Contact.objects.filter(organisation_id=organisation_id, pk=contact_id)
    return rows.values_list("phone", flat=True).first()


def find_person(organisation_id: int, search: str) -> Contact | None:
    """Whom a whole number, an address or an external id means; None for nobody. Of several the one with the lowest id."""
    wanted = _wanted(organisation_id, search.strip())
    if wanted.is_beginning or not wanted.value:
        return None
    rows = Contact.objects.filter(wanted.of_contact(), organisation_id=organisation_id)
    return rows.order_by("phone", "id").first()


@dataclass(frozen=True)
class _Wanted:
    """What was typed to find somebody: a column of a contact, and what it holds or, of a number, begins with."""

    column: str
    value: str
    is_beginning: bool = False

    def of_contact(self) -> Q:
        if self.is_beginning:
            return Q()  # it is walked to, see `in_order`
        # The indexes of the other two have only rows where there is something, which the question has to say, too.
        return Q(**{self.column: self.value}) & ~Q(**{self.column: ""})

    def refuse_beginning(self, *, is_refused: bool) -> None:
        """Raises InvalidInput for the beginning of a number where the whole one is needed."""
        if self.is_beginning and is_refused:
            raise InvalidInput.at("search", "give the whole number, with its country code: you may not see numbers")


def _wanted(organisation_id: int, search: str) -> _Wanted:
    if "@" in search:
        return _Wanted("email", read_email(search) or search)
    named = _Wanted("external_id", search)
    if Contact.objects.filter(named.of_contact(), organisation_id=organisation_id).exists():
        return named
    number = PhoneReader(settings_of(organisation_id).region).read(search)
    digits = "".join(re.findall("[0-9]+", search))
    if number:
        return _Wanted("phone", number)
    if digits and not re.search(r"[^\W\d_]", search):
        return _Wanted("phone", f"+{digits.removeprefix('00')}", is_beginning=True)
    return named


def change_contact(organisation_id: int, contact_id: int, details: Details) -> Contact:
    """The person as changed, on every list. Raises NotFound, InvalidInput, Conflict where the external id is taken."""
    with transaction.atomic():
        rows = Contact.objects.select_for_update().filter(organisation_id=organisation_id)
        contact = _found(rows, contact_id)
        _apply(contact, details)
        _save_contact(contact)
        _members([contact.pk]).update(phone=contact.phone, email=contact.email)
        if details.attributes:
            for list_id in _members([contact.pk]).values_list("list_id", flat=True):
                note_attributes(list_id, contact.attributes)
    return contact


def delete_contact(organisation_id: int, contact_id: int) -> None:
    """Take the person away and off every list; messages sent to them stay, see `erase_contact`. Raises NotFound."""
    with transaction.atomic():
        contact = find_contact(organisation_id, contact_id)
        _members([contact.pk]).delete()
        contact.delete()


def erase_contact(organisation_id: int, contact_id: int, now_ms: int) -> None:
    """Take away everything known of a person: the contact, what was sent to and came from the number or the address, and
    these in it.

    A message still on its way keeps its text until it has ended, and is erased within an hour after. What stays: how
    many messages there were, an entry in quarantine, without which the person could be written to again, and what was said of
    consent, which proves why.
    Raises NotFound.
    """
    with transaction.atomic():
        contact = find_contact(organisation_id, contact_id)
        with unnoted():
            delete_contact(organisation_id, contact_id)
        forget_name(organisation_id, "contact", contact.pk)
        note(Subject(organisation_id, "contact", contact.pk), "erase")
        jobs.enqueue(organisation_id, ERASE, contact_id, now_ms, {"phone": contact.phone, "email": contact.email})


def _found(rows: "QuerySet[Contact]", contact_id: int) -> Contact:
    found = rows.filter(pk=min(contact_id, LARGEST_ID)).first()
    if found is None:
        raise NotFound("contact", contact_id)
    return found


def _apply(contact: Contact, details: Details) -> None:
    errors: list[FieldError] = []
    if details.phone is not None:
        contact.phone_raw = details.phone.strip()
        contact.phone = PhoneReader(details.default_region).read(contact.phone_raw)
        if (contact.phone_raw and not contact.phone) or len(contact.phone_raw) > LONGEST_RAW:
            errors.append(FieldError("phone", "is not a telephone number; write it with its country code"))
    if details.email is not None:
        contact.email_raw = details.email.strip()
        contact.email = read_email(contact.email_raw)
        if (contact.email_raw and not contact.email) or len(contact.email_raw) > LONGEST_EMAIL:
            errors.append(FieldError("email", "is not an e-mail address, such as jane@example.org"))
    is_given = details.phone is not None or details.email is not None or contact.pk is None
    if is_given and not (contact.phone_raw or contact.email_raw):
        errors.append(FieldError("phone", "is needed, or an e-mail address"))
    if details.external_id is not None:
        contact.external_id = details.external_id.strip()
        if len(contact.external_id) > LONGEST_EXTERNAL_ID:
            errors.append(FieldError("external_id", f"must have at most {LONGEST_EXTERNAL_ID} characters"))
    if details.attributes is not None:
        errors += _attribute_errors(details.attributes)
        merged = contact.attributes | dict(details.attributes)
        contact.attributes = {name: value for name, value in merged.items() if value is not None}
        if len(contact.attributes) > MOST_ATTRIBUTES:
            errors.append(FieldError("attributes", f"must be at most {MOST_ATTRIBUTES}"))
    if errors:
        raise InvalidInput(errors)


def _attribute_errors(attributes: Mapping[str, Any]) -> list[FieldError]:
    errors = []
    for name, value in attributes.items():
        if not name.isidentifier() or len(name) > LONGEST_ATTRIBUTE_NAME or name in RESERVED:
            errors.append(FieldError(f"attributes.{name[:LONGEST_ATTRIBUTE_NAME]}", "is not a name for an attribute"))
        elif not isinstance(value, str | int | float | bool | None):
            errors.append(FieldError(f"attributes.{name}", "must be a text, a number, true, false or null"))
        elif len(str(value)) > LONGEST_CELL:
            errors.append(FieldError(f"attributes.{name}", f"must have at most {LONGEST_CELL} characters"))
    return errors


def _save_contact(contact: Contact) -> None:
    try:
        with transaction.atomic():
            contact.save()
    except IntegrityError:
        raise Conflict(f"There is a contact with the external id {contact.external_id} already.") from None


# -- files -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ImportOptions:
    """How to read a file; what is None is found out. `default_region` is for numbers without a country code.

    `columns` says what each column becomes, in the order of the file: "phone", "email", "external_id", the name of an
    attribute, or "" for one that is left out.
    """

    phone_column: str | None = None
    default_region: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    columns: Sequence[str] | None = None

    def kept(self) -> dict[str, Any]:
        """Raises InvalidInput."""
        check_region(self.default_region)
        return {name: value for name, value in vars(self).items() if value}


def import_csv(
    organisation_id: int,
    contact_list: ContactList,
    stream: BinaryIO,
    options: ImportOptions | None = None,
    *,
    filename: str = "",
    progress: Progress | None = None,
) -> ContactImport:
    """Import a file now. Raises InvalidInput for one that cannot be read; rows that cannot be are in its errors."""
    with transaction.atomic():
        row = _new_import(organisation_id, contact_list, options or ImportOptions(), filename, "running", clock_ms())
        _note_import(row)
    try:
        return import_rows(row, stream, progress)
    except ChappeError as error:
        _fail_import(row, str(error))
        raise


def upload(
    organisation_id: int,
    list_id: int,
    stream: BinaryIO,
    options: ImportOptions,
    filename: str,
    now_ms: int,
) -> ContactImport:
    """Keep a file and have it imported outside this request. Raises NotFound; InvalidInput for one too large."""
    row = _upload(organisation_id, list_id, stream, options, filename, now_ms)
    _start(row, now_ms)
    return row


def keep_file(
    organisation_id: int, list_id: int, stream: BinaryIO, options: ImportOptions, filename: str, now_ms: int
) -> ContactImport:
    """Keep a file until somebody has said what its columns are: see `map_columns` and `start_import`.

    Raises NotFound; InvalidInput for one that is too large or no CSV.
    """
    row = _upload(organisation_id, list_id, stream, options, filename, now_ms)
    try:
        preview_of(row)
    except InvalidInput:
        row.delete()
        raise
    row.status = "mapping"
    row.save(update_fields=["status"])
    return row


def map_columns(organisation_id: int, import_id: int, options: ImportOptions) -> Preview:
    """Note how a kept file is to be read, and what then is. Raises NotFound; Conflict where it is imported already;
    InvalidInput, when nothing is noted, but for columns that cannot be: these are in the preview."""
    with transaction.atomic():
        row = _kept_file(organisation_id, import_id)
        row.options = options.kept()
        found = preview_of(row)
        row.save(update_fields=["options"])
    return found


def start_import(organisation_id: int, import_id: int, now_ms: int) -> ContactImport:
    """Import a kept file. Raises NotFound; Conflict where that has begun; InvalidInput for columns that cannot be."""
    with transaction.atomic():
        row = _kept_file(organisation_id, import_id)
        found = preview_of(row)
        if found.errors:
            raise InvalidInput(found.errors)
        row.options = {**row.options, "columns": found.columns}
        row.save(update_fields=["options"])
        _start(row, now_ms)
    return row


def discard_import(organisation_id: int, import_id: int) -> None:
    """Throw a kept file away. Raises NotFound; Conflict where it is imported already."""
    with transaction.atomic():
        _kept_file(organisation_id, import_id).delete()


def preview_of(row: ContactImport) -> Preview:
    """What is read of a file that is still kept. Raises InvalidInput for one that cannot be read at all."""
    return preview(file_of(row), row.options)


def file_of(row: ContactImport) -> BinaryIO:
    return io.BufferedReader(_Chunks(row), _CHUNK_OCTETS)


def _kept_file(organisation_id: int, import_id: int) -> ContactImport:
    rows = ContactImport.objects.select_for_update(of=("self",)).filter(organisation_id=organisation_id)
    row = rows.filter(pk=min(import_id, LARGEST_ID)).first()
    if row is None:
        raise NotFound("import", import_id)
    if row.status != "mapping":
        raise Conflict("This file is imported already.")
    return row


def _upload(
    organisation_id: int, list_id: int, stream: BinaryIO, options: ImportOptions, filename: str, now_ms: int
) -> ContactImport:
    contact_list = find_list(organisation_id, list_id)
    # Of an upload whose process died, and of a file that nobody came back to, nothing else would ever be done.
    old = ContactImport.objects.filter(created_ms__lt=now_ms - _LONGEST_UPLOAD_MS, status__in=["uploading", "mapping"])
    old.delete()
    row = _new_import(organisation_id, contact_list, options, filename, "uploading", now_ms)
    try:
        row.lines = _keep(row, stream)
        row.save(update_fields=["lines"])
    except BaseException:
        row.delete()
        raise
    return row


def _start(row: ContactImport, now_ms: int) -> None:
    with transaction.atomic():
        row.status = "waiting"
        row.save(update_fields=["status"])
        _note_import(row)
        jobs.enqueue(row.organisation_id, IMPORT, row.pk, now_ms)


def _keep(row: ContactImport, stream: BinaryIO) -> int:
    """Write the file in chunks, each by itself: the engine shall not wait for a whole file to be written. The lines behind
    the first."""
    octets = lines = 0
    ends_within_line = False
    for position, data in enumerate(iter(lambda: stream.read(_CHUNK_OCTETS), b"")):
        octets += len(data)
        if octets > LARGEST_FILE:
            raise InvalidInput.at("file", f"is larger than {LARGEST_FILE // 1024**2} MiB")
        ContactImportChunk.objects.create(contact_import=row, position=position, data=data)
        lines += data.count(b"\n") - (0 if position else 1)
        ends_within_line = not data.endswith(b"\n")
    return max(0, lines + ends_within_line) if octets else 0


def find_import(organisation_id: int, import_id: int) -> ContactImport:
    """Raises NotFound."""
    rows = ContactImport.objects.filter(organisation_id=organisation_id).select_related("list")
    found = rows.filter(pk=min(import_id, LARGEST_ID)).first()
    if found is None:
        raise NotFound("import", import_id)
    return found


def import_fingerprint(organisation_id: int, import_id: int) -> tuple[str, int, int]:
    """What differs when the page of an import would. Raises NotFound."""
    row = find_import(organisation_id, import_id)
    return row.status, row.rows, row.rejected


def imports_page(organisation_id: int, cursor: str, limit: int) -> Page[ContactImport]:
    rows = ContactImport.objects.filter(organisation_id=organisation_id).select_related("list")
    return newest_first(rows, cursor, limit)


def imports_of(list_id: int, most: int) -> list[ContactImport]:
    """The last files of a list, newest first."""
    return list(ContactImport.objects.filter(list_id=list_id).exclude(status="uploading").order_by("-pk")[:most])


def every_import_error(organisation_id: int, import_id: int) -> Iterator[ContactImportError]:
    """The rows that were not taken, in the order of the file; read as they are asked for. Raises NotFound."""
    rows = find_import(organisation_id, import_id).errors.order_by("pk")
    last = 0
    while some := list(rows.filter(pk__gt=last)[:LARGEST_PAGE]):
        yield from some
        last = some[-1].pk


def import_errors_page(organisation_id: int, import_id: int, cursor: str, limit: int) -> Page[ContactImportError]:
    """A page of the rows that were not taken, in the order of the file. Raises NotFound, InvalidInput."""
    rows = find_import(organisation_id, import_id).errors.all()
    if cursor:
        rows = rows.filter(pk__gt=read_cursor(cursor))
    return page_of(list(rows.order_by("pk")[: size_of_page(limit) + 1]), limit, lambda error: str(error.pk))


def _new_import(
    organisation_id: int, contact_list: ContactList, options: ImportOptions, filename: str, status: str, now_ms: int
) -> ContactImport:
    return ContactImport.objects.create(
        organisation_id=organisation_id,
        list=contact_list,
        filename=filename[-255:],
        options=options.kept(),
        status=status,
        created_ms=now_ms,
    )


def _note_import(row: ContactImport) -> None:
    """One event for a file, however many people are in it; what came of it is said by the import itself."""
    note(subject_of(row.list), "import", after={"import_id": row.pk, "filename": row.filename, **row.options})


def _fail_import(row: ContactImport, error: str) -> None:
    row.status, row.error, row.finished_ms = "failed", error, clock_ms()
    row.save(update_fields=["status", "error", "finished_ms"])


class _Chunks(io.RawIOBase):
    """An uploaded file, read chunk by chunk."""

    def __init__(self, row: ContactImport) -> None:
        self._row = row
        self._position = 0
        self._data = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._data:
            chunk = ContactImportChunk.objects.filter(contact_import=self._row, position=self._position).first()
            if chunk is None:
                return 0
            self._position += 1
            self._data = memoryview(bytes(chunk.data))
        taken = min(len(buffer), len(self._data))
        buffer[:taken] = self._data[:taken]
        self._data = self._data[taken:]
        return taken


# -- jobs ------------------------------------------------------------------------------------------------------------


def _import_job(job: Job, lease: jobs.Lease) -> None:
    row = ContactImport.objects.filter(pk=job.subject_id, status__in=["waiting", "running"]).first()
    if row is None:
        return
    row.status = "running"
    row.save(update_fields=["status"])
    import_rows(row, file_of(row), lambda _row: lease.beat())
    row.chunks.all().delete()


def _give_up_import(job: Job, error: str) -> None:
    for row in ContactImport.objects.filter(pk=job.subject_id, status__in=["waiting", "running"]):
        _fail_import(row, error)
        row.chunks.all().delete()


def _forget_list_job(job: Job, lease: jobs.Lease) -> None:
    members = ContactListMember.objects.filter(list_id=job.subject_id)
    while some := list(members.values_list("pk", flat=True)[:_ROWS_AT_ONCE]):
        ContactListMember.objects.filter(pk__in=some).delete()
        lease.beat()


def _erase_job(job: Job, lease: jobs.Lease) -> None:
    reaches = [one for one in (job.arguments.get("phone", ""), job.arguments.get("email", "")) if one]
    if not reaches:
        return
    # 0: sent through the API to the number. Messages to another person who shares the number are not this person's.
    ours = MessageNow.objects.filter(
        organisation_id=job.organisation_id, recipient__in=reaches, contact_id__in=[job.subject_id, 0]
    )
    while some := list(ours.filter(state__in=ENDS).values_list("pk", flat=True)[:_ROWS_AT_ONCE]):
        with transaction.atomic():
            Message.objects.filter(pk__in=some).update(recipient="", body="", options=None, contact_id=0)
            forget_addresses_of(some)
        lease.beat()
    senders = [one[:LONGEST_INBOUND_SENDER] for one in reaches]
    texts = Inbound.objects.filter(organisation_id=job.organisation_id, sender__in=senders)
    texts.update(sender="", body="", linked_sms="", alias="")
    forget_traced(job.organisation_id, reaches)
    is_needed = [forget(job.organisation_id, job.subject_id, reaches) for forget in FORGETTING]
    if ours.exists() or any(is_needed):
        raise jobs.Postponed(_ERASE_AGAIN_MS)


def _nothing_to_tell(job: Job, error: str) -> None:
    """Nobody waits for this job; its row says why it failed."""


jobs.KINDS[IMPORT] = jobs.Kind(_import_job, _give_up_import, refused=(InvalidInput,))
jobs.KINDS[FORGET_LIST] = jobs.Kind(_forget_list_job, _nothing_to_tell)
jobs.KINDS[ERASE] = jobs.Kind(_erase_job, _nothing_to_tell)
