from hypothesis import given
from hypothesis import strategies as st

from chappe.gsm import Encoding, encode, split
from chappe.rules.reassembly import GAP, Piece, join


def piece(text: str) -> Piece:
    return Piece(Encoding.GSM, encode(text, Encoding.GSM))


A, B = piece("aa"), piece("bb")


@given(st.text(st.sampled_from("ab€🙂é"), min_size=161, max_size=900))
def test_segments_of_any_text_give_the_text_again(text: str) -> None:
    encoding = Encoding.UCS2 if "🙂" in text else Encoding.GSM
    octets = split(encode(text, encoding), encoding)
    pieces = {position: Piece(encoding, one) for position, one in enumerate(octets, start=1)}
    assert join(pieces, len(octets)) == text


def test_character_cut_between_segments_is_whole_again() -> None:
    halves = "🙂".encode("utf-16-be")
    pieces = {1: Piece(Encoding.UCS2, halves[:2]), 2: Piece(Encoding.UCS2, halves[2:])}
    assert join(pieces, 2) == "🙂"
    escape = {1: Piece(Encoding.GSM, b"\x1b"), 2: Piece(Encoding.GSM, b"\x65")}
    assert join(escape, 2) == "€"


def test_segments_of_different_encodings_are_joined() -> None:
    assert join({1: A, 2: Piece(Encoding.UCS2, "漢".encode("utf-16-be")), 3: B}, 3) == "aa漢bb"


def test_a_segment_that_never_came_leaves_a_gap() -> None:
    assert join({1: A, 3: B}, 3) == f"aa{GAP}bb"
    assert join({2: B}, 3) == f"{GAP}bb{GAP}"
