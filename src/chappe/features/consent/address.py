"""Addresses as consent and quarantine keep them: numbers in E.164, e-mail addresses in small letters."""

import phonenumbers

from chappe.features.refusal import InvalidInput
from chappe.messaging import Channel
from chappe.rules.email_address import read_email

CHANNELS = tuple(channel.value for channel in Channel)


def consent_channel(channel: str) -> str:
    """The channel whose consent counts: a STOP is about the number, and so holds for SMS and RCS alike."""
    if channel not in CHANNELS:
        raise InvalidInput.at("channel", f"must be one of {', '.join(CHANNELS)}")
    return Channel.SMS.value if channel == Channel.RCS else channel


def checked_address(channel: str, address: str) -> str:
    """Raises InvalidInput."""
    address = address.strip()
    if channel == Channel.EMAIL:
        found = read_email(address)
        if not found:
            raise InvalidInput.at("address", "must be an e-mail address, such as jane@example.org")
        return found
    try:
        number = phonenumbers.parse(address)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or not phonenumbers.is_possible_number(number):
        raise InvalidInput.at("address", "must be a number in international form, such as +33612345678")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def short(field: str, value: str, most: int) -> str:
    """Without spaces around it. Raises InvalidInput for one that is too long."""
    value = value.strip()
    if len(value) > most:
        raise InvalidInput.at(field, f"must have at most {most} characters")
    return value
