"""Rows that keep secrets sealed: brought under the first of the keys, whatever kind of row they are."""

from collections.abc import Callable, Iterable
from typing import Any

from django.db import transaction

from chappe.engine.vault import Vault
from chappe.features.audit.following import subject_of
from chappe.features.audit.record import note


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
