"""Secrets at rest: what opens them, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.engine.vault import Sealed, Vault, connection_place

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32
PLACE = connection_place(1, 7)
SECRETS = {"password": "s3cr3t-é", "token": ""}


@given(st.dictionaries(st.text(), st.text()))
def test_any_secrets_come_back_as_they_were(secrets: dict[str, str]) -> None:
    vault = Vault([NEW])
    assert vault.decrypt(vault.encrypt(secrets, PLACE), PLACE) == secrets


def test_the_sealed_octets_show_neither_the_secret_nor_its_name() -> None:
    sealed = Vault([NEW]).encrypt(SECRETS, PLACE)
    assert b"s3cr3t" not in sealed
    assert b"password" not in sealed


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    vault = Vault([NEW])
    assert vault.encrypt(SECRETS, PLACE) != vault.encrypt(SECRETS, PLACE)


def test_no_octets_are_no_secrets_and_need_no_rotation() -> None:
    vault = Vault([NEW])
    assert vault.decrypt(b"", PLACE) == {}
    assert not vault.needs_rotation(b"")


def test_an_old_key_still_opens_after_a_new_one_came_before_it() -> None:
    sealed = Vault([OLD]).encrypt(SECRETS, PLACE)
    assert Vault([NEW, OLD]).decrypt(sealed, PLACE) == SECRETS


def test_what_the_old_key_sealed_needs_rotation_until_it_was_rotated() -> None:
    sealed = Vault([OLD]).encrypt(SECRETS, PLACE)
    both = Vault([NEW, OLD])
    assert both.needs_rotation(sealed)
    rotated = both.rotate(sealed, PLACE)
    assert not both.needs_rotation(rotated)
    assert Vault([NEW]).decrypt(rotated, PLACE) == SECRETS


def test_rotating_twice_changes_nothing_the_second_time() -> None:
    sealed = Vault([NEW]).encrypt(SECRETS, PLACE)
    assert Vault([NEW, OLD]).rotate(sealed, PLACE) == sealed


def test_a_key_given_up_too_early_is_named_by_its_id() -> None:
    sealed = Vault([OLD]).encrypt(SECRETS, PLACE)
    key_id = sealed[1:9].hex()
    with pytest.raises(Sealed, match=key_id):
        Vault([NEW]).decrypt(sealed, PLACE)


@pytest.mark.parametrize("place", [connection_place(2, 7), connection_place(1, 8), ""])
def test_secrets_open_only_in_the_place_they_were_sealed_for(place: str) -> None:
    vault = Vault([NEW, OLD])
    with pytest.raises(Sealed):
        vault.decrypt(vault.encrypt(SECRETS, PLACE), place)
    with pytest.raises(Sealed):
        vault.rotate(Vault([OLD]).encrypt(SECRETS, PLACE), place)


def test_a_single_changed_bit_anywhere_keeps_the_secrets_closed() -> None:
    vault = Vault([NEW])
    sealed = vault.encrypt(SECRETS, PLACE)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(Sealed):
            vault.decrypt(bytes(changed), PLACE)


def test_octets_cut_short_anywhere_keep_the_secrets_closed() -> None:
    vault = Vault([NEW])
    sealed = vault.encrypt(SECRETS, PLACE)
    for length in range(1, len(sealed)):
        with pytest.raises(Sealed):
            vault.decrypt(sealed[:length], PLACE)


def test_the_secret_of_one_row_cannot_be_put_under_the_key_of_another() -> None:
    vault = Vault([NEW])
    first, second = vault.encrypt(SECRETS, PLACE), vault.encrypt({"password": "other"}, PLACE)
    with pytest.raises(Sealed):
        vault.decrypt(first[:69] + second[69:], PLACE)


def test_a_vault_shows_ids_and_no_key() -> None:
    assert repr(Vault([NEW])).count("n" * 8) == 0
    assert Vault([NEW]).encrypt({}, PLACE)[1:9].hex() in repr(Vault([NEW]))


def test_a_vault_without_keys_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="needs a key"):
        Vault([])
