"""The reference pages name what there is."""

from pathlib import Path

import pytest

from chappe.features.contacts.importing import _PHONE_NAMES, attribute_name, columns_of
from chappe.features.deliveries import analysis, identifier, measure
from chappe.features.deliveries.template import FILTERS, TAGS
from chappe.rules.consent import Exclusion

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("word", sorted(FILTERS))
def test_every_filter_is_on_the_page_of_texts(word: str) -> None:
    assert f"`{word}`" in (DOCS / "reference" / "texts.md").read_text()


@pytest.mark.parametrize("word", sorted(TAGS))
def test_every_tag_is_on_the_page_of_texts(word: str) -> None:
    assert f"{{% {word}" in (DOCS / "reference" / "texts.md").read_text()


@pytest.mark.parametrize(
    "reason",
    [
        analysis.BAD_NUMBER,
        identifier.BAD_ADDRESS,
        identifier.NO_IDENTIFIER,
        analysis.DUPLICATE,
        analysis.RENDER_ERROR,
        analysis.EMPTY,
        measure.TOO_LONG,
        measure.UNENCODABLE,
        Exclusion.DENYLISTED.value,
        Exclusion.QUARANTINE.value,
    ],
)
def test_every_reason_to_leave_somebody_out_is_explained(reason: str) -> None:
    assert f"`{reason}`" in (DOCS / "explanation" / "deliveries.md").read_text()


def test_every_name_of_a_phone_column_that_the_page_gives_is_found() -> None:
    page = (DOCS / "reference" / "people-files.md").read_text()
    listed = page.split("first found of: ")[1].split(" (with")[0].replace("\n", " ")
    names = [" ".join(name.split()) for name in listed.split(",")]
    assert [columns_of(["x", name]).phone for name in names] == [1] * len(names)
    assert {attribute_name(name) for name in names} <= set(_PHONE_NAMES)
