"""Deliveries: drafts, and what may follow what."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.features.stage import EXCLUDED, WAITING, Stage, assert_whole, counts, number
from tests.row import NOW_MS

from chappe.engine.store.store import LeaseRequest
from chappe.features.accounts.models import Organisation
from chappe.features.clock import now_ms
from chappe.features.contacts import services as contacts
from chappe.features.deliveries import services
from chappe.features.deliveries.models import Delivery
from chappe.features.deliveries.options import Options
from chappe.features.deliveries.services import Draft
from chappe.features.jobs import services as jobs
from chappe.features.jobs.models import Job
from chappe.features.message_store import open_store
from chappe.features.messages.models import DeliveryCount, Message, Outbox
from chappe.features.refusal import Conflict, InvalidInput, NotFound
from chappe.messaging import DeliveryState

STATUSES = ("draft", "analysing", "ready", "sending", "paused", "finished", "cancelled", "failed")
LATER_MS = NOW_MS + 3_600_000


@pytest.fixture
def stage(database: str) -> Stage:
    return Stage(service_id_tag="0x1403")


def leased(stage: Stage, now_ms: int = LATER_MS) -> list[int]:
    """Ids of the messages that an engine would be given now; the lease is not kept."""
    with open_store() as store:
        store.database.begin()
        request = LeaseRequest(stage.connection.pk, stage.organisation, "", 10_000, 10, resend_unknown=True)
        result = store.lease(request, "engine-1", now_ms)
        store.database.rollback()
    return [message.id for lease in result.leases for message in lease.messages]


def end_all(delivery: Delivery) -> None:
    """As the recorder leaves a delivery whose last message has ended."""
    waiting = Message.objects.filter(delivery_id=delivery.pk, state=WAITING).update(state=DeliveryState.SENT)
    DeliveryCount.objects.filter(delivery_id=delivery.pk, state=WAITING).update(messages=0)
    DeliveryCount.objects.create(delivery_id=delivery.pk, state=DeliveryState.SENT, messages=waiting)
    Outbox.objects.filter(delivery_id=delivery.pk).delete()


# -- drafts ----------------------------------------------------------------------------------------------------------


def test_a_draft_is_read_as_it_was_written(stage: Stage) -> None:
    rows = [{"label": "Code", "tag": "0x1401", "value": "{{ phone }}", "format": "ascii", "maximum_octets": 20}]
    made = stage.draft("Hello", sender="Relais", category=1, validity_s=3600, maximum_segments=2, tlvs=rows)
    found = services.find_delivery(stage.organisation, made.pk)
    assert (found.label, found.status, found.body, found.sender) == ("June", "draft", "Hello", "Relais")
    assert (found.category, found.validity_s, found.created_ms) == (1, 3600, NOW_MS)
    options = Options.of(found)
    assert (options.maximum_segments, options.transmission_mode, options.tlvs[0].label) == (2, None, "Code")


def test_a_change_leaves_what_it_does_not_name(stage: Stage) -> None:
    made = stage.draft("Hello", sender="Relais", transmission_mode=1, maximum_segments=2)
    services.change_delivery(stage.organisation, made.pk, Draft(body="Good day"), LATER_MS)
    changed = services.change_delivery(stage.organisation, made.pk, Draft(transmission_mode=None), LATER_MS)
    assert (changed.body, changed.sender, changed.changed_ms) == ("Good day", "Relais", LATER_MS)
    assert (Options.of(changed).transmission_mode, Options.of(changed).maximum_segments) == (None, 2)


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"label": " "}, ["label"]),
        ({"body": ""}, ["body"]),
        ({"body": "{{ name"}, ["body"]),
        ({"sender": "x" * 21}, ["sender"]),
        ({"sender": "Café"}, ["sender"]),
        ({"short_code": "1" * 22}, ["short_code"]),
        ({"category": 2}, ["category"]),
        ({"validity_s": 59}, ["validity_s"]),
        ({"validity_s": 31 * 86_400}, ["validity_s"]),
        ({"maximum_segments": 256}, ["maximum_segments"]),
        ({"maximum_segments": -1}, ["maximum_segments"]),
        ({"transmission_mode": 4}, ["transmission_mode"]),
        ({"service_id": "x" * 201}, ["service_id"]),
        ({"tlvs": [{"label": "", "tag": "x", "value": "1"}]}, ["tlvs[0]"]),
        ({"tlvs": [{"label": "", "tag": "1", "value": "1", "format": "morse"}]}, ["tlvs[0]"]),
        ({"tlvs": [{"label": "", "tag": "1", "value": "300", "format": "uint8"}]}, ["tlvs[0]"]),
        ({"tlvs": [{"label": "", "tag": "1", "value": "{{ x|shout }}"}]}, ["tlvs[0].value"]),
        ({"tlvs": [{"label": "", "tag": "1", "value": "1"}] * 51}, ["tlvs"]),
        ({"tlvs": [{"label": "", "tag": "1", "value": "1"}], "service_id": "x"}, ["service_id"]),
        ({"body": " ", "validity_s": 0}, ["body", "validity_s"]),
    ],
)
def test_what_a_delivery_cannot_be_made_of_names_the_field(
    stage: Stage, values: dict[str, Any], fields: Sequence[str]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        stage.draft(**values)
    assert [error.field for error in refused.value.errors] == list(fields)
    assert not Delivery.objects.exists()


def test_everything_that_is_needed_is_named_at_once(stage: Stage) -> None:
    with pytest.raises(InvalidInput) as refused:
        services.create_delivery(stage.organisation, Draft(), NOW_MS)
    assert [error.field for error in refused.value.errors] == ["label", "list_id", "body"]


def test_a_service_id_needs_a_connection_that_sends_it(database: str) -> None:
    with pytest.raises(InvalidInput, match="service id tag"):
        Stage().draft(service_id="P1")


def test_a_text_may_mention_only_what_somebody_on_the_list_has(stage: Stage) -> None:
    stage.draft("Hello {{ name }}")  # nobody is on the list yet: the analysis will say
    stage.person(number(1), name="Zoë")
    stage.draft("Hello {{ name }}, {{ phone }}")
    with pytest.raises(InvalidInput, match="nmae"):
        stage.draft("Hello {{ nmae }}")


def test_lists_and_connections_of_others_cannot_be_used(stage: Stage) -> None:
    other = Organisation.objects.create(name="Another").pk
    theirs = contacts.create_list(other, "Theirs", NOW_MS)
    with pytest.raises(NotFound):
        stage.draft(list_id=theirs.pk)
    with pytest.raises(NotFound):
        services.create_delivery(
            other, Draft(label="x", list_id=theirs.pk, connection_id=stage.connection.pk, body="x"), NOW_MS
        )


Action = Callable[[int, int, int], object]
ALLOWED: dict[str, tuple[Action, set[str]]] = {
    "change": (
        lambda organisation, pk, now: services.change_delivery(organisation, pk, Draft(label="July"), now),
        {"draft", "failed"},
    ),
    "delete": (services.delete_delivery, {"draft", "ready", "failed"}),
    "analyse": (services.analyse, {"draft", "ready", "failed"}),
    "revise": (services.revise_delivery, {"ready"}),
    "send": (services.send, {"ready"}),
    "pause": (services.pause, {"sending"}),
    "resume": (services.resume, {"paused"}),
    "cancel": (services.cancel, {"analysing", "ready", "sending", "paused"}),
}


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", ALLOWED)
def test_each_action_is_possible_in_its_statuses_and_changes_nothing_in_others(
    stage: Stage, name: str, status: str
) -> None:
    action, allowed = ALLOWED[name]
    delivery = stage.draft()
    stage.reset(delivery, status=status)
    if status in allowed:
        action(stage.organisation, delivery.pk, LATER_MS)
        assert Delivery.objects.get(pk=delivery.pk).changed_ms == LATER_MS
        return
    with pytest.raises(Conflict, match=status):
        action(stage.organisation, delivery.pk, LATER_MS)
    unchanged = Delivery.objects.get(pk=delivery.pk)
    assert (unchanged.status, unchanged.changed_ms, unchanged.label) == (status, NOW_MS, "June")
    assert not Job.objects.exists()


@pytest.mark.parametrize("name", ALLOWED)
def test_another_organisations_delivery_does_not_exist(stage: Stage, name: str) -> None:
    other = Organisation.objects.create(name="Another").pk
    delivery = stage.draft()
    for status in STATUSES:
        stage.reset(delivery, status=status)
        with pytest.raises(NotFound):
            ALLOWED[name][0](other, delivery.pk, NOW_MS)
    with pytest.raises(NotFound):
        services.report(other, delivery.pk)
    assert services.deliveries_page(other, "", 10).items == []


# -- analysis as a job -----------------------------------------------------------------------------------------------


def test_an_analysis_is_done_by_a_job(stage: Stage) -> None:
    stage.person(number(1))
    delivery = stage.draft()
    assert services.analyse(stage.organisation, delivery.pk, NOW_MS).status == "analysing"
    jobs.run_until_empty()
    assert services.find_delivery(stage.organisation, delivery.pk).status == "ready"
    assert_whole(delivery)


def test_an_analysis_that_cannot_be_done_says_why_and_can_be_put_right(stage: Stage) -> None:
    stage.person(number(1))
    delivery = stage.draft()
    stage.reset(delivery, body="Hello {{ nickname }}")
    services.analyse(stage.organisation, delivery.pk, NOW_MS)
    jobs.run_until_empty()
    failed = services.find_delivery(stage.organisation, delivery.pk)
    assert (failed.status, Job.objects.get().status) == ("failed", "failed")
    assert "nickname" in failed.error
    changed = services.change_delivery(stage.organisation, delivery.pk, Draft(body="Hello"), LATER_MS)
    assert (changed.status, changed.error) == ("draft", "")
    services.analyse(stage.organisation, delivery.pk, NOW_MS)
    jobs.run_until_empty()
    assert services.find_delivery(stage.organisation, delivery.pk).status == "ready"


def test_an_analysis_interrupted_by_the_end_of_its_process_is_done_by_the_next(stage: Stage) -> None:
    stage.person(number(1))
    delivery = stage.draft()
    services.analyse(stage.organisation, delivery.pk, NOW_MS)
    ending = threading.Event()
    ending.set()
    jobs.run_next(ending)
    assert services.find_delivery(stage.organisation, delivery.pk).status == "analysing"
    jobs.run_until_empty()
    assert services.find_delivery(stage.organisation, delivery.pk).status == "ready"
    assert_whole(delivery)


def test_a_cancelled_analysis_leaves_no_job_behind(stage: Stage) -> None:
    delivery = stage.draft()
    services.analyse(stage.organisation, delivery.pk, NOW_MS)
    services.cancel(stage.organisation, delivery.pk, NOW_MS)
    jobs.run_until_empty()
    assert services.find_delivery(stage.organisation, delivery.pk).status == "cancelled"
    assert Job.objects.get().status == "finished"


def test_a_delivery_that_was_revised_is_analysed_as_it_is_now(stage: Stage) -> None:
    stage.person(number(1))
    delivery = stage.analysed("Hello")
    services.revise_delivery(stage.organisation, delivery.pk, NOW_MS)
    services.change_delivery(stage.organisation, delivery.pk, Draft(body="Good day"), NOW_MS)
    assert leased(stage) == []
    services.analyse_now(stage.organisation, delivery.pk, NOW_MS)
    assert Message.objects.get().body == "Good day"


def test_deleting_takes_the_messages_away_too(stage: Stage) -> None:
    for index in range(5):
        stage.person(number(index))
    kept, gone = stage.analysed(), stage.analysed()
    services.delete_delivery(stage.organisation, gone.pk, NOW_MS)
    with pytest.raises(NotFound):
        services.find_delivery(stage.organisation, gone.pk)
    assert services.deliveries_page(stage.organisation, "", 10).items == [kept]
    jobs.run_until_empty()
    assert list(Delivery.objects.all()) == [kept]
    assert set(Message.objects.values_list("delivery_id", flat=True)) == {kept.pk}
    assert set(Outbox.objects.values_list("delivery_id", flat=True)) == {kept.pk}
    assert_whole(kept)


# -- sending ---------------------------------------------------------------------------------------------------------


def test_messages_can_be_leased_once_the_delivery_is_sent_and_not_before(stage: Stage) -> None:
    for index in range(3):
        stage.person(number(index))
    delivery = stage.analysed()
    now = now_ms()
    assert leased(stage, now) == []
    sent = services.send(stage.organisation, delivery.pk, now)
    assert (sent.status, sent.started_ms) == ("sending", now)
    ids = list(Message.objects.order_by("pk").values_list("pk", flat=True))
    assert leased(stage, now) == ids
    assert leased(stage, now + 73 * 3_600_000) == []  # their validity has ended by then
    services.pause(stage.organisation, delivery.pk, now)
    assert leased(stage, now) == []
    services.resume(stage.organisation, delivery.pk, now)
    assert leased(stage, now) == ids


def test_the_validity_begins_when_the_delivery_is_sent(stage: Stage) -> None:
    stage.person(number(1))
    stage.person()
    delivery = stage.analysed(validity_s=7200)
    services.send(stage.organisation, delivery.pk, LATER_MS)
    expires_ms = LATER_MS + 7_200_000
    assert Message.objects.get(state=WAITING).expires_ms == expires_ms
    assert Message.objects.get(state=EXCLUDED).expires_ms == 0
    assert Outbox.objects.get().expires_ms == expires_ms


def test_a_large_delivery_starts_at_once_and_a_job_lets_the_rest_go(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for index in range(10):
        stage.person(number(index))
    monkeypatch.setattr("chappe.engine.store.store.OUTBOX_MESSAGES", 2)
    monkeypatch.setattr(services, "RELEASED_AT_ONCE", 2)
    delivery = stage.analysed()
    services.send(stage.organisation, delivery.pk, LATER_MS)
    assert sorted(Outbox.objects.order_by("pk").values_list("is_held", flat=True)) == [False] * 2 + [True] * 3
    jobs.run_until_empty()
    assert not Outbox.objects.filter(is_held=True).exists()
    assert Message.objects.exclude(expires_ms=0).count() == 10


def test_a_pause_in_the_middle_of_the_start_holds_everything(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(10):
        stage.person(number(index))
    monkeypatch.setattr("chappe.engine.store.store.OUTBOX_MESSAGES", 2)
    monkeypatch.setattr(services, "RELEASED_AT_ONCE", 2)
    delivery = stage.analysed(validity_s=7200)
    services.send(stage.organisation, delivery.pk, NOW_MS)
    services.pause(stage.organisation, delivery.pk, NOW_MS)
    jobs.run_until_empty()
    assert Outbox.objects.filter(is_held=True).count() == 5
    services.resume(stage.organisation, delivery.pk, LATER_MS)
    jobs.run_until_empty()
    assert not Outbox.objects.filter(is_held=True).exists()
    # The pause did not make anybody's message valid for longer.
    assert set(Message.objects.values_list("expires_ms", flat=True)) == {NOW_MS + 7_200_000}


def test_a_batch_put_back_for_a_retry_keeps_its_validity_through_a_pause(stage: Stage) -> None:
    for index in range(4):
        stage.person(number(index))
    delivery = stage.analysed()
    services.send(stage.organisation, delivery.pk, NOW_MS)
    ids = list(Message.objects.order_by("pk").values_list("pk", flat=True))
    Outbox.objects.all().delete()
    with open_store() as store, store.transaction():
        store.put_back(stage.connection.pk, delivery.pk, NOW_MS, [ids[0], ids[2]], [NOW_MS + 9000] * 2)
    services.pause(stage.organisation, delivery.pk, NOW_MS)
    services.resume(stage.organisation, delivery.pk, LATER_MS)
    outbox = Outbox.objects.get()
    assert (outbox.is_held, outbox.expires_ms) == (False, NOW_MS + 9000)


def test_scattered_messages_get_their_validity_too(stage: Stage) -> None:
    for index in range(4):
        stage.person(number(index))
    delivery = stage.analysed(validity_s=7200)
    ids = list(Message.objects.order_by("pk").values_list("pk", flat=True))
    Outbox.objects.all().delete()
    with open_store() as store, store.transaction():
        store.put_back(stage.connection.pk, delivery.pk, NOW_MS, [ids[0], ids[2]], [0, 0])
    Outbox.objects.update(is_held=True)
    services.send(stage.organisation, delivery.pk, NOW_MS)
    given = Message.objects.order_by("pk").values_list("expires_ms", flat=True)
    assert list(given) == [NOW_MS + 7_200_000, 0, NOW_MS + 7_200_000, 0]


def test_a_delivery_whose_every_message_is_excluded_finishes_at_once(stage: Stage) -> None:
    stage.person()
    delivery = services.send(stage.organisation, stage.analysed().pk, LATER_MS)
    assert (delivery.status, delivery.finished_ms) == ("finished", LATER_MS)


def test_a_paused_delivery_whose_last_message_ended_meanwhile_finishes_when_resumed(stage: Stage) -> None:
    stage.person(number(1))
    delivery = stage.analysed()
    services.send(stage.organisation, delivery.pk, NOW_MS)
    services.pause(stage.organisation, delivery.pk, NOW_MS)
    end_all(delivery)
    assert services.resume(stage.organisation, delivery.pk, LATER_MS).status == "finished"


def test_cancelling_leaves_the_messages_to_the_engine(stage: Stage) -> None:
    stage.person(number(1))
    delivery = stage.analysed()
    cancelled = services.cancel(stage.organisation, delivery.pk, LATER_MS)
    assert (cancelled.status, cancelled.finished_ms) == ("cancelled", LATER_MS)
    assert Outbox.objects.get().is_held is False
    assert counts(delivery) == {WAITING: 1}
    with open_store() as store:
        store.database.begin()
        swept = store.sweep("engine-1", LATER_MS)
        store.database.rollback()
    assert [(message_id, state) for message_id, state, _ in swept.settled] == [
        (Message.objects.get().pk, DeliveryState.CANCELLED)
    ]


# -- report ----------------------------------------------------------------------------------------------------------


def test_a_report_adds_up_to_the_audience(stage: Stage) -> None:
    for index in range(4):
        stage.person(number(index))
    stage.person(number(1))
    stage.person()
    delivery = stage.analysed()
    found = services.report(stage.organisation, delivery.pk)
    assert found.states == {DeliveryState.WAITING: 4, DeliveryState.EXCLUDED: 2}
    assert sum(found.states.values()) == found.delivery.audience == 6
    assert found.exclusions == {"bad_number": 1, "duplicate": 1}
    assert (found.delivery.encodings, found.delivery.segments, found.reasons) == ({"gsm": 4}, 4, [])


def test_a_report_says_why_messages_failed_the_most_frequent_first(stage: Stage) -> None:
    for index in range(6):
        stage.person(number(index))
    delivery = stage.analysed()
    ids = list(Message.objects.order_by("pk").values_list("pk", flat=True))
    Message.objects.filter(pk__in=ids[:3]).update(state=DeliveryState.FAILED, reason="unreachable")
    Message.objects.filter(pk=ids[3]).update(state=DeliveryState.EXPIRED, reason="validity")
    Message.objects.filter(pk=ids[4]).update(state=DeliveryState.DELIVERED)
    DeliveryCount.objects.all().delete()
    for state, messages in ((DeliveryState.FAILED, 3), (DeliveryState.EXPIRED, 1), (DeliveryState.DELIVERED, 1)):
        DeliveryCount.objects.create(delivery_id=delivery.pk, state=state, messages=messages)
    found = services.report(stage.organisation, delivery.pk)
    assert (found.reasons, found.is_sample) == ([("unreachable", 3), ("validity", 1)], False)


def test_a_report_of_a_very_large_delivery_looks_at_a_part(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST_MESSAGES_LOOKED_AT", 2)
    for index in range(5):
        stage.person(number(index))
    delivery = stage.analysed()
    Message.objects.update(state=DeliveryState.FAILED, reason="unreachable")
    DeliveryCount.objects.update(state=DeliveryState.FAILED)
    found = services.report(stage.organisation, delivery.pk)
    assert (found.reasons, found.is_sample) == ([("unreachable", 2)], True)
