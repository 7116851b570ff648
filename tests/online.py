"""Connections to the simulated HTTP providers: the settings that fit the simulator's own accounts, provider by provider."""

from collections.abc import Callable
from typing import Any

NUMBER = "+33600000000"

_SETTINGS: dict[str, dict[str, Any]] = {
    "twilio": {"account_sid": "AC" + "0" * 32, "auth_token": "simulator", "sender": NUMBER},
    "link_mobility": {
        "username": "user",
        "password": "simulator",
        "sender": NUMBER,
        "platform_id": "COMMON_API",
        "platform_partner_id": "1234",
        "endpoint_host": "wsx.sp247.net",
        "gate_id": "gate-1",
    },
    "sinch": {
        "client_id": "client",
        "client_secret": "simulator",
        "project_id": "project",
        "app_id": "app",
        "sender": NUMBER.removeprefix("+"),
        "webhook_secret": "simulator",
    },
    "infobip": {
        "api_key": "simulator",
        "api_host": "abc.api.infobip.com",
        "sender": NUMBER.removeprefix("+"),
        "webhook_username": "hook",
        "webhook_password": "simulator",
    },
    "messagemedia": {"api_key": "user", "api_secret": "simulator", "sender": NUMBER},
    "vonage": {
        "account_sid": "abcd1234",
        "auth_token": "simulator",
        "sender": NUMBER.removeprefix("+"),
        "signature_secret": "simulator-signature-secret-0123456789",
        "signature_algorithm": "sha256",
    },
    "messagebird": {
        "access_token": "simulator",
        "signing_key": "simulator-signing-key-0123456789-0123456789-0123456789-0123456789",
        "sender": NUMBER.removeprefix("+"),
    },
    "custom": {
        "sender": NUMBER,
        "payload": '{"to": "{{toNumber}}", "from": "{{fromNumber}}", "text": "{{message}}", "reference": "{{message_id}}"}',
        "message_id_field": "id",
    },
    "esp": {"auth_type": "basic", "basic_user": "user", "basic_password": "simulator", "message_id_field": "id"},
}
SECRETS = {
    "twilio": "auth_token",
    "link_mobility": "password",
    "sinch": "client_secret",
    "infobip": "api_key",
    "messagemedia": "api_secret",
    "vonage": "auth_token",
    "messagebird": "access_token",
    "esp": "basic_password",
}
"""The secret without which a provider takes nothing."""


def settings_for(provider: str, url: Callable[[str], str]) -> dict[str, Any]:
    """Settings of a connection to the simulator; `url` gives the address of one of its providers."""
    values = {**_SETTINGS[provider], "allowed_networks": "127.0.0.0/8", "max_per_s": 0}
    base = url(provider)
    match provider:
        case "custom":
            return {**values, "url": f"{base}/messages"}
        case "esp":
            return {**values, "url": f"{base}/messages"}
        case "sinch":
            return {**values, "base_url": base, "token_url": f"{base}/oauth2/token"}
        case "vonage":
            return {**values, "base_url": base, "messages_url": base}
    return {**values, "base_url": base}
