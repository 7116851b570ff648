from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from chappe.messaging import BadSignature, ConfigError, InboundMessage, Receipt
from chappe.providers import twilio
from chappe.providers.http import Account, HookRequest

SID, TOKEN = "AC" + "1" * 32, "12345678901234567890123456789012"
GOOD = {"account_sid": SID, "auth_token": TOKEN, "sender": "+15017122661"}
URL = "https://hooks.example.org/h/42?conn=7"
FORM = "application/x-www-form-urlencoded"


def account(**values: Any) -> Account:
    return Account(twilio.SPEC.parse({**GOOD, **values}))


def call(pairs: list[tuple[str, str]], url: str = URL, signed: str | None = None) -> HookRequest:
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    proof = signed or RequestValidator(TOKEN).compute_signature(url, Repeated(fields))
    return HookRequest("POST", url, {"content-type": FORM, "x-twilio-signature": proof}, urlencode(pairs).encode())


class Repeated(dict[str, list[str]]):
    """Fields as the official validator takes them where a name may come more than once."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


@pytest.mark.parametrize(
    "sender", ["+13531234567", "13531234567", "12345", "Acme", "Acme Shop 1", "MGM", "MG" + "a" * 32]
)
def test_sender_may_be_a_number_a_short_code_a_name_or_a_messaging_service(sender: str) -> None:
    assert account(sender=sender).settings.text("sender") == sender


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        ("0013531234567", "begins with 00"),
        ("MG" + "a" * 31, "MG followed by 32 hexadecimal digits"),
        ("A name that is too long", "at most 11 letters"),
        ("Écho", "without accents"),
        ("+1 353 123 4567", "country code"),
        ("12", "country code"),
    ],
)
def test_sender_that_cannot_be_is_refused_on_save_with_what_is_expected(sender: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as raised:
        account(sender=sender)
    assert raised.value.errors[0].field == "sender"


@pytest.mark.parametrize("sid", ["SK" + "1" * 32, "AC1", TOKEN])
def test_account_sid_is_checked_on_save(sid: str) -> None:
    with pytest.raises(ConfigError, match="account_sid: is no Account SID; expected AC followed by 32"):
        account(account_sid=sid)


def test_certificate_without_its_key_is_refused_on_save() -> None:
    with pytest.raises(ConfigError, match="client_certificate: needs its private key"):
        account(client_certificate="-----BEGIN CERTIFICATE-----")


def test_shared_key_that_is_not_set_is_named() -> None:
    request = call([("MessageSid", "SM1")])
    announced = {**request.headers, "x-twilio-webhooks-signature-settings": "key=k1,algorithm=HMAC_SHA256"}
    with pytest.raises(BadSignature, match="webhook_shared_key"):
        twilio.verify(HookRequest("POST", URL, announced, request.body), account(), 0.0)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(deadline=None)
@given(pairs=st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=8), port=st.sampled_from(["", ":443", ":8443"]))
def test_what_the_official_validator_signs_is_believed(pairs: list[tuple[str, str]], port: str) -> None:
    url = URL.replace(".org/", f".org{port}/")
    request = call(pairs, url)
    twilio.verify(request, account(), 0.0)
    for other in (url.replace("conn=7", "conn=8"), url.replace("/h/", "/g/"), url + "&x="):
        with pytest.raises(BadSignature):
            twilio.verify(HookRequest("POST", other, request.headers, request.body), account(), 0.0)
    with pytest.raises(BadSignature):
        twilio.verify(HookRequest("POST", url, request.headers, request.body + b"&extra=1"), account(), 0.0)


def test_fragment_is_no_part_of_what_is_signed() -> None:
    request = call([("MessageSid", "SM1")])
    twilio.verify(HookRequest("POST", URL + "#rc=2", request.headers, request.body), account(), 0.0)


def test_number_of_a_status_is_not_confused_with_a_text_from_a_phone() -> None:
    status = call([("MessageSid", "SM1"), ("MessageStatus", "sent"), ("Body", "")])
    text = call([("MessageSid", "SM2"), ("SmsStatus", "received"), ("From", "+33612345678"), ("Body", "sent")])
    assert [type(event) for event in twilio.events(status, account())] == [Receipt]
    assert [type(event) for event in twilio.events(text, account())] == [InboundMessage]
