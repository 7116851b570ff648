"""Long texts cut into segments: 3GPP TS 23.040, clause 9.2.3.24.1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.gsm import Encoding, TooManySegments, capacity, count, encode, split

CASES = st.one_of(
    st.tuples(st.just(Encoding.GSM), st.text(st.sampled_from("a@Δ€[|"), max_size=700)),
    st.tuples(st.just(Encoding.LATIN1), st.text(st.sampled_from("aé"), max_size=700)),
    st.tuples(st.just(Encoding.UCS2), st.text(st.sampled_from("aé日😀🇫"), max_size=300)),
)
BITS = st.sampled_from([8, 16])


@given(case=CASES, bits=BITS)
def test_segments_rejoin(case: tuple[Encoding, str], bits: int) -> None:
    encoding, text = case
    data = encode(text, encoding)
    assert b"".join(split(data, encoding, bits)) == data


@given(case=CASES, bits=BITS)
def test_no_segment_is_over_the_limit_and_only_an_empty_text_has_an_empty_one(
    case: tuple[Encoding, str], bits: int
) -> None:
    encoding, text = case
    segments = split(encode(text, encoding), encoding, bits)
    alone, beside_others = capacity(encoding, bits)
    limit = alone if len(segments) == 1 else beside_others
    assert all(len(segment) <= limit for segment in segments)
    assert all(segments) or text == ""


@given(case=CASES, bits=BITS)
def test_the_count_is_the_number_of_segments(case: tuple[Encoding, str], bits: int) -> None:
    encoding, text = case
    assert count(text, encoding, bits) == len(split(encode(text, encoding), encoding, bits))


@given(case=CASES, bits=BITS)
def test_every_segment_but_the_last_is_full_to_one_character(case: tuple[Encoding, str], bits: int) -> None:
    encoding, text = case
    segments = split(encode(text, encoding), encoding, bits)
    widest = 4 if encoding is Encoding.UCS2 else 2
    assert all(len(segment) > capacity(encoding, bits)[1] - widest for segment in segments[:-1])


@given(text=st.text(st.sampled_from("a€"), min_size=161, max_size=500), bits=BITS)
def test_an_escape_pair_is_never_cut_between_segments(text: str, bits: int) -> None:
    assert not any(segment.endswith(b"\x1b") for segment in split(encode(text, Encoding.GSM), Encoding.GSM, bits))


@given(text=st.text(st.sampled_from("a😀"), min_size=71, max_size=300), bits=BITS)
def test_a_surrogate_pair_is_never_cut_between_segments(text: str, bits: int) -> None:
    segments = split(encode(text, Encoding.UCS2), Encoding.UCS2, bits)
    assert "".join(segment.decode("utf-16-be") for segment in segments) == text


@given(data=st.lists(st.sampled_from([b"a", b"\x1b"]), max_size=600).map(b"".join))
def test_an_escaped_escape_is_a_pair_and_the_next_character_is_not(data: bytes) -> None:
    segments = split(data, Encoding.GSM)
    assert b"".join(segments) == data
    trailing = [len(segment) - len(segment.rstrip(b"\x1b")) for segment in segments[:-1]]
    assert all(escapes % 2 == 0 for escapes in trailing)


@given(data=st.binary(max_size=900), encoding=st.sampled_from(Encoding), bits=BITS)
def test_any_octets_can_be_split(data: bytes, encoding: Encoding, bits: int) -> None:
    assert b"".join(split(data, encoding, bits)) == data


@pytest.mark.parametrize(
    ("encoding", "bits", "lengths"),
    [
        (Encoding.GSM, 8, [160, 306, 459]),
        (Encoding.GSM, 16, [160, 304, 456]),
        (Encoding.LATIN1, 8, [140, 268, 402]),
        (Encoding.LATIN1, 16, [140, 266, 399]),
        (Encoding.UCS2, 8, [70, 134, 201]),
        (Encoding.UCS2, 16, [70, 132, 198]),
    ],
)
def test_one_character_more_than_fits_takes_another_segment(encoding: Encoding, bits: int, lengths: list[int]) -> None:
    for segments, length in enumerate(lengths, 1):
        assert count("a" * length, encoding, bits) == segments
        assert count("a" * (length + 1), encoding, bits) == segments + 1


def test_an_escape_pair_at_the_cut_moves_to_the_next_segment_whole() -> None:
    segments = split(encode("a" * 152 + "€" + "b" * 20, Encoding.GSM), Encoding.GSM)
    assert segments == [b"a" * 152, b"\x1be" + b"b" * 20]


def test_a_surrogate_pair_at_the_cut_moves_to_the_next_segment_whole() -> None:
    segments = split(encode("a" * 66 + "😀bcd", Encoding.UCS2), Encoding.UCS2)
    assert [segment.decode("utf-16-be") for segment in segments] == ["a" * 66, "😀bcd"]


def test_a_message_that_fits_alone_is_not_cut_for_its_pairs() -> None:
    data = encode("€" * 80, Encoding.GSM)
    assert split(data, Encoding.GSM) == [data]


@pytest.mark.parametrize("encoding", Encoding)
def test_an_empty_text_is_one_empty_segment(encoding: Encoding) -> None:
    assert split(b"", encoding) == [b""]
    assert count("", encoding) == 1


def test_two_hundred_and_fifty_five_segments_is_the_most() -> None:
    assert len(split(b"a" * 255 * 153, Encoding.GSM)) == 255
    with pytest.raises(TooManySegments, match="256 segments") as caught:
        split(b"a" * (255 * 153 + 1), Encoding.GSM)
    assert caught.value.segments == 256
    with pytest.raises(TooManySegments):
        count("a" * (255 * 153 + 1), Encoding.GSM)


@pytest.mark.parametrize("bits", [0, 7, 32])
def test_a_reference_has_eight_or_sixteen_bits(bits: int) -> None:
    with pytest.raises(ValueError, match="8 or 16"):
        count("a", Encoding.GSM, bits)
