"""Telephone numbers as people write them, to E.164."""

import re
from collections.abc import Iterable
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat

from chappe.features.refusal import InvalidInput

LONGEST_RAW = 64

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_DIGITS = re.compile(r"[0-9]{4,15}")
# Narrow and no-break spaces, too: they come with numbers copied from spreadsheets and pages.
_DROPPED = dict.fromkeys(map(ord, " .-/()\t\u00a0\u2007\u2009\u202f\u2010\u2011\u2012\u2013"))


def check_region(region: str | None) -> str | None:
    """The region as two capitals, None for none. Raises InvalidInput."""
    if not region:
        return None
    known = region.upper()
    if known not in phonenumbers.SUPPORTED_REGIONS:
        raise InvalidInput.at("default_region", "must be a country code of two letters, such as FR")
    return known


class PhoneReader:
    """Reads numbers; those without a country code as numbers of `default_region`, where one is given."""

    def __init__(self, default_region: str | None = None) -> None:
        self._region = check_region(default_region)
        self._national = _National(self._region) if self._region else None

    def read(self, text: str) -> str:
        """The number in E.164; "" when there is none in it, or one of a length that its country does not have."""
        if _E164.fullmatch(text) and _is_plain(text):
            return text
        plain = text.translate(_DROPPED)
        if _E164.fullmatch(plain) and _is_plain(plain):
            return plain
        if self._national is not None and (number := self._national.read(plain)):
            return number
        return self._read_slowly(text)

    def _read_slowly(self, text: str) -> str:
        if not text or len(text) > LONGEST_RAW or any(character.isalpha() for character in text):
            return ""  # the library reads 1-800-FLOWERS and extensions; nobody texts those
        if self._region is None and text.startswith("00"):
            text = f"+{text[2:]}"
        try:
            number = phonenumbers.parse(text, self._region)
        except NumberParseException:
            return ""
        if number.extension or not phonenumbers.is_possible_number(number):
            return ""
        written = phonenumbers.format_number(number, PhoneNumberFormat.E164)
        return written if _E164.fullmatch(written) else ""


def _is_plain(e164: str) -> bool:
    """Whether the number's country has numbers of this length, and no digit of it has to go.

    A zero behind the country code is part of the number in Italy, and to be dropped nearly everywhere else: the slow
    way knows.
    """
    for end in (2, 3, 4):
        lengths = _lengths(e164[1:end])
        if lengths is not None:
            return len(e164) - end in lengths and e164[end] != "0"
    return False


@lru_cache(maxsize=2048)
def _lengths(country_code: str) -> frozenset[int] | None:
    """How many digits may follow the country code; None when there is no such code."""
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(country_code or 0))
    if regions is None:
        return None
    lengths: set[int] = set()
    for metadata in _metadata(int(country_code), regions):
        if metadata.general_desc is not None:
            lengths.update(metadata.general_desc.possible_length)
    return frozenset(lengths)


def _metadata(country_code: int, regions: Iterable[str]) -> Iterable[PhoneMetadata]:
    for region in regions:
        found = (
            PhoneMetadata.metadata_for_nongeo_region(country_code, None)
            if region == "001"
            else PhoneMetadata.metadata_for_region(region, None)
        )
        if found is not None:
            yield found


class _National:
    """The quick way for numbers as they are dialled at home: where the rule is only to drop a fixed prefix."""

    def __init__(self, region: str) -> None:
        metadata = PhoneMetadata.metadata_for_region(region, None)
        assert metadata is not None and metadata.general_desc is not None, region
        prefix = metadata.national_prefix or ""
        rule = metadata.national_prefix_for_parsing or ""
        is_plain = rule == prefix and metadata.national_prefix_transform_rule is None
        self._prefix = prefix if is_plain and prefix else None
        self._number = re.compile(metadata.general_desc.national_number_pattern or "(?!)")
        self._lengths = frozenset(metadata.general_desc.possible_length)
        self._country_code = f"+{metadata.country_code}"

    def read(self, digits: str) -> str:
        """The number in E.164; "" when this is not for the quick way."""
        prefix = self._prefix
        if prefix is None or not digits.startswith(prefix) or not _DIGITS.fullmatch(digits):
            return ""
        number = digits[len(prefix) :]
        if len(number) in self._lengths and self._number.fullmatch(number) and not self._number.fullmatch(digits):
            written = self._country_code + number
            return written if _E164.fullmatch(written) else ""
        return ""
