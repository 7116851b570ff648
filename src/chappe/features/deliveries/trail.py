"""What the audit trail keeps of deliveries: what they are made of. Which way they go, `services` notes step by step."""

from chappe.features.audit.following import follow
from chappe.features.deliveries.models import Delivery, ProofNumber

FIELDS = (
    *("label", "contact_list_id", "connection_id", "category", "sender", "body", "short_code", "validity_s"),
    *("options", "status"),
)

follow(Delivery, kind="delivery", fields=FIELDS)
follow(ProofNumber, kind="test_number", fields=("label",), hidden=("address",), name=lambda row: row.label)
