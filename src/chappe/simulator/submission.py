"""Many submit_sm at once: what the simulator needs of them, as parallel columns (SMPP 3.4, clause 4.4.1).

`smpp.read_submit` reads one body and all of it. Here one match takes the pieces that answers, receipts and counts are
made of, addresses with their TON, NPI and NUL so that they can be put into a deliver_sm as they are; what does not look
usual goes through `read_submit` after all.
"""

import re
from collections.abc import Sequence
from itertools import compress
from operator import add
from typing import NamedTuple

from chappe.smpp import CommandStatus, MalformedPdu, Tlv, read_submit

_BODY = re.compile(
    # service_type; source; destination, and its number alone; esm_class; registered_delivery; data_coding; length; rest
    rb"([^\0]*+\0)(..[^\0]*+\0)(..([^\0]*+)\0)(.)..[^\0]*+\0[^\0]*+\0(.).(.).(.)(.*)",
    re.DOTALL,
)
_match = _BODY.match

UCS2 = b"\x08"
"""The data_coding of UCS-2 (5.2.19)."""
UDHI = 0x40
"""The bit of esm_class that says: a user data header comes first (5.2.12)."""


class Batch(NamedTuple):
    """Messages of one read; all columns have the same length."""

    numbers: Sequence[int]
    """sequence_number"""
    bodies: Sequence[bytes]
    heads: Sequence[bytes]
    """service_type, destination, source: what a deliver_sm that goes back begins with."""
    destinations: Sequence[bytes]
    """The numbers alone."""
    classes: Sequence[bytes]
    """esm_class, one octet each."""
    registered: Sequence[bytes]
    """registered_delivery, one octet each."""
    codings: Sequence[bytes]
    """data_coding, one octet each."""
    texts: Sequence[bytes]
    tlvs: Sequence[tuple[Tlv, ...]] | None
    """None where no message of the batch has any."""

    def only(self, selectors: Sequence[object]) -> "Batch":
        """Those whose selector is true."""
        return Batch(*(None if column is None else list(compress(column, selectors)) for column in self))  # type: ignore[arg-type]


def read(numbers: Sequence[int], bodies: Sequence[bytes]) -> tuple[Batch, list[int], list[int]]:
    """The batch, and the sequence numbers and statuses of those that cannot be read."""
    matches = list(map(_match, bodies))
    if None in matches:
        return _read_each(numbers, bodies)
    columns = _columns([match.groups() for match in matches if match])
    services, sources, destinations, plain, classes, registered, codings, lengths, texts = columns
    if list(map(len, texts)) != list(b"".join(lengths)):
        return _read_each(numbers, bodies)
    heads = list(map(add, map(add, services, destinations), sources))
    return Batch(numbers, bodies, heads, plain, classes, registered, codings, texts, None), [], []


def _columns(rows: list[tuple[bytes, ...]]) -> Sequence[Sequence[bytes]]:
    return list(zip(*rows, strict=True)) if rows else [()] * _BODY.groups


def _read_each(numbers: Sequence[int], bodies: Sequence[bytes]) -> tuple[Batch, list[int], list[int]]:
    """The same for bodies with optional parameters, and for those that are malformed."""
    good: list[tuple[int, bytes]] = []
    rows, texts, tlvs = [], [], []
    refused: list[int] = []
    statuses: list[int] = []
    for number, body in zip(numbers, bodies, strict=True):
        try:
            submission = read_submit(body, number)
        except MalformedPdu as error:
            refused.append(number)
            statuses.append(error.command_status)
            continue
        match = _match(body)
        if match is None:
            refused.append(number)
            statuses.append(CommandStatus.ESME_RINVCMDLEN)
            continue
        good.append((number, body))
        rows.append(match.groups())
        texts.append(submission.short_message)
        tlvs.append(submission.tlvs)
    services, sources, destinations, plain, classes, registered, codings, _, _ = _columns(rows)
    heads = list(map(add, map(add, services, destinations), sources))
    good_numbers = [number for number, _ in good]
    good_bodies = [body for _, body in good]
    batch = Batch(good_numbers, good_bodies, heads, plain, classes, registered, codings, texts, tlvs)
    return batch, refused, statuses


def latin(text: bytes, coding: bytes) -> bytes:
    """A text for a pattern to look at: what is in UCS-2 becomes Latin-1."""
    return text.decode("utf-16-be", "replace").encode("latin-1", "replace") if coding == UCS2 else text
