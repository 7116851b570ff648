"""/v1/callbacks: customers' URLs that we call when something happened, signed as Standard Webhooks say."""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import AwareDatetime, Field

from chappe.engine.callback import webhook_id
from chappe.features.callbacks import services
from chappe.features.callbacks.models import CallbackEndpoint, CallbackEvent
from chappe.features.callbacks.services import Change, Letters, Secret
from chappe.features.clock import now_ms
from chappe.features.page import LARGEST_ID
from chappe.rules.callback import EVENTS
from chappe.web.api.auth import may_manage, may_read, organisation_of
from chappe.web.api.field import Body, Cursor, Limit, shown_time

router = Router(tags=["callbacks"])

Type = Annotated[str, Query(alias="type", description=f"only calls of this event: {', '.join(EVENTS)}", max_length=20)]
NETWORKS = "private networks and hosts that may be called, separated by commas; others than these must be public"


class CallbackCreate(Body):
    url: str = Field(max_length=2000, examples=["https://example.org/messages"])
    events: list[str] = Field(default=list(EVENTS), max_length=50, description="what it wants to hear of; default: all")
    allowed_networks: str = Field(default="", max_length=2000, description=NETWORKS)
    is_enabled: bool = True


class CallbackChange(Body):
    url: str | None = Field(default=None, max_length=2000)
    events: list[str] | None = Field(default=None, max_length=50)
    allowed_networks: str | None = Field(default=None, max_length=2000, description=NETWORKS)
    is_enabled: bool | None = None
    version: int | None = Field(default=None, description="the version you read: 409 when somebody changed it since")


class Rotation(Body):
    overlap_s: int = Field(default=services.OVERLAP_S, description="for how long the secret before signs as well")


class Replay(Body):
    """Which dead letters: those that fit all that is given."""

    ids: list[int] | None = Field(default=None, max_length=services.MOST_REPLAYED)
    type: str = Field(default="", max_length=20)
    since: AwareDatetime | None = Field(default=None, strict=False, description="given up then or later")
    until: AwareDatetime | None = Field(default=None, strict=False, description="given up then or before")


class CallbackOut(Schema):
    id: int
    url: str
    events: list[str]
    allowed_networks: str
    is_enabled: bool
    disabled_reason: str = Field(description="why it was switched off, where nobody of yours did it")
    previous_secret_until: datetime | None = Field(
        description="until when calls are signed with the secret before, too"
    )
    version: int
    created_at: datetime | None
    changed_at: datetime | None


class CallbackSecretOut(CallbackOut):
    secret: str = Field(description="shown now and never again")


class CallbackList(Schema):
    items: list[CallbackOut]


class DeadLetterOut(Schema):
    id: int
    webhook_id: str = Field(description="the header of the same name, which stays when it is replayed")
    type: str
    subject_id: int = Field(description="the id of the message or of the text from a phone")
    happened_at: datetime | None
    dead_at: datetime | None
    attempts: int
    last_status: int | None = Field(description="what the endpoint answered last; null: there was no answer")
    last_error: str


class DeadLetterPage(Schema):
    items: list[DeadLetterOut]
    next: str | None


class Replayed(Schema):
    replayed: int = Field(description=f"how many are called again; {services.MOST_REPLAYED} at most for a request")


class TestOut(Schema):
    webhook_id: str


@router.get("", response=CallbackList, auth=may_read, summary="List callbacks")
def list_callbacks(request: HttpRequest) -> CallbackList:
    rows = services.endpoints_of(organisation_of(request)).order_by("pk")
    return CallbackList(items=[_out(row) for row in rows])


@router.post("", response={201: CallbackSecretOut}, auth=may_manage, summary="Create a callback")
def create_callback(request: HttpRequest, payload: CallbackCreate) -> Status[CallbackSecretOut]:
    made = services.create_endpoint(
        organisation_of(request),
        payload.url,
        now_ms(),
        events=payload.events,
        allowed_networks=payload.allowed_networks,
        is_enabled=payload.is_enabled,
    )
    return Status(201, _with_secret(made))


@router.get("/{int:callback_id}", response=CallbackOut, auth=may_read, summary="Read a callback")
def read_callback(request: HttpRequest, callback_id: int) -> CallbackOut:
    return _out(services.find_endpoint(organisation_of(request), callback_id))


@router.patch("/{int:callback_id}", response=CallbackOut, auth=may_manage, summary="Change a callback")
def change_callback(request: HttpRequest, callback_id: int, payload: CallbackChange) -> CallbackOut:
    change = Change(**payload.dict())
    return _out(services.change_endpoint(organisation_of(request), callback_id, change, now_ms()))


@router.delete("/{int:callback_id}", response={204: None}, auth=may_manage, summary="Delete a callback")
def delete_callback(request: HttpRequest, callback_id: int) -> Status[None]:
    services.delete_endpoint(organisation_of(request), callback_id, now_ms())
    return Status(204, None)


@router.post(
    "/{int:callback_id}/rotate-secret", response=CallbackSecretOut, auth=may_manage, summary="Make a new secret"
)
def rotate_secret(request: HttpRequest, callback_id: int, payload: Rotation | None = None) -> CallbackSecretOut:
    """Calls are signed with both secrets until the time of the old one is over."""
    overlap_s = (payload or Rotation()).overlap_s
    return _with_secret(services.rotate_secret(organisation_of(request), callback_id, now_ms(), overlap_s))


@router.post("/{int:callback_id}/test", response={202: TestOut}, auth=may_manage, summary="Have a test call made")
def test_callback(request: HttpRequest, callback_id: int) -> Status[TestOut]:
    """A call of the type `callback.test`. An engine makes it, within a second or so."""
    event = services.send_test(organisation_of(request), callback_id, now_ms())
    return Status(202, TestOut(webhook_id=webhook_id(event.pk, event.at_ms)))


@router.get(
    "/{int:callback_id}/dead-letters", response=DeadLetterPage, auth=may_read, summary="List calls that were given up"
)
def list_dead_letters(
    request: HttpRequest, callback_id: int, event: Type = "", cursor: Cursor = "", limit: Limit = 50
) -> DeadLetterPage:
    """What was given up last comes first."""
    page = services.dead_letters(organisation_of(request), callback_id, Letters(event=event), cursor, limit)
    return DeadLetterPage(items=[_letter(row) for row in page.items], next=page.next)


@router.post(
    "/{int:callback_id}/dead-letters/replay",
    response=Replayed,
    auth=may_manage,
    summary="Make dead letters' calls again",
)
def replay_dead_letters(request: HttpRequest, callback_id: int, payload: Replay | None = None) -> Replayed:
    """Under the same `webhook-id`, and for another 24 hours. Without a body: all, the oldest first."""
    wanted = payload or Replay()
    letters = Letters(
        wanted.ids,
        wanted.type,
        _ms(wanted.since) if wanted.since else 1,
        _ms(wanted.until) if wanted.until else LARGEST_ID,
    )
    return Replayed(replayed=services.replay(organisation_of(request), callback_id, letters, now_ms()))


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _with_secret(made: Secret) -> CallbackSecretOut:
    return CallbackSecretOut(**_out(made.row).dict(), secret=made.secret)


def _out(row: CallbackEndpoint) -> CallbackOut:
    is_both = row.previous_until_ms > now_ms()
    return CallbackOut(
        id=row.pk,
        url=row.url,
        events=row.events,
        allowed_networks=row.allowed_networks,
        is_enabled=row.is_enabled,
        disabled_reason=row.disabled_reason,
        previous_secret_until=shown_time(row.previous_until_ms) if is_both else None,
        version=row.version,
        created_at=shown_time(row.created_ms),
        changed_at=shown_time(row.changed_ms),
    )


def _letter(row: CallbackEvent) -> DeadLetterOut:
    return DeadLetterOut(
        id=row.pk,
        webhook_id=webhook_id(row.pk, row.at_ms),
        type=row.type,
        subject_id=row.subject_id,
        happened_at=shown_time(row.at_ms),
        dead_at=shown_time(row.dead_ms),
        attempts=row.attempts,
        last_status=row.last_status or None,
        last_error=row.last_error,
    )
