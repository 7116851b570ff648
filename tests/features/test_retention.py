"""Records are deleted once their days are over: a night job in small steps, that leaves what waits and what others keep."""

import itertools
import threading
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from tests import row
from tests.linked import NEWS, SALE, opened
from tests.row import NOW_MS

from chappe.engine.store.relay_catalogue import relayed
from chappe.features.accounts.models import Organisation
from chappe.features.callbacks import services as callbacks
from chappe.features.callbacks.models import CallbackEvent
from chappe.features.contacts.models import ContactImport, ContactImportError, ContactList
from chappe.features.deliveries import services as deliveries
from chappe.features.deliveries.models import Delivery
from chappe.features.inbox.models import Conversation
from chappe.features.jobs import services as jobs
from chappe.features.jobs.models import Job
from chappe.features.messages import retention as messages
from chappe.features.messages.models import DeliveryCount, Exchange, Inbound, Message, MessageEvent, Segment
from chappe.features.relay.models import RelayDelivery
from chappe.features.settings import retention
from chappe.features.settings.models import QuietWait, RetentionRun
from chappe.features.settings.services import Change, change_settings, settings_of
from chappe.features.tracking import retention as tracking
from chappe.features.tracking.models import LinkClick
from chappe.features.tracking.services import LinkFigure, clicks_of, figures
from chappe.messaging import DeliveryState, MessageOptions

DAY_MS = retention.DAY_MS
OLD_MS, YOUNG_MS = NOW_MS - 40 * DAY_MS, NOW_MS - 20 * DAY_MS


def keep(organisation: Organisation, **days: int) -> None:
    change_settings(organisation.pk, Change(retention=days), NOW_MS)


def clean(organisation: Organisation, now_ms: int = NOW_MS) -> int:
    return retention.run(organisation.pk, now_ms, lambda: None)


def sent(organisation_id: int, number: int, at_ms: int, state: DeliveryState = DeliveryState.DELIVERED) -> None:
    """A message as it is once a provider took it, with a segment and something out of the ordinary."""
    row.message(organisation_id, number, created_ms=at_ms, due_ms=at_ms, state=state, sent_ms=at_ms, done_ms=at_ms)
    row.segment(number, sent_ms=at_ms, done_ms=at_ms, state=state)
    row.event(number, "put_off", "busy", at_ms)
    for place in (0, 14):
        row.click(number, place)


def sent_by(delivery: Delivery | RelayDelivery, number: int, at_ms: int) -> None:
    """A message of a delivery, with nothing opened of it."""
    times = {"created_ms": at_ms, "due_ms": at_ms, "sent_ms": at_ms, "done_ms": at_ms}
    row.message(delivery.organisation_id, number, delivery_id=delivery.pk, state=DeliveryState.DELIVERED, **times)


def delivery_of(organisation: Organisation) -> Delivery:
    people = ContactList.objects.create(organisation=organisation, name=f"Of {Delivery.objects.count()}")
    way = row.connection(organisation.pk, f"Way {people.pk}")
    return Delivery.objects.create(organisation=organisation, label="June", contact_list=people, connection=way)


def addresses(delivery_id: int) -> list[str]:
    return [one.url for one in figures(delivery_id).links]


def left() -> list[int]:
    return list(Message.objects.order_by("pk").values_list("pk", flat=True))


def test_messages_past_their_days_go_with_all_that_is_known_of_them(organisation: Organisation) -> None:
    sent(organisation.pk, 1, OLD_MS)
    sent(organisation.pk, 2, YOUNG_MS)
    DeliveryCount.objects.create(delivery_id=1, state=40, messages=1)
    keep(organisation, messages=30)
    assert clean(organisation) == 1
    assert left() == [2]
    assert [segment >> 12 for segment in Segment.objects.values_list("pk", flat=True)] == [2]
    assert list(MessageEvent.objects.values_list("message_id", flat=True)) == [2]
    assert [click >> 4 for click in LinkClick.objects.values_list("pk", flat=True)] == [2, 2]
    assert DeliveryCount.objects.get().messages == 1


def test_nothing_is_deleted_where_everything_is_kept(organisation: Organisation) -> None:
    sent(organisation.pk, 1, OLD_MS)
    row.inbound(organisation.pk)
    assert clean(organisation) == 0
    assert left() == [1] and Inbound.objects.exists()


def test_a_message_that_waits_is_never_deleted_and_goes_once_it_has_ended(organisation: Organisation) -> None:
    row.message(organisation.pk, 1, created_ms=OLD_MS, due_ms=OLD_MS)
    sent(organisation.pk, 2, OLD_MS)
    keep(organisation, messages=30)
    clean(organisation)
    assert left() == [1]
    Message.objects.update(state=DeliveryState.CANCELLED, done_ms=NOW_MS)
    clean(organisation, NOW_MS + 29 * DAY_MS)
    assert left() == [1]
    clean(organisation, NOW_MS + 31 * DAY_MS)
    assert left() == []


def test_a_message_that_its_first_segment_alone_says_is_sent_is_over_when_its_days_are(
    organisation: Organisation,
) -> None:
    row.message(organisation.pk, 1, created_ms=OLD_MS, due_ms=OLD_MS)
    row.segment(1, sent_ms=OLD_MS)
    keep(organisation, messages=30)
    assert clean(organisation) == 1


def test_the_messages_of_others_stay(organisation: Organisation) -> None:
    other = Organisation.objects.create(name="Other")
    for number in range(1, 9):
        sent((organisation, other)[number % 2].pk, number, OLD_MS)
    keep(organisation, messages=30)
    clean(organisation)
    assert left() == [1, 3, 5, 7]


def test_many_messages_go_in_small_transactions_and_the_next_night_goes_on_from_there(
    organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "LOOKED_AT", 10)
    monkeypatch.setattr(messages, "BATCH", 3)
    for number in range(1, 41):
        sent(organisation.pk, number, OLD_MS if number <= 35 else YOUNG_MS)
    keep(organisation, messages=30)
    beats: list[int] = []
    retention.run(organisation.pk, NOW_MS, lambda: beats.append(len(left())))
    assert left() == [36, 37, 38, 39, 40]
    assert all(before - after <= 3 for before, after in itertools.pairwise(beats))
    assert RetentionRun.objects.get().position == 35
    clean(organisation, NOW_MS + 30 * DAY_MS)
    assert left() == []


def test_an_interrupted_run_goes_on_in_another(organisation: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "BATCH", 3)
    for number in range(1, 11):
        sent(organisation.pk, number, OLD_MS)
    keep(organisation, messages=30)

    def stop() -> None:
        if len(left()) <= 4:
            raise jobs.Interrupted("the process ends")

    with pytest.raises(jobs.Interrupted):
        retention.run(organisation.pk, NOW_MS, stop)
    assert 0 < len(left()) <= 4
    clean(organisation)
    assert left() == []


def test_texts_are_blanked_and_all_else_stays(organisation: Organisation) -> None:
    sent(organisation.pk, 1, OLD_MS)
    sent(organisation.pk, 2, YOUNG_MS)
    row.message(organisation.pk, 3, created_ms=OLD_MS, due_ms=OLD_MS)
    personal = MessageOptions(profile={"name": "Zoé"}, wants_receipt=False)
    Message.objects.filter(pk=1).update(options=msgspec.json.encode(personal))
    row.inbound(organisation.pk, 1)
    Inbound.objects.update(received_ms=OLD_MS)
    keep(organisation, texts=30)
    assert clean(organisation) == 2
    assert list(Message.objects.order_by("pk").values_list("body", flat=True)) == ["", *["Your parcel is here"] * 2]
    blanked = Message.objects.get(pk=1)
    assert msgspec.json.decode(bytes(blanked.options or b""), type=MessageOptions) == MessageOptions(
        wants_receipt=False
    )
    assert (blanked.recipient, Segment.objects.filter(pk=1 << 12).exists()) == ("+33612345678", True)
    found = Inbound.objects.get()
    assert (found.body, found.sender) == ("", "+33612345678")
    assert clean(organisation) == 0


# -- addresses that were opened ----------------------------------------------------------------------------------------


def test_addresses_go_with_the_text_they_stood_in_and_that_they_were_opened_stays(organisation: Organisation) -> None:
    for number, at_ms in ((1, YOUNG_MS), (2, OLD_MS), (3, YOUNG_MS)):
        sent(organisation.pk, number, at_ms)
    keep(organisation, texts=30)
    assert clean(organisation) == 1
    assert [(one.url, one.clicks) for one in clicks_of(2)] == [("", 1)] * 2
    assert {one.url for number in (1, 3) for one in clicks_of(number)} == {SALE}


def test_a_delivery_keeps_its_addresses_until_its_last_text_is_erased_and_its_sums_for_ever(
    organisation: Organisation,
) -> None:
    delivery = delivery_of(organisation)
    for number, at_ms in ((1, OLD_MS), (2, OLD_MS), (3, YOUNG_MS)):
        sent_by(delivery, number, at_ms)
    opened(1)
    opened(1, 1, NEWS)
    opened(2, is_machine=True)
    keep(organisation, texts=30)
    clean(organisation)
    assert addresses(delivery.pk) == [NEWS, SALE], "a text is left, though nobody opened a link of it"
    clean(organisation, NOW_MS + 30 * DAY_MS)
    found = deliveries.links_of(delivery)
    assert found is not None, "it was never said of the delivery itself that its links are followed"
    assert (found.people, found.clicks, found.machine_clicks, found.links) == (1, 2, 1, [])


def test_a_delivery_keeps_its_addresses_while_one_that_was_opened_stands_in_a_text(organisation: Organisation) -> None:
    delivery = delivery_of(organisation)
    for number, at_ms in ((1, OLD_MS), (2, YOUNG_MS)):
        sent_by(delivery, number, at_ms)
        opened(number)
    keep(organisation, texts=30)
    clean(organisation)
    assert figures(delivery.pk).links == [LinkFigure(SALE, 2, 2, 0)]
    assert [one.url for number in (1, 2) for one in clicks_of(number)] == ["", SALE]


def test_addresses_of_what_another_installation_handed_over_go_as_well(organisation: Organisation) -> None:
    ours = RelayDelivery.objects.create(pk=relayed(5, 9), organisation_id=organisation.pk)
    theirs = RelayDelivery.objects.create(pk=relayed(6, 9), organisation_id=organisation.pk + 1)
    for number, delivery in enumerate((ours, theirs), start=1):
        sent_by(delivery, number, OLD_MS)
        opened(number)
    keep(organisation, texts=30)
    clean(organisation)
    assert (addresses(ours.pk), figures(ours.pk).people) == ([], 1)
    assert (addresses(theirs.pk), [one.url for one in clicks_of(2)]) == ([SALE], [SALE])


def test_addresses_go_with_the_last_message_of_a_delivery(organisation: Organisation) -> None:
    delivery = delivery_of(organisation)
    for number, at_ms in ((1, OLD_MS), (2, YOUNG_MS)):
        sent_by(delivery, number, at_ms)
        opened(number)
    keep(organisation, messages=30)
    clean(organisation)
    assert (left(), addresses(delivery.pk)) == ([2], [SALE])
    clean(organisation, NOW_MS + 30 * DAY_MS)
    assert (left(), addresses(delivery.pk)) == ([], [])
    assert (figures(delivery.pk).people, figures(delivery.pk).clicks) == (2, 2)


def test_many_deliveries_and_clicks_are_looked_through_some_at_a_time(
    organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "LOOKED_AT", 2)
    other = Organisation.objects.create(name="Other")
    made = [delivery_of((organisation, other)[index == 3]) for index in range(7)]
    for index, delivery in enumerate(made):
        for number in range(10 * index + 1, 10 * index + 6):
            is_young = index == 5 and number == 55
            sent_by(delivery, number, YOUNG_MS if is_young else OLD_MS)
            opened(number)
    keep(organisation, texts=30)
    clean(organisation)
    assert [index for index, delivery in enumerate(made) if addresses(delivery.pk)] == [3, 5]
    assert all(figures(delivery.pk).people == 5 for delivery in made)


def test_an_interrupted_night_takes_addresses_the_next(organisation: Organisation) -> None:
    delivery = delivery_of(organisation)
    sent_by(delivery, 1, OLD_MS)
    opened(1)
    keep(organisation, texts=30)

    def stop() -> None:
        if not Message.objects.exclude(body="").exists():
            raise jobs.Interrupted("the process ends")

    with pytest.raises(jobs.Interrupted):
        retention.run(organisation.pk, NOW_MS, stop)
    assert addresses(delivery.pk) == [SALE]
    clean(organisation)
    assert addresses(delivery.pk) == []


# -- what is not a message ---------------------------------------------------------------------------------------------


def test_texts_from_phones_go_oldest_first_and_those_of_others_stay(organisation: Organisation) -> None:
    other = Organisation.objects.create(name="Other")
    for number, owner in enumerate((organisation, organisation, other), start=1):
        row.inbound(owner.pk, number)
    Inbound.objects.exclude(pk=2).update(received_ms=OLD_MS)
    keep(organisation, inbound=30)
    assert clean(organisation) == 1
    assert list(Inbound.objects.order_by("pk").values_list("pk", flat=True)) == [2, 3]


def test_conversations_go_with_their_last_text(organisation: Organisation) -> None:
    for number, last_ms in enumerate((OLD_MS, YOUNG_MS), start=1):
        Conversation.objects.create(
            organisation_id=organisation.pk,
            number=f"+3361234567{number}",
            connection_id=1,
            last_inbound_id=number,
            last_ms=last_ms,
        )
    keep(organisation, inbound=30)
    clean(organisation)
    assert Conversation.objects.get().last_ms == YOUNG_MS


def test_dead_letters_exchanges_and_refused_rows_go_when_their_days_are_over(organisation: Organisation) -> None:
    endpoint = callbacks.create_endpoint(organisation.pk, "https://example.org/", NOW_MS).row
    for dead_ms in (OLD_MS, YOUNG_MS, 0):
        CallbackEvent.objects.create(endpoint_id=endpoint.pk, type="message.sent", at_ms=OLD_MS, dead_ms=dead_ms)
    connection = row.connection(organisation.pk)
    for at_ms in (OLD_MS, YOUNG_MS):
        Exchange.objects.create(connection_id=connection.pk, direction="out", at_ms=at_ms, method="GET", url="/")
    people = ContactList.objects.create(organisation=organisation, name="All")
    for finished_ms in (OLD_MS, YOUNG_MS, 0):
        made = ContactImport.objects.create(organisation=organisation, list=people, finished_ms=finished_ms)
        ContactImportError.objects.create(contact_import=made, line=1, field="phone", message="is not a number")
    keep(organisation, dead_letters=30, exchanges=30, import_errors=30)
    assert clean(organisation) == 3
    assert set(CallbackEvent.objects.values_list("dead_ms", flat=True)) == {YOUNG_MS, 0}
    assert list(Exchange.objects.values_list("at_ms", flat=True)) == [YOUNG_MS]
    assert (ContactImportError.objects.count(), ContactImport.objects.count()) == (2, 3)


def test_what_was_put_off_in_quiet_hours_is_forgotten_with_the_messages(organisation: Organisation) -> None:
    head = {"organisation_id": organisation.pk, "connection_id": 1, "outbox_id": 1, "first_id": 1, "last_id": 2}
    for until_ms in (OLD_MS, YOUNG_MS):
        QuietWait.objects.create(**head, until_ms=until_ms, zone="UTC")
    keep(organisation, messages=30)
    clean(organisation)
    assert QuietWait.objects.get().until_ms == YOUNG_MS


# -- the job -----------------------------------------------------------------------------------------------------------


def test_the_job_runs_at_night_on_the_organisations_clock(organisation: Organisation) -> None:
    change_settings(organisation.pk, Change(time_zone="America/New_York", retention={"messages": 30}), NOW_MS)
    (job,) = Job.objects.all()
    local = datetime.fromtimestamp(job.due_ms / 1000, UTC).astimezone(ZoneInfo("America/New_York"))
    assert (local.hour, local.minute) == (3, 0)
    assert NOW_MS < job.due_ms <= NOW_MS + DAY_MS


def test_there_is_one_job_however_often_the_days_are_changed(organisation: Organisation) -> None:
    keep(organisation, messages=30)
    keep(organisation, messages=60, texts=10)
    assert Job.objects.count() == 1
    change_settings(Organisation.objects.create(name="Other").pk, Change(language="fr"), NOW_MS)
    assert Job.objects.count() == 1


def test_the_job_deletes_and_is_there_for_the_next_night(organisation: Organisation) -> None:
    sent(organisation.pk, 1, OLD_MS)
    keep(organisation, messages=30)
    Job.objects.update(due_ms=0)
    jobs.run_until_empty()
    assert left() == []
    job = Job.objects.get()
    assert (job.status, job.tries) == ("waiting", 0)
    assert job.due_ms > retention.clock.now_ms()


def test_a_job_that_fails_every_time_is_tried_again_the_next_night(
    organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> retention.Progress:
        raise RuntimeError

    broken = retention.Kind("broken", "", "", {"broken": fail})
    monkeypatch.setitem(retention.KINDS, "broken", broken)
    keep(organisation, broken=30)
    for _ in range(jobs.MOST_TRIES):
        Job.objects.filter(status="waiting").update(due_ms=0)
        jobs.run_next(threading.Event())
    assert sorted(Job.objects.values_list("status", flat=True)) == ["failed", "waiting"]


def test_a_page_is_told_what_is_kept_and_what_the_last_night_deleted(organisation: Organisation) -> None:
    sent(organisation.pk, 1, OLD_MS)
    keep(organisation, messages=30)
    clean(organisation)
    found = {one.kind.key: one for one in retention.kept(settings_of(organisation.pk))}
    assert (found["messages"].days, found["messages"].deleted, found["messages"].ran_ms) == (30, 1, NOW_MS)
    assert (found["texts"].days, found["texts"].ran_ms) == (0, 0)
    assert list(found)[:6] == ["messages", "texts", "inbound", "exchanges", "dead_letters", "import_errors"]
