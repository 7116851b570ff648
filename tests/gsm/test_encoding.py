"""Text to octets and back: 3GPP TS 23.038, clauses 6.2.1, 6.2.1.1 and 6.2.3."""

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gsm.vectors import vectors

from chappe.gsm import Encoding, Language, Unencodable, can_encode, decode, encode, lacking

GSM_TEXT = decode(bytes(code for code in range(128) if code != 0x1B), Encoding.GSM) + "\f^{}\\[~]|€"

TEXTS = {
    Encoding.GSM: st.text(st.sampled_from(GSM_TEXT)),
    Encoding.LATIN1: st.text(st.characters(max_codepoint=0xFF)),
    Encoding.UCS2: st.text(st.characters(exclude_categories=["Cs"])),
}


@vectors("text")
def test_a_text_becomes_the_octets_of_the_standard(vector: dict[str, Any]) -> None:
    assert encode(vector["text"], Encoding(vector["encoding"])).hex() == vector["hex"]


@vectors("text")
def test_octets_become_the_text_of_the_standard(vector: dict[str, Any]) -> None:
    assert decode(bytes.fromhex(vector["hex"]), Encoding(vector["encoding"])) == vector["text"]


@vectors("national")
def test_a_national_table_gives_the_text_of_the_standard(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    assert decode(data, Encoding.GSM, vector["locking"], vector["single"]) == vector["text"]


@pytest.mark.parametrize("encoding", Encoding)
@given(data=st.data())
def test_what_is_encoded_decodes_to_the_same_text(encoding: Encoding, data: st.DataObject) -> None:
    text = data.draw(TEXTS[encoding])
    assert decode(encode(text, encoding), encoding) == text
    assert can_encode(text, encoding)
    assert lacking(text, encoding) == []


def test_gsm_encodes_exactly_the_characters_of_its_two_tables() -> None:
    encodable = {character for character in map(chr, range(sys.maxunicode + 1)) if can_encode(character, Encoding.GSM)}
    assert encodable == set(GSM_TEXT)
    assert len(GSM_TEXT) == 127 + 10


@pytest.mark.parametrize("character", ["ç", "ê", "°", "²", "`", "\t", "\x00", "\x1b", "\xff", "\x7f", "ÿ", "Α", "😀"])
def test_a_character_that_gsm_lacks_is_named_with_its_position(character: str) -> None:
    with pytest.raises(Unencodable) as caught:
        encode(f"Δ€ ok {character} no", Encoding.GSM)
    assert (caught.value.character, caught.value.position, caught.value.encoding) == (character, 6, Encoding.GSM)


def test_the_first_of_several_lacking_characters_is_named() -> None:
    with pytest.raises(Unencodable) as caught:
        encode("a😀b日", Encoding.LATIN1)
    assert (caught.value.character, caught.value.position) == ("😀", 1)
    assert lacking("a😀b日", Encoding.LATIN1) == [(1, "😀"), (3, "日")]


def test_an_error_does_not_tell_the_text() -> None:
    with pytest.raises(Unencodable) as caught:
        encode("my secret ☃", Encoding.GSM)
    assert str(caught.value) == "character U+2603 at position 10 does not exist in gsm"


@pytest.mark.parametrize("text", ["a\ud83d", "\ude00a", "\ud83d\ude00"])
def test_a_lone_surrogate_cannot_be_sent(text: str) -> None:
    with pytest.raises(Unencodable) as caught:
        encode(text, Encoding.UCS2)
    assert caught.value.position == lacking(text, Encoding.UCS2)[0][0]


@given(
    data=st.binary(max_size=400),
    encoding=st.sampled_from(Encoding),
    locking=st.none() | st.integers(0, 255),
    single=st.none() | st.integers(0, 255),
)
def test_whatever_arrives_can_be_shown(
    data: bytes, encoding: Encoding, locking: int | None, single: int | None
) -> None:
    text = decode(data, encoding, locking, single)
    assert "\x1b" not in text or encoding is not Encoding.GSM
    assert can_encode(text, Encoding.UCS2)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a\x1b", "a "),  # the escape of a pair whose other half is missing
        (b"\x1b\x1ba", " a"),  # reserved for a further table
        (b"\x1ba\x1b\x0d", "a\r"),  # no symbol after the escape
        (b"a\x80\x1b\xff", "a\ufffd\ufffd"),
    ],
)
def test_gsm_octets_without_a_meaning_are_shown_as_the_standard_says(data: bytes, text: str) -> None:
    assert decode(data, Encoding.GSM) == text


@pytest.mark.parametrize("data", [b"\xd8\x3d", b"\xde\x00", b"\x00"])
def test_a_broken_unit_becomes_a_replacement_character(data: bytes) -> None:
    assert decode(b"\x00a" + data, Encoding.UCS2) == "a\ufffd"


@pytest.mark.parametrize("language", Language)
def test_no_character_stands_twice_in_a_locking_table(language: Language) -> None:
    text = decode(bytes(code for code in range(128) if code != 0x1B), Encoding.GSM, locking=language)
    letters = text.replace("\ufffd", "")
    assert len(letters) == len(set(letters))
