"""What an encoding lacks, said with what it has."""

import pytest
from anyascii import anyascii
from hypothesis import given
from hypothesis import strategies as st

from chappe.gsm import Encoding, can_encode, lacking, transliterate

ANY_TEXT = st.text(st.characters() | st.sampled_from("aé€ç ê“”—\u0301\u0302\u0338ﬁ😀"))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("fenêtre, garçon, naïf", "fenetre, garcon, naif"),
        ("“L’été” — c’est…", "\"L'été\" - c'est..."),
        ("10\u00a0000\u202f€", "10 000 €"),
        ("cœur, ŒUVRE, ﬁn, Łódź, Đà", "coeur, OEUVRE, fin, Lodz, Dà"),
        ("e\u0301te\u0302", "éte"),  # a letter and its mark written apart
        ("ǘ Ấ", "ü A"),  # as little as needed is taken away
        ("½ m² № ①", "1/2 m2 No 1"),
        ("soft\u00adhyphen\u200b\ufeff", "softhyphen"),
        ("ΚΑΛΗΜΕΡΑ Ά Ε\u0301", "KAΛHMEPA A E"),  # a capital that looks Latin is
        ("`quoted`\ttab", "'quoted' tab"),
    ],
)
def test_typography_and_accents_become_what_gsm_has(text: str, result: str) -> None:
    assert transliterate(text, Encoding.GSM) == result
    assert can_encode(result, Encoding.GSM)


@pytest.mark.parametrize("text", ["", "plain", "àéùìòÇ Ñ ß Å €{}[]~\\|^", "ΓΔΘΛΞΠΣΦΨΩ ¡¿§¤"])
def test_what_gsm_has_is_left_alone(text: str) -> None:
    assert transliterate(text, Encoding.GSM, anyascii) == text


def test_latin1_keeps_the_accents_it_has_and_spells_the_euro() -> None:
    assert transliterate("ça coûte 5 € “net” ế", Encoding.LATIN1) == 'ça coûte 5 EUR "net" ê'


@given(ANY_TEXT)
def test_ucs2_changes_nothing(text: str) -> None:
    assert transliterate(text, Encoding.UCS2, anyascii) == text


def test_a_character_without_a_word_stays() -> None:
    assert transliterate("ê 日 😀", Encoding.GSM) == "e 日 😀"
    assert transliterate("Ρόδος", Encoding.GSM) == "Ρόδος"


def test_the_fallback_is_asked_last() -> None:
    asked: list[str] = []

    def fallback(character: str) -> str:
        asked.append(character)
        return {"日": "Ri", "ж": "zh"}.get(character, "")

    assert transliterate("ê “日” ж 😀 a", Encoding.GSM, fallback) == 'e "Ri" zh 😀 a'
    assert asked == ["日", "ж", "😀"]


def test_the_librarys_words_are_taken() -> None:
    assert transliterate("Привет, 東京 Ρόδος", Encoding.GSM, anyascii) == "Privet, DongJing Rodos"


@pytest.mark.parametrize("word", ["", "日", "a😀"])
def test_a_fallback_that_answers_with_the_unencodable_is_not_believed(word: str) -> None:
    assert transliterate("a☃", Encoding.GSM, lambda _: word) == "a☃"


def test_an_answer_may_itself_be_put_into_what_the_encoding_has() -> None:
    assert transliterate("☃", Encoding.GSM, lambda _: "“ê”") == '"e"'


def test_a_struck_out_sign_does_not_become_its_opposite() -> None:
    assert transliterate("a ≠ b", Encoding.GSM) == "a != b"
    assert transliterate("a ≮ b", Encoding.GSM) == "a ≮ b"


@pytest.mark.parametrize("encoding", Encoding)
@given(text=ANY_TEXT)
def test_no_unencodable_character_is_put_in(encoding: Encoding, text: str) -> None:
    result = transliterate(text, encoding, anyascii)
    before = {character for _, character in lacking(text, encoding)}
    assert {character for _, character in lacking(result, encoding)} <= before


@pytest.mark.parametrize("encoding", Encoding)
@given(text=ANY_TEXT)
def test_transliterating_twice_changes_no_more(encoding: Encoding, text: str) -> None:
    once = transliterate(text, encoding, anyascii)
    assert transliterate(once, encoding, anyascii) == once


@given(st.text(st.sampled_from("aé€ç日😀")))
def test_only_what_is_lacking_changes(text: str) -> None:
    assert transliterate(text, Encoding.GSM, lambda _: "?") == text.replace("ç", "c").replace("日", "?").replace(
        "😀", "?"
    )
