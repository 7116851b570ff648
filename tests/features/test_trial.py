"""Settings that are tried before they are kept, against simulated providers."""

from collections.abc import Iterator

import pytest

from chappe.features.connections.models import Connection
from chappe.features.connections.trial import try_settings
from chappe.features.refusal import InvalidInput
from chappe.simulator.process import HttpSimulatorProcess

MAIL = '{"to": "{{ user_identifier }}", "from": "shop@example.org", "subject": "Hello", "html": "Bonjour"}'


@pytest.fixture(scope="module")
def provider() -> Iterator[HttpSimulatorProcess]:
    with HttpSimulatorProcess("plain") as process:
        yield process


@pytest.fixture(autouse=True)
def tables(database: str) -> None:
    """The database is asked whether anything was kept."""


def oauth(provider: HttpSimulatorProcess, **others: object) -> dict[str, object]:
    provider.post("/quirks", vendors={"esp": {"account": {"auth": "oauth"}}})
    base = provider.url("esp")
    return {
        "url": f"{base}/messages",
        "allowed_networks": "127.0.0.0/8",
        "auth_type": "oauth2",
        "token_url": f"{base}/oauth/token",
        "client_id": "client",
        "client_secret": "simulator",
        "message_id_field": "id",
        **others,
    }


def test_the_credentials_of_an_e_mail_provider_are_checked_against_its_token_url(
    provider: HttpSimulatorProcess,
) -> None:
    found = try_settings(1, "esp", oauth(provider))
    assert found.is_usable, found.findings
    assert [one for one in found.findings if "gives a token" in one.text]
    assert provider.stats().messages == 0
    assert not Connection.objects.exists()


def test_wrong_credentials_stop_at_the_token_url_and_are_not_shown(provider: HttpSimulatorProcess) -> None:
    found = try_settings(1, "esp", oauth(provider, client_secret="mistaken-secret"), test_number="marie@example.org")
    assert not found.is_usable
    assert provider.stats().messages == 0
    assert not [one for one in found.findings if "mistaken-secret" in one.text]


def test_a_test_message_goes_out_as_typed_and_its_answer_is_shown(provider: HttpSimulatorProcess) -> None:
    found = try_settings(1, "esp", oauth(provider), test_number="marie@example.org", test_text=MAIL)
    assert found.is_usable, found.findings
    (sent,) = [one for one in found.exchanges if one.what == "test message"]
    assert "Hello" in sent.request
    assert "Authorization: Bearer •••" in sent.request
    assert '"accepted"' in sent.response
    assert provider.get("/messages")[0]["destination"] == "marie@example.org"


def test_settings_that_cannot_be_used_are_named() -> None:
    with pytest.raises(InvalidInput, match=r"settings\.url"):
        try_settings(1, "esp", {"url": "ftp://example.org"})
