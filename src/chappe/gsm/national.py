"""National language shift tables, for decoding: 3GPP TS 23.038, annex A.

A sender names them in the user data header: element 0x25 puts a *locking* table in place of the default alphabet,
element 0x24 a *single* shift table in place of its extension (3GPP TS 23.040, clauses 9.2.3.24.15 and 9.2.3.24.16).
Chappe reads them and does not write them: few networks carry them to every handset.

There is no German table: the default alphabet has ä ö ü Ä Ö Ü ß, so German needs none. Nor is there a locking table for
Spanish (A.3.2 is void). The tables of South Asia (A.2.4 to A.2.13, A.3.4 to A.3.13) are in `south_asian`.
"""

from enum import IntEnum
from functools import cache

from chappe.gsm import south_asian
from chappe.gsm.alphabet import BASIC, ESCAPE, EXTENSION

NO_MEANING = "\ufffd"


class Language(IntEnum):
    """National Language Identifier, 23.038 clause 6.2.1.2.4. 0 and 14 to 255 are reserved: the default tables."""

    TURKISH = 1
    SPANISH = 2
    PORTUGUESE = 3
    BENGALI = 4
    GUJARATI = 5
    HINDI = 6
    KANNADA = 7
    MALAYALAM = 8
    ORIYA = 9
    PUNJABI = 10
    TAMIL = 11
    TELUGU = 12
    URDU = 13


@cache
def tables(locking: int | None, single: int | None) -> tuple[str, str]:
    """The main and the escaped table, a character for every octet, as `codecs.charmap_decode` takes them."""
    main = _LOCKING.get(locking or 0, BASIC).ljust(256, NO_MEANING)
    shifted = list(main)
    for code, character in _SINGLE.get(single or 0, EXTENSION).items():
        shifted[code] = character
    shifted[ESCAPE] = " "  # reserved for one more table; "shall display a space until" there is one
    return main, "".join(shifted)


# A.3.1: the default alphabet with eight characters changed.
_TURKISH_CHANGES = {0x04: "€", 0x07: "ı", 0x0B: "Ğ", 0x0C: "ğ", 0x1C: "Ş", 0x1D: "ş", 0x40: "İ", 0x60: "ç"}

# A.3.3
_PORTUGUESE = (
    "@£$¥êéúíóç\nÔô\rÁá"
    "Δ_ªÇÀ∞^\\€Ó|\x1bÂâÊÉ"
    " !\"#º%&'()*+,-./"
    "0123456789:;<=>?"
    "ÍABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÃÕÚÜ§"
    "~abcdefghijklmno"
    "pqrstuvwxyzãõ`üà"
)

_LOCKING: dict[int, str] = {
    Language.TURKISH: "".join(_TURKISH_CHANGES.get(code, character) for code, character in enumerate(BASIC)),
    Language.PORTUGUESE: _PORTUGUESE,
    **{Language[name]: table for name, table in south_asian.LOCKING.items()},
}

# A.2.1 to A.2.3 keep the whole default extension and add to it.
_TURKISH_LETTERS = {0x47: "Ğ", 0x49: "İ", 0x53: "Ş", 0x63: "ç", 0x67: "ğ", 0x69: "ı", 0x73: "ş"}
_SPANISH_LETTERS = {0x09: "ç", 0x41: "Á", 0x49: "Í", 0x4F: "Ó", 0x55: "Ú"} | {
    0x61: "á",
    0x69: "í",
    0x6F: "ó",
    0x75: "ú",
}
_PORTUGUESE_LETTERS = (
    {0x05: "ê", 0x09: "ç", 0x0B: "Ô", 0x0C: "ô", 0x0E: "Á", 0x0F: "á"}
    | {0x12: "Φ", 0x13: "Γ", 0x15: "Ω", 0x16: "Π", 0x17: "Ψ", 0x18: "Σ", 0x19: "Θ", 0x1F: "Ê"}
    | {0x41: "À", 0x49: "Í", 0x4F: "Ó", 0x55: "Ú", 0x5B: "Ã", 0x5C: "Õ"}
    | {0x61: "Â", 0x69: "í", 0x6F: "ó", 0x75: "ú", 0x7B: "ã", 0x7C: "õ", 0x7F: "â"}
)

_SINGLE: dict[int, dict[int, str]] = {
    Language.TURKISH: EXTENSION | _TURKISH_LETTERS,
    Language.SPANISH: EXTENSION | _SPANISH_LETTERS,
    Language.PORTUGUESE: EXTENSION | _PORTUGUESE_LETTERS,
    **{Language[name]: table for name, table in south_asian.SINGLE.items()},
}
