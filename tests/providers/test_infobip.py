from typing import Any

import pytest

from chappe.messaging import ConfigError, OutboundMessage, Refused
from chappe.providers import infobip
from chappe.providers.http import Account, HttpRequest

GOOD = {"api_key": "infobip-api-key-0123", "api_host": "xxxxx.api.infobip.com", "sender": "InfoSMS"}


def account(**values: Any) -> Account:
    return Account(infobip.SPEC.parse({**GOOD, **values}))


def message(body: str) -> OutboundMessage:
    return OutboundMessage(1, "+41793026727", "", body, 0, 0, 0, 0, 0, 7)


@pytest.mark.parametrize("sender", ["13531234567", "868686", "QUALITY"])
def test_sender_may_be_a_number_digits_or_a_name(sender: str) -> None:
    assert account(sender=sender).settings.text("sender") == sender


@pytest.mark.parametrize("sender", ["+13531234567", "0013531234567"])
def test_sender_with_plus_or_00_is_refused(sender: str) -> None:
    with pytest.raises(ConfigError, match=r"sender: has \+ or 00"):
        account(sender=sender)


def test_base_url_with_scheme_is_refused_with_the_host_that_was_meant() -> None:
    with pytest.raises(ConfigError, match=r"api_host: expected the host only.*: xxxxx\.api\.infobip\.com$"):
        account(api_host="https://xxxxx.api.infobip.com/")


def test_webhook_username_has_no_special_characters() -> None:
    with pytest.raises(ConfigError, match="webhook_username: has a special character"):
        account(webhook_username="a:b", webhook_password="p")


@pytest.mark.parametrize(
    ("given", "missing"), [("webhook_username", "webhook_password"), ("webhook_password", "webhook_username")]
)
def test_webhooks_have_username_and_password_or_neither(given: str, missing: str) -> None:
    with pytest.raises(ConfigError, match=f"{missing}: is needed"):
        account(**{given: "value"})


@pytest.mark.parametrize("text", ["x" * 153 * 25, "ж" * 67 * 25])
def test_25_segments_are_sent_and_one_more_is_refused(text: str) -> None:
    assert isinstance(infobip.build(message(text), account()), HttpRequest)
    assert isinstance(infobip.build(message(text + text[0]), account()), Refused)
