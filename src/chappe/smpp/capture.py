"""PDUs as a capture file (pcap) that Wireshark and tcpdump read: each in a packet of its own, with headers made for it.

The format: a file header and, of each packet, its time and length, little-endian, microseconds (draft-ietf-opsawg-pcap);
link type 101, so each packet begins with its IPv4 header (RFC 791), then comes TCP (RFC 9293). Addresses are those for
documentation (RFC 5737): where the provider really is stands in the connection.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from struct import pack
from typing import Final, NamedTuple

SMPP_PORT: Final = 2775
"""The registered one, by which readers know what to make of the octets."""
HTTP_PORT: Final = 80
OURS: Final = bytes((192, 0, 2, 1))
PROVIDERS: Final = bytes((192, 0, 2, 2))
FIRST_PORT: Final = 40_000
PORTS: Final = 20_000
MOST_OCTETS: Final = 60_000
"""Of one packet; what is longer goes into several."""
_RAW_IP: Final = 101
_LONGEST: Final = 0x40000
_TCP: Final = 6
_PUSH_ACK: Final = 0x18


class Captured(NamedTuple):
    """Octets that crossed a link: `stream` is which TCP connection, `is_received` whether they came from the provider.

    `provider_calls`: the provider opened that connection, and is its client.
    """

    at_ms: int
    stream: int
    is_received: bool
    octets: bytes
    provider_calls: bool = False


def capture(captured: Iterable[Captured], port: int = SMPP_PORT) -> Iterator[bytes]:
    """The pieces of the file, one after the other; `port` is the server's."""
    yield pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, _LONGEST, _RAW_IP)
    sent: dict[tuple[int, bool], int] = defaultdict(lambda: 1)
    for one in captured:
        ours = FIRST_PORT + one.stream % PORTS
        ports = (port, ours) if one.is_received != one.provider_calls else (ours, port)
        addresses = (PROVIDERS, OURS) if one.is_received else (OURS, PROVIDERS)
        for start in range(0, len(one.octets), MOST_OCTETS):
            part = one.octets[start : start + MOST_OCTETS]
            sequence, acknowledged = sent[one.stream, one.is_received], sent[one.stream, not one.is_received]
            packet = _packet(part, ports, addresses, sequence, acknowledged)
            sent[one.stream, one.is_received] = (sequence + len(part)) & 0xFFFFFFFF
            seconds, milliseconds = divmod(one.at_ms, 1000)
            yield pack("<IIII", seconds, milliseconds * 1000, len(packet), len(packet)) + packet


def _packet(
    octets: bytes, ports: tuple[int, int], addresses: tuple[bytes, bytes], sequence: int, acknowledged: int
) -> bytes:
    source, destination = addresses
    head = (*ports, sequence, acknowledged, 0x50, _PUSH_ACK, 0xFFFF)
    pseudo = source + destination + pack(">BBH", 0, _TCP, 20 + len(octets))
    checked = _checksum(pseudo + pack(">HHIIBBHHH", *head, 0, 0) + octets)
    tcp = pack(">HHIIBBHHH", *head, checked, 0) + octets
    ip = (0x45, 0, 20 + len(tcp), 0, 0, 64, _TCP)
    checked = _checksum(pack(">BBHHHBBH", *ip, 0) + source + destination)
    return pack(">BBHHHBBH", *ip, checked) + source + destination + tcp


def _checksum(data: bytes) -> int:
    """The one of IP and TCP (RFC 1071): a number modulo 0xFFFF is the sum of its 16-bit digits with carries brought round."""
    total = int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF
    return 0xFFFF - total
