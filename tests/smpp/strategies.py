"""Any PDU of the standard, drawn from the table of fields."""

from hypothesis import strategies as st

from chappe.smpp import CommandStatus, Pdu, Tlv
from chappe.smpp.constants import RESPONSE
from chappe.smpp.fields import (
    FIELDS,
    CString,
    Destination,
    Destinations,
    Failures,
    Field,
    FieldValue,
    Integer,
    UnsuccessSme,
)

octet = st.integers(0, 255)
four_octets = st.integers(0, 0xFFFFFFFF)
tlvs = st.lists(st.builds(Tlv, st.integers(0, 0xFFFF), st.binary(max_size=20)), max_size=5).map(tuple)


def c_octets(longest: int, shortest: int = 0) -> st.SearchStrategy[bytes]:
    """Octets without a NUL among them; lengths do not count the NUL behind."""
    return st.lists(st.integers(1, 255), min_size=shortest, max_size=longest).map(bytes)


def field_values(known: Field) -> st.SearchStrategy[FieldValue]:
    match known:
        case Integer(size=size):
            return st.integers(0, (1 << 8 * size) - 1)
        case CString(limit=limit, fixed=fixed):
            return st.just(b"") | c_octets(limit - 1, limit - 1 if fixed else 0)
        case Destinations():
            sme = st.builds(Destination, c_octets(20), octet, octet)
            distribution_list = st.builds(Destination, c_octets(20), st.none(), st.none())
            return st.lists(sme | distribution_list, max_size=4).map(tuple)
        case Failures():
            return st.lists(st.builds(UnsuccessSme, octet, octet, c_octets(20), four_octets), max_size=4).map(tuple)
        case _:
            return st.binary(max_size=known.limit)


def pdus_of(command_id: int) -> st.SearchStrategy[Pdu]:
    """Every field filled; a response with a status may also come without a body."""
    fields = st.fixed_dictionaries({known.name: field_values(known) for known in FIELDS[command_id]})
    whole = st.builds(Pdu, st.just(command_id), four_octets, four_octets, fields, tlvs)
    if not command_id & RESPONSE:
        return whole
    return whole | st.builds(Pdu, st.just(command_id), st.sampled_from(list(CommandStatus)[1:]), four_octets)


pdus = st.sampled_from(sorted(FIELDS)).flatmap(pdus_of)
