import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.messaging import ConfigError, OutgoingTlv
from chappe.providers.parameter import ParameterFormat, ParameterRow, encode_row, encode_rows, read_value

F = ParameterFormat

VALUES = [
    (F.ASCII, "abc", b"abc"),
    (F.UTF8, "é", b"\xc3\xa9"),
    (F.LATIN1, "é", b"\xe9"),
    (F.GSM, "é@", b"\x05\x00"),
    (F.UCS2, "é", b"\x00\xe9"),
    (F.INT8, "-1", b"\xff"),
    (F.UINT8, "255", b"\xff"),
    (F.INT16, "-2", b"\xff\xfe"),
    (F.UINT16, "258", b"\x01\x02"),
    (F.INT32, " 16909060 ", b"\x01\x02\x03\x04"),
    (F.UINT32, "4294967295", b"\xff\xff\xff\xff"),
    (F.INT64, "-1", b"\xff" * 8),
    (F.UINT64, "18446744073709551615", b"\xff" * 8),
]


@pytest.mark.parametrize(("value_format", "value", "octets"), VALUES)
def test_value_is_written_in_its_format(value_format: ParameterFormat, value: str, octets: bytes) -> None:
    assert encode_row(ParameterRow("", "0x1403", value, value_format)) == OutgoingTlv(0x1403, octets)


@pytest.mark.parametrize("value_format", F)
@pytest.mark.parametrize("value", ["", " ", "null", "undefined"])
def test_value_that_is_not_there_drops_the_parameter(value_format: ParameterFormat, value: str) -> None:
    assert encode_row(ParameterRow("", "5123", value, value_format)) is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ParameterRow("", "0x12345", "1"), "expected a tag from 0 to 65535"),
        (ParameterRow("", "", "1"), "expected a tag from 0 to 65535"),
        (ParameterRow("", "1", "x", F.INT8), "expected a whole decimal number"),
        (ParameterRow("", "1", "0x10", F.INT8), "expected a whole decimal number"),
        (ParameterRow("", "1", "-1", F.UINT8), "expected a whole decimal number"),
        (ParameterRow("", "1", "²", F.UINT8), "expected a whole decimal number"),
        (ParameterRow("", "1", "128", F.INT8), "expected a whole number from -128 to 127"),
        (ParameterRow("", "1", "65536", F.UINT16), "expected a whole number from 0 to 65535"),
        (ParameterRow("", "1", "é", F.ASCII), "expected characters that ascii has"),
        (ParameterRow("", "1", "漢", F.GSM), "expected characters that gsm has"),
        (ParameterRow("", "1", "\ud800", F.UTF8), "expected characters that utf8 has"),
        (ParameterRow("", "1", "abc", F.UTF8, 2), "expected at most 2 octets, not 3"),
        (ParameterRow("", "1", "x" * 65536), "expected at most 65535 octets"),
    ],
)
def test_row_that_cannot_be_sent_says_what_was_expected(row: ParameterRow, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode_row(row)


def test_binary_value_ignores_the_maximum_length() -> None:
    assert encode_row(ParameterRow("", "1", "1", F.INT64, 2)) == OutgoingTlv(1, b"\0" * 7 + b"\1")


def test_table_names_each_bad_row_without_its_value() -> None:
    rows = [ParameterRow("tariff", "1", "secret", F.INT8), ParameterRow("", "1", "x"), ParameterRow("", "y", "x")]
    with pytest.raises(ConfigError) as caught:
        encode_rows(rows)
    assert [error.field for error in caught.value.errors] == ["tlvs[0]", "tlvs[2]"]
    assert str(caught.value).startswith("tlvs[0]: tariff: expected a whole decimal number")
    assert "secret" not in str(caught.value)
    assert encode_rows(rows[1:2]) == (OutgoingTlv(1, b"x"),)


@pytest.mark.parametrize(
    ("value", "value_format", "text"),
    [
        (b"42\0", "ascii", "42"),
        (b"\xe9", "ascii", "\ufffd"),
        (b"\xc3\xa9", "utf8", "é"),
        (b"\xc3", "utf8", "\ufffd"),
        (b"\xe9\0", "latin1", "é"),
        (b"\x05\x00", "gsm", "é@"),
        (b"\0A\0\0", "ucs2", "A"),
        (b"", "binary", ""),
        (b"\x80", "binary", "-128"),
        (b"\x01\x00", "binary", "256"),
        (b"\xff" * 8, "binary", "-1"),
    ],
)
def test_inbound_value_is_read(value: bytes, value_format: str, text: str) -> None:
    assert read_value(value, value_format) == text


@given(st.binary(max_size=300), st.sampled_from(["ascii", "utf8", "latin1", "gsm", "ucs2", "binary"]))
def test_any_inbound_value_has_a_text(value: bytes, value_format: str) -> None:
    assert "\0" not in read_value(value, value_format)


@given(st.integers(-(2**63), 2**63 - 1))
def test_binary_numbers_survive_the_way_out_and_in(number: int) -> None:
    tlv = encode_row(ParameterRow("", "1", str(number), F.INT64))
    assert tlv is not None
    assert read_value(tlv.value, "binary") == str(number)
