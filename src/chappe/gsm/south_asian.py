"""The national language tables of South Asia: 3GPP TS 23.038, clauses A.2.4 to A.2.13 and A.3.4 to A.3.13.

A.3.4 to A.3.12 are one table nine times. Unicode gives a letter the same place in the block of every Indic script, and
the standard gives that place the same code; a letter that a script does not have leaves its code without a meaning.
Each script then fills six codes (0x60, 0x7B to 0x7F) as it likes. The single shift tables share a frame likewise.

Compared code by code with the Python package gsmcodecs 1.0.0, and read beside the tables of Android and Firefox OS:
no difference was found there. gsmcodecs differs in three places, taken for slips as the other two agree: 0x2C of each
locking table is an apostrophe there and not a comma, 0x24 of Kannada is U+0CAA (which is at 0x3D too) and not U+0CA1,
and the euro sign at 0x65 after the escape is missing in Telugu.
"""

from collections.abc import Collection

from chappe.gsm.alphabet import ESCAPE

# `·` is the script's own; all else is the same in every script.
_LOCKING_FRAME = (
    "··········\n··\r··"
    "···········\x1b····"
    " !······)(··,·.·"
    "0123456789:;···?"
    "················"
    "················"
    "·abcdefghijklmno"
    "pqrstuvwxyz·····"
)

# A space stands for "no symbol": the code then means what it means in the main table.
_SINGLE_FRAME = (
    "@£$¥¿\"¤%&'\f*+ -/"
    "<=>¡^¡_#*··\x1b····"
    "········{}·····\\"
    "············[~]·"
    "|ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZ     "
    "     €          "
    "                "
)


def _run(first: int, last: int) -> str:
    """The characters of a range of code points, both ends included."""
    return "".join(map(chr, range(first, last + 1)))


_PLACES = _run(0x01, 0x03) + _run(0x05, 0x39) + _run(0x3C, 0x4D)
_DANDAS = "\u0964\u0965"


def _filled(frame: str, own: str) -> str:
    letters = iter(own)
    return "".join(next(letters, " ") if character == "·" else character for character in frame)


def _locking(block: int, own: str, absent: Collection[int] = ()) -> str:
    letters = ["\ufffd" if ord(place) in absent else chr(block + ord(place)) for place in _PLACES]
    return _filled(_LOCKING_FRAME, "".join(letters) + own)


def _single(own: str) -> dict[int, str]:
    table = enumerate(_filled(_SINGLE_FRAME, own))
    return {code: character for code, character in table if character != " " and code != ESCAPE}


_URDU = (
    "\u0627\u0622\u0628\u067b\u0680\u067e\u06a6\u062a\u06c2\u067f\n\u0679\u067d\r\u067a\u067c"
    "\u062b\u062c\u0681\u0684\u0683\u0685\u0686\u0687\u062d\u062e\u062f\x1b\u068c\u0688\u0689\u068a"
    " !\u068f\u068d\u0630\u0631\u0691\u0693)(\u0699\u0632,\u0696.\u0698"
    "0123456789:;\u069a\u0633\u0634?"
    "\u0635\u0636\u0637\u0638\u0639\u0641\u0642\u06a9\u06aa\u06ab\u06af\u06b3\u06b1\u0644\u0645\u0646"
    "\u06ba\u06bb\u06bc\u0648\u06c4\u06d5\u06c1\u06be\u0621\u06cc\u06d0\u06d2\u064d\u0650\u064f\u0657"
    "\u0654abcdefghijklmno"
    "pqrstuvwxyz\u0655\u0651\u0653\u0656\u0670"
)

LOCKING: dict[str, str] = {
    "BENGALI": _locking(
        0x0980,
        "\u09ce\u09d7\u09dc\u09dd\u09f0\u09f1",
        {0x0D, 0x0E, 0x11, 0x12, 0x29, 0x31, 0x33, 0x34, 0x35, 0x45, 0x46, 0x49, 0x4A},
    ),
    "GUJARATI": _locking(0x0A80, "\u0ad0\u0ae0\u0ae1\u0ae2\u0ae3\u0af1", {0x0E, 0x12, 0x29, 0x31, 0x34, 0x46, 0x4A}),
    "HINDI": _locking(0x0900, "\u0950\u0972\u097b\u097c\u097e\u097f"),
    "KANNADA": _locking(0x0C80, "\u0cd5\u0cd6\u0ce0\u0ce1\u0ce2\u0ce3", {0x01, 0x0D, 0x11, 0x29, 0x34, 0x45, 0x49}),
    "MALAYALAM": _locking(0x0D00, "\u0d57\u0d60\u0d61\u0d62\u0d63\u0d79", {0x01, 0x0D, 0x11, 0x29, 0x3C, 0x45, 0x49}),
    "ORIYA": _locking(
        0x0B00,
        "\u0b56\u0b57\u0b60\u0b61\u0b62\u0b63",
        {0x0D, 0x0E, 0x11, 0x12, 0x29, 0x31, 0x34, 0x45, 0x46, 0x49, 0x4A},
    ),
    "PUNJABI": _locking(
        0x0A00,
        "\u0a51\u0a70\u0a71\u0a72\u0a73\u0a74",
        {0x0B, 0x0C, 0x0D, 0x0E, 0x11, 0x12, 0x29, 0x31, 0x34, 0x37, 0x3D, 0x43, 0x44, 0x45, 0x46, 0x49, 0x4A},
    ),
    "TAMIL": _locking(
        0x0B80,
        "\u0bd0\u0bd7\u0bf0\u0bf1\u0bf2\u0bf9",
        {0x01, 0x0B, 0x0C, 0x0D, 0x11, 0x16, 0x17, 0x18, 0x1B, 0x1D, 0x20, 0x21, 0x22, 0x25, 0x26, 0x27, 0x2B, 0x2C}
        | {0x2D, 0x3C, 0x3D, 0x43, 0x44, 0x45, 0x49},
    ),
    "TELUGU": _locking(0x0C00, "\u0c55\u0c56\u0c60\u0c61\u0c62\u0c63", {0x0D, 0x11, 0x29, 0x34, 0x3C, 0x45, 0x49}),
    "URDU": _URDU,
}

SINGLE: dict[str, dict[int, str]] = {
    "BENGALI": _single(_run(0x09E6, 0x09EF) + _run(0x09DF, 0x09E3) + _run(0x09F2, 0x09FA)),
    "GUJARATI": _single(_DANDAS + _run(0x0AE6, 0x0AEF)),
    "HINDI": _single(
        _DANDAS + _run(0x0966, 0x096F) + _run(0x0951, 0x0954) + _run(0x0958, 0x0963) + _run(0x0970, 0x0971)
    ),
    "KANNADA": _single(_DANDAS + _run(0x0CE6, 0x0CEF) + "\u0cde\u0cf1\u0cf2"),
    "MALAYALAM": _single(_DANDAS + _run(0x0D66, 0x0D75) + _run(0x0D7A, 0x0D7F)),
    "ORIYA": _single(_DANDAS + _run(0x0B66, 0x0B6F) + "\u0b5c\u0b5d\u0b5f\u0b70\u0b71"),
    "PUNJABI": _single(_DANDAS + _run(0x0A66, 0x0A6F) + "\u0a59\u0a5a\u0a5b\u0a5c\u0a5e\u0a75"),
    "TAMIL": _single(_DANDAS + _run(0x0BE6, 0x0BEF) + _run(0x0BF3, 0x0BF8) + "\u0bfa"),
    "TELUGU": _single("  " + _run(0x0C66, 0x0C6F) + "\u0c58\u0c59" + _run(0x0C78, 0x0C7F)),
    "URDU": _single(
        "\u0600\u0601" + _run(0x06F0, 0x06F9) + _run(0x060C, 0x0614) + "\u061b\u061f\u0640\u0652\u0658"
        "\u066b\u066c\u0672\u0673\u06cd\u06d4"
    ),
}
