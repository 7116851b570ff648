"""/v1/lists, /v1/contacts and /v1/imports: people, the lists they are on, and files of people."""

from datetime import datetime
from typing import Annotated, Any, BinaryIO, cast

from django.http import HttpRequest
from ninja import Query, Router, Schema
from ninja.errors import HttpError
from ninja.responses import Status
from pydantic import Field

from chappe.features.clock import now_ms
from chappe.features.contacts import services
from chappe.features.contacts.csv_file import MOST_COLUMNS
from chappe.features.contacts.models import Contact, ContactImport, ContactList
from chappe.web.api.auth import may_manage, may_read, organisation_of
from chappe.web.api.field import Body, Cursor, Limit, shown_time

router = Router(tags=["contacts"])

Attribute = str | int | float | bool | None
Region = Annotated[str | None, Query(description="two letters: whose numbers those without a country code are")]

# What a request has around the file: boundaries and headers of multipart/form-data.
ENVELOPE_OCTETS = 64 * 1024


class ListBody(Body):
    name: str = Field(max_length=200)


class ListOut(Schema):
    id: int
    name: str
    attributes: list[str] = Field(description="what a text for this list may mention beside phone and email")
    created_at: datetime | None


class ListDetail(ListOut):
    size: int = Field(description="people on the list")


class ListPage(Schema):
    items: list[ListOut]
    next: str | None


class ContactCreate(Body):
    phone: str | None = Field(
        default=None, max_length=64, description="needed, or an e-mail address", examples=["+33612345678"]
    )
    email: str | None = Field(default=None, max_length=320, examples=["jane@example.org"])
    external_id: str = Field(default="", max_length=200, description="your own name for the person; unique")
    attributes: dict[str, Attribute] = {}
    default_region: str | None = Field(default=None, max_length=2, examples=["FR"])
    list_ids: list[int] = Field(default=[], max_length=100)


class ContactChange(Body):
    phone: str | None = Field(default=None, max_length=64, description="empty: the person has none any more")
    email: str | None = Field(default=None, max_length=320, description="empty: the person has none any more")
    external_id: str | None = Field(default=None, max_length=200)
    attributes: dict[str, Attribute] | None = Field(default=None, description="only what changes; null takes one away")
    default_region: str | None = Field(default=None, max_length=2)


class ContactOut(Schema):
    id: int
    external_id: str
    phone: str = Field(description="E.164; empty where what was given is no number")
    phone_raw: str = Field(description="as it was given")
    email: str = Field(description="in small letters; empty where what was given is no address")
    email_raw: str = Field(description="as it was given")
    attributes: dict[str, Any]
    created_at: datetime | None


class ContactPage(Schema):
    items: list[ContactOut]
    next: str | None


class Members(Body):
    contact_ids: list[int] = Field(min_length=1, max_length=services.MOST_MEMBERS_AT_ONCE)


class MembersChanged(Schema):
    changed: int


class ImportOut(Schema):
    id: int
    list_id: int
    filename: str
    status: str = Field(
        description="uploading, mapping (somebody is to say at the console what its columns are), waiting, running, "
        "finished or failed"
    )
    rows: int = Field(description="rows done with so far")
    imported: int
    rejected: int
    error: str = Field(description="why the file as a whole was not imported")
    created_at: datetime | None
    finished_at: datetime | None


class ImportPage(Schema):
    items: list[ImportOut]
    next: str | None


class ImportErrorOut(Schema):
    line: int = Field(description="of the file, the header being 1")
    field: str = Field(description="the column; empty where the row as a whole is broken")
    message: str


class ImportErrorPage(Schema):
    items: list[ImportErrorOut]
    next: str | None


# -- lists -----------------------------------------------------------------------------------------------------------


@router.get("/lists", response=ListPage, auth=may_read, summary="List lists")
def list_lists(request: HttpRequest, cursor: Cursor = "", limit: Limit = 50) -> ListPage:
    page = services.lists_page(organisation_of(request), cursor, limit)
    return ListPage(items=[_list(row) for row in page.items], next=page.next)


@router.post("/lists", response={201: ListDetail}, auth=may_manage, summary="Create a list")
def create_list(request: HttpRequest, payload: ListBody) -> Status[ListDetail]:
    return Status(201, _detail(services.create_list(organisation_of(request), payload.name, now_ms())))


@router.get("/lists/{int:list_id}", response=ListDetail, auth=may_read, summary="Read a list")
def read_list(request: HttpRequest, list_id: int) -> ListDetail:
    return _detail(services.find_list(organisation_of(request), list_id))


@router.patch("/lists/{int:list_id}", response=ListDetail, auth=may_manage, summary="Rename a list")
def rename_list(request: HttpRequest, list_id: int, payload: ListBody) -> ListDetail:
    return _detail(services.rename_list(organisation_of(request), list_id, payload.name))


@router.delete("/lists/{int:list_id}", response={204: None}, auth=may_manage, summary="Delete a list; its people stay")
def delete_list(request: HttpRequest, list_id: int) -> Status[None]:
    services.delete_list(organisation_of(request), list_id, now_ms())
    return Status(204, None)


@router.get("/lists/{int:list_id}/members", response=ContactPage, auth=may_read, summary="List the people of a list")
def list_members(request: HttpRequest, list_id: int, cursor: Cursor = "", limit: Limit = 50) -> ContactPage:
    """In the order of their numbers."""
    page = services.members_page(organisation_of(request), list_id, cursor, limit)
    return ContactPage(items=[_contact(row) for row in page.items], next=page.next)


@router.post("/lists/{int:list_id}/members", response=MembersChanged, auth=may_manage, summary="Put people on a list")
def add_members(request: HttpRequest, list_id: int, payload: Members) -> MembersChanged:
    return MembersChanged(changed=services.add_members(organisation_of(request), list_id, payload.contact_ids))


@router.post(
    "/lists/{int:list_id}/members/remove", response=MembersChanged, auth=may_manage, summary="Take people off a list"
)
def remove_members(request: HttpRequest, list_id: int, payload: Members) -> MembersChanged:
    return MembersChanged(changed=services.remove_members(organisation_of(request), list_id, payload.contact_ids))


# -- people ----------------------------------------------------------------------------------------------------------


@router.get("/contacts", response=ContactPage, auth=may_read, summary="List or find people")
def list_contacts(
    request: HttpRequest,
    phone: Annotated[str, Query(max_length=64)] = "",
    external_id: Annotated[str, Query(max_length=200)] = "",
    email: Annotated[str, Query(max_length=320)] = "",
    cursor: Cursor = "",
    limit: Limit = 50,
) -> ContactPage:
    page = services.contacts_page(organisation_of(request), cursor, limit, phone, external_id, email)
    return ContactPage(items=[_contact(row) for row in page.items], next=page.next)


@router.post("/contacts", response={201: ContactOut}, auth=may_manage, summary="Create a contact")
def create_contact(request: HttpRequest, payload: ContactCreate) -> Status[ContactOut]:
    details = services.Details(**payload.dict(exclude={"list_ids"}))
    created = services.create_contact(organisation_of(request), details, payload.list_ids, now_ms())
    return Status(201, _contact(created))


@router.get("/contacts/{int:contact_id}", response=ContactOut, auth=may_read, summary="Read a contact")
def read_contact(request: HttpRequest, contact_id: int) -> ContactOut:
    return _contact(services.find_contact(organisation_of(request), contact_id))


@router.patch("/contacts/{int:contact_id}", response=ContactOut, auth=may_manage, summary="Change a contact")
def change_contact(request: HttpRequest, contact_id: int, payload: ContactChange) -> ContactOut:
    details = services.Details(**payload.dict(exclude={"list_ids"}))
    return _contact(services.change_contact(organisation_of(request), contact_id, details))


@router.delete("/contacts/{int:contact_id}", response={204: None}, auth=may_manage, summary="Delete a contact")
def delete_contact(request: HttpRequest, contact_id: int) -> Status[None]:
    """Messages to the person stay; see the erasure of a person."""
    services.delete_contact(organisation_of(request), contact_id)
    return Status(204, None)


@router.post("/contacts/{int:contact_id}/erase", response={202: None}, auth=may_manage, summary="Erase a person")
def erase_contact(request: HttpRequest, contact_id: int) -> Status[None]:
    """The contact goes at once, the texts to and from the number soon after. What stays: counts, and the quarantine."""
    services.erase_contact(organisation_of(request), contact_id, now_ms())
    return Status(202, None)


# -- files -----------------------------------------------------------------------------------------------------------


@router.post(
    "/lists/{int:list_id}/imports",
    response={202: ImportOut},
    auth=may_manage,
    summary="Import a CSV file into a list",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {"file": {"type": "string", "format": "binary"}},
                    }
                },
            },
        }
    },
)
def upload_file(
    request: HttpRequest,
    list_id: int,
    phone_column: Annotated[str | None, Query(max_length=200, description="found by its name unless given")] = None,
    default_region: Region = None,
    encoding: Annotated[str | None, Query(description="utf-8, cp1252 or latin-1; found out unless given")] = None,
    delimiter: Annotated[str | None, Query(description="found out unless given")] = None,
    columns: Annotated[
        list[str] | None,
        Query(
            max_length=MOST_COLUMNS,
            description="what each column becomes, given once for each in the order of the file: phone, email, external_id, "
            "the name of an attribute, or nothing for one that is left out; by its name unless given",
        ),
    ] = None,
    filename: Annotated[str, Query(max_length=255)] = "",
) -> Status[ImportOut]:
    """The first line names the columns. One is the phone, one the e-mail address (one of both may be missing);
    `external_id` updates the person who has it already; the others become attributes. The file is imported after this
    answer: read the import to follow it."""
    organisation_id = organisation_of(request)
    services.find_list(organisation_id, list_id)
    options = services.ImportOptions(phone_column, default_region, encoding, delimiter, columns)
    stream, name = _file(request)
    row = services.upload(organisation_id, list_id, stream, options, filename or name, now_ms())
    return Status(202, _import(row))


@router.get("/imports", response=ImportPage, auth=may_read, summary="List imports")
def list_imports(request: HttpRequest, cursor: Cursor = "", limit: Limit = 50) -> ImportPage:
    page = services.imports_page(organisation_of(request), cursor, limit)
    return ImportPage(items=[_import(row) for row in page.items], next=page.next)


@router.get("/imports/{int:import_id}", response=ImportOut, auth=may_read, summary="Read an import")
def read_import(request: HttpRequest, import_id: int) -> ImportOut:
    return _import(services.find_import(organisation_of(request), import_id))


@router.get(
    "/imports/{int:import_id}/errors", response=ImportErrorPage, auth=may_read, summary="List the rows not imported"
)
def list_import_errors(request: HttpRequest, import_id: int, cursor: Cursor = "", limit: Limit = 50) -> ImportErrorPage:
    """The first ten thousand of a file are kept."""
    page = services.import_errors_page(organisation_of(request), import_id, cursor, limit)
    items = [ImportErrorOut(line=one.line, field=one.field, message=one.message) for one in page.items]
    return ImportErrorPage(items=items, next=page.next)


def _file(request: HttpRequest) -> tuple[BinaryIO, str]:
    """The file of a request and its name. Nothing of it is read into memory here."""
    length = request.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > services.LARGEST_FILE + ENVELOPE_OCTETS:
        raise HttpError(413, f"The file is larger than {services.LARGEST_FILE // 1024**2} MiB.")
    if request.content_type == "text/csv":
        return cast(BinaryIO, request), ""
    if request.content_type != "multipart/form-data":
        raise HttpError(415, "Send the file as text/csv, or in the field file of multipart/form-data.")
    file = request.FILES.get("file")
    if file is None:
        raise HttpError(400, "The form has no file in the field file.")
    return cast(BinaryIO, file), file.name or ""


def _list(row: ContactList) -> ListOut:
    return ListOut(id=row.pk, name=row.name, attributes=row.attributes, created_at=shown_time(row.created_ms))


def _detail(row: ContactList) -> ListDetail:
    return ListDetail(**_list(row).dict(), size=services.size_of_list(row.pk))


def _contact(row: Contact) -> ContactOut:
    return ContactOut(
        id=row.pk,
        external_id=row.external_id,
        phone=row.phone,
        phone_raw=row.phone_raw,
        email=row.email,
        email_raw=row.email_raw,
        attributes=row.attributes,
        created_at=shown_time(row.created_ms),
    )


def _import(row: ContactImport) -> ImportOut:
    return ImportOut(
        id=row.pk,
        list_id=row.list_id,
        filename=row.filename,
        status=row.status,
        rows=row.rows,
        imported=row.imported,
        rejected=row.rejected,
        error=row.error,
        created_at=shown_time(row.created_ms),
        finished_at=shown_time(row.finished_ms),
    )
