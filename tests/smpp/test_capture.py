"""Capture files: every octet that was captured, once, in its place, in packets whose sums are right."""

from struct import unpack, unpack_from

from hypothesis import given
from hypothesis import strategies as st

from chappe.smpp.capture import FIRST_PORT, MOST_OCTETS, SMPP_PORT, Captured, capture

Packet = tuple[int, int, int, int, int, int, bytes]
"""Seconds, microseconds, source port, destination port, sequence number, acknowledgement, octets."""


def packets(file: bytes) -> list[Packet]:
    magic, major, minor, _, _, longest, link = unpack_from("<IHHiIII", file)
    assert (magic, major, minor, link) == (0xA1B2C3D4, 2, 4, 101)
    found, position = [], 24
    while position < len(file):
        seconds, micro, length, original = unpack_from("<IIII", file, position)
        assert length == original <= longest
        packet = file[position + 16 : position + 16 + length]
        position += 16 + length
        assert summed(packet[:20]) == 0xFFFF
        assert unpack(">H", packet[2:4]) == (length,)
        pseudo = packet[12:20] + b"\0\6" + (length - 20).to_bytes(2, "big")
        assert summed(pseudo + packet[20:]) == 0xFFFF
        source, destination, sequence, acknowledged = unpack_from(">HHII", packet, 20)
        found.append((seconds, micro, source, destination, sequence, acknowledged, packet[40:]))
    return found


def summed(data: bytes) -> int:
    """As RFC 1071 has it, digit by digit."""
    data += b"\0" * (len(data) % 2)
    total = sum(unpack(f">{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.binary(min_size=1, max_size=50)), max_size=20))
def test_each_direction_of_each_stream_is_whole(seen: list[tuple[int, bool, bytes]]) -> None:
    file = b"".join(capture(Captured(1_000 + number, *one) for number, one in enumerate(seen)))
    streams: dict[tuple[int, bool], bytes] = {}
    for _, _, source, destination, sequence, acknowledged, octets in packets(file):
        key = (max(source, destination) - FIRST_PORT, source == SMPP_PORT)
        assert sequence == 1 + len(streams.get(key, b""))
        assert acknowledged == 1 + len(streams.get((key[0], not key[1]), b""))
        streams[key] = streams.get(key, b"") + octets
    meant: dict[tuple[int, bool], bytes] = {}
    for stream, is_received, octets in seen:
        meant[stream, is_received] = meant.get((stream, is_received), b"") + octets
    assert streams == meant


def test_a_packet_has_the_time_of_what_it_holds() -> None:
    ((seconds, micro, *_),) = packets(b"".join(capture([Captured(1_767_225_600_123, 0, True, b"x")])))
    assert (seconds, micro) == (1_767_225_600, 123_000)


def test_what_is_too_long_for_a_packet_goes_into_several() -> None:
    octets = b"x" * (2 * MOST_OCTETS + 5)
    found = packets(b"".join(capture([Captured(1, 0, False, octets)])))
    assert [len(packet[-1]) for packet in found] == [MOST_OCTETS, MOST_OCTETS, 5]


def test_a_provider_that_calls_us_is_the_client() -> None:
    ((_, _, source, destination, *_),) = packets(b"".join(capture([Captured(1, 0, True, b"x", True)], port=80)))
    assert (source, destination) == (FIRST_PORT, 80)
