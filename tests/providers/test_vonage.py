from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vonage_http_client.auth import Auth

from chappe.messaging import About, BadSignature, ConfigError, Deferred
from chappe.providers import vonage
from chappe.providers.http import Account, HookRequest, HttpResponse

SECRET = "vonage-sig-secret-0123456789ABCDEF"
GOOD = {"account_sid": "abcd1234", "auth_token": "api-secret", "sender": "447700900001", "signature_secret": SECRET}
URL = "https://hooks.example.org/h/42"
NOW_S = 1_700_000_000.0


def account(**values: Any) -> Account:
    return Account(vonage.SPEC.parse({**GOOD, **values}))


def call(fields: dict[str, str]) -> HookRequest:
    return HookRequest("POST", URL, {"content-type": "application/x-www-form-urlencoded"}, urlencode(fields).encode())


@pytest.mark.parametrize("sender", ["447700900001", "Acme", "Acme Shop", "30303"])
def test_sender_may_be_a_number_a_short_code_or_a_name(sender: str) -> None:
    assert account(sender=sender).settings.text("sender") == sender


@pytest.mark.parametrize(
    ("sender", "expected"),
    [
        ("+447700900001", "without it"),
        ("00447700900001", "without it"),
        ("NameThatIsLong", "at most 11 letters"),
        ("44 7700 900001", "the digits of a number"),
        ("Ümlaut", "without accents"),
    ],
)
def test_sender_that_cannot_be_is_refused_on_save_with_what_is_expected(sender: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"sender: .*{expected}"):
        account(sender=sender)


def test_certificate_without_its_key_is_refused_on_save() -> None:
    with pytest.raises(ConfigError, match="client_certificate: needs its private key"):
        account(client_certificate="-----BEGIN CERTIFICATE-----")


def test_signature_of_a_request_is_as_the_guide_says() -> None:
    # https://developer.vonage.com/en/getting-started/concepts/signing-messages; `api_key` and no empty fields
    fields = {
        "api_key": "abcd1234",
        "from": "Acme",
        "text": "hé & x=1",
        "timestamp": "1700000000",
        "to": "447700900000",
    }
    wanted = "5cb3d370f3b8acb1bd28fa7d4bfa9bd3f60a984152c1a7f9c20e2933342c6e0f"
    assert vonage.signature(fields, SECRET.encode(), "sha256") == wanted


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(deadline=None)
@given(
    fields=st.dictionaries(TEXT.filter(lambda name: name not in ("", "sig")), TEXT, max_size=8),
    method=st.sampled_from(["md5", "sha1", "sha256", "sha512"]),
)
def test_what_the_official_sdk_signs_is_believed(fields: dict[str, str], method: Any) -> None:
    signed = {**fields, "timestamp": "1700000100"}
    sig = Auth(api_key="abcd1234", signature_secret=SECRET, signature_method=method).sign_params(dict(signed))
    ours = account(signature_algorithm=method)
    vonage.verify(call({**signed, "sig": sig}), ours, NOW_S)
    with pytest.raises(BadSignature):
        vonage.verify(call({**signed, "sig": sig, "one-more": "1"}), ours, NOW_S)
    with pytest.raises(BadSignature):
        vonage.verify(call({**signed, "sig": sig}), account(signature_algorithm="md5hash"), NOW_S)


def test_secret_that_is_not_set_is_named() -> None:
    with pytest.raises(BadSignature, match="signature_secret"):
        vonage.verify(call({"messageId": "1", "sig": ""}), account(signature_secret=""), NOW_S)


def test_body_is_signed_and_a_query_beside_it_tells_nothing() -> None:
    fields = {"messageId": "1", "status": "delivered", "timestamp": "1700000000"}
    sig = vonage.signature(fields, SECRET.encode(), "md5hash")
    form = call({**fields, "sig": sig})
    beside = HookRequest("POST", URL + "?messageId=2&status=failed", form.headers, form.body)
    vonage.verify(beside, account(), NOW_S)
    assert [event.provider_message_id for event in vonage.events(beside, account())] == ["1"]


def test_account_that_ran_dry_keeps_messages_waiting() -> None:
    answer = b'{"message-count": "1", "messages": [{"status": "9", "error-text": "Partner quota violation"}]}'
    outcome = vonage.read(HttpResponse(200, answer), account())
    assert isinstance(outcome, Deferred)
    assert (outcome.about, outcome.after_s) == (About.ACCOUNT, 60.0)
