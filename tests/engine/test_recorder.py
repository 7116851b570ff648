"""What becomes of messages, receipts and texts once they are recorded, on either database."""

from itertools import permutations

import msgspec
import pytest
from tests.engine.stock import DAY_MS, NOW_MS, Desk, Stock, delivery_row, policy, theirs

from chappe.engine.inbound import INCOMPLETE_MS
from chappe.engine.recorder import Recent
from chappe.engine.store.frame import InboundPiece, Record
from chappe.engine.store.store import LEASE_MS
from chappe.features.consent.models import Quarantine
from chappe.features.deliveries.models import Delivery
from chappe.messaging import Category, DeliveryState, MessageOptions

WAITING, UNCONFIRMED, SENT = DeliveryState.WAITING, DeliveryState.UNCONFIRMED, DeliveryState.SENT
DELIVERED, FAILED, EXPIRED = DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.EXPIRED
WAIT_MS = 30_000


def sent(stock: Stock, desk: Desk, count: int = 1, **values: object) -> list[int]:
    """Messages that the provider took."""
    ids = stock.enqueue(count, **values)  # type: ignore[arg-type]
    delivery = values.get("delivery", 0)
    assert isinstance(delivery, int)
    leases = desk.lease()
    desk.send(ids, delivery=delivery)
    desk.finish(leases)
    return ids


# -- outcomes ----------------------------------------------------------------------


def test_what_the_provider_took_is_sent_and_its_id_is_known(stock: Stock, desk: Desk) -> None:
    ids = sent(stock, desk, 3, delivery=4)
    assert stock.states(ids) == [SENT] * 3
    assert stock.segment(ids[0]) == (SENT, theirs(ids[0]), "", "", 0)
    assert stock.message(ids[0])["sent_ms"] == NOW_MS
    assert stock.counts(4) == {SENT: 3}
    assert stock.outbox() == 0


def test_the_same_outcome_twice_changes_nothing(stock: Stock, desk: Desk) -> None:
    (message_id,) = sent(stock, desk, delivery=4)
    before = stock.message(message_id)
    desk.now_ms += 500
    desk.send([message_id], delivery=4)
    assert stock.message(message_id) == before
    assert stock.counts(4) == {SENT: 1}


def test_a_late_outcome_does_not_undo_an_end(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(3, delivery=4)
    desk.settle(ids[0], EXPIRED)
    desk.send(ids, delivery=4)
    assert stock.states(ids) == [EXPIRED, SENT, SENT]
    assert stock.counts(4) == {EXPIRED: 1, SENT: 2}


@pytest.mark.parametrize("late", ["settled", "put off", "refused"])
def test_what_a_late_holder_says_of_a_message_that_another_sent_changes_nothing(
    stock: Stock, desk: Desk, late: str
) -> None:
    (message_id,) = sent(stock, desk, delivery=4)
    before = stock.message(message_id)
    if late == "settled":
        desk.settle(message_id, EXPIRED)
    elif late == "put off":
        desk.put_off(message_id, NOW_MS + 1000)
    else:
        desk.refuse(message_id)
    assert stock.message(message_id) == before
    assert stock.counts(4) == {SENT: 1}
    assert stock.outbox() == 0


def test_an_unconfirmed_message_is_settled_by_its_late_answer(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, delivery=4)
    desk.settle(message_id, UNCONFIRMED, "nobody answered")
    assert (stock.state(message_id), stock.message(message_id)["done_ms"]) == (UNCONFIRMED, 0)
    desk.send([message_id], delivery=4)
    assert stock.state(message_id) == SENT
    assert stock.counts(4) == {SENT: 1}


def test_a_refusal_that_no_other_try_can_change_fails_the_message(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, delivery=4)
    desk.refuse(message_id, "ESME_RINVSRCADR", "0x0000000A", is_retried=False)
    assert (stock.state(message_id), stock.message(message_id)["reason"]) == (FAILED, "words")
    assert stock.counts(4) == {FAILED: 1}
    assert stock.quarantine(stock.message(message_id)["recipient"]) is None


def test_a_hard_refusal_quarantines_the_number(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1)
    desk.refuse(message_id, "ESME_RINVDSTADR", "0x0000000B", is_retried=False)
    number = stock.message(message_id)["recipient"]
    assert stock.state(message_id) == FAILED
    assert stock.quarantine(number) == ("quarantine", "user_unknown", 1)
    assert desk.blocked == [(number, "", "quarantine")]


def test_a_passing_refusal_is_tried_again_later_each_time_until_the_limit(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1)
    leases = desk.lease()
    waits = []
    for _ in range(3):
        desk.refuse(message_id)
        desk.finish(leases)
        assert stock.state(message_id) == WAITING
        waits.append(stock.message(message_id)["due_ms"] - desk.now_ms)
        desk.now_ms += DAY_MS
        leases = desk.lease()
    assert waits == [60_000, 120_000, 240_000]
    desk.refuse(message_id)
    desk.finish(leases)
    assert stock.state(message_id) == FAILED
    assert stock.outbox() == 0


def test_a_provider_that_is_too_busy_costs_a_message_no_try(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1)
    for _ in range(50):
        desk.put_off(message_id, desk.now_ms + 1000)
    desk.refuse(message_id)
    message = stock.message(message_id)
    assert (message["state"], message["tries"], message["due_ms"]) == (WAITING, 1, NOW_MS + 60_000)


def test_a_message_that_nobody_answers_is_left_unconfirmed_at_the_limit_of_tries(stock: Stock) -> None:
    desk = Desk(stock, retry_limit=3)
    (message_id,) = stock.enqueue(1, delivery=4)
    for _ in range(3):
        desk.put_off(message_id, NOW_MS + 1000, reason="no answer", is_duplicate=True)
        assert stock.state(message_id) == WAITING
    desk.put_off(message_id, NOW_MS + 1000, reason="no answer", is_duplicate=True)
    message = stock.message(message_id)
    assert (message["state"], message["reason"]) == (UNCONFIRMED, "no answer, and so 4 times")
    assert stock.counts(4) == {UNCONFIRMED: 1}


def test_a_message_interrupted_without_end_keeps_a_number_of_tries_that_fits_its_column(
    stock: Stock, desk: Desk
) -> None:
    (message_id,) = stock.enqueue(1, tries=32_767)
    desk.lease(horizon=1)
    heir = Desk(stock, "engine-2")
    heir.now_ms += LEASE_MS + 1
    heir.lease(horizon=1)
    assert stock.message(message_id)["is_possible_duplicate"]


# -- receipts ----------------------------------------------------------------------


def test_a_receipt_of_success_delivers(stock: Stock, desk: Desk) -> None:
    (message_id,) = sent(stock, desk, delivery=4)
    desk.now_ms += 700
    token = desk.receipt(theirs(message_id))
    assert desk.taken == [token]
    assert (stock.state(message_id), stock.message(message_id)["done_ms"]) == (DELIVERED, NOW_MS + 700)
    assert stock.segment(message_id) == (DELIVERED, theirs(message_id), "DELIVRD", "000", NOW_MS + 700)
    assert stock.counts(4) == {DELIVERED: 1}


def test_a_receipt_finds_its_message_after_a_restart(stock: Stock, desk: Desk) -> None:
    (message_id,) = sent(stock, desk, delivery=4)
    heir = Desk(stock, "engine-2")
    token = heir.receipt(theirs(message_id))
    assert heir.taken == [token]
    assert stock.counts(4) == {DELIVERED: 1}


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_receipt_that_comes_twice_changes_nothing_the_second_time(
    stock: Stock, desk: Desk, is_restarted: bool
) -> None:
    (message_id,) = sent(stock, desk, delivery=4)
    desk.receipt(theirs(message_id))
    before, segment = stock.message(message_id), stock.segment(message_id)
    desk = Desk(stock, "engine-2") if is_restarted else desk
    desk.now_ms += 9000
    token = desk.receipt(theirs(message_id))
    assert token in desk.taken
    assert (stock.message(message_id), stock.segment(message_id)) == (before, segment)
    assert stock.counts(4) == {DELIVERED: 1}


def test_two_receipts_of_one_message_in_one_transaction_count_once(stock: Stock, desk: Desk) -> None:
    (message_id,) = sent(stock, desk, delivery=4)
    both = [desk.received(theirs(message_id)), desk.received(theirs(message_id))]
    desk.record(receipts=both)
    assert sorted(desk.taken) == sorted(receipt.token for receipt in both)
    assert stock.counts(4) == {DELIVERED: 1}


def test_an_answer_and_its_receipt_may_come_together(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, delivery=4)
    desk.record(**desk.accepted(message_id, delivery=4), receipts=[desk.received(theirs(message_id))])
    assert stock.counts(4) == {DELIVERED: 1}


@pytest.mark.parametrize("order", list(permutations(["success", "error", "intermediate"])))
def test_the_first_word_that_ends_a_message_counts(stock: Stock, order: tuple[str, ...]) -> None:
    desk = Desk(stock, retry_limit=0)
    (message_id,) = sent(stock, desk, delivery=4)
    for kind in order:
        desk.receipt(theirs(message_id), kind)
    first = next(kind for kind in order if kind != "intermediate")
    end = DELIVERED if first == "success" else FAILED
    assert stock.state(message_id) == end
    assert stock.counts(4) == {end: 1}
    assert stock.segment(message_id)[0] == end


def test_an_intermediate_receipt_after_the_end_changes_nothing(stock: Stock, desk: Desk) -> None:
    (message_id,) = sent(stock, desk)
    desk.receipt(theirs(message_id))
    before = stock.segment(message_id)
    desk.receipt(theirs(message_id), "intermediate")
    assert stock.segment(message_id) == before


def test_an_intermediate_and_a_final_receipt_in_one_transaction_end_as_the_final_says(stock: Stock, desk: Desk) -> None:
    (message_id,) = sent(stock, desk)
    desk.record(receipts=[desk.received(theirs(message_id)), desk.received(theirs(message_id), "intermediate")])
    assert stock.segment(message_id)[::2] == (DELIVERED, "DELIVRD", NOW_MS)


def test_an_intermediate_receipt_is_shown_and_changes_no_state(stock: Stock, desk: Desk) -> None:
    (message_id,) = sent(stock, desk, delivery=4)
    desk.receipt(theirs(message_id), "intermediate", "ACCEPTD")
    assert stock.segment(message_id) == (SENT, theirs(message_id), "ACCEPTD", "000", 0)
    assert stock.counts(4) == {SENT: 1}
    desk.receipt(theirs(message_id))
    assert stock.counts(4) == {DELIVERED: 1}


def test_only_the_first_segment_says_that_a_long_message_arrived(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, delivery=4, segments=3)
    desk.send([message_id], segments=3, delivery=4)
    desk.receipt(theirs(message_id, 0, 2))
    assert stock.counts(4) == {SENT: 1}
    desk.receipt(theirs(message_id, 0, 0))
    assert stock.counts(4) == {DELIVERED: 1}
    desk.receipt(theirs(message_id, 0, 1))
    assert stock.counts(4) == {DELIVERED: 1}


# -- receipts before their ids, and without ----------------------------------------------------------------------


def test_an_early_receipt_waits_for_its_message(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, delivery=4)
    token = desk.receipt(theirs(message_id))
    assert (desk.taken, desk.unknown) == ([], {})
    for _ in range(29):
        desk.tick(1000)
    assert (desk.taken, desk.unknown) == ([], {})
    desk.send([message_id], delivery=4)
    assert desk.taken == [token]
    assert stock.counts(4) == {DELIVERED: 1}


def test_an_early_receipt_finds_an_id_that_another_engine_recorded(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, delivery=4)
    token = desk.receipt(theirs(message_id))
    Desk(stock, "engine-2").send([message_id], delivery=4)
    desk.tick(1000)
    assert desk.taken == [token]
    assert stock.counts(4) == {DELIVERED: 1}


def test_several_early_receipts_of_one_id_are_all_answered(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, delivery=4)
    tokens = [desk.receipt(theirs(message_id), kind) for kind in ("intermediate", "success", "success")]
    desk.send([message_id], delivery=4)
    assert sorted(desk.taken) == tokens
    assert stock.counts(4) == {DELIVERED: 1}


def test_a_receipt_that_nobody_knows_is_given_up_after_the_wait_with_how_often_it_was_seen(
    stock: Stock, desk: Desk
) -> None:
    token = desk.receipt("stranger", "error", "UNDELIV", "042")
    for _ in range(29):
        desk.tick(1000)
    assert desk.unknown == {}
    desk.tick(1001)
    assert desk.unknown == {token: 1}
    assert stock.query("SELECT provider_message_id, status, code, occurrences FROM orphan_receipt") == [
        ("stranger", "UNDELIV", "042", 1)
    ]


def test_a_known_stranger_is_answered_at_once(stock: Stock, desk: Desk) -> None:
    desk.receipt("stranger")
    desk.tick(WAIT_MS + 1)
    again = [desk.receipt("stranger"), desk.receipt("stranger")]
    assert [desk.unknown[token] for token in again] == [2, 3]
    assert desk.taken == []


def test_a_known_stranger_whose_message_is_found_after_all_is_taken(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1)
    desk.receipt(theirs(message_id))
    desk.tick(WAIT_MS + 1)
    desk.send([message_id])
    token = desk.receipt(theirs(message_id))
    assert desk.taken == [token]
    assert stock.state(message_id) == DELIVERED


def test_receipts_without_wait_are_answered_with_the_next_look(stock: Stock) -> None:
    desk = Desk(stock, unknown_receipt_wait_s=0.0)
    token = desk.receipt("stranger")
    desk.tick()
    assert desk.unknown == {token: 1}


def test_an_id_that_a_provider_uses_twice_means_its_latest_message(stock: Stock, desk: Desk) -> None:
    old, new = stock.enqueue(2)
    for message_id in (old, new):
        part = desk.accepted(message_id)
        part["segments"] = [(message_id << 12, 1, "42", NOW_MS, 0)]
        desk.record(**part)
    desk.receipt("42")
    heir = Desk(stock, "engine-2")
    heir.receipt("42")
    assert stock.states([old, new]) == [SENT, DELIVERED]


def test_ids_of_another_connection_are_other_ids(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1)
    part = desk.accepted(message_id)
    part["segments"] = [(message_id << 12, 2, "42", NOW_MS, 0)]
    desk.record(**part)
    Desk(stock, "engine-2").receipt("42")
    desk.receipt("42")
    assert stock.state(message_id) == SENT


def test_messages_without_a_provider_id_are_sent_all_the_same(stock: Stock, desk: Desk) -> None:
    ids = stock.enqueue(2, delivery=4)
    for message_id in ids:
        part = desk.accepted(message_id, delivery=4)
        part["segments"] = [(message_id << 12, 1, "", NOW_MS, 4)]
        desk.record(**part)
    assert stock.counts(4) == {SENT: 2}


# -- errors in receipts ----------------------------------------------------------------------


def test_a_soft_error_is_tried_again_as_another_attempt_until_the_limit(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, delivery=4)
    for attempt in range(4):
        ((leased),) = desk.lease()
        ((message),) = leased.messages
        assert (message.id, message.attempt) == (message_id, attempt)
        desk.send([message_id], attempt, delivery=4)
        desk.finish([leased])
        desk.receipt(theirs(message_id, attempt), "error")
        assert stock.segment(message_id, attempt)[0] == FAILED
        desk.now_ms += DAY_MS // 8
    assert (stock.state(message_id), stock.message(message_id)["attempt"]) == (FAILED, 3)
    assert stock.message(message_id)["reason"] == "UNDELIV 000"
    assert stock.counts(4) == {FAILED: 1}
    assert stock.outbox() == 0


def test_a_soft_error_is_not_tried_again_past_the_validity(stock: Stock, desk: Desk) -> None:
    (message_id,) = sent(stock, desk, expires_ms=NOW_MS + 59_000)
    desk.receipt(theirs(message_id), "error")
    assert stock.state(message_id) == FAILED


def test_a_receipt_of_an_old_attempt_fails_nothing(stock: Stock, desk: Desk) -> None:
    (message_id,) = sent(stock, desk, delivery=4)
    desk.receipt(theirs(message_id), "error")
    desk.now_ms += DAY_MS
    desk.finish(desk.lease())
    desk.send([message_id], 1, delivery=4)
    desk.receipt(theirs(message_id), "error")
    assert (stock.state(message_id), stock.message(message_id)["attempt"]) == (SENT, 1)
    assert stock.counts(4) == {SENT: 1}


def test_a_late_success_of_an_old_attempt_delivers_and_the_next_attempt_is_not_made(stock: Stock, desk: Desk) -> None:
    (message_id,) = sent(stock, desk, delivery=4)
    desk.receipt(theirs(message_id), "error")
    desk.receipt(theirs(message_id))
    assert stock.counts(4) == {DELIVERED: 1}
    desk.now_ms += DAY_MS
    assert desk.lease() == []
    assert stock.outbox() == 0


def test_an_error_qualified_as_hard_fails_and_quarantines(stock: Stock) -> None:
    desk = Desk(stock, default_error_kind="hard")
    (message_id,) = sent(stock, desk)
    desk.receipt(theirs(message_id), "error", "UNDELIV", "001")
    number = stock.message(message_id)["recipient"]
    assert stock.state(message_id) == FAILED
    assert stock.quarantine(number) == ("quarantine", "unreachable", 1)
    assert desk.blocked == [(number, "", "quarantine")]
    rows = stock.query("SELECT text, kind, status, occurrences FROM error_qualification")
    assert rows == [("SR Generic UNDELIV 001|#MESSAGE#", "hard", "to_qualify", 1)]


def test_a_persons_qualification_counts_from_the_next_error_on(stock: Stock, desk: Desk) -> None:
    first, second, third = sent(stock, desk, 3)
    desk.receipt(theirs(first), "error", "UNDELIV", "001")
    assert stock.state(first) == WAITING
    stock.query("UPDATE error_qualification SET kind = 'hard', status = 'keep'")
    desk.receipt(theirs(second), "error", "UNDELIV", "001")
    assert stock.state(second) == FAILED
    stock.query("UPDATE error_qualification SET status = 'ignore'")
    desk.receipt(theirs(third), "error", "UNDELIV", "001")
    assert stock.state(third) == WAITING
    assert stock.quarantine(stock.message(third)["recipient"]) is None
    assert stock.query("SELECT occurrences FROM error_qualification") == [(3,)]


def test_five_soft_errors_a_day_apart_quarantine_a_number(stock: Stock, desk: Desk) -> None:
    number, found = "+33600000001", []
    for _ in range(5):
        for _ in range(2):  # a second error of the same day does not count
            (message_id,) = sent(stock, desk, recipient=number, due_ms=desk.now_ms)
            desk.receipt(theirs(message_id), "error")
            desk.settle(message_id, DeliveryState.CANCELLED)
        found.append(stock.quarantine(number))
        desk.now_ms += DAY_MS
    assert [(row[0], row[2]) for row in found if row] == [("with_errors", n) for n in range(1, 5)] + [("quarantine", 5)]
    assert desk.blocked[-1] == (number, "", "quarantine")


def test_a_delivered_message_begins_the_count_of_errors_anew(stock: Stock, desk: Desk) -> None:
    number = "+33600000001"
    for kind in ("error", "error", "success", "error"):
        (message_id,) = sent(stock, desk, recipient=number, due_ms=desk.now_ms)
        desk.receipt(theirs(message_id), kind)
        if kind == "error":
            desk.settle(message_id, DeliveryState.CANCELLED)
        desk.now_ms += DAY_MS
    assert stock.quarantine(number) == ("with_errors", "unreachable", 1)


def test_what_another_organisation_delivered_does_not_begin_the_count_anew(stock: Stock, desk: Desk) -> None:
    number = "+33600000001"
    for organisation, kind in ((1, "error"), (2, "success"), (1, "error")):
        (message_id,) = sent(stock, desk, recipient=number, due_ms=desk.now_ms, organisation_id=organisation)
        desk.receipt(theirs(message_id), kind)
        if kind == "error":
            desk.settle(message_id, DeliveryState.CANCELLED)
        desk.now_ms += DAY_MS
    assert stock.quarantine(number) == ("with_errors", "unreachable", 2)


# -- deliveries ----------------------------------------------------------------------


def test_a_delivery_is_finished_with_its_last_message_and_opened_again_by_a_retry(stock: Stock, desk: Desk) -> None:
    delivery = delivery_row("sending")
    first, second = stock.enqueue(2, delivery=delivery.pk)
    leases = desk.lease()
    desk.send([first], delivery=delivery.pk)
    assert status_of(delivery) == ("sending", 0)
    desk.now_ms += 50
    desk.send([second], delivery=delivery.pk)
    desk.finish(leases)
    assert status_of(delivery) == ("finished", NOW_MS + 50)
    desk.receipt(theirs(first), "error")
    assert status_of(delivery) == ("sending", 0)
    desk.now_ms += DAY_MS
    desk.finish(desk.lease())
    desk.send([first], 1, delivery=delivery.pk)
    assert status_of(delivery) == ("finished", desk.now_ms)


def test_a_cancelled_delivery_is_not_opened_again(stock: Stock, desk: Desk) -> None:
    delivery = delivery_row("sending")
    (message_id,) = sent(stock, desk, delivery=delivery.pk)
    Delivery.objects.filter(pk=delivery.pk).update(status="cancelled")
    desk.receipt(theirs(message_id), "error")
    assert status_of(delivery)[0] == "cancelled"
    desk.tick(DAY_MS)
    assert stock.counts(delivery.pk) == {DeliveryState.CANCELLED: 1}
    assert stock.outbox() == 0


def status_of(delivery: Delivery) -> tuple[str, int]:
    delivery.refresh_from_db()
    return delivery.status, delivery.finished_ms


# -- news ----------------------------------------------------------------------


def test_a_change_of_quarantine_made_elsewhere_is_told_once(stock: Stock, desk: Desk) -> None:
    desk.tick()
    Quarantine.objects.create(organisation_id=1, address="+33600000001", status="denylisted", changed_ms=NOW_MS)
    for _ in range(50):
        desk.tick(200)
    assert desk.blocked == [("+33600000001", "", "denylisted")]
    Quarantine.objects.update(status="valid", changed_ms=desk.now_ms)
    desk.tick(200)
    assert desk.blocked[1:] == [("+33600000001", "", "valid")]


def test_a_change_that_had_to_wait_for_the_database_is_told(stock: Stock, desk: Desk) -> None:
    """Its time was taken before it waited for another's transaction; the embedded store lets it wait 20 seconds."""
    desk.tick(20_000)
    delivery = delivery_row("paused", changed_ms=NOW_MS)
    Quarantine.objects.create(organisation_id=1, address="+33600000001", status="denylisted", changed_ms=NOW_MS)
    desk.tick(200)
    assert desk.blocked == [("+33600000001", "", "denylisted")]
    assert desk.heard == [(delivery.pk, "paused")]


def test_pauses_and_cancellations_are_told_once_each(stock: Stock, desk: Desk) -> None:
    delivery = delivery_row("sending")
    for status in ("paused", "sending", "cancelled"):
        Delivery.objects.filter(pk=delivery.pk).update(status=status, changed_ms=desk.now_ms)
        for _ in range(10):
            desk.tick(200)
    assert desk.heard == [(delivery.pk, status) for status in ("paused", "sending", "cancelled")]


# -- texts from phones ----------------------------------------------------------------------

STOP = {"keyword": "STOP", "short_code": "36180", "reply": "You get no more", "action": "send_to_quarantine"}
STOP_ALL = {"keyword": "STOPALL", "short_code": "", "reply": "", "action": "send_to_quarantine"}
START = {"keyword": "START", "short_code": "36180", "reply": "", "action": "remove_from_quarantine"}
REPLIES = [STOP_ALL, STOP, START]
PHONE = "+33612345678"


def test_a_text_is_stored_before_it_is_acknowledged(stock: Stock, desk: Desk) -> None:
    token = desk.text("Bonjour à tous")
    assert desk.taken == [token]
    assert stock.inbound() == [(PHONE, "36180", "Bonjour à tous", True)]


def test_stop_quarantines_for_its_short_code_and_is_answered(stock: Stock) -> None:
    desk = Desk(stock, automatic_replies=REPLIES)
    desk.text("Stop it please")
    assert stock.quarantine(PHONE, "36180") == ("denylisted", "the person wrote STOP", 0)
    assert stock.quarantine(PHONE) is None
    assert desk.blocked == [(PHONE, "36180", "denylisted")]
    ((keyword, action, reply_id),) = stock.query("SELECT keyword, action, reply_message_id FROM inbound")
    assert (keyword, action) == ("STOP", "send_to_quarantine")
    reply = stock.message(reply_id)
    assert (reply["recipient"], reply["sender"], reply["body"]) == (PHONE, "36180", "You get no more")
    assert (reply["category"], reply["state"]) == (Category.REPLY, WAITING)
    ((leased,),) = [lease.messages for lease in desk.lease()]
    assert leased.id == reply_id
    assert leased.options == MessageOptions(wants_receipt=False)


def test_stop_takes_effect_on_what_waits_for_that_short_code(stock: Stock) -> None:
    desk = Desk(stock, automatic_replies=REPLIES)
    own, other = (msgspec.json.encode(MessageOptions(short_code=code)) for code in ("36180", "36555"))
    ids = stock.enqueue(2, recipient=PHONE, each=[{"options": own}, {"options": other}])
    desk.text("STOP")
    leased = [message.id for lease in desk.lease() for message in lease.messages]
    assert ids[0] not in leased
    assert ids[1] in leased
    assert stock.state(ids[0]) == DeliveryState.EXCLUDED


def test_a_stop_without_short_code_is_for_all_of_them(stock: Stock) -> None:
    desk = Desk(stock, automatic_replies=REPLIES)
    desk.text("stopall")
    assert stock.quarantine(PHONE) == ("denylisted", "the person wrote STOPALL", 0)


def test_a_person_can_come_back(stock: Stock) -> None:
    desk = Desk(stock, automatic_replies=REPLIES)
    desk.text("STOP")
    desk.now_ms += 1000
    desk.text("START")
    assert stock.quarantine(PHONE, "36180") == ("valid", "", 0)
    assert desk.blocked[-1] == (PHONE, "36180", "valid")
    ids = stock.enqueue(1, recipient=PHONE)
    assert ids[0] in [message.id for lease in desk.lease() for message in lease.messages]


def test_two_texts_of_one_person_in_one_transaction_are_obeyed_in_order(stock: Stock) -> None:
    desk = Desk(stock, automatic_replies=REPLIES)
    pieces = [
        InboundPiece(token, 1, "33612345678", "36180", "latin1", body, 0, 1, 1, NOW_MS)
        for token, body in ((1, b"STOP"), (2, b"START"))
    ]
    desk.record(inbound=pieces)
    assert stock.quarantine(PHONE, "36180") == ("valid", "", 0)


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])))
def test_segments_come_together_in_any_order(stock: Stock, order: tuple[int, ...]) -> None:
    desk = Desk(stock, automatic_replies=REPLIES)
    words = {1: b"STOP ", 2: b"that ", 3: b"now"}
    tokens = [desk.piece(words[position], reference=7, total=3, position=position) for position in order]
    assert desk.taken == tokens
    assert stock.inbound() == [(PHONE, "36180", "STOP that now", True)]
    assert stock.quarantine(PHONE, "36180") is not None
    assert stock.query("SELECT count(*) FROM inbound_part") == [(0,)]


def test_segments_in_one_transaction_come_together(stock: Stock, desk: Desk) -> None:
    pieces = [
        InboundPiece(n, 1, "33612345678", "36180", "latin1", octets, 7, 2, n, NOW_MS)
        for n, octets in ((2, b"world"), (1, b"hello "))
    ]
    desk.handle(Record(1, inbound=pieces[:1]), Record(2, inbound=pieces[1:]))
    assert [text for _, _, text, _ in stock.inbound()] == ["hello world"]


def test_a_segment_that_comes_twice_is_there_once(stock: Stock, desk: Desk) -> None:
    for position in (1, 1, 2):
        desk.piece(b"ab"[position - 1 : position], reference=7, total=2, position=position)
    assert [text for _, _, text, _ in stock.inbound()] == ["ab"]
    assert len(desk.taken) == 3


def test_a_character_cut_between_two_segments_is_whole_again(stock: Stock, desk: Desk) -> None:
    octets = "🙂".encode("utf-16-be")
    desk.piece(octets[:2], reference=7, total=2, position=1, encoding="ucs2")
    desk.piece(octets[2:], reference=7, total=2, position=2, encoding="ucs2")
    assert [text for _, _, text, _ in stock.inbound()] == ["🙂"]


def test_segments_of_different_texts_do_not_mix(stock: Stock, desk: Desk) -> None:
    desk.piece(b"a1", reference=7, total=2, position=1)
    desk.piece(b"b1", reference=8, total=2, position=1)
    desk.piece(b"c1", reference=7, total=2, position=1, sender="33699999999")
    desk.piece(b"d1", reference=7, total=2, position=1, recipient="36555")
    desk.piece(b"b2", reference=8, total=2, position=2)
    assert [text for _, _, text, _ in stock.inbound()] == ["b1b2"]


def test_a_reference_used_again_begins_another_text(stock: Stock, desk: Desk) -> None:
    """Phones count to 255 and begin anew: what was there is stored as far as it came, and nothing is lost or mixed."""
    desk.piece(b"old one ", reference=7, total=2, position=1)
    desk.now_ms += 60_000
    tokens = [
        desk.piece(b"new one ", reference=7, total=2, position=1),
        desk.piece(b"new two", reference=7, total=2, position=2),
    ]
    assert set(tokens) <= set(desk.taken)
    assert [(text, is_complete) for _, _, text, is_complete in stock.inbound()] == [
        ("old one […]", False),
        ("new one new two", True),
    ]


def test_a_text_with_a_gap_is_stored_after_the_wait_and_obeyed_by_nobody(stock: Stock) -> None:
    desk = Desk(stock, automatic_replies=REPLIES)
    desk.piece(b"STOP ", reference=7, total=3, position=1)
    desk.piece(b"now", reference=7, total=3, position=3)
    desk.tick(INCOMPLETE_MS - 1)
    assert stock.inbound() == []
    desk.tick(1001)
    assert stock.inbound() == [(PHONE, "36180", "STOP […]now", False)]
    assert stock.quarantine(PHONE, "36180") is None
    assert stock.query("SELECT count(*) FROM inbound_part") == [(0,)]


def test_segments_of_a_connection_that_is_switched_off_wait_for_it(stock: Stock, desk: Desk) -> None:
    desk.handle(policy(stock, connection_id=2))
    desk.piece(b"half", reference=7, total=2, position=1, connection_id=2)
    heir = Desk(stock, "engine-2")
    heir.tick(INCOMPLETE_MS + 1000)
    assert stock.inbound() == []
    heir.handle(policy(stock, connection_id=2))
    heir.tick(1001)
    assert [text for _, _, text, _ in stock.inbound()] == ["half[…]"]


@pytest.mark.parametrize(("total", "position"), [(2, 0), (2, 3), (0, 0), (1, 5)])
def test_a_segment_that_makes_no_sense_is_a_text_of_its_own(
    stock: Stock, desk: Desk, total: int, position: int
) -> None:
    token = desk.piece(b"alone", reference=7, total=total, position=position)
    assert token in desk.taken
    assert [text for _, _, text, _ in stock.inbound()] == ["alone"]


def test_texts_hold_whatever_a_phone_can_send(stock: Stock, desk: Desk) -> None:
    for encoding in ("gsm", "latin1", "ucs2"):
        desk.piece(bytes(range(1, 256)) + b"\xd8\x00", encoding=encoding)
    assert len(stock.inbound()) == 3


# -- what the recorder holds in its memory ----------------------------------------------------------------------


def test_nothing_is_remembered_of_a_transaction_that_failed(stock: Stock, desk: Desk) -> None:
    (message_id,) = stock.enqueue(1, delivery=4)
    part = desk.accepted(message_id, delivery=4)
    broken = {**part, "events": [(None, 0, "kind", "text")]}
    with pytest.raises(Exception, match="refused a statement"):
        desk.record(**broken)
    token = desk.receipt(theirs(message_id))
    assert token not in desk.taken
    desk.record(**part)
    assert token in desk.taken
    assert stock.counts(4) == {DELIVERED: 1}


def test_the_memory_of_ids_is_bounded(stock: Stock, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chappe.engine.recorder.RECENT_SEGMENTS", 10)
    desk = Desk(stock, "engine-2")
    ids = sent(stock, desk, 50, delivery=4)
    assert len(desk.recorder._recent.of(stock.connection_id)) == 10
    for message_id in ids:
        desk.receipt(theirs(message_id))
    assert stock.counts(4) == {DELIVERED: 50}


def test_the_connection_with_most_ids_in_memory_forgets_its_oldest() -> None:
    recent = Recent(10)
    recent.add({1: {str(n): (n, 0) for n in range(8)}, 2: {"a": (1, 0)}})
    recent.add({2: {"b": (2, 0), "c": (3, 0)}})
    assert [list(recent.of(connection)) for connection in (1, 2)] == [list("1234567"), list("abc")]


def test_early_receipts_past_the_bound_are_answered_at_once(
    stock: Stock, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chappe.engine.recorder.EARLY_RECEIPTS", 3)
    tokens = [desk.receipt(f"stranger{n}") for n in range(10)]
    answered = set(desk.unknown)
    assert answered
    assert len(tokens) - len(answered) <= 5


# -- two engines and one text ----------------------------------------------------------------------


def test_a_segment_that_two_engines_get_is_kept_once(stock: Stock, desk: Desk) -> None:
    """A provider that heard no answer on one link sends it again on another."""
    for one in (desk, Desk(stock, "engine-2")):
        one.piece(b"Hel", reference=7, total=2, position=1)
    desk.piece(b"lo", reference=7, total=2, position=2)
    assert [body for _, _, body, _ in stock.inbound()] == ["Hello"]


def test_a_text_whose_segments_all_lie_in_the_store_is_put_together_soon(stock: Stock, desk: Desk) -> None:
    """As two engines leave it that get its last two segments at the same instant: neither sees the other's."""
    desk.piece(b"Hel", reference=7, total=2, position=1)
    stock.query(
        "INSERT INTO inbound_part (connection_id, sender, recipient, reference, total, position, body, details, "
        "received_ms) SELECT connection_id, sender, recipient, reference, total, 2, ?, details, received_ms FROM inbound_part",
        b"lo".hex(),
    )
    desk.tick(2_000)
    assert [(body, is_whole) for _, _, body, is_whole in stock.inbound()] == [("Hello", True)]
