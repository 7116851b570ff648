"""Putting long texts from phones together again, in whatever order their segments come."""

from collections.abc import Mapping
from itertools import groupby

import msgspec

from chappe.gsm import Encoding, decode

GAP = "[…]"  # stands for a segment that never came


class Piece(msgspec.Struct, frozen=True, gc=False):
    """The octets of one segment, without its header. They are decoded only when all are there: a phone may have cut
    a character outside the basic plane, or an escape and its character, between two segments."""

    encoding: Encoding
    octets: bytes


def join(pieces: Mapping[int, Piece], total: int) -> str:
    """The text of segments by position from 1, with `GAP` for each that is missing."""
    line = [pieces.get(position) for position in range(1, total + 1)]
    text: list[str] = []
    for encoding, run in groupby(line, key=_encoding_of):
        if encoding is None:
            text += [GAP for _ in run]
        else:
            text.append(decode(b"".join(piece.octets for piece in run if piece is not None), encoding))
    return "".join(text)


def _encoding_of(piece: Piece | None) -> Encoding | None:
    return None if piece is None else piece.encoding
