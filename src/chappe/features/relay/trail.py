"""What the audit trail keeps of other installations' accounts: no secret, and of an address nothing that could be one."""

from collections.abc import Mapping

from chappe.engine.vault import Sealed, relay_place
from chappe.features.audit.following import follow
from chappe.features.relay.models import RelayAccount
from chappe.features.sealed import process_vault


def _secret(row: RelayAccount) -> Mapping[str, object]:
    try:
        secrets = process_vault().decrypt(bytes(row.secrets), relay_place(row.organisation_id, row.connection_id))
    except Sealed:
        return {}
    return {"secret": secrets.get("current")}


def _shown_url(row: RelayAccount) -> str:
    return row.push_url.partition("?")[0]


follow(
    RelayAccount,
    kind="relay",
    fields=("operator", "allowed_networks"),
    read={"push_url": lambda row: {"url": _shown_url(row)}},
    secrets={"secrets": _secret, "push_url": lambda row: {"url.query": row.push_url.partition("?")[2]}},
    name=lambda row: row.operator,
)
