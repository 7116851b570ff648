"""/v1/connections: accounts with providers."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from django.http import HttpRequest
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from chappe.features.clock import now_ms
from chappe.features.connections import services, trial
from chappe.features.connections.account import MOST_CHARACTERS, Naming
from chappe.features.connections.exchange import exchanges_page
from chappe.features.connections.link import Link, links_of
from chappe.features.connections.models import Connection
from chappe.features.connections.replacement import replace_connection
from chappe.features.messages.models import Exchange
from chappe.web.api.auth import may_manage, may_read, organisation_of
from chappe.web.api.field import Body, Cursor, Limit, shown_time

if TYPE_CHECKING:
    from chappe.engine.net.verification import Verification as Found

router = Router(tags=["connections"])

INTERNAL_NAME = (
    "letters, digits, _ . - and the only one of the organisation; <operator>_<its account> where another Chappe sends through "
    "the connection; may be empty"
)


class ConnectionCreate(Body):
    name: str = Field(max_length=200)
    provider: str = Field(max_length=40, examples=["smpp"])
    settings: dict[str, Any] = Field(default={}, description="by name, as the provider's settings page lists them")
    is_enabled: bool = True
    internal_name: str = Field(default="", max_length=MOST_CHARACTERS, description=INTERNAL_NAME)


class ConnectionChange(Body):
    name: str | None = Field(default=None, max_length=200)
    settings: dict[str, Any] | None = Field(
        default=None, description="only what changes; null: back to the default; ********: the secret stays as it is"
    )
    is_enabled: bool | None = None
    position: int | None = Field(
        default=None, description="in the list, whose first is used where a message or a delivery names none"
    )
    version: int | None = Field(default=None, description="the version you read: 409 when somebody changed it since")
    internal_name: str | None = Field(default=None, max_length=MOST_CHARACTERS, description=INTERNAL_NAME)


class ConnectionReplacement(Body):
    name: str | None = Field(default=None, max_length=200, description="else the old one's")
    settings: dict[str, Any] = Field(
        default={}, description="what differs; secrets that are left out, or ********, stay as they are"
    )
    version: int | None = Field(default=None, description="the version you read: 409 when somebody changed it since")


class Verification(Body):
    test_number: str | None = Field(
        default=None,
        max_length=320,
        description="where to send a test message: a number, or an address; none: none is sent",
    )
    test_text: str | None = Field(
        default=None, max_length=20_000, description="its text, or the JSON that an e-mail provider takes"
    )


class Trial(Verification):
    provider: str = Field(max_length=40, examples=["esp"])
    settings: dict[str, Any] = Field(default={}, description="by name, as the provider's settings page lists them")


class LinkOut(Schema):
    slot: int
    role: str
    state: str
    reason: str
    is_live: bool = Field(description="false: its engine fell silent, and the rest is what it last said")
    window: int
    in_flight: int
    sent_per_s: float
    limit_per_s: float
    since: datetime | None


class ConnectionOut(Schema):
    id: int
    name: str
    provider: str
    settings: dict[str, Any] = Field(description="secrets that were given read ********")
    is_enabled: bool
    position: int = Field(description="in the list; the same: the older one first")
    replaced_by: int | None = Field(description="the connection that is used instead of this one")
    internal_name: str = Field(description=INTERNAL_NAME)
    operator: str | None = Field(description="the login of the operator whose account it is, by its internal name")
    warnings: list[str] = Field(description="what to know of its internal name; empty where all is well")
    version: int
    created_at: datetime | None
    changed_at: datetime | None
    links: list[LinkOut]


class ExchangeKept(Schema):
    direction: Literal["out", "in"] = Field(description="out: we called the provider; in: it called us")
    at: datetime | None
    took_ms: float
    method: str
    url: str
    request: str = Field(description="headers and body; secrets, numbers and texts are masked")
    status: int = Field(description="0: there was no answer")
    response: str
    outcome: str = Field(description="what was made of it")


class ExchangePage(Schema):
    items: list[ExchangeKept]
    next: str | None


class ConnectionList(Schema):
    items: list[ConnectionOut]


class FindingOut(Schema):
    level: Literal["ok", "warning", "error"]
    text: str


class ExchangeOut(Schema):
    what: str = Field(description="credentials, or test message")
    request: str = Field(description="as it went out, but for secrets")
    response: str = Field(description="as it came, but for secrets; empty where there was none")
    reading: str = Field(description="what was made of it")
    took_ms: float


class VerificationOut(Schema):
    is_usable: bool = Field(description="true where no finding is an error")
    findings: list[FindingOut]
    exchanges: list[ExchangeOut] = Field(description="of a provider that is called by HTTP")


@router.get("", response=ConnectionList, auth=may_read, summary="List connections")
def list_connections(
    request: HttpRequest,
    replaced: Annotated[bool, Query(description="also those that were replaced")] = False,
) -> ConnectionList:
    """The first that is switched on, complete and of the right channel is used where a message or a delivery names none."""
    rows = list(services.connections_of(organisation_of(request), with_replaced=replaced))
    links = links_of([row.pk for row in rows], now_ms())
    naming = Naming(organisation_of(request))
    return ConnectionList(
        items=[_out(row, [link for link in links if link.connection_id == row.pk], naming) for row in rows]
    )


@router.post("", response={201: ConnectionOut}, auth=may_manage, summary="Create a connection")
def create_connection(request: HttpRequest, payload: ConnectionCreate) -> Status[ConnectionOut]:
    created = services.create_connection(
        organisation_of(request),
        payload.name,
        payload.provider,
        payload.settings,
        now_ms(),
        is_enabled=payload.is_enabled,
        internal_name=payload.internal_name,
    )
    return Status(201, _out(created, []))


@router.get("/{int:connection_id}", response=ConnectionOut, auth=may_read, summary="Read a connection")
def read_connection(request: HttpRequest, connection_id: int) -> ConnectionOut:
    return _with_links(services.find_connection(organisation_of(request), connection_id))


@router.patch("/{int:connection_id}", response=ConnectionOut, auth=may_manage, summary="Change a connection")
def change_connection(request: HttpRequest, connection_id: int, payload: ConnectionChange) -> ConnectionOut:
    change = services.Change(**payload.dict())
    return _with_links(services.change_connection(organisation_of(request), connection_id, change, now_ms()))


@router.post(
    "/{int:connection_id}/replace", response={201: ConnectionOut}, auth=may_manage, summary="Replace a connection"
)
def replace(request: HttpRequest, connection_id: int, payload: ConnectionReplacement) -> Status[ConnectionOut]:
    """A new connection with other settings, in the old one's place: its name, its position, what waits for it, and
    deliveries that are not over. The old one is switched off and can still be read. Messages that name it go through the
    new one."""
    made = replace_connection(
        organisation_of(request),
        connection_id,
        payload.settings,
        now_ms(),
        name=payload.name,
        version=payload.version,
    )
    return Status(201, _out(made, []))


@router.delete("/{int:connection_id}", response={204: None}, auth=may_manage, summary="Delete a connection")
def delete_connection(request: HttpRequest, connection_id: int) -> Status[None]:
    services.delete_connection(organisation_of(request), connection_id)
    return Status(204, None)


@router.post("/{int:connection_id}/verify", response=VerificationOut, auth=may_manage, summary="Verify a connection")
def verify_connection(request: HttpRequest, connection_id: int, payload: Verification | None = None) -> VerificationOut:
    """Uses the connection with the settings as they are kept, and says what it found."""
    connection = services.find_connection(organisation_of(request), connection_id)
    wanted = payload or Verification()
    found = services.verify_connection(connection, test_number=wanted.test_number, test_text=wanted.test_text)
    return _verification(found)


@router.post("/try", response=VerificationOut, auth=may_manage, summary="Try settings that are not kept")
def try_settings(request: HttpRequest, payload: Trial) -> VerificationOut:
    """What a connection with these settings would do: without a recipient it authenticates, with one it sends to it."""
    found = trial.try_settings(
        organisation_of(request),
        payload.provider,
        payload.settings,
        test_number=payload.test_number,
        test_text=payload.test_text,
    )
    return _verification(found)


def _verification(found: "Found") -> VerificationOut:
    return VerificationOut(
        is_usable=found.is_usable,
        findings=[FindingOut(level=finding.level, text=finding.text) for finding in found.findings],
        exchanges=[ExchangeOut(**msgspec.structs.asdict(exchange)) for exchange in found.exchanges],
    )


@router.get("/{int:connection_id}/exchanges", response=ExchangePage, auth=may_manage, summary="List the last exchanges")
def list_exchanges(request: HttpRequest, connection_id: int, cursor: Cursor = "", limit: Limit = 50) -> ExchangePage:
    """What was sent to the provider and what it called, lately: a sample of what went well, and more of what did not."""
    page = exchanges_page(organisation_of(request), connection_id, cursor, limit)
    return ExchangePage(items=[_exchange(row) for row in page.items], next=page.next)


def _exchange(row: Exchange) -> ExchangeKept:
    return ExchangeKept(
        direction="out" if row.direction == "out" else "in",
        at=shown_time(row.at_ms),
        took_ms=row.took_ms,
        method=row.method,
        url=row.url,
        request=row.request,
        status=row.status,
        response=row.response,
        outcome=row.outcome,
    )


def _with_links(row: Connection) -> ConnectionOut:
    return _out(row, links_of([row.pk], now_ms()))


def _out(row: Connection, links: list[Link], naming: Naming | None = None) -> ConnectionOut:
    naming = naming or Naming(row.organisation_id)
    owner = naming.owner(row)
    return ConnectionOut(
        id=row.pk,
        name=row.name,
        provider=row.provider,
        settings=services.shown_settings(row),
        is_enabled=row.is_enabled,
        position=row.position,
        replaced_by=row.replaced_by or None,
        internal_name=row.internal_name,
        operator=owner.login if owner is not None else None,
        warnings=naming.warnings(row),
        version=row.version,
        created_at=shown_time(row.created_ms),
        changed_at=shown_time(row.changed_ms),
        links=[_link(link) for link in links],
    )


def _link(link: Link) -> LinkOut:
    return LinkOut(
        slot=link.slot,
        role=link.role,
        state=link.state,
        reason=link.reason,
        is_live=link.is_live,
        window=link.window,
        in_flight=link.in_flight,
        sent_per_s=link.sent_per_s,
        limit_per_s=link.limit_per_s,
        since=shown_time(link.since_ms),
    )
