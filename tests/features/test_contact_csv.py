"""CSV files as rows and errors."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.features.contacts.csv_file import CsvFile, Row, RowError
from chappe.features.contacts.importing import columns_of
from chappe.features.refusal import InvalidInput


def read(content: bytes | str, **options: str) -> tuple[CsvFile, list[Row | RowError]]:
    octets = content.encode() if isinstance(content, str) else content
    file = CsvFile(io.BytesIO(octets), **options)
    return file, list(file.rows())


def cells(content: bytes | str, **options: str) -> list[list[str]]:
    return [row.cells for row in read(content, **options)[1] if isinstance(row, Row)]


def errors(content: bytes | str, **options: str) -> list[RowError]:
    return [row for row in read(content, **options)[1] if isinstance(row, RowError)]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    content = delimiter.join(["phone", "name"]) + "\n" + delimiter.join(["+33612345678", "Léa; or, so"])
    content = content.replace("Léa; or, so", '"Léa; or, so"')
    assert cells(content) == [["+33612345678", "Léa; or, so"]]


def test_a_file_of_one_column_needs_no_delimiter() -> None:
    assert cells("phone\n+33612345678\n+33612345679\n") == [["+33612345678"], ["+33612345679"]]


@pytest.mark.parametrize(
    ("octets", "encoding"),
    [
        ("phone,prénom\n1,Zoë\n".encode(), "utf-8"),
        ("\ufeffphone,prénom\n1,Zoë\n".encode(), "utf-8"),
        ("phone,prénom\n1,Zoë\n".encode("cp1252"), "cp1252"),
        ("phone,pr\xe9nom\r\n1,Zo\xeb\r\n".encode("latin-1"), "cp1252"),
    ],
)
def test_the_encoding_is_found(octets: bytes, encoding: str) -> None:
    file, rows = read(octets)
    assert (file.encoding, file.header) == (encoding, ["phone", "prénom"])
    assert [row.cells for row in rows if isinstance(row, Row)] == [["1", "Zoë"]]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_the_first_letter_beyond_ascii_may_come_late(encoding: str) -> None:
    plain = "phone,name\n" + "1,Anna\n" * 60_000
    file, rows = read(plain.encode() + "2,Chloé\n".encode(encoding))
    last = rows[-1]
    assert isinstance(last, Row)
    assert (last.cells, file.encoding) == (["2", "Chloé"], encoding)


def test_broken_rows_are_told_with_their_line_and_the_others_are_read() -> None:
    content = b"phone,name\n1,a\n2\n3,b,c\n4,\xff\xfe\xc3\n5,d\0e\n\n6,f\n"
    good = cells(content, encoding="utf-8")
    assert good == [["1", "a"], ["6", "f"]]
    assert [(error.line, error.field, error.message) for error in errors(content, encoding="utf-8")] == [
        (3, "", "has 1 cells, and the header has 2"),
        (4, "", "has 3 cells, and the header has 2"),
        (5, "name", "is not text in utf-8"),
        (6, "name", "holds a NUL character"),
    ]


def test_a_cell_may_hold_line_ends_and_the_next_row_has_its_own_line() -> None:
    rows = read('phone,name\n1,"a\nb"\n2\n')[1]
    assert rows == [Row(2, ["1", "a\nb"]), RowError(4, "", "has 1 cells, and the header has 2")]


def test_a_quotation_mark_left_open_swallows_a_bounded_part_of_the_file() -> None:
    rows = read('phone,name\n1,"open\n' + "2,x\n" * 100_000)[1]
    assert isinstance(rows[0], RowError) and "quotation mark" in rows[0].message
    assert isinstance(rows[-1], Row)


def test_an_endless_line_is_one_error_and_takes_no_memory() -> None:
    content = b"phone,name\n1,a\n" + b"x" * 3_000_000 + b"\n2,b\n"
    assert cells(content) == [["1", "a"], ["2", "b"]]
    assert [error.line for error in errors(content)] == [3]


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        ("phone,name\n".encode("utf-16"), "UTF-16"),
        (b"phone,name\r1,a\r", "carriage return"),
        (b",,\n1,2,3\n", "header"),
        (b"a," * 300 + b"phone\n", "columns"),
    ],
)
def test_what_is_no_csv_file_is_refused_with_the_reason(octets: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read(octets)


def test_an_unknown_encoding_or_delimiter_is_refused() -> None:
    with pytest.raises(InvalidInput, match="encoding"):
        read("phone\n", encoding="ebcdic")
    with pytest.raises(InvalidInput, match="delimiter"):
        read("phone\n", delimiter="x")


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
            min_size=2,
            max_size=2,
        ),
        max_size=8,
    ),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_what_is_written_as_csv_is_read_back(table: list[list[str]], delimiter: str) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=delimiter).writerows([["phone", "name"], *table])
    assert cells(written.getvalue(), delimiter=delimiter, encoding="utf-8") == table


@given(st.binary(max_size=300))
def test_any_octets_give_rows_errors_or_a_refusal(octets: bytes) -> None:
    try:
        file, rows = read(b"phone,name\n" + octets)
    except InvalidInput:
        return
    assert all(isinstance(row, RowError) or len(row.cells) == len(file.header) for row in rows)


@pytest.mark.parametrize(
    "header",
    ["phone", "Mobile", "MSISDN", "Téléphone", "telephone", "Numéro", "Tel", "Mobile phone", "N° de GSM;gsm"],
)
def test_the_phone_column_is_found_by_its_name(header: str) -> None:
    names = ["name", *header.split(";")]
    assert columns_of(names).phone == len(names) - 1


def test_columns_become_attributes_by_names_that_a_text_can_mention() -> None:
    columns = columns_of(["external_id", "First name", "Prénom", "2nd city", "", "phone"])
    assert columns.external_id == 0
    assert [name for _, name in columns.attributes] == ["first_name", "prénom", "_2nd_city", "column_5"]


@pytest.mark.parametrize(
    ("header", "phone_column", "field"),
    [
        (["name", "city"], None, "phone_column"),
        (["name", "phone"], "mobile", "phone_column"),
        (["phone", "mobile"], "mobile", "phone_column"),
        (["phone", "Name", "name"], None, "column 3"),
        (["phone", "n" * 61], None, "column 2"),
    ],
)
def test_a_header_that_cannot_be_used_names_the_column(header: list[str], phone_column: str | None, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        columns_of(header, phone_column)
    assert [error.field for error in refused.value.errors] == [field]
