"""Countries and time zones, as people choose among them."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from itertools import groupby
from pathlib import Path

import phonenumbers
from django.utils.translation import get_language

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
    names = _countries().get(code, {})
    found = str(names.get(language) or names.get("en") or code)
    return str(names.get(found.removeprefix("*"), code)) if found.startswith("*") else found


@cache
def _countries() -> Mapping[str, Mapping[str, str]]:
    """Code → language → the country's name, or * and another language that has the same name.

    The library's module is read by its file: its package brings the places of all numbers with it, 130 MiB that nobody asks
    for here.
    """
    name = "phonenumbers.geodata.locale"
    spec = spec_from_file_location(name, Path(phonenumbers.__file__).parent / "geodata" / "locale.py")
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Mapping[str, Mapping[str, str]] = module.LOCALE_DATA
    return found


def time_zones() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """By area; the names that the database keeps for old programs alone are left out."""
    yield "UTC", [("UTC", "UTC")]
    known = sorted(name for name in zones() if name.partition("/")[0] in AREAS and "/" in name)
    for area, names in groupby(known, key=lambda name: name.partition("/")[0]):
        yield area, [(name, name.partition("/")[2].replace("_", " ")) for name in names]
