"""From whom and to whom a PDU is, without reading the rest of it."""

from .constants import CommandId
from .delivery import DATA_BODY
from .pdu import HEADER_LENGTH
from .submit import SM_BODY

_BODIES = {
    int(CommandId.SUBMIT_SM).to_bytes(4, "big"): SM_BODY,
    int(CommandId.DELIVER_SM).to_bytes(4, "big"): SM_BODY,
    int(CommandId.DATA_SM).to_bytes(4, "big"): DATA_BODY,
}


def addresses(data: bytes) -> tuple[bytes, bytes]:
    """source_addr and destination_addr of one whole submit_sm, deliver_sm or data_sm; empty where it is none of them, or
    cannot be read."""
    body = _BODIES.get(data[4:8])
    found = body.match(data, HEADER_LENGTH) if body is not None else None
    return (found[3], found[5]) if found is not None else (b"", b"")
