"""The GSM 7-bit default alphabet and its extension: 3GPP TS 23.038 (once GSM 03.38), clauses 6.2.1 and 6.2.1.1.

Text is *unpacked* here: one septet an octet, as SMPP carries it. `packing` puts eight of them in seven octets.

The same tables are kept in the three shapes that make encoding fast; they are derived from the two that can be
read against the standard, `BASIC` and `EXTENSION`.
"""

import re

ESCAPE = 0x1B

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
"""Clause 6.2.1, a row per sixteen codes. Code 0x1B is the escape, not a character of the alphabet."""

EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
"""Clause 6.2.1.1: what a code means after the escape. Codes 0x0D and 0x1B are reserved there."""

DOUBLE = "".join(EXTENSION.values())
"""The characters that cost two septets."""

_SEPTET = {ord(character): code for code, character in enumerate(BASIC) if code != ESCAPE}

# Not a septet, so that one `isascii` over the result tells whether anything was missing.
_MISSING = 0xFF

LATIN1_TO_SEPTET = bytes(_SEPTET.get(code, _MISSING) for code in range(256))
"""For `bytes.translate`: the septet of each Latin-1 octet, 0xFF where there is no single one."""

TEXT_TO_SEPTETS: dict[int, int | str] = {
    # Of the characters not in the tables only those below 0x80 would pass for a septet.
    **dict.fromkeys(range(128), _MISSING),
    **_SEPTET,
    **{ord(character): "\x1b" + chr(code) for code, character in EXTENSION.items()},
}
"""For `str.translate`: each character of both tables as its septets; what is not there comes out above 0x7F."""

MISSING = re.compile(f"[^{re.escape(BASIC.replace(chr(ESCAPE), '') + DOUBLE)}]")
"""Matches each character that is in neither table."""
