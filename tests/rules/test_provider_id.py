import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.providers.smpp_settings import SPEC
from chappe.rules.provider_id import IdFormat, convert, read_id, reader

READ = [
    (IdFormat.AS_IS, " 00Ab ", " 00Ab "),
    (IdFormat.AS_IS, "", ""),
    (IdFormat.DECIMAL, "  000123 ", "123"),
    (IdFormat.DECIMAL, "000", "0"),
    (IdFormat.DECIMAL, "18446744073709551616", "18446744073709551616"),
    (IdFormat.HEXADECIMAL, "7b", "123"),
    (IdFormat.HEXADECIMAL, "007B", "123"),
    (IdFormat.HEXADECIMAL, "ffffffffffffffff", "18446744073709551615"),
    (IdFormat.HEXADECIMAL_STRING, "414243", "ABC"),
    (IdFormat.HEXADECIMAL_STRING, "313233", "123"),
]

NOT_IN_FORMAT = [
    (IdFormat.DECIMAL, "12a"),
    (IdFormat.DECIMAL, "-12"),
    (IdFormat.DECIMAL, ""),
    (IdFormat.DECIMAL, "²"),
    (IdFormat.DECIMAL, "١٢"),
    (IdFormat.HEXADECIMAL, "0x7b"),
    (IdFormat.HEXADECIMAL, "7bh"),
    (IdFormat.HEXADECIMAL, "7_b"),
    (IdFormat.HEXADECIMAL, "+7b"),
    (IdFormat.HEXADECIMAL, "f" * 200),
    (IdFormat.HEXADECIMAL_STRING, "41424"),
    (IdFormat.HEXADECIMAL_STRING, "41 42"),
    (IdFormat.HEXADECIMAL_STRING, "4100"),
    (IdFormat.HEXADECIMAL_STRING, "ff"),
    (IdFormat.HEXADECIMAL_STRING, "xy"),
]


@pytest.mark.parametrize(("id_format", "text", "stored"), READ)
def test_id_is_stored_as(id_format: IdFormat, text: str, stored: str) -> None:
    assert convert(text, id_format) == stored
    assert read_id(text, id_format) == (stored, True)


@pytest.mark.parametrize(("id_format", "text"), NOT_IN_FORMAT)
def test_id_that_is_not_in_the_format_is_kept_and_told(id_format: IdFormat, text: str) -> None:
    assert convert(text, id_format) is None
    assert read_id(text, id_format) == (text, False)


@given(st.sampled_from(IdFormat), st.text())
def test_reader_gives_what_read_id_gives(id_format: IdFormat, text: str) -> None:
    assert reader(id_format)(text) == read_id(text, id_format)[0]


@given(st.integers(0, 2**64), st.integers(0, 4))
def test_hexadecimal_acknowledgement_meets_decimal_receipt(number: int, zeros: int) -> None:
    acknowledged = read_id("0" * zeros + f"{number:x}", IdFormat.HEXADECIMAL)
    assert acknowledged == read_id(f"{number}", IdFormat.DECIMAL)


def test_formats_are_those_of_the_settings() -> None:
    for name in ("id_format_in_acknowledgement", "id_format_in_receipt"):
        assert [choice.value for choice in SPEC.setting(name).choices] == list(IdFormat)
