"""Organisations and API keys."""

import re

import pytest
from tests.row import NOW_MS

from chappe.features.accounts import services
from chappe.features.accounts.models import ApiKey, Organisation
from chappe.features.refusal import Conflict, InvalidInput, NotFound

MINUTE_MS = 60_000


def test_two_organisations_cannot_have_one_name(organisation: Organisation) -> None:
    with pytest.raises(Conflict, match="Relais"):
        services.create_organisation("  Relais ", NOW_MS)
    assert Organisation.objects.count() == 1


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\0b"])
def test_a_name_must_be_a_name(database: str, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        services.create_organisation(name, NOW_MS)
    assert [error.field for error in caught.value.errors] == ["name"]


def test_an_organisation_is_found_by_its_name(organisation: Organisation) -> None:
    assert services.organisation_named("Relais") == organisation
    with pytest.raises(NotFound):
        services.organisation_named("relay")


def test_a_key_is_shown_once_and_kept_as_a_digest(organisation: Organisation) -> None:
    made = services.create_api_key(organisation, "shop", ["send"], NOW_MS)
    assert re.fullmatch(r"chp_[A-Za-z0-9_-]{32}", made.secret)
    kept = " ".join(str(value) for value in ApiKey.objects.values_list().get())
    assert made.secret not in kept
    assert made.secret not in repr(made)
    assert made.row.prefix == made.secret[:12]


def test_a_key_lets_its_organisation_in_with_its_scopes(organisation: Organisation) -> None:
    made = services.create_api_key(organisation, "shop", ["read", "send"], NOW_MS)
    found = services.authenticate(made.secret, NOW_MS)
    assert found is not None
    assert found.organisation_id == organisation.pk
    assert found.scopes == ["send", "read"]


@pytest.mark.parametrize("secret", ["", "chp_", "chp_" + "A" * 32, "\0", "\udc80"])
def test_another_key_lets_nobody_in(organisation: Organisation, secret: str) -> None:
    services.create_api_key(organisation, "shop", ["send"], NOW_MS)
    assert services.authenticate(secret, NOW_MS) is None


@pytest.mark.parametrize("scopes", [[], ["admin"], ["send", "admin"]])
def test_a_key_needs_scopes_that_exist(organisation: Organisation, scopes: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        services.create_api_key(organisation, "shop", scopes, NOW_MS)
    assert "send, read, manage" in caught.value.errors[0].message
    assert not ApiKey.objects.exists()


def test_a_revoked_key_lets_nobody_in_and_stays_in_the_list(organisation: Organisation) -> None:
    made = services.create_api_key(organisation, "shop", ["send"], NOW_MS)
    services.revoke_api_key(organisation.pk, made.row.pk, NOW_MS + 5)
    services.revoke_api_key(organisation.pk, made.row.pk, NOW_MS + 9)
    assert services.authenticate(made.secret, NOW_MS + 10) is None
    assert [key.revoked_ms for key in services.api_keys(organisation.pk)] == [NOW_MS + 5]


def test_a_stranger_cannot_revoke_a_key(organisation: Organisation) -> None:
    made = services.create_api_key(organisation, "shop", ["send"], NOW_MS)
    stranger = services.create_organisation("Another", NOW_MS)
    with pytest.raises(NotFound):
        services.revoke_api_key(stranger.pk, made.row.pk, NOW_MS)
    assert services.authenticate(made.secret, NOW_MS) is not None


def test_the_last_use_of_a_key_is_noted_at_most_once_a_minute(organisation: Organisation) -> None:
    made = services.create_api_key(organisation, "shop", ["send"], NOW_MS)

    def used_at(now_ms: int) -> int:
        services.authenticate(made.secret, now_ms)
        return ApiKey.objects.get().last_used_ms

    assert used_at(NOW_MS) == NOW_MS
    assert used_at(NOW_MS + MINUTE_MS - 1) == NOW_MS
    assert used_at(NOW_MS + MINUTE_MS) == NOW_MS + MINUTE_MS
