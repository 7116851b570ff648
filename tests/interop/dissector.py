"""Wireshark's SMPP dissector over octets of ours: what somebody else's reader makes of them.

The octets are put into a capture file as one TCP stream in each direction, which `tshark` reads back as XML (PDML):
each field with its name and with the octets that it was read from.
"""

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from struct import pack
from xml.etree import ElementTree

from chappe.smpp import Pdu, Tag, command_name
from chappe.smpp.constants import RESPONSE, CommandId
from chappe.smpp.fields import FIELDS, CString, Destinations, Failures, Integer, Octets

PORT = 2775
ESME_PORT = 40_000
TSHARK_S = 60
PREFERENCES = (
    "smpp.reassemble_smpp_over_tcp:TRUE",
    "smpp.decode_sms_over_smpp:GSM 7-bit",
    "smpp.gsm7_unpacked:TRUE",
    "tcp.desegment_tcp_streams:TRUE",
    "tcp.analyze_sequence_numbers:TRUE",
)
Segment = tuple[bytes, bool]
"""Octets of one TCP segment, and whether they come from the SMSC."""


@dataclass
class Dissected:
    """One PDU as the dissector sees it; names are without `smpp.`."""

    fields: dict[str, list[bytes]] = field(default_factory=dict)
    """The octets of each field, as often as it stands there; of bit fields the whole octet."""
    shown: dict[str, list[str]] = field(default_factory=dict)
    """The same as the dissector writes them."""
    tlvs: list[tuple[int, int, bytes]] = field(default_factory=list)
    """Tag, length and value of each optional parameter."""
    user_data: dict[str, str] = field(default_factory=dict)
    """What the dissector of user data headers found in the text, and the text once its segments were together."""

    def number(self, name: str) -> int:
        [value] = self.fields[name]
        return int.from_bytes(value, "big")


@dataclass
class Capture:
    """What was found in a capture file."""

    pdus: list[Dissected]
    marks: list[str]
    """What the dissectors complain of, anywhere."""
    undissected: bytes
    """Octets that no dissector wanted."""


def dissect(folder: Path, segments: Iterable[Segment]) -> Capture:
    """What `tshark` makes of these octets."""
    path = folder / "session.pcap"
    path.write_bytes(capture_file(segments))
    return read_capture(path, "-d", f"tcp.port=={PORT},smpp")


def read_capture(path: Path, *options: str) -> Capture:
    """What `tshark` makes of a capture file."""
    command = ["tshark", "-n", "-r", str(path), *options, "-T", "pdml"]
    for preference in PREFERENCES:
        command += ["-o", preference]
    done = subprocess.run(command, check=True, capture_output=True, timeout=TSHARK_S)
    found = Capture([], [], b"")
    for packet in ElementTree.fromstring(_repaired(done.stdout)).iter("packet"):
        _read(packet, found)
    return found


def _repaired(output: bytes) -> str:
    """Wireshark 4.0 reads UCS-2 unit by unit and writes each half of a surrogate pair as a character of its own, which
    is no UTF-8 (and no XML)."""
    units = output.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "replace").removeprefix('<?xml version="1.0" encoding="utf-8"?>')


def _read(packet: ElementTree.Element, found: Capture) -> None:
    for one in packet.iter():
        name = one.get("name", "")
        if name.startswith(("_ws.malformed", "_ws.expert", "_ws.short")):
            found.marks.append(one.get("showname") or name)
        elif name == "data.data":
            found.undissected += bytes.fromhex(one.get("value", ""))
    for proto in packet.findall("proto"):
        match proto.get("name"):
            case "smpp":
                found.pdus.append(_dissected(proto))
            case "gsm_sms_ud" if found.pdus:
                found.pdus[-1].user_data |= {one.get("name", ""): one.get("show", "") for one in proto.iter("field")}


def _dissected(proto: ElementTree.Element) -> Dissected:
    found = Dissected()
    for one in proto.iter("field"):
        name = one.get("name", "").removeprefix("smpp.")
        if name == "opt_param":
            found.tlvs.append(_tlv(one))
        found.shown.setdefault(name, []).append(one.get("show", ""))
        found.fields.setdefault(name, []).append(_octets(one))
    return found


def _octets(element: ElementTree.Element) -> bytes:
    return bytes.fromhex(element.get("unmaskedvalue") or element.get("value") or "")


def _tlv(element: ElementTree.Element) -> tuple[int, int, bytes]:
    """A value that is shown as several fields is put together by where each of them stands."""
    leaves = [one for one in element.iter("field") if one is not element]
    tag = next(one for one in leaves if one.get("name") == "smpp.opt_param_tag")
    length = next(one for one in leaves if one.get("name") == "smpp.opt_param_len")
    places = {int(one.get("pos", "")): _octets(one) for one in leaves if one not in (tag, length)}
    value = b"".join(places[place] for place in sorted(places))
    return int.from_bytes(_octets(tag), "big"), int.from_bytes(_octets(length), "big"), value


# -- the capture file ------------------------------------------------------------------------------------------------


def capture_file(segments: Iterable[Segment]) -> bytes:
    """A capture file (pcap) of raw IPv4, a packet a segment and one that acknowledges it."""
    packets = [pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 0x40000, 101)]
    for number, packet in enumerate(_packets(segments)):
        packets.append(pack("<IIII", number, 0, len(packet), len(packet)) + packet)
    return b"".join(packets)


PUSH, ACK = 0x08, 0x10
MOST_OCTETS = 60_000


def _packets(segments: Iterable[Segment]) -> Iterator[bytes]:
    sent = {False: 1, True: 1}
    for octets, from_smsc in segments:
        for start in range(0, len(octets), MOST_OCTETS):
            part = octets[start : start + MOST_OCTETS]
            yield _packet(part, sent[from_smsc], sent[not from_smsc], PUSH | ACK, from_smsc=from_smsc)
            sent[from_smsc] += len(part)
            yield _packet(b"", sent[not from_smsc], sent[from_smsc], ACK, from_smsc=not from_smsc)


def _packet(octets: bytes, sequence: int, acknowledged: int, flags: int, *, from_smsc: bool) -> bytes:
    ports = (PORT, ESME_PORT) if from_smsc else (ESME_PORT, PORT)
    addresses = (b"\x7f\0\0\2", b"\x7f\0\0\1") if from_smsc else (b"\x7f\0\0\1", b"\x7f\0\0\2")
    tcp = pack(">HHIIBBHHH", *ports, sequence, acknowledged, 0x50, flags, 0xFFFF, 0, 0) + octets
    return pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, *addresses) + tcp


# -- the comparison --------------------------------------------------------------------------------------------------

BIT_FIELDS = {
    "esm_class": ("esm.submit.msg_mode", "esm.submit.msg_type", "esm.submit.features"),
    "registered_delivery": ("regdel.receipt", "regdel.acks", "regdel.notif"),
}
TIMES = {"schedule_delivery_time", "validity_period", "final_date"}
NOT_SHOWN = {
    # Unused fields, always empty, that the dissector passes over (Wireshark 4.0).
    (CommandId.DELIVER_SM_RESP, "message_id"),
}
WITHOUT_VALUE = {Tag.CALLBACK_NUM, Tag.CALLBACK_NUM_ATAG}
"""Parameters of which the dissector shows that they are there and how long they are, and nothing else."""


def differences(found: Dissected, meant: Pdu, length: int) -> list[str]:
    """Where the dissector and we do not agree on a PDU of so many octets."""
    told = _Comparison(found)
    told.numbers("command_length", [length], 4)
    told.numbers("command_id", [meant.command_id], 4)
    told.numbers("sequence_number", [meant.sequence_number], 4)
    is_response = bool(meant.command_id & RESPONSE)
    told.numbers("command_status", [meant.command_status] if is_response else [], 4)
    if is_response and meant.command_status:
        # The dissector looks at nothing behind the header of a refusal.
        told.same("fields", sorted(found.fields), sorted(HEADER))
        return told.problems
    for known in FIELDS[meant.command_id]:
        match known:
            case Integer(name=name, size=size):
                for part in BIT_FIELDS.get(name, (name,)):
                    told.numbers(part, [meant.number(name)], size)
            case CString(name=name):
                if (meant.command_id, name) not in NOT_SHOWN:
                    told.text(_name_of_time(name, meant) if name in TIMES else name, meant.octets(name))
            case Octets(name=name):
                told.numbers("sm_length", [len(meant.octets(name))], 1)
                told.same("message", b"".join(found.fields.get("message", [])), meant.octets(name))
            case Destinations() | Failures():
                _compare_entries(told, meant)
    tlvs = [(tlv.tag, len(tlv.value), b"" if tlv.tag in WITHOUT_VALUE else tlv.value) for tlv in meant.tlvs]
    told.same("tlvs", found.tlvs, tlvs)
    return told.problems


HEADER = ("command_length", "command_id", "command_status", "sequence_number")


def _name_of_time(name: str, meant: Pdu) -> str:
    """The dissector has a field for instants and another, `_r`, for durations and for what is left out."""
    value = meant.octets(name)
    if meant.command_id == CommandId.SUBMIT_MULTI and not value.endswith((b"+", b"-")):
        # Wireshark 4.0 shows a relative validity_period of submit_multi under the name of the other time.
        return "schedule_delivery_time_r"
    return name if value.endswith((b"+", b"-")) or name == "final_date" else f"{name}_r"


def _compare_entries(told: "_Comparison", meant: Pdu) -> None:
    """Destinations of submit_multi, and those not reached of its answer."""
    entries = [*meant.fields.get("dest_addresses", ()), *meant.fields.get("unsuccess_smes", ())]  # type: ignore[misc]
    phones = [one for one in entries if one.ton is not None]
    told.numbers("dest_addr_ton", [one.ton for one in phones], 1)
    told.numbers("dest_addr_npi", [one.npi for one in phones], 1)
    told.same(
        "destination_addr", told.found.fields.get("destination_addr", []), [one.address + b"\0" for one in phones]
    )
    told.same("dl_name", told.found.fields.get("dl_name", []), [o.address + b"\0" for o in entries if o.ton is None])
    told.numbers("error_status_code", [o.error_status_code for o in phones if hasattr(o, "error_status_code")], 4)


class _Comparison:
    def __init__(self, found: Dissected) -> None:
        self.found = found
        self.problems: list[str] = []

    def same(self, name: str, found: object, meant: object) -> None:
        if found != meant:
            self.problems.append(f"{name}: the dissector has {found!r}, we meant {meant!r}")

    def numbers(self, name: str, meant: Sequence[int | None], size: int) -> None:
        octets = [number.to_bytes(size, "big") for number in meant if number is not None]
        self.same(name, self.found.fields.get(name, []), octets)

    def text(self, name: str, meant: bytes) -> None:
        """A C-octet string; several that are empty are not shown by the dissector."""
        values = set(self.found.fields.get(name, []))
        self.same(name, values or {b"\0"}, {meant + b"\0"})


def disagreements(capture: Capture, meant: Sequence[tuple[Pdu, int]]) -> list[str]:
    """Everything that is wrong with a capture that should hold these PDUs, each with its length."""
    problems = list(capture.marks)
    if capture.undissected:
        problems.append(f"not dissected: {capture.undissected.hex()}")
    if len(capture.pdus) != len(meant):
        problems.append(f"the dissector has {len(capture.pdus)} PDUs, we meant {len(meant)}")
    for found, (pdu, length) in zip(capture.pdus, meant, strict=False):
        name = command_name(pdu.command_id)
        problems += [f"{name} {pdu.sequence_number}: {problem}" for problem in differences(found, pdu, length)]
    return problems
