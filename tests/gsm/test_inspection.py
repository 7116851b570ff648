"""What the composer shows of a text before it is sent."""

import pytest
from anyascii import anyascii
from hypothesis import given
from hypothesis import strategies as st

from chappe.gsm import Costly, Encoding, Reason, count, encode, inspect

USUAL = (Encoding.GSM, Encoding.UCS2)


def test_a_plain_text_costs_its_length() -> None:
    found = inspect("hello", USUAL)
    assert (found.encoding, found.units, found.segments, found.room) == (Encoding.GSM, 5, 1, 155)
    assert found.costly == ()
    assert found.transliterated is None


def test_a_character_that_the_cheapest_lacks_is_pointed_at() -> None:
    found = inspect("a" * 80 + "ç", USUAL)
    assert (found.encoding, found.units, found.segments, found.room) == (Encoding.UCS2, 81, 2, 134 - 81)
    assert found.costly == (Costly("ç", 80, Reason.LACKING),)


def test_a_character_that_counts_twice_is_pointed_at() -> None:
    found = inspect("5 € [a]", USUAL)
    assert (found.encoding, found.units) == (Encoding.GSM, 10)
    assert [(each.character, each.position) for each in found.costly] == [("€", 2), ("[", 4), ("]", 6)]
    assert {each.reason for each in found.costly} == {Reason.DOUBLE}


def test_an_emoji_is_lacking_and_counts_twice() -> None:
    found = inspect("a😀", USUAL)
    assert found.units == 3
    assert found.costly == (Costly("😀", 1, Reason.LACKING), Costly("😀", 1, Reason.DOUBLE))


def test_the_first_candidate_that_has_everything_is_taken() -> None:
    assert inspect("ça", (Encoding.GSM, Encoding.LATIN1, Encoding.UCS2)).encoding is Encoding.LATIN1
    assert inspect("a", (Encoding.UCS2, Encoding.GSM)).encoding is Encoding.UCS2


def test_a_text_that_no_candidate_has_says_why() -> None:
    found = inspect("日本", (Encoding.GSM, Encoding.LATIN1))
    assert (found.encoding, found.units, found.segments, found.room) == (None, 0, 0, 0)
    assert [each.position for each in found.costly] == [0, 1]


def test_the_preview_tells_what_transliteration_would_save() -> None:
    found = inspect("ê" * 100, USUAL, transliterating=True)
    assert (found.encoding, found.segments) == (Encoding.UCS2, 2)
    assert found.transliterated is not None
    assert found.transliterated.text == "e" * 100
    assert (found.transliterated.encoding, found.transliterated.segments) == (Encoding.GSM, 1)


def test_the_preview_uses_the_fallback() -> None:
    found = inspect("Привет", USUAL, transliterating=True, fallback=anyascii)
    assert found.transliterated is not None
    assert found.transliterated.text == "Privet"


def test_there_is_no_preview_when_nothing_would_change() -> None:
    assert inspect("hello", USUAL, transliterating=True).transliterated is None


def test_the_room_counts_the_unit_lost_before_a_pair() -> None:
    found = inspect("a" * 152 + "€" + "b" * 20, USUAL)
    assert (found.units, found.segments, found.room) == (174, 2, 153 - 22)


def test_a_text_too_long_to_number_is_still_counted() -> None:
    found = inspect("a" * (255 * 153 + 1), USUAL)
    assert (found.segments, found.is_too_long) == (256, True)


def test_without_candidates_there_is_nothing_to_inspect() -> None:
    with pytest.raises(ValueError, match="no encoding"):
        inspect("a", ())


@given(st.text(st.sampled_from("aé€ç日😀"), max_size=400), st.sampled_from([8, 16]))
def test_inspection_agrees_with_encoding_and_counting(text: str, bits: int) -> None:
    found = inspect(text, USUAL, bits)
    assert found.encoding is not None
    assert found.segments == count(text, found.encoding, bits)
    octets = len(encode(text, found.encoding))
    assert found.units == octets // (2 if found.encoding is Encoding.UCS2 else 1)


@given(st.text(st.sampled_from("a€ç"), min_size=1, max_size=400))
def test_what_there_is_room_for_takes_no_other_segment(text: str) -> None:
    found = inspect(text, USUAL)
    assert inspect(text + "a" * found.room, USUAL).segments == found.segments
    assert inspect(text + "a" * (found.room + 1), USUAL).segments > found.segments
