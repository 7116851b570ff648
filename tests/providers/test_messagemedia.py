import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chappe.messaging import BadSignature, ConfigError, MessageOptions, OutboundMessage
from chappe.providers import messagemedia
from chappe.providers.http import Account, HookRequest, HttpRequest

GOOD = {"api_key": "k", "api_secret": "messagemedia-secret-01", "sender": "61491570199"}


def account(**values: Any) -> Account:
    return Account(messagemedia.SPEC.parse({**GOOD, **values}))


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize("sender", ["61491570199", "+61491570199", "19888", "Acme"])
def test_sender_may_be_a_number_a_short_code_or_a_name(sender: str) -> None:
    assert account(sender=sender).settings.text("sender") == sender


@pytest.mark.parametrize(
    ("sender", "expected"),
    [("0061491570199", "begins with 00"), ("Me", "less than 3 characters"), ("An endless name", "3 to 11")],
)
def test_sender_that_messagemedia_does_not_take_is_refused_with_what_is_expected(sender: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        account(sender=sender)


@pytest.mark.parametrize("text", ["no key", "AAAA", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "é"])
def test_what_is_no_public_key_is_refused_on_save(text: str) -> None:
    with pytest.raises(ConfigError, match="webhook_public_key: is no RSA public key"):
        account(webhook_public_key=text)


def test_key_of_another_kind_is_refused_on_save() -> None:
    with pytest.raises(ConfigError, match="webhook_public_key: is no RSA public key"):
        account(webhook_public_key=pem(ec.generate_private_key(ec.SECP256R1())))


def test_without_the_public_key_no_call_is_believed() -> None:
    headers = {"x-messagemedia-signature": "AAAA", "date": "Tue, 17 Nov 2026 06:33:52 GMT"}
    request = HookRequest("POST", "https://hooks.example.org/x", headers, b"{}")
    with pytest.raises(BadSignature, match="webhook_public_key"):
        messagemedia.verify(request, account(), 1_794_897_232.0)


def test_sender_and_receipt_go_out_as_messagemedia_wants_them() -> None:
    options = MessageOptions(wants_receipt=False)
    message = OutboundMessage(1, "+61491570156", "", "hi", 0, 0, 0, 0, 0, 7, options)
    made = messagemedia.build(message, account())
    assert isinstance(made, HttpRequest)
    fields = json.loads(made.body)["messages"][0]
    assert (fields["source_number"], fields["source_number_type"]) == ("+61491570199", "INTERNATIONAL")
    assert fields["delivery_report"] is False
