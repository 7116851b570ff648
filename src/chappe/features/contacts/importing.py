"""People from a CSV file, in batches: each is one transaction that also notes how far the file is done."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO

import msgspec
from django.db import transaction

from chappe.engine.store.statement import Column, Insert, Query, Update
from chappe.engine.store.store import Store
from chappe.features.clock import now_ms
from chappe.features.contacts.csv_file import LONGEST_CELL, CsvFile, Row, RowError
from chappe.features.contacts.models import ContactImport, ContactList
from chappe.features.contacts.phone import LONGEST_RAW, PhoneReader
from chappe.features.message_store import open_store
from chappe.features.refusal import InvalidInput
from chappe.messaging import FieldError, LeaseLost
from chappe.rules.email_address import read_email

BATCH = 10_000
MOST_ERRORS = 10_000
LONGEST_EXTERNAL_ID = 200
LONGEST_EMAIL = 320
LONGEST_ATTRIBUTE_NAME = 60
CACHE_MIB = 16
"""What SQLite may keep of the tables in memory while a file is read."""

PHONE, EMAIL, EXTERNAL_ID = "phone", "email", "external_id"
RESERVED = frozenset({EXTERNAL_ID, PHONE, EMAIL})
"""What no attribute is named: texts mean the person's own by it."""
LEFT_OUT = ""
"""What a column becomes that is not imported."""
_EMAIL_NAMES = (
    "email",
    "e_mail",
    "email_address",
    "e_mail_address",
    "mail",
    "courriel",
    "adresse_email",
    "adresse_e_mail",
)
_PHONE_NAMES = (
    "phone",
    "phone_number",
    "mobile",
    "mobile_phone",
    "mobile_number",
    "msisdn",
    "telephone",
    "téléphone",
    "numéro_de_téléphone",
    "numero_de_telephone",
    "téléphone_portable",
    "telephone_portable",
    "téléphone_mobile",
    "telephone_mobile",
    "portable",
    "numéro",
    "numero",
    "number",
    "tel",
    "tél",
    "cell",
    "gsm",
)
_NOT_IN_A_NAME = re.compile(r"\W+")

INSERT_CONTACTS = Insert(
    "contact",
    (
        Column("id"),
        Column("organisation_id"),
        Column("external_id", "text"),
        Column("phone", "text"),
        Column("phone_raw", "text"),
        Column("email", "text"),
        Column("email_raw", "text"),
        Column("attributes", "jsonb"),
        Column("created_ms"),
    ),
)
CHANGE_CONTACTS = Update(
    "contact",
    (
        Column("phone", "text"),
        Column("phone_raw", "text"),
        Column("email", "text"),
        Column("email_raw", "text"),
        Column("attributes", "jsonb"),
    ),
    (Column("id"),),
)
INSERT_MEMBERS = Insert(
    "contact_list_member",
    (Column("list_id"), Column("phone", "text"), Column("email", "text"), Column("contact_id")),
    on_conflict="ON CONFLICT (list_id, phone, contact_id) DO NOTHING",
)
CHANGE_MEMBERS = Update(
    "contact_list_member", (Column("phone", "text"), Column("email", "text")), (Column("contact_id"),)
)
INSERT_ERRORS = Insert(
    "contact_import_error",
    (Column("contact_import_id"), Column("line"), Column("field", "text"), Column("message", "text")),
)
KNOWN_CONTACTS = Query(
    "SELECT external_id, id, phone, phone_raw, email, email_raw, CAST(attributes AS text) FROM contact "
    "WHERE organisation_id = ? AND NOT (external_id = '') AND external_id IN ??",
    ("external_id", "id", "phone", "phone_raw", "email", "email_raw", "attributes"),
)
# Guarded by the rows done before: of two that import the same file one loses, and its batch is rolled back.
MOVE_ON = Update(
    "contact_import", (Column("rows"), Column("imported"), Column("rejected")), (Column("id"), Column("rows"))
)
# Asked within the transaction that uses the numbers: SQLite has but one writer, which makes its answer safe.
_LAST_ID = Query("SELECT seq FROM sqlite_sequence WHERE name = 'contact'")
_NEXT_IDS = Query("SELECT nextval(pg_get_serial_sequence('contact', 'id')) FROM generate_series(1, ?)")

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode

Progress = Callable[[ContactImport], None]


@dataclass
class Columns:
    """What the columns of a file are: positions, and the attribute names of the others by position."""

    phone: int | None
    email: int | None
    external_id: int | None
    attributes: tuple[tuple[int, str], ...]


Reach = tuple[str, str]
"""A number or an address as it was read, "" where it could not be, and as it was given."""
NOWHERE: Reach = ("", "")


@dataclass(slots=True)
class Person:
    """`phone` and `email` None: the file says nothing of it."""

    external_id: str
    phone: Reach | None
    email: Reach | None
    attributes: dict[str, Any]


@dataclass(slots=True)
class Known:
    """A contact as it is."""

    id: int
    phone: Reach
    email: Reach
    attributes: str


Member = tuple[int, str, str]
"""Contact, phone, e-mail address."""


@dataclass
class Batch:
    people: list[Person] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    rows: int = 0


def attribute_name(header: str) -> str:
    """A column's name as a text can mention it: "First name" is first_name, "Prénom" is prénom."""
    name = _NOT_IN_A_NAME.sub("_", header.strip().lower()).strip("_")
    return f"_{name}" if name[:1].isdigit() else name


def columns_of(header: Sequence[str], phone_column: str | None = None, chosen: Sequence[str] | None = None) -> Columns:
    """What each column is: as `chosen` says, where somebody did, else by its name.

    Raises InvalidInput where none is the phone or the e-mail address, or two are the same.
    """
    if chosen is not None:
        return _chosen_columns(header, chosen)
    names = [attribute_name(cell) or f"column_{number}" for number, cell in enumerate(header, 1)]
    errors = [
        FieldError(f"column {number}", f"is named {header[number - 1]!r} like an earlier one")
        for number, name in enumerate(names, 1)
        if name in names[: number - 1]
    ]
    errors += [
        FieldError(f"column {number}", f"has a name longer than {LONGEST_ATTRIBUTE_NAME} characters")
        for number, name in enumerate(names, 1)
        if len(name) > LONGEST_ATTRIBUTE_NAME
    ]
    if errors:
        raise InvalidInput(errors)
    email = next((names.index(name) for name in _EMAIL_NAMES if name in names), None)
    phone = _phone_position(names, phone_column, is_needed=email is None)
    external_id = names.index(EXTERNAL_ID) if EXTERNAL_ID in names else None
    rest = tuple((at, name) for at, name in enumerate(names) if at not in {phone, email, external_id})
    if any(name == "phone" for _, name in rest):
        raise InvalidInput.at("phone_column", "another column is named phone, and texts mean the number by it")
    return Columns(phone, email, external_id, rest)


def _phone_position(names: Sequence[str], phone_column: str | None, *, is_needed: bool) -> int | None:
    listed = ", ".join(names)
    if phone_column:
        wanted = attribute_name(phone_column)
        if wanted not in names:
            raise InvalidInput.at("phone_column", f"must be one of {listed}")
        return names.index(wanted)
    for name in _PHONE_NAMES:
        if name in names:
            return names.index(name)
    if not is_needed:
        return None
    raise InvalidInput.at(
        "phone_column", f"is needed: none of the columns is named like a phone or an e-mail address ({listed})"
    )


def guessed_columns(header: Sequence[str], phone_column: str | None = None) -> list[str]:
    """What each column would be by its name, in the words of `columns_of`'s `chosen`; what cannot be is left out."""
    names = [attribute_name(cell)[:LONGEST_ATTRIBUTE_NAME] for cell in header]
    phone = next((place for place, cell in enumerate(header) if phone_column and cell == phone_column), None)
    if phone is None:
        phone = next((names.index(name) for name in _PHONE_NAMES if name in names), None)
    email = next((names.index(name) for name in _EMAIL_NAMES if name in names), None)
    found: list[str] = []
    for place, name in enumerate(names):
        meaning = PHONE if place == phone else EMAIL if place == email else name
        is_taken = name in names[:place] or (meaning in (PHONE, EMAIL) and place not in (phone, email))
        found.append(LEFT_OUT if is_taken or not (meaning in RESERVED or meaning.isidentifier()) else meaning)
    return found


def _chosen_columns(header: Sequence[str], chosen: Sequence[str]) -> Columns:
    if len(chosen) != len(header):
        raise InvalidInput.at("columns", f"must be {len(header)}, one for each column of the file")
    problems = [_column_problem(name, chosen[:place]) for place, name in enumerate(chosen)]
    errors = [FieldError(f"columns[{place}]", problem) for place, problem in enumerate(problems) if problem]
    if PHONE not in chosen and EMAIL not in chosen:
        errors.append(FieldError("columns", "must have a phone or an email among them"))
    if errors:
        raise InvalidInput(errors)
    phone, email, external_id = (chosen.index(name) if name in chosen else None for name in (PHONE, EMAIL, EXTERNAL_ID))
    rest = tuple((place, name) for place, name in enumerate(chosen) if name and name not in RESERVED)
    return Columns(phone, email, external_id, rest)


def _column_problem(name: str, earlier: Sequence[str]) -> str:
    if name == LEFT_OUT:
        return ""
    if name in earlier:
        return "is what an earlier column is already"
    if name not in RESERVED and (not name.isidentifier() or len(name) > LONGEST_ATTRIBUTE_NAME):
        return "is not a name for an attribute: letters, digits and _, the first no digit"
    return ""


def note_attributes(list_id: int, names: Iterable[str]) -> None:
    """Remember that people of the list have these attributes."""
    with transaction.atomic():
        contact_list = ContactList.objects.select_for_update().filter(pk=list_id).first()
        if contact_list is not None and (new := [name for name in names if name not in contact_list.attributes]):
            contact_list.attributes = [*contact_list.attributes, *new]
            contact_list.save(update_fields=["attributes"])


def import_rows(
    row: ContactImport, stream: BinaryIO, progress: Progress | None = None, batch_size: int = BATCH
) -> ContactImport:
    """Import the file of `row` from where it stopped, and finish it. Raises InvalidInput for a file that is no CSV.

    `progress` is called after each commit; what it raises ends the import, to be gone on with later.
    """
    options = row.options
    file = CsvFile(stream, options.get("encoding"), options.get("delimiter"))
    columns = columns_of(file.header, options.get("phone_column"), options.get("columns"))
    reader = PhoneReader(options.get("default_region"))
    note_attributes(row.list_id, [name for _, name in columns.attributes])
    remaining = file.rows()
    for _ in islice(remaining, row.rows):
        pass
    with open_store(CACHE_MIB) as store:
        for batch in _batches(remaining, columns, reader, batch_size):
            _write(store, row, batch)
            if progress is not None:
                progress(row)
    row.status, row.finished_ms = "finished", now_ms()
    row.save(update_fields=["status", "finished_ms"])
    return row


def _batches(rows: Iterator[Row | RowError], columns: Columns, reader: PhoneReader, batch_size: int) -> Iterator[Batch]:
    while True:
        batch = Batch()
        for item in islice(rows, batch_size):
            batch.rows += 1
            if isinstance(item, RowError):
                batch.errors.append(item)
            elif (problem := row_problem(item, columns)) is not None:
                batch.errors.append(problem)
            else:
                batch.people.append(read_person(item.cells, columns, reader))
        if not batch.rows:
            return
        yield batch


def row_problem(row: Row, columns: Columns) -> RowError | None:
    """Why a row cannot be taken; None where it can."""
    cells = row.cells
    bounds = (
        (columns.phone, "phone", LONGEST_RAW),
        (columns.email, "email", LONGEST_EMAIL),
        (columns.external_id, EXTERNAL_ID, LONGEST_EXTERNAL_ID),
    )
    for place, name, most in bounds:
        if place is not None and len(cells[place]) > most:
            return RowError(row.line, name, f"has more than {most} characters")
    for at, name in columns.attributes:
        if len(cells[at]) > LONGEST_CELL:
            return RowError(row.line, name, f"has more than {LONGEST_CELL} characters")
    return None


def read_person(cells: list[str], columns: Columns, reader: PhoneReader) -> Person:
    """Whom a row that can be taken tells of."""
    phone = email = None
    if columns.phone is not None:
        raw = cells[columns.phone].strip()
        phone = (reader.read(raw), raw)
    if columns.email is not None and (raw := cells[columns.email].strip()):
        email = (read_email(raw), raw)
    external_id = cells[columns.external_id].strip() if columns.external_id is not None else ""
    # An empty cell is no value: `default` in a text then works for it.
    attributes = {name: cells[at] for at, name in columns.attributes if cells[at]}
    return Person(external_id, phone, email, attributes)


def _write(store: Store, row: ContactImport, batch: Batch) -> None:
    done = (row.rows + batch.rows, row.imported + len(batch.people), row.rejected + len(batch.errors))
    with store.transaction():
        if store.database.run(MOVE_ON, [(*done, row.pk, row.rows)]) != 1:
            raise LeaseLost(f"somebody else imports file {row.pk}")
        members = _write_people(store, row.organisation_id, batch.people)
        store.database.run(INSERT_MEMBERS, [(row.list_id, phone, email, number) for number, phone, email in members])
        kept = batch.errors[: max(0, MOST_ERRORS - row.rejected)]
        store.database.run(INSERT_ERRORS, [(row.pk, error.line, error.field[:100], error.message) for error in kept])
    row.rows, row.imported, row.rejected = done


def _write_people(store: Store, organisation_id: int, people: Sequence[Person]) -> list[Member]:
    """Insert or change contacts."""
    # In the order of the numbers the rows land side by side in two of the indexes, which are most of the work.
    people = sorted(_once(people), key=lambda person: (person.phone or NOWHERE)[0])
    known = _known(store, organisation_id, [person.external_id for person in people if person.external_id])
    fresh = [person for person in people if person.external_id not in known]
    ids = _next_ids(store, len(fresh))
    created = now_ms()
    store.database.run(
        INSERT_CONTACTS,
        [
            (
                number,
                organisation_id,
                person.external_id,
                *(person.phone or NOWHERE),
                *(person.email or NOWHERE),
                _json(person.attributes),
                created,
            )
            for number, person in zip(ids, fresh, strict=True)
        ],
    )
    members = [
        (number, (person.phone or NOWHERE)[0], (person.email or NOWHERE)[0])
        for number, person in zip(ids, fresh, strict=True)
    ]
    return members + _change_people(store, [person for person in people if person.external_id in known], known)


def _change_people(store: Store, people: Sequence[Person], known: dict[str, Known]) -> list[Member]:
    """Give known contacts their new number and address, and the attributes of the file beside those they have."""
    changes: list[tuple[object, ...]] = []
    moved: list[tuple[str, str, int]] = []
    members: list[Member] = []
    for person in people:
        was = known[person.external_id]
        phone = was.phone if person.phone is None else person.phone
        email = was.email if person.email is None else person.email
        merged = _decode(was.attributes) | person.attributes
        changes.append((*phone, *email, _json(merged), was.id))
        members.append((was.id, phone[0], email[0]))
        if (phone[0], email[0]) != (was.phone[0], was.email[0]):
            moved.append((phone[0], email[0], was.id))
    store.database.run(CHANGE_CONTACTS, changes)
    store.database.run(CHANGE_MEMBERS, moved)
    return members


def _once(people: Sequence[Person]) -> Sequence[Person]:
    """The people, each external id once: a later row of the file changes what an earlier one said."""
    named: dict[str, Person] = {}
    result = []
    for person in people:
        earlier = named.get(person.external_id) if person.external_id else None
        if earlier is not None:
            earlier.phone = earlier.phone if person.phone is None else person.phone
            earlier.email = earlier.email if person.email is None else person.email
            earlier.attributes |= person.attributes
            continue
        if person.external_id:
            named[person.external_id] = person
        result.append(person)
    return result


def _known(store: Store, organisation_id: int, external_ids: list[str]) -> dict[str, Known]:
    if not external_ids:
        return {}
    found = store.database.query(KNOWN_CONTACTS, (organisation_id, external_ids))
    return {
        external_id: Known(contact_id, (phone, phone_raw), (email, email_raw), attributes)
        for external_id, contact_id, phone, phone_raw, email, email_raw, attributes in found
    }


def _next_ids(store: Store, count: int) -> list[int]:
    """Numbers for new contacts, within the transaction that uses them."""
    if store.database.name == "sqlite":
        last = next(iter(store.database.query(_LAST_ID)), (0,))[0]
        return list(range(last + 1, last + 1 + count))
    return [number for (number,) in store.database.query(_NEXT_IDS, (count,))] if count else []


def _json(attributes: dict[str, Any]) -> str:
    return _encode(attributes).decode()
