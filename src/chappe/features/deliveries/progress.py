"""How a delivery goes, in figures and words: before it starts, while it is on its way, and when it is over."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chappe.features.chart import Chart, Series, Share
from chappe.features.connections.explanation import what_limits
from chappe.features.connections.performance import Line, line_of, speed_of
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.proof import proofs_of
from chappe.features.deliveries.services import deliveries_page, find_delivery, links_of, states_of
from chappe.features.deliveries.state import RUNNING
from chappe.features.messages import traffic
from chappe.features.messages.traffic import Steps
from chappe.features.relay.picture import facts_of
from chappe.features.settings.services import quiet_hours_of, settings_of
from chappe.features.state import STATES, TONES
from chappe.messaging import ENDS, DeliveryState, TrafficKind
from chappe.rules.quiet_hours import QuietAction, concerns, shown

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
BUCKET_MS = 300_000
"""The finest that traffic is counted in."""
STEP_WIDTHS = (BUCKET_MS, 3 * BUCKET_MS, HOUR_MS, 3 * HOUR_MS, 12 * HOUR_MS, DAY_MS, 7 * DAY_MS)
MOST_STEPS = 36
FEWEST_STEPS = 12
"""One column alone would say nothing."""
LEAVING = (TrafficKind.SENT, TrafficKind.UNCONFIRMED)
ENDING = (TrafficKind.DELIVERED, TrafficKind.READ, TrafficKind.FAILED, TrafficKind.EXPIRED)
ON_THEIR_WAY = (DeliveryState.SENT, DeliveryState.UNCONFIRMED)


@dataclass(frozen=True)
class Progress:
    """A delivery and its counts. `line` is its connection as it works now, where somebody needs to know."""

    delivery: Delivery
    states: Mapping[DeliveryState, int]
    line: Line | None = None
    sent_per_s: float = 0.0
    now_ms: int = 0
    reasons: Sequence[str] = field(default=())

    def count(self, *states: DeliveryState) -> int:
        return sum(self.states.get(state, 0) for state in states)

    @property
    def audience(self) -> int:
        return self.delivery.audience

    @property
    def waiting(self) -> int:
        return self.count(DeliveryState.WAITING)

    @property
    def excluded(self) -> int:
        return self.count(DeliveryState.EXCLUDED)

    @property
    def messages(self) -> int:
        """Of those that were to get one."""
        return sum(self.states.values()) - self.excluded

    @property
    def without_receipt(self) -> int:
        return self.count(*ON_THEIR_WAY)

    @property
    def left(self) -> int:
        """Messages that have left, whatever became of them."""
        never = self.count(DeliveryState.WAITING, DeliveryState.EXCLUDED, DeliveryState.CANCELLED)
        return sum(self.states.values()) - never

    @property
    def ended(self) -> int:
        return self.count(*ENDS) - self.excluded

    @property
    def delivered(self) -> int:
        """Who has read a message got it."""
        return self.count(DeliveryState.DELIVERED, DeliveryState.READ)

    @property
    def read(self) -> int:
        return self.count(DeliveryState.READ)

    @property
    def failed(self) -> int:
        return self.count(DeliveryState.FAILED, DeliveryState.EXPIRED)

    @property
    def shares(self) -> list[Share]:
        return [
            Share(STATES[state], TONES[state], self.states[state]) for state in DeliveryState if state in self.states
        ]

    @property
    def left_ms(self) -> float | None:
        """How long until all has left, as fast as it goes now; None where that cannot be said."""
        if self.delivery.status != "sending" or not self.waiting or not self.sent_per_s:
            return None
        return max(self.waiting / self.sent_per_s, 1) * 1000

    @property
    def ends_ms(self) -> int | None:
        return None if self.left_ms is None else int(self.now_ms + self.left_ms)


def progress_of(delivery: Delivery, now_ms: int) -> Progress:
    """With what its connection does, where messages wait."""
    states = states_of([delivery])[delivery.pk]
    if delivery.status not in ("sending", "paused"):
        return Progress(delivery, states, now_ms=now_ms)
    line = line_of(delivery.organisation_id, delivery.connection_id, now_ms)
    found = Progress(delivery, states, line, _sent_per_s(delivery, now_ms), now_ms)
    return Progress(delivery, states, line, found.sent_per_s, now_ms, _reasons(found))


def _sent_per_s(delivery: Delivery, now_ms: int) -> float:
    """Of the last minutes: of the bucket that is being filled and of the one before."""
    since = max(delivery.started_ms, now_ms - now_ms % BUCKET_MS - BUCKET_MS)
    start = since - since % BUCKET_MS
    steps = Steps(start, BUCKET_MS, (now_ms - start) // BUCKET_MS + 1)
    sent = traffic.of_delivery(delivery.organisation_id, delivery.pk, steps).total(TrafficKind.SENT)
    return sent * 1000 / max(now_ms - since, 1000)


def _reasons(found: Progress) -> list[str]:
    """Why what waits does, for people."""
    if not found.waiting:
        return []
    if found.delivery.status == "paused":
        return [_("It is paused: nothing more leaves until somebody resumes it.")]
    assert found.line is not None
    return [what_limits(found.line)]


# -- before it starts ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Estimate:
    """How long sending will take. `per_s` 0: nobody knows yet how fast the connection is."""

    messages: int
    per_s: float

    @property
    def ms(self) -> float | None:
        return self.messages * 1000 / self.per_s if self.per_s else None


def estimate_of(delivery: Delivery, messages: int, now_ms: int) -> Estimate:
    """At the speed that the connection's settings and answers allow; else the fastest it was seen at."""
    line = line_of(delivery.organisation_id, delivery.connection_id, now_ms)
    speed = speed_of(line, None, now_ms)
    advice = speed.advice
    per_s = advice.reachable_per_s or advice.limit_allows_per_s or speed.busiest_per_s
    # Segments are what connections are limited in.
    return Estimate(max(messages, delivery.segments), _about(per_s))


def _about(value: float) -> float:
    """Without the digits that nobody can promise."""
    return round(value, 1) if value < 10 else float(round(value, 2 - len(str(int(value)))))


def trouble_of(delivery: Delivery, now_ms: int) -> str:
    """Why nothing would leave if it were started now; "" where something would."""
    line = line_of(delivery.organisation_id, delivery.connection_id, now_ms)
    is_off = not line.connection.is_enabled
    return what_limits(line) if is_off or line.bottleneck.is_trouble else ""


def quiet_words(delivery: Delivery, now_ms: int) -> str:
    """That quiet hours keep marketing back at this moment, and until when; "" where they do not."""
    hours = quiet_hours_of(settings_of(delivery.organisation_id)) if concerns(delivery.category) else None
    is_quiet, until_ms = hours.state_at(now_ms) if hours is not None else (False, 0)
    if hours is None or not is_quiet or delivery.status in ("finished", "cancelled"):
        return ""
    until = {"time": shown(until_ms, hours.zone, now_ms)}
    if hours.action is QuietAction.DISCARD:
        return _("It is quiet hours until %(time)s: marketing that comes due before is not sent at all.") % until
    return _("It is quiet hours: marketing waits until %(time)s and goes out then.") % until


# -- when it is over -------------------------------------------------------------------------------------------------


def clean_end(found: Progress) -> str:
    """One sentence on where a delivery ended."""
    open_ones = found.without_receipt
    if not open_ones:
        return _("All is known of it: every message has come to its end.")
    return ngettext(
        "All has left. %(count)s message still has no receipt.",
        "All has left. %(count)s messages still have no receipt.",
        open_ones,
    ) % {"count": open_ones}


def charts_of(delivery: Delivery, now_ms: int, label: Callable[[int, int], str]) -> list[Chart]:
    """What left, and what became of it, in the time that it took; `label` writes an instant for a step of so many
    milliseconds. None for a delivery that never started."""
    if not delivery.started_ms:
        return []
    # Receipts come for a while after the last has left.
    end_ms = delivery.finished_ms + HOUR_MS if delivery.finished_ms else now_ms
    steps = _steps(delivery.started_ms, end_ms, now_ms)
    found = traffic.of_delivery(delivery.organisation_id, delivery.pk, steps)
    labels = [label(steps.begin(place), steps.step_ms) for place in range(steps.count)]

    def chart(title: str, kinds: Sequence[TrafficKind]) -> Chart:
        states = [(DeliveryState(kind.value), kind) for kind in kinds if found.total(kind)]
        return Chart(title, labels, [Series(STATES[state], TONES[state], found.of(kind)) for state, kind in states])

    return [chart(_("When the messages left"), LEAVING), chart(_("When it was known what became of them"), ENDING)]


def _steps(start_ms: int, end_ms: int, now_ms: int) -> Steps:
    """Few enough to be drawn, from the start to the end and not beyond now."""
    end_ms = min(max(end_ms, start_ms + 1), now_ms)
    step_ms = next((one for one in STEP_WIDTHS if (end_ms - start_ms) / one < MOST_STEPS - 1), STEP_WIDTHS[-1])
    begin_ms = start_ms - start_ms % step_ms
    return Steps(begin_ms, step_ms, max(FEWEST_STEPS, min((end_ms - begin_ms) // step_ms + 1, MOST_STEPS)))


# -- what differs when a page would ----------------------------------------------------------------------------------


def fingerprint(organisation_id: int, delivery_id: int) -> Hashable:
    """Of one delivery; 0: of those that run. Raises NotFound."""
    if not delivery_id:
        rows = [one for status in RUNNING for one in deliveries_page(organisation_id, "", 20, status).items]
        latest = deliveries_page(organisation_id, "", 1).items
        return tuple(_facts(one, states) for one, states in zip(rows, states_of(rows).values(), strict=True)), tuple(
            (one.pk, one.status) for one in latest
        )
    delivery = find_delivery(organisation_id, delivery_id)
    links = links_of(delivery)
    clicks = (links.people, links.clicks, links.machine_clicks) if links else None
    return _facts(delivery, states_of([delivery])[delivery_id]), facts_of(delivery), clicks


def _facts(delivery: Delivery, states: Mapping[DeliveryState, int]) -> Hashable:
    return delivery.pk, delivery.status, delivery.audience, delivery.changed_ms, tuple(sorted(states.items()))


def proof_fingerprint(organisation_id: int, delivery_id: int) -> Hashable:
    """Of the proofs of a delivery. Raises NotFound."""
    found = proofs_of(find_delivery(organisation_id, delivery_id))
    return tuple((one.proof.pk, tuple((row.state, row.reason) for row in one.messages)) for one in found)
