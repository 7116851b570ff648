"""Numbers as people write them, to E.164."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.features.contacts.phone import PhoneReader
from chappe.features.refusal import InvalidInput

REGIONS = ["FR", "GB", "US", "DE", "IT", "ES", "BR", "AR", "MX", "IN", "MA", "CH", "RU", "JP", "SG", "CI", "AT", "FI"]


@pytest.mark.parametrize(
    ("region", "written", "number"),
    [
        (None, "+33612345678", "+33612345678"),
        (None, "+33 6 12 34 56 78", "+33612345678"),
        (None, "0033612345678", "+33612345678"),
        (None, "+33 (0)6 12 34 56 78", "+33612345678"),
        ("FR", "06 12 34 56 78", "+33612345678"),
        ("FR", "06.12.34.56.78", "+33612345678"),
        ("FR", "06\u202f12\u202f34\u202f56\u202f78", "+33612345678"),
        ("FR", "+44 7700 900123", "+447700900123"),
        ("US", "(415) 555-2671", "+14155552671"),
        ("IT", "06 1234 5678", "+390612345678"),
        ("fr", "0612345678", "+33612345678"),
    ],
)
def test_a_number_is_read_however_it_is_written(region: str | None, written: str, number: str) -> None:
    assert PhoneReader(region).read(written) == number


@pytest.mark.parametrize(
    ("region", "written"),
    [
        (None, ""),
        (None, "0612345678"),
        (None, "hello"),
        (None, "+33"),
        (None, "+336123456789"),  # a digit too many for France
        (None, "+3361234567"),  # and one too few
        (None, "+999612345678"),  # no country has this code
        ("FR", "12"),
        ("US", "1-800-FLOWERS"),
        ("FR", "0612345678 ext. 5"),
        ("FR", "1" * 70),
        ("FR", "\x00\x01"),
    ],
)
def test_what_is_no_number_reads_as_nothing(region: str | None, written: str) -> None:
    assert PhoneReader(region).read(written) == ""


def test_a_region_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="default_region"):
        PhoneReader("XX")


@given(
    st.sampled_from(REGIONS),
    st.sampled_from(["", "0", "00", "+", "+0", "+33", "+49", "1", "8", "06"]),
    st.text("0123456789", min_size=3, max_size=14),
)
def test_the_quick_way_and_the_library_agree(region: str, prefix: str, digits: str) -> None:
    text = prefix + digits
    try:
        number = phonenumbers.parse(text, region)
        expected = phonenumbers.is_possible_number(number)
    except phonenumbers.NumberParseException:
        expected = False
    read = PhoneReader(region).read(text)
    if read:
        assert expected
        assert read == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    elif expected:  # possible for the library, and longer or shorter than E.164 lets a number be
        assert not 7 <= len(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)) - 1 <= 15


@given(st.text(max_size=80))
def test_any_text_reads_as_a_number_or_nothing(text: str) -> None:
    read = PhoneReader("FR").read(text)
    assert read == "" or (read[0] == "+" and read[1:].isdigit() and len(read) <= 16)
