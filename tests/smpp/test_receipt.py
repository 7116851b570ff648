"""Receipts as text: SMPP 3.4, appendix B, and what SMSCs make of it."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.smpp.vectors import vectors

from chappe.smpp import MessageState, format_receipt, parse_receipt
from chappe.smpp.receipt import _WHOLE, DIALECTS, STATE_WORDS, Dialect, _parse_dialect, parse_date

SUBMITTED = datetime(2024, 1, 1, 12, 0, 5, tzinfo=UTC)
DONE = datetime(2024, 1, 1, 12, 1, 59, tzinfo=UTC)
word = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=20)


@vectors("receipt")
def test_a_receipt_is_read_whatever_its_dialect(vector: dict[str, Any]) -> None:
    assert parse_receipt(vector["text"]) == vector["values"]


@vectors("receipt")
def test_octets_are_read_as_their_text_is(vector: dict[str, Any]) -> None:
    assert parse_receipt(vector["text"].encode("latin-1")) == vector["values"]


def test_the_standard_form_is_written() -> None:
    assert format_receipt("0123456789", "DELIVRD", SUBMITTED, DONE, text="Hello, this is more than twenty") == (
        "id:0123456789 sub:001 dlvrd:001 submit date:2401011200 done date:2401011201 stat:DELIVRD err:000 "
        "Text:Hello, this is more "
    )


def test_a_message_not_delivered_counts_none_delivered() -> None:
    assert "dlvrd:000" in format_receipt("1", MessageState.EXPIRED, SUBMITTED, DONE)
    assert "stat:EXPIRED" in format_receipt("1", MessageState.EXPIRED, SUBMITTED, DONE)
    assert "dlvrd:002" in format_receipt("1", "EXPIRED", SUBMITTED, DONE, sub=3, dlvrd=2)


@given(st.sampled_from(sorted(DIALECTS)), word, st.sampled_from(sorted(STATE_WORDS)), word, st.text(max_size=20))
def test_every_dialect_written_is_read(name: str, message_id: str, stat: str, err: str, text: str) -> None:
    dialect = DIALECTS[name]
    read = parse_receipt(format_receipt(message_id, stat, SUBMITTED, DONE, err, text, dialect=dialect))
    assert (read["id"], read["stat"], read["err"]) == (message_id, stat, err)
    if "done date" in dialect.names:
        assert parse_date(read["done_date"]) == (DONE if dialect.seconds else DONE.replace(second=0))
    assert ("text" in read) == (dialect.text_name is not None)
    if dialect.text_name is not None:
        assert read["text"].strip(" \0") == text.strip(" \0")


@given(st.text() | st.binary())
def test_any_text_is_read_without_an_error(text: str | bytes) -> None:
    assert all(isinstance(value, str) for value in parse_receipt(text).values())


@given(st.from_regex(_WHOLE, fullmatch=True))
def test_the_short_cut_for_the_standard_form_changes_nothing(text: str) -> None:
    assert parse_receipt(text) == _parse_dialect(text)


def test_every_message_state_has_its_word() -> None:
    assert set(STATE_WORDS.values()) == set(MessageState)
    assert all(len(word) == 7 for word in STATE_WORDS)


@pytest.mark.parametrize(
    ("digits", "date"),
    [
        ("2401011201", datetime(2024, 1, 1, 12, 1, tzinfo=UTC)),
        ("240101120159", datetime(2024, 1, 1, 12, 1, 59, tzinfo=UTC)),
        ("20240101120159", datetime(2024, 1, 1, 12, 1, 59, tzinfo=UTC)),
        ("2413011201", None),
        ("24010112", None),
        ("", None),
        ("24-01-0112", None),
        ("٢٤٠١٠١١٢٠١", None),
    ],
)
def test_dates_have_ten_or_twelve_digits(digits: str, date: datetime | None) -> None:
    assert parse_date(digits) == date


def test_a_date_is_in_the_zone_that_the_caller_knows() -> None:
    zone = timezone(timedelta(hours=2))
    assert parse_date("2401011201", zone) == datetime(2024, 1, 1, 10, 1, tzinfo=UTC)


def test_a_dialect_can_be_made_for_one_provider() -> None:
    dialect = Dialect(names=("stat", "id"), separator=";", text_name=None)
    assert format_receipt("7", "DELIVRD", SUBMITTED, DONE, dialect=dialect) == "stat:DELIVRD;id:7"
