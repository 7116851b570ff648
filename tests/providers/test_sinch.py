from typing import Any

import pytest

from chappe.messaging import ConfigError
from chappe.providers import sinch
from chappe.providers.http import Account, HttpResponse, TokenRefused

GOOD = {
    "client_id": "kid",
    "client_secret": "oauth-client-secret-01",
    "project_id": "proj",
    "app_id": "APP",
    "sender": "Brand",
}


def account(**values: Any) -> Account:
    return Account(sinch.SPEC.parse({**GOOD, **values}))


@pytest.mark.parametrize("sender", ["35312345678", "+35312345678", "Brand", "19888"])
def test_sender_may_be_a_number_a_short_code_or_a_name(sender: str) -> None:
    assert account(sender=sender).settings.text("sender") == sender


@pytest.mark.parametrize(
    ("sender", "expected"),
    [("0035312345678", "begins with 00"), ("An endless name", "at most 11 letters"), ("+", "country code first")],
)
def test_sender_that_sinch_does_not_take_is_refused_with_what_is_expected(sender: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        account(sender=sender)


def test_data_centre_is_one_of_sinch() -> None:
    with pytest.raises(ConfigError, match="data_centre: expected one of: eu, us, br"):
        account(data_centre="mars")


def test_token_is_taken_with_the_time_that_it_lasts() -> None:
    auth = sinch.auth(account())
    fetching = auth.fetch(0.0)
    request = next(fetching)
    assert request.url == "https://auth.sinch.com/oauth2/token"
    with pytest.raises(StopIteration) as done:
        fetching.send(HttpResponse(200, b'{"access_token":"tok","expires_in":3599,"scope":"","token_type":"bearer"}'))
    assert (done.value.value.value, done.value.value.expires_in_s) == ("tok", 3599.0)


def test_wrong_client_secret_gives_no_token_and_is_not_shown() -> None:
    fetching = sinch.auth(account()).fetch(0.0)
    next(fetching)
    with pytest.raises(TokenRefused, match="401") as refused:
        fetching.send(HttpResponse(401, b'{"error":"invalid_client","error_description":"wrong"}'))
    assert GOOD["client_secret"] not in repr(refused.value)
