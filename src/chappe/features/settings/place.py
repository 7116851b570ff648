"""Countries and time zones, as people choose among them."""

from collections.abc import Iterator
from functools import cache
from itertools import groupby

import phonenumbers
from django.utils.translation import get_language
from phonenumbers.geodata.locale import LOCALE_DATA

from chappe.rules.quiet_hours import zones

AREAS = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


def regions() -> list[tuple[str, str]]:
    """Every country whose numbers are known, by its name in the reader's language."""
    return list(_regions((get_language() or "en").partition("-")[0]))


def region_name(code: str) -> str:
    return dict(regions()).get(code, code)


@cache
def _regions(language: str) -> tuple[tuple[str, str], ...]:
    named = [(code, _name(code, language)) for code in phonenumbers.SUPPORTED_REGIONS]
    return tuple(sorted(((code, f"{name} ({code})") for code, name in named), key=lambda one: one[1].casefold()))


def _name(code: str, language: str) -> str:
    names = LOCALE_DATA.get(code, {})
    found = str(names.get(language) or names.get("en") or code)
    return str(names.get(found.removeprefix("*"), code)) if found.startswith("*") else found


def time_zones() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """By area; the names that the database keeps for old programs alone are left out."""
    yield "UTC", [("UTC", "UTC")]
    known = sorted(name for name in zones() if name.partition("/")[0] in AREAS and "/" in name)
    for area, names in groupby(known, key=lambda name: name.partition("/")[0]):
        yield area, [(name, name.partition("/")[2].replace("_", " ")) for name in names]
