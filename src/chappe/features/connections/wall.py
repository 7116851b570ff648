"""The wall of links, and how fast one connection is: live pages for those who operate."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from django import forms
from django.http import HttpResponseBase
from django.shortcuts import render
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chappe.features.accounts.right import Right
from chappe.features.chart import Chart, Series
from chappe.features.clock import instant, now_ms
from chappe.features.connections.explanation import advice_words, headline, what_limits
from chappe.features.connections.link import Link
from chappe.features.connections.performance import LARGEST_RATE, Line, line_of, lines_of, speed_of, unmatched_receipts
from chappe.features.messages import traffic
from chappe.features.messages.traffic import Period, Steps
from chappe.features.view import PageRequest, page
from chappe.messaging import TrafficKind
from chappe.rules.bottleneck import Limit

Words = str | Promise
REFRESH_MS = 30_000
"""How old a page may get on which nothing changes but the time."""
MOST_LINKS = 8
"""Shown of a connection on the wall; all are on its own page."""
LINK_STATES: Mapping[str, tuple[Words, str]] = {
    "bound": (gettext_lazy("Logged in"), "good"),
    "ready": (gettext_lazy("Ready"), "good"),
    "slowed": (gettext_lazy("Asked to pause"), "warn"),
    "down": (gettext_lazy("Down"), "bad"),
    "silent": (gettext_lazy("Silent"), "bad"),
}
ROLES: Mapping[str, Words] = {
    "transceiver": gettext_lazy("sends and receives"),
    "transmitter": gettext_lazy("sends"),
    "receiver": gettext_lazy("receives"),
    "http": gettext_lazy("sends by HTTP"),
}
PERIODS: Mapping[Period, Words] = {
    Period.HOURS: gettext_lazy("6 hours"),
    Period.DAY: gettext_lazy("24 hours"),
    Period.WEEK: gettext_lazy("7 days"),
    Period.MONTH: gettext_lazy("30 days"),
    Period.YEAR: gettext_lazy("1 year"),
}
ENDS = (
    (gettext_lazy("Delivered"), "good", (TrafficKind.DELIVERED,)),
    (gettext_lazy("Failed"), "bad", (TrafficKind.FAILED,)),
    (gettext_lazy("Expired or left out"), "warn", (TrafficKind.EXPIRED, TrafficKind.EXCLUDED, TrafficKind.CANCELLED)),
)


@dataclass(frozen=True)
class ShownLink:
    link: Link
    state: Words
    tone: str
    role: Words

    @property
    def number(self) -> int:
        return self.link.slot + 1


@dataclass(frozen=True)
class ShownLine:
    """A connection as it is drawn."""

    line: Line
    state: str
    tone: str
    why: str
    links: Sequence[ShownLink]
    hidden: int = 0

    @property
    def has_engines(self) -> bool:
        """Whether more than one engine has some of the links."""
        return len({one.link.owner for one in self.links}) > 1


@page(Right.SEE_CONNECTIONS)
def wall(request: PageRequest) -> HttpResponseBase:
    lines = [drawn_line(line, MOST_LINKS) for line in lines_of(request.person.organisation_id, now_ms())]
    return render(request, "connections/wall.html", {"lines": lines})


@page(Right.SEE_CONNECTIONS)
def performance(request: PageRequest, connection_id: int) -> HttpResponseBase:
    now, organisation_id = now_ms(), request.person.organisation_id
    line = line_of(organisation_id, connection_id, now)
    period = traffic.read_period(request.GET.get("period", ""))
    form = RateForm(request.GET if request.GET.get("rate") else None)
    speed = speed_of(line, form.value, now)
    series = traffic.of_connection(organisation_id, connection_id, traffic.steps_until(now, period, offset_ms(now)))
    shown = {
        "shown": drawn_line(line),
        "form": form,
        "speed": speed,
        "headline": headline(speed),
        "advice": advice_words(speed),
        "charts": [sent_chart(series), ends_chart(series)],
        "period": period,
        "periods": [(one, label, one is period) for one, label in PERIODS.items()],
        "unmatched": unmatched_receipts(organisation_id, connection_id),
    }
    return render(request, "connections/performance.html", shown)


class RateForm(forms.Form):
    """The speed that somebody wants, of which the advisor says what it needs."""

    rate = forms.FloatField(
        label=gettext_lazy("Speed you want"),
        min_value=0.1,
        max_value=LARGEST_RATE,
        localize=True,
    )

    @property
    def value(self) -> float | None:
        return self.cleaned_data.get("rate") if self.is_bound and self.is_valid() else None


def fingerprint(organisation_id: int, connection_id: int) -> Hashable:
    """What differs when the wall would (0), or the page of one connection. Raises NotFound."""
    now = now_ms()
    found = [line_of(organisation_id, connection_id, now)] if connection_id else lines_of(organisation_id, now)
    return now // REFRESH_MS, tuple((one.connection.pk, one.connection.version, _moving(one)) for one in found)


def _moving(line: Line) -> Hashable:
    links = tuple((one.slot, one.role, one.state, one.is_live, one.in_flight, one.sent_per_s) for one in line.links)
    return line.bottleneck.limit, line.queue.messages, line.matched, line.unmatched, links


# -- what is drawn -----------------------------------------------------------------------------------------------------


def drawn_line(line: Line, most: int | None = None) -> ShownLine:
    state, tone = _state(line)
    links = [_shown_link(link) for link in line.links]
    kept = links if most is None else links[:most]
    return ShownLine(line, state, tone, what_limits(line), kept, len(links) - len(kept))


def _state(line: Line) -> tuple[str, str]:
    """In a word or two, with the colour that it has."""
    up, links = sum(link.is_bound for link in line.links), len(line.links)
    match line.bottleneck.limit:
        case Limit.OFF:
            return _("Off"), "mute"
        case Limit.NO_ENGINE:
            return _("No engine"), "bad"
        case Limit.DOWN:
            return _("Down"), "bad"
        case Limit.PAUSE:
            return _("Asked to pause"), "warn"
    if up < links:
        return _("%(up)s of %(links)s up") % {"up": up, "links": links}, "warn"
    return _("Up"), "good"


def _shown_link(link: Link) -> ShownLink:
    state, tone = LINK_STATES.get(link.state if link.is_live else "silent", (link.state, "mute"))
    return ShownLink(link, state, tone, ROLES.get(link.role, link.role))


def sent_chart(series: traffic.Series) -> Chart:
    """How many messages went out."""
    drawn = [Series(_("Sent"), "info", series.of(TrafficKind.SENT))]
    return Chart(_("Messages sent"), _labels(series.steps), drawn)


def ends_chart(series: traffic.Series) -> Chart:
    """What became of messages, when it was told."""
    drawn = [
        Series(name, tone, [sum(values) for values in zip(*(series.of(kind) for kind in kinds), strict=True)])
        for name, tone, kinds in ENDS
    ]
    return Chart(_("What became of them, by the time it was told"), _labels(series.steps), drawn)


def _labels(steps: Steps) -> list[str]:
    style = "H:i" if steps.step_ms < traffic.HOUR_MS else "j M H:i" if steps.step_ms < traffic.DAY_MS // 2 else "j M"
    begins = (instant(steps.begin(place)) for place in range(steps.count))
    return [formats.date_format(timezone.localtime(at), style) for at in begins if at is not None]


def offset_ms(now: int) -> int:
    """How far the reader's clocks are ahead of UTC."""
    offset = timezone.localtime(instant(now)).utcoffset()
    return int(offset.total_seconds() * 1000) if offset else 0
