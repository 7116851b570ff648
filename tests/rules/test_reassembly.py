import random

from hypothesis import given
from hypothesis import strategies as st

from chappe.gsm import Encoding, encode, split
from chappe.rules.reassembly import GAP, TIME_OUT_MS, Assembled, Collector, Piece, join


def piece(text: str) -> Piece:
    return Piece(Encoding.GSM, encode(text, Encoding.GSM))


A, B, C = piece("aa"), piece("bb"), piece("cc")


@given(st.text(st.sampled_from("ab€🙂é"), min_size=161, max_size=900), st.randoms(use_true_random=False))
def test_segments_in_any_order_with_repetitions_give_the_text(text: str, chance: random.Random) -> None:
    encoding = Encoding.UCS2 if "🙂" in text else Encoding.GSM
    octets = split(encode(text, encoding), encoding)
    total = len(octets)
    order = list(range(1, total + 1))
    chance.shuffle(order)
    collector = Collector()
    given_back: list[Assembled] = []
    for count, position in enumerate(order, start=1):
        segment = Piece(encoding, octets[position - 1])
        given_back += collector.add("key", total, position, segment, 0)
        if count < total:
            assert collector.add("key", total, position, segment, 0) == []
    assert given_back == [Assembled("key", text, total, True)]
    assert len(collector) == 0


def test_character_cut_between_segments_is_whole_again() -> None:
    halves = "🙂".encode("utf-16-be")
    pieces = {1: Piece(Encoding.UCS2, halves[:2]), 2: Piece(Encoding.UCS2, halves[2:])}
    assert join(pieces, 2) == "🙂"
    escape = {1: Piece(Encoding.GSM, b"\x1b"), 2: Piece(Encoding.GSM, b"\x65")}
    assert join(escape, 2) == "€"


def test_segments_of_different_encodings_are_joined() -> None:
    assert join({1: A, 2: Piece(Encoding.UCS2, "漢".encode("utf-16-be")), 3: B}, 3) == "aa漢bb"


def test_text_in_one_segment_is_complete_at_once() -> None:
    assert Collector().add("key", 1, 1, A, 0) == [Assembled("key", "aa", 1, True)]


def test_segment_numbered_outside_its_total_stands_alone() -> None:
    assert Collector().add("key", 2, 3, A, 0) == [Assembled("key", "aa", 1, True)]
    assert Collector().add("key", 2, 0, A, 0) == [Assembled("key", "aa", 1, True)]


def test_other_total_begins_another_text() -> None:
    collector = Collector()
    assert collector.add("key", 3, 1, A, 0) == []
    assert collector.add("key", 2, 1, B, 1) == [Assembled("key", f"aa{GAP}{GAP}", 1, False)]
    assert collector.add("key", 2, 2, C, 2) == [Assembled("key", "bbcc", 2, True)]


def test_other_octets_at_a_place_taken_begin_another_text() -> None:
    collector = Collector()
    assert collector.add("key", 2, 1, A, 0) == []
    assert collector.add("key", 2, 1, B, 1) == [Assembled("key", f"aa{GAP}", 1, False)]
    assert collector.add("key", 2, 2, C, 2) == [Assembled("key", "bbcc", 2, True)]


def test_text_that_waited_too_long_is_given_with_gaps() -> None:
    collector = Collector()
    collector.add("key", 3, 3, C, 0)
    collector.add("key", 3, 1, A, TIME_OUT_MS - 1)
    assert collector.expire(TIME_OUT_MS - 1) == []
    assert collector.expire(TIME_OUT_MS) == [Assembled("key", f"aa{GAP}cc", 2, False)]
    assert len(collector) == 0


def test_late_segment_begins_another_text() -> None:
    collector = Collector()
    collector.add("key", 2, 1, A, 0)
    assert collector.add("key", 2, 2, B, TIME_OUT_MS) == [Assembled("key", f"aa{GAP}", 1, False)]
    assert len(collector) == 1


def test_oldest_text_is_given_back_when_there_is_no_room() -> None:
    collector = Collector(capacity=2)
    collector.add("one", 2, 1, A, 0)
    collector.add("two", 2, 1, B, 1)
    assert collector.add("three", 2, 1, C, 2) == [Assembled("one", f"aa{GAP}", 1, False)]
    assert len(collector) == 2
