"""What is said to be risky about settings, and who shares a login."""

from typing import Any

import pytest

from chappe.features.connections.risk import login_field, risks, said_beside, shares_login
from chappe.providers.http_settings import is_loopback_host
from chappe.providers.registry import PROVIDERS

SMPP: dict[str, Any] = {
    **PROVIDERS["smpp"].defaults(),
    "host": "127.0.0.1",
    "account": "relais",
    "unknown_outcome": "hold",
}
CUSTOM: dict[str, Any] = {**PROVIDERS["custom"].defaults(), "url": "https://sms.example.org/"}


def taken(provider: str, **values: Any) -> set[str]:
    return {risk.field for risk in risks(provider, {**(SMPP if provider == "smpp" else CUSTOM), **values})}


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({}, set()),
        ({"host": "smsc.example.org"}, {"tls"}),
        ({"host": "smsc.example.org", "tls": True}, set()),
        ({"host": "::1", "receiver_host": "rx.example.org"}, {"tls"}),
        ({"tls": True, "certificate_verification": "none"}, {"certificate_verification"}),
        ({"tls": True, "certificate_verification": "no_host_name"}, {"certificate_verification"}),
        ({"invalid_id_acknowledge_count": 3}, {"invalid_id_acknowledge_count"}),
        ({"text_field_in_receipt": True}, {"text_field_in_receipt"}),
        ({"allowed_networks": "10.0.0.0/8"}, {"allowed_networks"}),
        ({"unknown_outcome": "resend"}, {"unknown_outcome"}),
        ({"transactional_despite_stop": True}, {"transactional_despite_stop"}),
    ],
)
def test_a_risk_is_taken_by_these_settings_and_no_other(values: dict[str, Any], fields: set[str]) -> None:
    assert taken("smpp", **values) == fields


def test_http_without_tls_is_risky_off_this_machine() -> None:
    assert taken("custom", url="http://sms.example.org/") == {"url"}
    assert taken("custom", url="http://127.0.0.1:8080/") == set()
    assert taken("custom", auth_type="oauth", oauth_url="http://login.example.org/") == {"oauth_url"}


def test_what_may_be_chosen_is_warned_of_before_it_is_and_what_shows_only_later_is_not() -> None:
    said = said_beside("smpp", SMPP)
    assert "certificate_verification" in said
    assert "tls" not in said
    assert "tls" in said_beside("smpp", PROVIDERS["smpp"].defaults())


def test_every_risk_is_about_a_setting_that_there_is() -> None:
    for spec in PROVIDERS.values():
        known = {setting.name for setting in spec.settings}
        assert set(said_beside(spec.key, spec.defaults())) <= known


def test_connections_share_a_login_by_host_port_and_account() -> None:
    own = SMPP | {"host": "SMSC.example.org", "port": 2775}
    others = [
        ("same", "smpp", {"host": "smsc.example.org", "account": "relais"}),
        ("other port", "smpp", {"host": "smsc.example.org", "account": "relais", "port": 2776}),
        ("other account", "smpp", {"host": "smsc.example.org", "account": "relais2"}),
        ("its receiver", "smpp", {"host": "tx", "account": "a", "mode": "transmitter_receiver", "receiver_differs": True}
         | {"receiver_host": "smsc.example.org", "receiver_account": "relais"}),
        ("by HTTP", "twilio", {"account_sid": "AC1"}),
    ]  # fmt: skip
    assert shares_login("smpp", own, others) == ["same", "its receiver"]


def test_loopback_is_this_machine() -> None:
    assert all(map(is_loopback_host, ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost")))
    assert not any(map(is_loopback_host, ("10.0.0.1", "example.org", "")))


def test_accounts_of_one_operator_on_one_mid_are_told_apart_from_others() -> None:
    own = {"base_url": "https://mid.example.com", "operator": "sms"}
    others = [
        ("same", "relay", {"base_url": "https://MID.example.com:443/", "operator": "sms"}),
        ("another operator", "relay", own | {"operator": "web"}),
        ("another mid", "relay", own | {"base_url": "https://mid2.example.com"}),
        ("another port", "relay", own | {"base_url": "https://mid.example.com:8443"}),
        ("empty", "relay", {"base_url": "", "operator": ""}),
        ("no address", "relay", {"base_url": "https://[", "operator": "sms"}),
        ("by SMPP", "smpp", {"host": "mid.example.com", "port": 443, "account": "sms"}),
    ]
    assert shares_login("relay", own, others) == ["same"]
    assert shares_login("relay", {}, others) == []
    assert (login_field("relay"), login_field("smpp")) == ("operator", "account")
