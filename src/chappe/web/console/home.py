"""The first page: what needs a person now, and how today goes."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from django.http import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from chappe.features.accounts.person import Person
from chappe.features.accounts.right import Right
from chappe.features.attention import Concern, Matter, Progress, concerns, running
from chappe.features.clock import instant, now_ms
from chappe.features.connections.explanation import number
from chappe.features.connections.performance import lines_of
from chappe.features.connections.wall import offset_ms, sent_chart
from chappe.features.deliveries.state import STATUSES, TONES
from chappe.features.messages import traffic
from chappe.features.messages.traffic import Period
from chappe.features.view import PageRequest, page
from chappe.messaging import TrafficKind

Words = str | Promise
REFRESH_MS = 60_000
"""How old the page may get when nothing changes but the time."""
ALL = frozenset(Right)


@dataclass(frozen=True)
class Told:
    """A concern in words, with the page where it is looked into."""

    words: str
    names: str
    url: str
    is_bad: bool


@dataclass(frozen=True)
class Figure:
    """A number of today; `share` of what was sent, where that means something."""

    label: Words
    value: int
    share_of: int = 0


@dataclass(frozen=True)
class Step:
    """One of the first things to do; without an address where the person may not."""

    label: Words
    text: Words
    url: str


@dataclass(frozen=True)
class Run:
    """A delivery that runs."""

    progress: Progress
    status: Words
    tone: str
    url: str


@page()
def home(request: PageRequest) -> HttpResponseBase:
    person, now = request.person, now_ms()
    organisation_id = person.organisation_id
    lines = lines_of(organisation_id, now)
    if not lines:
        return render(request, "console/welcome.html", {"steps": _steps(person)})
    lately = _lately(organisation_id, now)
    shown = {
        "concerns": [_told(one) for one in concerns(organisation_id, lines, lately, person.rights, now)],
        "today": _today(lately, now),
        "chart": sent_chart(lately),
        "runs": [_run(one) for one in running(organisation_id)] if person.may(Right.SEE_DELIVERIES) else [],
    }
    return render(request, "console/home.html", shown)


def fingerprint(organisation_id: int, _subject: int) -> Hashable:
    """What differs when the page would, whoever looks at it."""
    now = now_ms()
    lines, lately = lines_of(organisation_id, now), _lately(organisation_id, now)
    known = concerns(organisation_id, lines, lately, ALL, now)
    found = tuple((one.matter, one.count, tuple(one.names)) for one in known)
    runs = tuple((one.delivery.pk, one.delivery.status, one.done) for one in running(organisation_id))
    today = tuple(lately.total(kind) for kind in TrafficKind)
    return now // REFRESH_MS, bool(lines), found, runs, today


# -- today -------------------------------------------------------------------------------------------------------------


def _lately(organisation_id: int, now: int) -> traffic.Series:
    """The last day in half hours, one of which begins at the reader's midnight: one look into the counts for the page."""
    return traffic.of_organisation(organisation_id, traffic.steps_until(now, Period.DAY, offset_ms(now)))


def _today(lately: traffic.Series, now: int) -> list[Figure]:
    midnight = _midnight(now)
    found = {kind: lately.total(kind, midnight) for kind in TrafficKind}
    sent = found[TrafficKind.SENT]
    return [
        Figure(_("Sent"), sent),
        Figure(_("Delivered"), found[TrafficKind.DELIVERED], sent),
        Figure(_("Failed"), found[TrafficKind.FAILED] + found[TrafficKind.EXPIRED], sent),
        Figure(_("Texts received"), found[TrafficKind.INBOUND]),
        Figure(_("Opted out"), found[TrafficKind.OPT_OUT]),
    ]


def _midnight(now: int) -> int:
    """When today began, for the reader."""
    local = timezone.localtime(instant(now))
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)


def _run(progress: Progress) -> Run:
    status = progress.delivery.status
    return Run(progress, STATUSES[status], TONES[status], reverse("deliveries:delivery", args=[progress.delivery.pk]))


# -- what needs a person -----------------------------------------------------------------------------------------------

WORDS: Mapping[Matter, Callable[[int], str]] = {
    Matter.NO_ENGINE: lambda n: ngettext(
        "%(count)s connection that no engine serves", "%(count)s connections that no engine serves", n
    ),
    Matter.LINKS_DOWN: lambda n: ngettext(
        "%(count)s connection with links that are down", "%(count)s connections with links that are down", n
    ),
    Matter.LATE: lambda n: ngettext(
        "%(count)s connection whose messages have been due for more than a quarter of an hour",
        "%(count)s connections whose messages have been due for more than a quarter of an hour",
        n,
    ),
    Matter.MID_SILENT: lambda n: ngettext(
        "%(count)s connection whose mid has not answered for minutes",
        "%(count)s connections whose mid has not answered for minutes",
        n,
    ),
    Matter.MID_DIFFERS: lambda n: ngettext(
        "%(count)s connection that counts otherwise than its mid",
        "%(count)s connections that count otherwise than their mid",
        n,
    ),
    Matter.UNMATCHED: lambda n: ngettext(
        "%(count)s receipt since yesterday that is for no message of ours",
        "%(count)s receipts since yesterday that are for no message of ours",
        n,
    ),
    Matter.UNKNOWN_ERRORS: lambda n: ngettext(
        "%(count)s error of a provider that nobody has given a meaning yet",
        "%(count)s errors of providers that nobody has given a meaning yet",
        n,
    ),
    Matter.CALLBACKS_OFF: lambda n: ngettext(
        "%(count)s callback that was switched off because of its answers",
        "%(count)s callbacks that were switched off because of their answers",
        n,
    ),
    Matter.CALLBACKS_FAILING: lambda n: ngettext(
        "%(count)s callback that does not get through", "%(count)s callbacks that do not get through", n
    ),
    Matter.DEAD_LETTERS: lambda n: ngettext(
        "%(count)s call to a callback that was given up", "%(count)s calls to callbacks that were given up", n
    ),
    Matter.CERTIFICATE_OVER: lambda n: ngettext(
        "%(count)s certificate that has expired", "%(count)s certificates that have expired", n
    ),
    Matter.CERTIFICATE_ENDS: lambda n: ngettext(
        "%(count)s certificate that expires soon, the first in %(days)s days",
        "%(count)s certificates that expire soon, the first in %(days)s days",
        n,
    ),
    Matter.DELIVERIES_FAILED: lambda n: ngettext(
        "%(count)s delivery that could not be prepared", "%(count)s deliveries that could not be prepared", n
    ),
}
OF_CONNECTIONS = frozenset(
    {
        Matter.NO_ENGINE,
        Matter.LINKS_DOWN,
        Matter.LATE,
        Matter.UNMATCHED,
        Matter.CERTIFICATE_OVER,
        Matter.CERTIFICATE_ENDS,
    }
)
OF_MID = frozenset({Matter.MID_SILENT, Matter.MID_DIFFERS})
OF_CERTIFICATES = frozenset({Matter.CERTIFICATE_OVER, Matter.CERTIFICATE_ENDS})
OF_CALLBACKS = frozenset({Matter.CALLBACKS_OFF, Matter.CALLBACKS_FAILING, Matter.DEAD_LETTERS})


def _told(concern: Concern) -> Told:
    shown = f"{number(concern.count)}+" if concern.is_more else number(concern.count)
    words = WORDS[concern.matter](concern.count) % {"count": shown, "days": concern.days}
    return Told(words, ", ".join(concern.names), _where(concern), concern.is_bad)


def _where(concern: Concern) -> str:
    """The page of the one thing that it is about, or of all of its kind."""
    if concern.matter in OF_CONNECTIONS:
        name = "overview" if concern.matter in OF_CERTIFICATES else "performance"
        return _one_or_all(f"connections:{name}", "connections:wall", concern.subject_id)
    if concern.matter in OF_MID:
        return _one_or_all("mid:step", "mid:list", concern.subject_id)
    if concern.matter in OF_CALLBACKS:
        return _one_or_all("callbacks:callback", "callbacks:list", concern.subject_id)
    if concern.matter is Matter.DELIVERIES_FAILED:
        return _one_or_all("deliveries:delivery", "deliveries:list", concern.subject_id)
    return reverse("errors:list")


def _one_or_all(one: str, every: str, subject_id: int) -> str:
    return reverse(one, args=[subject_id]) if subject_id else reverse(every)


# -- the beginning -----------------------------------------------------------------------------------------------------


def _steps(person: Person) -> list[Step]:
    """What somebody does first who has just installed this."""
    return [
        Step(
            _("Connect your provider"),
            _("With the account that it gave you, by SMPP or by HTTP. Everything else is sent through it."),
            _allowed(person, Right.MANAGE_CONNECTIONS, "connections:pick"),
        ),
        Step(
            _("Import the people you write to"),
            _("From a CSV file; numbers that cannot be read are shown to you row by row."),
            _allowed(person, Right.MANAGE_CONTACTS, "contacts:lists"),
        ),
        Step(
            _("Write to them"),
            _("Prepare a delivery, see what it costs and whom it leaves out, then send it and watch it arrive."),
            _allowed(person, Right.USE_DELIVERIES, "deliveries:list"),
        ),
    ]


def _allowed(person: Person, right: Right, name: str) -> str:
    return reverse(name) if person.may(right) else ""
