"""Conversations, as the recorder opens them: one a number, open where nothing answered."""

from tests.engine.stock import Desk, Stock

from chappe.engine.store.frame import InboundPiece

PHONE, OTHER = "+33612345678", "+33699999999"
STOP = [{"keyword": "STOP", "short_code": "", "reply": "", "action": "send_to_quarantine"}]


def conversations(stock: Stock) -> list[tuple[str, str, int, bool]]:
    rows = stock.query("SELECT number, recipient, last_inbound_id, is_open FROM conversation ORDER BY number")
    return [(number, recipient, inbound_id, bool(is_open)) for number, recipient, inbound_id, is_open in rows]


def last_text(stock: Stock) -> int:
    ((latest,),) = stock.query("SELECT max(id) FROM inbound")
    return int(latest)


def close_all(stock: Stock) -> None:
    stock.query("UPDATE conversation SET is_open = ? RETURNING id", False)


def test_a_text_opens_a_conversation_and_another_moves_it_on(stock: Stock, desk: Desk) -> None:
    desk.text("When do you open?")
    first = last_text(stock)
    assert conversations(stock) == [(PHONE, "36180", first, True)]
    desk.text("And on Sundays?", recipient="36181")
    assert conversations(stock) == [(PHONE, "36181", last_text(stock), True)]
    assert last_text(stock) > first


def test_texts_that_come_together_make_one_conversation_a_number(stock: Stock, desk: Desk) -> None:
    senders = [PHONE[1:], OTHER[1:], PHONE[1:]]
    desk.record(
        inbound=[
            InboundPiece(token, stock.connection_id, sender, "36180", "latin1", b"Hello", 0, 1, 1, desk.now_ms)
            for token, sender in enumerate(senders, start=100)
        ]
    )
    latest = last_text(stock)
    assert conversations(stock) == [(PHONE, "36180", latest, True), (OTHER, "36180", latest - 1, True)]


def test_what_a_keyword_answers_waits_for_nobody(stock: Stock) -> None:
    desk = Desk(stock, automatic_replies=STOP)
    desk.text("STOP")
    assert conversations(stock) == [(PHONE, "36180", last_text(stock), False)]


def test_a_closed_conversation_opens_again_for_a_text_and_not_for_a_keyword(stock: Stock) -> None:
    desk = Desk(stock, automatic_replies=STOP)
    desk.text("Hello")
    close_all(stock)
    desk.text("STOP")
    assert not conversations(stock)[0][3]
    desk.text("Are you there?")
    assert conversations(stock)[0][3]


def test_a_keyword_does_not_close_what_waits(stock: Stock) -> None:
    desk = Desk(stock, automatic_replies=STOP)
    desk.text("Hello")
    desk.text("STOP")
    assert conversations(stock)[0][3]
