"""Marketing beside mid: figures of both sides, what differs, and how it is mended."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django import db
from tests import row
from tests.features.stage import Stage
from tests.mid import Mid, figures, in_step, mid, relay
from tests.row import NOW_MS

from chappe.engine.store.store import unpack_ids
from chappe.features.audit.models import AuditEvent
from chappe.features.clock import now_ms
from chappe.features.connections.models import Connection
from chappe.features.deliveries.models import Delivery
from chappe.features.jobs.models import Job
from chappe.features.jobs.services import run_until_empty
from chappe.features.messages.models import DeliveryCount, Message, Outbox, Segment
from chappe.features.refusal import Conflict, NotFound
from chappe.features.relay import mending, picture
from chappe.features.relay.models import RelayLink
from chappe.messaging import DeliveryState

WAITING, SENT, DELIVERED, FAILED = (
    DeliveryState.WAITING,
    DeliveryState.SENT,
    DeliveryState.DELIVERED,
    DeliveryState.FAILED,
)
MINUTE_MS = 60_000


class Tiers(Stage):
    """An organisation with a connection to a mid that answers."""

    def __init__(self, there: Mid) -> None:
        super().__init__()
        self.there = there
        self.mid = relay(self.organisation, there.port)
        there.answers["POST /messages/known"] = lambda body: (200, {"known": body["ids"]})

    def delivery(self, here: Mapping[DeliveryState, int], status: str = "sending", **values: Any) -> Delivery:
        found = self.draft(connection_id=self.mid.pk)
        self.reset(found, status=status, started_ms=NOW_MS, changed_ms=now_ms(), **values)
        for state, messages in here.items():
            DeliveryCount.objects.create(delivery_id=found.pk, state=state, messages=messages)
        found.refresh_from_db()
        return found

    def handed(self, number: int, delivery_id: int = 0, theirs: int = 0, **values: Any) -> None:
        """A message that mid has taken over."""
        given = {"created_ms": now_ms(), "due_ms": now_ms(), "connection_id": self.mid.pk}
        row.message(self.organisation, number, delivery_id=delivery_id, **given | values)
        place = {"connection_id": self.mid.pk, "provider_message_id": str(theirs or 800 + number), "state": WAITING}
        row.segment(number, delivery_id=delivery_id, **place)


@pytest.fixture
def tiers(database: str) -> Iterator[Tiers]:
    with mid() as there:
        yield Tiers(there)


def sides(delivery: Delivery, at_ms: int) -> picture.Sides:
    found = picture.sides_of(delivery, at_ms)
    assert found is not None
    return found


# -- figures ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("here", "on_mid", "has_more", "unlike"),
    [
        ({SENT: 5}, {SENT: 5}, False, 0),
        ({SENT: 5}, {SENT: 3, DELIVERED: 2}, False, 2),  # mid knows more
        ({DELIVERED: 5}, {SENT: 2, DELIVERED: 3}, False, 2),  # here more is known
        ({WAITING: 5}, {WAITING: 3}, False, 2),  # mid does not have them
        ({WAITING: 5}, {WAITING: 3}, True, 0),  # they are still to be handed over
        ({DELIVERED: 3, FAILED: 2, DeliveryState.EXCLUDED: 4}, {DELIVERED: 3}, False, 0),  # these never went there
        ({DELIVERED: 3}, {DELIVERED: 3, FAILED: 1}, False, 1),
        ({}, {}, False, 0),
    ],
)
def test_a_difference_is_what_both_sides_tell_otherwise(
    here: Mapping[DeliveryState, int], on_mid: Mapping[DeliveryState, int], has_more: bool, unlike: int
) -> None:
    assert picture.difference(here, on_mid, has_more=has_more) == unlike


def test_a_delivery_shows_both_sides_and_since_when_mid_told_its_own(tiers: Tiers) -> None:
    now = now_ms()
    delivery = tiers.delivery({WAITING: 2, SENT: 3})
    assert not sides(delivery, now).is_told
    in_step(tiers.mid, now - 1_000)
    figures(tiers.mid, delivery.pk, now - 30_000, {WAITING: 1, SENT: 4})
    found = sides(delivery, now)
    assert [(one.state, one.here, one.on_mid) for one in found.counts] == [(WAITING, 2, 1), (SENT, 3, 4)]
    assert (found.here, found.on_mid, found.unlike) == (5, 5, 1)
    assert (found.told_ms, found.since_ms) == (now - 1_000, now - 30_000)
    assert not found.stands(now)
    assert found.stands(now + MINUTE_MS)


def test_figures_are_as_old_as_they_are_where_mid_cannot_be_asked(tiers: Tiers) -> None:
    now = now_ms()
    delivery = tiers.delivery({SENT: 3})
    in_step(tiers.mid, now, error="mid answered 503")
    figures(tiers.mid, delivery.pk, now - 30_000, {SENT: 3})
    assert sides(delivery, now).told_ms == now - 30_000


def test_a_delivery_that_mid_does_not_send_has_one_side(tiers: Tiers) -> None:
    delivery = tiers.draft()
    tiers.reset(delivery, started_ms=NOW_MS)
    delivery.refresh_from_db()
    assert picture.sides_of(delivery, NOW_MS) is None
    assert picture.facts_of(delivery) == ()


def test_what_changes_on_mid_changes_the_page(tiers: Tiers) -> None:
    delivery = tiers.delivery({SENT: 3})
    before = picture.facts_of(delivery)
    figures(tiers.mid, delivery.pk, NOW_MS, {SENT: 3})
    assert picture.facts_of(delivery) != before


def test_connections_are_silent_or_count_otherwise_or_are_in_step(tiers: Tiers) -> None:
    now = now_ms()
    assert not picture.out_of_step([tiers.connection], now)[0]
    silent, unlike = picture.out_of_step([tiers.mid], now)
    assert ([one.pk for one in silent], unlike) == ([tiers.mid.pk], [])  # it was made long ago, and nobody asked mid
    link = in_step(tiers.mid, now)
    assert picture.out_of_step([tiers.mid], now) == ([], [])
    delivery = tiers.delivery({SENT: 3})
    figures(tiers.mid, delivery.pk, now - 11 * MINUTE_MS, {DELIVERED: 3})
    silent, unlike = picture.out_of_step([tiers.mid], now)
    assert (silent, [one.pk for one in unlike]) == ([], [tiers.mid.pk])
    RelayLink.objects.filter(pk=link.pk).update(heard_ms=now - 6 * MINUTE_MS)
    assert [one.pk for one in picture.out_of_step([tiers.mid], now)[0]] == [tiers.mid.pk]
    Connection.objects.filter(pk=tiers.mid.pk).update(is_enabled=False)
    tiers.mid.refresh_from_db()
    assert picture.out_of_step([tiers.mid], now) == ([], [])


# -- mending ---------------------------------------------------------------------------------------------------------


def read_again(tiers: Tiers) -> None:
    """As an engine does that finds that it is to."""
    RelayLink.objects.filter(pk=tiers.mid.pk, reread_ms=0).update(reread_ms=now_ms())


def mend(tiers: Tiers) -> Job:
    mending.mend(tiers.organisation, tiers.mid.pk, now_ms())
    read_again(tiers)
    run_until_empty()
    return Job.objects.get(kind=mending.MEND)


def outboxes() -> dict[int, tuple[list[int], bool]]:
    """By delivery, what waits to be handed over, and whether it is held."""
    return {
        row.delivery_id: (
            list(unpack_ids(bytes(row.ids)) if row.ids else range(row.first_id, row.last_id + 1)),
            row.is_held,
        )
        for row in Outbox.objects.order_by("pk")
    }


def test_mending_has_pages_read_again_and_hands_over_again_what_waits(tiers: Tiers) -> None:
    in_step(tiers.mid, now_ms())
    first = tiers.delivery({WAITING: 3}, first_message_id=1, last_message_id=5)
    paused = tiers.delivery({WAITING: 1}, status="paused")  # of before the numbers were kept with it
    over = tiers.delivery({SENT: 1}, status="finished", first_message_id=7, last_message_id=7)
    for number in (1, 2, 4):
        tiers.handed(number, first.pk)
    tiers.handed(6, paused.pk)
    tiers.handed(7, over.pk)
    Segment.objects.filter(pk=7 << 12).update(state=SENT)
    tiers.handed(8)
    row.message(tiers.organisation, 5, delivery_id=first.pk, connection_id=tiers.mid.pk)  # was not handed over
    job = mend(tiers)
    assert (job.status, job.error) == ("finished", "")
    assert outboxes() == {first.pk: ([1, 2, 4], False), paused.pk: ([6], True), 0: ([8], False)}
    assert list(Segment.objects.values_list("pk", flat=True)) == [7 << 12]
    assert set(Message.objects.values_list("state", flat=True)) == {WAITING}
    assert RelayLink.objects.get().reread_ms == 0, "what mid told of these is to be read once more"
    events = AuditEvent.objects.filter(action__in=["mend", "hand_over"]).order_by("pk")
    assert [(one.action, one.subject_kind, one.after) for one in events] == [
        ("mend", "connection", {}),
        ("hand_over", "connection", {"messages": 5}),
    ]


def test_what_is_sent_meanwhile_is_not_handed_over_again(tiers: Tiers) -> None:
    in_step(tiers.mid, now_ms())
    delivery = tiers.delivery({WAITING: 2}, first_message_id=1, last_message_id=2)
    tiers.handed(1, delivery.pk)
    tiers.handed(2, delivery.pk)

    def known(body: Any) -> tuple[int, object]:
        Segment.objects.filter(pk=1 << 12).update(state=SENT)  # an engine heard of it a moment ago
        db.connection.close()  # this is the thread of the server
        return 200, {"known": body["ids"]}

    tiers.there.answers["POST /messages/known"] = known
    mend(tiers)
    assert outboxes() == {delivery.pk: ([2], False)}


@pytest.mark.parametrize(("is_known", "back"), [(True, []), (False, [1, 2])])
def test_what_mid_has_is_not_given_up_here(tiers: Tiers, is_known: bool, back: list[int]) -> None:
    """Put back, a message that was cancelled or has expired would end here, whatever mid did with it."""
    in_step(tiers.mid, now_ms())
    cancelled = tiers.delivery({WAITING: 1}, status="cancelled", first_message_id=1, last_message_id=1)
    tiers.handed(1, cancelled.pk)
    tiers.handed(2, expires_ms=now_ms() - 1_000)
    tiers.there.answers["POST /messages/known"] = lambda body: (200, {"known": body["ids"] if is_known else []})
    mend(tiers)
    assert sorted(number for numbers, _ in outboxes().values() for number in numbers) == back


def test_mending_waits_until_an_engine_has_read_again(tiers: Tiers) -> None:
    in_step(tiers.mid, now_ms())
    tiers.handed(1)
    mending.mend(tiers.organisation, tiers.mid.pk, now_ms())
    run_until_empty()
    assert Job.objects.get().status == "waiting"
    assert outboxes() == {}
    Job.objects.update(created_ms=now_ms() - 10 * MINUTE_MS, due_ms=0)
    run_until_empty()
    job = Job.objects.get()
    assert (job.status, outboxes()) == ("failed", {})
    assert "could not be asked for its pages" in job.error


def test_where_mid_is_silent_nothing_is_handed_over_again_and_it_is_tried_later(tiers: Tiers) -> None:
    in_step(tiers.mid, now_ms())
    tiers.handed(1)
    tiers.there.answers["POST /messages/known"] = 503, {"detail": "Busy."}
    job = mend(tiers)
    assert (job.status, job.tries, job.error) == ("waiting", 1, "mid answered 503: Busy.")
    assert outboxes() == {}


def test_mending_is_refused_where_it_cannot_begin(tiers: Tiers) -> None:
    with pytest.raises(NotFound):
        mending.mend(tiers.organisation, tiers.connection.pk, NOW_MS)
    with pytest.raises(NotFound):
        mending.mend(tiers.organisation + 1, tiers.mid.pk, NOW_MS)
    with pytest.raises(Conflict, match="No engine"):
        mending.mend(tiers.organisation, tiers.mid.pk, NOW_MS)
    in_step(tiers.mid, NOW_MS)
    mending.mend(tiers.organisation, tiers.mid.pk, NOW_MS)
    with pytest.raises(Conflict, match="already"):
        mending.mend(tiers.organisation, tiers.mid.pk, NOW_MS)
    Job.objects.update(status="finished")
    Connection.objects.filter(pk=tiers.mid.pk).update(is_enabled=False)
    with pytest.raises(Conflict, match="switched off"):
        mending.mend(tiers.organisation, tiers.mid.pk, NOW_MS)
    assert AuditEvent.objects.filter(action="mend").count() == 1
