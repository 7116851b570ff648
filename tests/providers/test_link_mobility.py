import json
from typing import Any

import pytest

from chappe.messaging import ConfigError, MessageOptions, OutboundMessage, Receipt, ReceiptKind, Refused
from chappe.providers import link_mobility
from chappe.providers.http import Account, HookRequest, HttpRequest

GOOD = {
    "username": "user",
    "password": "gate-password-01",
    "sender": "Acme",
    "platform_id": "COMMON_API",
    "platform_partner_id": "1234",
    "endpoint_host": "wsx.sp247.net",
    "gate_id": "gate-1",
}


def account(**values: Any) -> Account:
    return Account(link_mobility.SPEC.parse({**GOOD, **values}))


def message(body: str = "Hello", sender: str = "", options: MessageOptions | None = None) -> OutboundMessage:
    return OutboundMessage(1, "+4799999999", sender, body, 0, 0, 0, 0, 0, 7, options)


def sent(made: HttpRequest | Refused) -> dict[str, Any]:
    assert isinstance(made, HttpRequest)
    fields: dict[str, Any] = json.loads(made.body)
    return fields


@pytest.mark.parametrize("sender", ["+35312345678", "Acme", "2333"])
def test_sender_may_be_a_number_with_plus_a_name_or_a_short_number(sender: str) -> None:
    assert account(sender=sender).settings.text("sender") == sender


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        ("35312345678", r"without its \+.*such as \+35312345678"),
        ("0035312345678", r"without its \+.*such as \+35312345678"),
        ("An endless name", "at most 11 letters"),
        ("Café", "without accents"),
    ],
)
def test_sender_that_link_does_not_take_is_refused_with_what_is_expected(sender: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        account(sender=sender)


@pytest.mark.parametrize(
    "pasted",
    ["https://wsx.sp247.net/sms", "wsx.sp247.net/sms", "HTTPS://wsx.sp247.net", "wsx.sp247.net:443", " wsx.sp247.net"],
)
def test_host_pasted_with_more_is_refused_with_the_host_that_was_meant(pasted: str) -> None:
    with pytest.raises(ConfigError, match=r"endpoint_host: expected the host only.*: wsx\.sp247\.net$"):
        account(endpoint_host=pasted)


@pytest.mark.parametrize("pasted", ["https://", "no host", "wsx", "http://[", "10.0.0.1"])
def test_what_is_no_host_is_refused(pasted: str) -> None:
    with pytest.raises(ConfigError, match="expected the name of a host"):
        account(endpoint_host=pasted)


def test_certificate_without_its_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="client_certificate: needs its private key"):
        account(client_certificate="-----BEGIN CERTIFICATE-----")


def test_no_gate_is_named_where_no_receipt_is_wanted() -> None:
    fields = sent(link_mobility.build(message(options=MessageOptions(wants_receipt=False)), account()))
    assert fields["useDeliveryReport"] is False
    assert "deliveryReportGates" not in fields


def test_number_given_without_plus_for_one_message_gets_it() -> None:
    fields = sent(link_mobility.build(message(sender="35312345678"), account()))
    assert (fields["source"], fields["sourceTON"]) == ("+35312345678", "MSISDN")


def test_most_segments_are_sent_and_one_more_is_refused() -> None:
    assert sent(link_mobility.build(message("x" * 153 * 254), account()))
    refused = link_mobility.build(message("x" * (153 * 254 + 1)), account())
    assert isinstance(refused, Refused)
    assert "254 segments" in refused.reason


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [("", ReceiptKind.SUCCESS), ("$0", ReceiptKind.SUCCESS), ("$1", ReceiptKind.INTERMEDIATE)],
)
def test_only_the_first_segment_delivers_a_long_message(suffix: str, kind: ReceiptKind) -> None:
    body = json.dumps({"id": f"a$b{suffix}", "resultCode": 1001}).encode()
    events = link_mobility.events(HookRequest("POST", "https://hooks.example.org/x", {}, body), account())
    assert events == [Receipt("a$b", kind, "1001")]
