"""The components of every page: fields, icons, states, times, numbers, charts, pagers. Built in: no page loads them."""

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django import template
from django.conf import settings
from django.contrib.staticfiles import finders
from django.forms import BoundField, CheckboxInput, Form, RadioSelect
from django.template.context import RequestContext
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext, pgettext_lazy

from chappe.engine.net.redact import mask_numbers
from chappe.features.accounts.right import LABELS, ROLE_LABELS, Right, Role
from chappe.features.chart import Chart, Share
from chappe.features.clock import instant, now_ms
from chappe.features.live import TOPICS, mark
from chappe.features.mask import masked
from chappe.features.state import STATES, TONES
from chappe.features.words import localised
from chappe.messaging import DeliveryState
from chappe.web.console import drawing
from chappe.web.console.icon import ICONS
from chappe.web.console.navigation import menu_for

register = template.Library()

# Formats of Django's `date` filter. French shortens the names of months its own way: j N Y.
MOMENT = pgettext_lazy("date format", "j M Y H:i")
SECONDS = pgettext_lazy("date format", "j M Y H:i:s")
NOTHING = "—"
_ADDRESS = re.compile(r"[^\s<>\"'(),;:@]{1,64}@[\w.-]{1,255}")


# -- files -----------------------------------------------------------------------------------------------------------


@register.simple_tag
def asset(path: str) -> str:
    """The address of a static file, with a mark of its content, so that browsers keep it until it changes."""
    return f"{static(path)}?v={_mark(path)}"


@cache
def _mark(path: str) -> str:
    found = finders.find(path)
    assert isinstance(found, str), f"there is no static file {path}"
    return hashlib.sha256(Path(found).read_bytes()).hexdigest()[:10]


@register.simple_tag
def icon(name: str) -> SafeString:
    """A small drawing beside words; those who cannot see it miss nothing."""
    return format_html(
        '<svg class="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><path d="{}"/></svg>',
        ICONS[name],
    )


@register.simple_tag
def can_send_mail() -> bool:
    """Whether this installation sends mail to its people."""
    return bool(settings.CONFIGURATION.mail_url)


@register.inclusion_tag("console/components/menu.html", takes_context=True)
def menu(context: RequestContext) -> dict[str, Any]:
    """Empty for those who belong to no organisation: they may still change their password."""
    request = context["request"]
    return {"groups": list(menu_for(request.person, request.path)) if request.person is not None else []}


# -- forms -----------------------------------------------------------------------------------------------------------


@register.inclusion_tag("console/components/field.html")
def field(bound: BoundField, warning: str = "", unit: str = "") -> dict[str, Any]:
    """A field with its label, what it means, what is wrong with it, and what is risky about it."""
    widget = bound.field.widget
    described = [f"{bound.auto_id}_{part}" for part in ("help", "warning", "error") if _has(bound, part, warning)]
    attributes: dict[str, str | bool] = {"aria-describedby": " ".join(described)} if described else {}
    if bound.errors:
        attributes["aria-invalid"] = "true"
    return {
        "field": bound,
        "control": bound.as_widget(attrs=attributes),
        "is_check": isinstance(widget, CheckboxInput),
        "is_group": isinstance(widget, RadioSelect),  # boxes of which several may be ticked are a kind of it
        "warning": warning,
        "unit": unit,
    }


def _has(bound: BoundField, part: str, warning: str) -> bool:
    return bool({"help": bound.help_text, "warning": warning, "error": bound.errors}[part])


@register.inclusion_tag("console/components/errors.html")
def form_errors(form: Form) -> dict[str, Any]:
    """What is wrong with a form as a whole, and where to look; above its fields."""
    wrong = [bound for bound in form if bound.errors]
    return {"errors": form.non_field_errors(), "wrong": wrong}


@register.inclusion_tag("console/components/action.html", takes_context=True)
def action(
    context: RequestContext, url: str, label: str, tone: str = "", symbol: str = "", **values: Any
) -> dict[str, Any]:
    """A button that changes something: a form of its own, with `values` as hidden fields."""
    return {
        "request": context["request"],
        "csrf_token": context.get("csrf_token"),
        "url": url,
        "label": label,
        "tone": tone,
        "symbol": symbol,
        "values": values,
    }


# -- lists -----------------------------------------------------------------------------------------------------------


@register.inclusion_tag("console/components/pager.html", takes_context=True)
def pager(context: RequestContext, page: Any) -> dict[str, Any]:
    """To the next page of a list that is read by key, and back to its beginning."""
    request = context["request"]
    query = request.GET.copy()
    query.pop("cursor", None)
    first = query.urlencode()
    if page.next:
        query["cursor"] = page.next
    return {
        "is_first": "cursor" not in request.GET,
        "first": f"?{first}",
        "next": page.next and f"?{query.urlencode()}",
    }


@register.inclusion_tag("console/components/empty.html")
def empty(title: str, text: str = "", url: str = "", label: str = "", symbol: str = "list") -> dict[str, Any]:
    """What stands where there is nothing yet: what would be here, and what to do next."""
    return {"title": title, "text": text, "url": url, "label": label, "symbol": symbol}


# -- words and numbers -----------------------------------------------------------------------------------------------


@register.simple_tag
def pill(label: str | Promise, tone: str = "mute") -> SafeString:
    """A word in a colour that has a meaning: good, bad, warn, info, mute."""
    return format_html('<span class="pill {}">{}</span>', tone, label)


@register.simple_tag
def state_pill(state: int) -> SafeString:
    """The state of a message."""
    known = DeliveryState(state)
    return pill(STATES[known], TONES[known])


@register.filter
def words(text: str) -> str:
    """A sentence of the engine or of a provider's declaration, in the reader's language."""
    return localised(str(text))


@register.filter
def right_label(right: str) -> str | Promise:
    return LABELS[Right(right)] if right in set(Right) else right


@register.filter
def role_label(role: str) -> str | Promise:
    return ROLE_LABELS[Role(role)] if role in set(Role) else role


@register.filter
def count(value: float | None) -> str:
    """A number as people read it."""
    if value is None:
        return NOTHING
    decimals = 0 if value == int(value) else 1
    return str(formats.number_format(round(value, decimals), decimals, force_grouping=True))


@register.filter
def percent(part: float, whole: float) -> str:
    """A share; a dash of nothing. What is not nothing is never shown as 0 %, and what is not all never as 100 %."""
    if not whole:
        return NOTHING
    value = 100 * part / whole
    is_whole = value in (0, 100)
    shown = (
        formats.number_format(round(value), 0)
        if is_whole
        else formats.number_format(min(max(round(value, 1), 0.1), 99.9), 1)
    )
    return gettext("%(number)s%%") % {"number": shown}


@register.simple_tag(takes_context=True)
def number(context: RequestContext, value: str) -> str:
    """A person's number or address: whole for those who may see it."""
    return value if _may(context, Right.SEE_NUMBERS) else masked(value)


@register.simple_tag(takes_context=True)
def text(context: RequestContext, value: str) -> str:
    """The text of a message, for those who may see it."""
    if _may(context, Right.SEE_TEXTS):
        return value
    return ngettext("hidden text of %(count)s character", "hidden text of %(count)s characters", len(value)) % {
        "count": len(value)
    }


@register.simple_tag(takes_context=True)
def said(context: RequestContext, value: str) -> str:
    """What a provider said: it may name the number that it was about, or the address."""
    return (
        value if _may(context, Right.SEE_NUMBERS) else mask_numbers(_ADDRESS.sub(lambda found: masked(found[0]), value))
    )


@register.simple_tag(takes_context=True)
def may(context: RequestContext, right: str) -> bool:
    """Whether the person has a right: `{% may "manage_contacts" as is_allowed %}`."""
    return _may(context, Right(right))


def _may(context: RequestContext, right: Right) -> bool:
    person = getattr(context["request"], "person", None)
    return person is not None and person.may(right)


# -- times -----------------------------------------------------------------------------------------------------------


@register.simple_tag
def moment(ms: int | None, seconds: bool = False) -> SafeString | str:
    """An instant, in the reader's zone; a dash where there is none."""
    at = instant(ms) if ms else None
    return (
        _time(at, formats.date_format(timezone.localtime(at), str(SECONDS if seconds else MOMENT))) if at else NOTHING
    )


@register.simple_tag
def clock(ms: int) -> SafeString | str:
    """The time of day of an instant, to the millisecond, in the reader's zone."""
    at = instant(ms) if ms else None
    return _time(at, f"{timezone.localtime(at):%H:%M:%S}.{ms % 1000:03}") if at else NOTHING


@register.simple_tag
def ago(ms: int | None) -> SafeString | str:
    """How long since an instant, with the instant itself for those who point at it."""
    at = instant(ms) if ms else None
    if at is None or ms is None:
        return NOTHING
    passed = now_ms() - ms
    if passed < 5_000:
        return _time(at, gettext("just now") if passed > -5_000 else gettext("in %(span)s") % {"span": span(-passed)})
    return _time(at, gettext("%(span)s ago") % {"span": span(passed)})


def _time(at: datetime, shown: str) -> SafeString:
    whole = formats.date_format(timezone.localtime(at), str(SECONDS))
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(timespec="seconds"), whole, shown)


@register.filter
def span(ms: float) -> str:
    """How long, in the two largest units; below ten seconds with the milliseconds that matter."""
    if ms < 1_000:
        return gettext("%(count)s ms") % {"count": count(round(ms))}
    if ms < 10_000:
        return gettext("%(count)s s") % {"count": formats.number_format(round(ms / 1000, 1), 1)}
    seconds = int(ms // 1000)
    for size, shown, below, below_shown in (
        (86_400, gettext("%(count)s d"), 3_600, gettext("%(count)s h")),
        (3_600, gettext("%(count)s h"), 60, gettext("%(count)s min")),
        (60, gettext("%(count)s min"), 1, gettext("%(count)s s")),
    ):
        if seconds >= size:
            rest = seconds % size // below
            large = shown % {"count": seconds // size}
            return f"{large} {below_shown % {'count': rest}}" if rest else large
    return gettext("%(count)s s") % {"count": seconds}


# -- charts ----------------------------------------------------------------------------------------------------------


@register.inclusion_tag("console/components/chart.html")
def chart(of: Chart) -> dict[str, Any]:
    """Columns, and the same as a table."""
    rows = [(label, [series.values[place] for series in of.series]) for place, label in enumerate(of.labels)]
    return {"chart": of, "drawing": drawing.drawn(of, count), "rows": rows}


@register.inclusion_tag("console/components/shares.html")
def shares(of: Sequence[Share], label: str) -> dict[str, Any]:
    """Parts of a whole: a bar, and its legend with figures."""
    return {"parts": drawing.parts(of), "label": label}


@register.inclusion_tag("console/components/live.html", takes_context=True)
def live(context: RequestContext, topic: str, subject: int, fragment: str) -> dict[str, Any]:
    """Keeps the element with the id `fragment` as the page would have it now. Where there is no script, it stays as it is."""
    request = context["request"]
    found = TOPICS[topic].fingerprint(request.person.organisation_id, subject)
    return {"topic": topic, "subject": subject, "fragment": fragment, "seen": mark(found), "request": request}
