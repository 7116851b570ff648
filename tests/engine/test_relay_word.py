"""On marketing: what mid tells of messages that were handed over, in pages that come in order, twice, early or not at all."""

from collections.abc import Sequence

import msgspec
import pytest
from tests.engine.stock import NOW_MS, Desk, Stock, policy

from chappe.engine.store.frame import Answer, Collect
from chappe.engine.store.hook_event import Arrived, keep
from chappe.engine.store.relay_frame import PagesHeard, PagesMissing
from chappe.messaging import DeliveryState, StateTold, TextTold, Told, WishTold
from chappe.messaging.relay import Pages

WAITING, SENT, DELIVERED = DeliveryState.WAITING, DeliveryState.SENT, DeliveryState.DELIVERED
FAILED, READ, EXCLUDED = DeliveryState.FAILED, DeliveryState.READ, DeliveryState.EXCLUDED
UNCONFIRMED = DeliveryState.UNCONFIRMED
JUNE = 7
WAIT_S = 30
PHONE = "+33612345678"


class Marketing(Desk):
    """An engine whose connection hands messages over, and hears what mid tells."""

    def __init__(self, stock: Stock, owner: str = "engine-1") -> None:
        super().__init__(stock, owner, hands_over=True, unknown_receipt_wait_s=WAIT_S)
        self.pushes = 0

    def hand_over(self, count: int, first: int = 1000) -> list[int]:
        """Messages that mid took, with its numbers from `first` on."""
        ids = self.stock.enqueue(count, delivery=JUNE)
        self.finish(self.lease())
        self.answered(ids, first)
        return ids

    def answered(self, ids: Sequence[int], first: int = 1000) -> None:
        """Mid said that it has these."""
        rows = [(one << 12, 1, str(first + place), self.now_ms, JUNE) for place, one in enumerate(ids)]
        self.record(segments=rows)

    def push(self, first: int, *told: Told, ahead_ms: int = 0) -> list[Answer]:
        """Mid pushes these pages, and an engine acts on them."""
        self.pushes += 1
        pages = self.pages(first, *told, ahead_ms=ahead_ms, number=self.pushes)
        with self.stock.store.transaction():
            keep(self.stock.store, [Arrived(1, 1, pages, self.now_ms)])
        return self.collect()

    def collect(self) -> list[Answer]:
        return self.handle(Collect(self.number()))

    def hear(self, first: int, *told: Told, is_again: bool = False) -> list[Answer]:
        """Mid gave these pages when it was asked."""
        body = msgspec.json.encode(self.pages(first, *told))
        return self.handle(PagesHeard(self.number(), 1, body, is_again))

    def pages(self, first: int, *told: Told, ahead_ms: int = 0, number: int = 0) -> Pages:
        return Pages(first, first + len(told) - 1, self.now_ms + ahead_ms, told, number)

    def heeded(self) -> int:
        rows = self.stock.query("SELECT page FROM relay_link WHERE connection_id = 1")
        return int(rows[0][0]) if rows else 0

    def waiting(self) -> int:
        """What is still to be acted on."""
        return int(self.stock.query("SELECT count(*) FROM hook_event")[0][0])


def sent(*numbers: int, at_ms: int = NOW_MS) -> Told:
    return Told(sent=[(number, at_ms) for number in numbers])


def delivered(*numbers: int, at_ms: int = NOW_MS) -> Told:
    return Told(delivered=[(number, at_ms, "DELIVRD", "000") for number in numbers])


def state(number: int, to: DeliveryState, reason: str = "", **words: str) -> Told:
    return Told(states=[StateTold(number, int(to), NOW_MS, reason, **words)])


def text(number: int, body: str = "Bonjour") -> Told:
    return Told(texts=[TextTold(number, PHONE, "36180", body, NOW_MS, is_answered=True)])


def wish(*, is_given: bool = False) -> Told:
    return Told(wishes=[WishTold(PHONE, is_given, "STOP", NOW_MS, "36180")])


@pytest.fixture
def marketing(stock: Stock) -> Marketing:
    return Marketing(stock)


def missing(answers: Sequence[Answer]) -> list[int]:
    return [one for answer in answers if isinstance(answer, PagesMissing) for one in answer.connection_ids]


# -- in their order --------------------------------------------------------------------------------------------------


def test_a_message_that_was_handed_over_waits_until_mid_tells_that_it_was_taken(
    stock: Stock, marketing: Marketing
) -> None:
    ids = marketing.hand_over(3)
    assert (stock.states(ids), stock.outbox()) == ([WAITING] * 3, 0)
    marketing.push(1, sent(1000, 1001))
    assert stock.states(ids) == [SENT, SENT, WAITING]
    marketing.push(2, delivered(1001), sent(1002))
    assert stock.states(ids) == [SENT, DELIVERED, SENT]
    assert stock.counts(JUNE) == stock.counted(JUNE) == {SENT: 2, DELIVERED: 1}
    assert marketing.heeded() == 3


def test_all_that_happened_to_a_message_may_stand_on_one_page(stock: Stock, marketing: Marketing) -> None:
    (one,) = marketing.hand_over(1)
    marketing.push(1, Told(sent=[(1000, NOW_MS)], delivered=[(1000, NOW_MS + 5, "DELIVRD", "000")]))
    assert stock.segment(one)[0] == DELIVERED
    assert stock.segment(one)[2:] == ("DELIVRD", "000", NOW_MS + 5)
    assert stock.counts(JUNE) == stock.counted(JUNE) == {DELIVERED: 1}


def test_pages_that_come_twice_are_heeded_once(stock: Stock, marketing: Marketing) -> None:
    ids = marketing.hand_over(2)
    told = (sent(1000), text(1), wish(), sent(1001))
    for _ in range(3):
        marketing.push(1, *told)
        marketing.hear(1, *told)
    assert stock.states(ids) == [SENT, SENT]
    assert [body for _, _, body, _ in stock.inbound()] == ["Bonjour"]
    assert stock.query("SELECT count(*) FROM consent_event") == [(1,)]
    assert stock.counts(JUNE) == stock.counted(JUNE) == {SENT: 2}
    assert (marketing.heeded(), marketing.waiting()) == (4, 0)


def test_of_pages_that_overlap_what_is_new_is_heeded(stock: Stock, marketing: Marketing) -> None:
    ids = marketing.hand_over(3)
    marketing.push(1, sent(1000), text(1))
    marketing.push(2, text(1), sent(1001), delivered(1000))
    marketing.hear(1, sent(1000), text(1), sent(1001), delivered(1000), sent(1002))
    assert stock.states(ids) == [DELIVERED, SENT, SENT]
    assert len(stock.inbound()) == 1
    assert marketing.heeded() == 5


def test_pages_without_those_before_them_are_not_heeded_and_those_are_asked_for(
    stock: Stock, marketing: Marketing
) -> None:
    ids = marketing.hand_over(2)
    assert missing(marketing.push(1, sent(1000))) == []
    assert missing(marketing.push(3, text(1), wish())) == [1]
    assert (stock.inbound(), marketing.heeded()) == ([], 1)
    assert missing(marketing.hear(2, sent(1001), text(1), wish())) == []
    assert stock.states(ids) == [SENT, SENT]
    assert len(stock.inbound()) == 1
    marketing.tick(60_000)
    marketing.collect()
    assert (len(stock.inbound()), marketing.heeded(), marketing.waiting()) == (1, 4, 0)


def test_pages_that_mid_has_no_more_are_not_waited_for(stock: Stock, marketing: Marketing) -> None:
    (one,) = marketing.hand_over(1)
    assert missing(marketing.hear(500, sent(1000))) == []
    assert (stock.state(one), marketing.heeded()) == (SENT, 500)


# -- early, late, and without memory ---------------------------------------------------------------------------------


def test_what_is_told_before_the_answer_is_known_is_heeded_once_it_is(stock: Stock, marketing: Marketing) -> None:
    ids = stock.enqueue(2, delivery=JUNE)
    marketing.finish(marketing.lease())
    marketing.push(1, sent(1000, 1001), delivered(1000))
    assert stock.states(ids) == [WAITING, WAITING]
    assert (marketing.heeded(), marketing.waiting()) == (2, 1)
    marketing.answered(ids)
    marketing.tick(1000)
    marketing.collect()
    assert stock.states(ids) == [DELIVERED, SENT]
    assert stock.counts(JUNE) == stock.counted(JUNE) == {DELIVERED: 1, SENT: 1}
    assert marketing.waiting() == 0


def test_what_is_told_of_messages_that_nobody_knows_is_given_up(stock: Stock, marketing: Marketing) -> None:
    marketing.push(1, sent(9), delivered(9), state(10, FAILED))
    assert marketing.waiting() == 1
    for _ in range(WAIT_S + 1):
        marketing.tick(1000)
        marketing.collect()
    assert (marketing.waiting(), marketing.heeded()) == (0, 3)


def test_an_engine_that_did_not_hand_a_message_over_finds_it(stock: Stock, marketing: Marketing) -> None:
    ids = marketing.hand_over(3)
    marketing.push(1, sent(1000))
    heir = Marketing(stock, "engine-2")
    heir.pushes = marketing.pushes
    heir.push(2, delivered(1000), Told(sent=[(1001, NOW_MS)], delivered=[(1001, NOW_MS, "DELIVRD", "000")]), sent(1002))
    assert stock.states(ids) == [DELIVERED, DELIVERED, SENT]
    assert stock.counts(JUNE) == stock.counted(JUNE) == {DELIVERED: 2, SENT: 1}


def test_pages_that_are_read_again_mend_states_and_repeat_nothing(stock: Stock, marketing: Marketing) -> None:
    ids = marketing.hand_over(4)
    told = (sent(1000, 1001), delivered(1000), text(1), wish(), sent(1002), state(1003, FAILED, "unreachable"))
    marketing.push(1, *told[:4])
    marketing.push(5, wish(is_given=True))
    stock.query("UPDATE relay_link SET page = 6")  # two pages are lost
    for _ in range(2):
        marketing.hear(1, *told, is_again=True)
        assert stock.states(ids) == [DELIVERED, SENT, SENT, FAILED]
        assert stock.counts(JUNE) == stock.counted(JUNE) == {DELIVERED: 1, SENT: 2, FAILED: 1}
    assert len(stock.inbound()) == 1
    assert stock.quarantine(PHONE)[0] == "valid"  # type: ignore[index]
    assert stock.query("SELECT count(*) FROM consent_event") == [(2,)]
    assert marketing.heeded() == 6
    events = stock.events(ids[3])
    assert len(events) == len(set(events))


# -- states, texts, wishes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [FAILED, EXCLUDED, DeliveryState.EXPIRED, DeliveryState.CANCELLED])
def test_a_message_ends_as_it_did_at_mid_with_mids_reason(
    stock: Stock, marketing: Marketing, end: DeliveryState
) -> None:
    (one,) = marketing.hand_over(1)
    marketing.push(1, state(1000, end, "mid knows why"))
    row = stock.message(one)
    assert (row["state"], row["reason"], row["done_ms"]) == (end, "mid knows why", NOW_MS)
    assert stock.counts(JUNE) == stock.counted(JUNE) == {end: 1}


def test_a_message_of_which_mid_does_not_know_whether_it_was_taken_may_turn_out_to_be_delivered(
    stock: Stock, marketing: Marketing
) -> None:
    ids = marketing.hand_over(2)
    marketing.push(1, state(1000, UNCONFIRMED, "no answer"), state(1001, UNCONFIRMED, "no answer"))
    assert stock.counts(JUNE) == stock.counted(JUNE) == {UNCONFIRMED: 2}
    marketing.push(3, sent(1000), delivered(1000), delivered(1001))
    assert stock.states(ids) == [DELIVERED, DELIVERED]
    assert stock.counts(JUNE) == stock.counted(JUNE) == {DELIVERED: 2}


def test_a_message_that_was_read_was_delivered(stock: Stock, marketing: Marketing) -> None:
    ids = marketing.hand_over(2)
    marketing.push(1, sent(1000, 1001), delivered(1000), state(1000, READ), state(1001, READ))
    marketing.push(6, delivered(1001))
    assert stock.states(ids) == [READ, READ]
    assert stock.counts(JUNE) == stock.counted(JUNE) == {READ: 2}


def test_a_late_word_does_not_undo_what_came_after_it(stock: Stock, marketing: Marketing) -> None:
    (one,) = marketing.hand_over(1)
    marketing.push(1, sent(1000), delivered(1000))
    marketing.hear(1, sent(1000), is_again=True)
    marketing.hear(1, sent(1000), delivered(1000), is_again=True)
    assert stock.state(one) == DELIVERED
    assert stock.counts(JUNE) == {DELIVERED: 1}


def test_a_text_is_kept_and_not_answered_again(stock: Stock, marketing: Marketing) -> None:
    replies = [{"keyword": "", "short_code": "", "reply": "Hi", "action": "none"}]
    marketing.handle(policy(stock, hands_over=True, unknown_receipt_wait_s=WAIT_S, automatic_replies=replies))
    marketing.push(1, text(1, "Où est mon colis ? 🎁"))
    assert stock.inbound() == [(PHONE, "36180", "Où est mon colis ? 🎁", True)]
    assert stock.outbox() == 0


def test_what_a_person_wants_is_heeded_and_written_down_with_mids_evidence(stock: Stock, marketing: Marketing) -> None:
    marketing.push(1, wish())
    assert stock.quarantine(PHONE)[:2] == ("denylisted", "STOP")  # type: ignore[index]
    assert stock.query("SELECT address, is_given, evidence FROM consent_event") == [(PHONE, False, "STOP")]
    assert marketing.blocked == [(PHONE, "", "denylisted")]
    marketing.tick(1000)
    marketing.push(2, Told(wishes=[WishTold(PHONE, True, "START", marketing.now_ms, "36180")]))
    assert stock.quarantine(PHONE)[0] == "valid"  # type: ignore[index]


# -- clocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead_ms", [300_000, -300_000])
def test_times_are_moved_to_our_clock(stock: Stock, marketing: Marketing, ahead_ms: int) -> None:
    (one, other) = marketing.hand_over(2)
    there_ms = NOW_MS + ahead_ms
    told = sent(1000, at_ms=there_ms + 1), delivered(1000, at_ms=there_ms + 2)
    marketing.push(1, *told, Told(states=[StateTold(1001, int(FAILED), there_ms + 3)]), ahead_ms=ahead_ms)
    assert stock.message(one)["sent_ms"] == NOW_MS + 1
    assert [stock.message(message)["done_ms"] for message in (one, other)] == [NOW_MS + 2, NOW_MS + 3]
    assert stock.query("SELECT clock_ms FROM relay_link") == [(ahead_ms,)]


# -- what cannot be --------------------------------------------------------------------------------------------------


def test_pages_with_what_another_version_may_tell_do_not_stop_those_after_them(
    stock: Stock, marketing: Marketing
) -> None:
    ids = marketing.hand_over(2)
    odd = Told(states=[StateTold(1000, 77, NOW_MS, "new\0", "x" * 500, "y" * 500)])
    marketing.push(1, odd, sent(1001))
    marketing.hear(3, Told(texts=[TextTold(5, "+" * 300, "\0", "\0", NOW_MS)]), sent(1000))
    assert stock.states(ids) == [SENT, SENT]
    assert marketing.heeded() == 4
