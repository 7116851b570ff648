"""Second factors as they are kept: sealed by the installation's keys."""

from allauth.mfa.models import Authenticator
from django.db import transaction

from chappe.engine.vault import Vault

PLACE = "second-factor"
"""What they are sealed for: opened elsewhere, they stay closed."""
SEALED = ("secret", "seed")
"""The fields of an authenticator's data that hold a secret."""


def seal(vault: Vault, text: str) -> str:
    return vault.encrypt({"text": text}, PLACE).hex()


def unseal(vault: Vault, sealed: str) -> str:
    """Raises Sealed where no key opens it."""
    return vault.decrypt(bytes.fromhex(sealed), PLACE)["text"]


def rotate(vault: Vault) -> int:
    """Bring every second factor under the first key; how many were not. Raises Sealed where a key is missing."""
    rotated = 0
    for pk in list(Authenticator.objects.values_list("pk", flat=True)):
        with transaction.atomic():
            row = Authenticator.objects.select_for_update().filter(pk=pk).first()
            if row is not None and _resealed(vault, row.data):
                row.save(update_fields=["data"])
                rotated += 1
    return rotated


def _resealed(vault: Vault, data: dict[str, str]) -> bool:
    old = {name: bytes.fromhex(data[name]) for name in SEALED if data.get(name)}
    due = {name: sealed for name, sealed in old.items() if vault.needs_rotation(sealed)}
    data.update({name: vault.rotate(sealed, PLACE).hex() for name, sealed in due.items()})
    return bool(due)
