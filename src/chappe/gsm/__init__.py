"""Text for SMS: GSM 03.38 (3GPP TS 23.038), Latin-1 and UCS-2, segments and their headers (3GPP TS 23.040).

Uses the standard library only and nothing else of Chappe.

    data = encode(text, Encoding.GSM)
    segments = split(data, Encoding.GSM)
    first = concatenation_header(reference=7, total=len(segments), index=1) + segments[0]
"""

from chappe.gsm.encoding import Encoding, Unencodable, can_encode, decode, encode, lacking
from chappe.gsm.header import (
    Concatenation,
    Element,
    MalformedHeader,
    UserDataHeader,
    build_header,
    concatenation_header,
    parse_header,
)
from chappe.gsm.inspection import Costly, Inspection, Reason, inspect
from chappe.gsm.national import Language
from chappe.gsm.packing import fill_bits, pack, unpack
from chappe.gsm.segment import MOST_SEGMENTS, TooManySegments, capacity, count, split
from chappe.gsm.transliteration import transliterate

__all__ = [
    "MOST_SEGMENTS",
    "Concatenation",
    "Costly",
    "Element",
    "Encoding",
    "Inspection",
    "Language",
    "MalformedHeader",
    "Reason",
    "TooManySegments",
    "Unencodable",
    "UserDataHeader",
    "build_header",
    "can_encode",
    "capacity",
    "concatenation_header",
    "count",
    "decode",
    "encode",
    "fill_bits",
    "inspect",
    "lacking",
    "pack",
    "parse_header",
    "split",
    "transliterate",
    "unpack",
]
