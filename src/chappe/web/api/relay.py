"""/v1/relay: what an operator, another Chappe, asks and says of its account here. It sends messages by the intake."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query, Router, Schema
from ninja.errors import AuthorizationError
from pydantic import Field

import chappe
from chappe.engine.net.redact import mask_numbers
from chappe.features.accounts.operator import warnings_of
from chappe.features.accounts.services import REPLIES
from chappe.features.clock import now_ms
from chappe.features.connections.account import Naming, find_account
from chappe.features.connections.models import Connection
from chappe.features.deliveries.link import base_for
from chappe.features.mask import masked
from chappe.features.messages.timeline import timeline
from chappe.features.refusal import InvalidInput
from chappe.features.relay import quarantine, services
from chappe.messaging import DeliveryState
from chappe.providers.relay import packed
from chappe.web.api.auth import may_relay, operator_of
from chappe.web.api.field import Body

router = Router(tags=["relay"])

LAST_PAGE = "chappe-last-page"
MOST_FIGURES = 100
MOST_KNOWN = 10_000
MOST_ROWS = 500

Name = Annotated[str, Path(description="the internal name that the account has on the operator's side", max_length=200)]
After = Annotated[int, Query(description="the last page that is there already", ge=0, le=services.LARGEST_NUMBER)]
Since = Annotated[
    int, Query(description="pages of before this instant are passed over; ms since 1970", ge=0, lt=1 << 62)
]
Deliveries = Annotated[
    str,
    Query(description=f"the operator's numbers, with commas between them, {MOST_FIGURES} at most", max_length=2_000),
]
AfterMs = Annotated[int, Query(description="changes up to this instant are passed over", ge=0, lt=1 << 62)]
Most = Annotated[int, Query(description="entries at most", ge=1, le=quarantine.MOST_ENTRIES)]
Status = Literal["valid", "with_errors", "quarantine", "denylisted"]
Action = Literal["pause", "resume", "cancel"]


class RelaySignIn(Body):
    push_url: str = Field(max_length=2_000, description="where pages are pushed to; empty: the operator only asks")
    secret: str = Field(default="", max_length=200, description="whsec_…: what pushes are signed with")


class RelayAccountOut(Schema):
    account: str = Field(description="internal name of the connection here")
    operator: str
    is_enabled: bool
    rights: list[str]
    version: str
    now_ms: int
    connection: str
    warnings: list[str]
    first_page: int = Field(description="the oldest that is kept; one more than the last where none is")
    last_page: int
    link_base: str | None = Field(
        description="what short links of the account begin with; empty: they cannot be made; null: it is not known here"
    )


class RelayFiguresOut(Schema):
    now_ms: int
    deliveries: dict[str, dict[str, int]] = Field(description="messages by state, of each delivery")


class RelayEventOut(Schema):
    at_ms: int
    kind: str
    text: str


class RelayMessageOut(Schema):
    id: int
    recipient: str = Field(description="masked")
    state: str
    reason: str
    events: list[RelayEventOut]


class RelayNumbers(Body):
    ids: list[int] = Field(max_length=MOST_KNOWN)


class RelayKnownOut(Schema):
    known: list[int]


class RelayDeliveryOut(Schema):
    status: Literal["sending", "paused", "cancelled"]


class RelayEntry(Body):
    address: str = Field(max_length=320)
    short_code: str = Field(default="", max_length=21)
    status: Status
    reason: str = Field(default="", max_length=200)
    changed_ms: int = Field(ge=0, lt=1 << 62)


class RelayQuarantine(Body):
    now_ms: int = Field(ge=0, lt=1 << 62, description="what time it is with the caller")
    entries: list[RelayEntry] = Field(max_length=quarantine.MOST_ENTRIES)


class RelayChangedOut(Schema):
    changed: int


class RelayEntryOut(Schema):
    address: str
    short_code: str
    status: Status
    reason: str
    changed_ms: int


class RelayQuarantineOut(Schema):
    now_ms: int
    until_ms: int = Field(description="what is asked for next comes after it")
    is_more: bool
    entries: list[RelayEntryOut]


class RelayReplies(Body):
    rows: list[dict[str, str]] = Field(max_length=MOST_ROWS)


class RelayRepliesOut(Schema):
    rows: list[dict[str, str]]
    version: int


# -- the account -----------------------------------------------------------------------------------------------------


@router.get("/accounts/{name}", response=RelayAccountOut, auth=may_relay, summary="Read the account")
def read_account(request: HttpRequest, name: Name) -> RelayAccountOut:
    return _out(request, _account(request, name))


@router.put("/accounts/{name}", response=RelayAccountOut, auth=may_relay, summary="Say where to push pages to")
def sign_in(request: HttpRequest, name: Name, payload: RelaySignIn) -> RelayAccountOut:
    account = _account(request, name)
    services.sign_in(account, operator_of(request), payload.push_url, payload.secret, now_ms())
    return _out(request, account)


def _account(request: HttpRequest, name: str) -> Connection:
    """The operator's own account. Raises NotFound."""
    found = find_account(operator_of(request), name)
    services.note_heard(found, now_ms())
    return found


def _out(request: HttpRequest, account: Connection) -> RelayAccountOut:
    operator = operator_of(request)
    first, last = services.page_span(account.pk)
    return RelayAccountOut(
        account=account.internal_name,
        operator=operator.login,
        is_enabled=account.is_enabled,
        rights=list(operator.scopes),
        version=chappe.__version__,
        now_ms=now_ms(),
        connection=account.name,
        warnings=[*warnings_of(operator), *Naming(account.organisation_id).warnings(account)],
        first_page=first,
        last_page=last,
        link_base=base_for(account),
    )


# -- what became of messages -----------------------------------------------------------------------------------------


@router.get(
    "/accounts/{name}/pages",
    auth=may_relay,
    summary="What became of messages",
    openapi_extra={
        "responses": {
            200: {
                "description": "Pages in their order, as JSON within gzip. `told` is empty where nothing is new.",
                "headers": {LAST_PAGE: {"description": "the newest page there is", "schema": {"type": "integer"}}},
                "content": {"application/gzip": {"schema": {"type": "string", "format": "binary"}}},
            }
        }
    },
)
def read_pages(request: HttpRequest, name: Name, after: After = 0, since_ms: Since = 0) -> HttpResponse:
    account = _account(request, name)
    if not since_ms:  # else it reads again what it had, from wherever it likes
        services.note_pulled(account, after, now_ms())
    found = services.pages_after(account.pk, after, since_ms)
    answer = HttpResponse(packed(found.json(now_ms())), content_type="application/gzip")
    answer[LAST_PAGE] = str(found.newest)
    return answer


@router.get("/accounts/{name}/figures", response=RelayFiguresOut, auth=may_relay, summary="Count messages by state")
def read_figures(request: HttpRequest, name: Name, deliveries: Deliveries) -> RelayFiguresOut:
    account = _account(request, name)
    found = services.figures(account.pk, _numbers(deliveries))
    return RelayFiguresOut(now_ms=now_ms(), deliveries={str(number): states for number, states in found.items()})


def _numbers(text: str) -> list[int]:
    parts = text.split(",")
    if len(parts) > MOST_FIGURES or not all(part.isascii() and part.isdigit() for part in parts):
        raise InvalidInput.at("deliveries", f"must be numbers with commas between them, {MOST_FIGURES} at most")
    return [int(part) for part in parts]


@router.get(
    "/accounts/{name}/messages/{int:relay_id}",
    response=RelayMessageOut,
    auth=may_relay,
    summary="Read the life of a message",
)
def read_message(request: HttpRequest, name: Name, relay_id: int) -> RelayMessageOut:
    """By the operator's own number of it."""
    row = services.message_of(_account(request, name), relay_id)
    shown = masked(row.recipient)

    def said(text: str) -> str:
        return mask_numbers(text.replace(row.recipient, shown))

    events = [RelayEventOut(at_ms=one.at_ms, kind=one.kind, text=said(one.text)) for one in timeline(row, now_ms())]
    state = DeliveryState(row.state).name.lower()
    return RelayMessageOut(id=row.pk, recipient=shown, state=state, reason=said(row.reason), events=events)


@router.post(
    "/accounts/{name}/messages/known", response=RelayKnownOut, auth=may_relay, summary="Which messages were taken here"
)
def known_messages(request: HttpRequest, name: Name, payload: RelayNumbers) -> RelayKnownOut:
    return RelayKnownOut(known=services.known(_account(request, name).pk, payload.ids))


# -- what the operator says ------------------------------------------------------------------------------------------


@router.post(
    "/accounts/{name}/deliveries/{int:number}/{action}",
    response=RelayDeliveryOut,
    auth=may_relay,
    summary="Pause, resume or cancel a delivery",
)
def change_delivery(request: HttpRequest, name: Name, number: int, action: Action) -> RelayDeliveryOut:
    """By the operator's own number of it. What is cancelled stays so, and so does what was paused on this side."""
    row = services.delivery_is(_account(request, name), number, action, now_ms(), services.OPERATOR)
    return RelayDeliveryOut.model_validate({"status": row.status})


@router.post(
    "/accounts/{name}/quarantine",
    response=RelayChangedOut,
    auth=may_relay,
    summary="Tell what changed in the quarantine",
)
def tell_quarantine(request: HttpRequest, name: Name, payload: RelayQuarantine) -> RelayChangedOut:
    """Entries that say what is so already, or of before, change nothing."""
    account, here_ms = _account(request, name), now_ms()
    entries = [quarantine.Entry(**entry.dict()) for entry in payload.entries]
    return RelayChangedOut(changed=quarantine.heed(account, entries, here_ms - payload.now_ms, here_ms))


@router.get(
    "/accounts/{name}/quarantine",
    response=RelayQuarantineOut,
    auth=may_relay,
    summary="Hear what changed in the quarantine",
)
def hear_quarantine(
    request: HttpRequest, name: Name, after_ms: AfterMs = 0, limit: Most = quarantine.MOST_ENTRIES
) -> dict[str, Any]:
    """Oldest first, of numbers that the account has written to, and of people who said something to it. What is being written
    at this moment may be told later than what is after it: ask again from some time before."""
    found = quarantine.changed_since(_account(request, name), after_ms, limit)
    return {"now_ms": now_ms(), "until_ms": found.until_ms, "is_more": found.is_more, "entries": found.entries}


@router.put("/accounts/{name}/replies", response=RelayRepliesOut, auth=may_relay, summary="Write the automatic replies")
def write_replies(request: HttpRequest, name: Name, payload: RelayReplies) -> RelayRepliesOut:
    operator, account = operator_of(request), _account(request, name)
    if REPLIES not in operator.scopes:
        raise AuthorizationError(message=f"The operator {operator.login} does not have the right replies.")
    changed = services.set_replies(account, payload.rows, now_ms())
    return RelayRepliesOut(rows=changed.settings.get(services.REPLIES, []), version=changed.version)
