"""Keeping a link alive and finding out that it is dead: SMPP 3.4, clauses 4.11 and 7.2."""

from tests.smpp.pair import ConnectionPair, only

from chappe.smpp import CommandId, Pdu, Timers, decode, encode
from chappe.smpp.event import Closed, Deliveries, LinkDead, Submits

TIMERS = Timers(response_s=None, bind_s=5, enquire_link_s=30)


def _enquired(data: bytes) -> bool:
    return bool(data) and decode(data).command_id == CommandId.ENQUIRE_LINK


def test_an_idle_link_is_asked_whether_it_is_alive() -> None:
    pair = ConnectionPair.bound(timers=TIMERS)
    start = pair.now
    assert pair.esme.next_deadline() == start + 30
    assert pair.esme.tick(start + 29) == []
    assert pair.esme.data_to_send() == b""
    assert pair.esme.tick(start + 30) == []
    assert _enquired(pair.esme.data_to_send())


def test_an_answered_enquire_link_starts_the_period_again() -> None:
    pair = ConnectionPair.bound(timers=TIMERS)
    for _ in range(5):
        pair.now += 30
        assert pair.esme.tick(pair.now) == []
        pair.now += 1
        assert pair.to_smsc() == []
        assert pair.to_esme() == []
        assert pair.esme.next_deadline() == pair.now + 30
    assert pair.esme.late_answers == 0


def test_the_smsc_asks_too() -> None:
    pair = ConnectionPair.bound(timers=TIMERS)
    pair.smsc.tick(pair.now + 30)
    assert pair.to_esme() == []
    assert pair.to_smsc() == []
    assert pair.smsc.late_answers == 0


def test_a_link_without_an_answer_for_two_periods_is_dead() -> None:
    pair = ConnectionPair.bound(timers=TIMERS)
    start = pair.now
    pair.submit("a")
    pair.esme.tick(start + 30)
    assert pair.esme.next_deadline() == start + 90
    assert pair.esme.tick(start + 89) == []
    dead, closed = pair.esme.tick(start + 90)
    assert dead == LinkDead("enquire_link was not answered")
    assert closed == Closed("the link is dead: enquire_link was not answered", ["a"])


def test_it_is_asked_once_and_not_again_while_waiting() -> None:
    pair = ConnectionPair.bound(timers=TIMERS)
    pair.esme.tick(pair.now + 30)
    pair.esme.data_to_send()
    for seconds in range(31, 90):
        assert pair.esme.tick(pair.now + seconds) == []
    assert pair.esme.data_to_send() == b""


def test_anything_received_is_a_sign_of_life() -> None:
    pair = ConnectionPair.bound(timers=TIMERS)
    pair.esme.tick(pair.now + 30)
    pair.now += 89
    pair.deliver("a")
    only(Deliveries, pair.to_esme())
    assert pair.esme.tick(pair.now + 2) == []
    assert pair.esme.next_deadline() == pair.now + 30


def test_half_a_pdu_is_no_sign_of_life() -> None:
    pair = ConnectionPair.bound(timers=TIMERS)
    pair.esme.tick(pair.now + 30)
    pair.esme.receive_data(b"\0\0\0\x10", pair.now + 80)
    assert pair.esme.next_deadline() == pair.now + 90


def test_a_link_in_use_is_not_asked() -> None:
    pair = ConnectionPair.bound(timers=TIMERS)
    for _ in range(20):
        pair.now += 20
        pair.submit("a")
        pair.smsc.answer_submits(only(Submits, pair.to_smsc()).sequence_numbers, [0], [b"1"])
        pair.to_esme()
        assert pair.esme.tick(pair.now + 15) == []
        assert pair.esme.data_to_send() == b""


def test_what_is_sent_alone_puts_off_the_question_for_a_period() -> None:
    pair = ConnectionPair.bound(timers=TIMERS)
    pair.submit("a")
    pair.esme.data_to_send()
    pair.esme.submit([b"x"], ["b"], pair.now + 20)
    pair.esme.data_to_send()
    assert pair.esme.tick(pair.now + 49) == []
    assert pair.esme.data_to_send() == b""
    pair.esme.tick(pair.now + 50)
    assert _enquired(pair.esme.data_to_send())


def test_a_peer_that_swallows_everything_is_found_out() -> None:
    # The response timer frees the window again and again, so the link is never idle.
    pair = ConnectionPair.bound(timers=Timers(response_s=10, enquire_link_s=30), window=1)
    start = pair.now
    dead_at = 0.0
    while not dead_at:
        pair.now += 1
        events = pair.esme.tick(pair.now)
        if any(isinstance(event, LinkDead) for event in events):
            dead_at = pair.now
        elif pair.esme.room:
            pair.submit("again")
    assert dead_at == start + 120


def test_answers_count_as_sent() -> None:
    pair = ConnectionPair.bound(timers=TIMERS)
    pair.deliver("a")
    pair.now += 20
    [delivery] = only(Deliveries, pair.to_esme()).pdus
    pair.esme.tick(pair.now + 10)
    pair.esme.answer_deliveries([delivery.sequence_number], [0])
    assert pair.esme.next_deadline() == pair.now + 40


def test_without_a_period_nothing_is_asked() -> None:
    pair = ConnectionPair.bound(timers=Timers(None, None, None))
    assert pair.esme.next_deadline() is None
    pair.esme.tick(pair.now + 1e9)
    assert pair.esme.data_to_send() == b""


def test_an_enquire_link_is_answered_before_a_bind() -> None:
    pair = ConnectionPair()
    for session in (pair.esme, pair.smsc):
        assert session.receive_data(encode(Pdu(CommandId.ENQUIRE_LINK, 0, 3)), pair.now) == []
        assert decode(session.data_to_send()) == Pdu(CommandId.ENQUIRE_LINK_RESP, 0, 3)


def test_a_deadline_that_is_kept_moves_on() -> None:
    pair = ConnectionPair.bound(timers=Timers(response_s=7, enquire_link_s=3))
    pair.submit("a", "b")
    for _ in range(10):
        deadline = pair.esme.next_deadline()
        if deadline is None:
            break
        assert deadline >= pair.now
        pair.now = deadline
        pair.esme.tick(deadline)
        following = pair.esme.next_deadline()
        assert following is None or following > deadline
    assert pair.esme.next_deadline() is None
