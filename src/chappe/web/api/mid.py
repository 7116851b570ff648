"""/v1/connections/{id}/mid: how far a connection that hands over to another Chappe is in step with it."""

from datetime import datetime

from django.http import HttpRequest
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import Field

from chappe.features.clock import now_ms
from chappe.features.connections.models import Connection
from chappe.features.jobs.models import Job
from chappe.features.relay import mending, picture
from chappe.features.relay.models import RelayLink
from chappe.features.relay.picture import Sides
from chappe.features.relay.step_view import asked_of, state_of
from chappe.web.api.auth import may_manage, may_read, organisation_of
from chappe.web.api.field import shown_time

router = Router(tags=["connections"])


class SidesOut(Schema):
    delivery_id: int
    here: dict[str, int] = Field(description="messages by state")
    on_mid: dict[str, int] = Field(description="messages by state, as mid told them last")
    told_at: datetime | None = Field(description="when mid's figures were read last; null: not yet")
    changed_at: datetime | None = Field(description="when mid's figures changed last")
    unlike: int = Field(description="messages that the two sides tell differently, at least")
    stands: bool = Field(description="true where that is more than what is under way")


class MendingOut(Schema):
    status: str = Field(description="waiting, running, finished or failed")
    error: str
    begun_at: datetime | None
    finished_at: datetime | None


class MidOut(Schema):
    connection_id: int
    state: str = Field(
        description="off: switched off; new: not asked yet; silent: for minutes; error: it could not be asked; differs: "
        "figures do, by more than what is under way; fine"
    )
    error: str = Field(description="why mid could not be asked by an engine; empty where it could")
    heard_at: datetime | None = Field(description="when mid answered an engine last")
    pushed_at: datetime | None = Field(description="when mid called last")
    reread_at: datetime | None = Field(description="when the pages of a day were read again last")
    clock_ms: int = Field(description="by how much mid's clock is ahead, where that is worth correcting")
    version: str = Field(description="mid's")
    pages_heeded: int
    pages_behind: int | None = Field(
        description="pages that mid has and that are not heeded here yet; null: mid is silent"
    )
    silence: str = Field(description="why mid did not answer at this moment; empty where it did")
    deliveries: list[SidesOut] = Field(description="the latest that are not over, or were a day ago")
    mending: MendingOut | None = Field(description="the last; null: there was none")


@router.get("/{int:connection_id}/mid", response=MidOut, auth=may_read, summary="Read how far mid is in step")
def read_mid(request: HttpRequest, connection_id: int) -> MidOut:
    """Of a connection that hands over to another Chappe. Mid itself is asked, too, for at most a second and a half."""
    return _out(picture.find_relay(organisation_of(request), connection_id))


@router.post(
    "/{int:connection_id}/mid/mend", response={202: MidOut}, auth=may_manage, summary="Bring mid in step again"
)
def mend(request: HttpRequest, connection_id: int) -> Status[MidOut]:
    """An engine reads again what mid told in the last day; then everything that still waits as handed over is handed over
    again. Mid knows each message by its number, so nothing is sent twice."""
    mending.mend(organisation_of(request), connection_id, now_ms())
    return Status(202, _out(picture.find_relay(organisation_of(request), connection_id)))


def _out(connection: Connection) -> MidOut:
    now = now_ms()
    step = picture.step_of(connection, now)
    row, asked = step.row or RelayLink(connection_id=connection.pk), asked_of(step)
    return MidOut(
        connection_id=connection.pk,
        state=state_of(step, now),
        error=row.error,
        heard_at=shown_time(row.heard_ms),
        pushed_at=shown_time(row.pushed_ms),
        reread_at=shown_time(row.reread_ms),
        clock_ms=step.clock_ms,
        version=row.mid_version,
        pages_heeded=row.page,
        pages_behind=asked.pages,
        silence=asked.problem,
        deliveries=[_sides(one, now) for one in step.sides],
        mending=_mending(mending.last_mending(connection.pk)),
    )


def _mending(job: Job | None) -> MendingOut | None:
    if job is None:
        return None
    return MendingOut(
        status=job.status, error=job.error, begun_at=shown_time(job.created_ms), finished_at=shown_time(job.finished_ms)
    )


def _sides(one: Sides, now: int) -> SidesOut:
    return SidesOut(
        delivery_id=one.delivery.pk,
        here={count.state.name.lower(): count.here for count in one.counts if count.here},
        on_mid={count.state.name.lower(): count.on_mid for count in one.counts if count.on_mid},
        told_at=shown_time(one.told_ms),
        changed_at=shown_time(one.since_ms),
        unlike=one.unlike,
        stands=one.stands(now),
    )
