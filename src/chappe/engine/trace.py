"""Verbose traces: the PDUs of one connection's links, decoded, in the log, with secrets and texts masked."""

import structlog

from chappe.smpp.trace import trace

log = structlog.get_logger("chappe.trace")

HEADER = 16
LONGEST = 1 << 20


class Trace:
    """Cuts what a link reads and writes into PDUs of its own; costs nothing where it is not switched on."""

    def __init__(self, connection_id: int) -> None:
        self._connection_id = connection_id
        self._held = {"in": b"", "out": b""}

    def octets(self, direction: str, data: bytes) -> None:
        data = self._held[direction] + data
        start = 0
        while len(data) - start >= HEADER:
            length = int.from_bytes(data[start : start + 4], "big")
            if not HEADER <= length <= LONGEST:
                start = len(data)  # not a stream of PDUs any more; the session closes it
                break
            if len(data) - start < length:
                break
            log.info(
                "pdu", connection=self._connection_id, direction=direction, pdu=trace(data[start : start + length])
            )
            start += length
        self._held[direction] = data[start:]
