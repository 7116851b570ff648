"""What limits a connection, and what a wanted speed needs, in words for people."""

from collections.abc import Iterator

from django.utils import formats
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chappe.features.connections.performance import Line, Speed, about
from chappe.features.words import localised
from chappe.rules.advisor import Change, Step
from chappe.rules.bottleneck import Bottleneck, Limit

PLAIN: dict[Limit, str | Promise] = {
    Limit.OFF: gettext_lazy("It is switched off: nothing is sent through it."),
    Limit.NO_ENGINE: gettext_lazy("No engine serves it: nothing is sent. Start one, or look into its log."),
    Limit.DOWN: gettext_lazy("None of its links is up: nothing is sent."),
    Limit.NOTHING_WAITS: gettext_lazy("Nothing waits to be sent."),
    Limit.HELD: gettext_lazy("Only messages of paused deliveries wait."),
    Limit.LATER: gettext_lazy("Only messages that are due later wait."),
    Limit.PAUSE: gettext_lazy("The provider has asked for a pause: we were too fast for it."),
    Limit.OWN_COMMITS: gettext_lazy(
        "The window is full although the provider answers quickly: our own database is slow."
    ),
    Limit.NOTHING: gettext_lazy("Nothing holds it back: it sends as fast as it can."),
}
"""Those that need no figure."""


def what_limits(line: Line) -> str:
    """Why the connection is no faster at this moment."""
    return limit_words(line.bottleneck)


def limit_words(found: Bottleneck) -> str:
    facts = {
        "limit": number(found.limit_per_s),
        "window": number(found.window),
        "trip": duration(found.round_trip_ms),
        "allowed": number(found.window_allows_per_s),
    }
    match found.limit:
        case Limit.RATE:
            return _("The limit that is set is reached: %(limit)s messages a second.") % facts
        case Limit.SLOW_ANSWERS:
            words = _(
                "The provider answers slowly: it takes %(trip)s, and all %(window)s places of the window are taken."
            )
            return words % facts
        case Limit.WINDOW if found.round_trip_ms:
            words = _(
                "The window is full: with %(window)s messages at a time and answers after %(trip)s, no more than "
                "%(allowed)s a second go out."
            )
            return words % facts
        case Limit.WINDOW:
            return _("The window is full: %(window)s messages wait for their answers.") % facts
    return str(PLAIN[found.limit])


def headline(speed: Speed) -> str:
    """Whether the settings as they are allow the wanted speed."""
    advice = speed.advice
    if speed.hands_over:
        return _("Messages are handed over by the thousand in one request. How fast they leave is settled on mid.")
    if not advice.is_measured:
        return _("No answer has been measured yet. Once some messages went out, this says what to change.")
    facts = {"reachable": number(about(advice.reachable_per_s)), "wanted": number(advice.wanted_per_s)}
    if advice.is_enough:
        return _("With its settings it can send about %(reachable)s messages a second: enough for %(wanted)s.") % facts
    return _("With its settings it can send about %(reachable)s messages a second, not %(wanted)s.") % facts


def advice_words(speed: Speed) -> list[str]:
    """What to change, and what to know about it; empty where nothing is to be said."""
    return list(_advice(speed))


def _advice(speed: Speed) -> Iterator[str]:
    advice = speed.advice
    for step in advice.steps:
        yield _step(speed, step)
    if advice.is_measured and not advice.is_enough and not advice.steps:
        yield _("More than that is not possible with one connection to this provider. Ask it what slows it down.")
    if advice.is_slow_provider:
        trip = duration(speed.link.round_trip_ms)
        yield _(
            "The provider takes %(trip)s to answer. A wider window helps only if it works on many messages at a time; "
            "ask it why it takes so long."
        ) % {"trip": trip}


def _step(speed: Speed, step: Step) -> str:
    window, limit = (localised(setting.label) if setting is not None else "" for setting in speed.settings)
    facts = {
        "window": window,
        "limit": limit,
        "present": number(step.present),
        "proposed": number(step.proposed),
        "trip": duration(speed.link.round_trip_ms),
    }
    match step.change:
        case Change.LINKS:
            words = _(
                "Open %(proposed)s connections instead of %(present)s: each is good for some 1,000 messages a second. "
                "Ask the provider how many it allows."
            )
        case Change.LIMIT:
            words = _("Raise “%(limit)s” from %(present)s to %(proposed)s, if your contract allows it.")
        case Change.WINDOW:
            words = _(
                "Raise “%(window)s” from %(present)s to %(proposed)s: so many are on their way at a time when an answer "
                "takes %(trip)s, with a fifth to spare. Ask the provider whether it allows that."
            )
        case Change.SMALLER_WINDOW:
            words = _(
                "“%(window)s” may be %(proposed)s instead of %(present)s: after a broken link, fewer messages could then "
                "go out twice."
            )
    return words % facts


def number(value: float) -> str:
    """As people write it."""
    decimals = 0 if value >= 10 or value == int(value) else 1
    # Rounded first: Django cuts digits off.
    return str(formats.number_format(round(value, decimals), decimals, force_grouping=True))


def duration(ms: float) -> str:
    """Short times, as people write them."""
    if ms >= 1000:
        return _("%(count)s s") % {"count": formats.number_format(round(ms / 1000, 1), 1)}
    return _("%(count)s ms") % {"count": number(ms)}
