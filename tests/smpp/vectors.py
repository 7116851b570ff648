"""The recorded vectors of this room: one JSON file a kind, each vector with its name, meaning and source (clause)."""

import json
from pathlib import Path
from typing import Any

import pytest

from chappe.smpp import CommandId, CommandStatus, Pdu, Tag, Tlv
from chappe.smpp.fields import Destination, FieldValue, UnsuccessSme

_FOLDER = Path(__file__).parent.parent / "vectors"


def load(kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((_FOLDER / f"smpp_{kind}.json").read_text(encoding="utf-8"))
    return found


def vectors(kind: str) -> pytest.MarkDecorator:
    """Parametrizes a test with `vector`, once for each vector of `tests/vectors/smpp_<kind>.json`."""
    found = load(kind)
    return pytest.mark.parametrize("vector", found, ids=[each["name"] for each in found])


def octets(vector: dict[str, Any]) -> bytes:
    return bytes.fromhex(vector["hex"])


def pdu(vector: dict[str, Any]) -> Pdu:
    """The PDU that a vector stands for."""
    described = vector["pdu"]
    return Pdu(
        CommandId[described["command"].upper()],
        CommandStatus[described["status"]],
        described["sequence_number"],
        {name: _value(name, value) for name, value in described["fields"].items()},
        tuple([Tlv(_tag(name), bytes.fromhex(value)) for name, value in described["tlvs"]]),
    )


def _tag(name: str) -> int:
    return int(name, 16) if name.startswith("0x") else Tag[name.upper()]


def _value(name: str, value: Any) -> FieldValue:
    if name == "dest_addresses":
        return tuple([Destination(address.encode("latin-1"), ton, npi) for address, ton, npi in value])
    if name == "unsuccess_smes":
        return tuple([UnsuccessSme(ton, npi, address.encode("latin-1"), code) for ton, npi, address, code in value])
    return value if isinstance(value, int) else str(value).encode("latin-1")
