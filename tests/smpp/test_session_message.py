"""Messages through a session: window, answers in any order, expiry, numbers: SMPP 3.4, clauses 2.8 and 4.4 to 4.10."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.smpp.pair import DELIVER, DELIVER_BODY, SUBMIT, SUBMIT_BODY, ConnectionPair, of_kind, only

from chappe.smpp import (
    BindKind,
    CommandId,
    CommandStatus,
    Limits,
    LocalProtocolError,
    Pdu,
    Tag,
    Timers,
    Tlv,
    decode,
    encode,
    encode_tlvs,
    read_submit,
)
from chappe.smpp.constants import MAX_SEQUENCE_NUMBER
from chappe.smpp.event import (
    Alert,
    Closed,
    Deliveries,
    DeliverResults,
    DeliversExpired,
    Event,
    GenericResult,
    Malformed,
    RequestReceived,
    SubmitResults,
    Submits,
    SubmitsExpired,
)

NEVER = Timers(enquire_link_s=None)


def test_submits_go_out_in_one_write_and_come_in_as_one_event() -> None:
    pair = ConnectionPair.bound()
    bodies = [SUBMIT.body(b"336%d" % number, b"Hello", 0, 0, 1) for number in range(3)]
    pair.esme.submit(bodies, ["a", "b", "c"], pair.now)
    submits = only(Submits, pair.to_smsc())
    assert submits.bodies == bodies
    assert [read_submit(body).destination for body in submits.bodies] == [b"3360", b"3361", b"3362"]
    assert "33" not in repr(submits)


def test_answers_bring_back_the_tokens_in_any_order() -> None:
    pair = ConnectionPair.bound()
    pair.submit("a", "b", "c")
    first, second, third = only(Submits, pair.to_smsc()).sequence_numbers
    throttled = CommandStatus.ESME_RTHROTTLED
    pair.smsc.answer_submits([third, first], [0, throttled], [b"id3", b"ignored"])
    assert pair.to_esme() == [SubmitResults(["c", "a"], [0, throttled], [b"id3", b""])]
    pair.smsc.answer_submits([second], [0], [b"id2"])
    assert pair.to_esme() == [SubmitResults(["b"], [0], [b"id2"])]


def test_a_refused_submit_is_answered_without_a_body() -> None:
    pair = ConnectionPair.bound()
    pair.submit("a")
    pair.smsc.answer_submits(only(Submits, pair.to_smsc()).sequence_numbers, [CommandStatus.ESME_RSYSERR], [b""])
    assert len(pair.smsc.data_to_send()) == 16


@given(
    st.lists(st.tuples(st.sampled_from([0, 8, 0x58, 0x401]), st.binary(max_size=64).filter(lambda one: 0 not in one)))
)
def test_answers_are_the_octets_of_the_codec(answers: list[tuple[int, bytes]]) -> None:
    session = ConnectionPair.bound().smsc
    numbers = range(5, 5 + len(answers))
    session.answer_submits(numbers, [status for status, _ in answers], [message_id for _, message_id in answers])
    expected = [
        encode(Pdu(CommandId.SUBMIT_SM_RESP, status, number, {} if status else {"message_id": message_id}))
        for number, (status, message_id) in zip(numbers, answers, strict=True)
    ]
    assert session.data_to_send() == b"".join(expected)


def test_submits_are_the_octets_of_the_codec() -> None:
    session = ConnectionPair.bound().esme
    session.submit([SUBMIT_BODY], ["a"], 0.0)
    data = session.data_to_send()
    assert encode(decode(data)) == data
    assert decode(data).command_id == CommandId.SUBMIT_SM


def test_an_id_that_does_not_fit_is_not_sent() -> None:
    session = ConnectionPair.bound().smsc
    for message_id in (b"1" * 65, b"1\0"):
        with pytest.raises(LocalProtocolError, match="message_id"):
            session.answer_submits([1, 2], [0, 0], [b"1", message_id])
    assert session.data_to_send() == b""


def test_lists_that_are_not_parallel_are_refused() -> None:
    pair = ConnectionPair.bound()
    with pytest.raises(LocalProtocolError, match="parallel"):
        pair.esme.submit([SUBMIT_BODY], [], pair.now)
    with pytest.raises(LocalProtocolError, match="parallel"):
        pair.esme.answer_deliveries([1], [])
    with pytest.raises(LocalProtocolError, match="parallel"):
        pair.smsc.answer_submits([1], [0], [])
    assert pair.esme.data_to_send() + pair.smsc.data_to_send() == b""


def test_the_window_is_a_hard_limit() -> None:
    pair = ConnectionPair.bound(window=3)
    assert pair.esme.room == 3
    pair.submit("a", "b")
    assert pair.esme.room == 1
    with pytest.raises(LocalProtocolError, match="room for 1"):
        pair.submit("c", "d")
    pair.submit("c")
    assert pair.esme.room == 0
    numbers = only(Submits, pair.to_smsc()).sequence_numbers
    assert len(numbers) == 3
    pair.smsc.answer_submits(numbers[:2], [0, 0], [b"1", b"2"])
    pair.to_esme()
    assert pair.esme.room == 2


def test_deliveries_have_a_window_too() -> None:
    pair = ConnectionPair.bound(window=2)
    pair.deliver("a", "b")
    with pytest.raises(LocalProtocolError, match="window"):
        pair.deliver("c")
    assert pair.smsc.room == 0


def test_other_requests_take_a_place_in_the_window() -> None:
    pair = ConnectionPair.bound(window=1)
    pair.esme.send_request(Pdu(CommandId.QUERY_SM), "query", pair.now)
    assert pair.esme.room == 0
    with pytest.raises(LocalProtocolError, match="window"):
        pair.submit("a")
    with pytest.raises(LocalProtocolError, match="window"):
        pair.esme.send_request(Pdu(CommandId.QUERY_SM), "query", pair.now)


def test_a_window_holds_one_at_least() -> None:
    with pytest.raises(LocalProtocolError, match="window"):
        ConnectionPair(window=0)


def test_deliveries_come_in_parsed_and_are_answered_when_the_caller_says_so() -> None:
    pair = ConnectionPair.bound()
    tlvs = encode_tlvs([(Tag.RECEIPTED_MESSAGE_ID, b"77\0")])
    pair.smsc.deliver([DELIVER_BODY, DELIVER.body(b"336", b"id:77", 4, 0, 0, tlvs)], ["a", "b"], pair.now)
    text, receipt = only(Deliveries, pair.to_esme()).pdus
    assert (text.source, text.destination, text.short_message) == (b"33612345678", b"38600", b"STOP")
    assert (receipt.is_receipt, receipt.tlv(Tag.RECEIPTED_MESSAGE_ID)) == (True, b"77\0")
    assert pair.esme.data_to_send() == b""
    pair.esme.answer_deliveries([receipt.sequence_number, text.sequence_number], [0, CommandStatus.ESME_RX_T_APPN])
    assert pair.to_smsc() == [DeliverResults(["b", "a"], [0, CommandStatus.ESME_RX_T_APPN])]


def test_a_data_sm_is_a_delivery_and_gets_its_own_answer() -> None:
    pair = ConnectionPair.bound()
    payload = (Tlv(Tag.MESSAGE_PAYLOAD, b"id:77"),)
    pair.deliver("a")
    number = pair.smsc.send_request(Pdu(CommandId.DATA_SM, 0, 0, {"source_addr": b"1"}, payload), "b", pair.now)
    pair.deliver("c")
    pdus = only(Deliveries, pair.to_esme()).pdus
    assert [pdu.command_id for pdu in pdus] == [CommandId.DELIVER_SM, CommandId.DATA_SM, CommandId.DELIVER_SM]
    assert pdus[1].short_message == b"id:77"
    pair.esme.answer_deliveries([pdu.sequence_number for pdu in pdus], [0, 0, 0])
    first, generic, last = pair.to_smsc()
    assert first == DeliverResults(["a"], [0])
    assert generic == GenericResult("b", Pdu(CommandId.DATA_SM_RESP, 0, number, {"message_id": b""}))
    assert last == DeliverResults(["c"], [0])


def test_a_number_of_a_data_sm_that_was_answered_may_be_that_of_a_deliver_sm() -> None:
    session = ConnectionPair.bound().esme
    for command_id in (CommandId.DATA_SM, CommandId.DELIVER_SM):
        session.receive_data(encode(Pdu(command_id, 0, 5)), 0.0)
        session.answer_deliveries([5], [0])
        assert decode(session.data_to_send()).command_id == command_id | 0x80000000


def test_answers_to_deliveries_are_the_octets_of_the_codec() -> None:
    session = ConnectionPair.bound().esme
    session.answer_deliveries([7, 8], [0, 0x64])
    assert session.data_to_send() == b"".join(
        encode(Pdu(CommandId.DELIVER_SM_RESP, status, number, {"message_id": b""}))
        for number, status in ((7, 0), (8, 0x64))
    )


def test_results_of_one_read_come_before_its_deliveries_and_other_events_part_them() -> None:
    pair = ConnectionPair.bound()
    pair.submit("a", "b", "c")
    numbers = only(Submits, pair.to_smsc()).sequence_numbers
    pair.deliver("x")
    pair.smsc.answer_submits(numbers[:1], [0], [b"1"])
    pair.deliver("y")
    pair.smsc.answer_submits(numbers[1:2], [0], [b"2"])
    pair.smsc.send_notification(Pdu(CommandId.ALERT_NOTIFICATION), pair.now)
    pair.smsc.answer_submits(numbers[2:], [0], [b"3"])
    results, deliveries, alert, rest = pair.to_esme()
    assert results == SubmitResults(["a", "b"], [0, 0], [b"1", b"2"])
    assert isinstance(deliveries, Deliveries)
    assert len(deliveries.pdus) == 2
    assert isinstance(alert, Alert)
    assert rest == SubmitResults(["c"], [0], [b"3"])


def test_an_enquire_link_among_messages_parts_nothing() -> None:
    pair = ConnectionPair.bound()
    data = encode(Pdu(CommandId.DELIVER_SM, 0, 1)) + encode(Pdu(CommandId.ENQUIRE_LINK, 0, 2))
    events = pair.esme.receive_data(data + encode(Pdu(CommandId.DELIVER_SM, 0, 3)), pair.now)
    assert len(only(Deliveries, events).pdus) == 2
    assert decode(pair.esme.data_to_send()) == Pdu(CommandId.ENQUIRE_LINK_RESP, 0, 2)


def test_submits_without_an_answer_expire() -> None:
    pair = ConnectionPair.bound(timers=Timers(response_s=10, enquire_link_s=None))
    start = pair.now
    pair.submit("a", "b")
    pair.now += 1
    pair.submit("c")
    numbers = only(Submits, pair.to_smsc()).sequence_numbers
    pair.smsc.answer_submits([numbers[1]], [0], [b"2"])
    pair.to_esme()
    assert pair.esme.next_deadline() == start + 10
    assert pair.esme.tick(start + 9.9) == []
    assert pair.esme.tick(start + 10) == [SubmitsExpired(["a"])]
    assert (pair.esme.room, pair.esme.next_deadline()) == (9, start + 11)
    assert pair.esme.tick(start + 12) == [SubmitsExpired(["c"])]
    assert pair.esme.next_deadline() is None


def test_a_late_answer_is_counted_and_dropped() -> None:
    pair = ConnectionPair.bound(timers=Timers(response_s=10, enquire_link_s=None))
    pair.submit("a")
    numbers = only(Submits, pair.to_smsc()).sequence_numbers
    pair.esme.tick(pair.now + 10)
    pair.smsc.answer_submits(numbers, [0], [b"1"])
    assert pair.to_esme() == []
    assert pair.esme.late_answers == 1


def test_an_answer_that_comes_twice_counts_once() -> None:
    pair = ConnectionPair.bound()
    pair.submit("a")
    numbers = only(Submits, pair.to_smsc()).sequence_numbers
    pair.smsc.answer_submits(numbers * 2, [0, 0], [b"1", b"2"])
    assert pair.to_esme() == [SubmitResults(["a"], [0], [b"1"])]
    assert pair.esme.late_answers == 1


def test_deliveries_without_an_answer_expire() -> None:
    pair = ConnectionPair.bound(timers=Timers(response_s=10, enquire_link_s=None))
    pair.deliver("a", "b")
    assert pair.smsc.tick(pair.now + 10) == [DeliversExpired(["a", "b"])]


def test_what_was_answered_sets_no_deadline() -> None:
    pair = ConnectionPair.bound(timers=NEVER, window=100)
    for number in range(50):
        pair.now += 0.1
        pair.submit(number)
        pair.smsc.answer_submits(only(Submits, pair.to_smsc()).sequence_numbers, [0], [b"1"])
        pair.to_esme()
    assert pair.esme.next_deadline() is None


def test_without_a_response_timer_nothing_expires() -> None:
    pair = ConnectionPair.bound(timers=Timers(None, None, None))
    pair.submit("a")
    pair.esme.send_request(Pdu(CommandId.QUERY_SM), "query", pair.now)
    assert pair.esme.next_deadline() is None
    assert pair.esme.tick(pair.now + 1e9) == []


@pytest.mark.parametrize(("sent", "seen"), [(CommandStatus.ESME_RINVCMDID, CommandStatus.ESME_RINVCMDID), (0, 0xFF)])
def test_a_submit_that_is_nacked_is_refused(sent: int, seen: int) -> None:
    pair = ConnectionPair.bound()
    pair.submit("a")
    number = only(Submits, pair.to_smsc()).sequence_numbers[0]
    nack = encode(Pdu(CommandId.GENERIC_NACK, sent, number))
    assert pair.esme.receive_data(nack, pair.now) == [SubmitResults(["a"], [seen], [b""])]
    assert pair.esme.receive_data(nack, pair.now) == []
    assert pair.esme.late_answers == 1


def test_a_delivery_that_is_nacked_is_refused() -> None:
    pair = ConnectionPair.bound()
    pair.deliver("a")
    number = only(Deliveries, pair.to_esme()).pdus[0].sequence_number
    nack = encode(Pdu(CommandId.GENERIC_NACK, CommandStatus.ESME_RINVCMDLEN, number))
    assert pair.smsc.receive_data(nack, pair.now) == [DeliverResults(["a"], [CommandStatus.ESME_RINVCMDLEN])]


def test_sequence_numbers_wrap_and_skip_what_still_waits() -> None:
    pair = ConnectionPair.bound(window=100, first_sequence_number=MAX_SEQUENCE_NUMBER - 3, timers=NEVER)
    pair.submit("a", "b", "c", "d", "e")  # the bind took the first number
    numbers = only(Submits, pair.to_smsc()).sequence_numbers
    assert numbers == [MAX_SEQUENCE_NUMBER - 2, MAX_SEQUENCE_NUMBER - 1, MAX_SEQUENCE_NUMBER, 1, 2]
    pair.smsc.answer_submits(numbers[:3], [0, 0, 0], [b"1", b"2", b"3"])
    pair.to_esme()
    window = pair.esme._window
    window._next = MAX_SEQUENCE_NUMBER
    pair.now += 1
    pair.submit("f", "g", "h")
    assert only(Submits, pair.to_smsc()).sequence_numbers == [MAX_SEQUENCE_NUMBER, 3, 4]
    assert pair.esme.tick(pair.now + 59) == [SubmitsExpired(["d", "e"])]
    assert pair.esme.tick(pair.now + 60) == [SubmitsExpired(["f", "g", "h"])]


def test_sequence_numbers_wrap_after_a_batch_that_ends_with_the_last() -> None:
    pair = ConnectionPair.bound(first_sequence_number=MAX_SEQUENCE_NUMBER - 3, timers=NEVER)
    pair.submit("a", "b", "c")
    pair.submit("d")
    assert only(Submits, pair.to_smsc()).sequence_numbers == [
        *range(MAX_SEQUENCE_NUMBER - 2, MAX_SEQUENCE_NUMBER + 1),
        1,
    ]


def test_a_number_of_a_request_that_waits_is_skipped() -> None:
    pair = ConnectionPair.bound(window=100, first_sequence_number=MAX_SEQUENCE_NUMBER, timers=NEVER)
    assert pair.esme.send_request(Pdu(CommandId.QUERY_SM), "query", pair.now) == 1
    pair.esme._window._next = 1
    pair.submit("a")
    assert pair.esme.send_request(Pdu(CommandId.QUERY_SM), "query", pair.now) == 3


def test_a_request_is_matched_with_its_answer() -> None:
    pair = ConnectionPair.bound()
    query = Pdu(CommandId.QUERY_SM, 0, 0, {"message_id": b"77"})
    number = pair.esme.send_request(query, "query", pair.now)
    received = only(RequestReceived, pair.to_smsc()).pdu
    assert (received.command_id, received.sequence_number, received.octets("message_id")) == (
        CommandId.QUERY_SM,
        number,
        b"77",
    )
    answer = Pdu(
        CommandId.QUERY_SM_RESP,
        0,
        number,
        {"message_id": b"77", "final_date": b"", "message_state": 1, "error_code": 0},
    )
    pair.smsc.send_response(answer)
    assert pair.esme.room == 9
    assert pair.to_esme() == [GenericResult("query", answer)]
    assert pair.esme.room == 10
    pair.smsc.send_response(answer)
    assert (pair.to_esme(), pair.esme.late_answers) == ([], 1)


@pytest.mark.parametrize(
    "command_id",
    [CommandId.SUBMIT_MULTI, CommandId.DATA_SM, CommandId.QUERY_SM, CommandId.CANCEL_SM, CommandId.REPLACE_SM],
)
def test_every_other_request_of_an_esme_goes_through(command_id: CommandId) -> None:
    pair = ConnectionPair.bound(BindKind.TRANSMITTER)
    number = pair.esme.send_request(Pdu(command_id), "token", pair.now)
    assert only(RequestReceived, pair.to_smsc()).pdu.command_id == command_id
    answer = Pdu(command_id | 0x80000000, CommandStatus.ESME_RSYSERR, number)
    pair.smsc.send_response(answer)
    assert pair.to_esme() == [GenericResult("token", answer)]


@pytest.mark.parametrize("command_id", [CommandId.SUBMIT_SM, CommandId.DELIVER_SM])
def test_a_message_may_be_sent_as_a_request_by_itself(command_id: CommandId) -> None:
    pair = ConnectionPair.bound()
    if command_id == CommandId.SUBMIT_SM:
        number = pair.esme.send_request(Pdu(command_id), "token", pair.now)
        pair.to_smsc()
        pair.smsc.answer_submits([number], [0], [b"id"])
        answered = Pdu(CommandId.SUBMIT_SM_RESP, 0, number, {"message_id": b"id"})
        assert pair.to_esme() == [GenericResult("token", answered)]
    else:
        number = pair.smsc.send_request(Pdu(command_id), "token", pair.now)
        pair.to_esme()
        pair.esme.answer_deliveries([number], [0])
        answered = Pdu(CommandId.DELIVER_SM_RESP, 0, number, {"message_id": b""})
        assert pair.to_smsc() == [GenericResult("token", answered)]


def test_a_request_never_answered_has_no_result() -> None:
    pair = ConnectionPair.bound(timers=Timers(response_s=10, enquire_link_s=None))
    pair.esme.send_request(Pdu(CommandId.QUERY_SM), "query", pair.now)
    assert pair.esme.next_deadline() == pair.now + 10
    assert pair.esme.tick(pair.now + 10) == [GenericResult("query", None)]


def test_a_request_answered_unreadably_has_no_result() -> None:
    pair = ConnectionPair.bound()
    number = pair.esme.send_request(Pdu(CommandId.QUERY_SM), "query", pair.now)
    data = bytes.fromhex(f"00000013 80000003 00000000 {number:08x} 313200")
    malformed, result = pair.esme.receive_data(data, pair.now)
    assert isinstance(malformed, Malformed)
    assert result == GenericResult("query", None)
    assert pair.esme.data_to_send().count(b"\x80\0\0\0") == 0


def test_a_request_that_is_nacked_has_the_nack_for_a_result() -> None:
    pair = ConnectionPair.bound()
    number = pair.esme.send_request(Pdu(CommandId.QUERY_SM), "query", pair.now)
    nack = Pdu(CommandId.GENERIC_NACK, CommandStatus.ESME_RINVCMDID, number)
    assert pair.esme.receive_data(encode(nack), pair.now) == [GenericResult("query", nack)]


def test_a_request_is_not_answered_by_another_command() -> None:
    pair = ConnectionPair.bound()
    number = pair.esme.send_request(Pdu(CommandId.QUERY_SM), "query", pair.now)
    for command_id in (CommandId.CANCEL_SM_RESP, CommandId.SUBMIT_SM_RESP, CommandId.UNBIND_RESP):
        assert pair.esme.receive_data(encode(Pdu(command_id, 0, number)), pair.now) == []
    assert pair.esme.late_answers == 3


def test_a_submit_is_not_answered_by_another_command() -> None:
    pair = ConnectionPair.bound()
    pair.submit("a")
    number = only(Submits, pair.to_smsc()).sequence_numbers[0]
    for command_id in (CommandId.DATA_SM_RESP, CommandId.DELIVER_SM_RESP, CommandId.ENQUIRE_LINK_RESP):
        assert pair.esme.receive_data(encode(Pdu(command_id, 0, number)), pair.now) == []
    assert pair.esme.close() == [Closed("closed by this side", ["a"])]


@pytest.mark.parametrize(
    "command_id", [CommandId.UNBIND, CommandId.ENQUIRE_LINK, CommandId.BIND_RECEIVER, CommandId.ALERT_NOTIFICATION]
)
def test_some_requests_have_their_own_way(command_id: CommandId) -> None:
    pair = ConnectionPair.bound()
    with pytest.raises(LocalProtocolError, match="not sent this way"):
        pair.smsc.send_request(Pdu(command_id), None, pair.now)


def test_notifications_are_what_has_no_answer() -> None:
    pair = ConnectionPair.bound()
    with pytest.raises(LocalProtocolError, match="has an answer"):
        pair.smsc.send_notification(Pdu(CommandId.DELIVER_SM), pair.now)
    with pytest.raises(LocalProtocolError, match="outbind"):
        pair.smsc.send_notification(Pdu(CommandId.OUTBIND), pair.now)


def test_an_alert_comes_in() -> None:
    pair = ConnectionPair.bound(BindKind.RECEIVER)
    pair.smsc.send_notification(Pdu(CommandId.ALERT_NOTIFICATION, 0, 0, {"source_addr": b"336"}), pair.now)
    assert only(Alert, pair.to_esme()).pdu.octets("source_addr") == b"336"


def test_a_response_is_no_request() -> None:
    pair = ConnectionPair.bound()
    with pytest.raises(LocalProtocolError, match="not a response"):
        pair.smsc.send_response(Pdu(CommandId.QUERY_SM))
    with pytest.raises(LocalProtocolError, match="query_sm_resp"):
        pair.esme.send_request(Pdu(CommandId.QUERY_SM_RESP), None, pair.now)


def test_messages_beyond_the_limit_are_throttled_until_some_are_answered() -> None:
    pair = ConnectionPair.bound(window=10, limits=Limits(max_messages=2))
    pair.submit("a", "b", "c")
    numbers = only(Submits, pair.to_smsc()).sequence_numbers
    assert len(numbers) == 2
    assert pair.to_esme() == [SubmitResults(["c"], [CommandStatus.ESME_RTHROTTLED], [b""])]
    assert pair.smsc.throttled_messages == 1
    pair.smsc.answer_submits(numbers[:1], [0], [b"1"])
    pair.submit("d")
    assert len(only(Submits, pair.to_smsc()).sequence_numbers) == 1


def test_deliveries_and_requests_beyond_the_limit_are_throttled() -> None:
    pair = ConnectionPair.bound(limits=Limits(max_messages=1))
    pair.deliver("a", "b")
    [first] = only(Deliveries, pair.to_esme()).pdus
    assert pair.to_smsc() == [DeliverResults(["b"], [CommandStatus.ESME_RTHROTTLED])]
    pair.esme.answer_deliveries([first.sequence_number], [0])
    pair.deliver("b")
    only(Deliveries, pair.to_esme())
    pair.to_smsc()
    pair.submit("c")
    pair.esme.send_request(Pdu(CommandId.QUERY_SM), "query", pair.now)
    only(Submits, pair.to_smsc())
    result = only(GenericResult, pair.to_esme())
    assert result.pdu is not None
    assert result.pdu.command_status == CommandStatus.ESME_RTHROTTLED


def test_requests_that_were_answered_make_room_for_others() -> None:
    pair = ConnectionPair.bound(limits=Limits(max_messages=1))
    for _ in range(3):
        number = pair.esme.send_request(Pdu(CommandId.QUERY_SM), "query", pair.now)
        only(RequestReceived, pair.to_smsc())
        pair.smsc.send_response(Pdu(CommandId.QUERY_SM_RESP, CommandStatus.ESME_RQUERYFAIL, number))
        only(GenericResult, pair.to_esme())
    pair.esme.send_request(Pdu(CommandId.QUERY_SM), "one", pair.now)
    pair.esme.send_request(Pdu(CommandId.QUERY_SM), "two", pair.now)
    assert len(of_kind(RequestReceived, pair.to_smsc())) == 1
    assert pair.smsc.throttled_messages == 1


def test_a_message_that_is_malformed_is_refused_and_the_next_is_taken() -> None:
    pair = ConnectionPair.bound()
    bad = bytes.fromhex("00000013 00000005 00000000 00000009 000101")
    good = encode(Pdu(CommandId.DELIVER_SM, 0, 10))
    before, malformed, after = pair.esme.receive_data(good + bad + good, pair.now)
    assert isinstance(before, Deliveries)
    assert isinstance(malformed, Malformed)
    assert isinstance(after, Deliveries)
    answer = decode(pair.esme.data_to_send())
    assert (answer.command_id, answer.command_status, answer.sequence_number) == (
        CommandId.DELIVER_SM_RESP,
        CommandStatus.ESME_RINVCMDLEN,
        9,
    )


def test_a_bytearray_that_is_used_again_changes_nothing() -> None:
    pair = ConnectionPair.bound()
    pair.deliver("a")
    buffer = bytearray(pair.smsc.data_to_send())
    pair.esme.receive_data(bytes(buffer[:20]), pair.now)
    rest = buffer[20:]
    [delivery] = only(Deliveries, pair.esme.receive_data(rest, pair.now)).pdus
    rest[:] = bytes(len(rest))
    assert delivery.short_message == b"STOP"
    assert isinstance(delivery.short_message, bytes)


class _Walk:
    """An ESME that is led through anything, and the tokens that it gave back."""

    def __init__(self, chance: random.Random, first_sequence_number: int) -> None:
        self.chance = chance
        self.pair = ConnectionPair.bound(
            timers=Timers(response_s=10, enquire_link_s=None), window=15, first_sequence_number=first_sequence_number
        )
        self.sent = 0
        self.back: list[object] = []
        self.seen: list[int] = []  # numbers at the SMSC, answered or not

    def take(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case SubmitResults(tokens, statuses, message_ids):
                    assert len(tokens) == len(statuses) == len(message_ids) > 0
                    self.back += tokens
                case SubmitsExpired(tokens) | Closed(unanswered_tokens=tokens):
                    self.back += tokens
                case _:
                    raise AssertionError(event)

    def submit(self, count: int) -> None:
        count = min(count, self.pair.esme.room)
        self.pair.submit(*range(self.sent, self.sent + count))
        self.sent += count
        for submits in of_kind(Submits, self.pair.to_smsc()):
            self.seen += submits.sequence_numbers

    def answer(self, count: int) -> None:
        numbers = [self.chance.choice(self.seen) for _ in range(count) if self.seen]
        statuses = [self.chance.choice([0, 0, 8, 0x58]) for _ in numbers]
        self.pair.smsc.answer_submits(numbers, statuses, [b"id"] * len(numbers))
        data = self.pair.smsc.data_to_send()
        cut = self.chance.randint(0, len(data))
        for part in (data[:cut], data[cut:]):
            self.take(self.pair.esme.receive_data(part, self.pair.now))

    def nack(self, count: int) -> None:
        for _ in range(count):
            number = self.chance.choice([*self.seen, 0, 77])
            nack = encode(Pdu(CommandId.GENERIC_NACK, CommandStatus.ESME_RINVCMDID, number))
            self.take(self.pair.esme.receive_data(nack, self.pair.now))

    def wait(self, seconds: int) -> None:
        self.pair.now += seconds
        self.take(self.pair.esme.tick(self.pair.now))

    def end(self, how: int) -> None:
        esme, now = self.pair.esme, self.pair.now
        if how == 0:
            self.take(esme.close())
        elif how == 1:
            self.take(esme.receive_eof(now))
        elif how == 2:
            self.take(esme.receive_data(bytes(16), now))
        else:
            esme.unbind(now)
            self.pair.to_smsc()
            self.take(self.pair.to_esme())


steps = st.lists(
    st.tuples(st.sampled_from(["submit", "submit", "answer", "answer", "nack", "wait"]), st.integers(0, 12)),
    max_size=40,
)


@given(steps, st.integers(0, 3), st.randoms(use_true_random=False), st.sampled_from([1, MAX_SEQUENCE_NUMBER - 20]))
def test_every_token_comes_back_exactly_once(
    path: list[tuple[str, int]], ending: int, chance: random.Random, first_sequence_number: int
) -> None:
    walk = _Walk(chance, first_sequence_number)
    for step, number in path:
        getattr(walk, step)(number)
        assert walk.pair.esme.room == 15 - (walk.sent - len(walk.back))
        assert len(set(walk.back)) == len(walk.back)
    walk.end(ending)
    assert sorted(walk.back, key=str) == sorted(range(walk.sent), key=str)
    assert walk.pair.esme.close() == []
