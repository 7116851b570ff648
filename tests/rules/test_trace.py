import pytest

from chappe.rules.trace import Sample, number_key


@pytest.mark.parametrize(
    "written",
    ["+33612345678", "33612345678", "0033612345678", "06 12 34 56 78", "+33 6.12.34.56.78", "(06) 12-34-56-78"],
)
def test_one_number_is_found_however_it_is_written(written: str) -> None:
    assert number_key(written) == number_key("+33612345678")


def test_other_numbers_short_codes_and_names_are_others() -> None:
    keys = [number_key(one) for one in ("+33612345678", "+33612345679", "38600", "CHAPPE", "")]
    assert len(set(keys)) == len(keys)
    assert number_key("Chappe") == number_key("CHAPPE ")


def test_so_many_a_second_pass_and_the_others_are_counted_once() -> None:
    sample = Sample(2)
    assert [sample.takes(now) for now in (10.0, 10.1, 10.2, 10.9, 11.0, 11.5, 11.9)] == [
        True,
        True,
        False,
        False,
        True,
        True,
        False,
    ]
    assert sample.counted() == 3
    assert sample.counted() == 0
