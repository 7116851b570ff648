"""What the audit trail keeps of hooks: neither the token nor the secret of the proof, nor the sample of a call."""

from collections.abc import Mapping

from chappe.engine.vault import Sealed, hook_place
from chappe.features.audit.following import follow
from chappe.features.hooks.models import Hook
from chappe.features.sealed import process_vault


def _secrets(hook: Hook) -> Mapping[str, object]:
    try:
        secrets = process_vault().decrypt(bytes(hook.secrets), hook_place(hook.organisation_id, hook.pk))
    except Sealed:
        return {}
    return {f"proof.{name}": value for name, value in secrets.items()}


FIELDS = ("name", "kind", "connection_id", "sender_number", "keywords", "statuses", "proof", "is_enabled")

# A sample is a call as somebody got it: numbers and texts of people may be in it.
follow(Hook, kind="hook", fields=FIELDS, hidden=("token", "payload"), secrets={"secrets": _secrets})
