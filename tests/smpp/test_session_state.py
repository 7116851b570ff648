"""Every PDU in every state has an answer, and any octets in any pieces give the same events: SMPP 3.4, clause 2.3."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.smpp.pair import Atom, ConnectionPair, atoms, of_kind, only
from tests.smpp.strategies import pdus
from tests.smpp.vectors import load, octets, vectors

from chappe.smpp import (
    BindKind,
    CommandId,
    CommandStatus,
    Limits,
    Pdu,
    Role,
    Session,
    State,
    Timers,
    decode,
    encode,
)
from chappe.smpp.constants import RESPONSE
from chappe.smpp.error import BrokenStream
from chappe.smpp.event import BindRequested, Closed, Event, Malformed, UnbindReceived
from chappe.smpp.pdu import DEFAULT_LIMITS
from chappe.smpp.session import REQUESTS, TRANSITIONS, Reaction, Trigger, reaction

ENDS = [(role, state) for role in Role for state in State]
ends = pytest.mark.parametrize(("role", "state"), ENDS, ids=lambda value: value.name.lower())
KINDS = {
    State.BOUND_TX: BindKind.TRANSMITTER,
    State.BOUND_RX: BindKind.RECEIVER,
    State.BOUND_TRX: BindKind.TRANSCEIVER,
}


def session_in(role: Role, state: State, limits: Limits = DEFAULT_LIMITS) -> Session:
    """One end, led to a state by what leads there."""
    kind = KINDS.get(state, BindKind.TRANSCEIVER)
    timers = Timers(None, None, None)
    if state is State.OPEN:
        return Session(role, timers, 10, limits)
    if state is State.OUTBOUND:
        pair = ConnectionPair(timers=timers, limits=limits)
        pair.smsc.send_notification(Pdu(CommandId.OUTBIND), pair.now)
        pair.to_esme()
    else:
        pair = ConnectionPair.bound(kind, timers=timers, limits=limits)
    session = pair.esme if role is Role.ESME else pair.smsc
    if state is State.UNBOUND:
        session.unbind(pair.now)
        session.data_to_send()
    if state is State.CLOSED:
        session.close()
    assert session.state is state
    return session


@ends
@pytest.mark.parametrize("command_id", [*CommandId, 0x99, 0x80000099], ids=hex)
def test_every_pdu_in_every_state_has_an_answer(role: Role, state: State, command_id: int) -> None:
    session = session_in(role, state)
    known = command_id in set(CommandId)
    data = encode(Pdu(command_id, 0, 99)) if known else bytes.fromhex(f"00000010 {command_id:08x} 00000000 00000063")
    events = session.receive_data(data, 0.0)
    sent = session.data_to_send()
    match reaction(role, state, command_id):
        case Reaction.DROP:
            assert sent == b""
            assert len(events) == (state is not State.CLOSED)
        case Reaction.MATCH:
            assert (events, sent) == ([], b"")
            assert session.late_answers == (command_id != CommandId.ENQUIRE_LINK_RESP)
        case Reaction.TAKE if command_id == CommandId.ENQUIRE_LINK:
            assert (events, sent) == ([], encode(Pdu(CommandId.ENQUIRE_LINK_RESP, 0, 99)))
        case Reaction.TAKE if command_id == CommandId.UNBIND:
            assert (events, sent) == ([UnbindReceived()], encode(Pdu(CommandId.UNBIND_RESP, 0, 99)))
            assert session.state is State.UNBOUND
        case Reaction.TAKE:
            assert (len(events), sent) == (1, b"")
            assert not isinstance(events[0], Malformed | Closed)
        case refused:
            only(Malformed, events)
            answer = decode(sent)
            has_response = command_id | RESPONSE in set(CommandId)
            assert answer.sequence_number == 99
            assert answer.command_id == (command_id | RESPONSE if has_response else CommandId.GENERIC_NACK)
            assert (
                answer.command_status
                == {
                    Reaction.REFUSE: CommandStatus.ESME_RINVBNDSTS,
                    Reaction.ALREADY_BOUND: CommandStatus.ESME_RALYBND,
                    Reaction.UNKNOWN: CommandStatus.ESME_RINVCMDID,
                }[refused]
            )
            assert session.state is state


def test_the_table_of_requests_is_complete() -> None:
    assert set(REQUESTS) == {(state, role) for state in State for role in Role}
    assert all(reaction(role, state, command_id) for role, state in ENDS for command_id in CommandId)


def test_a_submit_to_an_smsc_that_is_bound_to_a_receiver_is_refused() -> None:
    session = session_in(Role.SMSC, State.BOUND_RX)
    session.receive_data(encode(Pdu(CommandId.SUBMIT_SM, 0, 5)), 0.0)
    assert decode(session.data_to_send()) == Pdu(CommandId.SUBMIT_SM_RESP, CommandStatus.ESME_RINVBNDSTS, 5)


def test_transitions_start_open_and_end_closed() -> None:
    reached = {State.OPEN}
    for _ in State:
        reached |= {after for (before, _), after in TRANSITIONS.items() if before in reached}
    assert reached == set(State)
    assert all((state, Trigger.CLOSE) in TRANSITIONS for state in State if state is not State.CLOSED)
    assert not any(before is State.CLOSED for before, _ in TRANSITIONS)


@vectors("malformed")
def test_what_cannot_be_read_is_refused_and_the_session_goes_on(vector: dict[str, Any]) -> None:
    command_id = int(vector["hex"].split()[1], 16)
    esme_takes = command_id in (CommandId.DELIVER_SM, CommandId.ALERT_NOTIFICATION)
    state = State.OPEN if command_id == CommandId.BIND_TRANSCEIVER else State.BOUND_TRX
    if command_id == CommandId.SUBMIT_SM:
        return  # an SMSC hands these out unread: see test_message
    if command_id == CommandId.DATA_SM:
        esme_takes = True
    session = session_in(Role.ESME if esme_takes else Role.SMSC, state)
    error = only(Malformed, session.receive_data(octets(vector), 0.0)).error
    assert str(error)
    assert session.data_to_send().hex() == bytes.fromhex(vector["answer"]).hex()
    session.receive_data(encode(Pdu(CommandId.ENQUIRE_LINK, 0, 1)), 0.0)
    assert decode(session.data_to_send()).command_id == CommandId.ENQUIRE_LINK_RESP


@ends
@pytest.mark.parametrize("length", [0, 15, 1025, 0xFFFFFFFF])
def test_a_length_that_cannot_be_ends_the_session(role: Role, state: State, length: int) -> None:
    session = session_in(role, state, Limits(max_pdu_length=1024))
    events = session.receive_data(length.to_bytes(4, "big") + bytes.fromhex("00000004 00000000 00000007 ffff"), 0.0)
    if state is State.CLOSED:
        assert events == []
        return
    closed = only(Closed, events)
    assert isinstance(closed.error, BrokenStream)
    assert closed.error.command_length == length
    assert decode(session.data_to_send()) == Pdu(CommandId.GENERIC_NACK, CommandStatus.ESME_RINVCMDLEN, 7)
    assert session.receive_data(bytes(100), 0.0) == []


def test_the_longest_pdu_allowed_is_taken() -> None:
    data = encode(Pdu(CommandId.SUBMIT_SM, 0, 1, {"short_message": bytes(254)}))
    session = session_in(Role.SMSC, State.BOUND_TX, Limits(max_pdu_length=len(data)))
    assert not of_kind(Closed, session.receive_data(data, 0.0))


def test_what_came_before_the_break_is_told_first() -> None:
    session = session_in(Role.SMSC, State.BOUND_TX)
    first, last = session.receive_data(encode(Pdu(CommandId.SUBMIT_SM, 0, 1)) + bytes(16), 0.0)
    assert (type(first).__name__, type(last).__name__) == ("Submits", "Closed")


def _cut(data: bytes, chance: random.Random) -> list[bytes]:
    parts = []
    while data:
        size = chance.choice([1, 2, 3, 7, 16, 40, 300])
        parts.append(data[:size])
        data = data[size:]
    return parts


def _feed(session: Session, parts: list[bytes]) -> tuple[list[Atom], bytes]:
    events: list[Event] = []
    sent = b""
    for part in parts:
        events += session.receive_data(part, 1.0)
        sent += session.data_to_send()
    events += session.receive_eof(2.0)
    assert len(of_kind(Closed, events)) == (session.state is State.CLOSED and events != [])
    return atoms(events), sent


vector_octets = st.sampled_from([octets(vector) for kind in ("pdu", "tolerated", "malformed") for vector in load(kind)])
streams = st.lists(vector_octets | pdus.map(encode) | st.binary(max_size=30), max_size=12).map(b"".join)


@given(st.sampled_from(ENDS), streams, st.randoms(use_true_random=False))
def test_any_octets_in_any_pieces_give_the_same_events(
    end: tuple[Role, State], data: bytes, chance: random.Random
) -> None:
    whole = _feed(session_in(*end), [data])
    assert _feed(session_in(*end), _cut(data, chance)) == whole
    assert _feed(session_in(*end), [data[place : place + 1] for place in range(len(data))]) == whole


def test_fifty_thousand_spoilt_pdus_do_no_harm() -> None:
    chance = random.Random(34)
    seeds = [octets(vector) for kind in ("pdu", "tolerated", "malformed") for vector in load(kind)]
    ends_open = [end for end in ENDS if end[1] is not State.CLOSED]
    fed = closed = malformed = 0
    while fed < 50_000:
        session = session_in(*chance.choice(ends_open))
        for _ in range(20):
            data = b"".join([_spoil(chance.choice(seeds), chance) for _ in range(50)])
            fed += 50
            events = session.receive_data(data, 1.0)
            malformed += len(of_kind(Malformed, events))
            for request in of_kind(BindRequested, events):
                session.refuse_bind(request, CommandStatus.ESME_RBINDFAIL)
            assert _is_whole(session.data_to_send())
            if of_kind(Closed, events):
                closed += 1
                assert session.state is State.CLOSED
                break
    assert closed > 10
    assert malformed > 10_000


def _spoil(data: bytes, chance: random.Random) -> bytes:
    """A PDU with octets changed, taken out or put in; its length is nearly always right again."""
    spoilt = bytearray(data)
    for _ in range(chance.choice([0, 1, 1, 2, 5])):
        place = chance.randrange(4, len(spoilt) + 1)
        match chance.randrange(3):
            case 0 if place < len(spoilt):
                spoilt[place] = chance.choice([0, 1, 255, chance.randrange(256)])
            case 1 if place >= 16:
                del spoilt[place : place + chance.randrange(1, 9)]
            case _ if place >= 16:
                spoilt[place:place] = chance.randbytes(chance.randrange(1, 9))
    if chance.random() > 0.001:
        spoilt[:4] = len(spoilt).to_bytes(4, "big")
    return bytes(spoilt)


def _is_whole(data: bytes) -> bool:
    """What a session sends is made of PDUs that can be read."""
    while data:
        length = int.from_bytes(data[:4], "big")
        decode(data[:length])
        data = data[length:]
    return True
