"""Addresses that providers are told."""

import pytest

from chappe.engine.address import hook_url, inbound_url, status_url


@pytest.mark.parametrize("public", ["https://chappe.example.org", "https://chappe.example.org/"])
def test_addresses_begin_with_the_public_one(public: str) -> None:
    assert status_url(public, "twilio", 7, 42) == (
        "https://chappe.example.org/v1/receive/distribution/status/twilio/7/42"
    )
    assert inbound_url(public, "twilio", 7) == "https://chappe.example.org/v1/receive/distribution/message/twilio/7"
    assert hook_url(public, "ch_x-Y_1") == "https://chappe.example.org/v1/hooks/ch_x-Y_1"


def test_without_a_public_address_there_is_none() -> None:
    assert (status_url("", "twilio", 7, 42), inbound_url("", "twilio", 7), hook_url("", "ch_x")) == ("", "", "")
