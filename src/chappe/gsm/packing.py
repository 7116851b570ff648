"""Septets packed into octets, as they travel on the air: 3GPP TS 23.038, clause 6.1.2.1.

The first septet takes the low seven bits of the first octet, the next one its high bit and the low six of the second,
and so on. SMPP carries GSM text unpacked; this is for the few HTTP providers, and the peers, that want it packed.
"""


def fill_bits(header_octets: int) -> int:
    """How many bits are left empty after a header of so many octets (its length octet included).

    The text then begins on a septet boundary (3GPP TS 23.040, clause 9.2.3.24): 1 after 6 octets, 0 after 7.
    """
    return -header_octets * 8 % 7


def pack(septets: bytes, fill_bits: int = 0) -> bytes:
    """The septets (one an octet) eight to seven octets, after `fill_bits` (0 to 6) zero bits. Spare bits are zero.

    ValueError for an octet above 0x7F.
    """
    if not septets.isascii():
        raise ValueError("a septet is at most 0x7F")
    _check(fill_bits)
    octets = bytearray()
    held, width = 0, fill_bits
    for septet in septets:
        held |= septet << width
        width += 7
        if width >= 8:
            octets.append(held & 0xFF)
            held >>= 8
            width -= 8
    if width:
        octets.append(held)
    return bytes(octets)


def unpack(octets: bytes, count: int, fill_bits: int = 0) -> bytes:
    """The first `count` septets, one an octet, after `fill_bits` (0 to 6) bits that are passed over.

    The octets alone do not tell `count`: seven spare bits look like "@". ValueError when they hold fewer.
    """
    _check(fill_bits)
    if not 0 <= count * 7 + fill_bits <= len(octets) * 8:
        raise ValueError(f"{len(octets)} octets do not hold {count} septets after {fill_bits} fill bits")
    bits = int.from_bytes(octets, "little") >> fill_bits
    return bytes(bits >> 7 * place & 0x7F for place in range(count))


def _check(fill_bits: int) -> None:
    if not 0 <= fill_bits <= 6:
        raise ValueError(f"there are 0 to 6 fill bits, not {fill_bits}")
