"""In step with mid: how far each connection that hands over is, where the figures differ, and the button that mends it."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chappe.engine.vault import Sealed
from chappe.features.accounts.right import Right
from chappe.features.clock import now_ms
from chappe.features.connections.fact import counterpart_of
from chappe.features.connections.models import Connection
from chappe.features.connections.services import verification_subject
from chappe.features.jobs.models import Job
from chappe.features.relay import mending, picture
from chappe.features.relay.life import WITHIN_S
from chappe.features.relay.picture import Step
from chappe.features.view import PageRequest, page

Words = str | Promise
REFRESH_MS = 10_000
"""How old the page may get on which nothing changes but the time."""
STATES: Mapping[str, tuple[Words, str]] = {
    "off": (gettext_lazy("Switched off"), "mute"),
    "new": (gettext_lazy("Not asked yet"), "warn"),
    "silent": (gettext_lazy("Mid does not answer"), "bad"),
    "error": (gettext_lazy("Out of step"), "warn"),
    "differs": (gettext_lazy("Figures differ"), "warn"),
    "fine": (gettext_lazy("In step"), "good"),
}
MENDING: Mapping[str, tuple[Words, str]] = {
    "waiting": (gettext_lazy("Being mended"), "info"),
    "running": (gettext_lazy("Being mended"), "info"),
    "finished": (gettext_lazy("Mended"), "good"),
    "failed": (gettext_lazy("Could not be mended"), "bad"),
}


@dataclass(frozen=True)
class Asked:
    """What mid says at this moment: pages that are not heeded here yet, None where that is not known; or why it says
    nothing."""

    pages: int | None = None
    problem: str = ""


def state_of(step: Step, now: int) -> str:
    """A word for programs, and the key of `STATES`."""
    if not step.connection.is_enabled:
        return "off"
    if step.is_silent(now):
        return "silent"
    if step.row is None:
        return "new"
    if step.row.error:
        return "error"
    return "differs" if step.unlike(now) else "fine"


@page(Right.SEE_CONNECTIONS)
def list_steps(request: PageRequest) -> HttpResponseBase:
    found, now = picture.relay_connections(request.person.organisation_id), now_ms()
    if len(found) == 1:
        return redirect("mid:step", found[0].pk)
    steps = [picture.step_of(one, now) for one in found]
    return render(request, "relay/steps.html", {"steps": [(one, *STATES[state_of(one, now)]) for one in steps]})


@page(Right.SEE_CONNECTIONS)
def show_step(request: PageRequest, mid_id: int) -> HttpResponseBase:
    """`mid_id` is the number of the connection."""
    connection, now = picture.find_relay(request.person.organisation_id, mid_id), now_ms()
    step, job = picture.step_of(connection, now), mending.last_mending(connection.pk)
    shown = {
        "connection": connection,
        "step": step,
        "state": STATES[state_of(step, now)],
        "unlike": step.unlike(now),
        "on_its_way": step.under_way - sum(one.unlike for one in step.unlike(now)),
        "asked": asked_of(step),
        "counterpart": counterpart_of(connection),
        "job": job,
        "mending": MENDING[job.status] if job is not None else None,
        "is_mending": is_open(job),
    }
    return render(request, "relay/step.html", shown)


def is_open(job: Job | None) -> bool:
    return job is not None and job.status in ("waiting", "running")


def asked_of(step: Step) -> Asked:
    """Ask mid itself, within a second and a half."""
    from chappe.engine.net.mid_question import MidSilent, account_of

    if not step.connection.is_enabled:
        return Asked()
    try:
        told = async_to_sync(account_of)(verification_subject(step.connection), WITHIN_S)
    except Sealed as error:
        return Asked(problem=str(error))
    except MidSilent as error:
        return Asked(problem=error.reason)
    return Asked(max(0, told.last_page - (step.row.page if step.row is not None else 0)))


@page(Right.SEE_CONNECTIONS, change=Right.MANAGE_CONNECTIONS)
def mend(request: PageRequest, mid_id: int) -> HttpResponseBase:
    """What it does, and the button."""
    organisation_id = request.person.organisation_id
    connection = picture.find_relay(organisation_id, mid_id)
    if request.method != "POST":
        return render(request, "relay/mend.html", {"connection": connection})
    mending.mend(organisation_id, mid_id, now_ms())
    messages.success(request, _("Mending has begun: pages are read again, then what still waits is handed over again."))
    return redirect("mid:step", mid_id)


def fingerprint(organisation_id: int, connection_id: int) -> Hashable:
    """What differs when the page of a connection would; 0: that of all. Raises NotFound."""
    now = now_ms()
    if not connection_id:
        return tuple(_facts(one, now) for one in picture.relay_connections(organisation_id))
    return _facts(picture.find_relay(organisation_id, connection_id), now)


def _facts(connection: Connection, now: int) -> Hashable:
    step, job = picture.step_of(connection, now), mending.last_mending(connection.pk)
    row = (step.row.page, step.row.error, step.row.reread_ms) if step.row is not None else ()
    counts = tuple((one.delivery.pk, one.unlike, one.here, one.on_mid) for one in step.sides)
    return now // REFRESH_MS, state_of(step, now), row, counts, job.status if job is not None else ""
