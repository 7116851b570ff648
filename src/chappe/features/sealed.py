"""What is kept sealed: the vault of this process, and rows brought under its first key, whatever kind they are."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from django.conf import settings
from django.db import transaction

from chappe.engine.vault import Vault
from chappe.features.audit.following import subject_of
from chappe.features.audit.record import note


@cache
def process_vault() -> Vault:
    """The vault of this process's keys."""
    return Vault(settings.CONFIGURATION.keys)


def rotate(vault: Vault, rows: Iterable[Any], place: Callable[[Any], str]) -> int:
    """Seal the `secrets` of these rows anew where an older key did; how many were. Raises Sealed where a key is missing.

    `place` is what a row's secrets are sealed for. Each row has a `version`, by which it is guarded: secrets that somebody
    writes meanwhile are under the first key already.
    """
    rotated = 0
    for row in rows:
        sealed = bytes(row.secrets)
        if sealed and vault.needs_rotation(sealed):
            same = type(row).objects.filter(pk=row.pk, version=row.version)
            with transaction.atomic():
                if same.update(secrets=vault.rotate(sealed, place(row))):
                    note(subject_of(row), "reseal")
                    rotated += 1
    return rotated
