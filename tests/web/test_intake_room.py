"""The room for bodies: it is bounded, and nobody takes all of it."""

from contextlib import ExitStack

import pytest

from chappe.web.room import Room
from chappe.web.wire import BadRequest

MIB = 1024 * 1024


def fill(room: Room, organisation_id: int, octets: int, bodies: ExitStack) -> tuple[int, int]:
    """Take as much as there is, in bodies of `octets`: how many there were, and how the next is answered."""
    for count in range(1_000_000):
        try:
            bodies.enter_context(room.taken(organisation_id, octets))
        except BadRequest as error:
            return count, error.status
    raise AssertionError("there is no end")


def test_alone_an_organisation_takes_half_of_the_room_and_the_next_half_of_what_is_left() -> None:
    room = Room(256 * MIB)
    with ExitStack() as bodies:
        assert [fill(room, number, MIB, bodies) for number in range(4)] == [(128, 429), (64, 429), (32, 429), (16, 429)]
        assert room.held == 240 * MIB
        assert fill(room, 5, 32 * MIB, bodies) == (0, 503)  # its first is larger than what is left: others took that
        with room.taken(6, 64 * 1024):
            pass
    assert room.held == 0


def test_what_was_given_back_can_be_taken_again() -> None:
    room = Room(100)
    for _ in range(3):
        with ExitStack() as bodies:
            assert fill(room, 1, 10, bodies) == (5, 429)
            assert fill(room, 2, 10, bodies) == (2, 429)
        with pytest.raises(ZeroDivisionError), room.taken(1, 50):
            _ = 1 // 0
    assert room.held == 0
    assert room._of == {}


def test_however_many_come_the_room_is_never_overfull_and_a_newcomer_finds_some() -> None:
    room = Room(256 * MIB)
    with ExitStack() as bodies:
        for number in range(100):
            fill(room, number, 64 * 1024, bodies)
            assert room.held <= 256 * MIB
        with room.taken(1_000, 400):
            pass


def test_a_body_without_length_in_the_room_costs_nothing() -> None:
    room = Room(0)
    with room.taken(1, 0):
        assert room.held == 0
