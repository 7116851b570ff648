"""Binding, unbinding and ending, both ends in memory: SMPP 3.4, clauses 2.2, 4.1 and 4.2."""

import pytest
from tests.smpp.pair import DELIVER_BODY, SUBMIT_BODY, ConnectionPair, only

from chappe.smpp import (
    BindKind,
    CommandId,
    CommandStatus,
    LocalProtocolError,
    Pdu,
    Role,
    Session,
    State,
    Tag,
    Timers,
    Tlv,
    decode,
    encode,
)
from chappe.smpp.event import (
    BindFailed,
    BindRequested,
    Bound,
    Closed,
    Deliveries,
    Event,
    GenericResult,
    Malformed,
    Outbind,
    SubmitResults,
    Submits,
    UnbindReceived,
)

STATES = {
    BindKind.TRANSMITTER: State.BOUND_TX,
    BindKind.RECEIVER: State.BOUND_RX,
    BindKind.TRANSCEIVER: State.BOUND_TRX,
}
every_kind = pytest.mark.parametrize("kind", list(BindKind), ids=lambda kind: kind.name.lower())


@every_kind
def test_a_bind_that_is_accepted_binds_both_ends(kind: BindKind) -> None:
    pair = ConnectionPair()
    pair.esme.bind(kind, b"chappe", b"secret", b"VMS", 0x34, 1, 2, b"386", pair.now)
    request = only(BindRequested, pair.to_smsc())
    assert request == BindRequested(1, kind, b"chappe", b"secret", b"VMS", 0x34, 1, 2, b"386")
    assert pair.smsc.state is State.OPEN
    version = Tlv(Tag.SC_INTERFACE_VERSION, b"\x34")
    pair.smsc.accept_bind(request, b"SMSC", (version,), pair.now)
    assert pair.to_esme() == [Bound(b"SMSC", (version,))]
    assert (pair.esme.state, pair.smsc.state) == (STATES[kind], STATES[kind])


@every_kind
def test_a_bind_that_is_refused_can_be_tried_again(kind: BindKind) -> None:
    pair = ConnectionPair()
    pair.ask_to_bind(kind)
    pair.smsc.refuse_bind(only(BindRequested, pair.to_smsc()), CommandStatus.ESME_RINVPASWD)
    assert pair.to_esme() == [BindFailed(CommandStatus.ESME_RINVPASWD, "wrong password")]
    assert (pair.esme.state, pair.smsc.state) == (State.OPEN, State.OPEN)
    pair.ask_to_bind(kind)
    pair.smsc.accept_bind(only(BindRequested, pair.to_smsc()), b"SMSC", (), pair.now)
    assert pair.to_esme() == [Bound(b"SMSC")]


def test_a_request_to_bind_does_not_show_the_password() -> None:
    pair = ConnectionPair()
    pair.ask_to_bind()
    assert "secret" not in repr(pair.to_smsc())


def test_a_bind_that_is_nacked_has_failed() -> None:
    pair = ConnectionPair()
    pair.ask_to_bind()
    nack = encode(Pdu(CommandId.GENERIC_NACK, CommandStatus.ESME_RINVCMDID, 1))
    assert pair.esme.receive_data(nack, pair.now) == [BindFailed(CommandStatus.ESME_RINVCMDID, "unknown command")]


def test_a_bind_answered_with_an_unreadable_body_is_bound_by_its_status() -> None:
    pair = ConnectionPair()
    pair.ask_to_bind()
    answer = bytes.fromhex("00000016 80000009 00000000 00000001 5300 02100001".replace(" ", ""))
    malformed, bound = pair.esme.receive_data(answer, pair.now)
    assert isinstance(malformed, Malformed)
    assert bound == Bound(b"")
    assert pair.esme.state is State.BOUND_TRX


def test_a_bind_answered_by_another_bind_is_not_answered() -> None:
    pair = ConnectionPair()
    pair.ask_to_bind(BindKind.TRANSMITTER)
    assert pair.esme.receive_data(encode(Pdu(CommandId.BIND_RECEIVER_RESP, 0, 1)), pair.now) == []
    assert (pair.esme.state, pair.esme.late_answers) == (State.OPEN, 1)


def test_a_second_bind_waits_for_the_first() -> None:
    pair = ConnectionPair()
    pair.ask_to_bind()
    with pytest.raises(LocalProtocolError, match="waiting"):
        pair.ask_to_bind()


def test_a_second_bind_of_the_peer_is_refused_while_the_first_is_looked_at() -> None:
    pair = ConnectionPair()
    bind = Pdu(CommandId.BIND_RECEIVER, 0, 1)
    first, second = pair.smsc.receive_data(encode(bind) * 2, pair.now)
    assert isinstance(first, BindRequested)
    assert isinstance(second, Malformed)
    answer = decode(pair.smsc.data_to_send())
    assert (answer.command_id, answer.command_status) == (CommandId.BIND_RECEIVER_RESP, CommandStatus.ESME_RALYBND)


def test_a_bind_of_a_bound_peer_is_refused() -> None:
    pair = ConnectionPair.bound()
    only(Malformed, pair.smsc.receive_data(encode(Pdu(CommandId.BIND_TRANSMITTER, 0, 9)), pair.now))
    answer = decode(pair.smsc.data_to_send())
    assert answer == Pdu(CommandId.BIND_TRANSMITTER_RESP, CommandStatus.ESME_RALYBND, 9)
    assert pair.smsc.state is State.BOUND_TRX


def test_a_bind_is_answered_once() -> None:
    pair = ConnectionPair()
    pair.ask_to_bind()
    request = only(BindRequested, pair.to_smsc())
    pair.smsc.accept_bind(request, b"SMSC", (), pair.now)
    with pytest.raises(LocalProtocolError):
        pair.smsc.accept_bind(request, b"SMSC", (), pair.now)
    with pytest.raises(LocalProtocolError):
        pair.smsc.refuse_bind(request, CommandStatus.ESME_RBINDFAIL)


def test_a_bind_answered_after_the_end_is_no_error() -> None:
    pair = ConnectionPair()
    pair.ask_to_bind()
    request = only(BindRequested, pair.to_smsc())
    pair.smsc.receive_eof(pair.now)
    pair.smsc.accept_bind(request, b"SMSC", (), pair.now)
    pair.smsc.refuse_bind(request, CommandStatus.ESME_RBINDFAIL)
    assert pair.smsc.state is State.CLOSED


def test_a_system_id_too_long_leaves_the_bind_waiting() -> None:
    pair = ConnectionPair()
    pair.ask_to_bind()
    request = only(BindRequested, pair.to_smsc())
    with pytest.raises(LocalProtocolError, match="system_id"):
        pair.smsc.accept_bind(request, b"S" * 16, (), pair.now)
    pair.smsc.accept_bind(request, b"S" * 15, (), pair.now)
    assert pair.to_esme() == [Bound(b"S" * 15)]


def test_a_password_too_long_is_named_and_nothing_is_sent() -> None:
    pair = ConnectionPair()
    with pytest.raises(LocalProtocolError, match="password") as caught:
        pair.esme.bind(BindKind.TRANSMITTER, b"id", b"123456789", b"", 0x34, 0, 0, b"", pair.now)
    assert "123456789" not in str(caught.value)
    assert pair.esme.data_to_send() == b""
    pair.ask_to_bind()


def test_a_bind_never_answered_fails_and_closes() -> None:
    pair = ConnectionPair(timers=Timers(bind_s=5))
    pair.ask_to_bind()
    assert pair.esme.next_deadline() == pair.now + 5
    assert pair.esme.tick(pair.now + 4.9) == []
    reason = "no bind answered within 5 s"
    assert pair.esme.tick(pair.now + 5) == [BindFailed(None, reason), Closed(reason, [])]


def test_a_bind_that_was_refused_has_no_timer() -> None:
    pair = ConnectionPair(timers=Timers(bind_s=5))
    pair.ask_to_bind()
    pair.smsc.refuse_bind(only(BindRequested, pair.to_smsc()), CommandStatus.ESME_RBINDFAIL)
    only(BindFailed, pair.to_esme())
    assert pair.esme.next_deadline() is None
    assert pair.esme.tick(pair.now + 6) == []


def test_there_is_room_only_where_messages_may_be_sent() -> None:
    assert ConnectionPair().esme.room == 0
    for kind, esme, smsc in ((BindKind.TRANSMITTER, 10, 0), (BindKind.RECEIVER, 0, 10), (BindKind.TRANSCEIVER, 10, 10)):
        pair = ConnectionPair.bound(kind)
        assert (pair.esme.room, pair.smsc.room) == (esme, smsc)
        pair.esme.unbind(pair.now)
        pair.to_smsc()
        assert (pair.esme.room, pair.smsc.room) == (0, 0)
        pair.to_esme()
        assert pair.esme.room == 0


def test_an_esme_that_never_binds_is_closed() -> None:
    pair = ConnectionPair(timers=Timers(bind_s=5))
    assert pair.smsc.next_deadline() == pair.now + 5
    assert pair.smsc.tick(pair.now + 5) == [Closed("no bind answered within 5 s", [])]


def test_a_bound_session_has_no_bind_timer() -> None:
    pair = ConnectionPair.bound(timers=Timers(bind_s=5, enquire_link_s=None))
    assert (pair.esme.next_deadline(), pair.smsc.next_deadline()) == (None, None)
    assert pair.smsc.tick(pair.now + 60) == []


def test_an_outbind_asks_for_a_bind_as_receiver() -> None:
    pair = ConnectionPair()
    pair.smsc.send_notification(Pdu(CommandId.OUTBIND, 0, 0, {"system_id": b"SMSC", "password": b"pw"}), pair.now)
    assert pair.to_esme() == [Outbind(b"SMSC", b"pw")]
    assert (pair.esme.state, pair.smsc.state) == (State.OUTBOUND, State.OUTBOUND)
    with pytest.raises(LocalProtocolError):
        pair.ask_to_bind(BindKind.TRANSMITTER)
    pair.ask_to_bind(BindKind.RECEIVER)
    pair.smsc.accept_bind(only(BindRequested, pair.to_smsc()), b"SMSC", (), pair.now)
    assert pair.to_esme() == [Bound(b"SMSC")]
    assert pair.esme.state is State.BOUND_RX


def _unbind_from_esme(pair: ConnectionPair) -> tuple[list[Event], list[Event]]:
    pair.esme.unbind(pair.now)
    return pair.to_smsc(), pair.to_esme()


@every_kind
def test_an_unbind_of_the_esme_ends_the_session_when_answered(kind: BindKind) -> None:
    pair = ConnectionPair.bound(kind)
    at_smsc, at_esme = _unbind_from_esme(pair)
    assert at_smsc == [UnbindReceived()]
    assert at_esme == [Closed("unbound", [])]
    assert (pair.esme.state, pair.smsc.state) == (State.CLOSED, State.UNBOUND)
    assert pair.smsc.receive_eof(pair.now) == [Closed("the connection was closed", [])]


@every_kind
def test_an_unbind_of_the_smsc_ends_the_session_when_answered(kind: BindKind) -> None:
    pair = ConnectionPair.bound(kind)
    pair.smsc.unbind(pair.now)
    assert pair.to_esme() == [UnbindReceived()]
    assert pair.to_smsc() == [Closed("unbound", [])]
    assert pair.esme.close() == [Closed("closed by this side", [])]


def test_unbinds_that_cross_end_both_sides() -> None:
    pair = ConnectionPair.bound()
    pair.esme.unbind(pair.now)
    pair.smsc.unbind(pair.now)
    to_smsc, to_esme = pair.esme.data_to_send(), pair.smsc.data_to_send()
    assert pair.smsc.receive_data(to_smsc, pair.now) == [UnbindReceived()]
    assert pair.esme.receive_data(to_esme, pair.now) == [UnbindReceived()]
    assert pair.to_esme() == [Closed("unbound", [])]
    assert pair.to_smsc() == [Closed("unbound", [])]


def test_answers_still_come_in_while_unbinding() -> None:
    pair = ConnectionPair.bound()
    pair.submit("one", "two")
    submits = only(Submits, pair.to_smsc())
    pair.smsc.answer_submits(submits.sequence_numbers[:1], [0], [b"id1"])
    pair.esme.unbind(pair.now)
    assert pair.to_esme() == [SubmitResults(["one"], [0], [b"id1"])]
    pair.to_smsc()
    assert pair.to_esme() == [Closed("unbound", ["two"])]


def test_an_unbind_never_answered_closes_after_the_response_timer() -> None:
    pair = ConnectionPair.bound(timers=Timers(response_s=7, enquire_link_s=None))
    pair.esme.unbind(pair.now)
    assert pair.esme.next_deadline() == pair.now + 7
    assert pair.esme.tick(pair.now + 7) == [Closed("unbind was not answered", [])]


def test_a_peer_that_unbinds_and_stays_is_closed_after_the_response_timer() -> None:
    pair = ConnectionPair.bound(timers=Timers(response_s=7, enquire_link_s=None))
    pair.esme.unbind(pair.now)
    pair.to_smsc()
    assert pair.smsc.tick(pair.now + 7) == [Closed("the peer unbound and did not close", [])]


def test_nothing_is_sent_after_an_unbind() -> None:
    pair = ConnectionPair.bound()
    pair.esme.unbind(pair.now)
    with pytest.raises(LocalProtocolError, match="unbound"):
        pair.submit("one")
    with pytest.raises(LocalProtocolError, match="sent already"):
        pair.esme.unbind(pair.now)


def test_unbinding_is_for_the_bound() -> None:
    with pytest.raises(LocalProtocolError, match="unbind"):
        ConnectionPair().esme.unbind(0.0)


def test_the_end_comes_once_and_nothing_after_it() -> None:
    pair = ConnectionPair.bound()
    pair.submit("one")
    assert pair.esme.receive_eof(pair.now) == [Closed("the connection was closed", ["one"])]
    assert pair.esme.receive_eof(pair.now) == []
    assert pair.esme.receive_data(encode(Pdu(CommandId.ENQUIRE_LINK, 0, 1)), pair.now) == []
    assert pair.esme.tick(pair.now + 1000) == []
    assert pair.esme.close() == []
    assert pair.esme.next_deadline() is None


def test_an_end_in_the_middle_of_a_pdu_is_told() -> None:
    pair = ConnectionPair.bound()
    pair.esme.receive_data(b"\0\0\0\x10\x80", pair.now)
    assert pair.esme.receive_eof(pair.now) == [Closed("the connection was closed in the middle of a PDU", [])]


def test_requests_that_wait_are_told_before_the_end() -> None:
    pair = ConnectionPair.bound()
    pair.esme.send_request(Pdu(CommandId.QUERY_SM, 0, 0, {"message_id": b"1"}), "query", pair.now)
    pair.submit("one")
    assert pair.esme.close() == [GenericResult("query", None), Closed("closed by this side", ["one"])]


def test_answers_after_the_end_are_no_error() -> None:
    pair = ConnectionPair.bound()
    pair.esme.close()
    pair.smsc.close()
    pair.esme.answer_deliveries([1], [0])
    pair.smsc.answer_submits([1], [0], [b"1"])
    pair.smsc.send_response(Pdu(CommandId.QUERY_SM_RESP, 0, 1))
    assert pair.esme.data_to_send() + pair.smsc.data_to_send() == b""


def test_requests_after_the_end_are_errors() -> None:
    pair = ConnectionPair.bound()
    pair.esme.close()
    with pytest.raises(LocalProtocolError, match="closed"):
        pair.submit("one")


@every_kind
def test_each_kind_of_bind_says_what_may_be_sent(kind: BindKind) -> None:
    pair = ConnectionPair.bound(kind)
    if kind is BindKind.RECEIVER:
        with pytest.raises(LocalProtocolError, match="submit_sm"):
            pair.submit("one")
    else:
        pair.submit("one")
    if kind is BindKind.TRANSMITTER:
        with pytest.raises(LocalProtocolError, match="deliver_sm"):
            pair.deliver("two")
    else:
        pair.deliver("two")
        only(Deliveries, pair.to_esme())


def test_each_end_sends_what_is_its_own() -> None:
    pair = ConnectionPair.bound()
    with pytest.raises(LocalProtocolError, match="ESME"):
        pair.smsc.submit([SUBMIT_BODY], ["one"], pair.now)
    with pytest.raises(LocalProtocolError, match="SMSC"):
        pair.esme.deliver([DELIVER_BODY], ["one"], pair.now)
    with pytest.raises(LocalProtocolError, match="bind_receiver"):
        pair.smsc.bind(BindKind.RECEIVER, b"", b"", b"", 0x34, 0, 0, b"", pair.now)


def test_timers_are_more_than_nothing_or_none() -> None:
    for seconds in (0, -1.0):
        with pytest.raises(ValueError, match="response_s"):
            Timers(response_s=seconds)
    assert Session(Role.ESME, Timers(None, None, None)).next_deadline() is None
