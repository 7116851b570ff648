"""What the audit trail keeps of callbacks: no secret, and of an address nothing that could be one."""

from collections.abc import Mapping

from chappe.engine.vault import Sealed, callback_place
from chappe.features.audit.following import follow
from chappe.features.callbacks.models import CallbackEndpoint
from chappe.features.sealed import process_vault


def _secret(row: CallbackEndpoint) -> Mapping[str, object]:
    try:
        secrets = process_vault().decrypt(bytes(row.secrets), callback_place(row.organisation_id, row.pk))
    except Sealed:
        return {}
    return {"secret": secrets.get("current")}


FIELDS = ("events", "allowed_networks", "is_enabled")

follow(
    CallbackEndpoint,
    kind="callback",
    fields=FIELDS,
    read={"url": lambda row: {"url": row.address}},
    secrets={"secrets": _secret, "url": lambda row: {"url.query": row.url.partition("?")[2]}},
    name=lambda row: row.address,
)
