"""What a form carries from one page to the next, secrets among it: sealed by the vault, so that no page shows them.

It opens for the person and the thing that it was sealed for, and for twelve hours.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field

import msgspec

from chappe.engine.vault import Sealed
from chappe.features.accounts.person import Person
from chappe.features.clock import now_ms
from chappe.features.connections.form_account import Asked
from chappe.features.connections.form_value import Typed
from chappe.features.sealed import process_vault

LONGEST_MS = 12 * 3_600_000


@dataclass(frozen=True)
class Draft:
    """`passed` is the mark of the settings that the last test found to work; "" where none did."""

    name: str = ""
    typed: Typed = field(default_factory=Typed)
    passed: str = ""
    asked: Asked = field(default_factory=Asked)

    @property
    def mark(self) -> str:
        """Tells settings apart."""
        return hashlib.sha256(msgspec.json.encode(self.typed.given, order="sorted")).hexdigest()

    @property
    def has_passed(self) -> bool:
        return self.passed == self.mark


class _Kept(msgspec.Struct):
    at_ms: int
    name: str
    values: dict[str, object]
    secrets: dict[str, str]
    passed: str
    operator: str = ""
    internal_name: str = ""


def seal(draft: Draft, person: Person, about: str) -> str:
    """`about` is what the form makes or changes: the kind of provider, or the connection."""
    asked = (draft.asked.operator, draft.asked.internal_name)
    kept = _Kept(now_ms(), draft.name, dict(draft.typed.values), dict(draft.typed.secrets), draft.passed, *asked)
    sealed = process_vault().encrypt({"draft": msgspec.json.encode(kept).decode()}, _place(person, about))
    return base64.urlsafe_b64encode(sealed).decode()


def unseal(text: str, person: Person, about: str) -> Draft | None:
    """None for what was sealed for somebody or something else, too long ago, or not by us."""
    try:
        opened = process_vault().decrypt(base64.urlsafe_b64decode(text), _place(person, about))
        kept = msgspec.json.decode(opened.get("draft", ""), type=_Kept)
    except (Sealed, binascii.Error, msgspec.DecodeError, ValueError):
        return None
    if kept.at_ms < now_ms() - LONGEST_MS:
        return None
    asked = Asked(kept.operator, kept.internal_name)
    return Draft(kept.name, Typed(kept.values, kept.secrets), kept.passed, asked)


def _place(person: Person, about: str) -> str:
    return f"organisation/{person.organisation_id}/person/{person.user.pk}/draft/{about}"
