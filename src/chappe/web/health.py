"""What other machines ask of this one: does it answer, and what does it count."""

import hmac
from collections.abc import Iterator

from django.conf import settings
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from chappe.features.callbacks.services import lags
from chappe.features.clock import now_ms
from chappe.features.connections.link import all_links
from chappe.features.messages import count
from chappe.web.api.problem import log, problem


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 while the database answers, 503 when it does not."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        log.error("database does not answer", exc_info=error)
        return problem(503, "The database does not answer.")
    return JsonResponse({"status": "ok"})


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text. It names connections by number alone, so it tells one organisation nothing of another."""
    token = settings.CONFIGURATION.metrics_token
    if token and not hmac.compare_digest(request.headers.get("Authorization", "").encode(), f"Bearer {token}".encode()):
        return problem(401, "Send the token of CHAPPE_METRICS_TOKEN: Authorization: Bearer …")
    registry = CollectorRegistry()
    registry.register(Collector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class Collector:
    """Reads small tables only: counts kept beside the messages, packed batches, links; never the messages."""

    def collect(self) -> Iterator[Metric]:
        now = now_ms()
        yield _messages()
        yield from _outbox(now)
        yield from _links(now)
        yield _callbacks(now)

    def describe(self) -> list[Metric]:
        return []


def _messages() -> Metric:
    family = GaugeMetricFamily("chappe_delivery_messages", "Messages of deliveries, by state.", labels=["state"])
    for state, messages in count.messages_by_state().items():
        family.add_metric([state.name.lower()], messages)
    return family


def _outbox(now: int) -> Iterator[Metric]:
    label = ["connection"]
    waiting = GaugeMetricFamily("chappe_outbox_messages", "Messages in the outbox, at most.", labels=label)
    held = GaugeMetricFamily("chappe_outbox_held_messages", "Of these, messages of paused deliveries.", labels=label)
    late = GaugeMetricFamily("chappe_outbox_oldest_due_seconds", "How long the oldest has been due.", labels=label)
    for depth in count.outbox_by_connection():
        number = [str(depth.connection_id)]
        waiting.add_metric(number, depth.messages)
        held.add_metric(number, depth.held)
        late.add_metric(number, max(0, now - depth.oldest_due_ms) / 1000 if depth.oldest_due_ms else 0)
    yield from (waiting, held, late)


def _links(now: int) -> Iterator[Metric]:
    label = ["connection", "slot", "role"]
    bound = GaugeMetricFamily("chappe_link_bound", "1 while the link is logged in.", labels=label)
    state = GaugeMetricFamily("chappe_link_state", "1, with what the link does.", labels=[*label, "state"])
    in_flight = GaugeMetricFamily("chappe_link_in_flight", "Requests without an answer yet.", labels=label)
    window = GaugeMetricFamily("chappe_link_window", "Requests that may be without an answer.", labels=label)
    speed = GaugeMetricFamily("chappe_link_sent_per_second", "Segments sent a second.", labels=label)
    for link in all_links(now):
        name = [str(link.connection_id), str(link.slot), link.role]
        bound.add_metric(name, link.is_bound)
        state.add_metric([*name, link.state if link.is_live else "silent"], 1)
        in_flight.add_metric(name, link.in_flight if link.is_live else 0)
        window.add_metric(name, link.window)
        speed.add_metric(name, link.sent_per_s if link.is_live else 0)
    yield from (bound, state, in_flight, window, speed)


def _callbacks(now: int) -> Metric:
    words = "How long the oldest call that is owed to a customer's URL has been due."
    late = GaugeMetricFamily("chappe_callback_oldest_due_seconds", words, labels=["callback"])
    for lag in lags():
        late.add_metric([str(lag.endpoint_id)], max(0, now - lag.oldest_due_ms) / 1000 if lag.oldest_due_ms else 0)
    return late
